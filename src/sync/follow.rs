//! Hints followed: the leads that they name are read, and what follows is decided and written at once, without a poll of either side.
//!
//! Where a lead was read by its id and its link is known, that is enough: what the other half was at the last poll is what the write is
//! guarded by. All else takes a whole round: a lead without a link, since its other half may be there unseen; and a lead that a filter
//! may leave out, since only a query knows the filter.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use chrono::{DateTime, Utc};
use tracing::Instrument as _;

use super::cycle::Waits;
use super::{CycleError, Engine};
use crate::lead::{PerSide, Side};
use crate::store::Cycle;

/// How current what the store has of Salesforce's leads is.
#[derive(Debug, Clone)]
pub(super) struct AsOf {
    /// A moment, by its clock, no later than the reading of the last poll.
    polled: DateTime<Utc>,
    /// Leads that were read by their ids since.
    read: BTreeSet<String>,
    /// A moment no later than that.
    read_at: DateTime<Utc>,
}

impl AsOf {
    /// Everything as at this poll.
    pub(super) const fn poll(polled: DateTime<Utc>) -> Self {
        Self { polled, read: BTreeSet::new(), read_at: polled }
    }

    /// A moment, by Salesforce's clock, no later than the reading of this lead.
    pub(super) fn of(&self, lead_id: &str) -> DateTime<Utc> {
        if self.read.contains(lead_id) { self.read_at.max(self.polled) } else { self.polled }
    }

    fn reading(&mut self, ids: &[String], at: DateTime<Utc>) {
        self.read_at = if self.read.is_empty() { at } else { self.read_at.min(at) };
        self.read.extend(ids.iter().cloned());
    }
}

/// What following hints came to.
#[derive(Debug)]
pub struct Followed {
    /// What was done.
    pub cycle: Cycle,
    /// Whether something has to wait for a second to pass, and can be done after that.
    pub waits: bool,
}

impl Engine {
    /// Looks at these leads, and carries across what changed of them. `stop` as in [`Engine::cycle`], and a record of a cycle is kept.
    pub async fn follow(&self, hints: &PerSide<Vec<String>>, stop: &(dyn Fn() -> bool + Sync)) -> Result<Followed, CycleError> {
        let (mut cycle, started) = self.begin();
        (cycle.changed, cycle.deleted) = *self.hinted.lock().unwrap_or_else(PoisonError::into_inner);
        let ran = self.look(hints, &mut cycle, stop).instrument(tracing::debug_span!("hints")).await;
        *self.hinted.lock().unwrap_or_else(PoisonError::into_inner) = (cycle.changed, cycle.deleted);
        let (cycle, waits) = self.end(cycle, started, ran).await?;
        Ok(Followed { cycle, waits: waits.second })
    }

    async fn look(
        &self,
        hints: &PerSide<Vec<String>>,
        cycle: &mut Cycle,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Waits, CycleError> {
        self.spare(cycle).await?;
        let outbox = self.store.outbox(self.now()).await?;
        self.resolve_doubts(&outbox).await?;
        let known = *self.known_as_of.lock().unwrap_or_else(PoisonError::into_inner);
        let (polled, polled_at) = known.unwrap_or_default();
        let mut as_of = AsOf::poll(polled);
        let mut is_enough = known.is_some();
        for side in Side::BOTH {
            let read = hints.get(side);
            if side == Side::Salesforce && !read.is_empty() {
                let Some(now) = self.server_time(side) else { return self.round(cycle, stop).await };
                as_of.reading(read, now);
            }
            is_enough &= self.look_at_hinted(side, read, cycle).await?;
        }
        if !is_enough || self.store.has_new_leads().await? {
            return self.round(cycle, stop).await;
        }
        // What Salesforce had in the second of the last poll may have changed again within it, and of what it was given since, the modified
        // time is not known that a write is guarded by. Once that second is over it is read; before, there is no use in it.
        let Some(now) = self.server_time(Side::Salesforce) else { return self.round(cycle, stop).await };
        let young = self.store.young_leads(polled, polled_at, now).await?;
        let young: Vec<String> = young.into_iter().filter(|lead| !as_of.read.contains(lead)).collect();
        if !young.is_empty() {
            as_of.reading(&young, now);
            if !self.look_at_hinted(Side::Salesforce, &young, cycle).await? {
                return self.round(cycle, stop).await;
            }
        }
        self.carry_out(cycle, &as_of, stop).await
    }

    /// Reads these leads, and takes to be deleted what a side surely does not have. Gives whether the store has all of them as they are
    /// now: not those without a link, and none that a filter may leave out.
    async fn look_at_hinted(&self, side: Side, ids: &[String], cycle: &mut Cycle) -> Result<bool, CycleError> {
        let client = self.clients.get(side);
        let mut is_enough = true;
        for ids in ids.chunks(client.reads_at_once().max(1)) {
            let mut read = client.read(ids).await?;
            if client.absence_is_deletion() {
                let is_missing = |id: &&String| !read.iter().any(|record| record.id == **id);
                let missing: Vec<String> = ids.iter().filter(is_missing).cloned().collect();
                cycle.seen += self.store.observe_all_gone(side, &missing, self.now()).await?;
            }
            let there: Vec<&str> = read.iter().map(|record| record.id.as_str()).collect();
            let linked = self.store.linked_among(side, &there).await?;
            is_enough &= linked.len() == read.len() && (read.is_empty() || !self.rules.filtered.get(side));
            read.retain(|record| linked.contains(&record.id) && (record.deleted || !self.rules.filtered.get(side)));
            let seen: Vec<_> = read.into_iter().map(|record| self.observation(side, record)).collect();
            cycle.seen += self.store.observe(side, &seen, None, self.now()).await?.changed;
        }
        Ok(is_enough)
    }
}
