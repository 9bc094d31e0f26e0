//! `/livez`, `/readyz` and `/leaderz`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::json;

use super::Ops;

pub(super) fn routes() -> Router<Arc<Ops>> {
    Router::new().route("/livez", get(live)).route("/readyz", get(ready)).route("/leaderz", get(leads))
}

/// The process runs, whatever the systems do: there is no use in starting it again.
async fn live() -> &'static str {
    "live\n"
}

/// Whether this replica leads: the store's page is where this answers 200.
async fn leads(State(ops): State<Arc<Ops>>) -> Response {
    if ops.store.permit().holds() {
        return "leads\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "this replica leads no more\n").into_response()
}

/// The last cycle ended well, and the store answers.
async fn ready(State(ops): State<Arc<Ops>>) -> Response {
    let mut reasons: Vec<String> = ops.pulse.unready().into_iter().collect();
    let stops = match ops.store.stops().await {
        Ok(stops) => stops,
        Err(error) => {
            reasons.push(error.to_string());
            crate::store::Stops::default()
        }
    };
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let held = stops.paused.map(|since| format!("paused since {since}")).or(stops.braked);
    let report = json!({ "ready": reasons.is_empty(), "role": "leader", "reasons": reasons, "held": held, "last_good_cycle": ops.pulse.well_at() });
    (status, Json(report)).into_response()
}
