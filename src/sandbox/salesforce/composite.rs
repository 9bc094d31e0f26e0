//! Several requests in one: each part goes through the same door as a request of its own.

use axum::body::Bytes;
use axum::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::errors::Fail;
use super::{Salesforce, is_version};
use crate::sandbox::http::{Answer, Call, RowError};

/// Parts of one request.
const MOST: usize = 25;
/// Of those, queries and collections.
const MOST_LARGE: usize = 5;
/// Headers that a part cannot set.
const REFUSED_HEADERS: [&str; 3] = ["accept", "authorization", "content-type"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Composite {
    #[serde(default)]
    all_or_none: bool,
    composite_request: Vec<Part>,
}

/// A part of a composite request, or a node of a graph.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    pub(super) method: String,
    pub(super) url: String,
    reference_id: String,
    #[serde(default)]
    http_headers: Map<String, Json>,
    #[serde(default)]
    body: Option<Json>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    #[serde(default)]
    halt_on_error: bool,
    batch_requests: Vec<BatchPart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchPart {
    method: String,
    url: String,
    #[serde(default)]
    rich_input: Option<Json>,
}

/// Whether a part of a composite request may change something.
pub fn writes(call: &Call) -> bool {
    let parts = call.json::<Composite>().map(|composite| composite.composite_request).unwrap_or_default();
    parts.iter().any(|part| !part.method.eq_ignore_ascii_case("GET"))
}

impl Salesforce {
    pub(super) fn composite(&self, call: &Call, version: &str) -> Result<Answer, Fail> {
        let composite: Composite = call.json().map_err(|error| Fail::json_parser(error.to_string()))?;
        check(&composite.composite_request)?;
        let parts = &composite.composite_request;
        let (results, _) = self.parts(call, version, parts, composite.all_or_none);
        Ok(Answer::json(StatusCode::OK, &json!({ "compositeResponse": results })))
    }

    /// Does the parts one after the other; whether all went well.
    pub(super) fn parts(&self, call: &Call, version: &str, parts: &[Part], all_or_none: bool) -> (Vec<Json>, bool) {
        let before = all_or_none.then(|| {
            let state = self.state();
            (state.leads.clone(), state.writes)
        });
        let mut results: Vec<(String, Answer)> = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            let row_error = call.row_error.as_ref().filter(|ordered| ordered.row == number);
            let answer = self.part(call, version, part, &results, row_error).unwrap_or_else(|fail| fail.answer());
            results.push((part.reference_id.clone(), answer));
        }
        let failed = |answer: &Answer| !answer.status.is_success();
        let is_good = !results.iter().any(|(_, answer)| failed(answer));
        if let Some((leads, writes)) = before.filter(|_| !is_good) {
            let mut state = self.state();
            state.leads = leads;
            state.writes = writes;
            drop(state);
            let message = "The transaction was rolled back since another operation in the same transaction failed.";
            for (_, answer) in results.iter_mut().filter(|(_, answer)| !failed(answer)) {
                *answer = Fail::bad("PROCESSING_HALTED", message).answer();
            }
        }
        (results.iter().map(|(reference, answer)| shown(reference, answer)).collect(), is_good)
    }

    fn part(
        &self,
        call: &Call,
        version: &str,
        part: &Part,
        earlier: &[(String, Answer)],
        row_error: Option<&RowError>,
    ) -> Result<Answer, Fail> {
        let mut headers = HeaderMap::new();
        for (name, value) in &part.http_headers {
            if REFUSED_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
                return Err(Fail::bad("INVALID_INPUT", format!("The header {name} is not allowed in a subrequest")));
            }
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_str(value.as_str().unwrap_or_default());
            if let (Ok(name), Ok(value)) = (name, value) {
                headers.insert(name, value);
            }
        }
        let url = resolve(&part.url, earlier)?;
        let body = match &part.body {
            Some(body) => resolve(&body.to_string(), earlier)?,
            None => String::new(),
        };
        let mut inner = inner_call(call, &part.method, &url, headers, body)?;
        inner.row_error = row_error.map(|ordered| RowError { row: 0, code: ordered.code.clone() });
        self.inner(&inner, Some(version))
    }

    pub(super) fn batch(&self, call: &Call) -> Result<Answer, Fail> {
        let batch: Batch = call.json().map_err(|error| Fail::json_parser(error.to_string()))?;
        if batch.batch_requests.len() > MOST {
            return Err(Fail::bad("INVALID_INPUT", format!("Batch size is too large: the limit is {MOST}")));
        }
        let mut results = Vec::new();
        let mut has_errors = false;
        for part in &batch.batch_requests {
            self.state().requests += 1;
            let answer = if has_errors && batch.halt_on_error {
                let message = "Batch processing halted per request";
                Fail::new(StatusCode::PRECONDITION_FAILED, "BATCH_PROCESSING_HALTED", message).answer()
            } else {
                let url = format!("/services/data/{}", part.url.trim_start_matches("/services/data/").trim_start_matches('/'));
                let body = part.rich_input.as_ref().map(Json::to_string).unwrap_or_default();
                let inner = inner_call(call, &part.method, &url, HeaderMap::new(), body);
                inner.and_then(|inner| self.inner(&inner, None)).unwrap_or_else(|fail| fail.answer())
            };
            has_errors |= !answer.status.is_success();
            results.push(json!({ "statusCode": answer.status.as_u16(), "result": body_of(&answer) }));
        }
        Ok(Answer::json(StatusCode::OK, &json!({ "hasErrors": has_errors, "results": results })))
    }

    /// A part as a request of its own, though not counted as one.
    fn inner(&self, call: &Call, version: Option<&str>) -> Result<Answer, Fail> {
        let segments = call.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            ["services", "data", named, rest @ ..] if is_version(named) && version.is_none_or(|version| version == *named) => {
                if matches!(rest, ["composite"] | ["composite", "batch" | "graph" | "tree", ..]) {
                    return Err(Fail::bad("INVALID_INPUT", "A composite request cannot hold another"));
                }
                self.resource(call, named, rest)
            }
            _ => Err(Fail::not_found()),
        }
    }
}

fn check(parts: &[Part]) -> Result<(), Fail> {
    if parts.len() > MOST {
        return Err(Fail::bad("LIMIT_EXCEEDED", format!("The limit of {MOST} subrequests is exceeded")));
    }
    let large = parts.iter().filter(|part| part.url.contains("/query") || part.url.contains("/composite/")).count();
    if large > MOST_LARGE {
        return Err(Fail::bad(
            "LIMIT_EXCEEDED",
            format!("The limit of {MOST_LARGE} query and collection subrequests is exceeded"),
        ));
    }
    check_references(parts)
}

/// Refuses parts without a name of their own.
pub(super) fn check_references(parts: &[Part]) -> Result<(), Fail> {
    for (number, part) in parts.iter().enumerate() {
        let is_sound =
            !part.reference_id.is_empty() && part.reference_id.chars().all(|each| each.is_ascii_alphanumeric() || each == '_');
        if !is_sound || parts.iter().take(number).any(|other| other.reference_id == part.reference_id) {
            return Err(Fail::bad("INVALID_INPUT", format!("Invalid reference ID: {}", part.reference_id)));
        }
    }
    Ok(())
}

fn inner_call(outer: &Call, method: &str, url: &str, mut headers: HeaderMap, body: String) -> Result<Call, Fail> {
    if let Some(token) = outer.headers.get(AUTHORIZATION) {
        headers.insert(AUTHORIZATION, token.clone());
    }
    let uri: Uri = url.replace(' ', "%20").parse().map_err(|_| Fail::bad("INVALID_INPUT", format!("Invalid URL: {url}")))?;
    let method =
        Method::from_bytes(method.as_bytes()).map_err(|_| Fail::bad("INVALID_INPUT", format!("Invalid method: {method}")))?;
    Ok(Call::new(method, &uri, headers, Bytes::from(body)))
}

/// Puts earlier results in the place of `@{reference.field}`.
fn resolve(text: &str, earlier: &[(String, Answer)]) -> Result<String, Fail> {
    let mut resolved = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("@{") {
        let (expression, after) = after.split_once('}').ok_or_else(|| Fail::bad("INVALID_INPUT", "Invalid reference"))?;
        let (reference, path) = expression.split_once('.').unwrap_or((expression, "id"));
        let body = earlier.iter().find(|(name, _)| name == reference).map(|(_, answer)| body_of(answer));
        let pointer = format!("/{}", path.replace("].", "/").replace(['[', '.'], "/").replace(']', ""));
        let value = body.as_ref().and_then(|body| body.pointer(&pointer));
        let value = value.ok_or_else(|| {
            Fail::bad("PROCESSING_HALTED", format!("Invalid reference specified. No value for {expression} found in {reference}"))
        })?;
        resolved.push_str(before);
        resolved.push_str(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        rest = after;
    }
    resolved.push_str(rest);
    Ok(resolved)
}

fn body_of(answer: &Answer) -> Json {
    serde_json::from_str(&answer.body).unwrap_or_default()
}

fn shown(reference: &str, answer: &Answer) -> Json {
    let headers: Map<String, Json> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name == "location")
        .map(|(_, value)| ("Location".to_owned(), json!(value)))
        .collect();
    json!({
        "body": body_of(answer),
        "httpHeaders": headers,
        "httpStatusCode": answer.status.as_u16(),
        "referenceId": reference,
    })
}
