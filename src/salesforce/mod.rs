//! The Salesforce client: sign-in, change polling, upserts and guarded updates of Leads over the REST API.
//!
//! It knows no store and no mapping. What it relies on is documented by Salesforce: the REST API Developer Guide (conditional
//! requests, sObject Collections, Composite) and the SOQL Reference (keyset pages, literals).

mod auth;
mod budget;
mod bulk;
mod check;
mod describe;
pub mod events;
pub(crate) mod fuzz;
mod outcome;
mod read;
mod record;
mod sweep;
mod users;
mod write;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, StatusCode};
use serde_json::Value as Json;
use tokio::sync::{Mutex, mpsc};

use self::auth::SalesforceSignIn;
pub use self::check::ActiveRule;
pub use self::describe::Rights;
use crate::config::salesforce::{DuplicateRule, SalesforceConfig};
use crate::directory::Directory;
use crate::http::{Answer, Repeat, Request, Transport, is_passing};
use crate::lead::Side;
use crate::metrics::Metrics;
use crate::native::Names;
use crate::permit::Permit;
use crate::side::{
    Action, ClockOffset, Listed, NativeField, Outcome, Page, Position, Record, Refusal, SideClient, SideError, Swept, Usage,
    Write, WriteKind, outcomes_of,
};

/// Records that one sObject Collections call takes.
const COLLECTION: usize = 200;
/// Requests that one Composite call takes.
const COMPOSITE: usize = 25;
/// Ids that one retrieve call takes.
const RETRIEVE: usize = 2_000;
/// Records of one bulk job: all of them are in memory until it has ended.
const BULK: usize = 5_000;
/// Fields that every query and retrieve asks for.
const OWN: [&str; 6] = ["Id", "SystemModstamp", "CreatedDate", "IsDeleted", "IsConverted", "MasterRecordId"];

/// The fields of a Lead that are read.
#[derive(Debug, Default)]
struct Fields {
    /// All that are asked for: ours first, then the mapped ones.
    asked: Vec<String>,
    /// The mapped ones, in order.
    mapped: Names,
    /// Of those, the ones that hold a user's id where the mapping has an e-mail address.
    users: Vec<String>,
}

/// Who a program is in an org.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's name, or the id where the org does not tell the name.
    pub user: String,
    /// The org's id.
    pub organization: String,
    /// Why the org does not tell the name.
    pub problem: Option<SideError>,
}

/// A Salesforce org.
pub struct SalesforceClient {
    transport: Transport,
    sign_in: SalesforceSignIn,
    version: String,
    external_id_field: String,
    filter: String,
    concurrency: usize,
    auto_assign: bool,
    duplicates: DuplicateRule,
    guarded_updates: u64,
    bulk_creates: u64,
    bulk_read: u64,
    /// Whether the org does not let this program use the Bulk API.
    bulk_refused: AtomicBool,
    fields: RwLock<Arc<Fields>>,
    users: Mutex<Option<Directory>>,
}

impl SalesforceClient {
    /// A client that reads these fields of each Lead. Nothing is sent yet.
    pub fn new(config: &SalesforceConfig, mapped: Vec<String>) -> Result<Self, SideError> {
        let transport =
            Transport::new(Side::Salesforce, &config.login_url, config.requests_per_second, config.concurrency, config.timeout)?;
        let client = Self {
            transport,
            sign_in: SalesforceSignIn::new(config)?,
            version: config.api_version.clone(),
            external_id_field: config.external_id_field.clone(),
            filter: config.filter.clone(),
            concurrency: config.concurrency,
            auto_assign: config.auto_assign,
            duplicates: config.duplicates,
            guarded_updates: config.guarded_updates,
            bulk_creates: config.bulk_creates,
            bulk_read: config.bulk_read,
            bulk_refused: AtomicBool::new(false),
            fields: RwLock::default(),
            users: Mutex::default(),
        };
        client.map(mapped, Vec::new());
        Ok(client)
    }

    /// The same, with its requests counted there, and none sent without this permit.
    #[must_use]
    pub fn at_work(mut self, metrics: &Metrics, permit: &Permit) -> Self {
        self.transport.work_under(metrics, permit);
        self
    }

    /// Reads these fields from now on. `users` are those of them that hold a user's id where the mapping has an e-mail address.
    pub fn map(&self, mut mapped: Vec<String>, users: Vec<String>) {
        mapped.sort_unstable();
        let mut asked: Vec<String> = OWN.iter().map(|name| (*name).to_owned()).collect();
        // An org that is only looked at may not have it yet.
        asked.extend(Some(self.external_id_field.clone()).filter(|name| !name.is_empty()));
        for name in &mapped {
            if !asked.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                asked.push(name.clone());
            }
        }
        let mapped = Names::new(mapped.into_iter().map(Arc::from).collect());
        *self.fields.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Fields { asked, mapped, users });
    }

    fn fields(&self) -> Arc<Fields> {
        Arc::clone(&self.fields.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Who this program is signed in as, and where.
    pub async fn identity(&self) -> Result<Identity, SideError> {
        let request = Request::new("identity", Method::GET, ["services", "oauth2", "userinfo"], Repeat::Safe);
        match (self.expect(&request).await, self.sign_in.ids()) {
            (Ok(answer), _) => {
                let info: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
                let text = |name: &str| info.get(name).and_then(Json::as_str).unwrap_or("unknown").to_owned();
                Ok(Identity { user: text("preferred_username"), organization: text("organization_id"), problem: None })
            }
            // The sign-in told the ids, and the name is all that is missing.
            (Err(error), Some((organization, user))) => Ok(Identity { user, organization, problem: Some(error) }),
            (Err(error), None) => Err(error),
        }
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

    /// Sends writes of one kind in the way that fits their number.
    async fn write_native(&self, writes: &[Write]) -> Result<Vec<Outcome>, SideError> {
        match writes.first().map(|write| &write.action) {
            None => Ok(Vec::new()),
            Some(Action::Create) if writes.len() > COLLECTION => self.upsert_many(writes).await,
            Some(Action::Create) => self.upsert(writes).await,
            Some(Action::Update { .. }) if writes.len() > COMPOSITE => self.update_compared(writes).await,
            Some(Action::Update { .. }) => self.update_guarded(writes).await,
            Some(Action::Delete { .. }) => self.delete_compared(writes).await,
        }
    }

    /// Sends a request that must succeed as a whole.
    async fn expect(&self, request: &Request) -> Result<Answer, SideError> {
        let answer = self.transport.call(&self.sign_in, request).await.map_err(|trouble| trouble.into_error(Side::Salesforce))?;
        if answer.status.is_success() { Ok(answer) } else { Err(self.whole_failure(&answer)) }
    }

    /// What an answer that is no success means for the whole call.
    fn whole_failure(&self, answer: &Answer) -> SideError {
        let side = Side::Salesforce;
        let refusal = outcome::refusal_of(answer);
        let reason = Refusal::new(refusal.code.clone(), outcome::in_one_line(&refusal.message)).to_string();
        match answer.status {
            StatusCode::FORBIDDEN if refusal.code == "REQUEST_LIMIT_EXCEEDED" => {
                let wait = answer.retry_after().and_then(|wait| TimeDelta::from_std(wait).ok());
                SideError::Budget { side, reason, retry_at: wait.and_then(|wait| Utc::now().checked_add_signed(wait)) }
            }
            status if is_passing(status) => SideError::Unreachable { side, reason },
            _ => self.without_key(&refusal).unwrap_or(SideError::Refused { side, reason }),
        }
    }

    /// A refusal that says that the external id field is not there.
    fn without_key(&self, refusal: &Refusal) -> Option<SideError> {
        let name = &self.external_id_field;
        outcome::says_missing(refusal, name).then(|| SideError::Setup {
            side: Side::Salesforce,
            reason: format!(
                "Lead has no field {name} (salesforce.external_id_field) that this user may see: {}. Without it no create is safe to \
                 repeat, so nothing is read and nothing written until it is back: give the integration user the right to see and edit \
                 it, or make it anew",
                refusal.code
            ),
        })
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
        self.read_all(ids).await
    }

    async fn find_created(&self, _since: DateTime<Utc>, creates: &[Write]) -> Result<Vec<Record>, SideError> {
        let ids: Vec<&str> = creates.iter().filter_map(|write| write.external_id.as_deref()).collect();
        self.by_external_ids(&ids).await
    }

    async fn sweep(&self, since: Option<DateTime<Utc>>, listed: mpsc::Sender<Vec<Listed>>) -> Result<Swept, SideError> {
        self.sweep_logs(since, &listed).await
    }

    async fn describe(&self) -> Result<Option<Vec<NativeField>>, SideError> {
        Ok(Some(self.describe_lead().await?.1))
    }

    fn batch_size(&self, kind: WriteKind, due: u64) -> usize {
        match kind {
            WriteKind::Create if due >= self.bulk_creates && !self.bulk_refused.load(Ordering::Relaxed) => BULK,
            WriteKind::Create | WriteKind::Delete => COLLECTION,
            WriteKind::Update if due > self.guarded_updates => RETRIEVE,
            WriteKind::Update => COMPOSITE,
        }
    }

    fn reads_at_once(&self) -> usize {
        RETRIEVE
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    async fn write(&self, writes: &[Write]) -> Result<Vec<Outcome>, SideError> {
        if self.fields().users.is_empty() {
            return self.write_native(writes).await;
        }
        // What names nobody is refused here, and the rest is sent without it.
        let (mut outcomes, mut ready) = (Vec::new(), Vec::new());
        for write in writes {
            outcomes.push(match self.with_user_ids(&write.fields).await? {
                Ok(fields) => {
                    ready.push(Write { fields, ..write.clone() });
                    None
                }
                Err(refusal) => Some(Outcome::Refused(refusal)),
            });
        }
        Ok(outcomes_of(outcomes, self.write_native(&ready).await?))
    }

    fn knows(&self, field: &str, value: &Json) -> bool {
        self.has_user(field, value)
    }

    async fn reference_names(&self) -> BTreeMap<String, String> {
        self.user_names().await
    }

    fn absence_is_deletion(&self) -> bool {
        // Sharing rules may hide a lead from the user that this program is.
        false
    }

    fn usage(&self) -> Option<Usage> {
        self.sign_in.usage()
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
