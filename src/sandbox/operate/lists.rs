//! The reference lists: their entries, which administrators may change, and their endpoints, read only and with the same queries
//! as leads.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value as Json, json};

use crate::sandbox::http::{Answer, Call};
use crate::sandbox::operate::number;
use crate::sandbox::operate::query::{Cell, Query};
use crate::sandbox::operate::records::numbered;
use crate::sandbox::operate::schema::{Column, Kind, LISTS, List, Refusal, USER, same_text};

const ID: Column = Column { slot: 0, kind: Kind::Id };
const NAME: Column = Column { slot: 1, kind: Kind::Text };
const EMAIL: Column = Column { slot: 2, kind: Kind::Text };

/// An entry of a list.
#[derive(Debug, Clone)]
struct Entry {
    name: String,
    /// Of a user.
    email: String,
}

/// All lists.
#[derive(Debug, Clone)]
pub struct Lists {
    entries: BTreeMap<&'static str, BTreeMap<u32, Entry>>,
    /// Whether leads hold ids in the place of names.
    by_id: bool,
}

impl Lists {
    /// The lists as they are at the start.
    pub fn new(by_id: bool) -> Self {
        let entry = |name: &&str| Entry {
            name: (*name).to_owned(),
            email: format!("{}@sandbox.example", name.to_lowercase().replace(' ', ".")),
        };
        let list = |list: &&List| (list.endpoint, (1..).zip(list.names.iter().map(entry)).collect());
        Self { entries: LISTS.iter().map(list).collect(), by_id }
    }

    fn of(&self, list: &List) -> impl Iterator<Item = (u32, &Entry)> {
        self.entries.get(list.endpoint).into_iter().flatten().map(|(id, entry)| (*id, entry))
    }

    /// Whether leads hold ids from now on; gives what a value becomes, if that changed.
    pub fn hold_ids(&mut self, by_id: bool) -> bool {
        std::mem::replace(&mut self.by_id, by_id) != by_id
    }

    /// What a lead holds for an entry of this name.
    pub fn value_of(&self, list: &List, name: &str) -> String {
        match self.of(list).find(|(_, entry)| same_text(&entry.name, name)) {
            Some((id, _)) if self.by_id => id.to_string(),
            _ => name.to_owned(),
        }
    }

    /// The name that a value stands for, whichever way leads hold them.
    pub fn name_of(&self, list: &List, value: &str) -> String {
        let named = self.of(list).find(|(id, _)| id.to_string() == value);
        named.map_or_else(|| value.to_owned(), |(_, entry)| entry.name.clone())
    }

    /// Whether a lead may hold this value.
    pub fn has(&self, list: &List, value: &str) -> bool {
        self.of(list).any(|(id, entry)| if self.by_id { id.to_string() == value } else { same_text(&entry.name, value) })
    }

    /// Adds, renames or (without a name) removes an entry.
    pub fn change(&mut self, list: &str, id: u32, name: Option<&str>, email: Option<&str>) -> Result<(), String> {
        let entries = self.entries.iter_mut().find(|(endpoint, _)| endpoint.eq_ignore_ascii_case(list));
        let (_, entries) = entries.ok_or_else(|| format!("there is no list `{list}`"))?;
        match name {
            Some(name) => {
                let email = email.unwrap_or_default().to_owned();
                entries.insert(id, Entry { name: name.to_owned(), email });
            }
            None => {
                entries.remove(&id).ok_or_else(|| format!("{list} has no entry {id}"))?;
            }
        }
        Ok(())
    }

    /// Answers a read of a list, or of one of its entries.
    pub fn answer(&self, call: &Call, list: &List, id: Option<&str>, order: &mut ChaCha8Rng) -> Result<Answer, Refusal> {
        let has_email = *list == USER;
        let mut columns = vec![("id".to_owned(), ID), ("name".to_owned(), NAME)];
        columns.extend(has_email.then(|| ("email".to_owned(), EMAIL)));
        if let Some(id) = id {
            let wanted = number(id)?;
            let found = self.of(list).find(|(id, _)| *id == wanted).ok_or_else(|| Refusal::not_found(list.endpoint, id))?;
            return Ok(Answer::json(StatusCode::OK, &json(found, &columns)));
        }
        let column = |name: &str| columns.iter().find(|(known, _)| known == name).map(|(_, column)| *column);
        let query = Query::read(call, &column)?;
        let holds = |entry: &(u32, &Entry)| query.conditions.iter().all(|each| each.holds(cell(*entry, each.column)));
        let mut entries: Vec<(u32, &Entry)> = self.of(list).filter(holds).collect();
        entries.shuffle(order);
        let shown = query.fields.as_ref().unwrap_or(&columns);
        Ok(numbered(entries.into_iter().map(|entry| json(entry, shown))))
    }
}

fn cell((id, entry): (u32, &Entry), column: Column) -> Cell<'_> {
    match column {
        ID => Cell::Number(Some(f64::from(id))),
        NAME => Cell::Text(&entry.name),
        _ => Cell::Text(&entry.email),
    }
}

fn json((id, entry): (u32, &Entry), columns: &[(String, Column)]) -> Map<String, Json> {
    let value = |column: Column| match column {
        ID => json!(id),
        NAME => json!(entry.name),
        _ => json!(entry.email),
    };
    columns.iter().map(|(name, column)| (name.clone(), value(*column))).collect()
}
