//! What people take apart, link anew, bring in, and have mended.

use chrono::Utc;
use leadsync::config::sync::CreateRule;
use leadsync::lead::Side;
use leadsync::store::{Actor, Imported, KnownPair, LinkRefusal, Store};
use serde_json::json;

use crate::bench::Bench;
use crate::cluster::execute;

async fn unlink(bench: &Bench, id: &str) {
    bench.engine.store().unlink(id, false, Actor::Command, Utc::now()).await.unwrap();
}

async fn relink(bench: &Bench, operate: &str, salesforce: &str) {
    bench.engine.store().relink(operate, salesforce, false, Actor::Command, Utc::now()).await.unwrap();
}

/// Changes the store as no command does.
async fn sql(bench: &Bench, sql: &'static str) {
    execute(&bench.address, sql).await;
}

async fn import(store: &Store, pairs: &[(&str, &str)]) -> Imported {
    let line = |(place, (operate, salesforce)): (usize, &(&str, &str))| KnownPair {
        line: place as u64 + 2,
        operate_id: (*operate).to_owned(),
        salesforce_id: (*salesforce).to_owned(),
    };
    store.start_import().await.unwrap();
    store.take_pairs(&pairs.iter().enumerate().map(line).collect::<Vec<_>>()).await.unwrap();
    store.import(false, Actor::Command, Utc::now()).await.unwrap()
}

/// Two pairs, each made from Operate: the first with its ids, and the second.
async fn two_pairs(bench: &Bench) -> [(String, String); 2] {
    let mut pairs = Vec::new();
    for name in ["ann", "bob"] {
        let operate = bench.operate.add(&[("email", &format!("{name}@example.com")), ("phone", name)]);
        bench.cycle().await;
        let twin = bench.salesforce.leads().into_iter().find(|lead| lead.external_id.as_ref() == Some(&operate)).unwrap();
        pairs.push((operate, twin.id));
    }
    pairs.try_into().unwrap()
}

#[tokio::test]
async fn unlinked_leads_are_left_alone_for_good() {
    let mut bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    unlink(&bench, &salesforce).await;
    for round in 0..3 {
        bench.operate.edit(&operate, "phone", &format!("o{round}"));
        bench.salesforce.edit(&salesforce, "title__c", &format!("s{round}"));
        let cycle = bench.cycle().await;
        assert_eq!((cycle.pushed, cycle.conflicts), (0, 0));
        bench.restart().await;
    }
    assert_eq!((bench.operate.leads().len(), bench.salesforce.leads().len()), (1, 1));
    assert_eq!(bench.operate.value(&operate, "title"), json!("CEO"));
    let (state, reason) = bench.state(&operate).await;
    assert!(state == "unlinked" && reason.starts_with("left alone since 2"), "{state} {reason}");

    // A new lead with the same keys finds neither of them, and one that names the Operate lead is told.
    bench.salesforce.add(&[("email__c", "ann@example.com")]);
    let claimant = bench.salesforce.add(&[("email__c", "other@example.com")]);
    bench.salesforce.change(&claimant, |lead| lead.external_id = Some(operate.clone()));
    bench.cycle().await;
    assert_eq!(bench.state(&claimant).await.0, "parked");
    assert_eq!(bench.operate.leads().len(), 2, "the one that names nobody was made in Operate");
}

#[tokio::test]
async fn a_lead_that_named_one_that_nobody_has_seen_is_told_to_have_lost_it() {
    let bench = Bench::new().await;
    let claimant = bench.salesforce.add(&[("email__c", "ann@example.com")]);
    bench.salesforce.change(&claimant, |lead| lead.external_id = Some("999".to_owned()));
    bench.cycle().await;
    let (state, reason) = bench.state(&claimant).await;
    assert!(state == "parked" && reason.starts_with("names Operate lead 999, which was never seen"), "{state} {reason}");
    bench.salesforce.change(&claimant, |lead| lead.external_id = None);
    bench.cycle().await;
    assert_eq!(bench.state(&claimant).await, ("deleted".to_owned(), "operate lead 999 is not there".to_owned()));
}

#[tokio::test]
async fn an_unlinked_pair_is_linked_again_and_compared_as_at_first() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.cycle().await;
    unlink(&bench, &operate).await;
    let again = bench.engine.store().unlink(&operate, false, Actor::Command, Utc::now()).await.unwrap_err();
    assert!(matches!(again, LinkRefusal::Unlinked { .. }), "{again}");
    bench.cycle().await;
    bench.operate.edit(&operate, "phone", "2");
    relink(&bench, &operate, &salesforce).await;
    bench.cycle().await;
    bench.cycle().await;
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), json!("2"), "the later edit, by the rule `newest`");
    assert_eq!(bench.state(&operate).await.0, "in_step");

    let report = bench.engine.store().show(&operate).await.unwrap().unwrap();
    let told: Vec<String> = report.history.iter().map(|event| format!("{} {}", event.event, event.kind)).collect();
    assert_eq!(
        told,
        ["push create", "audit unlink", "audit relink", "conflict phone by newest", "push update"],
        "in the order of time"
    );
    assert_eq!(report.history[3].side.as_deref(), Some("operate"));
}

#[tokio::test]
async fn leads_that_were_paired_wrongly_change_partners_and_nothing_is_made() {
    let bench = Bench::new().await;
    let [(ann, wrong), (bob, right)] = two_pairs(&bench).await;
    let shown = bench.engine.store().relink(&ann, &right, true, Actor::Command, Utc::now()).await.unwrap();
    assert_eq!(shown.taken_apart, [(ann.clone(), wrong.clone()), (bob.clone(), right.clone())]);
    assert_eq!(bench.state(&ann).await.0, "in_step", "nothing was changed");

    relink(&bench, &ann, &right).await;
    for _ in 0..3 {
        bench.cycle().await;
    }
    assert_eq!((bench.operate.leads().len(), bench.salesforce.leads().len()), (2, 2));
    let twin = |id: &str| bench.salesforce.leads().into_iter().find(|lead| lead.id == id).unwrap();
    assert_eq!(
        (twin(&wrong).external_id, twin(&right).external_id),
        (None, Some(ann.clone())),
        "Salesforce names as the links are"
    );
    assert_eq!(twin(&right).fields["email__c"], bench.operate.value(&ann, "email"));
    for (id, state) in [(&ann, "in_step"), (&right, "in_step"), (&bob, "unlinked"), (&wrong, "unlinked")] {
        assert_eq!(bench.state(id).await.0, state, "{id}");
    }
    assert_eq!(bench.cycle().await.pushed, 0);
    assert!(bench.engine.store().relink(&ann, &right, false, Actor::Command, Utc::now()).await.unwrap().already);

    relink(&bench, &bob, &wrong).await;
    for _ in 0..2 {
        bench.cycle().await;
    }
    assert_eq!((bench.state(&bob).await.0.as_str(), twin(&wrong).external_id), ("in_step", Some(bob)));
    assert_eq!((bench.operate.leads().len(), bench.salesforce.leads().len()), (2, 2));
}

#[tokio::test]
async fn a_lead_that_was_left_over_gets_another_half_once_it_is_retried() {
    let bench = Bench::new().await;
    let [(ann, wrong), (_, right)] = two_pairs(&bench).await;
    relink(&bench, &ann, &right).await;
    bench.cycle().await;
    let retried = bench.engine.store().retry(Some(std::slice::from_ref(&wrong)), Actor::Command, Utc::now()).await.unwrap();
    assert_eq!(retried, 1);
    bench.cycle().await;
    bench.cycle().await;
    assert_eq!((bench.operate.leads().len(), bench.salesforce.leads().len()), (3, 2));
    assert_eq!(bench.state(&wrong).await.0, "in_step");
}

#[tokio::test]
async fn a_link_is_not_taken_apart_while_a_write_is_under_way_and_what_waits_is_taken_back() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.cycle().await;
    bench.engine.store().pause(Actor::Command, Utc::now()).await.unwrap();
    bench.operate.edit(&operate, "phone", "2");
    bench.cycle().await;
    sql(&bench, "UPDATE push SET state = 'sent' WHERE state = 'due'").await;
    let store = bench.engine.store();
    let refused = store.unlink(&operate, false, Actor::Command, Utc::now()).await.unwrap_err();
    assert!(refused.to_string().contains("a write to Salesforce for this lead is under way"), "{refused}");
    let refused = store.relink(&operate, &salesforce, false, Actor::Command, Utc::now()).await;
    assert!(refused.unwrap().already, "they are linked: there is nothing to wait for");
    sql(&bench, "UPDATE push SET state = 'due' WHERE state = 'sent'").await;
    assert_eq!(store.unlink(&operate, false, Actor::Command, Utc::now()).await.unwrap().superseded, 1);
    store.resume(false, Actor::Command, Utc::now()).await.unwrap();
    assert_eq!(bench.cycle().await.pushed, 0);
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), json!("1"));
    for (wrong, words) in [("nobody", "has a link"), ("", "has a link")] {
        let refused = store.unlink(wrong, false, Actor::Command, Utc::now()).await.unwrap_err();
        assert!(refused.to_string().contains(words), "{refused}");
    }
    let refused = store.relink("99", &salesforce, false, Actor::Command, Utc::now()).await.unwrap_err();
    assert!(refused.to_string().starts_with("no Operate lead 99 was ever seen"), "{refused}");
}

#[tokio::test]
async fn known_pairs_are_linked_and_meet_as_at_first() {
    let bench = Bench::ruled(|rules| rules.create = CreateRule::None).await;
    let operate = bench.operate.add(&[("email", "ann@example.com"), ("phone", "1")]);
    let salesforce = bench.salesforce.add(&[("email__c", "ann@work.example"), ("title__c", "CEO")]);
    bench.cycle().await;
    assert_eq!(bench.state(&operate).await.0, "unlinked");
    let store = bench.engine.store();
    let imported = import(store, &[(&operate, &salesforce), (&operate, &salesforce)]).await;
    assert_eq!((imported.linked, imported.known, imported.refused.len()), (1, 1, 0));
    assert_eq!(import(store, &[(&operate, &salesforce)]).await.known, 1);
    bench.cycle().await;
    bench.cycle().await;
    assert_eq!(bench.state(&operate).await.0, "in_step");
    assert_eq!(bench.operate.value(&operate, "title"), json!("CEO"));
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), json!("1"));
}

#[tokio::test]
async fn pairs_that_are_known_before_the_first_cycle_wait_for_their_leads() {
    let bench = Bench::new().await;
    let operate = bench.operate.add(&[("email", "ann@example.com")]);
    let salesforce = bench.salesforce.add(&[("email__c", "ann@work.example")]);
    assert_eq!(import(bench.engine.store(), &[(&operate, &salesforce), ("77", "00Q000000000077AAA")]).await.linked, 2);
    for _ in 0..3 {
        bench.cycle().await;
    }
    assert_eq!((bench.operate.leads().len(), bench.salesforce.leads().len()), (1, 1), "nothing was made");
    assert_eq!(bench.state(&operate).await.0, "in_step");
    let mut states = Vec::new();
    bench
        .engine
        .store()
        .each_link(|link| {
            states.push(link.state);
            true
        })
        .await
        .unwrap();
    assert_eq!(states, ["in_step", "pending"]);
}

#[tokio::test]
async fn an_import_that_contradicts_anything_changes_nothing() {
    let bench = Bench::new().await;
    let [(ann, hers), (bob, his)] = two_pairs(&bench).await;
    unlink(&bench, &bob).await;
    let free = bench.operate.add(&[("email", "free@example.com")]);
    bench.engine.store().pause(Actor::Command, Utc::now()).await.unwrap();
    bench.cycle().await;
    let gone = bench.salesforce.add(&[("email__c", "gone@example.com")]);
    bench.cycle().await;
    bench.salesforce.change(&gone, |lead| lead.deleted = true);
    bench.cycle().await;
    let pairs =
        [(&*ann, &*hers), (&ann, &his), (&bob, &his), ("99", &hers), (&free, &gone), (&free, "00Q000000000099AAA"), ("a b", "c")];
    let refused = import(bench.engine.store(), &pairs).await.refused;
    let lines: Vec<i64> = refused.iter().map(|line| line.line).collect();
    assert_eq!(lines, [3, 4, 5, 6, 7, 8], "{refused:?}");
    assert!(refused[1].reason.contains("was unlinked") && refused[3].reason.contains("is deleted"), "{refused:?}");
    assert_eq!(bench.state(&free).await.0, "pending", "its other half still waits to be made");
}

#[tokio::test]
async fn a_value_that_changed_without_a_trace_is_found_and_mended_by_the_next_cycle() {
    let bench = Bench::new().await;
    let [(ann, hers), (bob, his)] = two_pairs(&bench).await;
    for minutes in 0..15 {
        bench.operate.later();
        bench.salesforce.later();
        if minutes == 14 {
            bench.operate.edit(&bob, "phone", "new");
        }
    }
    bench.cycle().await;
    bench.cycle().await;
    bench.salesforce.tamper(&hers, "phone__c", "tampered");
    assert_eq!(bench.cycle().await.pushed, 0, "no poll sees it");
    let leads = [(Side::Salesforce, hers.clone()), (Side::Operate, "never seen".to_owned())];
    bench.engine.store().repair(&leads, Actor::Command, Utc::now()).await.unwrap();
    assert_eq!(bench.cycle().await.pushed, 1);
    assert_eq!(bench.operate.value(&ann, "phone"), json!("tampered"), "the base says who changed it");
    assert_eq!(bench.cycle().await.pushed, 0);
    assert_eq!(bench.state(&his).await.0, "in_step");
    let told = bench.engine.store().show(&ann).await.unwrap().unwrap().history;
    assert!(told.iter().any(|event| (event.event.as_str(), event.kind.as_str()) == ("audit", "repair")), "{told:?}");
}

#[tokio::test]
async fn a_write_that_a_person_took_back_is_not_sent() {
    let bench = Bench::new().await;
    let (operate, _) = bench.pair().await;
    bench.cycle().await;
    bench.engine.store().pause(Actor::Command, Utc::now()).await.unwrap();
    bench.operate.edit(&operate, "phone", "2");
    bench.cycle().await;
    let store = bench.engine.store();
    let due = store.due(Side::Salesforce, leadsync::side::WriteKind::Update, Utc::now(), 10).await.unwrap();
    unlink(&bench, &operate).await;
    let ids: Vec<i64> = due.iter().map(|push| push.push_id).collect();
    assert_eq!((ids.len(), store.mark_sent(&ids, Utc::now()).await.unwrap().len()), (1, 0));
}

#[tokio::test]
async fn what_was_decided_before_a_persons_word_is_not_kept() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.cycle().await;
    bench.operate.edit(&operate, "phone", "2");
    bench.engine.store().pause(Actor::Command, Utc::now()).await.unwrap();
    let store = bench.engine.store();
    sql(&bench, "UPDATE lead_state SET dirty = 1").await;
    let links = store.dirty_links(0, 10, Utc::now()).await.unwrap();
    unlink(&bench, &operate).await;
    let decided = leadsync::store::Decided {
        link_id: links[0].link_id,
        words: links[0].words,
        base: r#"{"phone":"stale"}"#.to_owned(),
        blocked: None,
        supersede: Vec::new(),
        forget: None,
        pushes: Vec::new(),
        conflicts: Vec::new(),
        closed: Vec::new(),
    };
    store.decide(&[decided], Utc::now()).await.unwrap();
    let report = store.show(&salesforce).await.unwrap().unwrap();
    assert_eq!((report.state.as_str(), report.base), ("unlinked", json!({})));
}
