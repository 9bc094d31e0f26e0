//! `docs/logging.md` names every event, and no other; the log of a daemon is what it says.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::program::{log, program, run, signal, start_with, until, wait};
use crate::systems::Systems;

fn sources(folder: &Path, texts: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, texts);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            texts.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

/// `a.b`, and nothing else.
fn is_event(text: &str) -> bool {
    text.split_once('.').is_some_and(|(area, what)| {
        let is_word = |word: &str| !word.is_empty() && word.chars().all(|each| each.is_ascii_lowercase() || each == '_');
        is_word(area) && is_word(what)
    })
}

/// What stands in double quotes.
fn literals(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

/// The events of the source: what stands in quotes within a macro of `tracing`, or is handed on to one as `event`.
fn events() -> BTreeSet<String> {
    let mut texts = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut texts);
    let mut events = BTreeSet::new();
    for text in &texts {
        let starts = ["tracing::", "failed(\""].iter().flat_map(|start| text.match_indices(start));
        for (start, _) in starts {
            let call = &text[start..];
            let end = call.find(");").or_else(|| call.find(")\n")).unwrap_or(call.len());
            let end = call[end..].find('\n').map_or(call.len(), |more| end + more);
            events.extend(literals(&call[..end]).filter(|text| is_event(text)).map(str::to_owned));
        }
    }
    events
}

#[test]
fn every_event_is_documented_and_no_other() {
    let page = include_str!("../../docs/logging.md");
    let (_, table) = page.split_once("## Events").unwrap();
    let named = |line: &str| line.split('|').nth(1).map(str::to_owned);
    let cells: Vec<String> = table.lines().filter_map(named).collect();
    let documented: BTreeSet<String> = cells
        .iter()
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter(|text| is_event(text))
        .map(str::to_owned)
        .collect();
    let events = events();
    assert!(events.len() > 40, "{events:?}");
    assert_eq!(events.difference(&documented).collect::<Vec<_>>(), Vec::<&String>::new(), "not documented");
    assert_eq!(documented.difference(&events).collect::<Vec<_>>(), Vec::<&String>::new(), "documented, and there is none");
}

#[tokio::test]
async fn a_daemons_log_is_one_json_object_a_line_without_a_value_of_a_lead() {
    let systems = Systems::of(12, 8, 4).await;
    let daemon = start_with(program(&systems.configuration, &["--log-format", "json", "-vv", "run"]), &log(&systems));
    until("all leads are in step", || systems.sandbox.operate().leads().len() == 16).await;
    until("a quiet cycle", || std::fs::read_to_string(log(&systems)).unwrap().matches("cycle.done").count() > 2).await;
    signal(&daemon, "-TERM");
    wait(daemon).await;
    let log = std::fs::read_to_string(log(&systems)).unwrap();
    let lines: Vec<Json> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ours = lines.iter().filter(|line| line["target"].as_str().is_some_and(|target| target.starts_with("leadsync")));
    let known = events();
    for line in ours {
        assert!(known.contains(line["message"].as_str().unwrap()), "{line}");
        assert!(line["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')) && line["level"].is_string(), "{line}");
    }
    for lead in systems.sandbox.operate().leads() {
        for field in ["email", "lastname", "phone", "leadname"] {
            let value = lead[field].as_str().unwrap_or_default();
            assert!(value.len() < 5 || !log.contains(value), "{field} {value:?} is in the log");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_configuration_is_in_the_log_of_machines() {
    let systems = Systems::of(1, 1, 1).await;
    let secret = std::fs::read_to_string(systems.folder.path().join("operate-secret")).unwrap();
    systems.configure("file:operate-secret", &secret);
    let daemon = start_with(program(&systems.configuration, &["--log-format", "json", "run"]), &log(&systems));
    until("the daemon started", || std::fs::read_to_string(log(&systems)).unwrap().contains("daemon.started")).await;
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
    let written = std::fs::read_to_string(log(&systems)).unwrap();
    let first: Json = serde_json::from_str(written.lines().next().unwrap()).unwrap();
    assert_eq!((&first["message"], &first["key"]), (&json!("config.warning"), &json!("operate.auth.client_secret")), "{first}");
    assert!(!written.contains(&secret), "the secret is in the log");

    systems.configure("[operate]\n", "[operate]\nsetle = \"1s\"\n");
    let (status, said, errors) = run(&systems, &["--log-format", "json", "run"]).await;
    assert_eq!((status, said.as_str()), (2, ""), "{errors}");
    let failed: Json = serde_json::from_str(&errors).unwrap();
    assert!(
        failed["message"] == json!("daemon.failed") && failed["error"].as_str().unwrap().contains("operate.setle"),
        "{failed}"
    );
}
