//! Rows, and what is in their columns.

use serde_json::Value as Json;
use sqlx::error::{BoxDynError, UnexpectedNullError};
use sqlx::postgres::{PgRow, PgValueRef, Postgres};
use sqlx::sqlite::{Sqlite, SqliteRow, SqliteValueRef};
use sqlx::{ColumnIndex, Decode, Row as _, Type, TypeInfo as _, ValueRef as _};

/// A row of an answer.
pub(in crate::store) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// What is in a column, by its name or its place.
    pub(in crate::store) fn try_get<'r, T, I>(&'r self, column: I) -> Result<T, sqlx::Error>
    where
        T: Column<'r>,
        I: ColumnIndex<SqliteRow> + ColumnIndex<PgRow> + std::fmt::Debug,
    {
        let failed = |source| sqlx::Error::ColumnDecode { index: format!("{column:?}"), source };
        let read = match self {
            Self::Sqlite(row) => {
                let value = row.try_get_raw(&column)?;
                if value.is_null() { T::null() } else { T::of_sqlite(value) }
            }
            Self::Postgres(row) => {
                let value = row.try_get_raw(&column)?;
                if value.is_null() { T::null() } else { T::of_postgres(value) }
            }
        };
        read.map_err(failed)
    }
}

impl Row {
    /// The JSON that is in a column as text; null where there is none.
    pub(in crate::store) fn json(&self, column: &str) -> Result<Json, sqlx::Error> {
        let text: Option<&str> = self.try_get(column)?;
        Ok(text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default())
    }
}

/// A type that a column can be read as.
pub(in crate::store) trait Column<'r>: Sized {
    /// Of a column that is empty.
    fn null() -> Result<Self, BoxDynError> {
        Err(Box::new(UnexpectedNullError))
    }

    fn of_sqlite(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError>;

    fn of_postgres(value: PgValueRef<'r>) -> Result<Self, BoxDynError>;
}

impl<'r, T: Column<'r>> Column<'r> for Option<T> {
    fn null() -> Result<Self, BoxDynError> {
        Ok(None)
    }

    fn of_sqlite(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        T::of_sqlite(value).map(Some)
    }

    fn of_postgres(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        T::of_postgres(value).map(Some)
    }
}

impl<'r> Column<'r> for i64 {
    fn of_sqlite(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        sqlite(value)
    }

    fn of_postgres(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        match value.type_info().name() {
            "INT2" => postgres::<i16>(value).map(Self::from),
            "INT4" => postgres::<i32>(value).map(Self::from),
            _ => postgres(value),
        }
    }
}

impl<'r> Column<'r> for u32 {
    fn of_sqlite(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self::try_from(i64::of_sqlite(value)?)?)
    }

    fn of_postgres(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self::try_from(i64::of_postgres(value)?)?)
    }
}

/// Of a condition, or of a column that is 0 or 1.
impl<'r> Column<'r> for bool {
    fn of_sqlite(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        sqlite(value)
    }

    fn of_postgres(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.type_info().name() == "BOOL" { postgres(value) } else { Ok(i64::of_postgres(value)? != 0) }
    }
}

impl<'r> Column<'r> for &'r str {
    fn of_sqlite(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        sqlite(value)
    }

    fn of_postgres(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        postgres(value)
    }
}

impl<'r> Column<'r> for String {
    fn of_sqlite(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        sqlite(value)
    }

    fn of_postgres(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        postgres(value)
    }
}

fn sqlite<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(value: SqliteValueRef<'r>) -> Result<T, BoxDynError> {
    let found = value.type_info();
    if T::compatible(&found) { T::decode(value) } else { Err(format!("a column holds {found}").into()) }
}

fn postgres<'r, T: Decode<'r, Postgres> + Type<Postgres>>(value: PgValueRef<'r>) -> Result<T, BoxDynError> {
    let found = value.type_info();
    if T::compatible(&found) { T::decode(value) } else { Err(format!("a column holds {found}").into()) }
}

/// Whatever is in a column: a number or a text, or nothing of the one or the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::store) enum Cell {
    Number(Option<i64>),
    Text(Option<String>),
}

impl Row {
    /// What is in a column.
    pub(in crate::store) fn cell(&self, place: usize, is_number: bool) -> Result<Cell, sqlx::Error> {
        Ok(if is_number { Cell::Number(self.try_get(place)?) } else { Cell::Text(self.try_get(place)?) })
    }
}

/// All columns of a row.
pub(in crate::store) trait Columns: Sized {
    fn of(row: &Row) -> Result<Self, sqlx::Error>;
}

impl<A: for<'r> Column<'r>> Columns for (A,) {
    fn of(row: &Row) -> Result<Self, sqlx::Error> {
        Ok((row.try_get(0)?,))
    }
}

impl<A: for<'r> Column<'r>, B: for<'r> Column<'r>> Columns for (A, B) {
    fn of(row: &Row) -> Result<Self, sqlx::Error> {
        Ok((row.try_get(0)?, row.try_get(1)?))
    }
}

impl<A: for<'r> Column<'r>, B: for<'r> Column<'r>, C: for<'r> Column<'r>> Columns for (A, B, C) {
    fn of(row: &Row) -> Result<Self, sqlx::Error> {
        Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
    }
}
