//! The cycle: poll both sides, reconcile, push until nothing is due, or for as long as a cycle may write.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;
use tracing::Instrument as _;

use super::follow::AsOf;
use super::hold::Hold;
use super::thrift::Thrift;
use super::{CycleError, Engine};
use crate::lead::{PerSide, Side};
use crate::metrics;
use crate::side::SideError;
use crate::store::{Cycle, Outbox};

/// How often a cycle goes round before it leaves the rest to the next.
const ROUNDS: usize = 20;

/// Whether a cycle waits for what cannot be done at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// What has to wait is left to the next cycle.
    NextCycle,
    /// It goes round again after a second, for up to this long.
    Wait(Duration),
}

/// What has to wait.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Waits {
    /// Links of which a lead was read in the second of its change: until that is over.
    pub(super) second: bool,
    /// Writes, or leads that are to be read anew.
    more: bool,
}

impl Engine {
    /// One cycle. `stop` is asked before each round of writes: once it says so, the cycle ends early and in good order.
    ///
    /// The record of the cycle is kept in the store, also when it failed.
    pub async fn cycle(&self, patience: Patience, stop: &(dyn Fn() -> bool + Sync)) -> Result<Cycle, CycleError> {
        let (mut cycle, started) = self.begin();
        *self.hinted.lock().unwrap_or_else(PoisonError::into_inner) = (0, 0);
        let ran = self.rounds(&mut cycle, patience, stop).instrument(tracing::debug_span!("cycle")).await;
        Ok(self.end(cycle, started, ran).await?.0)
    }

    pub(super) fn begin(&self) -> (Cycle, Instant) {
        (Cycle { started_at: self.now(), ..Cycle::default() }, Instant::now())
    }

    /// Keeps the record of a cycle that ran like this.
    pub(super) async fn end<T>(
        &self,
        mut cycle: Cycle,
        started: Instant,
        ran: Result<T, CycleError>,
    ) -> Result<(Cycle, T), CycleError> {
        let ran = match ran {
            // A query names every mapped field: it is refused as soon as one of them is gone.
            Err(CycleError::Side(SideError::Refused { side, reason }))
                if self.has_changed_fields(side).await.unwrap_or(false) =>
            {
                Err(CycleError::Schema { side, reason })
            }
            ran => ran,
        };
        if let Err(CycleError::Side(SideError::Budget { side: Side::Salesforce, retry_at, .. })) = &ran {
            cycle.held = Some(self.leave_alone(*retry_at));
        }
        let outcome = metrics::Outcome::of(&ran);
        self.metrics.cycles.get_or_create(&metrics::Ended { outcome }).inc();
        self.metrics.cycle_duration.observe(started.elapsed().as_secs_f64());
        cycle.requests = PerSide::build(|side| self.clients.get(side).requests());
        cycle.usage = self.clients.salesforce.usage();
        cycle.error = ran.as_ref().err().map(ToString::to_string);
        let polled = std::mem::take(&mut *self.polled.lock().unwrap_or_else(PoisonError::into_inner));
        self.store.record_cycle(&cycle, polled, self.now()).await?;
        for side in Side::BOTH {
            self.clients.get(side).recorded(*cycle.requests.get(side));
        }
        self.recorded(cycle.requests.salesforce);
        ran.map(|done| (cycle, done))
    }

    async fn rounds(&self, cycle: &mut Cycle, patience: Patience, stop: &(dyn Fn() -> bool + Sync)) -> Result<(), CycleError> {
        let Patience::Wait(limit) = patience else { return self.round(cycle, stop).await.map(drop) };
        let mut give_up = Instant::now() + limit;
        loop {
            let waits = self.round(cycle, stop).await?;
            if cycle.unfinished && !stop() {
                give_up = Instant::now() + limit;
            } else if (waits.second || waits.more) && Instant::now() < give_up && !stop() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            } else {
                return Ok(());
            }
        }
    }

    async fn round(&self, cycle: &mut Cycle, stop: &(dyn Fn() -> bool + Sync)) -> Result<Waits, CycleError> {
        self.begin_round(cycle).await?;
        self.poll_round(cycle, stop).await
    }

    /// Looks for what became of writes in doubt. Fails where requests are to be spared.
    pub(super) async fn begin_round(&self, cycle: &mut Cycle) -> Result<(), CycleError> {
        if let Thrift::Stop(reason) = self.thrift().await? {
            self.tell(Some(("budget", &reason)));
            cycle.held = Some(reason.clone());
            return Err(CycleError::Thrift(reason));
        }
        let outbox = self.store.outbox(self.now()).await?;
        self.resolve_doubts(&outbox).await
    }

    /// Polls both sides, and carries across what changed.
    pub(super) async fn poll_round(&self, cycle: &mut Cycle, stop: &(dyn Fn() -> bool + Sync)) -> Result<Waits, CycleError> {
        let polled = self.on_both(|side| self.poll(side)).await?;
        cycle.seen += polled.operate.changed + polled.salesforce.changed;
        self.on_both(|side| self.reread(side)).await?;
        let renamed = self.follow_names().await?;
        let waits = self.carry_out(cycle, &AsOf::poll(polled.salesforce.as_of), stop).await?;
        Ok(Waits { more: waits.more || renamed, ..waits })
    }

    /// Decides what changed and writes what is due, until nothing is or the time for writing is over.
    pub(super) async fn carry_out(
        &self,
        cycle: &mut Cycle,
        as_of: &AsOf,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Waits, CycleError> {
        let mut held = 0;
        let mut outbox = Outbox::default();
        let mut until = None;
        cycle.unfinished = false;
        for _ in 0..ROUNDS {
            held = self.decide_all(cycle, as_of).await?;
            outbox = self.store.outbox(self.now()).await?;
            if stop() {
                break;
            }
            let thrift = self.thrift().await?;
            let brakes = self.hold(cycle, &thrift, &outbox).await?;
            cycle.held = brakes.reason().map(|(_, reason)| reason.to_owned());
            if !outbox.is_ready() {
                break;
            }
            let brakes = &brakes;
            // Where polls are to be spared, the next one comes no sooner.
            let interval = thrift.interval().and_then(|interval| interval.to_std().ok()).unwrap_or_default();
            let until = *until.get_or_insert_with(|| Instant::now() + interval.max(self.rules.write_for));
            let pause = || stop() || Instant::now() >= until;
            let PerSide { operate: mut pushed, salesforce } =
                self.on_both(|side| self.push(side, outbox.clone(), brakes, &pause)).await?;
            pushed.add(salesforce);
            cycle.pushed += pushed.done;
            cycle.parked += pushed.parked;
            cycle.changed += pushed.changed;
            cycle.deleted += pushed.deleted;
            cycle.unfinished = Instant::now() >= until;
            if pushed.tried == 0 || cycle.unfinished {
                break;
            }
            outbox = self.store.outbox(self.now()).await?;
            self.resolve_doubts(&outbox).await?;
        }
        let more = outbox.in_doubt() || (cycle.held.is_none() && outbox.is_due());
        Ok(Waits { second: held > 0, more })
    }

    async fn decide_all(&self, cycle: &mut Cycle, as_of: &AsOf) -> Result<u64, CycleError> {
        self.store.rest(self.rules.unlinks, self.now()).await?;
        cycle.parked += Box::pin(self.pair(as_of)).await?;
        let reconciled = self.reconcile(as_of).await?;
        cycle.conflicts += reconciled.conflicts;
        cycle.parked += reconciled.parked;
        Ok(reconciled.held)
    }

    /// Polls and decides, and sends nothing: what is due afterwards is what a cycle would write, unless a brake holds it. For a copy of
    /// the store.
    pub async fn rehearse(&self) -> Result<Cycle, CycleError> {
        let mut cycle = Cycle { started_at: self.now(), ..Cycle::default() };
        let polled = self.on_both(|side| self.poll(side)).await?;
        cycle.seen = polled.operate.changed + polled.salesforce.changed;
        self.decide_all(&mut cycle, &AsOf::poll(polled.salesforce.as_of)).await?;
        let mut hold = Hold::default();
        self.brake(&cycle, &mut hold).await?;
        cycle.held = hold.reason().map(|(_, reason)| reason.to_owned());
        Ok(cycle)
    }
}
