//! Leads that are to be read by their ids: polls go by modified times, and a value may have changed without one.

use chrono::{DateTime, SubsecRound as _, Utc};
use serde_json::Value as Json;

use super::audit::{Actor, note};
use super::conflict::look_again;
use super::sql::{query, query_scalar};
use super::{Store, StoreError, stamp};
use crate::lead::Side;

impl Store {
    /// Has the next cycle read these leads, and those that they are linked with, and decide their links anew.
    pub async fn repair(&self, leads: &[(Side, String)], actor: Actor, now: DateTime<Utc>) -> Result<(), StoreError> {
        let rows = leads.iter().map(|(side, id)| Json::from(vec![side.as_str(), id.as_str()])).collect::<Json>().to_string();
        let mut connection = self.write().await?;
        let mut tx = connection.begin().await?;
        query("INSERT INTO reread (side, lead_id) SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE TRUE ON CONFLICT DO NOTHING")
            .bind(&rows)
            .execute(&mut *tx)
            .await?;
        let links: Vec<i64> = query_scalar(
            "SELECT DISTINCT a.link_id FROM json_each(?) j JOIN lead_state a ON a.side = j.value ->> 0 AND a.lead_id = j.value ->> 1
             WHERE a.link_id IS NOT NULL",
        )
        .bind(&rows)
        .fetch_all(&mut *tx)
        .await?;
        query(
            "INSERT INTO reread (side, lead_id) SELECT a.side, a.lead_id FROM json_each(?) j
             JOIN lead_state a ON a.link_id = CAST(j.value AS BIGINT) WHERE TRUE ON CONFLICT DO NOTHING",
        )
        .bind(Json::from(links.clone()).to_string())
        .execute(&mut *tx)
        .await?;
        look_again(&mut tx, &Json::from(links).to_string()).await?;
        for (_, id) in leads {
            note(&mut tx, actor, "repair", Some(id), Some("verify found a difference"), now).await?;
        }
        Ok(tx.commit().await?)
    }

    /// The leads of a side that are to be read, `limit` at most.
    pub async fn to_reread(&self, side: Side, limit: usize) -> Result<Vec<String>, StoreError> {
        Ok(query_scalar("SELECT lead_id FROM reread WHERE side = ? ORDER BY lead_id LIMIT ?")
            .bind(side.as_str())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.write().await?)
            .await?)
    }

    /// Salesforce leads of links that are to be decided which may have changed without a later modified time, or of which that is not
    /// known: modified in the second of `since` or later, or written since `written` (by our clock). Not those that were modified in the
    /// second of `now` (by Salesforce's clock, as `since`) or later.
    pub async fn young_leads(
        &self,
        since: DateTime<Utc>,
        written: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Vec<String>, StoreError> {
        Ok(query_scalar(
            "SELECT DISTINCT s.lead_id FROM lead_state a JOIN link l ON l.link_id = a.link_id
             JOIN lead_state s ON s.side = 'salesforce' AND s.lead_id = l.salesforce_id
             WHERE a.dirty = 1 AND a.link_id IS NOT NULL AND s.deleted_at IS NULL AND s.modified_at < ?
               AND (s.modified_at >= ? OR EXISTS (
                   SELECT 1 FROM push p WHERE p.link_id = l.link_id AND p.side = 'salesforce' AND p.state = 'done' AND p.done_at >= ?))",
        )
        .bind(stamp(now.trunc_subsecs(0)))
        .bind(stamp(since.trunc_subsecs(0)))
        .bind(stamp(written))
        .fetch_all(&mut *self.write().await?)
        .await?)
    }

    /// These leads were read by their ids just now, with these modified times: that counts, also where a later one is known.
    pub async fn trust(&self, side: Side, read: &[(String, DateTime<Utc>)]) -> Result<(), StoreError> {
        let rows = read.iter().map(|(id, modified_at)| Json::from(vec![id.clone(), stamp(*modified_at)])).collect::<Json>();
        query(
            "UPDATE lead_state AS lead SET modified_at = j.value ->> 1 FROM json_each(?) j
             WHERE lead.side = ? AND lead.lead_id = j.value ->> 0 AND lead.modified_at > j.value ->> 1",
        )
        .bind(rows.to_string())
        .bind(side.as_str())
        .execute(&mut *self.write().await?)
        .await?;
        Ok(())
    }

    /// These leads were read.
    pub async fn reread(&self, side: Side, ids: &[String]) -> Result<(), StoreError> {
        query("DELETE FROM reread WHERE side = ? AND lead_id IN (SELECT value FROM json_each(?))")
            .bind(side.as_str())
            .bind(Json::from(ids.to_vec()).to_string())
            .execute(&mut *self.write().await?)
            .await?;
        Ok(())
    }
}
