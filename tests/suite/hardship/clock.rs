//! A system clock that jumps. `libfaketime` stands between the program and the clock that people set; the one that only goes on is
//! left as it is, as the kernel leaves it when somebody sets the time.

use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{DateTime, TimeDelta, Utc};
use leadsync::sandbox::Fault;
use serde_json::json;

use crate::hardship::{assert_ends_well, edit_both, have, twin};
use crate::program::{ShowLog, log, program, run, run_with, signal, start_with, until, wait};
use crate::systems::Systems;

/// A clock that the test sets.
struct WallClock {
    file: PathBuf,
    library: PathBuf,
}

impl WallClock {
    /// `None`, and a word about it, where the library is missing and nobody demands it: `CI` does.
    fn of(systems: &Systems) -> Option<Self> {
        // Debian's folder for it is named after the architecture.
        let folders = std::fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path().join("faketime"));
        let library = folders.map(|folder| folder.join("libfaketime.so.1")).find(|library| library.exists());
        if library.is_none() {
            assert!(std::env::var_os("CI").is_none(), "libfaketime is not installed: apt-get install faketime");
            eprintln!("not tested: libfaketime is not installed (apt-get install faketime)");
        }
        let library = library?;
        let clock = Self { file: systems.folder.path().join("clock"), library };
        clock.set("+0");
        Some(clock)
    }

    /// Sets it so far ahead (`+3h`) or back (`-3h`).
    fn set(&self, ahead: &str) {
        // Replaced at once, so that nobody reads half of it.
        let fresh = self.file.with_extension("fresh");
        std::fs::write(&fresh, format!("{ahead}\n")).unwrap();
        std::fs::rename(&fresh, &self.file).unwrap();
    }

    /// The program under this clock.
    fn command(&self, systems: &Systems, arguments: &[&str]) -> Command {
        let mut command = program(&systems.configuration, arguments);
        command.env("LD_PRELOAD", &self.library).env("FAKETIME_TIMESTAMP_FILE", &self.file);
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1");
        command
    }
}

/// How far ahead of the clock of this test the last line of a log was written, in whole hours.
fn hours_ahead(log: &Path) -> i64 {
    let text = std::fs::read_to_string(log).unwrap();
    let stamp = text.lines().last().and_then(|line| line.split(' ').next()).unwrap();
    let written = DateTime::parse_from_rfc3339(stamp).unwrap().to_utc();
    (written - Utc::now() + TimeDelta::minutes(30)).num_minutes().div_euclid(60)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_by_hours_and_days_does_not_stop_the_schedule() {
    let systems = Systems::of(40, 30, 20).await;
    let _shown = ShowLog(log(&systems));
    let Some(clock) = WallClock::of(&systems) else { return };
    let daemon = start_with(clock.command(&systems, &["-v", "run"]), &log(&systems));
    until("both sides have all", || have(&systems, 50)).await;
    until("edits arrive", edit_both(&systems, "Edited before any jump")).await;
    let sweeps = || std::fs::read_to_string(log(&systems)).unwrap().matches("sweep.complete side=operate").count();
    for (jump, hours) in [("+5h", 5), ("-7h", -7), ("+30d", 720), ("+0", 0)] {
        let before = sweeps();
        clock.set(jump);
        until("the program sees the jump", || hours_ahead(&log(&systems)) == hours).await;
        until("edits arrive after a jump", edit_both(&systems, &format!("Edited after a jump to {jump}"))).await;
        // The last sweep is long ago, or lies ahead, where it would put off the next one for as long as the jump.
        until("it sweeps", || hours == 5 || sweeps() > before).await;
    }
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
    assert_ends_well(&systems, 50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_between_the_answers_of_both_sides_decides_no_conflict() {
    let systems = Systems::of(20, 20, 20).await;
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    let Some(clock) = WallClock::of(&systems) else { return };
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    // Jumps ahead make Salesforce's edit look later, jumps back Operate's: the other one is later, and has to win.
    // Times are seconds from now; both systems' clocks go ahead with them, so that no edit lies before what was seen.
    for (jump, operate_at, salesforce_at) in [("+5h", 40, 20), ("-5h", 80, 100)] {
        clock.set("+0");
        for side in [operate, salesforce] {
            side.set_clock_ahead(operate_at.max(salesforce_at) + 10);
        }
        let lead = operate.leads()[4].clone();
        let id = lead["leadid"].to_string();
        let there = twin(&systems, &lead).unwrap()["Id"].as_str().unwrap().to_owned();
        let at = |seconds: i64| DateTime::from_timestamp(Utc::now().timestamp() + seconds, 0);
        let word = |side: &str| format!("{side} after {jump}");
        operate.edit_at(&id, &json!({ "jobtitle": word("Operate") }), at(operate_at)).unwrap();
        salesforce.edit_at(&there, &json!({ "Title": word("Salesforce") }), at(salesforce_at)).unwrap();
        // Operate has answered by the time that Salesforce is asked again.
        salesforce.fault(Fault { status: Some(503), retry_after: Some(1), ..Fault::on("GET /queryAll") }).unwrap();
        let once = tokio::spawn(run_with(clock.command(&systems, &["once"])));
        until("Salesforce turns the poll away", || salesforce.faults().is_empty()).await;
        clock.set(jump);
        let (status, said, errors) = once.await.unwrap();
        assert_eq!(status, 0, "{said}{errors}");
        let winner = word(if operate_at > salesforce_at { "Operate" } else { "Salesforce" });
        assert_eq!(
            (&operate.lead(&id).unwrap()["jobtitle"], &salesforce.lead(&there).unwrap()["Title"]),
            (&json!(winner), &json!(winner))
        );
    }
    assert_ends_well(&systems, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_waits_for_its_next_attempt_does_not_wait_for_a_clock_that_was_put_back() {
    let systems = Systems::of(20, 20, 20).await;
    let _shown = ShowLog(log(&systems));
    let Some(clock) = WallClock::of(&systems) else { return };
    let daemon = start_with(clock.command(&systems, &["-v", "run"]), &log(&systems));
    until("edits arrive", edit_both(&systems, "Edited before")).await;
    let locked = Fault { row_error: Some("UNABLE_TO_LOCK_ROW".to_owned()), times: 2, ..Fault::on("write") };
    systems.sandbox.salesforce().fault(locked).unwrap();
    let arrived = edit_both(&systems, "Edited while a row was locked");
    until("the lead is locked, twice", || systems.sandbox.salesforce().faults().is_empty()).await;
    clock.set("-7h");
    until("the write is tried again", arrived).await;
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
    // The next start finds times that lie ahead.
    assert_ends_well(&systems, 20).await;
}
