//! What people do from the page: the same as by `resolve`, `retry`, `pause` and `resume`, and as they do it kept in `audit`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Redirect;

use super::door::same;
use super::guard::is_of_this_site;
use super::{Ops, Refused, Sent, now};
use crate::lead::Side;
use crate::store::Actor;

/// The word that comes back in the address when something is done, and the sentence for it.
const SAID: [(&str, &str); 10] = [
    ("resolved", "The conflict is settled; the next cycle carries it out."),
    ("not-open", "That conflict was not open any more: nothing was done."),
    ("retried", "The next cycle tries again what was parked."),
    ("not-parked", "Nothing was parked any more: nothing was done."),
    ("paused", "Writes are paused from the next batch on; polling goes on."),
    ("resumed", "The next cycle writes what is due."),
    ("braked", "Writes are not paused any more, but a brake still holds them."),
    ("another-brake", "The brake has another reason now than the one you have read: nothing was done. Read it again."),
    ("signed-in", "You are signed in."),
    ("signed-out", "You are signed out."),
];

pub(super) fn said(done: &str) -> Option<&'static str> {
    SAID.iter().find(|(word, _)| *word == done).map(|(_, sentence)| *sentence)
}

pub(super) fn read_only() -> Refused {
    Refused::Forbidden("This page only shows: no [ops] token is configured. Use the leadsync command instead.".to_owned())
}

/// Whether who sends this form may act.
pub(super) fn allowed(ops: &Ops, headers: &HeaderMap, sent: &HashMap<String, String>) -> Result<(), Refused> {
    let config = ops.config();
    let Some(token) = config.ops.token.as_ref() else { return Err(read_only()) };
    is_of_this_site(headers)?;
    let Some(form) = ops.door.session(token, headers) else {
        return Err(Refused::Forbidden("You are not signed in, or no longer: sign in, and do it again.".to_owned()));
    };
    if sent.get("form").is_some_and(|given| same(&form, given)) {
        return Ok(());
    }
    Err(Refused::Forbidden("The form is not one of your session: load its page again, and do it again.".to_owned()))
}

/// Back to the page of the form, which says what was done.
fn back(ops: &Ops, sent: &HashMap<String, String>, done: &str) -> Redirect {
    let Some(path) = sent.get("back").filter(|path| ops.place.has(path)) else { return to_overview(ops, done) };
    let path = path.split('?').next().unwrap_or("/");
    Redirect::to(&format!("{path}?done={done}"))
}

pub(super) fn to_overview(ops: &Ops, done: &str) -> Redirect {
    Redirect::to(&format!("{}/?done={done}", ops.place.base()))
}

pub(super) async fn resolve(State(ops): State<Arc<Ops>>, headers: HeaderMap, sent: Sent) -> Result<Redirect, Refused> {
    allowed(&ops, &headers, &sent)?;
    let conflict = sent.get("conflict").and_then(|number| number.parse::<i64>().ok());
    let winner = sent.get("take").and_then(|side| Side::parse(side));
    let (Some(conflict), Some(winner)) = (conflict, winner) else {
        return Err(Refused::Wrong("The form names no conflict, or no side.".to_owned()));
    };
    if !ops.store.resolve(conflict, winner, Actor::Page, now()).await? {
        return Ok(back(&ops, &sent, "not-open"));
    }
    did("resolve", Some(&conflict.to_string()));
    Ok(back(&ops, &sent, "resolved"))
}

pub(super) async fn retry(State(ops): State<Arc<Ops>>, headers: HeaderMap, sent: Sent) -> Result<Redirect, Refused> {
    allowed(&ops, &headers, &sent)?;
    let (ids, subject) = match (sent.get("id"), sent.get("all").map(String::as_str)) {
        (Some(id), _) => (Some(vec![id.clone()]), id.as_str()),
        (None, Some("yes")) => (None, "all"),
        (None, _) => return Err(Refused::Wrong("The form names no lead.".to_owned())),
    };
    let count = ops.store.retry(ids.as_deref(), Actor::Page, now()).await?;
    if count == 0 {
        return Ok(back(&ops, &sent, "not-parked"));
    }
    did("retry", Some(subject));
    Ok(back(&ops, &sent, "retried"))
}

pub(super) async fn pause(State(ops): State<Arc<Ops>>, headers: HeaderMap, sent: Sent) -> Result<Redirect, Refused> {
    allowed(&ops, &headers, &sent)?;
    ops.store.pause(Actor::Page, now()).await?;
    did("pause", None);
    Ok(back(&ops, &sent, "paused"))
}

pub(super) async fn resume(State(ops): State<Arc<Ops>>, headers: HeaderMap, sent: Sent) -> Result<Redirect, Refused> {
    allowed(&ops, &headers, &sent)?;
    let accepted = sent.get("accept");
    // Who accepts what a brake has stopped accepts what they have read, and nothing that came later.
    if accepted.is_some() && ops.store.stops().await?.braked.as_ref() != accepted {
        return Ok(back(&ops, &sent, "another-brake"));
    }
    let goes_on = ops.store.resume(accepted.is_some(), Actor::Page, now()).await?;
    did("resume", None);
    Ok(back(&ops, &sent, if goes_on { "resumed" } else { "braked" }))
}

/// The store has kept it.
fn did(action: &str, subject: Option<&str>) {
    tracing::info!(action, subject, "ops.acted");
}
