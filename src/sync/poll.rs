//! Polling: pages become observations, and the next page is fetched while one is stored.

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;
use tracing::Instrument as _;

use super::{CycleError, Engine};
use crate::lead::Side;
use crate::metrics;
use crate::store::StoreError;

/// A complete poll of one side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Polled {
    /// Leads that were new or had changed.
    pub(super) changed: u64,
    /// A moment, by the server's clock, no later than any reading of this poll.
    pub(super) as_of: DateTime<Utc>,
}

impl Engine {
    pub(super) async fn poll(&self, side: Side) -> Result<Polled, CycleError> {
        let polled = self.poll_uncounted(side).instrument(tracing::debug_span!("poll", %side)).await;
        let labels = metrics::Polled { side, outcome: metrics::Outcome::of(&polled) };
        self.metrics.polls.get_or_create(&labels).inc();
        let changed = polled.as_ref().map_or(0, |polled| polled.changed);
        self.metrics.leads_seen.get_or_create(&metrics::OfSide { side }).inc_by(changed);
        polled
    }

    async fn poll_uncounted(&self, side: Side) -> Result<Polled, CycleError> {
        let mut position = self.store.checkpoint(side).await?.position;
        let (pages, mut arriving) = mpsc::channel(1);
        let reading = self.clients.get(side).poll(position.clone(), self.rules.overlap, pages);
        let keeping = async move {
            let mut polled = Polled { changed: 0, as_of: DateTime::<Utc>::MAX_UTC };
            while let Some(page) = arriving.recv().await {
                polled.as_of = polled.as_of.min(page.as_of);
                let seen: Vec<_> = page.records.into_iter().map(|record| self.observation(side, record)).collect();
                // A checkpoint that stays where it is costs no commit.
                let moved = page.checkpoint.filter(|checkpoint| position.as_ref() != Some(checkpoint));
                polled.changed += self.store.observe(side, &seen, moved.as_ref(), self.now()).await?.changed;
                position = moved.or(position);
            }
            Ok::<_, StoreError>(polled)
        };
        let (read, kept) = tokio::join!(reading, keeping);
        let polled = kept?;
        read?;
        self.store.polled(side, self.now()).await?;
        tracing::debug!(side = %side, leads.changed = polled.changed, "poll.complete");
        Ok(polled)
    }

    /// Has all leads of a side read anew where something that they refer to has another name now. Gives whether that is so.
    pub(super) async fn follow_names(&self) -> Result<bool, CycleError> {
        let mut renamed = false;
        for side in Side::BOTH {
            let names = self.clients.get(side).reference_names().await;
            if self.store.keep_names(side, &names).await? {
                tracing::info!(side = %side, hint = "every lead is read anew", "poll.renamed");
                renamed = true;
            }
        }
        Ok(renamed)
    }
}
