//! The simulation: the real engine and the real store on virtual time, against a model of both systems and their people.
//!
//! Everything is drawn from one seed. A history runs, the world goes quiet, and an oracle that knows every edit checks the
//! promises. `SEED=7 cargo test simulation` plays one seed again; `SEEDS=20000` plays more of them, from `FIRST_SEED` on; `BRIEF=1`
//! names the seeds that fail and leaves it at that.

// A test that cannot go on should panic, and it is the place that panics which says why.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stderr)]

#[path = "../cluster/mod.rs"]
mod cluster;
mod crashes;
mod equivalence;
#[allow(dead_code, reason = "the other test binary uses the rest")]
#[path = "../suite/fixtures.rs"]
mod fixtures;
mod history;
mod home;
mod model;
mod oracle;
mod people;
mod port;
mod run;
mod scenario;
mod setup;
mod writes;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use leadsync::store::Store;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tempfile::TempDir;

use self::cluster::Cluster;
use self::history::{Kind, Step, hinted, history};
use self::home::Home;
use self::run::{Ran, Run};

/// How many seeds a test run plays, unless `SEEDS` says otherwise.
const SEEDS: u64 = 2_000;
/// The same with hints.
const HINTED_SEEDS: u64 = 100;

fn play(seed: u64, steps: &[Step], folder: &Path) -> Ran {
    on_runtime(Run::new(seed, folder).play(steps))
}

fn on_runtime<F: Future>(work: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    // Without sockets a thread that only waits for the store wakes up sooner.
    if cluster::is_asked_for() { runtime.enable_all() } else { runtime.enable_time() }.build().unwrap().block_on(work)
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

/// The cores that this process may use.
fn cores() -> Vec<CpuSet> {
    let all = sched_getaffinity(None).unwrap();
    let one = |core| {
        let mut set = CpuSet::new();
        set.set(core);
        set
    };
    (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core)).map(one).collect()
}

/// The engine and its store's thread take turns, so one core is enough for both, and saves waking the other up.
fn stay_on(core: CpuSet) {
    sched_setaffinity(None, &core).unwrap();
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, and not {text:?}")))
}

/// Where two logs part.
fn difference<'r>(once: &'r Ran, again: &'r Ran) -> Option<(&'r String, &'r String)> {
    once.log.iter().zip(&again.log).find(|(once, again)| once != again)
}

/// How a seed becomes a history.
type Histories = fn(u64) -> Vec<Step>;

fn explain(seed: u64, history: Histories, folder: &Path) -> String {
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

/// Plays one seed twice where `SEED` names it, or else `seeds` of them, and fails where a promise is broken.
fn keeps_every_promise(history: Histories, seeds: u64) {
    let folder = folder();
    if let Some(seed) = number("SEED") {
        let (once, again) = (play(seed, &history(seed), folder), play(seed, &history(seed), folder));
        assert_eq!(once.trace, again.trace, "SEED={seed} does not replay: {:#?}", difference(&once, &again));
        eprintln!("SEED={seed}: trace {:016x}", once.trace);
        assert!(once.broken.is_empty(), "{}", explain(seed, history, folder));
        return;
    }
    let first = number("FIRST_SEED").unwrap_or(0);
    let last = first + number("SEEDS").unwrap_or(seeds);
    let (next, failed) = (AtomicU64::new(first), Mutex::new(Vec::new()));
    let (minutes, cycles, began) = (AtomicU64::new(0), AtomicU64::new(0), Instant::now());
    std::thread::scope(|scope| {
        for core in cores() {
            let (next, failed, minutes, cycles) = (&next, &failed, &minutes, &cycles);
            scope.spawn(move || {
                stay_on(core);
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= last || failed.lock().unwrap().len() >= 10 {
                        return;
                    }
                    let ran = play(seed, &history(seed), folder);
                    minutes.fetch_add(ran.simulated.num_minutes().unsigned_abs(), Ordering::Relaxed);
                    cycles.fetch_add(ran.cycles, Ordering::Relaxed);
                    if !ran.broken.is_empty() {
                        failed.lock().unwrap().push((seed, ran.broken));
                    }
                }
            });
        }
    });
    let (days, cycles, took) = (minutes.into_inner() / 1440, cycles.into_inner(), began.elapsed());
    eprintln!("simulation: seeds {first} to {last}, {days} days, {cycles} cycles in {:.1} s", took.as_secs_f64());
    let mut failed = failed.into_inner().unwrap();
    failed.sort_unstable();
    for (seed, broken) in &failed {
        eprintln!("SEED={seed}: {}", broken.join("; "));
    }
    // Looking for the shortest history can take minutes.
    let told = |seed| if std::env::var_os("BRIEF").is_some() { "see above".to_owned() } else { explain(seed, history, folder) };
    assert!(failed.is_empty(), "{}", told(failed[0].0));
}

#[test]
fn simulation_keeps_every_promise() {
    keeps_every_promise(history, SEEDS);
}

/// Hints that are lost, repeated, out of order or wrong make a difference to when something happens, and to nothing that was promised.
#[test]
fn simulation_keeps_every_promise_whatever_hints_come() {
    keeps_every_promise(hinted, HINTED_SEEDS);
}

#[test]
fn simulation_replays_exactly() {
    for seed in 0..10 {
        let (once, again) = (play(seed, &history(seed), folder()), play(seed, &history(seed), folder()));
        assert_eq!(once.trace, again.trace, "SEED={seed} does not replay: {:#?}", difference(&once, &again));
    }
}

/// Whichever database the store is in, the same is asked of both systems and written there, in the same order.
#[test]
fn simulation_is_the_same_on_either_database() {
    if !Cluster::is_possible() {
        return;
    }
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for seed in 0..6 {
        let in_file = play(seed, &hinted(seed), folder());
        let in_server = runtime().block_on(Run::at(seed, Home::in_server()).play(&hinted(seed)));
        assert_eq!(in_file.trace, in_server.trace, "SEED={seed}: {:#?}", difference(&in_file, &in_server));
        assert!(in_server.broken.is_empty(), "SEED={seed}: {:?}", in_server.broken);
    }
}
