//! The cycle: poll both sides, reconcile, push until nothing is due.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{CycleError, Engine};
use crate::lead::{PerSide, Side};
use crate::store::Cycle;

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

impl Engine {
    /// One cycle. `stop` is asked before each batch of writes: once it says so, the cycle ends early and in good order.
    ///
    /// The record of the cycle is kept in the store, also when it failed.
    pub async fn cycle(&self, patience: Patience, stop: &(dyn Fn() -> bool + Sync)) -> Result<Cycle, CycleError> {
        let mut cycle = Cycle { started_at: self.now(), ..Cycle::default() };
        let before = PerSide::build(|side| self.clients.get(side).requests());
        let ran = self.rounds(&mut cycle, patience, stop).await;
        cycle.requests = PerSide::build(|side| self.clients.get(side).requests() - before.get(side));
        cycle.error = ran.as_ref().err().map(ToString::to_string);
        self.store.record_cycle(&cycle, self.now()).await?;
        ran.map(|()| cycle)
    }

    async fn rounds(&self, cycle: &mut Cycle, patience: Patience, stop: &(dyn Fn() -> bool + Sync)) -> Result<(), CycleError> {
        let give_up = match patience {
            Patience::NextCycle => None,
            Patience::Wait(limit) => Some(tokio::time::Instant::now() + limit),
        };
        loop {
            let waiting = self.round(cycle, stop).await?;
            match give_up {
                Some(give_up) if waiting && tokio::time::Instant::now() < give_up && !stop() => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                _ => return Ok(()),
            }
        }
    }

    /// Gives whether something has to wait.
    async fn round(&self, cycle: &mut Cycle, stop: &(dyn Fn() -> bool + Sync)) -> Result<bool, CycleError> {
        for side in Side::BOTH {
            self.resolve_doubt(side).await?;
        }
        let (operate, salesforce) = tokio::join!(self.poll(Side::Operate), self.poll(Side::Salesforce));
        let (operate, salesforce) = (operate?, salesforce?);
        cycle.seen += operate.changed + salesforce.changed;
        let mut held = 0;
        for _ in 0..ROUNDS {
            held = self.decide_all(cycle, salesforce.as_of).await?;
            if stop() {
                break;
            }
            let (operate, salesforce) = tokio::join!(self.push(Side::Operate, stop), self.push(Side::Salesforce, stop));
            let (mut pushed, salesforce) = (operate?, salesforce?);
            pushed.add(salesforce);
            cycle.pushed += pushed.done;
            cycle.parked += pushed.parked;
            if pushed.tried == 0 {
                break;
            }
            for side in Side::BOTH {
                self.resolve_doubt(side).await?;
            }
        }
        let doubt =
            !self.store.in_doubt(Side::Operate).await?.is_empty() || !self.store.in_doubt(Side::Salesforce).await?.is_empty();
        Ok(held > 0 || doubt || self.store.next_due().await?.is_some())
    }

    async fn decide_all(&self, cycle: &mut Cycle, as_of: DateTime<Utc>) -> Result<u64, CycleError> {
        cycle.parked += self.pair().await?;
        let reconciled = self.reconcile(as_of).await?;
        cycle.conflicts += reconciled.conflicts;
        cycle.parked += reconciled.parked;
        Ok(reconciled.held)
    }

    /// Polls and decides, and sends nothing: what is due afterwards is what a cycle would write. For a copy of the store.
    pub async fn rehearse(&self) -> Result<Cycle, CycleError> {
        let mut cycle = Cycle { started_at: self.now(), ..Cycle::default() };
        let (operate, salesforce) = tokio::join!(self.poll(Side::Operate), self.poll(Side::Salesforce));
        let (operate, salesforce) = (operate?, salesforce?);
        cycle.seen = operate.changed + salesforce.changed;
        self.decide_all(&mut cycle, salesforce.as_of).await?;
        Ok(cycle)
    }
}
