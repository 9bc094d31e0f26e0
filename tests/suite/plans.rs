//! How `SQLite` carries out what cycles ask of the store: nothing in their way may grow with the leads or with history.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

use crate::program::{program, run_with};
use crate::systems::Systems;

/// What holds a row for each lead, link, write, conflict or cycle that there ever was.
const GROWING: [&str; 9] = ["lead_state", "lead_values", "lead_key", "link", "push", "conflict", "cycle", "audit", "mapping"];
/// Indexes of what is still to be done, which is as much as changed since the last cycle.
const OF_WORK: [&str; 7] =
    ["lead_dirty", "lead_aside", "lead_merged", "push_by_state", "push_unsettled", "conflict_open", "link_not_in_step"];

/// Statements that may, each with the reason.
const WHOLE: [(&str, &str); 4] = [
    ("SELECT count(DISTINCT iif(kind <> 'create'", "the brake's share is one of all links; asked only where something is due"),
    ("SELECT state, count(*) FROM link GROUP BY state", "said to people at the end of `once`, and not asked by the daemon"),
    ("SELECT * FROM cycle ORDER BY cycle_id DESC LIMIT 1", "begins at the newest cycle and ends there"),
    (
        "SELECT usage_salesforce, limit_salesforce FROM cycle",
        "begins at the newest cycle and ends at the first that Salesforce answered",
    ),
];

#[tokio::test]
async fn no_statement_of_a_cycle_goes_through_a_whole_table() {
    let systems = Systems::of(30, 30, 20).await;
    systems.configure("[sync]\n", "[sync]\ndelete = \"propagate\"\nconflict = \"manual\"\n");
    let mut statements = BTreeSet::new();
    statements.extend(statements_of_once(&systems).await);
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    let leads = operate.leads();
    let ids: Vec<String> = leads.iter().map(|lead| lead["leadid"].to_string()).collect();
    let twin = |place: usize| {
        let twins = salesforce.leads();
        let twin = twins.iter().find(|twin| twin["Email"] == leads[place]["email"]).unwrap();
        twin["Id"].as_str().unwrap().to_owned()
    };
    // An edit, a conflict, a delete, a refused value.
    operate.edit(&ids[0], &json!({ "jobtitle": "Keeper" })).unwrap();
    operate.edit(&ids[1], &json!({ "jobtitle": "Smith" })).unwrap();
    salesforce.edit(&twin(1), &json!({ "Title": "Baker" })).unwrap();
    salesforce.delete(&twin(2)).unwrap();
    operate.edit(&ids[3], &json!({ "email": "no address" })).unwrap();
    for _ in 0..2 {
        statements.extend(statements_of_once(&systems).await);
    }
    assert!(statements.len() > 40, "{} statements", statements.len());

    let path = systems.config().store.place().unwrap().file().unwrap().to_owned();
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut store = SqliteConnection::connect_with(&options).await.unwrap();
    let (temporary, statements): (Vec<_>, Vec<_>) = statements.into_iter().partition(|text| text.starts_with("CREATE TEMP"));
    for table in temporary {
        sqlx::query(AssertSqlSafe(table)).execute(&mut store).await.unwrap();
    }
    let mut problems = Vec::new();
    for statement in &statements {
        if WHOLE.iter().any(|(begins, _)| statement.starts_with(begins)) {
            continue;
        }
        for row in sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"))).fetch_all(&mut store).await.unwrap() {
            let step: String = row.get("detail");
            if goes_through_all(&step) {
                problems.push(format!("{step}\n    in {statement}"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_scan_is_told_from_a_search_and_from_work() {
    for (step, expected) in [
        ("SCAN lead_state", true),
        ("SCAN l USING INDEX sqlite_autoindex_link_1", true),
        ("SCAN lead_state USING COVERING INDEX lead_dirty", false),
        ("SEARCH lead_state USING PRIMARY KEY (side=? AND lead_id=?)", false),
        ("SEARCH lead_state USING PRIMARY KEY (side=?)", true),
        ("SEARCH checkpoint USING PRIMARY KEY (side=?)", false),
        ("SCAN j VIRTUAL TABLE INDEX 1:", false),
        ("SCAN 200 CONSTANT ROWS", false),
        ("SCAN checkpoint", false),
    ] {
        assert_eq!(goes_through_all(step), expected, "{step}");
    }
}

/// Aliases in the store's statements are single letters, and `j`, `r` and `d` stand for lists and sub-queries.
fn goes_through_all(step: &str) -> bool {
    let scan = step.strip_prefix("SCAN ");
    let side = step.strip_prefix("SEARCH ").filter(|step| step.ends_with("USING PRIMARY KEY (side=?)"));
    let Some(rest) = scan.or(side) else { return false };
    let what = rest.split(' ').next().unwrap_or_default();
    let is_growing = GROWING.contains(&what) || (what.len() == 1 && !["j", "r", "d"].contains(&what));
    is_growing && !rest.contains("VIRTUAL TABLE") && !OF_WORK.iter().any(|index| rest.ends_with(index))
}

/// What `leadsync once` asks of its store, as it logs it.
async fn statements_of_once(systems: &Systems) -> Vec<String> {
    let mut once = program(&systems.configuration, &["--log-format", "json", "once"]);
    once.env("LEADSYNC_LOG", "sqlx=debug");
    let (_, _, log) = run_with(once).await;
    let statement = |line: &str| {
        let line: Json = serde_json::from_str(line).ok()?;
        let fields = line.get("fields").unwrap_or(&line);
        let whole = fields.get("db.statement").and_then(Json::as_str).map(str::trim).filter(|text| !text.is_empty());
        Some(whole.or_else(|| fields.get("summary").and_then(Json::as_str))?.to_owned())
    };
    let is_plain =
        |text: &String| ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "CREATE TEMP"].iter().any(|word| text.starts_with(word));
    let found: Vec<String> = log.lines().filter_map(statement).filter(is_plain).collect();
    assert!(!found.is_empty(), "{log}");
    found
}
