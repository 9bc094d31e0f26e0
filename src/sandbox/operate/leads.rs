//! Requests for leads: queries, and writes of one record or several.

use axum::http::{Method, StatusCode};
use rand::seq::SliceRandom;
use serde_json::json;

use super::query::Query;
use super::records::{batch_answer, create_answer, numbered, records, result_json};
use super::schema::{self, Refusal};
use super::switches::CreateAnswer;
use super::{Operate, State, not_allowed, number};
use crate::sandbox::http::{Answer, Call};

impl Operate {
    pub(super) fn lead_endpoint(&self, call: &Call, id: Option<&str>) -> Result<Answer, Refusal> {
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
                state.delete(id)?;
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
