//! Operate, simulated: its token endpoint, its leads with the queries that it documents, and its reference lists.
//!
//! What the vendor has not published follows what `[operate]` in the configuration assumes by default; `OperateSwitches` has the variants.

mod lists;
mod query;
mod records;
mod schema;
mod switches;
mod table;

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::{Method, StatusCode};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value as Json, json};

use crate::sandbox::clock::Clock;
use crate::sandbox::faults::RequestKind;
use crate::sandbox::http::{Answer, Call};
use crate::sandbox::seed::SeedLead;
use crate::sandbox::sessions::Sessions;
use crate::sandbox::simulated::{LeadWrites, System};
use crate::sandbox::{OPERATE_CLIENT_ID, OPERATE_CLIENT_SECRET, SandboxOptions};

pub use switches::{CreateAnswer, OperateSwitches};

use query::Query;
use records::{batch_answer, create_answer, numbered, records, result_json};
use schema::{Column, Refusal};
use table::Table;

/// Who signs in with the `password` grant.
const USERNAME: &str = "operate-user";
const PASSWORD: &str = "operate-user-password";

/// The simulated Operate.
pub struct Operate {
    clock: Clock,
    sessions: Sessions,
    timezone: Tz,
    state: Mutex<State>,
}

struct State {
    leads: Table,
    switches: OperateSwitches,
    writes: LeadWrites,
    /// Draws the order of rows, which Operate does not promise.
    order: ChaCha8Rng,
}

impl Operate {
    /// Operate with these leads.
    pub fn new(options: &SandboxOptions, leads: Vec<SeedLead>) -> Self {
        let timezone = options.timezone;
        let state = State {
            leads: Table::of(leads, |time| local_seconds(time, timezone)),
            switches: options.operate.clone(),
            writes: LeadWrites::default(),
            order: ChaCha8Rng::seed_from_u64(options.seed),
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

    fn token(&self, call: &Call) -> Answer {
        if call.method != Method::POST {
            return Answer::text(StatusCode::METHOD_NOT_ALLOWED, "A token is asked for with POST");
        }
        let Some(form) = call.form() else {
            return token_refusal(StatusCode::BAD_REQUEST, "invalid_request", "The body should be a form");
        };
        let is = |name: &str, wanted: &str| form.iter().any(|(key, value)| key == name && value == wanted);
        let client = is("client_id", OPERATE_CLIENT_ID) && is("client_secret", OPERATE_CLIENT_SECRET);
        let good = match form.iter().find(|(key, _)| key == "grant_type").map(|(_, grant)| grant.as_str()) {
            Some("client_credentials") => client,
            Some("password") => client && is("username", USERNAME) && is("password", PASSWORD),
            Some(_) => return token_refusal(StatusCode::BAD_REQUEST, "unsupported_grant_type", "The grant type is not known"),
            None => return token_refusal(StatusCode::BAD_REQUEST, "invalid_request", "grant_type is missing"),
        };
        if !good {
            return token_refusal(StatusCode::UNAUTHORIZED, "invalid_client", "The client credentials are not valid");
        }
        let token = self.sessions.issue();
        let expires_in = self.sessions.lifetime().as_secs();
        Answer::json(StatusCode::OK, &json!({ "access_token": token, "token_type": "Bearer", "expires_in": expires_in }))
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
            Some(list) if call.method == Method::GET => lists::answer(call, list, id, &mut self.state().order),
            Some(_) => Err(not_allowed(&call.method)),
            None => Err(no_endpoint(&call.path)),
        }
    }

    fn lead_endpoint(&self, call: &Call, id: Option<&str>) -> Result<Answer, Refusal> {
        if call.method == Method::GET && id.is_none() {
            return self.query_leads(call);
        }
        if !call.query.is_empty() {
            return Err(Refusal::input("this request takes no parameters"));
        }
        match (&call.method, id) {
            (&Method::GET, Some(id)) => {
                let state = self.state();
                let row = state.leads.get(number(id)?).ok_or_else(|| Refusal::not_found("Lead", id))?;
                Ok(Answer::json(StatusCode::OK, &row.whole(&state.columns())))
            }
            (&Method::PUT, None) => self.create_leads(call),
            (&Method::POST, _) => self.update_leads(call, id.map(number).transpose()?),
            (&Method::DELETE, Some(id)) => {
                let id = number(id)?;
                let mut state = self.state();
                state.leads.delete(id)?;
                state.writes.deleted += 1;
                Ok(Answer::json(StatusCode::OK, &json!({ "leadid": id })))
            }
            (method, _) => Err(not_allowed(method)),
        }
    }

    fn query_leads(&self, call: &Call) -> Result<Answer, Refusal> {
        let mut state = self.state();
        let State { leads, switches, order, .. } = &mut *state;
        let external = switches.external_id_field.as_deref();
        let query = Query::read(call, &|name| schema::tenant_column(name, external))?;
        let mut matching = Vec::new();
        for row in &leads.rows {
            if query.conditions.iter().all(|condition| condition.holds(row.cell(condition.column))) {
                matching.push(row);
            }
        }
        matching.shuffle(order);
        let columns = match &query.fields {
            Some(fields) => fields.iter().map(|(name, column)| (name.as_str(), *column)).collect(),
            None => schema::tenant_columns(external),
        };
        Ok(numbered(matching.iter().map(|row| row.whole(&columns))))
    }

    fn create_leads(&self, call: &Call) -> Result<Answer, Refusal> {
        let records = records(call)?;
        let at = self.stamp(None);
        let mut state = self.state();
        state.check_batch(&records)?;
        let answer = state.switches.create_answer;
        let id_field = if answer == CreateAnswer::Id { "id" } else { "leadid" };
        if let [record] = records.as_slice() {
            let id = state.create_by_http(record, at)?;
            return Ok(Answer::json(StatusCode::OK, &create_answer(answer, json!({ id_field: id }))));
        }
        let results = records.iter().map(|record| state.create_by_http(record, at).map(|id| json!({ id_field: id })));
        Ok(batch_answer(answer, results.map(result_json).collect()))
    }

    fn update_leads(&self, call: &Call, id: Option<u32>) -> Result<Answer, Refusal> {
        let records = records(call)?;
        let at = self.stamp(None);
        let mut state = self.state();
        if id.is_none() && !state.switches.batch {
            return Err(Refusal::input("an update should name the lead in its address"));
        }
        state.check_batch(&records)?;
        if let [record] = records.as_slice() {
            let id = state.update_by_http(id, record, at)?;
            return Ok(Answer::json(StatusCode::OK, &json!({ "leadid": id })));
        }
        if id.is_some() {
            return Err(Refusal::input("an address that names a lead takes one record"));
        }
        let answer = state.switches.create_answer;
        let results = records.iter().map(|record| state.update_by_http(None, record, at).map(|id| json!({ "leadid": id })));
        Ok(batch_answer(answer, results.map(result_json).collect()))
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

    fn create_by_http(&mut self, record: &Map<String, Json>, at: i64) -> Result<u32, Refusal> {
        let id = self.leads.create(record, at, &self.switches)?;
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
        self.leads.update(named, &record, at, &self.switches)?;
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
            return Answer::text(StatusCode::UNAUTHORIZED, "The access token is missing, wrong or expired")
                .with_header("www-authenticate", "Bearer");
        }
        self.dispatch(call).unwrap_or_else(|refusal| {
            let mut answer = refusal.answer();
            if matches!(answer.status.as_u16(), 400 | 422) && self.state().switches.refusals_as_200 {
                answer.status = StatusCode::OK;
            }
            answer
        })
    }

    fn fault_answer(&self, status: StatusCode) -> Answer {
        Answer::text(status, status.canonical_reason().unwrap_or("The request failed"))
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
        let mut state = self.state();
        let State { leads, switches, .. } = &mut *state;
        leads.create(fields, at, switches).map(|id| id.to_string()).map_err(|refusal| refusal.text)
    }

    fn edit(&self, id: &str, fields: &Map<String, Json>, at: Option<DateTime<Utc>>) -> Result<(), String> {
        let at = self.stamp(at);
        let mut state = self.state();
        let State { leads, switches, .. } = &mut *state;
        number(id).and_then(|id| leads.update(id, fields, at, switches)).map_err(|refusal| refusal.text)
    }

    fn delete(&self, id: &str) -> Result<(), String> {
        number(id).and_then(|id| self.state().leads.delete(id)).map_err(|refusal| refusal.text)
    }

    fn convert(&self, id: &str) -> Result<(), String> {
        let at = self.stamp(None);
        number(id).and_then(|id| self.state().leads.convert(id, at)).map_err(|refusal| refusal.text)
    }

    fn switch(&self, switches: &Json) -> Result<Json, String> {
        let mut state = self.state();
        state.switches = state.switches.merged(switches)?;
        serde_json::to_value(&state.switches).map_err(|error| error.to_string())
    }
}

fn local_seconds(time: DateTime<Utc>, timezone: Tz) -> i64 {
    time.with_timezone(&timezone).naive_local().and_utc().timestamp()
}

fn is_token(call: &Call) -> bool {
    call.path.trim_start_matches('/') == "oauth2/token"
}

fn token_refusal(status: StatusCode, error: &str, description: &str) -> Answer {
    Answer::json(status, &json!({ "error": error, "error_description": description }))
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
