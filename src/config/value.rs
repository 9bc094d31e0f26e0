//! Reads single values: each way of writing one that the file knows, with its limits.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use chrono::format::{Item, StrftimeItems};
use chrono::{NaiveDate, NaiveDateTime, Utc};
use chrono_tz::Tz;
use config::ValueKind;

use super::keys::{self, printable};
use super::section::{Fault, Given, wrong_type};
use crate::schedule::Schedule;

/// A second, minute, hour and day in milliseconds.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A day.
pub(super) const DAY: Duration = Duration::from_hours(24);

/// The text in quotes, unless it may carry credentials.
pub(super) fn quote(text: &str) -> String {
    if keys::carries_credentials(text) { "this address".to_owned() } else { format!("`{}`", printable(text)) }
}

impl Given<'_> {
    /// Text that is not empty.
    pub(super) fn filled(&self) -> Result<String, Fault> {
        let text = self.text()?.trim();
        if text.is_empty() { Err(Fault::new("this is empty", "write a value")) } else { Ok(text.to_owned()) }
    }

    /// Any text, trimmed.
    pub(super) fn any_text(&self) -> Result<String, Fault> {
        Ok(self.text()?.trim().to_owned())
    }

    /// One of these words.
    pub(super) fn word<T: Clone>(&self, words: &[(&str, T)]) -> Result<T, Fault> {
        let given = self.text()?;
        words.iter().find(|(word, _)| *word == given).map(|(_, meaning)| meaning.clone()).ok_or_else(|| {
            let all: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let all = all.join(", ");
            let help = keys::nearest(given, words.iter().map(|(word, _)| *word))
                .map_or_else(|| format!("write one of {all}"), |near| format!("did you mean \"{near}\"? It is one of {all}"));
            Fault::new(format!("{} is not a word that this key takes", quote(given)), help)
        })
    }

    /// A whole number within limits.
    pub(super) fn whole<T>(&self, limits: RangeInclusive<i64>) -> Result<T, Fault>
    where
        T: TryFrom<i64>,
    {
        let quotes = if self.from_environment { "" } else { ", without quotes" };
        let help = format!("write a whole number from {} to {}{quotes}", limits.start(), limits.end());
        let number = match self.kind {
            ValueKind::I64(number) => *number,
            ValueKind::String(text) if self.from_environment => {
                parse(text).ok_or_else(|| Fault::new(format!("{} is not a whole number", quote(text)), help.clone()))?
            }
            kind => return Err(wrong_type(kind, "a whole number", &help)),
        };
        let fitting = Some(number).filter(|number| limits.contains(number)).and_then(|number| T::try_from(number).ok());
        fitting.ok_or_else(|| Fault::new(format!("{number} is outside of the limits"), help))
    }

    /// Yes or no.
    pub(super) fn flag(&self) -> Result<bool, Fault> {
        let help = "write true or false";
        match self.kind {
            ValueKind::Boolean(flag) => Ok(*flag),
            ValueKind::String(text) if self.from_environment => {
                parse(text).ok_or_else(|| Fault::new(format!("{} is neither true nor false", quote(text)), help))
            }
            kind => Err(wrong_type(kind, "true or false", help)),
        }
    }

    /// A share: above 0, and 1 at most.
    pub(super) fn share(&self) -> Result<f64, Fault> {
        let help = "write a number above 0 and up to 1, such as 0.5 for half; in the file, without quotes";
        let number = match self.kind {
            ValueKind::Float(number) => *number,
            ValueKind::I64(1) => 1.0,
            ValueKind::I64(number) => return Err(Fault::new(format!("{number} is outside of the limits"), help)),
            ValueKind::String(text) if self.from_environment => {
                parse(text).ok_or_else(|| Fault::new(format!("{} is not a number", quote(text)), help))?
            }
            kind => return Err(wrong_type(kind, "a number", help)),
        };
        if number > 0.0 && number <= 1.0 {
            Ok(number)
        } else {
            Err(Fault::new(format!("{number} is outside of the limits"), help))
        }
    }

    /// `"20%"` as 0.2; `"off"` as `None`.
    pub(super) fn percentage(&self) -> Result<Option<f64>, Fault> {
        let help = "write a share above 0% and up to 100%, such as \"20%\", or \"off\"";
        let text = match self.kind {
            ValueKind::String(text) => text.trim(),
            kind => return Err(wrong_type(kind, "a percentage in quotes", help)),
        };
        if text == "off" {
            return Ok(None);
        }
        let number: Option<f64> = text.strip_suffix('%').and_then(parse);
        match number {
            Some(number) if number > 0.0 && number <= 100.0 => Ok(Some(number / 100.0)),
            Some(_) => Err(Fault::new(format!("{} is outside of the limits", quote(text)), help)),
            None => Err(Fault::new(format!("{} is not a percentage", quote(text)), help)),
        }
    }

    /// `"500ms"`, `"30s"`, `"10m"`, `"2h"`, `"30d"`, within limits (which are named as given here).
    pub(super) fn duration(&self, limits: RangeInclusive<Duration>) -> Result<Duration, Fault> {
        let (least, most) = (spell(*limits.start()), spell(*limits.end()));
        let help = format!("write a whole number and ms, s, m, h or d, such as \"30s\": {least} at least, {most} at most");
        let text = match self.kind {
            ValueKind::String(text) => text.trim(),
            kind => return Err(wrong_type(kind, "a duration in quotes", &help)),
        };
        let Some(duration) = parse_duration(text) else {
            return Err(Fault::new(format!("{} is not a duration", quote(text)), help));
        };
        if limits.contains(&duration) {
            Ok(duration)
        } else {
            Err(Fault::new(format!("{} is outside of the limits", quote(text)), help))
        }
    }

    /// A cron expression with seconds, as the scheduler reads it, which has a moment to come.
    pub(super) fn cron(&self) -> Result<String, Fault> {
        let text = self.filled()?;
        let help = "write second, minute, hour, day of month, month and day of week, such as \"*/30 * * * * *\"; times are UTC";
        if text.split_whitespace().count() != 6 {
            return Err(Fault::new(format!("{} does not have six fields", quote(&text)), help));
        }
        let schedule = Schedule::parse(&text)
            .map_err(|error| Fault::new(format!("{} is not a cron expression: {error}", quote(&text)), help))?;
        schedule
            .next(Utc::now())
            .ok_or_else(|| Fault::new(format!("{} never comes", quote(&text)), "name a day that some month has"))?;
        Ok(text)
    }

    /// A time zone of the IANA database.
    pub(super) fn zone(&self) -> Result<Tz, Fault> {
        let text = self.text()?.trim();
        text.parse().map_err(|_| {
            let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
            let is_city = |zone: &&str| zone.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(text));
            let near = names.clone().find(is_city).or_else(|| keys::nearest(text, names));
            let help = near.map_or_else(
                || "write UTC or an IANA name, such as \"Europe/London\"".to_owned(),
                |near| format!("did you mean \"{near}\"?"),
            );
            Fault::new(format!("{} is not a time zone", quote(text)), help)
        })
    }

    /// Scheme, host and port: https, or http on this machine. Normalized, without a slash at the end.
    pub(super) fn base_address(&self) -> Result<String, Fault> {
        let text = self.filled()?;
        let fault = |problem: String, help: &str| Err(Fault::new(problem, help));
        let Ok(url) = reqwest::Url::parse(&text) else {
            return fault(
                format!("{} is not an address", quote(&text)),
                "write scheme and host, such as \"https://example.com\"",
            );
        };
        if url.username() != "" || url.password().is_some() {
            return fault("an address must not carry credentials".to_owned(), "take them out and write them under auth");
        }
        let Some(host) = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https")) else {
            return fault(
                format!("{} is not a web address", quote(&text)),
                "write scheme and host, such as \"https://example.com\"",
            );
        };
        if url.scheme() == "http" && !is_this_machine(host) {
            return fault(
                format!("{} is not encrypted", quote(&text)),
                "write https; http is for localhost and loopback addresses",
            );
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            let problem = format!("{} goes on after the host", quote(&text));
            return fault(problem, &format!("write \"{}\"; the paths below it are known", url.origin().ascii_serialization()));
        }
        Ok(url.origin().ascii_serialization())
    }

    /// Where to listen; empty: nowhere.
    pub(super) fn listen_address(&self) -> Result<Option<SocketAddr>, Fault> {
        let text = self.text()?.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let help = "write an IP address and a port, such as \"127.0.0.1:8080\", or \"\" for none";
        text.parse().map(Some).map_err(|_| Fault::new(format!("{} is not an address to listen on", quote(text)), help))
    }

    /// A system's name for a field, endpoint or envelope: letters, digits and `_`.
    pub(super) fn native_name(&self) -> Result<String, Fault> {
        let text = self.filled()?;
        let fits = text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.chars().all(|each| each.is_ascii_alphanumeric() || each == '_');
        if fits {
            return Ok(text);
        }
        Err(Fault::new(
            format!("{} is not a name that the system's API knows", quote(&text)),
            "write the API name: letters, digits and _, a letter first",
        ))
    }

    /// The same, or nothing.
    pub(super) fn native_name_or_none(&self) -> Result<String, Fault> {
        if self.text()?.trim().is_empty() { Ok(String::new()) } else { self.native_name() }
    }

    /// A format for time stamps, in chrono's notation, that gives a moment back to the second and holds no offset.
    pub(super) fn timestamp_format(&self) -> Result<String, Fault> {
        let text = self.filled()?;
        let help = "write a format of date and time without an offset in chrono's notation, such as \"%Y-%m-%d %H:%M:%S\"";
        if StrftimeItems::new(&text).any(|item| matches!(item, Item::Error)) {
            return Err(Fault::new(format!("{} is not a time format", quote(&text)), help));
        }
        if keeps_seconds(&text) {
            Ok(text)
        } else {
            Err(Fault::new(format!("{} does not keep date and time to the second", quote(&text)), help))
        }
    }
}

/// A scalar of any type as text.
pub(super) fn scalar_text(kind: &ValueKind) -> Option<String> {
    match kind {
        ValueKind::String(text) => Some(text.trim().to_owned()),
        ValueKind::Boolean(flag) => Some(flag.to_string()),
        ValueKind::I64(number) => Some(number.to_string()),
        ValueKind::Float(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A number and a unit.
fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|each: char| !each.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor).map(Duration::from_millis)
}

/// A duration as the file would have it, in the largest unit that is exact.
fn spell(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let unit = UNITS.iter().rev().find(|(_, factor)| milliseconds >= *factor && milliseconds.is_multiple_of(*factor));
    unit.map_or_else(|| "0s".to_owned(), |(name, factor)| format!("{}{name}", milliseconds / factor))
}

fn parse<T: FromStr>(text: &str) -> Option<T>
where
    T::Err: Display,
{
    text.trim().parse().ok()
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Whether a moment survives being written and read in this format. An offset in it cannot be written at all.
fn keeps_seconds(format: &str) -> bool {
    use std::fmt::Write as _;
    let Some(moment) = NaiveDate::from_ymd_opt(2031, 12, 28).and_then(|day| day.and_hms_opt(17, 48, 59)) else { return false };
    let mut written = String::new();
    write!(written, "{}", moment.format(format)).is_ok()
        && NaiveDateTime::parse_from_str(&written, format).is_ok_and(|read| read == moment)
}
