//! The mapping and the filters that the store is read under, and what becomes of leads and links when they change.

use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use super::sql::{Connection, query, query_scalar};
use super::state::refresh;
use super::{Store, StoreError, stamp};
use crate::lead::{PerSide, Side};

impl Store {
    /// Has every lead read again when `fingerprint` is not what the store was read under. Until a lead was, nothing is decided for it,
    /// and writes that were decided under the former mapping and not sent yet are decided anew. `fields` describes the mapping.
    pub async fn read_under(&self, fingerprint: &str, fields: &Json, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut connection = self.write().await?;
        let mut tx = connection.begin().await?;
        let before: Option<String> =
            query_scalar("SELECT value FROM fact WHERE name = 'mapping'").fetch_optional(&mut *tx).await?;
        if before.as_deref() == Some(fingerprint) {
            return Ok(());
        }
        if before.is_some() {
            set_aside(&mut tx, now).await?;
        }
        query("INSERT INTO mapping (fields, first_used_at) VALUES (?, ?)")
            .bind(fields.to_string())
            .bind(stamp(now))
            .execute(&mut *tx)
            .await?;
        query("INSERT INTO fact (name, value) VALUES ('mapping', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
            .bind(fingerprint)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }

    /// Has unlinked leads looked at again where they are created on the other side now and were not before.
    pub async fn create_under(&self, creates: PerSide<bool>) -> Result<(), StoreError> {
        let mut connection = self.write().await?;
        let mut tx = connection.begin().await?;
        for side in Side::BOTH {
            let (name, now) = (format!("creates_in_{side}"), *creates.get(side));
            let before: Option<String> =
                query_scalar("SELECT value FROM fact WHERE name = ?").bind(&name).fetch_optional(&mut *tx).await?;
            if before.as_deref() == Some(if now { "yes" } else { "no" }) {
                continue;
            }
            if now && before.is_some() {
                query("UPDATE lead_state SET dirty = 1 WHERE link_id IS NULL AND deleted_at IS NULL AND side = ?")
                    .bind(side.other().as_str())
                    .execute(&mut *tx)
                    .await?;
            }
            query("INSERT INTO fact (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
                .bind(&name)
                .bind(if now { "yes" } else { "no" })
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }

    /// What was given as `fields` to [`Store::read_under`] for a mapping; an empty object for one from before these were kept.
    pub async fn mapping_fields(&self, mapping_id: i64) -> Result<Json, StoreError> {
        let fields: Option<String> = query_scalar("SELECT fields FROM mapping WHERE mapping_id = ?")
            .bind(mapping_id)
            .fetch_optional(&mut *self.write().await?)
            .await?;
        Ok(fields.and_then(|fields| serde_json::from_str(&fields).ok()).unwrap_or_default())
    }

    /// Has links rest of which a lead is aside, and leads that are and have none. With `unlink`, what such a pair had in step is
    /// forgotten: should it come back, it is compared as at first. Gives how many links came to rest.
    pub async fn rest(&self, unlink: bool, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let leads: Vec<Option<i64>> = query_scalar(
            // Where no lead is aside, as at a first load of many, there is nothing to look for.
            "SELECT DISTINCT a.link_id FROM (SELECT 1 FROM lead_state WHERE aside IS NOT NULL LIMIT 1) d CROSS JOIN lead_state a ON TRUE
             WHERE a.dirty = 1 AND (a.aside IS NOT NULL OR a.link_id IN (SELECT link_id FROM lead_state WHERE aside IS NOT NULL AND link_id IS NOT NULL))",
        )
        .fetch_all(&mut *self.write().await?)
        .await?;
        if leads.is_empty() {
            return Ok(0);
        }
        let links: Vec<i64> = leads.into_iter().flatten().collect();
        let ids = Json::from(links.clone()).to_string();
        let mut connection = self.write().await?;
        let mut tx = connection.begin().await?;
        for sql in [
            "UPDATE push SET state = 'superseded', done_at = ?2 WHERE state IN ('due', 'parked')
                 AND link_id IN (SELECT CAST(value AS BIGINT) FROM json_each(?1))",
            "UPDATE link SET blocked = NULL, base = iif(?3 AND EXISTS (
                 SELECT 1 FROM lead_state a WHERE a.link_id = link.link_id AND a.aside = 'filtered'), '{}', base)
             WHERE link_id IN (SELECT CAST(value AS BIGINT) FROM json_each(?1)) AND origin <> 'ambiguous' AND ?2 <> ''",
            "UPDATE lead_state SET dirty = 0
             WHERE dirty = 1 AND (link_id IN (SELECT CAST(value AS BIGINT) FROM json_each(?1)) OR aside IS NOT NULL) AND ?2 <> ''",
        ] {
            let query = query(sql).bind(&ids).bind(stamp(now));
            if sql.contains("?3") { query.bind(unlink) } else { query }.execute(&mut *tx).await?;
        }
        refresh(&mut tx, &ids, now).await?;
        tx.commit().await?;
        Ok(links.len() as u64)
    }

    /// Of the leads that the last list named, those that it named only among all leads, and not among those that take part, are outside
    /// the filter.
    pub async fn set_aside_unlisted(&self, side: Side) -> Result<u64, StoreError> {
        let done = query(
            "UPDATE lead_state SET aside = 'filtered', dirty = 1 WHERE side = ? AND aside IS DISTINCT FROM 'filtered' AND deleted_at IS NULL
                 AND lead_id IN (SELECT lead_id FROM temp.listed WHERE takes_part = 0)",
        )
        .bind(side.as_str())
        .execute(&mut *self.write().await?)
        .await?;
        Ok(done)
    }
}

/// Keeps what each lead was under the former mapping, has the pollers begin anew, and takes back what was not sent yet.
async fn set_aside(tx: &mut Connection, now: DateTime<Utc>) -> Result<(), StoreError> {
    for sql in [
        "UPDATE checkpoint SET modified_at = NULL, lead_id = NULL WHERE ?1 <> ''",
        "UPDATE push SET state = 'superseded', done_at = ?1 WHERE state = 'due'",
        "UPDATE lead_state AS lead SET aside = 'unread', dirty = 0, former = coalesce(former, 
             '{\"mapping\":' || (SELECT coalesce(CAST(max(mapping_id) AS TEXT), 'null') FROM mapping) || ',\"modified_at\":\"' || modified_at
             || '\",\"fields\":' || (SELECT v.fields FROM lead_values v WHERE v.side = lead.side AND v.lead_id = lead.lead_id) || '}')
         WHERE deleted_at IS NULL AND ?1 <> ''",
        "UPDATE lead_state SET dirty = 1 WHERE deleted_at IS NOT NULL AND link_id IS NOT NULL AND ?1 <> ''",
        "DELETE FROM lead_key WHERE ?1 <> ''",
    ] {
        query(sql).bind(stamp(now)).execute(&mut *tx).await?;
    }
    Ok(())
}
