//! Where each key of the file stands, for what is found about it later, when the file's text is no longer at hand.

use std::collections::BTreeMap;
use std::fmt;

use super::document::Document;
use super::layers::Overrides;

/// Keys and their lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// By key, such as `operate.timezone` or `fields[2].values`; lines count from 1.
    keys: BTreeMap<String, usize>,
    /// By a field's name, the key of its table: `fields[2]`.
    fields: BTreeMap<String, String>,
    /// By key, the environment variable that gave it.
    variables: BTreeMap<String, String>,
}

/// Where a key's value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of the file, from 1. For a key that is left out: the line of the table in which it would be.
    Line(usize),
    /// An environment variable.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

impl Lines {
    /// Those of a parsed file, under these variables.
    pub(super) fn of(document: &Document<'_>, overrides: &Overrides) -> Self {
        let (keys, fields) = document.keys();
        let given = keys.keys().cloned().chain(super::keys::settable());
        let variables = given.filter_map(|key| Some((key.clone(), overrides.variable(&key)?.to_owned()))).collect();
        Self { keys, fields, variables }
    }

    /// The key of a field's table, by the field's name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// Where a key stands, or would stand. `None`: not even its section is in the file.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<Origin> {
        if let Some(name) = self.variables.get(key) {
            return Some(Origin::Variable(name.clone()));
        }
        let mut key = key;
        loop {
            if let Some(line) = self.keys.get(key) {
                return Some(Origin::Line(*line));
            }
            key = key.get(..key.rfind(['.', '['])?)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, Origin};

    const TEXT: &str = r#"[operate]
base_url = "https://operate.example"
auth = { client_id = "a", client_secret = "env:SECRET" }
[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "a", client_secret = "env:SECRET" }
[sync]
match = [["email"]]
[[fields]]
name = "email"
operate = "email"
salesforce = "Email"
[[fields]]
name = "title"
operate = "jobtitle"
salesforce = "Title"
"#;

    #[test]
    fn a_key_has_its_line_a_missing_one_that_of_its_table_and_an_overridden_one_its_variable() {
        let env =
            [("SECRET", "s"), ("LEADSYNC__OPERATE__TIMEZONE", "UTC")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let lines = Config::from_text(TEXT, "leadsync.toml", env).unwrap().lines;
        let line = |key: &str| match lines.origin(key) {
            Some(Origin::Line(line)) => line,
            _ => 0,
        };
        assert_eq!((line("sync.match"), line("operate.auth.client_id"), line("sync.delete")), (8, 3, 7));
        let title = lines.field("title").unwrap();
        assert_eq!((title, line(&format!("{title}.salesforce")), line(&format!("{title}.values"))), ("fields[1]", 16, 13));
        assert_eq!(lines.origin("operate.timezone"), Some(Origin::Variable("LEADSYNC__OPERATE__TIMEZONE".to_owned())));
        assert_eq!(lines.origin("schedule.poll"), None);
    }
}
