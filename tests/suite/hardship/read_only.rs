//! A store that can be read and not written: by its owner's will, or on a disk that is mounted read-only.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::hardship::disk::Disk;
use crate::hardship::{assert_ends_well, companion, edit_both, place_store, store};
use crate::program::{program, run, run_with, signal, start, until, wait};
use crate::systems::Systems;

/// What only reads.
const REPORTS: [&[&str]; 3] = [&["status"], &["parked"], &["conflicts"]];
/// What writes to the store.
const WRITERS: [&[&str]; 5] = [&["once"], &["run"], &["pause"], &["resume"], &["retry", "--all"]];

async fn systems() -> Systems {
    let systems = Systems::of(20, 20, 20).await;
    let bad = json!({ "leadname": "Pomelo", "lastname": "P", "email": "pomelo", "location": "Hub City", "leadsource": "Website",
        "leadstatus": "New" });
    systems.sandbox.operate().create(&bad).unwrap();
    systems
}

/// The parked lead is mended, and all goes on.
async fn assert_mended(systems: &Systems) {
    let leads = systems.sandbox.operate().leads();
    let bad = leads.iter().find(|lead| lead["email"] == json!("pomelo")).unwrap();
    systems.sandbox.operate().edit(&bad["leadid"].to_string(), &json!({ "email": "pia@pomelo.example" })).unwrap();
    let arrived = edit_both(systems, "Edited while nothing could be written");
    assert_ends_well(systems, 21).await;
    assert!(arrived());
}

/// Removes the files beside a store at rest, which a report leaves there.
fn alone(store: &Path) {
    assert_eq!(companion(store, "-wal").metadata().unwrap().len(), 0);
    for ending in ["-wal", "-shm"] {
        std::fs::remove_file(companion(store, ending)).unwrap();
    }
}

/// Runs the reports, of which `parked` has one lead to list; each must say the same as where the store can be written.
async fn assert_reported(systems: &Systems, run_it: impl Fn(&[&str]) -> Command, expected: &[(i32, String)]) {
    let lead = systems.sandbox.operate().leads()[0]["leadid"].to_string();
    for (arguments, expected) in REPORTS.iter().copied().chain([["show", lead.as_str()].as_slice()]).zip(expected) {
        let (status, said, errors) = run_with(run_it(arguments)).await;
        assert_eq!((&(status, said), errors.as_str()), (expected, ""), "{arguments:?}");
    }
}

async fn reports(systems: &Systems) -> Vec<(i32, String)> {
    let lead = systems.sandbox.operate().leads()[0]["leadid"].to_string();
    let mut reported = Vec::new();
    for arguments in REPORTS.iter().copied().chain([["show", lead.as_str()].as_slice()]) {
        let (status, said, _) = run(systems, arguments).await;
        reported.push((status, said));
    }
    reported
}

/// What writes is refused with what is wrong, where, and what to do; nothing is sent, and no byte of the store changes.
async fn assert_refused(systems: &Systems, store: &Path, run_it: impl Fn(&[&str]) -> Command) {
    let before = (systems.traffic().2, std::fs::read(store).unwrap());
    for arguments in WRITERS {
        let (status, said, errors) = run_with(run_it(arguments)).await;
        assert_eq!((status, said.as_str()), (1, ""), "{arguments:?}: {errors}");
        assert!(errors.contains(&store.display().to_string()), "{arguments:?}: {errors}");
        assert!(errors.contains("must be writable for this user"), "{arguments:?}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
    assert!(before == (systems.traffic().2, std::fs::read(store).unwrap()), "something was written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_another_user_is_read_by_reports_and_refused_to_all_else() {
    let systems = systems().await;
    assert_eq!(run(&systems, &["once"]).await.0, 3, "a lead is parked");
    let store = store(&systems);
    let expected = reports(&systems).await;
    let somebody = Somebody::of(&systems);
    assert_reported(&systems, |arguments| somebody.runs(arguments), &expected).await;
    alone(&store);
    assert_reported(&systems, |arguments| somebody.runs(arguments), &expected).await;
    assert_refused(&systems, &store, |arguments| somebody.runs(arguments)).await;

    // The same while the owner's daemon has changes in its write-ahead log.
    let daemon = somebody.owner(|| start(&systems));
    until("the daemon works", edit_both(&systems, "Edited while somebody looks")).await;
    assert!(companion(&store, "-wal").metadata().unwrap().len() > 0);
    let (status, said, errors) = run_with(somebody.runs(&["status"])).await;
    assert!(status == 0 && said.contains("1 parked"), "{said}{errors}");
    signal(&daemon, "-KILL");
    wait(daemon).await;
    let expected = reports_of_a_dead_daemon(&systems, &somebody).await;
    assert!(expected.contains(" in_step, 1 parked"), "{expected}");
    drop(somebody);
    assert_mended(&systems).await;
}

/// The write-ahead log of a daemon that was killed is read too.
async fn reports_of_a_dead_daemon(systems: &Systems, somebody: &Somebody<'_>) -> String {
    let lead = systems.sandbox.operate().leads()[0]["leadid"].to_string();
    let (status, said, errors) = run_with(somebody.runs(&["show", &lead])).await;
    assert!(status == 0 && said.contains("Edited while somebody looks"), "{said}{errors}");
    run_with(somebody.runs(&["status"])).await.1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_on_a_disk_that_is_mounted_read_only_is_read_by_reports_and_refused_to_all_else() {
    let systems = systems().await;
    let place = systems.folder.path().join("disk");
    let Some(disk) = Disk::mount(&place, 16 * 1_024) else {
        eprintln!("no disk can be mounted here: a store of another user shows what a read-only store does");
        return;
    };
    let store = place_store(&systems, &place);
    assert_eq!(run(&systems, &["once"]).await.0, 3, "a lead is parked");
    let expected = reports(&systems).await;
    let run_it = |arguments: &[&str]| program(&systems.configuration, arguments);
    disk.set_read_only(true);
    assert_reported(&systems, run_it, &expected).await;
    disk.set_read_only(false);
    alone(&store);
    disk.set_read_only(true);
    assert_reported(&systems, run_it, &expected).await;
    assert_refused(&systems, &store, run_it).await;
    disk.set_read_only(false);

    // A write-ahead log with changes and without its index cannot be read there; the answer says so, and is not an old one.
    let mut daemon = start(&systems);
    until("the daemon works", edit_both(&systems, "Edited before the disk was read-only")).await;
    daemon.kill().unwrap();
    wait(daemon).await;
    std::fs::remove_file(companion(&store, "-shm")).unwrap();
    disk.set_read_only(true);
    let (status, said, errors) = run(&systems, &["status"]).await;
    assert_eq!((status, said.as_str()), (1, ""), "{errors}");
    assert!(errors.contains(&format!("the store {} cannot be opened", store.display())), "{errors}");
    assert!(errors.contains("can be read only if no -wal file with changes lies beside it"), "{errors}");
    disk.set_read_only(false);
    assert_mended(&systems).await;
}

/// A user who may read the store and not write it: another one than root, whom permissions do not stop, or this one.
struct Somebody<'s> {
    systems: &'s Systems,
    program: std::path::PathBuf,
    is_root: bool,
}

/// `nobody`, everywhere.
const NOBODY: u32 = 65_534;

impl<'s> Somebody<'s> {
    fn of(systems: &'s Systems) -> Self {
        let folder = systems.folder.path();
        let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        // Where it was built, others may have no access.
        let program = folder.join("leadsync");
        let built = env!("CARGO_BIN_EXE_leadsync");
        if std::fs::hard_link(built, &program).is_err() {
            std::fs::copy(built, &program).unwrap();
        }
        let somebody = Self { systems, program, is_root };
        somebody.permit(0o555);
        somebody
    }

    /// What the owner may do meanwhile.
    fn owner<T>(&self, work: impl FnOnce() -> T) -> T {
        self.permit(0o755);
        work()
    }

    fn permit(&self, mode: u32) {
        let folder = self.systems.folder.path();
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
        if !self.is_root {
            let file = std::fs::Permissions::from_mode(mode & 0o666);
            std::fs::set_permissions(store(self.systems), file).unwrap();
        }
    }

    fn runs(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--config").arg(&self.systems.configuration).args(arguments);
        if self.is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

impl Drop for Somebody<'_> {
    fn drop(&mut self) {
        self.permit(0o755);
    }
}
