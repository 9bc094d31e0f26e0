//! The list of pairs: what each is here, and what is wrong. It is all in memory: no store is asked.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use chrono::{DateTime, Utc};

use super::place::Place;
use super::words::{When, counted};
use super::{Frame, May, Refused, now, shown};
use crate::ops::pairs::{Pairs, Role, Shown};

#[derive(Template)]
#[template(path = "pairs.html")]
struct PairsPage {
    frame: Frame,
    /// `good`, `look` or `bad`, for the colour; the words say the same.
    mood: &'static str,
    title: String,
    counts: String,
    rows: Vec<Row>,
}

/// How much of a person's attention a pair needs; the most comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Trouble,
    /// It starts or stops.
    Patience,
    None,
}

struct Row {
    need: Need,
    name: String,
    role: &'static str,
    /// The style of the role, and of the row.
    mark: &'static str,
    ground: &'static str,
    /// Who leads instead.
    who: Option<String>,
    well: Option<When>,
    wrong: Option<String>,
}

pub(super) async fn pairs(State(pairs): State<Arc<Pairs>>) -> Result<Response, Refused> {
    let now = now();
    let all = pairs.all();
    let count = |role| all.iter().filter(|(_, shown)| shown.role() == role).count();
    let counts = format!(
        "{}: {} here, {} by, {}",
        counted(whole(all.len()), "pair", "pairs"),
        counted(whole(count(Role::Leader)), "leads", "lead"),
        counted(whole(count(Role::StandBy)), "stands", "stand"),
        counted(whole(count(Role::Failing)), "fails", "fail"),
    );
    let mut rows: Vec<Row> = all.into_iter().map(|(name, shown)| row(name, &shown, now)).collect();
    // They come by name, and stay so.
    rows.sort_by_key(|row| row.need);
    let (mood, title) = head(&rows);
    shown(&PairsPage { frame: Frame::bare(Place::All, "/", "Pairs"), mood, title, counts, rows })
}

fn head(rows: &[Row]) -> (&'static str, String) {
    let of = |need| whole(rows.iter().filter(|row| row.need == need).count());
    match (of(Need::Trouble), of(Need::Patience)) {
        (0, 0) if rows.is_empty() => ("look", "There is no pair yet".to_owned()),
        (0, 0) => ("good", "All well".to_owned()),
        (0, few) => ("look", format!("{} or stopping", counted(few, "pair is starting", "pairs are starting"))),
        (many, _) => ("bad", counted(many, "pair is in trouble", "pairs are in trouble")),
    }
}

fn row(name: String, shown: &Shown, now: DateTime<Utc>) -> Row {
    let wrong = shown.unready();
    let (mut need, mut well, mut who) = (if wrong.is_some() { Need::Trouble } else { Need::None }, None, None);
    match shown {
        Shown::Leads(ops) => {
            well = ops.pulse().well_at().map(|at| When::at(at, now));
            // Not ready, and no cycle has failed.
            if wrong.is_some() && ops.pulse().trouble().is_none() && shown.role() == Role::Leader {
                need = Need::Patience;
            }
        }
        Shown::StandsBy(reason) => who = Some(reason.get()).filter(|who| !who.is_empty()),
        Shown::Fails(_) => {}
    }
    let (role, mark) = match shown.role() {
        Role::Leader => ("leads", "same"),
        Role::StandBy => ("stands by", ""),
        Role::Failing => ("fails", "conflict"),
    };
    let ground = match need {
        Need::Trouble => "conflict",
        Need::Patience => "waits",
        Need::None => "",
    };
    Row { need, name, role, mark, ground, who, well, wrong }
}

/// What is asked of no pair that there is.
pub(super) async fn missing(uri: Uri) -> Refused {
    let is_of_pair = uri.path().starts_with("/pairs/");
    let words = if is_of_pair { "This process has no pair of this name." } else { "There is no page at this address." };
    Refused::Missing(words.to_owned())
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
