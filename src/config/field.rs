//! `[[fields]]`: one mapped field, as configured. What it means is in [`crate::mapping`].

use chrono::{DateTime, NaiveDate};
use serde::Deserialize;

use super::keys::{self, KeyPath};
use super::part;
use super::parts::{self, Parts};
use super::section::{Fault, Given, Section, wrong_type};
use super::sync::{CONFLICT_WORDS, ConflictRule};
use super::transform::{self, Transform};
use super::value::{quote, scalar_text};
use super::value_map;
use crate::lead::{Kind, PerSide, Side, decimal};
use crate::mapping::expression::Expression;

/// One `[[fields]]` table.
#[derive(Debug, Clone)]
pub struct FieldConfig {
    /// The field's name in the store and in messages.
    pub name: String,
    /// Both systems' names of it: on a side, one field or several that are read as one text; none where the side has no part in it.
    pub native: PerSide<Vec<String>>,
    /// How several native fields are one text.
    pub parts: Parts,
    /// The fields that it merges as one with.
    pub group: Option<String>,
    /// The mappings of whose leads it is a field; empty: of all leads.
    pub only_in: Vec<String>,
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
    /// What is done to values on the way between the sides' spellings.
    pub transforms: Vec<Transform>,
    /// What gives the value on the side that it comes from, in a field that goes one way only: an [`Expression`].
    pub expression: Option<String>,
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
pub(super) const LOOKUP_WORDS: [(&str, Lookup); 5] = [
    ("Location", Lookup::Location),
    ("LeadSource", Lookup::LeadSource),
    ("LeadRejectionReason", Lookup::LeadRejectionReason),
    ("LeadOverturnReason", Lookup::LeadOverturnReason),
    ("User", Lookup::User),
];

/// The words for what an empty value does.
pub(super) const EMPTY_WORDS: [(&str, EmptyRule); 2] = [("overwrite", EmptyRule::Overwrite), ("keep", EmptyRule::Keep)];

/// The words for types.
pub(super) const KIND_WORDS: [(&str, Kind); 6] = [
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
            group: None,
            only_in: Vec::new(),
            direction: Direction::Both,
            conflict: None,
            kind,
            kind_is_given: false,
            default: PerSide::default(),
            values: Vec::new(),
            transforms: Vec::new(),
            expression: None,
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
        let transforms = transform::read(section);
        let made = transforms.iter().map(|(_, transform)| transform).find(|transform| transform.is_format());
        let made = made.map_or(Kind::Text, Transform::kind);
        let kind = given_kind.unwrap_or(if has_values { Kind::Choice } else { made });
        refuse_misplaced(section, kind, lookup, &transforms);
        let direction = section.or("direction", Direction::Both, |given| given.word(&DIRECTION_WORDS));
        let map = value_map::read(section, direction);
        let unknown = section.or("unknown", UnknownRule::Park, |given| unknown_rule(given, &map));
        let defaults = section.section("default");
        let native = PerSide::build(|side| parts::native_names(section, side));
        parts::refuse_typed(section, &native, kind == Kind::Text && lookup.is_none());
        let default = |side: Side| {
            defaults.optional(side.as_str(), |given| {
                // Where transforms read it, they say whether it can be read.
                default_value(given, if transforms.is_empty() { kind } else { Kind::Text }, side, &map)
            })
        };
        let field = Self {
            name: section.required("name", "\"company\"", field_name),
            parts: Parts::read(section, &native),
            group: section.optional("group", field_name),
            only_in: part::only_in(section),
            direction,
            conflict: section.optional("conflict", |given| given.word(&CONFLICT_WORDS)),
            kind,
            kind_is_given: given_kind.is_some() || has_values || lookup.is_some() || !transforms.is_empty(),
            lookup,
            transforms: transforms.iter().map(|(_, transform)| transform.clone()).collect(),
            expression: section.optional("expression", |given| expression(given, section, direction, &native)),
            native,
            default: PerSide::build(default),
            unknown,
            empty: section.or("empty", EmptyRule::Overwrite, |given| given.word(&EMPTY_WORDS)),
            values: map.rows,
        };
        transform::check(section, &transforms, &field);
        if section.has("constant") { field.constant(section) } else { field }
    }

    /// The same as a constant: given to new leads of the one side that it names, whatever is on the other.
    fn constant(mut self, section: &Section<'_>) -> Self {
        let key = section.path.key("constant");
        let named: Vec<Side> = Side::BOTH.into_iter().filter(|side| !self.native.get(*side).is_empty()).collect();
        let [to] = named.as_slice() else {
            let fault = Fault::new("a constant is given to one side", "name the field of that side, and leave out the other");
            section.report.error_at_key(&key, fault);
            return self;
        };
        let others = ["direction", "default", "values", "lookup", "expression", "group", "conflict", "empty", "unknown"];
        for other in others.into_iter().filter(|other| section.has(other)) {
            let fault =
                Fault::new("this does not go with a constant", "remove it: a constant is given to new leads and never compared");
            section.report.error_at_key(&section.path.key(other), fault);
        }
        self.direction = if *to == Side::Operate { Direction::ToOperate } else { Direction::ToSalesforce };
        self.empty = EmptyRule::Keep;
        let whole = value_map::ValueMap { rows: Vec::new(), complete: true };
        let kind = if self.transforms.is_empty() { self.kind } else { Kind::Text };
        *self.default.get_mut(*to) = section.optional("constant", |given| default_value(given, kind, *to, &whole));
        self
    }
}

/// Notes keys that do not go with the type of the field.
fn refuse_misplaced(section: &Section<'_>, kind: Kind, lookup: Option<Lookup>, transforms: &[(KeyPath, Transform)]) {
    let has_values = section.has("values");
    let misplaced = |key: &str, problem: &str, help: &str| {
        section.report.error_at_key(&section.path.key(key), Fault::new(problem, help));
    };
    if has_values && kind != Kind::Choice {
        misplaced("values", "a value map goes with type = \"choice\" only", "remove the map, or leave out the type");
    }
    if !has_values && kind == Kind::Choice {
        misplaced("type", "a choice needs a value map", "add values = [[\"New\", \"Open\"]], with a row for each value");
    }
    let reads_all = !has_values && lookup.is_none() && !transforms.iter().any(|(_, transform)| transform.is_format());
    // Of transforms that are wrong it is not known what they would have read.
    if reads_all && section.has("unknown") && (!section.has("transform") || !transforms.is_empty()) {
        let problem = "this goes with a value map, a lookup, or a transform that says how a value is spelt, only";
        misplaced("unknown", problem, "remove it, or add values");
    }
    if lookup.is_some() && !matches!(kind, Kind::Text | Kind::Choice) {
        misplaced("lookup", "the names of a reference list are text", "leave out the type, or write type = \"text\"");
    }
}

/// Something that gives a value from several fields: it cannot be turned round.
fn expression(
    given: &Given<'_>,
    section: &Section<'_>,
    direction: Direction,
    native: &PerSide<Vec<String>>,
) -> Result<String, Fault> {
    let text = given.filled()?;
    if direction == Direction::Both {
        let help = "add direction = \"to_salesforce\" or \"to_operate\": an expression cannot be turned round";
        return Err(Fault::new("an expression gives a value one way only", help));
    }
    if section.has("lookup") {
        return Err(Fault::new("an expression does not go with `lookup`", "remove one of the two"));
    }
    let help = "write an expression such as firstname ~ ' ' ~ lastname; see docs/mapping.md";
    let compiled = Expression::compile(&text).map_err(|problem| Fault::new(format!("this is no expression: {problem}"), help))?;
    let from = if direction == Direction::ToOperate { Side::Salesforce } else { Side::Operate };
    if native.get(from.other()).len() > 1 {
        return Err(Fault::new("an expression gives one value", format!("name one field of {}", from.other().title())));
    }
    let names = native.get(from);
    if let Some(unknown) = compiled.variables().iter().find(|name| !names.contains(name)) {
        let problem = format!("{} is not among the field's {} names", quote(unknown), from.title());
        let all: Vec<String> = names.iter().chain([unknown]).map(|name| format!("\"{name}\"")).collect();
        return Err(Fault::new(problem, format!("list all that it needs: {from} = [{}]", all.join(", "))));
    }
    Ok(text)
}

pub(super) fn field_name(given: &Given<'_>) -> Result<String, Fault> {
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
        Kind::Choice if map.complete && !map.spellings(side).any(|known| known == value_map::normal(&text)) => {
            let help = keys::nearest(&text, map.spellings(side)).map_or_else(
                || format!("write a value that a row of the map has for {}", side.title()),
                |near| format!("did you mean \"{near}\"?"),
            );
            return Err(Fault::new(format!("{} is no value of {} in the value map", quote(&text), side.title()), help));
        }
        Kind::Text | Kind::Choice => return Ok(text),
        Kind::Number => (decimal(&text).is_some(), "write a decimal number"),
        Kind::Boolean => (is_boolean(&text), "write true or false, yes or no"),
        Kind::Date => (text.len() == 10 && text.parse::<NaiveDate>().is_ok(), "write a date as 2026-12-31"),
        Kind::Instant => (DateTime::parse_from_rfc3339(&text).is_ok(), "write a moment with its offset, as 2026-12-31T12:00:00Z"),
    };
    if fits { Ok(text) } else { Err(Fault::new(format!("{} is not of type {}", quote(&text), kind.as_str()), help)) }
}

fn is_boolean(text: &str) -> bool {
    ["true", "false", "yes", "no"].iter().any(|word| text.eq_ignore_ascii_case(word))
}
