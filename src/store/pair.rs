//! Pairing: unlinked leads find each other, by external id and then by the keys of `[sync].match`.

use chrono::{DateTime, Utc};

use super::analyze::analyze_grown;
use super::observe::drop_keys_of;
use super::sql::{Connection, Query, query, query_as, query_scalar};
use super::{Store, StoreError, stamp};
use crate::lead::Side;

/// Some of the leads that are to be paired, in the order of side and id: those after one and up to another.
#[derive(Debug, Clone, Default)]
pub struct Part {
    after: (String, String),
    up_to: Option<(String, String)>,
}

impl Part {
    /// From the first of these parts to the last.
    #[must_use]
    pub fn joined(parts: &[Self]) -> Option<Self> {
        Some(Self { after: parts.first()?.after.clone(), up_to: parts.last()?.up_to.clone() })
    }

    /// Whether others come after it.
    pub(super) const fn is_bounded(&self) -> bool {
        self.up_to.is_some()
    }

    /// Binds ?1 to ?4: of a lead in this part, `(side, lead_id)` is greater than `(?1, ?2)` and not greater than `(?3, ?4)`.
    pub(super) fn bind<'q>(&'q self, query: Query<'q>) -> Query<'q> {
        let (side, id) = self.up_to.as_ref().map_or(("~", "~"), |(side, id)| (side, id));
        query.bind(&self.after.0).bind(&self.after.1).bind(side).bind(id)
    }
}

impl Store {
    /// Whether there is a lead to be paired: one of which something changed, without a link or with one that only says why it has none.
    pub async fn has_new_leads(&self) -> Result<bool, StoreError> {
        Ok(query_scalar(
            "SELECT EXISTS (SELECT 1 FROM lead_state a LEFT JOIN link l ON l.link_id = a.link_id
                 WHERE a.dirty = 1 AND (a.link_id IS NULL OR l.origin = 'ambiguous' OR (l.origin = 'external_id' AND l.operate_id IS NULL)))",
        )
        .fetch_one(&mut *self.write().await?)
        .await?)
    }

    /// Links what external ids say.
    pub async fn pair_by_external_id(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        let mut connection = self.write().await?;
        analyze_grown(&mut connection).await?;
        let mut tx = connection.begin().await?;
        dissolve(&mut tx).await?;
        let news = News::of(&mut tx).await?;
        if news.deleted {
            forget_deleted(&mut tx).await?;
        }
        if !news.named {
            return Ok(tx.commit().await?);
        }
        let before = newest_link(&mut tx).await?;
        for (side, other, id, other_id) in
            [("operate", "salesforce", "operate_id", "salesforce_id"), ("salesforce", "operate", "salesforce_id", "operate_id")]
        {
            // A link that names this lead already.
            let join_named = format!(
                "UPDATE lead_state AS lead SET link_id = (SELECT link_id FROM link WHERE {id} = lead.lead_id), dirty = 1
                 WHERE link_id IS NULL AND dirty = 1 AND side = '{side}' AND lead_id IN (SELECT {id} FROM link)"
            );
            run(&mut tx, &join_named, now).await?;
            // A link that waits for this lead: the create took effect, or somebody else made it.
            let waits = format!(
                "(l.{id} || '') IS NULL AND l.origin <> 'ambiguous' AND l.unlinked_at IS NULL
                 WHERE a.link_id IS NULL AND a.dirty = 1 AND a.deleted_at IS NULL AND a.side = '{side}'"
            );
            claim(&mut tx, side, id, &format!("FROM lead_state a JOIN link l ON l.{other_id} = a.external_id AND {waits}"), now)
                .await?;
            run(&mut tx, &join_named, now).await?;
            if side == "operate" {
                // The one that waits names it: the store is a copy from before it was named.
                let named =
                    "FROM lead_state a JOIN lead_state b ON b.external_id = a.lead_id AND b.side = 'salesforce' AND b.deleted_at IS NULL
                     AND NOT EXISTS (SELECT 1 FROM lead_state c WHERE c.external_id = b.external_id AND c.side = b.side
                         AND c.lead_id <> b.lead_id AND c.deleted_at IS NULL)
                     JOIN link l ON l.link_id = b.link_id";
                claim(&mut tx, side, id, &format!("{named} AND {waits}"), now).await?;
                run(&mut tx, &join_named, now).await?;
            }
            // Both are there and neither is linked; `min` for the improbable case that two claim the same.
            run(
                &mut tx,
                &format!(
                    "INSERT INTO link ({id}, {other_id}, state, origin, created_at, updated_at)
                 SELECT min(a.lead_id), b.lead_id, 'pending', 'external_id', ?1, ?1
                 FROM lead_state a JOIN lead_state b ON b.side = '{other}' AND b.lead_id = a.external_id AND b.link_id IS NULL
                 WHERE a.external_id IS NOT NULL AND a.link_id IS NULL AND a.deleted_at IS NULL AND (a.dirty = 1 OR b.dirty = 1) AND a.side = '{side}'
                 GROUP BY b.lead_id ON CONFLICT DO NOTHING"
                ),
                now,
            )
            .await?;
            attach(&mut tx, before).await?;
        }
        // The Operate lead that a Salesforce lead names is gone, or has another: nothing is created from such a lead.
        run(&mut tx,
            "INSERT INTO link (operate_id, salesforce_id, state, origin, created_at, updated_at)
             SELECT a.external_id, a.lead_id, 'deleted', 'external_id', ?1, ?1 FROM lead_state a
             WHERE a.link_id IS NULL AND a.dirty = 1 AND a.deleted_at IS NULL AND a.side = 'salesforce' AND a.external_id IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM link l WHERE l.operate_id = a.external_id) ON CONFLICT DO NOTHING", now).await?;
        run(&mut tx,
            "INSERT INTO link (salesforce_id, state, origin, blocked, created_at, updated_at)
             SELECT a.lead_id, 'parked', 'external_id',
                    'names Operate lead ' || a.external_id || ', which is linked to another Salesforce lead or was unlinked', ?1, ?1 FROM lead_state a
             WHERE a.link_id IS NULL AND a.dirty = 1 AND a.deleted_at IS NULL AND a.side = 'salesforce' AND a.external_id IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM link l WHERE l.salesforce_id = a.lead_id) ON CONFLICT DO NOTHING", now).await?;
        attach(&mut tx, before).await?;
        Ok(tx.commit().await?)
    }

    /// Gives leads that links name already their link.
    pub async fn attach_known(&self) -> Result<(), StoreError> {
        let mut connection = self.write().await?;
        let mut tx = connection.begin().await?;
        attach(&mut tx, 0).await?;
        Ok(tx.commit().await?)
    }

    /// The leads that are to be paired, in parts of so many.
    pub async fn parts(&self, limit: i64) -> Result<Vec<Part>, StoreError> {
        let mut parts = vec![Part::default()];
        while let Some(part) = parts.last_mut() {
            part.up_to = query_as(
                "SELECT side, lead_id FROM lead_state WHERE dirty = 1 AND link_id IS NULL AND (side, lead_id) > (?, ?)
                 ORDER BY side, lead_id LIMIT 1 OFFSET ?",
            )
            .bind(&part.after.0)
            .bind(&part.after.1)
            .bind(limit - 1)
            .fetch_optional(&mut *self.write().await?)
            .await?;
            let Some(after) = part.up_to.clone() else { break };
            parts.push(Part { after, up_to: None });
        }
        Ok(parts)
    }
}

pub(super) fn side(word: &str) -> Side {
    Side::parse(word).unwrap_or(Side::Operate)
}

/// What is to be looked for among the leads that changed, found by going through them once.
struct News {
    /// One is deleted.
    deleted: bool,
    /// One without a link names another or a link, or is named by one.
    named: bool,
}

impl News {
    async fn of(tx: &mut Connection) -> Result<Self, StoreError> {
        let row = query(
            "SELECT coalesce(max(iif(a.deleted_at IS NOT NULL, 1, 0)), 0) AS deleted, coalesce(max(iif(a.link_id IS NULL AND (
                 a.external_id IS NOT NULL
                 OR EXISTS (SELECT 1 FROM lead_state b WHERE b.external_id = a.lead_id)
                 OR EXISTS (SELECT 1 FROM link l WHERE a.side = 'operate' AND l.operate_id = a.lead_id)
                 OR EXISTS (SELECT 1 FROM link l WHERE a.side = 'salesforce' AND l.salesforce_id = a.lead_id)), 1, 0)), 0) AS named
             FROM lead_state a WHERE a.dirty = 1",
        )
        .fetch_one(&mut *tx)
        .await?;
        Ok(Self { deleted: row.try_get("deleted")?, named: row.try_get("named")? })
    }
}

/// Gives links that wait for a lead of this side theirs.
async fn claim(tx: &mut Connection, side: &str, id: &str, claims: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
    for sql in [
        format!(
            "UPDATE link SET base = coalesce((SELECT json_patch(link.base, p.base) FROM push p
                 WHERE p.link_id = link.link_id AND p.side = '{side}' AND p.state = 'sent'), base)
             WHERE link_id IN (SELECT l.link_id {claims})"
        ),
        format!(
            "UPDATE push SET state = iif(state = 'sent', 'done', 'superseded'), done_at = ?1
             WHERE side = '{side}' AND state IN ('due', 'sent', 'parked') AND link_id IN (SELECT l.link_id {claims})"
        ),
        format!(
            "UPDATE link SET {id} = (SELECT min(a.lead_id) {claims} AND l.link_id = link.link_id), updated_at = ?1
             WHERE link_id IN (SELECT l.link_id {claims})"
        ),
    ] {
        run(tx, &sql, now).await?;
    }
    Ok(())
}

async fn run(tx: &mut Connection, sql: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
    // The text is put together from constants of this file only.
    let query = query(sql.to_owned());
    if sql.contains("?1") { query.bind(stamp(now)) } else { query }.execute(&mut *tx).await?;
    Ok(())
}

pub(super) async fn newest_link(tx: &mut Connection) -> Result<i64, StoreError> {
    Ok(query_scalar("SELECT coalesce(max(link_id), 0) FROM link").fetch_one(&mut *tx).await?)
}

/// Leads whose link only says why they have none, and of which something changed, are unlinked leads again.
async fn dissolve(tx: &mut Connection) -> Result<(), StoreError> {
    query(
        "DELETE FROM link WHERE (origin = 'ambiguous' OR (origin = 'external_id' AND operate_id IS NULL))
             AND link_id IN (SELECT link_id FROM lead_state WHERE dirty = 1)",
    )
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// No lead is found by the keys of one that is deleted.
async fn forget_deleted(tx: &mut Connection) -> Result<(), StoreError> {
    query("DELETE FROM lead_key WHERE (side, lead_id) IN (SELECT side, lead_id FROM lead_state WHERE dirty = 1 AND deleted_at IS NOT NULL)")
        .execute(&mut *tx)
        .await?;
    Ok(())
}

/// Gives the leads of new links their link, and takes them out of the search.
pub(super) async fn attach(tx: &mut Connection, before: i64) -> Result<(), StoreError> {
    attach_and(tx, before, "").await
}

/// The same, and sets more of each `lead` by its link `l`.
pub(super) async fn attach_and(tx: &mut Connection, before: i64, more: &'static str) -> Result<(), StoreError> {
    for side in Side::BOTH {
        let attaching = format!(
            "UPDATE lead_state AS lead SET link_id = l.link_id{more} FROM link l
             WHERE l.link_id > ? AND lead.side = '{side}' AND lead.lead_id = l.{side}_id AND lead.link_id IS NULL"
        );
        if query(attaching).bind(before).execute(&mut *tx).await? > 0 {
            drop_keys_of(tx, side, &format!("SELECT {side}_id FROM link WHERE link_id > ?"), before).await?;
        }
    }
    Ok(())
}
