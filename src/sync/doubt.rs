//! Writes in doubt: sent, and their answer never came (a timeout, a crash). They are looked for before anything is sent again.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta};

use super::pair::BATCH;
use super::{CycleError, Engine};
use crate::lead::Side;
use crate::mapping::Values;
use crate::side::{Record, Write, WriteKind};
use crate::store::{Observation, Outbox, PushRow, Settled, UnlinkedLead, Verdict};

/// How much earlier than it was sent, by the server's clock, a create may seem to have happened.
const MARGIN: TimeDelta = TimeDelta::seconds(10);

impl Engine {
    /// Looks for every write in doubt on either side.
    pub(super) async fn resolve_doubts(&self, outbox: &Outbox) -> Result<(), CycleError> {
        for side in Side::BOTH.into_iter().filter(|side| outbox.is_in_doubt(*side)) {
            self.resolve_doubt(side).await?;
        }
        Ok(())
    }

    /// Looks for every write in doubt on a side. Creates that are not found and may still arrive stay in doubt.
    async fn resolve_doubt(&self, side: Side) -> Result<(), CycleError> {
        let doubtful = self.store.in_doubt(side).await?;
        let (creates, updates): (Vec<_>, Vec<_>) = doubtful.into_iter().partition(|push| push.kind == WriteKind::Create);
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
            let stands = record.is_some_and(|record| !record.deleted && self.holds(side, record, push));
            let is_gone = match record {
                Some(record) => record.deleted,
                None => self.clients.get(side).absence_is_deletion(),
            };
            let verdict = match (record, stands) {
                _ if push.kind == WriteKind::Delete => match (is_gone, &push.target_id) {
                    (true, Some(id)) => Verdict::Done { lead_id: id.clone(), written_at: DateTime::default() },
                    _ => Verdict::Superseded,
                },
                (Some(record), true) => Verdict::Done { lead_id: record.id.clone(), written_at: DateTime::default() },
                _ => Verdict::Superseded,
            };
            settled.push(Settled::plain(push, verdict));
            seen.extend(record.cloned().map(|record| self.observation(side, record)));
        }
        self.store.settle(&settled, self.now()).await?;
        self.store.observe(side, &seen, None, self.now()).await?;
        Ok(())
    }

    async fn resolve_creates(&self, side: Side, creates: &[PushRow]) -> Result<(), CycleError> {
        let first = creates.iter().filter_map(|push| push.sent_at).min().unwrap_or_default();
        let writes: Vec<Write> = creates.iter().filter_map(|push| self.write_of(push).ok()).collect();
        let found = self.clients.get(side).find_created(first - MARGIN, &writes).await?;
        let ids: Vec<&str> = found.iter().map(|record| record.id.as_str()).collect();
        let linked: HashSet<String> = self.store.linked_among(side, &ids).await?.into_iter().collect();
        let free = found.into_iter().filter(|record| !linked.contains(&record.id));
        let candidates = free.map(|record| self.candidate(self.observation(side, record))).collect();
        // The server may still be at work on it. Sent again too soon, Operate would make the lead twice, and Salesforce's late
        // upsert would set back what was written meanwhile.
        let now = self.server_time(side).unwrap_or_else(|| self.now());
        let is_lost = |push: &PushRow| push.sent_at.is_none_or(|sent| now - sent >= self.rules.settle);
        self.conclude(side, creates, candidates, &is_lost).await
    }

    /// Settles creates by what was found of them, in one transaction; each candidate is the lead of one create at most. One that
    /// was not found is sent again if it `is_lost`, else it stays in doubt.
    async fn conclude(
        &self,
        side: Side,
        creates: &[PushRow],
        mut candidates: Vec<Candidate>,
        is_lost: &(dyn Fn(&PushRow) -> bool + Sync),
    ) -> Result<(), CycleError> {
        let now = self.now();
        let (mut settled, mut seen) = (Vec::new(), Vec::new());
        for push in creates {
            let hits = self.likenesses(side, push, &candidates);
            if let [only] = hits.as_slice() {
                let lead = candidates.swap_remove(*only).lead;
                let done = Verdict::Done { lead_id: lead.lead_id.clone(), written_at: DateTime::default() };
                settled.push(Settled::plain(push, done));
                seen.push(lead);
            } else if hits.is_empty() {
                settled.extend(is_lost(push).then(|| Settled::plain(push, Verdict::Due(now))));
            } else {
                let leads = hits.iter().filter_map(|place| candidates.get(*place));
                let ids: Vec<&str> = leads.map(|candidate| candidate.lead.lead_id.as_str()).collect();
                settled.push(Settled {
                    code: Some("ambiguous_create".to_owned()),
                    error: Some(format!("the create was not answered, and several new leads look like it: {}", ids.join(", "))),
                    ..Settled::plain(push, Verdict::Parked)
                });
            }
        }
        self.store.settle(&settled, now).await?;
        self.store.observe(side, &seen, None, now).await?;
        Ok(())
    }

    fn candidate(&self, lead: Observation) -> Candidate {
        Candidate { values: self.mapping.decode(&lead.fields), lead }
    }

    /// The places of the leads that a create may have made: by the id of its other half, else by all that was sent, else by a
    /// match key.
    fn likenesses(&self, side: Side, push: &PushRow, candidates: &[Candidate]) -> Vec<usize> {
        let by = |like: &dyn Fn(&Candidate) -> bool| -> Vec<usize> {
            candidates.iter().enumerate().filter(|(_, candidate)| like(candidate)).map(|(place, _)| place).collect()
        };
        let named = by(&|candidate| candidate.lead.external_id.is_some() && candidate.lead.external_id == push.other_id);
        if !named.is_empty() || side == Side::Salesforce {
            return named;
        }
        let sent = self.mapping.decode_some(&push.fields);
        let same =
            by(&|candidate| !sent.is_empty() && sent.iter().all(|(place, value)| candidate.values.0.get(*place) == Some(value)));
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
        by(&|candidate| keys.iter().zip(&candidate.lead.keys).any(|(ours, theirs)| ours.is_some() && ours == theirs))
    }

    /// Whether a lead has all that a write gives. Of a field that is not mapped any more, nobody can tell.
    fn holds(&self, side: Side, record: &Record, push: &PushRow) -> bool {
        let values = self.mapping.read(side, &record.fields);
        let given = self.mapping.decode_some(&push.fields);
        let is_told = push.fields.as_object().is_none_or(|fields| fields.len() == given.len());
        is_told && given.iter().all(|(place, value)| values.0.get(*place) == Some(value))
    }

    /// New leads that a poll brought while creates are in doubt may be what those made.
    pub(super) async fn adopt_unanswered_creates(&self) -> Result<(), CycleError> {
        let creates: Vec<PushRow> =
            self.store.in_doubt(Side::Operate).await?.into_iter().filter(|push| push.kind == WriteKind::Create).collect();
        if creates.is_empty() {
            return Ok(());
        }
        let (mut candidates, mut after) = (Vec::new(), None::<(Side, String)>);
        // Operate's come before Salesforce's.
        while after.as_ref().is_none_or(|(side, _)| *side == Side::Operate) {
            let leads = self.store.unlinked(after, BATCH).await?;
            let Some(last) = leads.last() else { break };
            after = Some((last.side, last.lead_id.clone()));
            let leads = leads.into_iter().filter(|lead| lead.side == Side::Operate && !lead.deleted);
            let leads: Vec<Candidate> = leads.map(|lead| self.new_lead(lead)).collect();
            // Few of very many new leads are kept.
            let alike: HashSet<usize> = creates.iter().flat_map(|push| self.likenesses(Side::Operate, push, &leads)).collect();
            candidates.extend(leads.into_iter().enumerate().filter(|(place, _)| alike.contains(place)).map(|(_, lead)| lead));
        }
        // Only what was found beyond doubt is settled here; the rest waits for its time.
        let found: Vec<PushRow> =
            creates.into_iter().filter(|push| self.likenesses(Side::Operate, push, &candidates).len() == 1).collect();
        self.conclude(Side::Operate, &found, candidates, &|_| false).await
    }

    fn new_lead(&self, lead: UnlinkedLead) -> Candidate {
        let values = self.mapping.decode(&lead.fields);
        let lead = Observation {
            keys: self.mapping.match_keys(&values),
            fields: lead.fields,
            lead_id: lead.lead_id,
            modified_at: lead.modified_at,
            external_id: None,
            deleted: false,
            converted: lead.converted,
            master_id: None,
            filtered: false,
        };
        Candidate { lead, values }
    }
}

/// A new lead that a create may have made.
struct Candidate {
    lead: Observation,
    values: Values,
}
