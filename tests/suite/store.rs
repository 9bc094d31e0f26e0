//! The store as a user meets it: made, held, refused, damaged, full.

use std::path::Path;

use chrono::{DateTime, Utc};
use leadsync::lead::Side;
use leadsync::side::Position;
use leadsync::store::{Actor, Hold, Observation, Store, StoreError};
use serde_json::json;
use sqlx::Connection as _;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tempfile::TempDir;

fn url(folder: &TempDir) -> String {
    format!("sqlite:{}", folder.path().join("leads.db").display())
}

fn lead(id: &str, second: i64, phone: &str) -> Observation {
    Observation {
        lead_id: id.to_owned(),
        modified_at: DateTime::from_timestamp(second, 0).unwrap(),
        fields: json!({ "phone": phone }).to_string(),
        keys: vec![Some(phone.to_owned())],
        external_id: None,
        deleted: false,
        converted: false,
        master_id: None,
        filtered: false,
    }
}

async fn scalar(path: &Path, sql: &'static str) -> String {
    let options = SqliteConnectOptions::new().filename(path);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap()
}

#[tokio::test]
async fn a_missing_store_is_made_for_the_daemon_and_reported_to_everybody_else() {
    let folder = TempDir::new().unwrap();
    let error = Store::open_existing(&url(&folder)).await.unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");
    Store::open(&url(&folder)).await.unwrap().close().await;
    Store::open_existing(&url(&folder)).await.unwrap();
}

#[tokio::test]
async fn a_second_daemon_is_told_who_has_the_store() {
    let folder = TempDir::new().unwrap();
    let hold = Hold::take(&url(&folder)).await.unwrap();
    let error = Hold::take(&url(&folder)).await.unwrap_err().to_string();
    assert!(error.contains(&format!("process {} since 2", std::process::id())), "{error}");
    drop(hold);
    Hold::take(&url(&folder)).await.unwrap();
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = Store::open(&url(&folder)).await.unwrap().file().unwrap().to_owned();
    let options = SqliteConnectOptions::new().filename(&path);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("UPDATE _sqlx_migrations SET version = 9999 WHERE version = (SELECT max(version) FROM _sqlx_migrations)")
        .execute(&pool)
        .await
        .unwrap();
    for error in [Store::open(&url(&folder)).await.unwrap_err(), Store::open_existing(&url(&folder)).await.unwrap_err()] {
        assert!(error.to_string().contains("newer version of leadsync (schema 9999)"), "{error}");
    }
}

/// A store as the version before `before` left it, with what these statements put into it.
async fn store_of_before(folder: &TempDir, before: i64, statements: &[&'static str]) {
    let options = SqliteConnectOptions::new().filename(folder.path().join("leads.db")).create_if_missing(true).foreign_keys(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let all = Migrator::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations")).await.unwrap();
    let earlier = all.iter().filter(|migration| migration.version < before).cloned().collect::<Vec<_>>();
    Migrator { migrations: earlier.into(), ..Migrator::DEFAULT }.run(&mut connection).await.unwrap();
    for &statement in statements {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

#[tokio::test]
async fn leads_of_a_store_that_held_their_values_beside_their_notes_are_kept() {
    let folder = TempDir::new().unwrap();
    let statements = [
        "INSERT INTO link (link_id, operate_id, salesforce_id, state, origin, created_at, updated_at)
         VALUES (7, '1', '00Q1', 'in_step', 'match', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z')",
        "INSERT INTO lead (side, lead_id, link_id, modified_at, changed_at, fields, seen_at, dirty, former)
         SELECT side, id, 7, '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', json_object('email', side || '@acme.example'),
                '2026-01-01T00:00:00.000Z', 0, '{\"mapping\":1}'
         FROM (SELECT 'operate' AS side, '1' AS id UNION ALL SELECT 'salesforce', '00Q1')",
    ];
    store_of_before(&folder, 7, &statements).await;
    let store = Store::open(&url(&folder)).await.unwrap();
    let link = store.show("1").await.unwrap().unwrap();
    for side in Side::BOTH {
        assert_eq!(link.leads.get(side).as_ref().unwrap().fields, json!({ "email": format!("{side}@acme.example") }));
    }
    let options = SqliteConnectOptions::new().filename(store.file().unwrap()).read_only(true);
    let mut reader = SqliteConnection::connect_with(&options).await.unwrap();
    let seen: Vec<(i64, bool, String)> =
        sqlx::query_as("SELECT link_id, dirty, former FROM lead").fetch_all(&mut reader).await.unwrap();
    assert_eq!(seen, vec![(7, false, "{\"mapping\":1}".to_owned()); 2]);
    let status: (String, String) =
        sqlx::query_as("SELECT operate_fields, salesforce_fields FROM lead_status").fetch_one(&mut reader).await.unwrap();
    assert_eq!(status.0, r#"{"email":"operate@acme.example"}"#);
    assert_eq!(status.1, r#"{"email":"salesforce@acme.example"}"#);
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("leads.db");
    let text = "this is a letter, and a long one at that. ".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let error = Store::open(&url(&folder)).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let error = Hold::take("sqlite:/nowhere/at/all/leads.db").await.unwrap_err().to_string();
    assert!(error.contains("/nowhere/at/all/leads.db.lock"), "{error}");
    let error = Store::open("sqlite:/nowhere/at/all/leads.db").await.unwrap_err().to_string();
    assert!(error.contains("/nowhere/at/all/leads.db"), "{error}");
}

#[tokio::test]
async fn a_full_store_says_so_and_keeps_what_was_committed() {
    let folder = TempDir::new().unwrap();
    let store = Store::open(&url(&folder)).await.unwrap();
    store.observe(Side::Operate, &[lead("1", 10, "kept")], None, Utc::now()).await.unwrap();
    store.limit_pages(60).await.unwrap();
    let big: Vec<_> = (2..200).map(|id| lead(&id.to_string(), 11, &"x".repeat(4000))).collect();
    let error = store.observe(Side::Operate, &big, None, Utc::now()).await.unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert!(store.show("1").await.unwrap().is_some());
    assert!(store.show("2").await.unwrap().is_none());
}

#[tokio::test]
async fn what_the_database_itself_rolled_back_holds_up_no_later_write() {
    let folder = TempDir::new().unwrap();
    let store = Store::open(&url(&folder)).await.unwrap();
    let mut commits = 0;
    store.on_commit(move || std::mem::replace(&mut commits, 1) > 0).await.unwrap();
    let error = store.pause(Actor::Command, Utc::now()).await.unwrap_err();
    assert!(error.to_string().contains("constraint"), "{error}");
    store.pause(Actor::Command, Utc::now()).await.unwrap();
    assert!(store.stops().await.unwrap().paused.is_some());
}

#[tokio::test]
async fn what_was_seen_before_costs_nothing_and_an_older_state_is_not_news() {
    let folder = TempDir::new().unwrap();
    let store = Store::open(&url(&folder)).await.unwrap();
    let now = Utc::now();
    assert_eq!(store.observe(Side::Operate, &[lead("1", 10, "a")], None, now).await.unwrap().changed, 1);
    assert_eq!(store.observe(Side::Operate, &[lead("1", 10, "a")], None, now).await.unwrap().changed, 0);
    assert_eq!(store.observe(Side::Operate, &[lead("1", 12, "a")], None, now).await.unwrap().changed, 0);
    assert_eq!(store.observe(Side::Operate, &[lead("1", 11, "old")], None, now).await.unwrap().changed, 0);
    assert_eq!(store.observe(Side::Operate, &[lead("1", 12, "b")], None, now).await.unwrap().changed, 1);
    assert_eq!(store.show("1").await.unwrap().unwrap().leads.operate.unwrap().fields, json!({ "phone": "b" }));
}

#[tokio::test]
async fn the_checkpoint_never_goes_back() {
    let folder = TempDir::new().unwrap();
    let store = Store::open(&url(&folder)).await.unwrap();
    let at = |second, id: &str| Position { modified_at: DateTime::from_timestamp(second, 0).unwrap(), id: id.to_owned() };
    for position in [at(10, "a"), at(9, "z")] {
        store.observe(Side::Salesforce, &[], Some(&position), Utc::now()).await.unwrap();
    }
    assert_eq!(store.checkpoint(Side::Salesforce).await.unwrap().position, Some(at(10, "a")));
    assert_eq!(store.checkpoint(Side::Operate).await.unwrap().position, None);
}

#[tokio::test]
async fn every_commit_reaches_the_disk_before_it_counts() {
    let folder = TempDir::new().unwrap();
    let store = Store::open(&url(&folder)).await.unwrap();
    assert_eq!(store.durability().await.unwrap(), ("wal".to_owned(), 2));
    assert_eq!(scalar(store.file().unwrap(), "PRAGMA journal_mode").await, "wal");
}
