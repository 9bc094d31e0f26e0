//! One field's lens: native JSON to neutral value and back.

use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, SecondsFormat, TimeZone as _, Timelike as _, Utc};
use serde_json::Value as Json;
use unicode_normalization::UnicodeNormalization as _;

use crate::lead::{Kind, Side, Value, decimal, is_writable, number_to_json, writable};
use crate::mapping::transform::{Read, Refusal, Transforms};
use crate::mapping::{Choices, OperateTime};

/// Reads and writes one field on both sides.
#[derive(Debug, Clone)]
pub struct Lens {
    kind: Kind,
    choices: Option<Choices>,
    operate_time: OperateTime,
    transforms: Option<Transforms>,
}

/// A neutral value has no native form on a side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// It was not understood where it came from.
    #[error("the value {0:?} cannot be translated")]
    Unknown(String),
    /// The value map has no spelling for it.
    #[error("`values` has no {side} value for {token:?}", side = .side.title())]
    NoSpelling {
        /// The side to be written.
        side: Side,
        /// The token.
        token: String,
    },
    /// The moment lies in the hour that is repeated when clocks are set back, in its second half.
    #[error("{0} lies in a repeated hour of Operate's time zone, which its timestamps cannot tell apart")]
    RepeatedHour(DateTime<Utc>),
    /// A transform has no spelling for it that is read back as the same value.
    #[error("the transform `{transform}` does not write this value to {side}: {reason}", side = .side.title())]
    Transform {
        /// The side to be written.
        side: Side,
        /// The transform's name.
        transform: &'static str,
        /// Why.
        reason: &'static str,
    },
}

impl Lens {
    /// A lens for fields of this kind.
    #[must_use]
    pub const fn new(kind: Kind, choices: Option<Choices>, operate_time: OperateTime) -> Self {
        Self { kind, choices, operate_time, transforms: None }
    }

    /// The same lens with these transforms before it. The field's type must be the one that they make.
    #[must_use]
    pub fn with_transforms(self, transforms: Transforms) -> Self {
        Self { transforms: Some(transforms), ..self }
    }

    /// What a readable value is, for messages: "a number", "in its value map".
    #[must_use]
    pub const fn expected(&self) -> &'static str {
        if let Some(transforms) = &self.transforms
            && let Some(expected) = transforms.expected()
        {
            return expected;
        }
        match self.kind {
            Kind::Text => "text",
            Kind::Number => "a number",
            Kind::Boolean => "a yes or no",
            Kind::Date => "a date (YYYY-MM-DD)",
            Kind::Instant => "a date and time",
            Kind::Choice => "in the field's `values`",
        }
    }

    /// Native to neutral. What cannot be read is [`Value::Unknown`].
    #[must_use]
    pub fn get(&self, side: Side, native: &Json) -> Value {
        let raw;
        let text = match native {
            Json::String(text) => text.as_str(),
            Json::Null => "",
            // An id that no directory knows: a client says so in this way.
            Json::Object(said) => {
                let said = said.get("unknown").and_then(Json::as_str).unwrap_or("an object");
                return Value::Unknown(said.to_owned());
            }
            other => {
                raw = other.to_string();
                &raw
            }
        };
        let text = trimmed(text);
        if text.is_empty() {
            // Salesforce has no empty checkbox, so an empty one in Operate means the same as an unset one.
            return if self.kind == Kind::Boolean { Value::Boolean(false) } else { Value::Empty };
        }
        let transformed;
        let text = match &self.transforms {
            None => text,
            Some(transforms) => match transforms.read(side, native, normal(text)) {
                Read::Value(value) => return value,
                Read::Unknown => return Value::Unknown(normal(text)),
                Read::Text(text) => {
                    transformed = text;
                    &transformed
                }
            },
        };
        let read = match self.kind {
            Kind::Text => Some(Value::Text(normal(text))),
            Kind::Number => decimal(text).map(Value::Number),
            Kind::Boolean => boolean(text).map(Value::Boolean),
            Kind::Date => date(text).map(Value::Date),
            Kind::Instant => self.instant(side, text).map(Value::Instant),
            Kind::Choice => match &self.choices {
                None => Some(Value::Choice(normal(text))),
                Some(choices) => choices.token(side, &normal(text)).map(|token| Value::Choice(token.to_owned())),
            },
        };
        read.unwrap_or_else(|| Value::Unknown(normal(text)))
    }

    /// Neutral to native.
    pub fn put(&self, side: Side, value: &Value) -> Result<Json, Unwritable> {
        let Some(transforms) = &self.transforms else { return self.put_plain(side, value) };
        let unwritable = |Refusal { transform, reason }| Unwritable::Transform { side, transform, reason };
        let spelt = match value {
            Value::Empty | Value::Unknown(_) => None,
            value => transforms.write(side, value).map_err(unwritable)?,
        };
        let native = match spelt {
            // Salesforce has no empty text.
            Some(Json::String(text)) if text.is_empty() => self.put_plain(side, &Value::Empty)?,
            Some(native) => native,
            None => self.put_plain(side, value)?,
        };
        if self.get(side, &native) == *value { Ok(native) } else { Err(unwritable(transforms.refusal())) }
    }

    fn put_plain(&self, side: Side, value: &Value) -> Result<Json, Unwritable> {
        Ok(match (value, side) {
            (Value::Empty, Side::Operate) => Json::String(String::new()),
            (Value::Empty, Side::Salesforce) => Json::Null,
            (Value::Text(text), _) => Json::String(text.clone()),
            (Value::Number(number), _) => number_to_json(number),
            (Value::Boolean(flag), _) => Json::Bool(*flag),
            (Value::Date(date), _) => Json::String(date.to_string()),
            (Value::Instant(instant), Side::Salesforce) => Json::String(instant.to_rfc3339_opts(SecondsFormat::Secs, true)),
            (Value::Instant(instant), Side::Operate) => self.put_operate_instant(*instant)?,
            (Value::Choice(token), side) => match &self.choices {
                None => Json::String(token.clone()),
                Some(choices) => match choices.spelling(side, token) {
                    Some(spelling) => Json::String(spelling.to_owned()),
                    None => return Err(Unwritable::NoSpelling { side, token: token.clone() }),
                },
            },
            (Value::Aside, _) => return Err(Unwritable::Unknown(value.to_string())),
            (Value::Unknown(raw), _) => return Err(Unwritable::Unknown(raw.clone())),
        })
    }

    fn put_operate_instant(&self, instant: DateTime<Utc>) -> Result<Json, Unwritable> {
        let text = instant.with_timezone(&self.operate_time.zone).format(&self.operate_time.format).to_string();
        match self.instant(Side::Operate, &text) {
            Some(read) if read == instant => Ok(Json::String(text)),
            _ => Err(Unwritable::RepeatedHour(instant)),
        }
    }

    fn instant(&self, side: Side, text: &str) -> Option<DateTime<Utc>> {
        let with_offset = ["%Y-%m-%dT%H:%M:%S%.f%:z", "%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M:%S%.fZ"];
        let local = || {
            let naive = NaiveDateTime::parse_from_str(text, &self.operate_time.format).ok()?;
            match self.operate_time.zone.from_local_datetime(&naive) {
                LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(time.to_utc()),
                LocalResult::None => None,
            }
        };
        let offset = || {
            with_offset.iter().find_map(|format| {
                DateTime::parse_from_str(text, format)
                    .map(|time| time.to_utc())
                    .or_else(|_| NaiveDateTime::parse_from_str(text, format).map(|naive| naive.and_utc()))
                    .ok()
            })
        };
        let time = if side == Side::Operate { local().or_else(offset) } else { offset() };
        time.and_then(|time| time.with_nanosecond(0)).and_then(writable)
    }
}

/// Without white space around it. As a rule there is none, which two bytes tell.
fn trimmed(text: &str) -> &str {
    let is_plain = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    if is_plain(text.as_bytes().first()) && is_plain(text.as_bytes().last()) { text } else { text.trim() }
}

/// Trimmed, NFC, LF line ends.
pub(super) fn normal(text: &str) -> String {
    let text = trimmed(text);
    let text: String = if text.is_ascii() { text.to_owned() } else { text.nfc().collect() };
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "y" | "1" => Some(true),
        "false" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// A date, also where it is written as its midnight.
fn date(text: &str) -> Option<NaiveDate> {
    let day = text.strip_suffix(" 00:00:00").or_else(|| text.strip_suffix("T00:00:00")).unwrap_or(text);
    NaiveDate::parse_from_str(day, "%Y-%m-%d").ok().filter(|day| is_writable(*day))
}
