//! Pairing: what to do with leads that have no link.

use chrono::{DateTime, Utc};
use tokio::sync::mpsc;

use super::follow::AsOf;
use super::{CycleError, Engine};
use crate::lead::{PerSide, Side};
use crate::side::WriteKind;
use crate::store::{Created, Decided, Match, Matches, NewLink, NewPush, Part, UnlinkedLead};

/// Leads looked at in one transaction: a power of two, as the store's statements take them.
pub(super) const BATCH: i64 = 1024;
/// So many batches of leads are left alone in one transaction.
const MANY: usize = 20;

impl Engine {
    /// Links unlinked leads, and gives those that nothing was found for a create. Gives how many were parked.
    pub(super) async fn pair(&self, as_of: &AsOf) -> Result<u64, CycleError> {
        let now = self.now();
        self.follow_merges().await?;
        if !self.store.has_new_leads().await? {
            return Ok(0);
        }
        self.store.pair_by_external_id(now).await?;
        self.adopt_unanswered_creates().await?;
        let mut parked = 0;
        let parts = self.store.parts(BATCH).await?;
        for rule in 0..self.mapping.match_rules() {
            parked += self.pair_by_rule(rule, &parts, as_of).await?;
        }
        let creates = PerSide::build(|side| self.rules.creates(side));
        for part in parts.chunks(MANY).filter_map(Part::joined) {
            self.store.leave(&part, creates).await?;
        }
        Ok(parked + self.create_halves(now).await?)
    }

    /// Links what a rule of `[sync].match` finds. Gives how many leads it finds several for.
    async fn pair_by_rule(&self, rule: usize, parts: &[Part], as_of: &AsOf) -> Result<u64, CycleError> {
        // Pairs are found while those before them are compared, and those before them are stored.
        let (founds, mut found) = mpsc::channel(1);
        let (links, compared) = mpsc::channel(1);
        let finding = async move {
            for part in parts {
                let matches = self.store.matches(rule, part).await?;
                if founds.send(matches).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        let comparing = async move {
            while let Some(Matches { pairs, unclear }) = found.recv().await {
                self.recall_mappings(pairs.iter().map(|pair| &pair.link)).await?;
                let Ok(room) = links.reserve().await else { break };
                room.send((self.link_each(&pairs, as_of).await, unclear));
            }
            Ok(())
        };
        let ((), (), parked) = tokio::try_join!(finding, comparing, self.keep_links(rule, compared))?;
        Ok(parked)
    }

    /// Stores links that a rule of `[sync].match` found, and parks the leads that it finds several for. Gives how many.
    async fn keep_links(
        &self,
        rule: usize,
        mut compared: mpsc::Receiver<(Vec<NewLink>, Vec<String>)>,
    ) -> Result<u64, CycleError> {
        let name = self.mapping.match_rule(rule);
        let mut parked = 0;
        while let Some((links, unclear)) = compared.recv().await {
            self.store.link(&links, self.now()).await?;
            let ambiguous = self.store.park_unclear((rule, &name), &unclear, self.now()).await?;
            for lead in &ambiguous {
                tracing::warn!(side = %lead.side, lead.id = lead.lead_id, "pair.ambiguous");
            }
            parked += ambiguous.len() as u64;
        }
        Ok(parked)
    }

    async fn link_each(&self, pairs: &[Match], as_of: &AsOf) -> Vec<NewLink> {
        let mut links = Vec::with_capacity(pairs.len());
        for pair in pairs {
            links.extend(self.link(pair, as_of));
            tokio::task::yield_now().await;
        }
        links
    }

    /// The link of two leads. Nearly all that are there on both sides when they are first seen are in step, which is known at once.
    fn link(&self, pair: &Match, as_of: &AsOf) -> Option<NewLink> {
        let (operate, salesforce) = (pair.link.leads.operate.as_ref()?, pair.link.leads.salesforce.as_ref()?);
        let is_plain = !pair.is_aside && !operate.deleted && !salesforce.deleted && !salesforce.converted;
        // What both have when they meet is what they have in common; which fields have a part in them is the same for both, or is to be found out.
        let is_same = operate.fields == salesforce.fields && salesforce.external_id.is_none() && !self.mapping.has_variants();
        let in_step = if !is_plain {
            None
        } else if is_same {
            Some(operate.fields.clone())
        } else {
            self.decide(&pair.link, as_of).filter(Decided::is_done).map(|decided| decided.base)
        };
        Some(NewLink { operate_id: operate.lead_id.clone(), salesforce_id: salesforce.lead_id.clone(), in_step })
    }

    /// Gives the leads that are left a create on the other side. Gives how many cannot have one.
    async fn create_halves(&self, now: DateTime<Utc>) -> Result<u64, CycleError> {
        let (mut parked, mut after) = (0, None);
        loop {
            let leads = self.store.unlinked(after, BATCH).await?;
            let Some(last) = leads.last() else { return Ok(parked) };
            after = Some((last.side, last.lead_id.clone()));
            let created: Vec<Created> = leads.iter().map(|lead| self.create(lead)).collect();
            parked += created.iter().filter(|lead| lead.push.is_err()).count() as u64;
            self.store.create_links(&created, now).await?;
        }
    }

    fn create(&self, lead: &UnlinkedLead) -> Created {
        let push = self.create_push(lead.side, 0, &lead.fields).map_err(|problem| problem.to_string());
        Created { side: lead.side, lead_id: lead.lead_id.clone(), push }
    }

    /// The write that makes the other half of a lead.
    pub(super) fn create_push(&self, from: Side, link_id: i64, fields: &str) -> Result<NewPush, crate::mapping::FieldProblem> {
        let mut source = self.mapping.decode(fields);
        self.mapping.set_aside(&mut source);
        let mut given = self.mapping.create(from.other(), &source)?;
        given.retain(|(place, value)| !self.is_foreign(from.other(), *place, value));
        if from.other() == Side::Operate {
            self.mapping.require(Side::Operate, &self.rules.required_fields, &given)?;
        }
        // What cannot be spelled on the other side is found out now, not when it is sent.
        self.mapping.write(from.other(), given.iter().map(|(place, value)| (*place, value)))?;
        let mut target = vec![crate::lead::Value::Empty; source.0.len()];
        for (place, value) in &given {
            if let Some(slot) = target.get_mut(*place) {
                slot.clone_from(value);
            }
        }
        let pairs = source.0.iter().zip(&target).enumerate().map(|(place, (source, target))| {
            let pair = match from {
                Side::Operate => PerSide { operate: source, salesforce: target },
                Side::Salesforce => PerSide { operate: target, salesforce: source },
            };
            (place, pair)
        });
        Ok(NewPush {
            link_id,
            side: from.other(),
            kind: WriteKind::Create,
            initial: true,
            fields: self.mapping.encode_some(given.iter().map(|(place, value)| (*place, value))),
            before: serde_json::json!({}),
            base: self.mapping.encode_base_patch(pairs),
            undoes: None,
        })
    }
}
