//! Statements, rows and transactions, whichever database the store is in.
//!
//! The store's SQL is what both databases understand; the little in which they differ is in [`dialect`] and, as functions and operators,
//! in PostgreSQL's first migration.

mod connection;
mod dialect;
mod query;
mod row;

pub(super) use connection::{Connection, Pool};
pub(super) use query::{Query, Value, query, query_as, query_scalar};
pub(super) use row::{Cell, Row};
