//! What a value looks like.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde::Serialize;

use crate::lead::{Kind, decimal};

/// What values of a field look like, the narrower ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Yes or no, in any of the usual words.
    Boolean,
    /// A decimal number.
    Number,
    /// `2026-12-31`.
    Date,
    /// A day and a time of day.
    Instant,
    /// An e-mail address.
    Email,
    /// A Salesforce id.
    Id,
    /// A telephone number.
    Phone,
    /// Anything else.
    Text,
}

impl Shape {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Self; 8] =
        [Self::Boolean, Self::Number, Self::Date, Self::Instant, Self::Email, Self::Id, Self::Phone, Self::Text];

    /// The word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::Date => "date",
            Self::Instant => "instant",
            Self::Email => "e-mail",
            Self::Id => "id",
            Self::Phone => "phone",
            Self::Text => "text",
        }
    }

    /// The type of a mapped field that such values fit.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Boolean => Kind::Boolean,
            Self::Number => Kind::Number,
            Self::Date => Kind::Date,
            Self::Instant => Kind::Instant,
            Self::Email | Self::Id | Self::Phone | Self::Text => Kind::Text,
        }
    }

    /// Whether a text, trimmed and not empty, looks like it. Everything is text.
    #[must_use]
    pub fn fits(self, text: &str) -> bool {
        match self {
            Self::Boolean => {
                ["true", "false", "yes", "no", "y", "n", "1", "0"].iter().any(|word| text.eq_ignore_ascii_case(word))
            }
            // A telephone number that begins with a nought is none.
            Self::Number => decimal(text).is_some() && !(text.len() > 1 && text.starts_with('0') && !text.starts_with("0.")),
            Self::Date => text.len() == 10 && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok(),
            Self::Instant => {
                ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"].iter().any(|form| NaiveDateTime::parse_from_str(text, form).is_ok())
                    || ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M:%S%.f%#z"]
                        .iter()
                        .any(|form| DateTime::parse_from_str(text, form).is_ok())
            }
            Self::Email => {
                let mut parts = text.split('@');
                matches!((parts.next(), parts.next(), parts.next()), (Some(name), Some(host), None) if !name.is_empty() && host.contains('.'))
                    && !text.contains(char::is_whitespace)
            }
            Self::Id => {
                matches!(text.len(), 15 | 18)
                    && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
                    && text.bytes().take(5).any(|byte| byte.is_ascii_digit())
            }
            Self::Phone => {
                text.chars().filter(char::is_ascii_digit).count() >= 6
                    && text.chars().all(|each| each.is_ascii_digit() || "+-() ./x".contains(each))
            }
            Self::Text => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_apart_by_their_form() {
        for (text, expected) in [
            ("yes", Shape::Boolean),
            ("12.5", Shape::Number),
            ("2026-12-31", Shape::Date),
            ("2026-12-31 10:00:00", Shape::Instant),
            ("2026-12-31T10:00:00.000+0000", Shape::Instant),
            ("pia@pomelo.example", Shape::Email),
            ("0055g0000000003AAA", Shape::Id),
            ("020 7946 0001", Shape::Phone),
            ("02079460001", Shape::Phone),
            ("Pomelo Ltd", Shape::Text),
        ] {
            assert_eq!(Shape::ALL.into_iter().find(|shape| shape.fits(text)), Some(expected), "{text}");
        }
    }
}
