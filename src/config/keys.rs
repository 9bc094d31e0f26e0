//! Keys by name: what is unknown, which known key is meant, which environment variables count, and which values may be shown in
//! a message. All of it follows from the table of keys in `spec`.

use std::fmt;

use super::spec::{self, Form, Key};

/// The keys of a section; none for a section that is not known. Indices are not part of the name.
pub(super) fn of_section(section: &str) -> Vec<&'static str> {
    spec::section(section).map_or_else(Vec::new, |section| section.keys.iter().map(|key| key.name).collect())
}

/// Whether the name is that of a section rather than of a value.
pub(super) fn is_section(name: &str) -> bool {
    spec::section(name).is_some()
}

/// Every key of every section, dotted, with what is known of it.
fn all() -> impl Iterator<Item = (String, &'static Key)> {
    spec::sections().flat_map(|section| {
        let prefix = if section.name.is_empty() { String::new() } else { format!("{}.", section.name) };
        section.keys.iter().map(move |key| (format!("{prefix}{}", key.name), key))
    })
}

/// The keys that no environment variable can set, because they hold lists.
pub(super) fn lists() -> impl Iterator<Item = String> {
    all().filter(|(name, key)| key.form.is_list() && !name.starts_with("fields.")).map(|(name, _)| name)
}

/// Every key that an environment variable can set, dotted.
pub(super) fn settable() -> impl Iterator<Item = String> {
    all()
        .filter(|(name, key)| !key.form.is_list() && !key.form.is_section() && !name.starts_with("fields."))
        .map(|(name, _)| name)
}

/// The sections that have a key of this name.
pub(super) fn sections_with(key: &str) -> impl Iterator<Item = &'static str> {
    spec::sections().filter(move |section| section.keys.iter().any(|each| each.name == key)).map(|section| section.name)
}

/// Whether what stands under a key of this name may be shown. A misspelt key may be that of a secret.
pub(super) fn may_be_shown(key: &str) -> bool {
    let mut known = spec::sections().flat_map(|section| section.keys).filter(|each| each.name == key).peekable();
    known.peek().is_some() && known.all(|each| !matches!(each.form, Form::Secret))
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
