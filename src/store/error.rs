//! Why the store failed, in words that say which store it is and what to do.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

use sqlx::error::DatabaseError;

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
    /// The file is no database, or is damaged: found when it was opened.
    #[error("the store {path} is damaged or is no leadsync store ({reason}): it was left as it is; {ADVICE}")]
    Damaged {
        /// The store.
        path: PathBuf,
        /// `SQLite`'s words.
        reason: String,
    },
    /// A part of the file is damaged: found when that part was used.
    #[error("{place} is damaged ({reason}): nothing more is written to it; {ADVICE}")]
    Broken {
        /// Which store.
        place: Place,
        /// `SQLite`'s words.
        reason: String,
    },
    /// No space is left.
    #[error("no space is left for {place}: free some, and it goes on; all that was committed is kept")]
    Full {
        /// Which store.
        place: Place,
    },
    /// The disk, or a limit on what may be written to it.
    #[error(
        "{place} cannot be read or written ({reason}): see whether its disk or a quota is full, and what the system's log says of \
         the disk; all that was committed is kept"
    )]
    Disk {
        /// Which store.
        place: Place,
        /// `SQLite`'s words and number.
        reason: String,
    },
    /// It can only be read.
    #[error(
        "{place} cannot be written ({reason}): the file, its directory and the -wal and -shm files beside it must be writable for \
         this user, on a disk that is not mounted read-only"
    )]
    ReadOnly {
        /// Which store.
        place: Place,
        /// `SQLite`'s words.
        reason: String,
    },
    /// Another program does not let go of it.
    #[error("{place} is locked by another program ({reason}): end what works on it, such as a client for SQL, and try again")]
    Locked {
        /// Which store.
        place: Place,
        /// `SQLite`'s words.
        reason: String,
    },
    /// It cannot be opened.
    #[error(
        "{place} cannot be opened ({reason}): its directory must be there and be writable for this user; without that, a store can \
         be read only if no -wal file with changes lies beside it"
    )]
    Open {
        /// Which store.
        place: Place,
        /// `SQLite`'s words.
        reason: String,
    },
    /// A statement failed.
    #[error("the store failed: {0}")]
    Sql(sqlx::Error),
}

/// What to do about damage.
const ADVICE: &str = "restore a backup, or move it away with the -wal and -shm files beside it, and a new one is made in which leads \
                      find each other again";

/// Which store it is, as far as that is known where it failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place(Option<PathBuf>);

impl Display for Place {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(path) => write!(out, "the store {}", path.display()),
            None => out.write_str("the store"),
        }
    }
}

impl StoreError {
    /// The same, of the store at this path, if nothing said before which one it is.
    #[must_use]
    pub fn at(mut self, path: &Path) -> Self {
        if let Self::Broken { place, .. }
        | Self::Full { place }
        | Self::Disk { place, .. }
        | Self::ReadOnly { place, .. }
        | Self::Locked { place, .. }
        | Self::Open { place, .. } = &mut self
        {
            place.0.get_or_insert_with(|| path.to_owned());
        }
        self
    }

    /// Whether there is no use in trying again before somebody has mended the store.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Broken { .. })
    }

    /// Whether it is the place of the store that cannot be written, not the store that is wrong.
    pub(super) const fn is_of_writing(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Disk { .. } | Self::ReadOnly { .. } | Self::Open { .. })
    }

    /// A failure to open this store: one that says nothing of its place or its state says that this is no store of ours.
    pub(super) fn opening(error: sqlx::Error, path: &Path) -> Self {
        match Self::from(error) {
            Self::Broken { reason, .. } => Self::Damaged { path: path.to_owned(), reason },
            Self::Sql(error) => Self::Damaged { path: path.to_owned(), reason: reason(&error).into_owned() },
            other => other.at(path),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let place = Place::default();
        if matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) {
            // The schema is strict, so it was not written like that.
            return Self::Broken { place, reason: error.to_string() };
        }
        let code = error.as_database_error().and_then(DatabaseError::code).and_then(|code| code.parse::<i32>().ok());
        let Some(code) = code else { return Self::Sql(error) };
        let reason = reason(&error).into_owned();
        // The last byte is the kind of failure (https://www.sqlite.org/rescode.html).
        match (code & 0xff, code) {
            // SQLITE_CORRUPT, SQLITE_NOTADB
            (11 | 26, _) => Self::Broken { place, reason },
            // SQLITE_FULL; SQLITE_IOERR_SHMSIZE: the shared index of the write-ahead log finds no space.
            (13, _) | (_, 4874) => Self::Full { place },
            // SQLITE_IOERR
            (10, _) => Self::Disk { place, reason: format!("{reason}, SQLite's code {code}") },
            // SQLITE_READONLY
            (8, _) => Self::ReadOnly { place, reason },
            // SQLITE_BUSY, SQLITE_LOCKED
            (5 | 6, _) => Self::Locked { place, reason },
            // SQLITE_CANTOPEN
            (14, _) => Self::Open { place, reason },
            _ => Self::Sql(error),
        }
    }
}

fn reason(error: &sqlx::Error) -> Cow<'_, str> {
    error.as_database_error().map_or_else(|| error.to_string().into(), |error| error.message().into())
}
