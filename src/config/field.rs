//! `[[fields]]`: one mapped field, as configured. What it means is in [`crate::mapping`].

use chrono::{DateTime, NaiveDate};
use serde::Deserialize;

use super::keys;
use super::parts::{self, Parts};
use super::section::{Fault, Given, Section, wrong_type};
use super::sync::{CONFLICT_WORDS, ConflictRule};
use super::value::{quote, scalar_text};
use super::value_map;
use crate::lead::{Kind, PerSide, Side, decimal};

/// One `[[fields]]` table.
#[derive(Debug, Clone)]
pub struct FieldConfig {
    /// The field's name in the store and in messages.
    pub name: String,
    /// Both systems' names of it: on a side, one field or several that are read as one text; none where the side has no part in it.
    pub native: PerSide<Vec<String>>,
    /// How several native fields are one text.
    pub parts: Parts,
    /// Which way values go.
    pub direction: Direction,
    /// What decides a conflict; `None`: as `[sync].conflict`.
    pub conflict: Option<ConflictRule>,
    /// The type. Left out in the file: choice where `values` is given, else what Salesforce describes, else text.
    pub kind: Kind,
    /// Whether the file says the type.
    pub kind_is_given: bool,
    /// What a create gives on a side where the other side is empty; the side's native spelling.
    pub default: PerSide<Option<String>>,
    /// The value map.
    pub values: Vec<ValueRow>,
    /// The reference list whose ids Operate's field holds.
    pub lookup: Option<Lookup>,
    /// What to do with a value that the value map does not list.
    pub unknown: UnknownRule,
    /// Whether an empty value overwrites the other side's.
    pub empty: EmptyRule,
}

/// Which way a field's values go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Both ways.
    Both,
    /// From Operate to Salesforce only.
    ToSalesforce,
    /// From Salesforce to Operate only.
    ToOperate,
}

/// A row of a value map: `["New", "Open - Not Contacted"]`, or with a third word that limits it to one way:
/// `["Fresh", "Open - Not Contacted", "to_salesforce"]`, for a value that shares its counterpart with another row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueRow {
    /// The Operate and the Salesforce spelling.
    pub native: PerSide<String>,
    /// The way that it is used.
    pub direction: Direction,
}

/// `lookup`: a reference list of Operate. A lead holds an entry's id, and the mapping its name; of the list `User`, the e-mail
/// address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// Locations.
    Location,
    /// Lead sources.
    LeadSource,
    /// Why leads are rejected.
    LeadRejectionReason,
    /// Why leads are overturned.
    LeadOverturnReason,
    /// Staff.
    User,
}

impl Lookup {
    /// The list of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        LOOKUP_WORDS.iter().find(|(word, _)| *word == name).map(|(_, lookup)| *lookup)
    }

    /// The list's name, which is its endpoint too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Location => "Location",
            Self::LeadSource => "LeadSource",
            Self::LeadRejectionReason => "LeadRejectionReason",
            Self::LeadOverturnReason => "LeadOverturnReason",
            Self::User => "User",
        }
    }
}

/// `unknown`: what to do with a value that the value map does not list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnknownRule {
    /// The lead waits for a person.
    Park,
    /// Each side keeps its own value.
    Keep,
    /// It counts as this value, which a row of the map has on either side.
    Literal(String),
}

/// `empty`: whether an empty value overwrites the other side's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyRule {
    /// It does, as any other value.
    Overwrite,
    /// It never does.
    Keep,
}

/// The words for which way values go.
pub(super) const DIRECTION_WORDS: [(&str, Direction); 3] =
    [("both", Direction::Both), ("to_salesforce", Direction::ToSalesforce), ("to_operate", Direction::ToOperate)];

/// The words for reference lists.
const LOOKUP_WORDS: [(&str, Lookup); 5] = [
    ("Location", Lookup::Location),
    ("LeadSource", Lookup::LeadSource),
    ("LeadRejectionReason", Lookup::LeadRejectionReason),
    ("LeadOverturnReason", Lookup::LeadOverturnReason),
    ("User", Lookup::User),
];

/// The words for types.
const KIND_WORDS: [(&str, Kind); 6] = [
    ("text", Kind::Text),
    ("number", Kind::Number),
    ("boolean", Kind::Boolean),
    ("date", Kind::Date),
    ("instant", Kind::Instant),
    ("choice", Kind::Choice),
];

impl Direction {
    /// Whether values that go this way are written to that side.
    #[must_use]
    pub const fn writes_to(self, side: Side) -> bool {
        matches!((self, side), (Self::Both, _) | (Self::ToSalesforce, Side::Salesforce) | (Self::ToOperate, Side::Operate))
    }
}

impl FieldConfig {
    /// A field with these names on the sides, and all else as it is where the file says nothing.
    pub fn new<'n>(
        name: &str,
        operate: impl IntoIterator<Item = &'n str>,
        salesforce: impl IntoIterator<Item = &'n str>,
        kind: Kind,
    ) -> Self {
        Self {
            name: name.to_owned(),
            native: PerSide {
                operate: operate.into_iter().map(str::to_owned).collect(),
                salesforce: salesforce.into_iter().map(str::to_owned).collect(),
            },
            parts: Parts::default(),
            direction: Direction::Both,
            conflict: None,
            kind,
            kind_is_given: false,
            default: PerSide::default(),
            values: Vec::new(),
            lookup: None,
            unknown: UnknownRule::Park,
            empty: EmptyRule::Overwrite,
        }
    }

    /// Reads one `[[fields]]` table.
    pub(super) fn read(section: &Section<'_>) -> Self {
        let has_values = section.has("values");
        let given_kind = section.optional("type", |given| given.word(&KIND_WORDS));
        let lookup = section.optional("lookup", |given| given.word(&LOOKUP_WORDS));
        let kind = given_kind.unwrap_or(if has_values { Kind::Choice } else { Kind::Text });
        let misplaced = |key: &str, problem: &str, help: &str| {
            section.report.error_at_key(&section.path.key(key), Fault::new(problem, help));
        };
        if has_values && kind != Kind::Choice {
            misplaced("values", "a value map goes with type = \"choice\" only", "remove the map, or leave out the type");
        }
        if !has_values && kind == Kind::Choice {
            misplaced("type", "a choice needs a value map", "add values = [[\"New\", \"Open\"]], with a row for each value");
        }
        if !has_values && lookup.is_none() && section.has("unknown") {
            misplaced("unknown", "this goes with a value map or a lookup only", "remove it, or add values");
        }
        if lookup.is_some() && !matches!(kind, Kind::Text | Kind::Choice) {
            misplaced("lookup", "the names of a reference list are text", "leave out the type, or write type = \"text\"");
        }
        let direction = section.or("direction", Direction::Both, |given| given.word(&DIRECTION_WORDS));
        let map = value_map::read(section, direction);
        let unknown = section.or("unknown", UnknownRule::Park, |given| unknown_rule(given, &map));
        let defaults = section.section("default");
        let default = |side: Side| defaults.optional(side.as_str(), |given| default_value(given, kind, side, &map));
        let native = PerSide::build(|side| parts::native_names(section, side));
        parts::refuse_typed(section, &native, kind == Kind::Text && lookup.is_none());
        Self {
            name: section.required("name", "\"company\"", field_name),
            parts: Parts::read(section, &native),
            native,
            direction,
            conflict: section.optional("conflict", |given| given.word(&CONFLICT_WORDS)),
            kind,
            kind_is_given: given_kind.is_some() || has_values || lookup.is_some(),
            lookup,
            default: PerSide::build(default),
            unknown,
            empty: section.or("empty", EmptyRule::Overwrite, |given| {
                given.word(&[("overwrite", EmptyRule::Overwrite), ("keep", EmptyRule::Keep)])
            }),
            values: map.rows,
        }
    }
}

fn field_name(given: &Given<'_>) -> Result<String, Fault> {
    let text = given.filled()?;
    let fits = text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|each| each.is_ascii_lowercase() || each.is_ascii_digit() || each == '_');
    if fits {
        return Ok(text);
    }
    let problem = format!("{} is not a name that a field can have", quote(&text));
    Err(Fault::new(problem, "write small letters, digits and _, a letter first"))
}

fn unknown_rule(given: &Given<'_>, map: &value_map::ValueMap) -> Result<UnknownRule, Fault> {
    match value_map::normal(given.text()?).as_str() {
        "park" => Ok(UnknownRule::Park),
        "keep" => Ok(UnknownRule::Keep),
        literal if map.complete && !Side::BOTH.iter().any(|side| map.spellings(*side).any(|known| known == literal)) => {
            let known = Side::BOTH.iter().flat_map(|side| map.spellings(*side));
            let help = keys::nearest(literal, known.chain(["park", "keep"])).map_or_else(
                || "write \"park\", \"keep\" or a value that a row of the map has".to_owned(),
                |near| format!("did you mean \"{near}\"? Else write \"park\", \"keep\" or a value that a row of the map has"),
            );
            Err(Fault::new(format!("{} is in no row of the value map", quote(literal)), help))
        }
        literal => Ok(UnknownRule::Literal(literal.to_owned())),
    }
}

/// What a create gives, in the side's own spelling.
fn default_value(given: &Given<'_>, kind: Kind, side: Side, map: &value_map::ValueMap) -> Result<String, Fault> {
    let Some(text) = scalar_text(given.kind) else {
        return Err(wrong_type(given.kind, "a single value", "write the value alone"));
    };
    if text.is_empty() {
        return Err(Fault::new("an empty default gives nothing", "leave it out"));
    }
    let (fits, help) = match kind {
        Kind::Text => return Ok(text),
        Kind::Number => (decimal(&text).is_some(), "write a decimal number"),
        Kind::Boolean => (is_boolean(&text), "write true or false, yes or no"),
        Kind::Date => (text.len() == 10 && text.parse::<NaiveDate>().is_ok(), "write a date as 2026-12-31"),
        Kind::Instant => (DateTime::parse_from_rfc3339(&text).is_ok(), "write a moment with its offset, as 2026-12-31T12:00:00Z"),
        Kind::Choice => (
            !map.complete || map.spellings(side).any(|known| known == value_map::normal(&text)),
            "write a value that a row of the map has on this side",
        ),
    };
    if fits { Ok(text) } else { Err(Fault::new(format!("{} is not of type {}", quote(&text), kind.as_str()), help)) }
}

fn is_boolean(text: &str) -> bool {
    ["true", "false", "yes", "no"].iter().any(|word| text.eq_ignore_ascii_case(word))
}
