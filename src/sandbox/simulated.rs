//! What both simulated systems share: requests are counted, struck by faults and answered here, and a test or the demo
//! holds a [`SimulatedSide`] to act as another user.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderValue, Response, StatusCode, header};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::sandbox::SandboxError;
use crate::sandbox::clock::Clock;
use crate::sandbox::faults::{Cut, Effects, Fault, Faults, RequestKind};
use crate::sandbox::http::{Answer, Call};
use crate::sandbox::wire::Wire;

/// How many of the last requests are kept for [`Requests::recent`].
const RECENT: usize = 200;

/// One of the two systems, behind its HTTP interface.
pub trait System: Send + Sync {
    /// What the request is for, before anything of it is checked.
    fn kind(&self, call: &Call) -> RequestKind;
    /// Answers a request.
    fn answer(&self, call: &Call) -> Answer;
    /// The body for a fault's status that brings none.
    fn fault_answer(&self, call: &Call, status: StatusCode) -> Answer;
    /// Whether it compresses answers for whoever takes them so.
    fn compresses(&self) -> bool {
        false
    }
    /// Ends every access token.
    fn expire_tokens(&self);
    /// Its clock.
    fn clock(&self) -> &Clock;
    /// Lead rows changed through the HTTP interface so far.
    fn lead_writes(&self) -> LeadWrites;
    /// Every lead with all its fields, in the order of ids.
    fn leads(&self) -> Vec<Json>;
    /// One lead.
    fn lead(&self, id: &str) -> Option<Json>;
    /// Makes a lead as another user; at this time, if one is given.
    fn create(&self, fields: &Map<String, Json>, at: Option<DateTime<Utc>>) -> Result<String, String>;
    /// Changes a lead as another user.
    fn edit(&self, id: &str, fields: &Map<String, Json>, at: Option<DateTime<Utc>>) -> Result<(), String>;
    /// Deletes a lead as another user.
    fn delete(&self, id: &str) -> Result<(), String>;
    /// Converts a lead as another user.
    fn convert(&self, id: &str) -> Result<(), String>;
    /// Takes a lead out of the recycle bin.
    fn undelete(&self, id: &str) -> Result<(), String> {
        Err(format!("this system has no recycle bin to take {id} from"))
    }
    /// Deletes a lead for good.
    fn purge(&self, id: &str) -> Result<(), String> {
        self.delete(id)
    }
    /// Merges leads into another.
    fn merge(&self, master: &str, losers: &[String]) -> Result<(), String> {
        Err(format!("this system cannot merge {} leads into {master}", losers.len()))
    }
    /// Hides a lead from the API's user, or shows it again.
    fn hide(&self, id: &str, hidden: bool) -> Result<(), String> {
        Err(format!("this system shows every user lead {id} (hidden: {hidden})"))
    }
    /// Adds, renames or (without a name) removes an entry of a reference list.
    fn reference(&self, list: &str, id: u32, name: Option<&str>, email: Option<&str>) -> Result<(), String> {
        let _ = (id, name, email);
        Err(format!("this system has no reference list {list}"))
    }
    /// Messages sent after writes.
    fn messages(&self) -> Json {
        Json::Array(Vec::new())
    }
    /// Leads that this one may double.
    fn suspected(&self, id: &str) -> Result<Vec<Json>, String> {
        Err(format!("this system suspects nothing of {id}"))
    }
    /// Does something to the stream of change events; what came and went.
    fn events(&self, _wish: &Json) -> Result<Json, String> {
        Err("this system has no change events".to_owned())
    }
    /// Changes the system's switches; what they are, and how they stand then.
    fn switch(&self, switches: &Json) -> Result<Json, String>;
}

/// Lead rows changed through the HTTP interface (not through `/_sandbox/` nor a [`SimulatedSide`]).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LeadWrites {
    /// Rows made.
    pub created: u64,
    /// Rows changed, those given only the values that they had among them.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
}

impl LeadWrites {
    /// All of them.
    #[must_use]
    pub fn total(self) -> u64 {
        self.created + self.updated + self.deleted
    }
}

/// The requests that came in, `/_sandbox/` not counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// For access tokens.
    pub token: u64,
    /// That read.
    pub read: u64,
    /// That may write.
    pub write: u64,
    /// Lead rows changed by them.
    pub leads: LeadWrites,
    /// The last 200, oldest first.
    pub recent: Vec<RequestLine>,
}

impl Requests {
    /// Reads and writes, sign-ins not counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.read + self.write
    }
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestLine {
    /// The method.
    pub method: String,
    /// Path and query as sent.
    pub uri: String,
    /// The status answered; 0 where the connection was cut.
    pub status: u16,
}

#[derive(Default)]
struct Traffic {
    faults: Faults,
    token: u64,
    read: u64,
    write: u64,
    recent: VecDeque<RequestLine>,
}

/// A hold on one simulated system: acts as its other users, sets faults, counts requests. Cheap to clone.
#[derive(Clone)]
pub struct SimulatedSide {
    system: Arc<dyn System>,
    traffic: Arc<Mutex<Traffic>>,
}

impl SimulatedSide {
    pub(super) fn new(system: Arc<dyn System>) -> Self {
        Self { system, traffic: Arc::default() }
    }

    /// Every lead with all its fields, in the order of ids; Salesforce's deleted ones among them.
    #[must_use]
    pub fn leads(&self) -> Vec<Json> {
        self.system.leads()
    }

    /// One lead with all its fields.
    #[must_use]
    pub fn lead(&self, id: &str) -> Option<Json> {
        self.system.lead(id)
    }

    /// Makes a lead as another user, and gives its id.
    pub fn create(&self, fields: &Json) -> Result<String, SandboxError> {
        self.create_at(fields, None)
    }

    /// The same, stamped with this time.
    pub fn create_at(&self, fields: &Json, at: Option<DateTime<Utc>>) -> Result<String, SandboxError> {
        self.system.create(object(fields)?, at).map_err(SandboxError::Refused)
    }

    /// Changes a lead as another user.
    pub fn edit(&self, id: &str, fields: &Json) -> Result<(), SandboxError> {
        self.edit_at(id, fields, None)
    }

    /// The same, stamped with this time.
    pub fn edit_at(&self, id: &str, fields: &Json, at: Option<DateTime<Utc>>) -> Result<(), SandboxError> {
        self.system.edit(id, object(fields)?, at).map_err(SandboxError::Refused)
    }

    /// Deletes a lead as another user.
    pub fn delete(&self, id: &str) -> Result<(), SandboxError> {
        self.system.delete(id).map_err(SandboxError::Refused)
    }

    /// Converts a lead as another user.
    pub fn convert(&self, id: &str) -> Result<(), SandboxError> {
        self.system.convert(id).map_err(SandboxError::Refused)
    }

    /// Adds, renames or (without a name) removes an entry of one of Operate's reference lists; a user has an e-mail address.
    pub fn reference(&self, list: &str, id: u32, name: Option<&str>, email: Option<&str>) -> Result<(), SandboxError> {
        self.system.reference(list, id, name, email).map_err(SandboxError::Refused)
    }

    /// The messages that Operate sent after writes, with what became of each.
    #[must_use]
    pub fn messages(&self) -> Json {
        self.system.messages()
    }

    /// The leads that Operate suspects this one to double, with the rule that says so.
    pub fn suspected(&self, id: &str) -> Result<Vec<Json>, SandboxError> {
        self.system.suspected(id).map_err(SandboxError::Refused)
    }

    /// Takes a Salesforce lead out of the recycle bin, or restores a lead in Operate, as another user.
    pub fn undelete(&self, id: &str) -> Result<(), SandboxError> {
        self.system.undelete(id).map_err(SandboxError::Refused)
    }

    /// Deletes a lead for good: of a Salesforce lead only the log of deletes remembers it.
    pub fn purge(&self, id: &str) -> Result<(), SandboxError> {
        self.system.purge(id).map_err(SandboxError::Refused)
    }

    /// Merges one or two Salesforce leads into another, as another user.
    pub fn merge(&self, master: &str, losers: &[String]) -> Result<(), SandboxError> {
        self.system.merge(master, losers).map_err(SandboxError::Refused)
    }

    /// Hides a Salesforce lead from the API's user, or shows it again.
    pub fn hide(&self, id: &str, hidden: bool) -> Result<(), SandboxError> {
        self.system.hide(id, hidden).map_err(SandboxError::Refused)
    }

    /// Does something to Salesforce's change events (`{}` nothing), and gives what came and went.
    pub fn events(&self, wish: &Json) -> Result<Json, SandboxError> {
        self.system.events(wish).map_err(SandboxError::Refused)
    }

    /// Changes the system's switches (`{}` changes none) and gives all of them.
    pub fn switch(&self, switches: &Json) -> Result<Json, SandboxError> {
        self.system.switch(switches).map_err(SandboxError::Refused)
    }

    /// Sets a fault.
    pub fn fault(&self, fault: Fault) -> Result<(), SandboxError> {
        fault.check().map_err(SandboxError::Refused)?;
        self.traffic().faults.add(fault);
        Ok(())
    }

    /// The faults that still wait.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.traffic().faults.waiting().to_vec()
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.traffic().faults.clear();
    }

    /// Ends every access token.
    pub fn expire_tokens(&self) {
        self.system.expire_tokens();
    }

    /// Puts the system's clock that many seconds ahead of the machine's (negative: behind), from now on.
    pub fn set_clock_ahead(&self, seconds: i64) {
        self.system.clock().set_ahead(seconds);
    }

    /// The system's time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.system.clock().now()
    }

    /// The requests that came in.
    #[must_use]
    pub fn requests(&self) -> Requests {
        let leads = self.writes();
        let traffic = self.traffic();
        Requests {
            token: traffic.token,
            read: traffic.read,
            write: traffic.write,
            leads,
            recent: traffic.recent.iter().cloned().collect(),
        }
    }

    /// Lead rows changed through the HTTP interface.
    #[must_use]
    pub fn writes(&self) -> LeadWrites {
        self.system.lead_writes()
    }

    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request that came over a connection, faults and all.
    pub(super) async fn serve(&self, mut call: Call, uri: String, wire: Wire) -> Response<axum::body::Body> {
        let kind = self.system.kind(&call);
        let mut effects = {
            let mut traffic = self.traffic();
            match kind {
                RequestKind::Token => traffic.token += 1,
                RequestKind::Read => traffic.read += 1,
                RequestKind::Write => traffic.write += 1,
            }
            traffic.faults.strike(kind, &call, &uri)
        };
        if effects.latency_ms > 0 {
            tokio::time::sleep(Duration::from_millis(effects.latency_ms)).await;
        }
        if effects.expire_token {
            self.system.expire_tokens();
        }
        call.row_error = effects.row_error.take();
        let answer = self.answer(&call, &effects);
        if effects.drop.is_some() {
            wire.cut();
        }
        let status = if effects.drop.is_some() { 0 } else { answer.status.as_u16() };
        self.remember(RequestLine { method: call.method.to_string(), uri, status });
        let takes_gzip = self.system.compresses() && call.header("accept-encoding").is_some_and(takes_gzip);
        let mut response = if takes_gzip { answer.into_compressed() } else { answer.into_response() };
        if let Ok(date) = HeaderValue::from_str(&self.system.clock().http_date()) {
            response.headers_mut().insert(header::DATE, date);
        }
        response
    }

    fn answer(&self, call: &Call, effects: &Effects) -> Answer {
        if effects.drop == Some(Cut::Before) {
            return Answer::empty(StatusCode::OK);
        }
        if let Some(fault) = &effects.status {
            if fault.applied {
                self.system.answer(call);
            }
            return self.answer_of_fault(call, fault);
        }
        if let Some(text) = &effects.refuse {
            return Answer::text(StatusCode::OK, text.clone());
        }
        let mut answer = self.system.answer(call);
        if effects.refusal_as_200 && matches!(answer.status.as_u16(), 400 | 422) {
            answer.status = StatusCode::OK;
        }
        answer
    }

    fn answer_of_fault(&self, call: &Call, fault: &Fault) -> Answer {
        let status = fault.status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        let mut answer = match &fault.body {
            Some(body) if serde_json::from_str::<Json>(body).is_ok() => {
                Answer::text_of(status, "application/json;charset=UTF-8", body.clone())
            }
            Some(body) => Answer::text_of(status, "text/html;charset=UTF-8", body.clone()),
            None => self.system.fault_answer(call, status),
        };
        if let Some(seconds) = fault.retry_after {
            answer = answer.with_header("retry-after", seconds.to_string());
        }
        answer
    }

    fn remember(&self, line: RequestLine) {
        let mut traffic = self.traffic();
        if traffic.recent.len() == RECENT {
            traffic.recent.pop_front();
        }
        traffic.recent.push_back(line);
    }
}

/// Whether `Accept-Encoding` names gzip, and does not rule it out.
fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|each| {
        let (name, quality) = each.split_once(';').unwrap_or((each, ""));
        let is_refused = quality.trim().strip_prefix("q=").and_then(|quality| quality.parse::<f32>().ok()) == Some(0.0);
        name.trim().eq_ignore_ascii_case("gzip") && !is_refused
    })
}

fn object(fields: &Json) -> Result<&Map<String, Json>, SandboxError> {
    fields.as_object().ok_or_else(|| SandboxError::Refused("`fields` must be a JSON object".to_owned()))
}
