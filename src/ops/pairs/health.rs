//! `/livez`, `/readyz` and `/leaderz` of a process with many pairs, and those of a pair that cannot run. What they say is in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use chrono::{DateTime, Utc};
use serde_json::json;

use super::super::{figures, page};
use super::{Pairs, Role};

pub(super) fn routes() -> Router<Arc<Pairs>> {
    Router::new().route("/livez", get(live)).route("/readyz", get(ready)).route("/leaderz", get(leads))
}

async fn live() -> &'static str {
    "live\n"
}

/// It serves its pairs. The trouble of one of them, which is named, takes none of the others out of service.
async fn ready(State(pairs): State<Arc<Pairs>>) -> Response {
    let all = pairs.all();
    let count = |role| all.iter().filter(|(_, shown)| shown.role() == role).count();
    let troubled: BTreeMap<_, _> = all.iter().filter_map(|(name, shown)| Some((name, shown.unready()?))).collect();
    let mut report = json!({
        "ready": !all.is_empty(),
        "role": "pairs",
        "leads": count(Role::Leader),
        "stands_by": count(Role::StandBy),
        "fails": count(Role::Failing),
        "troubled": troubled,
    });
    if !all.is_empty() {
        return Json(report).into_response();
    }
    if let Some(report) = report.as_object_mut() {
        report.insert("reasons".to_owned(), json!(["starting: there is no pair yet"]));
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(report)).into_response()
}

/// Whether this process leads any of them.
async fn leads(State(pairs): State<Arc<Pairs>>) -> Response {
    let all = pairs.all();
    let led = all.iter().filter(|(_, shown)| shown.role() == Role::Leader).count();
    let status = if led > 0 { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, format!("leads {led} of {} pairs\n", all.len())).into_response()
}

/// All that is served of a pair that cannot run.
pub(super) fn routes_of_failing(name: &str, reason: &str, started_at: DateTime<Utc>) -> Router {
    let report = Json(json!({ "ready": false, "role": "failing", "reasons": [reason] }));
    let leads_not = format!("this pair does not run: {reason}\n");
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(move || async { (StatusCode::SERVICE_UNAVAILABLE, report) }))
        .route("/leaderz", get(move || async { (StatusCode::SERVICE_UNAVAILABLE, leads_not) }))
        .route("/metrics", get(move || async move { figures::standing_by(started_at) }))
        .merge(page::routes_of_failing(page::Place::of_pair(name), reason.to_owned()))
}
