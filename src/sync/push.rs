//! Pushing: writes that are due are noted as sent, sent, and settled with what their answers say.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tracing::Instrument as _;

use super::hold::Hold;
use super::outcome::refused;
use super::{CycleError, Engine, side_by_side};
use crate::lead::Side;
use crate::metrics;
use crate::side::{Action, Outcome, Record, Refusal, Unmoved, Write, WriteKind};
use crate::store::{Outbox, PushRow, Settled, Verdict};

/// Writes under way at once, however many batches that is: each is in memory until it is settled.
const MOST: usize = 10_000;

/// Changes of a round at least, where that many are due and one request can look for all of them after a crash: two commits for them,
/// however few a request takes.
const LEAST: usize = 200;

/// How many writes a round takes: as many batches as may be under way, or one. Creates are noted as sent only when they are: how long ago
/// that was tells whether one may still arrive.
fn at_once(kind: WriteKind, batch: usize, concurrency: usize, reads_at_once: usize) -> usize {
    let least = if kind == WriteKind::Create { 1 } else { LEAST.min(reads_at_once) };
    (batch * concurrency).max(least).min(MOST.max(batch))
}

/// Rounds under way at once. The side would wait for the store after each small one: one is sent while another is noted or settled.
const fn side_by_side_rounds(round: usize) -> usize {
    if round < LEAST { 2 } else { 1 }
}

/// Writes of one kind that are due on a side, as rounds take them.
struct Due {
    side: Side,
    kind: WriteKind,
    /// Writes in a request.
    batch: usize,
    /// Writes in a round.
    round: usize,
    /// How many there are, as far as is known; taken from by one round at a time.
    left: tokio::sync::Mutex<usize>,
}

/// Writes that are noted as sent.
struct Round {
    sent: Vec<PushRow>,
    writes: Vec<Write>,
    /// What cannot be sent.
    settled: Vec<Settled>,
    /// When they were noted, by the server's clock, if that is known.
    sent_at: Option<DateTime<Utc>>,
    /// How many were due.
    tried: u64,
}

/// What pushing came to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pushed {
    /// Writes that took effect.
    pub(super) done: u64,
    /// Writes that were refused.
    pub(super) parked: u64,
    /// Writes that were tried, whatever came of them.
    pub(super) tried: u64,
    /// Of those done: changes and deletes that are no first pairing.
    pub(super) changed: u64,
    /// Of those done: deletes.
    pub(super) deleted: u64,
}

impl Pushed {
    pub(super) const fn add(&mut self, other: Self) {
        self.done += other.done;
        self.parked += other.parked;
        self.tried += other.tried;
        self.changed += other.changed;
        self.deleted += other.deleted;
    }
}

impl Engine {
    /// Sends everything that is due on a side and not held, round by round.
    pub(super) async fn push(
        &self,
        side: Side,
        mut outbox: Outbox,
        hold: &Hold,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Pushed, CycleError> {
        let client = self.clients.get(side);
        let mut pushed = Pushed::default();
        let next = |outbox: &Outbox| outbox.ready(side).find(|(kind, _)| !hold.holds(side, *kind));
        while let Some((kind, count)) = next(&outbox).filter(|_| !stop()) {
            let batch = client.batch_size(kind, count);
            let round = at_once(kind, batch, client.concurrency(), client.reads_at_once());
            let due = Due { side, kind, batch, round, left: usize::try_from(count).unwrap_or(usize::MAX).into() };
            pushed.add(self.push_all(&due, stop).await?);
            outbox.take(side, kind);
            // They are counted once they are all gone, not after each round: there may be very many.
            if next(&outbox).is_none() {
                outbox = self.store.outbox(self.now()).await?;
            }
        }
        Ok(pushed)
    }

    /// Sends all of one kind, round by round. The first failure ends it, once what is under way has come back.
    async fn push_all(&self, due: &Due, stop: &(dyn Fn() -> bool + Sync)) -> Result<Pushed, CycleError> {
        let rounds = || async {
            let mut pushed = Pushed::default();
            while !stop() {
                match Box::pin(self.push_round(due)).await {
                    Ok(Some(done)) => pushed.add(done),
                    Ok(None) => break,
                    Err(error) => {
                        *due.left.lock().await = 0;
                        return Err(error);
                    }
                }
            }
            Ok(pushed)
        };
        let all = side_by_side(self.turns.as_deref(), std::iter::repeat_with(rounds).take(side_by_side_rounds(due.round))).await;
        let mut pushed = Pushed::default();
        for done in all {
            pushed.add(done?);
        }
        Ok(pushed)
    }

    /// Notes the next writes as sent, sends them in batches, side by side as the client allows, and settles them. `None`: there are none.
    async fn push_round(&self, due: &Due) -> Result<Option<Pushed>, CycleError> {
        let _under_way = self.writing.read().await;
        let Some(Round { sent, writes, mut settled, sent_at, tried }) = self.take_round(due).await? else { return Ok(None) };
        let (side, kind) = (due.side, due.kind);
        let span = |writes: usize| tracing::debug_span!("push", %side, push.kind = kind.as_str(), writes);
        let client = self.clients.get(side);
        let batches = writes.chunks(due.batch).map(|writes| client.write(writes).instrument(span(writes.len())));
        let answers = side_by_side(self.turns.as_deref(), batches).await;
        drop(writes);
        let mut failed = None;
        let mut answered = Vec::with_capacity(sent.len());
        for (sent, answer) in sent.chunks(due.batch).zip(answers) {
            match answer {
                Ok(outcomes) => answered.extend(sent.iter().zip(outcomes)),
                Err(error) => {
                    let later = self.now();
                    settled.extend(sent.iter().map(|push| Settled {
                        code: Some("not_sent".to_owned()),
                        error: Some(error.to_string()),
                        ..Settled::plain(push, Verdict::Due(later))
                    }));
                    failed.get_or_insert(error);
                }
            }
        }
        let sent_at = sent_at.map(|time| time - TimeDelta::seconds(2));
        let pushed = self.settle_round(side, &answered, settled, sent_at.unwrap_or_default()).await?;
        failed.map_or(Ok(Some(Pushed { tried, ..pushed })), |error| Err(error.into()))
    }

    /// Notes the next writes as sent, if there are any.
    async fn take_round(&self, due: &Due) -> Result<Option<Round>, CycleError> {
        let mut left = due.left.lock().await;
        if *left == 0 {
            return Ok(None);
        }
        let pushes = self.store.due(due.side, due.kind, self.now(), due.round).await?;
        if pushes.is_empty() {
            *left = 0;
            return Ok(None);
        }
        *left = left.saturating_sub(pushes.len());
        let (tried, ids): (_, Vec<i64>) = (pushes.len() as u64, pushes.iter().map(|push| push.push_id).collect());
        let mut ready = Vec::new();
        let mut settled = Vec::new();
        for push in pushes {
            match self.write_of(&push) {
                Ok(write) => ready.push((push, write)),
                Err(problem) => settled.push(refused(&push, &Refusal::new("mapping", problem))),
            }
        }
        // By the server's clock: ours may be set while a write is under way, or before the next start.
        let sent_at = self.server_time(due.side);
        let marked: HashSet<i64> = self.store.mark_sent(&ids, sent_at.unwrap_or_else(|| self.now())).await?.into_iter().collect();
        ready.retain(|(push, _)| marked.contains(&push.push_id));
        settled.retain(|settled| marked.contains(&settled.push_id));
        let (sent, writes) = ready.into_iter().unzip();
        Ok(Some(Round { sent, writes, settled, sent_at, tried }))
    }

    /// Settles what was sent, and what could not be.
    async fn settle_round(
        &self,
        side: Side,
        answered: &[(&PushRow, Outcome)],
        mut settled: Vec<Settled>,
        sent_at: DateTime<Utc>,
    ) -> Result<Pushed, CycleError> {
        let mut pushed = Pushed::default();
        let mut unknown_fields = None;
        let made: Vec<(&str, i64)> = answered.iter().filter_map(|(push, outcome)| made_of(push, outcome)).collect();
        let claimed: HashSet<String> =
            if made.is_empty() { HashSet::new() } else { self.store.claimed_elsewhere(side, &made).await?.into_iter().collect() };
        for (push, outcome) in answered {
            if let Outcome::Schema(refusal) = outcome {
                unknown_fields.get_or_insert_with(|| refusal.to_string());
            }
            let verdict = match made_of(push, outcome).filter(|(id, _)| claimed.contains(*id)) {
                Some((id, _)) => refused(push, &claimed_by_another(side, id)),
                None => self.judge(push, outcome.clone(), sent_at).await?,
            };
            log(push, &verdict);
            let outcome = verdict.verdict.as_str();
            self.metrics.pushes.get_or_create(&metrics::Pushed { side, kind: push.kind, outcome }).inc();
            if let Verdict::Done { .. } = verdict.verdict {
                pushed.done += 1;
                pushed.changed += u64::from(push.kind != WriteKind::Create && !push.initial);
                pushed.deleted += u64::from(push.kind == WriteKind::Delete);
            }
            settled.push(verdict);
        }
        pushed.parked = settled.iter().filter(|settled| matches!(settled.verdict, Verdict::Parked)).count() as u64;
        match unknown_fields {
            Some(reason) if self.has_changed_fields(side).await? => {
                // They are decided and sent anew once the mapping fits the fields that are there.
                for parked in settled.iter_mut().filter(|settled| matches!(settled.verdict, Verdict::Parked)) {
                    parked.verdict = Verdict::Superseded;
                }
                self.store.settle(&settled, self.now()).await?;
                Err(CycleError::Schema { side, reason })
            }
            _ => {
                self.store.settle(&settled, self.now()).await?;
                Ok(pushed)
            }
        }
    }

    /// The write that a push stands for.
    pub(super) fn write_of(&self, push: &PushRow) -> Result<Write, String> {
        let given = self.mapping.decode_some(&push.fields);
        let fields = self
            .mapping
            .write(push.side, given.iter().map(|(place, value)| (*place, value)))
            .map_err(|problem| problem.to_string())?;
        let action = match (&push.target_id, push.target_modified_at) {
            _ if push.kind == WriteKind::Create => match &push.name_holder {
                None => Action::Create,
                // Salesforce would take the new lead for that one.
                Some(holder) => return Err(still_named(push, holder)),
            },
            (Some(id), Some(modified_at)) => {
                let (mapping, side) = (Arc::clone(&self.mapping), push.side);
                let expected = mapping.decode(&push.target_fields);
                // Of a lead that is to be deleted, nothing may have changed.
                let places: Vec<usize> = match push.kind {
                    WriteKind::Delete => (0..mapping.fields().len()).collect(),
                    _ => given.iter().map(|(place, _)| *place).collect(),
                };
                let unmoved = move |record: &Record| {
                    let read = mapping.read(side, &record.fields);
                    !record.deleted && places.iter().all(|place| read.0.get(*place) == expected.0.get(*place))
                };
                let (id, unmoved) = (id.clone(), Arc::new(unmoved) as Unmoved);
                if push.kind == WriteKind::Delete {
                    Action::Delete { id, unmoved }
                } else {
                    Action::Update { id, modified_at, unmoved }
                }
            }
            _ => return Err("the lead to be written was never observed".to_owned()),
        };
        let external_id = match &push.other_id {
            Some(_) if push.name_holder.is_some() => None,
            Some(id) => Some(id.clone()).filter(|id| push.target_external_id.as_ref() != Some(id)),
            // It has no other half any more, and names none.
            None if push.kind == WriteKind::Update => push.target_external_id.as_ref().map(|_| String::new()),
            None => None,
        };
        Ok(Write { action, fields, external_id })
    }
}

fn still_named(push: &PushRow, holder: &str) -> String {
    let id = push.other_id.as_deref().unwrap_or_default();
    format!("Salesforce lead {holder} still names Operate lead {id}: clear its external id field, then `leadsync retry {id}`")
}

/// The lead that a create came to, and the link that it is for.
fn made_of<'o>(push: &PushRow, outcome: &'o Outcome) -> Option<(&'o str, i64)> {
    match outcome {
        Outcome::Done { id } if push.kind == WriteKind::Create => Some((id, push.link_id)),
        _ => None,
    }
}

fn claimed_by_another(side: Side, id: &str) -> Refusal {
    let (title, other) = (side.title(), side.other().title());
    let message =
        format!("{title} took it for its lead {id}, which is linked with another {other} lead: merge or delete one of the two");
    Refusal::new("linked_already", message)
}

fn log(push: &PushRow, settled: &Settled) {
    let (side, link, code) = (push.side, push.link_id, settled.code.as_deref().unwrap_or_default());
    match &settled.verdict {
        Verdict::Done { lead_id, .. } => {
            tracing::info!(%side, link.id = link, lead.id = lead_id, push.kind = push.kind.as_str(), "push.done");
        }
        Verdict::Superseded => tracing::info!(%side, link.id = link, "push.superseded"),
        Verdict::Due(_) => {
            tracing::warn!(%side, link.id = link, error.code = code, push.attempts = push.attempts + 1, "push.retry");
        }
        Verdict::InDoubt => tracing::warn!(%side, link.id = link, error.code = code, "push.in_doubt"),
        Verdict::Parked => tracing::warn!(%side, link.id = link, error.code = code, "push.parked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_sent_side_by_side_as_long_as_they_are_small() {
        let creates = [200, 5_000, 20_000].map(|batch| at_once(WriteKind::Create, batch, 5, 2_000));
        assert_eq!(creates, [1_000, MOST, 20_000]);
    }

    #[test]
    fn a_round_of_changes_is_large_where_one_request_can_look_for_all_of_them() {
        let round = |kind, reads_at_once| at_once(kind, 20, 1, reads_at_once);
        assert_eq!(
            [round(WriteKind::Update, 2_000), round(WriteKind::Delete, 2_000), round(WriteKind::Update, 50)],
            [LEAST, LEAST, 50]
        );
        assert_eq!([round(WriteKind::Update, 1), round(WriteKind::Create, 2_000)], [20, 20]);
    }
}
