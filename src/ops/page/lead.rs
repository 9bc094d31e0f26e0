//! The page of one lead: both sides, what was decided, and what happened.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};

use super::fields::{FieldRow, rows};
use super::happenings::Happening;
use super::lists::{Ids, lead_path};
use super::words::When;
use super::{Frame, May, Ops, Refused, now, page_number, shown};
use crate::lead::Side;
use crate::store::{Dossier, Slice};

/// Happenings of a page.
const ROWS: u32 = 50;

/// So far back it is looked for what happened last to a field.
const PAST: Slice = Slice { skip: 0, take: 300 };

#[derive(Template)]
#[template(path = "lead.html")]
struct LeadPage {
    frame: Frame,
    path: String,
    ids: Ids,
    /// The first filled field, for people who know no ids.
    name: Option<String>,
    state: String,
    /// Its style.
    mark: String,
    reason: Option<String>,
    halves: Vec<Half>,
    fields: Vec<FieldRow>,
    happenings: Vec<Happening>,
    page: u32,
    has_older: bool,
    is_parked: bool,
}

/// A lead on a side.
struct Half {
    title: &'static str,
    lead_id: Option<String>,
    modified: Option<When>,
    deleted: Option<When>,
    is_converted: bool,
}

pub(super) async fn lead(
    State(ops): State<Arc<Ops>>,
    headers: HeaderMap,
    Path((side, id)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Refused> {
    let unknown = || Refused::Missing("No lead with this id was ever seen on that side.".to_owned());
    let side = Side::parse(&side).ok_or_else(unknown)?;
    let now = now();
    let dossier = ops.store.dossier(side, &id).await?.ok_or_else(unknown)?;
    let (mut past, mut happenings, mut has_older) = (Vec::new(), Vec::new(), false);
    let page = page_number(&query);
    if let Some(link) = &dossier.link {
        past = ops.store.happenings(link.link_id, PAST).await?;
        let slice = Slice { skip: (page - 1).saturating_mul(ROWS), take: ROWS + 1 };
        let mut events = ops.store.happenings(link.link_id, slice).await?;
        has_older = events.len() > ROWS as usize;
        events.truncate(ROWS as usize);
        happenings = events.iter().map(|event| Happening::of(event, now)).collect();
    }
    let config = ops.config();
    let state = dossier.link.as_ref().map_or("unlinked", |link| &link.state);
    let lead_id = |side: Side| dossier.leads.get(side).as_ref().map(|lead| lead.lead_id.clone());
    let ids = Ids::of(&ops.place, lead_id(Side::Operate), lead_id(Side::Salesforce));
    shown(&LeadPage {
        frame: Frame::of(&ops, &headers, "", format!("Lead {}", ids.one())).after(query.get("done")),
        path: lead_path(&ops.place, side, &id),
        name: name(&config, &dossier),
        state: state.replace('_', " "),
        mark: state.to_owned(),
        reason: dossier.link.as_ref().and_then(|link| link.reason.clone()),
        halves: Side::BOTH.into_iter().map(|side| half(&dossier, side, now)).collect(),
        fields: rows(&config, &dossier, &past, now),
        is_parked: state == "parked",
        ids,
        happenings,
        page,
        has_older,
    })
}

/// What people call it: the first text of the mapping that is filled on either side.
fn name(config: &crate::config::Config, dossier: &Dossier) -> Option<String> {
    let sides = || Side::BOTH.iter().filter_map(|side| dossier.leads.get(*side).as_ref());
    let text = |name: &str| sides().find_map(|lead| lead.fields.get(name)?.as_str().map(str::to_owned));
    config.fields.iter().find_map(|field| text(&field.name))
}

fn half(dossier: &Dossier, side: Side, now: DateTime<Utc>) -> Half {
    let lead = dossier.leads.get(side).as_ref();
    Half {
        title: side.title(),
        lead_id: lead.map(|lead| lead.lead_id.clone()),
        modified: lead.map(|lead| When::of(&lead.modified_at, now)),
        deleted: lead.and_then(|lead| lead.deleted_at.as_deref()).map(|at| When::of(at, now)),
        is_converted: lead.is_some_and(|lead| lead.converted),
    }
}
