//! Whether the schedule fits into the share of the org's requests, and what its duplicate rules will do.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Finding, Severity, finding};
use crate::config::Config;
use crate::config::salesforce::DuplicateRule;
use crate::daemon::Systems;
use crate::schedule::Schedule;
use crate::side::{SideClient as _, SideError};

/// So many moments are counted; of a denser schedule the rest is reckoned.
const COUNTED: u32 = 2_000;
/// Requests of a poll that finds nothing new, and of a sweep.
const POLL: u64 = 1;
const SWEEP: u64 = 2;
/// From this part of the share on polls come less often.
const THRIFT: f64 = 0.8;

pub(super) fn requests(config: &Config, systems: &Systems) -> Option<Finding> {
    let usage = systems.salesforce.usage()?;
    let share = config.salesforce.daily_request_share;
    let polls = a_day(&config.schedule.poll, Utc::now());
    let needed = polls * POLL + a_day(&config.schedule.sweep, Utc::now()) * SWEEP;
    let number = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let allowed = number(usage.limit) * share;
    let found = format!(
        "the org allows {} requests in 24 hours and has used {}; leadsync may make the share {share} of them, and this schedule \
         makes {needed} with nothing to do, beside one for each 25 to 200 leads that change",
        usage.limit, usage.used
    );
    let about = "salesforce.daily_request_share";
    if number(needed) <= allowed * THRIFT {
        return Some(finding(Severity::Ok, about, found, None));
    }
    let seconds = (86_400.0 / (allowed * THRIFT).max(1.0)).ceil();
    let help = format!(
        "let schedule.poll come every {seconds:.0} seconds or less often, or raise the share: else polls slow down by themselves"
    );
    Some(finding(Severity::Warning, "schedule.poll", found, Some(&help)))
}

/// How often a cron expression comes in a day.
fn a_day(expression: &str, start: DateTime<Utc>) -> u64 {
    let Ok(schedule) = Schedule::parse(expression) else { return 0 };
    let Some(first) = schedule.next(start) else { return 0 };
    let (mut at, mut count) = (first, 1_u32);
    // The day begins with the first moment, and the same moment of the next day is no part of it.
    while let Some(next) = schedule.next(at).filter(|next| *next - first < TimeDelta::days(1)) {
        at = next;
        count += 1;
        if count > COUNTED {
            let passed = (at - first).num_milliseconds().max(1);
            return u64::try_from(i64::from(COUNTED) * TimeDelta::days(1).num_milliseconds() / passed).unwrap_or_default();
        }
    }
    count.into()
}

pub(super) async fn duplicates(config: &Config, systems: &Systems) -> Finding {
    let about = "salesforce.duplicates";
    let rules = match systems.salesforce.duplicate_rules().await {
        Ok(rules) => rules,
        Err(error) => {
            let hidden = matches!(&error, SideError::Refused { reason, .. } if reason.starts_with("INVALID_TYPE"));
            let why = if hidden { "this user may not see them".to_owned() } else { error.to_string() };
            let found = format!("the org's duplicate rules could not be looked at: {why}");
            return finding(Severity::Ok, about, found, Some("ask an administrator which duplicate rules for leads are active"));
        }
    };
    if rules.is_empty() {
        return finding(Severity::Ok, about, "the org has no active duplicate rule for leads", None);
    }
    let names: Vec<String> = rules.iter().map(|rule| format!("{} ({})", rule.label, rule.name)).collect();
    let found = |what: &str| format!("{} active duplicate rule(s) for leads: {}. {what}", names.len(), names.join(", "));
    match config.salesforce.duplicates {
        DuplicateRule::Park => {
            let help =
                "that may be as it should be; else write duplicates = \"link\" (with the lead that the rule names) or \"save\"";
            finding(Severity::Warning, about, found("A new lead that one takes for another waits for a person"), Some(help))
        }
        DuplicateRule::Link => finding(Severity::Ok, about, found("A new lead is linked with the one that they name"), None),
        DuplicateRule::Save => {
            finding(Severity::Ok, about, found("New leads are saved all the same, where a rule does not block that"), None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_a_day_are_counted_and_dense_ones_reckoned() {
        let start = DateTime::from_timestamp(1_800_057_600, 500_000_000).unwrap_or_default();
        for (expression, expected) in
            [("*/30 * * * * *", 2_880), ("* * * * * *", 86_400), ("0 */5 * * * *", 288), ("0 0 3 * * *", 1), ("nonsense", 0)]
        {
            assert_eq!(a_day(expression, start), expected, "{expression}");
        }
    }
}
