//! Brakes: what would be written, and what a person said about it.

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use super::{Store, StoreError, stamp};

/// What is due, as far as no person has accepted it yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Burden {
    /// Links of which a lead would be changed or deleted, first pairings not counted.
    pub changes: u64,
    /// Leads that would be deleted.
    pub deletes: u64,
    /// All links.
    pub links: u64,
}

/// Facts that people set.
const PAUSED: &str = "paused";
const ACCEPTED: &str = "accepted_up_to";
const BRAKED: &str = "braked";

impl Store {
    /// What is due.
    pub async fn burden(&self) -> Result<Burden, StoreError> {
        let accepted: i64 = self.fact(ACCEPTED).await?.and_then(|number| number.parse().ok()).unwrap_or(0);
        let row = sqlx::query(
            "SELECT count(DISTINCT iif(kind <> 'create' AND initial = 0, link_id, NULL)),
                    count(iif(kind = 'delete', 1, NULL)),
                    (SELECT count(*) FROM link WHERE operate_id IS NOT NULL AND salesforce_id IS NOT NULL)
             FROM push WHERE state = 'due' AND push_id > ?",
        )
        .bind(accepted)
        .fetch_one(&self.write)
        .await?;
        let count = |place: usize| -> Result<u64, StoreError> { Ok(row.try_get::<i64, _>(place)?.unsigned_abs()) };
        Ok(Burden { changes: count(0)?, deletes: count(1)?, links: count(2)? })
    }

    /// Whether anything at all is due, so that a brake is worth a thought.
    pub async fn is_anything_due(&self) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM push WHERE state = 'due' AND kind <> 'create')")
            .fetch_one(&self.write)
            .await?)
    }

    /// Since when a person has stopped all writes.
    pub async fn paused(&self) -> Result<Option<String>, StoreError> {
        self.fact(PAUSED).await
    }

    /// Stops all writes until [`Store::resume`].
    pub async fn pause(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        if self.paused().await?.is_none() {
            self.set_fact(PAUSED, Some(&stamp(now))).await?;
        }
        Ok(())
    }

    /// Lets writes go on. `accept`: also those that a brake has stopped. `false`: a brake still holds.
    pub async fn resume(&self, accept: bool) -> Result<bool, StoreError> {
        self.set_fact(PAUSED, None).await?;
        if accept {
            let newest: i64 = sqlx::query_scalar("SELECT coalesce(max(push_id), 0) FROM push").fetch_one(&self.write).await?;
            self.set_fact(ACCEPTED, Some(&newest.to_string())).await?;
            self.set_fact(BRAKED, None).await?;
        }
        Ok(self.braked().await?.is_none())
    }

    /// Why a brake holds.
    pub async fn braked(&self) -> Result<Option<String>, StoreError> {
        self.fact(BRAKED).await
    }

    /// Notes why a brake holds, or that none does.
    pub async fn brake(&self, reason: Option<&str>) -> Result<(), StoreError> {
        if self.braked().await?.as_deref() == reason {
            return Ok(());
        }
        self.set_fact(BRAKED, reason).await
    }

    async fn fact(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar("SELECT value FROM fact WHERE name = ?").bind(name).fetch_optional(&self.write).await?)
    }

    async fn set_fact(&self, name: &str, value: Option<&str>) -> Result<(), StoreError> {
        match value {
            Some(value) => {
                sqlx::query(
                    "INSERT INTO fact (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                )
                .bind(name)
                .bind(value)
                .execute(&self.write)
                .await?
            }
            None => sqlx::query("DELETE FROM fact WHERE name = ?").bind(name).execute(&self.write).await?,
        };
        Ok(())
    }
}
