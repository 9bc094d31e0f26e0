//! Hints: leads of which somebody says that they have changed. A hint makes leadsync look sooner and decides nothing: what it says is read
//! from the system itself, and polls find all that no hint was given of.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::lead::{PerSide, Side};

/// So many leads of a side wait at most. Where there are more, one by one is not the way to read them: the next poll does.
const MOST: usize = 2_000;

/// So many leads of a side are taken at once.
const BATCH: usize = 50;

/// Leads that wait to be looked at.
#[derive(Debug, Default)]
pub struct Hints {
    waiting: Mutex<PerSide<BTreeSet<String>>>,
    /// Whether any lead may have changed.
    all: AtomicBool,
    came: Notify,
}

impl Hints {
    /// These leads of a side may have changed. Gives how many of them could not be taken.
    pub fn tell(&self, side: Side, ids: impl IntoIterator<Item = String>) -> usize {
        let mut refused = 0;
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let waiting = waiting.get_mut(side);
            for id in ids {
                if waiting.len() < MOST {
                    waiting.insert(id);
                } else if !waiting.contains(&id) {
                    refused += 1;
                }
            }
        }
        self.came.notify_one();
        refused
    }

    /// Any lead may have changed: only a whole cycle tells which.
    pub fn tell_all(&self) {
        self.all.store(true, Ordering::Relaxed);
        self.came.notify_one();
    }

    /// Whether a whole cycle is due. It is not any more after this.
    #[must_use]
    pub fn take_all(&self) -> bool {
        self.all.swap(false, Ordering::Relaxed)
    }

    /// Waits until there are some.
    pub async fn arrived(&self) {
        while !self.all.load(Ordering::Relaxed) && self.are_none() {
            self.came.notified().await;
        }
    }

    /// Takes some of those that wait.
    #[must_use]
    pub fn take(&self) -> PerSide<Vec<String>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        PerSide::build(|side| {
            let waiting = waiting.get_mut(side);
            (0..BATCH).map_while(|_| waiting.pop_first()).collect()
        })
    }

    fn are_none(&self) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        Side::BOTH.into_iter().all(|side| waiting.get(side).is_empty())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_lead_that_is_named_again_waits_once() {
        let hints = Hints::default();
        assert!(hints.arrived().now_or_never().is_none());
        for _ in 0..2 {
            assert_eq!(hints.tell(Side::Operate, ["7".to_owned(), "8".to_owned()]), 0);
        }
        assert!(hints.arrived().now_or_never().is_some());
        assert_eq!(hints.take(), PerSide { operate: vec!["7".to_owned(), "8".to_owned()], salesforce: Vec::new() });
        assert!(hints.arrived().now_or_never().is_none());
    }

    #[test]
    fn a_whole_cycle_is_due_once_however_often_it_is_told() {
        let hints = Hints::default();
        hints.tell_all();
        hints.tell_all();
        assert!(hints.arrived().now_or_never().is_some());
        assert_eq!((hints.take_all(), hints.take_all()), (true, false));
        assert!(hints.arrived().now_or_never().is_none());
    }

    #[test]
    fn what_waits_has_an_end_and_is_taken_in_parts() {
        let hints = Hints::default();
        let ids = |range: std::ops::Range<usize>| range.map(|id| id.to_string());
        assert_eq!(hints.tell(Side::Salesforce, ids(0..MOST + 5)), 5);
        assert_eq!(hints.tell(Side::Salesforce, ids(0..10)), 0, "they wait already");
        let mut taken = 0;
        while hints.arrived().now_or_never().is_some() {
            let part = hints.take().salesforce.len();
            assert!(part <= BATCH);
            taken += part;
        }
        assert_eq!(taken, MOST);
    }
}
