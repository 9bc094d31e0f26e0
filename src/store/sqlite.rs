//! A store in a file of `SQLite`'s.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::sql::{Connection, Pool, query, query_scalar};
use super::{Place, Store, StoreError};

/// Rows that the thread of a connection reads ahead: those of a batch. It need not wait for the one that takes them.
const ROWS: usize = 500;

/// What a connection keeps of the store's pages, as `SQLite` puts kibibytes. Linux keeps them as well: with four times as much, to link a million
/// pairs takes as long. Only where the store may be written: to set it reads the store, which [`open_existing`] has its own ways for.
const CACHE: &str = "-500";

/// Opens it for writing, and makes it if it is missing.
pub(super) async fn open(path: PathBuf) -> Result<Store, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .row_buffer_size(ROWS)
        .pragma("cache_size", CACHE)
        .busy_timeout(Duration::from_secs(30));
    connect(path, options).await
}

/// Opens one that is there.
///
/// A write-ahead log needs files beside the store. Where they cannot be made and no log is there, nobody writes to the store, and it is
/// read as it is.
pub(super) async fn open_existing(path: PathBuf) -> Result<Store, StoreError> {
    match std::fs::metadata(&path) {
        // An empty file is a store that nothing was written to yet.
        Ok(file) if file.len() == 0 => return Err(StoreError::Missing { place: Place::File(path) }),
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(StoreError::Missing { place: Place::File(path) }),
        _ => {}
    }
    let options = SqliteConnectOptions::new().filename(&path).foreign_keys(true).busy_timeout(Duration::from_secs(30));
    let store = connect(path.clone(), options.clone()).await?;
    match store.check_version().await {
        Ok(()) => Ok(store),
        Err(error) if error.is_of_writing() && log_is_empty(&path) => {
            let store = connect(path, options.read_only(true).immutable(true)).await?;
            store.check_version().await?;
            Ok(store)
        }
        Err(error) => Err(error),
    }
}

async fn connect(path: PathBuf, options: SqliteConnectOptions) -> Result<Store, StoreError> {
    let place = Place::File(path);
    let write = SqliteConnection::connect_with(&options).await.map_err(|error| StoreError::opening(error, &place))?;
    let read = SqlitePoolOptions::new()
        .test_before_acquire(false)
        .max_connections(4)
        .connect_lazy_with(options.read_only(true).create_if_missing(false));
    Ok(Store::of(place, Connection::Sqlite(write), Pool::Sqlite(read)))
}

/// Whether no change lies in the write-ahead log.
fn log_is_empty(store: &Path) -> bool {
    let mut log = store.to_path_buf().into_os_string();
    log.push("-wal");
    match std::fs::metadata(log) {
        Ok(log) => log.len() == 0,
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

impl Store {
    /// Lets the file grow to this many pages at most, in this connection. A write beyond it fails as on a full disk.
    pub async fn limit_pages(&self, pages: u32) -> Result<(), StoreError> {
        query(format!("PRAGMA max_page_count = {pages}")).fetch_all(&mut *self.write().await?).await?;
        Ok(())
    }

    /// The journal mode and the `synchronous` level (2: full) under which the store is written.
    pub async fn durability(&self) -> Result<(String, i64), StoreError> {
        let mode = query_scalar("PRAGMA journal_mode").fetch_one(&mut *self.write().await?).await?;
        let level = query_scalar("PRAGMA synchronous").fetch_one(&mut *self.write().await?).await?;
        Ok((mode, level))
    }
}
