//! What real orgs and workspaces do beside creating and editing leads, over real HTTP against both simulated systems.

use chrono::Utc;
use leadsync::sandbox::{Cut, Fault, SandboxOptions};
use leadsync::store::Actor;
use serde_json::json;

use crate::program::until;
use crate::systems::{Systems, cycle};

/// Both systems with the same people, in step, and the ids of one pair.
async fn in_step(people: usize, configure: &[(&str, &str)]) -> (Systems, leadsync::sync::Engine, String, String) {
    let systems = Systems::of(people, people, people).await;
    for (from, to) in configure {
        systems.configure(from, to);
    }
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    let (operate, salesforce) = engine.store().pair_in_step(3).await.unwrap().unwrap();
    (systems, engine, operate, salesforce)
}

const PROPAGATE: (&str, &str) = ("[sync]\n", "[sync]\ndelete = \"propagate\"\n");

#[tokio::test]
async fn a_delete_in_salesforce_deletes_in_operate_and_one_in_operate_is_found_by_the_sweep() {
    let (systems, engine, ours, theirs) = in_step(10, &[PROPAGATE]).await;
    systems.sandbox.salesforce().delete(&theirs).unwrap();
    cycle(&engine).await.unwrap();
    assert!(systems.sandbox.operate().lead(&ours).is_none());
    let (ours, theirs) = engine.store().pair_in_step(0).await.unwrap().unwrap();
    systems.sandbox.operate().delete(&ours).unwrap();
    cycle(&engine).await.unwrap();
    assert_eq!(systems.sandbox.salesforce().lead(&theirs).unwrap()["IsDeleted"], json!(false), "a poll cannot see it");
    let found = engine.sweep().await.unwrap();
    assert_eq!((found.operate.gone, found.salesforce.gone), (1, 0));
    cycle(&engine).await.unwrap();
    assert_eq!(systems.sandbox.salesforce().lead(&theirs).unwrap()["IsDeleted"], json!(true));
    assert_eq!(systems.sandbox.operate().leads().len(), 8);
    assert_eq!(cycle(&engine).await.unwrap().pushed, 0);
}

#[tokio::test]
async fn a_delete_whose_answer_is_lost_is_a_delete() {
    for cut in [Cut::Before, Cut::After] {
        let (systems, engine, ours, theirs) = in_step(6, &[PROPAGATE]).await;
        systems.sandbox.operate().fault(Fault { drop: Some(cut), ..Fault::on("DELETE /api/1.0/Lead/") }).unwrap();
        systems.sandbox.salesforce().delete(&theirs).unwrap();
        cycle(&engine).await.unwrap();
        assert!(systems.sandbox.operate().lead(&ours).is_none());
        assert_eq!(engine.store().show(&ours).await.unwrap().unwrap().state, "deleted");
    }
}

#[tokio::test]
async fn a_sweep_whose_list_breaks_off_deletes_nothing() {
    let (systems, engine, ..) = in_step(10, &[PROPAGATE]).await;
    let empty = Fault { status: Some(200), body: Some("[]".to_owned()), ..Fault::on("GET /api/1.0/Lead?fields=") };
    systems.sandbox.operate().fault(empty).unwrap();
    let found = engine.sweep().await.unwrap();
    assert_eq!(found.operate.gone, 0, "an empty list is no evidence");
    let cut = Fault { times: 0, drop: Some(Cut::After), ..Fault::on("GET /api/1.0/Lead?fields=") };
    systems.sandbox.operate().fault(cut).unwrap();
    engine.sweep().await.unwrap_err();
    assert_eq!(cycle(&engine).await.unwrap().pushed, 0);
    assert_eq!(systems.sandbox.operate().leads().len(), 10);
}

#[tokio::test]
async fn a_lead_that_leaves_the_filter_is_not_deleted() {
    let filter = ("[operate]\n", "[operate]\nfilter = \"[webtolead]='0'\"\n");
    let (systems, engine, ours, theirs) = in_step(10, &[PROPAGATE, filter]).await;
    systems.sandbox.operate().edit(&ours, &json!({ "webtolead": 1 })).unwrap();
    cycle(&engine).await.unwrap();
    let found = engine.sweep().await.unwrap();
    assert_eq!(found.operate.gone, 0);
    cycle(&engine).await.unwrap();
    assert_eq!(systems.sandbox.salesforce().lead(&theirs).unwrap()["IsDeleted"], json!(false));
}

#[tokio::test]
async fn many_updates_are_compared_and_sent_two_hundred_at_a_time() {
    let (systems, engine, ..) = in_step(300, &[("[salesforce]\n", "[salesforce]\nguarded_updates = 50\n"), BRAKELESS]).await;
    for lead in systems.sandbox.operate().leads() {
        let id = lead["leadid"].to_string();
        systems.sandbox.operate().edit(&id, &json!({ "jobtitle": "Keeper" })).unwrap();
    }
    let before = systems.sandbox.salesforce().requests().total();
    cycle(&engine).await.unwrap();
    systems.assert_in_step(300);
    let requests = systems.sandbox.salesforce().requests();
    let collections = requests.recent.iter().filter(|line| line.method == "PATCH" && line.uri.ends_with("/composite/sobjects"));
    assert_eq!(collections.count(), 2);
    // What was read in the second of its change is decided a second later: a few leads, by guarded requests of 25.
    assert!(requests.total() - before <= 8, "{:?}", requests.recent);
}

/// No brake on how much may change.
const BRAKELESS: (&str, &str) = ("[sync]\n", "[sync]\nmax_change = \"off\"\n");

#[tokio::test]
async fn the_daily_share_is_kept_and_told() {
    let systems = Systems::with(SandboxOptions {
        operate_leads: 30,
        salesforce_leads: 30,
        common: 30,
        daily_requests: 60,
        ..SandboxOptions::default()
    })
    .await;
    let engine = systems.engine().await;
    let mut held = None;
    for _ in 0..60 {
        if let Err(error) = cycle(&engine).await {
            held = Some(error.to_string());
            break;
        }
    }
    let held = held.unwrap();
    assert!(held.contains("its share is 0.5 of 60"), "{held}");
    assert_eq!(systems.sandbox.salesforce().requests().total(), 30, "half of sixty, and not one more");
    let status = engine.store().status(Utc::now()).await.unwrap();
    assert!(status.held.unwrap().starts_with("no request is made to Salesforce"));
}

/// A lead in Operate that is in no other way like any other.
fn lonely(email: &str) -> serde_json::Value {
    json!({ "leadname": "Pomelo Print", "lastname": "Pomelo", "email": email, "location": "Hub City", "leadsource": "Website",
            "leadstatus": "New", "postcode": "ZZ9 9ZZ" })
}

#[tokio::test]
async fn a_duplicate_is_parked_linked_or_saved_as_the_policy_says() {
    for (policy, expected) in [("park", "parked"), ("link", "in_step"), ("save", "in_step")] {
        // Leads find each other by company alone, so that only the org's own rule sees that the e-mail address is the same.
        let matching = ("match = [[\"email\"], [\"company\", \"postcode\"]]", "match = [[\"company\", \"postcode\"]]");
        let duplicates = format!("[salesforce]\nduplicates = \"{policy}\"\n");
        // A lead that Operate is given anyway would have a link of its own.
        let one_way = ("[sync]\n", "[sync]\ncreate = \"to_salesforce\"\n");
        let (systems, engine, ..) = in_step(5, &[matching, ("[salesforce]\n", &duplicates), one_way]).await;
        let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
        let there = json!({ "LastName": "Other", "Company": "Pomelo Ltd", "Email": "pia@pomelo.example", "Status": "Open - Not Contacted" });
        let there = salesforce.create(&there).unwrap();
        salesforce.switch(&json!({ "duplicate_rule": "alert" })).unwrap();
        let ours = operate.create(&lonely("pia@pomelo.example")).unwrap();
        cycle(&engine).await.unwrap();
        cycle(&engine).await.unwrap();
        let report = engine.store().show(&ours).await.unwrap().unwrap();
        assert_eq!(report.state, expected, "{policy}: {:?}", report.reason);
        match policy {
            "park" => assert!(report.reason.unwrap().contains("Use one of these records?")),
            "link" => {
                assert_eq!(report.leads.salesforce.unwrap().lead_id, there);
                assert_eq!(salesforce.lead(&there).unwrap()["Operate_Lead_Id__c"], json!(ours));
            }
            _ => assert_ne!(report.leads.salesforce.unwrap().lead_id, there),
        }
    }
}

#[tokio::test]
async fn a_lead_that_holds_the_operate_id_is_linked_again_also_where_it_was_hidden() {
    let (systems, engine, ..) = in_step(5, &[]).await;
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    let ours = operate.create(&lonely("pia@pomelo.example")).unwrap();
    let holder = json!({ "LastName": "Pomelo", "Company": "Pomelo Print", "Operate_Lead_Id__c": ours });
    let holder = salesforce.create(&holder).unwrap();
    salesforce.hide(&holder, true).unwrap();
    cycle(&engine).await.unwrap();
    let report = engine.store().show(&ours).await.unwrap().unwrap();
    assert_eq!(report.state, "parked");
    assert!(
        report.reason.unwrap().contains("duplicate value found: Operate_Lead_Id__c"),
        "a person has to give this user sight of it"
    );
    salesforce.hide(&holder, false).unwrap();
    engine.store().retry(None, Actor::Command, Utc::now()).await.unwrap();
    cycle(&engine).await.unwrap();
    let report = engine.store().show(&ours).await.unwrap().unwrap();
    assert_eq!((report.state.as_str(), report.leads.salesforce.unwrap().lead_id), ("in_step", holder));
}

#[tokio::test]
async fn merged_undeleted_and_purged_leads_are_followed() {
    let (systems, engine, ours, theirs) = in_step(8, &[PROPAGATE]).await;
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    // A master that the daemon has never linked: it comes and takes the other in between two polls.
    let master = json!({ "LastName": "Master", "Company": "Merged Ltd", "Email": "master@merged.example", "Title": "Boss",
                         "Location__c": "Hub City", "LeadSource": "Web", "Status": "Open - Not Contacted" });
    let master = salesforce.create(&master).unwrap();
    salesforce.merge(&master, std::slice::from_ref(&theirs)).unwrap();
    cycle(&engine).await.unwrap();
    let report = engine.store().show(&ours).await.unwrap().unwrap();
    assert_eq!((report.state.as_str(), report.reason), ("in_step", None));
    assert_eq!(report.leads.salesforce.unwrap().lead_id, master);
    assert_eq!(operate.lead(&ours).unwrap()["jobtitle"], json!("Boss"));
    assert_eq!(operate.leads().len(), 8, "nobody was deleted or made twice");

    salesforce.delete(&master).unwrap();
    cycle(&engine).await.unwrap();
    assert_eq!(operate.leads().len(), 7);
    salesforce.undelete(&master).unwrap();
    cycle(&engine).await.unwrap();
    cycle(&engine).await.unwrap();
    assert_eq!(operate.leads().len(), 8, "a restored lead comes back");
    assert_eq!(engine.store().show(&master).await.unwrap().unwrap().state, "in_step");

    salesforce.purge(&master).unwrap();
    cycle(&engine).await.unwrap();
    assert_eq!(operate.leads().len(), 8, "a poll sees nothing of it");
    // Three minutes later, as the daemon learns with the next answer: the log counts whole minutes.
    salesforce.set_clock_ahead(180);
    cycle(&engine).await.unwrap();
    assert_eq!(engine.sweep().await.unwrap().salesforce.gone, 1);
    cycle(&engine).await.unwrap();
    assert_eq!(operate.leads().len(), 7);
}

#[tokio::test]
async fn a_field_that_vanishes_is_left_alone_and_everything_else_goes_on() {
    let (systems, engine, ours, theirs) = in_step(5, &[]).await;
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    let title = operate.lead(&ours).unwrap()["jobtitle"].clone();
    salesforce.switch(&json!({ "missing_fields": ["Title"] })).unwrap();
    operate.edit(&ours, &json!({ "phone": "020 7946 0001" })).unwrap();
    let error = engine.cycle(leadsync::sync::Patience::NextCycle, &|| false).await.unwrap_err().to_string();
    assert!(error.contains("Salesforce has changed its fields") && error.contains("No such column 'Title'"), "{error}");
    // As the daemon does: the mapping is fitted anew.
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    assert_eq!(salesforce.lead(&theirs).unwrap()["Phone"], json!("020 7946 0001"));
    operate.edit(&ours, &json!({ "jobtitle": "Keeper" })).unwrap();
    assert_eq!(cycle(&engine).await.unwrap().pushed, 0);
    operate.edit(&ours, &json!({ "jobtitle": title })).unwrap();

    salesforce.switch(&json!({ "missing_fields": [] })).unwrap();
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    systems.assert_in_step(5);
}

#[tokio::test]
async fn a_field_that_may_only_be_read_goes_one_way() {
    let (systems, engine, ours, theirs) = in_step(5, &[]).await;
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    salesforce.switch(&json!({ "read_only_fields": ["Title"] })).unwrap();
    operate.edit(&ours, &json!({ "jobtitle": "Keeper", "phone": "020 7946 0001" })).unwrap();
    let error = engine.cycle(leadsync::sync::Patience::Wait(std::time::Duration::from_secs(5)), &|| false).await.unwrap_err();
    assert!(error.to_string().contains("INVALID_FIELD_FOR_INSERT_UPDATE"), "{error}");
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    assert_eq!(salesforce.lead(&theirs).unwrap()["Phone"], json!("020 7946 0001"));
    assert_ne!(salesforce.lead(&theirs).unwrap()["Title"], json!("Keeper"));
    assert_eq!(engine.store().show(&ours).await.unwrap().unwrap().state, "in_step");
}

#[tokio::test]
async fn changes_that_become_visible_late_are_not_missed() {
    let (systems, engine, ours, theirs) = in_step(5, &[]).await;
    let salesforce = systems.sandbox.salesforce();
    salesforce.switch(&json!({ "late_seconds": 2 })).unwrap();
    let (other_ours, other_theirs) = engine.store().pair_in_step(0).await.unwrap().unwrap();
    salesforce.edit(&theirs, &json!({ "Title": "Late" })).unwrap();
    salesforce.switch(&json!({ "late_seconds": 0 })).unwrap();
    salesforce.edit(&other_theirs, &json!({ "Title": "At once" })).unwrap();
    let operate = systems.sandbox.operate();
    let title = |id: &str| operate.lead(id).unwrap()["jobtitle"].clone();
    let started = std::time::Instant::now();
    while title(&ours) != json!("Late") {
        cycle(&engine).await.unwrap();
        assert!(started.elapsed().as_secs() < 30, "the late change never came");
    }
    assert_eq!(title(&other_ours), json!("At once"));
}

#[tokio::test]
async fn rules_of_the_org_that_rewrite_a_field_come_back_as_its_own_change() {
    let (systems, engine, ours, theirs) = in_step(5, &[]).await;
    let salesforce = systems.sandbox.salesforce();
    let flow = json!({ "when_field": "City", "when_value": "Leeds", "set": { "State": "West Yorkshire" } });
    salesforce.switch(&json!({ "flows": [flow] })).unwrap();
    systems.sandbox.operate().edit(&ours, &json!({ "city": "Leeds" })).unwrap();
    cycle(&engine).await.unwrap();
    cycle(&engine).await.unwrap();
    assert_eq!(salesforce.lead(&theirs).unwrap()["State"], json!("West Yorkshire"));
    assert_eq!(systems.sandbox.operate().lead(&ours).unwrap()["county"], json!("West Yorkshire"));
    assert_eq!(cycle(&engine).await.unwrap().pushed, 0);
}

#[tokio::test]
async fn assignment_rules_run_only_where_they_are_wanted() {
    for wanted in [false, true] {
        let (systems, engine, ours, theirs) =
            in_step(3, &[("[salesforce]\n", &format!("[salesforce]\nauto_assign = {wanted}\n"))]).await;
        let salesforce = systems.sandbox.salesforce();
        let owner = "0055g0000000003AAA";
        salesforce.switch(&json!({ "assignment_owner": owner })).unwrap();
        systems.sandbox.operate().edit(&ours, &json!({ "phone": "020 7946 0001" })).unwrap();
        cycle(&engine).await.unwrap();
        let lead = salesforce.lead(&theirs).unwrap();
        assert_eq!((lead["Phone"] == json!("020 7946 0001"), lead["OwnerId"] == json!(owner)), (true, wanted));
    }
}

#[tokio::test]
async fn the_limit_on_long_requests_passes_within_seconds() {
    let (systems, engine, ours, theirs) = in_step(3, &[]).await;
    let salesforce = systems.sandbox.salesforce().clone();
    salesforce.switch(&json!({ "concurrent_limit": true })).unwrap();
    let relieved = salesforce.clone();
    let relief = tokio::spawn(async move {
        while relieved.requests().recent.iter().filter(|line| line.status == 403).count() < 2 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        relieved.switch(&json!({ "concurrent_limit": false })).unwrap();
    });
    systems.sandbox.operate().edit(&ours, &json!({ "phone": "020 7946 0001" })).unwrap();
    cycle(&engine).await.unwrap();
    relief.await.unwrap();
    assert_eq!(salesforce.lead(&theirs).unwrap()["Phone"], json!("020 7946 0001"));
    assert_eq!(engine.store().status(Utc::now()).await.unwrap().held, None);
}

#[tokio::test]
async fn a_sweep_after_a_large_first_sync_costs_a_handful_of_requests() {
    let systems = Systems::of(300, 200, 50).await;
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    let before = systems.traffic();
    let found = engine.sweep().await.unwrap();
    let after = systems.traffic();
    assert_eq!((found.operate.missed, found.operate.gone, found.salesforce.missed, found.salesforce.gone), (0, 0, 0, 0));
    // A poll and a list in Operate; a poll, and the two logs with the stamps of what they name, in Salesforce.
    assert!(after.0 - before.0 == 2 && after.1 - before.1 <= 6 && after.2 == before.2, "{before:?} {after:?}");
}

#[tokio::test]
async fn a_change_that_comes_later_than_the_overlap_is_found_by_the_sweep() {
    let (systems, engine, ours, theirs) = in_step(5, &[("overlap = \"30s\"", "overlap = \"5s\"")]).await;
    let salesforce = systems.sandbox.salesforce();
    salesforce.switch(&json!({ "late_seconds": 60 })).unwrap();
    salesforce.edit(&theirs, &json!({ "Title": "Late" })).unwrap();
    salesforce.switch(&json!({ "late_seconds": 0 })).unwrap();
    // Half a minute later something else moves the checkpoint on; then the late change can be seen, far behind it.
    salesforce.set_clock_ahead(30);
    let (_, other) = engine.store().pair_in_step(0).await.unwrap().unwrap();
    salesforce.edit(&other, &json!({ "Title": "Later" })).unwrap();
    cycle(&engine).await.unwrap();
    salesforce.set_clock_ahead(240);
    cycle(&engine).await.unwrap();
    let title = || systems.sandbox.operate().lead(&ours).unwrap()["jobtitle"].clone();
    assert_ne!(title(), json!("Late"));
    let found = engine.sweep().await.unwrap();
    assert_eq!((found.salesforce.missed, found.salesforce.gone), (1, 0));
    cycle(&engine).await.unwrap();
    assert_eq!(title(), json!("Late"));
}

#[tokio::test]
async fn only_leads_of_the_record_type_that_the_filter_names_take_part() {
    let systems = Systems::of(4, 0, 0).await;
    let salesforce = systems.sandbox.salesforce();
    let other = json!({ "LastName": "Pomelo", "Company": "Pomelo Ltd", "Email": "pia@pomelo.example", "RecordTypeId": "0125g0000000002AAA" });
    let other = salesforce.create(&other).unwrap();
    systems.configure("[salesforce]\n", "[salesforce]\nfilter = \"RecordType.DeveloperName = 'Workspace'\"\n");
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    cycle(&engine).await.unwrap();
    assert_eq!((systems.sandbox.operate().leads().len(), salesforce.leads().len()), (4, 5));
    assert!(engine.store().show(&other).await.unwrap().is_none());
}

#[tokio::test]
async fn a_create_whose_answer_takes_long_does_not_keep_the_others_waiting() {
    let systems = Systems::of(0, 30, 0).await;
    let engine = systems.engine().await;
    systems.sandbox.operate().fault(Fault { latency_ms: Some(600_000), ..Fault::on("write") }).unwrap();
    // Long before it is given up.
    let others = until("all the others are made", || systems.sandbox.operate().leads().len() == 29);
    tokio::select! {
        ended = cycle(&engine) => panic!("{ended:?}"),
        made = tokio::time::timeout(systems.config().operate.timeout / 2, others) => made.unwrap(),
    }
}
