//! Brakes: what would be written, and what a person said about it.

use chrono::{DateTime, Utc};

use super::audit::{Actor, note};
use super::sql::{Connection, query, query_as, query_scalar};
use super::{Store, StoreError, stamp};
use crate::lead::{PerSide, Side};

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

/// What stops writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stops {
    /// Since when a person has stopped all of them.
    pub paused: Option<String>,
    /// Why a brake holds.
    pub braked: Option<String>,
}

/// What waits for a person, or is late.
#[derive(Debug, Clone, Default)]
pub struct Troubles {
    /// Parked leads.
    pub parked: i64,
    /// Open conflicts.
    pub conflicts: i64,
    /// Since when the oldest write that is not done waits; parked ones not counted.
    pub oldest_waiting: Option<String>,
    /// The end of each side's last complete poll.
    pub polled_at: PerSide<Option<String>>,
    /// What stops writes.
    pub stops: Stops,
}

/// Facts that people set.
const PAUSED: &str = "paused";
const ACCEPTED: &str = "accepted_up_to";
const BRAKED: &str = "braked";

impl Store {
    /// What is due.
    pub async fn burden(&self) -> Result<Burden, StoreError> {
        let row = query(
            "SELECT count(DISTINCT iif(kind <> 'create' AND initial = 0, link_id, NULL)),
                    count(iif(kind = 'delete', 1, NULL)),
                    (SELECT count(*) FROM link WHERE operate_id IS NOT NULL AND salesforce_id IS NOT NULL)
             FROM push WHERE state IN ('due', 'sent', 'parked') AND state = 'due'
                 AND push_id > coalesce((SELECT CAST(value AS BIGINT) FROM fact WHERE name = ?), 0)",
        )
        .bind(ACCEPTED)
        .fetch_one(&mut *self.write().await?)
        .await?;
        let count = |place: usize| -> Result<u64, StoreError> { Ok(row.try_get::<i64, _>(place)?.unsigned_abs()) };
        Ok(Burden { changes: count(0)?, deletes: count(1)?, links: count(2)? })
    }

    /// What stops writes.
    pub async fn stops(&self) -> Result<Stops, StoreError> {
        let mut stops = Stops::default();
        let facts: Vec<(String, String)> = query_as("SELECT name, value FROM fact WHERE name IN (?, ?)")
            .bind(PAUSED)
            .bind(BRAKED)
            .fetch_all(&mut *self.write().await?)
            .await?;
        for (name, value) in facts {
            *(if name == PAUSED { &mut stops.paused } else { &mut stops.braked }) = Some(value);
        }
        Ok(stops)
    }

    /// Stops all writes until [`Store::resume`].
    pub async fn pause(&self, actor: Actor, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut connection = self.write().await?;
        let mut tx = connection.begin().await?;
        query("INSERT INTO fact (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(PAUSED)
            .bind(stamp(now))
            .execute(&mut *tx)
            .await?;
        note(&mut tx, actor, "pause", None, None, now).await?;
        Ok(tx.commit().await?)
    }

    /// Lets writes go on. `accept`: also those that a brake has stopped. `false`: a brake still holds.
    pub async fn resume(&self, accept: bool, actor: Actor, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let mut connection = self.write().await?;
        let mut tx = connection.begin().await?;
        set_fact(&mut tx, PAUSED, None).await?;
        if accept {
            let newest: i64 = query_scalar("SELECT coalesce(max(push_id), 0) FROM push").fetch_one(&mut *tx).await?;
            set_fact(&mut tx, ACCEPTED, Some(&newest.to_string())).await?;
            set_fact(&mut tx, BRAKED, None).await?;
        }
        note(&mut tx, actor, "resume", None, accept.then_some("accepts what is due"), now).await?;
        tx.commit().await?;
        drop(connection);
        Ok(self.stops().await?.braked.is_none())
    }

    /// Notes why a brake holds, or that none does.
    pub async fn brake(&self, reason: Option<&str>) -> Result<(), StoreError> {
        set_fact(&mut *self.write().await?, BRAKED, reason).await
    }

    /// What waits for a person, or is late.
    pub async fn troubles(&self) -> Result<Troubles, StoreError> {
        let row = query(
            "SELECT (SELECT count(*) FROM link WHERE state <> 'in_step' AND state = 'parked'), (SELECT count(*) FROM conflict WHERE state = 'open'),
                    (SELECT min(created_at) FROM push WHERE state IN ('due', 'sent', 'parked') AND state <> 'parked')",
        )
        .fetch_one(&self.read)
        .await?;
        let polled: Vec<(String, Option<String>)> =
            query_as("SELECT side, polled_at FROM checkpoint").fetch_all(&self.read).await?;
        let polled_at = |side: Side| polled.iter().find(|(name, _)| name == side.as_str()).and_then(|(_, at)| at.clone());
        Ok(Troubles {
            parked: row.try_get(0)?,
            conflicts: row.try_get(1)?,
            oldest_waiting: row.try_get(2)?,
            polled_at: PerSide::build(polled_at),
            stops: self.stops().await?,
        })
    }

    /// A single fact.
    pub async fn fact(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(query_scalar("SELECT value FROM fact WHERE name = ?").bind(name).fetch_optional(&self.read).await?)
    }

    /// Keeps a single fact.
    pub async fn keep_fact(&self, name: &str, value: &str) -> Result<(), StoreError> {
        set_fact(&mut *self.write().await?, name, Some(value)).await
    }
}

async fn set_fact(connection: &mut Connection, name: &str, value: Option<&str>) -> Result<(), StoreError> {
    match value {
        Some(value) => {
            query("INSERT INTO fact (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
                .bind(name)
                .bind(value)
                .execute(connection)
                .await?
        }
        None => query("DELETE FROM fact WHERE name = ?").bind(name).execute(connection).await?,
    };
    Ok(())
}
