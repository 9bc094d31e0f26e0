//! `conflicts`, `resolve`, `parked`, `retry`, `pause`, `resume`: what waits for a person, and the person's word.

use chrono::Utc;

use super::{Ended, Failure, Report, output};
use crate::config::Config;
use crate::lead::Side;
use crate::store::{Actor, Store};

pub(super) async fn conflicts(config: &Config, report: Report) -> Result<Ended, Failure> {
    let open = Store::open_existing(&config.store).await?.open_conflicts().await?;
    if report.json {
        output::json(&open)?;
    } else {
        for conflict in &open {
            output::line(format!(
                "{}  {} of operate {} / salesforce {}: was {}, Operate has {}, Salesforce has {} (since {})",
                conflict.conflict_id,
                conflict.field,
                output::id(conflict.operate_id.as_ref()),
                output::id(conflict.salesforce_id.as_ref()),
                output::value(&conflict.base_value),
                output::value(&conflict.operate_value),
                output::value(&conflict.salesforce_value),
                conflict.found_at,
            ));
        }
        match open.first() {
            Some(first) => {
                output::remark(format!("settle one with: leadsync resolve {} --take operate|salesforce", first.conflict_id));
            }
            None => output::line("no conflict is open"),
        }
    }
    Ok(if open.is_empty() { Ended::Done } else { Ended::Waits })
}

pub(super) async fn resolve(config: &Config, conflict_id: i64, winner: Side) -> Result<Ended, Failure> {
    let store = Store::open_existing(&config.store).await?;
    if !store.resolve(conflict_id, winner, Actor::Command, Utc::now()).await? {
        return Err(Failure::Other(format!("conflict {conflict_id} is not open; `leadsync conflicts` lists those that are")));
    }
    output::line(format!("conflict {conflict_id}: {}'s value wins; the next cycle carries it out", winner.title()));
    Ok(Ended::Done)
}

pub(super) async fn parked(config: &Config, report: Report) -> Result<Ended, Failure> {
    let parked = Store::open_existing(&config.store).await?.parked().await?;
    if report.json {
        output::json(&parked)?;
    } else {
        for lead in &parked {
            output::line(format!(
                "operate {} / salesforce {}: {}{} (since {})",
                output::id(lead.operate_id.as_ref()),
                output::id(lead.salesforce_id.as_ref()),
                lead.code.as_ref().map(|code| format!("{code}: ")).unwrap_or_default(),
                lead.reason.as_deref().unwrap_or_default(),
                lead.since,
            ));
        }
        if parked.is_empty() {
            output::line("no lead is parked");
        }
    }
    Ok(if parked.is_empty() { Ended::Done } else { Ended::Waits })
}

pub(super) async fn retry(config: &Config, ids: &[String], all: bool) -> Result<Ended, Failure> {
    let store = Store::open_existing(&config.store).await?;
    let count = store.retry((!all).then_some(ids), Actor::Command, Utc::now()).await?;
    if count == 0 && !all {
        return Err(Failure::Other("none of these leads is parked; `leadsync parked` lists those that are".to_owned()));
    }
    output::line(format!("{count} lead(s) will be tried again by the next cycle"));
    Ok(Ended::Done)
}

pub(super) async fn pause(config: &Config) -> Result<Ended, Failure> {
    Store::open_existing(&config.store).await?.pause(Actor::Command, Utc::now()).await?;
    output::line("writes are paused from the next batch on; polling goes on; `leadsync resume` ends it");
    Ok(Ended::Done)
}

pub(super) async fn resume(config: &Config, accept: bool) -> Result<Ended, Failure> {
    let store = Store::open_existing(&config.store).await?;
    if store.resume(accept, Actor::Command, Utc::now()).await? {
        output::line("the next cycle writes what is due");
        return Ok(Ended::Done);
    }
    let reason = store.stops().await?.braked.unwrap_or_default();
    output::line(format!("not paused, but a brake still holds: {reason}"));
    Ok(Ended::Waits)
}
