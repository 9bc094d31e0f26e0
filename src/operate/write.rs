//! Writing Leads: creates, which Operate does not make safe to repeat, and updates after the target was read again.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Map, Value as Json, json};

use super::OperateClient;
use super::record::{as_id, as_text, id_json};
use crate::http::{Answer, Repeat, Request, Trouble, is_passing, is_turned_away};
use crate::side::{Action, Outcome, Record, Refusal, SideError, Unmoved, Write};

/// The code of a lead that is gone, between its reading and its writing.
const NOT_FOUND: &str = "http_404";

/// How one request ended.
pub(super) enum Sent {
    /// Operate's answer, which is JSON or empty and no refusal.
    Taken(Option<Json>),
    /// It did not do it.
    Not(Outcome),
}

impl OperateClient {
    pub(super) async fn write_all(&self, writes: &[Write]) -> Result<Vec<Outcome>, SideError> {
        let is_create = |write: &Write| matches!(write.action, Action::Create);
        if !writes.iter().all(is_create) {
            return Ok(join_all(writes.iter().map(|write| self.change(write))).await);
        }
        let chunks = writes.chunks(self.config.batch_size.max(1));
        Ok(join_all(chunks.map(|chunk| self.create(chunk))).await.into_iter().flatten().collect())
    }

    /// Makes leads by one request. It is never sent again if its answer was lost.
    async fn create(&self, writes: &[Write]) -> Vec<Outcome> {
        let records: Vec<Json> = writes.iter().map(|write| Json::Object(self.fields_of(write))).collect();
        let request = self.request("create", Method::PUT, None, Repeat::Never);
        match self.send(&request.json(&json!({ &self.config.envelope: records }))).await {
            Sent::Not(Outcome::Refused(_)) if writes.len() > 1 => {
                // Which one was refused is not told.
                let singly = writes.chunks(1).map(|one| Box::pin(self.create(one)));
                join_all(singly).await.into_iter().flatten().collect()
            }
            Sent::Not(outcome) => vec![outcome; writes.len()],
            Sent::Taken(answer) => self.created(answer.as_ref(), writes.len()),
        }
    }

    /// One outcome for each record of a create. Where the answer does not tell them apart, all that is known is that they are made.
    pub(super) fn created(&self, answer: Option<&Json>, expected: usize) -> Vec<Outcome> {
        let listed = answer.map(|answer| answer.get(&self.config.envelope).unwrap_or(answer));
        let results = match listed {
            Some(Json::Array(items)) => items.as_slice(),
            Some(item) => std::slice::from_ref(item),
            None => &[],
        };
        if results.len() == expected {
            results.iter().map(|item| self.made(item)).collect()
        } else {
            vec![Outcome::DoneWithoutId; expected]
        }
    }

    /// A record's result: its id as `{"leadid":…}` or `{"id":…}`, or why it was refused.
    fn made(&self, result: &Json) -> Outcome {
        if let Some(reason) = named_error(result) {
            return Outcome::Refused(Refusal::new("refused", as_text(reason).unwrap_or_else(|| reason.to_string())));
        }
        let id = result.get(&self.config.id_field).or_else(|| result.get("id")).and_then(as_id);
        id.map_or(Outcome::DoneWithoutId, |id| Outcome::Done { id })
    }

    async fn change(&self, write: &Write) -> Outcome {
        match &write.action {
            Action::Update { id, unmoved, .. } => self.update(id, unmoved, write).await,
            Action::Delete { id, unmoved } => self.delete(id, unmoved).await,
            Action::Create => Outcome::Refused(Refusal::new("mixed_batch", "a create among updates")),
        }
    }

    /// Reads the target again, checks that nothing of it changed, and deletes it.
    async fn delete(&self, id: &str, unmoved: &Unmoved) -> Outcome {
        if let Err(outcome) = self.check(id, unmoved).await {
            return outcome;
        }
        // Sent twice, it finds nothing to delete the second time.
        let request = self.request("delete", Method::DELETE, Some(id), Repeat::Safe);
        match self.send(&request).await {
            Sent::Taken(_) => Outcome::Done { id: id.to_owned() },
            Sent::Not(Outcome::Refused(refusal)) if refusal.code == NOT_FOUND => Outcome::Gone,
            Sent::Not(outcome) => outcome,
        }
    }

    /// Reads the target again, checks that it is what the decision was based on, and changes only the fields that differ.
    async fn update(&self, id: &str, unmoved: &Unmoved, write: &Write) -> Outcome {
        if let Err(outcome) = self.check(id, unmoved).await {
            return outcome;
        }
        let mut fields = self.fields_of(write);
        fields.insert(self.config.id_field.clone(), id_json(id));
        let request = self.request("update", Method::POST, Some(id), Repeat::Never);
        match self.send(&request.json(&json!({ &self.config.envelope: [fields] }))).await {
            Sent::Taken(_) => Outcome::Done { id: id.to_owned() },
            Sent::Not(Outcome::Refused(refusal)) if refusal.code == NOT_FOUND => Outcome::Gone,
            Sent::Not(outcome) => outcome,
        }
    }

    async fn check(&self, id: &str, unmoved: &Unmoved) -> Result<Record, Outcome> {
        match self.get(id).await {
            Ok(Some(record)) if unmoved(&record) => Ok(record),
            Ok(Some(record)) => Err(Outcome::Moved(Some(Box::new(record)))),
            Ok(None) => Err(Outcome::Gone),
            Err(SideError::Refused { reason, .. }) => Err(Outcome::Refused(Refusal::new("read_refused", reason))),
            Err(error) => Err(Outcome::Retry(Refusal::new("not_read", error.to_string()))),
        }
    }

    fn fields_of(&self, write: &Write) -> Map<String, Json> {
        let mut fields: Map<String, Json> = (&write.fields).into();
        if let Some(external_id) = write.external_id.as_ref().filter(|_| !self.config.external_id_field.is_empty()) {
            fields.insert(self.config.external_id_field.clone(), json!(external_id));
        }
        fields
    }

    async fn send(&self, request: &Request) -> Sent {
        match self.transport.call(&self.sign_in, request).await {
            Ok(answer) => understood(&answer),
            Err(Trouble::NotSent(reason)) => Sent::Not(Outcome::Retry(Refusal::new("not_sent", reason))),
            Err(Trouble::Lost(reason)) => Sent::Not(Outcome::Unknown(Refusal::new("answer_lost", reason))),
            Err(Trouble::SignIn(error)) => Sent::Not(Outcome::Retry(Refusal::new("sign_in", error.to_string()))),
        }
    }
}

/// The error that JSON names. An empty one is none: the record was taken, and must not be made once more.
fn named_error(json: &Json) -> Option<&Json> {
    json.get("error").filter(|error| !matches!(error, Json::Null | Json::Bool(false)) && error.as_str() != Some(""))
}

/// What Operate's answer to a write means. A refusal may come with status 200: then it is a text, or JSON that names an error.
pub(super) fn understood(answer: &Answer) -> Sent {
    let refusal = answer.refusal();
    match answer.status {
        status if is_turned_away(status) => return Sent::Not(Outcome::Retry(refusal)),
        status if is_passing(status) => return Sent::Not(Outcome::Unknown(refusal)),
        status if !status.is_success() => return Sent::Not(Outcome::Refused(refusal)),
        _ => {}
    }
    if answer.body.trim_ascii().is_empty() {
        return Sent::Taken(None);
    }
    match serde_json::from_slice::<Json>(&answer.body) {
        Ok(json) if named_error(&json).is_some() => Sent::Not(Outcome::Refused(refusal)),
        Ok(json @ (Json::Object(_) | Json::Array(_))) => Sent::Taken(Some(json)),
        _ => Sent::Not(Outcome::Refused(refusal)),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;

    use super::*;

    fn answered(status: u16, body: &str) -> Sent {
        understood(&Answer {
            status: StatusCode::from_u16(status).unwrap_or_default(),
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
            as_of: chrono::Utc::now(),
        })
    }

    #[test]
    fn a_text_is_a_refusal_whatever_its_status() {
        for status in [200, 400, 422] {
            let refused = answered(status, "Wrong input parameters, request should be in format …");
            assert!(
                matches!(&refused, Sent::Not(Outcome::Refused(refusal)) if refusal.message.starts_with("Wrong input parameters")),
                "{status}"
            );
        }
    }

    #[test]
    fn an_empty_error_is_none() {
        for body in [r#"{"leadid":7,"error":null}"#, r#"{"leadid":7,"error":""}"#, r#"{"leadid":7,"error":false}"#] {
            assert!(matches!(answered(200, body), Sent::Taken(Some(_))), "{body}");
        }
        assert!(matches!(answered(200, r#"{"error":"no"}"#), Sent::Not(Outcome::Refused(_))));
    }

    #[test]
    fn only_an_answer_that_may_come_after_the_effect_leaves_doubt() {
        assert!(matches!(answered(503, ""), Sent::Not(Outcome::Retry(_))));
        assert!(matches!(answered(502, "<html>"), Sent::Not(Outcome::Unknown(_))));
        assert!(matches!(answered(200, ""), Sent::Taken(None)));
    }
}
