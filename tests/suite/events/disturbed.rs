//! What goes wrong with the stream of change events costs time, and nothing else.

use serde_json::json;

use super::{Listening, wish_for_events};
use crate::program::{ShowLog, log, run, signal, start, until, wait};
use crate::systems::Systems;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_for_long_is_read_by_a_whole_cycle_and_not_one_by_one() {
    let mut listening = Listening::of(3).await;
    listening.edit(0, "Keeper").await;
    listening.stop().await;
    // Told of an hour ago, and seen only now.
    let salesforce = listening.systems.sandbox.salesforce().clone();
    let now = salesforce.now();
    salesforce.set_clock_ahead(-3_600);
    let pairs: Vec<_> = (0..3).map(|place| listening.pair(place)).collect();
    for (_, theirs) in &pairs {
        salesforce.edit_at(theirs, &json!({ "Title": "Baker" }), Some(now)).unwrap();
    }
    salesforce.set_clock_ahead(0);
    listening.start().await;
    listening.metric_reaches(r#"leadsync_change_events_total{says="all"}"#, 3.0).await;
    for (ours, _) in &pairs {
        listening.arrives(ours, "Baker").await;
    }
    assert_eq!(listening.metric(r#"leadsync_change_events_total{says="changed"}"#).await, None);
    listening.edit(1, "Porter").await;
    listening.stop().await;
    listening.systems.assert_in_step(3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_cut_goes_on_and_nothing_is_missed() {
    let mut listening = Listening::of(3).await;
    listening.edit(0, "Keeper").await;
    for (round, wish) in [json!({ "cut": true }), json!({ "error": "service.unavailable" })].iter().enumerate() {
        listening.events(wish);
        // While nobody listens.
        listening.edit(1, &format!("Baker {round}")).await;
        until("it listens again", || listening.subscriptions().len() == round + 2).await;
    }
    assert_eq!(listening.subscriptions(), ["LATEST", "CUSTOM", "CUSTOM"]);
    assert_eq!(listening.count_in_log("events.lost"), 2);
    assert_eq!(listening.metric(r#"leadsync_change_events_total{says="all"}"#).await, Some(1.0));
    listening.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_is_not_good_any_more_takes_a_whole_cycle_and_begins_anew() {
    let mut listening = Listening::of(3).await;
    listening.edit(0, "Keeper").await;
    let missed = listening.edit_silently(1, "Baker");
    // Events are kept for 72 hours, and these were not heard.
    listening.events(&json!({ "forget": true }));
    listening.events(&json!({ "cut": true }));
    listening.arrives(&missed, "Baker").await;
    assert_eq!(listening.subscriptions(), ["LATEST", "LATEST"]);
    assert_eq!(listening.count_in_log("events.place_refused"), 1);
    listening.edit(2, "Porter").await;
    listening.stop().await;
    listening.systems.assert_in_step(3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_the_store_has_wrong_is_forgotten() {
    let mut listening = Listening::of(2).await;
    listening.edit(0, "Keeper").await;
    listening.stop().await;
    let store = leadsync::store::Store::open(&listening.systems.config().store).await.unwrap();
    let kept = store.fact("change_events_heard").await.unwrap().unwrap();
    let (prefix, _) = kept.rsplit_once(' ').unwrap();
    assert_eq!(prefix, "00D5g0000000001EAA /data/LeadChangeEvent");
    store.keep_fact("change_events_heard", &format!("{prefix} c0ffee")).await.unwrap();
    store.close().await;
    listening.start().await;
    listening.edit(1, "Baker").await;
    assert_eq!((listening.subscriptions().len(), listening.count_in_log("events.place_refused")), (2, 1));
    listening.stop().await;
    // One of another channel is none.
    let store = leadsync::store::Store::open(&listening.systems.config().store).await.unwrap();
    store.keep_fact("change_events_heard", "00D5g0000000001EAA /data/Other__chn c0ffee").await.unwrap();
    store.close().await;
    listening.start().await;
    assert_eq!((listening.subscriptions().len(), listening.count_in_log("events.place_refused")), (3, 1));
    listening.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_is_read_by_its_ids_and_what_tells_no_ids_takes_a_whole_cycle() {
    let mut listening = Listening::of(4).await;
    listening.events(&json!({ "gap": 1 }));
    listening.edit(0, "Keeper").await;
    let whole = |says: &str| format!("leadsync_change_events_total{{says=\"{says}\"}}");
    assert_eq!(listening.metric(&whole("all")).await, Some(1.0), "that of the start");

    let missed = listening.edit_silently(1, "Baker");
    listening.events(&json!({ "overflow": true }));
    listening.arrives(&missed, "Baker").await;
    assert_eq!(listening.metric(&whole("all")).await, Some(2.0));

    for (count, wish) in [(1.0, json!({ "broken": 1 })), (2.0, json!({ "unknown_schema": 1 }))] {
        listening.events(&wish);
        listening.edit(2, &format!("Porter {count}")).await;
        assert_eq!(listening.metric(&whole("unreadable")).await, Some(count));
    }
    // The stream was not lost over it.
    listening.edit(3, "Tailor").await;
    assert_eq!((listening.subscriptions().len(), listening.count_in_log("events.unreadable")), (1, 2));
    listening.stop().await;
    listening.systems.assert_in_step(4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_has_ended_is_renewed_and_nothing_is_missed() {
    let mut listening = Listening::of(2).await;
    listening.edit(0, "Keeper").await;
    listening.salesforce().expire_tokens();
    listening.edit(1, "Baker").await;
    until("it listens again", || listening.subscriptions().len() == 2).await;
    assert_eq!(listening.subscriptions(), ["LATEST", "CUSTOM"]);
    let log = std::fs::read_to_string(log(&listening.systems)).unwrap();
    assert!(!log.contains("00D5g0000000001!"), "a token is in the log");
    listening.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_events_cannot_be_had_polls_go_on_and_the_log_says_what_to_do() {
    let systems = Systems::of(2, 2, 2).await;
    let _show = ShowLog(log(&systems));
    wish_for_events(&systems);
    run(&systems, &["once"]).await;
    systems.sandbox.salesforce().switch(&json!({ "change_events": false })).unwrap();
    let (_, said, _) = run(&systems, &["check"]).await;
    assert!(
        said.contains("error    salesforce.change_events: topic.not.found") && said.contains("Setup > Change Data Capture"),
        "{said}"
    );
    systems.sandbox.salesforce().switch(&json!({ "change_events": true, "deny_events": true })).unwrap();
    let (_, said, _) = run(&systems, &["check"]).await;
    assert!(said.contains("this user may not subscribe to /data/LeadChangeEvent"), "{said}");
    let daemon = start(&systems);
    let told = |word: &str| std::fs::read_to_string(log(&systems)).unwrap_or_default().matches(word).count();
    until("it says so", || told("events.refused") == 1).await;
    let lead = systems.sandbox.salesforce().leads()[0].clone();
    systems.sandbox.salesforce().edit(lead["Id"].as_str().unwrap(), &json!({ "Title": "Keeper" })).unwrap();
    let operate = systems.sandbox.operate();
    until("a poll has found it", || operate.leads().iter().any(|lead| lead["jobtitle"] == "Keeper")).await;
    signal(&daemon, "-TERM");
    wait(daemon).await;
    assert_eq!((told("events.refused"), told("events.subscribed")), (1, 0));
    systems.sandbox.salesforce().switch(&json!({ "deny_events": false })).unwrap();
    // Nobody speaks TLS there.
    systems.configure("pubsub_url = \"http:", "pubsub_url = \"https:");
    let (status, said, _) = run(&systems, &["check"]).await;
    assert!(status == 3 && said.contains("error    salesforce.change_events: https://127.0.0.1:"), "{said}");
    systems.configure("pubsub_url = \"https:", "pubsub_url = \"http:");
    let (status, said, _) = run(&systems, &["check"]).await;
    assert!(
        status == 0 && said.contains("ok       salesforce.change_events: /data/LeadChangeEvent can be subscribed to"),
        "{said}"
    );
}
