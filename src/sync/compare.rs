//! Comparing everything: whether linked leads really agree, told from the two systems alone.

use serde::Serialize;

use super::{CycleError, Engine};
use crate::config::field::{Direction, EmptyRule};
use crate::lead::{PerSide, Side, Value};
use crate::mapping::Field;
use crate::store::DirtyLink;

/// What a comparison found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Compared {
    /// Pairs of leads.
    pub pairs: u64,
    /// What is not as it should be.
    pub drifts: Vec<Drift>,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, Serialize)]
pub struct Drift {
    /// Operate's lead.
    pub operate_id: Option<String>,
    /// Salesforce's lead.
    pub salesforce_id: Option<String>,
    /// What it is: the fields that differ, or what is missing.
    pub what: String,
}

impl Engine {
    /// Reads every lead on both sides and compares all pairs. For a copy of the store from which the observations were removed.
    pub async fn compare(&self) -> Result<Compared, CycleError> {
        let (operate, salesforce) = tokio::join!(self.poll(Side::Operate), self.poll(Side::Salesforce));
        operate?;
        salesforce?;
        self.store.attach_known().await?;
        let mut compared = Compared::default();
        let mut after = 0;
        loop {
            let links = self.store.dirty_links(after, 500, self.now()).await?;
            let Some(last) = links.last() else { break };
            after = last.link_id;
            for link in &links {
                self.compare_pair(link, &mut compared);
            }
        }
        let mut after = None;
        loop {
            let leads = self.store.unlinked(after, 500).await?;
            let Some(last) = leads.last() else { return Ok(compared) };
            after = Some((last.side, last.lead_id.clone()));
            for lead in leads {
                let read_only = lead.converted && lead.side == Side::Salesforce;
                if lead.deleted || read_only || !self.rules.creates(lead.side.other()) {
                    continue;
                }
                let id = |side: Side| (lead.side == side).then(|| lead.lead_id.clone());
                compared.drifts.push(Drift {
                    operate_id: id(Side::Operate),
                    salesforce_id: id(Side::Salesforce),
                    what: format!("has no counterpart in {}", lead.side.other().title()),
                });
            }
        }
    }

    fn compare_pair(&self, link: &DirtyLink, compared: &mut Compared) {
        if link.unlinked {
            return;
        }
        let id = |side: Side| link.leads.get(side).as_ref().map(|lead| lead.lead_id.clone());
        let mut drift = |what: String| {
            compared.drifts.push(Drift { operate_id: id(Side::Operate), salesforce_id: id(Side::Salesforce), what });
        };
        let (Some(operate), Some(salesforce)) = (&link.leads.operate, &link.leads.salesforce) else {
            let gone = if link.leads.operate.is_none() { Side::Operate } else { Side::Salesforce };
            return drift(format!("its counterpart in {} is not there", gone.title()));
        };
        if operate.deleted || salesforce.deleted || salesforce.converted {
            return;
        }
        let now =
            PerSide { operate: self.values_of(Side::Operate, operate), salesforce: self.values_of(Side::Salesforce, salesforce) };
        let values = now.operate.0.iter().zip(&now.salesforce.0);
        let differing: Vec<&str> = self
            .mapping
            .fields()
            .iter()
            .zip(values)
            .enumerate()
            .filter(|(place, (field, (operate, salesforce)))| {
                // What the other side's lists do not have stays where it is.
                let stays =
                    self.is_foreign(Side::Salesforce, *place, operate) || self.is_foreign(Side::Operate, *place, salesforce);
                differs(field, operate, salesforce) && !stays
            })
            .map(|(_, (field, _))| field.name.as_str())
            .collect();
        if !differing.is_empty() {
            drift(format!("differ in {}", differing.join(", ")));
        }
        compared.pairs += 1;
    }
}

/// Whether two values differ that should not.
fn differs(field: &Field, operate: &Value, salesforce: &Value) -> bool {
    let pair = PerSide { operate, salesforce };
    let unknown = |value: &Value| matches!(value, Value::Unknown(_));
    let defaulted = |side: Side| pair.get(side.other()).is_empty() && *pair.get(side) == field.default.get(side);
    let aside = matches!(operate, Value::Aside) || matches!(salesforce, Value::Aside);
    if aside || operate == salesforce || defaulted(Side::Operate) || defaulted(Side::Salesforce) {
        return false;
    }
    if field.policy.direction != Direction::Both || (!field.policy.unknown_parks && (unknown(operate) || unknown(salesforce))) {
        // A one-way field may have been edited against its arrow.
        return false;
    }
    field.policy.empty == EmptyRule::Overwrite || !(operate.is_empty() || salesforce.is_empty())
}
