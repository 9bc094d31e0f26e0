//! Polling: pages become observations, and the next page is fetched while one is stored.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::{CycleError, Engine, observation};
use crate::lead::Side;
use crate::mapping::Mapping;
use crate::metrics;
use crate::side::{Page, Position, SideError};
use crate::store::{Observation, StoreError};

/// How much the moments of two polls may be wrong against each other.
const DOUBT: TimeDelta = TimeDelta::seconds(5);

/// Since when polls of a side have brought nothing after its checkpoint.
#[derive(Debug, Clone)]
pub(super) struct Quiet {
    position: Position,
    /// By that server's clock.
    since: DateTime<Utc>,
    /// Whether that is longer than changes may come late: then nothing before the checkpoint has to be read again.
    is_over: bool,
}

/// A complete poll of one side.
#[derive(Debug)]
pub(super) struct Polled {
    /// Leads that were new or had changed.
    pub(super) changed: u64,
    /// Those of the leads asked for that it brought.
    pub(super) brought: BTreeSet<String>,
    /// A moment, by the server's clock, no later than any reading of this poll.
    pub(super) as_of: DateTime<Utc>,
}

impl Engine {
    pub(super) async fn poll(&self, side: Side) -> Result<Polled, CycleError> {
        self.poll_for(side, &[]).await
    }

    /// A poll that says which of these leads it brought.
    pub(super) async fn poll_for(&self, side: Side, wanted: &[String]) -> Result<Polled, CycleError> {
        let polled = Box::pin(self.poll_uncounted(side, wanted)).instrument(tracing::debug_span!("poll", %side)).await;
        let labels = metrics::Polled { side, outcome: metrics::Outcome::of(&polled) };
        self.metrics.polls.get_or_create(&labels).inc();
        let changed = polled.as_ref().map_or(0, |polled| polled.changed);
        self.metrics.leads_seen.get_or_create(&metrics::OfSide { side }).inc_by(changed);
        polled
    }

    async fn poll_uncounted(&self, side: Side, wanted: &[String]) -> Result<Polled, CycleError> {
        let from = self.store.checkpoint(side).await?.position;
        let overlap = if self.is_over(side, from.as_ref()) { TimeDelta::zero() } else { self.rules.overlap };
        let (pages, arriving) = mpsc::channel(1);
        let (views, seen) = mpsc::channel(1);
        let (client, start) = (Arc::clone(self.clients.get(side)), from.clone());
        let reading = async move { client.poll(start, overlap, pages).await };
        let viewing = view(Arc::clone(&self.mapping), side, wanted.to_vec(), arriving, views);
        let keeping = self.keep_views(side, from.clone(), seen);
        // Where there are several processors, a page is read by one while others put the last into our words and store the one before.
        let (read, kept) = if self.turns.is_some() {
            let (read, (), kept) = tokio::join!(reading, viewing, keeping);
            (read, kept)
        } else {
            let reading = AbortOnDropHandle::new(tokio::spawn(reading.in_current_span()));
            let viewing = AbortOnDropHandle::new(tokio::spawn(viewing.in_current_span()));
            let (read, viewed, kept) = tokio::join!(reading, viewing, keeping);
            let read = read.unwrap_or_else(abandoned);
            (viewed.map_or_else(abandoned, |()| read), kept)
        };
        let (polled, reached) = kept?;
        read?;
        if side == Side::Salesforce {
            *self.known_as_of.lock().unwrap_or_else(PoisonError::into_inner) = Some((polled.as_of, self.now()));
        }
        self.note_quiet(side, reached.filter(|reached| from.as_ref() == Some(reached)), polled.as_of);
        *self.polled.lock().unwrap_or_else(PoisonError::into_inner).get_mut(side) = Some(self.now());
        tracing::debug!(side = %side, leads.changed = polled.changed, "poll.complete");
        Ok(polled)
    }

    /// Stores pages as they are seen. Gives how far the checkpoint has moved, too.
    async fn keep_views(
        &self,
        side: Side,
        mut position: Option<Position>,
        mut seen: mpsc::Receiver<View>,
    ) -> Result<(Polled, Option<Position>), StoreError> {
        let mut polled = Polled { changed: 0, brought: BTreeSet::new(), as_of: DateTime::<Utc>::MAX_UTC };
        while let Some(view) = seen.recv().await {
            polled.as_of = polled.as_of.min(view.as_of);
            polled.brought.extend(view.brought);
            // A checkpoint that stays where it is costs no commit.
            let moved = view.checkpoint.filter(|checkpoint| position.as_ref() != Some(checkpoint));
            polled.changed += self.store.observe(side, &view.leads, moved.as_ref(), self.now()).await?.changed;
            position = moved.or(position);
        }
        Ok((polled, position))
    }

    /// Whether all changes up to this checkpoint are known: even those that became visible late.
    fn is_over(&self, side: Side, position: Option<&Position>) -> bool {
        let quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        quiet.get(side).as_ref().is_some_and(|quiet| quiet.is_over && Some(&quiet.position) == position)
    }

    /// A poll that was complete at this moment brought nothing after this checkpoint; `None`: it did.
    fn note_quiet(&self, side: Side, position: Option<Position>, as_of: DateTime<Utc>) {
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = quiet.get_mut(side);
        *slot = match (position, slot.take()) {
            (Some(position), Some(known)) if known.position == position => {
                let is_over = known.is_over || as_of - known.since > self.rules.overlap + DOUBT;
                Some(Quiet { is_over, ..known })
            }
            (Some(position), _) if as_of < DateTime::<Utc>::MAX_UTC => Some(Quiet { position, since: as_of, is_over: false }),
            _ => None,
        };
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

/// A page in the words of the mapping.
struct View {
    leads: Vec<Observation>,
    /// Those of the leads asked for that are in it.
    brought: Vec<String>,
    checkpoint: Option<Position>,
    as_of: DateTime<Utc>,
}

/// Puts pages into the words of the mapping.
async fn view(
    mapping: Arc<Mapping>,
    side: Side,
    wanted: Vec<String>,
    mut arriving: mpsc::Receiver<Page>,
    views: mpsc::Sender<View>,
) {
    // A page is taken up once there is room for it.
    while let Ok(room) = views.reserve().await {
        let Some(Page { records, checkpoint, as_of }) = arriving.recv().await else { return };
        let is_there = |id: &&String| records.iter().any(|record| record.id == **id);
        let brought = wanted.iter().filter(is_there).cloned().collect();
        let leads = records.into_iter().map(|record| observation(&mapping, side, record)).collect();
        room.send(View { leads, brought, checkpoint, as_of });
    }
}

/// A task that did not come to its end: it panicked, which goes on here, or the program ends.
fn abandoned<T>(ended: JoinError) -> Result<T, SideError> {
    match ended.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Err(SideError::Abandoned),
    }
}
