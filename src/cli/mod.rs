//! The command line: one file a command, each thin.

mod backup;
mod check;
mod copy;
mod fields;
mod health;
mod init;
mod links;
mod output;
mod people;
mod report;
mod sandbox;
mod undo;
mod work;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use self::copy::StoreCommand;
use crate::config::{Config, ConfigError, Finding, Loaded, schema};
use crate::daemon::{AssemblyError, LeadError, PairsError, ProcessError, SignalError};
use crate::demo::DemoError;
use crate::lead::Side;
use crate::logging::LogFormat;
use crate::mapping::MappingError;
use crate::sandbox::SandboxError;
use crate::store::{LinkRefusal, Place, StoreError};
use crate::sync::CycleError;

/// Keeps Leads in step, both ways, between essensys Operate and Salesforce.
#[derive(Debug, Parser)]
#[command(name = "leadsync", version, about, max_term_width = 110)]
pub struct Arguments {
    /// The configuration [default: leadsync.toml, then config/leadsync.toml].
    #[arg(long, global = true, value_name = "FILE", env = "LEADSYNC_CONFIG")]
    pub config: Option<PathBuf>,
    /// How log lines look.
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Say more in the log; twice for debugging.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The daemon: cycles on schedule until SIGTERM or SIGINT.
    Run {
        /// Serve many pairs of systems: each file *.toml in this folder is the configuration of one, and its name without that is the pair's.
        #[arg(long, value_name = "DIR", env = "LEADSYNC_CONFIG_DIR")]
        config_dir: Option<PathBuf>,
    },
    /// One cycle, then end.
    Once {
        /// Before it, look for what polls cannot see: leads that were deleted for good.
        #[arg(long)]
        sweep: bool,
        /// As JSON.
        #[command(flatten)]
        report: Report,
    },
    /// What a cycle would write, field by field; writes nothing.
    Plan(Report),
    /// Check the configuration, against both systems and their leads too: sign-in, fields, rights, values, lengths; writes nothing.
    Check {
        /// The configuration alone, without a request to either system.
        #[arg(long)]
        offline: bool,
        /// Of each side read only about so many leads, those that were modified last [default: all].
        #[arg(long, value_name = "N", value_parser = sample, conflicts_with = "offline")]
        sample: Option<usize>,
        /// Check the configurations of all pairs in this folder.
        #[arg(long, value_name = "DIR", env = "LEADSYNC_CONFIG_DIR")]
        config_dir: Option<PathBuf>,
        /// As JSON.
        #[command(flatten)]
        report: Report,
    },
    /// Write a commented configuration from what both systems have; asks on a terminal, and nothing in a pipe.
    Init(init::Init),
    /// List both systems' lead fields side by side, with types, how often they are filled, and a proposed mapping; prints no values.
    Fields {
        /// Of each side read only about so many leads, those that were modified last [default: all].
        #[arg(long, value_name = "N", value_parser = sample)]
        sample: Option<usize>,
        /// As JSON.
        #[command(flatten)]
        report: Report,
    },
    /// Checkpoints, counts by state, the last cycle.
    Status(Report),
    /// Ask the running daemon whether it is well: 0 if it is, 1 with the reason if not.
    Health {
        /// Only whether it runs, whatever its last cycle came to.
        #[arg(long)]
        live: bool,
        /// Ask the one that serves the pairs of this folder.
        #[arg(long, value_name = "DIR", env = "LEADSYNC_CONFIG_DIR")]
        config_dir: Option<PathBuf>,
    },
    /// One lead by either id: both sides' values, base, state and history.
    Show {
        /// An Operate id, or a Salesforce id of 15 or 18 characters.
        id: String,
        /// As JSON.
        #[command(flatten)]
        report: Report,
    },
    /// List the conflicts that wait for a person.
    Conflicts(Report),
    /// Settle a conflict; the next cycle carries it out.
    Resolve {
        /// As `leadsync conflicts` lists it.
        conflict_id: i64,
        /// Whose value wins.
        #[arg(long, value_enum)]
        take: System,
    },
    /// List the leads that are parked, with the reason.
    Parked(Report),
    /// Have parked leads tried again by the next cycle, and leads that were unlinked take part again.
    Retry {
        /// Ids of either side.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<String>,
        /// All that are parked.
        #[arg(long)]
        all: bool,
    },
    /// Reverse what leadsync wrote: a write, or all since a time; shows it first. Never over a later edit by a person.
    Undo(undo::Undo),
    /// Stop writing to both systems; polling goes on.
    Pause,
    /// Let writes go on.
    Resume {
        /// Also those that a brake (`max_change`, `max_delete`) has stopped: all that are due now.
        #[arg(long)]
        accept_changes: bool,
    },
    /// Compare every lead on both sides now; writes nothing to either.
    Verify {
        /// Have the next cycle read what differs again, and put it in step by the usual rules.
        #[arg(long)]
        repair: bool,
        /// As JSON.
        #[command(flatten)]
        report: Report,
    },
    /// A consistent copy of the store, also while the daemon runs.
    Backup {
        /// The file to write; it must not be there.
        file: PathBuf,
        /// As JSON.
        #[command(flatten)]
        report: Report,
    },
    /// Work on stores as such.
    #[command(subcommand)]
    Store(StoreCommand),
    /// Write all links as CSV.
    Export {
        /// To this file, which must not be there [default: standard output].
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
    /// Link pairs that are known, from CSV with the columns `operate_id` and `salesforce_id`: all of them, or none.
    Import {
        /// The file; `-` is standard input.
        file: PathBuf,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
        /// As JSON.
        #[command(flatten)]
        report: Report,
    },
    /// Forget a link: both leads stay, and are left alone from then on.
    Unlink {
        /// An id of either side.
        id: String,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
        /// As JSON.
        #[command(flatten)]
        report: Report,
    },
    /// Link two leads instead of what they are linked with; what is left over is left alone.
    Relink {
        /// Operate's lead.
        operate_id: String,
        /// Salesforce's lead.
        salesforce_id: String,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
        /// As JSON.
        #[command(flatten)]
        report: Report,
    },
    /// Both systems, simulated on loopback; prints their addresses and credentials as one line of JSON.
    Sandbox(sandbox::Alone),
    /// The sandbox and the daemon together, with changes arriving on both sides: start here.
    Demo(sandbox::Demo),
    /// Print the JSON Schema of the configuration, for editors that complete and check it.
    Schema,
    /// Print shell completions.
    Completions {
        /// For this shell.
        shell: clap_complete::Shell,
    },
}

/// How a command reports.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Report {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// One of both systems, as options name it.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum System {
    /// essensys Operate.
    Operate,
    /// Salesforce.
    Salesforce,
}

impl From<System> for Side {
    fn from(system: System) -> Self {
        match system {
            System::Operate => Self::Operate,
            System::Salesforce => Self::Salesforce,
        }
    }
}

impl Command {
    /// Whether it goes on until it is told to stop.
    #[must_use]
    pub const fn is_daemon(&self) -> bool {
        matches!(self, Self::Run { .. })
    }
}

/// How a command ended, well or with work left for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Status 0.
    Done,
    /// Status 3: done, and something waits for a person, or differs.
    Waits,
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Status 2.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Status 2: the fields do not make a mapping.
    #[error("the mapping is wrong: {0}")]
    Mapping(#[from] MappingError),
    /// Status 1, or 2 where the mapping is wrong.
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
    /// Status 1.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Status 1.
    #[error(transparent)]
    Link(#[from] LinkRefusal),
    /// Status 1.
    #[error(transparent)]
    Cycle(#[from] CycleError),
    /// Status 1.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// Status 1.
    #[error(transparent)]
    Lead(#[from] LeadError),
    /// Status 1, or 2 where it is the configurations.
    #[error(transparent)]
    Pairs(#[from] PairsError),
    /// Status 1.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Status 1.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// Status 1.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// Status 1.
    #[error("{0}")]
    Other(String),
    /// Status 2: the command line asks for what is not there.
    #[error("{0}")]
    Usage(String),
}

impl Failure {
    /// The same; a failure of a store says that it is this one, if nothing said before which one it is.
    fn at(self, place: &Place) -> Self {
        match self {
            Self::Store(error)
            | Self::Lead(LeadError::Store(error))
            | Self::Cycle(CycleError::Store(error))
            | Self::Assembly(AssemblyError::Store(error)) => Self::Store(error.at(place)),
            other => other,
        }
    }

    /// The same for the store that the configuration names.
    fn of_store(self, file: Option<&Path>) -> Self {
        let config = Config::load(file).ok();
        match config.and_then(|loaded| loaded.config.store.place().ok()) {
            Some(place) => self.at(&place),
            None => self,
        }
    }
}

/// Runs a command and says how it ended.
pub async fn run(arguments: Arguments) -> ExitCode {
    let file = arguments.config.clone();
    let to_machines = arguments.command.is_daemon() && arguments.log_format == LogFormat::Json;
    match Box::pin(dispatch(arguments)).await {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Waits) => ExitCode::from(3),
        Err(failure) => {
            let failure = failure.of_store(file.as_deref());
            if to_machines {
                tracing::error!(error = %failure, "daemon.failed");
            } else {
                output::error(&failure);
            }
            ExitCode::from(match failure {
                Failure::Config(_)
                | Failure::Pairs(PairsError::Config(_))
                | Failure::Mapping(_)
                | Failure::Assembly(AssemblyError::Mapping(_))
                | Failure::Usage(_) => 2,
                _ => 1,
            })
        }
    }
}

async fn dispatch(arguments: Arguments) -> Result<Ended, Failure> {
    let file = arguments.config.as_deref();
    match arguments.command {
        Command::Run { config_dir } => match only_one(file, config_dir.as_deref())? {
            Some(folder) => work::run_pairs(folder).await,
            None if arguments.log_format == LogFormat::Json => work::run(&load_telling(file, Finding::log)?).await,
            None => work::run(&load(file)?).await,
        },
        Command::Once { sweep, report } => work::once(&load(file)?, sweep, report).await,
        Command::Undo(wanted) => undo::undo(&load(file)?, wanted).await,
        Command::Pause => people::pause(&load(file)?).await,
        Command::Resume { accept_changes } => people::resume(&load(file)?, accept_changes).await,
        Command::Plan(report) => work::plan(&load(file)?, report).await,
        Command::Verify { repair, report } => work::verify(&load(file)?, repair, report).await,
        Command::Backup { file: to, report } => backup::backup(&load(file)?, &to, report).await,
        Command::Store(command) => copy::store(command).await,
        Command::Export { to } => links::export(&load(file)?, to.as_deref()).await,
        Command::Import { file: from, dry_run, report } => links::import(&load(file)?, &from, dry_run, report).await,
        Command::Unlink { id, dry_run, report } => links::unlink(&load(file)?, &id, dry_run, report).await,
        Command::Relink { operate_id, salesforce_id, dry_run, report } => {
            links::relink(&load(file)?, (&operate_id, &salesforce_id), dry_run, report).await
        }
        Command::Status(report) => report::status(&load(file)?, report).await,
        Command::Health { live, config_dir } => match only_one(file, config_dir.as_deref())? {
            Some(folder) => health::of_pairs(folder, live).await,
            None => health::health(&load(file)?, live).await,
        },
        Command::Show { id, report } => report::show(&load(file)?, &id, report).await,
        Command::Conflicts(report) => people::conflicts(&load(file)?, report).await,
        Command::Resolve { conflict_id, take } => people::resolve(&load(file)?, conflict_id, take.into()).await,
        Command::Parked(report) => people::parked(&load(file)?, report).await,
        Command::Retry { ids, all } => people::retry(&load(file)?, &ids, all).await,
        Command::Check { offline, sample, config_dir, report } => {
            let depth = check::Depth { offline, sample };
            match only_one(file, config_dir.as_deref())? {
                Some(folder) => check::check_pairs(folder, depth, report).await,
                None => check::check(file, depth, report).await,
            }
        }
        Command::Init(options) => init::init(&options, file).await,
        Command::Fields { sample, report } => fields::fields(&load(file)?, sample, report).await,
        Command::Sandbox(sandbox) => sandbox::sandbox(&sandbox).await,
        Command::Demo(options) => Box::pin(sandbox::demo(options)).await,
        Command::Schema => {
            output::line(schema::text().trim_end());
            Ok(Ended::Done)
        }
        Command::Completions { shell } => {
            output::completions(shell);
            Ok(Ended::Done)
        }
    }
}

/// The folder, where it is that which is meant: a name on the command line overrules one in the environment.
fn only_one<'a>(file: Option<&Path>, folder: Option<&'a Path>) -> Result<Option<&'a Path>, Failure> {
    let is_of_environment = |name: &str, path: &Path| std::env::var_os(name).is_some_and(|named| named == path);
    let (Some(named), Some(given)) = (file, folder) else { return Ok(folder) };
    match (is_of_environment("LEADSYNC_CONFIG", named), is_of_environment("LEADSYNC_CONFIG_DIR", given)) {
        (true, _) => Ok(folder),
        (false, true) => Ok(None),
        (false, false) => Err(Failure::Usage("--config names one pair, and --config-dir many: give one of them".to_owned())),
    }
}

/// `--sample`.
fn sample(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| format!("`{text}` is not a number of leads: write 1 or more"))
}

/// Reads the configuration, and says what could be better in it.
fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
    load_telling(file, |warning| output::remark(warning))
}

/// The same, said in another way.
fn load_telling(file: Option<&Path>, tell: impl Fn(&Finding)) -> Result<Config, ConfigError> {
    let Loaded { config, warnings, .. } = Config::load(file)?;
    warnings.iter().for_each(tell);
    Ok(config)
}
