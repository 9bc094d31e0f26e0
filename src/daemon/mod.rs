//! The daemon: everything wired together, a cycle at each tick of the schedule, never two at once, and an orderly end.

mod lanes;
mod listening;
mod orders;
mod pairs;
mod process;
mod replica;
mod systems;
mod ticks;
mod upkeep;
mod waits;
mod work;

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::listening::Listening;
use self::ticks::Ticks;
use self::upkeep::Upkeep;
use self::waits::{Refusals, SecretFiles};
use self::work::{Ended, Work, carry_out, sweep};
use crate::config::{Config, Finding, Loaded};
use crate::hints::Hints;
use crate::mapping::Mapping;
use crate::ops::{self, Ops, Served};
use crate::side::SideError;
use crate::store::{Hold, Store, StoreError};
use crate::sync::{CycleError, Engine, Rules, Tally};

pub use self::orders::{Order, Orders, SignalError, stop_on_signal};
pub use self::pairs::{PairsError, run_pairs};
pub use self::process::{Process, ProcessError};
pub use self::replica::{LeadError, lead};
pub use self::systems::{AssemblyError, Systems, assemble};

/// Why a daemon does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// It was told to stop.
    Told,
    /// Another replica has taken over, or asked for it.
    TakenOver,
}

/// Runs cycles until it is told to stop, or holds the store no more: one at once, then one at each tick of the schedule (UTC) and whenever it
/// is told. What it does is shown where the configuration says.
pub async fn run(config: &Config, store: Store, hold: Hold, orders: &mut Orders, process: &Process) -> Result<Stopped, String> {
    let (told, lost, wanted) = (orders.stop.clone(), hold.lost(), hold.wanted());
    let stop = told.child_token();
    let stopping = ops::AbortOnDrop::of(tokio::spawn({
        let (lost, wanted, stop) = (lost.clone(), wanted.clone(), stop.clone());
        async move {
            tokio::select! {
                () = lost.cancelled() => {}
                () = wanted.cancelled() => {}
            }
            stop.cancel();
        }
    }));
    let ended = run_while_held(config, store, &stop, orders, process).await;
    drop(stopping);
    hold.give_back().await;
    ended?;
    if told.is_cancelled() {
        return Ok(Stopped::Told);
    }
    if lost.is_cancelled() {
        tracing::warn!("lease.lost");
    } else {
        tracing::info!("lease.handed_over");
    }
    Ok(Stopped::TakenOver)
}

async fn run_while_held(
    config: &Config,
    store: Store,
    stop: &CancellationToken,
    orders: &mut Orders,
    process: &Process,
) -> Result<(), String> {
    let store = Arc::new(store);
    let ops = process.ops(config, Arc::clone(&store));
    let alerts = ops::alert(Arc::clone(&ops));
    let mut daemon = Daemon::new(config.clone(), store, ops, process.clone()).await?;
    tracing::info!(schedule = config.schedule.poll, process.id = std::process::id(), "daemon.started");
    let mut work = Work::Cycle;
    let ended = loop {
        let gathered_at = matches!(work, Work::Hints(_)).then(|| Instant::now() + GATHERED);
        if let Err(error) = daemon.run(&work, stop).await {
            break Err(error);
        }
        let hints = hinted(Arc::clone(&daemon.hints), daemon.again_at, daemon.not_before.max(gathered_at));
        work = tokio::select! {
            biased;
            () = stop.cancelled() => break Ok(()),
            order = orders.next() => {
                daemon.obey(order).await;
                Work::Cycle
            }
            () = daemon.ticks.next() => Work::Cycle,
            hinted = hints => hinted,
        };
        if matches!(work, Work::Cycle) {
            daemon.ticks.came();
        }
    };
    drop(alerts);
    daemon.end().await;
    tracing::info!("daemon.stopped");
    ended
}

/// Waits for hints, or until it is time to look again at what had to wait; and in any case until requests are not spared any more.
async fn hinted(hints: Arc<Hints>, again_at: Option<Instant>, not_before: Option<Instant>) -> Work {
    let again = async {
        match again_at {
            Some(moment) => tokio::time::sleep_until(moment).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = hints.arrived() => {}
        () = again => {}
    }
    if let Some(moment) = not_before {
        tokio::time::sleep_until(moment).await;
    }
    if hints.take_all() { Work::Cycle } else { Work::Hints(hints.take()) }
}

/// What runs at each tick.
struct Daemon {
    config: Config,
    process: Process,
    systems: Systems,
    ticks: Ticks,
    store: Arc<Store>,
    ops: Arc<Ops>,
    served: Option<Served>,
    /// Put together once both systems answer, and anew when their fields change.
    engine: Option<Engine>,
    /// Whether a cycle has ended well since that.
    caught_up: bool,
    /// Before this no cycle starts, to spare requests.
    not_before: Option<Instant>,
    hints: Arc<Hints>,
    /// Salesforce's change events, where they are wanted, once a cycle has ended well.
    listening: Option<Listening>,
    /// When to look again at what had to wait for a second to pass.
    again_at: Option<Instant>,
    /// Before this no sweep starts: the last one failed, and reads far more than a cycle.
    no_sweep_before: Option<Instant>,
    refusals: Refusals,
    secret_files: SecretFiles,
    upkeep: Upkeep,
}

/// What was modified in a second is looked at again after so long: the second is over then, but for what is not known of that clock.
const AGAIN: Duration = Duration::from_millis(1_100);

/// From one look at leads that hints name to the next: what is named meanwhile is looked at together, in as many requests as one lead takes.
const GATHERED: Duration = Duration::from_millis(750);

/// How long after a sweep that failed the next one may start.
const SWEEP_AGAIN: Duration = Duration::from_mins(5);

impl Daemon {
    async fn new(config: Config, store: Arc<Store>, ops: Arc<Ops>, process: Process) -> Result<Self, String> {
        Ok(Self {
            served: process.show(&ops, config.ops.listen).await?,
            ticks: Ticks::of(&config.schedule, process.scheduler()).await?,
            systems: Systems::of(&config, ops.metrics(), store.permit()).map_err(|error| error.to_string())?,
            secret_files: SecretFiles::as_they_are(&config.secret_files),
            store,
            hints: ops.hints(),
            listening: None,
            ops,
            process,
            engine: None,
            caught_up: false,
            not_before: None,
            again_at: None,
            no_sweep_before: None,
            refusals: Refusals::default(),
            upkeep: Upkeep::default(),
            config,
        })
    }

    async fn end(self) {
        drop(self.ticks);
        if let Some(listening) = self.listening {
            listening.end().await;
        }
        if let Some(served) = self.served {
            served.stop().await;
        }
        self.store.close().await;
    }

    async fn run(&mut self, work: &Work, stop: &CancellationToken) -> Result<(), String> {
        self.again_at = None;
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
                Ok(Some(engine)) => {
                    self.caught_up = false;
                    engine
                }
                Ok(None) => return Ok(()),
                Err(AssemblyError::Side(error)) => {
                    tracing::error!(error = %error, "cycle.failed");
                    self.ops.pulse().failed_at(&error, Utc::now());
                    let left_alone = self.systems.tally().exhausted_until.map(|until| until - Utc::now());
                    let wait = left_alone.and_then(|wait| wait.to_std().ok());
                    self.not_before = wait.map(|wait| Instant::now() + wait);
                    self.wait_if_refused(Some(&error));
                    return Ok(());
                }
                Err(AssemblyError::Store(error)) => return self.store_failed("cycle.failed", error),
                Err(error) => return Err(error.to_string()),
            },
        };
        let turn = match self.turn(stop).await {
            Ok(_) if stop.is_cancelled() => return Ok(()),
            Ok(turn) => turn,
            Err(error) => {
                self.engine = Some(engine);
                return self.store_failed("cycle.failed", error);
            }
        };
        let ended = carry_out(work, &engine, stop, self.config.ops.drain).await;
        drop(turn);
        let is_cycle = matches!(work, Work::Cycle);
        if is_cycle && matches!(ended, Ended::Well { .. }) && self.no_sweep_before.is_none_or(|moment| Instant::now() >= moment) {
            let swept = tokio::select! {
                swept = sweep(&engine, &self.ticks.sweeps, &self.process) => swept,
                // It writes to neither side, and the next one begins anew.
                () = stop.cancelled() => Ok(()),
            };
            match swept {
                Err(CycleError::Store(error)) => self.store_failed("sweep.failed", error)?,
                Err(error) => {
                    tracing::error!(error = %error, "sweep.failed");
                    self.no_sweep_before = Some(Instant::now() + SWEEP_AGAIN);
                }
                Ok(()) => {}
            }
        }
        if is_cycle
            && !stop.is_cancelled()
            && let Err(error) = self.upkeep.keep(&self.store, &self.config.ops).await
        {
            self.store_failed("store.prune_failed", error)?;
        }
        let wait = engine.interval().await.ok().flatten().and_then(|wait| wait.to_std().ok());
        self.not_before = wait.map(|wait| started + wait);
        self.systems.keep(engine.tally());
        match ended {
            Ended::FieldsChanged => return Ok(()),
            Ended::Well { waits, unfinished } => {
                if unfinished {
                    self.hints.tell_all();
                }
                self.again_at = waits.then(|| Instant::now() + AGAIN);
                self.caught_up = true;
                self.refusals.end();
                self.ops.pulse().well(Utc::now());
                self.listen();
            }
            Ended::Stopped => {}
            Ended::Badly(error) => {
                self.ops.pulse().failed_at(&error, Utc::now());
                self.wait_if_refused(Some(&error));
            }
            Ended::Sparing(reason) => self.ops.pulse().failed(reason, false, Utc::now()),
            Ended::InStore(error) => self.store_failed("cycle.failed", error)?,
        }
        self.engine = Some(engine);
        Ok(())
    }

    /// Listens to Salesforce's change events, where the configuration says so. Not before a cycle has ended well: whoever cannot sign in
    /// should try it in one place only.
    fn listen(&mut self) {
        if self.listening.as_ref().is_some_and(|listening| !listening.has_ended()) {
            return;
        }
        if let Some(wanted) = &self.config.salesforce.change_events {
            let told = (Arc::clone(&self.store), Arc::clone(&self.hints), self.ops.metrics().clone());
            self.listening = Some(Listening::start(wanted.clone(), Arc::clone(&self.systems.salesforce), told));
        }
    }

    /// Waits for a turn, as long as it has not caught up; or until it is time to stop.
    async fn turn(&self, stop: &CancellationToken) -> Result<Option<OwnedSemaphorePermit>, StoreError> {
        if self.caught_up {
            return Ok(None);
        }
        tokio::select! {
            turn = self.process.turn_to_catch_up(&self.store) => turn,
            () = stop.cancelled() => Ok(None),
        }
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
            tracing::warn!(%side, wait_s = wait.as_secs(), hint = "the next sign-in waits, or until its secret's file changes", "session.refused");
            self.not_before = Some(Instant::now() + wait);
        }
    }

    /// Logs a failure of the store. What was damaged gets no better by itself, and nothing more may be written to it: then it is the end.
    fn store_failed(&self, event: &str, error: StoreError) -> Result<(), String> {
        let error = error.at(self.store.place());
        self.ops.pulse().failed(error.to_string(), false, Utc::now());
        if error.is_damage() {
            return Err(error.to_string());
        }
        tracing::error!(error = %error, "{event}");
        Ok(())
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::CycleNow => {
                tracing::info!("daemon.cycle_now");
                self.not_before = None;
            }
            Order::Reload => match self.reload().await {
                Ok(()) => tracing::info!("daemon.reloaded"),
                Err(reason) => {
                    tracing::error!(reason, hint = "the configuration from before stays in force", "daemon.reload_refused");
                }
            },
        }
    }

    /// Goes on with the configuration as its file and its secrets are now. Nothing changes where any of it is wrong.
    async fn reload(&mut self) -> Result<(), String> {
        let Loaded { config, warnings, .. } = Config::load(Some(&self.config.file)).map_err(|error| error.to_string())?;
        let mapping = Mapping::build(&config).map_err(|error| error.to_string())?;
        Rules::of(&config, &mapping).map_err(|error| error.to_string())?;
        if !config.store.is_same(&self.config.store) {
            return Err("[store] cannot change while the daemon runs: start it anew".to_owned());
        }
        let systems = Systems::of(&config, self.ops.metrics(), self.store.permit()).map_err(|error| error.to_string())?;
        let ticks = Ticks::of(&config.schedule, self.process.scheduler()).await?;
        if config.ops.listen != self.config.ops.listen {
            self.served = self.process.show(&self.ops, config.ops.listen).await?;
        }
        warnings.iter().for_each(Finding::log);
        self.ops.configure(&config);
        self.ticks = ticks;
        self.secret_files = SecretFiles::as_they_are(&config.secret_files);
        self.config = config;
        self.start_over_on(systems);
        Ok(())
    }

    /// Goes on with these clients, at once.
    fn start_over_on(&mut self, systems: Systems) {
        let exhausted_until = self.systems.tally().exhausted_until;
        systems.keep(Tally { exhausted_until });
        (self.systems, self.engine, self.not_before) = (systems, None, None);
        self.listening = None;
        self.refusals.end();
    }

    /// Takes the credentials from the configuration once more, and signs in with them at once.
    fn renew_secrets(&mut self) {
        self.secret_files = SecretFiles::as_they_are(&self.config.secret_files);
        let loaded = match Config::load(Some(&self.config.file)) {
            Ok(loaded) => loaded,
            Err(error) => {
                return tracing::warn!(
                    errors = error.findings.len(),
                    hint = "see `leadsync check --offline`",
                    "session.secret_unreadable"
                );
            }
        };
        self.config.operate.auth = loaded.config.operate.auth;
        self.config.salesforce.auth = loaded.config.salesforce.auth;
        match Systems::of(&self.config, self.ops.metrics(), self.store.permit()) {
            Ok(systems) => {
                self.start_over_on(systems);
                tracing::info!("session.secret_changed");
            }
            Err(error) => tracing::error!(error = %error, "cycle.failed"),
        }
    }
}
