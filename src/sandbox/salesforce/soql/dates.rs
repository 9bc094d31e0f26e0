//! Words for days, such as `YESTERDAY` and `LAST_N_WEEKS:2`. Days are those of UTC, weeks begin on Sundays, and the fiscal
//! year is the calendar's.

use chrono::{Datelike, Days, Months, NaiveDate};

/// What a calendar counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl Unit {
    /// The unit of a name such as `WEEK`, or `WEEKS`.
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "DAY" | "DAYS" => Self::Day,
            "WEEK" | "WEEKS" => Self::Week,
            "MONTH" | "MONTHS" => Self::Month,
            "QUARTER" | "QUARTERS" | "FISCAL_QUARTER" | "FISCAL_QUARTERS" => Self::Quarter,
            "YEAR" | "YEARS" | "FISCAL_YEAR" | "FISCAL_YEARS" => Self::Year,
            _ => return None,
        })
    }

    /// The first day of the unit that the day is in.
    fn start(self, day: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Day => Some(day),
            Self::Week => day.checked_sub_days(Days::new(u64::from(day.weekday().num_days_from_sunday()))),
            Self::Month => day.with_day(1),
            Self::Quarter => day.with_day(1)?.with_month0(day.month0() / 3 * 3),
            Self::Year => day.with_day(1)?.with_month0(0),
        }
    }

    /// The day so many units later; earlier where the number is negative.
    fn later(self, day: NaiveDate, number: i64) -> Option<NaiveDate> {
        let count = number.unsigned_abs();
        let days = |each: u64| count.checked_mul(each).map(Days::new);
        let months = |each: u32| u32::try_from(count).ok()?.checked_mul(each).map(Months::new);
        let is_later = number >= 0;
        let by_days = |count: Days| if is_later { day.checked_add_days(count) } else { day.checked_sub_days(count) };
        let by_months = |count: Months| if is_later { day.checked_add_months(count) } else { day.checked_sub_months(count) };
        match self {
            Self::Day => by_days(days(1)?),
            Self::Week => by_days(days(7)?),
            Self::Month => by_months(months(1)?),
            Self::Quarter => by_months(months(3)?),
            Self::Year => by_months(months(12)?),
        }
    }
}

/// The days that a word stands for: the first, and the one after the last.
pub fn stretch(word: &str, today: NaiveDate) -> Option<(NaiveDate, NaiveDate)> {
    let word = word.to_ascii_uppercase();
    // So many units from the one that today is in, and how many of them.
    let of = |unit: Unit, from: i64, count: i64| {
        let start = unit.later(unit.start(today)?, from)?;
        Some((start, unit.later(start, count)?))
    };
    match word.as_str() {
        "YESTERDAY" => return of(Unit::Day, -1, 1),
        "TODAY" => return of(Unit::Day, 0, 1),
        "TOMORROW" => return of(Unit::Day, 1, 1),
        "LAST_90_DAYS" => return of(Unit::Day, -90, 91),
        "NEXT_90_DAYS" => return of(Unit::Day, 1, 90),
        _ => {}
    }
    if let Some((name, number)) = word.split_once(':') {
        let number: i64 = number.parse().ok()?;
        if let Some(unit) = name.strip_prefix("LAST_N_") {
            let unit = Unit::named(unit)?;
            // The last days go up to now; the last weeks, months and so on end with the one before this.
            return of(unit, -number, number + i64::from(unit == Unit::Day));
        }
        if let Some(unit) = name.strip_prefix("NEXT_N_") {
            return of(Unit::named(unit)?, 1, number);
        }
        let unit = name.strip_prefix("N_").and_then(|name| name.strip_suffix("_AGO"))?;
        return of(Unit::named(unit)?, -number, 1);
    }
    let (which, unit) = word.split_once('_')?;
    let unit = Unit::named(unit).filter(|unit| *unit != Unit::Day)?;
    match which {
        "LAST" => of(unit, -1, 1),
        "THIS" => of(unit, 0, 1),
        "NEXT" => of(unit, 1, 1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_days_stand_for_the_right_ones() {
        // A Wednesday.
        let today = NaiveDate::from_ymd_opt(2026, 11, 25).unwrap_or_default();
        for (word, first, end) in [
            ("today", "2026-11-25", "2026-11-26"),
            ("YESTERDAY", "2026-11-24", "2026-11-25"),
            ("LAST_N_DAYS:7", "2026-11-18", "2026-11-26"),
            ("NEXT_N_DAYS:2", "2026-11-26", "2026-11-28"),
            ("N_DAYS_AGO:3", "2026-11-22", "2026-11-23"),
            ("THIS_WEEK", "2026-11-22", "2026-11-29"),
            ("LAST_N_WEEKS:2", "2026-11-08", "2026-11-22"),
            ("LAST_MONTH", "2026-10-01", "2026-11-01"),
            ("THIS_QUARTER", "2026-10-01", "2027-01-01"),
            ("NEXT_YEAR", "2027-01-01", "2028-01-01"),
        ] {
            let found = stretch(word, today).map(|(first, end)| (first.to_string(), end.to_string()));
            assert_eq!(found, Some((first.to_owned(), end.to_owned())), "{word}");
        }
        for word in ["SOMEDAY", "LAST_DAY", "LAST_N_DAYS", "LAST_N_DAYS:99999999999999999999", "N_DAYS:3"] {
            assert_eq!(stretch(word, today), None, "{word}");
        }
    }
}
