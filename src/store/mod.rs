//! The store: all SQL and nothing but. It knows no HTTP and no mapping; field values pass through it as JSON text.
//!
//! One task writes, over one connection; readers have a pool of their own.

mod address;
mod alone;
mod analyze;
mod audit;
mod backup;
mod brake;
mod conflict;
mod copy;
mod cycle;
mod decide;
mod dirty;
mod dossier;
mod error;
mod exchange;
mod hold;
mod keeper;
mod lease;
mod listing;
mod many;
mod mapping;
mod matching;
mod names;
mod observe;
mod open;
mod pair;
mod postgres;
mod prune;
mod push;
mod relink;
mod report;
mod reread;
mod search;
mod settle;
mod share;
mod size;
mod sql;
mod sqlite;
mod state;
mod sweep;
mod undo;
mod waiting;

use std::ops::{Deref, DerefMut};
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use self::sql::{Connection, Pool, query};
use crate::permit::Permit;

pub use address::{Address, Place, SCHEMA, is_schema_name};
pub use alone::{Created, UnlinkedLead};
pub use audit::Actor;
pub use backup::{Backup, BackupError};
pub use brake::{Burden, Stops, Troubles};
pub use conflict::OpenConflict;
pub use copy::{Copied, CopyError};
pub use cycle::{Checkpoint, Cycle};
pub use decide::{Decided, NewConflict, NewPush};
pub use dirty::{DirtyLink, FormerRow, LeadRow, Names, Undo};
pub use dossier::{Dossier, Event, LinkRow, Of, SeenLead};
pub use error::StoreError;
pub use exchange::{ExportedLink, Imported, KnownPair, REFUSED_LINES, RefusedLine};
pub use hold::{Candidate, Hold};
pub use lease::Leader;
pub use listing::{Done, Hour, ListedConflict, Slice};
pub use matching::{Ambiguous, Match, Matches, NewLink};
pub use observe::{Observation, Observed};
pub use pair::Part;
pub use postgres::Databases;
pub use prune::{PRUNE, Pruned};
pub use push::{LONGEST_WAIT, Outbox, PushRow};
pub use relink::{LinkRefusal, Relinked};
pub use report::{BudgetReport, History, LeadReport, LinkReport, ParkedLead, PlannedField, PlannedPush, StatusReport};
pub use search::{Effort, FoundLead, Searched};
pub use settle::{Settled, Verdict};
pub use sweep::{Master, MergedLead};
pub use undo::Undone;
pub use waiting::WaitingReason;

/// An open store.
#[derive(Debug)]
pub struct Store {
    place: Place,
    /// `None`: closed.
    write: Mutex<Option<Connection>>,
    read: Pool,
    permit: Permit,
}

impl Store {
    /// Where it is.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// The database file, where it is in one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.place.file()
    }

    /// Whether this process may still write to either side.
    #[must_use]
    pub const fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Closes it; the write-ahead log is folded into the file.
    pub async fn close(&self) {
        self.read.close().await;
        if let Some(connection) = self.write.lock().await.take() {
            let _ = connection.close().await;
        }
    }

    /// Waits until nothing is under way that somebody began and let go of.
    pub async fn at_rest(&self) -> Result<(), StoreError> {
        // Its answer comes after those of statements that nobody waits for any more.
        query("SELECT 1").fetch_all(&mut *self.write().await?).await?;
        Ok(())
    }

    /// Has `keep` asked before each commit; a commit that it does not keep is rolled back, as by a crash just before it.
    pub async fn on_commit(&self, keep: impl FnMut() -> bool + Send + 'static) -> Result<(), StoreError> {
        match &mut *self.write().await? {
            Connection::Sqlite(connection) => connection.lock_handle().await?.set_commit_hook(keep),
            Connection::Postgres(session) => session.on_commit(keep),
        }
        Ok(())
    }

    /// The connection that writes, once nobody else has it.
    async fn write(&self) -> Result<Writing<'_>, sqlx::Error> {
        let connection = self.write.lock().await;
        let connection = MutexGuard::try_map(connection, Option::as_mut).map_err(|_| sqlx::Error::PoolClosed)?;
        let mut writing = Writing(connection);
        writing.ready().await?;
        Ok(writing)
    }
}

/// The connection that writes, while somebody has it.
struct Writing<'s>(MappedMutexGuard<'s, Connection>);

impl Deref for Writing<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for Writing<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.rest();
    }
}

/// The store's form of a time.
#[must_use]
pub fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Reads what [`stamp`] wrote.
#[must_use]
pub fn time(stamp: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(stamp).map(|time| time.to_utc()).unwrap_or_default()
}
