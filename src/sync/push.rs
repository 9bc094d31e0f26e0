//! Pushing: writes that are due are noted as sent, sent, and settled with what their answers say.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::stream::{FuturesUnordered, StreamExt as _};

use super::{CycleError, Engine};
use crate::lead::Side;
use crate::side::{Action, Outcome, Record, Refusal, SideError, Write};
use crate::store::{PushRow, Settled, Verdict};

/// What pushing came to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pushed {
    /// Writes that took effect.
    pub(super) done: u64,
    /// Writes that were refused.
    pub(super) parked: u64,
    /// Writes that were tried, whatever came of them.
    pub(super) tried: u64,
}

impl Pushed {
    pub(super) const fn add(&mut self, other: Self) {
        self.done += other.done;
        self.parked += other.parked;
        self.tried += other.tried;
    }
}

impl Engine {
    /// Sends everything that is due on a side. Batches are sent side by side as the client allows; each is settled on its own.
    pub(super) async fn push(&self, side: Side, stop: &(dyn Fn() -> bool + Sync)) -> Result<Pushed, CycleError> {
        let client = self.clients.get(side);
        let mut pushed = Pushed::default();
        for create in [true, false] {
            let batch = client.batch_size(create);
            loop {
                let due = self.store.due(side, create, self.now(), batch * client.concurrency()).await?;
                if due.is_empty() || stop() {
                    break;
                }
                let batches = due.chunks(batch).map(|chunk| self.push_batch(side, chunk)).collect::<FuturesUnordered<_>>();
                for batch in batches.collect::<Vec<_>>().await {
                    pushed.add(batch?);
                }
            }
        }
        Ok(pushed)
    }

    async fn push_batch(&self, side: Side, batch: &[PushRow]) -> Result<Pushed, CycleError> {
        let ids: Vec<i64> = batch.iter().map(|push| push.push_id).collect();
        let mut ready = Vec::new();
        let mut settled = Vec::new();
        for push in batch {
            match self.write_of(push) {
                Ok(write) => ready.push((push, write)),
                Err(problem) => settled.push(refused(push, &Refusal::new("mapping", problem))),
            }
        }
        self.store.mark_sent(&ids, self.now()).await?;
        let sent_at = self.server_time(side).map(|time| time - TimeDelta::seconds(2));
        let writes: Vec<Write> = ready.iter().map(|(_, write)| write.clone()).collect();
        let outcomes = match self.clients.get(side).write(&writes).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                let later = self.now();
                settled.extend(ready.iter().map(|(push, _)| Settled {
                    code: Some("not_sent".to_owned()),
                    error: Some(error.to_string()),
                    ..Settled::plain(push.push_id, Verdict::Due(later))
                }));
                self.store.settle(&settled, later).await?;
                return Err(error.into());
            }
        };
        let mut pushed = Pushed { tried: batch.len() as u64, ..Pushed::default() };
        for ((push, _), outcome) in ready.iter().zip(outcomes) {
            let verdict = self.judge(push, outcome, sent_at.unwrap_or_default()).await?;
            log(push, &verdict);
            settled.push(verdict);
        }
        for settled in &settled {
            match settled.verdict {
                Verdict::Done { .. } => pushed.done += 1,
                Verdict::Parked => pushed.parked += 1,
                _ => {}
            }
        }
        self.store.settle(&settled, self.now()).await?;
        Ok(pushed)
    }

    /// The write that a push stands for.
    pub(super) fn write_of(&self, push: &PushRow) -> Result<Write, String> {
        let given = self.mapping.decode_some(&push.fields);
        let fields = self
            .mapping
            .write(push.side, given.iter().map(|(place, value)| (*place, value)))
            .map_err(|problem| problem.to_string())?;
        let action = match (&push.target_id, push.target_modified_at) {
            _ if push.create => Action::Create,
            (Some(id), Some(modified_at)) => {
                let (mapping, side) = (Arc::clone(&self.mapping), push.side);
                let expected = mapping.decode(&push.target_fields);
                let places: Vec<usize> = given.iter().map(|(place, _)| *place).collect();
                let unmoved = move |record: &Record| {
                    let read = mapping.read(side, &record.fields);
                    !record.deleted && places.iter().all(|place| read.0.get(*place) == expected.0.get(*place))
                };
                Action::Update { id: id.clone(), modified_at, unmoved: Arc::new(unmoved) }
            }
            _ => return Err("the lead to be written was never observed".to_owned()),
        };
        let external_id = push.other_id.clone().filter(|id| push.target_external_id.as_ref() != Some(id));
        Ok(Write { action, fields, external_id })
    }

    /// What an outcome means for its push. What was learned of the target on the way is observed at once.
    async fn judge(&self, push: &PushRow, outcome: Outcome, written_at: DateTime<Utc>) -> Result<Settled, CycleError> {
        let target = push.target_id.clone().unwrap_or_default();
        let verdict = match outcome {
            Outcome::Done { id } => Verdict::Done { lead_id: id, written_at },
            Outcome::DoneWithoutId => Verdict::InDoubt,
            Outcome::Moved(record) => {
                let fresh = match record {
                    Some(record) => vec![*record],
                    None => self.clients.get(push.side).read(&[target]).await.unwrap_or_else(|error| quiet(&error)),
                };
                let seen: Vec<_> = fresh.into_iter().map(|record| self.observation(push.side, record)).collect();
                self.store.observe(push.side, &seen, None, self.now()).await?;
                Verdict::Superseded
            }
            Outcome::Gone => {
                self.store.observe_gone(push.side, &target, self.now()).await?;
                Verdict::Superseded
            }
            Outcome::Converted => {
                self.store.observe_converted(push.side, &target).await?;
                Verdict::Superseded
            }
            Outcome::Retry(refusal) => {
                return Ok(worded(push, Verdict::Due(self.now() + back_off(push.attempts)), &refusal));
            }
            Outcome::Unknown(refusal) => return Ok(worded(push, Verdict::InDoubt, &refusal)),
            Outcome::Refused(refusal) => return Ok(refused(push, &refusal)),
        };
        Ok(Settled::plain(push.push_id, verdict))
    }
}

/// A read that fails here is not lost: the next poll brings the lead.
fn quiet(error: &SideError) -> Vec<Record> {
    tracing::warn!(error = %error, "push.reread_failed");
    Vec::new()
}

/// 1 s, 2 s, 4 s … 5 min.
fn back_off(attempts: u32) -> TimeDelta {
    TimeDelta::seconds(1_i64.checked_shl(attempts.min(9)).unwrap_or(300).min(300))
}

fn worded(push: &PushRow, verdict: Verdict, refusal: &Refusal) -> Settled {
    Settled { push_id: push.push_id, verdict, code: Some(refusal.code.clone()), error: Some(refusal.message.clone()) }
}

fn refused(push: &PushRow, refusal: &Refusal) -> Settled {
    worded(push, Verdict::Parked, refusal)
}

fn log(push: &PushRow, settled: &Settled) {
    let (side, link, code) = (push.side, push.link_id, settled.code.as_deref().unwrap_or_default());
    match &settled.verdict {
        Verdict::Done { lead_id, .. } => tracing::info!(%side, link, lead.id = lead_id, create = push.create, "push.done"),
        Verdict::Superseded => tracing::info!(%side, link, "push.superseded"),
        Verdict::Due(_) => tracing::warn!(%side, link, code, attempts = push.attempts + 1, "push.retry"),
        Verdict::InDoubt => tracing::warn!(%side, link, code, "push.in_doubt"),
        Verdict::Parked => tracing::warn!(%side, link, code, "push.parked"),
    }
}
