//! Queries and their pages.

use std::cmp::Ordering;
use std::collections::VecDeque;

use axum::http::{Method, StatusCode};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json, json};

use super::errors::Fail;
use super::ids::{self, Key};
use super::objects::Entity;
use super::rows::Row;
use super::soql::{self, Column, Fields, Function, Held, Order, Query, Select, Terms, Through, Total};
use super::{DuplicateAction, Salesforce, State, columns, only};
use crate::sandbox::http::{Answer, Call};

/// Rows of one answer, at most.
const MOST: usize = 2_000;
/// Cursors that are kept; the oldest goes first.
const OPEN_CURSORS: usize = 10;

/// The rest of a long answer: which rows are still to come. They are read when they are asked for.
struct Cursor {
    name: String,
    entity: Entity,
    columns: Vec<Column>,
    keys: Vec<Key>,
    batch: usize,
}

/// The open cursors.
#[derive(Default)]
pub struct Cursors {
    made: u64,
    open: VecDeque<Cursor>,
}

/// A row with the records that it refers to.
#[derive(Clone, Copy)]
pub(super) struct Seen<'s> {
    pub(super) row: &'s Row,
    state: &'s State,
    now: DateTime<Utc>,
}

impl Seen<'_> {
    fn related(&self, through: Through) -> Option<&Row> {
        let key = self.row.text(through.reference.name).and_then(ids::parse)?;
        self.state.row(through.entity, &key, self.now)
    }

    /// A column as JSON gives it.
    pub(super) fn json(&self, column: &Column) -> Json {
        match column.through {
            None => self.row.json(column.field),
            Some(through) => self.related(through).map(|row| row.json(column.field)).unwrap_or_default(),
        }
    }

    /// The row as a record of an answer; what it refers to stands in records of their own within.
    fn record(&self, entity: Entity, version: &str, columns: &[Column]) -> Json {
        let mut record = Map::from_iter([("attributes".to_owned(), self.row.attributes(entity, version))]);
        for column in columns {
            let Some(through) = column.through else {
                record.insert(column.field.name.to_owned(), self.row.json(column.field));
                continue;
            };
            let relationship = through.reference.relationship().unwrap_or_default().to_owned();
            let Some(row) = self.related(through) else {
                record.insert(relationship, Json::Null);
                continue;
            };
            let attributes = || json!({ "attributes": row.attributes(through.entity, version) });
            let inner = record.entry(relationship).or_insert_with(attributes);
            if let Some(inner) = inner.as_object_mut() {
                inner.insert(column.field.name.to_owned(), row.json(column.field));
            }
        }
        Json::Object(record)
    }
}

impl Fields for Seen<'_> {
    fn held(&self, column: &Column) -> Held<'_> {
        match column.through {
            None => self.row.held(column.field),
            Some(through) => self.related(through).map_or(Held::Null, |row| row.held(column.field)),
        }
    }
}

impl Salesforce {
    pub(super) fn query(&self, call: &Call, version: &str, path: &[&str]) -> Result<Answer, Fail> {
        only(call, &[Method::GET])?;
        let now = self.clock.now();
        let mut state = self.state();
        if let Some(cursor) = path.get(1) {
            return state.next_page(cursor, version, now);
        }
        let soql = call.parameter("q").ok_or_else(|| Fail::bad("MALFORMED_QUERY", "A query string has to be specified"))?;
        let with_deleted = path.first() == Some(&"queryAll");
        let batch = call.header("sforce-query-options").and_then(batch_size).unwrap_or(MOST).clamp(200, MOST);
        let query = soql::parse(soql, state.terms(now))?;
        if call.parameter("columns") == Some("true") {
            return Ok(Answer::json(StatusCode::OK, &columns::of(&query)));
        }
        Ok(state.first_page(&query, with_deleted, batch, version, now))
    }
}

impl State {
    /// What queries are understood by.
    pub(super) fn terms(&self, now: DateTime<Utc>) -> Terms<'_> {
        Terms { now, switches: &self.leads.switches }
    }

    fn rows(&self, entity: Entity, now: DateTime<Utc>) -> Vec<&Row> {
        match entity {
            Entity::Lead => self.leads.seen(now).collect(),
            Entity::DuplicateRule => self.duplicate_rules().iter().collect(),
            other => self.leads.setup.rows(other).iter().collect(),
        }
    }

    fn duplicate_rules(&self) -> &[Row] {
        self.leads.setup.duplicate_rules(self.leads.switches.duplicate_rule != DuplicateAction::Off)
    }

    fn row(&self, entity: Entity, key: &Key, now: DateTime<Utc>) -> Option<&Row> {
        match entity {
            Entity::Lead => self.leads.get(key).and_then(|row| row.seen(now)),
            Entity::DuplicateRule => self.duplicate_rules().iter().find(|row| row.key == *key),
            other => self.leads.setup.row(other, key),
        }
    }

    /// A row of an object, as a query sees it.
    pub(super) fn seen(&self, entity: Entity, key: &Key, now: DateTime<Utc>) -> Option<Seen<'_>> {
        self.row(entity, key, now).map(|row| Seen { row, state: self, now })
    }

    fn first_page(&mut self, query: &Query, with_deleted: bool, batch: usize, version: &str, now: DateTime<Utc>) -> Answer {
        let keys = self.matching(query, with_deleted, now);
        let columns = match &query.select {
            Select::Columns(columns) => columns.clone(),
            Select::Count => {
                return Answer::json(StatusCode::OK, &json!({ "totalSize": keys.len(), "done": true, "records": [] }));
            }
            Select::Totals(totals) => {
                let mut record = Map::from_iter([("attributes".to_owned(), json!({ "type": "AggregateResult" }))]);
                let figures = totals.iter().map(|total| (total.name.clone(), self.total(total, query.entity, &keys, now)));
                record.extend(figures);
                return Answer::json(StatusCode::OK, &json!({ "totalSize": 1, "done": true, "records": [record] }));
            }
        };
        self.cursors.made += 1;
        let name = format!("01g{:015}", self.cursors.made);
        let cursor = Cursor { name, entity: query.entity, columns, keys, batch };
        let answer = self.page(&cursor, 0, version, now);
        if cursor.keys.len() > batch {
            self.cursors.open.push_back(cursor);
            if self.cursors.open.len() > OPEN_CURSORS {
                self.cursors.open.pop_front();
            }
        }
        answer
    }

    /// One figure about these rows; rows without a value do not count.
    fn total(&self, total: &Total, entity: Entity, keys: &[Key], now: DateTime<Utc>) -> Json {
        let rows: Vec<Seen<'_>> = keys.iter().filter_map(|key| self.seen(entity, key, now)).collect();
        let filled = rows.iter().filter(|row| row.held(&total.column) != Held::Null);
        let ascending = Order { column: total.column, descending: false, nulls_last: false };
        let by_value =
            |a: &&Seen<'_>, b: &&Seen<'_>| soql::compare_held(a.held(&total.column), b.held(&total.column), &ascending);
        match total.function {
            Function::Count => json!(filled.count()),
            Function::Min => filled.min_by(by_value).map(|row| row.json(&total.column)).unwrap_or_default(),
            Function::Max => filled.max_by(by_value).map(|row| row.json(&total.column)).unwrap_or_default(),
        }
    }

    /// The rows that a query finds, in its order.
    pub(super) fn matching(&self, query: &Query, with_deleted: bool, now: DateTime<Utc>) -> Vec<Key> {
        let rows = self.rows(query.entity, now).into_iter().map(|row| Seen { row, state: self, now });
        let mut found: Vec<Seen<'_>> = rows
            .filter(|seen| {
                (with_deleted || !seen.row.deleted) && query.condition.as_ref().is_none_or(|condition| condition.holds(seen))
            })
            .collect();
        found.sort_by(|a, b| {
            let orders = query.order.iter().map(|order| soql::compare_held(a.held(&order.column), b.held(&order.column), order));
            orders.fold(Ordering::Equal, Ordering::then)
        });
        found.iter().skip(query.offset).take(query.limit.unwrap_or(usize::MAX)).map(|seen| seen.row.key).collect()
    }

    fn next_page(&mut self, wanted: &str, version: &str, now: DateTime<Utc>) -> Result<Answer, Fail> {
        let invalid = || Fail::bad("INVALID_QUERY_LOCATOR", "invalid query locator");
        let (name, start) = wanted.rsplit_once('-').ok_or_else(invalid)?;
        let start: usize = start.parse().map_err(|_| invalid())?;
        let cursor = self.cursors.open.iter().find(|cursor| cursor.name == name && start < cursor.keys.len());
        Ok(self.page(cursor.ok_or_else(invalid)?, start, version, now))
    }

    fn page(&self, cursor: &Cursor, start: usize, version: &str, now: DateTime<Utc>) -> Answer {
        let keys = cursor.keys.iter().skip(start).take(cursor.batch);
        let rows = keys.filter_map(|key| self.seen(cursor.entity, key, now));
        let records: Vec<_> = rows.map(|row| row.record(cursor.entity, version, &cursor.columns)).collect();
        let end = start + cursor.batch;
        let mut answer = json!({ "totalSize": cursor.keys.len(), "done": end >= cursor.keys.len(), "records": records });
        if let Some(answer) = answer.as_object_mut().filter(|_| end < cursor.keys.len()) {
            let next = format!("/services/data/{version}/query/{}-{end}", cursor.name);
            answer.insert("nextRecordsUrl".to_owned(), json!(next));
        }
        Answer::json(StatusCode::OK, &answer)
    }
}

fn batch_size(header: &str) -> Option<usize> {
    header.split(',').find_map(|option| option.trim().strip_prefix("batchSize=")?.trim().parse().ok())
}
