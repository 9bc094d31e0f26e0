//! What keeps an installation well for years: backups, links out and in, repair, and what is old goes.

use std::path::{Path, PathBuf};

use chrono::{TimeDelta, Utc};
use leadsync::lead::Side;
use leadsync::store::{Observation, PRUNE, Store, stamp};
use serde_json::{Value as Json, json};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tempfile::TempDir;

use crate::program::{ShowLog, log, run, signal, start, until, wait};
use crate::systems::Systems;

fn store_of(systems: &Systems) -> PathBuf {
    systems.folder.path().join("leadsync.db")
}

/// As the documentation says: the backup in the place of the store, and nothing of the old one beside it.
fn restore(systems: &Systems, backup: &Path) {
    let store = store_of(systems);
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", store.display()));
    }
    std::fs::copy(backup, &store).unwrap();
}

async fn open(path: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap()
}

async fn number(path: &Path, sql: &'static str) -> i64 {
    let mut store = open(path).await;
    let number = sqlx::query_scalar(sql).fetch_one(&mut store).await.unwrap();
    store.close().await.unwrap();
    number
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_is_whole_and_goes_on_where_the_store_was() {
    let systems = Systems::of(600, 400, 200).await;
    let _shown = ShowLog(log(&systems));
    let backup = systems.folder.path().join("backup.db");
    let file = backup.to_str().unwrap();
    let daemon = start(&systems);
    until("it writes", || systems.traffic().2 > 150).await;
    let (status, said, errors) = run(&systems, &["backup", file]).await;
    assert_eq!(status, 0, "{said}{errors}");
    assert!(said.starts_with(file) && said.ends_with("bytes, checked\n"), "{said}");
    assert!(!systems.folder.path().join("backup.db.partial").exists());
    let (status, _, errors) = run(&systems, &["backup", file]).await;
    assert!(status == 2 && errors.contains("is there already: a backup replaces nothing"), "{errors}");
    until("both sides have all", || {
        systems.sandbox.salesforce().leads().len() == 800 && systems.sandbox.operate().leads().len() == 800
    })
    .await;
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
    assert_eq!(run(&systems, &["once"]).await.0, 0);

    restore(&systems, &backup);
    let (status, said, errors) = run(&systems, &["once"]).await;
    assert_eq!(status, 0, "{said}{errors}");
    systems.assert_in_step(800);
    let (status, said, _) = run(&systems, &["verify"]).await;
    assert_eq!((status, said.as_str()), (0, "800 pair(s) compared, 0 difference(s)\n"));
    assert_eq!(number(&store_of(&systems), "SELECT count(*) FROM link WHERE state <> 'in_step'").await, 0);
}

#[tokio::test]
async fn an_old_backup_is_caught_up_with_and_nothing_is_made_twice() {
    let systems = Systems::of(20, 20, 10).await;
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    // At the time of the backup a create waits for each side.
    let lead = |name: &str| {
        json!({ "leadname": name, "lastname": name, "email": format!("{name}@later.example"), "location": "Hub City",
                "leadsource": "Website", "leadstatus": "New" })
    };
    let theirs = |name: &str| {
        json!({ "Company": name, "LastName": name, "Email": format!("{name}@later.example"), "Status": "Open - Not Contacted",
                "LeadSource": "Web" })
    };
    run(&systems, &["pause"]).await;
    operate.create(&lead("first")).unwrap();
    salesforce.create(&theirs("second")).unwrap();
    assert_eq!(run(&systems, &["once"]).await.0, 3);
    let backup = systems.folder.path().join("old.db");
    let (status, said, _) = run(&systems, &["backup", "--json", backup.to_str().unwrap()]).await;
    let said: Json = serde_json::from_str(&said).unwrap();
    assert_eq!((status, &said["links"]), (0, &json!(32)));
    run(&systems, &["resume"]).await;
    operate.create(&lead("third")).unwrap();
    salesforce.create(&theirs("fourth")).unwrap();
    for round in 0..3 {
        let id = operate.leads()[round]["leadid"].to_string();
        operate.edit(&id, &json!({ "jobtitle": format!("Keeper {round}") })).unwrap();
        assert_eq!(run(&systems, &["once"]).await.0, 0);
    }
    systems.assert_in_step(34);

    restore(&systems, &backup);
    run(&systems, &["resume"]).await;
    let (status, said, errors) = run(&systems, &["once"]).await;
    assert_eq!(status, 0, "{said}{errors}");
    systems.assert_in_step(34);
    let (status, said, _) = run(&systems, &["verify"]).await;
    assert_eq!((status, said.as_str()), (0, "34 pair(s) compared, 0 difference(s)\n"));
    let (_, said, _) = run(&systems, &["once", "--json"]).await;
    assert_eq!(serde_json::from_str::<Json>(&said).unwrap()["pushed"], json!(0));
}

#[tokio::test]
async fn links_go_out_and_come_into_a_new_store() {
    let systems = Systems::of(12, 9, 6).await;
    run(&systems, &["once"]).await;
    let (status, table, errors) = run(&systems, &["export"]).await;
    assert_eq!((status, errors.as_str(), table.lines().count()), (0, "", 16));
    assert!(table.starts_with("operate_id,salesforce_id,state,reason,created_at,updated_at\n"), "{table}");
    let file = systems.folder.path().join("links.csv");
    let file = file.to_str().unwrap();
    assert_eq!(run(&systems, &["export", "--to", file]).await.0, 0);
    assert_eq!(run(&systems, &["export", "--to", file]).await.0, 2, "it replaces nothing");
    assert_eq!(std::fs::read_to_string(file).unwrap(), table);

    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", store_of(&systems).display()));
    }
    let (status, said, _) = run(&systems, &["import", file, "--dry-run"]).await;
    assert!(status == 0 && said.starts_with("15 pair(s) would be linked; nothing was changed"), "{said}");
    let (status, said, _) = run(&systems, &["import", file]).await;
    assert!(status == 0 && said.starts_with("15 pair(s) linked"), "{said}");
    let (status, said, errors) = run(&systems, &["once"]).await;
    assert_eq!(status, 0, "{said}{errors}");
    systems.assert_in_step(15);

    let ours = table.lines().nth(1).unwrap().split(',').next().unwrap();
    std::fs::write(
        file,
        format!("Salesforce_Id,note,OPERATE_ID\n00Q000000000001AAA,x,{ours}\n00Q000000000002AAA,y,4711\n,z,5\n"),
    )
    .unwrap();
    let (status, said, errors) = run(&systems, &["import", file]).await;
    assert_eq!((status, errors.as_str()), (3, "2 line(s) refused: nothing was changed\n"), "{said}");
    assert!(said.contains(&format!("links.csv:2: Operate lead {ours} is linked with ")), "{said}");
    assert!(said.contains("links.csv:3: no Operate lead 4711 was ever seen"), "{said}");
    std::fs::write(file, "a,b\n1,2\n").unwrap();
    let (status, _, errors) = run(&systems, &["import", file]).await;
    assert!(status == 2 && errors.contains("operate_id and salesforce_id among them; it names: a, b"), "{errors}");
}

#[tokio::test]
async fn verify_finds_what_no_poll_sees_and_has_the_running_daemon_mend_it() {
    let systems = Systems::of(15, 15, 15).await;
    run(&systems, &["once"]).await;
    let salesforce = systems.sandbox.salesforce();
    let theirs = salesforce.leads()[4]["Id"].as_str().unwrap().to_owned();
    let ours = salesforce.lead(&theirs).unwrap()["Operate_Lead_Id__c"].clone();
    let long_ago = Utc::now() - TimeDelta::days(2);
    salesforce.edit_at(&theirs, &json!({ "Phone": "020 7946 0777" }), Some(long_ago)).unwrap();
    run(&systems, &["once"]).await;
    assert_eq!(run(&systems, &["verify"]).await.0, 3);
    let daemon = start(&systems);
    let (status, said, errors) = run(&systems, &["verify", "--repair"]).await;
    assert_eq!(status, 3, "{said}{errors}");
    assert!(said.contains("differ in phone\n") && said.contains("2 lead(s) are read again by the next cycle"), "{said}");
    until("it is mended", || {
        let lead = systems.sandbox.operate().leads().into_iter().find(|lead| lead["phone"] == json!("020 7946 0777"));
        lead.is_some_and(|lead| ours.is_null() || ours == json!(lead["leadid"].to_string()))
    })
    .await;
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
    let (status, said, _) = run(&systems, &["verify"]).await;
    assert_eq!(status, 0, "{said}");
    let (_, said, _) = run(&systems, &["show", &theirs]).await;
    assert!(said.contains("  repair by command: verify found a difference\n"), "{said}");
}

#[tokio::test]
async fn two_leads_are_taken_apart_and_linked_by_command() {
    let systems = Systems::of(4, 4, 4).await;
    systems.configure("[sync]\n", "[sync]\ncreate = \"none\"\n");
    run(&systems, &["once"]).await;
    let store = Store::open_existing(&systems.config().store).await.unwrap();
    let (ours, theirs) = store.pair_in_step(1).await.unwrap().unwrap();
    let (status, said, _) = run(&systems, &["unlink", &ours, "--dry-run", "--json"]).await;
    let said: Json = serde_json::from_str(&said).unwrap();
    assert_eq!((status, &said["taken_apart"][0]["salesforce_id"], &said["dry_run"]), (0, &json!(theirs), &json!(true)));
    let (status, said, _) = run(&systems, &["unlink", &ours]).await;
    assert!(status == 0 && said.starts_with(&format!("operate {ours} and salesforce {theirs} are no longer linked\n")), "{said}");
    systems.sandbox.operate().edit(&ours, &json!({ "jobtitle": "Nobody" })).unwrap();
    let (status, _, errors) = run(&systems, &["once"]).await;
    assert_eq!(status, 0, "{errors}");
    assert_ne!(systems.sandbox.salesforce().lead(&theirs).unwrap()["Title"], json!("Nobody"));
    let (_, said, _) = run(&systems, &["status"]).await;
    assert!(said.contains("links       3 in_step, 1 unlinked"), "{said}");
    let (status, _, errors) = run(&systems, &["unlink", "4711"]).await;
    assert!(status == 1 && errors.contains("no lead with id 4711 has a link"), "{errors}");
    let (status, said, _) = run(&systems, &["relink", &ours, &theirs]).await;
    assert!(status == 0 && said.contains("are linked; the next cycle compares them as at first"), "{said}");
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    assert_eq!(systems.sandbox.salesforce().lead(&theirs).unwrap()["Title"], json!("Nobody"));
    systems.assert_in_step(4);
}

/// A store with so many settled writes, cycles and conflicts from long ago, and some of today.
async fn aged(path: &Path, rows: i64) {
    let (old, new) = (stamp(Utc::now() - TimeDelta::days(800)), stamp(Utc::now()));
    let mut store = open(path).await;
    for sql in [
        "INSERT INTO link (link_id, operate_id, state, origin, created_at, updated_at) VALUES (1, '1', 'in_step', 'match', ?1, ?2),
             (2, '2', 'converted', 'match', ?1, ?2)",
        "INSERT INTO push (link_id, side, kind, fields, before, base, state, due_at, created_at, done_at)
         SELECT 1, 'operate', 'update', '{\"phone\":\"1\"}', '{}', '{}', iif(n.value % 3, 'done', 'superseded'), ?1, ?1,
                iif(n.value % 10, ?1, ?2)
         FROM generate_series(1, ?3) n",
        "INSERT INTO conflict (link_id, field, rule, state, found_at, settled_at) SELECT 1 + n.value % 2, 'phone', 'newest', 'settled', ?1, ?1
         FROM generate_series(1, ?3 / 100) n",
        "INSERT INTO cycle (started_at, limit_salesforce) SELECT iif(n.value % 10, ?1, ?2), iif(n.value = 5, 100000, NULL)
         FROM generate_series(1, ?3) n",
        "INSERT INTO audit (at, actor, action) SELECT ?1, 'command', 'retry' FROM generate_series(1, ?3 / 100) n",
    ] {
        let series = "(WITH RECURSIVE s(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM s WHERE value < ";
        let sql = sql.replace("generate_series(1, ?3) n", &format!("{series}?3) SELECT value FROM s) n"));
        let sql = sql.replace("generate_series(1, ?3 / 100) n", &format!("{series}?3 / 100) SELECT value FROM s) n"));
        let query = sqlx::query(sqlx::AssertSqlSafe(sql.clone())).bind(&old).bind(&new);
        let query = if sql.contains("?3") { query.bind(rows) } else { query };
        query.execute(&mut store).await.unwrap();
    }
    // Something of today reverses a write of long ago.
    let undo = "INSERT INTO push (link_id, side, kind, fields, before, base, state, due_at, created_at, done_at, undoes)
        VALUES (1, 'operate', 'update', '{}', '{}', '{}', 'done', ?1, ?1, ?1, 7)";
    sqlx::query(undo).bind(&new).execute(&mut store).await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test]
async fn what_is_old_goes_in_small_steps_and_what_is_needed_stays() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("leads.db");
    let store = Store::open(&format!("sqlite:{}", path.display())).await.unwrap();
    aged(&path, 20_000).await;
    let pages = number(&path, "SELECT page_count FROM pragma_page_count()").await;
    let (history, cycles) = (Utc::now() - TimeDelta::days(730), Utc::now() - TimeDelta::days(35));
    let mut steps = 0;
    loop {
        let pruned = store.prune(Some(history), Some(cycles)).await.unwrap();
        assert!(pruned.rows <= 2_000, "{pruned:?}");
        // Others write between the steps.
        let seen = Observation {
            lead_id: steps.to_string(),
            modified_at: Utc::now(),
            fields: json!({ "phone": "1" }).to_string(),
            keys: Vec::new(),
            external_id: None,
            deleted: false,
            converted: false,
            master_id: None,
            filtered: false,
        };
        store.observe(Side::Operate, &[seen], None, Utc::now()).await.unwrap();
        steps += 1;
        if !pruned.more {
            break;
        }
    }
    assert!(steps >= 36, "{steps} steps");
    for (sql, left) in [
        ("SELECT count(*) FROM push", 2_002),
        ("SELECT count(*) FROM push WHERE push_id = 7", 1),
        ("SELECT count(*) FROM conflict", 1),
        ("SELECT count(*) FROM cycle", 2_001),
        ("SELECT count(*) FROM cycle WHERE limit_salesforce IS NOT NULL", 1),
        ("SELECT count(*) FROM audit", 0),
    ] {
        assert_eq!(number(&path, sql).await, left, "{sql}");
    }
    assert_eq!(store.prune(Some(history), Some(cycles)).await.unwrap().rows, 0);
    assert_eq!(store.prune(None, None).await.unwrap().rows, 0, "what is kept for good");
    // What went leaves room: a store that forgets as fast as it learns does not grow.
    let mut connection = open(&path).await;
    sqlx::query("DELETE FROM link WHERE link_id = 0").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let fill =
        "INSERT INTO cycle (started_at) SELECT ?1 FROM (WITH RECURSIVE s(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM s
        WHERE value < 10000) SELECT value FROM s)";
    let mut connection = open(&path).await;
    sqlx::query(fill).bind(stamp(Utc::now())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    assert!(number(&path, "SELECT page_count FROM pragma_page_count()").await <= pages + 20);
}

#[tokio::test]
async fn what_is_old_is_found_by_its_index() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("leads.db");
    Store::open(&format!("sqlite:{}", path.display())).await.unwrap().close().await;
    let mut connection = open(&path).await;
    for ((_, sql), index) in PRUNE.into_iter().zip(["push_by_end", "conflict_by_end", "audit_by_time", "cycle_by_start"]) {
        let explain = sqlx::query_as::<_, (i64, i64, i64, String)>(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")));
        let plan: Vec<String> =
            explain.bind("2020").bind(500).fetch_all(&mut connection).await.unwrap().into_iter().map(|(.., step)| step).collect();
        assert!(plan.iter().any(|step| step.contains(index)), "{index}: {plan:#?}");
        let scans: Vec<&String> = plan.iter().filter(|step| step.starts_with("SCAN") || step.contains("TEMP B-TREE")).collect();
        assert!(scans.iter().all(|step| step.as_str() == "SCAN cycle"), "{index}: {plan:#?}");
    }
}

#[tokio::test]
async fn the_daemon_forgets_what_is_old_while_it_works() {
    let systems = Systems::of(10, 10, 10).await;
    run(&systems, &["once"]).await;
    let path = store_of(&systems);
    let mut store = open(&path).await;
    let old = stamp(Utc::now() - TimeDelta::days(60));
    let fill =
        "INSERT INTO cycle (started_at) SELECT ?1 FROM (WITH RECURSIVE s(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM s
        WHERE value < 3000) SELECT value FROM s)";
    sqlx::query(fill).bind(old).execute(&mut store).await.unwrap();
    store.close().await.unwrap();
    let daemon = start(&systems);
    let mut left = 3_000;
    for _ in 0..600 {
        left = number(&path, "SELECT count(*) FROM cycle WHERE started_at < date('now', '-35 days')").await;
        if left == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(left, 0);
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
    assert_eq!(number(&path, "SELECT count(*) FROM audit WHERE actor = 'daemon' AND action = 'prune'").await, 1);
    systems.assert_in_step(10);
}
