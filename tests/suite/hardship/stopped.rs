//! Stopped and continued, as by a debugger, a frozen container or a machine that sleeps.

use std::time::Duration;

use crate::hardship::{assert_ends_well, edit_both, have};
use crate::program::{ShowLog, log, signal, start, until, wait};
use crate::systems::Systems;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_in_the_middle_of_work_and_of_quiet_it_goes_on_where_it_was() {
    let systems = Systems::of(600, 400, 200).await;
    // Short of the stop, so that what was under way is lost.
    systems.configure("[operate]\n", "[operate]\ntimeout = \"1s\"\n");
    systems.configure("[salesforce]\n", "[salesforce]\ntimeout = \"1s\"\n");
    let _shown = ShowLog(log(&systems));
    let daemon = start(&systems);
    until("the first sync is under way", || systems.traffic().2 >= 100).await;
    signal(&daemon, "-STOP");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(!have(&systems, 800), "the stop came too late to interrupt anything");
    signal(&daemon, "-CONT");
    until("both sides have all", || have(&systems, 800)).await;

    until("it polls", edit_both(&systems, "Edited before the stop")).await;
    signal(&daemon, "-STOP");
    let arrived = edit_both(&systems, "Edited during the stop");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(!arrived(), "it was not stopped");
    signal(&daemon, "-CONT");
    until("edits made during the stop arrive", &arrived).await;
    until("edits made after it arrive", edit_both(&systems, "Edited after the stop")).await;
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
    assert_ends_well(&systems, 800).await;
}
