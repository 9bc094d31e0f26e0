//! What an operator sees of the built program when a system refuses it before the first cycle.

use leadsync::sandbox::Fault;
use serde_json::json;

use crate::program::{Running, log, program, run, signal, start_with, until, wait};
use crate::systems::Systems;

fn logged(systems: &Systems, what: &str) -> usize {
    std::fs::read_to_string(log(systems)).unwrap_or_default().matches(what).count()
}

/// Starts the daemon, with a tick each second, and lets three ticks pass at which it does nothing.
async fn idle(systems: &Systems) -> Running {
    let daemon = start_with(program(&systems.configuration, &["-v", "run"]), &log(systems));
    until("ticks pass without a cycle", || logged(systems, "cycle.waits") >= 3).await;
    daemon
}

async fn stop(daemon: Running) {
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
}

#[tokio::test]
async fn a_daily_limit_that_is_used_up_at_the_start_is_waited_for_and_told() {
    let systems = Systems::of(5, 5, 5).await;
    let salesforce = systems.sandbox.salesforce();
    salesforce.switch(&json!({ "daily_requests": 1_000, "daily_requests_used": 1_000 })).unwrap();
    let daemon = idle(&systems).await;
    assert_eq!((salesforce.requests().token, salesforce.requests().read), (1, 1));
    let (status, said, _) = run(&systems, &["status"]).await;
    assert!(
        status == 0 && said.contains("held        Salesforce's requests of 24 hours are used up: it is left alone until"),
        "{said}"
    );
    assert!(said.contains("failed: Salesforce allows no more requests now: REQUEST_LIMIT_EXCEEDED"), "{said}");
    stop(daemon).await;
}

#[tokio::test]
async fn a_daily_limit_that_is_used_up_meanwhile_is_waited_for_and_told() {
    let systems = Systems::of(5, 5, 5).await;
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    let refused = json!([{ "errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded." }]).to_string();
    let used_up =
        Fault { times: 0, status: Some(403), body: Some(refused), retry_after: Some(7_200), ..Fault::on("GET /queryAll") };
    systems.sandbox.salesforce().fault(used_up).unwrap();
    let daemon = idle(&systems).await;
    let (_, said, _) = run(&systems, &["status"]).await;
    assert!(said.contains("held        Salesforce's requests of 24 hours are used up: it is left alone until"), "{said}");
    assert!(said.contains("failed: Salesforce allows no more requests now"), "{said}");
    assert_eq!(logged(&systems, "cycle.failed"), 1);
    stop(daemon).await;
}

#[tokio::test]
async fn a_secret_that_is_refused_is_told_and_not_tried_again_until_it_is_replaced() {
    let systems = Systems::of(5, 0, 0).await;
    let file = systems.folder.path().join("salesforce-secret");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "not-the-secret").unwrap();
    let daemon = idle(&systems).await;
    assert_eq!(systems.sandbox.salesforce().requests().token, 1);
    let (_, said, _) = run(&systems, &["status"]).await;
    assert!(said.contains("failed: Salesforce refuses the sign-in: invalid_client: invalid client credentials"), "{said}");
    assert_eq!(logged(&systems, "session.refused"), 1);

    std::fs::write(&file, good).unwrap();
    until("it goes on by itself", || systems.sandbox.salesforce().leads().len() == 5).await;
    stop(daemon).await;
    systems.assert_in_step(5);
    let log = std::fs::read_to_string(log(&systems)).unwrap();
    assert!(log.contains("session.secret_changed") && !log.contains("not-the-secret"));
}

#[tokio::test]
async fn a_secret_of_operate_that_is_refused_holds_up_the_requests_to_both() {
    let systems = Systems::of(3, 0, 0).await;
    let file = systems.folder.path().join("operate-secret");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "not-the-secret").unwrap();
    let daemon = idle(&systems).await;
    let (operate, salesforce) = (systems.sandbox.operate().requests(), systems.sandbox.salesforce().requests());
    assert_eq!((operate.token, operate.read), (1, 0));
    assert!(salesforce.read <= 2, "its fields, and one poll");
    let (_, said, _) = run(&systems, &["status"]).await;
    assert!(said.contains("failed: Operate refuses the sign-in: "), "{said}");
    std::fs::write(&file, good).unwrap();
    until("it goes on by itself", || systems.sandbox.salesforce().leads().len() == 3).await;
    stop(daemon).await;
    systems.assert_in_step(3);
}

#[tokio::test]
async fn a_session_that_is_hopeless_and_a_login_rate_that_is_exceeded_are_left_alone() {
    let hopeless =
        json!([{ "errorCode": "INVALID_SESSION_ID", "message": "This session is not valid for use with the REST API" }]);
    let too_often = json!({ "error": "rate_limit_exceeded", "error_description": "login rate exceeded" });
    for (matching, status, body, told) in [
        ("GET /sobjects", 401, hopeless, "give the integration user the permission API Enabled"),
        ("token", 400, too_often, "rate_limit_exceeded: login rate exceeded; wait: this user signed in too often"),
    ] {
        let systems = Systems::of(2, 2, 1).await;
        let fault = Fault { times: 0, status: Some(status), body: Some(body.to_string()), ..Fault::on(matching) };
        systems.sandbox.salesforce().fault(fault).unwrap();
        let daemon = idle(&systems).await;
        let requests = systems.sandbox.salesforce().requests();
        assert!(requests.token == 1 && requests.read <= 1, "{matching}: {} sign-ins, {} reads", requests.token, requests.read);
        let (_, said, _) = run(&systems, &["status"]).await;
        assert!(said.contains("failed: Salesforce refuses the sign-in") && said.contains(told), "{said}");
        stop(daemon).await;
    }
}

#[tokio::test]
async fn once_that_comes_to_no_cycle_is_in_the_status_too() {
    let systems = Systems::of(2, 2, 1).await;
    std::fs::write(systems.folder.path().join("salesforce-secret"), "not-the-secret").unwrap();
    assert_eq!(run(&systems, &["once"]).await.0, 1);
    let (_, said, _) = run(&systems, &["status"]).await;
    assert!(said.contains("failed: Salesforce refuses the sign-in: invalid_client"), "{said}");
}
