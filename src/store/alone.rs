//! Leads that no other was found for: their other halves are to be made, or they are left as they are.

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::decide::insert_pushes;
use super::pair::{attach, newest_link, side};
use super::sql::{query, query_as, query_scalar};
use super::state::refresh;
use super::{NewPush, Part, Store, StoreError, stamp, time};
use crate::lead::{PerSide, Side};

/// A lead that no other was found for.
#[derive(Debug, Clone)]
pub struct UnlinkedLead {
    /// Its side.
    pub side: Side,
    /// Its id.
    pub lead_id: String,
    /// Its encoded values.
    pub fields: String,
    /// Whether it is read-only.
    pub converted: bool,
    /// Whether it is gone.
    pub deleted: bool,
    /// By that server's clock.
    pub modified_at: DateTime<Utc>,
}

/// What becomes of a lead that is on one side only.
#[derive(Debug, Clone)]
pub struct Created {
    /// Its side.
    pub side: Side,
    /// Its id.
    pub lead_id: String,
    /// The create on the other side (its link is not known yet), or why there is none.
    pub push: Result<NewPush, String>,
}

impl Store {
    /// Leads that changed and that no other was found for: the next `limit` after `after`.
    pub async fn unlinked(&self, after: Option<(Side, String)>, limit: i64) -> Result<Vec<UnlinkedLead>, StoreError> {
        let (after_side, after_id) = after.map_or(("", String::new()), |(side, id)| (side.as_str(), id));
        let rows = query(
            "SELECT side, lead_id, fields, converted, deleted_at IS NOT NULL AS deleted, modified_at FROM lead
             WHERE dirty = 1 AND link_id IS NULL AND aside IS NULL AND (side, lead_id) > (?, ?) ORDER BY side, lead_id LIMIT ?",
        )
        .bind(after_side)
        .bind(after_id)
        .bind(limit)
        .fetch_all(&mut *self.write().await?)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(UnlinkedLead {
                    side: side(row.try_get("side")?),
                    lead_id: row.try_get("lead_id")?,
                    fields: row.try_get("fields")?,
                    converted: row.try_get("converted")?,
                    deleted: row.try_get("deleted")?,
                    modified_at: time(row.try_get("modified_at")?),
                })
            })
            .collect()
    }

    /// Of these leads, each with the link that a create made it for: those that belong to another link. A link that only says why a lead
    /// has none lets go of it.
    pub async fn claimed_elsewhere(&self, side: Side, made: &[(&str, i64)]) -> Result<Vec<String>, StoreError> {
        let rows = made.iter().map(|(lead, link)| json!([lead, link])).collect::<Json>().to_string();
        let claims: Vec<(String, i64, bool)> = query_as(
            "SELECT a.lead_id, a.link_id, l.origin = 'ambiguous' OR (l.origin = 'external_id' AND l.operate_id IS NULL)
             FROM json_each(?) j JOIN lead_state a ON a.side = ? AND a.lead_id = j.value ->> 0 JOIN link l ON l.link_id = a.link_id
             WHERE a.link_id <> CAST(j.value ->> 1 AS BIGINT)",
        )
        .bind(rows)
        .bind(side.as_str())
        .fetch_all(&mut *self.write().await?)
        .await?;
        let (loose, firm): (Vec<_>, Vec<_>) = claims.into_iter().partition(|(.., loose)| *loose);
        for (_, link, _) in loose {
            query("DELETE FROM link WHERE link_id = ?").bind(link).execute(&mut *self.write().await?).await?;
        }
        Ok(firm.into_iter().map(|(lead, ..)| lead).collect())
    }

    /// Makes links, each with the create of its other half (or the reason why there is none), in one transaction.
    pub async fn create_links(&self, created: &[Created], now: DateTime<Utc>) -> Result<(), StoreError> {
        if created.is_empty() {
            return Ok(());
        }
        let mut connection = self.write().await?;
        let mut tx = connection.begin().await?;
        // A person may have linked some of them meanwhile.
        let rows = created.iter().map(|lead| json!([lead.side.as_str(), lead.lead_id])).collect::<Json>().to_string();
        let alone: Vec<i64> = query_scalar(
            "SELECT j.key FROM json_each(?) j JOIN lead_state a ON a.side = j.value ->> 0 AND a.lead_id = j.value ->> 1
             WHERE a.link_id IS NULL ORDER BY j.key",
        )
        .bind(rows)
        .fetch_all(&mut *tx)
        .await?;
        let created: Vec<&Created> =
            alone.iter().filter_map(|place| created.get(usize::try_from(*place).unwrap_or(usize::MAX))).collect();
        let before = newest_link(&mut tx).await?;
        let rows = created.iter().map(|lead| json!([lead.side.as_str(), lead.lead_id, lead.push.as_ref().err()]));
        query(
            "INSERT INTO link (operate_id, salesforce_id, state, origin, blocked, created_at, updated_at)
             SELECT iif(j.value ->> 0 = 'operate', j.value ->> 1, NULL), iif(j.value ->> 0 = 'salesforce', j.value ->> 1, NULL),
                    'pending', 'create', j.value ->> 2, ?1, ?1
             FROM json_each(?2) j ORDER BY j.key",
        )
        .bind(stamp(now))
        .bind(Json::Array(rows.collect()).to_string())
        .execute(&mut *tx)
        .await?;
        attach(&mut tx, before).await?;
        let made = query("SELECT link_id, operate_id, salesforce_id FROM link WHERE link_id > ? ORDER BY link_id")
            .bind(before)
            .fetch_all(&mut *tx)
            .await?;
        let mut pushes = Vec::new();
        let mut links = Vec::new();
        for (row, lead) in made.iter().zip(created) {
            let link_id: i64 = row.try_get("link_id")?;
            links.push(link_id);
            pushes.extend(lead.push.as_ref().ok().map(|push| NewPush { link_id, ..push.clone() }));
        }
        insert_pushes(&mut tx, &pushes, now).await?;
        let links = Json::from(links).to_string();
        query("UPDATE lead_state SET dirty = 0 WHERE link_id IN (SELECT CAST(value AS BIGINT) FROM json_each(?))")
            .bind(&links)
            .execute(&mut *tx)
            .await?;
        refresh(&mut tx, &links, now).await?;
        Ok(tx.commit().await?)
    }

    /// Leads that are to be paired are left as they are where they are gone, or read-only on Salesforce, or where none is made
    /// of them on the other side.
    pub async fn leave(&self, part: &Part, creates: PerSide<bool>) -> Result<(), StoreError> {
        // Where there are very many, it takes half the time to go through all leads between the first and the last of them: no list of
        // those that are meant has to be made before the index is changed that they are found by. A `+` keeps `SQLite` from that index.
        let many = if part.is_bounded() { "+" } else { "" };
        let leaving = query(format!(
            "UPDATE lead_state SET dirty = 0
             WHERE {many}dirty = 1 AND {many}link_id IS NULL AND aside IS NULL AND (side, lead_id) > (?1, ?2) AND (side, lead_id) <= (?3, ?4)
               AND (deleted_at IS NOT NULL OR (side = 'operate' AND NOT ?5) OR (side = 'salesforce' AND (converted = 1 OR NOT ?6)))",
        ));
        part.bind(leaving).bind(creates.salesforce).bind(creates.operate).execute(&mut *self.write().await?).await?;
        Ok(())
    }
}
