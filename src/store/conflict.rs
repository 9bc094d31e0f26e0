//! A person's words: conflicts to settle, parked leads to try again. Left in the store for the daemon to carry out.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value as Json;

use super::audit::{Actor, note, note_links};
use super::sql::{Connection, query, query_as, query_scalar};
use super::state::refresh;
use super::{Store, StoreError, stamp};
use crate::lead::Side;

/// A conflict that waits for a person.
#[derive(Debug, Clone, Serialize)]
pub struct OpenConflict {
    /// For `leadsync resolve`.
    pub conflict_id: i64,
    /// The link.
    pub link_id: i64,
    /// Operate's lead.
    pub operate_id: Option<String>,
    /// Salesforce's lead.
    pub salesforce_id: Option<String>,
    /// The field's name.
    pub field: String,
    /// What both had when they were last in step.
    pub base_value: Json,
    /// What Operate has.
    pub operate_value: Json,
    /// What Salesforce has.
    pub salesforce_value: Json,
    /// When it was found.
    pub found_at: String,
}

impl Store {
    /// All open conflicts, the oldest first.
    pub async fn open_conflicts(&self) -> Result<Vec<OpenConflict>, StoreError> {
        let rows = query("SELECT * FROM open_conflict ORDER BY conflict_id").fetch_all(&self.read).await?;
        rows.iter()
            .map(|row| {
                Ok(OpenConflict {
                    conflict_id: row.try_get("conflict_id")?,
                    link_id: row.try_get("link_id")?,
                    operate_id: row.try_get("operate_id")?,
                    salesforce_id: row.try_get("salesforce_id")?,
                    field: row.try_get("field")?,
                    base_value: row.json("base_value")?,
                    operate_value: row.json("operate_value")?,
                    salesforce_value: row.json("salesforce_value")?,
                    found_at: row.try_get("found_at")?,
                })
            })
            .collect()
    }

    /// How many conflicts were settled, and how many are open.
    pub async fn conflict_counts(&self) -> Result<(i64, i64), StoreError> {
        let row = query("SELECT count(*) FILTER (WHERE state = 'settled'), count(*) FILTER (WHERE state = 'open') FROM conflict");
        let row = row.fetch_one(&self.read).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }

    /// Settles an open conflict; the next cycle carries it out. `false`: there is no such open conflict.
    pub async fn resolve(&self, conflict_id: i64, winner: Side, actor: Actor, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let mut connection = self.write().await?;
        let mut tx = connection.begin().await?;
        let settled: Option<(i64, String)> = query_as(
            "UPDATE conflict SET state = 'settled', winner = ?, settled_at = ? WHERE conflict_id = ? AND state = 'open'
             RETURNING link_id, field",
        )
        .bind(winner.as_str())
        .bind(stamp(now))
        .bind(conflict_id)
        .fetch_optional(&mut *tx)
        .await?;
        let Some((link_id, field)) = settled else { return Ok(false) };
        let leads: String = query_scalar("SELECT concat_ws(' ', operate_id, salesforce_id) FROM link WHERE link_id = ?")
            .bind(link_id)
            .fetch_one(&mut *tx)
            .await?;
        look_again(&mut tx, &Json::from(vec![link_id]).to_string()).await?;
        let detail = format!("conflict {conflict_id}: {field}, {winner} wins");
        note(&mut tx, actor, "resolve", Some(&leads), Some(&detail), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Has parked leads tried again by the next cycle: those with one of these ids (of either side), or all. A lead with one of these ids
    /// that was left alone since it was unlinked takes part again: with the other one of its link, or with a new one. Gives how many.
    pub async fn retry(&self, ids: Option<&[String]>, actor: Actor, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let mut connection = self.write().await?;
        let mut tx = connection.begin().await?;
        let links: Vec<i64> = query_scalar(
            "SELECT link_id FROM link WHERE state <> 'in_step' AND state = 'parked' AND ?1 IS NULL
             UNION SELECT link_id FROM link WHERE state <> 'in_step' AND state IN ('parked', 'unlinked')
                 AND (operate_id IN (SELECT value FROM json_each(?1)) OR salesforce_id IN (SELECT value FROM json_each(?1)))",
        )
        .bind(ids.map(|ids| Json::from(ids.to_vec()).to_string()))
        .fetch_all(&mut *tx)
        .await?;
        let json = Json::from(links.clone()).to_string();
        for sql in [
            "UPDATE push SET state = 'due', due_at = ?1 WHERE state = 'parked' AND link_id IN (SELECT CAST(value AS BIGINT) FROM json_each(?2))",
            // What was taken apart meets as at first; a lead that has no other is given one.
            "UPDATE link SET unlinked_at = NULL, base = '{}', origin = iif(operate_id IS NULL OR salesforce_id IS NULL, 'create', origin)
             WHERE unlinked_at IS NOT NULL AND ?1 <> '' AND link_id IN (SELECT CAST(value AS BIGINT) FROM json_each(?2))",
            "UPDATE link SET retried_at = ?1 WHERE link_id IN (SELECT CAST(value AS BIGINT) FROM json_each(?2))",
        ] {
            query(sql).bind(stamp(now)).bind(&json).execute(&mut *tx).await?;
        }
        look_again(&mut tx, &json).await?;
        note_links(&mut tx, actor, "retry", &json, now).await?;
        refresh(&mut tx, &json, now).await?;
        tx.commit().await?;
        Ok(links.len() as u64)
    }
}

/// Has the next cycle decide these links, also where one is deciding them now: what it decides without a person's word is not kept.
pub(super) async fn look_again(connection: &mut Connection, links: &str) -> Result<(), StoreError> {
    for sql in [
        "UPDATE link SET words = words + 1 WHERE link_id IN (SELECT CAST(value AS BIGINT) FROM json_each(?))",
        "UPDATE lead_state SET dirty = 1 WHERE link_id IN (SELECT CAST(value AS BIGINT) FROM json_each(?))",
    ] {
        query(sql).bind(links).execute(&mut *connection).await?;
    }
    Ok(())
}
