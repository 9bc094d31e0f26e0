//! Operate, simulated: its token endpoint, its leads with the queries that it documents, and its reference lists.
//!
//! What the vendor has not published follows what `[operate]` in the configuration assumes by default; `OperateSwitches` has the variants.

pub(super) mod fuzz;
mod leads;
mod lists;
mod others;
mod outbound;
mod query;
mod records;
mod schema;
mod sign_in;
mod suspects;
mod switches;
mod table;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::{Method, StatusCode};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value as Json};

use crate::sandbox::SandboxOptions;
use crate::sandbox::clock::Clock;
use crate::sandbox::faults::RequestKind;
use crate::sandbox::http::{Answer, Call};
use crate::sandbox::seed::SeedLead;
use crate::sandbox::sessions::Sessions;
use crate::sandbox::simulated::{LeadWrites, System};

pub use outbound::{Event, Outbound};
pub use switches::{CreateAnswer, FieldUpdate, Interface, OperateSwitches};

use others::{Accounts, Object};
use outbound::Messages;
use schema::{Column, Refusal};
use table::Table;

/// The simulated Operate.
pub struct Operate {
    clock: Clock,
    sessions: Sessions,
    timezone: Tz,
    state: Mutex<State>,
}

struct State {
    leads: Table,
    accounts: Accounts,
    switches: OperateSwitches,
    writes: LeadWrites,
    /// Draws the order of rows, which Operate does not promise.
    order: ChaCha8Rng,
    messages: Messages,
    /// The second in which the last request came, and how many came in it.
    rate: (u64, u32),
}

impl Operate {
    /// Operate with these leads.
    pub fn new(options: &SandboxOptions, leads: Vec<SeedLead>) -> Self {
        let timezone = options.timezone;
        let leads = Table::of(leads, |time| local_seconds(time, timezone), options.operate.interface.references_by_id);
        let mut accounts = Accounts::default();
        for lead in leads.rows.iter().filter(|lead| lead.is_converted()) {
            accounts.open(lead, lead.times().1);
        }
        let state = State {
            leads,
            accounts,
            switches: options.operate.clone(),
            writes: LeadWrites::default(),
            order: ChaCha8Rng::seed_from_u64(options.seed),
            messages: Messages::default(),
            rate: (0, 0),
        };
        Self {
            clock: Clock::ahead_by(options.operate_clock_ahead),
            sessions: Sessions::new(options.seed, "operate-", options.token_lifetime, false),
            timezone,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of a write: the one given, or the clock's.
    fn stamp(&self, at: Option<DateTime<Utc>>) -> i64 {
        local_seconds(at.unwrap_or_else(|| self.clock.now()), self.timezone)
    }

    fn dispatch(&self, call: &Call) -> Result<Answer, Refusal> {
        let segments = call.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        let ["api", "1.0", endpoint, id @ ..] = parts.as_slice() else { return Err(no_endpoint(&call.path)) };
        let id = match id {
            [] => None,
            [id] if !id.is_empty() => Some(*id),
            _ => return Err(no_endpoint(&call.path)),
        };
        if endpoint.eq_ignore_ascii_case("Lead") {
            return self.lead_endpoint(call, id);
        }
        match schema::LISTS.iter().find(|list| list.endpoint.eq_ignore_ascii_case(endpoint)) {
            Some(list) if call.method == Method::GET => {
                let State { leads, order, .. } = &mut *self.state();
                leads.lists.answer(call, list, id, order)
            }
            Some(_) => Err(not_allowed(&call.method)),
            None => self.other_endpoint(call, endpoint, id),
        }
    }

    fn other_endpoint(&self, call: &Call, endpoint: &str, id: Option<&str>) -> Result<Answer, Refusal> {
        let object = Object::named(endpoint).ok_or_else(|| no_endpoint(&call.path))?;
        if call.method != Method::GET {
            return Err(not_allowed(&call.method));
        }
        let State { leads, accounts, order, .. } = &mut *self.state();
        object.answer(call, id, (&leads.rows, accounts), order)
    }
}

impl State {
    fn columns(&self) -> Vec<(&str, Column)> {
        schema::tenant_columns(self.switches.external_id_field.as_deref())
    }

    fn check_batch(&self, records: &[Map<String, Json>]) -> Result<(), Refusal> {
        if records.len() > 1 && !self.switches.batch {
            return Err(Refusal::input("leads should hold one record"));
        }
        Ok(())
    }

    /// Makes a lead, and sends the messages that go with it.
    fn create(&mut self, fields: &Map<String, Json>, at: i64) -> Result<u32, Refusal> {
        let id = self.leads.create(fields, at, &self.switches)?;
        self.tell(Event::Create, id);
        Ok(id)
    }

    fn update(&mut self, id: u32, fields: &Map<String, Json>, at: i64) -> Result<(), Refusal> {
        self.leads.update(id, fields, at, &self.switches)?;
        self.tell(Event::Update, id);
        Ok(())
    }

    fn delete(&mut self, id: u32) -> Result<(), Refusal> {
        let lead = self.leads.get(id).map(|row| row.whole(&self.columns()));
        self.leads.delete(id)?;
        self.messages.send(&self.switches.outbound, Event::Delete, &lead.unwrap_or_default());
        Ok(())
    }

    /// Converts a lead, which makes an account of it.
    fn convert(&mut self, id: u32, at: i64) -> Result<(), Refusal> {
        self.leads.convert(id, at)?;
        if let Some(lead) = self.leads.get(id) {
            self.accounts.open(lead, at);
        }
        self.tell(Event::Update, id);
        Ok(())
    }

    fn tell(&self, event: Event, id: u32) {
        if let Some(row) = self.leads.get(id).filter(|_| !self.switches.outbound.is_empty()) {
            self.messages.send(&self.switches.outbound, event, &row.whole(&self.columns()));
        }
    }

    /// Whether a request comes within the rate.
    fn is_within_rate(&mut self) -> bool {
        let Some(limit) = self.switches.interface.rate_limit else { return true };
        let second = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.rate = if self.rate.0 == second { (second, self.rate.1 + 1) } else { (second, 1) };
        self.rate.1 <= limit
    }

    fn create_by_http(&mut self, record: &Map<String, Json>, at: i64) -> Result<u32, Refusal> {
        let id = self.create(record, at)?;
        self.writes.created += 1;
        Ok(id)
    }

    /// The record names its lead, and names the same one as the address where that names one.
    fn update_by_http(&mut self, id: Option<u32>, record: &Map<String, Json>, at: i64) -> Result<u32, Refusal> {
        let mut record = record.clone();
        let named = record.remove("leadid").ok_or_else(|| Refusal::input("leadid is required"))?;
        let named = named_id(&named)?;
        if id.is_some_and(|id| id != named) {
            return Err(Refusal::input(format!("leadid {named} does not agree with the address")));
        }
        self.update(named, &record, at)?;
        self.writes.updated += 1;
        Ok(named)
    }
}

impl System for Operate {
    fn kind(&self, call: &Call) -> RequestKind {
        if is_token(call) {
            RequestKind::Token
        } else if [Method::PUT, Method::POST, Method::DELETE].contains(&call.method) {
            RequestKind::Write
        } else {
            RequestKind::Read
        }
    }

    fn answer(&self, call: &Call) -> Answer {
        if is_token(call) {
            return self.token(call);
        }
        if !self.sessions.accepts(call.bearer()) {
            return no_session();
        }
        if !self.state().is_within_rate() {
            let answer = Answer::text(StatusCode::TOO_MANY_REQUESTS, TOO_MANY);
            return answer.with_header("retry-after", "1");
        }
        self.dispatch(call).unwrap_or_else(|refusal| {
            let mut answer = refusal.answer();
            if matches!(answer.status.as_u16(), 400 | 422) && self.state().switches.refusals_as_200 {
                answer.status = StatusCode::OK;
            }
            answer
        })
    }

    fn fault_answer(&self, call: &Call, status: StatusCode) -> Answer {
        match status.as_u16() {
            401 if is_token(call) => sign_in::wrong_client(),
            401 => no_session(),
            429 => Answer::text(status, TOO_MANY),
            _ => Answer::text(status, status.canonical_reason().unwrap_or("The request failed")),
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
        let state = self.state();
        let columns = state.columns();
        state.leads.rows.iter().map(|row| Json::Object(row.whole(&columns))).collect()
    }

    fn lead(&self, id: &str) -> Option<Json> {
        let state = self.state();
        state.leads.get(id.parse().ok()?).map(|row| Json::Object(row.whole(&state.columns())))
    }

    fn create(&self, fields: &Map<String, Json>, at: Option<DateTime<Utc>>) -> Result<String, String> {
        let at = self.stamp(at);
        self.state().create(fields, at).map(|id| id.to_string()).map_err(|refusal| refusal.text)
    }

    fn edit(&self, id: &str, fields: &Map<String, Json>, at: Option<DateTime<Utc>>) -> Result<(), String> {
        let at = self.stamp(at);
        number(id).and_then(|id| self.state().update(id, fields, at)).map_err(|refusal| refusal.text)
    }

    fn delete(&self, id: &str) -> Result<(), String> {
        number(id).and_then(|id| self.state().delete(id)).map_err(|refusal| refusal.text)
    }

    fn undelete(&self, id: &str) -> Result<(), String> {
        let at = self.stamp(None);
        number(id).and_then(|id| self.state().leads.restore(id, at)).map_err(|refusal| refusal.text)
    }

    fn reference(&self, list: &str, id: u32, name: Option<&str>, email: Option<&str>) -> Result<(), String> {
        self.state().leads.lists.change(list, id, name, email)
    }

    fn messages(&self) -> Json {
        self.state().messages.shown()
    }

    fn suspected(&self, id: &str) -> Result<Vec<Json>, String> {
        let state = self.state();
        let columns = state.columns();
        let lead = number(id).ok().and_then(|id| state.leads.get(id)).ok_or_else(|| format!("there is no lead {id}"))?;
        let others: Vec<_> = state.leads.rows.iter().map(|row| row.whole(&columns)).collect();
        Ok(suspects::of(&lead.whole(&columns), &others))
    }

    fn convert(&self, id: &str) -> Result<(), String> {
        let at = self.stamp(None);
        number(id).and_then(|id| self.state().convert(id, at)).map_err(|refusal| refusal.text)
    }

    fn switch(&self, switches: &Json) -> Result<Json, String> {
        let mut state = self.state();
        state.switches = state.switches.merged(switches)?;
        let by_id = state.switches.interface.references_by_id;
        if state.leads.lists.hold_ids(by_id) {
            state.leads.respell();
        }
        serde_json::to_value(&state.switches).map_err(|error| error.to_string())
    }
}

/// What is said to more requests in a second than the tenant takes.
const TOO_MANY: &str = "Too many requests in a second";

fn no_session() -> Answer {
    let answer = Answer::text(StatusCode::UNAUTHORIZED, "The access token is missing, wrong or expired");
    answer.with_header("www-authenticate", "Bearer")
}

fn local_seconds(time: DateTime<Utc>, timezone: Tz) -> i64 {
    time.with_timezone(&timezone).naive_local().and_utc().timestamp()
}

fn is_token(call: &Call) -> bool {
    call.path.trim_start_matches('/') == "oauth2/token"
}

fn no_endpoint(path: &str) -> Refusal {
    Refusal { status: StatusCode::NOT_FOUND, text: format!("There is no endpoint {path}") }
}

fn not_allowed(method: &Method) -> Refusal {
    Refusal { status: StatusCode::METHOD_NOT_ALLOWED, text: format!("{method} is not possible here") }
}

fn number(id: &str) -> Result<u32, Refusal> {
    let digits = id.bytes().all(|byte| byte.is_ascii_digit());
    id.parse().ok().filter(|_| digits).ok_or_else(|| Refusal::input(format!("the id should be a number, and it is {id}")))
}

fn named_id(id: &Json) -> Result<u32, Refusal> {
    number(&id.as_str().map_or_else(|| id.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests;
