//! Parked leads and open conflicts, a page at a time.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{DateTime, Utc};

use super::place::Place;
use super::words::{When, counted, number};
use super::{Frame, May, Ops, Refused, now, page_number, shown};
use crate::config::Config;
use crate::lead::Side;
use crate::merge::rule_word;
use crate::store::{ListedConflict, ParkedLead, Slice};

/// Rows of a page.
const ROWS: u32 = 50;

/// Where in a long list a page is.
pub(super) struct Pager {
    pub(super) path: String,
    pub(super) page: u32,
    pub(super) pages: u32,
}

impl Pager {
    /// The page that was asked for, or the last one.
    pub(super) fn of(path: String, asked: u32, total: i64, rows: u32) -> Self {
        let total = u32::try_from(total).unwrap_or(u32::MAX);
        let pages = total.div_ceil(rows).max(1);
        Self { path, page: asked.min(pages), pages }
    }

    pub(super) const fn slice(&self, rows: u32) -> Slice {
        Slice { skip: (self.page - 1).saturating_mul(rows), take: rows }
    }

    pub(super) const fn before(&self) -> Option<u32> {
        if self.page > 1 { Some(self.page - 1) } else { None }
    }

    pub(super) const fn after(&self) -> Option<u32> {
        if self.page < self.pages { Some(self.page + 1) } else { None }
    }
}

/// A lead's name in lists: both ids, and where its page is.
pub(super) struct Ids {
    pub(super) path: String,
    pub(super) operate: Option<String>,
    pub(super) salesforce: Option<String>,
}

impl Ids {
    pub(super) fn of(place: &Place, operate: Option<String>, salesforce: Option<String>) -> Self {
        let path = match (&operate, &salesforce) {
            (Some(id), _) => lead_path(place, Side::Operate, id),
            (None, Some(id)) => lead_path(place, Side::Salesforce, id),
            (None, None) => format!("{}/", place.base()),
        };
        Self { path, operate, salesforce }
    }

    /// One of them, for a command or a form.
    pub(super) fn one(&self) -> &str {
        self.operate.as_deref().or(self.salesforce.as_deref()).unwrap_or_default()
    }
}

/// Where a lead's page is.
pub(super) fn lead_path(place: &Place, side: Side, id: &str) -> String {
    use std::fmt::Write as _;
    let mut path = format!("{}/lead/{side}/", place.base());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}

pub(super) struct Parked {
    pub(super) ids: Ids,
    pub(super) code: Option<String>,
    pub(super) reason: String,
    pub(super) since: When,
}

impl Parked {
    pub(super) fn of(place: &Place, lead: ParkedLead, now: DateTime<Utc>) -> Self {
        Self {
            ids: Ids::of(place, lead.operate_id, lead.salesforce_id),
            code: lead.code,
            reason: lead.reason.unwrap_or_default(),
            since: When::of(&lead.since, now),
        }
    }
}

pub(super) struct Conflict {
    pub(super) number: i64,
    pub(super) ids: Ids,
    pub(super) field: String,
    /// Why it is open.
    pub(super) rule: String,
    pub(super) since: When,
}

impl Conflict {
    pub(super) fn of(place: &Place, conflict: ListedConflict, config: &Config, now: DateTime<Utc>) -> Self {
        let rule = config.fields.iter().find(|field| field.name == conflict.field).and_then(|field| field.conflict);
        Self {
            number: conflict.conflict_id,
            ids: Ids::of(place, conflict.operate_id, conflict.salesforce_id),
            rule: rule_word(rule.unwrap_or(config.sync.conflict)).to_owned(),
            field: conflict.field,
            since: When::of(&conflict.since, now),
        }
    }
}

#[derive(Template)]
#[template(path = "parked.html")]
struct ParkedPage {
    frame: Frame,
    total: String,
    count: String,
    rows: Vec<Parked>,
    pager: Pager,
}

pub(super) async fn parked(
    State(ops): State<Arc<Ops>>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Refused> {
    let now = now();
    let (total, _) = ops.store.waiting_counts().await?;
    let pager = Pager::of(format!("{}/parked", ops.place.base()), page_number(&query), total, ROWS);
    let rows = ops.store.parked_slice(pager.slice(ROWS)).await?;
    shown(&ParkedPage {
        frame: Frame::of(&ops, &headers, "/parked", "Parked leads").after(query.get("done")),
        total: counted(total, "lead is parked", "leads are parked"),
        count: number(total),
        rows: rows.into_iter().map(|lead| Parked::of(&ops.place, lead, now)).collect(),
        pager,
    })
}

#[derive(Template)]
#[template(path = "conflicts.html")]
struct ConflictsPage {
    frame: Frame,
    total: String,
    rows: Vec<Conflict>,
    pager: Pager,
}

pub(super) async fn conflicts(
    State(ops): State<Arc<Ops>>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Refused> {
    let now = now();
    let config = ops.config();
    let (_, total) = ops.store.waiting_counts().await?;
    let pager = Pager::of(format!("{}/conflicts", ops.place.base()), page_number(&query), total, ROWS);
    let rows = ops.store.conflict_slice(pager.slice(ROWS)).await?;
    shown(&ConflictsPage {
        frame: Frame::of(&ops, &headers, "/conflicts", "Open conflicts").after(query.get("done")),
        total: counted(total, "conflict is open", "conflicts are open"),
        rows: rows.into_iter().map(|conflict| Conflict::of(&ops.place, conflict, &config, now)).collect(),
        pager,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_beyond_the_end_is_the_last_one() {
        let pager = Pager::of("/parked".to_owned(), 99, 3_000, 50);
        assert_eq!((pager.page, pager.pages, pager.before(), pager.after()), (60, 60, Some(59), None));
        assert_eq!((pager.slice(50).skip, pager.slice(50).take), (2_950, 50));
        let empty = Pager::of("/parked".to_owned(), 1, 0, 50);
        assert_eq!((empty.page, empty.pages, empty.before(), empty.after()), (1, 1, None, None));
    }

    #[test]
    fn an_id_is_no_part_of_a_path() {
        assert_eq!(lead_path(&Place::Alone, Side::Operate, "a/../b?c"), "/lead/operate/a%2F%2E%2E%2Fb%3Fc");
    }
}
