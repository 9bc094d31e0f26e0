//! Decisions about links: leads that change while their other half is not made yet, who was later, and what is kept of conflicts.

use chrono::{TimeDelta, Utc};
use leadsync::config::sync::{ConflictRule, CreateRule, DeleteRule};
use leadsync::store::History;
use serde_json::json;

use crate::bench::{Bench, fields};

async fn conflicts(bench: &Bench, id: &str) -> Vec<History> {
    let history = bench.engine.store().show(id).await.unwrap().unwrap().history;
    history.into_iter().filter(|event| event.event == "conflict").collect()
}

async fn pause(bench: &Bench) {
    bench.engine.store().pause(leadsync::store::Actor::Command, Utc::now()).await.unwrap();
}

async fn resume(bench: &Bench) {
    bench.engine.store().resume(false, leadsync::store::Actor::Command, Utc::now()).await.unwrap();
    bench.cycle().await;
}

#[tokio::test]
async fn a_lead_that_is_deleted_before_its_other_half_is_made_gets_none() {
    let bench = Bench::new().await;
    pause(&bench).await;
    let operate = bench.operate.add(&[("email", "ann@example.com")]);
    let salesforce = bench.salesforce.add(&[("email__c", "bob@example.com")]);
    bench.cycle().await;
    bench.operate.purge(&operate);
    bench.engine.sweep().await.unwrap();
    bench.salesforce.change(&salesforce, |lead| lead.deleted = true);
    bench.cycle().await;
    resume(&bench).await;
    assert_eq!(bench.operate.writes() + bench.salesforce.writes(), 0);
}

#[tokio::test]
async fn a_lead_that_is_converted_before_its_other_half_is_made_gets_one_from_operate_only() {
    let bench = Bench::new().await;
    pause(&bench).await;
    let operate = bench.operate.add(&[("email", "ann@example.com")]);
    let salesforce = bench.salesforce.add(&[("email__c", "bob@example.com")]);
    bench.cycle().await;
    bench.operate.change(&operate, |lead| lead.converted = true);
    bench.salesforce.change(&salesforce, |lead| lead.converted = true);
    bench.cycle().await;
    resume(&bench).await;
    assert_eq!((bench.operate.writes(), bench.salesforce.writes()), (0, 1));
}

#[tokio::test]
async fn leads_that_are_both_deleted_need_nothing() {
    let bench = Bench::ruled(|rules| rules.delete = DeleteRule::Propagate).await;
    let (operate, salesforce) = bench.pair().await;
    bench.operate.change(&operate, |lead| lead.deleted = true);
    bench.salesforce.change(&salesforce, |lead| lead.deleted = true);
    bench.cycle().await;
    let history = bench.engine.store().show(&operate).await.unwrap().unwrap().history;
    let kinds: Vec<&str> = history.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["create"]);
}

#[tokio::test]
async fn a_value_that_cannot_be_read_holds_back_its_own_side_only() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.operate.edit(&operate, "status", "Odd");
    bench.operate.edit(&operate, "phone", "2");
    bench.salesforce.edit(&salesforce, "title__c", "CTO");
    bench.cycle().await;
    assert_eq!(bench.operate.value(&operate, "title"), json!("CTO"));
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), json!("1"), "half an edit is not given");
}

#[tokio::test]
async fn each_field_that_a_converted_lead_cannot_be_given_is_kept_once() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.operate.later();
    bench.operate.later();
    bench.salesforce.change(&salesforce, |lead| {
        lead.converted = true;
        lead.fields.insert("title__c".to_owned(), json!("CFO"));
    });
    for (field, value) in [("phone", "2"), ("title", "CTO"), ("status", "Working")] {
        bench.operate.edit(&operate, field, value);
    }
    bench.cycle().await;
    let mut kept: Vec<String> = conflicts(&bench, &operate).await.into_iter().map(|event| event.kind).collect();
    kept.sort();
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert!(kept[0].contains("phone") && kept[0].contains("converted") && kept[1].contains("status"), "{kept:?}");
    assert!(kept[2].contains("title") && kept[2].contains("newest"), "this one was a conflict before: {kept:?}");
}

#[tokio::test]
async fn an_open_conflict_is_kept_once_and_follows_the_values() {
    let mut fields = fields();
    for field in &mut fields[1..3] {
        field.conflict = Some(ConflictRule::Manual);
    }
    let bench = Bench::with(fields).await;
    let (operate, salesforce) = bench.pair().await;
    for (field, mine, yours) in [("phone", "2", "3"), ("title", "CTO", "CFO")] {
        bench.operate.edit(&operate, field, mine);
        bench.salesforce.edit(&salesforce, &format!("{field}__c"), yours);
    }
    bench.cycle().await;
    let first = conflicts(&bench, &operate).await;
    let before: Vec<_> = first.iter().map(|event| (&event.before, &event.after)).collect();
    let (phone, title) = (json!(["2", "3"]), json!(["CTO", "CFO"]));
    assert_eq!(before, [(&json!(["1"]), &phone), (&json!(["CEO"]), &title)]);
    bench.operate.edit(&operate, "status", "Working");
    bench.cycle().await;
    assert_eq!(conflicts(&bench, &operate).await.len(), 2, "an edit of another field opens it no second time");
    bench.operate.edit(&operate, "phone", "4");
    bench.cycle().await;
    let open = bench.engine.store().open_conflicts().await.unwrap();
    let values: Vec<_> = open.iter().map(|conflict| serde_json::to_value(conflict).unwrap().to_string()).collect();
    assert_eq!(open.len(), 2);
    assert!(values.iter().any(|text| text.contains("\"4\"") || text.contains("\\\"4\\\"")), "{values:?}");
}

/// Both sides edit the phone number, one of them so many minutes after the other; the conflict's base, values and rule.
async fn both_edit(bench: &Bench, operate_first: bool) -> (History, String) {
    let (operate, salesforce) = bench.pair().await;
    // Operate's clock is an hour ahead.
    for _ in 0..60 {
        bench.operate.later();
    }
    let edit = |in_operate: bool| {
        if in_operate {
            bench.operate.edit(&operate, "phone", "ours");
        } else {
            bench.salesforce.edit(&salesforce, "phone__c", "theirs");
        }
    };
    edit(operate_first);
    for _ in 0..2 {
        bench.operate.later();
        bench.salesforce.later();
    }
    edit(!operate_first);
    bench.cycle().await;
    let won = bench.operate.value(&operate, "phone").as_str().unwrap().to_owned();
    (conflicts(bench, &operate).await.remove(0), won)
}

#[tokio::test]
async fn who_was_later_is_told_by_clocks_that_are_corrected_and_as_exact_as_they_are() {
    for (operate_first, winner) in [(true, "theirs"), (false, "ours")] {
        let (conflict, won) = both_edit(&Bench::new().await, operate_first).await;
        assert_eq!((won.as_str(), conflict.before), (winner, json!(["1"])));
        assert!(conflict.kind.contains("newest") && !conflict.kind.contains("tie"), "{}", conflict.kind);
    }
    // An error of five minutes on either side makes two minutes a tie.
    for (ours, theirs) in [(5, 0), (0, 5)] {
        let bench = Bench::new().await;
        bench.operate.set_clock_error(TimeDelta::minutes(ours));
        bench.salesforce.set_clock_error(TimeDelta::minutes(theirs));
        let (conflict, won) = both_edit(&bench, false).await;
        assert!(won == "theirs" && conflict.kind.contains("tie"), "{won} {}", conflict.kind);
    }
}

#[tokio::test]
async fn a_conflict_keeps_both_values_that_stood_where_they_were_not_the_same() {
    let mut fields = fields();
    fields[1].empty = leadsync::config::field::EmptyRule::Keep;
    let bench = Bench::with(fields).await;
    let (operate, salesforce) = bench.pair().await;
    bench.operate.edit(&operate, "phone", "");
    bench.cycle().await;
    bench.operate.edit(&operate, "phone", "ours");
    bench.salesforce.edit(&salesforce, "phone__c", "theirs");
    bench.cycle().await;
    assert_eq!(conflicts(&bench, &operate).await[0].before, json!([[null, "1"]]));
}

#[tokio::test]
async fn a_lead_that_was_parked_among_several_and_is_deleted_is_not_made_anew() {
    let bench = Bench::new().await;
    bench.operate.add(&[("email", "twin@example.com")]);
    let twins = [0, 1].map(|_| bench.salesforce.add(&[("email__c", "twin@example.com")]));
    bench.cycle().await;
    bench.salesforce.change(&twins[1], |lead| lead.deleted = true);
    bench.cycle().await;
    bench.cycle().await;
    assert_eq!(bench.operate.leads().len(), 1);
    assert_eq!(bench.state(&twins[0]).await.0, "in_step");
}

#[tokio::test]
async fn a_master_that_no_poll_brought_is_read_once() {
    for there in [true, false] {
        let bench = Bench::new().await;
        let (operate, loser) = bench.pair().await;
        let master = bench.salesforce.add(&[("email__c", "ann@example.com"), ("phone__c", "9")]);
        bench.salesforce.outdate(&master);
        if !there {
            bench.salesforce.hide(&master);
        }
        let name = master.clone();
        bench.salesforce.change(&loser, |lead| (lead.deleted, lead.master_id) = (true, Some(name)));
        let asked = bench.engine.cycle(leadsync::sync::Patience::NextCycle, &|| false).await.unwrap().requests.salesforce;
        if there {
            let report = bench.engine.store().show(&operate).await.unwrap().unwrap();
            assert_eq!(report.leads.salesforce.unwrap().lead_id, master);
        } else {
            assert_eq!((asked, bench.state(&operate).await.0.as_str()), (2, "parked"), "a poll, and a question about the master");
        }
    }
}

#[tokio::test]
async fn leads_that_stay_alone_are_not_looked_at_again_until_they_change() {
    let bench = Bench::ruled(|rules| rules.create = CreateRule::ToSalesforce).await;
    let alone = bench.salesforce.add(&[("email__c", "ann@example.com")]);
    bench.cycle().await;
    assert!(!bench.engine.store().has_new_leads().await.unwrap());
    bench.salesforce.edit(&alone, "email__c", "bob@example.com");
    bench.operate.later();
    bench.operate.add(&[("email", "bob@example.com")]);
    bench.cycle().await;
    assert_eq!(bench.state(&alone).await.0, "in_step");
}

#[tokio::test]
async fn a_lead_that_has_a_link_is_no_candidate_for_another() {
    let bench = Bench::new().await;
    bench.pair().await;
    let second = bench.salesforce.add(&[("email__c", "ann@example.com"), ("phone__c", "2")]);
    let cycle = bench.cycle().await;
    assert_eq!((cycle.parked, bench.state(&second).await.0, bench.operate.leads().len()), (0, "in_step".to_owned(), 2));
}

#[tokio::test]
async fn what_changes_of_a_lead_beside_its_values_makes_no_edit_of_it_later() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    pause(&bench).await;
    bench.operate.edit(&operate, "phone", "ours");
    bench.cycle().await;
    bench.cycle().await;
    bench.salesforce.edit(&salesforce, "phone__c", "theirs");
    for _ in 0..3 {
        bench.operate.later();
        bench.salesforce.later();
    }
    bench.operate.change(&operate, |lead| lead.converted = true);
    bench.cycle().await;
    resume(&bench).await;
    assert_eq!(bench.operate.value(&operate, "phone"), json!("theirs"), "the last one who edited it");
}

#[tokio::test]
async fn a_write_that_was_refused_is_not_tried_again_because_of_another_edit() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.operate.edit(&operate, "phone", "refuse me");
    bench.cycle().await;
    bench.salesforce.edit(&salesforce, "title__c", "CTO");
    bench.cycle().await;
    assert_eq!(bench.operate.value(&operate, "title"), json!("CTO"));
    let history = bench.engine.store().show(&operate).await.unwrap().unwrap().history;
    let states: Vec<&str> = history.iter().filter(|event| event.kind == "update").map(|event| event.state.as_str()).collect();
    assert_eq!(states, ["parked", "done"]);
}
