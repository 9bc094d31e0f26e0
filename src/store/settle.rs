//! What became of writes, and all that it changes.

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::sql::{query, query_scalar};
use super::state::refresh;
use super::{PushRow, Store, StoreError, stamp};
use crate::side::WriteKind;

/// What became of a push.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It took effect on this lead.
    Done {
        /// The lead.
        lead_id: String,
        /// A moment, by the server's clock, that is not later than the write.
        written_at: DateTime<Utc>,
    },
    /// It was overtaken: both leads are looked at again.
    Superseded,
    /// It is to be sent (again) at this time.
    Due(DateTime<Utc>),
    /// Nobody knows.
    InDoubt,
    /// It waits for a person.
    Parked,
}

impl Verdict {
    /// Its word in metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::Superseded => "superseded",
            Self::Due(_) => "retry",
            Self::InDoubt => "in_doubt",
            Self::Parked => "parked",
        }
    }
}

/// A push with its verdict and the system's words.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The push.
    pub push_id: i64,
    /// What it does.
    pub kind: WriteKind,
    /// What became of it.
    pub verdict: Verdict,
    /// The code, if there is one.
    pub code: Option<String>,
    /// The system's own words.
    pub error: Option<String>,
}

impl Settled {
    /// Without words.
    #[must_use]
    pub const fn plain(push: &PushRow, verdict: Verdict) -> Self {
        Self { push_id: push.push_id, kind: push.kind, verdict, code: None, error: None }
    }

    fn is_done(&self, kind: WriteKind) -> bool {
        self.kind == kind && matches!(self.verdict, Verdict::Done { .. })
    }
}

impl Store {
    /// Settles writes with all that their outcome changes, in one transaction.
    pub async fn settle(&self, settled: &[Settled], now: DateTime<Utc>) -> Result<(), StoreError> {
        if settled.is_empty() {
            return Ok(());
        }
        let row = |settled: &Settled| {
            let (state, lead, at) = match &settled.verdict {
                Verdict::Done { lead_id, written_at } => ("done", Some(lead_id), Some(*written_at)),
                Verdict::Superseded => ("superseded", None, None),
                Verdict::Due(at) => ("due", None, Some(*at)),
                Verdict::InDoubt => ("sent", None, None),
                Verdict::Parked => ("parked", None, None),
            };
            json!([settled.push_id, state, lead, at.map(stamp), settled.code, settled.error])
        };
        let rows = Json::Array(settled.iter().map(row).collect()).to_string();
        let mut connection = self.write().await?;
        let mut tx = connection.begin().await?;
        for (concerns, sql) in SETTLE {
            if !settled.iter().any(concerns) {
                continue;
            }
            query(sql).bind(stamp(now)).bind(&rows).execute(&mut *tx).await?;
        }
        let links: Vec<i64> =
            query_scalar("SELECT p.link_id FROM json_each(?) j JOIN push p ON p.push_id = CAST(j.value ->> 0 AS BIGINT)")
                .bind(&rows)
                .fetch_all(&mut *tx)
                .await?;
        let links = Json::from(links).to_string();
        refresh(&mut tx, &links, now).await?;
        Ok(tx.commit().await?)
    }
}

/// Whether a statement has something to do for a push.
type Concerns = fn(&Settled) -> bool;

/// `?1` is now, `?2` the rows [push, state, lead, time, code, error].
const SETTLE: [(Concerns, &str); 10] = [
    // The push itself.
    (
        |_| true,
        "UPDATE push SET state = j.value ->> 1, error_code = j.value ->> 4, error = j.value ->> 5,
        attempts = attempts + iif(j.value ->> 4 IS NOT NULL, 1, 0),
        due_at = iif(j.value ->> 1 = 'due', j.value ->> 3, due_at),
        done_at = iif(j.value ->> 1 IN ('done', 'superseded'), ?1, NULL)
     FROM json_each(?2) j WHERE push.push_id = CAST(j.value ->> 0 AS BIGINT)",
    ),
    // A lead that was created gets its place in the link, which moves its base.
    (
        |settled| matches!(settled.verdict, Verdict::Done { .. }),
        "UPDATE link SET base = iif(p.kind = 'delete', '{}', json_patch(link.base, p.base)),
        operate_id = iif(p.side = 'operate', j.value ->> 2, operate_id),
        salesforce_id = iif(p.side = 'salesforce', j.value ->> 2, salesforce_id)
     FROM json_each(?2) j JOIN push p ON p.push_id = CAST(j.value ->> 0 AS BIGINT)
     WHERE j.value ->> 1 = 'done' AND link.link_id = p.link_id",
    ),
    // A Salesforce lead that was left alone names no Operate lead any more: the one that it named can be named by another.
    (
        |settled| settled.is_done(WriteKind::Update),
        "UPDATE lead_state SET dirty = 1 WHERE ?1 <> '' AND link_id IN (
        SELECT n.link_id FROM json_each(?2) j JOIN push p ON p.push_id = CAST(j.value ->> 0 AS BIGINT) JOIN link l ON l.link_id = p.link_id
        JOIN lead_state a ON a.side = 'salesforce' AND a.lead_id = l.salesforce_id JOIN link n ON n.operate_id = a.external_id
        WHERE j.value ->> 1 = 'done' AND p.side = 'salesforce' AND l.operate_id IS NULL)",
    ),
    // The observation of the written side becomes what was written.
    (
        |settled| settled.is_done(WriteKind::Update),
        "UPDATE lead_values AS v SET fields = json_patch(v.fields, p.fields)
     FROM json_each(?2) j JOIN push p ON p.push_id = CAST(j.value ->> 0 AS BIGINT)
     WHERE j.value ->> 1 = 'done' AND p.kind = 'update' AND v.side = p.side AND v.lead_id = j.value ->> 2 AND ?1 <> ''",
    ),
    (
        |settled| settled.is_done(WriteKind::Update),
        "UPDATE lead_state AS lead SET modified_at = max(lead.modified_at, j.value ->> 3),
        external_id = iif(p.side = 'salesforce' AND NOT EXISTS (SELECT 1 FROM lead_state n WHERE n.external_id = l.operate_id
            AND n.side = 'salesforce' AND n.link_id <> l.link_id AND n.deleted_at IS NULL), l.operate_id, lead.external_id)
     FROM json_each(?2) j JOIN push p ON p.push_id = CAST(j.value ->> 0 AS BIGINT) JOIN link l ON l.link_id = p.link_id
     WHERE j.value ->> 1 = 'done' AND p.kind = 'update' AND lead.side = p.side AND lead.lead_id = j.value ->> 2",
    ),
    (
        |settled| settled.is_done(WriteKind::Delete),
        "UPDATE lead_state AS lead SET deleted_at = ?1
     FROM json_each(?2) j JOIN push p ON p.push_id = CAST(j.value ->> 0 AS BIGINT)
     WHERE j.value ->> 1 = 'done' AND p.kind = 'delete' AND lead.side = p.side AND lead.lead_id = j.value ->> 2",
    ),
    // A poll may have seen the created lead first: then what it saw stands, and is looked at again. If it was seen before it was
    // written, the upsert has come to a lead that was there, and what was written is newer.
    (
        |settled| settled.is_done(WriteKind::Create),
        "INSERT INTO lead_values (side, lead_id, fields)
     SELECT p.side, j.value ->> 2, json_patch(coalesce(v.fields, '{}'), p.fields)
     FROM json_each(?2) j JOIN push p ON p.push_id = CAST(j.value ->> 0 AS BIGINT)
     LEFT JOIN lead_state a ON a.side = p.side AND a.lead_id = j.value ->> 2
     LEFT JOIN lead_values v ON v.side = p.side AND v.lead_id = j.value ->> 2
     WHERE j.value ->> 1 = 'done' AND p.kind = 'create' AND (a.modified_at IS NULL OR a.modified_at < j.value ->> 3) AND ?1 <> ''
     ON CONFLICT (side, lead_id) DO UPDATE SET fields = excluded.fields",
    ),
    (
        |settled| settled.is_done(WriteKind::Create),
        "INSERT INTO lead_state AS lead (side, lead_id, link_id, modified_at, changed_at, external_id, seen_at, dirty)
     SELECT p.side, j.value ->> 2, p.link_id, j.value ->> 3, j.value ->> 3,
            iif(p.side = 'salesforce', l.operate_id, NULL), ?1, iif(p.side = 'operate', 1, 0)
     FROM json_each(?2) j JOIN push p ON p.push_id = CAST(j.value ->> 0 AS BIGINT) JOIN link l ON l.link_id = p.link_id
     WHERE j.value ->> 1 = 'done' AND p.kind = 'create'
     ON CONFLICT (side, lead_id) DO UPDATE SET link_id = excluded.link_id, dirty = 1,
         modified_at = max(lead.modified_at, excluded.modified_at)",
    ),
    (
        |settled| settled.is_done(WriteKind::Create),
        "DELETE FROM lead_key WHERE (side, lead_id) IN (
        SELECT p.side, j.value ->> 2 FROM json_each(?2) j JOIN push p ON p.push_id = CAST(j.value ->> 0 AS BIGINT)
        WHERE j.value ->> 1 = 'done' AND p.kind = 'create' AND ?1 <> '')",
    ),
    // What was overtaken is decided again.
    (
        |settled| matches!(settled.verdict, Verdict::Superseded),
        "UPDATE lead_state SET dirty = 1 WHERE ?1 <> '' AND link_id IN (
        SELECT p.link_id FROM json_each(?2) j JOIN push p ON p.push_id = CAST(j.value ->> 0 AS BIGINT) WHERE j.value ->> 1 = 'superseded')",
    ),
];
