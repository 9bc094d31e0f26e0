//! `transform` of a field: what is done to its values on the way between the two systems' spellings. What each one does is in
//! [`crate::mapping`].

mod check;
pub(super) mod read;

use chrono_tz::Tz;

use crate::lead::{Kind, PerSide};

pub(super) use self::check::check;
pub(super) use self::read::read;

/// One transform.
///
/// Those that change text come first, in the order in which a side's text is read. At most one says how a value is spelt, and comes
/// last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transform {
    /// Every line is trimmed, and blank lines at the end are dropped.
    Trim,
    /// Each run of white space becomes one space.
    Squeeze,
    /// Small letters.
    Lower,
    /// Capital letters.
    Upper,
    /// Every word begins with a capital letter, and goes on in small ones.
    Title,
    /// What stands before the text on a side; empty: nothing.
    Prefix(PerSide<String>),
    /// What stands after it; empty: nothing.
    Suffix(PerSide<String>),
    /// Longer texts are cut where they come from. One way only.
    Truncate {
        /// The characters of a text at most, with the mark.
        length: usize,
        /// What a text that was cut ends with.
        mark: String,
    },
    /// A phone number: E.164 and an extension, in neutral form.
    Phone {
        /// The country whose numbers are written without a country code: its ISO 3166-1 alpha-2 code.
        country: String,
        /// How each side spells a number.
        style: PerSide<PhoneStyle>,
    },
    /// A country: its ISO 3166-1 alpha-2 code, in neutral form.
    Country(PerSide<CountryStyle>),
    /// A state, province, county or the like: its ISO 3166-2 code without the country, in neutral form.
    State {
        /// The country that it is in: its ISO 3166-1 alpha-2 code.
        country: String,
        /// How each side spells it.
        style: PerSide<StateStyle>,
    },
    /// A number. `None`: as the system has it by itself.
    Number(PerSide<Option<NumberFormat>>),
    /// The words for yes and no. `None`: as the system has them by itself.
    Boolean(PerSide<Option<Words>>),
    /// A day, in chrono's notation. `None`: `2026-12-31`.
    Date(PerSide<Option<String>>),
    /// A moment.
    Datetime {
        /// In chrono's notation. `None`: as the system has it by itself.
        format: PerSide<Option<String>>,
        /// The zone of the given formats. `None`: the workspace's.
        zone: Option<Tz>,
    },
}

/// How a phone number is spelt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PhoneStyle {
    /// `020 7946 0958`; a number of another country as [`PhoneStyle::International`].
    National,
    /// `+44 20 7946 0958`.
    #[default]
    International,
    /// `+442079460958`.
    E164,
}

/// How a country is spelt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CountryStyle {
    /// `United Kingdom`.
    #[default]
    Name,
    /// `GB`.
    Alpha2,
    /// `GBR`.
    Alpha3,
}

/// How a state is spelt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StateStyle {
    /// `New York`.
    #[default]
    Name,
    /// `NY`.
    Code,
}

/// How a number is spelt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberFormat {
    /// What stands before the decimal places.
    pub decimal: char,
    /// What stands between groups of three digits.
    pub group: Option<char>,
    /// The decimal places that are always written. `None`: as many as there are.
    pub places: Option<u32>,
    /// What stands before the digits.
    pub prefix: String,
    /// What stands after them.
    pub suffix: String,
}

/// The words of a side for yes and no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// Yes.
    pub yes: String,
    /// No; empty where an empty field says so.
    pub no: String,
}

impl Transform {
    /// The word for it in the configuration.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Trim => "trim",
            Self::Squeeze => "squeeze",
            Self::Lower => "lower",
            Self::Upper => "upper",
            Self::Title => "title",
            Self::Prefix(_) => "prefix",
            Self::Suffix(_) => "suffix",
            Self::Truncate { .. } => "truncate",
            Self::Phone { .. } => "phone",
            Self::Country(_) => "country",
            Self::State { .. } => "state",
            Self::Number(_) => "number",
            Self::Boolean(_) => "boolean",
            Self::Date(_) => "date",
            Self::Datetime { .. } => "datetime",
        }
    }

    /// The type of a field with it.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Number(_) => Kind::Number,
            Self::Boolean(_) => Kind::Boolean,
            Self::Date(_) => Kind::Date,
            Self::Datetime { .. } => Kind::Instant,
            _ => Kind::Text,
        }
    }

    /// Whether it says how a value is spelt: then there are texts that it cannot read.
    #[must_use]
    pub const fn is_format(&self) -> bool {
        matches!(
            self,
            Self::Phone { .. }
                | Self::Country(_)
                | Self::State { .. }
                | Self::Number(_)
                | Self::Boolean(_)
                | Self::Date(_)
                | Self::Datetime { .. }
        )
    }

    /// Whether it sets the case of letters.
    #[must_use]
    pub const fn is_case(&self) -> bool {
        matches!(self, Self::Lower | Self::Upper | Self::Title)
    }
}
