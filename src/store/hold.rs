//! One daemon a store: a locked file beside it that says who holds it, or the lease of a PostgreSQL store.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::Utc;
use tokio_util::sync::CancellationToken;

use super::address::Located;
use super::lease::{Lease, Seen};
use super::{Address, Place, StoreError, stamp};
use crate::permit::Permit;

/// How long somebody who was killed may still be taken for one who holds a store.
const LINGERS: Duration = Duration::from_secs(8);
/// How often it is looked whether it is free.
const LOOK: Duration = Duration::from_millis(500);

/// Held for as long as a daemon works on a store.
#[derive(Debug)]
pub struct Hold(Kind);

#[derive(Debug)]
enum Kind {
    /// The operating system lets go of it when the process ends, however it ends.
    File(#[allow(dead_code, reason = "it is held")] File),
    Lease(Box<Lease>),
}

impl Hold {
    /// Takes the store, or says who has it. Who was killed has a PostgreSQL store for a few seconds still: that is waited for.
    pub async fn take(address: impl Into<Address>) -> Result<Self, StoreError> {
        let mut candidate = Candidate::for_store(address);
        let began = tokio::time::Instant::now();
        loop {
            match candidate.try_to_take().await {
                Err(StoreError::Held { place: Place::Server(_), .. }) if began.elapsed() < LINGERS => {
                    tokio::time::sleep(LOOK).await;
                }
                taken => return taken,
            }
        }
    }

    /// Whether its holder may still write.
    #[must_use]
    pub fn permit(&self) -> Permit {
        match &self.0 {
            Kind::File(_) => Permit::default(),
            Kind::Lease(lease) => lease.permit(),
        }
    }

    /// Is cancelled once somebody else has it.
    #[must_use]
    pub fn lost(&self) -> CancellationToken {
        match &self.0 {
            Kind::File(_) => CancellationToken::new(),
            Kind::Lease(lease) => lease.lost(),
        }
    }

    /// Gives it back.
    pub async fn give_back(self) {
        if let Kind::Lease(lease) = self.0 {
            lease.give_back().await;
        }
    }

    pub(super) fn fence(&self) -> Option<i64> {
        match &self.0 {
            Kind::File(_) => None,
            Kind::Lease(lease) => Some(lease.fence()),
        }
    }
}

/// Who wants to hold a store, and looks from time to time whether it is free.
#[derive(Debug)]
pub struct Candidate {
    address: Address,
    seen: Seen,
}

impl Candidate {
    /// Of this store.
    pub fn for_store(address: impl Into<Address>) -> Self {
        Self { address: address.into(), seen: Seen::default() }
    }

    /// Takes the store where it is free, or says who has it.
    pub async fn try_to_take(&mut self) -> Result<Hold, StoreError> {
        match self.address.locate()? {
            Located::File(path) => lock(&path).map(|file| Hold(Kind::File(file))),
            Located::Server(server) => {
                let place = self.address.place()?;
                match Lease::take(*server, &mut self.seen).await {
                    Ok(Ok(lease)) => Ok(Hold(Kind::Lease(Box::new(lease)))),
                    Ok(Err(holder)) => Err(StoreError::Held { place, holder }),
                    Err(error) => Err(StoreError::from(error).at(&place)),
                }
            }
        }
    }
}

fn lock(store: &Path) -> Result<File, StoreError> {
    let mut name = store.to_path_buf().into_os_string();
    name.push(".lock");
    let path = PathBuf::from(name);
    let place = || Place::File(store.to_owned());
    let directory = |source: std::io::Error| match source.kind() {
        ErrorKind::StorageFull => StoreError::Full { place: place() },
        _ => StoreError::Directory { path: path.clone(), source },
    };
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(directory)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            return Err(StoreError::Held { place: place(), holder: format!("process {}", holder.trim()) });
        }
        Err(TryLockError::Error(source)) => return Err(directory(source)),
    }
    let line = format!("{} since {}\n", std::process::id(), stamp(Utc::now()));
    file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(line.as_bytes())).map_err(directory)?;
    Ok(file)
}
