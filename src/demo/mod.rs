//! The newcomer's first command: both systems simulated, the daemon between them, and people who work on both sides.

mod configuration;
mod people;

pub use self::configuration::{configuration, write_configuration};

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use self::people::People;
use crate::config::{Config, ConfigError};
use crate::daemon::{self, AssemblyError};
use crate::sandbox::{Sandbox, SandboxError, SandboxOptions};
use crate::store::{Hold, Store, StoreError};

/// How a demo is run.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Where to keep store and configuration; `None`: in a temporary folder that goes at the end.
    pub folder: Option<PathBuf>,
    /// When to end by itself.
    pub duration: Option<Duration>,
    /// The two systems.
    pub sandbox: SandboxOptions,
}

/// Why a demo failed.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The folder.
    #[error("{path} cannot be used: {source}", path = .path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It holds a store whose leads this sandbox does not have.
    #[error("{path} is the store of another run, whose leads are gone: remove it, or choose another folder", path = .0.display())]
    Used(PathBuf),
    /// The configuration that the demo made.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine.
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
    /// The daemon.
    #[error("{0}")]
    Daemon(String),
    /// The scheduler does not start.
    #[error(transparent)]
    Process(#[from] daemon::ProcessError),
}

/// Where a demo tells what happens, a line at a time.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// Runs until `stop`, or for as long as the options say.
pub async fn run(options: DemoOptions, stop: CancellationToken, tell: Tell) -> Result<(), DemoError> {
    let started = Instant::now();
    let (temporary, folder) = folder(options.folder.clone())?;
    let sandbox = Sandbox::start(options.sandbox.clone()).await?;
    let listen = free_address();
    let path = write_configuration(&sandbox.addresses(), &folder, listen)
        .map_err(|source| DemoError::Folder { path: folder.clone(), source })?;
    let config = Config::load(Some(&path))?.config;
    let hold = Hold::take(&config.store).await?;
    let store = Store::open_held(&config.store, &hold).await?;
    let process = daemon::Process::new().await?;
    introduce(&options, &sandbox, &path, temporary.is_some(), &tell);
    tell(&format!("Status page: http://{listen}/"));
    tell("");

    if let Some(duration) = options.duration {
        let stop = stop.clone();
        tokio::spawn(async move {
            tokio::time::sleep(duration).await;
            stop.cancel();
        });
    }
    let people = People::new(&sandbox, Store::open_existing(&config.store).await?, started, Arc::clone(&tell));
    let daemon = async {
        let ran = daemon::run(&config, store, hold, &mut daemon::Orders::only(stop.clone()), &process).await;
        // A daemon that failed leaves the people nothing to wait for.
        stop.cancel();
        ran
    };
    let (ran, worked) = tokio::join!(daemon, people.work(&stop));
    ran.map_err(DemoError::Daemon)?;
    worked?;
    people.sum_up().await?;
    sandbox.stop().await;
    if let Some(temporary) = temporary {
        tell(&format!("{} is removed now; `leadsync demo --dir FOLDER` keeps it.", temporary.path().display()));
    }
    Ok(())
}

/// An address on this machine that nobody listens on.
fn free_address() -> SocketAddr {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    TcpListener::bind(any).and_then(|listener| listener.local_addr()).unwrap_or(any)
}

fn folder(wanted: Option<PathBuf>) -> Result<(Option<TempDir>, PathBuf), DemoError> {
    if let Some(folder) = wanted {
        std::fs::create_dir_all(&folder).map_err(|source| DemoError::Folder { path: folder.clone(), source })?;
        let folder = folder.canonicalize().map_err(|source| DemoError::Folder { path: folder, source })?;
        if folder.join("leadsync.db").exists() {
            return Err(DemoError::Used(folder.join("leadsync.db")));
        }
        return Ok((None, folder));
    }
    let temporary = tempfile::Builder::new().prefix("leadsync-demo-").tempdir();
    let temporary = temporary.map_err(|source| DemoError::Folder { path: std::env::temp_dir(), source })?;
    let folder = temporary.path().to_owned();
    Ok((Some(temporary), folder))
}

fn introduce(options: &DemoOptions, sandbox: &Sandbox, config: &std::path::Path, is_temporary: bool, tell: &Tell) {
    let SandboxOptions { operate_leads, salesforce_leads, common, .. } = options.sandbox;
    let addresses = sandbox.addresses();
    let store = config.with_file_name("leadsync.db");
    let until = match options.duration {
        Some(duration) => format!("This ends by itself after {} s, or with Ctrl-C.", duration.as_secs()),
        None => "End it with Ctrl-C.".to_owned(),
    };
    tell(&format!("Operate (simulated)     {}   {operate_leads} leads", addresses.operate.base_url));
    tell(&format!(
        "Salesforce (simulated)  {}   {salesforce_leads} leads, {common} of them the same people",
        addresses.salesforce.login_url
    ));
    tell(&format!("configuration           {}", config.display()));
    tell(&format!("store                   {}{}", store.display(), if is_temporary { "   (temporary)" } else { "" }));
    tell("");
    tell("While this runs, look into the store from another terminal:");
    tell(&format!("  sqlite3 -readonly {} 'SELECT state, count(*) FROM link GROUP BY state'", store.display()));
    tell(&format!("  sqlite3 -readonly {} 'SELECT * FROM lead_status LIMIT 5'", store.display()));
    tell(&format!("  sqlite3 -readonly {} 'SELECT * FROM history ORDER BY at DESC LIMIT 10'", store.display()));
    tell(&format!("  leadsync --config {} status", config.display()));
    tell("");
    tell(&until);
    tell("");
}
