//! `check`: whether the configuration will do.

use super::{Ended, Failure, Report, output};
use crate::config::Loaded;
use crate::mapping::Mapping;

pub(super) fn check(loaded: &Loaded, offline: bool, report: Report) -> Result<Ended, Failure> {
    let Loaded { config, path, warnings } = loaded;
    if !offline {
        return Err(Failure::Usage("this version checks the configuration alone: add --offline".to_owned()));
    }
    let mapping = Mapping::build(config)?;
    if report.json {
        let findings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        output::json(&serde_json::json!({ "file": path, "fields": mapping.fields().len(), "warnings": findings }))?;
    } else {
        for warning in warnings {
            output::line(warning);
        }
        output::line(format!("{}: {} fields, {} warning(s), no error", path.display(), mapping.fields().len(), warnings.len()));
    }
    Ok(if warnings.is_empty() { Ended::Done } else { Ended::Waits })
}
