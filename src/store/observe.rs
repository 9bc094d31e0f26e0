//! Observations: what pollers and reads saw. A row that says nothing new costs no write.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::many::Rows;
use super::sql::{Connection, Value, query, query_scalar};
use super::{Store, StoreError, stamp};
use crate::lead::Side;
use crate::side::Position;

/// A lead as it was seen, in neutral form.
#[derive(Debug, Clone)]
pub struct Observation {
    /// Its id.
    pub lead_id: String,
    /// By that server's clock.
    pub modified_at: DateTime<Utc>,
    /// The encoded values, as text.
    pub fields: String,
    /// The keys by which it may be found while it is unlinked, one per rule.
    pub keys: Vec<Option<String>>,
    /// The other side's id, as this side holds it.
    pub external_id: Option<String>,
    /// Whether it is gone.
    pub deleted: bool,
    /// Whether it was converted.
    pub converted: bool,
    /// What it was merged into.
    pub master_id: Option<String>,
    /// Whether it is outside the filter: nothing is decided for it.
    pub filtered: bool,
}

/// What a page of observations brought.
#[derive(Debug, Clone, Copy, Default)]
pub struct Observed {
    /// Leads that were new or had changed.
    pub changed: u64,
}

/// What a row of `lead` becomes.
struct NewRow<'s> {
    seen: &'s Observation,
    modified_at: String,
    changed_at: String,
    aside: Option<&'static str>,
}

impl<'s> NewRow<'s> {
    fn of(seen: &'s Observation, known: Option<&Known>, modified_at: String) -> Self {
        let changed_at = match known {
            Some(known) if known.has(seen) => known.changed_at.clone(),
            _ => modified_at.clone(),
        };
        // A lead that is outside the filter when it is deleted stays there: the delete concerns nobody.
        let filtered = seen.deleted && known.is_some_and(|known| known.aside.as_deref() == Some("filtered"));
        let aside = if filtered { Some("filtered") } else { seen.aside() };
        Self { seen, modified_at, changed_at, aside }
    }
}

struct Known {
    link_id: Option<i64>,
    modified_at: String,
    changed_at: String,
    fields: String,
    external_id: Option<String>,
    converted: bool,
    master_id: Option<String>,
    deleted: bool,
    aside: Option<String>,
    keyed: bool,
}

impl Store {
    /// Keeps a page of observations, and moves the checkpoint, in one transaction.
    pub async fn observe(
        &self,
        side: Side,
        seen: &[Observation],
        checkpoint: Option<&Position>,
        now: DateTime<Utc>,
    ) -> Result<Observed, StoreError> {
        let seen = each_once(seen);
        let ids = seen.iter().map(|seen| seen.lead_id.as_str()).collect::<Json>().to_string();
        let known = self.known(side, &ids).await?;
        let mut touched = Vec::new();
        let mut rows = Vec::new();
        let (mut keyed, mut keys) = (Vec::new(), Vec::new());
        for seen in seen {
            let known = known.get(&seen.lead_id);
            let modified_at = stamp(seen.modified_at);
            match known {
                None if seen.deleted => continue,
                Some(known) if modified_at < known.modified_at => continue,
                Some(known) if known.says(seen) => {
                    if modified_at != known.modified_at {
                        touched.push(json!([seen.lead_id, modified_at]));
                    }
                    continue;
                }
                _ => {}
            }
            if known.is_none_or(|known| known.link_id.is_none() || known.keyed) {
                // What was never seen has no keys yet.
                keyed.extend(known.map(|_| json!(seen.lead_id)));
                for (rule, key) in seen.keys.iter().enumerate().filter(|_| !seen.deleted && !seen.filtered) {
                    keys.extend(key.as_deref().map(|key| (rule, key, seen.lead_id.as_str())));
                }
            }
            rows.push(NewRow::of(seen, known, modified_at));
        }
        let observed = Observed { changed: rows.len() as u64 };
        if rows.is_empty() && touched.is_empty() && checkpoint.is_none() {
            return Ok(observed);
        }
        let mut connection = self.write().await?;
        let mut tx = connection.begin().await?;
        touch(&mut tx, side, touched).await?;
        upsert(&mut tx, side, &rows, now).await?;
        search_by(&mut tx, side, keyed, &keys).await?;
        if let Some(position) = checkpoint {
            move_checkpoint(&mut tx, side, position).await?;
        }
        tx.commit().await?;
        Ok(observed)
    }

    async fn known(&self, side: Side, ids: &str) -> Result<HashMap<String, Known>, StoreError> {
        let rows = query(
            "SELECT a.lead_id, a.link_id, a.modified_at, a.changed_at, v.fields, a.external_id, a.converted, a.master_id, a.aside,
                    a.deleted_at IS NOT NULL AS deleted, (l.origin IS NULL OR l.origin = 'ambiguous') AS keyed
             FROM json_each(?) j JOIN lead_state a ON a.side = ? AND a.lead_id = j.value
             JOIN lead_values v ON v.side = a.side AND v.lead_id = a.lead_id LEFT JOIN link l ON l.link_id = a.link_id",
        )
        .bind(ids)
        .bind(side.as_str())
        .fetch_all(&mut *self.write().await?)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok((
                    row.try_get("lead_id")?,
                    Known {
                        link_id: row.try_get("link_id")?,
                        modified_at: row.try_get("modified_at")?,
                        changed_at: row.try_get("changed_at")?,
                        fields: row.try_get("fields")?,
                        external_id: row.try_get("external_id")?,
                        converted: row.try_get("converted")?,
                        master_id: row.try_get("master_id")?,
                        deleted: row.try_get("deleted")?,
                        aside: row.try_get("aside")?,
                        keyed: row.try_get("keyed")?,
                    },
                ))
            })
            .collect()
    }

    /// Forgets every lead, but not what is linked: everything will be read again. For a copy of the store.
    pub async fn forget_observations(&self) -> Result<(), StoreError> {
        for sql in [
            "DELETE FROM lead_key",
            "DELETE FROM lead_state",
            "DELETE FROM lead_values",
            "UPDATE checkpoint SET modified_at = NULL, lead_id = NULL",
        ] {
            query(sql).execute(&mut *self.write().await?).await?;
        }
        Ok(())
    }

    /// A lead is not there any more.
    pub async fn observe_gone(&self, side: Side, lead_id: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        query(
            "UPDATE lead_state SET deleted_at = ?, dirty = 1, aside = nullif(aside, 'unread')
             WHERE side = ? AND lead_id = ? AND deleted_at IS NULL",
        )
        .bind(stamp(now))
        .bind(side.as_str())
        .bind(lead_id)
        .execute(&mut *self.write().await?)
        .await?;
        Ok(())
    }

    /// A lead turned out to be converted.
    pub async fn observe_converted(&self, side: Side, lead_id: &str) -> Result<(), StoreError> {
        query("UPDATE lead_state SET converted = 1, dirty = 1 WHERE side = ? AND lead_id = ?")
            .bind(side.as_str())
            .bind(lead_id)
            .execute(&mut *self.write().await?)
            .await?;
        Ok(())
    }
}

/// Of several observations of a lead in one page, the last of the newest.
fn each_once(seen: &[Observation]) -> Vec<&Observation> {
    let mut newest: HashMap<&str, &Observation> = HashMap::with_capacity(seen.len());
    for seen in seen {
        let known = newest.entry(&seen.lead_id).or_insert(seen);
        if seen.modified_at >= known.modified_at {
            *known = seen;
        }
    }
    // Those that another one took the place of are left out; the rest stay in their order.
    seen.iter().filter(|seen| newest.get(seen.lead_id.as_str()).is_some_and(|newest| std::ptr::eq(*newest, *seen))).collect()
}

impl Observation {
    /// The store's word for why nothing is decided for it.
    const fn aside(&self) -> Option<&'static str> {
        if self.filtered { Some("filtered") } else { None }
    }
}

impl Known {
    /// Whether it holds these values. Fields that a write of ours filled stand last in its text, so the order makes no difference.
    fn has(&self, seen: &Observation) -> bool {
        let read = |text: &str| serde_json::from_str::<Json>(text).ok();
        self.fields == seen.fields || read(&self.fields) == read(&seen.fields)
    }

    /// Whether the observation holds nothing new but perhaps the time.
    fn says(&self, seen: &Observation) -> bool {
        self.has(seen)
            && self.external_id == seen.external_id
            && self.converted == seen.converted
            && self.master_id == seen.master_id
            && self.deleted == seen.deleted
            && (self.deleted || self.aside.as_deref() == seen.aside())
    }
}

async fn touch(tx: &mut Connection, side: Side, touched: Vec<Json>) -> Result<(), StoreError> {
    if touched.is_empty() {
        return Ok(());
    }
    query(
        "UPDATE lead_state AS lead SET modified_at = j.value ->> 1 FROM json_each(?) j WHERE lead.side = ? AND lead.lead_id = j.value ->> 0",
    )
    .bind(Json::Array(touched).to_string())
    .bind(side.as_str())
    .execute(&mut *tx)
    .await?;
    Ok(())
}

async fn upsert(tx: &mut Connection, side: Side, rows: &[NewRow<'_>], now: DateTime<Utc>) -> Result<(), StoreError> {
    let seen_at = stamp(now);
    let insert = Rows {
        before: "INSERT INTO lead_state (side, seen_at, lead_id, modified_at, changed_at, external_id, converted, master_id, deleted_at, aside) VALUES".into(),
        parameters: 10,
        after: " ON CONFLICT (side, lead_id) DO UPDATE SET
             modified_at = excluded.modified_at, changed_at = excluded.changed_at, external_id = excluded.external_id,
             converted = excluded.converted, master_id = excluded.master_id, deleted_at = excluded.deleted_at,
             seen_at = excluded.seen_at, aside = excluded.aside, dirty = 1",
    };
    let values = Rows {
        before: "INSERT INTO lead_values (side, lead_id, fields) VALUES".into(),
        parameters: 3,
        after: " ON CONFLICT (side, lead_id) DO UPDATE SET fields = excluded.fields WHERE lead_values.fields <> excluded.fields",
    };
    let seen_at = seen_at.as_str();
    insert
        .run(tx, rows, |query, row| {
            let NewRow { seen, modified_at, changed_at, aside } = row;
            query
                .bind(side.as_str())
                .bind(seen_at.to_owned())
                .bind(seen.lead_id.as_str())
                .bind(modified_at.as_str())
                .bind(changed_at.as_str())
                .bind(seen.external_id.as_deref())
                .bind(i64::from(seen.converted))
                .bind(seen.master_id.as_deref())
                .bind(seen.deleted.then(|| seen_at.to_owned()))
                .bind(*aside)
        })
        .await?;
    values
        .run(tx, rows, |query, row| query.bind(side.as_str()).bind(row.seen.lead_id.as_str()).bind(row.seen.fields.as_str()))
        .await
}

/// Has leads without a link of their own found by these keys (rule, key, lead), and known leads by no others.
async fn search_by(tx: &mut Connection, side: Side, known: Vec<Json>, keys: &[(usize, &str, &str)]) -> Result<(), StoreError> {
    if !known.is_empty() {
        drop_keys(tx, side, &Json::Array(known).to_string()).await?;
    }
    let insert = Rows {
        before: "INSERT INTO lead_key (side, rule, key, lead_id) VALUES".into(),
        parameters: 4,
        after: " ON CONFLICT DO NOTHING",
    };
    insert
        .run(tx, keys, |query, (rule, key, lead_id)| {
            query.bind(side.as_str()).bind(i64::try_from(*rule).unwrap_or(i64::MAX)).bind(*key).bind(*lead_id)
        })
        .await
}

/// Takes leads out of the search. Leads that wait because several matched them are looked at again.
pub(super) async fn drop_keys(connection: &mut Connection, side: Side, ids: &str) -> Result<(), StoreError> {
    drop_keys_of(connection, side, "SELECT value FROM json_each(?)", ids).await
}

/// The same for those whose ids a `SELECT` with one parameter gives.
pub(super) async fn drop_keys_of<'q>(
    connection: &mut Connection,
    side: Side,
    ids: &str,
    parameter: impl Into<Value<'q>> + Copy,
) -> Result<(), StoreError> {
    let anybody_waits: bool =
        query_scalar("SELECT EXISTS (SELECT 1 FROM link WHERE state <> 'in_step' AND state = 'parked' AND origin = 'ambiguous')")
            .fetch_one(&mut *connection)
            .await?;
    if anybody_waits {
        let reconsider = format!(
            "UPDATE lead_state SET dirty = 1
             WHERE link_id IN (SELECT link_id FROM link WHERE state <> 'in_step' AND state = 'parked' AND origin = 'ambiguous')
               AND (side, lead_id) IN (
                   SELECT n.side, n.lead_id FROM lead_key k JOIN lead_key n ON n.rule = k.rule AND n.key = k.key
                   WHERE k.side = '{side}' AND k.lead_id IN ({ids}))"
        );
        query(reconsider).bind(parameter).execute(&mut *connection).await?;
    }
    let dropping = format!("DELETE FROM lead_key WHERE side = '{side}' AND lead_id IN ({ids})");
    query(dropping).bind(parameter).execute(&mut *connection).await?;
    Ok(())
}

async fn move_checkpoint(tx: &mut Connection, side: Side, position: &Position) -> Result<(), StoreError> {
    query(
        "INSERT INTO checkpoint (side, modified_at, lead_id) VALUES (?1, ?2, ?3)
         ON CONFLICT (side) DO UPDATE SET modified_at = ?2, lead_id = ?3
         WHERE checkpoint.modified_at IS NULL OR checkpoint.modified_at < ?2
             OR (checkpoint.modified_at = ?2 AND checkpoint.lead_id IS DISTINCT FROM ?3)",
    )
    .bind(side.as_str())
    .bind(stamp(position.modified_at))
    .bind(&position.id)
    .execute(&mut *tx)
    .await?;
    Ok(())
}
