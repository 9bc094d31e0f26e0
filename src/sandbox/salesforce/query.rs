//! Queries and their pages.

use std::collections::VecDeque;

use axum::http::{Method, StatusCode};
use chrono::{DateTime, Utc};
use serde_json::json;

use super::errors::Fail;
use super::fields::{Entity, Field};
use super::ids::Key;
use super::rows::Row;
use super::soql::{self, Fields as _, Query, Select};
use super::{Salesforce, State, only};
use crate::sandbox::http::{Answer, Call};

/// Rows of one answer, at most.
const MOST: usize = 2_000;
/// Cursors that are kept; the oldest goes first.
const OPEN_CURSORS: usize = 10;

/// The rest of a long answer: which rows are still to come. They are read when they are asked for.
struct Cursor {
    name: String,
    entity: Entity,
    fields: Vec<&'static Field>,
    keys: Vec<Key>,
    batch: usize,
}

/// The open cursors.
#[derive(Default)]
pub struct Cursors {
    made: u64,
    open: VecDeque<Cursor>,
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
        let query = soql::parse(soql)?;
        Ok(state.first_page(&query, with_deleted, batch, version, now))
    }
}

impl State {
    fn rows(&self, entity: Entity, now: DateTime<Utc>) -> Vec<&Row> {
        match entity {
            Entity::Lead => self.leads.seen(now).collect(),
            Entity::User => self.users.iter().collect(),
            Entity::Organization => vec![&self.organization],
        }
    }

    pub(super) fn row(&self, entity: Entity, key: &Key, now: DateTime<Utc>) -> Option<&Row> {
        match entity {
            Entity::Lead => self.leads.get(key).and_then(|row| row.seen(now)),
            Entity::User => self.users.iter().find(|user| user.key == *key),
            Entity::Organization => Some(&self.organization),
        }
    }

    fn first_page(&mut self, query: &Query, with_deleted: bool, batch: usize, version: &str, now: DateTime<Utc>) -> Answer {
        let keys = self.matching(query, with_deleted, now);
        let Select::Fields(fields) = &query.select else {
            return Answer::json(StatusCode::OK, &json!({ "totalSize": keys.len(), "done": true, "records": [] }));
        };
        self.cursors.made += 1;
        let name = format!("01g{:015}", self.cursors.made);
        let cursor = Cursor { name, entity: query.entity, fields: fields.clone(), keys, batch };
        let answer = self.page(&cursor, 0, version, now);
        if cursor.keys.len() > batch {
            self.cursors.open.push_back(cursor);
            if self.cursors.open.len() > OPEN_CURSORS {
                self.cursors.open.pop_front();
            }
        }
        answer
    }

    /// The rows that a query finds, in its order.
    pub(super) fn matching(&self, query: &Query, with_deleted: bool, now: DateTime<Utc>) -> Vec<Key> {
        let mut found: Vec<&Row> = self.rows(query.entity, now);
        found.retain(|row| {
            (with_deleted || !row.deleted) && query.condition.as_ref().is_none_or(|condition| condition.holds(*row))
        });
        found.sort_by(|a, b| {
            let orders = query.order.iter().map(|order| soql::compare_held(a.held(order.field), b.held(order.field), order));
            orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
        });
        found.iter().skip(query.offset).take(query.limit.unwrap_or(usize::MAX)).map(|row| row.key).collect()
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
        let rows = keys.filter_map(|key| self.row(cursor.entity, key, now));
        let records: Vec<_> = rows.map(|row| row.record(cursor.entity, version, &cursor.fields)).collect();
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
