//! No space left for the store, or for the log.

use std::path::{Path, PathBuf};

use futures_util::future::join_all;

use crate::hardship::disk::{Disk, Space};
use crate::hardship::{assert_ends_well, companion, edit_both, have, place_store};
use crate::program::{ShowLog, log, program, run, run_with, signal, start_with, until, wait};
use crate::systems::Systems;

/// Too little for the leads of [`systems`].
const LITTLE: u32 = 400;

async fn systems() -> Systems {
    Systems::of(300, 200, 100).await
}

/// What is wrong, where, and what to do.
fn says_so(said: &str, space: &Space, store: &Path) -> bool {
    let store = store.display();
    match space {
        Space::Disk(_) => said.contains(&format!("no space is left for the store {store}: free some, and it goes on")),
        Space::Limit(_) => {
            said.contains(&format!("the store {store} cannot be read or written (disk I/O error, SQLite's code 778)"))
                && said.contains("see whether its disk or a quota is full")
        }
    }
}

async fn once_with_little(space: Space, place: PathBuf) {
    let systems = systems().await;
    let store = place_store(&systems, &place);
    let once = space.limit(&program(&systems.configuration, &["once"]));
    let (status, said, errors) = run_with(once).await;
    assert_eq!((status, said.as_str()), (1, ""), "{errors}");
    assert!(says_so(&errors, &space, &store), "{errors}");
    assert!(!have(&systems, 400), "there was space enough");

    // What was committed can be read on the full disk.
    let (status, said, errors) = run_with(space.limit(&program(&systems.configuration, &["status"]))).await;
    assert!(status == 0 && said.contains(&store.display().to_string()), "{said}{errors}");
    let (status, said, errors) = run_with(space.limit(&program(&systems.configuration, &["once"]))).await;
    assert_eq!((status, said.as_str()), (1, ""), "a second time: {errors}");
    assert!(says_so(&errors, &space, &store), "{errors}");
    space.enlarge(None);
    assert_ends_well(&systems, 400).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_on_a_full_disk_says_so_and_goes_on_when_there_is_space() {
    let folder = tempfile::tempdir().unwrap();
    join_all(Space::kinds(folder.path(), LITTLE).into_iter().map(|(space, place)| once_with_little(space, place))).await;
}

async fn daemon_with_little(space: Space, place: PathBuf) {
    let systems = systems().await;
    let store = place_store(&systems, &place);
    let _shown = ShowLog(log(&systems));
    let mut daemon = start_with(space.limit(&program(&systems.configuration, &["run"])), &log(&systems));
    until("the log says that the disk is full", || {
        let log = std::fs::read_to_string(log(&systems)).unwrap();
        says_so(&log, &space, &store)
    })
    .await;
    assert_eq!(daemon.try_wait().unwrap(), None, "it ended");
    let (status, _, errors) = run(&systems, &["status"]).await;
    assert_eq!(status, 0, "{errors}");
    space.enlarge(Some(&daemon));
    until("both sides have all", || have(&systems, 400)).await;
    until("edits arrive", edit_both(&systems, "Edited after the disk was full")).await;
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
    assert_ends_well(&systems, 400).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daemon_on_a_full_disk_says_so_lives_and_goes_on_when_there_is_space() {
    let folder = tempfile::tempdir().unwrap();
    join_all(Space::kinds(folder.path(), LITTLE).into_iter().map(|(space, place)| daemon_with_little(space, place))).await;
}

/// Fills what is left of the folder's disk with a file, which grows if it is there already.
fn fill(folder: &Path) -> PathBuf {
    let filler = folder.join("filler");
    let mut file = std::fs::File::options().create(true).append(true).open(&filler).unwrap();
    let block = [1; 1_024];
    while std::io::Write::write_all(&mut file, &block).is_ok() {}
    filler
}

/// Needs a disk of its own: without one, [`once_on_a_full_disk_says_so_and_goes_on_when_there_is_space`] shows what can be shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_one_byte_left_for_store_lock_and_log_stops_nothing_for_good() {
    let systems = systems().await;
    let place = systems.folder.path().join("disk");
    let Some(_disk) = Disk::mount(&place, 16 * 1_024) else {
        eprintln!("no disk can be mounted here");
        return;
    };
    let store = place_store(&systems, &place);
    let daemon_log = place.join("log");
    let _shown = ShowLog(daemon_log.clone());
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    let full = fill(&place);
    let arrived = edit_both(&systems, "Edited while the disk was full");
    for command in ["once", "run"] {
        let (status, said, errors) = run(&systems, &[command]).await;
        assert_eq!((status, said.as_str()), (1, ""), "{errors}");
        assert!(errors.contains(&format!("no space is left for the store {}", store.display())), "{errors}");
    }
    for command in [vec!["status"], vec!["parked"], vec!["conflicts"]] {
        let (status, _, errors) = run(&systems, &command).await;
        assert_eq!((status, errors.as_str()), (0, ""), "{command:?}");
    }

    // A daemon that runs when the last byte goes: it cannot even log.
    std::fs::remove_file(&full).unwrap();
    let mut daemon = start_with(program(&systems.configuration, &["-vv", "run"]), &daemon_log);
    until("edits arrive", &arrived).await;
    let full = fill(&place);
    let arrived = edit_both(&systems, "Edited when nothing could be logged");
    // What the daemon itself frees, as by closing a connection to the store, is taken from it, and the log's last page is used up.
    let starved = || {
        fill(&place);
        std::fs::metadata(&daemon_log).unwrap().len().is_multiple_of(4_096)
    };
    until("not a byte of the log can be written", || starved() || daemon_ended(&daemon)).await;
    let requests = systems.traffic().0;
    until("it goes on polling", || starved() && systems.traffic().0 > requests + 1 || daemon_ended(&daemon)).await;
    assert_eq!(daemon.try_wait().unwrap(), None, "it ended");
    std::fs::remove_file(&full).unwrap();
    until("edits arrive", &arrived).await;
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
    assert!(companion(&store, ".lock").exists());
    assert_ends_well(&systems, 400).await;
}

fn daemon_ended(daemon: &std::process::Child) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{}/stat", daemon.id())).unwrap_or_default();
    state.contains(") Z ") || state.is_empty()
}
