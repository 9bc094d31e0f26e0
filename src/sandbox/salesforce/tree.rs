//! Up to 200 leads in one request, all or none.

use std::collections::HashSet;

use axum::http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::errors::Fail;
use super::rows::Writer;
use super::{Salesforce, ids, values};
use crate::sandbox::http::{Answer, Call};

/// Records of one request.
const MOST: usize = 200;

impl Salesforce {
    pub(super) fn tree(&self, call: &Call) -> Result<Answer, Fail> {
        let body: Json = call.json().map_err(|error| Fail::json_parser(error.to_string()))?;
        let records = body.get("records").and_then(Json::as_array).cloned().unwrap_or_default();
        if records.is_empty() || records.len() > MOST {
            return Err(Fail::bad("INVALID_INPUT", format!("a tree has 1 to {MOST} records")));
        }
        let writer = Writer::of(call, self.clock.now());
        let mut state = self.state();
        let (leads, counts) = (state.leads.clone(), state.writes);
        let (mut made, mut failed, mut references) = (Vec::new(), Vec::new(), HashSet::new());
        for record in &records {
            let reference = record.pointer("/attributes/referenceId").and_then(Json::as_str).unwrap_or_default().to_owned();
            let fields: Map<String, Json> = record.as_object().cloned().unwrap_or_default();
            let result = if reference.is_empty() || !references.insert(reference.clone()) {
                Err(Fail::bad("INVALID_INPUT", "Duplicate or missing ReferenceId provided in the request."))
            } else {
                values::read(&fields).and_then(|given| state.leads.create(given, &writer))
            };
            match result {
                Ok(key) => {
                    state.writes.created += 1;
                    made.push(json!({ "referenceId": reference, "id": ids::full(&key) }));
                }
                Err(fail) => failed.push(json!({ "referenceId": reference, "errors": [fail.row()] })),
            }
        }
        if failed.is_empty() {
            return Ok(Answer::json(StatusCode::CREATED, &json!({ "hasErrors": false, "results": made })));
        }
        (state.leads, state.writes) = (leads, counts);
        Ok(Answer::json(StatusCode::BAD_REQUEST, &json!({ "hasErrors": true, "results": failed })))
    }
}
