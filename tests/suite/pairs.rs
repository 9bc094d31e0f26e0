//! Many pairs of systems in one process, and several processes that share them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use leadsync::sandbox::Fault;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::cluster::{Cluster, execute};
use crate::hardship::{assert_ends_well, edit_both, have};
use crate::program::{Running, ShowLog, program, run, run_with, signal, start_with, until, wait};
use crate::systems::Systems;

/// Pairs, and the folder that their configurations are in.
struct Fleet {
    folder: TempDir,
    pairs: Vec<(&'static str, Systems)>,
}

impl Fleet {
    /// Of so many leads each, with a store each in a file.
    async fn of(names: &[&'static str], leads: usize) -> Self {
        let mut fleet = Self { folder: TempDir::new().unwrap(), pairs: Vec::new() };
        for name in names {
            let systems = Systems::of(leads, leads, leads).await;
            fleet.pairs.push((name, systems));
            fleet.write(name);
        }
        fleet
    }

    /// The same with a schema each.
    async fn in_postgres(names: &[&'static str], leads: usize, cluster: &Cluster) -> Self {
        let fleet = Self::of(names, leads).await;
        let url = cluster.address().url;
        for (name, systems) in &fleet.pairs {
            // The schema's name says nothing of the pair's.
            systems.put_store_in(&leadsync::store::Address { url: url.clone(), ..cluster.address() });
            fleet.write(name);
        }
        fleet
    }

    fn pair(&self, name: &str) -> &Systems {
        &self.pairs.iter().find(|(known, _)| *known == name).unwrap().1
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.toml"))
    }

    /// Writes a pair's configuration into the folder.
    fn write(&self, name: &str) {
        let systems = self.pair(name);
        let text = std::fs::read_to_string(&systems.configuration).unwrap();
        std::fs::write(self.file(name), text.replace("file:", &format!("file:{}/", systems.folder.path().display()))).unwrap();
    }

    fn start(&self, name: &str) -> Replica {
        let log = self.folder.path().join(name);
        Replica { process: start_with(serving(self.folder.path()), &log), _shown: ShowLog(log.clone()), log }
    }

    /// Edits of each pair arrive.
    async fn assert_works(&self, word: &str) {
        for (name, systems) in &self.pairs {
            until(&format!("{name} works"), edit_both(systems, word)).await;
        }
    }

    async fn assert_end_well(&self, leads: usize) {
        for (_, systems) in &self.pairs {
            assert_ends_well(systems, leads).await;
        }
    }
}

/// The program with all configurations of this folder.
fn serving(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leadsync"));
    command.args(["run", "--config-dir"]).arg(folder).env_remove("LEADSYNC_LOG");
    command
}

struct Replica {
    process: Running,
    log: PathBuf,
    _shown: ShowLog,
}

impl Replica {
    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn says(&self, words: &[&str]) -> bool {
        self.said().lines().any(|line| words.iter().all(|word| line.contains(word)))
    }

    /// Which pairs it leads, by its log.
    fn leads(&self, fleet: &Fleet) -> Vec<&'static str> {
        let said = self.said();
        let last = |name: &str| {
            let mut of_pair = said.lines().filter(|line| line.contains(&format!("pair{{pair=\"{name}\"}}")));
            of_pair.rfind(|line| line.contains("daemon.started") || line.contains("daemon.stopped"))
        };
        let leads = |name: &&'static str| last(name).is_some_and(|line| line.contains("daemon.started"));
        fleet.pairs.iter().map(|(name, _)| *name).filter(leads).collect()
    }

    /// What it answers, and with which status.
    async fn asked(&self, path: &str) -> (u16, String) {
        let said = self.said();
        let port = said.split("127.0.0.1:").nth(1).unwrap().split(|each: char| !each.is_ascii_digit()).next().unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(format!("http://127.0.0.1:{port}{path}")).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn end(self) {
        signal(&self.process, "-TERM");
        assert_eq!(wait(self.process).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_share_the_pairs_among_them_whoever_comes_or_goes() {
    if !Cluster::is_possible() {
        return;
    }
    let fleet = Fleet::in_postgres(&["amber", "blue", "coral", "dune"], 12, Cluster::shared()).await;
    let all = |replica: &Replica, count: usize| replica.leads(&fleet).len() == count;
    let first = fleet.start("first");
    until("the first leads all", || all(&first, 4)).await;
    let began = Instant::now();
    let second = fleet.start("second");
    until("they share them", || all(&first, 2) && all(&second, 2)).await;
    eprintln!("shared {:.1} s after the second started", began.elapsed().as_secs_f64());
    fleet.assert_works("Edited under two").await;
    assert_eq!(first.said().matches("daemon.stopped").count(), 2, "no more than was needed");
    let began = Instant::now();
    signal(&first.process, "-KILL");
    until("the second leads all", || all(&second, 4)).await;
    let after_kill = began.elapsed();
    let third = fleet.start("third");
    until("they share them again", || all(&second, 2) && all(&third, 2)).await;
    fleet.assert_works("Edited under the others").await;
    let began = Instant::now();
    signal(&second.process, "-TERM");
    until("the third leads all", || all(&third, 4)).await;
    let after_term = began.elapsed();
    assert_eq!(wait(second.process).await, 0);
    eprintln!("took over {:.1} s after SIGTERM, {:.1} s after SIGKILL", after_term.as_secs_f64(), after_kill.as_secs_f64());
    assert!(after_term < Duration::from_secs(4), "{after_term:?}");
    assert!(after_kill < Duration::from_secs(10), "{after_kill:?}");
    third.end().await;
    fleet.assert_end_well(12).await;
}

/// One pair's system is down, one is paused, one has a flood of changes, one does not answer: the last one does not notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trouble_of_one_pair_is_not_that_of_another() {
    let fleet = Fleet::of(&["calm", "down", "flooded", "paused", "silent"], 40).await;
    for name in ["down", "silent"] {
        let fault = Fault { times: 0, ..Fault::on("any") };
        let fault =
            if name == "down" { Fault { status: Some(503), ..fault } } else { Fault { latency_ms: Some(600_000), ..fault } };
        fleet.pair(name).sandbox.operate().fault(fault).unwrap();
    }
    fleet.pair("flooded").configure("[sync]\n", "[sync]\nmax_change = \"off\"\n");
    fleet.write("flooded");
    let replica = fleet.start("log");
    let calm = fleet.pair("calm");
    until("the calm one is in step", || have(calm, 40) && replica.says(&["pair=\"calm\"", "daemon.started"])).await;
    until("it works", edit_both(calm, "Edited at first")).await;
    let (status, _, errors) = run(fleet.pair("paused"), &["pause"]).await;
    assert_eq!(status, 0, "{errors}");
    let _arrived = edit_both(fleet.pair("paused"), "Edited while it was paused");
    let flooded = fleet.pair("flooded").sandbox.operate().clone();
    let company = |number: usize| json!({ "leadname": format!("Flood {number}"), "lastname": "Flood", "email": format!("{number}@flood.example"), "location": "Hub City", "leadsource": "Walk-in" });
    for number in 0..3_000 {
        flooded.create(&company(number)).unwrap();
    }
    until("the flood has begun", || fleet.pair("flooded").sandbox.salesforce().leads().len() > 100).await;
    let began = Instant::now();
    for turn in 0..5 {
        until("the calm one works", edit_both(calm, &format!("Edited in the flood, {turn}"))).await;
    }
    let took = began.elapsed() / 5;
    eprintln!("an edit took {:.1} s in the midst of that", took.as_secs_f64());
    assert!(took < Duration::from_secs(5), "{took:?}");
    until("the outage is told", || replica.says(&["pair=\"down\"", "cycle.failed"])).await;
    replica.end().await;
    assert_ends_well(calm, 40).await;
    let (status, said, _) = run(fleet.pair("paused"), &["status"]).await;
    assert!(status == 0 && said.contains("paused"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pairs_come_go_and_change_with_their_files() {
    let fleet = Fleet::of(&["first", "second", "third"], 10).await;
    let third = std::fs::read_to_string(fleet.file("third")).unwrap();
    std::fs::remove_file(fleet.file("third")).unwrap();
    let second = std::fs::read_to_string(fleet.file("second")).unwrap();
    std::fs::write(fleet.file("second"), second.replace("[schedule]", "[schedul]")).unwrap();
    std::fs::write(fleet.file("of nobody"), &second).unwrap();
    let replica = fleet.start("log");
    until("the first is led", || replica.leads(&fleet) == ["first"]).await;
    assert!(replica.says(&["pair.refused", "pair=\"second\"", "schedul", "no key of this name is known"]), "{}", replica.said());
    assert!(replica.says(&["pair.nameless", "of nobody.toml"]));

    let (status, report) = replica.asked("/readyz").await;
    let report: Json = serde_json::from_str(&report).unwrap();
    assert_eq!((status, &report["leads"], &report["fails"]), (200, &json!(1), &json!(1)), "{report}");
    assert!(report["troubled"]["second"].as_str().unwrap().contains("schedul"), "{report}");
    let (status, page) = replica.asked("/").await;
    assert!(status == 200 && page.contains("href=\"/pairs/first/\"") && page.contains("second"), "{page}");
    let (status, page) = replica.asked("/pairs/first/").await;
    assert!(status == 200 && page.contains("href=\"/pairs/first/parked\""), "{page}");
    let mut health = Command::new(env!("CARGO_BIN_EXE_leadsync"));
    health.args(["health", "--config-dir"]).arg(fleet.folder.path());
    let (status, _, errors) = run_with(health).await;
    assert!(status == 2 && errors.contains("port 0"), "{status} {errors}");

    // The second is mended, the third comes, and a copy of the first wants its store.
    std::fs::write(fleet.file("second"), &second).unwrap();
    std::fs::write(fleet.file("third"), &third).unwrap();
    std::fs::copy(fleet.file("first"), fleet.file("twin")).unwrap();
    signal(&replica.process, "-HUP");
    until("all are led", || replica.leads(&fleet) == ["first", "second", "third"]).await;
    assert!(replica.says(&["pair.refused", "pair=\"twin\"", "is the store of first.toml as well"]), "{}", replica.said());
    until("the first has read its file again", || replica.says(&["pair=\"first\"", "daemon.reloaded"])).await;
    until("the third works", edit_both(fleet.pair("third"), "Edited")).await;

    // The second goes, the third gets another store, the first cannot be read any more.
    std::fs::remove_file(fleet.file("second")).unwrap();
    std::fs::write(fleet.file("third"), third.replace("leadsync.db", "another.db")).unwrap();
    let first = std::fs::read_to_string(fleet.file("first")).unwrap();
    std::fs::write(fleet.file("first"), first.replace("[[fields]]", "[[field]]")).unwrap();
    signal(&replica.process, "-HUP");
    until("the second is not led any more", || replica.leads(&fleet) == ["first", "third"]).await;
    let another = fleet.pair("third").folder.path().join("another.db");
    until("the third has the other store", || another.exists()).await;
    // What is edited before its leads are linked anew is a difference of which nobody knows who made it.
    let has_swept = || {
        let said = replica.said();
        let of_third = said.lines().rev().filter(|line| line.contains("pair{pair=\"third\"}"));
        of_third.take_while(|line| !line.contains("daemon.st")).filter(|line| line.contains("sweep.complete")).count() == 2
    };
    until("the third has looked at everything", has_swept).await;
    until("the first goes on", edit_both(fleet.pair("first"), "Edited under the old configuration")).await;
    until("the third goes on", edit_both(fleet.pair("third"), "Edited with another store")).await;
    assert_eq!(replica.asked("/pairs/second/").await.0, 404);
    replica.end().await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_refused_with_the_reason() {
    let folder = TempDir::new().unwrap();
    let (status, _, errors) = run_with(serving(&folder.path().join("nowhere"))).await;
    assert!(status == 2 && errors.starts_with("error: the folder of the configurations cannot be read"), "{status} {errors}");
    std::fs::write(folder.path().join("notes.txt"), "").unwrap();
    let (status, _, errors) = run_with(serving(folder.path())).await;
    assert!(status == 2 && errors.contains("there is no configuration in this folder"), "{status} {errors}");
    for name in ["a.toml", "b.toml"] {
        std::fs::write(folder.path().join(name), "[store]\nurl = 7\n").unwrap();
    }
    let (status, _, errors) = run_with(serving(folder.path())).await;
    assert!(status == 2 && errors.contains("a.toml:2:") && errors.contains("b.toml:2:"), "{status} {errors}");
    let mut both = program(&folder.path().join("a.toml"), &["run", "--config-dir"]);
    both.arg(folder.path());
    let (status, _, errors) = run_with(both).await;
    assert!(status == 2 && errors.contains("--config names one pair, and --config-dir many"), "{status} {errors}");
}

#[tokio::test]
async fn every_pair_of_a_folder_is_checked_whatever_is_wrong_with_others() {
    let fleet = Fleet::of(&["fine", "odd", "wrong"], 3).await;
    let check = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leadsync"));
        command.args(["check", "--config-dir"]).arg(fleet.folder.path()).args(more);
        command
    };
    let (status, said, errors) = run_with(check(&[])).await;
    assert_eq!((status, errors.as_str()), (0, ""), "{said}");
    assert_eq!(said.matches("ok       salesforce: signed in").count(), 3, "{said}");

    let rewrite = |name: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(fleet.file(name)).unwrap();
        assert!(text.contains(from));
        std::fs::write(fleet.file(name), text.replacen(from, to, 1)).unwrap();
    };
    rewrite("odd", "salesforce = \"Title\"", "salesforce = \"Tilte\"");
    let (status, said, errors) = run_with(check(&[])).await;
    assert_eq!((status, errors.as_str()), (3, ""), "{said}");
    assert!(said.contains("Lead has no field Tilte") && said.contains("odd.toml:"), "{said}");
    rewrite("wrong", "[schedule]", "[schedul]");
    std::fs::copy(fleet.file("fine"), fleet.file("twin")).unwrap();
    let (status, said, errors) = run_with(check(&["--json"])).await;
    assert_eq!(status, 2);
    assert!(errors.contains("wrong.toml:") && errors.contains("no key of this name is known"), "{errors}");
    assert!(errors.contains("is the store of fine.toml as well"), "{errors}");
    let said: Json = serde_json::from_str(&said).unwrap();
    let pairs: Vec<_> =
        said["pairs"].as_array().unwrap().iter().map(|pair| (&pair["pair"], pair["findings"].is_array())).collect();
    assert_eq!(pairs, [(&json!("fine"), true), (&json!("odd"), true)]);
}

/// Somebody locks the lease of one pair: that one is lost, and the others are renewed as ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_is_locked_is_lost_alone() {
    if !Cluster::is_possible() {
        return;
    }
    let fleet = Fleet::in_postgres(&["free", "locked"], 10, Cluster::shared()).await;
    let replica = fleet.start("log");
    until("both are led", || replica.leads(&fleet).len() == 2).await;
    let address = fleet.pair("locked").config().store;
    execute(&address, "BEGIN; LOCK TABLE lease IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(9); ROLLBACK").await;
    until("the locked one is lost", || replica.says(&["lease.lost"])).await;
    until("it is led again", || replica.leads(&fleet).len() == 2).await;
    let said = replica.said();
    let lost: Vec<&str> = said.lines().filter(|line| line.contains("lease.lost")).collect();
    assert!(lost.iter().all(|line| line.contains("pair=\"locked\"")), "{lost:?}");
    assert_eq!(lost.len(), 1);
    fleet.assert_works("Edited afterwards").await;
    replica.end().await;
    fleet.assert_end_well(10).await;
}
