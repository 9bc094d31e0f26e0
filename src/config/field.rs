//! `[[fields]]`: one mapped field, as configured. What it means is in [`crate::mapping`].

use serde::Deserialize;

use crate::config::sync::ConflictRule;
use crate::lead::{Kind, PerSide};

/// One `[[fields]]` table.
#[derive(Debug, Clone)]
pub struct FieldConfig {
    /// The field's name in the store and in messages.
    pub name: String,
    /// Both systems' names of it.
    pub native: PerSide<String>,
    /// Which way values go.
    pub direction: Direction,
    /// What decides a conflict; `None`: as `[sync].conflict`.
    pub conflict: Option<ConflictRule>,
    /// The type. Left out in the file: choice where `values` is given, else text.
    pub kind: Kind,
    /// What a create gives on a side where the other side is empty; the side's native spelling.
    pub default: PerSide<Option<String>>,
    /// The value map.
    pub values: Vec<ValueRow>,
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
