//! Links as lists of pairs: out, and in. Millions of them pass through in constant memory; what comes in is kept whole or not at all.

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::audit::{Actor, note};
use super::observe::drop_keys;
use super::relink::whole;
use super::sql::{Connection, query, query_as, query_scalar};
use super::state::refresh;
use super::{Store, StoreError, stamp};
use crate::lead::Side;

/// A link as it is exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportedLink {
    /// Operate's lead.
    pub operate_id: Option<String>,
    /// Salesforce's lead.
    pub salesforce_id: Option<String>,
    /// The state.
    pub state: String,
    /// Why.
    pub reason: Option<String>,
    /// Since when there is one.
    pub created_at: String,
    /// When its state last changed.
    pub updated_at: String,
}

/// A pair that somebody knows of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownPair {
    /// Its line in the file.
    pub line: u64,
    /// Operate's lead.
    pub operate_id: String,
    /// Salesforce's lead, its id in 15 or 18 characters.
    pub salesforce_id: String,
}

/// What an import came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Pairs that were linked, or would be.
    pub linked: u64,
    /// Pairs that were linked before, or are on several lines.
    pub known: u64,
    /// The first lines that are refused. If there is one, nothing was changed.
    pub refused: Vec<RefusedLine>,
}

/// A line that contradicts what is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedLine {
    /// Its number.
    pub line: i64,
    /// Why.
    pub reason: String,
}

/// So many refused lines are told.
pub const REFUSED_LINES: usize = 1_000;

/// Pairs that are linked by one statement.
const CHUNK: i64 = 5_000;

/// Why a line cannot be kept. `{id}`, `{other}`: the columns of the side that is looked at, and of the other; `{side}`, `{title}`: its words.
const REFUSALS: [&str; 7] = [
    "SELECT i.line, '{title} lead ' || i.{id} || ' is on line ' || d.first || ' too, with another lead' FROM temp.import i
     JOIN (SELECT {id}, min(line) AS first FROM temp.import GROUP BY {id} HAVING count(DISTINCT {other}) > 1) d USING ({id})
     WHERE i.line > d.first",
    "SELECT i.line, '{title} lead ' || i.{id} || ' is linked with ' || l.{other} || ': `leadsync relink` links it anew' FROM temp.import i
     JOIN link l ON l.{id} = i.{id} WHERE l.{other} <> i.{other} AND l.unlinked_at IS NULL",
    "SELECT i.line, '{title} lead ' || i.{id} || ' was unlinked: `leadsync relink` links it again' FROM temp.import i
     JOIN link l ON l.{id} = i.{id} WHERE l.unlinked_at IS NOT NULL",
    "SELECT i.line, 'a write for {title} lead ' || i.{id} || ' is under way: try again after the next cycle' FROM temp.import i
     JOIN link l ON l.{id} = i.{id} JOIN push p ON p.link_id = l.link_id WHERE l.{other} IS NULL AND p.state = 'sent'",
    "SELECT i.line, '{title} lead ' || i.{id} || ' is deleted' FROM temp.import i
     JOIN lead_state a ON a.side = '{side}' AND a.lead_id = i.{id} WHERE a.deleted_at IS NOT NULL",
    // Before the first poll nobody knows what is there.
    "SELECT i.line, 'no {title} lead ' || i.{id} || ' was ever seen: check the id, and whether it is within the filter' FROM temp.import i
     WHERE EXISTS (SELECT 1 FROM checkpoint WHERE side = '{side}' AND polled_at IS NOT NULL)
       AND NOT EXISTS (SELECT 1 FROM lead_state a WHERE a.side = '{side}' AND a.lead_id = i.{id})
       AND NOT EXISTS (SELECT 1 FROM link l WHERE l.{id} = i.{id} AND l.{other} = i.{other})",
    "SELECT i.line, '`' || i.{id} || '` is no id' FROM temp.import i WHERE ltrim(i.{id}, '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-') <> ''",
];

/// Links the pairs of the lines `?1` to `?2`; `?3` is now. Whatever is refused is not among them.
const LINK: [&str; 11] = [
    // What was to be made for one of them alone is not made.
    "UPDATE push SET state = 'superseded', done_at = ?3 WHERE state IN ('due', 'parked') AND link_id IN (
         SELECT l.link_id FROM temp.import i JOIN link l ON l.operate_id = i.operate_id WHERE i.line BETWEEN ?1 AND ?2
         UNION SELECT l.link_id FROM temp.import i JOIN link l ON l.salesforce_id = i.salesforce_id WHERE i.line BETWEEN ?1 AND ?2)",
    "DELETE FROM temp.halves WHERE ?1 <= ?2 AND ?3 <> ''",
    "INSERT INTO temp.halves SELECT o.link_id, s.link_id FROM temp.import i JOIN link o ON o.operate_id = i.operate_id
     JOIN link s ON s.salesforce_id = i.salesforce_id WHERE o.link_id <> s.link_id AND i.line BETWEEN ?1 AND ?2 AND ?3 <> ''",
    "UPDATE push SET link_id = h.ours FROM temp.halves h WHERE push.link_id = h.theirs AND ?1 <= ?2 AND ?3 <> ''",
    "UPDATE conflict SET link_id = h.ours FROM temp.halves h WHERE conflict.link_id = h.theirs AND ?1 <= ?2 AND ?3 <> ''",
    "DELETE FROM link WHERE link_id IN (SELECT theirs FROM temp.halves) AND ?1 <= ?2 AND ?3 <> ''",
    "UPDATE link SET salesforce_id = i.salesforce_id, base = '{}', blocked = NULL, origin = 'match', words = words + 1
     FROM temp.import i WHERE link.operate_id = i.operate_id AND i.line BETWEEN ?1 AND ?2 AND ?3 <> ''",
    "UPDATE link SET operate_id = i.operate_id, base = '{}', blocked = NULL, origin = 'match', words = words + 1
     FROM temp.import i WHERE link.salesforce_id = i.salesforce_id AND link.operate_id IS NULL AND i.line BETWEEN ?1 AND ?2 AND ?3 <> ''",
    "INSERT INTO link (operate_id, salesforce_id, state, origin, created_at, updated_at)
     SELECT i.operate_id, i.salesforce_id, 'pending', 'match', ?3, ?3 FROM temp.import i
     WHERE i.line BETWEEN ?1 AND ?2 AND NOT EXISTS (SELECT 1 FROM link l WHERE l.operate_id = i.operate_id) ORDER BY i.line",
    "UPDATE lead_state AS lead SET link_id = l.link_id, dirty = 1 FROM temp.import i JOIN link l ON l.operate_id = i.operate_id
     WHERE i.line BETWEEN ?1 AND ?2 AND ?3 <> '' AND lead.side = 'operate' AND lead.lead_id = i.operate_id",
    "UPDATE lead_state AS lead SET link_id = l.link_id, dirty = 1 FROM temp.import i JOIN link l ON l.operate_id = i.operate_id
     WHERE i.line BETWEEN ?1 AND ?2 AND ?3 <> '' AND lead.side = 'salesforce' AND lead.lead_id = i.salesforce_id",
];

impl Store {
    /// Hands out every link, the oldest first, until `take` says no.
    pub async fn each_link(&self, mut take: impl FnMut(ExportedLink) -> bool) -> Result<(), StoreError> {
        let mut reader = self.read.reader().await?;
        let links = "SELECT operate_id, salesforce_id, state, reason, created_at, updated_at FROM link ORDER BY link_id";
        let mut rows = query(links).stream(&mut reader);
        while let Some(row) = rows.try_next().await? {
            let link = ExportedLink {
                operate_id: row.try_get("operate_id")?,
                salesforce_id: row.try_get("salesforce_id")?,
                state: row.try_get("state")?,
                reason: row.try_get("reason")?,
                created_at: row.try_get("created_at")?,
                updated_at: row.try_get("updated_at")?,
            };
            if !take(link) {
                break;
            }
        }
        Ok(())
    }

    /// Begins an import.
    pub async fn start_import(&self) -> Result<(), StoreError> {
        for sql in [
            "CREATE TEMP TABLE IF NOT EXISTS import (line INTEGER PRIMARY KEY, operate_id TEXT COLLATE BINARY NOT NULL,
                 salesforce_id TEXT COLLATE BINARY NOT NULL)",
            "CREATE INDEX IF NOT EXISTS import_by_operate ON import (operate_id, salesforce_id)",
            "CREATE INDEX IF NOT EXISTS import_by_salesforce ON import (salesforce_id, operate_id)",
            "CREATE TEMP TABLE IF NOT EXISTS halves (ours BIGINT NOT NULL, theirs BIGINT NOT NULL)",
            "DELETE FROM temp.import",
        ] {
            query(sql).execute(&mut *self.write().await?).await?;
        }
        Ok(())
    }

    /// Takes part of the pairs.
    pub async fn take_pairs(&self, pairs: &[KnownPair]) -> Result<(), StoreError> {
        let row = |pair: &KnownPair| json!([pair.line, pair.operate_id, whole(Side::Salesforce, &pair.salesforce_id)]);
        query("INSERT INTO temp.import SELECT CAST(value ->> 0 AS BIGINT), value ->> 1, value ->> 2 FROM json_each(?)")
            .bind(pairs.iter().map(row).collect::<Json>().to_string())
            .execute(&mut *self.write().await?)
            .await?;
        Ok(())
    }

    /// Links the pairs that were taken, all of them or none. They meet as at first: what they have is compared without a base.
    pub async fn import(&self, dry_run: bool, actor: Actor, now: DateTime<Utc>) -> Result<Imported, StoreError> {
        let mut connection = self.write().await?;
        let mut tx = connection.begin().await?;
        let refused = refused(&mut tx).await?;
        if !refused.is_empty() {
            return Ok(Imported { refused, ..Imported::default() });
        }
        let mut known = 0;
        for sql in [
            "DELETE FROM temp.import WHERE EXISTS (SELECT 1 FROM link l
                 WHERE l.operate_id = import.operate_id AND l.salesforce_id = import.salesforce_id)",
            "DELETE FROM temp.import WHERE EXISTS (SELECT 1 FROM temp.import d WHERE d.operate_id = import.operate_id AND d.line < import.line)",
        ] {
            known += query(sql).execute(&mut *tx).await?;
        }
        let mut imported = Imported { known, ..Imported::default() };
        let mut after = 0;
        loop {
            let lines: Vec<i64> = query_scalar("SELECT line FROM temp.import WHERE line > ? ORDER BY line LIMIT ?")
                .bind(after)
                .bind(CHUNK)
                .fetch_all(&mut *tx)
                .await?;
            let (Some(first), Some(last)) = (lines.first(), lines.last()) else { break };
            link_lines(&mut tx, *first, *last, now).await?;
            imported.linked += lines.len() as u64;
            after = *last;
        }
        let detail = format!("{} pair(s)", imported.linked);
        note(&mut tx, actor, "import", None, Some(&detail), now).await?;
        if !dry_run {
            tx.commit().await?;
        }
        Ok(imported)
    }
}

async fn refused(connection: &mut Connection) -> Result<Vec<RefusedLine>, StoreError> {
    let mut refused: Vec<RefusedLine> = Vec::new();
    for (side, id, other) in [(Side::Operate, "operate_id", "salesforce_id"), (Side::Salesforce, "salesforce_id", "operate_id")] {
        for sql in REFUSALS {
            let sql = sql.replace("{id}", id).replace("{other}", other).replace("{side}", side.as_str());
            let sql = format!("{} ORDER BY 1 LIMIT {REFUSED_LINES}", sql.replace("{title}", side.title()));
            let rows: Vec<(i64, String)> = query_as(sql).fetch_all(&mut *connection).await?;
            refused.extend(rows.into_iter().map(|(line, reason)| RefusedLine { line, reason }));
        }
    }
    refused.sort_by_key(|line| line.line);
    refused.dedup_by_key(|line| line.line);
    refused.truncate(REFUSED_LINES);
    Ok(refused)
}

async fn link_lines(connection: &mut Connection, first: i64, last: i64, now: DateTime<Utc>) -> Result<(), StoreError> {
    for sql in LINK {
        query(sql).bind(first).bind(last).bind(stamp(now)).execute(&mut *connection).await?;
    }
    for (side, id) in [(Side::Operate, "operate_id"), (Side::Salesforce, "salesforce_id")] {
        let sql = format!("SELECT {id} FROM temp.import WHERE line BETWEEN ? AND ?");
        let ids: Vec<String> = query_scalar(sql).bind(first).bind(last).fetch_all(&mut *connection).await?;
        drop_keys(connection, side, &Json::from(ids).to_string()).await?;
    }
    let links: Vec<i64> = query_scalar(
        "SELECT l.link_id FROM temp.import i JOIN link l ON l.operate_id = i.operate_id WHERE i.line BETWEEN ? AND ?",
    )
    .bind(first)
    .bind(last)
    .fetch_all(&mut *connection)
    .await?;
    refresh(connection, &Json::from(links).to_string(), now).await
}
