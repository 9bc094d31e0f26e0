//! The daemon: everything wired together, a cycle at each tick of the schedule, never two at once, and an orderly end.

mod systems;
mod waits;

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::CancellationToken;

use self::waits::{Refusals, SecretFiles};
use crate::config::Config;
use crate::schedule::{Missed, Schedule};
use crate::side::SideError;
use crate::store::{Store, StoreError};
use crate::sync::{CycleError, Engine, Patience, Tally};

pub use self::systems::{AssemblyError, Systems, assemble};

/// How long an end may wait for writes under way. What is cut off then is looked for at the next start.
const DRAIN: Duration = Duration::from_secs(20);

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
    tracing::info!(schedule = config.schedule.poll, process.id = std::process::id(), "daemon.started");
    let mut daemon = Daemon::new(config.clone(), sweeps, store).map_err(|error| error.to_string())?;
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
struct Daemon {
    config: Config,
    systems: Systems,
    /// When everything is compared.
    sweeps: Schedule,
    store: Arc<Store>,
    /// Put together once both systems answer, and anew when their fields change.
    engine: Option<Engine>,
    /// Before this no cycle starts, to spare requests.
    not_before: Option<Instant>,
    refusals: Refusals,
    secret_files: SecretFiles,
}

/// How a cycle ended.
enum Ended {
    Well,
    /// The systems' fields have changed, so that the mapping has to be fitted anew.
    FieldsChanged,
    /// It failed; because of a side, where there is one.
    Badly(Option<SideError>),
    /// The store failed.
    InStore(StoreError),
}

impl Daemon {
    fn new(config: Config, sweeps: Schedule, store: Store) -> Result<Self, SideError> {
        Ok(Self {
            sweeps,
            systems: Systems::of(&config)?,
            secret_files: SecretFiles::as_they_are(&config.secret_files),
            store: Arc::new(store),
            engine: None,
            not_before: None,
            refusals: Refusals::default(),
            config,
        })
    }

    async fn tick(&mut self, stop: &CancellationToken) -> Result<(), String> {
        if self.refusals.are_any() && self.secret_files.have_changed() {
            self.renew_secrets();
        }
        if self.not_before.is_some_and(|moment| Instant::now() < moment) {
            tracing::debug!("cycle.waits");
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
                    let left_alone = self.systems.tally().exhausted_until.map(|until| until - Utc::now());
                    let wait = left_alone.and_then(|wait| wait.to_std().ok());
                    self.not_before = wait.map(|wait| Instant::now() + wait);
                    self.wait_if_refused(Some(&error));
                    return Ok(());
                }
                Err(AssemblyError::Store(error)) => return failed("cycle.failed", &error.at(self.store.path())),
                Err(error) => return Err(error.to_string()),
            },
        };
        let ended = cycle(&engine, stop).await;
        if matches!(ended, Ended::Well) {
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
        self.systems.keep(engine.tally());
        match ended {
            Ended::FieldsChanged => return Ok(()),
            Ended::Well => self.refusals.end(),
            Ended::Badly(error) => self.wait_if_refused(error.as_ref()),
            Ended::InStore(error) => failed("cycle.failed", &error.at(self.store.path()))?,
        }
        self.engine = Some(engine);
        Ok(())
    }

    /// `None`: it is time to stop.
    async fn assemble(&self, stop: &CancellationToken) -> Result<Option<Engine>, AssemblyError> {
        tokio::select! {
            engine = self.systems.engine(&self.config, Arc::clone(&self.store)) => engine.map(Some),
            () = stop.cancelled() => Ok(None),
        }
    }

    /// A refused sign-in is not tried again at the next tick.
    fn wait_if_refused(&mut self, error: Option<&SideError>) {
        if let Some(SideError::Auth { side, .. }) = error {
            let wait = self.refusals.another();
            tracing::warn!(%side, wait_s = wait.as_secs(), "session.refused: the next sign-in waits, or until its secret's file changes");
            self.not_before = Some(Instant::now() + wait);
        }
    }

    /// Takes the credentials from the configuration once more, and signs in with them at once.
    fn renew_secrets(&mut self) {
        self.secret_files = SecretFiles::as_they_are(&self.config.secret_files);
        let loaded = match Config::load(Some(&self.config.file)) {
            Ok(loaded) => loaded,
            Err(error) => {
                return tracing::warn!(
                    errors = error.findings.len(),
                    "session.secret_unreadable: see `leadsync check --offline`"
                );
            }
        };
        self.config.operate.auth = loaded.config.operate.auth;
        self.config.salesforce.auth = loaded.config.salesforce.auth;
        match Systems::of(&self.config) {
            Ok(systems) => {
                let exhausted_until = self.systems.tally().exhausted_until;
                systems.keep(Tally { exhausted_until });
                (self.systems, self.engine, self.not_before) = (systems, None, None);
                self.refusals.end();
                tracing::info!("session.secret_changed");
            }
            Err(error) => tracing::error!(error = %error, "cycle.failed"),
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
async fn cycle(engine: &Engine, stop: &CancellationToken) -> Ended {
    let stopping = || stop.is_cancelled();
    let cut_off = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    let error = tokio::select! {
        ran = engine.cycle(Patience::NextCycle, &stopping) => match ran {
            Ok(cycle) => {
                tracing::debug!(leads.seen = cycle.seen, pushed = cycle.pushed, parked = cycle.parked, "cycle.done");
                return Ended::Well;
            }
            Err(error) => error,
        },
        () = cut_off => {
            tracing::warn!("daemon.cut_off");
            return Ended::Badly(None);
        }
    };
    match error {
        CycleError::Store(error) => Ended::InStore(error),
        CycleError::Schema { .. } => {
            tracing::warn!(error = %error, "cycle.fields_changed");
            Ended::FieldsChanged
        }
        CycleError::Side(error) => {
            tracing::error!(error = %error, "cycle.failed");
            Ended::Badly(Some(error))
        }
        CycleError::Thrift(reason) => {
            tracing::error!(error = reason, "cycle.failed");
            Ended::Badly(None)
        }
    }
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
