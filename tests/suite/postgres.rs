//! A store in PostgreSQL: what is said when it cannot be had, what becomes of work when it goes, and moving into it and back.

use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use chrono::Utc;
use futures_util::future::join_all;
use leadsync::store::{Actor, Address, Candidate, CopyError, Hold, Store, StoreError};
use serde_json::json;
use tempfile::TempDir;

use crate::cluster::{Cluster, execute, rows};
use crate::hardship::disk::Disk;
use crate::hardship::{assert_ends_well, edit_both, have};
use crate::program::{ShowLog, log, run, signal, start, until, wait};
use crate::systems::Systems;

fn secret_of(address: &Address, from: &str, to: &str) -> Address {
    Address { url: address.url.replace(from, to), ..address.clone() }
}

#[tokio::test]
async fn a_store_that_cannot_be_had_is_told_with_its_reason_and_advice() {
    if !Cluster::is_possible() {
        return;
    }
    let cluster = Cluster::shared();
    let there = cluster.address();
    let nobody = secret_of(&there, "/postgres?", "/nowhere?");
    let error = Store::open(&nobody).await.unwrap_err().to_string();
    assert!(error.contains("database \"nowhere\" does not exist") && error.contains("make the database"), "{error}");
    assert!(error.starts_with("the store postgres://"), "{error}");
    let stranger = secret_of(&there, "leadsync@", "stranger:hunter2@");
    let error = Store::open(&stranger).await.unwrap_err().to_string();
    assert!(error.contains("role \"stranger\" does not exist") && error.contains("store.password"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    let elsewhere = Address::from("postgres://leadsync:hunter2@127.0.0.1:1/postgres");
    let error = Store::open(&elsewhere).await.unwrap_err();
    assert!(error.is_passing(), "{error}");
    let error = error.to_string();
    assert!(error.contains("refused") && error.contains("see that the server runs") && !error.contains("hunter2"), "{error}");
    let error = Store::open_existing(&there).await.unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }) && error.to_string().contains(&there.schema), "{error}");
    // A user who may not make a schema.
    execute(&there, "CREATE ROLE guest LOGIN").await;
    let error = Store::open(&secret_of(&there, "leadsync@", "guest@")).await.unwrap_err().to_string();
    assert!(error.contains("permission denied") && error.contains("docs/scale.md"), "{error}");
}

#[tokio::test]
async fn a_schema_of_a_newer_version_is_refused_and_left_alone() {
    if !Cluster::is_possible() {
        return;
    }
    let address = Cluster::shared().address();
    Store::open(&address).await.unwrap().close().await;
    execute(&address, "INSERT INTO _sqlx_migrations VALUES (9999, 'later', now(), true, '', 0)").await;
    for error in [Store::open(&address).await.unwrap_err(), Store::open_existing(&address).await.unwrap_err()] {
        assert!(error.to_string().contains("written by a newer version of leadsync"), "{error}");
    }
}

#[tokio::test]
async fn a_second_program_waits_its_turn_and_is_told_who_works() {
    if !Cluster::is_possible() {
        return;
    }
    let address = Cluster::shared().address();
    let hold = Hold::take(&address).await.unwrap();
    let error = Candidate::for_store(&address).try_to_take().await.unwrap_err().to_string();
    assert!(error.contains(&format!("process {} since 2", std::process::id())), "{error}");
    hold.give_back().await;
    Candidate::for_store(&address).try_to_take().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_replicas_that_start_at_the_same_moment_one_leads_and_the_others_wait() {
    if !Cluster::is_possible() {
        return;
    }
    let address = Cluster::shared().address();
    let starting = (0..8).map(|_| {
        let mut candidate = Candidate::for_store(&address);
        tokio::spawn(async move { candidate.try_to_take().await })
    });
    let (mut holds, mut waiting) = (Vec::new(), 0);
    for taken in join_all(starting).await {
        match taken.unwrap() {
            Ok(hold) => holds.push(hold),
            Err(StoreError::Held { .. }) => waiting += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((holds.len(), waiting), (1, 7));
}

/// Whoever was stopped for so long that another one took over can keep nothing, and may send nothing.
#[tokio::test]
async fn who_was_replaced_keeps_nothing_and_sends_nothing() {
    if !Cluster::is_possible() {
        return;
    }
    let address = Cluster::shared().address();
    let first = Hold::take(&address).await.unwrap();
    let store = Store::open_held(&address, &first).await.unwrap();
    assert!(first.permit().holds() && store.permit().holds());
    store.pause(Actor::Command, Utc::now()).await.unwrap();
    let lost = first.lost();
    // The server's clock says nothing of it, whoever sets that.
    let mut candidate = Candidate::for_store(&address);
    execute(&address, "UPDATE lease SET renewed_at = now() - interval '1 hour'").await;
    assert!(candidate.try_to_take().await.is_err());
    // As if it had been seen for long without a renewal.
    execute(&address, "UPDATE lease SET holder = ''").await;
    let second = Hold::take(&address).await.unwrap();
    let error = store.resume(true, Actor::Command, Utc::now()).await.unwrap_err();
    assert!(matches!(error, StoreError::TakenOver { .. }), "{error}");
    lost.cancelled().await;
    assert!(!store.permit().holds());
    let new = Store::open_held(&address, &second).await.unwrap();
    assert!(new.stops().await.unwrap().paused.is_some(), "what was refused was kept");
    new.resume(true, Actor::Command, Utc::now()).await.unwrap();
    // What people say by commands goes to whoever leads.
    Store::open_existing(&address).await.unwrap().pause(Actor::Command, Utc::now()).await.unwrap();
    assert!(new.stops().await.unwrap().paused.is_some());
    let leader = new.leader(Utc::now()).await.unwrap().unwrap();
    assert!(leader.is_there && leader.holder.ends_with(&format!("process {}", std::process::id())), "{leader:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_crashes_and_comes_back_costs_time_and_nothing_else() {
    if !Cluster::is_possible() {
        return;
    }
    let cluster = Cluster::start(&[]);
    let systems = Systems::of(600, 400, 200).await;
    systems.put_store_in(&cluster.address());
    let _shown = ShowLog(log(&systems));
    let daemon = start(&systems);
    for (writes, mode) in [(100, "immediate"), (250, "fast"), (400, "immediate")] {
        until("the first sync is under way", || systems.traffic().2 >= writes).await;
        cluster.stop(mode);
        cluster.serve(&[]);
    }
    until("both sides have all", || have(&systems, 800)).await;
    until("it polls", edit_both(&systems, "Edited before the stop")).await;
    cluster.stop("fast");
    let arrived = edit_both(&systems, "Edited while the server was away");
    cluster.serve(&[]);
    until("edits from meanwhile arrive", &arrived).await;
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
    assert_ends_well(&systems, 800).await;
}

/// The server dies in the middle of the first sync, and another one that has all its commits takes its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_fails_over_to_another_costs_time_and_nothing_else() {
    if !Cluster::is_possible() {
        return;
    }
    let first = Cluster::start(&[]);
    let second = first.follow();
    let systems = Systems::of(600, 400, 200).await;
    let (way, next) = (systems.folder.path().join("server"), systems.folder.path().join("next"));
    symlink(first.folder(), &way).unwrap();
    let address = first.address();
    // A commit counts once the other one has it.
    for sql in ["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"] {
        execute(&address, sql).await;
    }
    let url = address.url.replace(&first.folder().display().to_string(), &way.display().to_string());
    systems.put_store_in(&Address { url, ..address });
    let _shown = ShowLog(log(&systems));
    let daemon = start(&systems);
    until("the first sync is under way", || systems.traffic().2 >= 200).await;
    first.stop("immediate");
    assert!(!have(&systems, 800), "it was in the middle");
    second.promote();
    symlink(second.folder(), &next).unwrap();
    std::fs::rename(&next, &way).unwrap();
    until("both sides have all", || have(&systems, 800)).await;
    until("it polls", edit_both(&systems, "Edited under the second server")).await;
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
    assert_ends_well(&systems, 800).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_starts_before_its_server_waits_for_it() {
    if !Cluster::is_possible() {
        return;
    }
    let cluster = Cluster::start(&[]);
    let systems = Systems::of(5, 5, 5).await;
    systems.put_store_in(&cluster.address());
    cluster.stop("fast");
    let _shown = ShowLog(log(&systems));
    let daemon = start(&systems);
    until("it says what it waits for", || std::fs::read_to_string(log(&systems)).unwrap().contains("lease.waiting")).await;
    cluster.serve(&[]);
    until("it polls", edit_both(&systems, "Edited after the start")).await;
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
}

/// Rows of leads that were read without an index, and by one. (`once` counts links by their state at its end.)
async fn rows_read(address: &Address) -> (i64, i64) {
    let sql = "SELECT sum(seq_tup_read) || ' ' || sum(idx_tup_fetch) FROM pg_stat_user_tables
               WHERE schemaname = current_schema() AND relname IN ('lead_state', 'lead_values', 'lead_key')";
    let counts = rows(address, sql).await;
    let (scanned, fetched) = counts[0].split_once(' ').unwrap();
    (scanned.parse().unwrap(), fetched.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_linking_reads_each_lead_a_few_times() {
    if !Cluster::is_possible() {
        return;
    }
    let systems = Systems::of(6_000, 6_000, 6_000).await;
    let address = Cluster::shared().address();
    systems.put_store_in(&address);
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    let (scanned, fetched) = rows_read(&address).await;
    assert!(scanned + fetched < 30 * 12_000, "{scanned} and {fetched} rows for 12,000 leads");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cycle_reads_no_table_whole_that_grows() {
    if !Cluster::is_possible() {
        return;
    }
    let systems = Systems::of(2_000, 2_000, 2_000).await;
    let address = Cluster::shared().address();
    systems.put_store_in(&address);
    for _ in 0..2 {
        assert_eq!(run(&systems, &["once"]).await.0, 0);
    }
    execute(&address, "ANALYZE").await;
    let (before, _) = rows_read(&address).await;
    for _ in 0..3 {
        let (status, said, _) = run(&systems, &["once"]).await;
        assert!(status == 0 && said.contains("0 write(s)"), "{said}");
    }
    let read = rows_read(&address).await.0 - before;
    assert!(read < 1_000, "{read} rows");
}

/// Takes all the space that a disk has left.
fn fill(filler: &Path) {
    let mut file = std::fs::File::create(filler).unwrap();
    for size in [64 * 1_024, 512] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_disk_fills_up_costs_time_and_nothing_else() {
    if !Cluster::is_possible() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let place = folder.path().join("disk");
    let Some(_disk) = Disk::mount(&place, 128 * 1_024) else {
        return eprintln!("not tested: no disk can be mounted here");
    };
    let cluster = Cluster::start_in(&place);
    let systems = Systems::of(600, 400, 200).await;
    systems.put_store_in(&cluster.address());
    let _shown = ShowLog(log(&systems));
    let daemon = start(&systems);
    until("the first sync is under way", || systems.traffic().2 >= 100).await;
    let filler = place.join("filler");
    fill(&filler);
    let said = || std::fs::read_to_string(log(&systems)).unwrap();
    until("the daemon says so", || said().contains("cycle.failed")).await;
    std::fs::remove_file(filler).unwrap();
    // Where not even its log finds space, the server stops.
    if !cluster.answers() {
        cluster.serve(&[]);
    }
    until("both sides have all", || have(&systems, 800)).await;
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
    assert_ends_well(&systems, 800).await;
}

/// Everything that a store holds, a text a row.
async fn contents(address: &Address) -> Vec<String> {
    let mut all = Vec::new();
    for sql in [
        "SELECT concat_ws('|', link_id, operate_id, salesforce_id, state, origin, base, reason, created_at, updated_at, words) FROM link ORDER BY link_id",
        "SELECT concat_ws('|', push_id, link_id, side, kind, fields, before, base, state, due_at, done_at, initial, mapping_id) FROM push ORDER BY push_id",
        "SELECT concat_ws('|', side, lead_id, link_id, modified_at, changed_at, external_id, converted, seen_at, dirty) FROM lead_state ORDER BY side, lead_id",
        "SELECT concat_ws('|', side, lead_id, fields) FROM lead_values ORDER BY side, lead_id",
        "SELECT concat_ws('|', cycle_id, started_at, seen, pushed, requests_operate) FROM cycle ORDER BY cycle_id",
        "SELECT concat_ws('|', name, value) FROM fact ORDER BY name",
        "SELECT concat_ws('|', side, modified_at, lead_id, polled_at) FROM checkpoint ORDER BY side",
    ] {
        all.extend(rows(address, sql).await);
    }
    all
}

#[tokio::test]
async fn an_installation_moves_into_postgres_and_back_and_writes_nothing_because_of_it() {
    if !Cluster::is_possible() {
        return;
    }
    let systems = Systems::of(700, 500, 300).await;
    let file = systems.config().store;
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    let server = Cluster::shared().address();
    let url = format!("{}&schema={}", server.url, server.schema);
    let (status, said, errors) = run(&systems, &["store", "copy", "--from", &file.url, "--to", &url]).await;
    assert!(status == 0 && said.contains("900 links, 1800 leads"), "{said}{errors}");
    assert_eq!(contents(&file).await, contents(&server).await);

    systems.put_store_in(&server);
    let before = systems.traffic().2;
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    assert_eq!(systems.traffic().2, before, "a move writes nothing");
    systems
        .sandbox
        .operate()
        .edit(&systems.sandbox.operate().leads()[0]["leadid"].to_string(), &json!({ "jobtitle": "Moved" }))
        .unwrap();
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    systems.assert_in_step(900);
    let (status, said, errors) = run(&systems, &["plan"]).await;
    assert_eq!((status, said.as_str()), (0, "0 write(s) planned; nothing was written\n"), "{errors}");

    let again = Address::from(format!("sqlite:{}", systems.folder.path().join("again.db").display()).as_str());
    let (status, said, errors) = run(&systems, &["store", "copy", "--from", &url, "--to", &again.url]).await;
    assert_eq!(status, 0, "{said}{errors}");
    assert_eq!(contents(&server).await, contents(&again).await);
    // Numbers are never given twice.
    let mut numbers = Vec::new();
    for address in [&server, &again] {
        let store = Store::open(address).await.unwrap();
        store.pause(Actor::Command, Utc::now()).await.unwrap();
        numbers.push(rows(address, "SELECT CAST(max(audit_id) AS TEXT) FROM audit").await);
    }
    assert_eq!(numbers[0], numbers[1]);
    let (status, _, errors) = run(&systems, &["store", "copy", "--from", &file.url, "--to", &again.url]).await;
    assert!(status == 2 && errors.contains("holds leads already"), "{errors}");
}

#[tokio::test]
async fn a_copy_that_breaks_off_leaves_nothing() {
    if !Cluster::is_possible() {
        return;
    }
    let systems = Systems::of(50, 50, 50).await;
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    let (from, to) = (Store::open_existing(&systems.config().store).await.unwrap(), Cluster::shared().address());
    let target = Store::open(&to).await.unwrap();
    target.on_commit(|| false).await.unwrap();
    assert!(matches!(from.copy_into(&target).await.unwrap_err(), CopyError::Store(_)));
    assert_eq!(rows(&to, "SELECT lead_id FROM lead_state").await, [""; 0]);
    target.on_commit(|| true).await.unwrap();
    from.copy_into(&target).await.unwrap();
    assert_eq!(rows(&to, "SELECT lead_id FROM lead_state").await.len(), 100);
}

/// A certificate of an authority of one's own, and what the server needs.
fn certificates(folder: &Path) {
    let openssl = |arguments: &str| {
        let made = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
        assert!(made.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&made.stderr));
    };
    openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem");
    openssl("req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr");
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost").unwrap();
    openssl("x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.crt");
}

#[tokio::test]
async fn a_server_is_trusted_by_an_authority_of_ones_own() {
    if !Cluster::is_possible() {
        return;
    }
    let folder = TempDir::new().unwrap();
    certificates(folder.path());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let cluster = Cluster::start_with_certificate(folder.path(), port);
    let authority = folder.path().join("ca.pem");
    let url = |parameters: &str| format!("postgres://leadsync@localhost:{port}/postgres?{parameters}");
    let trusted = url(&format!("sslmode=verify-full&sslrootcert={}", authority.display()));
    Store::open(trusted.as_str()).await.unwrap().close().await;
    let used = rows(&Address::from(trusted.as_str()), "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").await;
    assert_eq!(used, ["TLSv1.3"]);
    let error = Store::open(url("sslmode=verify-full").as_str()).await.unwrap_err().to_string();
    assert!(error.contains("certificate") && error.contains("sslrootcert"), "{error}");
    drop(cluster);
}
