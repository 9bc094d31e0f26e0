//! Fixed scenarios: what people do, act by act, with quiet in between; and what both systems and the store come to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use chrono::TimeDelta;
use leadsync::config::sync::{ConflictRule, DeleteRule};
use leadsync::lead::Side;
use serde_json::{Value as Json, json};

use super::model::{Lead, Loss, Model, native};
use super::run::Run;
use super::setup::Setup;

/// What people do at once, before the daemon sees any of it.
type Act = fn(&mut Model);

pub struct Scenario {
    pub name: &'static str,
    pub conflict: ConflictRule,
    pub delete: DeleteRule,
    pub acts: &'static [Act],
}

/// The ways in which leads come into step and out of it.
pub const ALL: [Scenario; 6] = [
    Scenario { name: "first sync both ways", conflict: ConflictRule::Newest, delete: DeleteRule::Ignore, acts: &[meet] },
    Scenario { name: "conflict", conflict: ConflictRule::Operate, delete: DeleteRule::Ignore, acts: &[meet, both_edit] },
    Scenario { name: "create lost", conflict: ConflictRule::Salesforce, delete: DeleteRule::Ignore, acts: &[lose_creates] },
    Scenario { name: "update lost", conflict: ConflictRule::Salesforce, delete: DeleteRule::Ignore, acts: &[meet, lose_updates] },
    Scenario { name: "delete", conflict: ConflictRule::Salesforce, delete: DeleteRule::Propagate, acts: &[meet, delete] },
    Scenario { name: "merge and convert", conflict: ConflictRule::Salesforce, delete: DeleteRule::Ignore, acts: &[meet, merge] },
];

/// Three leads on either side, and one that both have with different values.
fn meet(model: &mut Model) {
    for soul in 1..=3 {
        model.given(Side::Operate, soul, &[("phone", &format!("o{soul}")), ("title", "CEO")]);
    }
    for soul in 4..=6 {
        model.given(Side::Salesforce, soul, &[("phone", &format!("s{soul}"))]);
    }
    model.given(Side::Operate, 7, &[("phone", "o7"), ("title", "COO")]);
    model.given(Side::Salesforce, 7, &[("phone", "s7")]);
}

fn both_edit(model: &mut Model) {
    for (side, soul, field, value) in [
        (Side::Operate, 1, "phone", "o1a"),
        (Side::Salesforce, 1, "title", "CTO"),
        (Side::Operate, 2, "phone", "o2a"),
        (Side::Salesforce, 2, "phone", "s2a"),
        (Side::Salesforce, 4, "phone", "s4a"),
        (Side::Salesforce, 5, "title", "CFO"),
    ] {
        model.edits_of(side, soul, field, value);
    }
}

fn lose_creates(model: &mut Model) {
    meet(model);
    for side in Side::BOTH {
        model.losses.get_mut(side).extend([Loss::After, Loss::Before]);
    }
}

fn lose_updates(model: &mut Model) {
    both_edit(model);
    for side in Side::BOTH {
        model.losses.get_mut(side).extend([Loss::After, Loss::Before]);
    }
}

fn delete(model: &mut Model) {
    let operate = model.id_of(Side::Operate, 1);
    model.leads.operate.remove(&operate);
    for soul in [4, 5] {
        let id = model.id_of(Side::Salesforce, soul);
        let now = model.second(Side::Salesforce);
        let record = model.record(Side::Salesforce, &id);
        (record.deleted, record.modified_at) = (true, now);
    }
    // One of them was edited on the other side meanwhile.
    model.edits_of(Side::Operate, 5, "phone", "o5a");
    model.bereft.extend([1, 4, 5]);
}

fn merge(model: &mut Model) {
    let now = model.second(Side::Salesforce);
    let master = model.given(Side::Salesforce, 8, &[("title", "CIO")]);
    let loser = model.id_of(Side::Salesforce, 1);
    model.join(8, 1);
    let record = model.record(Side::Salesforce, &loser);
    (record.deleted, record.modified_at, record.master_id) = (true, now, Some(master));
    let customer = model.id_of(Side::Salesforce, 2);
    let record = model.record(Side::Salesforce, &customer);
    (record.converted, record.modified_at) = (true, now);
    model.edits_of(Side::Operate, 2, "phone", "o2b");
}

impl Model {
    /// Somebody made this lead.
    fn given(&mut self, side: Side, soul: usize, fields: &[(&'static str, &str)]) -> String {
        let mut native_fields = BTreeMap::from([(native(side, "email"), json!(format!("s{soul}@example.com")))]);
        for (field, value) in fields {
            native_fields.insert(native(side, field), json!(value));
            self.remember(side, soul, field, value);
        }
        self.insert(side, soul, false, native_fields.into_iter().collect(), None)
    }

    fn id_of(&self, side: Side, soul: usize) -> String {
        let leads = self.leads.get(side).values();
        leads.filter(|lead| !lead.record.deleted).find(|lead| lead.soul == soul).unwrap().record.id.clone()
    }

    fn edits_of(&mut self, side: Side, soul: usize, field: &'static str, value: &str) {
        let id = self.id_of(side, soul);
        self.person_writes(side, &id, field, value);
    }
}

/// What a scenario came to.
pub struct End {
    /// Both systems, the links and the conflicts, without ids and times.
    pub state: String,
    /// Store commits and requests.
    pub points: u32,
}

impl Scenario {
    /// Plays it to its end; the process is killed at this store commit or request, if any, and once more so many later.
    pub async fn play(&self, folder: &Path, draws: u64, kills: &[u32]) -> End {
        let mut run = Run::under(draws, Setup::of(self.conflict, self.delete), folder);
        run.start().await;
        let (first, again) = (kills.first().copied(), kills.get(1).copied());
        run.kill_in(first.unwrap_or(u32::MAX));
        let mut again = again;
        for act in self.acts {
            act(&mut run.shared.model());
            let mut quiet = 0;
            for _ in 0..20 {
                run.shared.model().pass(TimeDelta::minutes(1));
                match run.cycle().await {
                    Some(Ok(cycle)) if (cycle.seen, cycle.pushed) == (0, 0) => quiet += 1,
                    Some(Ok(_)) => quiet = 0,
                    Some(Err(error)) => panic!("{}: {error}", self.name),
                    None => {
                        quiet = 0;
                        run.kill_in(again.take().unwrap_or(u32::MAX));
                    }
                }
                if quiet == 3 {
                    break;
                }
            }
            assert_eq!(quiet, 3, "{}: it comes to no rest", self.name);
        }
        let points = run.points();
        let state = state(&run).await;
        run.end().await;
        End { state, points }
    }
}

/// Two ways have the same end.
pub fn assert_same(one: &str, other: &str, what: &str) {
    let only = |these: &str, those: &str| {
        these.lines().filter(|line| !those.lines().any(|other| other == *line)).collect::<Vec<_>>().join("\n")
    };
    assert!(one == other, "{what}:\n{}\nand not\n{}", only(one, other), only(other, one));
}

/// Both systems, the links and the conflicts, by the leads' e-mail addresses.
pub async fn state(run: &Run) -> String {
    let mut state = String::new();
    {
        let model = run.shared.model();
        for broken in &model.broken {
            let _ = writeln!(state, "BROKEN {broken}");
        }
        for side in Side::BOTH {
            let mut leads: Vec<String> = model.leads.get(side).values().map(|lead| line(side, lead)).collect();
            leads.sort_unstable();
            let _ = writeln!(state, "{}", leads.join("\n"));
        }
    }
    for sql in [
        r#"SELECT '["' || s.state || '",' || l.base || ',' || coalesce(s.operate_fields, 'null') || ',' || coalesce(s.salesforce_fields, 'null') || ']'
         FROM lead_status s JOIN link l USING (link_id)"#,
        r#"SELECT DISTINCT '["' || concat_ws('","', c.field, c.rule, c.winner, c.state) || '",' || coalesce(c.base_value, 'null') || ','
             || coalesce(c.operate_value, 'null') || ',' || coalesce(c.salesforce_value, 'null') || ']' FROM conflict c"#,
        r#"SELECT '["' || concat_ws('","', side, kind, state) || '"]' FROM push WHERE state NOT IN ('done', 'superseded')"#,
    ] {
        // The order of an object's fields tells which were written last.
        let rows = run.rows(sql).await;
        let mut rows: Vec<String> = rows.iter().map(|row| row.parse::<Json>().unwrap().to_string()).collect();
        rows.sort_unstable();
        let _ = writeln!(state, "{}", rows.join("\n"));
    }
    state
}

fn line(side: Side, lead: &Lead) -> String {
    let record = &lead.record;
    let fields: BTreeMap<&str, &Json> = record.fields.iter().filter(|(_, value)| **value != json!("")).collect();
    let named = record.external_id.is_some();
    format!("{side} {} deleted {} converted {} named {named} {fields:?}", lead.soul, record.deleted, record.converted)
}
