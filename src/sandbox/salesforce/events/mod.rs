//! Change Data Capture, simulated: what requests and people change becomes events, which the Pub/Sub API serves over gRPC.

mod bus;
mod changes;
mod payload;
mod service;
mod stream;
/// The messages and the server that are made of `src/pubsub.proto`.
#[allow(unused_qualifications, clippy::pedantic, reason = "made by the build")]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/server/eventbus.v1.rs"));
}

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use self::bus::Bus;
pub use self::changes::Touched;
use self::payload::Transaction;
pub(super) use self::payload::schema_of_lead;
use super::{Salesforce, State};
use crate::sandbox::http::Call;

/// What `POST /_sandbox/events` takes: what the stream of events shall do.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wish {
    /// End all streams, as a broken network does.
    cut: bool,
    /// An event says that too much has changed to tell what.
    overflow: bool,
    /// So many of the next events say that something changed, and not what.
    gap: u32,
    /// So many of the next events cannot be decoded.
    broken: u32,
    /// So many of the next events have a schema that nobody can have.
    unknown_schema: u32,
    /// All events so far are gone, as after 72 hours.
    forget: bool,
    /// Refuse with this code of Salesforce's: all streams, or else the next call.
    error: Option<String>,
}

impl Salesforce {
    /// Makes events of what was changed since the last time.
    pub(super) fn tell(&self, state: &mut State, origin: &str) {
        let touched = std::mem::take(&mut state.leads.touched);
        let capture = &state.leads.switches.capture;
        let changes = changes::of(touched, &state.leads);
        if !capture.change_events || changes.is_empty() {
            return;
        }
        let delay = Duration::from_millis(capture.event_delay_ms) + Duration::from_secs(state.leads.switches.late_seconds.into());
        let now = self.clock.now();
        self.bus.publish(&Transaction { changes, origin }, now, delay);
    }

    /// Does what `POST /_sandbox/events` asks for, and tells what was heard and sent.
    pub(super) fn order(&self, wish: &Json) -> Result<Json, String> {
        let wish: Wish = serde_json::from_value(wish.clone()).map_err(|error| error.to_string())?;
        if let Some(code) = wish.error {
            self.bus.refuse(code);
        }
        if wish.forget {
            self.bus.forget();
        }
        self.bus.spoil(wish.gap, wish.broken, wish.unknown_schema);
        if wish.overflow {
            self.bus.overflow(self.clock.now());
        }
        if wish.cut {
            self.bus.cut();
        }
        Ok(json!(self.bus.seen()))
    }
}

/// Where a request's changes come from, as an event tells it.
pub(super) fn origin(call: &Call) -> String {
    let version = call.segments().into_iter().find_map(|part| part.strip_prefix('v').map(str::to_owned)).unwrap_or_default();
    let client = call.header("sforce-call-options").unwrap_or_default().split(',').map(str::trim);
    let client = client.filter(|option| option.starts_with("client=")).map(|option| format!(";{option}"));
    format!("com/salesforce/api/rest/{version}{}", client.collect::<String>())
}

/// Serves the Pub/Sub API.
pub fn serve(listener: TcpListener, org: Arc<Salesforce>, stop: CancellationToken) -> JoinHandle<io::Result<()>> {
    let service = service::Service::new(org, stop.clone());
    tokio::spawn(async move {
        let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
        let server = tonic::transport::Server::builder().add_service(wire::pub_sub_server::PubSubServer::new(service));
        server.serve_with_incoming_shutdown(incoming, stop.cancelled_owned()).await.map_err(io::Error::other)
    })
}
