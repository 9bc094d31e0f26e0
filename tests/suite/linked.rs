//! Links of leads that are found on both sides: what is in step is linked in one go, and what a person does meanwhile stands.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::Utc;
use leadsync::config::field::{Direction, FieldConfig, UnknownRule};
use leadsync::lead::{Kind, PerSide, Side, Value};
use leadsync::mapping::{Base, Values};
use leadsync::store::{Actor, NewLink, Observation, Part};
use proptest::prelude::*;
use serde_json::json;

use crate::bench::{Bench, fields};
use crate::cluster::{execute, rows};
use crate::fixtures::{field, mapping};

/// Leads of one person, with these values beside the e-mail address.
fn both(bench: &Bench, email: &str, operate: &[(&str, &str)], salesforce: &[(&str, &str)]) -> (String, String) {
    let ours = [&[("email", email)], operate].concat();
    let theirs = [&[("email__c", email)], salesforce].concat();
    (bench.operate.add(&ours), bench.salesforce.add(&theirs))
}

async fn links(bench: &Bench) -> Vec<String> {
    let link = "SELECT concat_ws('|', operate_id, salesforce_id, state, reason, base, blocked, origin) FROM link ORDER BY operate_id, salesforce_id";
    rows(&bench.address, link).await
}

#[tokio::test]
async fn a_pair_that_reads_the_same_is_linked_as_if_each_field_had_been_compared() {
    let mut all = fields();
    all.push(FieldConfig { direction: Direction::ToSalesforce, ..field("source", Kind::Text) });
    all.push(FieldConfig { unknown: UnknownRule::Keep, ..field("since", Kind::Date) });
    let bench = Bench::with(all).await;
    both(&bench, "a@example.com", &[("phone", "1"), ("status", "New")], &[("phone__c", "1"), ("status__c", "Open")]);
    both(&bench, "b@example.com", &[], &[]);
    both(&bench, "c@example.com", &[("status", "Odd")], &[("status__c", "Odd")]);
    both(&bench, "d@example.com", &[("title", "{\"unknown\":1}")], &[("title__c", "{\"unknown\":1}")]);
    both(&bench, "e@example.com", &[("title", "CEO")], &[("title__c", "CEO"), ("source__c", "web")]);
    both(&bench, "f@example.com", &[("since", "long ago")], &[("since__c", "long ago")]);
    both(&bench, "g@example.com", &[("title", "CEO"), ("phone", "1")], &[("phone__c", "2")]);
    let (_, converted) = both(&bench, "h@example.com", &[("title", "CEO")], &[("title__c", "CEO")]);
    bench.salesforce.change(&converted, |lead| lead.converted = true);
    for _ in 0..3 {
        bench.cycle().await;
    }
    let (at_once, writes) = (links(&bench).await, bench.operate.writes() + bench.salesforce.writes());
    let states: Vec<&str> = at_once.iter().filter_map(|link| link.split('|').nth(2)).collect();
    assert_eq!(states, ["in_step", "in_step", "in_step", "in_step", "in_step", "in_step", "in_step", "converted"], "{at_once:?}");

    execute(&bench.address, "UPDATE link SET base = '{}', state = 'pending', reason = NULL, blocked = NULL").await;
    execute(&bench.address, "UPDATE lead_state SET dirty = 1").await;
    bench.cycle().await;
    assert_eq!(links(&bench).await, at_once);
    assert_eq!(bench.operate.writes() + bench.salesforce.writes(), writes);
}

#[tokio::test]
async fn a_lead_like_one_that_is_linked_gets_a_half_of_its_own() {
    let bench = Bench::new().await;
    both(&bench, "a@example.com", &[], &[]);
    bench.cycle().await;
    let second = bench.salesforce.add(&[("email__c", "a@example.com")]);
    bench.cycle().await;
    assert_eq!((bench.operate.leads().len(), bench.state(&second).await.0), (2, "in_step".to_owned()));
}

#[tokio::test]
async fn two_hundred_guarded_writes_take_two_commits() {
    let bench = Bench::ruled(|rules| rules.max_change = None).await;
    let ids: Vec<String> = (0..200).map(|lead| bench.operate.add(&[("email", &format!("{lead}@example.com"))])).collect();
    for _ in 0..2 {
        bench.cycle().await;
    }
    let commits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&commits);
    bench.engine.store().on_commit(move || counted.fetch_add(1, Ordering::Relaxed) < usize::MAX).await.unwrap();
    let mut taken = Vec::new();
    for edited in [&ids[..1], &ids[..1], &ids[..]] {
        for id in edited {
            bench.operate.edit(id, "phone", &taken.len().to_string());
        }
        commits.store(0, Ordering::Relaxed);
        let cycle = bench.cycle().await;
        assert_eq!(cycle.pushed, edited.len() as u64);
        taken.push((commits.load(Ordering::Relaxed), cycle.requests.salesforce));
    }
    assert_eq!((taken[1].1, taken[2].1), (1 + 1, 1 + 8), "a poll, and a request for 25 writes");
    assert_eq!(taken[1].0, taken[2].0, "commits of a cycle with one write, and with 200");
}

fn lead(id: &str, key: &str) -> Observation {
    Observation {
        lead_id: id.to_owned(),
        modified_at: Utc::now(),
        fields: json!({ "email": key }).to_string(),
        keys: vec![Some(key.to_owned())],
        external_id: None,
        deleted: false,
        converted: false,
        master_id: None,
        filtered: false,
    }
}

const OTHER: &str = "00Q000000000002AAA";
const TWIN: &str = "00Q000000000001AAA";

#[tokio::test]
async fn what_a_person_links_while_pairs_are_compared_is_linked_once() {
    let bench = Bench::new().await;
    let (store, now) = (bench.engine.store(), Utc::now());
    store.observe(Side::Operate, &[lead("1", "a"), lead("2", "b")], None, now).await.unwrap();
    store.observe(Side::Salesforce, &[lead(TWIN, "a"), lead(OTHER, "c")], None, now).await.unwrap();
    let found = store.matches(0, &Part::default()).await.unwrap();
    assert_eq!((found.pairs.len(), found.unclear.len()), (1, 0));
    store.relink("1", OTHER, false, Actor::Command, now).await.unwrap();
    for salesforce_id in [TWIN, OTHER] {
        let in_step = Some("{}".to_owned());
        let link = NewLink { operate_id: "1".to_owned(), salesforce_id: salesforce_id.to_owned(), in_step };
        store.link(&[link], now).await.unwrap();
    }
    let pairs = "SELECT concat_ws(' ', operate_id, salesforce_id, origin) FROM link";
    assert_eq!(rows(&bench.address, pairs).await, [format!("1 {OTHER} match")]);
    assert_eq!(rows(&bench.address, "SELECT lead_id FROM lead_state WHERE link_id IS NULL ORDER BY lead_id").await, [TWIN, "2"]);
    assert_eq!(
        rows(&bench.address, "SELECT lead_id FROM lead_key ORDER BY lead_id").await,
        [TWIN, "2"],
        "they can still be found"
    );
}

#[tokio::test]
async fn a_key_is_unclear_where_more_than_two_have_it_and_nobody_else_is_parked() {
    let bench = Bench::new().await;
    let (store, now) = (bench.engine.store(), Utc::now());
    store.observe(Side::Operate, &[lead("1", "a"), lead("2", "b"), lead("3", "b"), lead("4", "d")], None, now).await.unwrap();
    store.observe(Side::Salesforce, &[lead(TWIN, "a"), lead(OTHER, "b")], None, now).await.unwrap();
    let found = store.matches(0, &Part::default()).await.unwrap();
    assert_eq!((found.pairs.len(), found.unclear.as_slice()), (1, &["b".to_owned()][..]));
    // Of a key that has become clear since, nobody is parked.
    let keys = ["a", "b", "d"].map(str::to_owned);
    let mut parked: Vec<String> =
        store.park_unclear((0, "email"), &keys, now).await.unwrap().into_iter().map(|lead| lead.lead_id).collect();
    parked.sort_unstable();
    assert_eq!(parked, [OTHER, "2", "3"]);
}

proptest! {
    /// Which is why they need not be compared field by field.
    #[test]
    fn values_that_are_the_same_on_both_sides_are_their_own_base(
        words in prop::collection::vec(prop::sample::select(vec!["", "a", "ä\"\n", "{\"unknown\":1}", "?odd", "?{\"unknown\":1}"]), 3),
    ) {
        let mapping = mapping(&["a", "b", "c"].map(|name| field(name, Kind::Text))).unwrap();
        let value = |word: &&str| match word.strip_prefix('?') {
            Some(raw) => Value::Unknown(raw.to_owned()),
            None if word.is_empty() => Value::Empty,
            None => Value::Text((*word).to_owned()),
        };
        let values = Values(words.iter().map(value).collect());
        let same = |value: &Value| PerSide { operate: value.clone(), salesforce: value.clone() };
        let base = Base(values.0.iter().map(same).collect());
        prop_assert_eq!(mapping.encode_base(&base), mapping.encode(&values));
    }
}
