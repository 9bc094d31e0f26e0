//! Reads sections key by key and notes everything that is wrong on the way, so that one run finds all of it.
//!
//! A key that is wrong is noted and stands as if it were left out, or empty where it must be there: reading goes on, and
//! what was read is thrown away at the end if an error was noted.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::{Map, Value, ValueKind};

use super::document::{Document, Part};
use super::finding::{Finding, Place, Severity};
use super::keys::{self, KeyPath, printable};
use super::layers::Overrides;

/// What is wrong with a value, and what to do. Never holds a secret.
#[derive(Debug)]
pub(super) struct Fault {
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub help: String,
}

impl Fault {
    /// Makes one.
    pub(super) fn new(problem: impl Into<String>, help: impl Into<String>) -> Self {
        Self { problem: problem.into(), help: help.into() }
    }
}

/// Where a load has got to: the sources, and what was found.
pub(super) struct Report<'a> {
    document: &'a Document<'a>,
    overrides: &'a Overrides,
    /// The environment, for `env:` secrets.
    pub env: &'a BTreeMap<String, String>,
    findings: RefCell<Vec<Finding>>,
    secret_files: RefCell<Vec<PathBuf>>,
}

impl<'a> Report<'a> {
    /// Starts with what is known already.
    pub(super) const fn new(
        document: &'a Document<'a>,
        overrides: &'a Overrides,
        env: &'a BTreeMap<String, String>,
        findings: Vec<Finding>,
    ) -> Self {
        Self { document, overrides, env, findings: RefCell::new(findings), secret_files: RefCell::new(Vec::new()) }
    }

    /// Notes that a secret was read from a file.
    pub(super) fn secret_file(&self, file: PathBuf) {
        self.secret_files.borrow_mut().push(file);
    }

    /// The files that secrets were read from so far.
    pub(super) fn secret_files(&self) -> Vec<PathBuf> {
        self.secret_files.borrow().clone()
    }

    /// The folder of the file, from which relative paths of secrets start.
    pub(super) fn folder(&self) -> &Path {
        self.document.file().parent().unwrap_or_else(|| Path::new(""))
    }

    /// Notes an error at a value.
    pub(super) fn error(&self, path: &KeyPath, fault: Fault) {
        self.note(Severity::Error, path, Part::Value, fault);
    }

    /// Notes an error at a key.
    pub(super) fn error_at_key(&self, path: &KeyPath, fault: Fault) {
        self.note(Severity::Error, path, Part::Key, fault);
    }

    /// Notes a warning at a key.
    pub(super) fn warn(&self, path: &KeyPath, fault: Fault) {
        self.note(Severity::Warning, path, Part::Key, fault);
    }

    /// `line 12`, to point at from another place.
    pub(super) fn line(&self, path: &KeyPath) -> String {
        self.document.line(path).map_or_else(|| path.to_string(), |line| format!("line {line}"))
    }

    /// Whether an environment variable gave this value.
    pub(super) fn is_from_environment(&self, path: &KeyPath) -> bool {
        self.overrides.variable(&path.to_string()).is_some()
    }

    fn note(&self, severity: Severity, path: &KeyPath, part: Part, fault: Fault) {
        let key = path.to_string();
        let place = self
            .overrides
            .variable(&key)
            .map_or_else(|| self.document.place(path, part), |name| Place::Variable(name.to_owned()));
        self.findings.borrow_mut().push(Finding { severity, key, problem: fault.problem, help: fault.help, place });
    }

    /// How much was found so far.
    pub(super) fn count(&self) -> usize {
        self.findings.borrow().len()
    }

    /// Everything that was found, in the order of the file.
    pub(super) fn into_findings(self) -> Vec<Finding> {
        let mut findings = self.findings.into_inner();
        findings.sort_by(|one, other| one.place.order().cmp(&other.place.order()));
        findings
    }
}

/// A table of the configuration.
#[derive(Clone)]
pub(super) struct Section<'a> {
    /// Where findings go.
    pub report: &'a Report<'a>,
    /// Where the table is.
    pub path: KeyPath,
    /// What it holds; `None` where it is left out.
    table: Option<&'a Map<String, Value>>,
    /// Whether something other than a table stands here, which was noted: then no key of it is missed.
    broken: bool,
}

impl<'a> Section<'a> {
    /// The whole configuration.
    pub(super) fn root(report: &'a Report<'a>, table: &'a Map<String, Value>) -> Self {
        let section = Self { report, path: KeyPath::root(), table: Some(table), broken: false };
        section.refuse_unknown_keys();
        section
    }

    /// A table in this one. One that is left out is empty.
    pub(super) fn section(&self, key: &str) -> Self {
        let path = self.path.key(key);
        let found = self.get(key).map(|value| self.as_section(path.clone(), value));
        let broken = self.broken || matches!(found, Some(None));
        found.flatten().unwrap_or(Self { report: self.report, path, table: None, broken })
    }

    /// The tables of a list in this one.
    pub(super) fn sections(&self, key: &str) -> Vec<Self> {
        let path = self.path.key(key);
        match self.get(key).map(|value| &value.kind) {
            None => Vec::new(),
            Some(ValueKind::Array(elements)) => {
                elements.iter().enumerate().filter_map(|(index, element)| self.as_section(path.index(index), element)).collect()
            }
            Some(kind) => {
                let problem = format!("this is {}, where a list of tables is expected", kind_name(kind));
                self.report.error_at_key(&path, Fault::new(problem, format!("write [[{key}]] above each table")));
                Vec::new()
            }
        }
    }

    /// The one value of a key, or the elements of its list, with their places.
    pub(super) fn one_or_more(&self, key: &str) -> Vec<(KeyPath, &'a Value)> {
        let path = self.path.key(key);
        match self.get(key) {
            None => Vec::new(),
            Some(Value { kind: ValueKind::Array(elements), .. }) => {
                elements.iter().enumerate().map(|(index, element)| (path.index(index), element)).collect()
            }
            Some(value) => vec![(path, value)],
        }
    }

    /// A table that stands at this place below.
    pub(super) fn at(&self, path: KeyPath, value: &'a Value) -> Option<Self> {
        self.as_section(path, value)
    }

    fn as_section(&self, path: KeyPath, value: &'a Value) -> Option<Self> {
        let ValueKind::Table(table) = &value.kind else {
            let problem = format!("this is {}, where a table is expected", kind_name(&value.kind));
            let help = format!("write {} = {{ … }}, or a section of its own", printable(path.last_key()));
            self.report.error(&path, Fault::new(problem, help));
            return None;
        };
        let section = Self { report: self.report, path, table: Some(table), broken: false };
        section.refuse_unknown_keys();
        Some(section)
    }

    /// Whether a key is written here.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.table?.get(key)
    }

    /// A key that may be left out.
    pub(super) fn optional<T>(&self, key: &str, read: impl FnOnce(&Given<'a>) -> Result<T, Fault>) -> Option<T> {
        let value = self.get(key)?;
        let path = self.path.key(key);
        let given = Given { kind: &value.kind, from_environment: self.report.is_from_environment(&path) };
        read(&given).map_err(|fault| self.report.error(&path, fault)).ok()
    }

    /// A key with a default.
    pub(super) fn or<T>(&self, key: &str, default: T, read: impl FnOnce(&Given<'a>) -> Result<T, Fault>) -> T {
        self.optional(key, read).unwrap_or(default)
    }

    /// A key that must be there.
    pub(super) fn required<T: Default>(&self, key: &str, example: &str, read: impl FnOnce(&Given<'a>) -> Result<T, Fault>) -> T {
        if !self.has(key) && !self.broken && !self.has_misspelt(key) {
            let section = self.path.section();
            let home = if section.starts_with("fields") { String::new() } else { format!(" to [{section}]") };
            let help = format!("add {key} = {example}{home}");
            self.report.error_at_key(&self.path.key(key), Fault::new("this key is missing", help));
        }
        self.optional(key, read).unwrap_or_default()
    }

    /// The elements of a list, with their places. `None`: left out, or no list, which was noted.
    pub(super) fn elements(&self, key: &str, help: &str) -> Option<Vec<(KeyPath, &'a Value)>> {
        let path = self.path.key(key);
        match &self.get(key)?.kind {
            ValueKind::Array(elements) => {
                Some(elements.iter().enumerate().map(|(index, element)| (path.index(index), element)).collect())
            }
            kind => {
                self.report.error(&path, wrong_type(kind, "a list", help));
                None
            }
        }
    }

    /// Whether an unknown key stands here that was refused with this one as the nearest.
    pub(super) fn has_misspelt(&self, key: &str) -> bool {
        let known = keys::of_section(&self.path.section());
        let mut given = self.table.into_iter().flat_map(Map::keys);
        given.any(|given| !known.contains(&given.as_str()) && keys::nearest(given, known.iter().copied()) == Some(key))
    }

    fn refuse_unknown_keys(&self) {
        let known = keys::of_section(&self.path.section());
        for key in self.table.into_iter().flat_map(Map::keys).filter(|key| !known.contains(&key.as_str())) {
            let home = keys::sections_with(key).find(|home| !home.is_empty() && !home.starts_with("fields"));
            let help = match (keys::nearest(key, known.iter().copied()), home) {
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, Some(home)) => format!("it is a key of [{home}]: move it there"),
                (None, None) => format!("remove it; known here: {}", known.join(", ")),
            };
            self.report.error_at_key(&self.path.key(key), Fault::new("no key of this name is known here", help));
        }
    }
}

/// A value as it was given.
pub(super) struct Given<'a> {
    /// What it is.
    pub kind: &'a ValueKind,
    /// Whether a variable gave it: then numbers and switches come as text.
    pub from_environment: bool,
}

impl Given<'_> {
    /// The text that it is.
    pub(super) fn text(&self) -> Result<&str, Fault> {
        match self.kind {
            ValueKind::String(text) => Ok(text),
            kind => Err(wrong_type(kind, "text", "put it in double quotes")),
        }
    }
}

/// A value of a type that the key does not take. The value itself is not named: it may be a secret.
pub(super) fn wrong_type(kind: &ValueKind, expected: &str, help: &str) -> Fault {
    Fault::new(format!("this is {}, where {expected} is expected", kind_name(kind)), help)
}

/// What a value is, in words.
pub(super) const fn kind_name(kind: &ValueKind) -> &'static str {
    match kind {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "a boolean",
        ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => "a whole number",
        ValueKind::Float(_) => "a number with a decimal point",
        ValueKind::String(_) => "text",
        ValueKind::Table(_) => "a table",
        ValueKind::Array(_) => "a list",
    }
}
