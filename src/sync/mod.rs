//! The engine: two leads of one person stay in step.
//!
//! A cycle goes round once:
//!
//! 1. `doubt`: writes of which nobody knows whether they took effect are looked for.
//! 2. `poll`: what changed on either side becomes observations.
//! 3. `merged`: the links of leads that were merged away follow the leads they were merged into.
//! 4. `pair`: leads without a link find each other, or get a create.
//! 5. `reconcile`: links of which a lead changed are merged; the decisions become pushes.
//! 6. `push`: pushes that are due are sent, unless something holds them (`hold`), and their outcomes become observations again.
//!
//! Now and then a `sweep` looks for what polls cannot see. Where somebody gives a hint, `follow` looks at those leads without a poll.
//!
//! Everything that is known is in the store; nothing here survives a cycle. Only the cycle writes the store; a person's commands leave their
//! words in it.

mod compare;
mod cycle;
mod doubt;
mod follow;
mod hold;
mod merged;
mod outcome;
mod pair;
mod poll;
mod push;
mod reconcile;
mod remove;
mod sweep;
mod swing;
mod thrift;
mod turns;
mod undo;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value as Json;
use tokio::sync::{RwLock, RwLockWriteGuard};

use crate::config::Config;
use crate::config::part::LeavesRule;
use crate::config::salesforce::DuplicateRule;
use crate::config::sync::{CreateRule, DeleteRule};
use crate::lead::{PerSide, Side, Value};
use crate::mapping::{Base, Former, Mapping, MappingError, Values};
use crate::metrics::Metrics;
use crate::side::{Record, SideClient, SideError};
use crate::store::{DirtyLink, LeadRow, Observation, Store, StoreError};

pub use compare::{Compared, Drift};
pub use cycle::Patience;
pub use follow::Followed;
pub use sweep::Found;
pub use thrift::{Tally, thrift};
pub use turns::Turns;
use turns::side_by_side;

/// Tells the time; the servers' clocks are measured against it.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// An edit waits no longer than this for a first load. Shorter cycles would take more requests: each reads both sides, and gives the new leads'
/// ids to Salesforce.
const WRITE_FOR: Duration = Duration::from_mins(2);

/// What the engine takes from the configuration.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Where leads are created.
    pub create: CreateRule,
    /// What a delete does.
    pub delete: DeleteRule,
    /// What to do where Salesforce finds a duplicate.
    pub duplicates: DuplicateRule,
    /// How far behind the checkpoint a poll reads again.
    pub overlap: TimeDelta,
    /// How long after an unanswered create it is looked for once more before it is sent again.
    pub settle: TimeDelta,
    /// How long a cycle writes. The rest is left to the next one: what people edit meanwhile is not seen.
    pub write_for: Duration,
    /// The share of all links that a cycle may change; `None`: any.
    pub max_change: Option<f64>,
    /// How many deletes a cycle may carry out.
    pub max_delete: u64,
    /// The share of Salesforce's daily requests that may be used.
    pub daily_request_share: f64,
    /// Operate's fields that a new lead must be given.
    pub required_fields: Vec<String>,
    /// Whether a side has a filter that its queries name: a lead that is read by its id may be outside it.
    pub filtered: PerSide<bool>,
    /// Whether a pair of which a lead leaves the filter forgets what it had in step.
    pub unlinks: bool,
    /// The place of a field, and what a side's field gets when the other side's lead was converted.
    pub converted: Option<(usize, PerSide<Option<Value>>)>,
}

impl Rules {
    /// As configured.
    pub fn of(config: &Config, mapping: &Mapping) -> Result<Self, MappingError> {
        let sync = &config.sync;
        let converted = sync.converted.as_ref().and_then(|converted| Some((mapping.field(&converted.field)?, &converted.given)));
        let converted = match converted {
            None => None,
            Some(((place, field), given)) => {
                let mut values = PerSide::<Option<Value>>::default();
                for side in Side::BOTH {
                    let Some(text) = given.get(side) else { continue };
                    let value = field.lens().get(side, &Json::String(text.clone()));
                    if let Value::Unknown(raw) = value {
                        let reason = format!("sync.converted.{side}: {raw:?} is not {}", field.lens().expected());
                        return Err(MappingError { field: field.name.clone(), reason });
                    }
                    // A spelling that is only read, as one that shares its counterpart, would be written as another.
                    let written = field.lens().put(side, &value).ok();
                    if written.as_ref().and_then(Json::as_str).is_some_and(|written| written != text) {
                        let reason = format!(
                            "sync.converted.{side}: {text:?} has no row in `values` that goes both ways, and would be written as {}",
                            written.unwrap_or_default()
                        );
                        return Err(MappingError { field: field.name.clone(), reason });
                    }
                    *values.get_mut(side) = Some(value);
                }
                Some((place, values))
            }
        };
        Ok(Self {
            create: sync.create,
            delete: sync.delete,
            duplicates: config.salesforce.duplicates,
            overlap: config.schedule.overlap,
            settle: TimeDelta::from_std(config.operate.settle).unwrap_or(TimeDelta::MAX),
            write_for: WRITE_FOR,
            max_change: sync.max_change,
            max_delete: sync.max_delete.into(),
            daily_request_share: config.salesforce.daily_request_share,
            required_fields: config.operate.required_fields.clone(),
            filtered: PerSide {
                operate: !config.operate.filter.trim().is_empty(),
                salesforce: !config.salesforce.filter.trim().is_empty(),
            },
            unlinks: sync.leaves == LeavesRule::Unlink,
            converted,
        })
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
    /// The budget is used up: no request is made.
    #[error("{0}")]
    Thrift(String),
    /// A side no longer has the fields that the mapping names, or no longer lets them be written.
    #[error("{side} has changed its fields: {reason}", side = .side.title())]
    Schema {
        /// Which side.
        side: Side,
        /// Its words.
        reason: String,
    },
}

/// The engine, with all it needs.
pub struct Engine {
    store: Arc<Store>,
    mapping: Arc<Mapping>,
    clients: PerSide<Arc<dyn SideClient>>,
    rules: Rules,
    clock: Clock,
    turns: Option<Arc<Turns>>,
    /// What held writes back or slowed polls down last, for the log.
    held: Mutex<Option<&'static str>>,
    /// What earlier mappings were, by their number in the store, as far as that was needed.
    former: Mutex<BTreeMap<i64, Json>>,
    /// Until when Salesforce is left alone, because its limit is used up.
    exhausted_until: Mutex<Option<DateTime<Utc>>>,
    /// What the store has of the requests to Salesforce of the last day, and when that was asked.
    recorded: Mutex<Option<(DateTime<Utc>, u64)>>,
    /// When each side was polled whole, as far as the store does not know it yet.
    polled: Mutex<PerSide<Option<DateTime<Utc>>>>,
    /// A moment, by Salesforce's clock, no later than the reading of its last complete poll; and when that was stored, by ours.
    known_as_of: Mutex<Option<(DateTime<Utc>, DateTime<Utc>)>>,
    /// Links changed and leads deleted because of hints since the last cycle: for the brakes they are one.
    hinted: Mutex<(u64, u64)>,
    /// How long each side has been quiet.
    quiet: Mutex<PerSide<Option<poll::Quiet>>>,
    /// Read by each round of writes until it is settled.
    writing: RwLock<()>,
    metrics: Metrics,
}

impl Engine {
    /// Puts an engine together. If the store was filled under another mapping, all leads will be read again; if leads were not created
    /// on a side where they are now, those that stayed alone are looked at again.
    pub async fn new(
        store: Arc<Store>,
        mapping: Arc<Mapping>,
        clients: PerSide<Arc<dyn SideClient>>,
        rules: Rules,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        store.read_under(mapping.fingerprint(), &mapping.described(), clock()).await?;
        store.create_under(PerSide::build(|side| rules.creates(side))).await?;
        let (held, former, exhausted_until) = (Mutex::default(), Mutex::default(), Mutex::default());
        let (recorded, polled, quiet, metrics) = (Mutex::default(), Mutex::default(), Mutex::default(), Metrics::default());
        let (turns, writing, known_as_of, hinted) = (None, RwLock::new(()), Mutex::default(), Mutex::default());
        Ok(Self {
            store,
            mapping,
            clients,
            rules,
            clock,
            turns,
            held,
            former,
            exhausted_until,
            recorded,
            polled,
            known_as_of,
            hinted,
            quiet,
            writing,
            metrics,
        })
    }

    /// Has whatever would go on side by side go on in turns instead.
    #[must_use]
    pub fn in_turns(mut self, turns: Arc<Turns>) -> Self {
        self.turns = Some(turns);
        self
    }

    /// Has cycles, polls and writes counted there.
    #[must_use]
    pub fn counted_in(self, metrics: &Metrics) -> Self {
        Self { metrics: metrics.clone(), ..self }
    }

    /// Waits until no write is under way; none begins as long as what it gives is kept.
    pub async fn at_rest(&self) -> RwLockWriteGuard<'_, ()> {
        self.writing.write().await
    }

    /// The store it works on.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Does the same on both sides at once.
    async fn on_both<T, E, F: Future<Output = Result<T, E>>>(&self, work: impl Fn(Side) -> F) -> Result<PerSide<T>, E> {
        let mut done = side_by_side(self.turns.as_deref(), Side::BOTH.map(work)).await.into_iter();
        let (Some(operate), Some(salesforce)) = (done.next(), done.next()) else { unreachable!("two were asked for") };
        Ok(PerSide { operate: operate?, salesforce: salesforce? })
    }

    fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// A moment by a server's clock that is surely not later than now; `None` before its first answer.
    fn server_time(&self, side: Side) -> Option<DateTime<Utc>> {
        let clock = self.clients.get(side).clock()?;
        Some(self.now() + clock.offset - clock.error)
    }

    /// Whether a side says that it no longer has the fields of the mapping as the mapping needs them.
    async fn has_changed_fields(&self, side: Side) -> Result<bool, CycleError> {
        let described = self.clients.get(side).describe().await?;
        Ok(described.is_some_and(|described| !self.mapping.fits(side, &described)))
    }

    /// Whether a side cannot have a value that it may do without (`unknown = "keep"`): a name that is in none of its lists.
    fn is_foreign(&self, to: Side, place: usize, value: &Value) -> bool {
        let Some(field) = self.mapping.fields().get(place).filter(|field| !field.policy.unknown_parks) else { return false };
        let native = field.lens().put(to, value);
        let [name] = field.native.get(to).as_slice() else { return false };
        native.is_ok_and(|native| !self.clients.get(to).knows(name, &native))
    }

    /// A lead's values as they count in a merge: a conversion on one side stands for a value of the configuration.
    fn values_of(&self, side: Side, lead: &LeadRow) -> Values {
        let mut values = self.all_values_of(side, lead);
        self.mapping.set_aside(&mut values);
        values
    }

    /// The same, with the fields that have no part in this lead.
    fn all_values_of(&self, side: Side, lead: &LeadRow) -> Values {
        let mut values = self.mapping.decode(&lead.fields);
        if lead.converted
            && let Some((place, given)) = &self.rules.converted
            && let (Some(value), Some(slot)) = (given.get(side.other()), values.0.get_mut(*place))
        {
            slot.clone_from(value);
        }
        values
    }

    /// The base of a link in the words of the present mapping.
    fn base_of(&self, link: &DirtyLink) -> Base {
        let leads = &link.leads;
        let rows = PerSide::build(|side| leads.get(side).as_ref().and_then(|lead| lead.former.as_ref()));
        if Side::BOTH.into_iter().all(|side| rows.get(side).is_none()) {
            return self.mapping.decode_base(&link.base);
        }
        let mappings = self.former.lock().unwrap_or_else(PoisonError::into_inner);
        let former = PerSide::build(|side| {
            let row = (*rows.get(side))?;
            let described = mappings.get(&row.mapping_id).filter(|described| described.is_object())?;
            Some(Former { described, fields: &row.fields, unmoved: row.unmoved })
        });
        let now =
            PerSide::build(|side| leads.get(side).as_ref().map(|lead| self.mapping.decode(&lead.fields)).unwrap_or_default());
        self.mapping.translate(&link.base, former, &now)
    }

    /// Has at hand what the mappings were that these links were decided under.
    async fn recall_mappings(&self, links: impl IntoIterator<Item = &DirtyLink>) -> Result<(), CycleError> {
        let rows = links.into_iter().flat_map(|link| [&link.leads.operate, &link.leads.salesforce]).flatten();
        let ids: BTreeSet<i64> = rows.filter_map(|lead| Some(lead.former.as_ref()?.mapping_id)).collect();
        for id in ids {
            if !self.former.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&id) {
                let fields = self.store.mapping_fields(id).await?;
                self.former.lock().unwrap_or_else(PoisonError::into_inner).insert(id, fields);
            }
        }
        Ok(())
    }

    fn observation(&self, side: Side, record: Record) -> Observation {
        observation(&self.mapping, side, record)
    }
}

/// A lead as a side gave it, in the words of the mapping.
fn observation(mapping: &Mapping, side: Side, record: Record) -> Observation {
    let mut values = mapping.read(side, &record.fields);
    let fields = mapping.encode(&values);
    let filtered = !record.deleted && !mapping.takes_part(&values);
    mapping.set_aside(&mut values);
    Observation {
        keys: mapping.match_keys(&values),
        fields,
        lead_id: record.id,
        modified_at: record.modified_at,
        external_id: record.external_id,
        deleted: record.deleted,
        converted: record.converted,
        master_id: record.master_id,
        filtered,
    }
}
