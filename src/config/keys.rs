//! Every key that the file may hold, by section: what is unknown, which known key is meant, which environment variables
//! count, and which values may be shown in a message.

use std::fmt;

/// The sections and their keys. `fields` stands for every `[[fields]]` table. A section nested in another is a key of it.
const SECTIONS: &[(&str, &[&str])] = &[
    ("", &["store", "operate", "salesforce", "schedule", "sync", "ops", "fields"]),
    ("store", &["url"]),
    (
        "operate",
        &[
            "base_url",
            "timezone",
            "requests_per_second",
            "concurrency",
            "timeout",
            "auth",
            "endpoint",
            "envelope",
            "id_field",
            "modified_field",
            "created_field",
            "converted_field",
            "timestamp_format",
            "batch_size",
            "window",
            "external_id_field",
            "filter",
            "settle",
            "required_fields",
            "lookups",
        ],
    ),
    ("operate.lookups", &["id_field", "name_field", "email_field"]),
    ("operate.auth", &["grant", "client_id", "client_secret", "username", "password"]),
    (
        "salesforce",
        &[
            "login_url",
            "api_version",
            "auth",
            "external_id_field",
            "filter",
            "daily_request_share",
            "requests_per_second",
            "concurrency",
            "timeout",
            "duplicates",
            "auto_assign",
            "guarded_updates",
            "bulk_creates",
            "bulk_read",
        ],
    ),
    ("salesforce.auth", &["flow", "client_id", "client_secret", "username", "private_key", "audience", "refresh_token"]),
    ("schedule", &["poll", "sweep", "overlap"]),
    ("sync", &["create", "conflict", "delete", "match", "max_change", "max_delete", "converted"]),
    ("sync.converted", &["field", "operate", "salesforce"]),
    ("ops", &["listen"]),
    (
        "fields",
        &[
            "name",
            "operate",
            "salesforce",
            "direction",
            "conflict",
            "type",
            "default",
            "values",
            "lookup",
            "unknown",
            "empty",
            "transform",
            "expression",
        ],
    ),
    ("fields.default", &["operate", "salesforce"]),
    ("fields.transform", &["prefix", "suffix", "truncate", "phone", "country", "state", "number", "boolean", "date", "datetime"]),
    ("fields.transform.prefix", &["operate", "salesforce"]),
    ("fields.transform.suffix", &["operate", "salesforce"]),
    ("fields.transform.truncate", &["length", "mark"]),
    ("fields.transform.phone", &["country", "operate", "salesforce"]),
    ("fields.transform.country", &["operate", "salesforce"]),
    ("fields.transform.state", &["country", "operate", "salesforce"]),
    ("fields.transform.number", &["operate", "salesforce"]),
    ("fields.transform.number.operate", &["decimal", "group", "places", "prefix", "suffix"]),
    ("fields.transform.number.salesforce", &["decimal", "group", "places", "prefix", "suffix"]),
    ("fields.transform.boolean", &["operate", "salesforce"]),
    ("fields.transform.date", &["operate", "salesforce"]),
    ("fields.transform.datetime", &["operate", "salesforce", "zone"]),
];

/// Keys whose value is a secret: it appears in no message.
const SECRETS: &[&str] = &["client_secret", "password", "private_key", "refresh_token"];

/// The keys that no environment variable can set, because they hold lists.
pub(super) const LISTS: &[&str] = &["fields", "sync.match", "operate.required_fields"];

/// The keys of a section; none for a section that is not known. Indices are not part of the name.
pub(super) fn of_section(section: &str) -> &'static [&'static str] {
    SECTIONS.iter().find(|(name, _)| *name == section).map_or(&[], |(_, keys)| keys)
}

/// Whether the name is that of a section rather than of a value.
pub(super) fn is_section(name: &str) -> bool {
    SECTIONS.iter().any(|(section, _)| *section == name)
}

/// Every key that an environment variable can set, dotted.
pub(super) fn settable() -> impl Iterator<Item = String> {
    SECTIONS
        .iter()
        .filter(|(section, _)| !section.is_empty() && !section.starts_with("fields"))
        .flat_map(|(section, keys)| keys.iter().map(move |key| format!("{section}.{key}")))
        .filter(|key| !is_section(key) && !LISTS.contains(&key.as_str()))
}

/// The sections that have a key of this name.
pub(super) fn sections_with(key: &str) -> impl Iterator<Item = &'static str> {
    SECTIONS.iter().filter(move |(_, keys)| keys.contains(&key)).map(|(section, _)| *section)
}

/// Whether what stands under a key of this name may be shown. A misspelt key may be that of a secret.
pub(super) fn may_be_shown(key: &str) -> bool {
    !SECRETS.contains(&key) && sections_with(key).next().is_some()
}

/// Whether a text looks like an address that carries credentials.
pub(super) fn carries_credentials(text: &str) -> bool {
    text.contains(':') && text.contains('@')
}

/// The candidate that was probably meant, if one is near enough to be worth naming.
pub(super) fn nearest<'a, S: AsRef<str> + ?Sized + 'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a S>,
) -> Option<&'a str> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    // So many letters more or less are as many changes: a word that is far too long is not compared at all.
    let may_be_near = |candidate: &str| {
        let own = candidate.chars().count();
        own.abs_diff(length) <= (own / 3).max(2)
    };
    candidates
        .into_iter()
        .filter(|candidate| may_be_near(candidate.as_ref()))
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.as_ref().to_lowercase()), candidate.as_ref()))
        .filter(|(distance, candidate)| {
            *distance <= (candidate.chars().count() / 3).max(2) && *distance < candidate.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A key's place in the tree of tables and lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyPath(Vec<Step>);

/// One step down the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// To a key of a table.
    Key(String),
    /// To an element of a list, counted from 0.
    Index(usize),
}

impl KeyPath {
    /// The whole file.
    pub(super) const fn root() -> Self {
        Self(Vec::new())
    }

    /// Down to a key.
    pub(super) fn key(&self, key: &str) -> Self {
        self.step(Step::Key(key.to_owned()))
    }

    /// Down to an element.
    pub(super) fn index(&self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    fn step(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    /// The steps from the top.
    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// One step up; `None` at the top.
    pub(super) fn parent(&self) -> Option<Self> {
        self.0.split_last().map(|(_, above)| Self(above.to_vec()))
    }

    /// The name of the section: the keys alone, dotted.
    pub(super) fn section(&self) -> String {
        let keys: Vec<&str> =
            self.0.iter().filter_map(|step| if let Step::Key(key) = step { Some(key.as_str()) } else { None }).collect();
        keys.join(".")
    }

    /// The last key.
    pub(super) fn last_key(&self) -> &str {
        self.0.iter().rev().find_map(|step| if let Step::Key(key) = step { Some(key.as_str()) } else { None }).unwrap_or_default()
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => write!(f, "{}", printable(key))?,
                Step::Key(key) => write!(f, ".{}", printable(key))?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// The text without control characters, which would let a configuration write to the terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|each| {
            if each == '\t' {
                ' '
            } else if each.is_control() {
                '\u{fffd}'
            } else {
                each
            }
        })
        .collect()
}
