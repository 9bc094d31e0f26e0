//! What the daemon does at a time: a cycle, what hints are about, a sweep.

use std::time::Duration;

use chrono::Utc;
use tokio_util::sync::CancellationToken;

use super::Process;
use crate::lead::PerSide;
use crate::schedule::Schedule;
use crate::side::SideError;
use crate::store::StoreError;
use crate::sync::{CycleError, Engine, Followed, Patience};

/// What is to be done.
#[derive(Debug)]
pub(super) enum Work {
    /// A cycle.
    Cycle,
    /// Leads that may have changed are looked at.
    Hints(PerSide<Vec<String>>),
}

/// How a cycle ended.
pub(super) enum Ended {
    Well {
        /// Something waits for a second to pass.
        waits: bool,
        /// Writes are left to a cycle that begins at once.
        unfinished: bool,
    },
    /// The systems' fields have changed, so that the mapping has to be fitted anew.
    FieldsChanged,
    /// It failed because of a side.
    Badly(SideError),
    /// It was not begun, to spare requests.
    Sparing(String),
    /// It was cut off.
    Stopped,
    /// The store failed.
    InStore(StoreError),
}

/// Does it. A failure of the store is left to the caller, any other is logged.
pub(super) async fn carry_out(work: &Work, engine: &Engine, stop: &CancellationToken, drain: Duration) -> Ended {
    let stopping = || stop.is_cancelled();
    // What only reads need not come to its end.
    let cut_off = async {
        stop.cancelled().await;
        tokio::time::timeout(drain, engine.at_rest()).await.is_err()
    };
    let working = async {
        match work {
            Work::Cycle => engine.cycle(Patience::NextCycle, &stopping).await.map(|cycle| Followed { cycle, waits: false }),
            Work::Hints(hints) => engine.follow(hints, &stopping).await,
        }
    };
    let error = tokio::select! {
        ran = working => match ran {
            Ok(Followed { cycle, waits }) => {
                tracing::debug!(leads.seen = cycle.seen, pushed = cycle.pushed, parked = cycle.parked, "cycle.done");
                return Ended::Well { waits, unfinished: cycle.unfinished };
            }
            Err(error) => error,
        },
        is_writing = cut_off => {
            if is_writing {
                tracing::warn!("daemon.cut_off");
            }
            return Ended::Stopped;
        }
    };
    match error {
        CycleError::Store(error) => Ended::InStore(error),
        CycleError::Schema { .. } => {
            tracing::warn!(error = %error, "cycle.fields_changed");
            Ended::FieldsChanged
        }
        CycleError::Side(error) => {
            tracing::error!(error = %error, "cycle.failed");
            Ended::Badly(error)
        }
        CycleError::Thrift(reason) => {
            tracing::error!(error = reason, "cycle.failed");
            Ended::Sparing(reason)
        }
    }
}

/// Sweeps, if the schedule had a moment for it since the last time.
pub(super) async fn sweep(engine: &Engine, schedule: &Schedule, process: &Process) -> Result<(), CycleError> {
    let now = Utc::now();
    // A sweep that lies ahead was noted before the clock was put back.
    let swept_at = engine.swept_at().await?.filter(|swept_at| *swept_at <= now);
    if swept_at.and_then(|swept_at| schedule.next(swept_at)).is_some_and(|next| next > now) {
        return Ok(());
    }
    // Cycles are not held up by it: where no turn is free, the next one looks again.
    let Some(_turn) = process.turn() else { return Ok(()) };
    engine.sweep().await.map(drop)
}
