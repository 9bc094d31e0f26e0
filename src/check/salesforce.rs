//! What Salesforce says to a configuration.

use super::{Finding, Severity, failed, finding};
use crate::config::Config;
use crate::config::field::FieldConfig;
use crate::config::sync::{CreateRule, DeleteRule};
use crate::daemon::Systems;
use crate::lead::Side;
use crate::mapping::find;
use crate::salesforce::events::can_subscribe;
use crate::salesforce::{Identity, Rights};
use crate::side::{FieldRole, NativeField};

/// Gives the fields of a lead as well, as far as they are known.
pub(super) async fn check(config: &Config, systems: &Systems) -> (Vec<Finding>, Vec<NativeField>) {
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
        Err(error) => return (vec![failed("salesforce", &error)], Vec::new()),
    }
    let (rights, described) = match systems.salesforce.describe_lead().await {
        Ok(described) => described,
        Err(error) => {
            findings.push(failed("salesforce", &error));
            return (findings, Vec::new());
        }
    };
    findings.extend(may(config, rights));
    findings.push(external_id(config, &described));
    for field in &config.fields {
        findings.extend(field.native.salesforce.iter().flat_map(|name| mapped_field(field, name, &described)));
    }
    findings.extend(required(config, &described));
    findings.extend(filter(config, systems).await);
    findings.extend(change_events(config, systems).await);
    (findings, described)
}

/// Whether the user may do with leads what the configuration has it do.
fn may(config: &Config, rights: Rights) -> Vec<Finding> {
    let creates = matches!(config.sync.create, CreateRule::Both | CreateRule::ToSalesforce);
    let edits = config.fields.iter().any(|field| field.direction.writes_to(Side::Salesforce));
    let deletes = config.sync.delete == DeleteRule::Propagate;
    let mut findings = Vec::new();
    for (needed, granted, key, verb, instead) in [
        (creates, rights.create, "sync.create", "create", "write create = \"to_operate\""),
        (edits, rights.edit, "fields", "edit", "write direction = \"to_operate\" for every field"),
        (deletes, rights.delete, "sync.delete", "delete", "write delete = \"ignore\""),
    ] {
        if needed && !granted {
            let help = format!("give the integration user's permission set the right to {verb} Leads, or {instead}");
            findings.push(finding(Severity::Error, key, format!("this user may not {verb} Leads"), Some(&help)));
        }
    }
    if deletes && rights.delete {
        let found = "deletes are carried across, and this user may delete Leads (of other owners only as sharing rules allow)";
        findings.push(finding(Severity::Ok, "sync.delete", found, None));
    }
    findings
}

/// Whether the org understands the filter.
async fn filter(config: &Config, systems: &Systems) -> Option<Finding> {
    let about = "salesforce.filter";
    if config.salesforce.filter.trim().is_empty() {
        return None;
    }
    Some(match systems.salesforce.count().await {
        Ok(0) => finding(Severity::Warning, about, "no lead meets it, so none takes part", Some("check the condition")),
        Ok(count) => finding(Severity::Ok, about, format!("{count} lead(s) take part"), None),
        Err(error) => {
            let help =
                "it stands in brackets after WHERE in a query of Leads: write it as in SOQL, and name fields by their API names";
            finding(Severity::Error, about, error.to_string(), Some(help))
        }
    })
}

/// Whether change events can be subscribed to, where they are wanted.
async fn change_events(config: &Config, systems: &Systems) -> Option<Finding> {
    let about = "salesforce.change_events";
    let wanted = config.salesforce.change_events.as_ref()?;
    Some(match can_subscribe(&systems.salesforce, wanted).await {
        Ok(()) => finding(Severity::Ok, about, format!("{} can be subscribed to", wanted.channel), None),
        Err((problem, advice)) => {
            let help = advice
                .unwrap_or("let this address be reached over HTTPS, and its certificate be trusted; polls go on without it");
            finding(Severity::Error, about, problem, Some(help))
        }
    })
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

fn mapped_field(field: &FieldConfig, name: &str, described: &[NativeField]) -> Vec<Finding> {
    let about = format!("fields.{}", field.name);
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
            field.native.salesforce.iter().any(|name| name.eq_ignore_ascii_case(&native.name))
                && field.direction.writes_to(Side::Salesforce)
        });
        let found = match mapped {
            Some(field)
                if field.default.salesforce.is_some() || field.native.operate.iter().any(|name| always_filled(config, name)) =>
            {
                continue;
            }
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
