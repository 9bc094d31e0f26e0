//! What the status page lists, a page at a time. Each statement reads what it shows, by an index, and no more.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::sql::{Row, query};
use super::{ParkedLead, Store, StoreError};
use crate::lead::{PerSide, Side};

/// A part of a long list.
#[derive(Debug, Clone, Copy)]
pub struct Slice {
    /// How many are left out before it.
    pub skip: u32,
    /// How many it has at most.
    pub take: u32,
}

/// An open conflict without its values.
#[derive(Debug, Clone)]
pub struct ListedConflict {
    /// Its number.
    pub conflict_id: i64,
    /// Operate's lead.
    pub operate_id: Option<String>,
    /// Salesforce's lead.
    pub salesforce_id: Option<String>,
    /// The field.
    pub field: String,
    /// Since when.
    pub since: String,
}

/// Something that somebody did.
#[derive(Debug, Clone)]
pub struct Done {
    /// When.
    pub at: String,
    /// Who: the store's word.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub subject: Option<String>,
    /// What is worth knowing of it.
    pub detail: Option<String>,
}

/// What happened within an hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hour {
    /// Writes done.
    pub written: PerSide<i64>,
    /// Leads parked.
    pub parked: i64,
    /// Cycles that failed.
    pub failed: i64,
}

/// The form of a time up to its hour.
const HOUR: &str = "%Y-%m-%dT%H";

impl Store {
    /// How many leads are parked, and how many conflicts are open.
    pub async fn waiting_counts(&self) -> Result<(i64, i64), StoreError> {
        // The second condition is the one of the index.
        let row = query(
            "SELECT (SELECT count(*) FROM link WHERE state = 'parked' AND state <> 'in_step'),
                    (SELECT count(*) FROM conflict WHERE state = 'open')",
        );
        let row = row.fetch_one(&self.read).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }

    /// Some of the parked leads, the oldest link first.
    pub async fn parked_slice(&self, slice: Slice) -> Result<Vec<ParkedLead>, StoreError> {
        let rows = query(
            "SELECT l.link_id, l.operate_id, l.salesforce_id, l.reason, l.updated_at,
                    (SELECT p.error_code FROM push p WHERE p.link_id = l.link_id AND p.state = 'parked' LIMIT 1) AS code
             FROM link l WHERE l.state = 'parked' AND l.state <> 'in_step' ORDER BY l.link_id LIMIT ? OFFSET ?",
        )
        .bind(slice.take)
        .bind(slice.skip)
        .fetch_all(&self.read)
        .await?;
        let parked = |row: &Row| {
            Ok(ParkedLead {
                link_id: row.try_get("link_id")?,
                operate_id: row.try_get("operate_id")?,
                salesforce_id: row.try_get("salesforce_id")?,
                code: row.try_get("code")?,
                reason: row.try_get("reason")?,
                since: row.try_get("updated_at")?,
            })
        };
        rows.iter().map(parked).collect()
    }

    /// Some of the open conflicts, the oldest first.
    pub async fn conflict_slice(&self, slice: Slice) -> Result<Vec<ListedConflict>, StoreError> {
        let rows = query(
            "SELECT conflict_id, operate_id, salesforce_id, field, found_at FROM open_conflict ORDER BY conflict_id LIMIT ? OFFSET ?",
        )
        .bind(slice.take)
        .bind(slice.skip)
        .fetch_all(&self.read)
        .await?;
        let conflict = |row: &Row| {
            Ok(ListedConflict {
                conflict_id: row.try_get("conflict_id")?,
                operate_id: row.try_get("operate_id")?,
                salesforce_id: row.try_get("salesforce_id")?,
                field: row.try_get("field")?,
                since: row.try_get("found_at")?,
            })
        };
        rows.iter().map(conflict).collect()
    }

    /// What was done last by people and by the daemon itself, the newest first.
    pub async fn done_last(&self, count: u32) -> Result<Vec<Done>, StoreError> {
        let rows = query("SELECT at, actor, action, subject, detail FROM audit ORDER BY audit_id DESC LIMIT ?")
            .bind(count)
            .fetch_all(&self.read)
            .await?;
        let done = |row: &Row| {
            Ok(Done {
                at: row.try_get("at")?,
                actor: row.try_get("actor")?,
                action: row.try_get("action")?,
                subject: row.try_get("subject")?,
                detail: row.try_get("detail")?,
            })
        };
        rows.iter().map(done).collect()
    }

    /// The last 24 hours, the present one last.
    pub async fn day(&self, now: DateTime<Utc>) -> Result<Vec<(DateTime<Utc>, Hour)>, StoreError> {
        let starts: Vec<DateTime<Utc>> = (0..24).rev().map(|ago| now - TimeDelta::hours(ago)).collect();
        let mut hours: BTreeMap<String, Hour> =
            starts.iter().map(|start| (start.format(HOUR).to_string(), Hour::default())).collect();
        // A text up to its hour sorts before every time within the hour.
        let since = hours.keys().next().cloned().unwrap_or_default();
        let writes =
            query("SELECT substr(done_at, 1, 13), side, count(*) FROM push WHERE done_at >= ? AND state = 'done' GROUP BY 1, 2");
        for row in writes.bind(&since).fetch_all(&self.read).await? {
            if let (Some(hour), Some(side)) = (hours.get_mut(row.try_get::<&str, _>(0)?), Side::parse(row.try_get(1)?)) {
                *hour.written.get_mut(side) = row.try_get(2)?;
            }
        }
        let cycles = query(
            "SELECT substr(started_at, 1, 13), CAST(sum(parked) AS BIGINT), count(error) FROM cycle
             WHERE started_at >= ? AND (parked > 0 OR error IS NOT NULL) GROUP BY 1",
        );
        for row in cycles.bind(&since).fetch_all(&self.read).await? {
            if let Some(hour) = hours.get_mut(row.try_get::<&str, _>(0)?) {
                (hour.parked, hour.failed) = (row.try_get(1)?, row.try_get(2)?);
            }
        }
        let of = |start: DateTime<Utc>| (start, hours.get(&start.format(HOUR).to_string()).copied().unwrap_or_default());
        Ok(starts.into_iter().map(of).collect())
    }
}
