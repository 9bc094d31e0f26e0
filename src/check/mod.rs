//! What both live systems say to a configuration. Nothing is written.

mod operate;
mod references;
mod salesforce;

use std::fmt;

use serde::Serialize;

use crate::config::Config;
use crate::daemon::Systems;
use crate::side::SideError;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It is as it should be.
    Ok,
    /// Some leads will wait for a person, or something is less good than it could be.
    Warning,
    /// It will not work.
    Error,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it concerns: a key of the configuration, or a field's name.
    pub about: String,
    /// What was found.
    pub found: String,
    /// What to do.
    pub remedy: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Ok => "ok",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{word:<8} {}: {}", self.about, self.found)?;
        if let Some(remedy) = &self.remedy {
            write!(f, "\n         help: {remedy}")?;
        }
        Ok(())
    }
}

fn finding(severity: Severity, about: impl Into<String>, found: impl Into<String>, remedy: Option<&str>) -> Finding {
    Finding { severity, about: about.into(), found: found.into(), remedy: remedy.map(str::to_owned) }
}

fn failed(about: &str, error: &SideError) -> Finding {
    finding(Severity::Error, about, error.to_string(), Some("mend this first: what depends on it was not checked"))
}

/// Signs in to both systems, and compares the configuration with what they say of themselves.
pub async fn live(config: &Config) -> Vec<Finding> {
    let systems = match Systems::of(config) {
        Ok(systems) => systems,
        Err(error) => return vec![failed("configuration", &error)],
    };
    let (mut findings, seen) = operate::check(config, &systems).await;
    let (found, described) = salesforce::check(config, &systems).await;
    findings.extend(found);
    findings.extend(references::check(config, &systems, &seen, &described).await);
    findings
}
