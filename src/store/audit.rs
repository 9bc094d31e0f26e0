//! What people did, and what the daemon did by itself that somebody may ask for.

use chrono::{DateTime, Utc};

use super::{Store, StoreError, stamp};

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A person, on the command line.
    Command,
    /// A person, on the status page.
    Page,
    /// Whoever sent the daemon a signal.
    Signal,
    /// The daemon by itself.
    Daemon,
}

impl Actor {
    /// The store's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Page => "page",
            Self::Signal => "signal",
            Self::Daemon => "daemon",
        }
    }
}

impl Store {
    /// Notes what was done, to what, and what is worth knowing of it.
    pub async fn audit(
        &self,
        actor: Actor,
        action: &str,
        subject: Option<&str>,
        detail: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO audit (at, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)")
            .bind(stamp(now))
            .bind(actor.as_str())
            .bind(action)
            .bind(subject)
            .bind(detail)
            .execute(&self.write)
            .await?;
        Ok(())
    }
}
