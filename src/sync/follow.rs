//! Hints followed: the leads that they name are read, and what follows is decided and written at once, without a poll of either side.
//!
//! Where a lead was read by its id and its link is known, that is enough: what the other half was at the last poll is what the write is
//! guarded by. All else takes a whole round: a lead without a link, since its other half may be there unseen; and a lead that a filter
//! may leave out, since only a query knows the filter.

use std::collections::BTreeMap;
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
    /// The same of leads that were read by their ids since.
    read: BTreeMap<String, DateTime<Utc>>,
}

impl AsOf {
    /// Everything as at this poll.
    pub(super) const fn poll(polled: DateTime<Utc>) -> Self {
        Self { polled, read: BTreeMap::new() }
    }

    /// A moment, by Salesforce's clock, no later than the reading of this lead.
    pub(super) fn of(&self, lead_id: &str) -> DateTime<Utc> {
        self.read.get(lead_id).map_or(self.polled, |read| self.polled.max(*read))
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
        self.begin_round(cycle).await?;
        match self.read_hinted(hints, cycle).await? {
            Some(as_of) => self.carry_out(cycle, &as_of, stop).await,
            None => self.poll_round(cycle, stop).await,
        }
    }

    /// Reads these leads, and what has to be known beside. `None`: only a poll of both sides tells it.
    async fn read_hinted(&self, hints: &PerSide<Vec<String>>, cycle: &mut Cycle) -> Result<Option<AsOf>, CycleError> {
        let known = *self.known_as_of.lock().unwrap_or_else(PoisonError::into_inner);
        // Before they are read, so that it is no later than that.
        let now = self.server_time(Side::Salesforce);
        let mut is_enough = true;
        for side in Side::BOTH {
            is_enough &= self.look_at_hinted(side, hints.get(side), known.is_some(), cycle).await?;
        }
        let (Some((polled, polled_at)), Some(now)) = (known, now) else { return Ok(None) };
        if !is_enough || self.store.has_new_leads().await? {
            return Ok(None);
        }
        let mut as_of = AsOf::poll(polled);
        as_of.read.extend(hints.salesforce.iter().map(|id| (id.clone(), now)));
        // What Salesforce had in the second of the last poll may have changed again within it, and of what it was given since, the modified
        // time is not known that a write is guarded by. Once that second is over a poll tells, of all such leads at once; before, there is
        // no use in it.
        let Some(now) = self.server_time(Side::Salesforce) else { return Ok(None) };
        let young = self.store.young_leads(polled, polled_at, now).await?;
        if young.iter().all(|lead| as_of.read.contains_key(lead)) {
            return Ok(Some(as_of));
        }
        let polled = self.poll(Side::Salesforce).await?;
        cycle.seen += polled.changed;
        let is_enough = !self.store.has_new_leads().await?;
        Ok(is_enough.then_some(AsOf { polled: polled.as_of, ..as_of }))
    }

    /// Reads these leads. Gives whether the store has all of them as they are now: not those without a link, and none that a filter may
    /// leave out.
    async fn look_at_hinted(&self, side: Side, ids: &[String], may_poll: bool, cycle: &mut Cycle) -> Result<bool, CycleError> {
        let at_once = self.clients.get(side).reads_at_once().max(1);
        let mut left = ids.to_vec();
        // A poll is one request, as a rule, for any number of leads. It does not bring what is deleted.
        if may_poll && left.len() > at_once {
            let polled = self.poll_for(side, ids).await?;
            cycle.seen += polled.changed;
            left.retain(|id| !polled.brought.contains(id));
        }
        let is_filtered = *self.rules.filtered.get(side);
        let mut is_enough = true;
        for ids in left.chunks(at_once) {
            let (mut read, gone) = self.read_or_gone(side, ids).await?;
            let there: Vec<&str> = read.iter().map(|record| record.id.as_str()).collect();
            let linked = self.store.linked_among(side, &there).await?;
            is_enough &= linked.len() == read.len() && (read.is_empty() || !is_filtered);
            read.retain(|record| linked.contains(&record.id) && (record.deleted || !is_filtered));
            cycle.seen += gone + self.keep(side, read).await?;
        }
        Ok(is_enough)
    }
}
