//! What a sweep finds, what it counts, and what it takes for evidence.

use chrono::{TimeDelta, Utc};
use leadsync::config::sync::DeleteRule;
use leadsync::lead::Side;
use leadsync::sync::Found;
use serde_json::json;

use crate::bench::Bench;
use crate::world::World;

fn numbers(found: Found) -> (u64, u64) {
    (found.missed, found.gone)
}

/// So many leads that no poll saw: they became visible long after they were made.
fn late(world: &World, count: usize, field: &str) {
    for number in 0..count {
        let id = world.add(&[(field, &format!("late{number}@example.com"))]);
        world.outdate(&id);
    }
}

#[tokio::test]
async fn a_change_that_no_poll_saw_is_read_and_counted() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.cycle().await;
    let mut lead = bench.salesforce.hide(&salesforce);
    for _ in 0..30 {
        bench.salesforce.later();
    }
    bench.salesforce.add(&[("email__c", "bob@example.com")]);
    bench.cycle().await;
    // It was changed a second after the last change that was seen, and shows only now.
    lead.modified_at += TimeDelta::seconds(1);
    lead.fields.insert("title__c".to_owned(), json!("CTO"));
    bench.salesforce.show(lead);
    assert_eq!(bench.cycle().await.seen, 0, "a poll cannot see it");
    let found = bench.engine.sweep().await.unwrap();
    assert_eq!((numbers(found.operate), numbers(found.salesforce)), ((0, 0), (1, 0)));
    bench.cycle().await;
    assert_eq!(bench.operate.value(&operate, "title"), json!("CTO"));
    let found = bench.engine.sweep().await.unwrap();
    assert_eq!((numbers(found.operate), numbers(found.salesforce)), ((0, 0), (0, 0)));
}

#[tokio::test]
async fn many_missed_changes_are_read_by_a_poll_of_everything_and_a_few_one_by_one() {
    // Two are read at once, so that 42 of them are worth 21 requests.
    for (count, requests) in [(41, 23), (42, 2), (43, 2)] {
        let bench = Bench::new().await;
        bench.salesforce.set_reads_at_once(2);
        bench.salesforce.add(&[("email__c", "ann@example.com")]);
        bench.cycle().await;
        late(&bench.salesforce, count, "email__c");
        assert_eq!(bench.cycle().await.seen, 0);
        let before = bench.salesforce.requests();
        let found = bench.engine.sweep().await.unwrap();
        assert_eq!(numbers(found.salesforce), (count as u64, 0));
        assert_eq!(bench.salesforce.requests() - before, requests, "{count}: a poll, the list, and what was missed");
        bench.cycle().await;
        assert_eq!(bench.operate.leads().len(), count + 1);
    }
}

#[tokio::test]
async fn a_lead_that_the_list_leaves_out_is_gone_only_if_it_cannot_be_read() {
    let bench = Bench::ruled(|rules| rules.delete = DeleteRule::Propagate).await;
    let there = bench.operate.add(&[("email", "there@example.com")]);
    let binned = bench.operate.add(&[("email", "binned@example.com")]);
    let gone = bench.operate.add(&[("email", "gone@example.com")]);
    bench.cycle().await;
    bench.operate.leave_out_of_the_list(&there);
    let mut lead = bench.operate.hide(&binned);
    lead.deleted = true;
    lead.modified_at -= TimeDelta::hours(3);
    bench.operate.show(lead);
    bench.operate.hide(&gone);
    // In Salesforce, a list that leaves a lead out says nothing.
    let theirs = bench.salesforce.leads()[0].id.clone();
    bench.salesforce.hide(&theirs);
    let found = bench.engine.sweep().await.unwrap();
    assert_eq!((numbers(found.operate), numbers(found.salesforce)), ((0, 2), (0, 0)));
    let deleted_at = async |id: &str| bench.engine.store().show(id).await.unwrap().unwrap().leads.operate.unwrap().deleted_at;
    assert!(deleted_at(&there).await.is_none());
    assert!(deleted_at(&binned).await.is_some() && deleted_at(&gone).await.is_some());
}

#[tokio::test]
async fn a_lead_that_salesforces_log_calls_deleted_is_gone_and_counted_once() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.cycle().await;
    bench.salesforce.purge(&salesforce);
    let found = bench.engine.sweep().await.unwrap();
    assert_eq!(numbers(found.salesforce), (0, 1));
    assert_eq!(numbers(bench.engine.sweep().await.unwrap().salesforce), (0, 0));
    bench.cycle().await;
    assert_eq!(bench.state(&operate).await.0, "deleted");
}

#[tokio::test]
async fn the_time_of_the_last_sweep_of_both_sides_is_known() {
    let bench = Bench::new().await;
    bench.pair().await;
    assert_eq!(bench.engine.swept_at().await.unwrap(), None);
    let before = Utc::now() - TimeDelta::seconds(1);
    bench.engine.sweep().await.unwrap();
    let swept = bench.engine.swept_at().await.unwrap().unwrap();
    assert!(swept >= before && swept <= Utc::now(), "{swept}");
    let store = bench.engine.store();
    assert!(store.checkpoint(Side::Operate).await.unwrap().swept_at.unwrap() == swept, "the earlier of both");
}
