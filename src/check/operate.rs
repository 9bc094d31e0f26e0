//! What Operate says to a configuration.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Severity, failed, finding};
use crate::config::Config;
use crate::daemon::Systems;
use crate::lead::Side;

/// The values that leads hold, by field.
pub(super) type Seen = BTreeMap<String, BTreeSet<String>>;

/// Operate describes nothing: one query shows that the sign-in works and that every field can be read.
/// Gives what leads hold in fields that refer to a list, too.
pub(super) async fn check(config: &Config, systems: &Systems) -> (Vec<Finding>, Seen) {
    let (mut findings, mut seen) = (Vec::new(), Seen::new());
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
            seen = probe.references;
        }
        Err(error) => findings.push(failed("operate", &error)),
    }
    for field in &config.operate.required_fields {
        let given = config
            .fields
            .iter()
            .find(|mapped| mapped.native.operate.contains(field) && mapped.direction.writes_to(Side::Operate));
        let found = match given {
            Some(mapped) if mapped.default.operate.is_some() => continue,
            Some(_) => format!("Operate makes no lead without {field}, and a Salesforce lead may have none"),
            None => format!("Operate makes no lead without {field}, and no field of the mapping gives it"),
        };
        let help = "give the field a default = { operate = … }; without one such leads wait for a person";
        findings.push(finding(Severity::Warning, "operate.required_fields", found, Some(help)));
    }
    (findings, seen)
}
