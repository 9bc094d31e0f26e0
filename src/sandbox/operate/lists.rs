//! The reference lists' endpoints: read only, with the same queries as leads.

use axum::http::StatusCode;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value as Json, json};

use crate::sandbox::http::{Answer, Call};
use crate::sandbox::operate::number;
use crate::sandbox::operate::query::{Cell, Query};
use crate::sandbox::operate::records::numbered;
use crate::sandbox::operate::schema::{Column, Kind, List, Refusal};

const ID: Column = Column { slot: 0, kind: Kind::Id };
const NAME: Column = Column { slot: 1, kind: Kind::Text };

/// An entry of a list.
#[derive(Debug, Clone, Copy)]
struct Entry {
    id: u32,
    name: &'static str,
}

impl Entry {
    fn cell(self, column: Column) -> Cell<'static> {
        if column == ID { Cell::Number(Some(f64::from(self.id))) } else { Cell::Text(self.name) }
    }

    fn json(self, column: Column) -> Json {
        if column == ID { self.id.into() } else { self.name.into() }
    }
}

/// Answers a read of a list, or of one of its entries.
pub fn answer(call: &Call, list: &List, id: Option<&str>, order: &mut ChaCha8Rng) -> Result<Answer, Refusal> {
    let mut entries: Vec<Entry> = (1..).zip(list.names).map(|(id, name)| Entry { id, name }).collect();
    if let Some(id) = id {
        let wanted = number(id)?;
        let found = entries.iter().find(|entry| entry.id == wanted).ok_or_else(|| Refusal::not_found(list.endpoint, id))?;
        return Ok(Answer::json(StatusCode::OK, &json!({ "id": found.id, "name": found.name })));
    }
    let query = Query::read(call, &column)?;
    entries.retain(|entry| query.conditions.iter().all(|condition| condition.holds(entry.cell(condition.column))));
    entries.shuffle(order);
    let columns = query.fields.unwrap_or_else(|| vec![("id".to_owned(), ID), ("name".to_owned(), NAME)]);
    let whole = |entry: Entry| -> Map<String, Json> {
        columns.iter().map(|(name, column)| (name.clone(), entry.json(*column))).collect()
    };
    Ok(numbered(entries.into_iter().map(whole)))
}

fn column(name: &str) -> Option<Column> {
    match name {
        "id" => Some(ID),
        "name" => Some(NAME),
        _ => None,
    }
}
