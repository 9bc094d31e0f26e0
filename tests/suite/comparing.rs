//! What a comparison of everything finds, and what it leaves out.

use leadsync::config::field::{Direction, EmptyRule, FieldConfig, UnknownRule};
use leadsync::config::sync::CreateRule;
use leadsync::lead::{Kind, Side};
use leadsync::sync::Compared;

use crate::bench::{Bench, fields};
use crate::fixtures::{field, row};

async fn compare(bench: &Bench) -> Compared {
    bench.engine.store().forget_observations().await.unwrap();
    bench.engine.compare().await.unwrap()
}

/// What differs, pair by pair: Operate's id, Salesforce's, and what it is.
fn told(compared: &Compared) -> Vec<(&str, &str, &str)> {
    let drifts = compared.drifts.iter();
    drifts
        .map(|drift| {
            let (operate, salesforce) = (drift.operate_id.as_deref(), drift.salesforce_id.as_deref());
            (operate.unwrap_or("none"), salesforce.unwrap_or("none"), drift.what.as_str())
        })
        .collect()
}

#[tokio::test]
async fn what_both_systems_have_is_read_anew_and_every_difference_is_named() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.operate.add(&[("email", "bob@example.com")]);
    bench.cycle().await;
    let compared = compare(&bench).await;
    assert_eq!((compared.pairs, told(&compared)), (2, vec![]));

    bench.operate.edit(&operate, "phone", "2");
    bench.salesforce.edit(&salesforce, "title__c", "CTO");
    let compared = compare(&bench).await;
    let expected = (operate.as_str(), salesforce.as_str(), "differ in phone, title");
    assert_eq!((compared.pairs, told(&compared)), (2, vec![expected]));
}

#[tokio::test]
async fn a_lead_whose_other_half_is_not_there_is_named_unless_it_was_deleted_or_converted() {
    let bench = Bench::new().await;
    let (first, first_theirs) = bench.pair().await;
    let more = ["b", "c", "d", "e"].map(|name| bench.operate.add(&[("email", &format!("{name}@example.com"))]));
    bench.cycle().await;
    let theirs = |ours: &str| {
        let leads = bench.salesforce.leads();
        leads.into_iter().find(|lead| lead.external_id.as_deref() == Some(ours)).unwrap().id
    };
    let [hidden, deleted, converted, gone] = &more;
    let (hidden_theirs, deleted_theirs, converted_theirs, gone_theirs) =
        (theirs(hidden), theirs(deleted), theirs(converted), theirs(gone));
    bench.operate.purge(&first);
    bench.salesforce.hide(&hidden_theirs);
    bench.salesforce.change(&deleted_theirs, |lead| lead.deleted = true);
    bench.salesforce.change(&converted_theirs, |lead| lead.converted = true);
    bench.operate.change(gone, |lead| lead.deleted = true);
    for id in [&deleted_theirs, &converted_theirs, &gone_theirs] {
        bench.salesforce.edit(id, "phone__c", "9");
    }
    let compared = compare(&bench).await;
    let expected = vec![
        ("none", first_theirs.as_str(), "its counterpart in Operate is not there"),
        (hidden.as_str(), "none", "its counterpart in Salesforce is not there"),
    ];
    let mut drifts = told(&compared);
    // A deleted lead that is read for the first time leaves no trace.
    drifts.retain(|(ours, theirs, _)| *ours != deleted.as_str() && *theirs != gone_theirs.as_str());
    assert_eq!((compared.pairs, drifts), (0, expected));
}

#[tokio::test]
async fn a_pair_of_which_a_lead_is_known_to_be_deleted_is_left_out() {
    for in_operate in [false, true] {
        let bench = Bench::new().await;
        let (operate, salesforce) = bench.pair().await;
        let world = if in_operate { &bench.operate } else { &bench.salesforce };
        world.change(if in_operate { &operate } else { &salesforce }, |lead| lead.deleted = true);
        bench.operate.edit(&operate, "phone", "2");
        let compared = bench.engine.compare().await.unwrap();
        assert_eq!((compared.pairs, told(&compared)), (0, vec![]));
    }
}

#[tokio::test]
async fn a_lead_on_one_side_only_is_named_where_the_other_half_would_be_made() {
    let bench = Bench::ruled(|rules| rules.create = CreateRule::ToSalesforce).await;
    let (ours, theirs) =
        (bench.operate.add(&[("email", "a@example.com")]), bench.salesforce.add(&[("email__c", "b@example.com")]));
    let converted = bench.operate.add(&[("email", "c@example.com")]);
    bench.operate.change(&converted, |lead| lead.converted = true);
    let compared = compare(&bench).await;
    let missing = |id| (id, "none", "has no counterpart in Salesforce");
    assert_eq!(told(&compared), [missing(ours.as_str()), missing(converted.as_str())]);

    let bench = Bench::ruled(|rules| rules.create = CreateRule::ToOperate).await;
    bench.operate.add(&[("email", "a@example.com")]);
    let theirs_alone = bench.salesforce.add(&[("email__c", "b@example.com")]);
    let converted = bench.salesforce.add(&[("email__c", "c@example.com")]);
    bench.salesforce.change(&converted, |lead| lead.converted = true);
    let compared = compare(&bench).await;
    assert_eq!(told(&compared), [("none", theirs_alone.as_str(), "has no counterpart in Operate")]);
    assert_eq!(theirs, theirs_alone, "ids count from one");
}

/// Whether a pair whose field has these values is told to differ. Both are edited behind the engine's back.
async fn differs(field: FieldConfig, operate: &str, salesforce: &str) -> bool {
    let mut all = fields();
    let name = field.name.clone();
    all.push(field);
    let bench = Bench::with(all).await;
    let (ours, theirs) = bench.pair().await;
    bench.salesforce.knows_not("Foreign");
    bench.operate.knows_not("Foreign");
    bench.operate.edit(&ours, &name, operate);
    bench.salesforce.edit(&theirs, &format!("{name}__c"), salesforce);
    let compared = compare(&bench).await;
    let found = told(&compared);
    assert!(found.is_empty() || found[0].2 == format!("differ in {name}"), "{found:?}");
    !found.is_empty()
}

#[tokio::test]
async fn values_that_may_differ_by_the_rules_of_their_field_are_no_difference() {
    let plain = || field("plain", Kind::Text);
    assert!(differs(plain(), "a", "b").await && differs(plain(), "a", "").await && differs(plain(), "", "b").await);
    assert!(!differs(plain(), "a", "a").await && differs(plain(), "Foreign", "b").await);

    let one_way = FieldConfig { direction: Direction::ToSalesforce, ..plain() };
    assert!(!differs(one_way, "a", "b").await, "it may have been edited against its arrow");

    let keeps = || FieldConfig { empty: EmptyRule::Keep, ..plain() };
    assert!(differs(keeps(), "a", "b").await);
    assert!(!differs(keeps(), "a", "").await && !differs(keeps(), "", "b").await, "an empty value does not overwrite");

    let defaulted = |side: Side| {
        let mut field = plain();
        *field.default.get_mut(side) = Some("a".to_owned());
        field
    };
    assert!(!differs(defaulted(Side::Operate), "a", "").await, "a create gave it where there was nothing");
    assert!(!differs(defaulted(Side::Salesforce), "", "a").await);
    assert!(differs(defaulted(Side::Operate), "", "a").await && differs(defaulted(Side::Operate), "a", "b").await);

    let stays = || FieldConfig { unknown: UnknownRule::Keep, ..plain() };
    assert!(differs(stays(), "a", "b").await);
    assert!(
        !differs(stays(), "Foreign", "b").await && !differs(stays(), "a", "Foreign").await,
        "the other side's list has it not"
    );

    let listed = |unknown| {
        let values = vec![row("a", "A", Direction::Both), row("b", "B", Direction::Both)];
        FieldConfig { unknown, values, ..field("plain", Kind::Choice) }
    };
    assert!(!differs(listed(UnknownRule::Keep), "odd", "A").await && !differs(listed(UnknownRule::Keep), "a", "odd").await);
    assert!(differs(listed(UnknownRule::Park), "odd", "A").await && differs(listed(UnknownRule::Keep), "a", "B").await);
}
