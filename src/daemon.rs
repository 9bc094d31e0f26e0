//! The daemon: everything wired together, a cycle at each tick of the schedule, never two at once, and an orderly end.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job, JobScheduler};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::lead::{PerSide, Side};
use crate::mapping::{Mapping, MappingError};
use crate::operate::OperateClient;
use crate::salesforce::SalesforceClient;
use crate::side::{SideClient, SideError};
use crate::store::{Store, StoreError};
use crate::sync::{Engine, Patience, Rules};

/// How long an end may wait for writes under way. What is cut off then is looked for at the next start.
const DRAIN: Duration = Duration::from_secs(20);

/// Why an engine cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    /// The fields do not make a mapping.
    #[error("the mapping is wrong: {0}")]
    Mapping(#[from] MappingError),
    /// A client cannot be made.
    #[error(transparent)]
    Side(#[from] SideError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An engine on this store, with the clients of both systems. Nothing is sent yet.
pub async fn assemble(config: &Config, store: Store) -> Result<Engine, AssemblyError> {
    let mapping = Mapping::build(config)?;
    let clients: PerSide<Arc<dyn SideClient>> = PerSide {
        operate: Arc::new(OperateClient::new(&config.operate, mapping.native_names(Side::Operate))?),
        salesforce: Arc::new(SalesforceClient::new(&config.salesforce, mapping.native_names(Side::Salesforce))?),
    };
    Ok(Engine::new(Arc::new(store), Arc::new(mapping), clients, Rules::of(config), Arc::new(Utc::now)).await?)
}

/// Signals cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("signals cannot be watched: {0}")]
pub struct SignalError(#[from] std::io::Error);

/// Is cancelled by SIGTERM or SIGINT.
pub fn stop_on_signal() -> Result<CancellationToken, SignalError> {
    let stop = CancellationToken::new();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        tracing::info!("daemon.stopping");
        token.cancel();
    });
    Ok(stop)
}

/// Runs cycles until `stop`: one at once, then one at each tick of the cron expression `poll` (UTC). Ticks during a cycle count as one.
pub async fn run(engine: &Engine, poll: &str, stop: CancellationToken) -> Result<(), String> {
    let (tick, mut ticks) = mpsc::channel::<()>(1);
    let mut scheduler = JobScheduler::new().await.map_err(|error| format!("the scheduler cannot start: {error}"))?;
    let job = Job::new(poll, move |_, _| {
        // Full: a tick is waiting already.
        let _ = tick.try_send(());
    })
    .map_err(|error| format!("schedule.poll {poll:?}: {error}"))?;
    scheduler.add(job).await.map_err(|error| format!("the scheduler cannot start: {error}"))?;
    scheduler.start().await.map_err(|error| format!("the scheduler cannot start: {error}"))?;
    tracing::info!(schedule = poll, process.id = std::process::id(), "daemon.started");
    while !stop.is_cancelled() {
        cycle(engine, &stop).await;
        tokio::select! {
            () = stop.cancelled() => {}
            _ = ticks.recv() => {}
        }
    }
    let _ = scheduler.shutdown().await;
    tracing::info!("daemon.stopped");
    Ok(())
}

async fn cycle(engine: &Engine, stop: &CancellationToken) {
    let stopping = || stop.is_cancelled();
    let cut_off = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ran = engine.cycle(Patience::NextCycle, &stopping) => match ran {
            Ok(cycle) => tracing::debug!(leads.seen = cycle.seen, pushed = cycle.pushed, parked = cycle.parked, "cycle.done"),
            Err(error) => tracing::error!(error = %error, "cycle.failed"),
        },
        () = cut_off => tracing::warn!("daemon.cut_off"),
    }
}
