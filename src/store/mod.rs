//! The store: all SQL and nothing but. It knows no HTTP and no mapping; field values pass through it as JSON text.
//!
//! One task writes, over one connection; readers have a pool of their own.

mod alone;
mod audit;
mod backup;
mod brake;
mod conflict;
mod cycle;
mod decide;
mod dossier;
mod error;
mod exchange;
mod hold;
mod listing;
mod many;
mod mapping;
mod names;
mod observe;
mod pair;
mod prune;
mod push;
mod relink;
mod report;
mod reread;
mod search;
mod settle;
mod state;
mod sweep;
mod undo;
mod waiting;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    Sqlite, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection as _, Database};
use sqlx_core::transaction::TransactionManager as _;
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

pub use alone::{Created, UnlinkedLead};
pub use audit::Actor;
pub use backup::{Backup, BackupError};
pub use brake::{Burden, Stops, Troubles};
pub use conflict::OpenConflict;
pub use cycle::{Checkpoint, Cycle};
pub use decide::{Decided, DirtyLink, FormerRow, LeadRow, Names, NewConflict, NewPush, Undo};
pub use dossier::{Dossier, Event, LinkRow, Of, SeenLead};
pub use error::{Place, StoreError};
pub use exchange::{ExportedLink, Imported, KnownPair, REFUSED_LINES, RefusedLine};
pub use hold::Hold;
pub use listing::{Done, Hour, ListedConflict, Slice};
pub use observe::{Observation, Observed};
pub use pair::{Ambiguous, Part};
pub use prune::{PRUNE, Pruned};
pub use push::{LONGEST_WAIT, Outbox, PushRow};
pub use relink::{LinkRefusal, Relinked};
pub use report::{BudgetReport, History, LeadReport, LinkReport, ParkedLead, PlannedField, PlannedPush, StatusReport};
pub use search::{Effort, FoundLead, Searched};
pub use settle::{Settled, Verdict};
pub use sweep::{Master, MergedLead};
pub use undo::Undone;
pub use waiting::WaitingReason;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Rows that the thread of a connection reads ahead: those of a batch. It need not wait for the one that takes them.
const ROWS: usize = 500;

/// Begins a transaction that reads before it writes: nobody else writes in between.
const IMMEDIATE: &str = "BEGIN IMMEDIATE";

/// An open store.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    /// `None`: closed.
    write: Mutex<Option<SqliteConnection>>,
    read: SqlitePool,
}

impl Store {
    /// Opens the store at this address (`sqlite:PATH`) for writing, makes it if it is missing, and brings its schema up to date.
    /// Take [`Hold`] first.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let path = Self::path_of(url)?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .row_buffer_size(ROWS)
            .busy_timeout(Duration::from_secs(30));
        let store = Self::connect(path, options).await?;
        store.migrate().await?;
        Ok(store)
    }

    /// Opens an existing store for commands that report or that leave a word for the daemon. The schema must be the current one.
    ///
    /// A write-ahead log needs files beside the store. Where they cannot be made and no log is there, nobody writes to the store,
    /// and it is read as it is.
    pub async fn open_existing(url: &str) -> Result<Self, StoreError> {
        let path = Self::path_of(url)?;
        match std::fs::metadata(&path) {
            // An empty file is a store that nothing was written to yet.
            Ok(file) if file.len() == 0 => return Err(StoreError::Missing { path }),
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(StoreError::Missing { path }),
            _ => {}
        }
        let options = SqliteConnectOptions::new().filename(&path).foreign_keys(true).busy_timeout(Duration::from_secs(30));
        let store = Self::connect(path, options.clone()).await?;
        match store.check_version().await {
            Ok(()) => Ok(store),
            Err(error) if error.is_of_writing() && store.log_is_empty() => {
                let store = Self::connect(store.path, options.read_only(true).immutable(true)).await?;
                store.check_version().await?;
                Ok(store)
            }
            Err(error) => Err(error),
        }
    }

    /// Lets the file grow to this many pages at most, in this connection. A write beyond it fails as on a full disk.
    pub async fn limit_pages(&self, pages: u32) -> Result<(), StoreError> {
        sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"))).fetch_all(&mut *self.write().await?).await?;
        Ok(())
    }

    /// Has `keep` asked before each commit; a commit that it does not keep is rolled back, as by a crash just before it.
    pub async fn on_commit(&self, keep: impl FnMut() -> bool + Send + 'static) -> Result<(), StoreError> {
        self.write().await?.lock_handle().await?.set_commit_hook(keep);
        Ok(())
    }

    /// The journal mode and the `synchronous` level (2: full) under which the store is written.
    pub async fn durability(&self) -> Result<(String, i64), StoreError> {
        let mode = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *self.write().await?).await?;
        let level = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *self.write().await?).await?;
        Ok((mode, level))
    }

    /// The database file that an address (`sqlite:PATH`) names.
    pub fn path_of(url: &str) -> Result<PathBuf, StoreError> {
        let options = SqliteConnectOptions::from_str(url).map_err(|_| StoreError::Url { url: url.to_owned() })?;
        Ok(options.get_filename().to_path_buf())
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes it; the write-ahead log is folded into the file.
    pub async fn close(&self) {
        self.read.close().await;
        if let Some(connection) = self.write.lock().await.take() {
            let _ = connection.close().await;
        }
    }

    async fn connect(path: PathBuf, options: SqliteConnectOptions) -> Result<Self, StoreError> {
        let write = SqliteConnection::connect_with(&options).await.map_err(|error| StoreError::opening(error, &path))?;
        let read = SqlitePoolOptions::new()
            .test_before_acquire(false)
            .max_connections(4)
            .connect_lazy_with(options.read_only(true).create_if_missing(false));
        Ok(Self { path, write: Mutex::new(Some(write)), read })
    }

    /// The connection that writes, once nobody else has it.
    async fn write(&self) -> Result<MappedMutexGuard<'_, SqliteConnection>, sqlx::Error> {
        let connection = self.write.lock().await;
        let mut connection = MutexGuard::try_map(connection, Option::as_mut).map_err(|_| sqlx::Error::PoolClosed)?;
        end_transaction(&mut connection).await?;
        Ok(connection)
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        MIGRATIONS.run(&mut *self.write().await?).await.map_err(|error| match error {
            MigrateError::VersionMissing(version) => StoreError::Newer { path: self.path.clone(), version },
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => self.opening(error),
            other => StoreError::Damaged { path: self.path.clone(), reason: other.to_string() },
        })
    }

    async fn check_version(&self) -> Result<(), StoreError> {
        let newest: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
            .fetch_one(&self.read)
            .await
            .map_err(|error| self.opening(error))?;
        match newest {
            Some(version) if !MIGRATIONS.version_exists(version) => Err(StoreError::Newer { path: self.path.clone(), version }),
            _ => Ok(()),
        }
    }

    fn opening(&self, error: sqlx::Error) -> StoreError {
        StoreError::opening(error, &self.path)
    }

    /// Whether no change lies in the write-ahead log.
    fn log_is_empty(&self) -> bool {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        match std::fs::metadata(log) {
            Ok(log) => log.len() == 0,
            Err(error) => error.kind() == ErrorKind::NotFound,
        }
    }
}

/// Ends what somebody began and did not end. What the database rolled back by itself, as it may where the disk is full, sqlx takes for
/// begun for as long as the connection lives: it can roll back only what is there. The connection is not replaced, since on a full
/// disk there may be no space for another.
async fn end_transaction(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    if connection.is_in_transaction() {
        // Where it was left alone, its rollback is on the way: behind that comes the answer.
        connection.ping().await?;
    }
    if connection.is_in_transaction() {
        // Refused if one is there after all.
        let _ = sqlx::query("BEGIN").execute(&mut *connection).await;
        <Sqlite as Database>::TransactionManager::rollback(connection).await?;
    }
    Ok(())
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
