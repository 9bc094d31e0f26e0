//! The promises that users notice, kept over real HTTP against both simulated systems.

use chrono::Utc;

use leadsync::sandbox::{Cut, Fault, SandboxOptions};
use leadsync::sync::Patience;
use serde_json::json;

use crate::systems::{Systems, cycle};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_sync_brings_everybody_to_both_sides_and_then_all_is_quiet() {
    let systems = Systems::of(2_000, 1_500, 1_000).await;
    let engine = systems.engine().await;
    let first = cycle(&engine).await.unwrap();
    systems.assert_in_step(2_500);
    assert_eq!(first.parked, 0);
    for _ in 0..3 {
        let before = systems.traffic();
        let quiet = cycle(&engine).await.unwrap();
        let after = systems.traffic();
        assert_eq!(quiet.seen, 0, "our own writes are no changes");
        assert_eq!((after.0 - before.0, after.1 - before.1, after.2 - before.2), (1, 1, 0), "requests and writes: {quiet:?}");
    }
    let compared = engine.compare().await.unwrap();
    assert!(compared.drifts.is_empty(), "{:?}", compared.drifts);
}

/// Sets a fault on one side's writes during a first sync, and expects what would have come without it.
async fn first_sync_with(on_operate: &[Fault], on_salesforce: &[Fault]) {
    let systems = Systems::of(60, 50, 20).await;
    for fault in on_operate {
        systems.sandbox.operate().fault(fault.clone()).unwrap();
    }
    for fault in on_salesforce {
        systems.sandbox.salesforce().fault(fault.clone()).unwrap();
    }
    let engine = systems.engine().await;
    for _ in 0..20 {
        let ran = cycle(&engine).await;
        let status = engine.store().status(Utc::now()).await.unwrap();
        if ran.is_ok() && status.pushes.is_empty() {
            break;
        }
    }
    assert!(
        systems.sandbox.operate().faults().is_empty() && systems.sandbox.salesforce().faults().is_empty(),
        "every fault struck"
    );
    systems.assert_in_step(90);
}

fn lost(matching: &str, skip: u32, cut: Cut) -> Fault {
    Fault { skip, drop: Some(cut), ..Fault::on(matching) }
}

#[tokio::test]
async fn operate_creates_whose_answers_are_lost_make_no_twins() {
    let put = "PUT /api/1.0/Lead";
    first_sync_with(&[lost(put, 0, Cut::After), lost(put, 3, Cut::After), lost(put, 7, Cut::Before)], &[]).await;
}

#[tokio::test]
async fn salesforce_creates_whose_answers_are_lost_make_no_twins() {
    let upsert = "PATCH /composite/sobjects/Lead";
    // What never arrived is sent again once it was looked for; what arrived is found.
    first_sync_with(&[], &[lost(upsert, 0, Cut::Before), lost(upsert, 1, Cut::After)]).await;
}

#[tokio::test]
async fn updates_whose_answers_are_lost_end_on_both_sides() {
    for cut in [Cut::Before, Cut::After] {
        let systems = Systems::of(20, 20, 20).await;
        let engine = systems.engine().await;
        cycle(&engine).await.unwrap();
        let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
        let (ours, theirs) = engine.store().pair_in_step(3).await.unwrap().unwrap();
        operate.edit(&ours, &json!({ "phone": "020 7946 0001" })).unwrap();
        salesforce.edit(&theirs, &json!({ "Title": "Keeper" })).unwrap();
        operate.fault(lost("POST /api/1.0/Lead/", 0, cut)).unwrap();
        salesforce.fault(lost("POST /composite", 0, cut)).unwrap();
        cycle(&engine).await.unwrap();
        assert!(operate.faults().is_empty() && salesforce.faults().is_empty(), "both faults struck");
        assert_eq!(operate.lead(&ours).unwrap()["jobtitle"], json!("Keeper"));
        assert_eq!(salesforce.lead(&theirs).unwrap()["Phone"], json!("020 7946 0001"));
        systems.assert_in_step(20);
    }
}

#[tokio::test]
async fn servers_that_are_overloaded_or_broken_for_a_while_delay_and_lose_nothing() {
    let failing = |matching: &str, status: u16| Fault { status: Some(status), times: 2, ..Fault::on(matching) };
    let taken_and_failed = Fault { status: Some(502), applied: true, ..Fault::on("PUT /api/1.0/Lead") };
    first_sync_with(
        &[failing("read", 500), Fault { retry_after: Some(1), ..failing("PUT /api/1.0/Lead", 429) }, taken_and_failed],
        &[failing("read", 503), failing("write", 503), Fault { expire_token: true, ..Fault::on("write") }],
    )
    .await;
}

#[tokio::test]
async fn a_row_that_is_locked_is_written_later() {
    let locked =
        Fault { row_error: Some("UNABLE_TO_LOCK_ROW".to_owned()), row: 3, ..Fault::on("PATCH /composite/sobjects/Lead") };
    first_sync_with(&[], &[locked]).await;
}

#[tokio::test]
async fn a_poll_whose_answer_breaks_off_is_read_again() {
    first_sync_with(&[lost("read", 0, Cut::After)], &[lost("read", 0, Cut::After)]).await;
}

#[tokio::test]
async fn tokens_that_end_all_the_time_only_cost_sign_ins() {
    let systems = Systems::of(40, 30, 10).await;
    let engine = systems.engine().await;
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    for request in ["read", "write", "read"] {
        operate.fault(Fault { expire_token: true, ..Fault::on(request) }).unwrap();
        salesforce.fault(Fault { expire_token: true, ..Fault::on(request) }).unwrap();
        cycle(&engine).await.unwrap();
        let lead = operate.leads()[0]["leadid"].to_string();
        operate.edit(&lead, &json!({ "jobtitle": format!("Before the end of a {request}") })).unwrap();
    }
    cycle(&engine).await.unwrap();
    systems.assert_in_step(60);
    assert!(operate.requests().token >= 3 && salesforce.requests().token >= 4);
}

#[tokio::test]
async fn a_lead_that_salesforce_refuses_waits_with_its_words_and_holds_up_nobody() {
    let systems = Systems::of(50, 30, 10).await;
    let operate = systems.sandbox.operate();
    let bad = json!({ "leadname": "Pomelo", "lastname": "Pomelo", "email": "pomelo(at)print.example", "location": "Hub City",
                      "leadsource": "Website", "leadstatus": "New" });
    let id = operate.create(&bad).unwrap();
    let engine = systems.engine().await;
    let ran = cycle(&engine).await.unwrap();
    assert_eq!((ran.parked, systems.sandbox.salesforce().leads().len()), (1, 70));
    let parked = engine.store().parked().await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].operate_id.as_ref(), Some(&id));
    assert_eq!(parked[0].code.as_deref(), Some("INVALID_EMAIL_ADDRESS"));
    assert_eq!(parked[0].reason.as_deref(), Some("Email: invalid email address: pomelo(at)print.example"));

    // It is not tried again and again, and goes on when somebody mends it.
    let before = systems.traffic();
    cycle(&engine).await.unwrap();
    assert_eq!(systems.traffic().2, before.2);
    operate.edit(&id, &json!({ "email": "pia@pomelo.example" })).unwrap();
    cycle(&engine).await.unwrap();
    assert!(engine.store().parked().await.unwrap().is_empty());
    systems.assert_in_step(71);
}

#[tokio::test]
async fn a_lead_that_operate_refuses_waits_with_its_words() {
    let systems = Systems::of(5, 5, 5).await;
    let lead = json!({ "Company": "Acme", "LastName": "Acme", "Email": "acme@acme.example", "Location__c": "Nowhere House" });
    systems.sandbox.salesforce().create(&lead).unwrap();
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    let parked = engine.store().parked().await.unwrap();
    let reason = parked[0].reason.clone().unwrap();
    assert!(reason.contains("Nowhere House"), "{reason}");
    assert_eq!(parked[0].code.as_deref(), Some("http_422"));
}

#[tokio::test]
async fn edits_of_different_fields_in_the_same_second_end_on_both_sides() {
    let systems = Systems::of(20, 20, 20).await;
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    let (ours, theirs) = engine.store().pair_in_step(3).await.unwrap().unwrap();
    let second = operate.now();
    operate.edit_at(&ours, &json!({ "phone": "020 7946 0123" }), Some(second)).unwrap();
    salesforce.edit_at(&theirs, &json!({ "Title": "Head of Things" }), Some(second)).unwrap();
    cycle(&engine).await.unwrap();
    let (left, right) = (operate.lead(&ours).unwrap(), salesforce.lead(&theirs).unwrap());
    assert_eq!((&left["phone"], &left["jobtitle"]), (&json!("020 7946 0123"), &json!("Head of Things")));
    assert_eq!((&right["Phone"], &right["Title"]), (&json!("020 7946 0123"), &json!("Head of Things")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_comes_between_reading_and_writing_is_not_trampled() {
    let systems = Systems::of(20, 20, 20).await;
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    let (operate, salesforce) = (systems.sandbox.operate().clone(), systems.sandbox.salesforce().clone());
    let (ours, theirs) = engine.store().pair_in_step(3).await.unwrap().unwrap();
    // The phone number is on its way to Salesforce when somebody there writes another one, and a title.
    operate.edit(&ours, &json!({ "phone": "020 7946 0001" })).unwrap();
    salesforce.fault(Fault { latency_ms: Some(1_500), ..Fault::on("POST /composite") }).unwrap();
    let meanwhile = async {
        while !salesforce.faults().is_empty() {
            tokio::task::yield_now().await;
        }
        let later = salesforce.now() + chrono::TimeDelta::seconds(1);
        salesforce.edit_at(&theirs, &json!({ "Phone": "020 7946 0002", "Title": "Keeper" }), Some(later)).unwrap();
    };
    let (ran, ()) = tokio::join!(cycle(&engine), meanwhile);
    ran.unwrap();
    cycle(&engine).await.unwrap();
    let (left, right) = (operate.lead(&ours).unwrap(), salesforce.lead(&theirs).unwrap());
    assert_eq!((&left["phone"], &left["jobtitle"]), (&json!("020 7946 0002"), &json!("Keeper")));
    assert_eq!((&right["Phone"], &right["Title"]), (&json!("020 7946 0002"), &json!("Keeper")));
    assert_eq!(engine.store().conflict_counts().await.unwrap().1, 0);
}

#[tokio::test]
async fn a_side_that_is_used_up_ends_the_cycle_and_loses_nothing() {
    let systems = Systems::with(SandboxOptions {
        operate_leads: 10,
        salesforce_leads: 10,
        common: 5,
        daily_requests: 100,
        ..SandboxOptions::default()
    })
    .await;
    let engine = systems.engine().await;
    let exceeded = r#"[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]"#;
    let used_up = Fault { status: Some(403), body: Some(exceeded.to_owned()), ..Fault::on("read") };
    systems.sandbox.salesforce().fault(used_up).unwrap();
    let error = engine.cycle(Patience::NextCycle, &|| false).await.unwrap_err().to_string();
    assert!(
        error.contains("Salesforce allows no more requests now: REQUEST_LIMIT_EXCEEDED: TotalRequests Limit exceeded."),
        "{error}"
    );
    // It is left alone from then on, and says so.
    let before = systems.sandbox.salesforce().requests().total();
    let error = engine.cycle(Patience::NextCycle, &|| false).await.unwrap_err().to_string();
    assert!(error.contains("Salesforce's requests of 24 hours are used up: it is left alone until"), "{error}");
    assert_eq!(systems.sandbox.salesforce().requests().total(), before);
    let held = engine.store().status(Utc::now()).await.unwrap().held.unwrap();
    assert!(held.contains("left alone until"), "{held}");
    // Another start asks once, and goes on where it may.
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    systems.assert_in_step(15);
}

#[tokio::test]
async fn clocks_that_are_wrong_do_not_decide_who_was_later() {
    let systems = Systems::with(SandboxOptions {
        operate_leads: 10,
        salesforce_leads: 10,
        common: 10,
        operate_clock_ahead: 90,
        salesforce_clock_ahead: -120,
        ..SandboxOptions::default()
    })
    .await;
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    let (ours, theirs) = engine.store().pair_in_step(3).await.unwrap().unwrap();
    // Operate's edit was ten seconds earlier, though its clock says it was minutes later.
    let earlier = operate.now() - chrono::TimeDelta::seconds(10);
    operate.edit_at(&ours, &json!({ "phone": "020 7946 0001" }), Some(earlier)).unwrap();
    salesforce.edit(&theirs, &json!({ "Phone": "020 7946 0002" })).unwrap();
    cycle(&engine).await.unwrap();
    assert_eq!(operate.lead(&ours).unwrap()["phone"], json!("020 7946 0002"));
    assert_eq!(salesforce.lead(&theirs).unwrap()["Phone"], json!("020 7946 0002"));
}

#[tokio::test]
async fn deletes_are_ignored_and_converted_leads_rest() {
    let systems = Systems::of(10, 10, 10).await;
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    cycle(&engine).await.unwrap();
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    let (gone, converted) =
        (engine.store().pair_in_step(2).await.unwrap().unwrap(), engine.store().pair_in_step(3).await.unwrap().unwrap());
    salesforce.delete(&gone.1).unwrap();
    salesforce.edit(&converted.1, &json!({ "Phone": "020 7946 0003" })).unwrap();
    salesforce.convert(&converted.1).unwrap();
    let before = systems.traffic().2;
    cycle(&engine).await.unwrap();
    assert_eq!(engine.store().show(&gone.0).await.unwrap().unwrap().state, "deleted");
    assert_eq!(operate.leads().len(), 10, "nothing is deleted on the other side");
    // The converted lead's last values still come over, and then it rests.
    assert_eq!(operate.lead(&converted.0).unwrap()["phone"], json!("020 7946 0003"));
    assert_eq!(engine.store().show(&converted.0).await.unwrap().unwrap().state, "converted");
    assert_eq!(systems.traffic().2 - before, 1);
    operate.edit(&converted.0, &json!({ "phone": "020 7946 0004" })).unwrap();
    operate.edit(&gone.0, &json!({ "phone": "020 7946 0005" })).unwrap();
    cycle(&engine).await.unwrap();
    assert_eq!((systems.traffic().2 - before, salesforce.leads().len()), (1, 10), "nothing more is written, nor created again");

    // Operate's converted leads can still be edited, on either side.
    let (ours, theirs) = engine.store().pair_in_step(5).await.unwrap().unwrap();
    operate.convert(&ours).unwrap();
    salesforce.edit(&theirs, &json!({ "Title": "Founder" })).unwrap();
    cycle(&engine).await.unwrap();
    assert_eq!(operate.lead(&ours).unwrap()["jobtitle"], json!("Founder"));
    assert!(engine.store().parked().await.unwrap().is_empty());
}
