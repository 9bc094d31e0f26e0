//! SIGTERM: no new batch is sent, and those under way have `[ops] drain` to come back.

use leadsync::sandbox::Fault;

use crate::hardship::assert_ends_well;
use crate::program::{Running, ShowLog, log, signal, start, until, wait};
use crate::systems::Systems;

/// A daemon whose first write to Salesforce takes so long, at the moment when it is under way.
async fn writing(drain: &str, latency_ms: u64) -> (Systems, Running) {
    let systems = Systems::of(8, 4, 2).await;
    systems.configure("[ops]\n", &format!("[ops]\ndrain = \"{drain}\"\n"));
    let slow = Fault { latency_ms: Some(latency_ms), ..Fault::on("write") };
    systems.sandbox.salesforce().fault(slow).unwrap();
    let daemon = start(&systems);
    until("the write is under way", || systems.sandbox.salesforce().faults().is_empty()).await;
    (systems, daemon)
}

fn logged(systems: &Systems) -> String {
    std::fs::read_to_string(log(systems)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_under_way_is_waited_for() {
    let (systems, daemon) = writing("1m", 1_500).await;
    let _shown = ShowLog(log(&systems));
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
    let logged = logged(&systems);
    let (_, after) = logged.split_once("daemon.stopping").unwrap();
    assert!(after.contains("push.done side=salesforce") && !after.contains("daemon.cut_off"), "{after}");
    assert_ends_well(&systems, 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_does_not_come_back_in_time_is_cut_off_and_looked_for_later() {
    let (systems, daemon) = writing("1s", 30_000).await;
    let _shown = ShowLog(log(&systems));
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
    assert!(logged(&systems).contains("daemon.cut_off"), "it was waited for");
    assert_ends_well(&systems, 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn systems_that_do_not_answer_hold_up_no_end() {
    let systems = Systems::of(4, 4, 4).await;
    let _shown = ShowLog(log(&systems));
    let daemon = start(&systems);
    until("it polls", || systems.traffic().0 > 10).await;
    let sides = [systems.sandbox.operate(), systems.sandbox.salesforce()];
    for side in sides {
        side.fault(Fault { latency_ms: Some(600_000), ..Fault::on("any") }).unwrap();
    }
    // Which, depends on the moment: the other may have answered already.
    until("one is waited for", || sides.iter().any(|side| side.faults().is_empty())).await;
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
    assert!(!logged(&systems).contains("daemon.cut_off"), "nothing was written, and it was waited for all the same");
}
