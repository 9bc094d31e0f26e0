//! Whether Operate's modified times behave: the lead that was modified last is looked for once more, by that very time.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Finding, Severity, failed, finding};
use crate::config::Config;
use crate::daemon::Systems;

/// Clocks that differ by less are taken for right.
const SLACK: TimeDelta = TimeDelta::minutes(5);

/// `newest` is the lead that was modified last, as a first read had it.
pub(super) async fn check(config: &Config, systems: &Systems, newest: Option<&(DateTime<Utc>, String)>) -> Vec<Finding> {
    let Some((modified_at, id)) = newest else { return Vec::new() };
    let (operate, about) = (&config.operate, "operate.modified_field");
    let mut findings: Vec<Finding> = ahead(config, *modified_at).into_iter().collect();
    let found = match systems.operate.modified_since(*modified_at).await {
        Ok(found) => found,
        Err(error) => {
            findings.push(failed(about, &error));
            return findings;
        }
    };
    let again = found.iter().find(|lead| lead.id == *id);
    findings.push(match again.map(|lead| lead.modified_at) {
        None => {
            let found = format!(
                "lead {id} says that it was modified at {}, and a query for what was modified since then does not find it",
                modified_at.with_timezone(&operate.timezone).format(&operate.timestamp_format)
            );
            let help = format!(
                "check operate.timezone ({}), operate.modified_field ({}) and operate.timestamp_format ({}): polls would miss changes",
                operate.timezone, operate.modified_field, operate.timestamp_format
            );
            finding(Severity::Error, about, found, Some(&help))
        }
        Some(again) if again != Some(*modified_at) => {
            let found = format!("lead {id} has another {} than a moment ago", operate.modified_field);
            let help = "run check again. If it says so each time, the field changes when a lead is read: name another as operate.modified_field";
            finding(Severity::Warning, about, found, Some(help))
        }
        Some(_) => {
            let found = format!("every lead has a {}, and the newest one is found again by it", operate.modified_field);
            finding(Severity::Ok, about, found, None)
        }
    });
    findings
}

/// A time that has not come yet: the workspace's clock is ahead of what the configuration takes it for.
fn ahead(config: &Config, modified_at: DateTime<Utc>) -> Option<Finding> {
    let ahead = Some(modified_at - Utc::now()).filter(|ahead| *ahead > SLACK)?;
    // The newest lead may be some minutes old.
    let hours = (ahead.num_minutes() + 59) / 60;
    let found = format!("the newest lead was modified {} minutes in the future", ahead.num_minutes());
    let help = format!(
        "check operate.timezone: it must be the workspace's own, whose clock is at least {hours} hour(s) ahead of {}",
        config.operate.timezone
    );
    Some(finding(Severity::Error, "operate.timezone", found, Some(&help)))
}
