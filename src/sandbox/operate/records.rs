//! The bodies of writes, and the answers to queries and writes.

use axum::http::StatusCode;
use serde_json::{Map, Value as Json, json};

use crate::sandbox::http::{Answer, Call};
use crate::sandbox::operate::schema::Refusal;
use crate::sandbox::operate::switches::CreateAnswer;

/// The answer to a query: its rows, numbered from 1.
pub fn numbered(rows: impl Iterator<Item = Map<String, Json>>) -> Answer {
    let rows: Vec<Json> = (1_u32..)
        .zip(rows)
        .map(|(number, mut row)| {
            row.insert("row_num".to_owned(), number.into());
            Json::Object(row)
        })
        .collect();
    Answer::json(StatusCode::OK, &rows)
}

/// The records of a write.
pub fn records(call: &Call) -> Result<Vec<Map<String, Json>>, Refusal> {
    let malformed = || Refusal::input("request should be in format {\"leads\":[{\"leadname\":\"…\"}]}");
    let Ok(Json::Object(mut body)) = call.json::<Json>() else { return Err(malformed()) };
    let Some(Json::Array(records)) = body.remove("leads").filter(|_| body.is_empty()) else { return Err(malformed()) };
    if records.is_empty() {
        return Err(malformed());
    }
    let record = |record| if let Json::Object(fields) = record { Ok(fields) } else { Err(malformed()) };
    records.into_iter().map(record).collect()
}

/// What is answered to a create.
pub fn create_answer(answer: CreateAnswer, made: Json) -> Json {
    match answer {
        CreateAnswer::LeadId | CreateAnswer::Id => made,
        CreateAnswer::List => json!([made]),
        CreateAnswer::Envelope => json!({ "leads": [made] }),
        CreateAnswer::Nothing => json!({ "message": "Lead saved" }),
    }
}

/// The result of one record among several.
pub fn result_json(result: Result<Json, Refusal>) -> Json {
    result.unwrap_or_else(|refusal| json!({ "error": refusal.text }))
}

/// One result a record, in the order of the records.
pub fn batch_answer(answer: CreateAnswer, results: Vec<Json>) -> Answer {
    let body = match answer {
        CreateAnswer::Envelope => json!({ "leads": results }),
        CreateAnswer::Nothing => json!({ "message": "Leads saved" }),
        CreateAnswer::LeadId | CreateAnswer::Id | CreateAnswer::List => Json::Array(results),
    };
    Answer::json(StatusCode::OK, &body)
}
