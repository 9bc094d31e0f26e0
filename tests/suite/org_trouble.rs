//! What an operator sees of the built program when the org takes something away: the Bulk API, the external id field, rights.

use std::time::Duration;

use leadsync::sandbox::Fault;
use serde_json::json;

use crate::program::{log, run, signal, start, until, wait};
use crate::systems::Systems;

const SMALL: (&str, &str) = ("[salesforce]\n", "[salesforce]\nbulk_creates = 201\nbulk_read = 50\n");

fn requested(systems: &Systems, method: &str, part: &str) -> usize {
    let requests = systems.sandbox.salesforce().requests();
    requests.recent.iter().filter(|line| line.method == method && line.uri.contains(part)).count()
}

fn logged(systems: &Systems, what: &str) -> usize {
    std::fs::read_to_string(log(systems)).unwrap_or_default().matches(what).count()
}

/// Has every load end like this before any of its rows was processed.
fn fail_loads(systems: &Systems, message: &str) {
    let body = json!({ "id": "7505g0000000001AAA", "state": "Failed", "errorMessage": message }).to_string();
    for matching in ["PATCH /jobs/ingest/", "GET /jobs/ingest/"] {
        let failed = Fault { times: 0, status: Some(200), body: Some(body.clone()), ..Fault::on(matching) };
        systems.sandbox.salesforce().fault(failed).unwrap();
    }
}

#[tokio::test]
async fn a_bulk_job_that_fails_is_tried_again_ever_later_and_its_words_are_told() {
    let systems = Systems::of(210, 0, 0).await;
    systems.configure(SMALL.0, SMALL.1);
    fail_loads(&systems, "InternalServerError : try later");
    let daemon = start(&systems);
    until("three jobs failed", || logged(&systems, "bulk.failed") >= 3).await;
    // The job's results are asked for, and it is dropped, before its words are stored.
    let store = leadsync::store::Store::open_existing(&systems.config().store).await.unwrap();
    while store.status(chrono::Utc::now()).await.unwrap().pushes.contains_key("sent") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (_, said, _) = run(&systems, &["status"]).await;
    let told = "210 tried and not done: InternalServerError: bulk job ";
    assert!(said.contains(told) && said.contains("Failed: InternalServerError : try later"), "{said}");
    assert_eq!(store.status(chrono::Utc::now()).await.unwrap().pushes.keys().collect::<Vec<_>>(), ["due"]);
    assert_eq!(requested(&systems, "POST", "/jobs/ingest"), 3, "each wait is longer than the one before");
    systems.sandbox.salesforce().clear_faults();
    until("they are made by themselves", || systems.sandbox.salesforce().leads().len() == 210).await;
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
    systems.assert_in_step(210);
}

#[tokio::test]
async fn a_bulk_job_with_a_column_that_the_org_does_not_know_parks_its_leads_with_the_words() {
    let systems = Systems::of(210, 0, 0).await;
    systems.configure(SMALL.0, SMALL.1);
    fail_loads(&systems, "InvalidBatch : Field name not found : Nope__c");
    let (status, said, errors) = run(&systems, &["once"]).await;
    assert_eq!(status, 3, "{said}{errors}");
    assert_eq!(requested(&systems, "POST", "/jobs/ingest"), 1);
    let (_, said, _) = run(&systems, &["parked"]).await;
    assert!(said.contains("Failed: InvalidBatch : Field name not found : Nope__c"), "{said}");
    systems.sandbox.salesforce().clear_faults();
    run(&systems, &["retry", "--all"]).await;
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    systems.assert_in_step(210);
}

#[tokio::test]
async fn an_org_without_bulk_api_is_read_and_loaded_by_ordinary_requests_with_one_warning() {
    let systems = Systems::of(450, 100, 40).await;
    systems.configure(SMALL.0, SMALL.1);
    let body = json!([{ "errorCode": "FEATURENOTENABLED", "message": "The feature is not enabled." }]).to_string();
    let refused = Fault { times: 0, status: Some(400), body: Some(body), ..Fault::on("POST /jobs/") };
    systems.sandbox.salesforce().fault(refused).unwrap();
    let (status, said, errors) = run(&systems, &["-v", "once"]).await;
    assert_eq!(status, 0, "{said}{errors}");
    systems.assert_in_step(510);
    assert_eq!(requested(&systems, "POST", "/jobs/"), 1);
    assert_eq!(errors.matches("bulk.refused").count(), 1, "{errors}");
    assert!(errors.contains("FEATURENOTENABLED"), "{errors}");
}

#[tokio::test]
async fn an_upload_that_is_refused_is_dropped_and_tried_again_later_with_its_words() {
    let systems = Systems::of(210, 0, 0).await;
    systems.configure(SMALL.0, SMALL.1);
    let body = json!([{ "errorCode": "INVALID_BATCH_SIZE", "message": "The upload is too large." }]).to_string();
    let refused = Fault { status: Some(400), body: Some(body), ..Fault::on("PUT /jobs/ingest/") };
    systems.sandbox.salesforce().fault(refused).unwrap();
    let (status, said, errors) = run(&systems, &["-v", "once"]).await;
    assert_eq!(status, 0, "{said}{errors}");
    assert!(errors.contains("bulk.upload_refused"), "{errors}");
    assert_eq!(requested(&systems, "POST", "/jobs/ingest"), 2);
    systems.assert_in_step(210);
}

#[tokio::test]
async fn a_load_that_is_refused_halfway_goes_on_by_ordinary_requests() {
    let systems = Systems::of(450, 0, 0).await;
    systems.configure(SMALL.0, SMALL.1);
    let body = json!([{ "errorCode": "FEATURENOTENABLED", "message": "The feature is not enabled." }]).to_string();
    let refused = Fault { times: 0, status: Some(400), body: Some(body), ..Fault::on("POST /jobs/ingest") };
    systems.sandbox.salesforce().fault(refused).unwrap();
    let (status, said, errors) = run(&systems, &["once"]).await;
    assert_eq!(status, 0, "{said}{errors}");
    systems.assert_in_step(450);
    assert_eq!(requested(&systems, "POST", "/jobs/ingest"), 1);
    assert!(requested(&systems, "PATCH", "/composite/sobjects/Lead/") >= 3);
}

#[tokio::test]
async fn an_external_id_field_that_vanishes_is_named_costs_no_more_and_comes_back() {
    let systems = Systems::of(6, 0, 0).await;
    let (operate, salesforce) = (systems.sandbox.operate().clone(), systems.sandbox.salesforce().clone());
    let daemon = start(&systems);
    until("all are made", || salesforce.leads().len() == 6).await;
    salesforce.switch(&json!({ "missing_fields": ["Operate_Lead_Id__c"] })).unwrap();
    let told = "Salesforce is not set up for leadsync: Lead has no field Operate_Lead_Id__c (salesforce.external_id_field)";
    until("it says so", || logged(&systems, told) >= 1).await;
    let lead = operate.leads()[3].clone();
    operate.edit(&lead["leadid"].to_string(), &json!({ "jobtitle": "Keeper" })).unwrap();
    let before = (logged(&systems, told), salesforce.requests().total());
    until("it says so again", || logged(&systems, told) >= before.0 + 3).await;
    let after = (salesforce.requests().total(), logged(&systems, told));
    assert!(after.0 - before.1 <= (after.1 - before.0) as u64 + 1, "{} requests", after.0 - before.1);
    let (_, said, _) = run(&systems, &["status"]).await;
    let line = said.lines().find(|line| line.contains("failed:")).unwrap();
    assert!(line.contains(told) && line.contains("give the integration user the right to see and edit it"), "{said}");
    assert_eq!(logged(&systems, "SELECT"), 0, "the query is shown");

    salesforce.switch(&json!({ "missing_fields": [] })).unwrap();
    let is_there = || salesforce.leads().iter().any(|twin| twin["Title"] == json!("Keeper"));
    until("it goes on by itself", is_there).await;
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
}

#[tokio::test]
async fn check_goes_on_where_the_org_does_not_tell_who_is_signed_in() {
    let systems = Systems::of(3, 3, 1).await;
    let refused = Fault {
        times: 0,
        status: Some(403),
        body: Some("Bad_OAuth_Token".to_owned()),
        ..Fault::on("GET /services/oauth2/userinfo")
    };
    systems.sandbox.salesforce().fault(refused).unwrap();
    let (status, said, errors) = run(&systems, &["check"]).await;
    assert_eq!((status, errors.as_str()), (3, ""), "{said}");
    assert!(said.contains("ok       salesforce: signed in as 0055g0000000001AAA of the org 00D5g0000000001EAA"), "{said}");
    assert!(
        said.contains(
            "warning  salesforce: /services/oauth2/userinfo: Salesforce refuses the request: http_403: Bad_OAuth_Token"
        ),
        "{said}"
    );
    assert!(said.contains("ok       salesforce.external_id_field"), "{said}");
}

#[tokio::test]
async fn a_number_of_creates_that_no_bulk_job_is_made_for_draws_a_warning() {
    let systems = Systems::of(1, 1, 1).await;
    systems.configure("[salesforce]\n", "[salesforce]\nbulk_creates = 200\n");
    let (status, said, _) = run(&systems, &["check", "--offline"]).await;
    let told = "warning: salesforce.bulk_creates: up to 200 creates go in one ordinary request, so this counts as 201";
    assert!(status == 3 && said.contains(told) && said.contains("help: write 201 or more"), "{said}");
}

#[tokio::test]
async fn a_lead_that_the_orgs_rule_takes_for_another_waits_with_the_rules_words() {
    let systems = Systems::of(3, 0, 0).await;
    systems.configure("match = [[\"email\"], [\"company\", \"postcode\"]]", "match = [[\"company\", \"postcode\"]]");
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    salesforce.switch(&json!({ "duplicate_rule": "block" })).unwrap();
    let mut lead =
        json!({ "leadname": "Pomelo", "lastname": "P", "location": "Hub City", "leadsource": "Website", "leadstatus": "New" });
    lead["email"] = operate.leads()[0]["email"].clone();
    let double = operate.create(&lead).unwrap();
    assert_eq!(run(&systems, &["once"]).await.0, 3);
    let (status, said, _) = run(&systems, &["parked"]).await;
    assert!(status == 3 && said.contains(&double) && said.contains("DUPLICATES_DETECTED"), "{said}");
    salesforce.switch(&json!({ "duplicate_rule": "off" })).unwrap();
    run(&systems, &["retry", &double]).await;
    assert_eq!(run(&systems, &["once"]).await.0, 0);
}
