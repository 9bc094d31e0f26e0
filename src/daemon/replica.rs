//! One of several replicas: it leads, or stands by until it can.

use tokio_util::sync::CancellationToken;

use super::{Orders, Process, Stopped, run};
use crate::config::Config;
use crate::ops::{ListenError, Reason, Served};
use crate::store::{Candidate, Hold, Store, StoreError};

/// Why a replica neither leads nor stands by.
#[derive(Debug, thiserror::Error)]
pub enum LeadError {
    /// The store is held by a daemon that is no replica, or is wrong.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its port cannot be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The daemon cannot go on.
    #[error("{0}")]
    Daemon(String),
}

/// Leads, and stands by while another replica does, until it is told to stop. What it goes by is what the configuration's file says whenever
/// it begins to lead; `config` is that of now.
pub async fn lead(config: &mut Config, orders: &mut Orders, process: &Process) -> Result<(), LeadError> {
    while let Some(hold) = stand_by(config, &orders.stop, process).await? {
        let store = match Store::open_held(&config.store, &hold).await {
            Ok(store) => store,
            Err(error) => {
                hold.give_back().await;
                return Err(error.into());
            }
        };
        if run(config, store, hold, orders, process).await.map_err(LeadError::Daemon)? == Stopped::Told {
            break;
        }
        renew(config);
    }
    Ok(())
}

/// What the file says by now, if that can be used, and does not name another store.
pub(super) fn renew(config: &mut Config) {
    if let Ok(mut loaded) = Config::load(Some(&config.file))
        && loaded.config.store.is_same(&config.store)
    {
        loaded.config.store.databases = config.store.databases.clone();
        *config = loaded.config;
    }
}

/// Takes the store. Where another replica has it, or the server of a PostgreSQL store is not there, that is waited for. `None`: it is time
/// to stop.
async fn stand_by(config: &Config, stop: &CancellationToken, process: &Process) -> Result<Option<Hold>, LeadError> {
    let (reason, mut told) = (Reason::default(), None);
    let mut candidate = Candidate::for_store(&config.store);
    let mut served: Option<Option<Served>> = None;
    loop {
        let taken = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(None),
            taken = candidate.try_to_take() => taken,
        };
        let waits_for = match taken {
            Ok(hold) => {
                if let Some(Some(served)) = served {
                    served.stop().await;
                }
                return Ok(Some(hold));
            }
            Err(StoreError::Held { holder, place }) if place.file().is_none() => format!("{holder} leads"),
            Err(error) if error.is_passing() => error.to_string(),
            Err(error) => return Err(error.into()),
        };
        if told.as_ref() != Some(&waits_for) {
            tracing::info!(reason = waits_for, "lease.waiting");
            reason.set(&waits_for);
            told = Some(waits_for);
        }
        if served.is_none() {
            served = Some(process.show_standing_by(&reason, config.ops.listen).await?);
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = candidate.wait() => {}
        }
    }
}
