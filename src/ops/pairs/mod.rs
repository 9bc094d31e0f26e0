//! The pairs of systems that one process serves: a page that lists them, and all that there is of each below `/pairs/NAME`.
//!
//! What is said about all of them is in memory. Their databases are asked for `/metrics` alone.

mod figures;
mod health;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::{Request, State};
use axum::handler::Handler as _;
use axum::http::Uri;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{MethodRouter, any_service};
use chrono::{DateTime, Utc};
use tracing::Instrument as _;

use super::{ListenError, Ops, Reason, Served, page, routes, serve_app, standing_by};

/// The pairs that one process serves, as they are now.
#[derive(Debug)]
pub struct Pairs {
    started_at: DateTime<Utc>,
    pairs: RwLock<BTreeMap<String, Pair>>,
}

/// What a pair is to this process.
#[derive(Debug, Clone)]
pub enum Shown {
    /// Its work is done here. The pages are those of [`Ops::of_pair`], with the same name.
    Leads(Arc<Ops>),
    /// Another process does its work.
    StandsBy(Reason),
    /// It cannot run, for this reason, in words.
    Fails(String),
}

/// What a pair is here at this moment, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Leader,
    StandBy,
    Failing,
}

impl Role {
    pub(super) const ALL: [Self; 3] = [Self::Leader, Self::StandBy, Self::Failing];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::StandBy => "stand_by",
            Self::Failing => "failing",
        }
    }
}

impl Shown {
    pub(super) fn role(&self) -> Role {
        match self {
            Self::Leads(ops) if ops.store.permit().holds() => Role::Leader,
            Self::Leads(_) | Self::StandsBy(_) => Role::StandBy,
            Self::Fails(_) => Role::Failing,
        }
    }

    /// Why it is not ready, if it is not. To stand by is to be ready.
    pub(super) fn unready(&self) -> Option<String> {
        match self {
            Self::Leads(ops) => ops.pulse.unready().or_else(|| {
                let holds = ops.store.permit().holds();
                (!holds).then(|| "nothing is sent: its lease could not be renewed, or another process has it".to_owned())
            }),
            Self::StandsBy(_) => None,
            Self::Fails(reason) => Some(reason.clone()),
        }
    }
}

/// A pair, with all that is served of it.
#[derive(Debug)]
struct Pair {
    shown: Shown,
    app: MethodRouter,
}

impl Pairs {
    /// None yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { started_at: Utc::now(), pairs: RwLock::default() })
    }

    /// From now on the pair of this name is that. A name is of letters, figures, `-` and `_`.
    pub fn show(&self, name: &str, shown: Shown) {
        let app = any_service(match &shown {
            Shown::Leads(ops) => routes(Arc::clone(ops)),
            Shown::StandsBy(reason) => standing_by::routes(reason.clone(), self.started_at),
            Shown::Fails(reason) => health::routes_of_failing(name, reason, self.started_at),
        });
        self.pairs.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), Pair { shown, app });
    }

    /// There is no pair of this name any more.
    pub fn remove(&self, name: &str) {
        self.pairs.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// All of them, by name.
    pub(super) fn all(&self) -> Vec<(String, Shown)> {
        let pairs = self.pairs.read().unwrap_or_else(PoisonError::into_inner);
        pairs.iter().map(|(name, pair)| (name.clone(), pair.shown.clone())).collect()
    }

    fn app(&self, name: &str) -> Option<MethodRouter> {
        self.pairs.read().unwrap_or_else(PoisonError::into_inner).get(name).map(|pair| pair.app.clone())
    }
}

/// Serves them at this address, in the background.
pub async fn serve_pairs(pairs: Arc<Pairs>, address: SocketAddr) -> Result<Served, ListenError> {
    serve_app(address, |address| {
        let all = health::routes().merge(figures::routes()).merge(page::routes_of_all());
        all.with_state(Arc::clone(&pairs))
            .layer(from_fn_with_state(pairs, to_pair))
            .layer(from_fn_with_state(address, page::only_local_names))
    })
    .await
}

/// Hands on what is asked of a pair, as if that were the only one.
async fn to_pair(State(pairs): State<Arc<Pairs>>, request: Request, next: Next) -> Response {
    let Some((name, below)) = asked(request.uri()) else { return next.run(request).await };
    let Some(app) = pairs.app(&name) else { return next.run(request).await };
    let Some(below) = below else { return Redirect::to(&format!("/pairs/{name}/")).into_response() };
    let (mut parts, body) = request.into_parts();
    parts.uri = below;
    // A handler is what can be called without a crate more.
    app.call(Request::from_parts(parts, body), ()).instrument(tracing::error_span!("pair", pair = name)).await
}

/// The name of a pair in an address, and what is asked of it: none without a slash behind the name.
fn asked(uri: &Uri) -> Option<(String, Option<Uri>)> {
    let (name, _) = uri.path().strip_prefix("/pairs/").map(|rest| rest.split_once('/').unwrap_or((rest, "")))?;
    let below = uri.path_and_query()?.as_str().strip_prefix("/pairs/")?.strip_prefix(name)?;
    let below = if below.starts_with('/') { Some(below.parse().ok()?) } else { None };
    Some((name.to_owned(), below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_pair_and_what_is_asked_of_it() {
        for (address, expected) in [
            ("/pairs/north/", Some(("north", Some("/")))),
            ("/pairs/north/parked?page=2", Some(("north", Some("/parked?page=2")))),
            ("/pairs/north//evil.example/", Some(("north", Some("//evil.example/")))),
            ("http://localhost/pairs/north/readyz", Some(("north", Some("/readyz")))),
            ("/pairs/north", Some(("north", None))),
            ("/pairs/north?a=/", Some(("north", None))),
            ("/pairs/n%6Frth/", Some(("n%6Frth", Some("/")))),
            ("/pairs/", Some(("", None))),
            ("/pairs//", Some(("", Some("/")))),
            ("/pairs", None),
            ("/readyz", None),
            ("/", None),
        ] {
            let found = asked(&address.parse().unwrap());
            let found = found.map(|(name, below)| (name, below.map(|below| below.to_string())));
            assert_eq!(found, expected.map(|(name, below)| (name.to_owned(), below.map(str::to_owned))), "{address}");
        }
    }
}
