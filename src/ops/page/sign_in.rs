//! Signing in with the token, and out.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse as _, Response};

use super::door::{COOKIE_NAME, Kept, LIFE};
use super::guard::is_of_this_site;
use super::{Frame, May, Ops, Refused, Sent, act, shown};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    frame: Frame,
    is_wrong: bool,
}

pub(super) async fn ask(State(ops): State<Arc<Ops>>, headers: HeaderMap) -> Result<Response, Refused> {
    shown(&SignIn { frame: Frame::of(&ops, &headers, "/sign-in", "Sign in").still(), is_wrong: false })
}

pub(super) async fn sign_in(State(ops): State<Arc<Ops>>, headers: HeaderMap, sent: Sent) -> Result<Response, Refused> {
    is_of_this_site(&headers)?;
    let config = ops.config();
    let Some(token) = config.ops.token.as_ref() else { return Err(act::read_only()) };
    let given = sent.get("token").map_or("", |token| token.trim());
    match ops.door.sign_in(token, given) {
        Ok(id) => {
            tracing::info!("ops.signed_in");
            let cookie = cookie(&ops, &id, LIFE.as_secs(), &headers);
            Ok((AppendHeaders([(SET_COOKIE, cookie)]), act::to_overview(&ops, "signed-in")).into_response())
        }
        Err(Kept::Wrong) => {
            tracing::warn!("ops.sign_in_refused");
            let frame = Frame::of(&ops, &headers, "/sign-in", "Sign in").still();
            Ok((StatusCode::FORBIDDEN, shown(&SignIn { frame, is_wrong: true })?).into_response())
        }
        Err(Kept::TooMany) => {
            tracing::warn!(hint = "too many attempts", "ops.sign_in_refused");
            Err(Refused::TooMany)
        }
        Err(Kept::NoChance) => Err(Refused::Rendering),
    }
}

pub(super) async fn sign_out(State(ops): State<Arc<Ops>>, headers: HeaderMap, sent: Sent) -> Result<Response, Refused> {
    act::allowed(&ops, &headers, &sent)?;
    ops.door.sign_out(&headers);
    let cookie = cookie(&ops, "", 0, &headers);
    Ok((AppendHeaders([(SET_COOKIE, cookie)]), act::to_overview(&ops, "signed-out")).into_response())
}

/// A proxy says that the browser's own connection is safe: then the cookie goes over no other.
fn cookie(ops: &Ops, id: &str, seconds: u64, headers: &HeaderMap) -> String {
    let is_safe = headers.get("x-forwarded-proto").is_some_and(|protocol| protocol == "https");
    let path = ops.place.cookie_path();
    let secure = if is_safe { "; Secure" } else { "" };
    format!("{COOKIE_NAME}={id}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}
