//! Writing Leads: creates as upserts on the external id, which are safe to repeat; updates guarded by the time of the last change, 25
//! in one call, or where there are many of them compared first and then sent 200 in one call; deletes, compared first.

use std::collections::{BTreeMap, HashMap};

use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::outcome::{self, errors_of};
use super::read::parse;
use super::{COLLECTION, SalesforceClient, bulk};
use crate::config::salesforce::DuplicateRule;
use crate::http::{Answer, Repeat, Request, Trouble, is_passing, is_turned_away};
use crate::lead::Side;
use crate::side::{Action, Outcome, Record, Refusal, SideError, Write};

#[derive(Deserialize)]
pub(super) struct SaveResult {
    #[serde(default)]
    id: Option<String>,
    success: bool,
    #[serde(default)]
    errors: Json,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CompositeAnswer {
    pub(super) composite_response: Vec<SubAnswer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubAnswer {
    #[serde(default)]
    pub(super) body: Json,
    pub(super) http_status_code: u16,
}

/// What a collection call does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Collection {
    Upsert,
    Update,
}

impl SalesforceClient {
    /// Makes Leads, or finds those that an earlier attempt made.
    pub(super) async fn upsert(&self, writes: &[Write]) -> Result<Vec<Outcome>, SideError> {
        let mut outcomes = self.collection(Collection::Upsert, writes).await?;
        if self.duplicates == DuplicateRule::Link {
            for (outcome, write) in outcomes.iter_mut().zip(writes) {
                if matches!(outcome, Outcome::Duplicate { ids, .. } if ids.is_empty()) {
                    *outcome = self.upsert_alone(write).await?;
                }
            }
        }
        Ok(outcomes)
    }

    /// Makes many Leads by ordinary requests, one after the other.
    pub(super) async fn upsert_in_turn(&self, writes: &[Write]) -> Result<Vec<Outcome>, SideError> {
        let mut outcomes = Vec::with_capacity(writes.len());
        for chunk in writes.chunks(COLLECTION) {
            match self.upsert(chunk).await {
                Ok(some) => outcomes.extend(some),
                Err(error) if outcomes.is_empty() => return Err(error),
                // The others took effect by now, so this part alone is not sent.
                Err(error) => outcomes.extend(vec![not_sent(&error); chunk.len()]),
            }
        }
        Ok(outcomes)
    }

    /// Loads many Leads. What a duplicate rule refused is sent once more by the way that knows about such rules.
    pub(super) async fn upsert_many(&self, writes: &[Write]) -> Result<Vec<Outcome>, SideError> {
        let mut outcomes = self.load_or_upsert(writes).await?;
        if self.duplicates == DuplicateRule::Park {
            return Ok(outcomes);
        }
        let doubles: Vec<usize> = outcomes
            .iter()
            .enumerate()
            .filter(|(_, outcome)| matches!(outcome, Outcome::Duplicate { .. }))
            .map(|(place, _)| place)
            .collect();
        for places in doubles.chunks(COLLECTION) {
            let again: Vec<Write> = places.iter().filter_map(|place| writes.get(*place).cloned()).collect();
            for (place, outcome) in places.iter().zip(self.upsert(&again).await?) {
                if let Some(slot) = outcomes.get_mut(*place) {
                    *slot = outcome;
                }
            }
        }
        Ok(outcomes)
    }

    /// Loads what CSV can say, and sends the rest by the ordinary way.
    async fn load_or_upsert(&self, writes: &[Write]) -> Result<Vec<Outcome>, SideError> {
        let (mut plain, mut odd) = (Vec::new(), Vec::new());
        for (place, write) in writes.iter().enumerate() {
            if bulk::can_say(write) { plain.push(place) } else { odd.push(place) }
        }
        if odd.is_empty() {
            return self.load(writes).await;
        }
        let chosen = |places: &[usize]| -> Vec<Write> { places.iter().filter_map(|place| writes.get(*place).cloned()).collect() };
        let mut outcomes = BTreeMap::new();
        place(&mut outcomes, &plain, self.load(&chosen(&plain)).await?);
        for places in odd.chunks(COLLECTION) {
            let sent = self.upsert(&chosen(places)).await;
            place(&mut outcomes, places, sent.unwrap_or_else(|error| vec![not_sent(&error); places.len()]));
        }
        Ok(outcomes.into_values().collect())
    }

    /// One upsert on its own: its answer names the leads that a duplicate rule found, which that of a collection does not.
    async fn upsert_alone(&self, write: &Write) -> Result<Outcome, SideError> {
        let external_id = write.external_id.clone().unwrap_or_default();
        let path = ["sobjects", "Lead", self.external_id_field.as_str(), external_id.as_str()];
        let request = self.with_rules(self.request("create", Method::PATCH, &path, Repeat::Never)).json(&write.fields);
        let answer = match self.sent(&request, 1).await? {
            Ok(answer) => answer,
            Err(outcomes) => return Ok(outcomes.into_iter().next().unwrap_or(Outcome::DoneWithoutId)),
        };
        if answer.status.is_success() {
            return Ok(parse(&answer).map_or(Outcome::DoneWithoutId, |result| self.saved(result)));
        }
        let errors = errors_of(&serde_json::from_slice(&answer.body).unwrap_or_default());
        if errors.is_empty() {
            return Ok(Outcome::Refused(outcome::refusal_of(&answer)));
        }
        Ok(outcome::outcome(&errors, true, &self.external_id_field))
    }

    /// Up to 200 records in one call.
    async fn collection(&self, what: Collection, writes: &[Write]) -> Result<Vec<Outcome>, SideError> {
        let mut path = vec!["composite", "sobjects"];
        let (operation, repeat) = match what {
            Collection::Upsert => {
                path.extend(["Lead", self.external_id_field.as_str()]);
                // Sent again at once, it would set back what somebody edited meanwhile: it is looked for first.
                ("create", Repeat::Never)
            }
            Collection::Update => ("update", Repeat::Never),
        };
        let records: Vec<Json> = writes.iter().map(|write| self.record_of(what, write)).collect();
        let request = self.with_rules(self.request(operation, Method::PATCH, &path, repeat));
        let request = request.json(&json!({ "allOrNone": false, "records": records }));
        let answer = match self.sent(&request, writes.len()).await? {
            Ok(answer) => answer,
            Err(outcomes) => return Ok(outcomes),
        };
        if answer.status == StatusCode::BAD_REQUEST && outcome::refusal_of(&answer).code == "JSON_PARSER_ERROR" {
            return self.apart(what, &answer, writes).await;
        }
        if !answer.status.is_success() {
            return Err(self.whole_failure(&answer));
        }
        let results: Vec<SaveResult> = parse(&answer)?;
        Ok(same_number(results.into_iter().map(|result| self.saved(result)).collect(), writes.len()))
    }

    /// One record that cannot be parsed spoils a whole collection: the halves are sent on their own until it stands alone.
    async fn apart(&self, what: Collection, answer: &Answer, writes: &[Write]) -> Result<Vec<Outcome>, SideError> {
        if writes.len() < 2 {
            return Ok(vec![Outcome::Refused(outcome::refusal_of(answer))]);
        }
        let (first, second) = writes.split_at(writes.len() / 2);
        let mut outcomes = Box::pin(self.collection(what, first)).await?;
        match Box::pin(self.collection(what, second)).await {
            Ok(more) => outcomes.extend(more),
            Err(error) => {
                let refusal = Refusal::new("not_sent", error.to_string());
                outcomes.extend(vec![Outcome::Retry(refusal); second.len()]);
            }
        }
        Ok(outcomes)
    }

    fn record_of(&self, what: Collection, write: &Write) -> Json {
        let mut record = Map::from_iter([("attributes".to_owned(), json!({ "type": "Lead" }))]);
        if what == Collection::Update {
            record.insert("id".to_owned(), json!(target(write)));
        }
        record.extend(self.fields_of(write));
        Json::Object(record)
    }

    /// The mapped fields, and the external id.
    fn fields_of(&self, write: &Write) -> Map<String, Json> {
        let mut fields: Map<String, Json> = (&write.fields).into();
        if let Some(external_id) = &write.external_id {
            let external_id = if external_id.is_empty() { Json::Null } else { json!(external_id) };
            fields.insert(self.external_id_field.clone(), external_id);
        }
        fields
    }

    pub(super) fn saved(&self, result: SaveResult) -> Outcome {
        match result {
            SaveResult { success: true, id: Some(id), .. } => Outcome::Done { id },
            SaveResult { success: true, id: None, .. } => Outcome::DoneWithoutId,
            SaveResult { errors, .. } => outcome::outcome(&errors_of(&errors), true, &self.external_id_field),
        }
    }

    /// Changes Leads that were not changed since they were read, by any other user or program: the server compares.
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
            return Err(self.whole_failure(&answer));
        }
        let results: CompositeAnswer = parse(&answer)?;
        let outcomes = results
            .composite_response
            .iter()
            .zip(&ids)
            .map(|(result, id)| outcome::update_outcome(id, result.http_status_code, &result.body, &self.external_id_field));
        Ok(same_number(outcomes.collect(), writes.len()))
    }

    fn part(&self, number: usize, id: &str, write: &Write) -> Json {
        let mut headers: Map<String, Json> =
            self.rule_headers().into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        if let Action::Update { modified_at, .. } = &write.action {
            let unmodified_since = modified_at.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
            headers.insert("If-Unmodified-Since".to_owned(), json!(unmodified_since));
        }
        json!({
            "method": "PATCH",
            "url": format!("/services/data/v{}/sobjects/Lead/{id}", self.version),
            "referenceId": format!("lead{number}"),
            "httpHeaders": headers,
            "body": self.fields_of(write),
        })
    }

    /// Changes Leads after they were read again: those whose fields in question moved are left alone.
    pub(super) async fn update_compared(&self, writes: &[Write]) -> Result<Vec<Outcome>, SideError> {
        let (mut outcomes, ready) = self.compared(writes).await?;
        let sent = join_all(ready.chunks(COLLECTION).map(|places| async move {
            let chunk: Vec<Write> = places.iter().filter_map(|place| writes.get(*place).cloned()).collect();
            (places, self.collection(Collection::Update, &chunk).await)
        }));
        for (places, sent) in sent.await {
            // The others may have taken effect by now, so this part alone is not sent.
            let sent = sent.unwrap_or_else(|error| vec![not_sent(&error); places.len()]);
            place(&mut outcomes, places, sent);
        }
        Ok(outcomes.into_values().collect())
    }

    /// Deletes Leads of which nothing changed. Salesforce has no guard for deletes: they are read again just before.
    pub(super) async fn delete_compared(&self, writes: &[Write]) -> Result<Vec<Outcome>, SideError> {
        let (mut outcomes, ready) = self.compared(writes).await?;
        for places in ready.chunks(COLLECTION) {
            let ids: Vec<&str> = places.iter().filter_map(|place| writes.get(*place)).map(target).collect();
            let request = self
                .request("delete", Method::DELETE, &["composite", "sobjects"], Repeat::Safe)
                .query("ids", ids.join(","))
                .query("allOrNone", "false".to_owned());
            let done = match self.sent(&request, ids.len()).await {
                Ok(Ok(answer)) if answer.status.is_success() => {
                    let results: Vec<SaveResult> = parse(&answer)?;
                    let outcome = |(result, id): (SaveResult, &&str)| match result {
                        SaveResult { success: true, .. } => Outcome::Done { id: (*id).to_owned() },
                        result => self.saved(result),
                    };
                    same_number(results.into_iter().zip(&ids).map(outcome).collect(), ids.len())
                }
                Ok(Ok(answer)) => vec![not_sent(&self.whole_failure(&answer)); ids.len()],
                Ok(Err(outcomes)) => outcomes,
                Err(error) => vec![not_sent(&error); ids.len()],
            };
            place(&mut outcomes, places, done);
        }
        Ok(outcomes.into_values().collect())
    }

    /// Reads the targets again. Gives the outcome of every write that must not be sent, by its place, and the places of the rest.
    async fn compared(&self, writes: &[Write]) -> Result<(BTreeMap<usize, Outcome>, Vec<usize>), SideError> {
        let ids: Vec<String> = writes.iter().map(|write| target(write).to_owned()).collect();
        let fresh = self.read_all(&ids).await?;
        let fresh: HashMap<&str, &Record> = fresh.iter().map(|record| (record.id.as_str(), record)).collect();
        let (mut outcomes, mut ready) = (BTreeMap::new(), Vec::new());
        for (place, write) in writes.iter().enumerate() {
            let (Action::Update { id, unmoved, .. } | Action::Delete { id, unmoved }) = &write.action else { continue };
            let outcome = match fresh.get(id.as_str()) {
                None => Outcome::Absent(Refusal::new("NOT_FOUND", "The requested resource does not exist")),
                Some(record) if record.deleted => Outcome::Gone,
                Some(record) if record.converted => Outcome::Converted,
                Some(record) if !unmoved(record) => Outcome::Moved(Some(Box::new((*record).clone()))),
                Some(_) => {
                    ready.push(place);
                    continue;
                }
            };
            outcomes.insert(place, outcome);
        }
        Ok((outcomes, ready))
    }

    /// Headers that say which of the org's rules apply to what is written.
    fn rule_headers(&self) -> Vec<(&'static str, &'static str)> {
        let mut headers = Vec::new();
        if !self.auto_assign {
            // Keeps the org's assignment rules from moving a lead to another owner because of this program.
            headers.push(("Sforce-Auto-Assign", "FALSE"));
        }
        match self.duplicates {
            DuplicateRule::Save => headers.push(("Sforce-Duplicate-Rule-Header", "allowSave=true")),
            DuplicateRule::Link => headers.push(("Sforce-Duplicate-Rule-Header", "includeRecordDetails=true")),
            DuplicateRule::Park => {}
        }
        headers
    }

    fn with_rules(&self, request: Request) -> Request {
        self.rule_headers().into_iter().fold(request, |request, (name, value)| request.header(name, value))
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
        Action::Update { id, .. } | Action::Delete { id, .. } => id,
        Action::Create => "",
    }
}

fn not_sent(error: &SideError) -> Outcome {
    Outcome::Retry(Refusal::new("not_sent", error.to_string()))
}

/// Puts outcomes in their places.
fn place(outcomes: &mut BTreeMap<usize, Outcome>, places: &[usize], some: Vec<Outcome>) {
    outcomes.extend(places.iter().copied().zip(some));
}

/// Results come one for each record, in order. Should the number differ, nobody knows which is whose.
fn same_number(outcomes: Vec<Outcome>, expected: usize) -> Vec<Outcome> {
    if outcomes.len() == expected {
        return outcomes;
    }
    let message = format!("{} results came back for {expected} records", outcomes.len());
    vec![Outcome::Unknown(Refusal::new("wrong_number_of_results", message)); expected]
}
