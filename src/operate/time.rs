//! Operate's timestamps: whole seconds in the workspace's own time zone, without an offset.

use chrono::offset::LocalResult;
use chrono::{DateTime, NaiveDateTime, Offset as _, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

use crate::lead::{is_writable, writable};

/// Clocks are never set back further than this, nor by steps closer to each other.
const LONGEST_STEP: TimeDelta = TimeDelta::hours(3);

/// Reads and writes timestamps.
#[derive(Debug, Clone)]
pub(super) struct LocalTime {
    pub(super) zone: Tz,
    pub(super) format: String,
}

impl LocalTime {
    /// Reads a timestamp. In the hour that is repeated in autumn it is taken for the earlier moment, so that a poll reads
    /// too much rather than too little.
    pub(super) fn parse(&self, text: &str) -> Option<DateTime<Utc>> {
        let text = text.trim();
        let time = match DateTime::parse_from_rfc3339(text) {
            Ok(with_offset) => with_offset.to_utc(),
            Err(_) => self.parse_local(text)?,
        };
        writable(time).filter(|time| is_writable(time.with_timezone(&self.zone).date_naive()))
    }

    fn parse_local(&self, text: &str) -> Option<DateTime<Utc>> {
        let local = NaiveDateTime::parse_from_str(text, &self.format).ok()?;
        match self.zone.from_local_datetime(&local) {
            LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(time.to_utc()),
            // In the hour that spring leaves out: a clock that was not yet set forward.
            LocalResult::None => {
                let before = self.zone.from_local_datetime(&local.checked_sub_signed(LONGEST_STEP)?).earliest()?;
                before.to_utc().checked_add_signed(LONGEST_STEP)
            }
        }
    }

    /// The timestamp of a moment.
    pub(super) fn stamp(&self, time: DateTime<Utc>) -> String {
        time.with_timezone(&self.zone).format(&self.format).to_string()
    }

    /// A timestamp that every lead changed before this moment is below: when clocks were set back shortly before it, timestamps ran
    /// higher than they do now.
    pub(super) fn upper_bound(&self, time: DateTime<Utc>) -> String {
        let offset = |time: DateTime<Utc>| self.zone.offset_from_utc_datetime(&time.naive_utc()).fix().local_minus_utc();
        let set_back = (offset(time - LONGEST_STEP) - offset(time)).max(0);
        self.stamp(time + TimeDelta::seconds(set_back.into()))
    }

    /// A timestamp that no lead changed at or after this moment is below. When clocks are set back soon after it, timestamps
    /// run through an hour again, so the bound starts that much earlier.
    pub(super) fn lower_bound(&self, time: DateTime<Utc>) -> String {
        let offset = |time: DateTime<Utc>| self.zone.offset_from_utc_datetime(&time.naive_utc()).fix().local_minus_utc();
        let set_back = (offset(time) - offset(time + LONGEST_STEP)).max(0);
        self.stamp(time - TimeDelta::seconds(set_back.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn london() -> LocalTime {
        LocalTime { zone: Tz::Europe__London, format: "%Y-%m-%d %H:%M:%S".to_owned() }
    }

    fn utc(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).unwrap_or_default()
    }

    #[test]
    fn summer_time_is_one_hour_ahead() {
        assert_eq!(london().parse("2026-07-01 12:00:00"), Some(utc("2026-07-01T11:00:00Z")));
        assert_eq!(london().stamp(utc("2026-07-01T11:00:00Z")), "2026-07-01 12:00:00");
    }

    #[test]
    fn nothing_changed_around_the_end_of_summer_time_is_below_the_bound() {
        let london = london();
        // Clocks go from 02:00 back to 01:00 at 01:00 UTC on 25 October 2026.
        let start = utc("2026-10-24T22:00:00Z");
        for minute in 0..360 {
            let bound = london.lower_bound(start + TimeDelta::minutes(minute));
            for later in minute..360 {
                let stamp = london.stamp(start + TimeDelta::minutes(later));
                assert!(stamp >= bound, "{stamp} is below {bound}");
            }
        }
    }

    #[test]
    fn nothing_changed_before_the_end_of_summer_time_is_above_the_bound() {
        let london = london();
        let start = utc("2026-10-24T22:00:00Z");
        for minute in 1..360 {
            let bound = london.upper_bound(start + TimeDelta::minutes(minute));
            for earlier in 0..minute {
                let stamp = london.stamp(start + TimeDelta::minutes(earlier));
                assert!(stamp < bound, "{stamp} is not below {bound}");
            }
        }
    }

    #[test]
    fn a_time_that_cannot_be_reckoned_with_is_none() {
        for text in ["+262142-12-31 23:59:59", "-262143-01-01 00:00:00", "+12026-01-01 00:00:00", "9999-12-31T23:59:59-12:00"] {
            assert_eq!(london().parse(text), None, "{text}");
        }
        assert_eq!(
            london().parse("0001-01-01 00:00:00").map(|time| london().stamp(time)).as_deref(),
            Some("0001-01-01 00:00:00")
        );
    }

    #[test]
    fn a_time_that_spring_leaves_out_is_still_read() {
        assert_eq!(london().parse("2026-03-29 01:30:00"), Some(utc("2026-03-29T01:30:00Z")));
    }
}
