//! How the daemon is: what its last cycles came to. The daemon says it, health and the status page show it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use crate::side::SideError;

/// How the daemon is.
#[derive(Debug)]
pub struct Pulse {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    started_at: DateTime<Utc>,
    well_at: Option<DateTime<Utc>>,
    trouble: Option<Trouble>,
    stopping: bool,
}

/// Why cycles fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Since when.
    pub since: DateTime<Utc>,
    /// Whether a system refuses to sign leadsync in.
    pub is_of_sign_in: bool,
    /// In words.
    pub reason: String,
}

impl Pulse {
    /// Of a daemon that starts.
    #[must_use]
    pub fn starting(now: DateTime<Utc>) -> Self {
        let state = Mutex::new(State { started_at: now, well_at: None, trouble: None, stopping: false });
        Self { state, changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A cycle ended well.
    pub fn well(&self, now: DateTime<Utc>) {
        let mut state = self.state();
        (state.well_at, state.trouble) = (Some(now), None);
        self.changed.notify_one();
    }

    /// A cycle failed.
    pub fn failed(&self, reason: String, is_of_sign_in: bool, now: DateTime<Utc>) {
        let mut state = self.state();
        let since = state.trouble.as_ref().map_or(now, |trouble| trouble.since);
        state.trouble = Some(Trouble { since, is_of_sign_in, reason });
        self.changed.notify_one();
    }

    /// A cycle failed because of a side.
    pub fn failed_at(&self, error: &SideError, now: DateTime<Utc>) {
        self.failed(error.to_string(), matches!(error, SideError::Auth { .. }), now);
    }

    /// The daemon ends.
    pub fn stopping(&self) {
        self.state().stopping = true;
    }

    /// Waits until a cycle has ended.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// When it started.
    #[must_use]
    pub fn started_at(&self) -> DateTime<Utc> {
        self.state().started_at
    }

    /// When a cycle ended well last.
    #[must_use]
    pub fn well_at(&self) -> Option<DateTime<Utc>> {
        self.state().well_at
    }

    /// Why cycles fail.
    #[must_use]
    pub fn trouble(&self) -> Option<Trouble> {
        self.state().trouble.clone()
    }

    /// Why it is not ready, if it is not.
    #[must_use]
    pub fn unready(&self) -> Option<String> {
        let state = self.state();
        if state.stopping {
            return Some("stopping".to_owned());
        }
        match &state.trouble {
            Some(trouble) => Some(format!("cycles have failed since {}: {}", crate::store::stamp(trouble.since), trouble.reason)),
            None if state.well_at.is_none() => Some("starting: no cycle has ended yet".to_owned()),
            None => None,
        }
    }
}
