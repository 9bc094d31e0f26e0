//! What a cycle counts, and brakes that count what it has done already.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use leadsync::config::sync::DeleteRule;
use leadsync::lead::{PerSide, Side};
use leadsync::side::{Outcome, Refusal, SideError};
use leadsync::store::Cycle;
use leadsync::sync::Patience;
use serde_json::json;

use crate::bench::Bench;

const WAIT: Patience = Patience::Wait(Duration::from_secs(10));

fn later() -> Outcome {
    Outcome::Retry(Refusal::new("BUSY", "later"))
}

/// A bench with so many pairs in step, and the ids of Operate's leads.
async fn pairs(count: usize, change: impl FnOnce(&mut leadsync::sync::Rules)) -> (Bench, Vec<String>) {
    let bench = Bench::ruled(change).await;
    let ids =
        (0..count).map(|number| bench.operate.add(&[("email", &format!("lead{number}@example.com")), ("phone", "1")])).collect();
    bench.cycle().await;
    bench.cycle().await;
    (bench, ids)
}

#[tokio::test]
async fn a_cycle_counts_what_it_saw_wrote_changed_deleted_and_parked() {
    let (bench, ids) = pairs(4, |rules| rules.delete = DeleteRule::Propagate).await;
    let before = Utc::now();
    bench.operate.edit(&ids[0], "phone", "2");
    bench.operate.edit(&ids[1], "status", "Odd");
    bench.operate.add(&[("email", "new@example.com")]);
    bench.operate.add(&[("email", "bad@example.com"), ("status", "Odd")]);
    let gone = bench.salesforce.leads()[2].id.clone();
    bench.salesforce.change(&gone, |lead| lead.deleted = true);
    let cycle = bench.cycle().await;
    assert_eq!((cycle.seen, cycle.pushed, cycle.changed, cycle.deleted), (5, 3, 2, 1));
    assert_eq!((cycle.parked, cycle.conflicts, cycle.held.as_deref()), (2, 0, None));
    assert!(cycle.started_at >= before && cycle.started_at <= Utc::now());
    let planned = bench.engine.rehearse().await.unwrap();
    assert!(planned.started_at >= before);
}

#[tokio::test]
async fn an_edit_costs_a_poll_of_each_side_and_a_write() {
    let (bench, ids) = pairs(1, |_| ()).await;
    bench.operate.edit(&ids[0], "phone", "2");
    assert_eq!(bench.cycle().await.requests, PerSide { operate: 1, salesforce: 2 });
    // The same edit on both sides needs no write.
    bench.operate.edit(&ids[0], "phone", "3");
    bench.salesforce.edit(&bench.salesforce.leads()[0].id, "phone__c", "3");
    assert_eq!(bench.cycle().await.requests, PerSide { operate: 1, salesforce: 1 });
}

#[tokio::test]
async fn a_write_that_fills_a_field_is_no_news_when_a_poll_brings_it() {
    let bench = Bench::new().await;
    let id = bench.operate.add(&[("email", "ann@example.com"), ("title", "CEO")]);
    bench.cycle().await;
    bench.cycle().await;
    bench.operate.edit(&id, "phone", "1");
    assert_eq!(bench.cycle().await.pushed, 1);
    assert_eq!(bench.cycle().await.seen, 0);
}

#[tokio::test]
async fn what_is_decided_now_is_sent_now_and_what_has_to_wait_is_not_sent_along() {
    let (bench, ids) = pairs(2, |_| ()).await;
    bench.freeze_our_clock();
    bench.operate.edit(&ids[0], "phone", "2");
    bench.salesforce.answer(later());
    assert_eq!(bench.engine.cycle(Patience::NextCycle, &|| false).await.unwrap().pushed, 0);
    bench.operate.later();
    bench.salesforce.later();
    bench.operate.edit(&ids[1], "phone", "3");
    assert_eq!(bench.engine.cycle(Patience::NextCycle, &|| false).await.unwrap().pushed, 1);
    let phones: Vec<_> = bench.salesforce.leads().into_iter().map(|lead| lead.fields["phone__c"].clone()).collect();
    assert_eq!(phones, ["1", "3"]);
}

#[tokio::test]
async fn a_lead_that_is_edited_while_a_write_is_on_its_way_is_not_trampled_and_not_deleted() {
    let (bench, ids) = pairs(2, |rules| rules.delete = DeleteRule::Propagate).await;
    let theirs: Vec<String> = bench.salesforce.leads().iter().map(|lead| lead.id.clone()).collect();
    bench.salesforce.edit(&theirs[0], "phone__c", "theirs");
    bench.salesforce.change(&theirs[1], |lead| lead.deleted = true);
    let edit = || {
        bench.operate.edit(&ids[0], "phone", "ours");
        bench.operate.edit(&ids[1], "title", "Keeper");
    };
    cycle_with(&bench, 0, edit).await;
    bench.cycle().await;
    let history = bench.engine.store().show(&ids[0]).await.unwrap().unwrap().history;
    assert!(history.iter().any(|event| event.event == "conflict" && event.after == json!(["ours", "theirs"])), "{history:?}");
    assert!(bench.operate.leads().iter().any(|lead| lead.id == ids[1]), "somebody works on it");
}

#[tokio::test]
async fn a_first_pairing_is_no_change() {
    let bench = Bench::new().await;
    bench.operate.add(&[("email", "ann@example.com"), ("phone", "1")]);
    bench.salesforce.add(&[("email__c", "ann@example.com"), ("title__c", "CEO")]);
    let cycle = bench.cycle().await;
    assert_eq!((cycle.pushed, cycle.changed, cycle.deleted), (2, 0, 0));
}

/// Runs a cycle in which something happens once this many writes of Salesforce are done.
async fn cycle_with(bench: &Bench, writes: u64, act: impl Fn() + Sync) -> Cycle {
    bench.operate.later();
    bench.salesforce.later();
    let (expected, acted) = (bench.salesforce.writes() + bench.operate.writes() + writes, AtomicBool::new(false));
    let stop = || {
        if bench.salesforce.writes() + bench.operate.writes() >= expected && !acted.swap(true, Ordering::SeqCst) {
            act();
        }
        false
    };
    bench.engine.cycle(WAIT, &stop).await.unwrap()
}

#[tokio::test]
async fn changes_of_the_same_cycle_count_for_the_brake() {
    let (bench, ids) = pairs(40, |rules| rules.max_change = Some(0.2)).await;
    for id in &ids[..20] {
        bench.operate.edit(id, "phone", "2");
    }
    bench.salesforce.answer(later());
    // While one write waits, more are edited.
    let cycle = cycle_with(&bench, 19, || ids[20..30].iter().for_each(|id| bench.operate.edit(id, "phone", "3"))).await;
    let held = cycle.held.unwrap();
    assert!(held.starts_with("brake: 30 of 40 links would change, and max_change allows 25 in a cycle"), "{held}");
    assert_eq!((cycle.pushed, cycle.changed), (19, 19));
}

#[tokio::test]
async fn deletes_of_the_same_cycle_count_for_the_brake() {
    let rule = |rules: &mut leadsync::sync::Rules| (rules.delete, rules.max_delete) = (DeleteRule::Propagate, 3);
    let (bench, _) = pairs(10, rule).await;
    let theirs: Vec<String> = bench.salesforce.leads().iter().map(|lead| lead.id.clone()).collect();
    let delete = |id: &String| bench.salesforce.change(id, |lead| lead.deleted = true);
    theirs[..3].iter().for_each(delete);
    bench.operate.answer(later());
    let cycle = cycle_with(&bench, 2, || delete(&theirs[3])).await;
    let held = cycle.held.unwrap();
    assert!(held.starts_with("brake: 4 leads would be deleted, and max_delete allows 3 in a cycle"), "{held}");
    assert_eq!((cycle.deleted, bench.operate.leads().len()), (2, 8));
}

#[tokio::test]
async fn a_few_writes_that_come_late_in_a_cycle_are_within_the_brakes() {
    let rule = |rules: &mut leadsync::sync::Rules| {
        (rules.delete, rules.max_change) = (DeleteRule::Propagate, Some(0.2));
    };
    let (bench, ids) = pairs(10, rule).await;
    let theirs: Vec<String> = bench.salesforce.leads().iter().map(|lead| lead.id.clone()).collect();
    for id in &theirs[..3] {
        bench.salesforce.change(id, |lead| lead.deleted = true);
    }
    bench.operate.answer(later());
    let cycle = bench.cycle().await;
    assert_eq!((cycle.held, cycle.deleted), (None, 3));
    for id in &ids[5..8] {
        bench.operate.edit(id, "phone", "2");
    }
    bench.salesforce.answer(later());
    let cycle = bench.cycle().await;
    assert_eq!((cycle.held, cycle.changed), (None, 3));
}

#[tokio::test]
async fn what_a_person_accepted_is_not_held_again_when_it_has_to_wait() {
    let (bench, ids) = pairs(40, |rules| rules.max_change = Some(0.2)).await;
    for id in &ids[..30] {
        bench.operate.edit(id, "phone", "2");
    }
    assert!(bench.cycle().await.held.is_some());
    bench.engine.store().resume(true, leadsync::store::Actor::Command, Utc::now()).await.unwrap();
    bench.salesforce.answer(later());
    let cycle = bench.cycle().await;
    assert_eq!((cycle.held, cycle.pushed), (None, 30));
}

#[tokio::test]
async fn deletes_that_a_person_accepted_are_no_reason_to_hold_what_comes_after() {
    let rule = |rules: &mut leadsync::sync::Rules| (rules.delete, rules.max_delete) = (DeleteRule::Propagate, 2);
    let (bench, _) = pairs(6, rule).await;
    for lead in &bench.salesforce.leads()[..4] {
        bench.salesforce.change(&lead.id, |lead| lead.deleted = true);
    }
    assert!(bench.cycle().await.held.is_some());
    bench.engine.store().resume(true, leadsync::store::Actor::Command, Utc::now()).await.unwrap();
    bench.operate.answer(later());
    let cycle = bench.cycle().await;
    assert_eq!((cycle.held, cycle.deleted), (None, 4));
}

#[tokio::test]
async fn a_lead_that_was_modified_this_second_is_written_once_the_second_is_over() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.operate.edit(&operate, "phone", "2");
    bench.salesforce.change(&salesforce, |_| ());
    let mut lead = bench.salesforce.hide(&salesforce);
    lead.modified_at += TimeDelta::seconds(63);
    lead.fields.insert("title__c".to_owned(), json!("CTO"));
    bench.salesforce.show(lead);
    bench.engine.cycle(Patience::NextCycle, &|| false).await.unwrap();
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), json!("1"), "another edit of this second would not show");
    bench.cycle().await;
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), json!("2"), "the cycle waits for it");
    assert_eq!(bench.operate.value(&operate, "title"), json!("CTO"));
}

#[tokio::test]
async fn a_query_that_is_refused_while_all_fields_are_there_is_told_as_it_is() {
    let bench = Bench::new().await;
    bench.pair().await;
    bench.salesforce.fail_poll(SideError::Refused { side: Side::Salesforce, reason: "MALFORMED_QUERY".to_owned() });
    let error = bench.engine.cycle(Patience::NextCycle, &|| false).await.unwrap_err();
    assert_eq!(error.to_string(), "Salesforce refuses the request: MALFORMED_QUERY");
}

#[tokio::test]
async fn a_side_that_has_been_quiet_for_long_is_not_read_again_from_before_its_checkpoint() {
    let (bench, ids) = pairs(3, |rules| rules.overlap = TimeDelta::minutes(5)).await;
    let (full, none) = (TimeDelta::minutes(5), TimeDelta::zero());
    let last = || (*bench.operate.overlaps().last().unwrap(), *bench.salesforce.overlaps().last().unwrap());
    let mut cycles = 0;
    while last() != (none, none) {
        bench.cycle().await;
        cycles += 1;
        assert!(cycles < 60, "the overlap is never over");
    }
    assert!(cycles > 5, "{cycles}: changes may come late for five minutes");
    // What comes in the checkpoint's own second is still seen; and after a change, late ones may come again.
    bench.operate.edit(&ids[0], "phone", "2");
    bench.cycle().await;
    assert_eq!(bench.salesforce.leads().iter().filter(|lead| lead.fields["phone__c"] == json!("2")).count(), 1);
    bench.cycle().await;
    assert_eq!(last().0, full);
    bench.cycle().await;
    assert_eq!(last(), (full, full), "the write to Salesforce is a change there");
}
