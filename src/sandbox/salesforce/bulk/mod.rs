//! Bulk API 2.0: jobs that load or read many leads as CSV.
//!
//! A job does its work as soon as it may, and says so at the second look: the first finds it in progress.

pub(super) mod fuzz;
mod ingest;
mod query;
mod table;

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::errors::Fail;
use super::rows::{USER, stamp};
use super::{Salesforce, only};
use crate::sandbox::http::{Answer, Call};
use ingest::Ingest;
use query::Read;

/// The jobs of the last days.
#[derive(Debug, Default)]
pub struct Jobs {
    made: u64,
    all: BTreeMap<String, Job>,
}

/// A job.
#[derive(Debug)]
struct Job {
    id: String,
    created: DateTime<Utc>,
    state: Stage,
    /// Whether somebody has looked since the work was done.
    looked_at: bool,
    error: Option<String>,
    work: Work,
}

/// What a job does.
#[derive(Debug)]
enum Work {
    Ingest(Ingest),
    Query(Read),
}

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    Done,
    Failed,
    Aborted,
}

/// How CSV is written, as a request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Style {
    delimiter: (u8, &'static str),
    crlf: bool,
}

/// The delimiters and their names.
const DELIMITERS: [(u8, &str); 6] =
    [(b',', "COMMA"), (b'\t', "TAB"), (b';', "SEMICOLON"), (b'|', "PIPE"), (b'^', "CARET"), (b'`', "BACKQUOTE")];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StyleWish {
    #[serde(default)]
    content_type: Option<String>,
    #[serde(default)]
    line_ending: Option<String>,
    #[serde(default)]
    column_delimiter: Option<String>,
}

impl StyleWish {
    fn read(self) -> Result<Style, Fail> {
        if self.content_type.is_some_and(|kind| kind != "CSV") {
            return Err(invalid("InvalidJob : only the content type CSV is known"));
        }
        let crlf = match self.line_ending.as_deref() {
            None | Some("LF") => false,
            Some("CRLF") => true,
            Some(_) => return Err(invalid("InvalidJob : lineEnding is LF or CRLF")),
        };
        let wanted = self.column_delimiter.unwrap_or_else(|| "COMMA".to_owned());
        let delimiter = DELIMITERS.into_iter().find(|(_, name)| *name == wanted);
        Ok(Style { delimiter: delimiter.ok_or_else(|| invalid("InvalidJob : columnDelimiter is not known"))?, crlf })
    }
}

fn invalid(message: &str) -> Fail {
    Fail::bad("INVALIDJOB", message)
}

fn wrong_state(message: &str) -> Fail {
    Fail::bad("INVALIDJOBSTATE", message)
}

impl Stage {
    const fn name(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Done => "JobComplete",
            Self::Failed => "Failed",
            Self::Aborted => "Aborted",
        }
    }
}

impl Job {
    /// The job as answers show it.
    fn shown(&self, version: &str) -> Json {
        let is_running = self.state == Stage::Done && !self.looked_at;
        let number: f64 = version.trim_start_matches('v').parse().unwrap_or_default();
        let mut shown = Map::from_iter([
            ("id".to_owned(), json!(self.id)),
            ("object".to_owned(), json!("Lead")),
            ("createdById".to_owned(), json!(USER)),
            ("createdDate".to_owned(), json!(stamp(self.created))),
            ("systemModstamp".to_owned(), json!(stamp(self.created))),
            ("state".to_owned(), json!(if is_running { "InProgress" } else { self.state.name() })),
            ("concurrencyMode".to_owned(), json!("Parallel")),
            ("contentType".to_owned(), json!("CSV")),
            ("apiVersion".to_owned(), json!(number)),
            ("retries".to_owned(), json!(0)),
            ("totalProcessingTime".to_owned(), json!(12)),
        ]);
        shown.extend(self.error.as_ref().map(|error| ("errorMessage".to_owned(), json!(error))));
        match &self.work {
            Work::Ingest(ingest) => shown.extend(ingest.shown(&self.id, version)),
            Work::Query(read) => shown.extend(read.shown()),
        }
        Json::Object(shown)
    }
}

impl Jobs {
    fn add(&mut self, work: Work, state: Stage, now: DateTime<Utc>) -> &Job {
        self.made += 1;
        let id = format!("7505g{:013}", self.made);
        let job = Job { id: id.clone(), created: now, state, looked_at: false, error: None, work };
        self.all.entry(id).or_insert(job)
    }

    /// Batches of loads (one for each 10,000 rows), and queries.
    pub(super) fn counts(&self) -> (u64, u64) {
        let batches = |job: &Job| match &job.work {
            Work::Ingest(ingest) => (ingest.batches(), 0),
            Work::Query(_) => (0, 1),
        };
        self.all.values().map(batches).fold((0, 0), |(loads, queries), (load, query)| (loads + load, queries + query))
    }

    fn get(&mut self, id: &str) -> Result<&mut Job, Fail> {
        self.all.get_mut(id).ok_or_else(|| Fail::new(StatusCode::NOT_FOUND, "NOT_FOUND", "The requested resource does not exist"))
    }
}

impl Salesforce {
    /// `/jobs/ingest/…` and `/jobs/query/…`.
    pub(super) fn bulk(&self, call: &Call, version: &str, path: &[&str]) -> Result<Answer, Fail> {
        match path {
            ["ingest"] if call.method == Method::POST => self.open_ingest(call, version),
            ["query"] if call.method == Method::POST => self.start_query(call, version),
            [kind @ ("ingest" | "query")] => {
                only(call, &[Method::GET, Method::POST])?;
                Ok(self.job_list(version, kind))
            }
            ["ingest", id, "batches"] => {
                only(call, &[Method::PUT])?;
                self.upload(call, id)
            }
            ["ingest", id, which] => {
                only(call, &[Method::GET])?;
                self.ingest_results(id, which)
            }
            ["query", id, "results"] => {
                only(call, &[Method::GET])?;
                self.query_results(call, id)
            }
            ["query", id, "resultPages"] => {
                only(call, &[Method::GET])?;
                self.result_pages(call, version, id)
            }
            ["ingest" | "query", id] => self.job(call, version, id),
            _ => Err(Fail::not_found()),
        }
    }

    fn job_list(&self, version: &str, kind: &str) -> Answer {
        let state = self.state();
        let of_kind = state.jobs.all.values().filter(|job| matches!(job.work, Work::Ingest(_)) == (kind == "ingest"));
        let records: Vec<Json> = of_kind.map(|job| job.shown(version)).collect();
        Answer::json(StatusCode::OK, &json!({ "done": true, "nextRecordsUrl": Json::Null, "records": records }))
    }

    fn job(&self, call: &Call, version: &str, id: &str) -> Result<Answer, Fail> {
        only(call, &[Method::GET, Method::PATCH, Method::DELETE])?;
        match super::method_of(call) {
            Method::GET => {
                let mut state = self.state();
                let job = state.jobs.get(id)?;
                let shown = job.shown(version);
                job.looked_at = true;
                Ok(Answer::json(StatusCode::OK, &shown))
            }
            Method::PATCH => self.change_job(call, version, id),
            _ => {
                let mut state = self.state();
                if state.jobs.get(id)?.state == Stage::Open {
                    return Err(wrong_state("InvalidJobState : a job that is open cannot be deleted: abort it first"));
                }
                state.jobs.all.remove(id);
                Ok(Answer::empty(StatusCode::NO_CONTENT))
            }
        }
    }

    fn change_job(&self, call: &Call, version: &str, id: &str) -> Result<Answer, Fail> {
        let wish: Json = call.json().map_err(|error| Fail::json_parser(error.to_string()))?;
        let wanted = wish.get("state").and_then(Json::as_str).unwrap_or_default();
        let mut state = self.state();
        let job = state.jobs.get(id)?;
        match (wanted, job.state) {
            ("Aborted", Stage::Open) => job.state = Stage::Aborted,
            ("UploadComplete", Stage::Open) => {
                state.load(id, call.row_error.as_ref(), self.clock.now())?;
            }
            ("Aborted" | "UploadComplete", _) => {
                let message = format!("InvalidJobState : the job is {} already", job.state.name());
                return Err(wrong_state(&message));
            }
            _ => return Err(invalid("InvalidJob : the state can be UploadComplete or Aborted")),
        }
        let job = state.jobs.get(id)?;
        let mut shown = job.shown(version);
        if let (Some(shown), true) = (shown.as_object_mut(), wanted == "UploadComplete") {
            shown.insert("state".to_owned(), json!("UploadComplete"));
        }
        Ok(Answer::json(StatusCode::OK, &shown))
    }
}
