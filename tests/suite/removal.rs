//! Leads that go, come back, convert and merge; and what holds writes back.

use chrono::Utc;
use leadsync::config::sync::DeleteRule;
use leadsync::lead::{PerSide, Value};
use leadsync::store::Actor;
use serde_json::json;

use crate::bench::Bench;

async fn propagating() -> Bench {
    Bench::ruled(|rules| rules.delete = DeleteRule::Propagate).await
}

#[tokio::test]
async fn a_delete_in_salesforce_goes_to_operate_and_a_restored_lead_comes_back() {
    let bench = propagating().await;
    let (_, salesforce) = bench.pair().await;
    bench.salesforce.change(&salesforce, |lead| lead.deleted = true);
    assert_eq!(bench.cycle().await.pushed, 1);
    assert!(bench.operate.leads().is_empty());
    assert_eq!(bench.state(&salesforce).await.0, "deleted");
    assert_eq!(bench.cycle().await.pushed, 0, "it rests");

    bench.salesforce.change(&salesforce, |lead| lead.deleted = false);
    bench.cycle().await;
    bench.cycle().await;
    assert_eq!((bench.operate.leads().len(), bench.salesforce.leads().len()), (1, 1));
    assert_eq!(bench.operate.leads()[0].fields["phone"], json!("1"));
    assert_eq!(bench.state(&salesforce).await.0, "in_step");
}

#[tokio::test]
async fn a_delete_in_operate_is_found_by_the_sweep_and_goes_to_salesforce() {
    let bench = propagating().await;
    let (operate, salesforce) = bench.pair().await;
    let stays = bench.operate.add(&[("email", "stays@example.com")]);
    bench.cycle().await;
    bench.operate.purge(&operate);
    assert_eq!(bench.cycle().await.pushed, 0, "a poll cannot see it");
    let found = bench.engine.sweep().await.unwrap();
    assert_eq!((found.operate.gone, found.operate.missed), (1, 0));
    assert_eq!(bench.cycle().await.pushed, 1);
    assert!(bench.salesforce.leads().iter().all(|lead| lead.id != salesforce));
    assert_eq!(bench.state(&stays).await.0, "in_step");
}

#[tokio::test]
async fn a_sweep_finds_nothing_where_nothing_was_missed() {
    let bench = propagating().await;
    bench.pair().await;
    bench.cycle().await;
    let found = bench.engine.sweep().await.unwrap();
    assert_eq!((found.operate.gone, found.operate.missed, found.salesforce.gone, found.salesforce.missed), (0, 0, 0, 0));
    assert!(bench.engine.swept_at().await.unwrap().is_some());
    assert_eq!(bench.cycle().await.pushed, 0);
}

#[tokio::test]
async fn a_lead_that_was_deleted_here_and_edited_there_follows_the_edit() {
    let bench = propagating().await;
    let (operate, salesforce) = bench.pair().await;
    bench.salesforce.change(&salesforce, |lead| lead.deleted = true);
    bench.operate.edit(&operate, "phone", "2");
    bench.cycle().await;
    bench.cycle().await;
    assert_eq!((bench.operate.leads().len(), bench.salesforce.leads().len()), (1, 1));
    let made = &bench.salesforce.leads()[0];
    assert!(made.id != salesforce && made.fields["phone__c"] == json!("2"), "{made:?}");
    assert_eq!(bench.state(&operate).await.0, "in_step");
}

#[tokio::test]
async fn an_edit_between_the_decision_and_the_delete_saves_the_lead() {
    let bench = propagating().await;
    let (operate, salesforce) = bench.pair().await;
    bench.salesforce.change(&salesforce, |lead| lead.deleted = true);
    bench.operate.later();
    bench.salesforce.later();
    bench.engine.rehearse().await.unwrap();
    // The delete is due by now, and somebody edits the lead before it is sent.
    bench.operate.edit(&operate, "title", "Keeper");
    bench.cycle().await;
    bench.cycle().await;
    assert_eq!((bench.operate.leads().len(), bench.salesforce.leads().len()), (1, 1));
    assert_eq!(bench.salesforce.leads()[0].fields["title__c"], json!("Keeper"));
}

#[tokio::test]
async fn too_many_deletes_are_not_carried_out_until_a_person_accepts_them() {
    let bench = Bench::ruled(|rules| (rules.delete, rules.max_delete) = (DeleteRule::Propagate, 2)).await;
    for number in 0..5 {
        bench.operate.add(&[("email", &format!("lead{number}@example.com"))]);
    }
    bench.cycle().await;
    let doomed: Vec<String> = bench.salesforce.leads().iter().take(3).map(|lead| lead.id.clone()).collect();
    for id in &doomed {
        bench.salesforce.change(id, |lead| lead.deleted = true);
    }
    let kept = bench.operate.leads().last().unwrap().id.clone();
    bench.operate.edit(&kept, "phone", "7");
    let held = bench.cycle().await.held.unwrap();
    assert!(held.contains("3 leads would be deleted, and max_delete allows 2"), "{held}");
    assert_eq!(bench.operate.leads().len(), 5);
    assert!(bench.salesforce.leads().iter().any(|lead| lead.fields.get("phone__c") == Some(&json!("7"))), "other writes go on");
    let status = bench.engine.store().status(Utc::now()).await.unwrap();
    assert!(status.held.unwrap().contains("resume --accept-changes"));
    assert!(!bench.engine.store().resume(false, Actor::Command, Utc::now()).await.unwrap(), "the brake holds on");

    assert!(bench.engine.store().resume(true, Actor::Command, Utc::now()).await.unwrap());
    let cycle = bench.cycle().await;
    assert_eq!((cycle.held, bench.operate.leads().len()), (None, 2));
    assert!(bench.engine.store().status(Utc::now()).await.unwrap().held.is_none());
}

#[tokio::test]
async fn a_flood_of_changes_stops_and_asks() {
    let bench = Bench::ruled(|rules| rules.max_change = Some(0.2)).await;
    for number in 0..40 {
        bench.operate.add(&[("email", &format!("lead{number}@example.com")), ("phone", "1")]);
    }
    assert_eq!(bench.cycle().await.held, None, "creates are no changes");
    bench.cycle().await;
    for lead in bench.salesforce.leads().iter().take(26) {
        bench.salesforce.edit(&lead.id, "phone__c", "");
    }
    let writes = bench.operate.writes();
    let held = bench.cycle().await.held.unwrap();
    assert!(held.contains("26 of 40 links would change, and max_change allows 25"), "{held}");
    assert_eq!(bench.operate.writes(), writes);
    bench.engine.store().resume(true, Actor::Command, Utc::now()).await.unwrap();
    let cycle = bench.cycle().await;
    assert_eq!((cycle.held, cycle.pushed), (None, 26));
}

#[tokio::test]
async fn as_many_changes_and_deletes_as_are_allowed_are_carried_out() {
    let rule = |rules: &mut leadsync::sync::Rules| {
        (rules.delete, rules.max_delete, rules.max_change) = (DeleteRule::Propagate, 2, Some(0.5));
    };
    let bench = Bench::ruled(rule).await;
    for number in 0..60 {
        bench.operate.add(&[("email", &format!("lead{number}@example.com")), ("phone", "1")]);
    }
    bench.cycle().await;
    bench.cycle().await;
    let leads = bench.salesforce.leads();
    for lead in leads.iter().take(28) {
        bench.salesforce.edit(&lead.id, "phone__c", "2");
    }
    for lead in leads.iter().rev().take(2) {
        bench.salesforce.change(&lead.id, |lead| lead.deleted = true);
    }
    let cycle = bench.cycle().await;
    assert_eq!(
        (cycle.held, cycle.pushed, bench.operate.leads().len()),
        (None, 30, 58),
        "half of 60 links, two deletes among them"
    );
    let leads = bench.salesforce.leads();
    for lead in leads.iter().take(31) {
        bench.salesforce.edit(&lead.id, "phone__c", "3");
    }
    let held = bench.cycle().await.held.unwrap();
    assert!(held.contains("31 of 60 links would change, and max_change allows 30"), "{held}");
}

#[tokio::test]
async fn a_pause_holds_all_writes_and_polling_goes_on() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.engine.store().pause(Actor::Command, Utc::now()).await.unwrap();
    bench.operate.edit(&operate, "phone", "2");
    let cycle = bench.cycle().await;
    assert!(cycle.held.unwrap().starts_with("paused since") && cycle.seen == 1 && cycle.pushed == 0);
    bench.engine.store().resume(false, Actor::Command, Utc::now()).await.unwrap();
    bench.cycle().await;
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), json!("2"));
}

#[tokio::test]
async fn a_lead_hidden_by_sharing_rules_is_no_deleted_one() {
    let bench = propagating().await;
    let (operate, salesforce) = bench.pair().await;
    let hidden = bench.salesforce.hide(&salesforce);
    bench.operate.edit(&operate, "phone", "2");
    bench.cycle().await;
    let (state, reason) = bench.state(&operate).await;
    assert!(state == "parked" && reason.contains("sharing rules hide it from this user"), "{state}: {reason}");
    bench.engine.sweep().await.unwrap();
    bench.cycle().await;
    assert_eq!(bench.operate.leads().len(), 1, "nothing was deleted");
    bench.salesforce.show(hidden);
    bench.engine.store().retry(None, Actor::Command, Utc::now()).await.unwrap();
    bench.cycle().await;
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), json!("2"));
    assert_eq!(bench.state(&operate).await.0, "in_step");
}

#[tokio::test]
async fn a_lead_that_was_merged_away_takes_its_link_to_its_master() {
    for rule in [DeleteRule::Ignore, DeleteRule::Propagate] {
        let bench = Bench::ruled(|rules| rules.delete = rule).await;
        let (operate, loser) = bench.pair().await;
        // The master came into being where this program creates nothing: it is not linked.
        let master = bench.salesforce.add_deleted(&[("email__c", "ann@example.com"), ("phone__c", "9"), ("title__c", "CEO")]);
        bench.salesforce.change(&master, |lead| lead.deleted = false);
        bench.salesforce.change(&loser, |lead| {
            lead.deleted = true;
            lead.master_id = Some(master.clone());
        });
        bench.cycle().await;
        bench.cycle().await;
        let report = bench.engine.store().show(&operate).await.unwrap().unwrap();
        assert_eq!(report.leads.salesforce.unwrap().lead_id, master);
        assert_eq!(bench.operate.value(&operate, "phone"), json!("9"), "what the merge changed is an edit");
        assert_eq!((bench.operate.leads().len(), bench.salesforce.leads().len()), (1, 1));
        assert_eq!(bench.state(&operate).await.0, "in_step");
    }
}

#[tokio::test]
async fn a_lead_whose_master_has_a_link_waits_for_a_person() {
    let bench = propagating().await;
    let (operate, loser) = bench.pair().await;
    bench.operate.add(&[("email", "master@example.com")]);
    bench.cycle().await;
    let master = bench.salesforce.leads().into_iter().find(|lead| lead.id != loser).unwrap().id;
    bench.salesforce.change(&loser, |lead| {
        lead.deleted = true;
        lead.master_id = Some(master.clone());
    });
    bench.cycle().await;
    let (state, reason) = bench.state(&operate).await;
    assert!(state == "parked" && reason.contains(&format!("was merged into {master}")), "{state}: {reason}");
    assert_eq!(bench.operate.leads().len(), 2, "a merge deletes nothing in Operate");
}

#[tokio::test]
async fn a_conversion_on_one_side_is_a_status_on_the_other() {
    let token = |text: &str| Some(Value::Choice(text.to_owned()));
    let given = PerSide { operate: token("Working"), salesforce: token("Working") };
    let bench = Bench::ruled(|rules| rules.converted = Some((3, given))).await;
    let (operate, salesforce) = bench.pair().await;
    bench.salesforce.change(&salesforce, |lead| lead.converted = true);
    bench.cycle().await;
    assert_eq!(bench.operate.value(&operate, "status"), json!("Working"));
    assert_eq!(bench.state(&operate).await.0, "converted");
    assert_eq!(bench.cycle().await.pushed, 0);

    let other = bench.operate.add(&[("email", "bob@example.com"), ("status", "New")]);
    bench.cycle().await;
    bench.operate.change(&other, |lead| lead.converted = true);
    bench.cycle().await;
    let twin = bench.salesforce.leads().into_iter().find(|lead| lead.external_id.as_ref() == Some(&other)).unwrap();
    assert_eq!(twin.fields["status__c"], json!("Contacted"));
    let quiet = bench.cycle().await;
    assert_eq!((quiet.pushed, quiet.conflicts), (0, 0));
}

#[tokio::test]
async fn a_lead_without_what_operate_requires_is_parked_before_anything_is_sent() {
    let bench = Bench::ruled(|rules| rules.required_fields = vec!["title".to_owned()]).await;
    let id = bench.salesforce.add(&[("email__c", "ann@example.com")]);
    bench.cycle().await;
    let (state, reason) = bench.state(&id).await;
    assert_eq!(state, "parked");
    assert_eq!(
        reason,
        "title: Operate makes no lead without it: fill in title__c, or give the field a default = { operate = … }"
    );
    assert_eq!(bench.operate.writes(), 0);
    bench.salesforce.edit(&id, "title__c", "CEO");
    bench.cycle().await;
    assert_eq!(bench.state(&id).await.0, "in_step");
}

#[tokio::test]
async fn the_budget_slows_polls_then_holds_writes_and_recovers() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.salesforce.set_usage(9_100, 10_000);
    assert_eq!(bench.engine.interval().await.unwrap().unwrap().num_minutes(), 5);
    bench.salesforce.set_usage(9_800, 10_000);
    bench.operate.edit(&operate, "phone", "2");
    bench.salesforce.edit(&salesforce, "title__c", "CTO");
    let cycle = bench.cycle().await;
    let held = cycle.held.unwrap();
    assert!(held.starts_with("writes to Salesforce wait: ") && held.contains("of 10000"), "{held}");
    assert_eq!(bench.operate.value(&operate, "title"), json!("CTO"), "Operate costs nothing of it");
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), json!("1"));
    let status = bench.engine.store().status(Utc::now()).await.unwrap();
    assert_eq!(status.held.as_deref(), Some(held.as_str()));
    assert_eq!(status.budget.map(|budget| (budget.used, budget.limit)), Some((9_800, 10_000)));

    bench.salesforce.set_usage(100, 10_000);
    assert_eq!(bench.cycle().await.held, None);
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), json!("2"));
    assert_eq!(bench.engine.store().show(&operate).await.unwrap().unwrap().state, "in_step");
}

#[tokio::test]
async fn a_chain_of_merges_is_followed_to_its_end_and_then_all_is_quiet() {
    let bench = propagating().await;
    let (operate, first) = bench.pair().await;
    let other = bench.operate.add(&[("email", "last@example.com")]);
    bench.cycle().await;
    let last = bench.salesforce.leads().into_iter().find(|lead| lead.id != first).unwrap().id;
    let middle = bench.salesforce.add_deleted(&[("email__c", "middle@example.com")]);
    let merge = |loser: &str, master: &str| {
        let master = master.to_owned();
        bench.salesforce.change(loser, |lead| (lead.deleted, lead.master_id) = (true, Some(master)));
    };
    merge(&first, &middle);
    merge(&middle, &last);
    bench.cycle().await;
    assert_eq!(bench.state(&operate).await.0, "parked", "the last master has a link of its own");
    for _ in 0..3 {
        let cycle = bench.cycle().await;
        assert_eq!((cycle.seen, cycle.pushed, cycle.parked), (0, 0, 0));
    }
    // A person deletes the double in Operate, and takes its link away: then the first one's link can go to the last master.
    bench.operate.purge(&other);
    bench.engine.sweep().await.unwrap();
    bench.cycle().await;
    assert_eq!(bench.operate.leads().len(), 1);
}
