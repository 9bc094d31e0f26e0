//! The org's own logs of changed and of deleted Leads: an audit of what polls saw, and the only trace of Leads deleted for good.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use reqwest::Method;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::SalesforceClient;
use super::outcome::refusal_of;
use super::read::{parse, quoted};
use super::record::instant;
use crate::http::Repeat;
use crate::lead::Side;
use crate::side::{Listed, SideError, Swept};

/// How far back the first sweep looks.
const FIRST: TimeDelta = TimeDelta::days(1);
/// How far back the logs go: 15 days for deletes, less a margin.
const OLDEST: TimeDelta = TimeDelta::days(14);
/// Ids in one query, whose address must stay well below 16,384 bytes.
const IDS: usize = 300;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpdateLog {
    ids: Vec<String>,
    latest_date_covered: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeleteLog {
    deleted_records: Vec<DeletedRecord>,
    #[serde(default)]
    earliest_date_available: Option<String>,
    latest_date_covered: String,
}

#[derive(Deserialize)]
struct DeletedRecord {
    id: String,
}

impl SalesforceClient {
    /// Compares the logs since. The moment up to which both cover everything is where the next sweep goes on: transactions that
    /// began before it and are not committed yet come after it.
    pub(super) async fn sweep_logs(
        &self,
        since: Option<DateTime<Utc>>,
        listed: &mpsc::Sender<Vec<Listed>>,
    ) -> Result<Swept, SideError> {
        let now = Utc::now() + self.transport.clock().map_or_else(TimeDelta::zero, |clock| clock.offset);
        let start = since.unwrap_or(now - FIRST);
        if start < now - OLDEST {
            tracing::warn!(since = %start, hint = "leads deleted for good since then may have been missed", "sweep.log_too_short");
        }
        // The log counts in whole minutes, and wants one at least.
        let (start, end) = (start.max(now - OLDEST), now);
        if end - start < TimeDelta::minutes(2) {
            return Ok(Swept { covered: since, ..Swept::default() });
        }
        let Some(deleted) = self.deleted_log(start, end).await? else {
            tracing::warn!(since = %start, hint = "leads deleted for good may have been missed", "sweep.log_purged");
            return Ok(Swept { covered: Some(end - FIRST), ..Swept::default() });
        };
        let earliest = deleted.earliest_date_available.as_deref().and_then(instant);
        if since.is_some() && earliest.is_some_and(|earliest| earliest > start) {
            tracing::warn!(since = %start, hint = "leads deleted for good before its start may have been missed", "sweep.log_shortened");
        }
        let mut covered = instant(&deleted.latest_date_covered);
        let mut spans = vec![(start, end)];
        while let Some((start, end)) = spans.pop() {
            let Some(updated) = self.updated_log(start, end).await? else {
                // Too many for one answer.
                let middle = start + (end - start) / 2;
                spans.extend([(middle, end), (start, middle)]);
                continue;
            };
            covered = covered.min(instant(&updated.latest_date_covered)).or(covered);
            for chunk in updated.ids.chunks(IDS) {
                let mut stamps = self.stamps(chunk, true).await?;
                if self.filter_condition().is_some() && stamps.len() < chunk.len() {
                    let all = self.stamps(chunk, false).await?;
                    let left = all.into_iter().filter(|lead| !stamps.iter().any(|taking| taking.id == lead.id));
                    let left: Vec<Listed> = left.map(|lead| Listed { takes_part: false, ..lead }).collect();
                    stamps.extend(left);
                }
                listed.send(stamps).await.map_err(|_| SideError::Abandoned)?;
            }
        }
        // Leads that came back since are told as deleted too.
        let ids: Vec<String> = deleted.deleted_records.into_iter().map(|record| record.id).collect();
        let mut gone = Vec::new();
        for chunk in ids.chunks(IDS) {
            let there = self.stamps(chunk, false).await?;
            gone.extend(chunk.iter().filter(|id| !there.iter().any(|lead| lead.id == **id)).cloned());
        }
        Ok(Swept { complete: false, deleted: gone, covered })
    }

    /// `None`: the log was purged and does not go back that far.
    async fn deleted_log(&self, start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Option<DeleteLog>, SideError> {
        self.log("deleted", start, end, "INVALID_REPLICATION_DATE").await
    }

    /// `None`: more than an answer can hold.
    async fn updated_log(&self, start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Option<UpdateLog>, SideError> {
        let give_up = end - start < TimeDelta::minutes(4);
        self.log("updated", start, end, if give_up { "" } else { "EXCEEDED_ID_LIMIT" }).await
    }

    async fn log<T: for<'de> Deserialize<'de>>(
        &self,
        which: &str,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
        none: &str,
    ) -> Result<Option<T>, SideError> {
        let stamp = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
        let request = self
            .request("sweep", Method::GET, &["sobjects", "Lead", which], Repeat::Safe)
            .query("start", stamp(start))
            .query("end", stamp(end));
        let answer =
            self.transport.call(&self.sign_in, &request).await.map_err(|trouble| trouble.into_error(Side::Salesforce))?;
        if answer.status.is_success() {
            return parse(&answer).map(Some);
        }
        if refusal_of(&answer).code == none { Ok(None) } else { Err(self.whole_failure(&answer)) }
    }

    /// Which of these are not deleted (and, `filtered`, take part), and when they were last modified.
    async fn stamps(&self, ids: &[String], filtered: bool) -> Result<Vec<Listed>, SideError> {
        let list: Vec<String> = ids.iter().map(|id| quoted(id)).collect();
        let filter = self.filter_condition().filter(|_| filtered).map(|filter| format!(" AND {filter}")).unwrap_or_default();
        let soql = format!("SELECT Id, SystemModstamp FROM Lead WHERE Id IN ({}){filter}", list.join(","));
        let (rows, _) = self.rows("sweep", false, &soql, usize::MAX).await?;
        let listed = rows.rows.iter().filter_map(|row| {
            let text = |name: &str| row.get(name).and_then(serde_json::Value::as_str);
            Some(Listed { id: text("Id")?.to_owned(), modified_at: text("SystemModstamp").and_then(instant), takes_part: true })
        });
        Ok(listed.collect())
    }
}
