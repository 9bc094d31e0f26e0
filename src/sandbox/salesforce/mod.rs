//! Salesforce, simulated: OAuth, queries, Leads one by one and in collections, composite requests, describe.
//!
//! As strict as the REST API's documentation says, in its words.

mod bulk;
mod collections;
mod composite;
mod describe;
mod errors;
mod fields;
pub(super) mod fuzz;
mod ids;
mod lead_fields;
mod oauth;
mod org_rules;
mod query;
mod recycle;
mod rows;
mod single;
mod soql;
mod switches;
#[cfg(test)]
mod tests;
mod tree;
mod values;

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::{Method, StatusCode};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json, json};

use self::bulk::Jobs;
use self::errors::Fail;
use self::query::Cursors;
use self::rows::{Row, Table, Writer};
pub use self::switches::{DuplicateAction, Flow, SalesforceSwitches};
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
/// The longest address.
const LONGEST_URI: usize = 16_384;

/// The simulated Salesforce.
pub struct Salesforce {
    clock: Clock,
    sessions: Sessions,
    address: String,
    daily_requests: u64,
    state: Mutex<State>,
}

/// What requests change.
struct State {
    leads: Table,
    users: Vec<Row>,
    organization: Row,
    cursors: Cursors,
    jobs: Jobs,
    writes: LeadWrites,
    requests: u64,
    refresh_token: String,
    rotations: usize,
}

impl Salesforce {
    /// Salesforce with these leads.
    pub fn new(options: &SandboxOptions, login_url: &str, leads: Vec<SeedLead>) -> Self {
        let clock = Clock::ahead_by(options.salesforce_clock_ahead);
        let now = clock.now();
        let organization = [
            ("Name", json!("Sandbox")),
            ("InstanceName", json!("SBX1")),
            ("IsSandbox", json!(true)),
            ("OrganizationType", json!("Developer Edition")),
        ];
        let state = State {
            leads: Table::of(leads, options.salesforce.clone()),
            users: users(now),
            organization: rows::fixed(ORGANIZATION, &organization, now),
            cursors: Cursors::default(),
            jobs: Jobs::default(),
            writes: LeadWrites::default(),
            requests: 0,
            refresh_token: SALESFORCE_REFRESH_TOKEN.to_owned(),
            rotations: 0,
        };
        let prefix = format!("{}!", ORGANIZATION.get(..15).unwrap_or_default());
        Self {
            clock,
            sessions: Sessions::new(options.seed, prefix, options.token_lifetime, true),
            address: login_url.to_owned(),
            daily_requests: options.daily_requests,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The paths below `/services/data/vXX.X/`, with the session checked and the request counted.
    fn rest(&self, call: &Call, version: &str, path: &[&str]) -> Answer {
        if !self.sessions.accepts(call.bearer()) {
            let fail = Fail::new(StatusCode::UNAUTHORIZED, "INVALID_SESSION_ID", "Session expired or invalid");
            return fail.answer().with_header("www-authenticate", "Token");
        }
        let (used, allowed, is_busy) = {
            let mut state = self.state();
            state.requests += 1;
            let limits = &state.leads.switches.limits;
            (state.requests, limits.daily_requests.unwrap_or(self.daily_requests), limits.concurrent_limit)
        };
        let answer = if used > allowed {
            limit_exceeded("TotalRequests Limit exceeded.").answer()
        } else if is_busy && self.kind(call) == RequestKind::Write {
            limit_exceeded("ConcurrentPerOrgLongTxn Limit exceeded.").answer()
        } else {
            self.resource(call, version, path).unwrap_or_else(|fail| fail.answer())
        };
        answer.with_header("sforce-limit-info", format!("api-usage={used}/{allowed}"))
    }

    /// One resource; composite requests come here again with their parts.
    fn resource(&self, call: &Call, version: &str, path: &[&str]) -> Result<Answer, Fail> {
        if call.uri_length > LONGEST_URI {
            return Err(Fail::new(StatusCode::URI_TOO_LONG, "URI_TOO_LONG", "URI Too Long"));
        }
        if !call.query_is_sound {
            return Err(Fail::bad("MALFORMED_QUERY", "The query string cannot be decoded"));
        }
        let missing = {
            let state = self.state();
            org_rules::missing_field(&state.leads.switches, call.parameter("q"), call.parameter("fields"), &call.body)
        };
        if let Some(fail) = missing {
            return Err(fail);
        }
        match path {
            [] => Ok(describe::resources(version)),
            ["limits"] => Ok(self.limits()),
            ["query" | "queryAll", ..] => self.query(call, version, path),
            ["sobjects"] | ["sobjects", "Lead", "describe"] => {
                only(call, &[Method::GET]).map(|()| describe::answer(path, version, &self.state().leads.switches))
            }
            ["sobjects", name, rest @ ..] => self.single(call, version, name, rest),
            ["composite"] => only(call, &[Method::POST]).and_then(|()| self.composite(call, version)),
            ["jobs", rest @ ..] => self.bulk(call, version, rest),
            ["composite", "tree", "Lead"] => only(call, &[Method::POST]).and_then(|()| self.tree(call)),
            ["composite", "batch"] => only(call, &[Method::POST]).and_then(|()| self.batch(call)),
            ["composite", "sobjects", rest @ ..] => self.collections(call, version, rest),
            _ => Err(Fail::not_found()),
        }
    }

    fn limits(&self) -> Answer {
        let state = self.state();
        let allowed = state.leads.switches.limits.daily_requests.unwrap_or(self.daily_requests);
        let daily = json!({ "Max": allowed, "Remaining": allowed.saturating_sub(state.requests) });
        Answer::json(StatusCode::OK, &json!({ "DailyApiRequests": daily }))
    }
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

/// The people of the org: the app's own user, two in sales, and one who left.
fn users(now: DateTime<Utc>) -> Vec<Row> {
    let people = [
        (rows::USER, "leadsync@sandbox.example", "Integration User", true),
        (rows::OTHER_USER, "sam.seller@sandbox.example", "Sam Seller", true),
        ("0055g0000000003AAA", "rita.rep@sandbox.example", "Rita Rep", true),
        ("0055g0000000004AAA", "gone.guy@sandbox.example", "Gone Guy", false),
    ];
    let user = |(id, email, name, active): (&str, &str, &str, bool)| {
        let values = [("Username", json!(email)), ("Name", json!(name)), ("Email", json!(email)), ("IsActive", json!(active))];
        rows::fixed(id, &values, now)
    };
    people.into_iter().map(user).collect()
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
        let segments = call.segments();
        // A slash at the end makes no difference anywhere.
        let parts: Vec<&str> = segments.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            ["services", "oauth2", what] => self.oauth(call, what),
            ["id", _, _] => self.identity(call),
            ["services", "data"] => describe::versions(VERSIONS),
            ["services", "data", version, rest @ ..] if is_version(version) => self.rest(call, version, rest),
            _ => Fail::not_found().answer(),
        }
    }

    fn fault_answer(&self, status: StatusCode) -> Answer {
        match status.as_u16() {
            403 => limit_exceeded("TotalRequests Limit exceeded.").answer(),
            500 => Fail::new(
                status,
                "UNKNOWN_EXCEPTION",
                "An unexpected error occurred. Please include this ErrorId if you contact support: 1234-5678 (90)",
            )
            .answer(),
            502 => Answer::text_of(
                status,
                "text/html;charset=UTF-8",
                "<html><body><h1>502 Bad Gateway</h1></body></html>".to_owned(),
            ),
            503 => Fail::new(status, "SERVER_UNAVAILABLE", "The server is too busy to respond, please try again later").answer(),
            _ => Fail::new(status, "UNKNOWN_EXCEPTION", "An unexpected error occurred.").answer(),
        }
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
        Ok(ids::full(&key))
    }

    fn edit(&self, id: &str, fields: &Map<String, Json>, at: Option<DateTime<Utc>>) -> Result<(), String> {
        let writer = Writer::person(at.unwrap_or_else(|| self.clock.now()));
        self.behind(id, |leads, key| values::read(fields).and_then(|given| leads.update(key, given, &writer)))
    }

    fn delete(&self, id: &str) -> Result<(), String> {
        let now = self.clock.now();
        self.behind(id, |leads, key| leads.delete(key, now))
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
        let now = self.clock.now();
        self.behind(id, |leads, key| leads.purge(key, now))
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

    fn switch(&self, switches: &Json) -> Result<Json, String> {
        let mut state = self.state();
        let mut merged = state.leads.switches.merged(switches)?;
        if let Some(used) = merged.limits.daily_requests_used.take() {
            state.requests = used;
        }
        let shown = serde_json::to_value(&merged).map_err(|error| error.to_string())?;
        state.leads.switches = merged;
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
        Ok(())
    }
}

fn found(state: &State, id: &str) -> Result<ids::Key, Fail> {
    state.leads.by_id(id)?.map(|row| row.key).ok_or_else(Fail::not_found)
}

fn said(fail: &Fail) -> String {
    format!("{}: {}", fail.code, fail.message)
}
