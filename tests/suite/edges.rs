//! What real orgs and workspaces do beside creating and editing leads, over real HTTP against both simulated systems.

use chrono::Utc;
use leadsync::sandbox::{Cut, Fault, SandboxOptions};
use serde_json::json;

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
