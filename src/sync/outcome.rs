//! What the outcome of a write means for its push, and for what is known of the leads.

use chrono::{DateTime, TimeDelta, Utc};

use super::{CycleError, Engine};
use crate::config::salesforce::DuplicateRule;
use crate::lead::Side;
use crate::side::{Outcome, Record, Refusal, SideError, WriteKind};
use crate::store::{LONGEST_WAIT, PushRow, Settled, Verdict};

impl Engine {
    /// What an outcome means for its push. What was learned of the target on the way is observed at once.
    pub(super) async fn judge(&self, push: &PushRow, outcome: Outcome, written_at: DateTime<Utc>) -> Result<Settled, CycleError> {
        let target = push.target_id.clone().unwrap_or_default();
        let verdict = match outcome {
            Outcome::Done { id } => Verdict::Done { lead_id: id, written_at },
            Outcome::DoneWithoutId => Verdict::InDoubt,
            Outcome::Moved(record) => {
                let fresh = match record {
                    Some(record) => vec![*record],
                    None => self.clients.get(push.side).read(&[target]).await.unwrap_or_else(|error| quiet(&error)),
                };
                self.learn(push.side, fresh).await?;
                Verdict::Superseded
            }
            Outcome::Gone if push.kind == WriteKind::Delete => Verdict::Done { lead_id: target, written_at },
            Outcome::Gone => {
                self.store.observe_gone(push.side, &target, self.now()).await?;
                Verdict::Superseded
            }
            Outcome::Absent(refusal) => return self.absent(push, target, &refusal).await,
            Outcome::Duplicate { ids, certain, refusal } => return self.duplicate(push, &ids, certain, &refusal).await,
            Outcome::Converted => {
                self.store.observe_converted(push.side, &target).await?;
                Verdict::Superseded
            }
            Outcome::Retry(refusal) => {
                return Ok(worded(push, Verdict::Due(self.now() + back_off(push.attempts)), &refusal));
            }
            Outcome::Unknown(refusal) => return Ok(worded(push, Verdict::InDoubt, &refusal)),
            Outcome::Refused(refusal) | Outcome::Schema(refusal) => return Ok(refused(push, &refusal)),
        };
        Ok(Settled::plain(push, verdict))
    }

    async fn learn(&self, side: Side, fresh: Vec<Record>) -> Result<(), CycleError> {
        let seen: Vec<_> = fresh.into_iter().map(|record| self.observation(side, record)).collect();
        self.store.observe(side, &seen, None, self.now()).await?;
        Ok(())
    }

    /// The target cannot be found. Only the side itself can say that it is deleted.
    async fn absent(&self, push: &PushRow, target: String, refusal: &Refusal) -> Result<Settled, CycleError> {
        let client = self.clients.get(push.side);
        let fresh = match client.read(std::slice::from_ref(&target)).await {
            Ok(fresh) => fresh,
            Err(error) => {
                let later = Verdict::Due(self.now() + back_off(push.attempts));
                return Ok(worded(push, later, &Refusal::new("not_read", error.to_string())));
            }
        };
        if !fresh.is_empty() {
            self.learn(push.side, fresh).await?;
        } else if client.absence_is_deletion() {
            self.store.observe_gone(push.side, &target, self.now()).await?;
        } else {
            let title = push.side.title();
            let message = format!(
                "{} ({title} lead {target} was deleted for good, or its sharing rules hide it from this user)",
                refusal.message
            );
            return Ok(refused(push, &Refusal::new(refusal.code.clone(), message)));
        }
        Ok(Settled::plain(push, Verdict::Superseded))
    }

    /// The side holds another lead for the same one: a new lead is linked with it, where that is wanted and there is no doubt.
    async fn duplicate(&self, push: &PushRow, ids: &[String], certain: bool, refusal: &Refusal) -> Result<Settled, CycleError> {
        let wanted = push.kind == WriteKind::Create && (certain || self.rules.duplicates == DuplicateRule::Link);
        if let ([id], true) = (ids, wanted) {
            let found = self.clients.get(push.side).read(std::slice::from_ref(id)).await.unwrap_or_else(|error| quiet(&error));
            if let Some(record) = found.into_iter().find(|record| !record.deleted && !record.converted) {
                let id = record.id.clone();
                if self.store.linked_among(push.side, &[&id]).await?.is_empty() {
                    self.learn(push.side, vec![record]).await?;
                    self.store.move_link(push.link_id, push.side, &id, self.now()).await?;
                    tracing::info!(side = %push.side, link.id = push.link_id, lead.id = id, "pair.duplicate");
                    return Ok(worded(push, Verdict::Superseded, refusal));
                }
            }
        }
        let message = if ids.is_empty() { refusal.message.clone() } else { format!("{} [{}]", refusal.message, ids.join(", ")) };
        Ok(refused(push, &Refusal::new(refusal.code.clone(), message)))
    }
}

/// A read that fails here is not lost: the next poll brings the lead.
fn quiet(error: &SideError) -> Vec<Record> {
    tracing::warn!(error = %error, "push.reread_failed");
    Vec::new()
}

/// 1 s, 2 s, 4 s … the longest wait.
fn back_off(attempts: u32) -> TimeDelta {
    TimeDelta::seconds(1 << attempts.min(9)).min(LONGEST_WAIT)
}

fn worded(push: &PushRow, verdict: Verdict, refusal: &Refusal) -> Settled {
    Settled { code: Some(refusal.code.clone()), error: Some(refusal.message.clone()), ..Settled::plain(push, verdict) }
}

pub(super) fn refused(push: &PushRow, refusal: &Refusal) -> Settled {
    worded(push, Verdict::Parked, refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attempt_waits_twice_as_long_as_the_one_before_up_to_the_longest_wait() {
        let waits = [0, 1, 3, 8, 9, 200].map(|attempts| back_off(attempts).num_seconds());
        assert_eq!(waits, [1, 2, 8, 256, 300, 300]);
    }
}
