//! The `leadsync` program: parse, start logging, dispatch.

use std::process::ExitCode;

use clap::Parser as _;

/// Gives back what a large reading needed, which the C library's allocator keeps for each thread; `.cargo/config.toml` has its settings. `SQLite`
/// takes its memory from the C library: were all of it jemalloc's, the tests' `libfaketime` would wait for itself, as it takes memory when jemalloc
/// first asks for the time.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = leadsync::cli::Arguments::parse();
    let _logging = leadsync::logging::start(arguments.log_format, arguments.verbose, arguments.command.is_daemon());
    Box::pin(leadsync::cli::run(arguments)).await
}
