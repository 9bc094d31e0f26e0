//! What was decided about links, kept in one transaction.

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::many::Rows;
use super::sql::{Connection, query, query_scalar};
use super::state::refresh;
use super::{Store, StoreError, stamp};
use crate::lead::{PerSide, Side};
use crate::side::WriteKind;

/// A write to be stored.
#[derive(Debug, Clone)]
pub struct NewPush {
    /// The link.
    pub link_id: i64,
    /// The side that is written.
    pub side: Side,
    /// What it does.
    pub kind: WriteKind,
    /// Whether it is of a first pairing, or only names the other lead: no brake counts it.
    pub initial: bool,
    /// What it gives, encoded; null clears.
    pub fields: Json,
    /// What that side had, encoded.
    pub before: Json,
    /// What the base becomes, as a merge patch.
    pub base: Json,
    /// The write that it reverses.
    pub undoes: Option<i64>,
}

/// A conflict to be stored.
#[derive(Debug, Clone)]
pub struct NewConflict {
    /// The field's name.
    pub field: String,
    /// The base, encoded.
    pub base: Json,
    /// Both values, encoded.
    pub values: PerSide<Json>,
    /// What decided it.
    pub rule: &'static str,
    /// Who won; `None` while it is open, and where each side keeps its own.
    pub winner: Option<Side>,
}

/// What was decided about a link.
#[derive(Debug, Clone)]
pub struct Decided {
    /// The link.
    pub link_id: i64,
    /// [`words`](super::DirtyLink::words) as it was when this was decided.
    pub words: i64,
    /// The base as it is now.
    pub base: String,
    /// A value that cannot be translated.
    pub blocked: Option<String>,
    /// Sides whose unsettled, unsent write is overtaken.
    pub supersede: Vec<Side>,
    /// The side whose lead is gone and is to be made anew: the link lets go of the old one.
    pub forget: Option<Side>,
    /// New writes.
    pub pushes: Vec<NewPush>,
    /// New conflicts.
    pub conflicts: Vec<NewConflict>,
    /// Open conflicts that are none any more, by field.
    pub closed: Vec<String>,
}

impl Decided {
    /// Whether nothing is left to be done for it, or said about it.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        let Self { link_id: _, words: _, base: _, supersede: _, blocked, forget, pushes, conflicts, closed } = self;
        blocked.is_none() && forget.is_none() && pushes.is_empty() && conflicts.is_empty() && closed.is_empty()
    }
}

impl Store {
    /// Keeps decisions, in one transaction; but not those of links about which a person said something meanwhile.
    pub async fn decide(&self, decided: &[Decided], now: DateTime<Utc>) -> Result<(), StoreError> {
        if decided.is_empty() {
            return Ok(());
        }
        let mut connection = self.write().await?;
        let mut tx = connection.begin().await?;
        let overtaken = overtaken(&mut tx, decided).await?;
        let decided: Vec<&Decided> = decided.iter().filter(|link| !overtaken.contains(&link.link_id)).collect();
        let links = decided.iter().map(|link| link.link_id).collect::<Json>().to_string();
        let superseded = decided.iter().flat_map(|link| link.supersede.iter().map(|side| json!([link.link_id, side.as_str()])));
        let conflicts = decided.iter().flat_map(|link| link.conflicts.iter().map(|conflict| conflict.row(link.link_id, now)));
        let closed = decided.iter().flat_map(|link| link.closed.iter().map(|field| json!([link.link_id, field])));
        let pushes: Vec<NewPush> = decided.iter().flat_map(|link| link.pushes.iter().cloned()).collect();

        forget(&mut tx, &decided).await?;
        rebase(&mut tx, &decided).await?;
        for (sql, rows) in [
            (
                "UPDATE push SET state = 'superseded', done_at = ?1 FROM json_each(?2) j
                 WHERE push.link_id = CAST(j.value ->> 0 AS BIGINT) AND push.side = j.value ->> 1 AND push.state IN ('due', 'parked')",
                Json::Array(superseded.collect()),
            ),
            (
                "UPDATE conflict SET state = 'settled', settled_at = ?1 FROM json_each(?2) j
                 WHERE conflict.link_id = CAST(j.value ->> 0 AS BIGINT) AND conflict.field = j.value ->> 1 AND conflict.state = 'open'",
                Json::Array(closed.collect()),
            ),
            (
                "INSERT INTO conflict (link_id, field, base_value, operate_value, salesforce_value, rule, winner, state, found_at, settled_at)
                 SELECT CAST(j.value ->> 0 AS BIGINT), j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6,
                        iif(j.value ->> 5 = 'manual' AND j.value ->> 6 IS NULL, 'open', 'settled'), ?1,
                        iif(j.value ->> 5 = 'manual' AND j.value ->> 6 IS NULL, NULL, ?1)
                 FROM json_each(?2) j
                 WHERE NOT EXISTS (SELECT 1 FROM conflict c
                     WHERE c.conflict_id = (SELECT max(conflict_id) FROM conflict WHERE link_id = CAST(j.value ->> 0 AS BIGINT) AND field = j.value ->> 1)
                       AND c.operate_value IS NOT DISTINCT FROM j.value ->> 3 AND c.salesforce_value IS NOT DISTINCT FROM j.value ->> 4 AND c.base_value IS NOT DISTINCT FROM j.value ->> 2
                       AND c.winner IS NOT DISTINCT FROM j.value ->> 6 AND (c.rule <> 'manual' OR c.winner IS NOT NULL OR c.state = 'open'))",
                Json::Array(conflicts.collect()),
            ),
        ] {
            if rows.as_array().is_some_and(|rows| !rows.is_empty()) {
                query(sql).bind(stamp(now)).bind(rows.to_string()).execute(&mut *tx).await?;
            }
        }
        insert_pushes(&mut tx, &pushes, now).await?;
        query("UPDATE lead_state SET dirty = 0, former = NULL WHERE (dirty = 1 OR former IS NOT NULL) AND link_id IN (SELECT CAST(value AS BIGINT) FROM json_each(?))")
            .bind(&links)
            .execute(&mut *tx)
            .await?;
        refresh(&mut tx, &links, now).await?;
        Ok(tx.commit().await?)
    }
}

impl NewConflict {
    fn row(&self, link_id: i64, now: DateTime<Utc>) -> Json {
        json!([
            link_id,
            self.field,
            self.base.to_string(),
            self.values.operate.to_string(),
            self.values.salesforce.to_string(),
            self.rule,
            self.winner.map(Side::as_str),
            stamp(now),
        ])
    }
}

/// The links about which a person said something since they were read.
async fn overtaken(tx: &mut Connection, decided: &[Decided]) -> Result<Vec<i64>, StoreError> {
    let rows = decided.iter().map(|link| json!([link.link_id, link.words])).collect::<Json>();
    Ok(query_scalar(
        "SELECT l.link_id FROM json_each(?) j JOIN link l ON l.link_id = CAST(j.value ->> 0 AS BIGINT) WHERE l.words <> CAST(j.value ->> 1 AS BIGINT)",
    )
    .bind(rows.to_string())
    .fetch_all(&mut *tx)
    .await?)
}

/// Moves the base of links, and says what blocks them.
async fn rebase(tx: &mut Connection, decided: &[&Decided]) -> Result<(), StoreError> {
    let update = Rows {
        before: "UPDATE link SET base = r.column2, blocked = r.column3 FROM (VALUES".into(),
        parameters: 3,
        after: ") r WHERE link.link_id = r.column1 AND (base <> r.column2 OR blocked IS DISTINCT FROM r.column3)",
    };
    update.run(tx, decided, |query, link| query.bind(link.link_id).bind(&link.base).bind(&link.blocked)).await
}

/// Lets links go of leads that are to be made anew.
async fn forget(tx: &mut Connection, decided: &[&Decided]) -> Result<(), StoreError> {
    let forgotten = decided.iter().filter_map(|link| link.forget.map(|side| json!([link.link_id, side.as_str()])));
    let rows = Json::Array(forgotten.collect());
    if rows.as_array().is_none_or(Vec::is_empty) {
        return Ok(());
    }
    for sql in [
        "UPDATE lead_state AS lead SET link_id = NULL, dirty = 0 FROM json_each(?1) j
         WHERE lead.link_id = CAST(j.value ->> 0 AS BIGINT) AND lead.side = j.value ->> 1",
        "UPDATE link SET origin = 'create', operate_id = iif(j.value ->> 1 = 'operate', NULL, operate_id),
             salesforce_id = iif(j.value ->> 1 = 'salesforce', NULL, salesforce_id)
         FROM json_each(?1) j WHERE link.link_id = CAST(j.value ->> 0 AS BIGINT)",
    ] {
        query(sql).bind(rows.to_string()).execute(&mut *tx).await?;
    }
    Ok(())
}

/// Stores writes, due now.
pub(super) async fn insert_pushes(tx: &mut Connection, pushes: &[NewPush], now: DateTime<Utc>) -> Result<(), StoreError> {
    if pushes.is_empty() {
        return Ok(());
    }
    let rows = pushes.iter().map(|push| {
        json!([
            push.link_id,
            push.side.as_str(),
            push.kind.as_str(),
            push.fields.to_string(),
            push.before.to_string(),
            push.base.to_string(),
            i32::from(push.initial),
            push.undoes,
        ])
    });
    query(
        "INSERT INTO push (link_id, side, kind, fields, before, base, initial, undoes, state, due_at, created_at, mapping_id)
         SELECT CAST(j.value ->> 0 AS BIGINT), j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, CAST(j.value ->> 6 AS BIGINT),
                CAST(j.value ->> 7 AS BIGINT), 'due', ?1, ?1,
                (SELECT max(mapping_id) FROM mapping)
         FROM json_each(?2) j ORDER BY j.key",
    )
    .bind(stamp(now))
    .bind(Json::Array(rows.collect()).to_string())
    .execute(&mut *tx)
    .await?;
    Ok(())
}
