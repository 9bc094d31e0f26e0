//! The first page: how both sides are, what waits, and what the last day was like.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use super::chart::Chart;
use super::lists::{Conflict, Parked};
use super::words::{When, counted, number};
use super::{Frame, May, Ops, Refused, now, shown};
use crate::lead::Side;
use crate::store::{BudgetReport, Done, Slice, StatusReport, WaitingReason};

/// So many of what waits stand here; the rest on pages of their own.
const FIRST: Slice = Slice { skip: 0, take: 5 };
const DONE: u32 = 5;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    head: Head,
    sides: Vec<SideCard>,
    states: Vec<StateRow>,
    links: String,
    waiting: Vec<WaitingReason>,
    writes: String,
    oldest: Option<When>,
    budget: Option<Budget>,
    cycle: Option<CycleCard>,
    written: Chart,
    errors: Chart,
    parked: Vec<Parked>,
    parked_count: i64,
    conflicts: Vec<Conflict>,
    conflict_count: i64,
    done: Vec<(When, Done)>,
    hold: Hold,
}

/// The state of everything in a sentence.
struct Head {
    /// `good`, `look` or `bad`, for the colour; the words say the same.
    mood: &'static str,
    title: String,
    more: Vec<String>,
}

/// What holds writes back, for the forms that let them go on.
struct Hold {
    is_paused: bool,
    braked: Option<String>,
}

struct SideCard {
    side: &'static str,
    title: &'static str,
    polled: Option<When>,
    newest: Option<When>,
    swept: Option<When>,
    requests: String,
}

struct StateRow {
    state: &'static str,
    words: &'static str,
    count: String,
    /// Of 1000.
    share: i64,
    is_empty: bool,
}

struct Budget {
    used: String,
    limit: String,
    own: String,
    share: String,
    /// Of 1000: what all programs used, and up to where leadsync itself may go.
    used_part: u64,
    share_part: u64,
}

struct CycleCard {
    began: When,
    took: String,
    seen: String,
    pushed: String,
    conflicts: String,
    parked: String,
    requests: [String; 2],
    error: Option<String>,
}

const STATES: [(&str, &str); 6] = [
    ("in_step", "in step: both sides have the same"),
    ("pending", "pending: a write is under way, or the other half is missing"),
    ("conflict", "conflict: a person has to decide"),
    ("parked", "parked: refused or unclear, and waits for a person"),
    ("converted", "converted in Salesforce: read-only there"),
    ("deleted", "deleted on one side or both"),
];

pub(super) async fn overview(
    State(ops): State<Arc<Ops>>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Refused> {
    let now = now();
    let store = &ops.store;
    let status = store.status(now).await?;
    let stops = store.stops().await?;
    let day = store.day(now).await?;
    let (parked_count, conflict_count) = store.waiting_counts().await?;
    let config = ops.config();
    let page = Overview {
        frame: Frame::of(&ops, &headers, "/", "Overview").after(query.get("done")),
        head: head(&ops, &status, (parked_count, conflict_count), now),
        sides: Side::BOTH.into_iter().map(|side| side_card(&status, side, now)).collect(),
        states: states(&status),
        links: counted(status.links.values().sum(), "link", "links"),
        writes: counted(["due", "sent"].iter().filter_map(|state| status.pushes.get(*state)).sum(), "write", "writes"),
        oldest: status.oldest_waiting.as_deref().map(|at| When::of(at, now)),
        budget: status
            .budget
            .as_ref()
            .map(|budget| self::budget(budget, status.requests_24h.salesforce, config.salesforce.daily_request_share)),
        cycle: status.last_cycle.as_ref().map(|cycle| cycle_card(cycle, now)),
        written: Chart::of(day.iter().map(|(start, hour)| (*start, hour.written.operate, hour.written.salesforce))),
        errors: Chart::of(day.iter().map(|(start, hour)| (*start, hour.failed, hour.parked))),
        parked: store.parked_slice(FIRST).await?.into_iter().map(|lead| Parked::of(&ops.place, lead, now)).collect(),
        parked_count,
        conflicts: store
            .conflict_slice(FIRST)
            .await?
            .into_iter()
            .map(|conflict| Conflict::of(&ops.place, conflict, &config, now))
            .collect(),
        conflict_count,
        done: store.done_last(DONE).await?.into_iter().map(|done| (When::of(&done.at, now), done)).collect(),
        hold: Hold { is_paused: stops.paused.is_some(), braked: stops.braked },
        waiting: status.waiting,
    };
    shown(&page)
}

fn head(ops: &Ops, status: &StatusReport, (parked, conflicts): (i64, i64), now: DateTime<Utc>) -> Head {
    let mut more = Vec::new();
    if parked > 0 {
        more.push(format!("{} parked", counted(parked, "lead is", "leads are")));
    }
    if conflicts > 0 {
        more.push(counted(conflicts, "conflict is open", "conflicts are open"));
    }
    let waits = !more.is_empty();
    let held = status.held.as_deref();
    let (mood, title) = match (ops.pulse.trouble(), held) {
        (Some(trouble), _) => {
            more.insert(0, trouble.reason);
            ("bad", format!("Cycles fail, since {} UTC", When::at(trouble.since, now).full()))
        }
        (None, Some(held)) => {
            more.insert(0, held.to_owned());
            ("look", "Writes are held back".to_owned())
        }
        (None, None) if ops.pulse.well_at().is_none() => ("look", "Starting: no cycle has ended yet".to_owned()),
        (None, None) if waits => ("look", "Something waits for a person".to_owned()),
        (None, None) => ("good", "All well".to_owned()),
    };
    Head { mood, title, more }
}

fn side_card(status: &StatusReport, side: Side, now: DateTime<Utc>) -> SideCard {
    let checkpoint = status.checkpoints.get(side);
    let when = |stamp: &Option<String>| stamp.as_deref().map(|stamp| When::of(stamp, now));
    SideCard {
        side: side.as_str(),
        title: side.title(),
        polled: when(&checkpoint.polled_at),
        newest: when(&checkpoint.newest),
        swept: when(&checkpoint.swept_at),
        requests: number(*status.requests_24h.get(side)),
    }
}

fn states(status: &StatusReport) -> Vec<StateRow> {
    let all: i64 = status.links.values().sum();
    let row = |(state, words): (&'static str, &'static str)| {
        let count = status.links.get(state).copied().unwrap_or_default();
        let share = if count > 0 { (count * 1_000 / all.max(1)).max(4) } else { 0 };
        StateRow { state, words, count: number(count), share, is_empty: count == 0 }
    };
    STATES.map(row).into()
}

fn budget(budget: &BudgetReport, own: i64, share: f64) -> Budget {
    let whole = f64::from(u32::try_from(budget.limit).unwrap_or(u32::MAX));
    let count = |count: u64| number(i64::try_from(count).unwrap_or(i64::MAX));
    Budget {
        used: count(budget.used),
        limit: count(budget.limit),
        own: number(own),
        share: number(format!("{:.0}", (whole * share).floor()).parse().unwrap_or_default()),
        used_part: (budget.used.saturating_mul(1_000) / budget.limit.max(1)).min(1_000),
        share_part: format!("{:.0}", share * 1_000.0).parse().unwrap_or_default(),
    }
}

fn cycle_card(cycle: &Json, now: DateTime<Utc>) -> CycleCard {
    let text = |name: &str| cycle.get(name).and_then(Json::as_str).map(str::to_owned);
    let count = |name: &str| number(cycle.get(name).and_then(Json::as_i64).unwrap_or_default());
    let began = text("started_at").unwrap_or_default();
    let took = text("ended_at").map(|ended| crate::store::time(&ended) - crate::store::time(&began));
    CycleCard {
        began: When::of(&began, now),
        took: took.map(|took| format!("{}.{:03} s", took.num_seconds(), took.subsec_millis())).unwrap_or_default(),
        seen: count("seen"),
        pushed: count("pushed"),
        conflicts: count("conflicts"),
        parked: count("parked"),
        requests: [count("requests_operate"), count("requests_salesforce")],
        error: text("error"),
    }
}
