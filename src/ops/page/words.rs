//! Moments, amounts and values as the page writes them.

use std::fmt::{self, Display, Formatter};

use askama::filters::HtmlSafe;
use chrono::{DateTime, Duration, Utc};
use serde_json::Value as Json;

use crate::store::time;

/// A moment: UTC, with how long ago that was.
#[derive(Debug, Clone, Copy)]
pub(super) struct When {
    at: DateTime<Utc>,
    now: DateTime<Utc>,
}

impl When {
    pub(super) fn now() -> Self {
        let now = Utc::now();
        Self { at: now, now }
    }

    /// Of the store's form of a time.
    pub(super) fn of(stamp: &str, now: DateTime<Utc>) -> Self {
        Self { at: time(stamp), now }
    }

    pub(super) const fn at(at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self { at, now }
    }

    /// How long ago.
    pub(super) fn ago(&self) -> String {
        let age = self.now - self.at;
        if age < Duration::zero() { format!("in {}", span(-age)) } else { format!("{} ago", span(age)) }
    }

    /// Date and time.
    pub(super) fn full(&self) -> String {
        self.at.format("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// For machines.
    pub(super) fn iso(&self) -> String {
        self.at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

/// In HTML.
impl Display for When {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(
            out,
            r#"<time datetime="{}"><span class="at">{}</span> <span class="ago">{}</span></time>"#,
            self.iso(),
            self.full(),
            self.ago()
        )
    }
}

/// It is made of figures alone.
impl HtmlSafe for When {}

/// A length of time, roughly.
pub(super) fn span(length: Duration) -> String {
    let seconds = length.num_seconds();
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A whole number, by thousands.
pub(super) fn number(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("−{text}") } else { text }
}

/// A count with its word.
pub(super) fn counted(count: i64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// So many characters of a value are shown at once.
const SHORT: usize = 240;

/// A field's value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) text: String,
    pub(super) is_empty: bool,
    /// It stands outside of what the mapping can read.
    pub(super) is_unread: bool,
}

impl Shown {
    /// Of the store's form.
    pub(super) fn of(json: &Json) -> Self {
        match json {
            Json::Null => Self { is_empty: true, ..Self::default() },
            Json::String(text) => Self { text: text.clone(), ..Self::default() },
            Json::Object(unknown) => {
                let text = unknown.get("unknown").and_then(Json::as_str).unwrap_or("?");
                Self { text: text.to_owned(), is_unread: true, ..Self::default() }
            }
            other => Self { text: other.to_string(), ..Self::default() },
        }
    }

    /// The beginning, where the whole is too long to be shown at once.
    pub(super) fn beginning(&self) -> Option<String> {
        let (cut, _) = self.text.char_indices().nth(SHORT)?;
        self.text.get(..cut / 2).or_else(|| self.text.get(..cut)).map(|beginning| format!("{beginning}…"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_told_roughly() {
        for (seconds, expected) in [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (200_000, "2 days")] {
            assert_eq!(span(Duration::seconds(seconds)), expected);
        }
        let now = Utc::now();
        assert_eq!(When::at(now + Duration::seconds(90), now).ago(), "in 90 s");
    }

    #[test]
    fn numbers_are_grouped() {
        for (given, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567"), (-1_000, "−1,000")] {
            assert_eq!(number(given), expected);
        }
        assert_eq!(counted(1, "lead", "leads"), "1 lead");
    }

    #[test]
    fn a_long_value_begins_with_whole_characters() {
        let long = Shown { text: "ü".repeat(300), ..Shown::default() };
        assert_eq!(long.beginning().map(|text| text.chars().count()), Some(121));
        assert_eq!(Shown { text: "ü".repeat(240), ..Shown::default() }.beginning(), None);
    }
}
