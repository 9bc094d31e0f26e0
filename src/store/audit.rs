//! The audit log: what people did, and what the daemon did by itself that somebody may ask for. A row is written in the transaction
//! of what it tells of, where there is one.

use chrono::{DateTime, Utc};

use super::sql::{Connection, query};
use super::{Store, StoreError, stamp};

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A person, by a command.
    Command,
    /// A person, on the status page.
    Page,
    /// Whoever sent the daemon a signal.
    Signal,
    /// The daemon by itself.
    Daemon,
}

impl Actor {
    /// Its word in the store.
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
    /// Notes what was done. `subject`: the ids of the leads that it is about, with a space between them.
    pub async fn audit(
        &self,
        actor: Actor,
        action: &str,
        subject: Option<&str>,
        detail: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        note(&mut *self.write().await?, actor, action, subject, detail, now).await
    }
}

/// The same, in a transaction.
pub(super) async fn note(
    connection: &mut Connection,
    actor: Actor,
    action: &str,
    subject: Option<&str>,
    detail: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    query("INSERT INTO audit (at, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)")
        .bind(stamp(now))
        .bind(actor.as_str())
        .bind(action)
        .bind(subject)
        .bind(detail)
        .execute(connection)
        .await?;
    Ok(())
}

/// A row for each of these links, about its leads.
pub(super) async fn note_links(
    connection: &mut Connection,
    actor: Actor,
    action: &str,
    links: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    query(
        "INSERT INTO audit (at, actor, action, subject)
         SELECT ?, ?, ?, concat_ws(' ', l.operate_id, l.salesforce_id) FROM json_each(?) j JOIN link l ON l.link_id = CAST(j.value AS BIGINT)",
    )
    .bind(stamp(now))
    .bind(actor.as_str())
    .bind(action)
    .bind(links)
    .execute(connection)
    .await?;
    Ok(())
}
