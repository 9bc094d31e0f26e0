//! Several replicas on one PostgreSQL store: one leads, the others stand by and take over.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use leadsync::store::Address;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::cluster::Cluster;
use crate::hardship::{assert_ends_well, edit_both, have};
use crate::program::{Running, ShowLog, program, run, signal, start_with, until, wait};
use crate::systems::Systems;

/// A process of its own on the same configuration, with its own log.
struct Replica {
    process: Running,
    log: PathBuf,
    _shown: ShowLog,
}

impl Replica {
    fn start(systems: &Systems, name: &str) -> Self {
        Self::start_under(&systems.configuration, systems, name)
    }

    fn start_under(configuration: &Path, systems: &Systems, name: &str) -> Self {
        let log = systems.folder.path().join(name);
        let process = start_with(program(configuration, &["run"]), &log);
        Self { process, _shown: ShowLog(log.clone()), log }
    }

    fn says(&self, event: &str) -> bool {
        said(&self.log).contains(event)
    }

    /// What it answers, and with which status.
    async fn asked(&self, path: &str) -> (u16, String) {
        let log = said(&self.log);
        let port = log.rsplit("127.0.0.1:").next().unwrap();
        let port: String = port.chars().take_while(char::is_ascii_digit).collect();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(format!("http://127.0.0.1:{port}{path}")).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

fn said(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}

async fn systems(leads: usize) -> Systems {
    let systems = Systems::of(leads, leads, leads).await;
    systems.put_store_in(&Cluster::shared().address());
    systems
}

/// Twenty writes a second to Operate, however many they are.
fn write_slowly(systems: &Systems) {
    systems.configure("requests_per_second = 1000", "requests_per_second = 20");
    systems.configure("[sync]\n", "[sync]\nmax_change = \"off\"\n");
}

/// Somebody gives every lead in Salesforce this title.
fn title_all(systems: &Systems, title: &str) {
    for lead in systems.sandbox.salesforce().leads() {
        systems.sandbox.salesforce().edit(lead["Id"].as_str().unwrap(), &json!({ "Title": title })).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_stands_by_and_takes_over_whether_the_leader_ends_or_is_killed() {
    if !Cluster::is_possible() {
        return;
    }
    let systems = systems(30).await;
    let first = Replica::start(&systems, "first");
    until("the first leads", || first.says("daemon.started")).await;
    let second = Replica::start(&systems, "second");
    until("the second stands by", || second.says("lease.waiting") && second.says("ops.listening")).await;
    let (status, said) = second.asked("/readyz").await;
    let said: Json = serde_json::from_str(&said).unwrap();
    assert_eq!((status, &said["role"]), (200, &json!("stand-by")), "{said}");
    assert!(said["reasons"][0].as_str().unwrap().contains(&format!("process {} since", first.process.id())), "{said}");
    assert_eq!((first.asked("/leaderz").await.0, second.asked("/leaderz").await.0), (200, 503));
    let figures = first.asked("/metrics").await.1;
    assert!(figures.contains("leadsync_leader 1\n"));
    let size = figures.lines().find_map(|line| line.strip_prefix("leadsync_store_size_bytes{file=\"store\"} "));
    assert!(size.is_some_and(|size| size.parse::<u64>().is_ok_and(|size| size > 30 * 1_024)), "{figures}");
    assert!(second.asked("/metrics").await.1.contains("leadsync_leader 0\n"));
    let (_, status, _) = run(&systems, &["status"]).await;
    assert!(status.contains(&format!("process {} since", first.process.id())), "{status}");
    let (status, _, errors) = run(&systems, &["once"]).await;
    assert!(status == 1 && errors.contains("is in use by"), "{errors}");

    let began = Instant::now();
    signal(&first.process, "-TERM");
    until("the second leads", || second.says("daemon.started")).await;
    let after_term = began.elapsed();
    assert_eq!(wait(first.process).await, 0);
    until("it works", edit_both(&systems, "Edited under the second")).await;

    let third = Replica::start(&systems, "third");
    until("the third stands by", || third.says("lease.waiting")).await;
    let began = Instant::now();
    signal(&second.process, "-KILL");
    until("the third leads", || third.says("daemon.started")).await;
    let after_kill = began.elapsed();
    eprintln!("took over {:.1} s after SIGTERM, {:.1} s after SIGKILL", after_term.as_secs_f64(), after_kill.as_secs_f64());
    assert!(after_term < Duration::from_secs(3), "{after_term:?}");
    assert!(after_kill < Duration::from_secs(10), "{after_kill:?}");
    until("it works", edit_both(&systems, "Edited under the third")).await;
    signal(&third.process, "-TERM");
    assert_eq!(wait(third.process).await, 0);
    assert_ends_well(&systems, 30).await;
}

/// A leader that is stopped in the middle of its writes, and wakes when another one has finished them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_wakes_after_it_was_replaced_sends_nothing_and_stands_by() {
    if !Cluster::is_possible() {
        return;
    }
    let systems = systems(150).await;
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    write_slowly(&systems);
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    let first = Replica::start(&systems, "first");
    until("the first leads", || first.says("daemon.started")).await;
    title_all(&systems, "From Salesforce");
    let arrived = || operate.leads().iter().filter(|lead| lead["jobtitle"] == json!("From Salesforce")).count();
    // They go out twenty at a time: it is in the middle of some that it has noted as sent.
    until("it writes", || arrived() >= 30).await;
    signal(&first.process, "-STOP");
    let second = Replica::start(&systems, "second");
    until("the second leads", || second.says("daemon.started")).await;
    until("it writes the rest", || arrived() == 150).await;
    // The first one's word about these leads would be an old one now.
    for lead in operate.leads() {
        operate.edit(&lead["leadid"].to_string(), &json!({ "jobtitle": "From Operate" })).unwrap();
    }
    signal(&second.process, "-STOP");
    let before = systems.traffic();
    signal(&first.process, "-CONT");
    until("the first one learns that it was replaced", || first.says("lease.lost")).await;
    assert_eq!(systems.traffic(), before, "it has sent requests");
    signal(&second.process, "-CONT");
    until("what people said last is on both sides", || {
        salesforce.leads().iter().all(|lead| lead["Title"] == json!("From Operate"))
    })
    .await;
    assert_eq!(arrived(), 0, "an old word was written");
    for replica in [first, second] {
        signal(&replica.process, "-TERM");
        assert_eq!(wait(replica.process).await, 0);
    }
    assert_ends_well(&systems, 150).await;
}

/// Leaders that are killed again and again, each with a replica behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaders_that_are_killed_in_the_middle_of_the_first_sync_lose_and_double_nothing() {
    if !Cluster::is_possible() {
        return;
    }
    let systems = Systems::of(600, 400, 200).await;
    systems.put_store_in(&Cluster::shared().address());
    let mut leader = Replica::start(&systems, "0");
    for number in 1..=3 {
        let next = Replica::start(&systems, &number.to_string());
        until("the first sync is under way", || systems.traffic().2 >= 100 * number || have(&systems, 800)).await;
        signal(&leader.process, "-KILL");
        until("the next one leads", || next.says("daemon.started")).await;
        leader = next;
    }
    until("both sides have all", || have(&systems, 800)).await;
    signal(&leader.process, "-TERM");
    assert_eq!(wait(leader.process).await, 0);
    assert_ends_well(&systems, 800).await;
}

/// A way to a server on this machine that can be cut: then nothing passes any more, and neither end is told.
struct Wire {
    port: u16,
    passes: watch::Sender<bool>,
}

impl Wire {
    async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (passes, passing) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let passing = passing.clone();
                tokio::spawn(async move {
                    let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                    tokio::join!(carry(from_client, to_server, passing.clone()), carry(from_server, to_client, passing));
                });
            }
        });
        Self { port, passes }
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut passes: watch::Receiver<bool>) {
    let mut piece = [0; 8_192];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        if passes.wait_for(|passes| *passes).await.is_err() || to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}

/// A leader that is cut off from the server in the middle of its writes: another one takes over, and it does no harm when the wire is
/// mended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_cut_off_from_the_server_is_replaced_and_stands_by_when_it_is_back() {
    if !Cluster::is_possible() {
        return;
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let cluster = Cluster::start_on(port);
    let wire = Wire::to(port).await;
    let systems = Systems::of(150, 150, 150).await;
    let address = cluster.address();
    let direct = format!("postgres://leadsync@127.0.0.1:{port}/postgres");
    systems.put_store_in(&Address { url: direct.clone(), ..address });
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    write_slowly(&systems);
    let text = std::fs::read_to_string(&systems.configuration).unwrap();
    let by_wire = systems.folder.path().join("by-wire.toml");
    std::fs::write(&by_wire, text.replace(&format!(":{port}/"), &format!(":{}/", wire.port))).unwrap();

    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    let first = Replica::start_under(&by_wire, &systems, "first");
    until("the first leads", || first.says("daemon.started")).await;
    title_all(&systems, "From Salesforce");
    let arrived = || operate.leads().iter().filter(|lead| lead["jobtitle"] == json!("From Salesforce")).count();
    until("it writes", || arrived() >= 30).await;
    wire.passes.send_replace(false);
    let second = Replica::start(&systems, "second");
    until("the second leads", || second.says("daemon.started")).await;
    until("it writes the rest", || arrived() == 150).await;
    for lead in operate.leads() {
        operate.edit(&lead["leadid"].to_string(), &json!({ "jobtitle": "From Operate" })).unwrap();
    }
    until("what people said last is on both sides", || {
        salesforce.leads().iter().all(|lead| lead["Title"] == json!("From Operate"))
    })
    .await;
    wire.passes.send_replace(true);
    until("the first one learns that it was replaced", || first.says("lease.lost")).await;
    until("and stands by", || first.says("lease.waiting")).await;
    assert_eq!(arrived(), 0, "an old word was written");
    // It is of use again.
    signal(&second.process, "-TERM");
    assert_eq!(wait(second.process).await, 0);
    until("the first leads again", || said(&first.log).matches("daemon.started").count() == 2).await;
    until("it works", edit_both(&systems, "Edited under the first")).await;
    signal(&first.process, "-TERM");
    assert_eq!(wait(first.process).await, 0);
    assert_ends_well(&systems, 150).await;
}
