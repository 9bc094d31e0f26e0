//! A statement with its parameters.

use std::borrow::Cow;
use std::marker::PhantomData;

use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Postgres, Sqlite};

use super::connection::{Connection, Pool, Raw, Reader};
use super::dialect::for_postgres;
use super::row::{Cell, Columns, Row};

/// A statement. Its text is put together from constants only: `?` or `?1` stand for what is bound.
#[must_use]
pub(in crate::store) struct Query<'q> {
    text: Cow<'static, str>,
    values: Vec<Value<'q>>,
}

/// What a parameter can be.
pub(in crate::store) enum Value<'q> {
    Integer(Option<i64>),
    Text(Option<Cow<'q, str>>),
    Truth(bool),
}

/// A statement.
pub(in crate::store) fn query<'q>(text: impl Into<Cow<'static, str>>) -> Query<'q> {
    Query { text: text.into(), values: Vec::new() }
}

/// A statement whose rows have one column.
pub(in crate::store) fn query_scalar<'q, T>(text: impl Into<Cow<'static, str>>) -> Typed<'q, (T,), T> {
    Typed { query: query(text), read: |(value,)| value, columns: PhantomData }
}

/// A statement whose rows are tuples.
pub(in crate::store) fn query_as<'q, C>(text: impl Into<Cow<'static, str>>) -> Typed<'q, C, C> {
    Typed { query: query(text), read: |columns| columns, columns: PhantomData }
}

impl<'q> Query<'q> {
    /// Binds the next parameter.
    pub(in crate::store) fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it, and gives how many rows it concerned.
    pub(in crate::store) async fn execute<'c>(self, on: impl Into<On<'c>>) -> Result<u64, sqlx::Error> {
        match on.into() {
            On::Pool(pool) => {
                let mut reader = pool.reader().await?;
                let rows = self.count(reader.raw()).await?;
                reader.done();
                Ok(rows)
            }
            On::Connection(connection) => {
                let mut working = connection.work(&self.text).await?;
                let rows = self.count(working.raw()?).await?;
                working.end().await?;
                Ok(rows)
            }
        }
    }

    /// Runs it, and gives its rows.
    pub(in crate::store) async fn fetch_all<'c>(self, on: impl Into<On<'c>>) -> Result<Vec<Row>, sqlx::Error> {
        match on.into() {
            On::Pool(pool) => {
                let mut reader = pool.reader().await?;
                let rows = self.rows(reader.raw()).try_collect().await?;
                reader.done();
                Ok(rows)
            }
            On::Connection(connection) => {
                let mut working = connection.work(&self.text).await?;
                let rows = self.rows(working.raw()?).try_collect().await?;
                working.end().await?;
                Ok(rows)
            }
        }
    }

    /// Its first row, if there is one.
    pub(in crate::store) async fn fetch_optional<'c>(self, on: impl Into<On<'c>>) -> Result<Option<Row>, sqlx::Error> {
        Ok(self.fetch_all(on).await?.into_iter().next())
    }

    /// Its row.
    pub(in crate::store) async fn fetch_one<'c>(self, on: impl Into<On<'c>>) -> Result<Row, sqlx::Error> {
        self.fetch_optional(on).await?.ok_or(sqlx::Error::RowNotFound)
    }

    /// Its rows as they come.
    pub(in crate::store) fn stream<'r>(self, reader: &'r mut Reader) -> BoxStream<'r, Result<Row, sqlx::Error>>
    where
        'q: 'r,
    {
        self.rows(reader.raw())
    }

    /// The same over a connection that writes.
    pub(in crate::store) fn stream_on<'c>(
        self,
        connection: &'c mut Connection,
    ) -> Result<BoxStream<'c, Result<Row, sqlx::Error>>, sqlx::Error>
    where
        'q: 'c,
    {
        Ok(self.rows(connection.raw()?))
    }

    async fn count(self, raw: Raw<'_>) -> Result<u64, sqlx::Error> {
        Ok(match raw {
            Raw::Sqlite(connection) => self.sqlite().execute(connection).await?.rows_affected(),
            Raw::Postgres(connection) => Box::pin(self.postgres().execute(connection)).await?.rows_affected(),
        })
    }

    fn rows<'c>(self, raw: Raw<'c>) -> BoxStream<'c, Result<Row, sqlx::Error>>
    where
        'q: 'c,
    {
        match raw {
            Raw::Sqlite(connection) => self.sqlite().fetch(connection).map_ok(Row::Sqlite).boxed(),
            Raw::Postgres(connection) => self.postgres().fetch(connection).map_ok(Row::Postgres).boxed(),
        }
    }

    fn sqlite(self) -> sqlx::query::Query<'q, Sqlite, SqliteArguments> {
        self.values.into_iter().fold(sqlx::query(AssertSqlSafe(self.text)), |query, value| match value {
            Value::Integer(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
            Value::Truth(truth) => query.bind(truth),
        })
    }

    fn postgres(self) -> sqlx::query::Query<'q, Postgres, PgArguments> {
        let query = sqlx::query(AssertSqlSafe(for_postgres(&self.text)));
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Integer(number) => query.bind(number),
            Value::Text(text) => query.bind(text.map(without_nul)),
            Value::Truth(truth) => query.bind(truth),
        })
    }
}

/// PostgreSQL's text cannot hold U+0000. Neither system's users can type it.
fn without_nul(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text }
}

/// A statement whose rows are read into `R` by way of the columns `C`.
#[must_use]
pub(in crate::store) struct Typed<'q, C, R> {
    query: Query<'q>,
    read: fn(C) -> R,
    columns: PhantomData<C>,
}

impl<'q, C: Columns, R> Typed<'q, C, R> {
    pub(in crate::store) fn bind(self, value: impl Into<Value<'q>>) -> Self {
        Self { query: self.query.bind(value), ..self }
    }

    pub(in crate::store) async fn fetch_all<'c>(self, on: impl Into<On<'c>>) -> Result<Vec<R>, sqlx::Error> {
        let rows = self.query.fetch_all(on).await?;
        rows.iter().map(|row| C::of(row).map(self.read)).collect()
    }

    pub(in crate::store) async fn fetch_optional<'c>(self, on: impl Into<On<'c>>) -> Result<Option<R>, sqlx::Error> {
        self.query.fetch_optional(on).await?.map(|row| C::of(&row).map(self.read)).transpose()
    }

    pub(in crate::store) async fn fetch_one<'c>(self, on: impl Into<On<'c>>) -> Result<R, sqlx::Error> {
        C::of(&self.query.fetch_one(on).await?).map(self.read)
    }
}

/// Where a statement runs.
pub(in crate::store) enum On<'c> {
    Connection(&'c mut Connection),
    Pool(&'c Pool),
}

impl<'c> From<&'c mut Connection> for On<'c> {
    fn from(connection: &'c mut Connection) -> Self {
        Self::Connection(connection)
    }
}

impl<'c> From<&'c Pool> for On<'c> {
    fn from(pool: &'c Pool) -> Self {
        Self::Pool(pool)
    }
}

impl<'q> From<&'q Cell> for Value<'q> {
    fn from(cell: &'q Cell) -> Self {
        match cell {
            Cell::Number(number) => Self::Integer(*number),
            Cell::Text(text) => text.into(),
        }
    }
}

macro_rules! values {
    ($($from:ty => $value:ident => $into:expr;)*) => {
        $(impl<'q> From<$from> for Value<'q> {
            fn from($value: $from) -> Self {
                $into
            }
        })*
    };
}

values! {
    i64 => number => Self::Integer(Some(number));
    u32 => number => Self::Integer(Some(number.into()));
    Option<i64> => number => Self::Integer(number);
    bool => truth => Self::Truth(truth);
    String => text => Self::Text(Some(text.into()));
    &'q str => text => Self::Text(Some(text.into()));
    &'q String => text => Self::Text(Some(text.into()));
    Cow<'q, str> => text => Self::Text(Some(text));
    Option<String> => text => Self::Text(text.map(Into::into));
    Option<&'q str> => text => Self::Text(text.map(Into::into));
    &'q Option<String> => text => Self::Text(text.as_deref().map(Into::into));
}
