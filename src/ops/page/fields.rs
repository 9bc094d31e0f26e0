//! The fields of a lead side by side, and what was decided about each: told from what stands in the store, so that it is what was
//! decided and not what would be.

use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use super::words::{Shown, When};
use crate::config::Config;
use crate::config::field::{Direction, FieldConfig};
use crate::lead::{PerSide, Side};
use crate::merge::rule_word;
use crate::store::{Dossier, Event, Of};

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
    let (to, from) = write.side.map_or(("", ""), |side| (side.title(), side.other().title()));
    let clears = write.after.get(name).is_some_and(Json::is_null);
    let what = if clears { format!("{to} is to have it cleared") } else { format!("{to} is to be given {from}’s value") };
    match (write.state.as_str(), write.attempts) {
        ("parked", _) => format!("{what}; write {} was refused, and waits for a person.", write.number),
        ("sent", _) => format!("{what}; write {} is sent, and not answered yet.", write.number),
        (_, 0) => format!("{what} by the next batch."),
        (_, attempts) => format!("{what}; write {} was tried {attempts} time(s).", write.number),
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
    if values.operate.is_null() && values.salesforce.is_null() {
        return ("apart", "empty", String::new());
    }
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
    let settled = past.iter().find(|event| event.of == Of::Conflict && event.state == "settled" && event.field == name);
    let written = past.iter().find(|event| event.of == Of::Write && event.state == "done" && event.after.get(name).is_some());
    let of_write = |write: &Event| {
        let to = write.side.map_or("", Side::title);
        let from = write.side.map_or("", |side| side.other().title());
        let words = match (write.kind.as_str(), write.undoes) {
            ("create", _) => format!("made with {from}’s value"),
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
        (Some(settled), Some(written)) if settled.at < written.since && !carries_out(written, settled) => Some(of_write(written)),
        (Some(settled), _) => Some(of_conflict(settled)),
        (None, Some(written)) => Some(of_write(written)),
        (None, None) => None,
    }
}

/// Whether a write gives the value that won a conflict. A person's word comes before the write that carries it out.
fn carries_out(write: &Event, conflict: &Event) -> bool {
    let Some(winner) = conflict.side else { return false };
    let place = usize::from(winner == Side::Salesforce);
    write.side == Some(winner.other()) && write.after.get(&conflict.field) == conflict.after.get(place)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::{LinkRow, SeenLead};

    /// A pair of which the phone number is this on each side, and was that when both were in step.
    fn dossier(operate: &Json, salesforce: &Json, base: &Json) -> Dossier {
        let lead = |value: &Json| Some(SeenLead { fields: json!({ "phone": value }), ..SeenLead::default() });
        let link = LinkRow { base: json!({ "phone": base }), ..LinkRow::default() };
        Dossier {
            link: Some(link),
            leads: PerSide { operate: lead(operate), salesforce: lead(salesforce) },
            ..Dossier::default()
        }
    }

    fn told(dossier: &Dossier, past: &[Event]) -> FieldRow {
        let config = include_str!("../../../config/leadsync.toml");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("leadsync.toml");
        std::fs::write(&file, config.replace("env:", "")).unwrap();
        let config = Config::load(Some(&file)).unwrap().config;
        rows(&config, dossier, past, Utc::now()).into_iter().find(|row| row.name == "phone").unwrap()
    }

    #[test]
    fn a_field_is_told_from_what_stands_in_the_store() {
        let write = |state: &str| Event {
            side: Some(Side::Salesforce),
            kind: "update".to_owned(),
            state: state.to_owned(),
            after: json!({ "phone": "1" }),
            ..Event::default()
        };
        for (writes, open, expected, words) in [
            (vec![], vec![], "apart", "Nobody changed it"),
            (vec![write("due")], vec![], "waits", "Salesforce is to be given Operate’s value by the next batch"),
            (vec![write("sent")], vec![], "waits", "not answered yet"),
            (vec![write("parked")], vec![], "waits", "was refused, and waits for a person"),
            (
                vec![],
                vec![Event { field: "phone".to_owned(), number: 7, ..Event::default() }],
                "conflict",
                "A person has to decide",
            ),
        ] {
            let row = told(&Dossier { writes, open, ..dossier(&json!("1"), &json!("2"), &json!(["1", "2"])) }, &[]);
            assert!(row.mark == expected && row.why.contains(words), "{}: {}", row.mark, row.why);
        }
        let row = told(&dossier(&json!("1"), &json!("1"), &json!("1")), &[]);
        assert_eq!((row.mark, row.base_of_salesforce), ("same", None));
        let row = told(&dossier(&json!({ "unknown": "?" }), &json!("1"), &json!("1")), &[]);
        assert!(row.values.operate.is_unread && row.why.contains("Operate’s value cannot be read"), "{}", row.why);
    }

    #[test]
    fn the_last_word_is_the_conflict_whose_write_followed_it() {
        let write = |since: &str| Event {
            side: Some(Side::Operate),
            kind: "update".to_owned(),
            state: "done".to_owned(),
            after: json!({ "phone": "1" }),
            at: "2026-01-01T12:00:09.000Z".to_owned(),
            since: since.to_owned(),
            ..Event::default()
        };
        let conflict = Event {
            of: Of::Conflict,
            side: Some(Side::Salesforce),
            kind: "newest".to_owned(),
            field: "phone".to_owned(),
            state: "settled".to_owned(),
            after: json!(["2", "3"]),
            at: "2026-01-01T12:00:05.000Z".to_owned(),
            ..Event::default()
        };
        let of = |write: Event, conflict: Event| {
            told(&dossier(&json!("1"), &json!("1"), &json!("1")), &[write, conflict]).last.map(|(words, _)| words).unwrap()
        };
        let last = |write: Event| of(write, conflict.clone());
        assert_eq!(last(write("2026-01-01T12:00:05.000Z")), "both changed it; Salesforce won by the rule newest");
        assert_eq!(last(write("2026-01-01T12:00:07.000Z")), "Salesforce wrote it; Operate was given it");
        let of_a_person = Event { kind: "manual".to_owned(), after: json!(["2", "1"]), ..conflict.clone() };
        assert_eq!(of(write("2026-01-01T12:00:07.000Z"), of_a_person), "both changed it; a person took Salesforce’s value");
    }
}
