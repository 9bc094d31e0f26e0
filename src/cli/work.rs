//! `run`, `once`, `plan`, `verify`: the commands that talk to both systems.

use chrono::Utc;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::{Ended, Failure, Report, output};
use crate::config::Config;
use crate::daemon;
use crate::lead::Side;
use crate::mapping::Mapping;
use crate::store::{Actor, Hold, Store};
use crate::sync::{Compared, Engine, Patience, Rules};

/// How long `once` waits for what cannot be done at once: a second to pass, a lock to go, a lost create to turn up.
const PATIENCE: Duration = Duration::from_mins(2);

pub(super) async fn run(config: &Config) -> Result<Ended, Failure> {
    Rules::of(config, &Mapping::build(config)?)?;
    let mut orders = daemon::Orders::by_signal()?;
    daemon::lead(&mut config.clone(), &mut orders, &daemon::Process::new().await?).await?;
    Ok(Ended::Done)
}

/// The daemon for many pairs of systems.
pub(super) async fn run_pairs(folder: &Path) -> Result<Ended, Failure> {
    daemon::run_pairs(folder, daemon::Orders::by_signal()?).await?;
    Ok(Ended::Done)
}

pub(super) async fn once(config: &Config, sweep: bool, report: Report) -> Result<Ended, Failure> {
    let hold = Hold::take(&config.store).await?;
    let engine = daemon::assemble(config, Store::open_held(&config.store, &hold).await?).await?;
    let ended = cycle(&engine, sweep, report).await;
    engine.store().close().await;
    hold.give_back().await;
    ended
}

async fn cycle(engine: &Engine, sweep: bool, report: Report) -> Result<Ended, Failure> {
    let stop = daemon::stop_on_signal()?;
    let stopping = || stop.is_cancelled();
    if sweep {
        let found = output::with_progress("comparing lists", engine.store(), engine.sweep()).await?;
        output::remark(format!(
            "sweep: {} missed change(s) and {} delete(s) in Operate, {} and {} in Salesforce",
            found.operate.missed, found.operate.gone, found.salesforce.missed, found.salesforce.gone
        ));
    }
    let cycle = engine.cycle(Patience::Wait(PATIENCE), &stopping);
    let cycle = output::with_progress("polling, merging, pushing", engine.store(), cycle).await?;
    let status = engine.store().status(Utc::now()).await?;
    if report.json {
        output::json(&json!({
            "seen": cycle.seen, "pushed": cycle.pushed, "conflicts": cycle.conflicts, "parked": cycle.parked,
            "requests": cycle.requests, "links": status.links, "held": cycle.held,
        }))?;
    } else {
        output::line(format!(
            "{} changed lead(s) seen, {} write(s) done, {} conflict(s), {} parked; {} request(s) to Operate, {} to Salesforce",
            cycle.seen, cycle.pushed, cycle.conflicts, cycle.parked, cycle.requests.operate, cycle.requests.salesforce
        ));
    }
    if stop.is_cancelled() {
        return Err(Failure::Other("stopped before the end; the next run goes on from here".to_owned()));
    }
    if let Some(reason) = &cycle.held {
        output::remark(format!("writes are held: {reason}"));
        return Ok(Ended::Waits);
    }
    if let Some((_, count)) = status.pushes.iter().find(|(state, _)| *state != "parked") {
        return Err(Failure::Other(format!(
            "{count} write(s) could not be done yet; run it again (`leadsync status` says more)"
        )));
    }
    Ok(if engine.store().waits_for_a_person().await? { Ended::Waits } else { Ended::Done })
}

/// A copy of the store to try things on, with the folder that goes when it is dropped. An empty one where there is no store yet.
async fn scratch(config: &Config) -> Result<(TempDir, Store), Failure> {
    let folder = TempDir::new().map_err(|error| Failure::Other(format!("no temporary folder can be made: {error}")))?;
    let copy = folder.path().join("copy.db");
    match Store::open_existing(&config.store).await {
        Ok(store) if store.file().is_some() => store.copy_to(&copy).await?,
        Ok(store) => {
            let copy = Store::open(&format!("sqlite:{}", copy.display())).await?;
            store.copy_into(&copy).await.map_err(|error| Failure::Other(error.to_string()))?;
            return Ok((folder, copy));
        }
        Err(crate::store::StoreError::Missing { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok((folder, Store::open(&format!("sqlite:{}", copy.display())).await?))
}

pub(super) async fn plan(config: &Config, report: Report) -> Result<Ended, Failure> {
    let (_folder, store) = scratch(config).await?;
    let engine = daemon::assemble(config, store).await?;
    let rehearsed = output::with_progress("polling and merging on a copy of the store", engine.store(), engine.rehearse()).await;
    let rehearsed = rehearsed.map_err(|error| Failure::from(error).at(engine.store().place()))?;
    let planned = engine.store().planned().await?;
    if report.json {
        output::json(&planned)?;
    } else {
        for push in &planned {
            output::line(format!(
                "{} {} lead {} (for {} lead {})",
                push.kind,
                push.side,
                output::id(push.target_id.as_ref()),
                Side::parse(&push.side).map_or("?", |side| side.other().as_str()),
                output::id(push.source_id.as_ref()),
            ));
            for field in &push.fields {
                output::line(format!(
                    "    {:<16} {} -> {}  [{}]",
                    field.name,
                    output::value(&field.before),
                    output::value(&field.after),
                    field.rule
                ));
            }
        }
        if let Some(held) = &rehearsed.held {
            output::line(held);
        }
        output::line(format!("{} write(s) planned; nothing was written", planned.len()));
    }
    Ok(if planned.is_empty() { Ended::Done } else { Ended::Waits })
}

pub(super) async fn verify(config: &Config, repair: bool, report: Report) -> Result<Ended, Failure> {
    let (_folder, store) = scratch(config).await?;
    store.forget_observations().await?;
    let engine = daemon::assemble(config, store).await?;
    let compared = output::with_progress("reading every lead on both sides", engine.store(), engine.compare()).await;
    let compared = compared.map_err(|error| Failure::from(error).at(engine.store().place()))?;
    let marked = if repair { mark(config, &compared).await? } else { 0 };
    if report.json {
        let mut shown = json!({ "pairs": compared.pairs, "drifts": compared.drifts });
        if let (true, Some(shown)) = (repair, shown.as_object_mut()) {
            shown.insert("to_repair".to_owned(), json!(marked));
        }
        output::json(&shown)?;
    } else {
        for drift in &compared.drifts {
            output::line(format!(
                "operate {} / salesforce {}: {}",
                output::id(drift.operate_id.as_ref()),
                output::id(drift.salesforce_id.as_ref()),
                drift.what
            ));
        }
        output::line(format!("{} pair(s) compared, {} difference(s)", compared.pairs, compared.drifts.len()));
        if marked > 0 {
            output::line(format!(
                "{marked} lead(s) are read again by the next cycle, and put in step by the usual rules and brakes"
            ));
        }
    }
    Ok(if compared.drifts.is_empty() { Ended::Done } else { Ended::Waits })
}

/// Leaves word in the store to read what differs again. Gives how many leads that are.
async fn mark(config: &Config, compared: &Compared) -> Result<usize, Failure> {
    let leads = compared.drifts.iter().flat_map(|drift| {
        let ids = [(Side::Operate, &drift.operate_id), (Side::Salesforce, &drift.salesforce_id)];
        ids.into_iter().filter_map(|(side, id)| Some((side, id.clone()?)))
    });
    let leads: Vec<(Side, String)> = leads.collect();
    if !leads.is_empty() {
        Store::open_existing(&config.store).await?.repair(&leads, Actor::Command, Utc::now()).await?;
    }
    Ok(leads.len())
}
