//! The configuration that a run has.

use chrono::TimeDelta;
use leadsync::config::field::{Direction, FieldConfig};
use leadsync::config::salesforce::DuplicateRule;
use leadsync::config::sync::{ConflictRule, CreateRule, DeleteRule};
use leadsync::lead::Kind;
use leadsync::mapping::{Mapping, OperateTime};
use leadsync::sync::Rules;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use crate::fixtures::{field, row};

/// What may be drawn.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    conflict: ConflictRule,
    delete: DeleteRule,
    /// Whether the status is mapped: a configuration may change between two runs of the daemon.
    pub status: bool,
}

impl Setup {
    pub fn draw(rng: &mut ChaCha8Rng) -> Self {
        let rules = [ConflictRule::Newest, ConflictRule::Operate, ConflictRule::Salesforce, ConflictRule::Manual];
        let conflict = rules[rng.random_range(0..rules.len())];
        let delete = if rng.random_bool(0.5) { DeleteRule::Propagate } else { DeleteRule::Ignore };
        Self { conflict, delete, status: true }
    }

    pub fn mapping(self) -> Mapping {
        let time = OperateTime { zone: chrono_tz::UTC, format: "%Y-%m-%d %H:%M:%S".to_owned() };
        Mapping::new(&self.fields(), &[vec!["email".to_owned()]], self.conflict, &time).unwrap()
    }

    fn fields(self) -> Vec<FieldConfig> {
        let plain = |name| field(name, Kind::Text);
        let mut status = field("status", Kind::Choice);
        status.values = vec![row("New", "Open", Direction::Both), row("Working", "Contacted", Direction::Both)];
        let fields = [plain("email"), plain("phone"), plain("title")];
        fields.into_iter().chain(self.status.then_some(status)).collect()
    }

    pub fn rules(self) -> Rules {
        Rules {
            create: CreateRule::Both,
            delete: self.delete,
            duplicates: DuplicateRule::Park,
            overlap: TimeDelta::minutes(10),
            settle: TimeDelta::seconds(1),
            max_change: None,
            max_delete: 10,
            daily_request_share: 0.5,
            required_fields: Vec::new(),
            converted: None,
        }
    }
}
