//! The fields of a lead in Operate, what each may hold, and the reference lists.

use axum::http::StatusCode;
use chrono::NaiveDate;
use serde_json::Value as Json;

use crate::sandbox::http::Answer;
use crate::sandbox::operate::lists::Lists;
use crate::sandbox::people_words as words;

/// The longest text, in characters.
const TEXT_LIMIT: usize = 255;
/// The longest notes.
const NOTES_LIMIT: usize = 32_000;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The record's number, which Operate gives.
    Id,
    /// When the lead was made; Operate's own.
    Created,
    /// When it was last changed; Operate's own.
    Modified,
    /// Whether it was converted; Operate's own.
    Converted,
    Text,
    Notes,
    /// A whole number, not negative.
    Whole,
    /// A number, not negative.
    Number,
    Date,
    /// The name of an entry of a reference list.
    Listed(&'static List),
    Status,
}

impl Kind {
    /// Whether only Operate itself writes the field.
    pub fn is_read_only(self) -> bool {
        matches!(self, Self::Id | Self::Created | Self::Modified | Self::Converted)
    }
}

/// A reference list: its endpoint and the names in it, numbered from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct List {
    pub endpoint: &'static str,
    pub names: &'static [&'static str],
}

pub static LOCATION: List = List { endpoint: "Location", names: &words::LOCATIONS };
pub static SOURCE: List = List { endpoint: "LeadSource", names: &words::OPERATE_SOURCES };
pub static REJECTION: List = List { endpoint: "LeadRejectionReason", names: &words::REJECTION_REASONS };
pub static OVERTURN: List = List { endpoint: "LeadOverturnReason", names: &words::OVERTURN_REASONS };
pub static USER: List = List { endpoint: "User", names: &words::STAFF };

/// Every list that has an endpoint.
pub static LISTS: [&List; 5] = [&LOCATION, &SOURCE, &REJECTION, &OVERTURN, &USER];

/// The fields that every tenant has.
pub static FIELDS: [(&str, Kind); 31] = [
    ("leadid", Kind::Id),
    ("created", Kind::Created),
    ("lastmodified", Kind::Modified),
    ("converted", Kind::Converted),
    ("leadname", Kind::Text),
    ("firstname", Kind::Text),
    ("lastname", Kind::Text),
    ("email", Kind::Text),
    ("phone", Kind::Text),
    ("mobile", Kind::Text),
    ("jobtitle", Kind::Text),
    ("address1", Kind::Text),
    ("address2", Kind::Text),
    ("city", Kind::Text),
    ("county", Kind::Text),
    ("postcode", Kind::Text),
    ("country", Kind::Text),
    ("website", Kind::Text),
    ("location", Kind::Listed(&LOCATION)),
    ("leadsource", Kind::Listed(&SOURCE)),
    ("leadstatus", Kind::Status),
    ("rejectionreason", Kind::Listed(&REJECTION)),
    ("overturnreason", Kind::Listed(&OVERTURN)),
    ("brokerstatus", Kind::Text),
    ("brokerupdated", Kind::Text),
    ("webtolead", Kind::Text),
    ("owner", Kind::Listed(&USER)),
    ("desks", Kind::Whole),
    ("budget", Kind::Number),
    ("movein", Kind::Date),
    ("notes", Kind::Notes),
];

/// The fields without which there is no lead.
pub const REQUIRED: [&str; 3] = ["leadname", "location", "leadsource"];

/// A field of this tenant: where its value stands in a row, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    pub slot: usize,
    pub kind: Kind,
}

/// The place of a field that every tenant has.
pub fn column(name: &str) -> Option<Column> {
    let slot = FIELDS.iter().position(|(field, _)| *field == name)?;
    FIELDS.get(slot).map(|(_, kind)| Column { slot, kind: *kind })
}

/// The place of a field in a tenant that may have added one.
pub fn tenant_column(name: &str, external: Option<&str>) -> Option<Column> {
    column(name).or_else(|| (external == Some(name)).then_some(Column { slot: FIELDS.len(), kind: Kind::Text }))
}

/// Every field of such a tenant.
pub fn tenant_columns(external: Option<&str>) -> Vec<(&str, Column)> {
    let own = FIELDS.iter().enumerate().map(|(slot, (name, kind))| (*name, Column { slot, kind: *kind }));
    own.chain(external.map(|name| (name, Column { slot: FIELDS.len(), kind: Kind::Text }))).collect()
}

/// Why Operate will not do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: StatusCode,
    pub text: String,
}

impl Refusal {
    /// The request is not formed as it must be.
    pub fn input(text: impl std::fmt::Display) -> Self {
        Self { status: StatusCode::BAD_REQUEST, text: format!("Wrong input parameters, {text}") }
    }

    /// The request is understood, and a value in it will not do.
    pub fn value(text: impl Into<String>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, text: text.into() }
    }

    /// There is no such record.
    pub fn not_found(endpoint: &str, id: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, text: format!("{endpoint} {id} was not found") }
    }

    /// The answer.
    pub fn answer(self) -> Answer {
        Answer::text(self.status, self.text)
    }
}

/// The value as it is stored.
pub fn checked(name: &str, kind: Kind, value: &Json, lists: &Lists) -> Result<String, Refusal> {
    let text = match value {
        Json::Null => String::new(),
        Json::Bool(true) => "1".to_owned(),
        Json::Bool(false) => "0".to_owned(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => text.trim_end().to_owned(),
        Json::Array(_) | Json::Object(_) => {
            return Err(Refusal::input(format!("the value of {name} should be a text or a number")));
        }
    };
    let limit = if kind == Kind::Notes { NOTES_LIMIT } else { TEXT_LIMIT };
    if text.chars().count() > limit {
        return Err(Refusal::value(format!("The value of {name} is longer than {limit} characters")));
    }
    if text.is_empty() {
        return Ok(text);
    }
    match kind {
        Kind::Whole => number(&text)
            .filter(|number| number.fract() == 0.0)
            .map(number_text)
            .ok_or_else(|| Refusal::value(format!("The value '{text}' of {name} is not a whole number"))),
        Kind::Number => {
            number(&text).map(number_text).ok_or_else(|| Refusal::value(format!("The value '{text}' of {name} is not a number")))
        }
        Kind::Date if !is_date(&text) => {
            Err(Refusal::value(format!("The value '{text}' of {name} is not a date in format YYYY-MM-DD")))
        }
        Kind::Listed(list) if !lists.has(list, &text) => {
            Err(Refusal::value(format!("There is no {} '{text}' ({name})", list.endpoint)))
        }
        _ => Ok(text),
    }
}

/// A number that is neither negative nor absurd, written with digits and at most one point.
fn number(text: &str) -> Option<f64> {
    let plain = text.chars().all(|letter| letter.is_ascii_digit() || letter == '.');
    text.parse().ok().filter(|number: &f64| plain && *number < 1e12)
}

fn number_text(number: f64) -> String {
    // Rust writes no exponent and no point where none is needed.
    number.to_string()
}

/// Whether it is a date as Operate writes one, with all its noughts.
pub fn is_date(text: &str) -> bool {
    text.len() == 10 && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

/// Whether Operate takes them for the same: case does not count.
pub fn same_text(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other) || (!(one.is_ascii() && other.is_ascii()) && one.to_lowercase() == other.to_lowercase())
}
