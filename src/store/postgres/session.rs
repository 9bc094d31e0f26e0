//! What writes to a store: transactions, over a connection that it has only while it needs one.

use std::fmt::{self, Debug, Formatter, Write as _};
use std::time::Duration;

use sqlx::SqlSafeStr as _;
use sqlx::error::DatabaseError;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Database, Executor as _, Postgres};
use sqlx_core::transaction::TransactionManager as _;
use tokio::sync::OwnedSemaphorePermit;

use super::line::{Line, Lines};
use super::{Server, within};

type Manager = <Postgres as Database>::TransactionManager;

/// The longest that the beginning of a transaction may take; the server gives up its wait for the lock before that (`lock_timeout`).
const BEGIN: Duration = Duration::from_secs(40);
/// Begins a transaction that sees the store as it is now, however long whoever reads does something else meanwhile.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0";

/// Whether the connection is gone, or about to be: class 57P is a server that stops, or that ends a session.
fn is_of_connection(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code).unwrap_or_default();
    matches!(error, sqlx::Error::Io(_)) || code.starts_with("57P")
}

/// What writes to a store.
pub(in crate::store) struct Session {
    server: Server,
    /// While it works; and longer where it was let go of before its answer came.
    line: Option<Line>,
    turn: Option<OwnedSemaphorePermit>,
    /// What the lease must have for this session to write.
    fence: Option<i64>,
    /// Whether something was begun of which it is not known how it ended.
    unsure: bool,
    keep: Option<Box<dyn FnMut() -> bool + Send>>,
}

impl Session {
    pub(super) const fn of(server: Server) -> Self {
        Self { server, line: None, turn: None, fence: None, unsure: false, keep: None }
    }

    fn lines(&self) -> &Lines {
        &self.server.database.writers
    }

    /// Its connection; [`Session::ready`] must have been called.
    pub(in crate::store) fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.line.as_mut().map(|line| &mut line.connection).ok_or(sqlx::Error::PoolClosed)
    }

    pub(in crate::store) fn is_in_transaction(&self) -> bool {
        self.line.as_ref().is_some_and(|line| Manager::get_transaction_depth(&line.connection) > 0)
    }

    /// A statement begins: until [`Session::answered`] it is not known how it ends.
    pub(in crate::store) const fn asked(&mut self) {
        self.unsure = true;
    }

    /// Its answer came, and was read to the end.
    pub(in crate::store) fn answered(&mut self) {
        self.unsure = self.is_in_transaction();
    }

    /// Makes the schema, and the table of the lease in it, where they are missing.
    pub(in crate::store) async fn make_schema(&mut self, lease: [&'static str; 2]) -> Result<(), sqlx::Error> {
        let is_there =
            "SELECT EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass($1 || '.lease') AND attname = 'wanted_by')";
        let schema = self.server.schema.clone();
        if self.says(is_there).await? {
            return Ok(());
        }
        // Several replicas may start at the same time: IF NOT EXISTS alone does not keep them apart.
        self.begin().await?;
        if !self.says("SELECT to_regnamespace($1) IS NOT NULL").await? {
            // Its letters are those that need no quotes.
            self.connection()?.execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await?;
        }
        for sql in lease {
            self.connection()?.execute(sql).await?;
        }
        self.commit().await
    }

    /// Whether somebody has made the tables.
    pub(in crate::store) async fn has_store(&mut self) -> Result<bool, sqlx::Error> {
        self.says("SELECT to_regclass($1 || '._sqlx_migrations') IS NOT NULL").await
    }

    async fn says(&mut self, of_schema: &'static str) -> Result<bool, sqlx::Error> {
        let schema = self.server.schema.clone();
        self.asked();
        let says = sqlx::query_scalar(of_schema).bind(schema).fetch_one(self.connection()?).await?;
        self.answered();
        Ok(says)
    }

    /// Lets this session write only while the lease has this fence.
    pub(in crate::store) const fn fence_in(&mut self, fence: i64) {
        self.fence = Some(fence);
    }

    /// Has `keep` asked before each commit.
    pub(in crate::store) fn on_commit(&mut self, keep: impl FnMut() -> bool + Send + 'static) {
        self.keep = Some(Box::new(keep));
    }

    /// Begins a transaction, and waits until nobody else writes to this store.
    pub(in crate::store) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        self.asked();
        let began = self.try_to_begin().await;
        match began {
            Err(error) if is_of_connection(&error) => {
                // The server was started anew, or closed what nobody used: nothing of this transaction is there yet.
                self.line = Some(self.lines().connect(&self.server.schema).await?);
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
        within(BEGIN, Manager::begin(self.connection()?, Some(AssertSqlSafe(begin).into_sql_str()))).await
    }

    /// Reads the store as it is now until [`Session::end_snapshot`].
    pub(in crate::store) async fn begin_snapshot(&mut self) -> Result<(), sqlx::Error> {
        self.asked();
        Manager::begin(self.connection()?, Some(SNAPSHOT.into_sql_str())).await
    }

    pub(in crate::store) async fn end_snapshot(&mut self) -> Result<(), sqlx::Error> {
        Manager::rollback(self.connection()?).await?;
        self.answered();
        Ok(())
    }

    pub(in crate::store) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        if self.keep.as_mut().is_some_and(|keep| !keep()) {
            return Err(sqlx::Error::Protocol("the commit was not kept".to_owned()));
        }
        Manager::commit(self.connection()?).await?;
        self.answered();
        Ok(())
    }

    pub(in crate::store) fn start_rollback(&mut self) {
        if let Some(line) = &mut self.line {
            Manager::start_rollback(&mut line.connection);
        }
    }

    /// Waits for its turn, and has a connection then. What somebody began and did not end is ended, over a new connection where the one of
    /// before does not answer.
    pub(in crate::store) async fn ready(&mut self) -> Result<(), sqlx::Error> {
        if self.turn.is_none() {
            self.turn = Some(self.lines().turn().await?);
        }
        if self.line.is_none() {
            self.line = Some(self.lines().line(&self.server.schema).await?);
        }
        if self.is_in_transaction() {
            self.start_rollback();
        }
        let Some(line) = &mut self.line else { return Err(sqlx::Error::PoolClosed) };
        // A transaction may be begun without this side knowing.
        if !line.is_usable(self.unsure).await {
            *line = self.server.database.writers.connect(&self.server.schema).await?;
        }
        self.unsure = false;
        line.turn_to(&self.server.schema).await
    }

    /// It is another one's turn. Who let go of something keeps the connection on which that may still be under way.
    pub(in crate::store) fn rest(&mut self) {
        if !self.unsure
            && let Some(line) = self.line.take()
        {
            self.lines().give_back(line);
        }
        // Whoever is next finds the connection there.
        self.turn = None;
    }
}

impl Debug for Session {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.server.fmt(out)
    }
}
