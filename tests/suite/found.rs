//! Defects that the simulation and an audit found, each with the shortest case of it.

use chrono::Utc;
use leadsync::config::sync::{ConflictRule, DeleteRule};
use leadsync::store::Actor;
use serde_json::json;

use crate::bench::{Bench, fields};

/// Both leads of a pair have what Operate's had.
fn assert_clears_nothing(bench: &Bench, operate: &str, salesforce: &str) {
    assert_eq!(bench.operate.value(operate, "phone"), json!("1"));
    assert_eq!(bench.salesforce.value(salesforce, "phone__c"), json!("1"));
}

#[tokio::test]
async fn what_a_merged_leads_master_has_not_filled_is_filled_from_operate() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    let master = bench.salesforce.add_deleted(&[("email__c", "ann@example.com"), ("title__c", "Boss")]);
    bench.salesforce.change(&master, |lead| lead.deleted = false);
    let name = master.clone();
    bench.salesforce.change(&salesforce, |lead| (lead.deleted, lead.master_id) = (true, Some(name)));
    for _ in 0..3 {
        bench.cycle().await;
    }
    assert_clears_nothing(&bench, &operate, &master);
    assert_eq!(bench.operate.value(&operate, "title"), json!("Boss"));
    assert_eq!(bench.state(&operate).await.0, "in_step");
}

#[tokio::test]
async fn an_edit_that_a_converted_lead_cannot_be_given_is_kept_as_a_conflict() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.salesforce.change(&salesforce, |lead| lead.converted = true);
    bench.operate.edit(&operate, "phone", "2");
    for _ in 0..3 {
        bench.cycle().await;
    }
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), json!("1"));
    let report = bench.engine.store().show(&operate).await.unwrap().unwrap();
    let kept: Vec<_> = report.history.iter().filter(|event| event.event == "conflict").collect();
    assert_eq!(kept.len(), 1, "once, however often it is looked at");
    assert_eq!(report.state, "converted");
}

#[tokio::test]
async fn a_converted_lead_that_is_deleted_neither_deletes_nor_makes_anything() {
    for edited in [false, true] {
        let bench = Bench::ruled(|rules| rules.delete = DeleteRule::Propagate).await;
        let (operate, salesforce) = bench.pair().await;
        bench.salesforce.change(&salesforce, |lead| lead.converted = true);
        bench.cycle().await;
        if edited {
            bench.operate.edit(&operate, "phone", "2");
        }
        bench.salesforce.change(&salesforce, |lead| lead.deleted = true);
        for _ in 0..2 {
            bench.cycle().await;
        }
        let there = bench.salesforce.leads().iter().filter(|lead| !lead.deleted).count();
        assert_eq!((bench.operate.leads().len(), there), (1, 0), "edited: {edited}");
    }
}

#[tokio::test]
async fn a_manual_conflict_that_had_gone_opens_again_when_it_comes_back() {
    let mut manual = fields();
    manual[1].conflict = Some(ConflictRule::Manual);
    let bench = Bench::with(manual).await;
    let (operate, salesforce) = bench.pair().await;
    for _ in 0..2 {
        bench.operate.edit(&operate, "phone", "2");
        bench.salesforce.edit(&salesforce, "phone__c", "3");
        bench.cycle().await;
        assert_eq!(bench.engine.store().open_conflicts().await.unwrap().len(), 1);
        bench.operate.edit(&operate, "phone", "1");
        bench.salesforce.edit(&salesforce, "phone__c", "1");
        bench.cycle().await;
        assert_eq!(bench.engine.store().open_conflicts().await.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn a_field_that_swings_holds_back_only_itself_until_somebody_has_it_tried_again() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    // Somebody in Operate and a rule in Salesforce set the status in turn.
    for _ in 0..3 {
        bench.operate.edit(&operate, "status", "Working");
        bench.cycle().await;
        bench.salesforce.edit(&salesforce, "status__c", "Open");
        bench.cycle().await;
    }
    bench.operate.edit(&operate, "status", "Working");
    bench.operate.edit(&operate, "phone", "2");
    bench.cycle().await;
    let (state, reason) = bench.state(&operate).await;
    assert!(state == "parked" && reason.starts_with("flapping: Salesforce was given the same status"), "{state}: {reason}");
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), json!("2"), "another field goes on");
    assert_eq!(bench.engine.store().retry(None, Actor::Command, Utc::now()).await.unwrap(), 1);
    bench.cycle().await;
    assert_eq!(bench.salesforce.value(&salesforce, "status__c"), json!("Contacted"));
    assert_eq!(bench.state(&operate).await.0, "in_step");
}

#[tokio::test]
async fn a_required_field_that_is_cleared_parks_the_lead_before_anything_is_sent() {
    let bench = Bench::ruled(|rules| rules.required_fields = vec!["title".to_owned()]).await;
    let (operate, salesforce) = bench.pair().await;
    let writes = bench.operate.writes();
    bench.salesforce.edit(&salesforce, "title__c", "");
    bench.cycle().await;
    let (state, reason) = bench.state(&operate).await;
    assert!(
        state == "parked" && reason.contains("Operate has no lead without it, and title__c was cleared"),
        "{state}: {reason}"
    );
    assert_eq!(bench.operate.writes(), writes);
    bench.salesforce.edit(&salesforce, "title__c", "CFO");
    bench.cycle().await;
    assert_eq!(bench.operate.value(&operate, "title"), json!("CFO"));
}

#[tokio::test]
async fn a_lead_that_waits_because_another_was_linked_is_looked_at_again_when_it_changes() {
    let bench = Bench::ruled(|rules| rules.delete = DeleteRule::Propagate).await;
    let (operate, first) = bench.pair().await;
    bench.cycle().await;
    // Deleted here and edited there: it is made anew, and then somebody deletes the new one and restores the first.
    bench.operate.edit(&operate, "phone", "2");
    bench.salesforce.change(&first, |lead| lead.deleted = true);
    bench.cycle().await;
    let second = bench.salesforce.leads().into_iter().find(|lead| !lead.deleted).unwrap().id;
    assert_ne!(second, first);
    bench.salesforce.change(&second, |lead| lead.deleted = true);
    bench.salesforce.change(&first, |lead| lead.deleted = false);
    bench.operate.edit(&operate, "phone", "3");
    for _ in 0..4 {
        bench.cycle().await;
    }
    let there: Vec<_> = bench.salesforce.leads().into_iter().filter(|lead| !lead.deleted).collect();
    assert_eq!(there.len(), 1);
    assert_eq!(bench.salesforce.value(&there[0].id, "phone__c"), json!("3"));
    assert_eq!(bench.state(&operate).await.0, "in_step");
    assert_eq!(bench.operate.value(&operate, "phone"), json!("3"));
}
