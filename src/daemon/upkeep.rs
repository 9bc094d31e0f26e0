//! Upkeep between cycles: what is older than `[ops] keep_history` and `keep_cycles` goes, a little at a time.

use std::time::Duration;

use chrono::Utc;
use tokio::time::Instant;

use crate::config::ops::OpsConfig;
use crate::store::{Actor, Store, StoreError};

/// How often it is looked whether anything is old.
const EVERY: Duration = Duration::from_hours(1);

/// Transactions of each kind in one go; the rest waits for the next cycle.
const STEPS: usize = 4;

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    /// Not before this.
    next: Option<Instant>,
    /// Rows removed since it was looked last.
    removed: u64,
}

impl Upkeep {
    /// Removes some of what is old, if it is time.
    pub(super) async fn keep(&mut self, store: &Store, config: &OpsConfig) -> Result<(), StoreError> {
        if self.next.is_some_and(|next| Instant::now() < next) {
            return Ok(());
        }
        let now = Utc::now();
        let (history, cycles) = (config.keep_history.map(|keep| now - keep), config.keep_cycles.map(|keep| now - keep));
        for _ in 0..STEPS {
            let pruned = store.prune(history, cycles).await?;
            self.removed += pruned.rows;
            if !pruned.more {
                self.next = Some(Instant::now() + EVERY);
                let removed = std::mem::take(&mut self.removed);
                if removed > 0 {
                    tracing::info!(rows = removed, "store.pruned");
                    store.audit(Actor::Daemon, "prune", None, Some(&format!("{removed} row(s)")), now).await?;
                }
                break;
            }
        }
        Ok(())
    }
}
