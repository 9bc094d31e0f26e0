//! The fields of a lead side by side, and what was decided about each: told from what stands in the store, so that it is what was
//! decided and not what would be.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use super::words::{Shown, When};
use crate::config::Config;
use crate::config::field::{Direction, FieldConfig};
use crate::lead::{PerSide, Side};
use crate::merge::rule_word;
use crate::store::{Dossier, Event};

/// A field of a lead.
pub(super) struct FieldRow {
    pub(super) name: String,
    pub(super) values: PerSide<Shown>,
    /// What both had when they were last in step; Salesforce's only where it was another.
    pub(super) base: Shown,
    pub(super) base_of_salesforce: Option<Shown>,
    /// `same`, `waits`, `conflict` or `apart`.
    pub(super) mark: &'static str,
    /// The mark in a word or two.
    pub(super) state: &'static str,
    pub(super) why: String,
    /// What last happened to it.
    pub(super) last: Option<(String, When)>,
    /// The open conflict, for the form that settles it.
    pub(super) conflict: Option<i64>,
}

/// All fields that are mapped, in the order of the configuration, and those of earlier mappings that the lead still has.
pub(super) fn rows(config: &Config, dossier: &Dossier, past: &[Event], now: DateTime<Utc>) -> Vec<FieldRow> {
    let known = config.fields.iter().map(|field| (field.name.as_str(), Some(field)));
    let former = Side::BOTH.iter().filter_map(|side| dossier.leads.get(*side).as_ref()?.fields.as_object());
    let mut others: Vec<&str> = former.flat_map(|fields| fields.keys().map(String::as_str)).collect();
    others.retain(|name| !config.fields.iter().any(|field| field.name == *name));
    others.sort_unstable();
    others.dedup();
    let all = known.chain(others.into_iter().map(|name| (name, None)));
    all.map(|(name, field)| row(config, field, name, dossier, past, now)).collect()
}

fn row(
    config: &Config,
    field: Option<&FieldConfig>,
    name: &str,
    dossier: &Dossier,
    past: &[Event],
    now: DateTime<Utc>,
) -> FieldRow {
    let values = PerSide::build(|side| {
        let lead = dossier.leads.get(side).as_ref();
        lead.and_then(|lead| lead.fields.get(name)).cloned().unwrap_or_default()
    });
    let base = base(dossier, name);
    let open = dossier.open.iter().find(|conflict| conflict.field == name);
    let write = dossier.writes.iter().find(|write| write.after.get(name).is_some());
    let (mark, state, why) = match (open, write) {
        (Some(_), _) => ("conflict", "conflict", conflict_words(config, field)),
        (None, Some(write)) => ("waits", "waits", write_words(write, name)),
        (None, None) => at_rest(field, dossier, &values, &base),
    };
    FieldRow {
        name: name.to_owned(),
        base: Shown::of(&base.operate),
        base_of_salesforce: (base.operate != base.salesforce).then(|| Shown::of(&base.salesforce)),
        values: values.map(|value| Shown::of(&value)),
        mark,
        state,
        why,
        last: last(name, past, now),
        conflict: open.map(|conflict| conflict.number),
    }
}

fn base(dossier: &Dossier, name: &str) -> PerSide<Json> {
    let base = dossier.link.as_ref().and_then(|link| link.base.get(name)).cloned().unwrap_or_default();
    match base {
        Json::Array(pair) => {
            let mut pair = pair.into_iter();
            PerSide { operate: pair.next().unwrap_or_default(), salesforce: pair.next().unwrap_or_default() }
        }
        both => PerSide { operate: both.clone(), salesforce: both },
    }
}

fn conflict_words(config: &Config, field: Option<&FieldConfig>) -> String {
    let rule = field.and_then(|field| field.conflict).unwrap_or(config.sync.conflict);
    format!("Both sides changed it, to different values. Rule: {}. A person has to decide.", rule_word(rule))
}

fn write_words(write: &Event, name: &str) -> String {
    let to = write.side.map_or("", Side::title);
    let value = Shown::of(write.after.get(name).unwrap_or(&Json::Null));
    let what = if value.is_empty {
        format!("{to} is to have it cleared")
    } else {
        format!("{to} is to be given “{}”", cut(&value.text))
    };
    match (write.state.as_str(), &write.error) {
        ("parked", Some(error)) => format!("{what}; refused: {error}"),
        ("parked", None) => format!("{what}; parked"),
        ("sent", _) => format!("{what}; sent, and not answered yet"),
        (_, Some(error)) if write.attempts > 0 => format!("{what}; tried {} time(s): {error}", write.attempts),
        _ => format!("{what} by the next batch"),
    }
}

/// The beginning of a value within a sentence.
fn cut(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A field about which nothing is under way.
fn at_rest(
    field: Option<&FieldConfig>,
    dossier: &Dossier,
    values: &PerSide<Json>,
    base: &PerSide<Json>,
) -> (&'static str, &'static str, String) {
    let waits = |why: String| ("waits", "waits", why);
    let apart = |why: &str| ("apart", "apart", why.to_owned());
    let Some(field) = field else { return apart("No field of the present mapping: it stays as it is.") };
    let (Some(operate), Some(salesforce)) = (&dossier.leads.operate, &dossier.leads.salesforce) else {
        return apart("The other half of the lead is not there.");
    };
    if values.operate == values.salesforce {
        return ("same", "in step", String::new());
    }
    if operate.deleted_at.is_some() || salesforce.deleted_at.is_some() {
        return apart("A lead is deleted: nothing is carried across.");
    }
    let unread = Side::BOTH.into_iter().find(|side| values.get(*side).is_object());
    if let Some(side) = unread {
        return waits(format!("{}’s value cannot be read by the mapping.", side.title()));
    }
    let moved = PerSide::build(|side| values.get(side) != base.get(side));
    if !moved.operate && !moved.salesforce {
        return apart("Nobody changed it since both were in step: each side keeps its own.");
    }
    if operate.dirty || salesforce.dirty {
        return waits("Changed, and not decided yet: the next cycle does it.".to_owned());
    }
    match field.direction {
        Direction::ToSalesforce => apart("It goes to Salesforce only: what Salesforce changed stays there."),
        Direction::ToOperate => apart("It goes to Operate only: what Operate changed stays there."),
        Direction::Both if salesforce.converted => apart("Salesforce’s lead is converted, and read-only."),
        Direction::Both => apart("The rules of the field leave it on its side."),
    }
}

/// What last happened to a field: a conflict that was settled, or a write. Of both at once the conflict says more.
fn last(name: &str, past: &[Event], now: DateTime<Utc>) -> Option<(String, When)> {
    let settled = past.iter().find(|event| event.is_conflict && event.state == "settled" && event.field == name);
    let written = past.iter().find(|event| !event.is_conflict && event.state == "done" && event.after.get(name).is_some());
    let of_write = |write: &Event| {
        let to = write.side.map_or("", Side::title);
        let from = write.side.map_or("", |side| side.other().title());
        let words = match (write.kind.as_str(), write.undoes) {
            ("create", _) => format!("{to} was made with {from}’s value"),
            (_, Some(undone)) => format!("write {undone} to {to} was reversed"),
            _ => format!("{from} wrote it; {to} was given it"),
        };
        (words, When::of(&write.at, now))
    };
    let of_conflict = |conflict: &Event| {
        let words = match (conflict.side, conflict.kind.as_str()) {
            (Some(winner), "manual") => format!("both changed it; a person took {}’s value", winner.title()),
            (Some(winner), rule) => format!("both changed it; {} won by the rule {rule}", winner.title()),
            (None, rule) => format!("both changed it; nobody won ({rule})"),
        };
        (words, When::of(&conflict.at, now))
    };
    match (settled, written) {
        (Some(settled), Some(written)) if settled.at.cmp(&written.since) == Ordering::Less => Some(of_write(written)),
        (Some(settled), _) => Some(of_conflict(settled)),
        (None, Some(written)) => Some(of_write(written)),
        (None, None) => None,
    }
}
