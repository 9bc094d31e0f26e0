//! Connections and transactions.

use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{Sqlite, SqliteConnection, SqlitePool};
use sqlx::{Connection as _, Database, PgConnection};
use sqlx_core::transaction::TransactionManager as _;

use super::super::postgres::{self, Server, Session};
use super::query::{query, query_scalar};

/// The connections of those who only read.
#[derive(Debug)]
pub(in crate::store) enum Pool {
    Sqlite(SqlitePool),
    Postgres(Server),
}

impl Pool {
    /// One of them.
    pub(in crate::store) async fn reader(&self) -> Result<Reader, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool) => Reader::Sqlite(pool.acquire().await?),
            Self::Postgres(server) => Reader::Postgres(Box::new(Box::pin(server.reader()).await?)),
        })
    }

    pub(in crate::store) async fn close(&self) {
        if let Self::Sqlite(pool) = self {
            pool.close().await;
        }
    }
}

/// A connection that only reads, for a moment.
pub(in crate::store) enum Reader {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(Box<postgres::Reader>),
}

impl Reader {
    pub(super) fn raw(&mut self) -> Raw<'_> {
        match self {
            Self::Sqlite(connection) => Raw::Sqlite(connection),
            Self::Postgres(reader) => Raw::Postgres(reader.connection()),
        }
    }

    /// Gives it back, after an answer that was read to its end.
    pub(super) fn done(self) {
        if let Self::Postgres(reader) = self {
            reader.done();
        }
    }
}

/// The connection that writes.
#[derive(Debug)]
pub(in crate::store) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(Box<Session>),
}

/// A database's own connection.
pub(super) enum Raw<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl Connection {
    /// Begins a transaction. Nobody else writes before it ends, so that what it reads stays as it is.
    pub(in crate::store) async fn begin(&mut self) -> Result<Transaction<'_>, sqlx::Error> {
        match self {
            Self::Sqlite(connection) => {
                let begin = sqlx::SqlSafeStr::into_sql_str("BEGIN IMMEDIATE");
                <Sqlite as Database>::TransactionManager::begin(connection, Some(begin)).await?;
            }
            Self::Postgres(session) => Box::pin(session.begin()).await?,
        }
        Ok(Transaction { connection: self, ended: false })
    }

    /// Makes it usable, whatever became of those who had it before.
    pub(in crate::store) async fn ready(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => end_transaction(connection).await,
            Self::Postgres(session) => Box::pin(session.ready()).await,
        }
    }

    pub(in crate::store) async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => connection.close().await,
            // The connection is shared.
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Lets others have their turn.
    pub(in crate::store) fn rest(&mut self) {
        if let Self::Postgres(session) = self {
            session.rest();
        }
    }

    /// For a statement: in PostgreSQL one that writes and is in no transaction gets one, for that is where nobody else writes.
    pub(super) async fn work(&mut self, text: &str) -> Result<Working<'_>, sqlx::Error> {
        match self {
            Self::Postgres(session) if !session.is_in_transaction() && !text.trim_start().starts_with("SELECT") => {
                Ok(Working::Alone(self.begin().await?))
            }
            _ => Ok(Working::Within(self)),
        }
    }

    /// From here on it reads the store as it is now, until [`Connection::end_snapshot`].
    pub(in crate::store) async fn begin_snapshot(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => <Sqlite as Database>::TransactionManager::begin(connection, None).await,
            Self::Postgres(session) => Box::pin(session.begin_snapshot()).await,
        }
    }

    pub(in crate::store) async fn end_snapshot(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => <Sqlite as Database>::TransactionManager::rollback(connection).await,
            Self::Postgres(session) => Box::pin(session.end_snapshot()).await,
        }
    }

    /// The last number that a table gave a row, also where that row is gone.
    pub(in crate::store) async fn last_number(&mut self, table: &str, column: &str) -> Result<i64, sqlx::Error> {
        let sql = match self {
            Self::Sqlite(_) => format!("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = '{table}'), 0)"),
            Self::Postgres(_) => format!(
                "SELECT coalesce(pg_sequence_last_value(CAST(pg_get_serial_sequence('{table}', '{column}') AS regclass)), 0)"
            ),
        };
        query_scalar(sql).fetch_one(self).await
    }

    /// Has a table give its next row the number after this one.
    pub(in crate::store) async fn go_on_from(&mut self, table: &str, column: &str, last: i64) -> Result<(), sqlx::Error> {
        let sql = match self {
            Self::Sqlite(_) => {
                query(format!("DELETE FROM sqlite_sequence WHERE name = '{table}'")).execute(&mut *self).await?;
                format!("INSERT INTO sqlite_sequence (name, seq) VALUES ('{table}', ?)")
            }
            Self::Postgres(_) => format!("SELECT setval(pg_get_serial_sequence('{table}', '{column}'), ?) WHERE ?1 > 0"),
        };
        query(sql).bind(last).fetch_all(self).await?;
        Ok(())
    }

    pub(super) fn raw(&mut self) -> Result<Raw<'_>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(connection) => Raw::Sqlite(connection),
            Self::Postgres(session) => {
                session.asked();
                Raw::Postgres(session.connection()?)
            }
        })
    }

    fn answered(&mut self) {
        if let Self::Postgres(session) = self {
            session.answered();
        }
    }
}

/// A connection at work on a statement.
pub(super) enum Working<'c> {
    /// As it is.
    Within(&'c mut Connection),
    /// In a transaction of its own.
    Alone(Transaction<'c>),
}

impl Working<'_> {
    pub(super) fn raw(&mut self) -> Result<Raw<'_>, sqlx::Error> {
        match self {
            Self::Within(connection) => connection.raw(),
            Self::Alone(transaction) => transaction.raw(),
        }
    }

    /// After an answer that was read to its end.
    pub(super) async fn end(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Within(connection) => {
                connection.answered();
                Ok(())
            }
            Self::Alone(transaction) => transaction.commit().await,
        }
    }
}

/// A transaction. It is rolled back where it is dropped.
#[derive(Debug)]
pub(in crate::store) struct Transaction<'c> {
    connection: &'c mut Connection,
    ended: bool,
}

impl Transaction<'_> {
    /// Keeps all of it.
    pub(in crate::store) async fn commit(mut self) -> Result<(), sqlx::Error> {
        match &mut *self.connection {
            Connection::Sqlite(connection) => <Sqlite as Database>::TransactionManager::commit(connection).await?,
            Connection::Postgres(session) => Box::pin(session.commit()).await?,
        }
        self.ended = true;
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        match &mut *self.connection {
            Connection::Sqlite(connection) => <Sqlite as Database>::TransactionManager::start_rollback(connection),
            Connection::Postgres(session) => session.start_rollback(),
        }
    }
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection
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
