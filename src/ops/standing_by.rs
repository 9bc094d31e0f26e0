//! What a replica shows while another one leads: that it is there, and who does the work.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use chrono::{DateTime, Utc};
use serde_json::json;

use super::{ListenError, Served, figures, page, serve_app};

/// Why this replica does not lead.
#[derive(Debug, Clone, Default)]
pub struct Reason(Arc<Mutex<String>>);

impl Reason {
    /// It is this one now.
    pub fn set(&self, reason: &str) {
        reason.clone_into(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn get(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Serves that at this address, in the background.
pub async fn serve_standing_by(reason: Reason, address: SocketAddr) -> Result<Served, ListenError> {
    let app = routes(reason, Utc::now());
    serve_app(address, |address| app.layer(from_fn_with_state(address, page::only_local_names))).await
}

pub(super) fn routes(reason: Reason, started_at: DateTime<Utc>) -> Router {
    Router::new()
        .route("/livez", get(|| async { "live\n" }))
        .route("/readyz", get(ready))
        .route("/leaderz", get(leads_not))
        .route("/metrics", get(move || async move { figures::standing_by(started_at) }))
        .fallback(leads_not)
        .with_state(reason)
}

/// It is ready to take over, which is all that it is there for.
async fn ready(State(reason): State<Reason>) -> Response {
    Json(json!({ "ready": true, "role": "stand-by", "reasons": [reason.get()] })).into_response()
}

async fn leads_not(State(reason): State<Reason>) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("this replica stands by: {}\n", reason.get())).into_response()
}
