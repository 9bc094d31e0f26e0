//! What both live systems say to a configuration. Nothing is written.

use std::fmt;

use serde::Serialize;

use crate::config::Config;
use crate::config::field::FieldConfig;
use crate::config::sync::DeleteRule;
use crate::daemon::Systems;
use crate::lead::Side;
use crate::mapping::find;
use crate::salesforce::Identity;
use crate::side::{FieldRole, NativeField, SideClient as _, SideError};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It is as it should be.
    Ok,
    /// Some leads will wait for a person, or something is less good than it could be.
    Warning,
    /// It will not work.
    Error,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it concerns: a key of the configuration, or a field's name.
    pub about: String,
    /// What was found.
    pub found: String,
    /// What to do.
    pub remedy: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Ok => "ok",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{word:<8} {}: {}", self.about, self.found)?;
        if let Some(remedy) = &self.remedy {
            write!(f, "\n         help: {remedy}")?;
        }
        Ok(())
    }
}

fn finding(severity: Severity, about: impl Into<String>, found: impl Into<String>, remedy: Option<&str>) -> Finding {
    Finding { severity, about: about.into(), found: found.into(), remedy: remedy.map(str::to_owned) }
}

fn failed(about: &str, error: &SideError) -> Finding {
    finding(Severity::Error, about, error.to_string(), Some("mend this first: what depends on it was not checked"))
}

/// Signs in to both systems, and compares the configuration with what they say of themselves.
pub async fn live(config: &Config) -> Vec<Finding> {
    let systems = match Systems::of(config) {
        Ok(systems) => systems,
        Err(error) => return vec![failed("configuration", &error)],
    };
    let mut findings = operate(config, &systems).await;
    findings.extend(salesforce(config, &systems).await);
    findings
}

/// Operate describes nothing: one query shows that the sign-in works and that every field can be read.
async fn operate(config: &Config, systems: &Systems) -> Vec<Finding> {
    let mut findings = Vec::new();
    match systems.operate.probe().await {
        Ok(probe) => {
            findings.push(finding(Severity::Ok, "operate", format!("signed in at {}", config.operate.base_url), None));
            for name in probe.missing {
                let help = "check the spelling: Operate's names are matched to the letter";
                findings.push(finding(
                    Severity::Warning,
                    "operate",
                    format!("no lead that was read has a field {name}"),
                    Some(help),
                ));
            }
            if let Some(ahead) = probe.newest_ahead {
                let found = format!("the newest lead was modified {} minutes in the future", ahead.num_minutes());
                let help = "check operate.timezone: it must be the workspace's own";
                findings.push(finding(Severity::Error, "operate.timezone", found, Some(help)));
            }
        }
        Err(error) => findings.push(failed("operate", &error)),
    }
    for field in &config.operate.required_fields {
        let given =
            config.fields.iter().find(|mapped| mapped.native.operate == *field && mapped.direction.writes_to(Side::Operate));
        let found = match given {
            Some(mapped) if mapped.default.operate.is_some() => continue,
            Some(_) => format!("Operate makes no lead without {field}, and a Salesforce lead may have none"),
            None => format!("Operate makes no lead without {field}, and no field of the mapping gives it"),
        };
        let help = "give the field a default = { operate = … }; without one such leads wait for a person";
        findings.push(finding(Severity::Warning, "operate.required_fields", found, Some(help)));
    }
    findings
}

async fn salesforce(config: &Config, systems: &Systems) -> Vec<Finding> {
    let mut findings = Vec::new();
    match systems.salesforce.identity().await {
        Ok(Identity { user, organization, problem }) => {
            findings.push(finding(Severity::Ok, "salesforce", format!("signed in as {user} of the org {organization}"), None));
            if let Some(problem) = problem {
                let help = "nothing depends on it: only the user's name is not told. The app's scopes (openid, id) or policies may be why";
                findings.push(finding(
                    Severity::Warning,
                    "salesforce",
                    format!("/services/oauth2/userinfo: {problem}"),
                    Some(help),
                ));
            }
        }
        Err(error) => return vec![failed("salesforce", &error)],
    }
    let described = match systems.salesforce.describe().await {
        Ok(Some(described)) => described,
        Ok(None) => return findings,
        Err(error) => {
            findings.push(failed("salesforce", &error));
            return findings;
        }
    };
    findings.push(external_id(config, &described));
    for field in &config.fields {
        findings.extend(mapped_field(field, &described));
    }
    findings.extend(required(config, &described));
    if config.sync.delete == DeleteRule::Propagate {
        let help = "the integration user needs the right to delete Leads: describe does not tell it";
        findings.push(finding(Severity::Warning, "sync.delete", "deletes are carried across", Some(help)));
    }
    findings.extend(budget(config, systems));
    findings
}

fn external_id(config: &Config, described: &[NativeField]) -> Finding {
    let (about, name) = ("salesforce.external_id_field", &config.salesforce.external_id_field);
    match find(described, name) {
        None => {
            let help = "make a text field of 18 characters on Lead, External ID and Unique, and give the integration user the right to edit it";
            finding(Severity::Error, about, format!("Lead has no field {name} that this user may see"), Some(help))
        }
        Some(field) if field.role != FieldRole::Key => {
            let help = "tick External ID and Unique in the field's definition: without them a create is not safe to repeat";
            finding(Severity::Error, about, format!("{name} is not both External ID and Unique"), Some(help))
        }
        Some(field) if !field.writable => {
            let help = "give the integration user the right to edit it (field-level security)";
            finding(Severity::Error, about, format!("this user may not write {name}"), Some(help))
        }
        Some(_) => finding(Severity::Ok, about, format!("{name} is an External ID, Unique, and may be written"), None),
    }
}

fn mapped_field(field: &FieldConfig, described: &[NativeField]) -> Vec<Finding> {
    let (about, name) = (format!("fields.{}", field.name), &field.native.salesforce);
    let Some(native) = find(described, name) else {
        let help = "check the API name; if it is right, give the integration user the right to see the field";
        return vec![finding(Severity::Error, about, format!("Lead has no field {name} that this user may see"), Some(help))];
    };
    let mut findings = Vec::new();
    let written = field.direction.writes_to(Side::Salesforce);
    if written && !native.writable {
        let help = "give the integration user the right to edit it, or write direction = \"to_operate\"";
        findings.push(finding(Severity::Error, about.clone(), format!("this user may not write {name}"), Some(help)));
    }
    if field.kind_is_given
        && field.values.is_empty()
        && let Some(kind) = native.kind.filter(|kind| *kind != field.kind)
    {
        let found =
            format!("{name} is a {} in Salesforce, and the mapping takes it for {}", native.native_type, field.kind.as_str());
        let help = format!("write type = \"{}\", or leave the type out", kind.as_str());
        findings.push(finding(Severity::Error, about.clone(), found, Some(&help)));
    }
    for row in field.values.iter().filter(|_| !native.values.is_empty()) {
        let value = &row.native.salesforce;
        if !native.values.contains(value) {
            let (severity, help) = if native.restricted && written && row.direction.writes_to(Side::Salesforce) {
                (Severity::Error, "add the value to the picklist, or correct the row: leads with it would be refused")
            } else {
                (Severity::Warning, "check the spelling: a picklist that is not restricted takes any value silently")
            };
            let found = format!("the picklist {name} has no value {value:?}");
            findings.push(finding(severity, about.clone(), found, Some(help)));
        }
    }
    findings
}

/// Fields that Salesforce makes no lead without.
fn required(config: &Config, described: &[NativeField]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for native in described.iter().filter(|native| native.required) {
        let mapped = config.fields.iter().find(|field| {
            field.native.salesforce.eq_ignore_ascii_case(&native.name) && field.direction.writes_to(Side::Salesforce)
        });
        let found = match mapped {
            Some(field) if field.default.salesforce.is_some() || always_filled(config, &field.native.operate) => continue,
            Some(_) => format!("Salesforce makes no lead without {}, and an Operate lead may have none", native.name),
            None => format!("Salesforce makes no lead without {}, and no field of the mapping gives it", native.name),
        };
        let help = "give the field a default = { salesforce = … }; without one such leads wait for a person";
        findings.push(finding(Severity::Warning, "fields", found, Some(help)));
    }
    findings
}

/// Whether every Operate lead has a value in this field.
fn always_filled(config: &Config, name: &str) -> bool {
    // Operate's reference names this one as the least that a lead needs.
    name == "leadname" || config.operate.required_fields.iter().any(|required| required == name)
}

fn budget(config: &Config, systems: &Systems) -> Option<Finding> {
    let usage = systems.salesforce.usage()?;
    let share = config.salesforce.daily_request_share;
    let found = format!(
        "the org allows {} requests in 24 hours and has used {}; leadsync may make the share {share} of them",
        usage.limit, usage.used
    );
    Some(finding(Severity::Ok, "salesforce.daily_request_share", found, None))
}
