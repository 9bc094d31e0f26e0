//! Checkpoints and the record of cycles.

use chrono::{DateTime, Utc};

use super::sql::{query, query_scalar};
use super::{Store, StoreError, stamp, time};
use crate::lead::{PerSide, Side};
use crate::side::{Position, Usage};

/// Where a poller is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The newest lead that is stored; `None` before the first complete page, or when everything is to be read again.
    pub position: Option<Position>,
    /// The end of the last complete poll.
    pub polled_at: Option<DateTime<Utc>>,
    /// The end of the last complete sweep.
    pub swept_at: Option<DateTime<Utc>>,
    /// Up to when the side's own log of changes was compared, by its clock.
    pub covered_at: Option<DateTime<Utc>>,
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
    /// Of those: changes and deletes that are no first pairing.
    pub changed: u64,
    /// Of those: deletes.
    pub deleted: u64,
    /// Why writes were held back.
    pub held: Option<String>,
    /// What Salesforce counted, for all programs together.
    pub usage: Option<Usage>,
    /// Why it ended early.
    pub error: Option<String>,
    /// Whether writes are left to the next one, since this one has written for long.
    pub unfinished: bool,
}

/// `SQLite`'s numbers are signed.
fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Store {
    /// Where the poller of a side goes on.
    pub async fn checkpoint(&self, side: Side) -> Result<Checkpoint, StoreError> {
        let row = query("SELECT modified_at, lead_id, polled_at, swept_at, covered_at FROM checkpoint WHERE side = ?")
            .bind(side.as_str())
            .fetch_optional(&mut *self.write().await?)
            .await?;
        let Some(row) = row else { return Ok(Checkpoint::default()) };
        let modified_at: Option<String> = row.try_get("modified_at")?;
        let lead_id: Option<String> = row.try_get("lead_id")?;
        let moment =
            |name: &str| -> Result<Option<DateTime<Utc>>, StoreError> { Ok(row.try_get::<Option<&str>, _>(name)?.map(time)) };
        Ok(Checkpoint {
            position: modified_at.zip(lead_id).map(|(modified_at, id)| Position { modified_at: time(&modified_at), id }),
            polled_at: moment("polled_at")?,
            swept_at: moment("swept_at")?,
            covered_at: moment("covered_at")?,
        })
    }

    /// Keeps the record of a cycle that has ended, and when each side was polled whole, if it was: one commit, which is all that a cycle
    /// costs that has nothing to do.
    pub async fn record_cycle(
        &self,
        cycle: &Cycle,
        polled: PerSide<Option<DateTime<Utc>>>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut connection = self.write().await?;
        let mut tx = connection.begin().await?;
        for side in Side::BOTH {
            let Some(polled_at) = polled.get(side) else { continue };
            query(
                "INSERT INTO checkpoint (side, polled_at) VALUES (?1, ?2) ON CONFLICT (side) DO UPDATE SET polled_at = excluded.polled_at",
            )
            .bind(side.as_str())
            .bind(stamp(*polled_at))
            .execute(&mut *tx)
            .await?;
        }
        query(
            "INSERT INTO cycle (started_at, ended_at, seen, pushed, conflicts, parked, requests_operate, requests_salesforce, error,
                 held, usage_salesforce, limit_salesforce)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
        .bind(&cycle.held)
        .bind(cycle.usage.map(|usage| count(usage.used)))
        .bind(cycle.usage.map(|usage| count(usage.limit)))
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// Whether a side was never read whole, or not since then.
    pub async fn is_behind(&self, since: DateTime<Utc>) -> Result<bool, StoreError> {
        let current = "SELECT count(*) FROM checkpoint WHERE modified_at IS NOT NULL AND polled_at >= ?";
        let sides: i64 = query_scalar(current).bind(stamp(since)).fetch_one(&mut *self.write().await?).await?;
        Ok(sides < 2)
    }

    /// A sweep of a side is complete.
    pub async fn swept(&self, side: Side, covered: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<(), StoreError> {
        query(
            "INSERT INTO checkpoint (side, swept_at, covered_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (side) DO UPDATE SET swept_at = ?2, covered_at = coalesce(?3, checkpoint.covered_at)",
        )
        .bind(side.as_str())
        .bind(stamp(now))
        .bind(covered.map(stamp))
        .execute(&mut *self.write().await?)
        .await?;
        Ok(())
    }

    /// The requests that cycles made of a side since.
    pub async fn requests_since(&self, side: Side, since: DateTime<Utc>) -> Result<u64, StoreError> {
        let column = if side == Side::Operate { "requests_operate" } else { "requests_salesforce" };
        let sql = format!("SELECT CAST(coalesce(sum({column}), 0) AS BIGINT) FROM cycle WHERE started_at > ?");
        let sum: i64 = query_scalar(sql).bind(stamp(since)).fetch_one(&mut *self.write().await?).await?;
        Ok(sum.unsigned_abs())
    }
}
