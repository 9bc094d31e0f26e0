//! What the daemon shows of itself, over real HTTP, and what signals do.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::program::{ShowLog, log, program, run, run_with, signal, start, start_with, until, wait};
use crate::systems::Systems;

/// The last address that a log says is listened on.
pub fn address(log: &Path) -> Option<String> {
    let log = std::fs::read_to_string(log).ok()?;
    let line = log.lines().rev().find(|line| line.contains("ops.listening"))?;
    Some(line.rsplit_once("address=")?.1.trim().to_owned())
}

/// What stands at a path: the status and the text.
pub async fn get(address: &str, path: &str) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("http://{address}{path}")).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Edits the configuration.
pub fn configure(systems: &Systems, from: &str, to: &str) {
    let text = std::fs::read_to_string(&systems.configuration).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(&systems.configuration, text.replacen(from, to, 1)).unwrap();
}

/// The value of a metric, by its whole name with labels.
fn metric(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn health_and_metrics_say_how_the_daemon_is() {
    let systems = Systems::of(20, 10, 5).await;
    let _show = ShowLog(log(&systems));
    let daemon = start(&systems);
    until("a port is open", || address(&log(&systems)).is_some()).await;
    let address = address(&log(&systems)).unwrap();
    assert_eq!(get(&address, "/livez").await, (200, "live\n".to_owned()));
    while get(&address, "/readyz").await.0 != 200 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let (_, text) = get(&address, "/metrics").await;
    for (name, expected) in [
        (r#"leadsync_links{state="in_step"}"#, 25.0),
        (r#"leadsync_links{state="parked"}"#, 0.0),
        (r#"leadsync_pushes_total{side="operate",kind="create",outcome="done"}"#, 5.0),
        (r#"leadsync_pushes_total{side="salesforce",kind="create",outcome="done"}"#, 15.0),
        (r#"leadsync_writes_held{reason="paused"}"#, 0.0),
        ("leadsync_open_conflicts", 0.0),
    ] {
        assert_eq!(metric(&text, name), Some(expected), "{name}\n{text}");
    }
    for name in [
        r#"leadsync_polls_total{side="operate",outcome="done"}"#,
        r#"leadsync_requests_total{side="salesforce",class="ok"}"#,
        r#"leadsync_cycles_total{outcome="done"}"#,
        "leadsync_cycle_duration_seconds_count",
        "leadsync_last_cycle_timestamp_seconds",
        r#"leadsync_store_size_bytes{file="store"}"#,
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "process_start_time_seconds",
    ] {
        assert!(metric(&text, name).is_some_and(|value| value > 0.0), "{name}\n{text}");
    }
    assert!(metric(&text, r#"leadsync_poll_lag_seconds{side="operate"}"#).is_some_and(|lag| lag < 60.0), "{text}");
    assert!(text.contains(r#"leadsync_build_info{version=""#) && text.ends_with("# EOF\n"), "{text}");

    run(&systems, &["pause"]).await;
    let (_, text) = get(&address, "/metrics").await;
    assert_eq!(metric(&text, r#"leadsync_writes_held{reason="paused"}"#), Some(1.0));
    let (status, text) = get(&address, "/readyz").await;
    assert!(status == 200 && text.contains("paused since"), "{text}");

    configure(&systems, "listen = \"127.0.0.1:0\"", &format!("listen = \"{address}\""));
    assert_eq!(run(&systems, &["health"]).await, (0, "ready\n".to_owned(), String::new()));
    assert_eq!(run(&systems, &["health", "--live"]).await.0, 0);
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
    let (status, _, errors) = run(&systems, &["health"]).await;
    assert!(status == 1 && errors.contains(&format!("no daemon answers on {address}")), "{errors}");
}

#[tokio::test]
async fn it_is_not_ready_while_cycles_fail_and_says_why() {
    let systems = Systems::of(2, 2, 1).await;
    std::fs::write(systems.folder.path().join("operate-secret"), "wrong").unwrap();
    let daemon = start(&systems);
    until("a cycle failed", || std::fs::read_to_string(log(&systems)).is_ok_and(|log| log.contains("cycle.failed"))).await;
    let address = address(&log(&systems)).unwrap();
    let mut text = String::new();
    for _ in 0..200 {
        text = get(&address, "/readyz").await.1;
        if !text.contains("starting") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let report: Json = serde_json::from_str(&text).unwrap();
    assert!(report["reasons"][0].as_str().is_some_and(|reason| reason.contains("Operate")), "{text}");
    assert_eq!(get(&address, "/livez").await.0, 200);
    configure(&systems, "listen = \"127.0.0.1:0\"", &format!("listen = \"{address}\""));
    let (status, _, errors) = run(&systems, &["health"]).await;
    assert!(status == 1 && errors.contains("not ready: cycles have failed since"), "{errors}");
    signal(&daemon, "-TERM");
    wait(daemon).await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_at_once() {
    let systems = Systems::of(1, 1, 1).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    configure(&systems, "127.0.0.1:0", &address.to_string());
    let (status, _, errors) = run_with(program(&systems.configuration, &["run"])).await;
    assert_eq!(status, 1);
    assert!(errors.contains(&format!("another program listens on {address}: name another port in [ops] listen")), "{errors}");
}

#[tokio::test]
async fn a_reload_takes_a_good_configuration_and_refuses_a_bad_one() {
    let systems = Systems::of(6, 0, 0).await;
    let _show = ShowLog(log(&systems));
    configure(&systems, "[sync]\n", "[sync]\ncreate = \"none\"\n");
    let said = |words: &str| std::fs::read_to_string(log(&systems)).unwrap().matches(words).count();
    let daemon = start(&systems);
    until("it is ready to be told", || said("ops.listening") == 1).await;
    configure(&systems, "create = \"none\"", "create = \"nowhere\"");
    signal(&daemon, "-HUP");
    until("it refused", || said("daemon.reload_refused") == 1).await;
    assert_eq!(said("sync.create"), 1, "what is wrong is said");
    configure(&systems, "create = \"nowhere\"", "create = \"to_salesforce\"");
    signal(&daemon, "-HUP");
    until("it took the new one", || said("daemon.reloaded") == 1).await;
    until("leads are created", || said("push.kind=\"create\"") == 6).await;
    // Another schedule and another port.
    configure(&systems, "* * * * * *", "0 0 0 1 1 *");
    configure(&systems, "127.0.0.1:0", "127.0.0.2:0");
    signal(&daemon, "-HUP");
    until("it took that, too", || said("daemon.reloaded") == 2).await;
    assert!(address(&log(&systems)).unwrap().starts_with("127.0.0.2:"));
    let late = json!({ "leadname": "Late Ltd", "lastname": "Late", "email": "late@example.com", "location": "Hub City", "leadsource": "Website" });
    systems.sandbox.operate().create(&late).unwrap();
    signal(&daemon, "-USR1");
    until("it cycles when it is told to", || said("push.kind=\"create\"") == 7).await;
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
}

#[tokio::test]
async fn a_daemon_that_is_told_at_start_which_port_serves_it() {
    let systems = Systems::of(1, 1, 1).await;
    configure(&systems, "listen = \"127.0.0.1:0\"", "listen = \"\"");
    let daemon = start_with(program(&systems.configuration, &["run"]), &log(&systems));
    until("it runs", || std::fs::read_to_string(log(&systems)).is_ok_and(|log| log.contains("daemon.started"))).await;
    assert_eq!(address(&log(&systems)), None);
    let (status, _, errors) = run(&systems, &["health"]).await;
    assert!(status == 2 && errors.contains("serves nothing"), "{errors}");
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
}
