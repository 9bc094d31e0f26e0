//! `undo`: plans, shows and applies the reverse of what the daemon wrote.

use std::io::{IsTerminal as _, Write as _};

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta, Utc};

use super::{Ended, Failure, Report, System, output};
use crate::config::Config;
use crate::lead::Side;
use crate::store::{Store, Undone, stamp};
use crate::undo::{Plan, plan};

/// What `undo` takes.
#[derive(Debug, clap::Args)]
pub struct Undo {
    /// The number of a write, as `leadsync show` tells it.
    #[arg(required_unless_present = "since", conflicts_with = "since")]
    pub push: Option<i64>,
    /// All writes since then: 2026-11-24, 2026-11-24T10:30:00Z (UTC), or so long ago: 90m, 6h, 2d.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<DateTime<Utc>>,
    /// Only what was written to this side.
    #[arg(long, value_enum, requires = "since")]
    pub side: Option<System>,
    /// Apply it without a question.
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,
    /// Only show it.
    #[arg(long)]
    pub dry_run: bool,
    /// As JSON; implies no question.
    #[command(flatten)]
    pub report: Report,
}

pub(super) async fn undo(config: &Config, wanted: Undo) -> Result<Ended, Failure> {
    let store = Store::open_existing(&config.store).await?;
    let (undone, subject) = match (wanted.push, wanted.since) {
        (Some(push), _) => (Undone::Push(push), format!("push {push}")),
        (None, since) => {
            let since = since.unwrap_or_default();
            let side = wanted.side.map(Side::from);
            let of_side = side.map(|side| format!(" to {side}")).unwrap_or_default();
            (Undone::Since(since, side), format!("writes{of_side} since {}", stamp(since)))
        }
    };
    let written = store.written(undone).await?;
    if let (Some(push), true) = (wanted.push, written.is_empty()) {
        let problem =
            format!("no write {push} took effect that is not reversed already; `leadsync show ID` tells the writes to a lead");
        return Err(Failure::Other(problem));
    }
    let planned = plan(&written);
    if wanted.report.json {
        output::json(&planned)?;
    } else {
        show(&planned);
    }
    if planned.reverses.is_empty() {
        return Ok(Ended::Done);
    }
    let apply = !wanted.dry_run && (wanted.yes || (!wanted.report.json && agreed(planned.reverses.len())));
    if !apply {
        output::remark("nothing was changed; --yes applies it");
        return Ok(Ended::Waits);
    }
    let made = store.undo(&planned.reverses, &subject, Utc::now()).await?;
    output::remark(format!("{made} write(s) are due: the next cycle sends each of them, unless somebody edits its fields first"));
    let moved = planned.reverses.len() as u64 - made;
    if moved > 0 {
        output::remark(format!("{moved} lead(s) changed meanwhile and were left alone: run it again to see them"));
    }
    if let Some(held) = store.status(Utc::now()).await?.held {
        output::remark(format!("writes are held: {held}"));
    }
    Ok(Ended::Done)
}

fn show(planned: &Plan) {
    for reverse in &planned.reverses {
        let what = if reverse.delete { "delete" } else { "update" };
        output::line(format!("{what} {} lead {} (reverses write {})", reverse.side, reverse.lead_id, reverse.undoes));
        for (name, back) in &reverse.fields {
            output::line(format!("    {name:<16} {} -> {}", output::value(&back.now), output::value(&back.then)));
        }
    }
    for left in &planned.left {
        let field = left.field.as_ref().map(|field| format!(" {field}")).unwrap_or_default();
        let lead = output::id(left.lead_id.as_ref());
        output::line(format!("left alone: write {}{field} of lead {lead}: {}", left.push_id, left.reason));
    }
    let fields: usize = planned.reverses.iter().map(|reverse| reverse.fields.len()).sum();
    let deletes = planned.reverses.iter().filter(|reverse| reverse.delete).count();
    output::line(format!(
        "{} lead(s) to write: {fields} field(s) go back, {deletes} lead(s) that were created are deleted; {} left alone",
        planned.reverses.len(),
        planned.left.len()
    ));
}

/// Asks on a terminal; in a pipe nobody agrees.
fn agreed(leads: usize) -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    let mut errors = std::io::stderr();
    let _ = write!(errors, "write to {leads} lead(s)? [y/N] ").and_then(|()| errors.flush());
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "yes")
}

/// A moment in UTC, or so long ago.
fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    let text = text.trim();
    let ago = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let number: i64 = number.parse().ok().filter(|number| *number > 0)?;
        let ago = match unit {
            "m" => TimeDelta::try_minutes(number),
            "h" => TimeDelta::try_hours(number),
            "d" => TimeDelta::try_days(number),
            _ => None,
        }?;
        Utc::now().checked_sub_signed(ago)
    };
    let written = || {
        let offset = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
        let formats = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
        let plain = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
        let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
        offset.ok().or_else(|| Some(plain.or_else(day)?.and_utc()))
    };
    written().or_else(ago).ok_or_else(|| {
        format!(
            "`{text}` is no time: write a date, 2026-11-24T10:30:00Z (UTC unless it says otherwise), or how long ago: 90m, 6h, 2d"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_or_so_long_ago() {
        for (text, expected) in [
            ("2026-11-24", "2026-11-24T00:00:00.000Z"),
            ("2026-11-24 10:30", "2026-11-24T10:30:00.000Z"),
            ("2026-11-24T10:30:05", "2026-11-24T10:30:05.000Z"),
            ("2026-11-24T10:30:00+02:00", "2026-11-24T08:30:00.000Z"),
        ] {
            assert_eq!(moment(text).map(stamp).as_deref(), Ok(expected));
        }
        let ago = moment("90m").map(|time| (Utc::now() - time).num_minutes());
        assert_eq!(ago, Ok(90));
        for wrong in ["", "m", "-5m", "0h", "yesterday", "24/11/2026", "999999999999999999d"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
