//! Different ways that must lead to the same end.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::TimeDelta;
use leadsync::lead::Side;
use leadsync::side::{NativeFields, WriteKind};
use serde_json::{Map, Value as Json, json};

use super::history::{Kind, history};
use super::run::Run;
use super::scenario::{ALL, assert_same, state};
use super::{folder, on_runtime};

#[test]
fn the_order_of_polls_pages_and_batches_makes_no_difference() {
    for scenario in &ALL {
        let first = on_runtime(scenario.play(folder(), 0, &[]));
        for draws in 1..30 {
            let end = on_runtime(scenario.play(folder(), draws, &[]));
            assert_same(&end.state, &first.state, &format!("{}: order {draws}", scenario.name));
        }
    }
}

/// A world in step after a history of edits.
async fn in_step(seed: u64, folder: &Path) -> Run {
    let kinds = [Kind::Remove, Kind::Restore, Kind::Reconfigure, Kind::Hide];
    let steps: Vec<_> = history(seed).into_iter().filter(|step| !kinds.contains(&step.kind)).collect();
    let mut run = Run::new(seed, folder);
    run.live(&steps).await;
    let broken = run.settle().await;
    assert!(broken.is_empty(), "SEED={seed}: {broken:?}");
    run
}

#[test]
fn a_lost_store_is_rebuilt_without_a_write() {
    let folder = folder();
    for seed in 0..25 {
        on_runtime(async {
            let mut run = in_step(seed, folder).await;
            let before = run.rows("SELECT operate_id || ' ' || salesforce_id FROM link WHERE state = 'in_step' ORDER BY 1").await;
            let written = run.shared.model().written.len();
            run.lose_store().await;
            for _ in 0..3 {
                run.shared.model().pass(TimeDelta::minutes(20));
                run.cycle().await.unwrap().unwrap();
            }
            let after = run.rows("SELECT operate_id || ' ' || salesforce_id FROM link WHERE state = 'in_step' ORDER BY 1").await;
            assert_eq!(after, before, "SEED={seed}");
            let more = run.shared.model().written.split_off(written);
            assert!(more.is_empty(), "SEED={seed}: {more:?}");
            run.end().await;
        });
    }
}

#[test]
fn what_a_poll_misses_the_sweep_brings_to_the_same_end() {
    let folder = folder();
    for seed in 0..25 {
        let ends = [false, true].map(|late| {
            on_runtime(async {
                let mut run = in_step(seed, folder).await;
                {
                    let mut model = run.shared.model();
                    // Twenty minutes after everything else, and when `late`, seen so much later that no poll reads that far back.
                    model.pass(TimeDelta::minutes(20));
                    for side in Side::BOTH {
                        let ids: Vec<String> = model.leads.get(side).keys().take(3).cloned().collect();
                        for id in ids {
                            model.person_writes(side, &id, "title", &format!("late {side} {id}"));
                        }
                    }
                }
                if late {
                    run.look_ahead().await;
                }
                for _ in 0..4 {
                    run.sweep().await;
                    run.shared.model().pass(TimeDelta::minutes(1));
                    run.cycle().await.unwrap().unwrap();
                }
                let end = state(&run).await;
                run.end().await;
                end
            })
        });
        assert_same(&ends[0], &ends[1], &format!("SEED={seed}"));
    }
}

#[test]
fn a_plan_says_exactly_what_is_written() {
    let mut planned_writes = 0;
    let folder = folder();
    for seed in 0..25 {
        on_runtime(async {
            let mut run = in_step(seed, folder).await;
            {
                let mut model = run.shared.model();
                model.pass(TimeDelta::minutes(20));
                (0..6).for_each(|_| model.person_edits());
                (0..2).for_each(|_| model.person_creates());
                // What is seen at all is seen by both.
                model.pass(TimeDelta::minutes(6));
            }
            let planned = run.plan().await;
            let written = run.shared.model().written.len();
            run.cycle().await.unwrap().unwrap();
            let written = run.shared.model().written.split_off(written);
            // A create is followed by a write that only tells the other lead its id.
            let written: BTreeSet<String> = written
                .iter()
                .filter(|(_, kind, fields)| *kind == WriteKind::Create || !fields.is_empty())
                .map(|(side, kind, fields)| format!("{side} {} {:?}", kind.as_str(), neutral(fields)))
                .collect();
            let difference: Vec<_> = written.symmetric_difference(&planned).collect();
            assert!(difference.is_empty(), "SEED={seed}: {difference:#?}\n{}", run.shared.model().log.join("\n"));
            planned_writes += planned.len();
            run.end().await;
        });
    }
    assert!(planned_writes > 100, "only {planned_writes} writes were planned");
}

/// A write as a plan shows it: by the mapping's names, in Operate's words, an empty value as null.
fn neutral(fields: &NativeFields) -> Map<String, Json> {
    let word = |value: &Json| match value.as_str() {
        Some("Open") => json!("New"),
        Some("Contacted") => json!("Working"),
        // An Operate text is emptied by an empty text.
        Some("") => Json::Null,
        _ => value.clone(),
    };
    fields.iter().map(|(name, value)| (name.trim_end_matches("__c").to_owned(), word(value))).collect()
}
