//! All that is known of one lead, for its page: both sides, what is under way, and what happened.

use serde_json::Value as Json;

use super::listing::Slice;
use super::sql::{Row, query, query_scalar};
use super::{Store, StoreError};
use crate::lead::{PerSide, Side};

/// All that is known of one lead but what happened to it.
#[derive(Debug, Clone, Default)]
pub struct Dossier {
    /// How it is paired, if it is.
    pub link: Option<LinkRow>,
    /// Both leads.
    pub leads: PerSide<Option<SeenLead>>,
    /// Writes that are not settled.
    pub writes: Vec<Event>,
    /// Conflicts that wait for a person.
    pub open: Vec<Event>,
}

/// A pairing.
#[derive(Debug, Clone, Default)]
pub struct LinkRow {
    /// Its number.
    pub link_id: i64,
    /// Its state.
    pub state: String,
    /// Why it does not move.
    pub reason: Option<String>,
    /// What both had when they were last in step: a value, or Operate's and Salesforce's.
    pub base: Json,
    /// Since when.
    pub created_at: String,
}

/// A lead as it was seen last.
#[derive(Debug, Clone, Default)]
pub struct SeenLead {
    /// Its id.
    pub lead_id: String,
    /// By that server's clock.
    pub modified_at: String,
    /// Its values by field name.
    pub fields: Json,
    /// Since when it is gone.
    pub deleted_at: Option<String>,
    /// Whether it is read-only.
    pub converted: bool,
    /// Whether the next cycle looks at it.
    pub dirty: bool,
}

/// What kind of event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Of {
    /// A write.
    #[default]
    Write,
    /// A conflict.
    Conflict,
    /// What a person did about the lead, or the daemon by itself.
    Action,
}

/// A write, a conflict, or an action.
#[derive(Debug, Clone, Default)]
pub struct Event {
    /// The number of the push, of the conflict, or of the row of `audit`.
    pub number: i64,
    /// When: its end, or its beginning where it has none.
    pub at: String,
    /// What it is.
    pub of: Of,
    /// The side written, or the winner.
    pub side: Option<Side>,
    /// `create`, `update`, `delete`; for a conflict its rule; for an action its word.
    pub kind: String,
    /// A conflict's field.
    pub field: String,
    /// Its state; for an action by what means it was done.
    pub state: String,
    /// What was there, by field name; for a conflict the base.
    pub before: Json,
    /// What was given, by field name; for a conflict Operate's and Salesforce's value.
    pub after: Json,
    /// How often it was tried.
    pub attempts: i64,
    /// The system's code and words; for an action what else is known of it.
    pub error: Option<String>,
    /// When it began.
    pub since: String,
    /// The write that this one reverses.
    pub undoes: Option<i64>,
}

const WRITES: &str = "SELECT push_id AS number, coalesce(done_at, created_at) AS at, 'push' AS event, side, kind, '' AS field, state, before,
        fields AS after, attempts, iif(error_code IS NULL, error, error_code || coalesce(': ' || error, '')) AS error, created_at AS since, undoes
    FROM push WHERE link_id = ?1";
const CONFLICTS: &str = "SELECT conflict_id AS number, coalesce(settled_at, found_at) AS at, 'conflict' AS event, winner AS side, rule AS kind, field,
        state, base_value AS before, '[' || coalesce(operate_value, 'null') || ',' || coalesce(salesforce_value, 'null') || ']' AS after, 0 AS attempts, NULL AS error,
        found_at AS since, NULL AS undoes
    FROM conflict WHERE link_id = ?1";
const ACTIONS: &str =
    "SELECT audit_id AS number, at, 'audit' AS event, NULL AS side, action AS kind, '' AS field, actor AS state, NULL AS before,
        NULL AS after, 0 AS attempts, detail AS error, at AS since, NULL AS undoes
    FROM audit WHERE EXISTS (
        SELECT 1 FROM link l WHERE l.link_id = ?1 AND (
            instr(' ' || replace(subject, ',', ' ') || ' ', ' ' || l.operate_id || ' ') > 0
            OR instr(' ' || replace(subject, ',', ' ') || ' ', ' ' || l.salesforce_id || ' ') > 0))";

impl Store {
    /// All that is known of the lead with this id (a Salesforce id in 15 or 18 characters).
    pub async fn dossier(&self, side: Side, id: &str) -> Result<Option<Dossier>, StoreError> {
        let Some(lead_id) = self.whole_id(side, id).await? else { return Ok(None) };
        let rows = query(
            "SELECT side, lead_id, link_id, modified_at, fields, deleted_at, converted, dirty FROM lead WHERE side = ?1 AND lead_id = ?2
             UNION ALL
             SELECT o.side, o.lead_id, o.link_id, o.modified_at, o.fields, o.deleted_at, o.converted, o.dirty
             FROM lead_state t JOIN lead o ON o.link_id = t.link_id AND o.side <> ?1 WHERE t.side = ?1 AND t.lead_id = ?2",
        );
        let rows = rows.bind(side.as_str()).bind(&lead_id).fetch_all(&self.read).await?;
        let mut dossier = Dossier::default();
        let mut link_id: Option<i64> = None;
        for row in &rows {
            if let Some(side) = Side::parse(row.try_get("side")?) {
                link_id = row.try_get("link_id")?;
                *dossier.leads.get_mut(side) = Some(seen(row)?);
            }
        }
        let Some(link_id) = link_id else { return Ok(Some(dossier)) };
        let link = query("SELECT state, reason, base, created_at FROM link WHERE link_id = ?").bind(link_id);
        let link = link.fetch_optional(&self.read).await?;
        dossier.link = link.map(|row| link_row(&row, link_id)).transpose()?;
        dossier.writes = self.events(&format!("{WRITES} AND state IN ('due', 'sent', 'parked')"), link_id, ALL).await?;
        dossier.open = self.events(&format!("{CONFLICTS} AND state = 'open'"), link_id, ALL).await?;
        Ok(Some(dossier))
    }

    /// What happened to a link, and what people did about its leads: the newest first.
    pub async fn happenings(&self, link_id: i64, slice: Slice) -> Result<Vec<Event>, StoreError> {
        self.events(&format!("{WRITES} UNION ALL {CONFLICTS} UNION ALL {ACTIONS}"), link_id, slice).await
    }

    async fn events(&self, of: &str, link_id: i64, slice: Slice) -> Result<Vec<Event>, StoreError> {
        let sql = format!("SELECT * FROM ({of}) happened ORDER BY at DESC, event DESC, number DESC LIMIT ?2 OFFSET ?3");
        let rows = query(sql).bind(link_id).bind(slice.take).bind(slice.skip);
        rows.fetch_all(&self.read).await?.iter().map(event).collect()
    }

    /// The id of a known lead as the store has it.
    pub async fn whole_id(&self, side: Side, id: &str) -> Result<Option<String>, StoreError> {
        // Salesforce's long form is the short one and three characters more; no character of an id sorts after `{`.
        let found = query_scalar(
            "SELECT lead_id FROM lead_state WHERE side = ?1 AND lead_id = ?2
             UNION ALL SELECT lead_id FROM lead_state WHERE side = ?1 AND ?1 = 'salesforce' AND length(?2) = 15
                 AND lead_id > ?2 AND lead_id < ?2 || '{' LIMIT 1",
        );
        Ok(found.bind(side.as_str()).bind(id).fetch_optional(&self.read).await?)
    }
}

/// More than there can be: one unsettled write a side, one open conflict a field.
const ALL: Slice = Slice { skip: 0, take: 10_000 };

fn seen(row: &Row) -> Result<SeenLead, StoreError> {
    Ok(SeenLead {
        lead_id: row.try_get("lead_id")?,
        modified_at: row.try_get("modified_at")?,
        fields: row.json("fields")?,
        deleted_at: row.try_get("deleted_at")?,
        converted: row.try_get("converted")?,
        dirty: row.try_get("dirty")?,
    })
}

fn link_row(row: &Row, link_id: i64) -> Result<LinkRow, StoreError> {
    Ok(LinkRow {
        link_id,
        state: row.try_get("state")?,
        reason: row.try_get("reason")?,
        base: row.json("base")?,
        created_at: row.try_get("created_at")?,
    })
}

fn event(row: &Row) -> Result<Event, StoreError> {
    Ok(Event {
        number: row.try_get("number")?,
        at: row.try_get("at")?,
        of: match row.try_get("event")? {
            "conflict" => Of::Conflict,
            "audit" => Of::Action,
            _ => Of::Write,
        },
        side: row.try_get::<Option<&str>, _>("side")?.and_then(Side::parse),
        kind: row.try_get("kind")?,
        field: row.try_get("field")?,
        state: row.try_get("state")?,
        before: row.json("before")?,
        after: row.json("after")?,
        attempts: row.try_get("attempts")?,
        error: row.try_get("error")?,
        since: row.try_get("since")?,
        undoes: row.try_get("undoes")?,
    })
}
