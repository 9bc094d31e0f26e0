//! Leads that were merged into another: their links follow.

use std::collections::HashSet;

use super::{CycleError, Engine};
use crate::lead::Side;
use crate::store::Master;

/// How many merges of merges are followed in one cycle; the rest in the next.
const CHAIN: usize = 5;

impl Engine {
    /// Moves the link of a lead that was merged away to the lead it was merged into, if that has none. The base stays, so that
    /// what the merge changed goes to Operate like any other edit.
    pub(super) async fn follow_merges(&self) -> Result<(), CycleError> {
        let mut asked: HashSet<String> = HashSet::new();
        for _ in 0..CHAIN {
            let merged = self.store.merged_away().await?;
            let mut moved = false;
            let mut unknown = Vec::new();
            for lead in merged {
                match lead.master {
                    Master::Free => {
                        self.store.move_link(lead.link_id, Side::Salesforce, &lead.master_id, self.now()).await?;
                        tracing::info!(link = lead.link_id, from = lead.lead_id, to = lead.master_id, "pair.merged");
                        moved = true;
                    }
                    Master::Gone(Some(next)) => {
                        self.store.follow_master(&lead.lead_id, &next).await?;
                        moved = true;
                    }
                    Master::Unknown if asked.insert(lead.master_id.clone()) => unknown.push(lead.master_id),
                    Master::Unknown | Master::Linked | Master::Gone(None) => {}
                }
            }
            if !unknown.is_empty() {
                let read = self.clients.salesforce.read(&unknown).await?;
                let seen: Vec<_> = read.into_iter().map(|record| self.observation(Side::Salesforce, record)).collect();
                moved |= self.store.observe(Side::Salesforce, &seen, None, self.now()).await?.changed > 0;
            }
            if !moved {
                break;
            }
        }
        Ok(())
    }
}
