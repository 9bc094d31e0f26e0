//! Up to 200 leads in one request, each with a result of its own.

use std::collections::HashMap;

use axum::http::{Method, StatusCode};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::errors::Fail;
use super::fields::EXTERNAL_ID;
use super::ids::Key;
use super::objects::Entity;
use super::rows::Writer;
use super::single::{asked_fields, named_fields};
use super::values::Checked;
use super::{Salesforce, State, ids, method_of, only, values};
use crate::sandbox::http::{Answer, Call, RowError};

/// Records of one write.
const MOST: usize = 200;
/// Records of one reading.
const MOST_READ: usize = 2_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Records {
    #[serde(default)]
    all_or_none: bool,
    records: Vec<Map<String, Json>>,
}

#[derive(Deserialize)]
struct Retrieve {
    ids: Vec<String>,
    fields: Vec<String>,
}

/// What is done to every record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Create,
    Update,
    Upsert,
    /// Updates what has an id, and makes what has none.
    UpsertById,
    Delete,
}

/// A row's success: its id, and for an upsert whether it was made.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) key: Key,
    pub(super) created: Option<bool>,
}

impl Salesforce {
    pub(super) fn collections(&self, call: &Call, version: &str, rest: &[&str]) -> Result<Answer, Fail> {
        let method = method_of(call);
        let writer = Writer::of(call, self.clock.now());
        let mut state = self.state();
        match rest {
            [] if method == Method::DELETE => {
                let ids = call.parameter("ids").unwrap_or_default().split(',').map(str::trim);
                let records = ids.map(|id| Map::from_iter([("id".to_owned(), json!(id))])).collect();
                let all_or_none = call.parameter("allOrNone") == Some("true");
                state.write_all(&Records { all_or_none, records }, Action::Delete, call.row_error.as_ref(), &writer)
            }
            [] => {
                only(call, &[Method::POST, Method::PATCH, Method::DELETE])?;
                let action = if method == Method::POST { Action::Create } else { Action::Update };
                state.write_all(&read(call)?, action, call.row_error.as_ref(), &writer)
            }
            [name] if name.eq_ignore_ascii_case("Lead") => {
                only(call, &[Method::GET, Method::POST])?;
                let (ids, fields) = if method == Method::GET {
                    let ids = call.parameter("ids").unwrap_or_default().split(',').map(str::to_owned).collect();
                    (ids, asked_fields(call, Entity::Lead)?)
                } else {
                    let Retrieve { ids, fields } = call.json().map_err(|error| Fail::json_parser(error.to_string()))?;
                    (ids, named_fields(fields.iter().map(String::as_str), Entity::Lead)?)
                };
                state.retrieve(&ids, version, &fields, writer.now)
            }
            [name, field] if name.eq_ignore_ascii_case("Lead") && field.eq_ignore_ascii_case(EXTERNAL_ID) => {
                only(call, &[Method::PATCH])?;
                state.write_all(&read(call)?, Action::Upsert, call.row_error.as_ref(), &writer)
            }
            [name, field] if name.eq_ignore_ascii_case("Lead") && field.eq_ignore_ascii_case("Id") => {
                only(call, &[Method::PATCH])?;
                state.write_all(&read(call)?, Action::UpsertById, call.row_error.as_ref(), &writer)
            }
            [_, field] => {
                let message = format!("Provided external ID field does not exist or is not accessible: {field}");
                Err(Fail::new(StatusCode::NOT_FOUND, "NOT_FOUND", message))
            }
            _ => Err(Fail::not_found()),
        }
    }
}

fn read(call: &Call) -> Result<Records, Fail> {
    let records: Records = call.json().map_err(|error| Fail::json_parser(error.to_string()))?;
    for record in &records.records {
        let named = record.get("attributes").and_then(|attributes| attributes.get("type")).and_then(Json::as_str);
        match named {
            None => return Err(Fail::bad("INVALID_INPUT", "Include an entity type in the request and try again.")),
            Some(name) if !name.eq_ignore_ascii_case("Lead") => {
                return Err(Fail::bad("INVALID_TYPE", format!("sObject type '{name}' is not supported.")));
            }
            Some(_) => {}
        }
        // Fields that are not there, and values of the wrong type, spoil the whole request.
        let mut fields = record.clone();
        fields.retain(|name, _| !name.eq_ignore_ascii_case("id"));
        values::read(&fields)?;
    }
    Ok(records)
}

impl State {
    fn retrieve(
        &self,
        ids: &[String],
        version: &str,
        fields: &[&'static super::fields::Field],
        now: DateTime<Utc>,
    ) -> Result<Answer, Fail> {
        if ids.len() > MOST_READ {
            return Err(Fail::bad(
                "EXCEEDED_ID_LIMIT",
                format!("record limit reached. cannot submit more than {MOST_READ} records into this call"),
            ));
        }
        let record = |id: &String| -> Result<Json, Fail> {
            let row = self.leads.seen_by_id(id, now)?.filter(|row| !row.deleted);
            Ok(row.map_or(Json::Null, |row| row.record(Entity::Lead, version, fields)))
        };
        let records = ids.iter().map(record).collect::<Result<Vec<Json>, Fail>>()?;
        Ok(Answer::json(StatusCode::OK, &records))
    }

    fn write_all(
        &mut self,
        given: &Records,
        action: Action,
        ordered: Option<&RowError>,
        writer: &Writer,
    ) -> Result<Answer, Fail> {
        if given.records.len() > MOST {
            return Err(Fail::bad(
                "EXCEEDED_ID_LIMIT",
                format!("record limit reached. cannot submit more than {MOST} records into this call"),
            ));
        }
        let before = given.all_or_none.then(|| (self.leads.clone(), self.writes));
        let names: Vec<Option<String>> = given.records.iter().map(|record| name_of(record, action)).collect();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for name in names.iter().flatten() {
            *counts.entry(name).or_default() += 1;
        }
        let mut results = Vec::new();
        for (number, (record, name)) in given.records.iter().zip(&names).enumerate() {
            let result = match (name, ordered) {
                (_, Some(ordered)) if ordered.row == number => Err(Fail::ordered(&ordered.code, name.as_deref())),
                (Some(name), _) if counts.get(name.as_str()).is_some_and(|count| *count > 1) => Err(twice(name, action)),
                _ => self.write_one(record, name.as_deref(), action, writer),
            };
            results.push(result);
        }
        if let Some((leads, writes)) = before.filter(|_| results.iter().any(Result::is_err)) {
            self.leads = leads;
            self.writes = writes;
            let message = "Record rolled back because not all records were valid and the request was using AllOrNone header";
            for result in results.iter_mut().filter(|result| result.is_ok()) {
                *result = Err(Fail::bad("ALL_OR_NONE_OPERATION_ROLLED_BACK", message));
            }
        }
        let rows: Vec<Json> = results.iter().map(row).collect();
        Ok(Answer::json(StatusCode::OK, &rows))
    }

    pub(super) fn write_one(
        &mut self,
        record: &Map<String, Json>,
        name: Option<&str>,
        action: Action,
        writer: &Writer,
    ) -> Result<Done, Fail> {
        let mut fields = record.clone();
        fields.retain(|name, _| !name.eq_ignore_ascii_case("id"));
        if action == Action::Create {
            if fields.len() < record.len() {
                return Err(Fail::bad("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call"));
            }
            let key = self.leads.create(values::read(&fields)?, writer)?;
            self.writes.created += 1;
            return Ok(Done { key, created: None });
        }
        if action == Action::Upsert {
            if fields.len() < record.len() {
                return Err(Fail::bad("INVALID_FIELD", "The Id field should not be specified in the sobject data."));
            }
            let name = name.ok_or_else(|| Fail::bad("MISSING_ARGUMENT", format!("{EXTERNAL_ID} not specified")))?;
            let (key, created) = self.upsert(name, &fields, writer)?;
            return Ok(Done { key, created: Some(created) });
        }
        if action == Action::UpsertById {
            return self.upsert_by_id(name, values::read(&fields)?, writer);
        }
        let id = name.ok_or_else(|| Fail::bad("MISSING_ARGUMENT", "Id not specified in an update call"))?;
        let key = self.leads.seen_by_id(id, writer.now)?.map(|row| row.key).ok_or_else(Fail::not_found)?;
        if action == Action::Delete {
            self.leads.delete(&key, writer)?;
            self.writes.deleted += 1;
        } else {
            self.leads.update(&key, values::read(&fields)?, writer)?;
            self.writes.updated += 1;
        }
        Ok(Done { key, created: None })
    }

    /// Changes the lead of this id; without an id, makes one.
    pub(super) fn upsert_by_id(&mut self, id: Option<&str>, given: Checked, writer: &Writer) -> Result<Done, Fail> {
        let Some(id) = id else {
            let key = self.leads.create(given, writer)?;
            self.writes.created += 1;
            return Ok(Done { key, created: Some(true) });
        };
        let key = self.leads.seen_by_id(id, writer.now)?.map(|row| row.key);
        let unknown = || Fail::bad("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id").with_fields(Vec::new());
        let key = key.ok_or_else(unknown)?;
        self.leads.update(&key, given, writer)?;
        self.writes.updated += 1;
        Ok(Done { key, created: Some(false) })
    }
}

/// What a record is found by: its id, or its external id.
fn name_of(record: &Map<String, Json>, action: Action) -> Option<String> {
    let wanted = match action {
        Action::Create => return None,
        Action::Upsert => EXTERNAL_ID,
        Action::Update | Action::UpsertById | Action::Delete => "id",
    };
    let value = record.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).and_then(|(_, value)| value.as_str());
    value.map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
}

fn twice(name: &str, action: Action) -> Fail {
    match action {
        Action::Upsert => {
            Fail::bad("DUPLICATE_VALUE", format!("Duplicate external id specified: {name}")).with_fields(vec![EXTERNAL_ID])
        }
        _ => Fail::bad("DUPLICATE_VALUE", format!("Duplicate id specified: {name}")),
    }
}

fn row(result: &Result<Done, Fail>) -> Json {
    match result {
        Ok(Done { key, created: None }) => json!({ "id": ids::full(key), "success": true, "errors": [] }),
        Ok(Done { key, created: Some(created) }) => {
            json!({ "id": ids::full(key), "success": true, "errors": [], "created": created })
        }
        Err(fail) => json!({ "success": false, "errors": [fail.row()] }),
    }
}
