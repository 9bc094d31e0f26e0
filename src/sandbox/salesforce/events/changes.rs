//! What a transaction changed: the rows that it touched as they were before, compared with what they are after it.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::sandbox::salesforce::fields::{Field, Source};
use crate::sandbox::salesforce::ids::{self, Key};
use crate::sandbox::salesforce::lead_fields::LEAD;
use crate::sandbox::salesforce::rows::{Row, Table};

/// Rows as they were before somebody touched them; `None`: they were not there.
#[derive(Debug, Clone, Default)]
pub struct Touched(BTreeMap<Key, Option<Row>>);

impl Touched {
    /// A row is about to be changed, or was just made.
    pub fn note(&mut self, key: Key, before: Option<&Row>) {
        self.0.entry(key).or_insert_with(|| before.cloned());
    }
}

/// A change of one or more leads.
#[derive(Debug, PartialEq)]
pub(super) struct Change {
    /// `CREATE`, `UPDATE`, `DELETE` or `UNDELETE`.
    pub kind: &'static str,
    pub ids: Vec<String>,
    /// Who did it.
    pub user: String,
    /// The fields that have other values now; null: none.
    pub fields: Vec<(&'static str, Json)>,
}

/// The changes; several leads that changed in the same way share one.
pub(super) fn of(touched: Touched, leads: &Table) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for (key, before) in touched.0 {
        let Some((kind, after)) = kind_of(before.as_ref(), leads.get(&key)) else { continue };
        let fields = differing(before.as_ref(), after);
        if kind == "UPDATE" && fields.is_empty() {
            continue;
        }
        let (id, user) = (ids::full(&key), after.text("LastModifiedById").unwrap_or_default().to_owned());
        match changes.last_mut() {
            Some(last) if (last.kind, &last.fields, &last.user) == (kind, &fields, &user) => last.ids.push(id),
            _ => changes.push(Change { kind, ids: vec![id], user, fields }),
        }
    }
    changes
}

/// What happened to a row. What is deleted for good is not told of again.
fn kind_of<'r>(before: Option<&'r Row>, after: Option<&'r Row>) -> Option<(&'static str, &'r Row)> {
    match (before, after) {
        (None, Some(after)) if !after.deleted => Some(("CREATE", after)),
        (Some(before), None) if !before.deleted => Some(("DELETE", before)),
        (Some(before), Some(after)) => match (before.deleted, after.deleted) {
            (false, true) => Some(("DELETE", after)),
            (true, false) => Some(("UNDELETE", after)),
            (false, false) => Some(("UPDATE", after)),
            (true, true) => None,
        },
        _ => None,
    }
}

fn differing(before: Option<&Row>, after: &Row) -> Vec<(&'static str, Json)> {
    let stored = LEAD.iter().filter(|field| field.source == Source::Stored && field.name != "LastModifiedById");
    let value = |row: Option<&Row>, field: &Field| row.and_then(|row| row.values.get(field.name)).cloned().unwrap_or_default();
    let changed = stored.filter(|field| value(before, field) != value(Some(after), field));
    changed.map(|field| (field.name, value(Some(after), field))).collect()
}
