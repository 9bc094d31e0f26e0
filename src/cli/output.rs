//! What commands print: results on standard output, everything else on standard error.
//!
//! A reader that goes away (`leadsync parked | head`) is no failure, so errors of printing are not looked at.

use std::future::Future;
use std::io::Write as _;
use std::time::Duration;

use clap::CommandFactory as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::Value as Json;
use tokio::time::MissedTickBehavior;

use super::{Arguments, Failure};
use crate::daemon::PairsError;
use crate::store::Store;

/// A line of a result.
pub(super) fn line(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A result as JSON, in one document.
pub(super) fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(serde_json::to_string_pretty(value).map_err(|error| Failure::Other(error.to_string()))?);
    Ok(())
}

/// A result as JSON, on one line.
pub(super) fn json_line(value: &impl Serialize) -> Result<(), Failure> {
    line(serde_json::to_string(value).map_err(|error| Failure::Other(error.to_string()))?);
    Ok(())
}

/// Why the command failed.
pub(super) fn error(failure: &Failure) {
    match failure {
        Failure::Config(error) | Failure::Pairs(PairsError::Config(error)) => remark(error),
        other => remark(format_args!("error: {other}")),
    }
}

/// A remark that is no result.
pub(super) fn remark(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

pub(super) fn completions(shell: clap_complete::Shell) {
    clap_complete::generate(shell, &mut Arguments::command(), "leadsync", &mut std::io::stdout());
}

/// Does long work and shows on a terminal how far it is; nothing in a pipe.
pub(super) async fn with_progress<T>(what: &str, store: &Store, work: impl Future<Output = T>) -> T {
    let bar = ProgressBar::new_spinner().with_message(what.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    let mut look = tokio::time::interval(Duration::from_millis(500));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(work);
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            _ = look.tick(), if !bar.is_hidden() => {
                if let Ok((leads, waiting)) = store.amounts().await {
                    bar.set_message(format!("{what}: {leads} leads known, {waiting} writes waiting"));
                }
            }
        }
    };
    bar.finish_and_clear();
    done
}

/// Does long work under a spinner, on a terminal.
pub(super) async fn busy<T>(what: &str, work: impl Future<Output = T>) -> T {
    let bar = ProgressBar::new_spinner().with_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(120));
    let done = work.await;
    bar.finish_and_clear();
    done
}

/// A value of the store's JSON, for people.
pub(super) fn value(json: &Json) -> String {
    match json {
        Json::Null => "(empty)".to_owned(),
        Json::String(text) => text.clone(),
        Json::Object(unknown) => unknown.get("unknown").and_then(Json::as_str).unwrap_or("?").to_owned(),
        other => other.to_string(),
    }
}

/// An id, or a dash.
pub(super) fn id(id: Option<&String>) -> &str {
    id.map_or("-", String::as_str)
}
