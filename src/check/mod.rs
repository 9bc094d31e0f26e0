//! What both live systems say to a configuration, and the leads that are there. Nothing is written.

mod budget;
mod leads;
mod operate;
mod references;
mod salesforce;
mod time;
mod twins;
mod values;

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::config::{Config, Lines, Loaded, Origin};
use crate::daemon::Systems;
use crate::lead::Side;
use crate::metrics::Metrics;
use crate::permit::Permit;
use crate::side::{SideClient as _, SideError};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It will not work.
    Error,
    /// Some leads will wait for a person, or something is less good than it could be.
    Warning,
    /// It is as it should be.
    Ok,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it concerns: a key of the configuration, or a field's name.
    pub about: String,
    /// The key, such as `fields[3].salesforce`, where it concerns one.
    pub key: Option<String>,
    /// The file in which the key stands.
    pub file: Option<PathBuf>,
    /// The line, from 1. For a key that is left out: that of the table in which it would be.
    pub line: Option<usize>,
    /// The environment variable that gave the key, in the place of a line.
    pub variable: Option<String>,
    /// What was found.
    pub found: String,
    /// What to do.
    pub remedy: Option<String>,
    /// Of a field, the key of its table.
    #[serde(skip)]
    part: Option<&'static str>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Ok => "ok",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{word:<8} {}: {}", self.about, self.found)?;
        match (&self.file, self.line, &self.variable) {
            _ if self.severity == Severity::Ok => {}
            (_, _, Some(name)) => write!(f, "\n         --> environment variable {name}")?,
            (Some(file), Some(line), None) => write!(f, "\n         --> {}:{line}", file.display())?,
            _ => {}
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "\n         help: {remedy}")?;
        }
        Ok(())
    }
}

impl Finding {
    /// The same, about this key of the field's table.
    fn on(mut self, part: &'static str) -> Self {
        self.part = Some(part);
        self
    }

    /// The same, with its place in the file.
    fn placed(mut self, file: &std::path::Path, lines: &Lines) -> Self {
        let key = match self.about.strip_prefix("fields.") {
            Some(name) => lines.field(name).map(|table| self.part.map_or(table.to_owned(), |part| format!("{table}.{part}"))),
            None => Some(self.about.clone()),
        };
        match key.as_deref().and_then(|key| lines.origin(key)) {
            None => {}
            Some(Origin::Line(line)) => {
                self.line = Some(line);
                self.file = Some(file.to_owned());
                self.key = key;
            }
            Some(Origin::Variable(name)) => {
                self.variable = Some(name);
                self.key = key;
            }
        }
        self
    }
}

fn finding(severity: Severity, about: impl Into<String>, found: impl Into<String>, remedy: Option<&str>) -> Finding {
    Finding {
        severity,
        about: about.into(),
        key: None,
        file: None,
        line: None,
        variable: None,
        found: found.into(),
        remedy: remedy.map(str::to_owned),
        part: None,
    }
}

fn failed(about: &str, error: &SideError) -> Finding {
    finding(Severity::Error, about, error.to_string(), Some("mend this first: what depends on it was not checked"))
}

/// Signs in to both systems, compares the configuration with what they say of themselves and with the leads that they have (or about
/// so many of each that were modified last). The findings come in the order of the file, for each line the worst first.
pub async fn live(loaded: &Loaded, sample: Option<usize>) -> Vec<Finding> {
    let found = ask(&loaded.config, sample).await;
    let mut findings: Vec<Finding> = found.into_iter().map(|finding| finding.placed(&loaded.path, &loaded.lines)).collect();
    findings.sort_by_key(|finding| (finding.line.unwrap_or(usize::MAX), finding.severity));
    findings
}

async fn ask(config: &Config, sample: Option<usize>) -> Vec<Finding> {
    let systems = match Systems::of(config, &Metrics::default(), &Permit::default()) {
        Ok(systems) => systems,
        Err(error) => return vec![failed("configuration", &error)],
    };
    let (mut findings, seen) = operate::check(config, &systems).await;
    let (found, described) = salesforce::check(config, &systems).await;
    findings.extend(found);
    findings.extend(references::check(config, &systems, &seen, &described).await);
    let is_reachable = |name: &str| !findings.iter().any(|each| each.severity == Severity::Error && each.about == name);
    if described.is_empty() || !is_reachable("operate") || !is_reachable("salesforce") {
        return findings;
    }
    let read = match values::read(config, &systems, &described, sample).await {
        Ok(read) => read,
        Err((side, error)) => {
            let about = if side == Side::Operate && error.to_string().contains(&config.operate.modified_field) {
                "operate.modified_field"
            } else {
                side.as_str()
            };
            findings.push(failed(about, &error));
            return findings;
        }
    };
    findings.extend(leads::findings(config, &read, &described));
    findings.extend(time::check(config, &systems, read.sides.operate.newest.as_ref()).await);
    findings.push(budget::duplicates(config, &systems).await);
    findings.extend(budget::requests(config, &systems));
    findings.push(cost(&systems, &read, sample));
    findings
}

/// What all this took.
fn cost(systems: &Systems, read: &values::Read, sample: Option<usize>) -> Finding {
    let which = if sample.is_some() { ", those that were modified last" } else { "" };
    let found = format!(
        "read {} leads of Operate and {} of Salesforce{which}; it took {} and {} request(s)",
        read.sides.operate.read,
        read.sides.salesforce.read,
        systems.operate.requests(),
        systems.salesforce.requests()
    );
    finding(Severity::Ok, "leads", found, None)
}
