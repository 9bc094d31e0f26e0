//! Why writes that are due were not done when they were tried last.

use serde::Serialize;

use super::sql::{Row, query};
use super::{Store, StoreError};

/// So many reasons are told.
const REASONS: i64 = 3;

/// A reason that writes have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaitingReason {
    /// How many writes.
    pub writes: i64,
    /// The code.
    pub code: String,
    /// The system's words.
    pub reason: String,
}

impl Store {
    /// The most frequent reasons of writes that will be tried again.
    pub async fn waiting_reasons(&self) -> Result<Vec<WaitingReason>, StoreError> {
        let rows = query(
            "SELECT count(*) AS writes, coalesce(error_code, '') AS code, coalesce(error, '') AS reason FROM push
             WHERE state IN ('due', 'sent', 'parked') AND state = 'due' AND (error_code IS NOT NULL OR error IS NOT NULL) GROUP BY 2, 3 ORDER BY 1 DESC, 2 LIMIT ?",
        )
        .bind(REASONS)
        .fetch_all(&self.read)
        .await?;
        let read = |row: &Row| {
            Ok(WaitingReason { writes: row.try_get("writes")?, code: row.try_get("code")?, reason: row.try_get("reason")? })
        };
        rows.iter().map(read).collect()
    }
}
