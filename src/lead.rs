//! What a lead is to the engine: two sides, ids, and field values in a neutral form that both sides share.
//!
//! Nothing here knows a system, a store or a runtime. Two values are in step when they are equal here: that is the
//! only comparison there is.

use std::fmt;

use chrono::{DateTime, Datelike as _, NaiveDate, SecondsFormat, Timelike as _, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// One of the two systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// essensys Operate.
    Operate,
    /// Salesforce.
    Salesforce,
}

impl Side {
    /// Both sides, in the order in which the project lists them.
    pub const BOTH: [Self; 2] = [Self::Operate, Self::Salesforce];

    /// The word used in the configuration, the store and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operate => "operate",
            Self::Salesforce => "salesforce",
        }
    }

    /// The side across.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Operate => Self::Salesforce,
            Self::Salesforce => Self::Operate,
        }
    }

    /// The system's own name, for messages to people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Operate => "Operate",
            Self::Salesforce => "Salesforce",
        }
    }

    /// Reads the word that [`Side::as_str`] gives.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::BOTH.into_iter().find(|side| side.as_str() == word)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A pair of things, one for each side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerSide<T> {
    /// Operate's.
    pub operate: T,
    /// Salesforce's.
    pub salesforce: T,
}

impl<T> PerSide<T> {
    /// Builds one by asking for each side.
    pub fn build(mut make: impl FnMut(Side) -> T) -> Self {
        Self { operate: make(Side::Operate), salesforce: make(Side::Salesforce) }
    }

    /// Both of them changed.
    pub fn map<U>(self, mut change: impl FnMut(T) -> U) -> PerSide<U> {
        PerSide { operate: change(self.operate), salesforce: change(self.salesforce) }
    }

    /// That side's.
    pub const fn get(&self, side: Side) -> &T {
        match side {
            Side::Operate => &self.operate,
            Side::Salesforce => &self.salesforce,
        }
    }

    /// That side's, to change.
    pub const fn get_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Operate => &mut self.operate,
            Side::Salesforce => &mut self.salesforce,
        }
    }
}

/// A field's value in neutral form.
///
/// `""`, null and white space are all [`Value::Empty`]. Text is trimmed, in Unicode NFC, with LF line ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Value {
    /// Nothing there.
    #[default]
    Empty,
    /// Text; never empty.
    Text(String),
    /// A number, without trailing zeros.
    Number(Decimal),
    /// Yes or no.
    Boolean(bool),
    /// A day, in no zone.
    Date(NaiveDate),
    /// A moment, UTC, to the microsecond.
    Instant(DateTime<Utc>),
    /// A token of the field's value map: the Operate spelling of the row.
    Choice(String),
    /// The field has no part in this lead: nothing is compared, and nothing written.
    Aside,
    /// A native value outside of what the mapping can read, as it stands. Equal only to itself; never written to a side.
    Unknown(String),
}

/// Stands between an id and what is wrong with it.
const WHICH_IS: &str = ", which is ";

/// What a client gives in the place of an id that stands for nothing that it knows: the id, what it is instead, and what to do.
#[must_use]
pub fn unresolved(id: &str, what: &str) -> serde_json::Value {
    serde_json::json!({ "unknown": format!("{id}{WHICH_IS}{what}") })
}

/// Whether the text of a [`Value::Unknown`] says itself what is wrong.
#[must_use]
pub fn is_unresolved(text: &str) -> bool {
    text.contains(WHICH_IS)
}

/// The key under which [`Value::Unknown`] is kept in JSON.
const UNKNOWN: &str = "unknown";

impl Value {
    /// Whether nothing is there.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// The form in which the store keeps it. A number is a JSON number where that loses nothing, else a string.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Self::Empty | Self::Aside => Json::Null,
            Self::Text(text) | Self::Choice(text) => Json::String(text.clone()),
            Self::Number(number) => number_to_json(number),
            Self::Boolean(flag) => Json::Bool(*flag),
            Self::Date(date) => Json::String(date.to_string()),
            Self::Instant(instant) => Json::String(instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            Self::Unknown(raw) => serde_json::json!({ UNKNOWN: raw }),
        }
    }

    /// The text of what [`Value::to_json`] gives, at the end of this one.
    pub fn write_json(&self, text: &mut Vec<u8>) {
        // A text and a value always have a form in JSON, and a vector takes all that is written to it.
        let _ = match self {
            Self::Text(words) | Self::Choice(words) => serde_json::to_writer(text, words),
            other => serde_json::to_writer(text, &other.to_json()),
        };
    }

    /// Reads what [`Value::to_json`] wrote for a field of this kind. `None` where it is not of that kind, as after a change
    /// of the mapping.
    #[must_use]
    pub fn from_json(kind: Kind, json: &Json) -> Option<Self> {
        if let Some(raw) = json.get(UNKNOWN) {
            return raw.as_str().map(|raw| Self::Unknown(raw.to_owned()));
        }
        match (kind, json) {
            (_, Json::Null) => Some(Self::Empty),
            (Kind::Text, Json::String(text)) => Some(Self::Text(text.clone())),
            (Kind::Choice, Json::String(text)) => Some(Self::Choice(text.clone())),
            (Kind::Boolean, Json::Bool(flag)) => Some(Self::Boolean(*flag)),
            (Kind::Number, Json::String(text)) => text.parse().ok().map(Self::Number),
            (Kind::Number, Json::Number(number)) => decimal(&number.to_string()).map(Self::Number),
            (Kind::Date, Json::String(text)) => text.parse().ok().map(Self::Date),
            (Kind::Instant, Json::String(text)) => {
                DateTime::parse_from_rfc3339(text).ok().map(|instant| Self::Instant(instant.to_utc()))
            }
            _ => None,
        }
    }

    /// The same from the text of what [`Value::to_json`] gives.
    #[must_use]
    pub fn from_json_text(kind: Kind, text: &str) -> Option<Self> {
        match kind {
            Kind::Text if text.starts_with('"') => serde_json::from_str(text).ok().map(Self::Text),
            Kind::Choice if text.starts_with('"') => serde_json::from_str(text).ok().map(Self::Choice),
            _ => Self::from_json(kind, &serde_json::from_str(text).ok()?),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("(empty)"),
            Self::Aside => f.write_str("(not in this lead)"),
            Self::Text(text) | Self::Choice(text) | Self::Unknown(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Boolean(flag) => flag.fmt(f),
            Self::Date(date) => date.fmt(f),
            Self::Instant(instant) => f.write_str(&instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        }
    }
}

/// The moment, if both systems and the store can write it: its year has four digits. Dates are compared as text in places, and what
/// lies further out cannot be reckoned with.
#[must_use]
pub fn writable(moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
    // A leap second is taken for the second before it.
    moment.with_nanosecond(moment.nanosecond() % 1_000_000_000).filter(|moment| is_writable(moment.date_naive()))
}

/// The same of a day.
#[must_use]
pub fn is_writable(day: NaiveDate) -> bool {
    (1..=9_999).contains(&day.year())
}

/// Reads a decimal number in plain or exponent notation, without trailing zeros.
#[must_use]
pub fn decimal(text: &str) -> Option<Decimal> {
    text.parse().or_else(|_| Decimal::from_scientific(text)).ok().map(|number: Decimal| number.normalize())
}

/// A JSON number where reading it back as a double gives the same decimal, else a string.
#[must_use]
pub fn number_to_json(number: &Decimal) -> Json {
    let text = number.to_string();
    if let Ok(whole) = text.parse::<i64>() {
        return Json::from(whole);
    }
    match text.parse::<f64>() {
        Ok(double) if decimal(&double.to_string()).as_ref() == Some(number) => Json::from(double),
        _ => Json::String(text),
    }
}

/// The type of a mapped field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Text.
    Text,
    /// A decimal number.
    Number,
    /// Yes or no.
    Boolean,
    /// A day in no zone.
    Date,
    /// A moment in time.
    Instant,
    /// A token of a value map.
    Choice,
}

impl Kind {
    /// The word used in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Instant => "instant",
            Self::Choice => "choice",
        }
    }
}
