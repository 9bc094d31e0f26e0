//! A webhook is told what waits for a person, once, and when that is over.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::StatusCode;
use axum::{Json, Router, routing::post};
use serde_json::{Value, json};

use crate::ops::configure;
use crate::program::{ShowLog, log, run, signal, start, until, wait};
use crate::systems::Systems;

/// A webhook that keeps what it is told, and first refuses so often.
async fn webhook(refusals: usize) -> (String, Arc<Mutex<Vec<Value>>>) {
    let told: Arc<Mutex<Vec<Value>>> = Arc::default();
    let (keep, left) = (Arc::clone(&told), Arc::new(Mutex::new(refusals)));
    let app = Router::new().route(
        "/hook/s3cr3t-of-the-hook",
        post(move |Json(message): Json<Value>| async move {
            let mut left = left.lock().unwrap();
            if *left > 0 {
                *left -= 1;
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            keep.lock().unwrap().push(message);
            StatusCode::OK
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/hook/s3cr3t-of-the-hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, told)
}

fn alert(systems: &Systems, address: &str, rest: &str) {
    std::fs::write(systems.folder.path().join("hook"), address).unwrap();
    configure(systems, "[ops]\n", &format!("[ops]\nalert = {{ webhook = \"file:hook\", {rest} }}\n"));
}

#[tokio::test]
async fn a_conflict_is_told_once_even_by_a_daemon_that_starts_again_and_then_that_it_is_over() {
    let systems = Systems::of(5, 5, 5).await;
    run(&systems, &["once"]).await;
    let _show = ShowLog(log(&systems));
    let (address, told) = webhook(1).await;
    configure(&systems, "[sync]\n", "[sync]\nconflict = \"manual\"\n");
    alert(&systems, &address, "every = \"10s\"");
    let store = leadsync::store::Store::open_existing(&systems.config().store).await.unwrap();
    let (ours, theirs) = store.pair_in_step(1).await.unwrap().unwrap();
    systems.sandbox.operate().edit(&ours, &json!({ "phone": "020 7946 0001" })).unwrap();
    systems.sandbox.salesforce().edit(&theirs, &json!({ "Phone": "020 7946 0002" })).unwrap();
    let daemon = start(&systems);
    // And noted: one that is stopped between the two tells it again.
    until("the conflict is told", || std::fs::read_to_string(log(&systems)).unwrap().contains("alert.told")).await;
    let message = told.lock().unwrap()[0].clone();
    assert_eq!((&message["alert"], &message["state"], &message["count"]), (&json!("conflict"), &json!("firing"), &json!(1)));
    assert!(!message.to_string().contains("7946"), "no value is in it: {message}");
    signal(&daemon, "-TERM");
    wait(daemon).await;

    let daemon = start(&systems);
    let cycles = || std::fs::read_to_string(log(&systems)).unwrap().matches("daemon.started").count();
    until("it runs again", || cycles() == 2).await;
    let open = store.open_conflicts().await.unwrap()[0].conflict_id.to_string();
    run(&systems, &["resolve", &open, "--take", "operate"]).await;
    until("that it is over is told", || told.lock().unwrap().len() > 1).await;
    signal(&daemon, "-TERM");
    wait(daemon).await;
    let states: Vec<Value> = told.lock().unwrap().iter().map(|message| message["state"].clone()).collect();
    assert_eq!(states, [json!("firing"), json!("resolved")]);
    let log = std::fs::read_to_string(log(&systems)).unwrap();
    assert!(log.contains("alert.not_told") && !log.contains("s3cr3t-of-the-hook"), "{log}");
}

#[tokio::test]
async fn a_refused_sign_in_is_told_in_slack_s_form() {
    let systems = Systems::of(1, 1, 1).await;
    let (address, told) = webhook(0).await;
    alert(&systems, &address, "format = \"slack\", on = [\"auth\"]");
    std::fs::write(systems.folder.path().join("operate-secret"), "wrong").unwrap();
    let daemon = start(&systems);
    until("it is told", || !told.lock().unwrap().is_empty()).await;
    let text = told.lock().unwrap()[0]["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with(":warning: leadsync: the sign-in is refused since ") && text.contains("Operate"), "{text}");
    assert!(!text.contains("wrong"), "{text}");
    tokio::time::sleep(Duration::from_millis(100)).await;
    signal(&daemon, "-TERM");
    wait(daemon).await;
}
