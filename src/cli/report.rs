//! `status` and `show`: what the store knows.

use std::collections::BTreeMap;

use chrono::Utc;

use super::{Ended, Failure, Report, output};
use crate::config::Config;
use crate::lead::Side;
use crate::side::Usage;
use crate::store::{LinkReport, Store, WaitingReason};
use crate::sync::thrift;

pub(super) async fn status(config: &Config, report: Report) -> Result<Ended, Failure> {
    let store = Store::open_existing(&config.store).await?;
    let status = store.status(Utc::now()).await?;
    if report.json {
        output::json(&status)?;
        return Ok(Ended::Done);
    }
    output::line(format!("store       {}", store.place().name()));
    if let Some(leader) = &status.leader {
        let silent = if leader.is_there { "" } else { ", and is not there any more" };
        output::line(format!(
            "leader      {} since {}, last heard of {}{silent}",
            leader.holder, leader.since, leader.renewed_at
        ));
    }
    for side in Side::BOTH {
        let checkpoint = status.checkpoints.get(side);
        output::line(format!(
            "{:<11} newest lead {}, last polled {}, last swept {}, {} request(s) in 24 hours",
            side.as_str(),
            output::id(checkpoint.newest.as_ref()),
            output::id(checkpoint.polled_at.as_ref()),
            output::id(checkpoint.swept_at.as_ref()),
            status.requests_24h.get(side),
        ));
    }
    if let Some(budget) = &status.budget {
        output::line(format!(
            "budget      Salesforce counted {} of {} requests in 24 hours, by all programs; leadsync may make {}",
            budget.used,
            budget.limit,
            share(budget.limit, config.salesforce.daily_request_share)
        ));
        let usage = Usage { used: budget.used, limit: budget.limit };
        if let Some(thrift) = thrift(status.requests_24h.salesforce.unsigned_abs(), usage, config.salesforce.daily_request_share)
        {
            output::line(format!("            {thrift}"));
        }
    }
    output::line(format!("links       {}", counts(&status.links)));
    let waiting = status.oldest_waiting.map(|since| format!(", the oldest waiting since {since}"));
    output::line(format!("writes      {}{}", counts(&status.pushes), waiting.unwrap_or_default()));
    for WaitingReason { writes, code, reason } in &status.waiting {
        output::line(format!("            {writes} tried and not done: {code}: {reason}"));
    }
    if let Some(held) = &status.held {
        output::line(format!("held        {held}"));
    }
    output::line(format!("conflicts   {} open", status.open_conflicts));
    match &status.last_cycle {
        None => output::line("last cycle  none yet"),
        Some(cycle) => {
            let part = |name: &str| cycle.get(name).map(output::value).unwrap_or_default();
            output::line(format!(
                "last cycle  {} to {}: {} changed, {} pushed, {} conflict(s), {} parked; requests: {} to Operate, {} to Salesforce",
                part("started_at"),
                part("ended_at"),
                part("seen"),
                part("pushed"),
                part("conflicts"),
                part("parked"),
                part("requests_operate"),
                part("requests_salesforce"),
            ));
            if cycle.get("error").is_some_and(|error| !error.is_null()) {
                output::line(format!("            failed: {}", part("error")));
            }
        }
    }
    Ok(Ended::Done)
}

/// A share of a count, rounded down.
fn share(of: u64, share: f64) -> String {
    let whole = f64::from(u32::try_from(of).unwrap_or(u32::MAX));
    format!("{:.0}", (whole * share).floor())
}

fn counts(counts: &BTreeMap<String, i64>) -> String {
    let words: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    if words.is_empty() { "none waiting".to_owned() } else { words.join(", ") }
}

pub(super) async fn show(config: &Config, id: &str, report: Report) -> Result<Ended, Failure> {
    let store = Store::open_existing(&config.store).await?;
    let Some(link) = store.show(id).await? else {
        return Err(Failure::Other(format!("no lead with id {id:?} was ever seen, on either side")));
    };
    if report.json {
        output::json(&link)?;
    } else {
        print(config, &link);
    }
    Ok(Ended::Done)
}

fn print(config: &Config, link: &LinkReport) {
    for side in Side::BOTH {
        match link.leads.get(side) {
            None => output::line(format!("{:<11} -", side.as_str())),
            Some(lead) => {
                let deleted = lead.deleted_at.as_ref().map(|at| format!(", deleted {at}")).unwrap_or_default();
                output::line(format!("{:<11} {} (modified {}{deleted})", side.as_str(), lead.lead_id, lead.modified_at));
            }
        }
    }
    let reason = link.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    output::line(format!("state       {}{reason}", link.state));
    for field in &config.fields {
        let of = |side: Side| {
            let value = link.leads.get(side).as_ref().and_then(|lead| lead.fields.get(&field.name));
            output::value(value.unwrap_or(&serde_json::Value::Null))
        };
        let base = output::value(link.base.get(&field.name).unwrap_or(&serde_json::Value::Null));
        output::line(format!(
            "  {:<16} operate {} | salesforce {} | base {base}",
            field.name,
            of(Side::Operate),
            of(Side::Salesforce)
        ));
    }
    for event in &link.history {
        let error = event.error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
        let side = event.side.as_deref().unwrap_or("nobody");
        match event.event.as_str() {
            "conflict" if event.state == "open" => {
                output::line(format!("{}  conflict {}: open, of {}", event.at, event.kind, event.after));
            }
            "conflict" => output::line(format!("{}  conflict {}: {} won, of {}", event.at, event.kind, side, event.after)),
            "audit" => {
                let detail = event.error.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
                output::line(format!("{}  {} by {}{detail}", event.at, event.kind, event.state));
            }
            _ => output::line(format!(
                "{}  write {}: {} {side}, {}{}: {} -> {}{error}",
                event.at,
                event.number,
                event.kind,
                event.state,
                event.undoes.map(|undone| format!(", reverses write {undone}")).unwrap_or_default(),
                event.before,
                event.after
            )),
        }
    }
}
