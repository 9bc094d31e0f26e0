//! A store in PostgreSQL: how it is reached, and what its transactions are.

mod line;
mod session;

use std::fmt::{self, Debug, Formatter};
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Executor as _};

use self::line::Lines;
use super::keeper::Keeper;

pub(super) use self::line::Reader;
pub(super) use self::session::Session;

/// Statements that a connection keeps prepared: there are not many more different ones.
const PREPARED: usize = 400;

/// How many may write at the same time, and how many may read. All stores in a database share the connections, and take turns.
const WRITERS: usize = 8;
const READERS: usize = 4;

/// What every connection is set to. Nobody waits for ever, and whoever is gone does not keep others waiting. Statements are written to go
/// from a few rows to their like by an index, as `SQLite` does them; the planner would rather read a table whole, by several processes, for each
/// of many batches while its figures are of the time before a first load.
const SETTINGS: [(&str, &str); 12] = [
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_material", "off"),
    ("max_parallel_workers_per_gather", "0"),
    ("application_name", "leadsync"),
    ("client_min_messages", "error"),
    ("jit", "off"),
    ("lock_timeout", "30s"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
];

/// What may stand behind the `?` of an address. sqlx would pass over anything else, and log it.
const PARAMETERS: [&str; 10] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "hostaddr", "port", "dbname", "user", "password"];

/// The longest that a connection may take to be there.
const CONNECT: Duration = Duration::from_secs(10);

/// The databases that stores are in, each with the connections that its stores share. A clone is the same.
#[derive(Clone, Default)]
pub struct Databases(Arc<Mutex<Vec<Known>>>);

/// A database that some store is in, and how it was named.
struct Known {
    url: String,
    password: Option<SecretString>,
    database: Weak<Database>,
}

impl Databases {
    /// The one of this address, with its connections; `None` where that is not understood.
    fn at(&self, url: &str, password: Option<&SecretString>) -> Option<Arc<Database>> {
        let exposed = |password: Option<&SecretString>| password.map(|password| password.expose_secret().to_owned());
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|known| known.database.strong_count() > 0);
        let is_it = |known: &&Known| known.url == url && exposed(known.password.as_ref()) == exposed(password);
        if let Some(database) = known.iter().find(is_it).and_then(|known| known.database.upgrade()) {
            return Some(database);
        }
        let database = Arc::new(Database::of(url, password)?);
        known.push(Known { url: url.to_owned(), password: password.cloned(), database: Arc::downgrade(&database) });
        Some(database)
    }
}

impl Debug for Databases {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.debug_struct("Databases").finish_non_exhaustive()
    }
}

/// A database, with the connections that stores in it share.
pub(super) struct Database {
    options: PgConnectOptions,
    writers: Lines,
    readers: Lines,
    keeper: Keeper,
}

impl Database {
    fn of(url: &str, password: Option<&SecretString>) -> Option<Self> {
        let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
        let mut keys = parameters.split('&').filter_map(|each| each.split('=').next()).filter(|key| !key.is_empty());
        if keys.any(|key| !PARAMETERS.contains(&key)) {
            return None;
        }
        let mut options = PgConnectOptions::from_str(url).ok()?;
        if let Some(password) = password {
            options = options.password(password.expose_secret());
        }
        let options = options.statement_cache_capacity(PREPARED).options(SETTINGS).disable_statement_logging();
        let reading = options.clone().options([("default_transaction_read_only", "on")]);
        let (writers, readers) = (Lines::new(options.clone(), WRITERS), Lines::new(reading, READERS));
        Some(Self { options, writers, readers, keeper: Keeper::default() })
    }

    /// In words, without the password.
    pub(super) fn label(&self) -> String {
        let options = &self.options;
        let host = options.get_socket().map_or_else(|| options.get_host().to_owned(), |path| path.display().to_string());
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        format!("postgres://{host}:{}/{database}", options.get_port())
    }

    /// Who keeps the leases of this process in it.
    pub(super) const fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// A connection beside those that are shared, with these settings.
    pub(super) async fn connect_apart(&self, settings: [(&str, &str); 1]) -> Result<PgConnection, sqlx::Error> {
        connect(&self.options.clone().options(settings)).await
    }
}

/// Where a store is: a schema of a database.
#[derive(Clone)]
pub(super) struct Server {
    database: Arc<Database>,
    schema: String,
}

impl Server {
    /// `None`: the address is not understood.
    pub(super) fn of(url: &str, password: Option<&SecretString>, schema: &str, databases: &Databases) -> Option<Self> {
        Some(Self { database: databases.at(url, password)?, schema: schema.to_owned() })
    }

    /// In words, without the password.
    pub(super) fn label(&self) -> String {
        format!("{}, schema {}", self.database.label(), self.schema)
    }

    pub(super) const fn database(&self) -> &Arc<Database> {
        &self.database
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    /// What writes to it, one transaction after the other.
    pub(super) fn session(&self) -> Session {
        Session::of(self.clone())
    }

    /// A connection that only reads, for a moment.
    pub(super) async fn reader(&self) -> Result<Reader, sqlx::Error> {
        Reader::of(self).await
    }
}

impl Debug for Server {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(&self.label())
    }
}

/// Does not wait for an answer that may never come: nobody tells a client that its server is cut off.
pub(super) async fn within<T>(time: Duration, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let late = || sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the server does not answer"));
    tokio::time::timeout(time, work).await.unwrap_or_else(|_| Err(late()))
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    within(CONNECT, open(options)).await
}

async fn open(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    // What is committed is there after a crash; a server where that is otherwise by default is told so.
    let durable = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";
    connection.execute(durable).await?;
    Ok(connection)
}
