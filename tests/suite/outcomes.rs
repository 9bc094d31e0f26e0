//! What each answer to a write leads to.

use chrono::{TimeDelta, Utc};
use leadsync::config::salesforce::DuplicateRule;
use leadsync::lead::Side;
use leadsync::side::{Outcome, Record, Refusal, SideError};
use leadsync::store::LinkReport;
use leadsync::sync::Patience;
use serde_json::json;

use crate::bench::Bench;

fn words() -> Refusal {
    Refusal::new("SAID", "in these words")
}

fn duplicate(ids: &[&str], certain: bool) -> Outcome {
    Outcome::Duplicate { ids: ids.iter().map(|id| (*id).to_owned()).collect(), certain, refusal: words() }
}

async fn once(bench: &Bench) {
    bench.engine.cycle(Patience::NextCycle, &|| false).await.unwrap();
}

async fn report(bench: &Bench, id: &str) -> LinkReport {
    bench.engine.store().show(id).await.unwrap().unwrap()
}

/// A new Operate lead, and one in Salesforce that nothing links with it; Salesforce answers the create like this.
async fn created(
    rule: DuplicateRule,
    change: impl FnOnce(&mut Record),
    answer: impl Fn(&str) -> Outcome,
) -> (Bench, String, String) {
    let bench = Bench::ruled(|rules| rules.duplicates = rule).await;
    let twin = bench.salesforce.add_deleted(&[("email__c", "a.n.other@example.com"), ("title__c", "CEO")]);
    bench.cycle().await;
    bench.salesforce.change(&twin, |lead| lead.deleted = false);
    bench.salesforce.change(&twin, change);
    // No poll sees it: the answer alone names it.
    bench.salesforce.outdate(&twin);
    let operate = bench.operate.add(&[("email", "ann@example.com"), ("phone", "1")]);
    bench.salesforce.answer(answer(&twin));
    (bench, operate, twin)
}

#[tokio::test]
async fn a_create_that_salesforce_holds_for_a_duplicate_is_linked_where_that_is_certain_or_wanted() {
    for (rule, certain) in [(DuplicateRule::Park, true), (DuplicateRule::Link, false)] {
        let (bench, operate, twin) = created(rule, |_| (), |twin| duplicate(&[twin], certain)).await;
        bench.cycle().await;
        bench.cycle().await;
        assert_eq!(report(&bench, &operate).await.leads.salesforce.unwrap().lead_id, twin);
        assert_eq!((bench.state(&operate).await.0.as_str(), bench.salesforce.leads().len()), ("in_step", 1));
        assert_eq!(bench.operate.value(&operate, "title"), json!("CEO"));
        assert_eq!(bench.salesforce.value(&twin, "phone__c"), json!("1"));
    }
}

#[tokio::test]
async fn a_create_that_may_be_a_duplicate_waits_with_the_ids_where_there_is_any_doubt() {
    let parked = async |bench: Bench, operate: String, expected: &str| {
        once(&bench).await;
        assert_eq!(bench.state(&operate).await, ("parked".to_owned(), expected.to_owned()));
        let parked = bench.engine.store().parked().await.unwrap();
        assert_eq!(parked[0].code.as_deref(), Some("SAID"));
    };
    let (bench, operate, twin) = created(DuplicateRule::Park, |_| (), |twin| duplicate(&[twin], false)).await;
    parked(bench, operate, &format!("in these words [{twin}]")).await;
    let (bench, operate, twin) = created(DuplicateRule::Link, |_| (), |twin| duplicate(&[twin, "b"], true)).await;
    parked(bench, operate, &format!("in these words [{twin}, b]")).await;
    let (bench, operate, _) = created(DuplicateRule::Link, |_| (), |_| duplicate(&[], true)).await;
    parked(bench, operate, "in these words").await;
    let (bench, operate, twin) = created(DuplicateRule::Link, |lead| lead.deleted = true, |twin| duplicate(&[twin], true)).await;
    parked(bench, operate, &format!("in these words [{twin}]")).await;
    let (bench, operate, twin) =
        created(DuplicateRule::Link, |lead| lead.converted = true, |twin| duplicate(&[twin], true)).await;
    parked(bench, operate, &format!("in these words [{twin}]")).await;
    let (bench, operate, twin) = created(DuplicateRule::Link, |_| (), |twin| duplicate(&[twin], true)).await;
    bench.salesforce.set_reads_fail(true);
    parked(bench, operate, &format!("in these words [{twin}]")).await;
}

#[tokio::test]
async fn a_duplicate_that_has_another_link_or_is_of_an_update_waits() {
    let bench = Bench::ruled(|rules| rules.duplicates = DuplicateRule::Link).await;
    let (operate, salesforce) = bench.pair().await;
    let other = bench.operate.add(&[("email", "bob@example.com")]);
    bench.salesforce.answer(duplicate(&[&salesforce], true));
    bench.cycle().await;
    assert_eq!(bench.state(&other).await, ("parked".to_owned(), format!("in these words [{salesforce}]")));
    bench.operate.edit(&operate, "phone", "2");
    bench.salesforce.answer(duplicate(&["x"], true));
    bench.cycle().await;
    assert_eq!(bench.state(&operate).await, ("parked".to_owned(), "in these words [x]".to_owned()));
}

/// A pair of which Operate's phone number was edited; Salesforce answers the update like this, once.
async fn updated(answer: Outcome) -> (Bench, String, String) {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.operate.edit(&operate, "phone", "2");
    bench.salesforce.answer(answer);
    (bench, operate, salesforce)
}

#[tokio::test]
async fn a_write_that_may_work_later_is_sent_again_after_a_while() {
    let (bench, operate, salesforce) = updated(Outcome::Retry(words())).await;
    once(&bench).await;
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), json!("1"));
    assert_eq!(report(&bench, &operate).await.state, "pending");
    let status = bench.engine.store().status(Utc::now()).await.unwrap();
    assert_eq!((status.pushes["due"], status.waiting.len()), (1, 1));
    bench.cycle().await;
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), json!("2"));
}

#[tokio::test]
async fn a_target_that_is_gone_or_converted_is_known_to_be_from_then_on() {
    for (answer, state) in [(Outcome::Gone, "deleted"), (Outcome::Converted, "converted")] {
        let (bench, operate, _) = updated(answer).await;
        once(&bench).await;
        assert_eq!(report(&bench, &operate).await.state, state);
        assert_eq!(bench.engine.store().status(Utc::now()).await.unwrap().pushes.get("due"), None);
    }
}

#[tokio::test]
async fn a_target_that_moved_is_read_again_and_decided_anew() {
    for fails in [false, true] {
        let (bench, operate, salesforce) = updated(Outcome::Moved(None)).await;
        bench.salesforce.set_reads_fail(fails);
        bench.cycle().await;
        assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), json!("2"), "a read that fails is no harm: a poll follows");
        assert_eq!(bench.state(&operate).await.0, "in_step");
        assert!(bench.engine.store().show("").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_target_that_cannot_be_found_is_asked_about_before_anything_is_made_of_it() {
    // It is there after all.
    let (bench, operate, salesforce) = updated(Outcome::Absent(words())).await;
    bench.cycle().await;
    assert_eq!(
        (bench.salesforce.value(&salesforce, "phone__c"), bench.state(&operate).await.0),
        (json!("2"), "in_step".to_owned())
    );
    // Nobody can say: later.
    let (bench, operate, salesforce) = updated(Outcome::Absent(words())).await;
    bench.salesforce.set_reads_fail(true);
    once(&bench).await;
    let status = bench.engine.store().status(Utc::now()).await.unwrap();
    assert_eq!((status.pushes["due"], report(&bench, &operate).await.state.as_str()), (1, "pending"));
    bench.salesforce.set_reads_fail(false);
    bench.cycle().await;
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), json!("2"));
    // In Salesforce, absence is no evidence: a person has to look.
    let (bench, operate, salesforce) = updated(Outcome::Absent(words())).await;
    bench.salesforce.hide(&salesforce);
    bench.cycle().await;
    let expected = format!(
        "in these words (Salesforce lead {salesforce} was deleted for good, or its sharing rules hide it from this user)"
    );
    assert_eq!(bench.state(&operate).await, ("parked".to_owned(), expected));
}

#[tokio::test]
async fn an_operate_lead_that_cannot_be_found_is_deleted() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.salesforce.edit(&salesforce, "phone__c", "2");
    bench.operate.purge(&operate);
    bench.cycle().await;
    assert_eq!(bench.state(&salesforce).await, ("deleted".to_owned(), format!("operate lead {operate} is deleted")));
}

#[tokio::test]
async fn a_create_that_was_answered_without_an_id_is_looked_for() {
    let bench = Bench::ruled(|rules| rules.settle = TimeDelta::minutes(10)).await;
    let operate = bench.operate.add(&[("email", "ann@example.com")]);
    bench.salesforce.answer(Outcome::DoneWithoutId);
    once(&bench).await;
    let status = bench.engine.store().status(Utc::now()).await.unwrap();
    assert_eq!(status.pushes["sent"], 1);
    let made = bench.salesforce.add(&[("email__c", "ann@example.com")]);
    let name = operate.clone();
    bench.salesforce.change(&made, |lead| lead.external_id = Some(name));
    bench.cycle().await;
    assert_eq!((bench.salesforce.leads().len(), bench.state(&operate).await.0), (1, "in_step".to_owned()));
}

#[tokio::test]
async fn a_delete_of_a_lead_that_is_gone_already_is_done() {
    let bench = Bench::ruled(|rules| rules.delete = leadsync::config::sync::DeleteRule::Propagate).await;
    let (_, salesforce) = bench.pair().await;
    bench.salesforce.change(&salesforce, |lead| lead.deleted = true);
    bench.operate.answer(Outcome::Gone);
    let cycle = bench.cycle().await;
    assert_eq!((cycle.pushed, cycle.deleted, bench.state(&salesforce).await.0), (1, 1, "deleted".to_owned()));
}

#[tokio::test]
async fn a_create_that_comes_to_a_lead_of_another_link_waits_for_a_person() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    let other = bench.operate.add(&[("email", "bob@example.com")]);
    bench.salesforce.answer(Outcome::Done { id: salesforce.clone() });
    let cycle = bench.cycle().await;
    let expected = format!(
        "Salesforce took it for its lead {salesforce}, which is linked with another Operate lead: merge or delete one of the two"
    );
    assert_eq!((cycle.parked, cycle.pushed, bench.state(&other).await), (1, 0, ("parked".to_owned(), expected)));
    assert_eq!(bench.state(&operate).await.0, "in_step");
}

#[tokio::test]
async fn writes_that_could_not_be_sent_at_all_are_due_with_the_reason() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.operate.edit(&operate, "phone", "2");
    bench.operate.later();
    bench.salesforce.later();
    bench.salesforce.fail_write(SideError::Unreachable { side: Side::Salesforce, reason: "it is down".to_owned() });
    let error = bench.engine.cycle(Patience::NextCycle, &|| false).await.unwrap_err();
    assert_eq!(error.to_string(), "Salesforce cannot be reached: it is down");
    let status = bench.engine.store().status(Utc::now()).await.unwrap();
    let waiting: Vec<_> = status.waiting.iter().map(|reason| serde_json::to_value(reason).unwrap()).collect();
    assert!(waiting.len() == 1 && waiting[0].to_string().contains("not_sent"), "{waiting:?}");
    assert!(waiting[0].to_string().contains("Salesforce cannot be reached: it is down"), "{waiting:?}");
    bench.cycle().await;
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), json!("2"));
}

#[tokio::test]
async fn a_side_that_cannot_be_reached_is_not_asked_for_all_the_other_writes_too() {
    let bench = Bench::new().await;
    let leads: Vec<String> = (0..300).map(|place| bench.operate.add(&[("email", &format!("{place}@example.com"))])).collect();
    bench.cycle().await;
    for lead in &leads {
        bench.operate.edit(lead, "phone", "2");
    }
    bench.operate.later();
    bench.salesforce.later();
    // Small rounds: two of 50 writes are under way at once.
    bench.salesforce.set_reads_at_once(1);
    bench.salesforce.fail_write(SideError::Unreachable { side: Side::Salesforce, reason: "it is down".to_owned() });
    let before = bench.salesforce.writes();
    bench.engine.cycle(Patience::NextCycle, &|| false).await.unwrap_err();
    assert!(bench.salesforce.writes() - before < 100, "{} of 300", bench.salesforce.writes() - before);
}

#[tokio::test]
async fn a_field_that_is_refused_and_is_there_parks_the_lead() {
    let (bench, operate, _) = updated(Outcome::Schema(words())).await;
    assert_eq!(bench.cycle().await.parked, 1);
    assert_eq!(bench.state(&operate).await, ("parked".to_owned(), "in these words".to_owned()));
}
