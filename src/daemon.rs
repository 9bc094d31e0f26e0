//! The daemon: everything wired together, a cycle at each tick of the schedule, never two at once, and an orderly end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::lead::{PerSide, Side};
use crate::mapping::{Described, Mapping, MappingError, Misfit, user_fields};
use crate::operate::OperateClient;
use crate::salesforce::SalesforceClient;
use crate::schedule::{Missed, Schedule};
use crate::side::{SideClient, SideError};
use crate::store::{Store, StoreError};
use crate::sync::{CycleError, Engine, Patience, Rules};

/// How long an end may wait for writes under way. What is cut off then is looked for at the next start.
const DRAIN: Duration = Duration::from_secs(20);

/// Why an engine cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    /// The fields do not make a mapping.
    #[error("the mapping is wrong: {0}")]
    Mapping(#[from] MappingError),
    /// A client cannot be made, or a system does not say what its fields are.
    #[error(transparent)]
    Side(#[from] SideError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The clients of both systems. They keep their sessions for as long as the program runs.
pub struct Systems {
    /// Operate.
    pub operate: Arc<OperateClient>,
    /// Salesforce.
    pub salesforce: Arc<SalesforceClient>,
}

impl Systems {
    /// As configured. Nothing is sent yet.
    pub fn of(config: &Config) -> Result<Self, SideError> {
        let native = |side: Side| config.fields.iter().map(|field| field.native.get(side).clone()).collect::<BTreeSet<_>>();
        let lookups = config.fields.iter().filter_map(|field| Some((field.native.operate.clone(), field.lookup?)));
        let operate = OperateClient::new(&config.operate, native(Side::Operate).into_iter().collect(), lookups.collect())?;
        let salesforce = SalesforceClient::new(&config.salesforce, native(Side::Salesforce).into_iter().collect())?;
        Ok(Self { operate: Arc::new(operate), salesforce: Arc::new(salesforce) })
    }

    /// What the systems say of their fields.
    pub async fn describe(&self) -> Result<Described, SideError> {
        let (operate, salesforce) = tokio::join!(self.operate.describe(), self.salesforce.describe());
        Ok(PerSide { operate: operate?, salesforce: salesforce? })
    }

    /// An engine on this store, with the mapping that the systems' fields allow. What had to be left out of it is logged.
    pub async fn engine(&self, config: &Config, store: Arc<Store>) -> Result<Engine, AssemblyError> {
        let described = self.describe().await?;
        let (mapping, misfits) = Mapping::fitted(config, &described)?;
        for Misfit { field, problem } in &misfits {
            tracing::warn!(field, "mapping.misfit: {problem}");
        }
        let users = user_fields(config, Side::Salesforce, &described);
        self.salesforce.map(mapping.native_names(Side::Salesforce), users);
        let clients: PerSide<Arc<dyn SideClient>> =
            PerSide { operate: Arc::clone(&self.operate) as _, salesforce: Arc::clone(&self.salesforce) as _ };
        let rules = Rules::of(config, &mapping)?;
        Ok(Engine::new(store, Arc::new(mapping), clients, rules, Arc::new(Utc::now)).await?)
    }
}

/// An engine on this store, with the clients of both systems.
pub async fn assemble(config: &Config, store: Store) -> Result<Engine, AssemblyError> {
    Systems::of(config)?.engine(config, Arc::new(store)).await
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

/// Runs cycles until `stop`: one at once, then one at each tick of the schedule (UTC). Ticks during a cycle count as one.
pub async fn run(config: &Config, store: Store, stop: CancellationToken) -> Result<(), String> {
    let schedule = |name: &str, expression: &str| {
        Schedule::parse(expression).map_err(|error| format!("schedule.{name} {expression:?}: {error}"))
    };
    let mut missed = Missed::of(schedule("poll", &config.schedule.poll)?);
    let sweeps = schedule("sweep", &config.schedule.sweep)?;
    let (mut scheduler, mut ticks) = ticks(&config.schedule.poll).await?;
    let systems = Systems::of(config).map_err(|error| error.to_string())?;
    tracing::info!(schedule = config.schedule.poll, process.id = std::process::id(), "daemon.started");
    let mut daemon = Daemon { config, systems, sweeps, store: Arc::new(store), engine: None, not_before: None };
    let ended = loop {
        if let Err(error) = daemon.tick(&stop).await {
            break Err(error);
        }
        tokio::select! {
            () = stop.cancelled() => break Ok(()),
            _ = ticks.recv() => {}
            () = missed.wait() => {}
        }
        missed.came(Utc::now(), Instant::now());
    };
    let _ = scheduler.shutdown().await;
    daemon.store.close().await;
    tracing::info!("daemon.stopped");
    ended
}

/// A tick at each moment of the schedule (UTC); those that nobody takes count as one.
async fn ticks(schedule: &str) -> Result<(JobScheduler, mpsc::Receiver<()>), String> {
    let starts = |error: JobSchedulerError| format!("the scheduler cannot start: {error}");
    let (tick, ticks) = mpsc::channel::<()>(1);
    let job = Job::new(schedule, move |_, _| {
        // Full: a tick is waiting already.
        let _ = tick.try_send(());
    });
    let scheduler = JobScheduler::new().await.map_err(starts)?;
    scheduler.add(job.map_err(|error| format!("schedule.poll {schedule:?}: {error}"))?).await.map_err(starts)?;
    scheduler.start().await.map_err(starts)?;
    Ok((scheduler, ticks))
}

/// What runs at each tick.
struct Daemon<'c> {
    config: &'c Config,
    systems: Systems,
    /// When everything is compared.
    sweeps: Schedule,
    store: Arc<Store>,
    /// Put together once both systems answer, and anew when their fields change.
    engine: Option<Engine>,
    /// Before this no cycle starts, to spare requests.
    not_before: Option<Instant>,
}

impl Daemon<'_> {
    async fn tick(&mut self, stop: &CancellationToken) -> Result<(), String> {
        if self.not_before.is_some_and(|moment| Instant::now() < moment) {
            return Ok(());
        }
        let started = Instant::now();
        let engine = match self.engine.take() {
            Some(engine) => engine,
            None => match self.assemble(stop).await {
                Ok(Some(engine)) => engine,
                Ok(None) => return Ok(()),
                Err(AssemblyError::Side(error)) => {
                    tracing::error!(error = %error, "cycle.failed");
                    return Ok(());
                }
                Err(AssemblyError::Store(error)) => return failed("cycle.failed", &error.at(self.store.path())),
                Err(error) => return Err(error.to_string()),
            },
        };
        let ran = cycle(&engine, stop).await;
        let fields_changed = matches!(ran, Err(CycleError::Schema { .. }));
        if let Err(CycleError::Store(error)) = ran {
            failed("cycle.failed", &error.at(self.store.path()))?;
        } else if !fields_changed {
            let swept = tokio::select! {
                swept = sweep(&engine, &self.sweeps) => swept,
                // It writes to neither side, and the next one begins anew.
                () = stop.cancelled() => Ok(()),
            };
            match swept {
                Err(CycleError::Store(error)) => failed("sweep.failed", &error.at(self.store.path()))?,
                Err(error) => tracing::error!(error = %error, "sweep.failed"),
                Ok(()) => {}
            }
        }
        let wait = engine.interval().await.ok().flatten().and_then(|wait| wait.to_std().ok());
        self.not_before = wait.map(|wait| started + wait);
        self.engine = (!fields_changed).then_some(engine);
        Ok(())
    }

    /// `None`: it is time to stop.
    async fn assemble(&self, stop: &CancellationToken) -> Result<Option<Engine>, AssemblyError> {
        tokio::select! {
            engine = self.systems.engine(self.config, Arc::clone(&self.store)) => engine.map(Some),
            () = stop.cancelled() => Ok(None),
        }
    }
}

/// Logs a failure of the store. What was damaged gets no better by itself, and nothing more may be written to it: then it is the end.
fn failed(event: &str, error: &StoreError) -> Result<(), String> {
    if error.is_damage() {
        return Err(error.to_string());
    }
    tracing::error!(error = %error, "{event}");
    Ok(())
}

/// One cycle. A failure of the store is left to the caller, any other is logged.
async fn cycle(engine: &Engine, stop: &CancellationToken) -> Result<(), CycleError> {
    let stopping = || stop.is_cancelled();
    let cut_off = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    let ran = tokio::select! {
        ran = engine.cycle(Patience::NextCycle, &stopping) => ran,
        () = cut_off => {
            tracing::warn!("daemon.cut_off");
            return Ok(());
        }
    };
    match &ran {
        Ok(cycle) => tracing::debug!(leads.seen = cycle.seen, pushed = cycle.pushed, parked = cycle.parked, "cycle.done"),
        Err(CycleError::Store(_)) => {}
        Err(error @ CycleError::Schema { .. }) => tracing::warn!(error = %error, "cycle.fields_changed"),
        Err(error) => tracing::error!(error = %error, "cycle.failed"),
    }
    ran.map(drop)
}

/// Sweeps, if the schedule had a moment for it since the last time.
async fn sweep(engine: &Engine, schedule: &Schedule) -> Result<(), CycleError> {
    let now = Utc::now();
    // A sweep that lies ahead was noted before the clock was put back.
    let swept_at = engine.swept_at().await?.filter(|swept_at| *swept_at <= now);
    if swept_at.and_then(|swept_at| schedule.next(swept_at)).is_some_and(|next| next > now) {
        return Ok(());
    }
    engine.sweep().await.map(drop)
}
