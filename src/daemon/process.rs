//! What the daemons of one process share: the scheduler that wakes them, and where they are shown.

use std::net::SocketAddr;
use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_cron_scheduler::{JobScheduler, JobSchedulerError};

use crate::config::Config;
use crate::ops::{self, ListenError, Ops, Pairs, Reason, Served, Shown};
use crate::store::{Store, StoreError};

/// So many daemons catch up at the same time: each has some ten megabytes of leads in memory meanwhile, and leaves the store's connections
/// to others.
const CATCH_UP: usize = 6;
/// Who has polled both sides within this time is up to date.
const LONG: TimeDelta = TimeDelta::hours(1);

/// The scheduler cannot start.
#[derive(Debug, thiserror::Error)]
#[error("the scheduler cannot start: {0}")]
pub struct ProcessError(#[from] JobSchedulerError);

/// What a daemon has from its process. A clone is the same.
#[derive(Clone)]
pub struct Process {
    scheduler: JobScheduler,
    place: Place,
    /// Held by those who catch up, where there are several.
    catching_up: Arc<Semaphore>,
}

/// Where a daemon is shown.
#[derive(Clone)]
enum Place {
    /// At the address that its configuration names.
    Alone,
    /// Among others, by a name.
    Among(Option<Arc<Pairs>>, Arc<str>),
}

impl Process {
    /// Of one daemon.
    pub async fn new() -> Result<Self, ProcessError> {
        let scheduler = JobScheduler::new().await?;
        scheduler.start().await?;
        Ok(Self { scheduler, place: Place::Alone, catching_up: Arc::new(Semaphore::new(CATCH_UP)) })
    }

    /// The same for one of several daemons, which is shown among these.
    pub(super) fn pair(&self, name: &str, pairs: Option<Arc<Pairs>>) -> Self {
        Self { place: Place::Among(pairs, name.into()), ..self.clone() }
    }

    pub(super) const fn scheduler(&self) -> &JobScheduler {
        &self.scheduler
    }

    /// Waits for a turn to read much: whoever was never in step, or has not been for long, brings a page of leads after the other. Those that are
    /// up to date wait for nobody.
    pub(super) async fn turn_to_catch_up(&self, store: &Store) -> Result<Option<OwnedSemaphorePermit>, StoreError> {
        if !store.is_behind(Utc::now() - LONG).await? {
            return Ok(None);
        }
        Ok(Arc::clone(&self.catching_up).acquire_owned().await.ok())
    }

    /// A turn to read much, if one is free.
    pub(super) fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.catching_up).try_acquire_owned().ok()
    }

    pub(super) fn ops(&self, config: &Config, store: Arc<Store>) -> Arc<Ops> {
        match &self.place {
            Place::Alone => Ops::new(config, store),
            Place::Among(_, name) => Ops::of_pair(name, config, store),
        }
    }

    /// Shows what this replica leads; at this address, where it is alone.
    pub(super) async fn show(&self, ops: &Arc<Ops>, address: Option<SocketAddr>) -> Result<Option<Served>, String> {
        match (&self.place, address) {
            (Place::Alone, Some(address)) => {
                Ok(Some(ops::serve(Arc::clone(ops), address).await.map_err(|error| error.to_string())?))
            }
            (Place::Alone, None) => Ok(None),
            (Place::Among(..), _) => {
                self.tell(Shown::Leads(Arc::clone(ops)));
                Ok(None)
            }
        }
    }

    /// Shows that another one leads; at this address, where it is alone.
    pub(super) async fn show_standing_by(
        &self,
        reason: &Reason,
        address: Option<SocketAddr>,
    ) -> Result<Option<Served>, ListenError> {
        match (&self.place, address) {
            (Place::Alone, Some(address)) => Ok(Some(ops::serve_standing_by(reason.clone(), address).await?)),
            (Place::Alone, None) => Ok(None),
            (Place::Among(..), _) => {
                self.tell(Shown::StandsBy(reason.clone()));
                Ok(None)
            }
        }
    }

    /// Shows it among others.
    pub(super) fn tell(&self, shown: Shown) {
        if let Place::Among(Some(pairs), name) = &self.place {
            pairs.show(name, shown);
        }
    }
}
