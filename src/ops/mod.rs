//! What the daemon shows of itself over HTTP: health, metrics, the status page; and where it hears of changes. It writes to neither system;
//! into the store it writes what people say on the page, as the commands do.

mod alert;
mod figures;
mod health;
mod hooks;
mod page;
mod pairs;
mod pulse;
mod standing_by;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use chrono::Utc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

pub use self::pairs::{Pairs, Shown, serve_pairs};
pub use self::pulse::{Pulse, Trouble};
pub use self::standing_by::{Reason, serve_standing_by};
use crate::config::Config;
use crate::hints::Hints;
use crate::metrics::Metrics;
use crate::store::Store;

/// What there is to show.
#[derive(Debug)]
pub struct Ops {
    place: page::Place,
    store: Arc<Store>,
    config: RwLock<Arc<Config>>,
    metrics: Metrics,
    pulse: Pulse,
    door: page::Door,
    hints: Arc<Hints>,
    gate: hooks::Gate,
    /// Held by whoever searches.
    searches: tokio::sync::Mutex<()>,
}

/// The port cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("ops.listen: {}", said(*.address, .source))]
pub struct ListenError {
    address: SocketAddr,
    source: std::io::Error,
}

fn said(address: SocketAddr, source: &std::io::Error) -> String {
    match source.kind() {
        ErrorKind::AddrInUse => {
            format!("another program listens on {address}: name another port in [ops] listen, or \"\" for none")
        }
        ErrorKind::AddrNotAvailable => format!("{address} is no address of this machine: see [ops] listen"),
        ErrorKind::PermissionDenied => {
            format!("{address} is not open to this user: name a port from 1024 on in [ops] listen, or \"\" for none")
        }
        _ => format!("{address} cannot be listened on: {source}"),
    }
}

impl Ops {
    /// Of a daemon that starts on this store.
    #[must_use]
    pub fn new(config: &Config, store: Arc<Store>) -> Arc<Self> {
        Self::at(page::Place::Alone, config, store)
    }

    /// Of one of several pairs, whose pages are below `/pairs/NAME`. A name is of letters, figures, `-` and `_`.
    #[must_use]
    pub fn of_pair(name: &str, config: &Config, store: Arc<Store>) -> Arc<Self> {
        Self::at(page::Place::of_pair(name), config, store)
    }

    fn at(place: page::Place, config: &Config, store: Arc<Store>) -> Arc<Self> {
        let (config, metrics) = (RwLock::new(Arc::new(config.clone())), Metrics::default());
        let (door, searches) = (page::Door::default(), tokio::sync::Mutex::default());
        let (hints, gate) = (Arc::default(), hooks::Gate::default());
        Arc::new(Self { place, store, config, metrics, pulse: Pulse::starting(Utc::now()), door, hints, gate, searches })
    }

    /// Where things are counted.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How the daemon is.
    #[must_use]
    pub const fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// What others say has changed.
    #[must_use]
    pub fn hints(&self) -> Arc<Hints> {
        Arc::clone(&self.hints)
    }

    /// The store that is shown.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The configuration that the daemon works by now.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The daemon works by another configuration from now on.
    pub fn configure(&self, config: &Config) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config.clone());
    }
}

/// Tells the webhook of the configuration, while there is one, what waits for a person; until it is dropped.
#[must_use]
pub fn alert(ops: Arc<Ops>) -> AbortOnDrop {
    AbortOnDrop(tokio::spawn(alert::watch(ops).in_current_span()))
}

/// A task that ends with its owner.
#[derive(Debug)]
pub struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl AbortOnDrop {
    /// Of a task.
    pub(crate) const fn of(task: tokio::task::JoinHandle<()>) -> Self {
        Self(task)
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How long answers that are on their way may take when a port is given up.
const LINGER: Duration = Duration::from_millis(200);

/// A port that is served until this is dropped.
#[derive(Debug)]
pub struct Served {
    /// The address, with the port that was taken.
    pub address: SocketAddr,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

impl Served {
    /// Ends it, and waits until the port is free.
    pub async fn stop(mut self) {
        self.stop.cancel();
        // Whoever keeps a connection open is not waited for.
        if tokio::time::timeout(LINGER, &mut self.serving).await.is_err() {
            self.serving.abort();
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Serves at this address, in the background.
pub async fn serve(ops: Arc<Ops>, address: SocketAddr) -> Result<Served, ListenError> {
    serve_app(address, |address| routes(ops).layer(from_fn_with_state(address, page::only_local_names))).await
}

async fn serve_app(address: SocketAddr, app: impl FnOnce(SocketAddr) -> Router) -> Result<Served, ListenError> {
    let listener = TcpListener::bind(address).await.map_err(|source| ListenError { address, source })?;
    let address = listener.local_addr().map_err(|source| ListenError { address, source })?;
    let stop = CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    let app = app(address);
    let serving = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).with_graceful_shutdown(stopped).await {
            tracing::error!(error = %error, "ops.failed");
        }
    });
    tracing::info!(%address, "ops.listening");
    Ok(Served { address, stop, serving })
}

/// All that is served of a pair.
fn routes(ops: Arc<Ops>) -> Router {
    Router::new()
        .merge(health::routes())
        .merge(figures::routes())
        .merge(hooks::routes())
        .merge(page::routes(ops.place.clone()))
        .with_state(ops)
}
