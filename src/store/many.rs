//! Statements that take many rows at once: cheaper than a statement a row, and than rows as one text of JSON.

use super::StoreError;
use std::borrow::Cow;

use super::sql::{Connection, Query, query};

/// Rows of the largest statement.
const MOST: usize = 256;

/// The text of a statement without its rows. It is put together from constants.
pub(super) struct Rows {
    /// Up to `VALUES`.
    pub(super) before: Cow<'static, str>,
    /// Parameters of a row. They have no numbers: to find numbered ones takes as long as there are many of them.
    pub(super) parameters: usize,
    /// After the rows.
    pub(super) after: &'static str,
}

impl Rows {
    /// Runs it for all rows, in parts that have a power of two of rows: so there are few different statements, and each is prepared
    /// once. `bind` binds the parameters of a row.
    pub(super) async fn run<'q, R>(
        &self,
        connection: &mut Connection,
        rows: &'q [R],
        bind: impl Fn(Query<'q>, &'q R) -> Query<'q>,
    ) -> Result<(), StoreError> {
        let mut left = rows;
        let mut next = || {
            if left.is_empty() {
                return None;
            }
            let (part, rest) = left.split_at(largest_part(left.len()));
            left = rest;
            Some(part.iter().fold(query(self.text(part.len())), &bind))
        };
        let mut statement = next();
        while let Some(query) = statement {
            // One is put together while the last one is carried out.
            let (done, following) = tokio::join!(query.execute(&mut *connection), async { next() });
            done?;
            statement = following;
        }
        Ok(())
    }

    fn text(&self, rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.parameters].join(","));
        format!("{} {}{}", self.before, vec![row; rows].join(","), self.after)
    }
}

/// The largest power of two that is not more than this, and no more than [`MOST`].
const fn largest_part(rows: usize) -> usize {
    if rows >= MOST { MOST } else { 1 << rows.ilog2() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_its_parameters() {
        let insert = Rows { before: "INSERT INTO t (a, b) VALUES".into(), parameters: 2, after: " RETURNING a" };
        assert_eq!(insert.text(2), "INSERT INTO t (a, b) VALUES (?,?),(?,?) RETURNING a");
    }

    #[test]
    fn parts_are_powers_of_two() {
        for (rows, expected) in [(1, 1), (2, 2), (3, 2), (255, 128), (256, 256), (700, 256)] {
            assert_eq!(largest_part(rows), expected, "{rows}");
        }
    }
}
