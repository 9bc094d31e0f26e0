//! What a changed mapping does to an installation that is in use.

use leadsync::config::field::{Direction, FieldConfig};
use leadsync::lead::Kind;
use serde_json::json;

use crate::bench::Bench;
use crate::cluster::rows;
use crate::fixtures::{field, row};

fn writes(bench: &Bench) -> u64 {
    bench.operate.writes() + bench.salesforce.writes()
}

/// Puts another mapping in the place of this one, and lets two cycles pass.
async fn remap(bench: &mut Bench, change: impl FnOnce(&mut Vec<FieldConfig>)) -> u64 {
    let before = writes(bench);
    change(&mut bench.fields);
    bench.restart().await;
    bench.cycle().await;
    bench.cycle().await;
    writes(bench) - before
}

#[tokio::test]
async fn other_words_for_the_same_values_write_nothing_and_the_next_edit_goes_across_in_them() {
    let mut bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.cycle().await;
    let written = remap(&mut bench, |fields| {
        fields[3].values = vec![row("New", "Contacted", Direction::Both), row("Working", "Open", Direction::Both)];
    })
    .await;
    assert_eq!(written, 0, "what stood on both sides stands");
    assert_eq!(
        (bench.operate.value(&operate, "status"), bench.salesforce.value(&salesforce, "status__c")),
        (json!("New"), json!("Open"))
    );
    bench.operate.edit(&operate, "phone", "2");
    bench.cycle().await;
    assert_eq!(bench.salesforce.value(&salesforce, "status__c"), "Open", "an edit of another field takes nothing along");
    bench.operate.edit(&operate, "status", "Working");
    bench.operate.later();
    bench.operate.later();
    bench.cycle().await;
    bench.operate.edit(&operate, "status", "New");
    bench.cycle().await;
    assert_eq!(bench.salesforce.value(&salesforce, "status__c"), "Contacted");
}

#[tokio::test]
async fn an_edit_made_while_the_mapping_was_changed_is_not_lost() {
    let mut bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.cycle().await;
    bench.operate.edit(&operate, "phone", "2");
    bench.salesforce.edit(&salesforce, "title__c", "CTO");
    remap(&mut bench, |fields| fields[3].values.push(row("Lost", "Closed", Direction::Both))).await;
    assert_eq!(
        (bench.operate.value(&operate, "title"), bench.salesforce.value(&salesforce, "phone__c")),
        (json!("CTO"), json!("2"))
    );
    assert_eq!(bench.state(&operate).await.0, "in_step");
}

#[tokio::test]
async fn an_added_field_is_paired_as_at_first_and_a_removed_one_is_left_alone() {
    let mut bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    let second = bench.operate.add(&[("email", "bob@example.com"), ("city", "Leeds")]);
    bench.cycle().await;
    let of_second = bench.salesforce.leads().into_iter().find(|lead| lead.id != salesforce).unwrap().id;
    bench.salesforce.edit(&of_second, "city__c", "York");
    bench.salesforce.edit(&salesforce, "city__c", "Hull");
    bench.cycle().await;
    remap(&mut bench, |fields| {
        fields.remove(2);
        fields.push(field("city", Kind::Text));
    })
    .await;
    assert_eq!(bench.operate.value(&operate, "city"), "Hull", "an empty one is filled");
    let history = bench.engine.store().show(&second).await.unwrap().unwrap().history;
    assert!(history.iter().any(|event| event.event == "conflict" && event.after == json!(["Leeds", "York"])), "{history:?}");
    bench.operate.edit(&operate, "title", "CFO");
    bench.cycle().await;
    assert_eq!(bench.salesforce.value(&salesforce, "title__c"), "CEO", "title is mapped no more");
    remap(&mut bench, |fields| fields.push(field("title", Kind::Text))).await;
    let history = bench.engine.store().show(&operate).await.unwrap().unwrap().history;
    assert!(history.iter().any(|event| event.event == "conflict" && event.after == json!(["CFO", "CEO"])), "{history:?}");
}

#[tokio::test]
async fn the_brake_holds_what_a_changed_mapping_would_write() {
    let mut bench = Bench::ruled(|rules| rules.max_change = Some(0.2)).await;
    for number in 0..40 {
        bench.operate.add(&[("email", &format!("{number}@example.com")), ("city", "Leeds")]);
    }
    bench.cycle().await;
    bench.cycle().await;
    let before = writes(&bench);
    bench.fields.push(field("city", Kind::Text));
    bench.restart().await;
    let planned = bench.engine.rehearse().await.unwrap();
    assert!(planned.held.is_some_and(|held| held.contains("40 of 40 links would change")), "a plan says so first");
    let cycle = bench.cycle().await;
    assert_eq!(writes(&bench), before);
    assert!(cycle.held.is_some_and(|held| held.contains("max_change")), "the brake says so");
}

#[tokio::test]
async fn a_lead_that_was_not_read_under_the_present_mapping_is_not_taken_for_cleared() {
    let mut bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.cycle().await;
    // A new filter hides the Operate lead, and a field of it has another type now.
    let hidden = bench.operate.hide(&operate);
    let written = remap(&mut bench, |fields| fields[1].kind = Kind::Number).await;
    assert_eq!(written, 0);
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), "1");
    let (state, reason) = bench.state(&salesforce).await;
    assert_eq!(
        (state.as_str(), reason.contains("was not seen since the mapping or a filter changed")),
        ("pending", true),
        "{reason}"
    );
    bench.salesforce.edit(&salesforce, "phone__c", "2");
    bench.cycle().await;
    bench.operate.show(hidden);
    bench.operate.edit(&operate, "title", "CTO");
    bench.cycle().await;
    assert_eq!(
        (bench.operate.value(&operate, "phone"), bench.salesforce.value(&salesforce, "title__c")),
        (json!(2), json!("CTO"))
    );
    assert_eq!(bench.state(&operate).await, ("in_step".to_owned(), String::new()));
}

#[tokio::test]
async fn other_match_keys_find_leads_that_were_there_before() {
    let mut bench = Bench::ruled(|rules| rules.create = leadsync::config::sync::CreateRule::None).await;
    let operate = bench.operate.add(&[("email", "ann@example.com"), ("phone", "77")]);
    bench.salesforce.add(&[("email__c", "a.smith@example.com"), ("phone__c", "77")]);
    bench.cycle().await;
    assert!(bench.engine.store().show(&operate).await.unwrap().is_none_or(|report| report.link_id.is_none()));
    bench.match_keys = vec![vec!["phone".to_owned()]];
    bench.restart().await;
    bench.cycle().await;
    assert_eq!(bench.state(&operate).await.0, "in_step");
}

#[tokio::test]
async fn every_write_says_under_which_mapping_it_was_decided() {
    let mut bench = Bench::new().await;
    let (operate, _) = bench.pair().await;
    remap(&mut bench, |fields| fields.truncate(3)).await;
    bench.operate.edit(&operate, "phone", "2");
    bench.cycle().await;
    let sql = r#"SELECT p.kind || CASE WHEN m.fields LIKE '%"status":%' THEN ' with the status' ELSE '' END FROM push p
        JOIN mapping m USING (mapping_id) WHERE p.side = 'salesforce' AND p.state = 'done' ORDER BY p.push_id"#;
    assert_eq!(rows(&bench.address, sql).await, ["create with the status", "update"]);
}
