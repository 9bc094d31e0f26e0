//! A network that drops, delays, refuses, resets, and cuts connections in the middle of requests and answers.

use crate::hardship::proxy::Proxy;
use crate::hardship::{assert_ends_well, edit_both, have};
use crate::program::{ShowLog, log, run, signal, start, until, wait};
use crate::systems::Systems;

/// Both systems, each behind a network that fails.
struct Behind {
    systems: Systems,
    operate: Proxy,
    salesforce: Proxy,
}

impl Behind {
    async fn of(leads: (usize, usize, usize), longest: (usize, usize), seed: u64) -> Self {
        let systems = Systems::of(leads.0, leads.1, leads.2).await;
        let addresses = systems.sandbox.addresses();
        let (to_operate, to_salesforce) = (addresses.operate.base_url, addresses.salesforce.login_url);
        let operate = Proxy::before(&to_operate, longest.0, seed).await;
        let salesforce = Proxy::before(&to_salesforce, longest.1, seed + 1).await;
        systems.configure(&to_operate, &operate.url());
        systems.configure(&to_salesforce, &salesforce.url());
        for section in ["[operate]\n", "[salesforce]\n"] {
            systems.configure(section, &format!("{section}timeout = \"1s\"\n"));
        }
        Self { systems, operate, salesforce }
    }

    fn recovers(&self) {
        self.operate.recovers();
        self.salesforce.recovers();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_sync_over_a_network_that_fails_ends_the_same() {
    let behind = Behind::of((400, 300, 150), (1_000_000, 1_000_000), 21).await;
    let systems = &behind.systems;
    let _shown = ShowLog(log(systems));
    behind.operate.fails().await;
    behind.salesforce.fails().await;
    let daemon = start(systems);
    for hundreds in 1..=4 {
        until("it writes", || systems.traffic().2 >= hundreds * 100 || have(systems, 550)).await;
        // What is under way is cut off.
        behind.operate.fails().await;
        behind.salesforce.fails().await;
    }
    assert!(behind.operate.struck() >= 2 && behind.salesforce.struck() >= 2);
    behind.recovers();
    until("both sides have all", || have(systems, 550)).await;
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
    assert_ends_well(systems, 550).await;
}

/// Edits are made until the networks before these sides have failed often enough; every single one arrives.
async fn edited(operate: bool, salesforce: bool, seed: u64) {
    let behind = Behind::of((30, 25, 15), (25_000, 60_000), seed).await;
    let systems = &behind.systems;
    let _shown = ShowLog(log(systems));
    let daemon = start(systems);
    until("both sides have all", || have(systems, 40)).await;
    for (proxy, fails) in [(&behind.operate, operate), (&behind.salesforce, salesforce)] {
        if fails {
            proxy.fails().await;
        }
    }
    let struck = || (!operate || behind.operate.struck() >= 2) && (!salesforce || behind.salesforce.struck() >= 2);
    let mut edits = 0;
    while !struck() {
        edits += 1;
        until("edits arrive", edit_both(systems, &format!("Edit {edits}"))).await;
    }
    behind.recovers();
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
    assert_ends_well(systems, 40).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edits_over_a_network_that_fails_on_either_side_or_both_arrive() {
    tokio::join!(edited(true, false, 33), edited(false, true, 35), edited(true, true, 37));
}

/// One side cannot be reached for a while.
async fn away(title: &str) {
    let behind = Behind::of((30, 30, 30), (1_000, 1_000), 5).await;
    let systems = &behind.systems;
    let daemon = start(systems);
    until("edits arrive", edit_both(systems, "Edited before")).await;
    let proxy = if title == "Operate" { &behind.operate } else { &behind.salesforce };
    proxy.refuse().await;
    let arrived = edit_both(systems, "Edited while one side was away");
    let expected = format!("{title} cannot be reached: {}: ", proxy.url());
    let told = until("the log says who is away", || std::fs::read_to_string(log(systems)).unwrap().contains(&expected));
    let ((), (status, said, errors)) = tokio::join!(told, run(systems, &["verify"]));
    assert_eq!((status, said.as_str()), (1, ""), "{errors}");
    assert!(errors.contains(&expected), "{errors}");
    assert!(!arrived());
    proxy.listen().await;
    until("edits arrive", arrived).await;
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
    assert_ends_well(systems, 30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_side_that_is_away_is_named_and_the_daemon_goes_on_when_it_is_back() {
    tokio::join!(away("Operate"), away("Salesforce"));
}
