//! Leads one by one, by id and by external id.

use axum::http::{Method, StatusCode};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json, json};

use super::collections::Done;
use super::errors::Fail;
use super::fields::{EXTERNAL_ID, Field};
use super::ids::Key;
use super::objects::Entity;
use super::rows::{Row, Writer, stamp};
use super::{Salesforce, State, describe, ids, method_of, only, values};
use crate::sandbox::clock::{http_date, parse_http_date};
use crate::sandbox::http::{Answer, Call};

/// Leads that the user has looked at or made, as far as they are remembered.
const MOST_RECENT: usize = 200;

impl Salesforce {
    /// `/sobjects/…`.
    pub(super) fn single(&self, call: &Call, version: &str, name: &str, rest: &[&str]) -> Result<Answer, Fail> {
        let entity = Entity::named(name).ok_or_else(Fail::not_found)?;
        let now = self.clock.now();
        let writer = Writer::of(call, now);
        let mut state = self.state();
        if state.leads.switches.hides(entity.name()) {
            return Err(Fail::not_found());
        }
        match rest {
            ["describe"] => {
                only(call, &[Method::GET])?;
                let leads = &state.leads;
                Ok(state.if_changed(call, || describe::whole(entity, version, &leads.switches, &leads.setup)))
            }
            [] if method_of(call) == Method::GET => Ok(state.overview(entity, version, now)),
            _ if entity != Entity::Lead => state.other(call, version, entity, rest),
            _ => {
                if let Some(ordered) = &call.row_error {
                    return Err(Fail::ordered(&ordered.code, rest.first().copied()));
                }
                state.lead(call, version, rest, &writer)
            }
        }
    }

    /// `/recent`: what the user has looked at last, of all objects.
    pub(super) fn recent(&self, call: &Call, version: &str) -> Answer {
        let state = self.state();
        let most = call.parameter("limit").and_then(|most| most.parse().ok()).unwrap_or(MOST_RECENT);
        let mut recent = state.recent_leads(version, self.clock.now());
        recent.truncate(most);
        Answer::json(StatusCode::OK, &recent)
    }
}

impl State {
    fn lead(&mut self, call: &Call, version: &str, rest: &[&str], writer: &Writer) -> Result<Answer, Fail> {
        match rest {
            [] => {
                only(call, &[Method::GET, Method::POST])?;
                let key = self.leads.create(values::read(&body(call)?)?, writer)?;
                self.writes.created += 1;
                self.touch(call, key);
                Ok(made(version, &key, None))
            }
            [what @ ("updated" | "deleted")] => {
                only(call, &[Method::GET])?;
                self.log(call, *what == "deleted", writer.now)
            }
            [field] if field.eq_ignore_ascii_case("Id") => {
                only(call, &[Method::POST])?;
                let Done { key, created } = self.upsert_by_id(None, values::read(&body(call)?)?, writer)?;
                self.touch(call, key);
                Ok(made(version, &key, created))
            }
            [id] => {
                only(call, &[Method::GET, Method::PATCH, Method::DELETE])?;
                self.by_id(call, version, id, writer)
            }
            [field, id] if field.eq_ignore_ascii_case("Id") && method_of(call) == Method::PATCH => {
                let given = body(call)?;
                if given.keys().any(|name| name.eq_ignore_ascii_case("Id")) {
                    return Err(Fail::bad("INVALID_FIELD", "The Id field should not be specified in the sobject data."));
                }
                let Done { key, created } = self.upsert_by_id(Some(id), values::read(&given)?, writer)?;
                let result = json!({ "id": ids::full(&key), "success": true, "errors": [], "created": created });
                Ok(Answer::json(StatusCode::OK, &result))
            }
            [field, id] if field.eq_ignore_ascii_case("Id") => {
                only(call, &[Method::GET, Method::PATCH, Method::DELETE])?;
                self.by_id(call, version, id, writer)
            }
            [field, value] if field.eq_ignore_ascii_case(EXTERNAL_ID) => {
                only(call, &[Method::GET, Method::PATCH, Method::DELETE])?;
                self.by_external_id(call, version, value, writer)
            }
            [field, _] => {
                let message = format!("Provided external ID field does not exist or is not accessible: {field}");
                Err(Fail::new(StatusCode::NOT_FOUND, "NOT_FOUND", message))
            }
            _ => Err(Fail::not_found()),
        }
    }

    /// A record of another object, which can only be read here.
    fn other(&self, call: &Call, version: &str, entity: Entity, rest: &[&str]) -> Result<Answer, Fail> {
        let [id] = rest else { return if rest.is_empty() { Err(no_right(entity)) } else { Err(Fail::not_found()) } };
        let malformed = || {
            let label = entity.fields().first().map_or(entity.name(), |field| field.label);
            Fail::bad("MALFORMED_ID", format!("{label}: id value of incorrect type: {id}"))
        };
        let key = ids::parse(id).filter(|key| key.starts_with(entity.prefix().as_bytes())).ok_or_else(malformed)?;
        let row = self.leads.setup.row(entity, &key).ok_or_else(Fail::not_found)?;
        match method_of(call) {
            Method::GET => Ok(Answer::json(StatusCode::OK, &row.record(entity, version, &asked_fields(call, entity)?))),
            Method::PATCH | Method::DELETE => Err(no_right(entity)),
            _ => Err(only(call, &[Method::GET, Method::PATCH, Method::DELETE]).err().unwrap_or_else(Fail::not_found)),
        }
    }

    /// What describe says, unless it has not changed since the time that the request names.
    pub(super) fn if_changed(&self, call: &Call, describe: impl FnOnce() -> Answer) -> Answer {
        let since = call.header("if-modified-since").and_then(parse_http_date);
        if since.is_some_and(|since| self.schema_changed <= since) {
            return Answer::empty(StatusCode::NOT_MODIFIED);
        }
        describe().with_header("last-modified", http_date(self.schema_changed))
    }

    /// An object in short, and the records of it that the user has looked at last.
    fn overview(&self, entity: Entity, version: &str, now: DateTime<Utc>) -> Answer {
        let recent = if entity == Entity::Lead { self.recent_leads(version, now) } else { Vec::new() };
        let described = describe::object(entity, version, &self.leads.switches);
        Answer::json(StatusCode::OK, &json!({ "objectDescribe": described, "recentItems": recent }))
    }

    fn recent_leads(&self, version: &str, now: DateTime<Utc>) -> Vec<Json> {
        let seen = self.recent.iter().filter_map(|key| self.leads.get(key)?.seen(now)).filter(|row| !row.deleted);
        let shown = |row: &Row| {
            let attributes = row.attributes(Entity::Lead, version);
            json!({ "attributes": attributes, "Id": ids::full(&row.key), "Name": row.text("Name") })
        };
        seen.map(shown).collect()
    }

    /// Remembers that the user has looked at a lead, unless the request says that it does not count.
    fn touch(&mut self, call: &Call, key: Key) {
        let header = call.header("sforce-mru").unwrap_or_default().replace(' ', "").to_ascii_lowercase();
        if header.contains("updatemru=false") {
            return;
        }
        self.recent.retain(|known| *known != key);
        self.recent.push_front(key);
        self.recent.truncate(MOST_RECENT);
    }
}

fn no_right(entity: Entity) -> Fail {
    let message = format!("entity type {} cannot be written by this user", entity.name());
    Fail::new(StatusCode::FORBIDDEN, "INSUFFICIENT_ACCESS_OR_READONLY", message)
}

/// The answer to a create.
fn made(version: &str, key: &Key, created: Option<bool>) -> Answer {
    let id = ids::full(key);
    let mut body = json!({ "id": id, "success": true, "errors": [] });
    if let (Some(body), Some(created)) = (body.as_object_mut(), created) {
        body.insert("created".to_owned(), json!(created));
    }
    Answer::json(StatusCode::CREATED, &body).with_header("location", format!("/services/data/{version}/sobjects/Lead/{id}"))
}

impl State {
    fn by_id(&mut self, call: &Call, version: &str, id: &str, writer: &Writer) -> Result<Answer, Fail> {
        let row = self.leads.seen_by_id(id, writer.now)?.ok_or_else(Fail::not_found)?;
        let key = row.key;
        let since = Since::of(call)?;
        match method_of(call) {
            Method::GET if row.deleted => Err(Fail::not_found()),
            Method::GET if since.modified.is_some_and(|since| row.stamp <= since) => Ok(Answer::empty(StatusCode::NOT_MODIFIED)),
            Method::GET => {
                let fields = asked_fields(call, Entity::Lead)?;
                let answer = Answer::json(StatusCode::OK, &row.record(Entity::Lead, version, &fields));
                self.touch(call, key);
                Ok(answer)
            }
            Method::PATCH => {
                if row.deleted {
                    return Err(Fail::deleted());
                }
                since.allow(row)?;
                let given = values::read(&body(call)?)?;
                self.leads.update(&key, given, writer)?;
                self.writes.updated += 1;
                Ok(Answer::empty(StatusCode::NO_CONTENT))
            }
            _ => {
                self.leads.delete(&key, writer)?;
                self.writes.deleted += 1;
                Ok(Answer::empty(StatusCode::NO_CONTENT))
            }
        }
    }

    fn by_external_id(&mut self, call: &Call, version: &str, value: &str, writer: &Writer) -> Result<Answer, Fail> {
        let known = self.leads.by_external_id(value).filter(|row| !row.hidden).map(|row| row.key);
        if method_of(call) == Method::PATCH {
            let given = body(call)?;
            if given.keys().any(|name| name.eq_ignore_ascii_case(EXTERNAL_ID)) {
                let message = format!("The {EXTERNAL_ID} field should not be specified in the sobject data.");
                return Err(Fail::bad("INVALID_FIELD", message));
            }
            if known.is_none() && call.parameter("updateOnly") == Some("true") {
                return Err(Fail::not_found());
            }
            let (key, created) = self.upsert(value, &given, writer)?;
            let status = if created { StatusCode::CREATED } else { StatusCode::OK };
            return Ok(Answer::json(
                status,
                &json!({ "id": ids::full(&key), "success": true, "errors": [], "created": created }),
            ));
        }
        let key = known.ok_or_else(Fail::not_found)?;
        if method_of(call) == Method::DELETE {
            self.leads.delete(&key, writer)?;
            self.writes.deleted += 1;
            return Ok(Answer::empty(StatusCode::NO_CONTENT));
        }
        let fields = asked_fields(call, Entity::Lead)?;
        let row = self.leads.get(&key).ok_or_else(Fail::not_found)?;
        Ok(Answer::json(StatusCode::OK, &row.record(Entity::Lead, version, &fields)))
    }

    /// Changes the lead of this external id, or makes it.
    pub(super) fn upsert(&mut self, external_id: &str, given: &Map<String, Json>, writer: &Writer) -> Result<(Key, bool), Fail> {
        let mut given = given.clone();
        given.retain(|name, _| !name.eq_ignore_ascii_case(EXTERNAL_ID));
        let mut read = values::read(&given)?;
        // A lead that is hidden is not found, and its value is taken all the same.
        if let Some(key) = self.leads.by_external_id(external_id).filter(|row| !row.hidden).map(|row| row.key) {
            self.leads.update(&key, read, writer)?;
            self.writes.updated += 1;
            return Ok((key, false));
        }
        read.extend(values::read(&Map::from_iter([(EXTERNAL_ID.to_owned(), json!(external_id))]))?);
        let key = self.leads.create(read, writer)?;
        self.writes.created += 1;
        Ok((key, true))
    }

    /// `/updated` and `/deleted`: ids of a stretch of time, cut to minutes.
    fn log(&self, call: &Call, deleted: bool, now: DateTime<Utc>) -> Result<Answer, Fail> {
        let bound = |name: &str| {
            let text = call.parameter(name).unwrap_or_default();
            let time = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc().timestamp() / 60 * 60);
            time.map_err(|_| {
                Fail::bad("INVALID_FIELD", format!("{name}: '{text}' is not a valid value for the type xsd:dateTime"))
            })
        };
        let (start, end) = (bound("start")?, bound("end")?);
        let days = if deleted { 15 } else { 30 };
        if start < now.timestamp() - days * 24 * 3_600 {
            let message = format!("startDate before org replication enabled date, or more than {days} days ago");
            return Err(Fail::bad("INVALID_REPLICATION_DATE", message));
        }
        if start >= end {
            return Err(Fail::bad("INVALID_REPLICATION_DATE", "startDate before endDate"));
        }
        let within = |row: &&Row| row.deleted == deleted && (start..end).contains(&row.stamp.timestamp());
        let rows = self.leads.seen(now).filter(within);
        let covered = stamp(now.min(DateTime::from_timestamp(end, 0).unwrap_or(now)));
        Ok(Answer::json(
            StatusCode::OK,
            &if deleted {
                let purged = self.leads.purged.iter().filter(|purged| (start..end).contains(&purged.at.timestamp()));
                let purged = purged.map(|purged| (purged.key, purged.at));
                let gone: Vec<Json> = rows
                    .map(|row| (row.key, row.stamp))
                    .chain(purged)
                    .map(|(key, at)| json!({ "id": ids::full(&key), "deletedDate": stamp(at) }))
                    .collect();
                json!({ "deletedRecords": gone, "earliestDateAvailable": stamp(self.started), "latestDateCovered": covered })
            } else {
                let ids: Vec<String> = rows.map(|row| ids::full(&row.key)).collect();
                json!({ "ids": ids, "latestDateCovered": covered })
            },
        ))
    }
}

/// The conditions of a request, in whole seconds.
struct Since {
    modified: Option<DateTime<Utc>>,
    unmodified: Option<DateTime<Utc>>,
}

impl Since {
    fn of(call: &Call) -> Result<Self, Fail> {
        let read = |name: &str| match call.header(name) {
            None => Ok(None),
            Some(text) => match parse_http_date(text) {
                Some(time) => Ok(Some(time)),
                None if call.method == Method::GET => Ok(None),
                None => Err(Fail::bad("INVALID_HEADER", format!("{name}: '{text}' is not a date"))),
            },
        };
        Ok(Self { modified: read("if-modified-since")?, unmodified: read("if-unmodified-since")? })
    }

    /// Refuses to write a row that does not meet the conditions.
    fn allow(&self, row: &Row) -> Result<(), Fail> {
        let moved = self.unmodified.is_some_and(|since| row.stamp > since);
        let still = self.modified.is_some_and(|since| row.stamp <= since);
        if moved || still {
            let message = "The condition of the request is not met";
            return Err(Fail::new(StatusCode::PRECONDITION_FAILED, "PRECONDITION_FAILED", message));
        }
        Ok(())
    }
}

/// The fields that `fields=` names, or all of them.
pub(super) fn asked_fields(call: &Call, entity: Entity) -> Result<Vec<&'static Field>, Fail> {
    match call.parameter("fields") {
        None => Ok(entity.fields().iter().collect()),
        Some(names) => named_fields(names.split(','), entity),
    }
}

pub(super) fn named_fields<'n>(names: impl Iterator<Item = &'n str>, entity: Entity) -> Result<Vec<&'static Field>, Fail> {
    let find = |name: &str| {
        let message = || format!("No such column '{name}' on sobject of type {}", entity.name());
        entity.field(name).ok_or_else(|| Fail::bad("INVALID_FIELD", message()))
    };
    names.map(|name| find(name.trim())).collect()
}

/// The body, which must be an object.
pub(super) fn body(call: &Call) -> Result<Map<String, Json>, Fail> {
    match call.json::<Json>() {
        Ok(Json::Object(fields)) => Ok(fields),
        Ok(other) => Err(Fail::wrong_type("sobject", &other)),
        Err(error) => Err(Fail::json_parser(error.to_string())),
    }
}
