//! The sweep: what polls cannot see. Leads that Operate deleted are missing from the list of all its leads; Salesforce keeps logs
//! of what changed and what was deleted.

use chrono::Utc;
use serde::Serialize;
use tokio::sync::mpsc;

use super::{CycleError, Engine};
use crate::lead::{PerSide, Side};
use crate::side::{Listed, Record};
use crate::store::StoreError;

/// Leads looked up in one go.
const BATCH: i64 = 200;

/// More requests than this for missed changes cost more than to read every lead anew.
const REQUESTS: usize = 20;

/// What a sweep found.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Found {
    /// Leads that had changed and that no poll had seen.
    pub missed: u64,
    /// Leads that are gone.
    pub gone: u64,
}

impl Engine {
    /// Sweeps both sides. What it finds is decided by the next cycle.
    pub async fn sweep(&self) -> Result<PerSide<Found>, CycleError> {
        let mut found = PerSide::<Found>::default();
        for side in Side::BOTH {
            *found.get_mut(side) = self.sweep_side(side).await?;
            let Found { missed, gone } = *found.get(side);
            tracing::info!(side = %side, leads.missed = missed, leads.gone = gone, "sweep.complete");
        }
        Ok(found)
    }

    /// When the sweep was last complete on both sides.
    pub async fn swept_at(&self) -> Result<Option<chrono::DateTime<Utc>>, CycleError> {
        let operate = self.store.checkpoint(Side::Operate).await?.swept_at;
        let salesforce = self.store.checkpoint(Side::Salesforce).await?.swept_at;
        Ok(operate.zip(salesforce).map(|(operate, salesforce)| operate.min(salesforce)))
    }

    async fn sweep_side(&self, side: Side) -> Result<Found, CycleError> {
        // What a poll can see is no find.
        self.poll(side).await?;
        let client = self.clients.get(side);
        let since = self.store.checkpoint(side).await?.covered_at;
        self.store.start_list().await?;
        let (lists, mut arriving) = mpsc::channel::<Vec<Listed>>(1);
        let keeping = async {
            let mut unknown = Vec::new();
            while let Some(listed) = arriving.recv().await {
                unknown.extend(self.store.list(side, &listed).await?);
            }
            Ok::<_, StoreError>(unknown)
        };
        let (swept, unknown) = tokio::join!(client.sweep(since, lists), keeping);
        let (unknown, swept) = (unknown?, swept?);
        let mut found = Found::default();
        if unknown.len() / client.reads_at_once() > REQUESTS {
            found.missed += unknown.len() as u64;
            self.store.read_anew(side).await?;
        } else {
            for chunk in unknown.chunks(client.reads_at_once().max(1)) {
                found.missed += self.look_at(side, chunk).await?;
            }
        }
        found.gone += self.store.observe_all_gone(side, &swept.deleted, self.now()).await?;
        self.store.set_aside_unlisted(side).await?;
        if swept.complete {
            found.gone += self.confirm_missing(side).await?;
        }
        self.store.swept(side, swept.covered, self.now()).await?;
        Ok(found)
    }

    /// Reads the leads that are to be read whatever their modified times say.
    pub(super) async fn reread(&self, side: Side) -> Result<(), CycleError> {
        let client = self.clients.get(side);
        loop {
            let ids = self.store.to_reread(side, client.reads_at_once().max(1)).await?;
            if ids.is_empty() {
                return Ok(());
            }
            let (read, _) = self.read_or_gone(side, &ids).await?;
            let times: Vec<_> = read.iter().map(|record| (record.id.clone(), record.modified_at)).collect();
            self.store.trust(side, &times).await?;
            self.keep(side, read).await?;
            self.store.reread(side, &ids).await?;
        }
    }

    async fn look_at(&self, side: Side, ids: &[String]) -> Result<u64, CycleError> {
        let read = self.clients.get(side).read(ids).await?;
        self.keep(side, read).await
    }

    /// Reads these leads, and takes to be deleted what a side surely does not have. Gives how many of those were thought to be there.
    pub(super) async fn read_or_gone(&self, side: Side, ids: &[String]) -> Result<(Vec<Record>, u64), CycleError> {
        let client = self.clients.get(side);
        let read = client.read(ids).await?;
        if !client.absence_is_deletion() {
            return Ok((read, 0));
        }
        let missing: Vec<String> = ids.iter().filter(|id| !read.iter().any(|record| record.id == **id)).cloned().collect();
        let gone = self.store.observe_all_gone(side, &missing, self.now()).await?;
        Ok((read, gone))
    }

    /// Keeps what was read by ids. Gives how many leads were new or had changed.
    pub(super) async fn keep(&self, side: Side, read: Vec<Record>) -> Result<u64, CycleError> {
        let seen: Vec<_> = read.into_iter().map(|record| self.observation(side, record)).collect();
        Ok(self.store.observe(side, &seen, None, self.now()).await?.changed)
    }

    /// Each lead that was not listed is asked for on its own: absence from a list alone is no evidence.
    async fn confirm_missing(&self, side: Side) -> Result<u64, CycleError> {
        let mut gone = 0;
        let mut after = String::new();
        loop {
            let ids = self.store.unlisted(side, &after, BATCH).await?;
            let Some(last) = ids.last() else { return Ok(gone) };
            after.clone_from(last);
            let there = self.clients.get(side).read(&ids).await?;
            let missing: Vec<String> =
                ids.iter().filter(|id| !there.iter().any(|record| record.id == **id && !record.deleted)).cloned().collect();
            if self.clients.get(side).absence_is_deletion() {
                gone += self.store.observe_all_gone(side, &missing, self.now()).await?;
            }
        }
    }
}
