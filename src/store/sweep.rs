//! What sweeps need: which listed leads the store does not have as they are, and which known ones were not listed.

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::sql::{Row, query, query_scalar};
use super::{Store, StoreError, stamp};
use crate::lead::Side;
use crate::side::Listed;

/// A lead that was merged into another.
#[derive(Debug, Clone)]
pub struct MergedLead {
    /// Its id.
    pub lead_id: String,
    /// Its link.
    pub link_id: i64,
    /// The lead that it was merged into.
    pub master_id: String,
}

/// What is known of the lead that another was merged into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Master {
    /// Nothing yet.
    Unknown,
    /// It has no link.
    Free,
    /// It has one of its own.
    Linked,
    /// It was deleted, or merged into this one in turn.
    Gone(Option<String>),
}

impl Store {
    /// Begins a list of what is there.
    pub async fn start_list(&self) -> Result<(), StoreError> {
        for sql in [
            "CREATE TEMP TABLE IF NOT EXISTS listed (lead_id TEXT COLLATE BINARY PRIMARY KEY, takes_part INTEGER NOT NULL) WITHOUT ROWID",
            "DELETE FROM temp.listed",
        ] {
            query(sql).execute(&mut *self.write().await?).await?;
        }
        Ok(())
    }

    /// Takes part of the list, and gives the leads that are not known as they were listed.
    pub async fn list(&self, side: Side, listed: &[Listed]) -> Result<Vec<String>, StoreError> {
        let rows: Json = listed
            .iter()
            .map(|lead| json!([lead.id, lead.modified_at.map(stamp), i32::from(lead.takes_part).to_string()]))
            .collect();
        let rows = rows.to_string();
        query("INSERT INTO temp.listed SELECT value ->> 0, CAST(value ->> 2 AS BIGINT) FROM json_each(?) WHERE TRUE ON CONFLICT DO NOTHING")
            .bind(&rows)
            .execute(&mut *self.write().await?)
            .await?;
        Ok(query_scalar(
            "SELECT j.value ->> 0 FROM json_each(?1) j
             LEFT JOIN lead_state a ON a.side = ?2 AND a.lead_id = j.value ->> 0
             WHERE j.value ->> 2 = '1'
               AND (a.lead_id IS NULL OR a.deleted_at IS NOT NULL OR a.aside IS NOT NULL OR a.modified_at < j.value ->> 1)",
        )
        .bind(&rows)
        .bind(side.as_str())
        .fetch_all(&mut *self.write().await?)
        .await?)
    }

    /// Has the next poll of a side read every lead.
    pub async fn read_anew(&self, side: Side) -> Result<(), StoreError> {
        query("UPDATE checkpoint SET modified_at = NULL, lead_id = NULL WHERE side = ?")
            .bind(side.as_str())
            .execute(&mut *self.write().await?)
            .await?;
        Ok(())
    }

    /// The next `limit` leads after `after` that were not listed and are not known to be gone.
    pub async fn unlisted(&self, side: Side, after: &str, limit: i64) -> Result<Vec<String>, StoreError> {
        Ok(query_scalar(
            "SELECT a.lead_id FROM lead_state a WHERE a.side = ?1 AND a.lead_id > ?2 AND a.deleted_at IS NULL
                 AND NOT EXISTS (SELECT 1 FROM temp.listed t WHERE t.lead_id = a.lead_id)
             ORDER BY a.lead_id LIMIT ?3",
        )
        .bind(side.as_str())
        .bind(after)
        .bind(limit)
        .fetch_all(&mut *self.write().await?)
        .await?)
    }

    /// These leads are gone. Gives how many were thought to be there.
    pub async fn observe_all_gone(&self, side: Side, ids: &[String], now: DateTime<Utc>) -> Result<u64, StoreError> {
        let done = query(
            "UPDATE lead_state SET deleted_at = ?1, dirty = 1, aside = nullif(aside, 'unread') WHERE side = ?2 AND deleted_at IS NULL
                 AND lead_id IN (SELECT value FROM json_each(?3))",
        )
        .bind(stamp(now))
        .bind(side.as_str())
        .bind(Json::from(ids.to_vec()).to_string())
        .execute(&mut *self.write().await?)
        .await?;
        Ok(done)
    }

    /// Salesforce leads that were merged into another and still have a link that is to be looked at.
    pub async fn merged_away(&self) -> Result<Vec<MergedLead>, StoreError> {
        let rows = query(
            "SELECT a.lead_id, a.link_id, a.master_id FROM lead_state a JOIN link l ON l.link_id = a.link_id
             WHERE a.master_id IS NOT NULL AND a.link_id IS NOT NULL AND a.side = 'salesforce' AND a.dirty = 1
               AND a.deleted_at IS NOT NULL AND l.operate_id IS NOT NULL AND l.unlinked_at IS NULL",
        )
        .fetch_all(&mut *self.write().await?)
        .await?;
        let lead = |row: &Row| {
            Ok(MergedLead {
                lead_id: row.try_get("lead_id")?,
                link_id: row.try_get("link_id")?,
                master_id: row.try_get("master_id")?,
            })
        };
        rows.iter().map(lead).collect()
    }

    /// What is known of a Salesforce lead that another was merged into.
    pub async fn master(&self, lead_id: &str) -> Result<Master, StoreError> {
        let row = query(
            "SELECT m.deleted_at IS NOT NULL AS gone, m.master_id AS next,
                    n.link_id IS NOT NULL AND n.origin <> 'ambiguous' AS linked
             FROM lead_state m LEFT JOIN link n ON n.link_id = m.link_id WHERE m.side = 'salesforce' AND m.lead_id = ?",
        )
        .bind(lead_id)
        .fetch_optional(&mut *self.write().await?)
        .await?;
        let Some(row) = row else { return Ok(Master::Unknown) };
        let (gone, linked): (bool, bool) = (row.try_get("gone")?, row.try_get("linked")?);
        Ok(match (gone, linked) {
            (true, _) => Master::Gone(row.try_get("next")?),
            (false, true) => Master::Linked,
            (false, false) => Master::Free,
        })
    }

    /// Puts another lead in the place that a link has for a side, in the place of the one that is there, if any. Nothing was ever
    /// in step between the two that are linked now.
    pub async fn move_link(&self, link_id: i64, side: Side, to: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut connection = self.write().await?;
        let mut tx = connection.begin().await?;
        let column = if side == Side::Operate { "operate_id" } else { "salesforce_id" };
        let place = format!("UPDATE link SET {column} = ?2, base = '{{}}', updated_at = ?3 WHERE link_id = ?1");
        for sql in [
            // A link that only said that several leads match.
            "DELETE FROM link WHERE origin = 'ambiguous' AND link_id = (SELECT link_id FROM lead_state WHERE side = ?4 AND lead_id = ?2) \
             AND ?1 > 0 AND ?3 <> ''",
            "UPDATE lead_state SET link_id = NULL, dirty = 0 WHERE link_id = ?1 AND side = ?4 AND ?2 <> '' AND ?3 <> ''",
            &place,
            "UPDATE lead_state SET link_id = ?1, dirty = 1 WHERE side = ?4 AND lead_id = ?2 AND ?3 <> ''",
            "DELETE FROM lead_key WHERE side = ?4 AND lead_id = ?2 AND ?1 > 0 AND ?3 <> ''",
        ] {
            let query = query(sql.to_owned()).bind(link_id).bind(to).bind(stamp(now));
            if sql.contains("?4") { query.bind(side.as_str()) } else { query }.execute(&mut *tx).await?;
        }
        Ok(tx.commit().await?)
    }
}
