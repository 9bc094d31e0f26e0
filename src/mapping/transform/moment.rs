//! Days and moments in formats of the configuration.

use std::fmt::{Display, Write as _};

use chrono::format::{Item, Numeric, StrftimeItems};
use chrono::{DateTime, Datelike as _, LocalResult, NaiveDate, NaiveDateTime, TimeZone as _, Timelike as _, Utc};
use chrono_tz::Tz;

use crate::lead::{is_writable, writable};

/// The first year that nobody can have meant by two or three digits.
const FULL_YEARS: i32 = 1_000;

/// Days that a format must keep: of all parts of a year, in several centuries, on a leap day.
const DAYS: [(i32, u32, u32); 6] = [(2031, 12, 28), (1999, 1, 2), (2000, 2, 29), (1931, 11, 9), (2069, 5, 31), (1970, 10, 10)];
/// Times that a format must keep: in the morning, at midnight, and after noon.
const TIMES: [(u32, u32); 6] = [(17, 48), (0, 0), (9, 5), (12, 0), (23, 59), (11, 30)];

/// Reads a day.
pub fn read_date(format: &str, text: &str) -> Option<NaiveDate> {
    let day = NaiveDate::parse_from_str(text, format).ok().filter(|day| is_writable(*day))?;
    (day.year() >= FULL_YEARS || write_date(format, day).as_deref() == Some(text)).then_some(day)
}

/// Writes a day.
pub fn write_date(format: &str, day: NaiveDate) -> Option<String> {
    spelt(day.format(format))
}

/// Reads a local time of a zone. Of an hour that clocks repeat, the first is meant; one that they skip is no time.
pub fn read_moment(format: &str, zone: Tz, text: &str) -> Option<DateTime<Utc>> {
    let local = NaiveDateTime::parse_from_str(text, format).ok()?;
    if local.year() < FULL_YEARS && spelt(local.format(format)).as_deref() != Some(text) {
        return None;
    }
    match zone.from_local_datetime(&local) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => writable(time.to_utc().with_nanosecond(0)?),
        LocalResult::None => None,
    }
}

/// Writes a moment as a local time of a zone.
pub fn write_moment(format: &str, zone: Tz, moment: DateTime<Utc>) -> Option<String> {
    spelt(moment.with_timezone(&zone).naive_local().format(format))
}

/// How much of what is written in a format is read back as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Everything.
    All,
    /// Not everything.
    Some,
    /// Nothing: it is no format, or not one for this.
    None,
}

/// How much of the days is kept.
#[must_use]
pub fn days_kept(format: &str) -> Kept {
    kept(format, days(), |day| write_date(format, *day).is_some_and(|text| read_date(format, &text) == Some(*day)))
}

/// How much of the moments at whole minutes is kept.
#[must_use]
pub fn moments_kept(format: &str) -> Kept {
    kept(format, moments(), |moment| {
        let written = write_moment(format, Tz::UTC, *moment);
        written.is_some_and(|text| read_moment(format, Tz::UTC, &text) == Some(*moment))
    })
}

fn kept<T>(format: &str, samples: impl Iterator<Item = T>, is_kept: impl Fn(&T) -> bool) -> Kept {
    // Seconds since 1970 are not a local time.
    if StrftimeItems::new(format).any(|item| matches!(item, Item::Numeric(Numeric::Timestamp, _))) {
        return Kept::None;
    }
    let (kept, lost): (Vec<T>, Vec<T>) = samples.partition(is_kept);
    match (kept.is_empty(), lost.is_empty()) {
        (true, _) => Kept::None,
        (false, true) => Kept::All,
        (false, false) => Kept::Some,
    }
}

fn days() -> impl Iterator<Item = NaiveDate> {
    DAYS.into_iter().filter_map(|(year, month, day)| NaiveDate::from_ymd_opt(year, month, day))
}

fn moments() -> impl Iterator<Item = DateTime<Utc>> {
    let times = TIMES.into_iter().cycle();
    days().zip(times).filter_map(|(day, (hour, minute))| Some(day.and_hms_opt(hour, minute, 0)?.and_utc()))
}

/// The text, unless the format asks for what a day or a local time does not have, such as an offset.
fn spelt(formatted: impl Display) -> Option<String> {
    let mut text = String::new();
    write!(text, "{formatted}").ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
