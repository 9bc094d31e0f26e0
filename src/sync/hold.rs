//! What holds writes back: a person, a brake, or the budget.

use std::sync::PoisonError;

use super::thrift::Thrift;
use super::{CycleError, Engine};
use crate::lead::Side;
use crate::side::WriteKind;
use crate::store::{Cycle, Outbox};

/// So few changes are never too many, however few links there are.
const ALWAYS_ALLOWED: u64 = 25;

/// What may not be written now, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hold {
    paused: Option<String>,
    changes: Option<String>,
    deletes: Option<String>,
    salesforce: Option<String>,
}

impl Hold {
    pub(super) fn holds(&self, side: Side, kind: WriteKind) -> bool {
        self.paused.is_some()
            || self.changes.is_some()
            || (kind == WriteKind::Delete && self.deletes.is_some())
            || (side == Side::Salesforce && self.salesforce.is_some())
    }

    /// What holds, and its words for people.
    pub(super) fn reason(&self) -> Option<(&'static str, &str)> {
        let reasons =
            [("pause", &self.paused), ("max_change", &self.changes), ("max_delete", &self.deletes), ("budget", &self.salesforce)];
        reasons.into_iter().find_map(|(what, reason)| Some((what, reason.as_deref()?)))
    }

    fn brake(&self) -> Option<&str> {
        self.changes.as_deref().or(self.deletes.as_deref())
    }
}

impl Engine {
    /// Looks at what is due before it is sent.
    pub(super) async fn hold(&self, cycle: &Cycle, thrift: &Thrift, outbox: &Outbox) -> Result<Hold, CycleError> {
        let mut hold = Hold::default();
        let stops = self.store.stops().await?;
        if let Some(since) = stops.paused {
            hold.paused = Some(format!("paused since {since}: `leadsync resume` lets writes go on"));
        } else if outbox.changes_anything() {
            self.brake(cycle, &mut hold).await?;
            if stops.braked.as_deref() != hold.brake() {
                self.store.brake(hold.brake()).await?;
            }
        } else if stops.braked.is_some() {
            self.store.brake(None).await?;
        }
        if let Thrift::Hold(reason) | Thrift::Stop(reason) = thrift {
            hold.salesforce = Some(reason.clone());
        }
        self.tell(hold.reason().or_else(|| thrift.reason().map(|reason| ("slow", reason))));
        Ok(hold)
    }

    pub(super) async fn brake(&self, cycle: &Cycle, hold: &mut Hold) -> Result<(), CycleError> {
        let burden = self.store.burden().await?;
        let advice = "`leadsync plan` shows what is due, `leadsync resume --accept-changes` lets it go on";
        if let Some(share) = self.rules.max_change {
            let allowed = allowed(burden.links, share);
            if burden.changes + cycle.changed > allowed && burden.changes > 0 {
                let (changes, links) = (burden.changes + cycle.changed, burden.links);
                hold.changes = Some(format!(
                    "brake: {changes} of {links} links would change, and max_change allows {allowed} in a cycle; {advice}"
                ));
            }
        }
        if burden.deletes > 0 && burden.deletes + cycle.deleted > self.rules.max_delete {
            let (deletes, allowed) = (burden.deletes + cycle.deleted, self.rules.max_delete);
            hold.deletes =
                Some(format!("brake: {deletes} leads would be deleted, and max_delete allows {allowed} in a cycle; {advice}"));
        }
        Ok(())
    }

    /// Says once when writes begin to be held or polls to come less often, and when all goes on. The words may count; what holds
    /// stays the same.
    pub(super) fn tell(&self, why: Option<(&'static str, &str)>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *held, why.map(|(what, _)| what));
        match why {
            Some((what, _)) if before == Some(what) => {}
            Some(("slow", reason)) => tracing::warn!(reason, "poll.slowed"),
            Some((_, reason)) => tracing::warn!(reason, "push.held"),
            None if before.is_some() => tracing::info!("push.released"),
            None => {}
        }
    }
}

/// How many links a cycle may change.
fn allowed(links: u64, share: f64) -> u64 {
    let links = f64::from(u32::try_from(links).unwrap_or(u32::MAX));
    // Not negative, and far below 2^53.
    let share = (links * share).floor();
    let share = format!("{share:.0}").parse().unwrap_or(u64::MAX);
    ALWAYS_ALLOWED.max(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_holds_all_a_brake_what_it_is_for_and_the_budget_salesforce() {
        let why = || Some("why".to_owned());
        let held = |hold: &Hold| {
            let all = Side::BOTH.into_iter().flat_map(|side| WriteKind::ALL.map(|kind| (side, kind)));
            all.filter(|(side, kind)| hold.holds(*side, *kind)).count()
        };
        let pause = Hold { paused: why(), ..Hold::default() };
        let changes = Hold { changes: why(), ..Hold::default() };
        let deletes = Hold { deletes: why(), ..Hold::default() };
        let budget = Hold { salesforce: why(), ..Hold::default() };
        assert_eq!([&Hold::default(), &pause, &changes, &deletes, &budget].map(held), [0, 6, 6, 2, 3]);
        assert!(deletes.holds(Side::Operate, WriteKind::Delete) && budget.holds(Side::Salesforce, WriteKind::Create));
        let words = [&pause, &changes, &deletes, &budget].map(|hold| hold.reason().map(|(what, _)| what));
        assert_eq!(words, [Some("pause"), Some("max_change"), Some("max_delete"), Some("budget")]);
        assert_eq!(Hold::default().reason(), None);
        assert_eq!([&pause, &changes, &deletes, &budget].map(Hold::brake), [None, Some("why"), Some("why"), None]);
    }

    #[test]
    fn a_share_of_all_links_may_change_and_a_few_always() {
        assert_eq!([allowed(10, 0.2), allowed(1_000, 0.2), allowed(1_000_000, 0.005)], [25, 200, 5_000]);
    }
}
