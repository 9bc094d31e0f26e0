//! Where a run keeps its store: in a file, or in a schema of PostgreSQL where `LEADSYNC_TEST_STORE=postgres` says so.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use leadsync::store::Address;

use super::cluster::{self, Cluster};

pub struct Home {
    pub address: Address,
    file: Option<PathBuf>,
}

impl Home {
    /// In a folder that holds an empty store, `empty.db`.
    pub fn new(folder: &Path) -> Self {
        // Tests play the same seed at the same time.
        static RUNS: AtomicU64 = AtomicU64::new(0);
        if cluster::is_asked_for() {
            return Self::in_server();
        }
        let file = folder.join(format!("{}.db", RUNS.fetch_add(1, Ordering::Relaxed)));
        std::fs::copy(folder.join("empty.db"), &file).unwrap();
        Self { address: Address::from(&format!("sqlite:{}", file.display())), file: Some(file) }
    }

    /// In a schema of PostgreSQL.
    pub fn in_server() -> Self {
        Self { address: Cluster::shared().address(), file: None }
    }

    /// Another one beside it.
    pub fn beside(&self) -> Self {
        match &self.file {
            Some(file) => {
                let file = file.with_extension("copy");
                Self { address: Address::from(&format!("sqlite:{}", file.display())), file: Some(file) }
            }
            None => Self::in_server(),
        }
    }

    /// Takes the store away.
    pub async fn remove(&self) {
        let Some(file) = &self.file else {
            return cluster::execute(&self.address, &format!("DROP SCHEMA IF EXISTS {} CASCADE", self.address.schema)).await;
        };
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", file.display()));
        }
    }
}
