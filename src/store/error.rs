//! Why the store failed, in words that say which store it is and what to do.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

use super::Place;

/// The store failed: the cycle ends, nothing that was committed is lost.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address is none that this version understands.
    #[error("store.url ({scheme}:…) is not understood: use sqlite:PATH or postgres://USER@HOST:PORT/DATABASE")]
    Url {
        /// Its first word.
        scheme: String,
    },
    /// There is no store, and the command does not make one.
    #[error("there is no store at {}: `leadsync once` or `leadsync run` makes it", .place.name())]
    Missing {
        /// Where it was looked for.
        place: Place,
    },
    /// Another daemon works on it.
    #[error("{place} is in use by {holder}: only one daemon may work on a store")]
    Held {
        /// The store.
        place: Place,
        /// Who it is and since when, as the holder wrote that down.
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
    #[error("{place} was written by a newer version of leadsync (schema {version}): use that version, or restore a backup")]
    Newer {
        /// The store.
        place: Place,
        /// Its schema's version.
        version: i64,
    },
    /// The file is no database, or is damaged: found when it was opened.
    #[error("{place} is damaged or is no leadsync store ({reason}): it was left as it is; {}", .place.if_damaged())]
    Damaged {
        /// The store.
        place: Place,
        /// The database's words.
        reason: String,
    },
    /// A part of the file is damaged: found when that part was used.
    #[error("{place} is damaged ({reason}): nothing more is written to it; {}", .place.if_damaged())]
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
    /// PostgreSQL cannot be reached, or refuses.
    #[error("{place}: {reason}; {advice}")]
    Server {
        /// Which store.
        place: Place,
        /// The server's words, or those of the system.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// Another replica has taken over while this one was stopped or cut off.
    #[error("another replica works on {place} now: nothing more is written by this one")]
    TakenOver {
        /// Which store.
        place: Place,
    },
    /// What all stores in a database fail with.
    #[error(transparent)]
    Common(Arc<Self>),
    /// A statement failed.
    #[error("the store failed: {0}")]
    Sql(sqlx::Error),
}

impl StoreError {
    /// The same, of this store, if nothing said before which one it is.
    #[must_use]
    pub fn at(mut self, known: &Place) -> Self {
        if let Self::Broken { place, .. }
        | Self::Full { place }
        | Self::Disk { place, .. }
        | Self::ReadOnly { place, .. }
        | Self::Locked { place, .. }
        | Self::Open { place, .. }
        | Self::Server { place, .. }
        | Self::TakenOver { place } = &mut self
            && *place == Place::Unknown
        {
            *place = known.clone();
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
    pub(super) fn opening(error: sqlx::Error, place: &Place) -> Self {
        match Self::from(error) {
            Self::Broken { reason, .. } => Self::Damaged { place: place.clone(), reason },
            Self::Sql(error) => Self::Damaged { place: place.clone(), reason: reason(&error).into_owned() },
            other => other.at(place),
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
        if is_of_server(&error) {
            return Self::of_server(error);
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

/// What to do where the server is not there.
const UNREACHABLE: &str =
    "see that the server runs and that store.url names it; all that was committed is kept, and it is tried again";

const NO_ROOM: &str = "the server has no room for more: see its limits, such as max_connections; it is tried again";

/// Whether a server said so, or the way to it.
fn is_of_server(error: &sqlx::Error) -> bool {
    use sqlx::Error::{Configuration, Io, PoolTimedOut, Tls};
    match error {
        Io(_) | Tls(_) | PoolTimedOut | Configuration(_) => true,
        other => other.as_database_error().is_some_and(|error| error.try_downcast_ref::<PgDatabaseError>().is_some()),
    }
}

/// What a transaction is refused with whose daemon has been replaced (migrations/postgres).
const TAKEN_OVER: &str = "LS001";

impl StoreError {
    /// Whether the server may be there again by itself, and a daemon that starts had better wait for it.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        if let Self::Common(error) = self {
            return error.is_passing();
        }
        matches!(self, Self::Server { advice, .. } if *advice == UNREACHABLE || *advice == NO_ROOM)
    }

    /// See <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
    fn of_server(error: sqlx::Error) -> Self {
        let place = Place::default();
        let code = error.as_database_error().and_then(DatabaseError::code).unwrap_or_default().into_owned();
        let reason = reason(&error).into_owned();
        // rustls says it as a failure to communicate.
        if matches!(error, sqlx::Error::Tls(_)) || reason.contains("peer certificate") {
            let advice =
                "name the authority that signed the server's certificate in store.url: …?sslmode=verify-full&sslrootcert=FILE";
            return Self::Server { place, reason, advice };
        }
        let advice = match (code.get(..2).unwrap_or_default(), code.as_str()) {
            (_, "53100") => return Self::Full { place },
            (_, TAKEN_OVER) => return Self::TakenOver { place },
            ("XX", "XX001" | "XX002") => return Self::Broken { place, reason },
            ("28", _) => {
                "the server refused this user or this password: see store.url and store.password, and the server's pg_hba.conf"
            }
            (_, "3D000") => "make the database, or name another one in store.url",
            (_, "42501") => "this user must be allowed to make the schema, or be its owner: see docs/scale.md",
            (_, "25006") => "this server can only be read: name the one in store.url that can be written",
            (_, "55P03" | "57014" | "40P01") => {
                "another program works on it for long: end that one, such as a client for SQL; it is tried again"
            }
            ("53", _) => NO_ROOM,
            ("" | "08" | "57" | "58", _) => UNREACHABLE,
            _ => return Self::Sql(error),
        };
        Self::Server { place, reason, advice }
    }
}

fn reason(error: &sqlx::Error) -> Cow<'_, str> {
    error.as_database_error().map_or_else(|| error.to_string().into(), |error| error.message().into())
}
