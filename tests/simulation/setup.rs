//! The configuration that a run of the daemon has.

use std::time::Duration;

use chrono::TimeDelta;
use leadsync::config::field::{Direction, FieldConfig};
use leadsync::config::salesforce::DuplicateRule;
use leadsync::config::sync::{ConflictRule, CreateRule, DeleteRule};
use leadsync::lead::{Kind, PerSide, Side};
use leadsync::mapping::{Mapping, OperateTime};
use leadsync::store::Cycle;
use leadsync::sync::Rules;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::model::native;
use crate::fixtures::{field, row};

/// What is drawn; some of it changes between two runs of the daemon.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    conflict: ConflictRule,
    delete: DeleteRule,
    max_delete: u64,
    /// Whether the status is mapped.
    status: bool,
    /// Whether phone and title merge as one.
    grouped: bool,
    /// Whether a conversion on one side sets the other side's status.
    converts: bool,
    /// Whether a side has a filter. It lets everybody pass.
    filtered: PerSide<bool>,
}

impl Setup {
    pub fn draw(rng: &mut ChaCha8Rng) -> Self {
        // Drawn beside the others, so that histories stay the ones they were.
        let mut beside = rng.clone();
        let grouped = beside.random_bool(0.3);
        Self {
            grouped,
            conflict: conflict(rng),
            delete: delete(rng),
            max_delete: if rng.random_bool(0.5) { 1 } else { 10 },
            status: true,
            converts: rng.random_bool(0.5),
            filtered: PerSide::build(|_| beside.random_bool(0.2)),
        }
    }

    /// A fixed one.
    pub const fn of(conflict: ConflictRule, delete: DeleteRule) -> Self {
        let filtered = PerSide { operate: false, salesforce: false };
        Self { conflict, delete, max_delete: 10, status: true, grouped: false, converts: false, filtered }
    }

    /// Somebody changes the configuration.
    pub fn change(&mut self, rng: &mut ChaCha8Rng) {
        if rng.clone().random_bool(0.2) {
            self.grouped = !self.grouped;
        }
        match rng.random_range(0..4) {
            0 => self.conflict = conflict(rng),
            1 => self.delete = delete(rng),
            _ => self.status = !self.status,
        }
    }

    /// The mapping, but for a field that Salesforce does not show.
    pub fn mapping(self, hidden: Option<&str>) -> Mapping {
        let time = OperateTime { zone: chrono_tz::UTC, format: "%Y-%m-%d %H:%M:%S".to_owned() };
        let fields: Vec<FieldConfig> = self.fields().into_iter().filter(|field| Some(field.name.as_str()) != hidden).collect();
        Mapping::new(&fields, &[vec!["email".to_owned()]], self.conflict, &time).unwrap()
    }

    fn fields(self) -> Vec<FieldConfig> {
        let plain = |name| field(name, Kind::Text);
        let mut status = field("status", Kind::Choice);
        status.values = vec![row("New", "Open", Direction::Both), row("Working", "Contacted", Direction::Both)];
        let group = self.grouped.then(|| "card".to_owned());
        let grouped = |name| FieldConfig { group: group.clone(), ..plain(name) };
        let fields = [plain("email"), grouped("phone"), grouped("title")];
        fields.into_iter().chain(self.status.then_some(status)).collect()
    }

    pub fn rules(self, mapping: &Mapping) -> Rules {
        let converted = mapping.field("status").filter(|_| self.converts).map(|(place, field)| {
            debug_assert_eq!(field.native.salesforce, [native(Side::Salesforce, "status")]);
            let given = |side: Side, word: &str| Some(field.lens().get(side, &json!(word)));
            (place, PerSide { operate: given(Side::Operate, "Working"), salesforce: given(Side::Salesforce, "Contacted") })
        });
        Rules {
            create: CreateRule::Both,
            delete: self.delete,
            duplicates: DuplicateRule::Park,
            overlap: TimeDelta::minutes(10),
            settle: TimeDelta::seconds(30),
            write_for: Duration::from_mins(2),
            max_change: None,
            max_delete: self.max_delete,
            daily_request_share: 0.5,
            required_fields: Vec::new(),
            filtered: self.filtered,
            unlinks: false,
            converted,
        }
    }

    /// What no cycle may do under this configuration. After a person's word a brake is off for what was due then.
    pub fn check(self, cycle: &Cycle, broken: &mut Vec<String>) {
        if self.delete == DeleteRule::Ignore && cycle.deleted > 0 {
            broken.push(format!("no delete without evidence: {} leads deleted, and deletes are ignored", cycle.deleted));
        }
    }
}

fn conflict(rng: &mut ChaCha8Rng) -> ConflictRule {
    let rules = [ConflictRule::Newest, ConflictRule::Operate, ConflictRule::Salesforce, ConflictRule::Manual];
    rules[rng.random_range(0..rules.len())]
}

fn delete(rng: &mut ChaCha8Rng) -> DeleteRule {
    if rng.random_bool(0.5) { DeleteRule::Propagate } else { DeleteRule::Ignore }
}
