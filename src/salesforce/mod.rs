//! The Salesforce client: sign-in, change polling, upserts and guarded updates of Leads over the REST API.
//!
//! It knows no store and no mapping. What it relies on is documented by Salesforce: the REST API Developer Guide (conditional
//! requests, sObject Collections, Composite) and the SOQL Reference (keyset pages, literals).

mod auth;
mod outcome;
mod read;
mod record;
mod write;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, StatusCode};
use tokio::sync::mpsc;

use self::auth::ClientCredentials;
use crate::config::salesforce::SalesforceConfig;
use crate::http::{Answer, Repeat, Request, Transport, is_passing};
use crate::lead::Side;
use crate::side::{Action, ClockOffset, Outcome, Page, Position, Record, SideClient, SideError, Write};

/// Records that one sObject Collections call takes.
const COLLECTION: usize = 200;
/// Requests that one Composite call takes.
const COMPOSITE: usize = 25;
/// Ids that one retrieve call takes.
const RETRIEVE: usize = 2_000;

/// A Salesforce org.
pub struct SalesforceClient {
    transport: Transport,
    sign_in: ClientCredentials,
    version: String,
    external_id_field: String,
    filter: String,
    concurrency: usize,
    /// The fields of every query and retrieve: ours first, then the mapped ones.
    fields: Vec<String>,
    /// The mapped fields.
    mapped: Vec<String>,
}

impl SalesforceClient {
    /// A client that reads these fields of each Lead. Nothing is sent yet.
    pub fn new(config: &SalesforceConfig, mapped: Vec<String>) -> Result<Self, SideError> {
        let transport =
            Transport::new(Side::Salesforce, &config.login_url, config.requests_per_second, config.concurrency, config.timeout)?;
        let own = ["Id", "SystemModstamp", "CreatedDate", "IsDeleted", "IsConverted", "MasterRecordId"];
        let mut fields: Vec<String> = own.iter().map(|name| (*name).to_owned()).collect();
        fields.push(config.external_id_field.clone());
        for name in &mapped {
            if !fields.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                fields.push(name.clone());
            }
        }
        Ok(Self {
            transport,
            sign_in: ClientCredentials::new(config)?,
            version: config.api_version.clone(),
            external_id_field: config.external_id_field.clone(),
            filter: config.filter.clone(),
            concurrency: config.concurrency,
            fields,
            mapped,
        })
    }

    /// A request below `/services/data/vXX.X/`.
    fn request(&self, operation: &'static str, method: Method, path: &[&str], repeat: Repeat) -> Request {
        let version = format!("v{}", self.version);
        let path = ["services", "data", &version].into_iter().chain(path.iter().copied());
        Request::new(operation, method, path, repeat)
            // Names this program in the org's change events, and keeps API use out of "recently viewed".
            .header("Sforce-Call-Options", "client=leadsync")
            .header("Sforce-Mru", "updateMru=false")
    }

    /// Sends a request that must succeed as a whole.
    async fn expect(&self, request: &Request) -> Result<Answer, SideError> {
        let answer = self.transport.call(&self.sign_in, request).await.map_err(|trouble| trouble.into_error(Side::Salesforce))?;
        if answer.status.is_success() { Ok(answer) } else { Err(whole_failure(&answer)) }
    }
}

/// What an answer that is no success means for the whole call.
fn whole_failure(answer: &Answer) -> SideError {
    let side = Side::Salesforce;
    let refusal = outcome::refusal_of(answer);
    let reason = refusal.to_string();
    match answer.status {
        StatusCode::FORBIDDEN if refusal.code == "REQUEST_LIMIT_EXCEEDED" => {
            let wait = answer.retry_after().and_then(|wait| TimeDelta::from_std(wait).ok());
            SideError::Budget { side, reason, retry_at: wait.map(|wait| Utc::now() + wait) }
        }
        status if is_passing(status) => SideError::Unreachable { side, reason },
        _ => SideError::Refused { side, reason },
    }
}

#[async_trait]
impl SideClient for SalesforceClient {
    fn side(&self) -> Side {
        Side::Salesforce
    }

    async fn poll(&self, from: Option<Position>, overlap: TimeDelta, pages: mpsc::Sender<Page>) -> Result<(), SideError> {
        self.poll_changes(from, overlap, &pages).await
    }

    async fn read(&self, ids: &[String]) -> Result<Vec<Record>, SideError> {
        self.retrieve(ids).await
    }

    async fn find_created(&self, _since: DateTime<Utc>, creates: &[Write]) -> Result<Vec<Record>, SideError> {
        let ids: Vec<&str> = creates.iter().filter_map(|write| write.external_id.as_deref()).collect();
        self.by_external_ids(&ids).await
    }

    fn batch_size(&self, creates: bool) -> usize {
        if creates { COLLECTION } else { COMPOSITE }
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    async fn write(&self, writes: &[Write]) -> Result<Vec<Outcome>, SideError> {
        let is_create = |write: &Write| matches!(write.action, Action::Create);
        if writes.iter().all(is_create) { self.upsert(writes).await } else { self.update_guarded(writes).await }
    }

    fn clock(&self) -> Option<ClockOffset> {
        self.transport.clock()
    }

    fn requests(&self) -> u64 {
        self.transport.requests()
    }
}
