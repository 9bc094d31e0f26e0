//! `docs/operations.md`: every question's answer is run, against a daemon with something of everything, and answers.

use serde_json::json;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use crate::ops::{address, configure, get};
use crate::program::{ShowLog, log, run, signal, start, until, wait};
use crate::systems::Systems;

const PAGE: &str = include_str!("../../docs/operations.md");

/// A question: its first words, the language of the answer, the answer.
fn answers() -> Vec<(String, String, String)> {
    let (_, questions) = PAGE.split_once("## Questions").unwrap();
    let mut answers = Vec::new();
    let (mut question, mut lines) = (String::new(), questions.lines());
    while let Some(line) = lines.next() {
        if let Some(asked) = line.strip_prefix("**") {
            asked.split("**").next().unwrap().clone_into(&mut question);
        }
        if let Some(language) = line.strip_prefix("```") {
            let answer: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            answers.push((question.clone(), language.to_owned(), answer.join("\n")));
        }
        if line.starts_with("## ") {
            break;
        }
    }
    answers
}

#[tokio::test]
async fn every_question_of_an_operator_is_answered() {
    let answers = answers();
    assert!(answers.len() >= 20, "{}", answers.len());
    let systems = Systems::of(20, 18, 18).await;
    run(&systems, &["once"]).await;
    let _show = ShowLog(log(&systems));
    configure(&systems, "[sync]\n", "[sync]\nconflict = \"manual\"\n");
    let store = leadsync::store::Store::open_existing(&systems.config().store).await.unwrap();
    let (ours, theirs) = store.pair_in_step(1).await.unwrap().unwrap();
    let other = store.pair_in_step(5).await.unwrap().unwrap();
    let bad = json!({ "leadname": "Bad Ltd", "lastname": "Bad", "email": "bad(at)example", "location": "Hub City", "leadsource": "Website" });
    systems.sandbox.operate().create(&bad).unwrap();
    systems.sandbox.operate().edit(&ours, &json!({ "phone": "020 7946 0001" })).unwrap();
    systems.sandbox.salesforce().edit(&theirs, &json!({ "Phone": "020 7946 0002" })).unwrap();
    systems.sandbox.operate().edit(&other.0, &json!({ "jobtitle": "Head of Workplace" })).unwrap();
    let daemon = start(&systems);
    let served = || address(&log(&systems));
    until("it serves", || served().is_some()).await;
    configure(&systems, "listen = \"127.0.0.1:0\"", &format!("listen = \"{}\"", served().unwrap()));
    let logged = |words: &str| std::fs::read_to_string(log(&systems)).unwrap().matches(words).count();
    until("one is parked, one is written", || logged("push.parked") > 0 && logged("push.done") > 0).await;
    for _ in 0..500 {
        if !store.open_conflicts().await.unwrap().is_empty() && get(&served().unwrap(), "/readyz").await.0 == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let conflict = store.open_conflicts().await.unwrap()[0].conflict_id.to_string();
    let email = systems.sandbox.operate().lead(&ours).unwrap()["email"].as_str().unwrap().to_lowercase();
    let options = SqliteConnectOptions::new().filename(store.file().unwrap()).read_only(true);
    let pool = SqlitePoolOptions::new().connect_with(options).await.unwrap();

    // What has rows only when something went wrong, or is waiting at this very moment.
    let may_be_empty = ["What waits to be written", "Why did cycles fail", "Who won conflicts"];
    for (question, language, answer) in answers {
        let answer = answer.replace("OPERATE_ID", &ours).replace("EMAIL", &email).replace("CONFLICT_ID", &conflict);
        if language == "sql" {
            let rows = sqlx::query(sqlx::AssertSqlSafe(answer)).fetch_all(&pool).await;
            let rows = rows.unwrap_or_else(|error| panic!("{question}: {error}")).len();
            assert!(rows > 0 || may_be_empty.iter().any(|start| question.starts_with(start)), "{question}: no row");
        } else {
            let arguments: Vec<&str> = answer.strip_prefix("leadsync ").unwrap().split(' ').collect();
            let (status, said, errors) = run(&systems, &arguments).await;
            assert!(matches!(status, 0 | 3), "{question}: {status} {errors}");
            assert!(!said.is_empty(), "{question}");
        }
    }
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
}
