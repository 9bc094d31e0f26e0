//! A store in PostgreSQL: how it is reached, and what its transactions are.

use std::fmt::{self, Debug, Formatter, Write as _};
use std::str::FromStr as _;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::SqlSafeStr as _;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Database, Executor as _, Postgres};
use sqlx_core::transaction::TransactionManager as _;

type Manager = <Postgres as Database>::TransactionManager;

/// Statements that a connection keeps prepared: there are not many more different ones.
const PREPARED: usize = 400;

/// What every connection is set to. Nobody waits for ever, and whoever is gone does not keep others waiting.
const SETTINGS: [(&str, &str); 8] = [
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

/// Where it is.
#[derive(Clone)]
pub(super) struct Server {
    options: PgConnectOptions,
    schema: String,
}

impl Server {
    /// `None`: the address is not understood.
    pub(super) fn of(url: &str, password: Option<&SecretString>, schema: &str) -> Option<Self> {
        let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
        let mut keys = parameters.split('&').filter_map(|each| each.split('=').next()).filter(|key| !key.is_empty());
        if keys.any(|key| !PARAMETERS.contains(&key)) {
            return None;
        }
        let mut options = PgConnectOptions::from_str(url).ok()?;
        if let Some(password) = password {
            options = options.password(password.expose_secret());
        }
        let search_path = [("search_path", schema)];
        let options =
            options.statement_cache_capacity(PREPARED).options(SETTINGS).options(search_path).disable_statement_logging();
        Some(Self { options, schema: schema.to_owned() })
    }

    /// In words, without the password.
    pub(super) fn label(&self) -> String {
        let options = &self.options;
        let host = options.get_socket().map_or_else(|| options.get_host().to_owned(), |path| path.display().to_string());
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        format!("postgres://{host}:{}/{database}, schema {}", options.get_port(), self.schema)
    }

    /// A connection that writes.
    pub(super) async fn connect(&self) -> Result<Session, sqlx::Error> {
        let connection = connect(&self.options).await?;
        Ok(Session { connection, server: self.clone(), fence: None, unsure: false, used: Instant::now(), keep: None })
    }

    /// Connections that only read.
    pub(super) fn readers(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(10))
            .idle_timeout(Duration::from_mins(1))
            .connect_lazy_with(self.options.clone().options([("default_transaction_read_only", "on")]))
    }
}

impl Debug for Server {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(&self.label())
    }
}

/// The longest that a connection may take to be there.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest that the beginning of a transaction may take; the server gives up its wait for the lock before that (`lock_timeout`).
const BEGIN: Duration = Duration::from_secs(40);
/// A connection that was not used for this long is asked whether it is still there: what lies in between may have forgotten it.
const IDLE: Duration = Duration::from_secs(20);

/// Begins a transaction that sees the store as it is now, however long whoever reads does something else meanwhile.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0";

/// Whether the connection is gone, or about to be: class 57P is a server that stops, or that ends a session.
fn is_of_connection(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code).unwrap_or_default();
    matches!(error, sqlx::Error::Io(_)) || code.starts_with("57P")
}

/// Does not wait for an answer that may never come: nobody tells a client that its server is cut off.
async fn within<T>(time: Duration, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
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

/// A connection that writes.
pub(super) struct Session {
    connection: PgConnection,
    server: Server,
    /// What the lease must have for this session to write.
    fence: Option<i64>,
    /// Whether something was begun of which it is not known how it ended.
    unsure: bool,
    used: Instant,
    keep: Option<Box<dyn FnMut() -> bool + Send>>,
}

impl Session {
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    pub(super) fn is_in_transaction(&self) -> bool {
        Manager::get_transaction_depth(&self.connection) > 0
    }

    /// Makes the schema, and the table of the lease in it, where they are missing.
    pub(super) async fn make_schema(&mut self, lease: &'static str) -> Result<(), sqlx::Error> {
        let is_there = "SELECT to_regclass($1 || '.lease') IS NOT NULL";
        let schema = self.server.schema.clone();
        if sqlx::query_scalar(is_there).bind(&schema).fetch_one(&mut self.connection).await? {
            return Ok(());
        }
        // Several replicas may start at the same time: IF NOT EXISTS alone does not keep them apart.
        self.begin().await?;
        let has_schema = "SELECT to_regnamespace($1) IS NOT NULL";
        if !sqlx::query_scalar::<_, bool>(has_schema).bind(&schema).fetch_one(&mut self.connection).await? {
            // Its letters are those that need no quotes.
            self.connection.execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await?;
        }
        self.connection.execute(lease).await?;
        self.commit().await
    }

    /// Whether somebody has made the tables.
    pub(super) async fn has_store(&mut self) -> Result<bool, sqlx::Error> {
        let is_there = "SELECT to_regclass($1 || '._sqlx_migrations') IS NOT NULL";
        sqlx::query_scalar(is_there).bind(&self.server.schema).fetch_one(&mut self.connection).await
    }

    /// Lets this session write only while the lease has this fence.
    pub(super) const fn fence_in(&mut self, fence: i64) {
        self.fence = Some(fence);
    }

    pub(super) fn into_connection(self) -> PgConnection {
        self.connection
    }

    /// Has `keep` asked before each commit.
    pub(super) fn on_commit(&mut self, keep: impl FnMut() -> bool + Send + 'static) {
        self.keep = Some(Box::new(keep));
    }

    /// Begins a transaction, and waits until nobody else writes to this store.
    pub(super) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        self.unsure = true;
        let began = self.try_to_begin().await;
        match began {
            Err(error) if is_of_connection(&error) => {
                // The server was started anew, or closed what nobody used: nothing of this transaction is there yet.
                self.connection = connect(&self.server.options).await?;
                self.try_to_begin().await
            }
            other => other,
        }
    }

    async fn try_to_begin(&mut self) -> Result<(), sqlx::Error> {
        let mut begin = format!("BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('leadsync {}', 0))", self.server.schema);
        if let Some(fence) = self.fence {
            // A statement of its own, so that it sees what was committed while it waited.
            let _ = write!(begin, "; SELECT must_hold({fence})");
        }
        within(BEGIN, Manager::begin(&mut self.connection, Some(AssertSqlSafe(begin).into_sql_str()))).await
    }

    /// Reads the store as it is now until [`Session::end_snapshot`].
    pub(super) async fn begin_snapshot(&mut self) -> Result<(), sqlx::Error> {
        self.unsure = true;
        Manager::begin(&mut self.connection, Some(SNAPSHOT.into_sql_str())).await
    }

    pub(super) async fn end_snapshot(&mut self) -> Result<(), sqlx::Error> {
        Manager::rollback(&mut self.connection).await?;
        self.unsure = false;
        Ok(())
    }

    pub(super) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        if self.keep.as_mut().is_some_and(|keep| !keep()) {
            return Err(sqlx::Error::Protocol("the commit was not kept".to_owned()));
        }
        Manager::commit(&mut self.connection).await?;
        self.unsure = false;
        Ok(())
    }

    pub(super) fn start_rollback(&mut self) {
        Manager::start_rollback(&mut self.connection);
    }

    /// Ends what somebody began and did not end, over a new connection where this one does not answer.
    pub(super) async fn ready(&mut self) -> Result<(), sqlx::Error> {
        if !self.unsure && self.used.elapsed() < IDLE {
            self.used = Instant::now();
            return Ok(());
        }
        if self.is_in_transaction() {
            self.start_rollback();
        }
        // One may be begun without this side knowing.
        if within(CONNECT, self.connection.execute("ROLLBACK")).await.is_err() {
            self.connection = connect(&self.server.options).await?;
        }
        (self.unsure, self.used) = (false, Instant::now());
        Ok(())
    }

    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        self.connection.close().await
    }
}

impl Debug for Session {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.server.fmt(out)
    }
}
