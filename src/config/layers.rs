//! The layers: the file, and over it the environment variables `LEADSYNC__SECTION__KEY`, merged by the `config` crate.
//!
//! Only variables that name a key that the environment can set get that far: any other would silently put a text where the
//! file has a table.

use std::collections::BTreeMap;

use config::{Environment, FileFormat, Map, Source, Value};

use super::finding::{Finding, Place, Severity};
use super::keys;

/// What a variable's name starts with, in any case.
const PREFIX: &str = "LEADSYNC__";
/// What stands between the parts of a variable's name.
const SEPARATOR: &str = "__";

/// The variables that set a key.
#[derive(Default)]
pub(super) struct Overrides {
    /// By the dotted key, the name as it was spelt and the value.
    by_key: BTreeMap<String, (String, String)>,
}

impl Overrides {
    /// Sorts the variables that set a key from those that try to and cannot.
    pub(super) fn select(env: &BTreeMap<String, String>) -> (Self, Vec<Finding>) {
        let (mut overrides, mut findings) = (Self::default(), Vec::new());
        for (name, value) in env {
            let Some(key) = key_of(name) else { continue };
            if let Err((problem, help)) = settable(&key) {
                findings.push(finding(name, problem, help));
            } else if let Some((other, _)) = overrides.by_key.get(&key) {
                findings.push(finding(
                    name,
                    format!("{other} sets the same key"),
                    "unset one of the two: case makes no difference".to_owned(),
                ));
            } else {
                overrides.by_key.insert(key, (name.clone(), value.clone()));
            }
        }
        (overrides, findings)
    }

    /// The variable that sets this key.
    pub(super) fn variable(&self, key: &str) -> Option<&str> {
        self.by_key.get(key).map(|(name, _)| name.as_str())
    }

    /// The file under the environment.
    pub(super) fn merge(&self, text: &str) -> Result<Map<String, Value>, config::ConfigError> {
        let variables = self.by_key.values().cloned().collect();
        config::Config::builder()
            .add_source(config::File::from_str(text, FileFormat::Toml))
            .add_source(Environment::with_prefix("LEADSYNC").separator(SEPARATOR).source(Some(variables)))
            .build()?
            .collect()
    }
}

/// The dotted key that a variable's name stands for.
fn key_of(name: &str) -> Option<String> {
    let (prefix, rest) = name.split_at_checked(PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PREFIX).then(|| rest.to_lowercase().replace(SEPARATOR, "."))
}

/// The variable's name for a dotted key.
fn name_of(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', SEPARATOR))
}

/// Whether the environment can set this key, or what is wrong and what to do.
fn settable(key: &str) -> Result<(), (String, String)> {
    let known: Vec<String> = keys::settable().collect();
    if known.iter().any(|each| each == key) {
        return Ok(());
    }
    if let Some(list) = keys::lists().find(|list| key == list || key.starts_with(&format!("{list}."))) {
        let shown = if list == "fields" { "[[fields]]" } else { list.as_str() };
        return Err((
            format!("{shown} cannot be set by an environment variable"),
            "unset the variable and write the list in the file; variables set single values".to_owned(),
        ));
    }
    if keys::is_section(key) {
        return Err((
            format!("[{key}] is a section, and a variable sets a single key"),
            format!(
                "add the key, as in {}",
                known.iter().find(|each| each.starts_with(key)).map_or_else(String::new, |each| name_of(each))
            ),
        ));
    }
    let help = keys::nearest(key, &known).map_or_else(
        || format!("unset it; variables are named {PREFIX}SECTION__KEY, as in {}", name_of("store.url")),
        |near| format!("did you mean {}?", name_of(near)),
    );
    Err(("no key of this name is known".to_owned(), help))
}

fn finding(name: &str, problem: String, help: String) -> Finding {
    Finding { severity: Severity::Error, key: String::new(), problem, help, place: Place::Variable(keys::printable(name)) }
}
