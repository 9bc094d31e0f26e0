//! The status page: rendered here, whole without a script; with one it brings itself up to date.
//!
//! It reads the store. What it does on a person's word (`act`) it does through the store's functions for the command line, and only for
//! who has signed in with `[ops] token`. Values of leads stand on the pages of leads alone, and in no log and no address.

mod act;
mod assets;
mod chart;
mod door;
mod fields;
mod guard;
mod happenings;
mod lead;
mod lists;
mod overview;
mod pairs;
mod place;
mod search;
mod sign_in;
mod words;

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{DefaultBodyLimit, Form, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{from_fn, map_response_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use chrono::Utc;

pub(super) use self::door::{Door, same};
pub(super) use self::guard::only_local_names;
pub(super) use self::place::Place;
use self::words::When;
use super::{Ops, Pairs};
use crate::store::StoreError;

/// More than any form here sends.
const LONGEST_FORM: usize = 16 * 1024;

/// What a form sends.
type Sent = Form<HashMap<String, String>>;

/// The pages of a pair.
pub(super) fn routes(place: Place) -> Router<Arc<Ops>> {
    let pages = Router::new()
        .route("/", get(overview::overview))
        .route("/parked", get(lists::parked))
        .route("/conflicts", get(lists::conflicts))
        .route("/search", get(search::ask).post(search::search))
        .route("/lead/{side}/{id}", get(lead::lead))
        .route("/sign-in", get(sign_in::ask).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/resolve", post(act::resolve))
        .route("/retry", post(act::retry))
        .route("/pause", post(act::pause))
        .route("/resume", post(act::resume))
        .fallback(missing);
    dressed(pages, place)
}

/// The page about all pairs, for who asks for none of them.
pub(super) fn routes_of_all() -> Router<Arc<Pairs>> {
    dressed(Router::new().route("/", get(pairs::pairs)).fallback(pairs::missing), Place::All)
}

/// What a pair that cannot run has in the place of pages.
pub(super) fn routes_of_failing(place: Place, reason: String) -> Router {
    dressed(Router::new().fallback(move || async { Refused::Failing(reason) }), place)
}

/// Pages with what all of them need.
fn dressed<S: Clone + Send + Sync + 'static>(pages: Router<S>, place: Place) -> Router<S> {
    pages
        .merge(assets::routes())
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
        .layer(map_response_with_state(place, in_words))
        .layer(from_fn(guard::headers))
}

/// What a page has around what it shows.
struct Frame {
    place: Place,
    title: String,
    /// The path of the page in the menu that this is, or nothing.
    here: &'static str,
    may: May,
    at: When,
    /// Whether a script may ask for it again: not for the answer to a form.
    refreshes: bool,
    /// What a form has just done.
    done: Option<&'static str>,
}

/// What whoever looks may do.
enum May {
    /// No token is configured: nobody may act from the page.
    Read,
    /// Not before signing in.
    SignIn,
    /// Everything; forms have this word in them.
    Act(String),
}

impl Frame {
    fn of(ops: &Ops, headers: &HeaderMap, here: &'static str, title: impl Into<String>) -> Self {
        let may = match ops.config().ops.token.as_ref() {
            None => May::Read,
            Some(token) => ops.door.session(token, headers).map_or(May::SignIn, May::Act),
        };
        Self { may, ..Self::bare(ops.place.clone(), here, title) }
    }

    /// Of a page that only shows.
    fn bare(place: Place, here: &'static str, title: impl Into<String>) -> Self {
        Self { place, title: title.into(), here, may: May::Read, at: When::now(), refreshes: true, done: None }
    }

    /// The sentence for the word in the address that a form has led to.
    fn after(mut self, done: Option<&String>) -> Self {
        self.done = done.and_then(|done| act::said(done));
        self
    }

    fn still(mut self) -> Self {
        self.refreshes = false;
        self
    }

    /// Whether nobody may act from the page.
    const fn is_read_only(&self) -> bool {
        matches!(self.may, May::Read)
    }

    fn base(&self) -> &str {
        self.place.base()
    }

    fn pair(&self) -> Option<&str> {
        self.place.pair()
    }

    fn menu(&self) -> &'static [(&'static str, &'static str)] {
        self.place.menu()
    }

    const fn version() -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

/// Why there is no such page, in words.
#[derive(Debug)]
enum Refused {
    /// There is nothing there.
    Missing(String),
    /// The store does not answer.
    Store(StoreError),
    /// The pair does not run.
    Failing(String),
    /// It is not allowed.
    Forbidden(String),
    /// The form or the address is wrong.
    Wrong(String),
    /// Too many attempts.
    TooMany,
    /// The method does not go with the path.
    Method,
    /// The page cannot be rendered.
    Rendering,
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Self::Missing(_) => StatusCode::NOT_FOUND,
            Self::Store(_) | Self::Failing(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Wrong(_) => StatusCode::BAD_REQUEST,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Rendering => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn words(self) -> (&'static str, String) {
        match self {
            Self::Missing(what) => ("Not found", what),
            Self::Store(error) => ("The store does not answer", error.to_string()),
            Self::Failing(reason) => ("This pair does not run", reason),
            Self::Forbidden(why) => ("Not allowed", why),
            Self::Wrong(why) => ("Not understood", why),
            Self::TooMany => ("Too many attempts", "Wait a minute, then try to sign in again.".to_owned()),
            Self::Method => ("Not understood", "This address takes no request of this kind.".to_owned()),
            Self::Rendering => ("The page failed", "The page cannot be shown; the log says why.".to_owned()),
        }
    }
}

#[derive(Template)]
#[template(path = "message.html")]
struct Message {
    frame: Frame,
    words: String,
}

/// What is refused, on its way to [`in_words`], which knows whose pages these are.
#[derive(Clone)]
struct Why {
    title: &'static str,
    words: String,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = self.status();
        if let Self::Store(error) = &self {
            tracing::error!(error = %error, "ops.store_unreadable");
        }
        let (title, words) = self.words();
        (status, Extension(Why { title, words })).into_response()
    }
}

/// Makes a page of a refusal.
async fn in_words(State(place): State<Place>, mut response: Response) -> Response {
    let Some(Why { title, words }) = response.extensions_mut().remove::<Why>() else { return response };
    let status = response.status();
    // What failed may pass: the script asks again.
    let frame = Frame { refreshes: status == StatusCode::SERVICE_UNAVAILABLE, ..Frame::bare(place, "", title) };
    let page = Message { frame, words }.render().unwrap_or_else(|_| title.to_owned());
    (status, Html(page)).into_response()
}

fn shown(page: &impl Template) -> Result<Response, Refused> {
    let text = page.render().map_err(|error| {
        tracing::error!(error = %error, "ops.page_failed");
        Refused::Rendering
    })?;
    Ok(Html(text).into_response())
}

async fn missing() -> Refused {
    Refused::Missing("There is no page at this address.".to_owned())
}

async fn not_so(_: Method) -> Refused {
    Refused::Method
}

/// A number in an address, from 1 on; what is no number counts as 1.
fn page_number(query: &HashMap<String, String>) -> u32 {
    query.get("page").and_then(|page| page.parse().ok()).filter(|page| (1..=100_000).contains(page)).unwrap_or(1)
}

/// The present moment, for everything on one page.
fn now() -> chrono::DateTime<Utc> {
    Utc::now()
}
