//! Logs: one line an event on standard error, for people or for machines. Ids, field names, counts and codes only.
//!
//! With the feature `otlp` the same goes to an OpenTelemetry collector as traces, where one is named.

use std::io::IsTerminal as _;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// What has to be kept until the program ends, so that nothing is lost that was not sent yet.
#[derive(Debug, Default)]
pub struct Logging {
    #[cfg(feature = "otlp")]
    _traces: Option<crate::traces::Traces>,
}

/// Starts logging. `LEADSYNC_LOG` (such as `leadsync=debug`) overrules `verbose`, the number of `-v` flags. A daemon says more by itself than a command.
#[must_use]
pub fn start(format: LogFormat, verbose: u8, daemon: bool) -> Logging {
    let level = match verbose + u8::from(daemon) {
        0 => "error",
        1 => "leadsync=info,warn",
        2 => "leadsync=debug,info",
        _ => "leadsync=trace,debug",
    };
    let filter = EnvFilter::try_from_env("LEADSYNC_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    // A line that cannot be written, to a full disk, is lost: to say so in the same place would fail as well, and end the program.
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter));
    #[cfg(feature = "otlp")]
    let traces = crate::traces::Traces::to_collector();
    #[cfg(feature = "otlp")]
    let subscriber = subscriber.with(traces.as_ref().map(crate::traces::Traces::layer));
    // A second start, as in a test, changes nothing.
    let _ = subscriber.try_init();
    Logging {
        #[cfg(feature = "otlp")]
        _traces: traces,
    }
}
