//! Checkpoints and the record of cycles.

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::{Store, StoreError, stamp, time};
use crate::lead::{PerSide, Side};
use crate::side::Position;

/// Where a poller is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The newest lead that is stored; `None` before the first complete page, or when everything is to be read again.
    pub position: Option<Position>,
    /// The end of the last complete poll.
    pub polled_at: Option<DateTime<Utc>>,
}

/// What a cycle did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cycle {
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Leads that were new or had changed.
    pub seen: u64,
    /// Writes that took effect.
    pub pushed: u64,
    /// Conflicts found.
    pub conflicts: u64,
    /// Leads parked.
    pub parked: u64,
    /// Requests made, sign-ins not counted.
    pub requests: PerSide<u64>,
    /// Why it ended early.
    pub error: Option<String>,
}

/// `SQLite`'s numbers are signed.
fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Store {
    /// Where the poller of a side goes on.
    pub async fn checkpoint(&self, side: Side) -> Result<Checkpoint, StoreError> {
        let row = sqlx::query("SELECT modified_at, lead_id, polled_at FROM checkpoint WHERE side = ?")
            .bind(side.as_str())
            .fetch_optional(&self.write)
            .await?;
        let Some(row) = row else { return Ok(Checkpoint::default()) };
        let modified_at: Option<String> = row.try_get("modified_at")?;
        let lead_id: Option<String> = row.try_get("lead_id")?;
        let polled_at: Option<String> = row.try_get("polled_at")?;
        Ok(Checkpoint {
            position: modified_at.zip(lead_id).map(|(modified_at, id)| Position { modified_at: time(&modified_at), id }),
            polled_at: polled_at.as_deref().map(time),
        })
    }

    /// A poll of a side is complete.
    pub async fn polled(&self, side: Side, now: DateTime<Utc>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO checkpoint (side, polled_at) VALUES (?1, ?2) ON CONFLICT (side) DO UPDATE SET polled_at = excluded.polled_at",
        )
        .bind(side.as_str())
        .bind(stamp(now))
        .execute(&self.write)
        .await?;
        Ok(())
    }

    /// Keeps the record of a cycle that has ended.
    pub async fn record_cycle(&self, cycle: &Cycle, now: DateTime<Utc>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO cycle (started_at, ended_at, seen, pushed, conflicts, parked, requests_operate, requests_salesforce, error)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(stamp(cycle.started_at))
        .bind(stamp(now))
        .bind(count(cycle.seen))
        .bind(count(cycle.pushed))
        .bind(count(cycle.conflicts))
        .bind(count(cycle.parked))
        .bind(count(cycle.requests.operate))
        .bind(count(cycle.requests.salesforce))
        .bind(&cycle.error)
        .execute(&self.write)
        .await?;
        Ok(())
    }
}
