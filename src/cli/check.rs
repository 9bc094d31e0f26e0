//! `check`: whether the configuration will do, on its own and for both systems as they are.

use serde::Serialize;

use super::{Ended, Failure, Report, output};
use crate::check::{self, Finding, Severity};
use crate::config::{self, Loaded};
use crate::mapping::Mapping;
use crate::sync::Rules;

/// What is printed as JSON.
#[derive(Serialize)]
struct Checked<'a> {
    file: &'a std::path::Path,
    fields: usize,
    /// What the file alone gives rise to.
    warnings: Vec<String>,
    /// What the systems give rise to; none with `--offline`.
    findings: &'a [Finding],
}

pub(super) async fn check(loaded: &Loaded, offline: bool, sample: Option<usize>, report: Report) -> Result<Ended, Failure> {
    let Loaded { config, path, warnings, .. } = loaded;
    let mapping = Mapping::build(config)?;
    Rules::of(config, &mapping)?;
    let findings =
        if offline { Vec::new() } else { output::busy("reading every lead on both sides", check::live(loaded, sample)).await };
    if report.json {
        let warnings = warnings.iter().map(config::Finding::to_string).collect();
        output::json(&Checked { file: path, fields: mapping.fields().len(), warnings, findings: &findings })?;
    } else {
        for warning in warnings {
            output::line(warning);
        }
        for finding in &findings {
            output::line(finding);
        }
    }
    let count = |severity: Severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, more) = (count(Severity::Error), count(Severity::Warning));
    if !report.json {
        let (fields, warnings) = (mapping.fields().len(), warnings.len() + more);
        output::line(format!("{}: {fields} fields, {warnings} warning(s), {errors} error(s)", path.display()));
    }
    Ok(if warnings.is_empty() && errors + more == 0 { Ended::Done } else { Ended::Waits })
}
