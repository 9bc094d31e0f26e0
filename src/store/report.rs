//! What people ask the store, for the commands that report.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::Value as Json;

use super::sql::{Row, query, query_scalar};
use super::waiting::WaitingReason;
use super::{Leader, Store, StoreError, stamp};
use crate::lead::{PerSide, Side};

/// The whole installation at a glance.
#[derive(Debug, Clone, Serialize)]
pub struct StatusReport {
    /// Which replica works on it; `None` where there can be only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<Leader>,
    /// Links by state.
    pub links: BTreeMap<String, i64>,
    /// Pushes by state, the settled ones left out.
    pub pushes: BTreeMap<String, i64>,
    /// Since when the oldest write that is not done has been waiting; parked ones not counted.
    pub oldest_waiting: Option<String>,
    /// Why writes that are due were not done at the last try, the most frequent reasons first.
    pub waiting: Vec<WaitingReason>,
    /// Conflicts that wait for a person.
    pub open_conflicts: i64,
    /// How far each poller is.
    pub checkpoints: PerSide<CheckpointReport>,
    /// Why writes are held back: a person's word, a brake, or the budget.
    pub held: Option<String>,
    /// What Salesforce said last of its requests of 24 hours.
    pub budget: Option<BudgetReport>,
    /// Requests of the cycles of the last 24 hours.
    pub requests_24h: PerSide<i64>,
    /// The last cycle, column by column.
    pub last_cycle: Option<Json>,
}

/// Salesforce's requests of 24 hours, by all programs.
#[derive(Debug, Clone, Serialize)]
pub struct BudgetReport {
    /// Those made.
    pub used: u64,
    /// Those allowed.
    pub limit: u64,
}

/// How far a poller is.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CheckpointReport {
    /// The newest modified time that is stored, by that side's clock.
    #[serde(rename = "modified_at")]
    pub newest: Option<String>,
    /// The end of the last complete poll, by our clock.
    pub polled_at: Option<String>,
    /// The end of the last complete sweep, by our clock.
    pub swept_at: Option<String>,
}

/// A parked lead.
#[derive(Debug, Clone, Serialize)]
pub struct ParkedLead {
    /// The link.
    pub link_id: i64,
    /// Operate's lead.
    pub operate_id: Option<String>,
    /// Salesforce's lead.
    pub salesforce_id: Option<String>,
    /// The system's code, where a system refused it.
    pub code: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub since: String,
}

/// A write that a cycle would make.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedPush {
    /// `create` or `update`.
    pub kind: String,
    /// The side that would be written.
    pub side: String,
    /// The lead that would be written; none for a create.
    pub target_id: Option<String>,
    /// The lead that it comes from.
    pub source_id: Option<String>,
    /// The fields.
    pub fields: Vec<PlannedField>,
}

/// A field of a planned write.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedField {
    /// Its name.
    pub name: String,
    /// What is there.
    pub before: Json,
    /// What would be there.
    pub after: Json,
    /// What decides it: the rule of a conflict, `undo` where a person wants it back, or `changed` where only the other side changed.
    pub rule: String,
}

/// A link with both leads and its history.
#[derive(Debug, Clone, Serialize)]
pub struct LinkReport {
    /// The link.
    pub link_id: Option<i64>,
    /// Its state; `unlinked` where there is no link.
    pub state: String,
    /// Why.
    pub reason: Option<String>,
    /// What both had when they were last in step: a value, or Operate's and Salesforce's.
    pub base: Json,
    /// Both leads.
    pub leads: PerSide<Option<LeadReport>>,
    /// Pushes and conflicts, and what people did, the oldest first.
    pub history: Vec<History>,
}

/// A lead.
#[derive(Debug, Clone, Serialize)]
pub struct LeadReport {
    /// Its id.
    pub lead_id: String,
    /// By that server's clock.
    pub modified_at: String,
    /// Its values by field name.
    pub fields: Json,
    /// Since when it is gone.
    pub deleted_at: Option<String>,
}

/// An event in a lead's life.
#[derive(Debug, Clone, Serialize)]
pub struct History {
    /// When.
    pub at: String,
    /// The push's or the conflict's number; that of an action of a person.
    pub number: i64,
    /// `push`, `conflict`, or `audit`: what a person did about it.
    pub event: String,
    /// The side written, or the winner.
    pub side: Option<String>,
    /// `create`, `update`, the field and its rule, or what was done.
    pub kind: String,
    /// The push's or conflict's state, or by what means it was done.
    pub state: String,
    /// What was there.
    pub before: Json,
    /// What was given; for a conflict Operate's and Salesforce's value.
    pub after: Json,
    /// The system's own words, or what else is known of what was done.
    pub error: Option<String>,
    /// The push that it reverses.
    pub undoes: Option<i64>,
}

/// What happened to a link, and what people did about its leads: in that order of time.
const HISTORY: &str = "SELECT at, event, side, kind, state, before, after, error, number, undoes FROM history WHERE link_id = ?1
     UNION ALL
     SELECT at, 'audit', NULL, action, actor, NULL, NULL, detail, audit_id, NULL FROM audit
     WHERE EXISTS (SELECT 1 FROM json_each(?2) j WHERE instr(' ' || replace(subject, ',', ' ') || ' ', ' ' || j.value || ' ') > 0)
     ORDER BY at, number";

impl Store {
    /// The installation at a glance.
    pub async fn status(&self, now: DateTime<Utc>) -> Result<StatusReport, StoreError> {
        let counts = |rows: Vec<Row>| -> Result<BTreeMap<String, i64>, StoreError> {
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
        };
        let links = query("SELECT state, count(*) FROM link GROUP BY state ORDER BY state").fetch_all(&self.read).await?;
        let pushes =
            query("SELECT state, count(*) FROM push WHERE state IN ('due', 'sent', 'parked') GROUP BY state ORDER BY state")
                .fetch_all(&self.read)
                .await?;
        let open_conflicts = query_scalar("SELECT count(*) FROM conflict WHERE state = 'open'").fetch_one(&self.read).await?;
        let oldest_waiting =
            query_scalar("SELECT min(created_at) FROM push WHERE state IN ('due', 'sent', 'parked') AND state <> 'parked'")
                .fetch_one(&self.read)
                .await?;
        let requests = query(
            "SELECT CAST(coalesce(sum(requests_operate), 0) AS BIGINT), CAST(coalesce(sum(requests_salesforce), 0) AS BIGINT) FROM cycle WHERE started_at > ?",
        )
        .bind(stamp(now - TimeDelta::days(1)))
        .fetch_one(&self.read)
        .await?;
        let mut checkpoints = PerSide::<CheckpointReport>::default();
        for row in query("SELECT side, modified_at, polled_at, swept_at FROM checkpoint").fetch_all(&self.read).await? {
            if let Some(side) = Side::parse(row.try_get("side")?) {
                *checkpoints.get_mut(side) = CheckpointReport {
                    newest: row.try_get("modified_at")?,
                    polled_at: row.try_get("polled_at")?,
                    swept_at: row.try_get("swept_at")?,
                };
            }
        }
        let last = query("SELECT * FROM cycle ORDER BY cycle_id DESC LIMIT 1").fetch_optional(&self.read).await?;
        let last = last.as_ref().map(last_cycle).transpose()?;
        let stops = self.stops().await?;
        let paused = stops.paused.map(|since| format!("paused since {since}: `leadsync resume` lets writes go on"));
        let held = last.as_ref().and_then(|last| last.get("held")).and_then(Json::as_str).map(str::to_owned);
        let held = paused.or(stops.braked).or(held.filter(|held| !held.starts_with("paused") && !held.starts_with("brake")));
        Ok(StatusReport {
            held,
            leader: self.leader(now).await?,
            waiting: self.waiting_reasons().await?,
            budget: self.budget().await?,
            links: counts(links)?,
            pushes: counts(pushes)?,
            oldest_waiting,
            open_conflicts,
            checkpoints,
            requests_24h: PerSide { operate: requests.try_get(0)?, salesforce: requests.try_get(1)? },
            last_cycle: last,
        })
    }

    async fn budget(&self) -> Result<Option<BudgetReport>, StoreError> {
        let budget = query(
            "SELECT usage_salesforce, limit_salesforce FROM cycle WHERE limit_salesforce IS NOT NULL ORDER BY cycle_id DESC LIMIT 1",
        )
        .fetch_optional(&self.read)
        .await?;
        let count = |row: &Row, place: usize| row.try_get::<i64, _>(place).map(i64::unsigned_abs);
        budget.map(|row| Ok(BudgetReport { used: count(&row, 0)?, limit: count(&row, 1)? })).transpose()
    }

    /// How many leads are known, and how many writes are not done yet.
    pub async fn amounts(&self) -> Result<(i64, i64), StoreError> {
        let row = query(
            "SELECT (SELECT count(*) FROM lead_state), (SELECT count(*) FROM push WHERE state IN ('due', 'sent', 'parked') AND state <> 'parked')",
        );
        let row = row.fetch_one(&self.read).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }

    /// What is due, field by field.
    pub async fn planned(&self) -> Result<Vec<PlannedPush>, StoreError> {
        let rows = query(
            "SELECT p.kind, p.side, p.fields, p.before, iif(p.side = 'operate', l.operate_id, l.salesforce_id) AS target_id,
                    iif(p.side = 'operate', l.salesforce_id, l.operate_id) AS source_id,
                    p.undoes IS NOT NULL AS undo, (SELECT '{' || string_agg(json_quote(c.field) || ':' || json_quote(c.rule), ',') || '}' FROM conflict c
                     WHERE c.link_id = p.link_id AND c.settled_at >= p.created_at) AS rules
             FROM push p JOIN link l USING (link_id) WHERE p.state IN ('due', 'sent', 'parked') AND p.state = 'due' ORDER BY p.push_id",
        )
        .fetch_all(&self.read)
        .await?;
        rows.iter()
            .map(|row| {
                let (fields, before, rules) = (row.json("fields")?, row.json("before")?, row.json("rules")?);
                let kind: String = row.try_get("kind")?;
                let usual = match kind.as_str() {
                    _ if row.try_get("undo")? => "undo",
                    "create" => "new",
                    _ => "changed",
                };
                let field = |(name, after): (&String, &Json)| PlannedField {
                    name: name.clone(),
                    before: before.get(name).cloned().unwrap_or_default(),
                    after: after.clone(),
                    rule: rules.get(name).and_then(Json::as_str).unwrap_or(usual).to_owned(),
                };
                Ok(PlannedPush {
                    fields: fields.as_object().into_iter().flatten().map(field).collect(),
                    kind,
                    side: row.try_get("side")?,
                    target_id: row.try_get("target_id")?,
                    source_id: row.try_get("source_id")?,
                })
            })
            .collect()
    }

    /// Some pair that is in step, by its number in the order of links (counted round and round).
    pub async fn pair_in_step(&self, number: u32) -> Result<Option<(String, String)>, StoreError> {
        let row = query(
            "SELECT operate_id, salesforce_id FROM link WHERE state = 'in_step' ORDER BY link_id
             LIMIT 1 OFFSET ?1 % max(1, (SELECT count(*) FROM link WHERE state = 'in_step'))",
        )
        .bind(number)
        .fetch_optional(&self.read)
        .await?;
        row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
    }

    /// Whether anything waits for a person.
    pub async fn waits_for_a_person(&self) -> Result<bool, StoreError> {
        Ok(query_scalar(
            "SELECT EXISTS (SELECT 1 FROM link WHERE state <> 'in_step' AND state IN ('parked', 'conflict')) OR EXISTS (SELECT 1 FROM fact WHERE name = 'braked')
                 OR EXISTS (SELECT 1 FROM conflict WHERE state = 'open') OR EXISTS (SELECT 1 FROM push WHERE state IN ('due', 'sent', 'parked') AND state = 'parked')",
        )
        .fetch_one(&self.read)
        .await?)
    }

    /// All parked leads, the oldest first.
    pub async fn parked(&self) -> Result<Vec<ParkedLead>, StoreError> {
        let rows = query(
            "SELECT l.link_id, l.operate_id, l.salesforce_id, l.reason, l.updated_at,
                    (SELECT p.error_code FROM push p WHERE p.link_id = l.link_id AND p.state = 'parked' LIMIT 1) AS code
             FROM link l WHERE l.state <> 'in_step' AND l.state = 'parked' ORDER BY l.link_id",
        )
        .fetch_all(&self.read)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(ParkedLead {
                    link_id: row.try_get("link_id")?,
                    operate_id: row.try_get("operate_id")?,
                    salesforce_id: row.try_get("salesforce_id")?,
                    code: row.try_get("code")?,
                    reason: row.try_get("reason")?,
                    since: row.try_get("updated_at")?,
                })
            })
            .collect()
    }

    /// One lead by either side's id (a Salesforce id in 15 or 18 characters).
    pub async fn show(&self, id: &str) -> Result<Option<LinkReport>, StoreError> {
        let lead = query(
            "SELECT link_id, side, lead_id FROM lead_state WHERE lead_id = ?1 OR (side = 'salesforce' AND length(?1) = 15
                 AND substr(lead_id, 1, 15) = ?1) ORDER BY side LIMIT 1",
        )
        .bind(id)
        .fetch_optional(&self.read)
        .await?;
        let Some(lead) = lead else { return Ok(None) };
        let link_id: Option<i64> = lead.try_get("link_id")?;
        let lead_id: String = lead.try_get("lead_id")?;
        let link =
            query("SELECT state, reason, base FROM link WHERE link_id = ?").bind(link_id).fetch_optional(&self.read).await?;
        let rows = query(
            "SELECT side, lead_id, modified_at, fields, deleted_at FROM lead WHERE link_id = ?1 OR (?1 IS NULL AND lead_id = ?2)",
        )
        .bind(link_id)
        .bind(lead_id)
        .fetch_all(&self.read)
        .await?;
        let mut leads = PerSide::<Option<LeadReport>>::default();
        for row in rows {
            if let Some(side) = Side::parse(row.try_get("side")?) {
                *leads.get_mut(side) = Some(LeadReport {
                    lead_id: row.try_get("lead_id")?,
                    modified_at: row.try_get("modified_at")?,
                    fields: row.json("fields")?,
                    deleted_at: row.try_get("deleted_at")?,
                });
            }
        }
        let ids = Side::BOTH.into_iter().filter_map(|side| Some(leads.get(side).as_ref()?.lead_id.clone()));
        let ids = ids.collect::<Json>().to_string();
        let history = query(HISTORY).bind(link_id).bind(ids).fetch_all(&self.read).await?;
        let (state, reason, base) = match link {
            None => ("unlinked".to_owned(), None, Json::Null),
            Some(link) => (link.try_get("state")?, link.try_get("reason")?, link.json("base")?),
        };
        let history = history.iter().map(event).collect::<Result<_, _>>()?;
        Ok(Some(LinkReport { link_id, state, reason, base, leads, history }))
    }
}

fn last_cycle(row: &Row) -> Result<Json, StoreError> {
    let mut shown = serde_json::Map::new();
    for name in ["cycle_id", "seen", "pushed", "conflicts", "parked", "requests_operate", "requests_salesforce"] {
        shown.insert(name.to_owned(), row.try_get::<i64, _>(name)?.into());
    }
    for name in ["started_at", "ended_at", "error", "held"] {
        shown.insert(name.to_owned(), row.try_get::<Option<&str>, _>(name)?.into());
    }
    Ok(Json::Object(shown))
}

fn event(row: &Row) -> Result<History, StoreError> {
    Ok(History {
        at: row.try_get("at")?,
        number: row.try_get("number")?,
        undoes: row.try_get("undoes")?,
        event: row.try_get("event")?,
        side: row.try_get("side")?,
        kind: row.try_get("kind")?,
        state: row.try_get("state")?,
        before: row.json("before")?,
        after: row.json("after")?,
        error: row.try_get("error")?,
    })
}
