//! The engine: two leads of one person stay in step.
//!
//! A cycle goes round once:
//!
//! 1. `doubt`: writes of which nobody knows whether they took effect are looked for.
//! 2. `poll`: what changed on either side becomes observations.
//! 3. `pair`: leads without a link find each other, or get a create.
//! 4. `reconcile`: links of which a lead changed are merged; the decisions become pushes.
//! 5. `push`: pushes that are due are sent, and their outcomes become observations again.
//!
//! Everything that is known is in the store; nothing here survives a cycle. Only the cycle writes the store.

mod compare;
mod cycle;
mod doubt;
mod pair;
mod poll;
mod push;
mod reconcile;
mod swing;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::sync::CreateRule;
use crate::config::{Config, operate};
use crate::lead::{PerSide, Side};
use crate::mapping::Mapping;
use crate::side::{SideClient, SideError};
use crate::store::{Observation, Store, StoreError};

pub use compare::{Compared, Drift};
pub use cycle::Patience;

/// Tells the time; the servers' clocks are measured against it.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// What the engine takes from the configuration.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Where leads are created.
    pub create: CreateRule,
    /// How many rules `[sync].match` has.
    pub match_rules: usize,
    /// How far behind the checkpoint a poll reads again.
    pub overlap: TimeDelta,
    /// How long after an unanswered create it is looked for once more before it is sent again.
    pub settle: TimeDelta,
}

impl Rules {
    /// As configured.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let operate::OperateConfig { settle, .. } = &config.operate;
        Self {
            create: config.sync.create,
            match_rules: config.sync.match_keys.len(),
            overlap: config.schedule.overlap,
            settle: TimeDelta::from_std(*settle).unwrap_or(TimeDelta::MAX),
        }
    }

    const fn creates(&self, to: Side) -> bool {
        matches!(
            (self.create, to),
            (CreateRule::Both, _) | (CreateRule::ToSalesforce, Side::Salesforce) | (CreateRule::ToOperate, Side::Operate)
        )
    }
}

/// A cycle could not be completed. Everything it had committed stays, and the next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum CycleError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A side failed.
    #[error(transparent)]
    Side(#[from] SideError),
}

/// The engine, with all it needs.
pub struct Engine {
    store: Arc<Store>,
    mapping: Arc<Mapping>,
    clients: PerSide<Arc<dyn SideClient>>,
    rules: Rules,
    clock: Clock,
}

impl Engine {
    /// Puts an engine together. If the store was filled under another mapping, all leads will be read again.
    pub async fn new(
        store: Arc<Store>,
        mapping: Arc<Mapping>,
        clients: PerSide<Arc<dyn SideClient>>,
        rules: Rules,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        store.read_under(mapping.fingerprint()).await?;
        Ok(Self { store, mapping, clients, rules, clock })
    }

    /// The store it works on.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// A moment by a server's clock that is surely not later than now; `None` before its first answer.
    fn server_time(&self, side: Side) -> Option<DateTime<Utc>> {
        let clock = self.clients.get(side).clock()?;
        Some(self.now() + clock.offset - clock.error)
    }

    fn observation(&self, side: Side, record: crate::side::Record) -> Observation {
        let values = self.mapping.read(side, &record.fields);
        Observation {
            keys: self.mapping.match_keys(&values),
            fields: self.mapping.encode(&values),
            lead_id: record.id,
            modified_at: record.modified_at,
            external_id: record.external_id,
            deleted: record.deleted,
            converted: record.converted,
            master_id: record.master_id,
        }
    }
}
