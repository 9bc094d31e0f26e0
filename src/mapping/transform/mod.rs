//! Transforms: what is done to a field's values on the way between a side's spelling and the neutral form.
//!
//! Pure. Reading is lenient about spelling and strict about meaning: what could mean something else is not read. Whether what was
//! written is read back as the same value is for the lens to make sure of, every time.

pub(crate) mod country;
pub(crate) mod moment;
mod number;
pub(crate) mod phone;
pub(crate) mod state;
mod text;

use chrono_tz::Tz;
use serde_json::Value as Json;

use crate::config::field::Direction;
use crate::config::transform::{Transform, Words};
use crate::lead::{Side, Value, decimal};

/// The transforms of one field, ready for use.
#[derive(Debug, Clone)]
pub struct Transforms {
    steps: Vec<Transform>,
    format: Option<Transform>,
    /// Where the field's values come from, if that is one side only.
    source: Option<Side>,
    zone: Tz,
}

/// What a side's text is.
pub(super) enum Read {
    /// A value.
    Value(Value),
    /// A text that is to be read by the field's type.
    Text(String),
    /// Nothing that could be read.
    Unknown,
}

impl Transforms {
    /// Makes them for a field whose values go this way. `zone` is the workspace's.
    #[must_use]
    pub fn new(transforms: &[Transform], direction: Direction, zone: Tz) -> Self {
        let (formats, steps): (Vec<Transform>, Vec<Transform>) = transforms.iter().cloned().partition(Transform::is_format);
        let source = match direction {
            Direction::Both => None,
            Direction::ToSalesforce => Some(Side::Operate),
            Direction::ToOperate => Some(Side::Salesforce),
        };
        Self { steps, format: formats.into_iter().next(), source, zone }
    }

    /// What a readable value is, for messages; `None`: what the field's type says.
    pub(super) const fn expected(&self) -> Option<&'static str> {
        match &self.format {
            Some(Transform::Phone { .. }) => Some("a phone number that is known to be valid"),
            Some(Transform::Country(_)) => Some("a country"),
            Some(Transform::State { .. }) => Some("a state of its country"),
            Some(Transform::Number(_)) => Some("a number in the format of its transform"),
            Some(Transform::Boolean(_)) => Some("one of the two words of its transform"),
            Some(Transform::Date(_)) => Some("a date in the format of its transform"),
            Some(Transform::Datetime { .. }) => Some("a date and time in the format of its transform"),
            _ => None,
        }
    }

    /// Reads what a side has: `text` is `native` as text, in normal form.
    pub(super) fn read(&self, side: Side, native: &Json, text: String) -> Read {
        let text = self.steps.iter().fold(text, |text, step| text::read(step, side, self.source, &text));
        if text.is_empty() {
            return Read::Value(Value::Empty);
        }
        let value = match &self.format {
            None => return Read::Text(text),
            Some(Transform::Phone { country, .. }) => phone::read(country, &text).map(Value::Text),
            Some(Transform::Country(_)) => country::read(&text).map(|code| Value::Text(code.to_owned())),
            Some(Transform::State { country, .. }) => state::read(country, &text).map(|code| Value::Text(code.to_owned())),
            Some(Transform::Number(each)) => match each.get(side) {
                // A number of JSON is what it says, however a side spells its texts.
                Some(_) if native.is_number() => decimal(&text).map(Value::Number),
                Some(format) => number::read(format, &text).map(Value::Number),
                None => return Read::Text(text),
            },
            Some(Transform::Boolean(each)) => match each.get(side) {
                Some(words) if !native.is_boolean() => meaning(words, &text).map(Value::Boolean),
                _ => return Read::Text(text),
            },
            Some(Transform::Date(each)) => match each.get(side) {
                Some(format) => moment::read_date(format, &text).map(Value::Date),
                None => return Read::Text(text),
            },
            Some(Transform::Datetime { format, zone }) => match format.get(side) {
                Some(format) => moment::read_moment(format, zone.unwrap_or(self.zone), &text).map(Value::Instant),
                None => return Read::Text(text),
            },
            // No other one is a format.
            Some(_) => None,
        };
        value.map_or(Read::Unknown, Read::Value)
    }

    /// Writes a value that is not empty; `Ok(None)`: as the field's type has it by itself.
    pub(super) fn write(&self, side: Side, value: &Value) -> Result<Option<Json>, Refusal> {
        let Some(format) = &self.format else {
            let Value::Text(text) = value else { return Ok(None) };
            return Ok(Some(self.dress(side, text.clone())));
        };
        let text = match (format, value) {
            (Transform::Phone { country, style }, Value::Text(neutral)) => phone::write(country, *style.get(side), neutral),
            (Transform::Country(style), Value::Text(code)) => country::write(*style.get(side), code).map(str::to_owned),
            (Transform::State { country, style }, Value::Text(code)) => {
                state::write(country, *style.get(side), code).map(str::to_owned)
            }
            (Transform::Number(each), Value::Number(number)) => match each.get(side) {
                Some(format) => number::write(format, number),
                None => return Ok(None),
            },
            (Transform::Boolean(each), Value::Boolean(flag)) => match each.get(side) {
                Some(words) => Some(if *flag { words.yes.clone() } else { words.no.clone() }),
                None => return Ok(None),
            },
            (Transform::Date(each), Value::Date(day)) => match each.get(side) {
                Some(format) => moment::write_date(format, *day),
                None => return Ok(None),
            },
            (Transform::Datetime { format, zone }, Value::Instant(instant)) => match format.get(side) {
                Some(format) => moment::write_moment(format, zone.unwrap_or(self.zone), *instant),
                None => return Ok(None),
            },
            _ => None,
        };
        text.map(|text| Some(self.dress(side, text))).ok_or_else(|| self.refusal())
    }

    /// Why a value is not written.
    pub(super) fn refusal(&self) -> Refusal {
        let last = self.format.as_ref().or_else(|| self.steps.last());
        let reason = match last {
            Some(Transform::Number(_)) => "its format has not as many decimal places",
            Some(Transform::Date(_)) => "its format cannot hold this day",
            Some(Transform::Datetime { .. }) => {
                "its format cannot hold this moment: it has seconds, or lies in an hour that clocks repeat"
            }
            Some(Transform::Truncate { .. }) => "it would be cut off where it comes from",
            _ => "it would be read back as something else",
        };
        Refusal { transform: last.map_or("transform", Transform::name), reason }
    }

    /// The text as the side has it.
    fn dress(&self, side: Side, text: String) -> Json {
        let text = self.steps.iter().rev().fold(text, |text, step| text::write(step, side, text));
        Json::String(text)
    }
}

/// Why a transform does not write a value.
pub(super) struct Refusal {
    /// Its name.
    pub transform: &'static str,
    /// The reason.
    pub reason: &'static str,
}

fn meaning(words: &Words, text: &str) -> Option<bool> {
    let text = text.to_lowercase();
    if text == words.yes.to_lowercase() { Some(true) } else { (text == words.no.to_lowercase()).then_some(false) }
}
