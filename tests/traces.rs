//! Traces reach an OpenTelemetry collector: `cargo test --features otlp --test traces`.
// A test that cannot go on should panic; of what it shares with the suite it uses a part.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stderr, dead_code)]

#[allow(dead_code, reason = "only what the systems need")]
#[path = "cluster/mod.rs"]
mod cluster;
#[path = "suite/program.rs"]
mod program;
#[path = "suite/systems.rs"]
mod systems;

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, routing::post};

use crate::program::{program, run_with};
use crate::systems::Systems;

#[tokio::test]
async fn a_cycle_is_a_trace_without_a_value_of_a_lead() {
    let told: Arc<Mutex<Vec<u8>>> = Arc::default();
    let keep = Arc::clone(&told);
    let app = Router::new().route(
        "/v1/traces",
        post(move |body: Bytes| async move {
            keep.lock().unwrap().extend(body);
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });

    let systems = Systems::of(12, 8, 4).await;
    let mut command = program(&systems.configuration, &["once"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", address);
    let (status, _, errors) = run_with(command).await;
    assert_eq!(status, 0, "{errors}");
    // Protocol buffers keep text as it is.
    let sent = String::from_utf8_lossy(&told.lock().unwrap().clone()).into_owned();
    for word in ["leadsync", "cycle", "poll", "push", "http.request", "salesforce", "push.done"] {
        assert!(sent.contains(word), "{word} is not in what was sent: {} bytes", sent.len());
    }
    for lead in systems.sandbox.operate().leads() {
        let email = lead["email"].as_str().unwrap();
        assert!(!sent.contains(email), "{email} was sent");
    }

    let mut command = program(&systems.configuration, &["once"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    assert_eq!(run_with(command).await.0, 0, "a collector that is gone is no failure");
}
