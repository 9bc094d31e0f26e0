//! Reading: a query whose rows are fetched in large pieces.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::table;
use super::{Stage, Style, StyleWish, Work, invalid, wrong_state};
use crate::sandbox::http::{Answer, Call};
use crate::sandbox::salesforce::Salesforce;
use crate::sandbox::salesforce::errors::Fail;
use crate::sandbox::salesforce::fields::Kind;
use crate::sandbox::salesforce::ids::Key;
use crate::sandbox::salesforce::objects::Entity;
use crate::sandbox::salesforce::soql::{self, Column, Select};

/// Rows of one piece, where the request does not say.
const PIECE: usize = 50_000;
/// Pieces that one answer tells of.
const PAGES_AT_ONCE: usize = 5;

/// A query and what it found.
#[derive(Debug)]
pub(super) struct Read {
    operation: &'static str,
    entity: Entity,
    columns: Vec<Column>,
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
        let now = self.clock.now();
        let mut state = self.state();
        let query = soql::parse(&wish.query, state.terms(now))?;
        let Select::Columns(columns) = &query.select else {
            return Err(invalid("InvalidJob : aggregates are not supported in Bulk Query"));
        };
        if columns.iter().any(|column| column.field.kind == Kind::Address) {
            return Err(invalid("InvalidJob : compound data is not supported in Bulk Query"));
        }
        if query.offset > 0 {
            return Err(invalid("InvalidJob : OFFSET is not supported in Bulk Query"));
        }
        let keys = state.matching(&query, operation == "queryAll", now);
        let read = Read { operation, entity: query.entity, columns: columns.clone(), keys, style: wish.style.read()? };
        let mut shown = state.jobs.add(Work::Query(read), Stage::Done, now).shown(version);
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("state".to_owned(), json!("UploadComplete"));
        }
        Ok(Answer::json(StatusCode::OK, &shown))
    }

    /// Where each piece of the result is, for whoever fetches several at once.
    pub(super) fn result_pages(&self, call: &Call, version: &str, id: &str) -> Result<Answer, Fail> {
        let mut state = self.state();
        let job = state.jobs.get(id)?;
        if !job.looked_at {
            return Err(wrong_state("InvalidJobState : the job is not complete yet"));
        }
        let Work::Query(read) = &job.work else { return Err(Fail::not_found()) };
        let from = call.parameter("from").and_then(|from| from.parse::<usize>().ok()).unwrap_or(0);
        let base = format!("/services/data/{version}/jobs/query/{id}");
        let starts: Vec<usize> = (0..read.keys.len().max(1)).step_by(PIECE).skip(from).take(PAGES_AT_ONCE + 1).collect();
        let url = |start: &usize| json!({ "resultUrl": format!("{base}/results?locator={start}&maxRecords={PIECE}") });
        let is_done = starts.len() <= PAGES_AT_ONCE;
        let pages: Vec<Json> = starts.iter().take(PAGES_AT_ONCE).map(url).collect();
        let mut answer = json!({ "resultPages": pages, "done": is_done });
        if let Some(answer) = answer.as_object_mut().filter(|_| !is_done) {
            let next = format!("{base}/resultPages?from={}", from + PAGES_AT_ONCE);
            answer.insert("nextRecordsUrl".to_owned(), json!(next));
        }
        Ok(Answer::json(StatusCode::OK, &answer))
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
        let head: Vec<String> = read.columns.iter().map(Column::name).collect();
        let (entity, columns, style, total) = (read.entity, read.columns.clone(), read.style, read.keys.len());
        let keys: Vec<Key> = read.keys.iter().skip(start).take(most).copied().collect();
        let rows: Vec<Vec<String>> = keys
            .iter()
            .filter_map(|key| state.seen(entity, key, now))
            .map(|row| columns.iter().map(|column| table::cell(column.field, &row.json(column))).collect())
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
