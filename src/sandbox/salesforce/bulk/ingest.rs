//! Loading: a job is opened, given its rows in one upload, and closed; then it has a result for each row.

use axum::body::Bytes;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::table::{self, Sheet};
use super::{Stage, Style, StyleWish, Work, invalid, wrong_state};
use crate::sandbox::http::{Answer, Call, RowError};
use crate::sandbox::salesforce::collections::{Action, Done};
use crate::sandbox::salesforce::errors::Fail;
use crate::sandbox::salesforce::fields::{EXTERNAL_ID, Field};
use crate::sandbox::salesforce::objects::Entity;
use crate::sandbox::salesforce::rows::{USER, Writer};
use crate::sandbox::salesforce::{Salesforce, State, ids};

/// The longest upload: base64 makes 150 MB of it.
const LONGEST: usize = 112_500_000;

/// A load.
#[derive(Debug)]
pub(super) struct Ingest {
    operation: Operation,
    external_id_field: Option<String>,
    assign: bool,
    style: Style,
    data: Option<Bytes>,
    sheet: Sheet,
    results: Vec<Result<Done, Fail>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Operation {
    Insert,
    Update,
    Upsert,
    Delete,
    HardDelete,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wish {
    object: String,
    operation: String,
    #[serde(default)]
    external_id_field_name: Option<String>,
    #[serde(default)]
    assignment_rule_id: Option<String>,
    #[serde(flatten)]
    style: StyleWish,
}

impl Operation {
    const ALL: [(&'static str, Self); 5] = [
        ("insert", Self::Insert),
        ("update", Self::Update),
        ("upsert", Self::Upsert),
        ("delete", Self::Delete),
        ("hardDelete", Self::HardDelete),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, operation)| *operation == self).map_or("insert", |(name, _)| name)
    }
}

impl Ingest {
    /// How many batches its rows made.
    pub(super) fn batches(&self) -> u64 {
        u64::try_from(self.results.len().div_ceil(10_000)).unwrap_or_default()
    }

    pub(super) fn shown(&self, id: &str, version: &str) -> Map<String, Json> {
        let failed = self.results.iter().filter(|result| result.is_err()).count();
        let mut shown = Map::from_iter([
            ("operation".to_owned(), json!(self.operation.name())),
            ("jobType".to_owned(), json!("V2Ingest")),
            ("lineEnding".to_owned(), json!(if self.style.crlf { "CRLF" } else { "LF" })),
            ("columnDelimiter".to_owned(), json!(self.style.delimiter.1)),
            ("contentUrl".to_owned(), json!(format!("services/data/{version}/jobs/ingest/{id}/batches"))),
            ("numberRecordsProcessed".to_owned(), json!(self.results.len())),
            ("numberRecordsFailed".to_owned(), json!(failed)),
            ("apexProcessingTime".to_owned(), json!(0)),
            ("apiActiveProcessingTime".to_owned(), json!(10)),
        ]);
        shown.extend(self.external_id_field.as_ref().map(|name| ("externalIdFieldName".to_owned(), json!(name))));
        shown
    }
}

impl Salesforce {
    pub(super) fn open_ingest(&self, call: &Call, version: &str) -> Result<Answer, Fail> {
        let wish: Wish = call.json().map_err(|error| Fail::json_parser(error.to_string()))?;
        if !wish.object.eq_ignore_ascii_case("Lead") {
            return Err(invalid(&format!("InvalidEntity : sObject type '{}' is not supported", wish.object)));
        }
        let known = Operation::ALL.into_iter().find(|(name, _)| *name == wish.operation);
        let (_, operation) = known.ok_or_else(|| invalid("InvalidJob : the operation is not known"))?;
        let names_key = wish
            .external_id_field_name
            .as_deref()
            .is_some_and(|name| name.eq_ignore_ascii_case(EXTERNAL_ID) || name.eq_ignore_ascii_case("Id"));
        if operation == Operation::Upsert && !names_key {
            return Err(invalid("InvalidJob : an upsert needs externalIdFieldName, the name of an external id"));
        }
        let ingest = Ingest {
            operation,
            external_id_field: wish.external_id_field_name,
            assign: wish.assignment_rule_id.is_some(),
            style: wish.style.read()?,
            data: None,
            sheet: Sheet::default(),
            results: Vec::new(),
        };
        let now = self.clock.now();
        let mut state = self.state();
        Ok(Answer::json(StatusCode::OK, &state.jobs.add(Work::Ingest(ingest), Stage::Open, now).shown(version)))
    }

    pub(super) fn upload(&self, call: &Call, id: &str) -> Result<Answer, Fail> {
        let mut state = self.state();
        let job = state.jobs.get(id)?;
        let (reached, Work::Ingest(ingest)) = (job.state, &mut job.work) else { return Err(Fail::not_found()) };
        if reached != Stage::Open || ingest.data.is_some() {
            return Err(wrong_state("InvalidJobState : the job takes no data any more"));
        }
        if !call.header("content-type").unwrap_or_default().to_ascii_lowercase().starts_with("text/csv") {
            return Err(Fail::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", "the upload must be text/csv"));
        }
        if call.body.len() > LONGEST {
            let message = "ClientInputError : Request body exceeds the maximum size of 150 MB";
            return Err(Fail::new(StatusCode::PAYLOAD_TOO_LARGE, "FILE_SIZE_LIMIT_EXCEEDED", message));
        }
        ingest.data = Some(call.body.clone());
        Ok(Answer::empty(StatusCode::CREATED))
    }

    pub(super) fn ingest_results(&self, id: &str, which: &str) -> Result<Answer, Fail> {
        let mut state = self.state();
        let job = state.jobs.get(id)?;
        let Work::Ingest(ingest) = &job.work else { return Err(Fail::not_found()) };
        if job.state == Stage::Open {
            return Err(wrong_state("InvalidJobState : the job is not complete yet"));
        }
        let rows = ingest.sheet.rows.iter().zip(&ingest.results);
        let head = |more: &[&str]| -> Vec<String> {
            more.iter().map(|name| (*name).to_owned()).chain(ingest.sheet.columns.iter().cloned()).collect()
        };
        let body = match which.to_ascii_lowercase().as_str() {
            "successfulresults" => {
                let done = rows.filter_map(|(row, result)| {
                    let done = result.as_ref().ok()?;
                    let made = done.created.unwrap_or(ingest.operation == Operation::Insert);
                    Some([ids::full(&done.key), made.to_string()].into_iter().chain(row.iter().cloned()).collect())
                });
                table::write(&head(&["sf__Id", "sf__Created"]), done, ingest.style, true)
            }
            "failedresults" => {
                let failed = rows.filter_map(|(row, result)| {
                    let fail = result.as_ref().err()?;
                    let fields = fail.fields.clone().unwrap_or_default().join(",");
                    let error = format!("{}:{}:{fields} --", fail.code, fail.message);
                    Some([String::new(), error].into_iter().chain(row.iter().cloned()).collect())
                });
                table::write(&head(&["sf__Id", "sf__Error"]), failed, ingest.style, true)
            }
            "unprocessedrecords" => {
                let left = ingest.sheet.rows.iter().skip(ingest.results.len()).cloned();
                table::write(&ingest.sheet.columns, left, ingest.style, true)
            }
            _ => return Err(Fail::not_found()),
        };
        Ok(Answer::text_of(StatusCode::OK, "text/csv", body))
    }
}

impl State {
    /// Works on a job's upload. What spoils it as a whole makes it fail; each row has a result of its own.
    pub(super) fn load(&mut self, id: &str, ordered: Option<&RowError>, now: DateTime<Utc>) -> Result<(), Fail> {
        let job = self.jobs.get(id)?;
        let Work::Ingest(ingest) = &job.work else { return Err(Fail::not_found()) };
        let data = ingest.data.clone().ok_or_else(|| wrong_state("InvalidJobState : nothing was uploaded"))?;
        let (operation, assign, style) = (ingest.operation, ingest.assign, ingest.style);
        let key = match operation {
            Operation::Upsert => ingest.external_id_field.clone().unwrap_or_default(),
            _ => "Id".to_owned(),
        };
        let writer = Writer { now, by: USER, allow_save: false, assign };
        let read = Sheet::read(&data, style).map_err(|error| format!("InvalidBatch : {error}"));
        let read = read.and_then(|sheet| columns(&sheet, &self.leads.switches).map(|columns| (sheet, columns)));
        let (sheet, columns) = match read {
            Ok(read) => read,
            Err(error) => {
                let job = self.jobs.get(id)?;
                (job.state, job.error) = (Stage::Failed, Some(error));
                return Ok(());
            }
        };
        let mut results = Vec::with_capacity(sheet.rows.len());
        for (number, row) in sheet.rows.iter().enumerate() {
            let result = match ordered {
                Some(ordered) if ordered.row == number => Err(Fail::ordered(&ordered.code, None)),
                _ => self.load_row(&columns, row, operation, &key, &writer),
            };
            results.push(result);
        }
        let job = self.jobs.get(id)?;
        job.state = Stage::Done;
        if let Work::Ingest(ingest) = &mut job.work {
            (ingest.sheet, ingest.results, ingest.data) = (sheet, results, None);
        }
        Ok(())
    }

    fn load_row(
        &mut self,
        columns: &[&'static Field],
        row: &[String],
        operation: Operation,
        key: &str,
        writer: &Writer,
    ) -> Result<Done, Fail> {
        let mut record = table::record(columns, row)?;
        let id = record.remove("Id").and_then(|id| id.as_str().map(str::to_owned));
        let by_id = key.eq_ignore_ascii_case("Id");
        let name = match operation {
            Operation::Upsert if !by_id => record.get(EXTERNAL_ID).and_then(Json::as_str).map(str::to_owned),
            _ => id,
        };
        let action = match operation {
            Operation::Insert => Action::Create,
            Operation::Upsert if by_id => Action::UpsertById,
            Operation::Upsert => Action::Upsert,
            Operation::Update => Action::Update,
            Operation::Delete | Operation::HardDelete => Action::Delete,
        };
        let done = self.write_one(&record, name.as_deref(), action, writer)?;
        if operation == Operation::HardDelete {
            self.leads.purge(&done.key, writer)?;
        }
        Ok(done)
    }
}

/// The fields that the columns name.
fn columns(
    sheet: &Sheet,
    switches: &crate::sandbox::salesforce::switches::SalesforceSwitches,
) -> Result<Vec<&'static Field>, String> {
    let find = |name: &String| {
        let field = Entity::Lead.field(name).filter(|_| !switches.lacks(name));
        field.ok_or_else(|| format!("InvalidBatch : Field name not found : {name}"))
    };
    sheet.columns.iter().map(find).collect()
}
