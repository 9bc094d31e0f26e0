//! `[sync]`: what is created, who wins, how unlinked leads find each other.

use config::{Value, ValueKind};
use serde::Deserialize;

use super::field::FieldConfig;
use super::keys::{self, KeyPath};
use super::part::{self, LEAVES_WORDS, LeavesRule};
use super::section::{Fault, Given, Report, Section, wrong_type};
use super::value::quote;
use crate::lead::{PerSide, Side};

/// `[sync]`.
#[derive(Debug, Clone)]
pub struct SyncConfig {
    /// Where leads that are on one side only are created.
    pub create: CreateRule,
    /// What decides a conflict, unless the field says otherwise.
    pub conflict: ConflictRule,
    /// What a delete on one side does to the other.
    pub delete: DeleteRule,
    /// Field names (of the mapping) that must all agree for two unlinked leads to be the same; tried in order.
    pub match_keys: Vec<Vec<String>>,
    /// Brake: the share of all links, 0 to 1, that one cycle may change. `None`: lifted.
    pub max_change: Option<f64>,
    /// Brake: how many deletes one cycle may carry out.
    pub max_delete: u32,
    /// The condition for leads to take part; `None`: all do.
    pub filter: Option<String>,
    /// What becomes of a link when one of its leads leaves the filter.
    pub leaves: LeavesRule,
    /// What a conversion on one side is on the other.
    pub converted: Option<ConvertedConfig>,
}

/// `[sync.converted]`: the value that a lead gets when its counterpart was converted.
#[derive(Debug, Clone)]
pub struct ConvertedConfig {
    /// The name of the field.
    pub field: String,
    /// What each side's field gets, in its own spelling, when the other side's lead was converted; `None`: nothing.
    pub given: PerSide<Option<String>>,
}

/// `sync.create`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreateRule {
    /// On either side.
    Both,
    /// Operate's leads in Salesforce only.
    ToSalesforce,
    /// Salesforce's leads in Operate only.
    ToOperate,
    /// Nowhere: only leads that find each other are kept in step.
    None,
}

/// What decides a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictRule {
    /// The later edit, by the servers' clocks.
    Newest,
    /// Operate's value.
    Operate,
    /// Salesforce's value.
    Salesforce,
    /// A person, by `leadsync resolve`.
    Manual,
}

/// `sync.delete`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeleteRule {
    /// The other side keeps its lead.
    Ignore,
    /// The other side's lead is deleted too, if nobody edited it since.
    Propagate,
}

/// The words for where leads are created.
pub(super) const CREATE_WORDS: [(&str, CreateRule); 4] = [
    ("both", CreateRule::Both),
    ("to_salesforce", CreateRule::ToSalesforce),
    ("to_operate", CreateRule::ToOperate),
    ("none", CreateRule::None),
];

/// The words for what a delete does.
pub(super) const DELETE_WORDS: [(&str, DeleteRule); 2] = [("ignore", DeleteRule::Ignore), ("propagate", DeleteRule::Propagate)];

/// The words for what decides a conflict.
pub(super) const CONFLICT_WORDS: [(&str, ConflictRule); 4] = [
    ("newest", ConflictRule::Newest),
    ("operate", ConflictRule::Operate),
    ("salesforce", ConflictRule::Salesforce),
    ("manual", ConflictRule::Manual),
];

/// How `match` is written.
const MATCH_HELP: &str = "write lists of field names, such as match = [[\"email\"], [\"company\", \"postcode\"]]";

impl SyncConfig {
    /// Reads `[sync]`. The match keys must be among the mapping's field names.
    pub(super) fn read(section: &Section<'_>, field_names: &[String], fields: &[FieldConfig]) -> Self {
        Self {
            create: section.or("create", CreateRule::Both, |given| given.word(&CREATE_WORDS)),
            conflict: section.or("conflict", ConflictRule::Newest, |given| given.word(&CONFLICT_WORDS)),
            delete: section.or("delete", DeleteRule::Ignore, |given| given.word(&DELETE_WORDS)),
            match_keys: match_keys(section, field_names),
            max_change: section.or("max_change", Some(0.2), Given::percentage),
            max_delete: section.or("max_delete", 10, |given| given.whole(0..=i64::from(u32::MAX))),
            filter: section
                .optional("filter", |given| {
                    if given.text()?.trim().is_empty() { Ok(None) } else { part::condition(given, fields).map(Some) }
                })
                .flatten(),
            leaves: section.or("leaves", LeavesRule::Stop, |given| given.word(&LEAVES_WORDS)),
            converted: section.has("converted").then(|| converted(&section.section("converted"), field_names)),
        }
    }
}

fn converted(section: &Section<'_>, field_names: &[String]) -> ConvertedConfig {
    let value = |side: Side| section.optional(side.as_str(), Given::filled);
    let field = section.required("field", "\"status\"", |given| {
        let name = given.filled()?;
        if field_names.is_empty() || field_names.contains(&name) { Ok(name) } else { Err(no_field(&name, field_names)) }
    });
    ConvertedConfig { field, given: PerSide::build(value) }
}

fn no_field(name: &str, field_names: &[String]) -> Fault {
    let help = keys::nearest(name, field_names).map_or_else(
        || format!("write the name of a field: {}", field_names.join(", ")),
        |near| format!("did you mean \"{near}\"?"),
    );
    Fault::new(format!("no field of the mapping is named {}", quote(name)), help)
}

fn match_keys(section: &Section<'_>, field_names: &[String]) -> Vec<Vec<String>> {
    if !section.has("match") {
        section.required("match", "[[\"email\"], [\"company\", \"postcode\"]]", |_| Ok(()));
    }
    let rows = section.elements("match", MATCH_HELP).unwrap_or_default();
    rows.iter().map(|(path, row)| match_key(section.report, path, row, field_names)).collect()
}

/// One list of names.
fn match_key(report: &Report<'_>, path: &KeyPath, row: &Value, field_names: &[String]) -> Vec<String> {
    let ValueKind::Array(row) = &row.kind else {
        report.error(path, wrong_type(&row.kind, "a list of field names", MATCH_HELP));
        return Vec::new();
    };
    if row.is_empty() {
        report.error(path, Fault::new("an empty list would take any two leads for the same", MATCH_HELP));
    }
    let mut names: Vec<String> = Vec::new();
    for (index, element) in row.iter().enumerate() {
        let path = path.index(index);
        match &element.kind {
            ValueKind::String(name) if names.contains(name) => {
                report.error(&path, Fault::new(format!("{} stands twice in one list", quote(name)), "remove one of the two"));
            }
            ValueKind::String(name) => {
                if !field_names.is_empty() && !field_names.contains(name) {
                    report.error(&path, no_field(name, field_names));
                }
                names.push(name.clone());
            }
            kind => report.error(&path, wrong_type(kind, "the name of a field", MATCH_HELP)),
        }
    }
    names
}
