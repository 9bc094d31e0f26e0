//! `/_sandbox/…`: the same on both addresses; each concerns the system that it is sent to.

use std::io::Read as _;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::header::CONTENT_ENCODING;
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use flate2::read::{GzDecoder, ZlibDecoder};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use crate::sandbox::SandboxError;
use crate::sandbox::faults::Fault;
use crate::sandbox::http::{Answer, Call};
use crate::sandbox::simulated::SimulatedSide;
use crate::sandbox::wire::Wire;

/// The longest body that is read.
const MAX_BODY: usize = 256 * 1024 * 1024;

/// The routes of one simulated system: its own interface, and the controls.
pub fn router(side: SimulatedSide) -> Router {
    Router::new()
        .route("/_sandbox/leads", get(leads))
        .route("/_sandbox/requests", get(requests))
        .route("/_sandbox/create", post(create))
        .route("/_sandbox/edit", post(edit))
        .route("/_sandbox/delete", post(delete))
        .route("/_sandbox/convert", post(convert))
        .route("/_sandbox/undelete", post(undelete))
        .route("/_sandbox/reference", post(reference))
        .route("/_sandbox/messages", get(messages))
        .route("/_sandbox/suspected", get(suspected))
        .route("/_sandbox/purge", post(purge))
        .route("/_sandbox/merge", post(merge))
        .route("/_sandbox/hide", post(hide))
        .route("/_sandbox/fault", get(faults).post(fault))
        .route("/_sandbox/clear", post(clear))
        .route("/_sandbox/events", post(events))
        .route("/_sandbox/switch", post(switch))
        .fallback(serve)
        .with_state(side)
}

async fn serve(State(side): State<SimulatedSide>, ConnectInfo(wire): ConnectInfo<Wire>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return Answer::text(StatusCode::BAD_REQUEST, "the body could not be read").into_response();
    };
    let encoding = parts.headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Ok(body) = decoded(encoding, body) else {
        return Answer::text(StatusCode::BAD_REQUEST, "the body is not encoded as it says").into_response();
    };
    let uri = parts.uri.path_and_query().map_or_else(|| "/".to_owned(), |whole| whole.as_str().to_owned());
    side.serve(Call::new(parts.method, &parts.uri, parts.headers, body), uri, wire).await
}

/// A body as it was before it was compressed.
fn decoded(encoding: &str, body: Bytes) -> std::io::Result<Bytes> {
    let mut plain = Vec::new();
    match encoding {
        "gzip" => GzDecoder::new(body.as_ref()).take(MAX_BODY as u64).read_to_end(&mut plain)?,
        "deflate" => ZlibDecoder::new(body.as_ref()).take(MAX_BODY as u64).read_to_end(&mut plain)?,
        _ => return Ok(body),
    };
    Ok(plain.into())
}

async fn leads(State(side): State<SimulatedSide>) -> Response<Body> {
    Answer::json(StatusCode::OK, &side.leads()).into_response()
}

async fn requests(State(side): State<SimulatedSide>) -> Response<Body> {
    Answer::json(StatusCode::OK, &side.requests()).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    fields: Json,
    #[serde(default)]
    at: Option<DateTime<Utc>>,
}

async fn create(State(side): State<SimulatedSide>, body: Bytes) -> Response<Body> {
    done(read::<Create>(&body).and_then(|wish| side.create_at(&wish.fields, wish.at)).map(|id| json!({ "id": id })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    id: Json,
    fields: Json,
    #[serde(default)]
    at: Option<DateTime<Utc>>,
}

async fn edit(State(side): State<SimulatedSide>, body: Bytes) -> Response<Body> {
    done(read::<Edit>(&body).and_then(|wish| {
        let id = id_text(&wish.id);
        side.edit_at(&id, &wish.fields, wish.at).map(|()| json!({ "id": id }))
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Only {
    id: Json,
}

async fn delete(State(side): State<SimulatedSide>, body: Bytes) -> Response<Body> {
    act(&body, |id| side.delete(id))
}

async fn convert(State(side): State<SimulatedSide>, body: Bytes) -> Response<Body> {
    act(&body, |id| side.convert(id))
}

async fn undelete(State(side): State<SimulatedSide>, body: Bytes) -> Response<Body> {
    act(&body, |id| side.undelete(id))
}

async fn purge(State(side): State<SimulatedSide>, body: Bytes) -> Response<Body> {
    act(&body, |id| side.purge(id))
}

/// Does what takes only an id.
fn act(body: &[u8], act: impl FnOnce(&str) -> Result<(), SandboxError>) -> Response<Body> {
    done(read::<Only>(body).and_then(|wish| {
        let id = id_text(&wish.id);
        act(&id).map(|()| json!({ "id": id }))
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    list: String,
    id: u32,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    email: Option<String>,
}

async fn reference(State(side): State<SimulatedSide>, body: Bytes) -> Response<Body> {
    done(read::<Reference>(&body).and_then(|wish| {
        let changed = side.reference(&wish.list, wish.id, wish.name.as_deref(), wish.email.as_deref());
        changed.map(|()| json!({ "id": wish.id }))
    }))
}

async fn messages(State(side): State<SimulatedSide>) -> Response<Body> {
    done(Ok(side.messages()))
}

async fn suspected(State(side): State<SimulatedSide>, Query(wish): Query<Only>) -> Response<Body> {
    done(side.suspected(&id_text(&wish.id)).map(Json::Array))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    master: String,
    losers: Vec<String>,
}

async fn merge(State(side): State<SimulatedSide>, body: Bytes) -> Response<Body> {
    done(read::<Merge>(&body).and_then(|wish| side.merge(&wish.master, &wish.losers).map(|()| json!({ "id": wish.master }))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hide {
    id: String,
    hidden: bool,
}

async fn hide(State(side): State<SimulatedSide>, body: Bytes) -> Response<Body> {
    done(read::<Hide>(&body).and_then(|wish| side.hide(&wish.id, wish.hidden).map(|()| json!({ "id": wish.id }))))
}

async fn fault(State(side): State<SimulatedSide>, body: Bytes) -> Response<Body> {
    done(read::<Fault>(&body).and_then(|fault| side.fault(fault)).map(|()| json!({ "waiting": side.faults().len() })))
}

async fn faults(State(side): State<SimulatedSide>) -> Response<Body> {
    Answer::json(StatusCode::OK, &side.faults()).into_response()
}

async fn clear(State(side): State<SimulatedSide>) -> Response<Body> {
    side.clear_faults();
    done(Ok(json!({ "waiting": 0 })))
}

async fn events(State(side): State<SimulatedSide>, body: Bytes) -> Response<Body> {
    done(read::<Json>(&body).and_then(|wish| side.events(&wish)))
}

async fn switch(State(side): State<SimulatedSide>, body: Bytes) -> Response<Body> {
    done(read::<Json>(&body).and_then(|switches| side.switch(&switches)))
}

/// Ids may be written as text or as a number.
fn id_text(id: &Json) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, SandboxError> {
    serde_json::from_slice(body).map_err(|error| SandboxError::Refused(error.to_string()))
}

fn done(result: Result<Json, SandboxError>) -> Response<Body> {
    match result {
        Ok(body) => Answer::json(StatusCode::OK, &body).into_response(),
        Err(error) => Answer::json(StatusCode::BAD_REQUEST, &json!({ "error": error.to_string() })).into_response(),
    }
}
