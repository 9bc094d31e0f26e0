//! Times that the store keeps by our clock, when somebody sets that clock: writes wait until a time, and for a time after another.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Store, StoreError, stamp};

/// No write waits longer than this for its next attempt.
const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(10);

impl Store {
    /// The clock was put ahead (or back, below zero) by so much while writes were waiting: they wait as long as they would have.
    pub async fn clock_moved(&self, by: TimeDelta) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE push SET due_at = strftime('%Y-%m-%dT%H:%M:%fZ', due_at, ?1), sent_at = strftime('%Y-%m-%dT%H:%M:%fZ', sent_at, ?1)
             WHERE state IN ('due', 'sent')",
        )
        .bind(format!("{:+.3} seconds", by.as_seconds_f64()))
        .execute(&self.write)
        .await?;
        Ok(())
    }

    /// Writes that would be due later than any attempt is put off were noted before the clock was put back: they are due now.
    pub(super) async fn forget_times_ahead(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        sqlx::query("UPDATE push SET due_at = ?1 WHERE state = 'due' AND due_at > ?2")
            .bind(stamp(now))
            .bind(stamp(now + LONGEST_WAIT))
            .execute(&self.write)
            .await?;
        Ok(())
    }
}
