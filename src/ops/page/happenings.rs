//! What happened to a lead, in sentences.

use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use super::words::{Shown, When};
use crate::lead::Side;
use crate::store::{Event, Of};

/// Something that happened.
pub(super) struct Happening {
    pub(super) at: When,
    pub(super) title: String,
    /// The word of its state, where that is not "done".
    pub(super) state: Option<String>,
    pub(super) why: Option<String>,
    pub(super) changes: Vec<Change>,
}

/// More fields than this are folded away.
const FEW: usize = 6;

impl Happening {
    /// How many fields there are, where they are too many to be shown at once.
    pub(super) fn many(&self) -> Option<usize> {
        Some(self.changes.len()).filter(|count| *count > FEW)
    }
}

/// A field of it.
pub(super) struct Change {
    pub(super) field: String,
    pub(super) values: Vec<(&'static str, Shown)>,
}

impl Happening {
    pub(super) fn of(event: &Event, now: DateTime<Utc>) -> Self {
        match event.of {
            Of::Write => write(event, now),
            Of::Conflict => conflict(event, now),
            Of::Action => action(event, now),
        }
    }
}

fn write(event: &Event, now: DateTime<Utc>) -> Happening {
    let to = event.side.map_or("", Side::title);
    let from = event.side.map_or("", |side| side.other().title());
    let names_only = event.after.as_object().is_none_or(serde_json::Map::is_empty);
    let (done, intended) = match event.kind.as_str() {
        "create" => (format!("Lead made in {to}"), format!("Lead to be made in {to}")),
        "delete" => (format!("Lead deleted in {to}"), format!("Lead to be deleted in {to}")),
        _ if names_only => (format!("{to} told the id of {from}’s lead"), format!("{to} to be told the id of {from}’s lead")),
        _ => (format!("{to} given what {from} has"), format!("{to} to be given what {from} has")),
    };
    let state = match event.state.as_str() {
        "done" => None,
        "superseded" => Some("overtaken, not written".to_owned()),
        "due" => Some("waits".to_owned()),
        "sent" => Some("sent, not answered yet".to_owned()),
        other => Some(other.to_owned()),
    };
    let title = if state.is_none() { done } else { intended };
    let title = event.undoes.map_or(title.clone(), |undone| format!("{title}, which reverses write {undone}"));
    let change = |(name, after): (&String, &Json)| {
        let before = event.before.get(name).unwrap_or(&Json::Null);
        let values = match event.kind.as_str() {
            "create" => vec![("", Shown::of(after))],
            _ => vec![("before", Shown::of(before)), ("now", Shown::of(after))],
        };
        Change { field: name.clone(), values }
    };
    Happening {
        at: When::of(&event.at, now),
        title: format!("Write {}: {title}", event.number),
        state,
        why: event.error.clone(),
        changes: event.after.as_object().into_iter().flatten().map(change).collect(),
    }
}

fn conflict(event: &Event, now: DateTime<Utc>) -> Happening {
    let field = &event.field;
    let (title, state) = match (event.state.as_str(), event.side) {
        ("open", _) => (format!("Both sides changed {field}"), Some("waits for a person".to_owned())),
        (_, Some(winner)) => (format!("Both sides changed {field}: {} won", winner.title()), None),
        (_, None) => (format!("Both sides changed {field}: nobody won"), None),
    };
    let why = match event.kind.as_str() {
        "manual" if event.state == "open" => "The rule is manual.".to_owned(),
        "manual" if event.side.is_some() => "A person decided it (rule manual).".to_owned(),
        "manual" => "The values changed before a person decided it.".to_owned(),
        "newest" => "Its edit was the later one (rule newest).".to_owned(),
        "newest (tie)" => "The edits were too close to tell which was later; then Salesforce wins (rule newest).".to_owned(),
        "direction" => "The field goes one way only.".to_owned(),
        "empty" => "An empty value overwrites nothing in this field.".to_owned(),
        "converted" => "Salesforce’s lead was converted, and can no longer be given anything.".to_owned(),
        rule => format!("The rule is {rule}."),
    };
    let value = |place: usize| Shown::of(event.after.get(place).unwrap_or(&Json::Null));
    let base = match &event.before {
        Json::Array(pair) => pair.first().cloned().unwrap_or_default(),
        base => base.clone(),
    };
    let values = vec![("in step", Shown::of(&base)), ("Operate", value(0)), ("Salesforce", value(1))];
    Happening {
        at: When::of(&event.at, now),
        title: format!("Conflict {}: {title}", event.number),
        state,
        why: Some(why),
        changes: vec![Change { field: field.clone(), values }],
    }
}

fn action(event: &Event, now: DateTime<Utc>) -> Happening {
    let by = match event.state.as_str() {
        "command" => "a person, by a command",
        "page" => "a person, on this page",
        "signal" => "a signal",
        _ => "the daemon itself",
    };
    Happening {
        at: When::of(&event.at, now),
        title: format!("Action {}: {} by {by}", event.number, event.kind),
        state: None,
        why: event.error.clone(),
        changes: Vec::new(),
    }
}
