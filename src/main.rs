//! The `leadsync` program: parse, start logging, dispatch.

use std::process::ExitCode;

use clap::Parser as _;

/// Gives back what a large reading needed, which the C library's allocator keeps for each thread; `Dockerfile` has the settings.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = leadsync::cli::Arguments::parse();
    let _logging = leadsync::logging::start(arguments.log_format, arguments.verbose, arguments.command.is_daemon());
    Box::pin(leadsync::cli::run(arguments)).await
}
