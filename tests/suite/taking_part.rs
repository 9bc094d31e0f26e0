//! Which leads take part, and which fields in which leads.

use leadsync::config::field::{Direction, EmptyRule, FieldConfig};
use leadsync::config::part::MappingConfig;
use leadsync::config::sync::DeleteRule;
use leadsync::lead::Kind;
use serde_json::json;

use crate::bench::{Bench, fields};
use crate::fixtures::field;

async fn filtered(unlinks: bool) -> Bench {
    let mut bench = Bench::ruled(|rules| {
        rules.unlinks = unlinks;
        rules.delete = DeleteRule::Propagate;
    })
    .await;
    bench.filter = Some("title != 'none'".to_owned());
    bench.restart().await;
    bench
}

fn writes(bench: &Bench) -> u64 {
    bench.operate.writes() + bench.salesforce.writes()
}

#[tokio::test]
async fn a_lead_outside_the_filter_is_neither_created_nor_paired_until_it_comes_in() {
    let bench = filtered(false).await;
    let lead = bench.operate.add(&[("email", "ann@example.com"), ("title", "none")]);
    bench.salesforce.add(&[("email__c", "ann@example.com"), ("title__c", "none")]);
    bench.cycle().await;
    let cycle = bench.cycle().await;
    assert_eq!((writes(&bench), cycle.seen), (0, 0));
    bench.operate.edit(&lead, "title", "CEO");
    bench.cycle().await;
    assert_eq!(bench.salesforce.leads().len(), 2, "the other one is still outside");
}

#[tokio::test]
async fn a_link_of_which_a_lead_leaves_the_filter_rests_and_goes_on_where_it_was() {
    let bench = filtered(false).await;
    let (operate, salesforce) = bench.pair().await;
    bench.cycle().await;
    bench.operate.edit(&operate, "title", "none");
    bench.salesforce.edit(&salesforce, "phone__c", "2");
    bench.cycle().await;
    let before = writes(&bench);
    assert_eq!(
        (bench.operate.value(&operate, "phone"), bench.salesforce.value(&salesforce, "title__c")),
        (json!("1"), json!("CEO"))
    );
    let (state, reason) = bench.state(&operate).await;
    assert_eq!((state.as_str(), reason), ("pending", format!("operate lead {operate} is outside the filter")));
    assert_eq!(bench.cycle().await.seen, 0);
    bench.operate.edit(&operate, "title", "CTO");
    bench.cycle().await;
    assert_eq!(
        (bench.operate.value(&operate, "phone"), bench.salesforce.value(&salesforce, "title__c")),
        (json!("2"), json!("CTO"))
    );
    assert_eq!((bench.state(&operate).await.0.as_str(), writes(&bench)), ("in_step", before + 2));
}

#[tokio::test]
async fn a_pair_that_was_unlinked_is_compared_as_at_first_when_it_comes_back() {
    let bench = filtered(true).await;
    let (operate, salesforce) = bench.pair().await;
    bench.cycle().await;
    bench.operate.edit(&operate, "title", "none");
    bench.cycle().await;
    bench.salesforce.edit(&salesforce, "phone__c", "2");
    bench.cycle().await;
    bench.operate.edit(&operate, "title", "CEO");
    bench.cycle().await;
    let history = bench.engine.store().show(&operate).await.unwrap().unwrap().history;
    assert!(history.iter().any(|event| event.event == "conflict" && event.after == json!(["1", "2"])), "{history:?}");
    assert_eq!(bench.state(&operate).await.0, "in_step");
}

#[tokio::test]
async fn a_lead_that_is_deleted_outside_the_filter_takes_no_other_along() {
    let bench = filtered(false).await;
    let (operate, salesforce) = bench.pair().await;
    bench.cycle().await;
    bench.salesforce.edit(&salesforce, "title__c", "none");
    bench.cycle().await;
    bench.salesforce.change(&salesforce, |lead| lead.deleted = true);
    bench.salesforce.edit(&salesforce, "phone__c", "3");
    bench.cycle().await;
    bench.cycle().await;
    assert!(bench.operate.leads().iter().any(|lead| lead.id == operate));
}

async fn with_mappings() -> Bench {
    let mut fields = fields();
    for name in ["virtual", "office"] {
        let mut desks = field(&format!("{name}_desks"), Kind::Text);
        desks.native.operate = vec!["desks".to_owned()];
        desks.only_in = vec![name.to_owned()];
        fields.push(desks);
    }
    let mut bench = Bench::with(fields).await;
    bench.mappings =
        ["virtual", "office"].map(|name| MappingConfig { name: name.to_owned(), when: format!("title == '{name}'") }).to_vec();
    bench.restart().await;
    bench
}

#[tokio::test]
async fn a_lead_has_the_fields_of_the_first_mapping_whose_condition_is_true() {
    let bench = with_mappings().await;
    let lead = bench.operate.add(&[("email", "ann@example.com"), ("title", "virtual"), ("desks", "4")]);
    bench.cycle().await;
    let salesforce = bench.salesforce.leads()[0].id.clone();
    let value = |name: &str| bench.salesforce.value(&salesforce, name);
    assert_eq!((value("virtual_desks__c"), value("office_desks__c")), (json!("4"), json!(null)));
    bench.operate.edit(&lead, "desks", "5");
    bench.cycle().await;
    assert_eq!((value("virtual_desks__c"), value("office_desks__c")), (json!("5"), json!(null)));
    // It moves: the fields that it had are left as they are, and the ones that it has now are filled.
    bench.operate.edit(&lead, "title", "office");
    bench.cycle().await;
    bench.cycle().await;
    assert_eq!((value("virtual_desks__c"), value("office_desks__c")), (json!("5"), json!("5")));
    bench.salesforce.edit(&salesforce, "virtual_desks__c", "9");
    bench.cycle().await;
    assert_eq!(bench.operate.value(&lead, "desks"), "5");
    assert_eq!(bench.cycle().await.seen, 0);
}

#[tokio::test]
async fn a_field_that_has_a_part_in_one_of_two_leads_is_no_difference() {
    let bench = with_mappings().await;
    let lead = bench.operate.add(&[("email", "ann@example.com"), ("title", "virtual"), ("desks", "4")]);
    bench.cycle().await;
    bench.operate.edit(&lead, "title", "office");
    bench.engine.store().forget_observations().await.unwrap();
    let compared = bench.engine.compare().await.unwrap();
    let told: Vec<&str> = compared.drifts.iter().map(|drift| drift.what.as_str()).collect();
    assert_eq!(told, ["differ in title"]);
}

#[tokio::test]
async fn a_constant_is_given_to_new_leads_and_never_again() {
    let mut fields = fields();
    let mut source = FieldConfig::new("source", [], ["source__c"], Kind::Text);
    source.direction = Direction::ToSalesforce;
    source.empty = EmptyRule::Keep;
    source.default.salesforce = Some("Operate".to_owned());
    fields.push(source);
    let bench = Bench::with(fields).await;
    let (operate, salesforce) = bench.pair().await;
    assert_eq!(bench.salesforce.value(&salesforce, "source__c"), "Operate");
    bench.salesforce.edit(&salesforce, "source__c", "Web");
    bench.operate.edit(&operate, "phone", "2");
    bench.cycle().await;
    assert_eq!(bench.salesforce.value(&salesforce, "source__c"), "Web");
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), "2");
    let before = writes(&bench);
    bench.salesforce.edit(&salesforce, "source__c", "");
    bench.cycle().await;
    bench.cycle().await;
    assert_eq!((bench.salesforce.value(&salesforce, "source__c"), writes(&bench)), (json!(""), before));
}

#[tokio::test]
async fn what_has_no_part_in_a_lead_is_not_in_step_though_both_sides_have_the_same() {
    let bench = with_mappings().await;
    let lead = bench.operate.add(&[("email", "ann@example.com"), ("title", "virtual"), ("desks", "4")]);
    let theirs = [("email__c", "ann@example.com"), ("title__c", "virtual"), ("virtual_desks__c", "4"), ("office_desks__c", "4")];
    bench.salesforce.add(&theirs);
    bench.cycle().await;
    let base = bench.engine.store().show(&lead).await.unwrap().unwrap().base;
    assert_eq!((base.get("virtual_desks"), base.get("office_desks")), (Some(&json!("4")), None), "{base}");
}
