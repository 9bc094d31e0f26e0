//! Writing Leads: creates as upserts on the external id, which are safe to repeat; updates guarded by the time of the last
//! change, 25 in one call.

use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::outcome::{self, ApiError};
use super::read::parse;
use super::{SalesforceClient, whole_failure};
use crate::http::{Answer, Repeat, Request, Trouble, is_passing, is_turned_away};
use crate::lead::Side;
use crate::side::{Action, Outcome, Refusal, SideError, Write};

/// Keeps the org's assignment rules from moving a lead to another owner because of this program.
const NO_ASSIGNMENT: (&str, &str) = ("Sforce-Auto-Assign", "FALSE");

#[derive(Deserialize)]
struct UpsertResult {
    #[serde(default)]
    id: Option<String>,
    success: bool,
    #[serde(default)]
    errors: Vec<ApiError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CompositeAnswer {
    composite_response: Vec<SubAnswer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubAnswer {
    #[serde(default)]
    body: Json,
    http_status_code: u16,
}

impl SalesforceClient {
    /// Makes Leads, or finds those that an earlier attempt made.
    pub(super) async fn upsert(&self, writes: &[Write]) -> Result<Vec<Outcome>, SideError> {
        let path = ["composite", "sobjects", "Lead", self.external_id_field.as_str()];
        let records: Vec<Json> = writes.iter().map(|write| self.upsert_record(write)).collect();
        let request = self.request("create", Method::PATCH, &path, Repeat::Safe).header(NO_ASSIGNMENT.0, NO_ASSIGNMENT.1);
        let request = request.json(&json!({ "allOrNone": false, "records": records }));
        let answer = match self.sent(&request, writes.len()).await? {
            Ok(answer) => answer,
            Err(outcomes) => return Ok(outcomes),
        };
        if answer.status == StatusCode::BAD_REQUEST && outcome::refusal_of(&answer).code == "JSON_PARSER_ERROR" {
            return self.apart(&answer, writes).await;
        }
        if !answer.status.is_success() {
            return Err(whole_failure(&answer));
        }
        let results: Vec<UpsertResult> = parse(&answer)?;
        Ok(same_number(results.into_iter().map(upsert_outcome).collect(), writes.len()))
    }

    /// One record that cannot be parsed spoils a whole collection: the halves are sent on their own until it stands alone.
    async fn apart(&self, answer: &Answer, writes: &[Write]) -> Result<Vec<Outcome>, SideError> {
        if writes.len() < 2 {
            return Ok(vec![Outcome::Refused(outcome::refusal_of(answer))]);
        }
        let (first, second) = writes.split_at(writes.len() / 2);
        let mut outcomes = Box::pin(self.upsert(first)).await?;
        match Box::pin(self.upsert(second)).await {
            Ok(more) => outcomes.extend(more),
            Err(error) => {
                let refusal = Refusal::new("not_sent", error.to_string());
                outcomes.extend(vec![Outcome::Retry(refusal); second.len()]);
            }
        }
        Ok(outcomes)
    }

    fn upsert_record(&self, write: &Write) -> Json {
        let mut record = Map::from_iter([("attributes".to_owned(), json!({ "type": "Lead" }))]);
        record.insert(self.external_id_field.clone(), json!(write.external_id));
        record.extend(write.fields.clone());
        Json::Object(record)
    }

    /// Changes Leads that were not changed since they were read, by any other user or program.
    pub(super) async fn update_guarded(&self, writes: &[Write]) -> Result<Vec<Outcome>, SideError> {
        let ids: Vec<&str> = writes.iter().map(target).collect();
        let parts: Vec<Json> =
            writes.iter().zip(&ids).enumerate().map(|(number, (write, id))| self.part(number, id, write)).collect();
        let request = self.request("update", Method::POST, &["composite"], Repeat::Never);
        let request = request.json(&json!({ "allOrNone": false, "collateSubrequests": false, "compositeRequest": parts }));
        let answer = match self.sent(&request, writes.len()).await? {
            Ok(answer) => answer,
            Err(outcomes) => return Ok(outcomes),
        };
        if !answer.status.is_success() {
            return Err(whole_failure(&answer));
        }
        let results: CompositeAnswer = parse(&answer)?;
        let outcomes = results.composite_response.iter().zip(&ids).map(|(result, id)| {
            let errors: Vec<ApiError> = Vec::deserialize(&result.body).unwrap_or_default();
            outcome::update_outcome(id, result.http_status_code, &errors)
        });
        Ok(same_number(outcomes.collect(), writes.len()))
    }

    fn part(&self, number: usize, id: &str, write: &Write) -> Json {
        let mut fields = write.fields.clone();
        if let Some(external_id) = &write.external_id {
            fields.insert(self.external_id_field.clone(), json!(external_id));
        }
        let mut headers = Map::from_iter([(NO_ASSIGNMENT.0.to_owned(), json!(NO_ASSIGNMENT.1))]);
        if let Action::Update { modified_at, .. } = &write.action {
            let unmodified_since = modified_at.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
            headers.insert("If-Unmodified-Since".to_owned(), json!(unmodified_since));
        }
        json!({
            "method": "PATCH",
            "url": format!("/services/data/v{}/sobjects/Lead/{id}", self.version),
            "referenceId": format!("lead{number}"),
            "httpHeaders": headers,
            "body": fields,
        })
    }

    /// Sends a write. The inner failure gives an outcome for every record: what happened to them, or that nobody knows.
    async fn sent(&self, request: &Request, records: usize) -> Result<Result<Answer, Vec<Outcome>>, SideError> {
        let all = |outcome: Outcome| Ok(Err(vec![outcome; records]));
        match self.transport.call(&self.sign_in, request).await {
            Ok(answer) if is_turned_away(answer.status) => all(Outcome::Retry(outcome::refusal_of(&answer))),
            Ok(answer) if is_passing(answer.status) => all(Outcome::Unknown(outcome::refusal_of(&answer))),
            Ok(answer) => Ok(Ok(answer)),
            Err(Trouble::Lost(reason)) => all(Outcome::Unknown(Refusal::new("answer_lost", reason))),
            Err(trouble) => Err(trouble.into_error(Side::Salesforce)),
        }
    }
}

fn target(write: &Write) -> &str {
    match &write.action {
        Action::Update { id, .. } => id,
        Action::Create => "",
    }
}

fn upsert_outcome(result: UpsertResult) -> Outcome {
    match result {
        UpsertResult { success: true, id: Some(id), .. } => Outcome::Done { id },
        UpsertResult { success: true, id: None, .. } => Outcome::DoneWithoutId,
        UpsertResult { errors, .. } => outcome::outcome(&errors, true),
    }
}

/// Results come one for each record, in order. Should the number differ, nobody knows which is whose.
fn same_number(outcomes: Vec<Outcome>, expected: usize) -> Vec<Outcome> {
    if outcomes.len() == expected {
        return outcomes;
    }
    let message = format!("{} results came back for {expected} records", outcomes.len());
    vec![Outcome::Unknown(Refusal::new("wrong_number_of_results", message)); expected]
}
