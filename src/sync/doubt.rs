//! Writes in doubt: sent, and their answer never came (a timeout, a crash). They are looked for before anything is sent again.

use chrono::{DateTime, TimeDelta, Utc};

use super::{CycleError, Engine};
use crate::lead::Side;
use crate::mapping::Values;
use crate::side::{Record, Write};
use crate::store::{Observation, PushRow, Settled, Verdict};

/// How much earlier than it was sent, by the server's clock, a create may seem to have happened.
const MARGIN: TimeDelta = TimeDelta::seconds(10);

impl Engine {
    /// Looks for every write in doubt on a side. Creates that are not found and may still arrive stay in doubt.
    pub(super) async fn resolve_doubt(&self, side: Side) -> Result<(), CycleError> {
        let doubtful = self.store.in_doubt(side).await?;
        let (creates, updates): (Vec<_>, Vec<_>) = doubtful.into_iter().partition(|push| push.create);
        if !updates.is_empty() {
            self.resolve_updates(side, &updates).await?;
        }
        if !creates.is_empty() {
            self.resolve_creates(side, &creates).await?;
        }
        Ok(())
    }

    /// Reads the targets again: a write that stands there is done; any other is decided anew.
    async fn resolve_updates(&self, side: Side, updates: &[PushRow]) -> Result<(), CycleError> {
        let ids: Vec<String> = updates.iter().filter_map(|push| push.target_id.clone()).collect();
        let fresh = self.clients.get(side).read(&ids).await?;
        let mut settled = Vec::new();
        let mut seen = Vec::new();
        for push in updates {
            let record = fresh.iter().find(|record| Some(&record.id) == push.target_id.as_ref());
            let stands = record.is_some_and(|record| self.holds(side, record, push));
            let verdict = match (record, stands) {
                (Some(record), true) => Verdict::Done { lead_id: record.id.clone(), written_at: DateTime::default() },
                _ => Verdict::Superseded,
            };
            settled.push(Settled::plain(push.push_id, verdict));
            seen.extend(record.cloned().map(|record| self.observation(side, record)));
        }
        self.store.settle(&settled, self.now()).await?;
        self.store.observe(side, &seen, None, self.now()).await?;
        Ok(())
    }

    async fn resolve_creates(&self, side: Side, creates: &[PushRow]) -> Result<(), CycleError> {
        let now = self.now();
        let first = creates.iter().filter_map(|push| push.sent_at).min().unwrap_or(now);
        let clock = self.clients.get(side).clock();
        let (offset, error) = clock.map_or((TimeDelta::zero(), TimeDelta::minutes(5)), |clock| (clock.offset, clock.error));
        let writes: Vec<Write> = creates.iter().filter_map(|push| self.write_of(push).ok()).collect();
        let found = self.clients.get(side).find_created(first + offset - error - MARGIN, &writes).await?;
        let mut taken = Vec::new();
        for push in creates {
            let seen: Vec<Observation> = found.iter().cloned().map(|record| self.observation(side, record)).collect();
            let free: Vec<&Observation> = seen.iter().filter(|lead| !taken.contains(&lead.lead_id)).collect();
            let free = self.unlinked_among(side, free).await?;
            self.conclude(side, push, &free, &mut taken, now).await?;
        }
        Ok(())
    }

    async fn conclude(
        &self,
        side: Side,
        push: &PushRow,
        free: &[&Observation],
        taken: &mut Vec<String>,
        now: DateTime<Utc>,
    ) -> Result<(), CycleError> {
        let hits = self.likenesses(side, push, free);
        let settled = match hits.as_slice() {
            [lead] => {
                taken.push(lead.lead_id.clone());
                let done = Verdict::Done { lead_id: lead.lead_id.clone(), written_at: DateTime::default() };
                self.store.settle(&[Settled::plain(push.push_id, done)], now).await?;
                self.store.observe(side, &[(*lead).clone()], None, now).await?;
                return Ok(());
            }
            [] => {
                // Salesforce upserts on the external id: sending again is safe. Operate may still be at work.
                let waited = push.sent_at.is_none_or(|sent| now - sent >= self.rules.settle);
                if side == Side::Operate && !waited {
                    return Ok(());
                }
                Settled::plain(push.push_id, Verdict::Due(now))
            }
            several => {
                let ids: Vec<&str> = several.iter().map(|lead| lead.lead_id.as_str()).collect();
                Settled {
                    code: Some("ambiguous_create".to_owned()),
                    error: Some(format!("the create was not answered, and several new leads look like it: {}", ids.join(", "))),
                    ..Settled::plain(push.push_id, Verdict::Parked)
                }
            }
        };
        Ok(self.store.settle(&[settled], now).await?)
    }

    /// The leads that a create may have made: by the id of its other half, else by all that was sent, else by a match key.
    fn likenesses<'o>(&self, side: Side, push: &PushRow, free: &[&'o Observation]) -> Vec<&'o Observation> {
        let by = |like: &dyn Fn(&Observation) -> bool| free.iter().copied().filter(|lead| like(lead)).collect::<Vec<_>>();
        let named = by(&|lead| lead.external_id.is_some() && lead.external_id == push.other_id);
        if !named.is_empty() || side == Side::Salesforce {
            return named;
        }
        let sent = self.mapping.decode_some(&push.fields);
        let same = by(&|lead| {
            let values = self.mapping.decode(&lead.fields);
            sent.iter().all(|(place, value)| values.0.get(*place) == Some(value))
        });
        if !same.is_empty() {
            return same;
        }
        let mut values = Values(vec![crate::lead::Value::Empty; self.mapping.fields().len()]);
        for (place, value) in sent {
            if let Some(slot) = values.0.get_mut(place) {
                *slot = value;
            }
        }
        let keys = self.mapping.match_keys(&values);
        by(&|lead| keys.iter().zip(&lead.keys).any(|(ours, theirs)| ours.is_some() && ours == theirs))
    }

    fn holds(&self, side: Side, record: &Record, push: &PushRow) -> bool {
        let values = self.mapping.read(side, &record.fields);
        self.mapping.decode_some(&push.fields).iter().all(|(place, value)| values.0.get(*place) == Some(value))
    }

    async fn unlinked_among<'o>(&self, side: Side, leads: Vec<&'o Observation>) -> Result<Vec<&'o Observation>, CycleError> {
        let ids: Vec<&str> = leads.iter().map(|lead| lead.lead_id.as_str()).collect();
        let linked = self.store.linked_among(side, &ids).await?;
        Ok(leads.into_iter().filter(|lead| !linked.contains(&lead.lead_id)).collect())
    }

    /// New leads that a poll brought while creates are in doubt may be what those made.
    pub(super) async fn adopt_unanswered_creates(&self) -> Result<(), CycleError> {
        let creates: Vec<PushRow> = self.store.in_doubt(Side::Operate).await?.into_iter().filter(|push| push.create).collect();
        if creates.is_empty() {
            return Ok(());
        }
        let unlinked = self.store.unlinked(None, i64::from(i32::MAX)).await?;
        let seen: Vec<Observation> = unlinked
            .into_iter()
            .filter(|lead| lead.side == Side::Operate && !lead.deleted)
            .map(|lead| {
                let values = self.mapping.decode(&lead.fields);
                Observation {
                    keys: self.mapping.match_keys(&values),
                    fields: lead.fields,
                    lead_id: lead.lead_id,
                    modified_at: lead.modified_at,
                    external_id: None,
                    deleted: false,
                    converted: lead.converted,
                    master_id: None,
                }
            })
            .collect();
        let mut taken: Vec<String> = Vec::new();
        for push in &creates {
            let free: Vec<&Observation> = seen.iter().filter(|lead| !taken.contains(&lead.lead_id)).collect();
            if self.likenesses(Side::Operate, push, &free).len() == 1 {
                self.conclude(Side::Operate, push, &free, &mut taken, self.now()).await?;
            }
        }
        Ok(())
    }
}
