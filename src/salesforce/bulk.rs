//! Bulk API 2.0: large first reads and large first loads, as CSV.
//!
//! A job costs some ten requests however many leads it holds, and runs for minutes.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::outcome::{self, ApiError};
use super::read::{parse, wanted};
use super::record::unreadable;
use super::{Fields, SalesforceClient};
use crate::http::{Answer, Repeat, Request};
use crate::lead::Side;
use crate::side::{Outcome, Page, Position, Refusal, SideError, Write};

/// Rows of one answer of a query's results.
const RESULTS: usize = 10_000;
/// The longest body of an upload: the API allows 150 MB after base64.
const UPLOAD: usize = 90_000_000;
/// The longest that a job may run before it is given up.
const LONGEST: Duration = Duration::from_hours(2);
/// The cell that clears its field.
const CLEAR: &str = "#N/A";
/// Waits between looks at a job: from the first to the last of these.
const LOOKS: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(20));

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    id: String,
    state: String,
    #[serde(default)]
    error_message: Option<String>,
}

impl Job {
    /// Why a job failed: `InvalidBatch : Field name not found : Nope__c`.
    fn refusal(self) -> Refusal {
        let told = self.error_message.filter(|told| !told.trim().is_empty());
        let told = told.unwrap_or_else(|| "no reason given".to_owned());
        let code = told
            .split_once(" : ")
            .map(|(code, _)| code.trim())
            .filter(|code| code.chars().all(|each| each.is_ascii_alphanumeric()));
        Refusal::new(code.unwrap_or("bulk_job"), format!("bulk job {} {}: {told}", self.id, self.state))
    }
}

/// Rows of a CSV answer, each under its column's name.
pub(super) fn rows(answer: &Answer) -> Result<Vec<HashMap<String, String>>, SideError> {
    let mut reader = csv::Reader::from_reader(answer.body.as_slice());
    reader.deserialize().collect::<Result<_, _>>().map_err(|error| unreadable(format!("CSV that is not as documented: {error}")))
}

impl SalesforceClient {
    /// Reads every Lead. Rows come in no order, so the checkpoint moves once the last is stored. `false`: the org does not have it read
    /// in this way, and nothing was.
    pub(super) async fn poll_by_bulk(
        &self,
        fields: &Fields,
        as_of: DateTime<Utc>,
        pages: &mpsc::Sender<Page>,
    ) -> Result<bool, SideError> {
        let query = json!({ "operation": "queryAll", "query": self.change_query(fields, None) });
        let request = self.request("bulk_query", Method::POST, &["jobs", "query"], Repeat::Safe).json(&query);
        let Some(job) = self.opened(&request).await? else { return Ok(false) };
        tracing::info!(job.id = job.id, "bulk.query");
        if let Some(refusal) = self.finished("query", &job.id).await? {
            tracing::warn!(
                job.id = job.id,
                error.code = refusal.code,
                hint = "leads are read by ordinary requests",
                "bulk.failed"
            );
            return Ok(false);
        }
        let mut newest: Option<Position> = None;
        let mut locator: Option<String> = None;
        loop {
            wanted(pages).await?;
            let path = ["jobs", "query", job.id.as_str(), "results"];
            let mut request = self.request("bulk_results", Method::GET, &path, Repeat::Safe);
            request = request.header("Accept", "text/csv").query("maxRecords", RESULTS.to_string());
            if let Some(locator) = locator.take() {
                request = request.query("locator", locator);
            }
            let answer = self.expect(&request).await?;
            let next = answer.headers.get("sforce-locator").and_then(|value| value.to_str().ok()).map(str::to_owned);
            locator = next.filter(|locator| locator != "null");
            let native = |row: HashMap<String, String>| row.into_iter().map(|(name, text)| (name, Json::String(text))).collect();
            let records = self.records(fields, rows(&answer)?.into_iter().map(native).collect()).await?;
            let last = records.iter().map(|record| Position { modified_at: record.modified_at, id: record.id.clone() }).max();
            newest = newest.max(last);
            let checkpoint = if locator.is_none() { newest.clone() } else { None };
            pages.send(Page { records, checkpoint, as_of }).await.map_err(|_| SideError::Abandoned)?;
            if locator.is_none() {
                break;
            }
        }
        self.drop_job("query", &job.id).await;
        Ok(true)
    }

    /// Opens a job. `None`: the org does not let this program use the Bulk API, now or before.
    async fn opened(&self, request: &Request) -> Result<Option<Job>, SideError> {
        if self.bulk_refused.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let answer = self.transport.call(&self.sign_in, request).await.map_err(|trouble| trouble.into_error(Side::Salesforce))?;
        if answer.status.is_success() {
            return parse(&answer).map(Some);
        }
        match self.whole_failure(&answer) {
            SideError::Refused { .. } => {
                let code = outcome::refusal_of(&answer).code;
                tracing::warn!(
                    error.code = code,
                    hint = "until the next start, many leads are read and made by ordinary requests",
                    "bulk.refused"
                );
                self.bulk_refused.store(true, Ordering::Relaxed);
                Ok(None)
            }
            error => Err(error),
        }
    }

    /// Makes Leads, or finds those that an earlier attempt made. Rows that a duplicate rule refuses are sent once more by the
    /// ordinary way, which can say what they double.
    pub(super) async fn load(&self, writes: &[Write]) -> Result<Vec<Outcome>, SideError> {
        let mut outcomes = Vec::new();
        let mut rest = writes;
        while !rest.is_empty() {
            let (body, taken) = self.upload_body(rest);
            let (now, later) = rest.split_at(taken);
            outcomes.extend(match self.load_job(now, body).await? {
                Some(outcomes) => outcomes,
                None => self.upsert_in_turn(now).await?,
            });
            rest = later;
        }
        Ok(outcomes)
    }

    /// As many writes as one upload takes, and how many they are.
    pub(super) fn upload_body(&self, writes: &[Write]) -> (Vec<u8>, usize) {
        let columns: BTreeSet<&str> = writes.iter().flat_map(|write| write.fields.keys()).collect();
        let mut csv = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
        let head = std::iter::once(self.external_id_field.as_str()).chain(columns.iter().copied());
        // Writing to memory cannot fail, and all rows have the same length.
        let _ = csv.write_record(head);
        let mut taken = 0;
        let mut length = 0;
        for write in writes {
            let values = columns.iter().map(|name| write.fields.get(name).map(cell).unwrap_or_default());
            let row: Vec<String> = std::iter::once(write.external_id.clone().unwrap_or_default()).chain(values).collect();
            // Quotes are doubled.
            length += row.iter().map(|cell| cell.len() + cell.matches('"').count() + 3).sum::<usize>();
            if length > UPLOAD && taken > 0 {
                break;
            }
            let _ = csv.write_record(&row);
            taken += 1;
        }
        (csv.into_inner().unwrap_or_default(), taken)
    }

    /// `None`: the org does not let this program use the Bulk API, and nothing was sent.
    async fn load_job(&self, writes: &[Write], body: Vec<u8>) -> Result<Option<Vec<Outcome>>, SideError> {
        let job = json!({
            "object": "Lead", "operation": "upsert", "externalIdFieldName": self.external_id_field,
            "contentType": "CSV", "lineEnding": "LF", "columnDelimiter": "COMMA",
        });
        let request = self.request("bulk_load", Method::POST, &["jobs", "ingest"], Repeat::Safe).json(&job);
        let Some(job) = self.opened(&request).await? else { return Ok(None) };
        tracing::info!(job.id = job.id, leads.written = writes.len(), "bulk.load");
        // Until the upload is said to be complete nothing takes effect.
        let upload = self.request("bulk_upload", Method::PUT, &["jobs", "ingest", &job.id, "batches"], Repeat::Never).csv(body);
        let complete = self.state_request(&job.id, "UploadComplete");
        let all = |outcome: Outcome| Ok(Some(vec![outcome; writes.len()]));
        let later = |reason: String| all(Outcome::Retry(Refusal::new("bulk_job", reason)));
        let unknown = |error: SideError| {
            tracing::warn!(job.id = job.id, error = %error, "bulk.unknown");
            all(Outcome::Unknown(Refusal::new("bulk_job", error.to_string())))
        };
        if let Err(error) = self.expect(&upload).await {
            let SideError::Refused { reason, .. } = error else { return Err(error) };
            tracing::warn!(job.id = job.id, leads.written = writes.len(), "bulk.upload_refused");
            let _ = self.expect(&self.state_request(&job.id, "Aborted")).await;
            self.drop_job("ingest", &job.id).await;
            return later(reason);
        }
        match self.expect(&complete).await {
            Ok(_) => {}
            // It was not begun.
            Err(SideError::Refused { reason, .. }) => return later(reason),
            Err(error) => return unknown(error),
        }
        let (rest, is_failed) = match self.finished("ingest", &job.id).await {
            Ok(None) => {
                let message = format!("bulk job {} ended before this row", job.id);
                (Outcome::Retry(Refusal::new("not_processed", message)), false)
            }
            Ok(Some(refusal)) => {
                tracing::warn!(job.id = job.id, leads.written = writes.len(), error.code = refusal.code, "bulk.failed");
                (self.not_loaded(refusal)?, true)
            }
            Err(error) => return unknown(error),
        };
        match self.results(&job.id, writes, &rest).await {
            Ok(outcomes) => {
                self.drop_job("ingest", &job.id).await;
                Ok(Some(outcomes))
            }
            // Rows that it came to all the same are found again by their external ids.
            Err(SideError::Refused { .. }) if is_failed => all(rest),
            Err(error) => unknown(error),
        }
    }

    /// What the end of a job that failed means for the rows that it did not come to.
    fn not_loaded(&self, refusal: Refusal) -> Result<Outcome, SideError> {
        if let Some(error) = self.without_key(&refusal) {
            return Err(error);
        }
        // A column that the org does not know spoils the whole upload.
        let is_schema = refusal.code == "InvalidBatch" || refusal.message.contains("Field name not found");
        Ok(if is_schema { Outcome::Schema(refusal) } else { Outcome::Retry(refusal) })
    }

    fn state_request(&self, id: &str, state: &str) -> Request {
        self.request("bulk_state", Method::PATCH, &["jobs", "ingest", id], Repeat::Safe).json(&json!({ "state": state }))
    }

    /// Waits until a job has ended, whatever it says of its rows. Gives why, where it failed.
    async fn finished(&self, kind: &str, id: &str) -> Result<Option<Refusal>, SideError> {
        let (started, mut wait) = (Instant::now(), LOOKS.0);
        loop {
            let job: Job =
                parse(&self.expect(&self.request("bulk_look", Method::GET, &["jobs", kind, id], Repeat::Safe)).await?)?;
            match job.state.as_str() {
                "JobComplete" => return Ok(None),
                "Failed" | "Aborted" => return Ok(Some(job.refusal())),
                _ if started.elapsed() > LONGEST => {
                    let (side, reason) = (Side::Salesforce, format!("bulk job {id} is still {}", job.state));
                    return Err(SideError::Unreachable { side, reason });
                }
                _ => tokio::time::sleep(wait).await,
            }
            wait = (wait * 3 / 2).min(LOOKS.1);
        }
    }

    /// One outcome for each write, matched by the external id; `rest` for those of which the job says nothing.
    async fn results(&self, id: &str, writes: &[Write], rest: &Outcome) -> Result<Vec<Outcome>, SideError> {
        let mut found: HashMap<String, Outcome> = HashMap::new();
        for which in ["successfulResults", "failedResults"] {
            let request = self.request("bulk_results", Method::GET, &["jobs", "ingest", id, which], Repeat::Safe);
            for row in rows(&self.expect(&request.header("Accept", "text/csv")).await?)? {
                let cell = |name: &str| row.get(name).map(String::as_str).unwrap_or_default();
                let named = row.iter().find(|(name, _)| name.eq_ignore_ascii_case(&self.external_id_field));
                let Some((_, external_id)) = named else { continue };
                let outcome = match cell("sf__Error") {
                    "" => Outcome::Done { id: cell("sf__Id").to_owned() },
                    error => outcome::outcome(&[ApiError::of_bulk(error)], true, &self.external_id_field),
                };
                found.insert(external_id.to_lowercase(), outcome);
            }
        }
        let outcome = |write: &Write| {
            let external_id = write.external_id.as_deref().unwrap_or_default().to_lowercase();
            found.get(&external_id).unwrap_or(rest).clone()
        };
        Ok(writes.iter().map(outcome).collect())
    }

    /// A job that is done with leaves the list that administrators see. If that fails, it goes by itself after a week.
    async fn drop_job(&self, kind: &str, id: &str) {
        if let Err(error) = self.expect(&self.request("bulk_drop", Method::DELETE, &["jobs", kind, id], Repeat::Safe)).await {
            tracing::debug!(error = %error, "bulk.not_dropped");
        }
    }
}

/// Whether CSV can say all of a write. A text that reads as the word for clearing a field would clear it.
pub(super) fn can_say(write: &Write) -> bool {
    write.fields.iter().all(|(_, value)| value.as_str() != Some(CLEAR))
}

/// A value as a cell: an empty cell would leave the field as it is.
fn cell(value: &Json) -> String {
    match value {
        Json::Null => CLEAR.to_owned(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::side::Action;

    #[test]
    fn a_text_that_would_clear_its_field_does_not_go_as_csv() {
        let write = |value: Json| Write {
            action: Action::Create,
            fields: std::iter::once(("Company".to_owned(), value)).collect(),
            external_id: None,
        };
        assert!(can_say(&write(json!("N/A"))) && can_say(&write(Json::Null)));
        assert!(!can_say(&write(json!("#N/A"))));
    }
}
