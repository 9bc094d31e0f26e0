//! The configuration: one file a concern, all of it parsed and checked at start.

mod document;
pub mod field;
mod fields;
pub mod finding;
pub mod folder;
pub(crate) mod fuzz;
mod keys;
mod layers;
mod lines;
pub mod operate;
pub mod ops;
pub mod part;
pub mod parts;
pub mod salesforce;
pub mod schema;
mod secret;
mod section;
mod spec;
mod store;
pub mod sync;
pub mod transform;
mod value;
mod value_map;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;

pub use self::finding::{ConfigError, Excerpt, Finding, Place, Severity};
pub use self::lines::{Lines, Origin};

use self::document::Document;
use self::keys::KeyPath;
use self::layers::Overrides;
use self::section::{Fault, Given, Report, Section};
use self::value::DAY;
use crate::store::Address;

/// Where the file is looked for if none is named, in this order.
pub const DEFAULT_FILES: [&str; 2] = ["leadsync.toml", "config/leadsync.toml"];

/// All of `leadsync.toml`, checked, with secrets resolved.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[store]`.
    pub store: Address,
    /// `[operate]`.
    pub operate: operate::OperateConfig,
    /// `[salesforce]`.
    pub salesforce: salesforce::SalesforceConfig,
    /// `[schedule]`.
    pub schedule: ScheduleConfig,
    /// `[sync]`.
    pub sync: sync::SyncConfig,
    /// `[[fields]]`, in the file's order.
    pub fields: Vec<field::FieldConfig>,
    /// `[[mappings]]`, in the file's order.
    pub mappings: Vec<part::MappingConfig>,
    /// `[ops]`.
    pub ops: ops::OpsConfig,
    /// The file that it was read from.
    pub file: PathBuf,
    /// The files that secrets were read from.
    pub secret_files: Vec<PathBuf>,
}

/// `[schedule]`: cron expressions with seconds, in UTC.
#[derive(Debug, Clone)]
pub struct ScheduleConfig {
    /// When cycles start.
    pub poll: String,
    /// When everything is compared.
    pub sweep: String,
    /// How far behind the checkpoint a poll reads again; 5 s at least.
    pub overlap: TimeDelta,
}

/// A configuration that can be used, and where it came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The file.
    pub path: PathBuf,
    /// What could be better, in the order of the file.
    pub warnings: Vec<Finding>,
    /// Where its keys stand.
    pub lines: Lines,
}

impl Config {
    /// Reads the file, or the first of [`DEFAULT_FILES`] that is there, under this process's environment, and checks all of it.
    /// The error holds everything that is wrong, not only the first thing.
    pub fn load(path: Option<&Path>) -> Result<Loaded, ConfigError> {
        let path = match path {
            Some(path) => path.to_owned(),
            None => find_file()?,
        };
        let text = std::fs::read_to_string(&path).map_err(|error| {
            let help = "name a file that this user can read: --config FILE";
            file_error(&path, format!("the configuration cannot be read: {error}"), help)
        })?;
        let env = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::from_text(&text, &path, env)
    }

    /// The same from a text and an environment. `origin` is named in messages, and relative paths of `file:` secrets start at
    /// its folder.
    pub fn from_text(
        text: &str,
        origin: impl AsRef<Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Loaded, ConfigError> {
        let origin = origin.as_ref();
        let document = Document::parse(origin, text).map_err(|finding| ConfigError { findings: vec![*finding] })?;
        let env: BTreeMap<String, String> = env.into_iter().collect();
        let (overrides, findings) = Overrides::select(&env);
        let report = Report::new(&document, &overrides, &env, findings);
        for path in document.too_large() {
            report.error(path, Fault::new("this number is too large", "write a smaller one"));
        }
        let config = if document.too_large().is_empty() {
            let layers = overrides.merge(text).map_err(|_| {
                file_error(
                    origin,
                    "the file and the environment do not go together".to_owned(),
                    "check the variables LEADSYNC__…",
                )
            })?;
            Some(Self::read(&Section::root(&report, &layers), origin))
        } else {
            None
        };
        let lines = Lines::of(&document, &overrides);
        let (errors, warnings): (Vec<Finding>, Vec<Finding>) =
            report.into_findings().into_iter().partition(|finding| finding.severity == Severity::Error);
        match config {
            Some(config) if errors.is_empty() => Ok(Loaded { config, path: origin.to_owned(), warnings, lines }),
            _ => Err(ConfigError { findings: errors }),
        }
    }

    fn read(root: &Section<'_>, file: &Path) -> Self {
        let operate = operate::OperateConfig::read(&root.section("operate"));
        let salesforce = salesforce::SalesforceConfig::read(&root.section("salesforce"));
        let fields = fields::read(root, &operate, &salesforce);
        let names: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
        Self {
            store: store::read(&root.section("store")),
            operate,
            salesforce,
            schedule: ScheduleConfig::read(&root.section("schedule")),
            sync: sync::SyncConfig::read(&root.section("sync"), &names, &fields),
            mappings: part::mappings(root, &fields),
            fields,
            ops: ops::OpsConfig::read(&root.section("ops")),
            file: file.to_owned(),
            secret_files: root.report.secret_files(),
        }
    }
}

impl ScheduleConfig {
    fn read(section: &Section<'_>) -> Self {
        let overlap = section.or("overlap", Duration::from_mins(10), |given| given.duration(Duration::from_secs(5)..=DAY * 7));
        Self {
            poll: section.or("poll", "*/30 * * * * *".to_owned(), Given::cron),
            sweep: section.or("sweep", "0 0 3 * * *".to_owned(), Given::cron),
            overlap: TimeDelta::from_std(overlap).unwrap_or(TimeDelta::MAX),
        }
    }
}

fn find_file() -> Result<PathBuf, ConfigError> {
    let [first, second] = DEFAULT_FILES;
    DEFAULT_FILES.iter().map(PathBuf::from).find(|file| file.exists()).ok_or_else(|| {
        let help = format!("write one, or name it: --config FILE; {second} is looked for as well");
        file_error(Path::new(first), "there is no configuration".to_owned(), &help)
    })
}

fn file_error(file: &Path, problem: String, help: &str) -> ConfigError {
    let place = Place::File(file.to_owned());
    let key = KeyPath::root().to_string();
    ConfigError { findings: vec![Finding { severity: Severity::Error, key, problem, help: help.to_owned(), place }] }
}
