//! What must hold of a configuration, whatever stands in it.

use std::collections::BTreeMap;

use super::{Config, Excerpt, Finding, Place};
use crate::mapping::Mapping;

/// The value of the variable `SECRET`, which is set in every case.
const SECRET: &str = "s3cr3t-of-a-variable";
/// The most characters of a line that a finding shows, blots and all.
const SHOWN: usize = 400;
/// The keys of secrets.
const KEYS: [&str; 7] = ["client_secret", "operate_hook", "password", "private_key", "refresh_token", "token", "webhook"];

/// A file, with lines such as `# env LEADSYNC__STORE__URL=sqlite:other.db` for the environment. It is a configuration of which a mapping
/// can be made, or there is something wrong with it, at a place that is in it; and no secret is in what is said.
pub(crate) fn toml(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut env = BTreeMap::from([("SECRET".to_owned(), SECRET.to_owned())]);
    let set = text.lines().filter_map(|line| line.strip_prefix("# env ")?.split_once('='));
    env.extend(set.map(|(name, value)| (name.to_owned(), value.to_owned())));
    // A secret is read from any file that is named. A test reads none.
    if text.contains("file:") {
        return;
    }
    let findings = match Config::from_text(&text, "fuzz.toml", env.clone()) {
        Ok(loaded) => {
            let _ = Mapping::build(&loaded.config);
            loaded.warnings
        }
        Err(error) => {
            assert!(!error.findings.is_empty());
            error.findings
        }
    };
    let secrets = secrets(&text, &env);
    let lines: Vec<&str> = text.split('\n').collect();
    for finding in &findings {
        is_in_text(finding, &lines);
        let said = finding.to_string();
        assert!(!finding.problem.is_empty() && !finding.help.is_empty(), "{said}");
        assert!(!said.chars().any(|each| each.is_control() && each != '\n'), "{said:?}");
        let told = secrets.iter().find(|secret| said.contains(secret.as_str()));
        assert!(told.is_none(), "{told:?} is told: {said}");
    }
}

fn is_in_text(finding: &Finding, lines: &[&str]) {
    let Place::Line { line, column, excerpt, .. } = &finding.place else { return };
    let shown = line.checked_sub(1).and_then(|line| lines.get(line));
    assert!(shown.is_some_and(|shown| (1..=shown.chars().count() + 1).contains(column)), "{finding}");
    if let Some(Excerpt { text, indent, width }) = excerpt {
        let length = text.chars().count();
        assert!(length <= SHOWN && *indent <= length && *width >= 1 && indent + width <= length.max(*indent + 1), "{finding}");
    }
}

/// The secrets that stand in no other place than where a secret belongs.
fn secrets(text: &str, env: &BTreeMap<String, String>) -> Vec<String> {
    let mut secrets = vec![SECRET.to_owned()];
    collect(&text.parse().unwrap_or_default(), &mut secrets);
    let is_secret = |name: &str| KEYS.iter().any(|key| name.to_lowercase().ends_with(&format!("__{key}")));
    secrets.extend(env.iter().filter(|(name, _)| is_secret(name)).map(|(_, value)| value.clone()));
    secrets.retain(|secret| secret.len() >= 8 && !secret.starts_with("env:") && text.matches(secret.as_str()).count() <= 1);
    secrets
}

fn collect(table: &toml::Table, secrets: &mut Vec<String>) {
    for (key, value) in table {
        match value {
            toml::Value::String(text) if KEYS.contains(&key.as_str()) => secrets.push(text.clone()),
            toml::Value::Table(inner) => collect(inner, secrets),
            _ => {}
        }
    }
}
