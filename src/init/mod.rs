//! Makes a first configuration: from a connection, what a survey saw, and what is proposed.
//!
//! A secret is never part of it: only where it stands, a variable or a file, is asked for and written.

mod ask;
mod file;
mod text;

use std::collections::BTreeMap;
use std::path::Path;

pub use self::ask::{Asker, Choice};
pub use self::file::write;
pub use self::text::{configuration, quoted, skeleton};
use crate::config::{Config, ConfigError};

/// How both systems are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Operate's address.
    pub base_url: String,
    /// The workspace's time zone.
    pub timezone: String,
    /// The id of Operate's OAuth client.
    pub operate_client_id: String,
    /// Where its secret stands: `env:NAME` or `file:/path`.
    pub operate_secret: String,
    /// The org's address.
    pub login_url: String,
    /// The app's consumer key.
    pub salesforce_client_id: String,
    /// Where its secret stands.
    pub salesforce_secret: String,
}

/// Whether this says where a secret stands, and is none itself.
#[must_use]
pub fn is_reference(text: &str) -> bool {
    let variable = text.strip_prefix("env:").is_some_and(|name| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|each| each.is_ascii_alphanumeric() || each == '_')
    });
    variable || text.strip_prefix("file:").is_some_and(|path| !path.trim().is_empty())
}

impl Connection {
    /// A configuration that can sign in and does nothing else. `file` is where the real one will be: relative paths of secrets start
    /// there.
    pub fn draft(&self, file: &Path, env: &BTreeMap<String, String>) -> Result<Config, ConfigError> {
        let text = format!(
            r#"[operate]
{}
[salesforce]
{}
[sync]
match = []
[[fields]]
name = "email"
operate = "email"
salesforce = "Email"
"#,
            text::operate(self).map(|(_, line)| line).join("\n"),
            text::salesforce(self).map(|(_, line)| line).join("\n"),
        );
        Config::from_text(&text, file, env.clone()).map(|loaded| loaded.config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_taken_for_the_place_of_one() {
        for (text, expected) in [
            ("env:OPERATE_CLIENT_SECRET", true),
            ("file:/run/secrets/operate", true),
            ("env:", false),
            ("env:9f2-c1/ab", false),
            ("file: ", false),
            ("s3cr3t", false),
        ] {
            assert_eq!(is_reference(text), expected, "{text}");
        }
    }
}
