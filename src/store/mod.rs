//! The store: all SQL and nothing but. It knows no HTTP and no mapping; field values pass through it as JSON text.
//!
//! One task writes, over one connection; readers have a pool of their own.

mod brake;
mod conflict;
mod cycle;
mod decide;
mod hold;
mod names;
mod observe;
mod pair;
mod push;
mod report;
mod sweep;
mod waiting;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::error::DatabaseError;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

pub use brake::Burden;
pub use conflict::OpenConflict;
pub use cycle::{Checkpoint, Cycle};
pub use decide::{Decided, DirtyLink, LeadRow, NewConflict, NewPush};
pub use hold::Hold;
pub use observe::{Observation, Observed};
pub use pair::{Ambiguous, Created, UnlinkedLead};
pub use push::{PushRow, Settled, Verdict};
pub use report::{BudgetReport, History, LeadReport, LinkReport, ParkedLead, PlannedField, PlannedPush, StatusReport};
pub use sweep::{Master, MergedLead};
pub use waiting::WaitingReason;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// The store failed: the cycle ends, nothing that was committed is lost.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address is none that this version understands.
    #[error("store.url {url:?} is not understood: use sqlite:PATH")]
    Url {
        /// As configured.
        url: String,
    },
    /// There is no store, and the command does not make one.
    #[error("there is no store at {path}: `leadsync once` or `leadsync run` makes it")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Another daemon works on it.
    #[error("the store {path} is in use by process {holder}: only one daemon may work on a store")]
    Held {
        /// The store.
        path: PathBuf,
        /// Process id and start time, as the holder wrote them down.
        holder: String,
    },
    /// The lock file, or the directory that it is in, cannot be used.
    #[error("{path} cannot be written: {source}; the store's directory must be writable for this user")]
    Directory {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A later version of leadsync has been here.
    #[error(
        "the store {path} was written by a newer version of leadsync (schema {version}): use that version, or restore a backup"
    )]
    Newer {
        /// The store.
        path: PathBuf,
        /// Its schema's version.
        version: i64,
    },
    /// The file is no database, or is damaged.
    #[error(
        "the store {path} is damaged or is no leadsync store ({reason}): it was left as it is; restore a backup or move it away"
    )]
    Damaged {
        /// The store.
        path: PathBuf,
        /// `SQLite`'s words.
        reason: String,
    },
    /// No space is left.
    #[error("no space is left for the store: free some and start again; all that was committed is kept")]
    Full,
    /// It cannot be opened.
    #[error("the store {path} cannot be opened: {reason}")]
    Open {
        /// The store.
        path: PathBuf,
        /// `SQLite`'s words.
        reason: String,
    },
    /// A statement failed.
    #[error("the store failed: {0}")]
    Sql(sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error().and_then(DatabaseError::code).as_deref() {
            // SQLITE_FULL
            Some("13") => Self::Full,
            _ => Self::Sql(error),
        }
    }
}

/// An open store.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    write: SqlitePool,
    read: SqlitePool,
}

impl Store {
    /// Opens the store at this address (`sqlite:PATH`) for writing, makes it if it is missing, and brings its schema up to date.
    /// Take [`Hold`] first.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let path = path_of(url)?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(30));
        let store = Self::connect(path, options).await?;
        store.migrate().await?;
        Ok(store)
    }

    /// Opens an existing store for commands that report or that leave a word for the daemon. The schema must be the current one.
    pub async fn open_existing(url: &str) -> Result<Self, StoreError> {
        let path = path_of(url)?;
        if !path.exists() {
            return Err(StoreError::Missing { path });
        }
        let options = SqliteConnectOptions::new().filename(&path).foreign_keys(true).busy_timeout(Duration::from_secs(30));
        let store = Self::connect(path, options).await?;
        store.check_version().await?;
        Ok(store)
    }

    /// A consistent copy at `target`, which must not exist.
    pub async fn copy_to(&self, target: &Path) -> Result<(), StoreError> {
        sqlx::query("VACUUM INTO ?").bind(target.to_string_lossy()).execute(&self.write).await?;
        Ok(())
    }

    /// Lets the file grow to this many pages at most, in this connection. A write beyond it fails as on a full disk.
    pub async fn limit_pages(&self, pages: u32) -> Result<(), StoreError> {
        sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"))).fetch_all(&self.write).await?;
        Ok(())
    }

    /// Has `keep` asked before each commit; a commit that it does not keep is rolled back, as by a crash just before it.
    pub async fn on_commit(&self, keep: impl FnMut() -> bool + Send + 'static) -> Result<(), StoreError> {
        let mut connection = self.write.acquire().await?;
        connection.lock_handle().await?.set_commit_hook(keep);
        Ok(())
    }

    /// The journal mode and the `synchronous` level (2: full) under which the store is written.
    pub async fn durability(&self) -> Result<(String, i64), StoreError> {
        let mode = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&self.write).await?;
        let level = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&self.write).await?;
        Ok((mode, level))
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Closes it; the write-ahead log is folded into the file.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }

    async fn connect(path: PathBuf, options: SqliteConnectOptions) -> Result<Self, StoreError> {
        let open = |error: sqlx::Error| {
            let code = error.as_database_error().and_then(|error| error.code().map(Cow::into_owned));
            match code.as_deref() {
                // SQLITE_CORRUPT, SQLITE_NOTADB
                Some("11" | "26") => StoreError::Damaged { path: path.clone(), reason: error.to_string() },
                Some("13") => StoreError::Full,
                _ => StoreError::Open { path: path.clone(), reason: error.to_string() },
            }
        };
        let write = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await.map_err(open)?;
        let read =
            SqlitePoolOptions::new().max_connections(4).connect_lazy_with(options.read_only(true).create_if_missing(false));
        Ok(Self { path, write, read })
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        MIGRATIONS.run(&self.write).await.map_err(|error| match error {
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
        match StoreError::from(error) {
            StoreError::Sql(error) => StoreError::Damaged { path: self.path.clone(), reason: error.to_string() },
            other => other,
        }
    }
}

fn path_of(url: &str) -> Result<PathBuf, StoreError> {
    let options = SqliteConnectOptions::from_str(url).map_err(|_| StoreError::Url { url: url.to_owned() })?;
    Ok(options.get_filename().to_path_buf())
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
