//! Leads that were merged into another: their links follow.

use super::{CycleError, Engine};
use crate::lead::Side;
use crate::store::Master;

/// How many merges of merges are followed.
const CHAIN: usize = 10;

impl Engine {
    /// Moves the link of a lead that was merged away to the lead it was merged into, if that has none. The two meet for the first
    /// time: what the master has not filled is filled from Operate, and where they differ the rule decides.
    pub(super) async fn follow_merges(&self) -> Result<(), CycleError> {
        for lead in self.store.merged_away().await? {
            if let Some(to) = self.free_master(lead.master_id).await? {
                self.store.move_link(lead.link_id, Side::Salesforce, &to, self.now()).await?;
                tracing::info!(link.id = lead.link_id, lead.id = lead.lead_id, lead.master_id = to, "pair.merged");
            }
        }
        Ok(())
    }

    /// The lead at the end of a chain of merges, if it is there and has no link.
    async fn free_master(&self, mut id: String) -> Result<Option<String>, CycleError> {
        let mut asked = false;
        for _ in 0..CHAIN {
            match self.store.master(&id).await? {
                Master::Free => return Ok(Some(id)),
                Master::Gone(Some(next)) => id = next,
                Master::Unknown if !asked => {
                    asked = true;
                    let read = self.clients.salesforce.read(std::slice::from_ref(&id)).await?;
                    let seen: Vec<_> = read.into_iter().map(|record| self.observation(Side::Salesforce, record)).collect();
                    self.store.observe(Side::Salesforce, &seen, None, self.now()).await?;
                }
                Master::Unknown | Master::Linked | Master::Gone(None) => return Ok(None),
            }
        }
        Ok(None)
    }
}
