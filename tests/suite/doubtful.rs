//! Writes of which nobody knows what became of them, and clocks that cannot be trusted.

use chrono::TimeDelta;
use leadsync::config::sync::{CreateRule, DeleteRule};
use leadsync::lead::Side;
use leadsync::side::SideError;
use leadsync::sync::Patience;
use serde_json::json;

use crate::bench::Bench;
use crate::world::Fault;

#[tokio::test]
async fn a_create_in_doubt_waits_by_the_servers_clock_and_not_by_ours() {
    let bench = Bench::ruled(|rules| rules.settle = TimeDelta::minutes(30)).await;
    bench.salesforce.add(&[("email__c", "ann@example.com")]);
    bench.operate.fault(Fault::LostBefore);
    bench.engine.cycle(Patience::NextCycle, &|| false).await.unwrap();
    bench.set_our_clock_ahead(TimeDelta::hours(2));
    bench.engine.cycle(Patience::NextCycle, &|| false).await.unwrap();
    assert!(bench.operate.leads().is_empty(), "hardly any time has passed for Operate");
    for _ in 0..31 {
        bench.operate.later();
    }
    bench.engine.cycle(Patience::NextCycle, &|| false).await.unwrap();
    assert_eq!(bench.operate.leads().len(), 1);
}

#[tokio::test]
async fn an_edit_just_after_a_write_is_seen_however_far_off_the_clock_may_be() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.salesforce.set_clock_error(TimeDelta::minutes(5));
    bench.operate.edit(&operate, "phone", "2");
    bench.cycle().await;
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), json!("2"));
    bench.salesforce.edit(&salesforce, "title__c", "CTO");
    bench.cycle().await;
    assert_eq!(bench.operate.value(&operate, "title"), json!("CTO"));
}

async fn once(bench: &Bench) {
    bench.engine.cycle(Patience::NextCycle, &|| false).await.unwrap();
}

/// The states of a lead's writes, the oldest first.
async fn writes(bench: &Bench, id: &str) -> Vec<(String, String)> {
    let history = bench.engine.store().show(id).await.unwrap().unwrap().history;
    history.into_iter().filter(|event| event.event == "push").map(|event| (event.kind, event.state)).collect()
}

fn write(kind: &str, state: &str) -> (String, String) {
    (kind.to_owned(), state.to_owned())
}

#[tokio::test]
async fn an_update_whose_answer_was_lost_counts_as_done_where_the_lead_has_it() {
    for (fault, state) in [(Fault::LostAfter, "done"), (Fault::LostBefore, "superseded")] {
        let bench = Bench::new().await;
        let (operate, _) = bench.pair().await;
        bench.operate.edit(&operate, "phone", "2");
        bench.salesforce.fault(fault);
        bench.cycle().await;
        assert_eq!(writes(&bench, &operate).await[1], write("update", state));
    }
}

#[tokio::test]
async fn a_delete_whose_answer_was_lost_counts_as_done_where_the_lead_is_gone() {
    for (fault, state) in [(Fault::LostAfter, "done"), (Fault::LostBefore, "superseded")] {
        // Operate forgets a lead that it deletes, and Salesforce keeps it in its bin.
        let bench = Bench::ruled(|rules| rules.delete = DeleteRule::Propagate).await;
        let (operate, salesforce) = bench.pair().await;
        bench.salesforce.change(&salesforce, |lead| lead.deleted = true);
        bench.operate.fault(fault);
        bench.cycle().await;
        assert_eq!(writes(&bench, &operate).await[1], write("delete", state));
        assert!(bench.operate.leads().is_empty());

        let bench = Bench::ruled(|rules| rules.delete = DeleteRule::Propagate).await;
        let (operate, _) = bench.pair().await;
        bench.operate.purge(&operate);
        bench.engine.sweep().await.unwrap();
        bench.salesforce.fault(fault);
        bench.cycle().await;
        assert_eq!(writes(&bench, &operate).await[1], write("delete", state));
        assert!(bench.salesforce.leads().is_empty());
    }
}

#[tokio::test]
async fn a_create_in_doubt_that_several_new_leads_look_like_waits_for_a_person() {
    let bench = Bench::ruled(|rules| rules.settle = TimeDelta::minutes(30)).await;
    let theirs = bench.salesforce.add(&[("phone__c", "1"), ("title__c", "CEO")]);
    bench.operate.fault(Fault::LostBefore);
    bench.operate.set_finds_nothing(true);
    once(&bench).await;
    bench.operate.set_finds_nothing(false);
    let twins = [0, 1].map(|_| bench.operate.add(&[("phone", "1"), ("title", "CEO")]));
    once(&bench).await;
    let expected = format!("the create was not answered, and several new leads look like it: {}", twins.join(", "));
    assert_eq!(bench.state(&theirs).await, ("parked".to_owned(), expected));
    let parked = bench.engine.store().parked().await.unwrap();
    assert_eq!(parked[0].code.as_deref(), Some("ambiguous_create"));
}

#[tokio::test]
async fn a_create_in_doubt_is_found_by_what_was_sent_or_else_by_a_key() {
    // Without any key, by all that was sent.
    let bench = Bench::ruled(|rules| rules.settle = TimeDelta::minutes(30)).await;
    let theirs = bench.salesforce.add(&[("phone__c", "1")]);
    bench.operate.fault(Fault::LostAfter);
    bench.cycle().await;
    assert_eq!((bench.operate.leads().len(), bench.state(&theirs).await.0), (1, "in_step".to_owned()));

    // The server changed a value: by a key.
    let bench = Bench::ruled(|rules| rules.settle = TimeDelta::minutes(30)).await;
    let theirs = bench.salesforce.add(&[("email__c", "ann@example.com"), ("phone__c", "1")]);
    bench.operate.fault(Fault::LostAfter);
    bench.operate.set_finds_nothing(true);
    once(&bench).await;
    let made = bench.operate.leads()[0].id.clone();
    bench.operate.edit(&made, "phone", "+1");
    bench.operate.set_finds_nothing(false);
    bench.cycle().await;
    assert_eq!((bench.operate.leads().len(), bench.state(&theirs).await.0), (1, "in_step".to_owned()));
    assert_eq!(bench.engine.store().show(&theirs).await.unwrap().unwrap().leads.operate.unwrap().lead_id, made);
}

#[tokio::test]
async fn a_create_in_doubt_is_found_among_very_many_new_leads() {
    let bench = Bench::ruled(|rules| {
        rules.settle = TimeDelta::minutes(30);
        rules.create = CreateRule::ToOperate;
    })
    .await;
    let others: Vec<String> = (0..1_999).map(|_| bench.operate.add(&[("phone", "2")])).collect();
    once(&bench).await;
    let theirs = bench.salesforce.add(&[("phone__c", "1")]);
    bench.operate.fault(Fault::LostAfter);
    bench.operate.set_finds_nothing(true);
    once(&bench).await;
    for other in &others {
        bench.operate.edit(other, "phone", "3");
    }
    bench.cycle().await;
    let made = bench.engine.store().show(&theirs).await.unwrap().unwrap().leads.operate.map(|lead| lead.lead_id);
    assert_eq!((bench.operate.leads().len(), made), (2_000, Some("2000".to_owned())), "after more than a batch of others");
}

#[tokio::test]
async fn another_new_lead_is_not_taken_for_a_create_in_doubt() {
    let bench = Bench::ruled(|rules| rules.settle = TimeDelta::minutes(30)).await;
    let theirs = bench.salesforce.add(&[("email__c", "ann@example.com"), ("phone__c", "1")]);
    bench.operate.fault(Fault::LostBefore);
    bench.operate.set_finds_nothing(true);
    once(&bench).await;
    bench.operate.set_finds_nothing(false);
    bench.operate.add(&[("email", "bob@example.com"), ("phone", "2")]);
    once(&bench).await;
    assert!(bench.engine.store().show(&theirs).await.unwrap().unwrap().leads.operate.is_none());
}

#[tokio::test]
async fn salesforces_creates_are_found_by_the_id_that_they_hold_and_by_nothing_else() {
    let bench = Bench::ruled(|rules| rules.settle = TimeDelta::minutes(30)).await;
    let first = bench.operate.add(&[("phone", "1")]);
    let second = bench.operate.add(&[("phone", "2")]);
    bench.salesforce.fault(Fault::LostBefore);
    bench.salesforce.fault(Fault::LostAfter);
    once(&bench).await;
    bench.salesforce.add(&[("phone__c", "1")]);
    bench.salesforce.later();
    once(&bench).await;
    let twin = async |id: &str| bench.engine.store().show(id).await.unwrap().unwrap().leads.salesforce;
    assert!(twin(&first).await.is_none(), "the same values are somebody else's");
    let found = twin(&second).await.unwrap().lead_id;
    let holds = |lead: &leadsync::side::Record| lead.external_id.as_ref() == Some(&second);
    assert_eq!(bench.salesforce.leads().into_iter().find(holds).unwrap().id, found);
}

#[tokio::test]
async fn a_new_lead_that_a_poll_brings_while_its_create_is_in_doubt_is_what_that_made() {
    let bench = Bench::ruled(|rules| rules.settle = TimeDelta::minutes(30)).await;
    let theirs = bench.salesforce.add(&[("email__c", "ann@example.com"), ("phone__c", "1")]);
    bench.operate.fault(Fault::LostBefore);
    bench.operate.set_finds_nothing(true);
    once(&bench).await;
    // The server finishes it late, and looking for it does not find it yet. A twin in Salesforce makes no difference.
    let made = bench.operate.add(&[("email", "ann@example.com"), ("phone", "1")]);
    bench.salesforce.add(&[("email__c", "ann@example.com"), ("phone__c", "1")]);
    once(&bench).await;
    assert_eq!(bench.engine.store().show(&made).await.unwrap().unwrap().leads.salesforce.map(|lead| lead.lead_id), Some(theirs));
}

#[tokio::test]
async fn a_write_in_doubt_of_a_field_that_is_not_mapped_any_more_is_not_taken_for_done() {
    let mut bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.cycle().await;
    bench.operate.edit(&operate, "title", "CFO");
    bench.salesforce.fault(Fault::LostBefore);
    bench.salesforce.set_reads_fail(true);
    bench.operate.later();
    bench.salesforce.later();
    bench.engine.cycle(Patience::NextCycle, &|| false).await.unwrap_err();
    bench.salesforce.set_reads_fail(false);
    let title = bench.fields.remove(2);
    bench.restart().await;
    // It is looked for, and then the cycle ends.
    bench.salesforce.fail_poll(SideError::Unreachable { side: Side::Salesforce, reason: "gone".to_owned() });
    bench.engine.cycle(Patience::NextCycle, &|| false).await.unwrap_err();
    bench.fields.insert(2, title);
    bench.restart().await;
    for _ in 0..2 {
        bench.cycle().await;
    }
    let titles = [bench.operate.value(&operate, "title"), bench.salesforce.value(&salesforce, "title__c")];
    assert_eq!(titles, [json!("CFO"), json!("CFO")]);
}
