//! Logs: one line an event on standard error, for people or for machines. Ids, field names, counts and codes only.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Starts logging. `LEADSYNC_LOG` (such as `leadsync=debug`) overrules `verbose`, the number of `-v` flags. A daemon says more by itself than a command.
pub fn start(format: LogFormat, verbose: u8, daemon: bool) {
    let level = match verbose + u8::from(daemon) {
        0 => "error",
        1 => "leadsync=info,warn",
        2 => "leadsync=debug,info",
        _ => "leadsync=trace,debug",
    };
    let filter = EnvFilter::try_from_env("LEADSYNC_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A line that cannot be written, to a full disk, is lost: to say so in the same place would fail as well, and end the program.
    let lines = lines.log_internal_errors(false);
    // A second start, as in a test, changes nothing.
    let _ = match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}
