//! One of several replicas: it leads, or stands by until it can.

use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::ops::{ListenError, Reason, Served, serve_standing_by};
use crate::store::{Candidate, Hold, StoreError};

/// Why a replica cannot even stand by.
#[derive(Debug, thiserror::Error)]
pub enum StandByError {
    /// The store is held by a daemon that is no replica, or is wrong.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its port cannot be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// Takes the store. Where another replica has it, or the server of a PostgreSQL store is not there, that is waited for. `None`: it is time
/// to stop.
pub async fn stand_by(config: &Config, stop: &CancellationToken) -> Result<Option<Hold>, StandByError> {
    let (reason, mut told) = (Reason::default(), String::new());
    let mut candidate = Candidate::for_store(&config.store);
    let mut served: Option<Served> = None;
    loop {
        let taken = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(None),
            taken = candidate.try_to_take() => taken,
        };
        let waits_for = match taken {
            Ok(hold) => {
                if let Some(served) = served {
                    served.stop().await;
                }
                return Ok(Some(hold));
            }
            Err(StoreError::Held { holder, place }) if place.file().is_none() => format!("{holder} leads"),
            Err(error) if error.is_passing() => error.to_string(),
            Err(error) => return Err(error.into()),
        };
        if told != waits_for {
            tracing::info!(reason = waits_for, "lease.waiting");
            reason.set(&waits_for);
            told = waits_for;
        }
        if let (None, Some(address)) = (&served, config.ops.listen) {
            served = Some(serve_standing_by(reason.clone(), address).await?);
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(None),
            () = candidate.wait() => {}
        }
    }
}
