//! The daemon: everything wired together, a cycle at each tick of the schedule, never two at once, and an orderly end.

mod systems;
mod waits;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use croner::parser::{CronParser, Seconds};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_cron_scheduler::{Job, JobScheduler};
use tokio_util::sync::CancellationToken;

use self::waits::{Refusals, SecretFiles};
use crate::config::Config;
use crate::side::SideError;
use crate::store::Store;
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
    let (tick, mut ticks) = mpsc::channel::<()>(1);
    let mut scheduler = JobScheduler::new().await.map_err(|error| format!("the scheduler cannot start: {error}"))?;
    let poll = config.schedule.poll.as_str();
    let job = Job::new(poll, move |_, _| {
        // Full: a tick is waiting already.
        let _ = tick.try_send(());
    })
    .map_err(|error| format!("schedule.poll {poll:?}: {error}"))?;
    scheduler.add(job).await.map_err(|error| format!("the scheduler cannot start: {error}"))?;
    scheduler.start().await.map_err(|error| format!("the scheduler cannot start: {error}"))?;
    tracing::info!(schedule = poll, process.id = std::process::id(), "daemon.started");
    let mut daemon = Daemon::new(config.clone(), store).map_err(|error| error.to_string())?;
    let ended = loop {
        if let Err(error) = daemon.tick(&stop).await {
            break Err(error);
        }
        tokio::select! {
            () = stop.cancelled() => break Ok(()),
            _ = ticks.recv() => {}
        }
    };
    let _ = scheduler.shutdown().await;
    tracing::info!("daemon.stopped");
    ended
}

/// What runs at each tick.
struct Daemon {
    config: Config,
    systems: Systems,
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
}

impl Daemon {
    fn new(config: Config, store: Store) -> Result<Self, SideError> {
        Ok(Self {
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
                Err(error) => return Err(error.to_string()),
            },
        };
        let ended = cycle(&engine, stop).await;
        if matches!(ended, Ended::Well) {
            tokio::select! {
                () = sweep(&engine, &self.config.schedule.sweep) => {}
                // It writes to neither side, and the next one begins anew.
                () = stop.cancelled() => {}
            }
        }
        let wait = engine.interval().await.ok().flatten().and_then(|wait| wait.to_std().ok());
        self.not_before = wait.map(|wait| started + wait);
        self.systems.keep(engine.tally());
        match ended {
            Ended::FieldsChanged => return Ok(()),
            Ended::Well => self.refusals.end(),
            Ended::Badly(error) => self.wait_if_refused(error.as_ref()),
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
                systems.keep(Tally { exhausted_until, ..Tally::default() });
                (self.systems, self.engine, self.not_before) = (systems, None, None);
                self.refusals.end();
                tracing::info!("session.secret_changed");
            }
            Err(error) => tracing::error!(error = %error, "cycle.failed"),
        }
    }
}

/// One cycle.
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
        CycleError::Schema { .. } => {
            tracing::warn!(error = %error, "cycle.fields_changed");
            Ended::FieldsChanged
        }
        CycleError::Side(error) => {
            tracing::error!(error = %error, "cycle.failed");
            Ended::Badly(Some(error))
        }
        error => {
            tracing::error!(error = %error, "cycle.failed");
            Ended::Badly(None)
        }
    }
}

/// Sweeps, if the schedule had a moment for it since the last time.
async fn sweep(engine: &Engine, schedule: &str) {
    let swept_at = match engine.swept_at().await {
        Ok(swept_at) => swept_at,
        Err(error) => return tracing::error!(error = %error, "sweep.failed"),
    };
    let next = |after: DateTime<Utc>| {
        let cron = CronParser::builder().seconds(Seconds::Required).build().parse(schedule).ok()?;
        cron.find_next_occurrence(&after, false).ok()
    };
    if swept_at.and_then(next).is_some_and(|next| next > Utc::now()) {
        return;
    }
    if let Err(error) = engine.sweep().await {
        tracing::error!(error = %error, "sweep.failed");
    }
}
