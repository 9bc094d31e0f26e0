//! Reading: a query whose rows are fetched in large pieces.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::table;
use super::{Stage, Style, StyleWish, Work, invalid, wrong_state};
use crate::sandbox::http::{Answer, Call};
use crate::sandbox::salesforce::Salesforce;
use crate::sandbox::salesforce::errors::Fail;
use crate::sandbox::salesforce::fields::{Entity, Field};
use crate::sandbox::salesforce::ids::Key;
use crate::sandbox::salesforce::soql::{self, Select};

/// Rows of one piece, where the request does not say.
const PIECE: usize = 50_000;

/// A query and what it found.
#[derive(Debug)]
pub(super) struct Read {
    operation: &'static str,
    entity: Entity,
    fields: Vec<&'static Field>,
    keys: Vec<Key>,
    style: Style,
}

#[derive(Deserialize)]
struct Wish {
    operation: String,
    query: String,
    #[serde(flatten)]
    style: StyleWish,
}

impl Read {
    pub(super) fn shown(&self) -> Map<String, Json> {
        Map::from_iter([
            ("operation".to_owned(), json!(self.operation)),
            ("object".to_owned(), json!(self.entity.name())),
            ("jobType".to_owned(), json!("V2Query")),
            ("lineEnding".to_owned(), json!(if self.style.crlf { "CRLF" } else { "LF" })),
            ("columnDelimiter".to_owned(), json!(self.style.delimiter.1)),
            ("numberRecordsProcessed".to_owned(), json!(self.keys.len())),
        ])
    }
}

impl Salesforce {
    pub(super) fn start_query(&self, call: &Call, version: &str) -> Result<Answer, Fail> {
        let wish: Wish = call.json().map_err(|error| Fail::json_parser(error.to_string()))?;
        let operation = match wish.operation.as_str() {
            "query" => "query",
            "queryAll" => "queryAll",
            _ => return Err(invalid("InvalidJob : the operation is query or queryAll")),
        };
        let query = soql::parse(&wish.query)?;
        let Select::Fields(fields) = &query.select else {
            return Err(invalid("InvalidJob : aggregates are not supported in Bulk Query"));
        };
        if query.offset > 0 {
            return Err(invalid("InvalidJob : OFFSET is not supported in Bulk Query"));
        }
        let now = self.clock.now();
        let mut state = self.state();
        let keys = state.matching(&query, operation == "queryAll", now);
        let read = Read { operation, entity: query.entity, fields: fields.clone(), keys, style: wish.style.read()? };
        let mut shown = state.jobs.add(Work::Query(read), Stage::Done, now).shown(version);
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("state".to_owned(), json!("UploadComplete"));
        }
        Ok(Answer::json(StatusCode::OK, &shown))
    }

    pub(super) fn query_results(&self, call: &Call, id: &str) -> Result<Answer, Fail> {
        let now = self.clock.now();
        let mut state = self.state();
        let job = state.jobs.get(id)?;
        if !job.looked_at {
            return Err(wrong_state("InvalidJobState : the job is not complete yet"));
        }
        let Work::Query(read) = &job.work else { return Err(Fail::not_found()) };
        let number = |name: &str| call.parameter(name).map(str::parse::<usize>);
        let start =
            number("locator").transpose().map_err(|_| Fail::bad("INVALIDLOCATOR", "the locator is not known"))?.unwrap_or(0);
        let most = number("maxRecords").transpose().map_err(|_| invalid("maxRecords is a number"))?.unwrap_or(PIECE).max(1);
        if start > read.keys.len() {
            return Err(Fail::bad("INVALIDLOCATOR", "the locator is not known"));
        }
        let head: Vec<String> = read.fields.iter().map(|field| field.name.to_owned()).collect();
        let (entity, fields, style, total) = (read.entity, read.fields.clone(), read.style, read.keys.len());
        let keys: Vec<Key> = read.keys.iter().skip(start).take(most).copied().collect();
        let rows: Vec<Vec<String>> = keys
            .iter()
            .filter_map(|key| state.row(entity, key, now))
            .map(|row| fields.iter().map(|field| table::cell(field, &row.json(field))).collect())
            .collect();
        let count = rows.len();
        let body = table::write(&head, rows.into_iter(), style, true);
        let next = start + most;
        let locator = if next < total { next.to_string() } else { "null".to_owned() };
        Ok(Answer::text_of(StatusCode::OK, "text/csv", body)
            .with_header("sforce-numberofrecords", count.to_string())
            .with_header("sforce-locator", locator))
    }
}
