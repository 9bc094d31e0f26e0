//! Large first reads and first loads by Bulk API, and the ways to sign in, over real HTTP.

use chrono::Utc;
use leadsync::sandbox::{Cut, Fault};
use serde_json::json;

use crate::systems::{Systems, cycle};

const SMALL: (&str, &str) = ("[salesforce]\n", "[salesforce]\nbulk_creates = 201\nbulk_read = 50\n");

#[tokio::test]
async fn a_large_first_read_and_a_large_first_load_go_by_bulk_api() {
    let systems = Systems::of(300, 100, 40).await;
    systems.configure(SMALL.0, SMALL.1);
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    systems.assert_in_step(360);
    let requests = systems.sandbox.salesforce().requests();
    let count =
        |method: &str, part: &str| requests.recent.iter().filter(|line| line.method == method && line.uri.contains(part)).count();
    assert_eq!((count("POST", "/jobs/query"), count("POST", "/jobs/ingest")), (1, 1));
    assert_eq!(count("PATCH", "/composite/sobjects/Lead/"), 0);
    assert_eq!(cycle(&engine).await.unwrap().pushed, 0);
    let compared = engine.compare().await.unwrap();
    assert!(compared.drifts.is_empty(), "{:?}", compared.drifts);
}

/// Jobs that loaded leads.
fn by_bulk(systems: &Systems) -> usize {
    let requests = systems.sandbox.salesforce().requests();
    requests.recent.iter().filter(|line| line.method == "POST" && line.uri.ends_with("/jobs/ingest")).count()
}

#[tokio::test]
async fn rows_that_a_bulk_job_refuses_wait_and_locked_ones_are_sent_again() {
    let systems = Systems::of(250, 0, 0).await;
    systems.configure(SMALL.0, SMALL.1);
    let bad = json!({ "leadname": "Pomelo", "lastname": "Pomelo", "email": "pomelo(at)print.example", "location": "Hub City",
                      "leadsource": "Website", "leadstatus": "New" });
    let bad = systems.sandbox.operate().create(&bad).unwrap();
    let engine = systems.engine().await;
    let locked = Fault { row_error: Some("UNABLE_TO_LOCK_ROW".to_owned()), row: 3, ..Fault::on("PATCH /jobs/ingest/") };
    systems.sandbox.salesforce().fault(locked).unwrap();
    cycle(&engine).await.unwrap();
    assert_eq!(systems.sandbox.salesforce().leads().len(), 250, "all but the refused one");
    assert!(by_bulk(&systems) > 0);
    let parked = engine.store().parked().await.unwrap();
    assert_eq!((parked.len(), parked[0].operate_id.as_ref()), (1, Some(&bad)));
    assert_eq!(parked[0].code.as_deref(), Some("INVALID_EMAIL_ADDRESS"));
    assert_eq!(parked[0].reason.as_deref(), Some("Email: invalid email address: pomelo(at)print.example"));
}

#[tokio::test]
async fn a_bulk_job_whose_end_nobody_saw_makes_no_twins() {
    for (matching, cut) in [
        ("PATCH /jobs/ingest/", Cut::After),
        ("PATCH /jobs/ingest/", Cut::Before),
        ("PUT /jobs/ingest/", Cut::Before),
        ("GET /successfulResults", Cut::Before),
    ] {
        let systems = Systems::of(250, 0, 0).await;
        systems.configure(SMALL.0, SMALL.1);
        let engine = systems.engine().await;
        // As often as the client tries.
        systems.sandbox.salesforce().fault(Fault { times: 5, drop: Some(cut), ..Fault::on(matching) }).unwrap();
        let _ = cycle(&engine).await;
        systems.sandbox.salesforce().clear_faults();
        for _ in 0..5 {
            let _ = cycle(&engine).await;
            if engine.store().status(Utc::now()).await.unwrap().pushes.is_empty() {
                break;
            }
        }
        systems.assert_in_step(250);
        assert!(by_bulk(&systems) > 0, "{matching}");
    }
}

#[tokio::test]
async fn duplicates_in_a_bulk_job_go_by_the_policy() {
    let systems = Systems::of(250, 0, 0).await;
    systems.configure("[salesforce]\n", "[salesforce]\nduplicates = \"save\"\nbulk_creates = 201\n");
    let salesforce = systems.sandbox.salesforce();
    let email = systems.sandbox.operate().leads()[0]["email"].clone();
    let there = json!({ "LastName": "Other", "Company": "Other Ltd", "Email": email });
    let there = salesforce.create(&there).unwrap();
    salesforce.hide(&there, true).unwrap();
    let engine = systems.engine().await;
    salesforce.hide(&there, false).unwrap();
    salesforce.switch(&json!({ "duplicate_rule": "alert", "late_seconds": 0 })).unwrap();
    systems.configure("match = [[\"email\"], [\"company\", \"postcode\"]]", "match = [[\"company\", \"postcode\"]]");
    drop(engine);
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    cycle(&engine).await.unwrap();
    assert_eq!(by_bulk(&systems), 1);
    assert!(engine.store().parked().await.unwrap().is_empty(), "{:?}", engine.store().parked().await.unwrap());
    assert_eq!(salesforce.leads().len(), 251);
}
