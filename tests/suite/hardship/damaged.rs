//! A store file that is not what leadsync wrote: each kind of damage works or is refused with advice, and none is made worse.

use std::path::Path;
use std::time::Duration;

use leadsync::store::Store;
use rand::{Rng as _, RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use crate::hardship::{assert_ends_well, companion, edit_both, have, store, twin};
use crate::program::{run, start, until, wait};
use crate::systems::Systems;

const REPORTS: [&[&str]; 5] = [&["status"], &["parked"], &["conflicts"], &["plan"], &["verify"]];
const ALL: [&[&str]; 9] =
    [&["status"], &["parked"], &["conflicts"], &["plan"], &["verify"], &["pause"], &["retry", "--all"], &["once"], &["run"]];
/// What to do about it.
const ADVICE: &str = "restore a backup, or move it away with the -wal and -shm files beside it, and a new one is made";

/// Systems in step, with the bytes of their store, which is one file.
async fn in_step(leads: usize) -> (Systems, Vec<u8>) {
    let systems = Systems::of(leads, leads / 2, leads / 2).await;
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    assert!(!companion(&store(&systems), "-wal").exists(), "a store at rest is one file");
    let sound = std::fs::read(store(&systems)).unwrap();
    (systems, sound)
}

fn move_away(store: &Path) {
    for ending in ["", "-wal", "-shm"] {
        let file = companion(store, ending);
        if file.exists() {
            std::fs::rename(&file, companion(store, &format!("{ending}.away"))).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_damaged_as_a_whole_is_refused_with_advice_and_left_as_it_is() {
    let (systems, sound) = in_step(40).await;
    let store = store(&systems);
    let mut zeroed = sound.clone();
    zeroed[..100].fill(0);
    let letter = "This is a letter, and a long one at that. ".repeat(400).into_bytes();
    let cut_off = sound[..sound.len() / 2].to_vec();
    let writes = systems.traffic().2;
    for damaged in [zeroed, letter, cut_off, sound[..5_000].to_vec(), sound[..50].to_vec()] {
        std::fs::write(&store, &damaged).unwrap();
        for arguments in ALL {
            let (status, said, errors) = run(&systems, arguments).await;
            assert_eq!((status, said.as_str()), (1, ""), "{arguments:?}: {errors}");
            let expected = format!("error: the store {} is damaged or is no leadsync store (", store.display());
            assert!(errors.starts_with(&expected), "{arguments:?}: {errors}");
            assert!(errors.contains(": it was left as it is; ") && errors.contains(ADVICE), "{errors}");
            assert!(std::fs::read(&store).unwrap() == damaged, "{arguments:?} changed the file");
        }
    }
    assert_eq!(systems.traffic().2, writes, "nothing is written without a store");
    move_away(&store);
    // Later than all that leadsync wrote, beyond doubt: nothing else tells a new store which of two values is the edit.
    systems.sandbox.operate().set_clock_ahead(60);
    systems.sandbox.salesforce().set_clock_ahead(60);
    let arrived = edit_both(&systems, "Edited without a store");
    assert_ends_well(&systems, 40).await;
    assert!(arrived());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_file_is_a_store_that_nothing_was_written_to_yet() {
    let systems = Systems::of(20, 20, 10).await;
    let store = store(&systems);
    std::fs::write(&store, "").unwrap();
    let (status, _, errors) = run(&systems, &["status"]).await;
    assert!(status == 1 && errors.contains(&format!("there is no store at {}", store.display())), "{errors}");
    assert_eq!(std::fs::read(&store).unwrap(), b"");
    assert_ends_well(&systems, 30).await;
}

/// Where the first page of a table is.
async fn root(store: &Path, table: &str) -> u64 {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(store).read_only(true).immutable(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let root: i64 =
        sqlx::query_scalar("SELECT rootpage FROM sqlite_master WHERE name = ?").bind(table).fetch_one(&pool).await.unwrap();
    pool.close().await;
    root.unsigned_abs()
}

const PAGE: usize = 4_096;

/// An answer to damage that only shows where it is met.
fn assert_works_or_says_so(store: &Path, arguments: &[&str], (status, said, errors): &(i32, String, String)) -> bool {
    if *status == 1 {
        assert!(errors.contains(&format!("the store {} is damaged", store.display())), "{arguments:?}: {said}{errors}");
        assert!(errors.contains(ADVICE), "{arguments:?}: {errors}");
        return true;
    }
    assert!([0, 3].contains(status), "{arguments:?} ended with {status}: {said}{errors}");
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_in_the_middle_is_said_by_whatever_meets_it_and_ends_the_daemon() {
    let (systems, sound) = in_step(40).await;
    let store = store(&systems);
    for (table, met_by) in [
        ("lead_state", [["plan"], ["once"], ["run"]]),
        ("lead_values", [["plan"], ["once"], ["run"]]),
        ("link", [["status"], ["plan"], ["once"]]),
        ("checkpoint", [["status"], ["plan"], ["run"]]),
        ("cycle", [["status"], ["once"], ["run"]]),
    ] {
        std::fs::write(&store, &sound).unwrap();
        let place = usize::try_from(root(&store, table).await - 1).unwrap() * PAGE;
        let mut damaged = sound.clone();
        ChaCha8Rng::seed_from_u64(3).fill_bytes(&mut damaged[place..place + PAGE]);
        for arguments in met_by {
            std::fs::write(&store, &damaged).unwrap();
            let answer = tokio::time::timeout(Duration::from_mins(1), run(&systems, &arguments)).await;
            let answer = answer.unwrap_or_else(|_| panic!("{table}: {arguments:?} goes on with a damaged store"));
            assert!(assert_works_or_says_so(&store, &arguments, &answer), "{table}: {arguments:?} did not notice: {answer:?}");
            if REPORTS.contains(&arguments.as_slice()) {
                assert!(std::fs::read(&store).unwrap() == damaged, "{arguments:?} changed the file");
            }
            for ending in ["-wal", "-shm"] {
                let _ = std::fs::remove_file(companion(&store, ending));
            }
        }
    }
    move_away(&store);
    assert_ends_well(&systems, 40).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_anywhere_is_never_a_raw_error_and_a_new_store_finds_the_same_pairs() {
    let (systems, sound) = in_step(60).await;
    let store = store(&systems);
    let lead = systems.sandbox.operate().leads()[5]["leadid"].to_string();
    // Drawn from the seed 11: one to four pieces of up to three pages, anywhere behind the header.
    let mut draw = ChaCha8Rng::seed_from_u64(11);
    let mut noticed = 0;
    for _ in 0..12 {
        let mut damaged = sound.clone();
        for _ in 0..draw.random_range(1..=4) {
            let start = draw.random_range(100..damaged.len() - 3 * PAGE);
            let length = draw.random_range(1..3 * PAGE);
            draw.fill_bytes(&mut damaged[start..start + length]);
        }
        std::fs::write(&store, &damaged).unwrap();
        let show = ["show", lead.as_str()];
        for arguments in [["status"].as_slice(), &["parked"], &show, &["plan"]] {
            let answer = run(&systems, arguments).await;
            noticed += u32::from(assert_works_or_says_so(&store, arguments, &answer));
            assert!(std::fs::read(&store).unwrap() == damaged, "{arguments:?} changed the file");
        }
        for ending in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(companion(&store, ending));
        }
    }
    assert!(noticed > 10, "only {noticed} were noticed");
    move_away(&store);
    assert_ends_well(&systems, 60).await;
}

/// A daemon is killed, and what its write-ahead log held is gone.
async fn without_its_log(garble: bool) {
    let (systems, _) = in_step(40).await;
    let store = store(&systems);
    let new = |name: &str| {
        json!({ "leadname": name, "lastname": name, "email": format!("{name}@new.example"), "location": "Hub City",
            "leadsource": "Website", "leadstatus": "New" })
    };
    let mut daemon = start(&systems);
    until("edits arrive", edit_both(&systems, "Edited by a daemon")).await;
    systems.sandbox.operate().create(&new("ada")).unwrap();
    let there = json!({ "Company": "Bo", "LastName": "Bo", "Email": "bo@new.example", "Status": "Open - Not Contacted" });
    systems.sandbox.salesforce().create(&there).unwrap();
    until("new leads arrive", || have(&systems, 42)).await;
    daemon.kill().unwrap();
    wait(daemon).await;
    let log = companion(&store, "-wal");
    let mut bytes = std::fs::read(&log).unwrap();
    assert!(bytes.len() > 2 * PAGE, "nothing is in the log");
    if garble {
        let middle = bytes.len() / 3;
        ChaCha8Rng::seed_from_u64(5).fill_bytes(&mut bytes[middle..]);
        std::fs::write(&log, bytes).unwrap();
    } else {
        std::fs::remove_file(&log).unwrap();
    }
    std::fs::remove_file(companion(&store, "-shm")).unwrap();
    // Not one of the fields whose last values were in the log: for those, both sides have changed since what is remembered.
    let edited = systems.sandbox.operate().leads()[2].clone();
    systems.sandbox.operate().edit(&edited["leadid"].to_string(), &json!({ "phone": "020 7946 0007" })).unwrap();
    assert_ends_well(&systems, 42).await;
    assert_eq!(twin(&systems, &edited).unwrap()["Phone"], json!("020 7946 0007"));
    let known = Store::open_existing(&systems.config().store).await.unwrap();
    assert!(known.parked().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_ahead_log_that_is_lost_or_garbled_costs_memory_and_no_lead() {
    tokio::join!(without_its_log(false), without_its_log(true));
}
