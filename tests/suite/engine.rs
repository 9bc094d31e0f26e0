//! What the engine does with creates, edits, conflicts and lost answers.

use std::time::Duration;

use chrono::Utc;
use leadsync::config::sync::ConflictRule;
use leadsync::lead::{PerSide, Side};
use leadsync::store::Actor;
use leadsync::sync::Patience;
use serde_json::json;
use tempfile::TempDir;

use crate::bench::{Bench, fields};
use crate::cluster::address_in;
use crate::world::Fault;

#[tokio::test]
async fn leads_on_one_side_are_created_on_the_other_and_those_on_both_find_each_other() {
    let bench = Bench::new().await;
    bench.operate.add(&[("email", "both@example.com"), ("phone", "1")]);
    bench.salesforce.add(&[("email__c", "Both@Example.com"), ("title__c", "CEO")]);
    let left = bench.operate.add(&[("email", "left@example.com"), ("status", "Working")]);
    let right = bench.salesforce.add(&[("email__c", "right@example.com"), ("status__c", "Open")]);
    bench.cycle().await;
    assert_eq!((bench.operate.leads().len(), bench.salesforce.leads().len()), (3, 3));
    assert_eq!(bench.state(&left).await.0, "in_step");
    assert_eq!(bench.state(&right).await.0, "in_step");
    let made = bench.salesforce.leads().into_iter().find(|lead| lead.external_id.as_ref() == Some(&left)).unwrap();
    assert_eq!(made.fields["status__c"], "Contacted");
    let both = bench.operate.leads().into_iter().find(|lead| lead.fields["phone"] == "1").unwrap();
    assert_eq!(both.fields["title"], "CEO");
}

#[tokio::test]
async fn a_cycle_writes_nothing_when_all_is_in_step() {
    let bench = Bench::new().await;
    bench.pair().await;
    bench.salesforce.add(&[("email__c", "right@example.com")]);
    bench.cycle().await;
    bench.cycle().await;
    let writes = bench.operate.writes() + bench.salesforce.writes();
    for _ in 0..5 {
        let cycle = bench.cycle().await;
        assert_eq!((cycle.seen, cycle.pushed, cycle.requests), (0, 0, PerSide { operate: 1, salesforce: 1 }));
    }
    assert_eq!(bench.operate.writes() + bench.salesforce.writes(), writes);
}

#[tokio::test]
async fn an_edit_on_each_side_to_different_fields_merges() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.operate.edit(&operate, "phone", "2");
    bench.salesforce.edit(&salesforce, "title__c", "CTO");
    bench.cycle().await;
    assert_eq!((bench.operate.value(&operate, "phone"), bench.operate.value(&operate, "title")), (json!("2"), json!("CTO")));
    assert_eq!(
        (bench.salesforce.value(&salesforce, "phone__c"), bench.salesforce.value(&salesforce, "title__c")),
        (json!("2"), json!("CTO"))
    );
}

#[tokio::test]
async fn the_later_edit_of_one_field_wins_and_the_other_is_kept_as_a_conflict() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.operate.edit(&operate, "phone", "early");
    bench.salesforce.later();
    bench.salesforce.later();
    bench.salesforce.edit(&salesforce, "phone__c", "late");
    bench.operate.later();
    bench.operate.later();
    let cycle = bench.cycle().await;
    assert_eq!(cycle.conflicts, 1);
    assert_eq!(bench.operate.value(&operate, "phone"), "late");
    let history = bench.engine.store().show(&operate).await.unwrap().unwrap().history;
    assert!(history.iter().any(|event| event.event == "conflict" && event.after == json!(["early", "late"])), "{history:?}");
}

#[tokio::test]
async fn a_manual_conflict_waits_for_a_person_and_does_as_told() {
    let mut fields = fields();
    fields[1].conflict = Some(ConflictRule::Manual);
    let bench = Bench::with(fields).await;
    let (operate, salesforce) = bench.pair().await;
    bench.operate.edit(&operate, "phone", "mine");
    bench.salesforce.edit(&salesforce, "phone__c", "yours");
    bench.salesforce.edit(&salesforce, "title__c", "CTO");
    bench.cycle().await;
    assert_eq!(bench.state(&operate).await.0, "conflict");
    assert_eq!(bench.operate.value(&operate, "title"), "CTO", "the other fields go on");
    bench.cycle().await;
    let open = bench.engine.store().open_conflicts().await.unwrap();
    assert_eq!(open.len(), 1);
    assert!(bench.engine.store().resolve(open[0].conflict_id, Side::Operate, Actor::Command, Utc::now()).await.unwrap());
    bench.cycle().await;
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), "mine");
    assert_eq!(bench.state(&operate).await.0, "in_step");
}

#[tokio::test]
async fn a_create_whose_answer_is_lost_makes_no_second_lead() {
    for fault in [Fault::LostAfter, Fault::LostBefore] {
        let mut bench = Bench::new().await;
        bench.operate.add(&[("email", "left@example.com")]);
        bench.salesforce.add(&[("email__c", "right@example.com"), ("phone__c", "1")]);
        bench.operate.fault(fault);
        bench.salesforce.fault(fault);
        bench.engine.cycle(Patience::NextCycle, &|| false).await.unwrap();
        bench.restart().await;
        bench.cycle().await;
        bench.cycle().await;
        assert_eq!((bench.operate.leads().len(), bench.salesforce.leads().len()), (2, 2), "{fault:?}");
        assert!(!bench.engine.store().waits_for_a_person().await.unwrap());
    }
}

#[tokio::test]
async fn an_update_whose_answer_is_lost_arrives_once() {
    for fault in [Fault::LostAfter, Fault::LostBefore] {
        let bench = Bench::new().await;
        let (operate, salesforce) = bench.pair().await;
        bench.operate.edit(&operate, "phone", "2");
        bench.salesforce.fault(fault);
        bench.cycle().await;
        bench.cycle().await;
        assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), "2");
        assert_eq!(bench.state(&operate).await.0, "in_step");
    }
}

#[tokio::test]
async fn a_refused_lead_is_parked_with_the_systems_words_and_leaves_by_itself_when_mended() {
    let bench = Bench::new().await;
    let (other, _) = bench.pair().await;
    let bad = bench.operate.add(&[("email", "refuse me"), ("phone", "9")]);
    bench.operate.edit(&other, "phone", "2");
    let cycle = bench.cycle().await;
    assert_eq!(cycle.parked, 1);
    assert_eq!(bench.state(&bad).await, ("parked".to_owned(), "this value is refused".to_owned()));
    assert_eq!(bench.state(&other).await.0, "in_step", "one bad lead holds up nobody");
    assert_eq!(bench.cycle().await.pushed, 0);
    bench.operate.edit(&bad, "email", "good@example.com");
    bench.cycle().await;
    assert_eq!(bench.state(&bad).await.0, "in_step");
    assert_eq!(bench.salesforce.leads().len(), 2);
}

#[tokio::test]
async fn a_value_that_is_in_no_value_map_parks_its_lead_only() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.operate.edit(&operate, "status", "Odd");
    bench.cycle().await;
    let (state, reason) = bench.state(&operate).await;
    assert_eq!(state, "parked");
    assert!(reason.contains("Odd"), "{reason}");
    assert_eq!(bench.salesforce.value(&salesforce, "status__c"), "Open");
    bench.operate.edit(&operate, "status", "Working");
    bench.cycle().await;
    assert_eq!(bench.state(&operate).await.0, "in_step");
    assert_eq!(bench.salesforce.value(&salesforce, "status__c"), "Contacted");
}

#[tokio::test]
async fn several_candidates_wait_for_a_person_until_only_one_is_left() {
    let bench = Bench::new().await;
    let first = bench.operate.add(&[("email", "twin@example.com"), ("phone", "1")]);
    let second = bench.operate.add(&[("email", "twin@example.com"), ("phone", "2")]);
    let across = bench.salesforce.add(&[("email__c", "twin@example.com"), ("phone__c", "1")]);
    assert_eq!(bench.cycle().await.parked, 3);
    let reason = format!("the same email is on Salesforce {across}, and on 1 other Operate lead(s)");
    assert_eq!(bench.state(&first).await.1, reason);
    assert_eq!(bench.state(&across).await.1, format!("the same email is on Operate {first}, {second}"));
    for id in [&first, &second, &across] {
        assert_eq!(bench.state(id).await.0, "parked");
    }
    assert_eq!((bench.operate.leads().len(), bench.salesforce.leads().len()), (2, 1));
    bench.operate.edit(&second, "email", "other@example.com");
    bench.cycle().await;
    for id in [&first, &second, &across] {
        assert_eq!(bench.state(id).await.0, "in_step");
    }
    assert_eq!((bench.operate.leads().len(), bench.salesforce.leads().len()), (2, 2));
}

#[tokio::test]
async fn a_write_never_tramples_an_edit_that_came_in_between() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.operate.edit(&operate, "phone", "2");
    // The store believes to know Salesforce's lead, which moves after the poll: the world refuses, and the edit is merged.
    bench.operate.later();
    bench.salesforce.later();
    let rehearsed = bench.engine.rehearse().await.unwrap();
    assert_eq!(rehearsed.seen, 1);
    bench.salesforce.edit(&salesforce, "title__c", "CTO");
    bench.cycle().await;
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), "2");
    assert_eq!(bench.salesforce.value(&salesforce, "title__c"), "CTO");
    assert_eq!(bench.operate.value(&operate, "title"), "CTO");
}

#[tokio::test]
async fn a_delete_is_ignored_and_its_link_rests() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.salesforce.change(&salesforce, |lead| lead.deleted = true);
    bench.cycle().await;
    assert_eq!(bench.state(&operate).await.0, "deleted");
    bench.operate.edit(&operate, "phone", "2");
    assert_eq!(bench.cycle().await.pushed, 0);
    assert_eq!(bench.operate.leads().len(), 1);
    bench.salesforce.change(&salesforce, |lead| lead.deleted = false);
    bench.cycle().await;
    assert_eq!(bench.state(&operate).await.0, "in_step");
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), "2");
}

#[tokio::test]
async fn a_converted_lead_gives_its_last_values_and_rests() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.salesforce.change(&salesforce, |lead| {
        lead.converted = true;
        lead.fields.insert("title__c".to_owned(), json!("CFO"));
    });
    bench.cycle().await;
    assert_eq!(bench.operate.value(&operate, "title"), "CFO");
    assert_eq!(bench.state(&operate).await.0, "converted");
    bench.operate.edit(&operate, "phone", "2");
    assert_eq!(bench.cycle().await.pushed, 0);
}

#[tokio::test]
async fn a_lost_store_is_rebuilt_without_a_create_or_a_write() {
    let mut bench = Bench::new().await;
    bench.pair().await;
    bench.salesforce.add(&[("phone__c", "no e-mail")]);
    bench.cycle().await;
    bench.cycle().await;
    let writes = bench.operate.writes() + bench.salesforce.writes();
    bench.folder = TempDir::new().unwrap();
    bench.address = address_in(bench.folder.path());
    bench.restart().await;
    bench.cycle().await;
    assert_eq!((bench.operate.leads().len(), bench.salesforce.leads().len()), (2, 2));
    assert_eq!(bench.operate.writes() + bench.salesforce.writes(), writes);
}

#[tokio::test]
async fn a_field_that_rules_on_both_sides_fight_over_is_parked_before_long() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.operate.edit(&operate, "phone", "2");
    let before = bench.operate.writes() + bench.salesforce.writes();
    for _ in 0..12 {
        bench.cycle().await;
        // Salesforce's rule wants 1, Operate's wants 2.
        if bench.salesforce.value(&salesforce, "phone__c") == json!("2") {
            bench.salesforce.edit(&salesforce, "phone__c", "1");
        } else if bench.operate.value(&operate, "phone") == json!("1") {
            bench.operate.edit(&operate, "phone", "2");
        }
    }
    let writes = bench.operate.writes() + bench.salesforce.writes() - before;
    assert!(writes <= 5, "{writes} writes");
    let (state, reason) = bench.state(&operate).await;
    assert!(
        state == "parked" && reason.starts_with("flapping: ") && reason.contains("the same phone twice"),
        "{state}: {reason}"
    );

    // A person who writes a third value ends it.
    bench.operate.edit(&operate, "phone", "3");
    bench.cycle().await;
    assert_eq!(bench.state(&operate).await.0, "in_step");
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), json!("3"));
}

/// A bench whose cycles write for a millisecond, a pair that is in step, and a thousand new leads in Operate.
async fn first_load() -> (Bench, (String, String), Vec<String>) {
    let bench = Bench::ruled(|rules| rules.write_for = Duration::from_millis(1)).await;
    let pair = bench.pair().await;
    let new = (0..1_000).map(|place| bench.operate.add(&[("email", &format!("{place}@example.com"))])).collect();
    (bench, pair, new)
}

#[tokio::test]
async fn where_polls_are_spared_a_first_load_goes_on_until_the_next() {
    let (bench, ..) = first_load().await;
    bench.salesforce.set_usage(9_100, 10_000);
    let cycle = bench.engine.cycle(Patience::NextCycle, &|| false).await.unwrap();
    assert_eq!((cycle.pushed, cycle.unfinished), (1_000, false));
}

#[tokio::test]
async fn a_first_load_lets_other_edits_by() {
    let (bench, (operate, salesforce), new) = first_load().await;
    let step = async || {
        bench.operate.later();
        bench.salesforce.later();
        bench.engine.cycle(Patience::NextCycle, &|| false).await.unwrap()
    };
    assert!(step().await.unfinished, "not all of them in a millisecond");
    let other_half = |id: &String| bench.salesforce.leads().into_iter().find(|lead| lead.external_id.as_ref() == Some(id));
    let waiting = new.iter().find(|id| other_half(id).is_none()).unwrap();
    bench.operate.edit(waiting, "title", "Chair");
    bench.operate.edit(&operate, "title", "Chair");
    while bench.salesforce.value(&salesforce, "title__c") != json!("Chair") {
        assert!(step().await.unfinished);
    }
    assert!(bench.salesforce.leads().len() < 1_000, "changes go before new leads");
    bench.cycle().await;
    assert_eq!((bench.salesforce.leads().len(), bench.salesforce.writes()), (1_001, 1_002));
    assert_eq!(other_half(waiting).unwrap().fields["title__c"], json!("Chair"), "by its create");
}
