//! `check`: whether a configuration will do, on its own and for both systems as they are; or those of all pairs in a folder.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Ended, Failure, Report, output};
use crate::check::{self, Finding, Severity};
use crate::config::folder::{Folder, NAMES};
use crate::config::{self, Config, Loaded};
use crate::mapping::Mapping;
use crate::sync::Rules;

/// How far it is looked.
#[derive(Clone, Copy)]
pub(super) struct Depth {
    /// At the file alone.
    pub(super) offline: bool,
    /// At so many leads of each side.
    pub(super) sample: Option<usize>,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Checked {
    #[serde(skip_serializing_if = "Option::is_none")]
    pair: Option<String>,
    file: PathBuf,
    fields: usize,
    /// What the file alone gives rise to.
    warnings: Vec<String>,
    /// What the systems give rise to; none with `--offline`.
    findings: Vec<Finding>,
}

/// The same of a folder.
#[derive(Serialize)]
struct CheckedPairs {
    pairs: Vec<Checked>,
}

pub(super) async fn check(file: Option<&Path>, depth: Depth, report: Report) -> Result<Ended, Failure> {
    let checked = Checked::of(None, &Config::load(file)?, depth).await?;
    if report.json {
        output::json(&checked)?;
    } else {
        checked.print();
    }
    Ok(ended(checked.is_well()))
}

/// All of them are checked, whatever is wrong with some.
pub(super) async fn check_pairs(folder: &Path, depth: Depth, report: Report) -> Result<Ended, Failure> {
    let found = Folder::read(folder)?;
    let (mut pairs, mut failed): (Vec<Checked>, Option<Failure>) = (Vec::new(), None);
    for file in &found.nameless {
        output::remark(format_args!("warning: no pair is served by {}: {NAMES}", file.display()));
    }
    for (name, loaded) in found.pairs {
        let checked = match loaded {
            Ok(loaded) => {
                let checked = Checked::of(Some(name), &loaded, depth).await;
                checked.map_err(|failure| Failure::Usage(format!("{}: {failure}", loaded.path.display())))
            }
            Err(error) => Err(error.into()),
        };
        match checked {
            Ok(checked) => {
                if !report.json {
                    checked.print();
                }
                pairs.push(checked);
            }
            // The last one is told when the command ends.
            Err(failure) => failed.replace(failure).iter().for_each(output::error),
        }
    }
    let is_well = found.nameless.is_empty() && pairs.iter().all(Checked::is_well);
    if report.json {
        output::json(&CheckedPairs { pairs })?;
    }
    failed.map_or(Ok(ended(is_well)), Err)
}

const fn ended(is_well: bool) -> Ended {
    if is_well { Ended::Done } else { Ended::Waits }
}

impl Checked {
    async fn of(pair: Option<String>, loaded: &Loaded, depth: Depth) -> Result<Self, Failure> {
        let Loaded { config, path, warnings, .. } = loaded;
        let mapping = Mapping::build(config)?;
        Rules::of(config, &mapping)?;
        let findings = if depth.offline {
            Vec::new()
        } else {
            output::busy("reading every lead on both sides", check::live(loaded, depth.sample)).await
        };
        let warnings = warnings.iter().map(config::Finding::to_string).collect();
        Ok(Self { pair, file: path.clone(), fields: mapping.fields().len(), warnings, findings })
    }

    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    fn is_well(&self) -> bool {
        self.warnings.is_empty() && self.count(Severity::Error) + self.count(Severity::Warning) == 0
    }

    fn print(&self) {
        self.warnings.iter().for_each(output::line);
        self.findings.iter().for_each(output::line);
        let (file, fields) = (self.file.display(), self.fields);
        let (warnings, errors) = (self.warnings.len() + self.count(Severity::Warning), self.count(Severity::Error));
        output::line(format_args!("{file}: {fields} fields, {warnings} warning(s), {errors} error(s)"));
    }
}
