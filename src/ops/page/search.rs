//! Finding a lead by an id, or by a value of the fields of `[sync] match`. A form that is posted: what people search for are values of
//! leads, and an address is kept in histories and in the logs of proxies.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::lists::{Ids, lead_path};
use super::place::Place;
use super::{Frame, May, Ops, Refused, Sent, shown};
use crate::config::Config;
use crate::lead::Side;
use crate::store::{Effort, FoundLead};

/// Then it is cut off, and can be gone on with: 100,000 leads take about a second.
const EFFORT: Effort = Effort { found: 50, leads: 100_000, time: Duration::from_secs(2) };

/// A shorter part of a value would find everything.
const SHORTEST: usize = 3;

#[derive(Template)]
#[template(path = "search.html")]
struct Search {
    frame: Frame,
    text: String,
    fields: String,
    found: Option<Vec<Row>>,
    /// Where a search that was cut off goes on.
    on_from: Option<(Side, String)>,
    is_short: bool,
}

struct Row {
    side: &'static str,
    ids: Ids,
    state: String,
}

pub(super) async fn ask(State(ops): State<Arc<Ops>>, headers: HeaderMap) -> Result<Response, Refused> {
    shown(&page(&ops, &headers, String::new()))
}

pub(super) async fn search(State(ops): State<Arc<Ops>>, headers: HeaderMap, sent: Sent) -> Result<Response, Refused> {
    let text = sent.get("text").map(|text| text.trim().to_owned()).unwrap_or_default();
    let mut page = page(&ops, &headers, text.clone());
    if text.is_empty() {
        return shown(&page);
    }
    let after = sent.get("side").and_then(|side| Side::parse(side)).zip(sent.get("after").cloned());
    let mut found = if after.is_none() { ops.store.find_id(&text).await? } else { Vec::new() };
    if found.is_empty() && text.chars().count() < SHORTEST {
        page.is_short = true;
        return shown(&page);
    }
    if found.is_empty() {
        // One at a time: somebody who searches holds up nobody but others who search.
        let _turn = ops.searches.lock().await;
        let searched = ops.store.find_value(&text, &names(&ops.config()), after, EFFORT).await?;
        (found, page.on_from) = (searched.found, searched.up_to);
    }
    let pairs = once_a_pair(found);
    if let ([only], None) = (pairs.as_slice(), &page.on_from) {
        return Ok(Redirect::to(&lead_path(&ops.place, only.side, &only.lead_id)).into_response());
    }
    page.found = Some(pairs.into_iter().map(|lead| row(&ops.place, lead)).collect());
    shown(&page)
}

fn page(ops: &Ops, headers: &HeaderMap, text: String) -> Search {
    let frame = Frame::of(ops, headers, "/search", "Search").still();
    Search { frame, text, fields: names(&ops.config()).join(", "), found: None, on_from: None, is_short: false }
}

/// The fields by which leads find each other.
fn names(config: &Config) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in config.sync.match_keys.iter().flatten() {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// Both halves of a pair have the value, as a rule.
fn once_a_pair(found: Vec<FoundLead>) -> Vec<FoundLead> {
    let mut pairs: Vec<FoundLead> = Vec::new();
    for lead in found {
        let is_half = |other: &FoundLead| other.side != lead.side && other.other_id.as_ref() == Some(&lead.lead_id);
        if !pairs.iter().any(is_half) {
            pairs.push(lead);
        }
    }
    pairs
}

fn row(place: &Place, lead: FoundLead) -> Row {
    let state = lead.state.map_or_else(|| "unlinked".to_owned(), |state| state.replace('_', " "));
    let ids = match lead.side {
        Side::Operate => Ids::of(place, Some(lead.lead_id), lead.other_id),
        Side::Salesforce => {
            Ids { path: lead_path(place, lead.side, &lead.lead_id), operate: lead.other_id, salesforce: Some(lead.lead_id) }
        }
    };
    Row { side: lead.side.title(), ids, state }
}
