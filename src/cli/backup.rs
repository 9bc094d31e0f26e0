//! `backup`: a copy of the store while the daemon runs.

use std::path::Path;

use super::{Ended, Failure, Report, output};
use crate::config::Config;
use crate::store::{BackupError, Store};

pub(super) async fn backup(config: &Config, file: &Path, report: Report) -> Result<Ended, Failure> {
    let store = Store::open_existing(&config.store).await?;
    let made = output::busy("copying the store", store.backup(file)).await.map_err(|error| match error {
        BackupError::Store(error) => Failure::Store(error),
        exists @ BackupError::Exists { .. } => Failure::Usage(exists.to_string()),
        other => Failure::Other(other.to_string()),
    })?;
    if report.json {
        output::json(&made)?;
    } else {
        let (bytes, links, leads) = (made.bytes, made.links, made.leads);
        output::line(format!("{}: {links} links, {leads} leads, {bytes} bytes, checked", made.file.display()));
    }
    Ok(Ended::Done)
}
