//! The Operate client: sign-in, change polling in time windows, creates and re-read updates of Leads.
//!
//! It knows no store and no mapping. Much of Operate's API is not published; what had to be assumed is a key of the
//! configuration, and nothing here is fixed that has a key.

mod auth;
pub(crate) mod fuzz;
mod lookup;
mod read;
mod record;
mod rows;
mod sweep;
mod time;
mod windows;
mod write;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use serde_json::Value as Json;
use tokio::sync::{Mutex, mpsc};

use self::auth::OperateSignIn;
pub use self::lookup::REFERENCES;
use self::record::own_fields;
pub use self::sweep::Probe;
use self::time::LocalTime;
use crate::config::field::Lookup;
use crate::config::operate::OperateConfig;
use crate::directory::Directory;
use crate::http::{Answer, Repeat, Request, Transport, is_passing};
use crate::lead::Side;
use crate::metrics::Metrics;
use crate::native::Names;
use crate::permit::Permit;
use crate::side::{
    ClockOffset, Listed, NativeField, Outcome, Page, Position, Record, SideClient, SideError, Swept, Usage, Write, WriteKind,
};

/// Writes of a round. Operate takes one record a request as a rule, so this only bounds how many creates can be in doubt after a crash: those
/// of two rounds.
const BATCH: usize = 10;

/// An Operate workspace.
pub struct OperateClient {
    transport: Transport,
    sign_in: OperateSignIn,
    config: OperateConfig,
    time: LocalTime,
    /// The fields of every query: ours first, then the mapped ones.
    fields: Vec<String>,
    /// The mapped fields, in order.
    mapped: Names,
    /// Whether leads are read with all that they have, whatever is mapped.
    whole: bool,
    /// Those of them that hold an id of a reference list.
    lookups: Vec<(String, Lookup)>,
    directories: Mutex<HashMap<&'static str, Directory>>,
}

impl OperateClient {
    /// A client that reads these fields of each Lead, with names in the place of the ids of reference lists. Nothing is sent yet.
    pub fn new(config: &OperateConfig, mut mapped: Vec<String>, lookups: Vec<(String, Lookup)>) -> Result<Self, SideError> {
        let transport =
            Transport::new(Side::Operate, &config.base_url, config.requests_per_second, config.concurrency, config.timeout)?;
        let mut fields: Vec<String> = Vec::new();
        for name in own_fields(config).into_iter().chain(&mapped).filter(|name| !name.is_empty()) {
            if !fields.contains(name) {
                fields.push(name.clone());
            }
        }
        mapped.sort_unstable();
        let time = LocalTime { zone: config.timezone, format: config.timestamp_format.clone() };
        Ok(Self {
            transport,
            sign_in: OperateSignIn::new(config)?,
            config: config.clone(),
            time,
            fields,
            mapped: Names::new(mapped.into_iter().map(Arc::from).collect()),
            whole: false,
            lookups,
            directories: Mutex::default(),
        })
    }

    /// The same, with its requests counted there, and none sent without this permit.
    #[must_use]
    pub fn at_work(mut self, metrics: &Metrics, permit: &Permit) -> Self {
        self.transport.work_under(metrics, permit);
        self
    }

    /// A client that reads all that leads have: Operate does not say which fields there are, so a query names none.
    pub fn of_whole_leads(config: &OperateConfig) -> Result<Self, SideError> {
        Ok(Self { whole: true, fields: Vec::new(), ..Self::new(config, Vec::new(), Vec::new())? })
    }

    /// A request below `/api/1.0/{endpoint}`.
    fn request(&self, operation: &'static str, method: Method, id: Option<&str>, repeat: Repeat) -> Request {
        let path = ["api", "1.0", &self.config.endpoint].into_iter().chain(id);
        Request::new(operation, method, path, repeat)
    }
}

/// What an answer that is no success means for the whole call.
fn whole_failure(answer: &Answer) -> SideError {
    let (side, reason) = (Side::Operate, answer.refusal().to_string());
    if is_passing(answer.status) { SideError::Unreachable { side, reason } } else { SideError::Refused { side, reason } }
}

#[async_trait]
impl SideClient for OperateClient {
    fn side(&self) -> Side {
        Side::Operate
    }

    async fn poll(&self, from: Option<Position>, overlap: TimeDelta, pages: mpsc::Sender<Page>) -> Result<(), SideError> {
        self.poll_windows(from, overlap, &pages).await
    }

    async fn read(&self, ids: &[String]) -> Result<Vec<Record>, SideError> {
        let mut records = Vec::new();
        for read in futures_util::future::join_all(ids.iter().map(|id| self.get(id))).await {
            records.extend(read?);
        }
        Ok(records)
    }

    async fn find_created(&self, since: DateTime<Utc>, _creates: &[Write]) -> Result<Vec<Record>, SideError> {
        self.created_since(since).await
    }

    async fn sweep(&self, _since: Option<DateTime<Utc>>, listed: mpsc::Sender<Vec<Listed>>) -> Result<Swept, SideError> {
        self.list_all(&listed).await
    }

    async fn describe(&self) -> Result<Option<Vec<NativeField>>, SideError> {
        Ok(None)
    }

    fn knows(&self, field: &str, value: &Json) -> bool {
        self.has_reference(field, value)
    }

    async fn reference_names(&self) -> BTreeMap<String, String> {
        Self::reference_names(self).await
    }

    fn absence_is_deletion(&self) -> bool {
        true
    }

    fn usage(&self) -> Option<Usage> {
        None
    }

    fn batch_size(&self, _kind: WriteKind, _due: u64) -> usize {
        BATCH.max(self.config.batch_size)
    }

    fn reads_at_once(&self) -> usize {
        1
    }

    fn concurrency(&self) -> usize {
        1
    }

    async fn write(&self, writes: &[Write]) -> Result<Vec<Outcome>, SideError> {
        self.write_resolved(writes).await
    }

    fn clock(&self) -> Option<ClockOffset> {
        self.transport.clock()
    }

    fn requests(&self) -> u64 {
        self.transport.requests()
    }

    fn recorded(&self, requests: u64) {
        self.transport.recorded(requests);
    }
}
