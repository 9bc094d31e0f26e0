//! `export`, `import`, `unlink`, `relink`: links as a person knows them.

use std::io::{self, Read, Write};
use std::path::Path;

use chrono::Utc;
use serde_json::json;

use super::{Ended, Failure, Report, output};
use crate::config::Config;
use crate::store::{Actor, ExportedLink, Imported, KnownPair, REFUSED_LINES, Relinked, Store};

/// Lines handed to the store at once.
const LINES: usize = 5_000;

pub(super) async fn export(config: &Config, to: Option<&Path>) -> Result<Ended, Failure> {
    let store = Store::open_existing(&config.store).await?;
    let Some(file) = to else {
        // A reader that goes away is no failure.
        let _ = write_links(&store, io::BufWriter::new(io::stdout())).await?;
        return Ok(Ended::Done);
    };
    let failed = |error: &dyn std::fmt::Display| Failure::Other(format!("{} cannot be written: {error}", file.display()));
    let made = std::fs::File::options().write(true).create_new(true).open(file).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::Usage(format!("{} is there already: an export replaces nothing; name another file", file.display()))
        }
        _ => failed(&error),
    })?;
    let (count, written) = write_links(&store, io::BufWriter::new(&made)).await?;
    if let Err(error) = written.and_then(|()| made.sync_all()) {
        let _ = std::fs::remove_file(file);
        return Err(failed(&error));
    }
    output::remark(format!("{count} link(s) written to {}", file.display()));
    Ok(Ended::Done)
}

/// Gives how many were written, and what stopped it.
async fn write_links(store: &Store, to: impl Write) -> Result<(u64, io::Result<()>), Failure> {
    let mut table = csv::Writer::from_writer(to);
    let (mut count, mut written) = (0, Ok(()));
    let header = ["operate_id", "salesforce_id", "state", "reason", "created_at", "updated_at"];
    if let Err(error) = table.write_record(header) {
        return Ok((0, Err(error.into())));
    }
    store
        .each_link(|link: ExportedLink| {
            let text = |text: &'_ Option<String>| text.clone().unwrap_or_default();
            let (operate, salesforce, reason) = (text(&link.operate_id), text(&link.salesforce_id), text(&link.reason));
            written = table
                .write_record([operate, salesforce, link.state, reason, link.created_at, link.updated_at])
                .map_err(Into::into);
            count += 1;
            written.is_ok()
        })
        .await?;
    let flushed = table.flush();
    Ok((count, written.and(flushed)))
}

pub(super) async fn import(config: &Config, file: &Path, dry_run: bool, report: Report) -> Result<Ended, Failure> {
    let named = if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() };
    let source: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(file).map_err(|error| Failure::Usage(format!("{named} cannot be read: {error}")))?)
    };
    // Before the first cycle there may be no store yet: pairs that are known before it are the best use of this.
    let store = match Store::open_existing(&config.store).await {
        Err(crate::store::StoreError::Missing { .. }) => {
            let _hold = crate::store::Hold::take(&config.store).await?;
            Store::open(&config.store).await?
        }
        opened => opened?,
    };
    store.start_import().await?;
    let left_out = read_pairs(&store, source, &named).await?;
    let imported = store.import(dry_run, Actor::Command, Utc::now()).await?;
    store.close().await;
    if report.json {
        let Imported { linked, known, refused } = &imported;
        output::json(&json!({ "linked": linked, "known": known, "left_out": left_out, "refused": refused, "dry_run": dry_run }))?;
    } else {
        for refused in &imported.refused {
            output::line(format!("{named}:{}: {}", refused.line, refused.reason));
        }
    }
    if !imported.refused.is_empty() {
        let more = if imported.refused.len() < REFUSED_LINES { "" } else { " or more" };
        output::remark(format!("{} line(s){more} refused: nothing was changed", imported.refused.len()));
        return Ok(Ended::Waits);
    }
    if !report.json {
        let (linked, known) = (imported.linked, imported.known);
        let done = if dry_run { "would be linked; nothing was changed" } else { "linked; the next cycle compares them" };
        output::line(format!("{linked} pair(s) {done}; {known} known before, {left_out} line(s) without a pair left out"));
    }
    Ok(Ended::Done)
}

/// Hands the pairs to the store. Gives how many lines hold none: an id is missing, or the line is of a link that was unlinked.
async fn read_pairs(store: &Store, source: Box<dyn Read>, named: &str) -> Result<u64, Failure> {
    let wrong = |error: csv::Error| Failure::Usage(format!("{named} is no CSV with a header: {error}"));
    let mut table = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(source);
    let header = table.headers().map_err(wrong)?.clone();
    let column = |name: &str| header.iter().position(|title| title.trim_start_matches('\u{feff}').eq_ignore_ascii_case(name));
    let (Some(operate), Some(salesforce)) = (column("operate_id"), column("salesforce_id")) else {
        return Err(Failure::Usage(format!(
            "{named}: the first line must name the columns, operate_id and salesforce_id among them; it names: {}",
            header.iter().collect::<Vec<_>>().join(", ")
        )));
    };
    let state = column("state");
    let (mut pairs, mut left_out) = (Vec::with_capacity(LINES), 0);
    let mut record = csv::StringRecord::new();
    while table.read_record(&mut record).map_err(wrong)? {
        let cell = |place: usize| record.get(place).unwrap_or_default().to_owned();
        let (operate_id, salesforce_id) = (cell(operate), cell(salesforce));
        if operate_id.is_empty() || salesforce_id.is_empty() || state.is_some_and(|place| cell(place) == "unlinked") {
            left_out += 1;
            continue;
        }
        let line = record.position().map_or(0, csv::Position::line);
        pairs.push(KnownPair { line, operate_id, salesforce_id });
        if pairs.len() == LINES {
            store.take_pairs(&pairs).await?;
            pairs.clear();
        }
    }
    store.take_pairs(&pairs).await?;
    Ok(left_out)
}

pub(super) async fn unlink(config: &Config, id: &str, dry_run: bool, report: Report) -> Result<Ended, Failure> {
    let store = Store::open_existing(&config.store).await?;
    let done = store.unlink(id, dry_run, Actor::Command, Utc::now()).await?;
    tell(&done, dry_run, report)?;
    if !report.json && !dry_run {
        output::remark(format!("`leadsync relink` links two leads again; `leadsync retry {id}` takes this back"));
    }
    Ok(Ended::Done)
}

pub(super) async fn relink(config: &Config, ids: (&str, &str), dry_run: bool, report: Report) -> Result<Ended, Failure> {
    let store = Store::open_existing(&config.store).await?;
    let done = store.relink(ids.0, ids.1, dry_run, Actor::Command, Utc::now()).await?;
    tell(&done, dry_run, report)?;
    if !report.json {
        let (operate, salesforce) = ids;
        output::line(match (done.already, dry_run) {
            (true, _) => format!("operate {operate} and salesforce {salesforce} are linked already; nothing was changed"),
            (false, true) => format!("operate {operate} and salesforce {salesforce} would be linked; nothing was changed"),
            (false, false) => {
                format!("operate {operate} and salesforce {salesforce} are linked; the next cycle compares them as at first")
            }
        });
    }
    Ok(Ended::Done)
}

fn tell(done: &Relinked, dry_run: bool, report: Report) -> Result<(), Failure> {
    if report.json {
        let Relinked { taken_apart, left_alone, superseded, already } = done;
        let left_alone: Vec<_> = left_alone.iter().map(|(side, id)| json!({ "side": side, "lead_id": id })).collect();
        let pair = |(operate, salesforce): &(String, String)| json!({ "operate_id": operate, "salesforce_id": salesforce });
        let taken_apart: Vec<_> = taken_apart.iter().map(pair).collect();
        return output::json(&json!({
            "taken_apart": taken_apart, "left_alone": left_alone, "superseded": superseded, "already": already, "dry_run": dry_run,
        }));
    }
    let (are, is) = if dry_run { ("would be", "would be") } else { ("are", "is") };
    for (operate, salesforce) in &done.taken_apart {
        output::line(format!("operate {operate} and salesforce {salesforce} {are} no longer linked"));
    }
    for (side, id) in &done.left_alone {
        output::line(format!("{side} {id} {is} left alone"));
    }
    if done.superseded > 0 {
        output::line(format!("{} write(s) that waited {are} not made", done.superseded));
    }
    Ok(())
}
