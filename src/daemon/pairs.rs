//! Many pairs of systems in one process. Each has its own configuration, store, lease, schedule and budget, and goes its own way: what fails
//! in one is shown and tried again, and the others do not notice.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::lanes::Lanes;
use super::replica::renew;
use super::{Order, Orders, Process, ProcessError, lead};
use crate::config::folder::{Folder, NAMES};
use crate::config::{Config, ConfigError, Finding, Loaded};
use crate::mapping::Mapping;
use crate::ops::{ListenError, Pairs, Served, Shown, serve_pairs};
use crate::store::Databases;
use crate::sync::Rules;

/// When a pair that failed is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// Why pairs cannot be served at all.
#[derive(Debug, thiserror::Error)]
pub enum PairsError {
    /// No configuration can be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The port cannot be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The scheduler does not start.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// No thread can be started.
    #[error("no thread can be started: {0}")]
    Threads(std::io::Error),
}

/// Serves the pairs whose configurations are in this folder until it is told to stop. When it is told to read them again, it starts those
/// that are new, ends those that are gone, and has the others go on with what their files say now.
pub async fn run_pairs(folder: &Path, mut orders: Orders) -> Result<(), PairsError> {
    let found = Folder::read(folder)?;
    if let Some(error) = found.useless() {
        return Err(error.into());
    }
    let (told, mut ended) = mpsc::unbounded_channel();
    let mut supervisor = Supervisor {
        folder: folder.to_owned(),
        process: Process::new().await?,
        databases: Databases::default(),
        stop: orders.stop.clone(),
        shown: BTreeMap::new(),
        pairs: BTreeMap::new(),
        refused: BTreeSet::new(),
        lanes: Lanes::new(told).map_err(PairsError::Threads)?,
    };
    supervisor.listen(&found).await?;
    supervisor.take(found);
    tracing::info!(pairs = supervisor.pairs.len(), process.id = std::process::id(), "pairs.started");
    let stop = orders.stop.clone();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            order = orders.next() => supervisor.obey(order).await,
            Some(name) = ended.recv() => supervisor.ended(&name),
        }
    }
    supervisor.end(&mut ended).await;
    tracing::info!("pairs.stopped");
    Ok(())
}

struct Supervisor {
    folder: PathBuf,
    process: Process,
    databases: Databases,
    stop: CancellationToken,
    /// What is shown at each address.
    shown: BTreeMap<SocketAddr, (Arc<Pairs>, Served)>,
    pairs: BTreeMap<String, Pair>,
    /// Those whose configurations cannot be used, and never could.
    refused: BTreeSet<String>,
    lanes: Lanes,
}

/// A pair that is served.
struct Pair {
    config: Config,
    stop: CancellationToken,
    teller: mpsc::Sender<Order>,
}

impl Pair {
    fn tell(&self, order: Order) {
        // Full: it has been told already.
        let _ = self.teller.try_send(order);
    }
}

impl Supervisor {
    /// Opens the ports that the configurations name.
    async fn listen(&mut self, found: &Folder) -> Result<(), ListenError> {
        for loaded in found.pairs.values().flatten() {
            if let Some(address) = loaded.config.ops.listen
                && !self.shown.contains_key(&address)
            {
                let pairs = Pairs::new();
                let served = serve_pairs(Arc::clone(&pairs), address).await?;
                self.shown.insert(address, (pairs, served));
            }
        }
        Ok(())
    }

    /// Serves what was found.
    fn take(&mut self, found: Folder) {
        for file in &found.nameless {
            tracing::warn!(file = %file.display(), hint = NAMES, "pair.nameless");
        }
        for (name, pair) in &self.pairs {
            if !found.pairs.contains_key(name) {
                tracing::info!(pair = name, "pair.removed");
                pair.stop.cancel();
            }
        }
        let gone: Vec<String> = self.refused.iter().filter(|name| !found.pairs.contains_key(*name)).cloned().collect();
        for name in &gone {
            self.forget(name);
        }
        for (name, loaded) in found.pairs {
            match loaded {
                Ok(loaded) => self.take_pair(&name, loaded),
                Err(error) => self.refuse(&name, &error),
            }
        }
    }

    /// Shows a pair no more.
    fn forget(&mut self, name: &str) {
        self.refused.remove(name);
        for (pairs, _) in self.shown.values() {
            pairs.remove(name);
        }
    }

    fn take_pair(&mut self, name: &str, loaded: Loaded) {
        let Loaded { mut config, warnings, .. } = loaded;
        if let Some(pair) = self.pairs.get(name) {
            if config.store.is_same(&pair.config.store) && config.ops.listen == pair.config.ops.listen {
                pair.tell(Order::Reload);
            } else {
                // It is begun anew when it has ended.
                pair.stop.cancel();
            }
            return;
        }
        self.refused.remove(name);
        let span = tracing::error_span!("pair", pair = name);
        span.in_scope(|| warnings.iter().for_each(Finding::log));
        let pairs = config.ops.listen.and_then(|address| self.shown.get(&address)).map(|(pairs, _)| Arc::clone(pairs));
        let process = self.process.pair(name, pairs);
        config.store.databases = self.databases.clone();
        let stop = self.stop.child_token();
        let (teller, orders) = Orders::told(stop.clone());
        self.lanes.serve(name, config.clone(), orders, process, span);
        self.pairs.insert(name.to_owned(), Pair { config, stop, teller });
    }

    /// A configuration is wrong: who is served by the one of before goes on with that.
    fn refuse(&mut self, name: &str, error: &ConfigError) {
        for Finding { key, problem, help, .. } in &error.findings {
            tracing::error!(pair = name, key, problem, hint = help, "pair.refused");
        }
        if !self.pairs.contains_key(name) {
            self.refused.insert(name.to_owned());
            for (pairs, _) in self.shown.values() {
                pairs.show(name, Shown::Fails(error.to_string()));
            }
        }
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::CycleNow => self.pairs.values().for_each(|pair| pair.tell(order)),
            Order::Reload => self.load().await,
        }
    }

    async fn load(&mut self) {
        let loaded = match Folder::read(&self.folder) {
            Ok(found) => match self.listen(&found).await {
                Ok(()) => Ok(found),
                Err(error) => Err(error.to_string()),
            },
            Err(error) => Err(error.to_string()),
        };
        match loaded {
            Ok(found) => {
                self.take(found);
                tracing::info!(pairs = self.pairs.len(), "pairs.reloaded");
            }
            Err(reason) => {
                tracing::error!(reason, hint = "the configurations from before stay in force", "pairs.reload_refused");
            }
        }
    }

    /// A pair has ended, since it was told to. Where its configuration is still there, it is begun anew.
    fn ended(&mut self, name: &str) {
        let Some(pair) = self.pairs.remove(name) else { return };
        match Config::load(Some(&pair.config.file)) {
            _ if !pair.config.file.exists() => self.forget(name),
            Ok(loaded) => self.take_pair(name, loaded),
            Err(error) => self.refuse(name, &error),
        }
    }

    async fn end(mut self, ended: &mut mpsc::UnboundedReceiver<String>) {
        while !self.pairs.is_empty()
            && let Some(name) = ended.recv().await
        {
            self.pairs.remove(&name);
        }
        for (_, served) in self.shown.into_values() {
            served.stop().await;
        }
    }
}

/// Leads or stands by until it is told to stop, whatever fails.
pub(super) async fn serve(mut config: Config, mut orders: Orders, process: &Process) {
    let stop = orders.stop.clone();
    loop {
        let ended = AssertUnwindSafe(lead_if_it_fits(&mut config, &mut orders, process)).catch_unwind().await;
        let reason = match ended {
            Ok(Ok(())) => return,
            Ok(Err(reason)) => reason,
            Err(_) => "a defect of leadsync: the log says where".to_owned(),
        };
        tracing::error!(error = reason, wait_s = AGAIN.as_secs(), "pair.failed");
        process.tell(Shown::Fails(reason));
        tokio::select! {
            () = stop.cancelled() => return,
            _ = orders.next() => {}
            () = tokio::time::sleep(AGAIN) => {}
        }
        renew(&mut config);
    }
}

async fn lead_if_it_fits(config: &mut Config, orders: &mut Orders, process: &Process) -> Result<(), String> {
    let mapping = Mapping::build(config).map_err(|error| format!("the mapping is wrong: {error}"))?;
    Rules::of(config, &mapping).map_err(|error| format!("the mapping is wrong: {error}"))?;
    lead(config, orders, process).await.map_err(|error| error.to_string())
}
