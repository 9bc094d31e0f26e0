//! Both systems, simulated on loopback: for tests, for the demo, and for whoever wants to try the daemon without
//! credentials.
//!
//! The sandbox speaks the HTTP interfaces of Operate and Salesforce as they are documented, and is as strict as
//! they are. It knows nothing of the daemon: it imports nothing from this crate. `docs/sandbox.md` shows its controls.

mod clock;
mod control;
mod faults;
pub(crate) mod fuzz;
mod http;
mod operate;
mod people;
mod people_words;
mod salesforce;
mod seed;
mod sessions;
mod simulated;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use faults::{Cut, Fault, RequestKind};
pub use operate::{CreateAnswer, Event, FieldUpdate, Interface, OperateSwitches, Outbound};
pub use salesforce::{DuplicateAction, Flow, Right, SalesforceSwitches};
pub use simulated::{LeadWrites, RequestLine, Requests, SimulatedSide};

use operate::Operate;
use salesforce::Salesforce;
use wire::{Wire, WiredListener};

const OPERATE_CLIENT_ID: &str = "operate-sandbox";
const OPERATE_CLIENT_SECRET: &str = "operate-sandbox-secret";
const SALESFORCE_CLIENT_ID: &str = "3MVG9sandboxConsumerKey";
const SALESFORCE_CLIENT_SECRET: &str = "sandbox-consumer-secret";
const SALESFORCE_USERNAME: &str = "leadsync@sandbox.example";
const SALESFORCE_PASSWORD: &str = "leadsync-password";
const SALESFORCE_REFRESH_TOKEN: &str = "5Aep861sandboxRefreshToken";

/// How a sandbox is made.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// Leads in Operate at the start.
    pub operate_leads: usize,
    /// Leads in Salesforce at the start.
    pub salesforce_leads: usize,
    /// How many of them are the same people on both sides; no more than either number.
    pub common: usize,
    /// Leads on each side, beyond the common ones, that were converted long ago; no more than there are.
    pub converted: usize,
    /// What the people, their edits and the order of rows are drawn from.
    pub seed: u64,
    /// Where Operate listens: a loopback address; port 0 takes a free one.
    pub operate_addr: SocketAddr,
    /// Where Salesforce listens: a loopback address; port 0 takes a free one.
    pub salesforce_addr: SocketAddr,
    /// Where Salesforce's Pub/Sub API listens: a loopback address; port 0 takes a free one.
    pub pubsub_addr: SocketAddr,
    /// The Operate workspace's zone, in which its timestamps are written.
    pub timezone: Tz,
    /// How long an access token lives (Salesforce: after its last use).
    pub token_lifetime: Duration,
    /// Salesforce requests allowed in a day.
    pub daily_requests: u64,
    /// Seconds by which Operate's clock is ahead of this machine's.
    pub operate_clock_ahead: i64,
    /// Seconds by which Salesforce's clock is ahead of this machine's.
    pub salesforce_clock_ahead: i64,
    /// Variants of Operate's behaviour.
    pub operate: OperateSwitches,
    /// Variants of Salesforce's behaviour.
    pub salesforce: SalesforceSwitches,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            operate_leads: 500,
            salesforce_leads: 300,
            common: 100,
            converted: 0,
            seed: 1,
            operate_addr: loopback,
            salesforce_addr: loopback,
            pubsub_addr: loopback,
            timezone: Tz::UTC,
            token_lifetime: Duration::from_hours(2),
            daily_requests: 100_000,
            operate_clock_ahead: 0,
            salesforce_clock_ahead: 0,
            operate: OperateSwitches::default(),
            salesforce: SalesforceSwitches::default(),
        }
    }
}

/// Why a sandbox could not be made, or would not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// It gives its leads to anybody who asks, so it stays on this machine.
    #[error("the sandbox listens on loopback only, and {0} is not a loopback address")]
    NotLoopback(SocketAddr),
    /// The address is not free, or not ours.
    #[error("the sandbox cannot listen on {address}: {source}")]
    Listen {
        /// The address wanted.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// More common leads than a side has leads.
    #[error("{common} common leads do not fit into {operate} Operate and {salesforce} Salesforce leads")]
    TooManyCommon {
        /// Common leads wanted.
        common: usize,
        /// Operate leads wanted.
        operate: usize,
        /// Salesforce leads wanted.
        salesforce: usize,
    },
    /// The simulated system, or the control, will not do it.
    #[error("{0}")]
    Refused(String),
}

/// Where the two systems are and how to sign in: what `leadsync sandbox` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Addresses {
    /// Operate.
    pub operate: OperateAddress,
    /// Salesforce.
    pub salesforce: SalesforceAddress,
}

/// Where Operate is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OperateAddress {
    /// Scheme, host and port.
    pub base_url: String,
    /// The OAuth client's id.
    pub client_id: String,
    /// The OAuth client's secret, known to everybody.
    pub client_secret: String,
}

/// Where Salesforce is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SalesforceAddress {
    /// Scheme, host and port.
    pub login_url: String,
    /// Those of the Pub/Sub API.
    pub pubsub_url: String,
    /// The consumer key.
    pub client_id: String,
    /// The consumer secret, known to everybody.
    pub client_secret: String,
    /// The integration user, for the JWT bearer flow.
    pub username: String,
    /// A refresh token that is good at the start.
    pub refresh_token: String,
}

/// Both systems, listening until this is stopped or dropped.
pub struct Sandbox {
    addresses: Addresses,
    operate: SimulatedSide,
    salesforce: SimulatedSide,
    servers: Vec<JoinHandle<io::Result<()>>>,
    stop: DropGuard,
}

impl Sandbox {
    /// Makes the leads and listens.
    pub async fn start(options: SandboxOptions) -> Result<Self, SandboxError> {
        if options.common > options.operate_leads.min(options.salesforce_leads) {
            return Err(SandboxError::TooManyCommon {
                common: options.common,
                operate: options.operate_leads,
                salesforce: options.salesforce_leads,
            });
        }
        let operate_listener = listen(options.operate_addr).await?;
        let salesforce_listener = listen(options.salesforce_addr).await?;
        let second_addr = SocketAddr::new(options.salesforce_addr.ip(), 0);
        let second_listener = listen(second_addr).await?;
        let events_listener = listen(options.pubsub_addr).await?;
        let pubsub_url = url(&events_listener, options.pubsub_addr)?;
        let base_url = url(&operate_listener, options.operate_addr)?;
        let login_url = url(&salesforce_listener, options.salesforce_addr)?;
        let second_url = url(&second_listener, second_addr)?;

        let seeded = seed::Seeded::draw(&options);
        let operate = SimulatedSide::new(Arc::new(Operate::new(&options, seeded.operate)));
        let org = Arc::new(Salesforce::new(&options, [&login_url, &second_url], seeded.salesforce));
        let salesforce = SimulatedSide::new(Arc::clone(&org) as _);

        let stop = CancellationToken::new();
        let servers = vec![
            serve(operate_listener, operate.clone(), stop.clone()),
            serve(salesforce_listener, salesforce.clone(), stop.clone()),
            serve(second_listener, salesforce.clone(), stop.clone()),
            salesforce::serve_events(events_listener, org, stop.clone()),
        ];
        let addresses = Addresses {
            operate: OperateAddress {
                base_url,
                client_id: OPERATE_CLIENT_ID.to_owned(),
                client_secret: OPERATE_CLIENT_SECRET.to_owned(),
            },
            salesforce: SalesforceAddress {
                login_url,
                pubsub_url,
                client_id: SALESFORCE_CLIENT_ID.to_owned(),
                client_secret: SALESFORCE_CLIENT_SECRET.to_owned(),
                username: SALESFORCE_USERNAME.to_owned(),
                refresh_token: SALESFORCE_REFRESH_TOKEN.to_owned(),
            },
        };
        Ok(Self { addresses, operate, salesforce, servers, stop: stop.drop_guard() })
    }

    /// Where the systems are and how to sign in.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses.clone()
    }

    /// Operate, from behind.
    #[must_use]
    pub fn operate(&self) -> &SimulatedSide {
        &self.operate
    }

    /// Salesforce, from behind.
    #[must_use]
    pub fn salesforce(&self) -> &SimulatedSide {
        &self.salesforce
    }

    /// Stops listening; requests under way may take two more seconds.
    pub async fn stop(self) {
        drop(self.stop);
        for mut server in self.servers {
            if tokio::time::timeout(Duration::from_secs(2), &mut server).await.is_err() {
                server.abort();
            }
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, SandboxError> {
    if !address.ip().is_loopback() {
        return Err(SandboxError::NotLoopback(address));
    }
    TcpListener::bind(address).await.map_err(|source| SandboxError::Listen { address, source })
}

fn url(listener: &TcpListener, wanted: SocketAddr) -> Result<String, SandboxError> {
    let address = listener.local_addr().map_err(|source| SandboxError::Listen { address: wanted, source })?;
    Ok(format!("http://{address}"))
}

fn serve(listener: TcpListener, side: SimulatedSide, stop: CancellationToken) -> JoinHandle<io::Result<()>> {
    let service = control::router(side).into_make_service_with_connect_info::<Wire>();
    tokio::spawn(
        async move { axum::serve(WiredListener(listener), service).with_graceful_shutdown(stop.cancelled_owned()).await },
    )
}
