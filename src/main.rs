//! The `leadsync` program: parse, start logging, dispatch.

use std::process::ExitCode;

use clap::Parser as _;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = leadsync::cli::Arguments::parse();
    leadsync::logging::start(arguments.log_format, arguments.verbose, arguments.command.is_daemon());
    // It holds all that a daemon does: too much for the stack.
    Box::pin(leadsync::cli::run(arguments)).await
}
