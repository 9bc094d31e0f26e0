//! What must hold of Salesforce's answers, whatever they are.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use futures_util::FutureExt as _;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value as Json;

use super::auth::SalesforceSignIn;
use super::outcome::{self, ApiError, errors_of, is_id, refusal_of};
use super::read::{self, QueryAnswer, literal, parse};
use super::write::{CompositeAnswer, SaveResult};
use super::{SalesforceClient, budget, bulk, describe};
use crate::fuzz::{config, keeps_out};
use crate::http::Answer;
use crate::http::fuzz::{answer, read_answer};
use crate::side::{Action, Outcome, SideError, Write};

static CLIENT: LazyLock<SalesforceClient> =
    LazyLock::new(|| match SalesforceClient::new(&config().salesforce, vec!["Company".to_owned(), "Email".to_owned()]) {
        Ok(client) => client,
        Err(error) => panic!("{error}"),
    });

/// A page of a query: leads with ids and times that the next query can name, or an error without a value of the page.
pub(crate) fn query_page(data: &[u8]) {
    let answer = answer(StatusCode::OK, HeaderMap::new(), data);
    let page: QueryAnswer = match parse(&answer) {
        Ok(page) => page,
        Err(error) => return keeps_out(&error.to_string(), data),
    };
    let fields = CLIENT.fields();
    let rows: Vec<_> = page.records.0.into_iter().flatten().collect();
    let count = rows.len();
    let records = CLIENT.records(&fields, rows).now_or_never();
    let Some(Ok(records)) = records else { return };
    assert_eq!(records.len(), count);
    for record in records {
        assert!(is_id(&record.id) && record.master_id.as_deref().is_none_or(is_id), "{record:?}");
        assert_eq!(literal(record.modified_at).len(), "2026-11-24T10:00:00Z".len());
        assert_eq!(record.fields.len(), 2);
    }
}

/// Refusals, of whole calls and of single records: their words are kept, and what they take for ids are ids.
pub(crate) fn outcomes(data: &[u8]) {
    let answer = read_answer(data);
    let words = String::from_utf8_lossy(&answer.body);
    let refusal = refusal_of(&answer);
    let json: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    let messages = json.as_array().into_iter().flatten().filter_map(|error| error.get("message").and_then(Json::as_str));
    for message in messages {
        assert!(refusal.message.contains(message), "{refusal} lost {message:?}");
    }
    assert!(json.is_array() || words.len() > 2_000 || refusal.message == words.trim(), "{refusal}");
    let _ = CLIENT.whole_failure(&answer);
    are_sound(&outcome::outcome(&errors_of(&json), true, "Operate_Lead_Id__c"));
    if let Ok(composite) = parse::<CompositeAnswer>(&answer) {
        for part in composite.composite_response {
            are_sound(&outcome::update_outcome("00Q5g00000AbCdE", part.http_status_code, &part.body, "Operate_Lead_Id__c"));
        }
    }
    if let Ok(results) = parse::<Vec<SaveResult>>(&answer) {
        for result in results {
            are_sound(&CLIENT.saved(result));
        }
    }
    of_bulk(&words);
}

fn are_sound(outcome: &Outcome) {
    if let Outcome::Duplicate { ids, .. } = outcome {
        assert!(ids.iter().all(|id| is_id(id)), "{ids:?}");
    }
}

/// The text for a row of Bulk API: any message comes back whole, in the documented form or not.
fn of_bulk(text: &str) {
    let kept = |text: &str| outcome::refusal(&[ApiError::of_bulk(text)]);
    are_sound(&outcome::outcome(&[ApiError::of_bulk(text)], true, "Operate_Lead_Id__c"));
    for list in ["", "Email", "Email,Budget__c"] {
        let refusal = kept(&format!("SOME_CODE:{text}:{list} --"));
        assert_eq!(refusal.code, "SOME_CODE");
        assert!(refusal.message.starts_with(text), "{refusal} lost words of {text:?}");
    }
}

/// CSV: answers of any bytes are read or refused; any values that are written are read again.
pub(crate) fn bulk_csv(data: &[u8]) {
    let rows = bulk::rows(&answer(StatusCode::OK, HeaderMap::new(), data));
    assert!(rows.is_err() || rows.is_ok_and(|rows| rows.len() <= data.len()));
    let text = String::from_utf8_lossy(data);
    let values: Vec<&str> = text.split('\u{1f}').collect();
    let names = ["Company", "Email", "Description"];
    let writes: Vec<Write> =
        values.chunks(names.len()).enumerate().map(|(number, values)| write(number, &names, values)).collect();
    let (body, taken) = CLIENT.upload_body(&writes);
    let columns: BTreeSet<&str> = writes.iter().flat_map(|write| write.fields.keys()).collect();
    let read = bulk::rows(&answer(StatusCode::OK, HeaderMap::new(), &body)).unwrap_or_default();
    assert_eq!((taken, read.len()), (writes.len(), writes.len()));
    for (write, row) in writes.iter().zip(&read) {
        assert_eq!(row.len(), columns.len() + 1);
        assert_eq!(row.get("Operate_Lead_Id__c"), write.external_id.as_ref());
        for (name, value) in &write.fields {
            assert_eq!(row.get(name).map(String::as_str), value.as_str());
            assert!(value.as_str() != Some("#N/A") || !bulk::can_say(write));
        }
    }
}

fn write(number: usize, names: &[&str], values: &[&str]) -> Write {
    let fields = names.iter().zip(values).map(|(name, value)| ((*name).to_owned(), Json::from(*value)));
    Write { action: Action::Create, fields: fields.collect(), external_id: Some(number.to_string()) }
}

/// A description: fields with names.
pub(crate) fn describe(data: &[u8]) {
    match describe::read(&answer(StatusCode::OK, HeaderMap::new(), data)) {
        Ok((_, fields)) => assert!(fields.iter().all(|field| !field.name.is_empty())),
        Err(error) => keeps_out(&error.to_string(), data),
    }
}

/// Limits: a use that can be reckoned with, or none; a moment to come, or none.
pub(crate) fn headers(headers: &HeaderMap) {
    assert!(budget::usage(headers).is_none_or(|usage| usage.limit > 0));
    let body = br#"[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]"#;
    let failure = CLIENT.whole_failure(&answer(StatusCode::FORBIDDEN, headers.clone(), body));
    assert!(matches!(failure, SideError::Budget { .. }));
}

/// The answer to a sign-in: a session, or an error that holds nothing of a token.
pub(crate) fn sign_in(answer: &Answer) {
    let Ok(sign_in) = SalesforceSignIn::new(&config().salesforce) else { return };
    if let (Err(error), true) = (sign_in.session(answer), answer.status.is_success()) {
        keeps_out(&error.to_string(), &answer.body);
    }
}

/// A text as the client writes it in a query.
pub(crate) fn quoted(text: &str) -> String {
    read::quoted(text)
}
