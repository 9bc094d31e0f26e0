//! The simulation: the real engine and the real store on virtual time, against a model of both systems and their people.
//!
//! Everything is drawn from one seed. A history runs, the world goes quiet, and an oracle that knows every edit checks the
//! promises. `SEED=7 cargo test simulation` plays one seed again; `SEEDS=20000` plays more of them.

// A test that cannot go on should panic, and it is the place that panics which says why.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stderr)]

#[allow(dead_code, reason = "the other test binary uses the rest")]
#[path = "../suite/fixtures.rs"]
mod fixtures;
mod model;
mod oracle;
mod port;
mod setup;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use chrono::TimeDelta;
use leadsync::lead::PerSide;
use leadsync::store::{Cycle, Store};
use leadsync::sync::{CycleError, Engine, Patience, Turns};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use self::model::{Model, Trouble};
use self::port::{Port, Shared};
use self::setup::Setup;

/// How many steps a history has.
const STEPS: usize = 200;

/// How many seeds a test run plays, unless `SEEDS` says otherwise.
const SEEDS: u64 = 2_000;

/// In so many cycles without trouble both sides agree.
const BOUND: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Create,
    Edit,
    Burst,
    Remove,
    Restore,
    Wait,
    Outage,
    Cycle,
    Crash,
    Sweep,
    Restart,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    kind: Kind,
    seed: u64,
}

fn history(seed: u64) -> Vec<Step> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let step = |_| {
        let kind = match rng.random_range(0..100) {
            0..6 => Kind::Create,
            6..52 => Kind::Edit,
            52..62 => Kind::Burst,
            62..64 => Kind::Remove,
            64 => Kind::Restore,
            65..82 => Kind::Wait,
            82..83 => Kind::Outage,
            83..95 => Kind::Cycle,
            95..98 => Kind::Crash,
            98 => Kind::Sweep,
            _ => Kind::Restart,
        };
        Step { kind, seed: rng.random() }
    };
    (0..STEPS).map(step).collect()
}

/// One run: the world, and the daemon on its store.
struct Run {
    shared: Arc<Shared>,
    store: PathBuf,
    setup: Setup,
    engine: Option<Engine>,
}

/// What a run came to.
struct Ran {
    trace: u64,
    simulated: TimeDelta,
    cycles: u64,
    broken: Vec<String>,
    log: Vec<String>,
}

impl Run {
    fn new(seed: u64, folder: &Path) -> Self {
        let mut model = Model::new(seed);
        let setup = Setup::draw(&mut model.rng);
        // Tests play the same seed at the same time.
        static RUNS: AtomicU64 = AtomicU64::new(0);
        let store = folder.join(format!("{}.db", RUNS.fetch_add(1, Ordering::Relaxed)));
        std::fs::copy(folder.join("empty.db"), &store).unwrap();
        Self { shared: Arc::new(Shared::new(model)), store, setup, engine: None }
    }

    /// A daemon starts on the store.
    async fn start(&mut self) {
        self.stop().await;
        let store = Store::open(&format!("sqlite:{}", self.store.display())).await.unwrap();
        let shared = Arc::clone(&self.shared);
        store.on_commit(move || !shared.ends()).await.unwrap();
        let shared = Arc::clone(&self.shared);
        let turns = Arc::new(Turns::new(move |of| shared.model().rng.random_range(0..of.max(1))));
        let port = |side| Arc::new(Port { side, shared: Arc::clone(&self.shared), turns: Arc::clone(&turns) }) as _;
        let shared = Arc::clone(&self.shared);
        let clock = Arc::new(move || shared.model().now);
        let engine =
            Engine::new(Arc::new(store), Arc::new(self.setup.mapping()), PerSide::build(port), self.setup.rules(), clock)
                .await
                .unwrap();
        self.engine = Some(engine.in_turns(turns));
    }

    /// The process is gone; what it had not committed is gone with it.
    async fn stop(&mut self) {
        if let Some(engine) = self.engine.take() {
            engine.store().close().await;
        }
        let mut model = self.shared.model();
        model.dead = false;
        model.trouble = Trouble::default();
    }

    /// One cycle; `None` if the process ended in it.
    async fn cycle(&mut self) -> Option<Result<Cycle, CycleError>> {
        let engine = self.engine.as_ref().unwrap();
        let ran = tokio::select! {
            biased;
            () = self.shared.ended.notified() => None,
            ran = engine.cycle(Patience::NextCycle, &|| false) => Some(ran),
        };
        if ran.is_none() || self.shared.model().dead {
            self.start().await;
            return None;
        }
        Some(ran.unwrap())
    }

    async fn step(&mut self, step: Step) {
        {
            let mut model = self.shared.model();
            model.rng = ChaCha8Rng::seed_from_u64(step.seed);
            match step.kind {
                Kind::Create => model.person_creates(),
                Kind::Edit => model.person_edits(),
                Kind::Burst => (0..3).for_each(|_| model.person_edits()),
                Kind::Remove => model.person_removes(),
                Kind::Restore => model.person_restores(),
                Kind::Wait => {
                    let time = TimeDelta::milliseconds(model.rng.random_range(10..120_000));
                    model.pass(time);
                }
                Kind::Outage => {
                    let (side, requests) = (model.any_side(), model.rng.random_range(1..6));
                    *model.down.get_mut(side) = requests;
                }
                Kind::Cycle | Kind::Crash | Kind::Sweep | Kind::Restart => {
                    model.trouble.percent = if model.rng.random_bool(0.5) { 15 } else { 0 };
                    model.trouble.crash_in = (step.kind == Kind::Crash).then(|| model.rng.random_range(0..25));
                }
            }
        }
        match step.kind {
            Kind::Cycle | Kind::Crash => {
                let _ = self.cycle().await;
            }
            Kind::Sweep => {
                let _ = self.engine.as_ref().unwrap().sweep().await;
            }
            Kind::Restart => self.start().await,
            _ => {}
        }
        self.shared.model().trouble = Trouble::default();
    }

    /// Nobody edits and nothing fails any more: cycles until both sides agree, and two that must be quiet.
    async fn settle(&mut self) -> Vec<String> {
        {
            let mut model = self.shared.model();
            model.down = PerSide::default();
            model.people_mend();
        }
        let mut broken = Vec::new();
        for round in 0..BOUND {
            self.shared.model().pass(TimeDelta::minutes(6));
            if round < 2
                && let Err(error) = self.engine.as_ref().unwrap().sweep().await
            {
                broken.push(format!("convergent: a sweep without trouble fails: {error}"));
            }
            match self.cycle().await {
                Some(Err(error)) => broken.push(format!("convergent: a cycle without trouble fails: {error}")),
                None => broken.push("the process ended by itself".to_owned()),
                _ => {}
            }
        }
        for _ in 0..2 {
            self.shared.model().pass(TimeDelta::minutes(20));
            let before = self.shared.model().requests;
            if let Some(Ok(cycle)) = self.cycle().await {
                let after = self.shared.model().requests;
                let requests = PerSide::build(|side| after.get(side) - before.get(side));
                if (cycle.seen, cycle.pushed, requests) != (0, 0, PerSide { operate: 1, salesforce: 1 }) {
                    broken.push(format!("quiet when in step: {} seen, {} pushed, {requests:?}", cycle.seen, cycle.pushed));
                }
            }
        }
        broken
    }

    async fn play(mut self, steps: &[Step]) -> Ran {
        let began = self.shared.model().now;
        self.start().await;
        let mut cycles = 0;
        for step in steps {
            cycles += u64::from(matches!(step.kind, Kind::Cycle | Kind::Crash));
            self.step(*step).await;
        }
        let mut broken = self.settle().await;
        broken.extend(oracle::check(&self.shared, self.engine.as_ref().unwrap()).await);
        self.stop().await;
        let mut model = self.shared.model();
        broken.append(&mut model.broken);
        let log = std::mem::take(&mut model.log);
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", self.store.display()));
        }
        Ran { trace: model.trace_hash(), simulated: model.now - began, cycles, broken, log }
    }
}

fn play(seed: u64, steps: &[Step], folder: &Path) -> Ran {
    // No sockets: a thread that only waits for the store wakes up sooner.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(Run::new(seed, folder).play(steps))
}

/// Leaves out of a failing history whatever it fails without.
fn shortest(seed: u64, mut steps: Vec<Step>, folder: &Path) -> Vec<Step> {
    let mut chunk = steps.len() / 2;
    while chunk > 0 {
        let mut from = 0;
        while from < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(from..(from + chunk).min(steps.len()));
            if play(seed, &fewer, folder).broken.is_empty() {
                from += chunk;
            } else {
                steps = fewer;
            }
        }
        chunk /= 2;
    }
    steps
}

/// A folder in memory, where there is one, with an empty store in it.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let shm = Path::new("/dev/shm");
        let folder = if shm.is_dir() { TempDir::new_in(shm).unwrap() } else { TempDir::new().unwrap() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let url = format!("sqlite:{}", folder.path().join("empty.db").display());
        runtime.block_on(async { Store::open(&url).await.unwrap().close().await });
        folder
    });
    folder.path()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, and not {text:?}")))
}

fn explain(seed: u64, folder: &Path) -> String {
    let steps = shortest(seed, history(seed), folder);
    let ran = play(seed, &steps, folder);
    let kinds: Vec<Kind> = steps.iter().map(|step| step.kind).collect();
    format!(
        "SEED={seed} breaks a promise; {} steps are enough: {kinds:?}\n{}\n  {}",
        steps.len(),
        ran.log.join("\n"),
        ran.broken.join("\n  ")
    )
}

#[test]
fn simulation_keeps_every_promise() {
    let folder = folder();
    if let Some(seed) = number("SEED") {
        let (once, again) = (play(seed, &history(seed), folder), play(seed, &history(seed), folder));
        assert_eq!(once.trace, again.trace, "SEED={seed} does not replay");
        eprintln!("SEED={seed}: trace {:016x}", once.trace);
        assert!(once.broken.is_empty(), "{}", explain(seed, folder));
        return;
    }
    let first = number("FIRST_SEED").unwrap_or(0);
    let last = first + number("SEEDS").unwrap_or(SEEDS);
    let (next, failed) = (AtomicU64::new(first), Mutex::new(Vec::new()));
    let (days, cycles, began) = (AtomicU64::new(0), AtomicU64::new(0), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= last || failed.lock().unwrap().len() >= 10 {
                        return;
                    }
                    let ran = play(seed, &history(seed), folder);
                    days.fetch_add(ran.simulated.num_minutes().unsigned_abs(), Ordering::Relaxed);
                    cycles.fetch_add(ran.cycles, Ordering::Relaxed);
                    if !ran.broken.is_empty() {
                        failed.lock().unwrap().push(seed);
                    }
                }
            });
        }
    });
    let (days, cycles, took) = (days.into_inner() / 1440, cycles.into_inner(), began.elapsed());
    eprintln!("simulation: seeds {first} to {last}, {days} days, {cycles} cycles in {:.1} s", took.as_secs_f64());
    let mut failed = failed.into_inner().unwrap();
    failed.sort_unstable();
    assert!(failed.is_empty(), "seeds {failed:?} fail\n{}", explain(failed[0], folder));
}

#[test]
fn simulation_replays_exactly() {
    for seed in 0..10 {
        let (once, again) = (play(seed, &history(seed), folder()), play(seed, &history(seed), folder()));
        let first = once.log.iter().zip(&again.log).find(|(once, again)| once != again);
        assert_eq!(once.trace, again.trace, "SEED={seed}: {first:#?}");
    }
}
