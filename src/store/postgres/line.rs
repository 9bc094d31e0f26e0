//! Connections that all stores in a database share. Each store has its turn: whoever writes or reads much does not keep the others waiting
//! for longer than a transaction or a statement.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, Executor as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{CONNECT, Server, connect, within};

/// The longest that a turn is waited for.
const TURN: Duration = Duration::from_mins(1);
/// One that was not used for this long is closed.
const UNUSED: Duration = Duration::from_mins(1);
/// One that was not used for this long is asked whether it is still there: what lies in between may have forgotten it.
const IDLE: Duration = Duration::from_secs(20);
/// The same for those who read: they do not begin anew where it is not.
const IDLE_READER: Duration = Duration::from_secs(1);

/// A connection, and whose tables its statements mean.
pub(super) struct Line {
    pub(super) connection: PgConnection,
    schema: String,
    used: Instant,
    /// Is counted while it is there.
    _open: Arc<()>,
}

impl Line {
    /// Whether it is there, and in no transaction. `unsure`: one may be begun.
    pub(super) async fn is_usable(&mut self, unsure: bool) -> bool {
        if unsure {
            return within(CONNECT, self.connection.execute("ROLLBACK")).await.is_ok();
        }
        self.used.elapsed() < IDLE || within(CONNECT, self.connection.ping()).await.is_ok()
    }

    /// From here on its statements mean the tables of this schema.
    pub(super) async fn turn_to(&mut self, schema: &str) -> Result<(), sqlx::Error> {
        if self.schema != schema {
            // Where this is cut off, nobody knows what it means.
            self.schema.clear();
            let turning = sqlx::query("SELECT set_config('search_path', $1, false)").bind(schema);
            within(CONNECT, turning.execute(&mut self.connection)).await?;
            schema.clone_into(&mut self.schema);
        }
        Ok(())
    }
}

/// Connections of one kind.
pub(super) struct Lines {
    options: PgConnectOptions,
    most: usize,
    turns: Arc<Semaphore>,
    /// Those that nobody uses now, the one that was used last at the end.
    free: Mutex<Vec<Line>>,
    open: Arc<()>,
}

impl Lines {
    pub(super) fn new(options: PgConnectOptions, most: usize) -> Self {
        Self { options, most, turns: Arc::new(Semaphore::new(most)), free: Mutex::default(), open: Arc::default() }
    }

    /// Waits for a turn: whoever waits longest is next.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, sqlx::Error> {
        let turn = tokio::time::timeout(TURN, Arc::clone(&self.turns).acquire_owned()).await;
        turn.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)
    }

    /// One for this schema: that which served it last, a new one, or that which was not used for longest.
    pub(super) async fn line(&self, schema: &str) -> Result<Line, sqlx::Error> {
        match self.free_line(schema) {
            Some(line) => Ok(line),
            None => self.connect(schema).await,
        }
    }

    fn free_line(&self, schema: &str) -> Option<Line> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let known = free.iter().rposition(|line| line.schema == schema);
        let is_full = Arc::strong_count(&self.open) > self.most;
        let place = known.or_else(|| is_full.then_some(0).filter(|_| !free.is_empty()))?;
        Some(free.remove(place))
    }

    /// A new one.
    pub(super) async fn connect(&self, schema: &str) -> Result<Line, sqlx::Error> {
        let connection = connect(&self.options.clone().options([("search_path", schema)])).await?;
        Ok(Line { connection, schema: schema.to_owned(), used: Instant::now(), _open: Arc::clone(&self.open) })
    }

    /// Takes one back that is in no transaction and waits for no answer.
    pub(super) fn give_back(&self, mut line: Line) {
        line.used = Instant::now();
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.retain(|line| line.used.elapsed() < UNUSED);
        if Arc::strong_count(&self.open) <= self.most + 1 {
            free.push(line);
        }
    }
}

/// A connection that only reads. Where it is not given back, it is closed.
pub(in crate::store) struct Reader {
    line: Line,
    server: Server,
    turn: OwnedSemaphorePermit,
}

impl Reader {
    pub(super) async fn of(server: &Server) -> Result<Self, sqlx::Error> {
        let readers = &server.database.readers;
        let turn = readers.turn().await?;
        let mut line = readers.line(&server.schema).await?;
        if line.used.elapsed() >= IDLE_READER && within(CONNECT, line.connection.ping()).await.is_err() {
            line = readers.connect(&server.schema).await?;
        }
        line.turn_to(&server.schema).await?;
        Ok(Self { line, server: server.clone(), turn })
    }

    pub(in crate::store) const fn connection(&mut self) -> &mut PgConnection {
        &mut self.line.connection
    }

    /// Gives it back, after an answer that was read to its end.
    pub(in crate::store) fn done(self) {
        let Self { line, server, turn } = self;
        server.database.readers.give_back(line);
        // Whoever is next finds the connection there.
        drop(turn);
    }
}
