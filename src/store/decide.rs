//! Decisions: links whose leads changed, and what was decided about them.

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::many::Rows;
use super::sql::{Connection, Row, query, query_scalar};
use super::state::refresh;
use super::{Store, StoreError, stamp, time};
use crate::lead::{PerSide, Side};
use crate::side::WriteKind;

/// A link of which a lead has changed.
#[derive(Debug, Clone)]
pub struct DirtyLink {
    /// The link.
    pub link_id: i64,
    /// How often a person had it decided anew.
    pub words: i64,
    /// Its encoded base.
    pub base: String,
    /// Whether a person keeps its leads apart.
    pub unlinked: bool,
    /// What is known of the ids that Salesforce leads hold of Operate leads.
    pub names: Names,
    /// Whether this program made one of its leads.
    pub created: bool,
    /// Both leads, as far as there are any.
    pub leads: PerSide<Option<LeadRow>>,
    /// The writes that are not settled, encoded: side, state and fields.
    pub unsettled: Vec<(Side, String, Json)>,
    /// What a person wants reversed, as far as it was not sent yet.
    pub undo: Vec<Undo>,
    /// Whether one of its leads, which this program had made, was deleted again because a person wanted that.
    pub uncreated: bool,
    /// A person's word on conflicts that are not carried out yet: field, side, and both values as they stood, encoded.
    pub resolved: Vec<(String, Side, PerSide<Json>)>,
    /// The fields with an open conflict, with both values as they stood, encoded.
    pub open: Vec<(String, PerSide<Json>)>,
    /// The last writes that changed a lead, encoded: side and fields, the newest first.
    pub recent: Vec<(Side, Json)>,
}

impl DirtyLink {
    /// A link of two leads that have none yet. The row holds both leads, and what is known of the ids that are held.
    pub(super) fn of_match(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            link_id: 0,
            words: 0,
            base: "{}".to_owned(),
            unlinked: false,
            names: Names { taken: row.try_get("name_is_taken")?, gone: row.try_get("named_is_gone")? },
            created: false,
            leads: PerSide { operate: lead_row(row, 0)?, salesforce: lead_row(row, LEAD_COLUMNS)? },
            unsettled: Vec::new(),
            undo: Vec::new(),
            uncreated: false,
            resolved: Vec::new(),
            open: Vec::new(),
            recent: Vec::new(),
        })
    }

    /// Whether a write was sent of which nobody knows what became.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.unsettled.iter().any(|(_, state, _)| state == "sent")
    }
}

/// What is known of the ids that Salesforce leads hold of Operate leads, as far as a link is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    /// Another Salesforce lead that is there still names the link's Operate lead.
    pub taken: bool,
    /// The Operate lead that the link's Salesforce lead names is known to be deleted.
    pub gone: bool,
}

/// A stored lead.
#[derive(Debug, Clone)]
pub struct LeadRow {
    /// Its id.
    pub lead_id: String,
    /// By that server's clock.
    pub modified_at: DateTime<Utc>,
    /// When its mapped fields last changed by other hands than ours.
    pub changed_at: DateTime<Utc>,
    /// Its encoded values.
    pub fields: String,
    /// The other side's id, as this side holds it.
    pub external_id: Option<String>,
    /// Whether it is read-only.
    pub converted: bool,
    /// Whether it is gone.
    pub deleted: bool,
    /// What it was merged into.
    pub master_id: Option<String>,
    /// What it was under the mapping that the base is of, where that is another than the present one.
    pub former: Option<FormerRow>,
}

/// A lead as it was under an earlier mapping.
#[derive(Debug, Clone)]
pub struct FormerRow {
    /// The mapping.
    pub mapping_id: i64,
    /// Its encoded values.
    pub fields: Json,
    /// Whether it was not modified since.
    pub unmoved: bool,
}

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

/// A write that reverses another one and was not sent yet.
#[derive(Debug, Clone)]
pub struct Undo {
    /// The side that is written.
    pub side: Side,
    /// The write that it reverses.
    pub undoes: i64,
    /// What it gives, encoded.
    pub fields: Json,
    /// What it takes the place of, encoded.
    pub before: Json,
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
    /// [`DirtyLink::words`] as it was when this was decided.
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
    /// The next `limit` links after `after` of which a lead changed, each with its writes since `recent`.
    pub async fn dirty_links(&self, after: i64, limit: i64, recent: DateTime<Utc>) -> Result<Vec<DirtyLink>, StoreError> {
        let rows = query(format!(
            "SELECT {LEADS},
                    l.link_id, l.words, l.base, l.origin, l.unlinked_at IS NOT NULL AS unlinked,
                    EXISTS (SELECT 1 FROM lead_state n WHERE n.external_id = l.operate_id AND n.side = 'salesforce' AND n.link_id <> l.link_id
                        AND n.deleted_at IS NULL) AS name_is_taken,
                    EXISTS (SELECT 1 FROM lead_state n WHERE n.side = 'operate' AND n.lead_id = s.external_id
                        AND n.deleted_at IS NOT NULL) AS named_is_gone,
                    (SELECT string_agg('[\"' || p.side || '\",\"' || p.state || '\",' || p.fields || ',' || coalesce(CAST(p.undoes AS TEXT), 'null')
                         || ',' || p.before || ']', ',') FROM push p
                     WHERE p.link_id = l.link_id AND p.state IN ('due', 'sent', 'parked')) AS unsettled,
                    EXISTS (SELECT 1 FROM push p WHERE p.link_id = l.link_id AND p.kind = 'delete' AND p.state = 'done' AND p.undoes IS NOT NULL)
                        AS uncreated,
                    (SELECT string_agg('[\"' || c.field || '\",' || json_quote(c.winner) || ',' || coalesce(c.operate_value, 'null') || ','
                         || coalesce(c.salesforce_value, 'null') || ']', ',')
                     FROM conflict c WHERE c.link_id = l.link_id AND c.rule = 'manual' AND (c.state = 'open' OR c.winner IS NOT NULL) AND c.conflict_id IN (
                         SELECT max(d.conflict_id) FROM conflict d WHERE d.link_id = l.link_id GROUP BY d.field)) AS manual,
                    (SELECT string_agg('[\"' || r.side || '\",' || r.fields || ']', ',' ORDER BY r.push_id DESC) FROM (
                         SELECT p.push_id, p.side, p.fields FROM push p WHERE p.link_id = l.link_id AND p.kind = 'update' AND p.state = 'done'
                             AND p.done_at > max(?3, coalesce(l.retried_at, '')) ORDER BY p.push_id DESC LIMIT 12) r) AS recent
             FROM (SELECT DISTINCT link_id FROM lead_state WHERE dirty = 1 AND link_id > ?1
                       AND link_id NOT IN (SELECT link_id FROM lead_state WHERE aside IS NOT NULL AND link_id IS NOT NULL)
                   ORDER BY link_id LIMIT ?2) d
             JOIN link l USING (link_id)
             LEFT JOIN lead_state o ON o.side = 'operate' AND o.lead_id = l.operate_id
             LEFT JOIN lead_values ov ON ov.side = 'operate' AND ov.lead_id = l.operate_id
             LEFT JOIN lead_state s ON s.side = 'salesforce' AND s.lead_id = l.salesforce_id
             LEFT JOIN lead_values sv ON sv.side = 'salesforce' AND sv.lead_id = l.salesforce_id
             ORDER BY l.link_id",
        ))
        .bind(after)
        .bind(limit)
        .bind(stamp(recent))
        .fetch_all(&mut *self.write().await?)
        .await?;
        rows.iter().map(dirty_link).collect()
    }

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

fn dirty_link(row: &Row) -> Result<DirtyLink, StoreError> {
    let list = |name: &str| -> Result<Vec<Json>, StoreError> {
        let Some(elements) = row.try_get::<Option<&str>, _>(name)? else { return Ok(Vec::new()) };
        Ok(serde_json::from_str(&format!("[{elements}]")).unwrap_or_default())
    };
    let word = |json: &Json, place: usize| json.get(place).and_then(Json::as_str).unwrap_or_default().to_owned();
    let part = |json: &Json, place: usize| json.get(place).cloned().unwrap_or_default();
    let mut resolved = Vec::new();
    let mut open = Vec::new();
    for conflict in list("manual")? {
        let values = PerSide { operate: part(&conflict, 2), salesforce: part(&conflict, 3) };
        match Side::parse(&word(&conflict, 1)) {
            Some(side) => resolved.push((word(&conflict, 0), side, values)),
            None => open.push((word(&conflict, 0), values)),
        }
    }
    let unsettled = list("unsettled")?;
    let unsettled = unsettled.iter().filter_map(|push| Some((Side::parse(&word(push, 0))?, word(push, 1), part(push, 2))));
    let undo = list("unsettled")?;
    let undo = undo.iter().filter_map(|push| {
        let (side, undoes) = (Side::parse(&word(push, 0))?, push.get(3)?.as_i64()?);
        Some(Undo { side, undoes, fields: part(push, 2), before: part(push, 4) })
    });
    let recent = list("recent")?;
    let origin: &str = row.try_get("origin")?;
    Ok(DirtyLink {
        link_id: row.try_get("link_id")?,
        words: row.try_get("words")?,
        unlinked: row.try_get("unlinked")?,
        names: Names { taken: row.try_get("name_is_taken")?, gone: row.try_get("named_is_gone")? },
        base: row.try_get("base")?,
        created: origin == "create",
        leads: PerSide { operate: lead_row(row, 0)?, salesforce: lead_row(row, LEAD_COLUMNS)? },
        unsettled: unsettled.collect(),
        undo: undo.collect(),
        uncreated: row.try_get("uncreated")?,
        resolved,
        open,
        recent: recent.iter().filter_map(|push| Some((Side::parse(&word(push, 0))?, part(push, 1)))).collect(),
    })
}

/// The columns of both leads of a link, as [`lead_row`] takes them: their states are `o` and `s`, their values `ov` and `sv`.
pub(super) const LEADS: &str =
    "o.lead_id, o.modified_at, o.changed_at, ov.fields, o.external_id, o.converted, o.master_id, o.deleted_at IS NOT NULL, o.former,
     s.lead_id, s.modified_at, s.changed_at, sv.fields, s.external_id, s.converted, s.master_id, s.deleted_at IS NOT NULL, s.former";

/// How many of them are a lead's.
const LEAD_COLUMNS: usize = 9;

/// The lead whose columns begin with this one.
fn lead_row(row: &Row, first: usize) -> Result<Option<LeadRow>, StoreError> {
    let Some(lead_id) = row.try_get(first)? else { return Ok(None) };
    let modified_at: &str = row.try_get(first + 1)?;
    Ok(Some(LeadRow {
        lead_id,
        modified_at: time(modified_at),
        changed_at: time(row.try_get(first + 2)?),
        fields: row.try_get(first + 3)?,
        external_id: row.try_get(first + 4)?,
        converted: row.try_get(first + 5)?,
        master_id: row.try_get(first + 6)?,
        deleted: row.try_get(first + 7)?,
        former: row.try_get::<Option<&str>, _>(first + 8)?.and_then(|former| former_row(former, modified_at)),
    }))
}

fn former_row(former: &str, modified_at: &str) -> Option<FormerRow> {
    let former: Json = serde_json::from_str(former).ok()?;
    Some(FormerRow {
        // There is none for what was read before mappings were kept.
        mapping_id: former.get("mapping").and_then(Json::as_i64).unwrap_or_default(),
        fields: former.get("fields").cloned().unwrap_or_default(),
        unmoved: former.get("modified_at").and_then(Json::as_str) == Some(modified_at),
    })
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
