//! Reversing what was written: guarded, never over a later edit, and what was reversed stays so.

use chrono::{TimeDelta, Utc};
use leadsync::config::sync::DeleteRule;
use leadsync::lead::Side;
use leadsync::store::Undone;
use leadsync::undo::{Plan, plan};
use serde_json::{Value as Json, json};

use crate::bench::Bench;
use crate::program::run;
use crate::systems::Systems;

async fn planned(bench: &Bench, undone: Undone) -> Plan {
    plan(&bench.engine.store().written(undone).await.unwrap())
}

/// Plans and stores the reverse of all that was done since the test began.
async fn undo(bench: &Bench, side: Option<Side>) -> Plan {
    let planned = planned(bench, Undone::Since(Utc::now() - TimeDelta::hours(1), side)).await;
    bench.engine.store().undo(&planned.reverses, "test", Utc::now()).await.unwrap();
    planned
}

fn values(bench: &Bench, operate: &str, salesforce: &str, field: &str) -> (Json, Json) {
    (bench.operate.value(operate, field), bench.salesforce.value(salesforce, &format!("{field}__c")))
}

/// A pair that both sides had from the start, so that no write is a create.
async fn met(bench: &Bench) -> (String, String) {
    let operate = bench.operate.add(&[("email", "ann@example.com"), ("phone", "1"), ("title", "CEO"), ("status", "New")]);
    let fields = [("email__c", "ann@example.com"), ("phone__c", "1"), ("title__c", "CEO"), ("status__c", "Open")];
    let salesforce = bench.salesforce.add(&fields);
    bench.cycle().await;
    (operate, salesforce)
}

#[tokio::test]
async fn a_write_is_reversed_and_stays_so_until_somebody_edits_the_field() {
    let bench = Bench::new().await;
    let (operate, salesforce) = met(&bench).await;
    bench.operate.edit(&operate, "phone", "2");
    bench.operate.edit(&operate, "title", "CTO");
    bench.cycle().await;
    assert_eq!(values(&bench, &operate, &salesforce, "phone"), (json!("2"), json!("2")));
    let planned = undo(&bench, None).await;
    assert_eq!((planned.reverses.len(), planned.reverses[0].fields.len(), planned.left.len()), (1, 2, 0), "{planned:?}");
    bench.cycle().await;
    let writes = bench.operate.writes() + bench.salesforce.writes();
    for _ in 0..3 {
        bench.cycle().await;
        assert_eq!(values(&bench, &operate, &salesforce, "phone"), (json!("2"), json!("1")));
        assert_eq!(values(&bench, &operate, &salesforce, "title"), (json!("CTO"), json!("CEO")));
    }
    assert_eq!(bench.operate.writes() + bench.salesforce.writes(), writes, "nothing swings");
    assert_eq!(bench.state(&operate).await.0, "in_step");
    assert_eq!(undo(&bench, None).await, Plan::default(), "it was reversed already");
    bench.operate.edit(&operate, "phone", "3");
    bench.cycle().await;
    assert_eq!(values(&bench, &operate, &salesforce, "phone"), (json!("3"), json!("3")));
    assert_eq!(values(&bench, &operate, &salesforce, "title"), (json!("CTO"), json!("CEO")), "the other field stays reversed");
}

#[tokio::test]
async fn the_loser_of_a_conflict_gets_its_value_back() {
    let bench = Bench::new().await;
    let (operate, salesforce) = met(&bench).await;
    bench.operate.edit(&operate, "phone", "lost");
    bench.operate.later();
    bench.salesforce.later();
    bench.salesforce.later();
    bench.salesforce.edit(&salesforce, "phone__c", "won");
    bench.cycle().await;
    assert_eq!(values(&bench, &operate, &salesforce, "phone"), (json!("won"), json!("won")));
    undo(&bench, Some(Side::Operate)).await;
    bench.cycle().await;
    bench.cycle().await;
    assert_eq!(values(&bench, &operate, &salesforce, "phone"), (json!("lost"), json!("won")));
}

#[tokio::test]
async fn an_edit_that_nobody_saw_yet_is_not_written_over() {
    let bench = Bench::new().await;
    let (operate, salesforce) = met(&bench).await;
    bench.operate.edit(&operate, "phone", "2");
    bench.operate.edit(&operate, "title", "CTO");
    bench.cycle().await;
    let planned = undo(&bench, None).await;
    assert_eq!(planned.reverses.len(), 1);
    // Before the reverse is sent, a person edits one of its fields there.
    bench.salesforce.edit(&salesforce, "phone__c", "theirs");
    bench.cycle().await;
    bench.cycle().await;
    assert_eq!(values(&bench, &operate, &salesforce, "phone"), (json!("theirs"), json!("theirs")), "their edit goes across");
    assert_eq!(values(&bench, &operate, &salesforce, "title"), (json!("CTO"), json!("CEO")), "the other field is reversed");
}

#[tokio::test]
async fn an_edit_of_another_field_does_not_lose_the_reverse() {
    let bench = Bench::new().await;
    let (operate, salesforce) = met(&bench).await;
    bench.operate.edit(&operate, "phone", "2");
    bench.cycle().await;
    undo(&bench, None).await;
    bench.operate.edit(&operate, "title", "CFO");
    bench.operate.edit(&operate, "status", "Working");
    bench.cycle().await;
    bench.cycle().await;
    assert_eq!(values(&bench, &operate, &salesforce, "phone"), (json!("2"), json!("1")));
    assert_eq!(values(&bench, &operate, &salesforce, "title"), (json!("CFO"), json!("CFO")));
    // An edit of the same field where it came from is newer than the wish to have it back.
    bench.operate.edit(&operate, "title", "COO");
    bench.cycle().await;
    undo(&bench, None).await;
    bench.operate.edit(&operate, "title", "CIO");
    bench.cycle().await;
    bench.cycle().await;
    assert_eq!(values(&bench, &operate, &salesforce, "title"), (json!("CIO"), json!("CIO")));
}

#[tokio::test]
async fn a_created_lead_is_deleted_again_and_is_not_made_anew_under_any_rule() {
    for rule in [DeleteRule::Ignore, DeleteRule::Propagate] {
        let bench = Bench::ruled(|rules| rules.delete = rule).await;
        let (operate, salesforce) = bench.pair().await;
        bench.operate.edit(&operate, "phone", "2");
        bench.cycle().await;
        let planned = undo(&bench, None).await;
        assert!(planned.reverses.len() == 1 && planned.reverses[0].delete, "{planned:?}");
        bench.cycle().await;
        bench.operate.edit(&operate, "phone", "3");
        bench.cycle().await;
        bench.cycle().await;
        let left: Vec<String> = bench.salesforce.leads().into_iter().filter(|lead| !lead.deleted).map(|lead| lead.id).collect();
        assert_eq!(
            (left, bench.operate.leads().len()),
            (Vec::<String>::new(), 1),
            "{salesforce} is gone, {operate} is left alone"
        );
        assert_eq!(bench.state(&operate).await.0, "deleted");
    }
}

#[tokio::test]
async fn a_reverse_can_be_reversed() {
    let bench = Bench::new().await;
    let (operate, salesforce) = met(&bench).await;
    bench.operate.edit(&operate, "phone", "2");
    bench.cycle().await;
    undo(&bench, None).await;
    bench.cycle().await;
    let reverse =
        bench.engine.store().show(&operate).await.unwrap().unwrap().history.into_iter().find(|event| event.undoes.is_some());
    let again = planned(&bench, Undone::Push(reverse.unwrap().number)).await;
    bench.engine.store().undo(&again.reverses, "test", Utc::now()).await.unwrap();
    bench.cycle().await;
    bench.cycle().await;
    assert_eq!(values(&bench, &operate, &salesforce, "phone"), (json!("2"), json!("2")));
}

#[tokio::test]
async fn the_command_shows_first_and_applies_when_it_is_told_to() {
    let systems = Systems::of(12, 12, 12).await;
    run(&systems, &["once"]).await;
    let store = leadsync::store::Store::open_existing(&systems.config().store).await.unwrap();
    let (ours, theirs) = store.pair_in_step(3).await.unwrap().unwrap();
    let phone = |id: &str| systems.sandbox.salesforce().lead(id).unwrap()["Phone"].clone();
    let before = phone(&theirs);
    systems.sandbox.operate().edit(&ours, &json!({ "phone": "020 7946 0001" })).unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    run(&systems, &["once"]).await;
    assert_eq!(phone(&theirs), "020 7946 0001");

    let (status, said, remark) = run(&systems, &["undo", "--since", "1h", "--side", "salesforce"]).await;
    assert_eq!(status, 3, "{said}");
    assert!(said.contains(&format!("update salesforce lead {theirs} (reverses write ")), "{said}");
    assert!(said.contains("020 7946 0001 -> ") && remark.contains("nothing was changed; --yes applies it"), "{said}{remark}");
    let (_, shown, _) = run(&systems, &["show", &ours]).await;
    let number = shown.lines().rev().find_map(|line| line.split_once("write ")?.1.split_once(':')).unwrap().0;
    let (status, _, remark) = run(&systems, &["undo", number, "--yes"]).await;
    assert!(status == 0 && remark.contains("1 write(s) are due"), "{remark}");
    let (status, said, _) = run(&systems, &["plan"]).await;
    assert!(status == 3 && said.contains("[undo]"), "{said}");
    run(&systems, &["once"]).await;
    assert_eq!(phone(&theirs), before);
    let (_, shown, _) = run(&systems, &["show", &ours]).await;
    assert!(shown.contains(&format!("reverses write {number}")), "{shown}");
    let (status, _, errors) = run(&systems, &["undo", number, "--yes"]).await;
    assert!(status == 1 && errors.contains("not reversed already"), "{errors}");
}
