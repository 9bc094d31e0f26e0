//! Links of which a lead changed, with all that is known for a decision.

use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use super::sql::{Row, query};
use super::{Store, StoreError, stamp, time};
use crate::lead::{PerSide, Side};

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

impl Store {
    /// The next `limit` links after `after` of which a lead changed, each with its writes since `recent`.
    pub async fn dirty_links(&self, after: i64, limit: i64, recent: DateTime<Utc>) -> Result<Vec<DirtyLink>, StoreError> {
        let rows = query(format!(
            "SELECT {LEADS},
                    l.link_id, l.words, l.base, l.origin, l.unlinked_at IS NOT NULL AS unlinked,
                    EXISTS (SELECT 1 FROM lead_state n WHERE n.external_id = l.operate_id AND n.side = 'salesforce' AND n.link_id <> l.link_id
                        AND n.deleted_at IS NULL) AS name_is_taken,
                    {NAMED_IS_GONE},
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

/// Whether the Operate lead that `s` names is known to be deleted. PostgreSQL would put all rows of an `EXISTS` into a table first.
pub(super) const NAMED_IS_GONE: &str = "(SELECT n.side FROM lead_state n WHERE n.side = 'operate' AND n.lead_id = s.external_id
     AND n.deleted_at IS NOT NULL LIMIT 1) IS NOT NULL AS named_is_gone";

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
