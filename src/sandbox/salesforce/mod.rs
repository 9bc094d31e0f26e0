//! Salesforce, simulated: OAuth, queries, Leads one by one and in collections, composite requests, describe.
//!
//! As strict as the REST API's documentation says, in its words.

mod bulk;
mod collections;
mod columns;
mod composite;
mod describe;
mod describe_field;
mod errors;
mod events;
mod fields;
pub(super) mod fuzz;
mod graph;
mod ids;
mod lead_fields;
mod limits;
mod oauth;
mod objects;
mod org_rules;
mod query;
mod recycle;
mod rows;
mod setup;
mod single;
mod soql;
mod switches;
#[cfg(test)]
mod tests;
mod tree;
mod values;
mod writer;

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{Method, StatusCode};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json};

use self::bulk::Jobs;
use self::errors::Fail;
use self::events::Bus;
pub use self::events::serve as serve_events;
use self::query::Cursors;
use self::rows::{Table, Writer};
use self::setup::Setup;
pub use self::switches::{DuplicateAction, Flow, Right, SalesforceSwitches};
use crate::sandbox::clock::Clock;
use crate::sandbox::faults::RequestKind;
use crate::sandbox::http::{Answer, Call};
use crate::sandbox::seed::SeedLead;
use crate::sandbox::sessions::Sessions;
use crate::sandbox::simulated::{LeadWrites, System};
use crate::sandbox::{SALESFORCE_REFRESH_TOKEN, SandboxOptions};

/// The org.
const ORGANIZATION: &str = "00D5g0000000001EAA";
/// API versions, the oldest and the newest.
const VERSIONS: (u32, u32) = (50, 68);

/// The simulated Salesforce.
pub struct Salesforce {
    clock: Clock,
    sessions: Sessions,
    /// Where programs sign in, and the server that a new org is on.
    address: String,
    /// The server that the org moves to.
    second_address: String,
    daily_requests: u64,
    /// What is told of changes. Whoever holds it takes no `state`.
    bus: Bus,
    state: Mutex<State>,
}

/// What requests change.
struct State {
    leads: Table,
    /// Leads that the user has looked at, the last first.
    recent: VecDeque<ids::Key>,
    started: DateTime<Utc>,
    /// When an administrator last changed something.
    schema_changed: DateTime<Utc>,
    cursors: Cursors,
    jobs: Jobs,
    writes: LeadWrites,
    requests: u64,
    refresh_token: String,
    rotations: usize,
    /// The addresses that sign-ins gave.
    instances: BTreeSet<String>,
}

impl Salesforce {
    /// Salesforce with these leads, at two addresses: where programs sign in, and where the org may move to.
    pub fn new(options: &SandboxOptions, [address, second_address]: [&str; 2], leads: Vec<SeedLead>) -> Self {
        let clock = Clock::ahead_by(options.salesforce_clock_ahead);
        let now = clock.now();
        let state = State {
            leads: Table::of(leads, options.salesforce.clone(), Arc::new(Setup::new(now))),
            recent: VecDeque::new(),
            started: now,
            schema_changed: now,
            cursors: Cursors::default(),
            jobs: Jobs::default(),
            writes: LeadWrites::default(),
            requests: 0,
            refresh_token: SALESFORCE_REFRESH_TOKEN.to_owned(),
            rotations: 0,
            instances: BTreeSet::new(),
        };
        let prefix = format!("{}!", ORGANIZATION.get(..15).unwrap_or_default());
        Self {
            clock,
            sessions: Sessions::new(options.seed, prefix, options.token_lifetime, true),
            address: address.to_owned(),
            second_address: second_address.to_owned(),
            daily_requests: options.daily_requests,
            bus: Bus::default(),
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the org is.
    fn instance_url(&self) -> &str {
        if self.state().leads.switches.sign_ins.second_instance { &self.second_address } else { &self.address }
    }

    /// Whether a request was sent to where the org is.
    fn is_here(&self, call: &Call) -> bool {
        let host = call.header("host").unwrap_or_default();
        let is_second = self.second_address.strip_prefix("http://") == Some(host);
        is_second == self.state().leads.switches.sign_ins.second_instance
    }

    /// The paths below `/services/data/vXX.X/`, with the session checked and the request counted.
    fn rest(&self, call: &Call, version: &str, path: &[&str]) -> Answer {
        if !self.is_here(call) || !self.sessions.accepts(call.bearer()) {
            return session_ended();
        }
        let (used, allowed) = {
            let mut state = self.state();
            state.requests += 1;
            self.usage(&state)
        };
        let is_busy = self.state().leads.switches.limits.concurrent_limit;
        let answer = if used > allowed {
            limit_exceeded("TotalRequests Limit exceeded.").answer()
        } else if is_busy && self.kind(call) == RequestKind::Write {
            limit_exceeded("ConcurrentPerOrgLongTxn Limit exceeded.").answer()
        } else {
            self.resource(call, version, path).unwrap_or_else(|fail| fail.answer())
        };
        with_usage(answer, (used, allowed))
    }

    /// The requests made, and those allowed.
    fn usage(&self, state: &State) -> (u64, u64) {
        (state.requests, state.leads.switches.limits.daily_requests.unwrap_or(self.daily_requests))
    }

    /// One resource; composite requests come here again with their parts.
    fn resource(&self, call: &Call, version: &str, path: &[&str]) -> Result<Answer, Fail> {
        if !call.query_is_sound {
            return Err(Fail::bad("MALFORMED_QUERY", "The query string cannot be decoded"));
        }
        let missing = org_rules::missing_field(&self.state().leads.switches, call.parameter("fields"), &call.body);
        if let Some(fail) = missing {
            return Err(fail);
        }
        match path {
            [] => only(call, &[Method::GET]).map(|()| describe::resources(version, &self.identity_url())),
            ["limits"] => only(call, &[Method::GET]).map(|()| self.limits()),
            ["recent"] => only(call, &[Method::GET]).map(|()| self.recent(call, version)),
            ["query" | "queryAll", ..] => self.query(call, version, path),
            ["sobjects"] => {
                let state = self.state();
                let all = || describe::all(version, &state.leads.switches);
                only(call, &[Method::GET]).map(|()| state.if_changed(call, all))
            }
            ["sobjects", name, rest @ ..] => self.single(call, version, name, rest),
            ["jobs", rest @ ..] => self.bulk(call, version, rest),
            ["composite"] => only(call, &[Method::POST]).and_then(|()| self.composite(call, version)),
            ["composite", "graph"] => only(call, &[Method::POST]).and_then(|()| self.graph(call, version)),
            ["composite", "tree", name] if name.eq_ignore_ascii_case("Lead") => {
                only(call, &[Method::POST]).and_then(|()| self.tree(call))
            }
            ["composite", "batch"] => only(call, &[Method::POST]).and_then(|()| self.batch(call)),
            ["composite", "sobjects", rest @ ..] => self.collections(call, version, rest),
            _ => Err(Fail::not_found()),
        }
    }
}

fn session_ended() -> Answer {
    let fail = Fail::new(StatusCode::UNAUTHORIZED, "INVALID_SESSION_ID", "Session expired or invalid");
    fail.answer().with_header("www-authenticate", "Token")
}

fn with_usage(answer: Answer, (used, allowed): (u64, u64)) -> Answer {
    answer.with_header("sforce-limit-info", format!("api-usage={used}/{allowed}"))
}

/// The method, tunnelled or not.
fn method_of(call: &Call) -> Method {
    call.parameter("_HttpMethod").and_then(|name| Method::from_bytes(name.as_bytes()).ok()).unwrap_or_else(|| call.method.clone())
}

/// Refuses other methods.
fn only(call: &Call, allowed: &[Method]) -> Result<(), Fail> {
    let method = method_of(call);
    if allowed.contains(&method) {
        return Ok(());
    }
    let names: Vec<&str> = allowed.iter().map(Method::as_str).collect();
    let message = format!("HTTP Method '{method}' not allowed. Allowed are {}", names.join(","));
    Err(Fail::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message))
}

fn limit_exceeded(which: &str) -> Fail {
    Fail::new(StatusCode::FORBIDDEN, "REQUEST_LIMIT_EXCEEDED", which)
}

/// The version of a path's part such as `v64.0`.
fn is_version(text: &str) -> bool {
    let number = text.strip_prefix('v').and_then(|text| text.strip_suffix(".0")).and_then(|text| text.parse::<u32>().ok());
    number.is_some_and(|number| (VERSIONS.0..=VERSIONS.1).contains(&number))
}

impl System for Salesforce {
    fn kind(&self, call: &Call) -> RequestKind {
        let segments = call.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            ["services", "oauth2", ..] => RequestKind::Token,
            ["services", "data", _, "jobs", "query", ..] => RequestKind::Read,
            ["services", "data", _, "composite", "sobjects", _] if method_of(call) == Method::POST => RequestKind::Read,
            ["services", "data", _, "composite"] if !composite::writes(call) => RequestKind::Read,
            _ if method_of(call) == Method::GET => RequestKind::Read,
            _ => RequestKind::Write,
        }
    }

    fn answer(&self, call: &Call) -> Answer {
        if let Some(refusal) = limits::too_long(call) {
            return refusal;
        }
        let segments = call.segments();
        // A slash at the end makes no difference anywhere.
        let parts: Vec<&str> = segments.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        let answer = match parts.as_slice() {
            ["services", "oauth2", what] => self.oauth(call, what),
            ["id", _, _] => self.identity(call),
            ["services", "data"] => describe::versions(VERSIONS),
            ["services", "data", version, rest @ ..] if is_version(version) => self.rest(call, version, rest),
            _ => Fail::not_found().answer(),
        };
        self.tell(&mut self.state(), &events::origin(call));
        answer
    }

    fn fault_answer(&self, call: &Call, status: StatusCode) -> Answer {
        if self.kind(call) == RequestKind::Token {
            return oauth::fault_answer(status);
        }
        let answer = errors::of_status(status);
        // What is refused before it comes to the org, the org tells nothing of.
        let is_orgs_own = !matches!(status.as_u16(), 401 | 414 | 420 | 431 | 502 | 504);
        if is_orgs_own { with_usage(answer, self.usage(&self.state())) } else { answer }
    }

    fn compresses(&self) -> bool {
        true
    }

    fn expire_tokens(&self) {
        self.sessions.expire_all();
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }

    fn lead_writes(&self) -> LeadWrites {
        self.state().writes
    }

    fn leads(&self) -> Vec<Json> {
        self.state().leads.all().map(rows::whole).collect()
    }

    fn lead(&self, id: &str) -> Option<Json> {
        self.state().leads.by_id(id).ok().flatten().map(rows::whole)
    }

    fn create(&self, fields: &Map<String, Json>, at: Option<DateTime<Utc>>) -> Result<String, String> {
        let now = at.unwrap_or_else(|| self.clock.now());
        let mut state = self.state();
        let key =
            values::read(fields).and_then(|given| state.leads.create(given, &Writer::person(now))).map_err(|fail| said(&fail))?;
        state.leads.delay(&key, None, self.clock.now());
        self.tell(&mut state, "");
        Ok(ids::full(&key))
    }

    fn edit(&self, id: &str, fields: &Map<String, Json>, at: Option<DateTime<Utc>>) -> Result<(), String> {
        let writer = Writer::person(at.unwrap_or_else(|| self.clock.now()));
        self.behind(id, |leads, key| values::read(fields).and_then(|given| leads.update(key, given, &writer)))
    }

    fn delete(&self, id: &str) -> Result<(), String> {
        let writer = Writer::person(self.clock.now());
        self.behind(id, |leads, key| leads.delete(key, &writer))
    }

    fn convert(&self, id: &str) -> Result<(), String> {
        let now = self.clock.now();
        self.behind(id, |leads, key| leads.convert(key, now))
    }

    fn undelete(&self, id: &str) -> Result<(), String> {
        let writer = Writer::person(self.clock.now());
        self.behind(id, |leads, key| leads.undelete(key, &writer))
    }

    fn purge(&self, id: &str) -> Result<(), String> {
        let writer = Writer::person(self.clock.now());
        self.behind(id, |leads, key| leads.purge(key, &writer))
    }

    fn merge(&self, master: &str, losers: &[String]) -> Result<(), String> {
        let writer = Writer::person(self.clock.now());
        let keys: Result<Vec<_>, _> = losers.iter().map(|id| found(&self.state(), id)).collect();
        let keys = keys.map_err(|fail| said(&fail))?;
        self.behind(master, |leads, key| leads.merge(key, &keys, &writer))
    }

    fn hide(&self, id: &str, hidden: bool) -> Result<(), String> {
        self.behind(id, |leads, key| leads.hide(key, hidden))
    }

    fn events(&self, wish: &Json) -> Result<Json, String> {
        self.order(wish)
    }

    fn switch(&self, switches: &Json) -> Result<Json, String> {
        let mut state = self.state();
        let mut merged = state.leads.switches.merged(switches)?;
        if let Some(used) = merged.limits.daily_requests_used.take() {
            state.requests = used;
        }
        let shown = serde_json::to_value(&merged).map_err(|error| error.to_string())?;
        if merged.sign_ins.second_instance != state.leads.switches.sign_ins.second_instance {
            self.sessions.expire_all();
        }
        if merged != state.leads.switches {
            state.schema_changed = self.clock.now();
        }
        state.leads.switches = merged;
        self.bus.wake();
        Ok(shown)
    }
}

impl Salesforce {
    /// Does something to a lead as another user.
    fn behind(&self, id: &str, act: impl FnOnce(&mut Table, &ids::Key) -> Result<(), Fail>) -> Result<(), String> {
        let mut state = self.state();
        let key = found(&state, id).map_err(|fail| said(&fail))?;
        let before = state.leads.get(&key).cloned();
        act(&mut state.leads, &key).map_err(|fail| said(&fail))?;
        state.leads.delay(&key, before, self.clock.now());
        self.tell(&mut state, "");
        Ok(())
    }
}

fn found(state: &State, id: &str) -> Result<ids::Key, Fail> {
    state.leads.by_id(id)?.map(|row| row.key).ok_or_else(Fail::not_found)
}

fn said(fail: &Fail) -> String {
    format!("{}: {}", fail.code, fail.message)
}
