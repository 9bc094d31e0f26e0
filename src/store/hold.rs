//! One daemon a store: a locked file beside it that says who holds it, or the lease of a PostgreSQL store.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::Utc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::address::Located;
use super::keeper::{Keeper, View};
use super::lease::{Lease, TABLE};
use super::postgres::Server;
use super::{Address, Place, StoreError, stamp};
use crate::permit::Permit;

/// How long somebody who was killed may still be taken for one who holds a store.
const LINGERS: Duration = Duration::from_secs(8);
/// How often it is looked whether a file is free, or a server is there.
const LOOK: Duration = Duration::from_secs(1);

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
                Err(StoreError::Held { place: Place::Server(_), .. }) if began.elapsed() < LINGERS => candidate.wait().await,
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

    /// Is cancelled once another replica asks for it, which leads fewer stores.
    #[must_use]
    pub fn wanted(&self) -> CancellationToken {
        match &self.0 {
            Kind::File(_) => CancellationToken::new(),
            Kind::Lease(lease) => lease.wanted(),
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
    seen: Option<watch::Receiver<View>>,
}

impl Candidate {
    /// Of this store.
    pub fn for_store(address: impl Into<Address>) -> Self {
        Self { address: address.into(), seen: None }
    }

    /// Takes the store where it is free, or says who has it.
    pub async fn try_to_take(&mut self) -> Result<Hold, StoreError> {
        match self.address.locate()? {
            Located::File(path) => lock(&path).map(|file| Hold(Kind::File(file))),
            Located::Server(server) => {
                let place = self.address.place()?;
                let seen = match &mut self.seen {
                    Some(seen) => seen,
                    none => none.insert(watch(&server).await.map_err(|error| StoreError::from(error).at(&place))?),
                };
                let view = seen.wait_for(|view| !matches!(view, View::Unseen)).await.map(|view| view.clone());
                match view.unwrap_or(View::Unseen) {
                    View::Free { fence, renewed_at } => match Lease::take(*server, fence, &renewed_at).await {
                        Ok(Some(lease)) => Ok(Hold(Kind::Lease(Box::new(lease)))),
                        Ok(None) => Err(StoreError::Held { place, holder: "another replica".to_owned() }),
                        Err(error) => Err(StoreError::from(error).at(&place)),
                    },
                    View::Held(holder) => Err(StoreError::Held { place, holder }),
                    View::Trouble(error) => Err(StoreError::Common(error)),
                    View::Unseen => Err(StoreError::Sql(sqlx::Error::PoolClosed)),
                }
            }
        }
    }

    /// Waits until it is worth another try.
    pub async fn wait(&mut self) {
        match &mut self.seen {
            // A round of looking is longer where the server is slow.
            Some(seen) => drop(tokio::time::timeout(LOOK * 3, seen.changed()).await),
            None => tokio::time::sleep(LOOK).await,
        }
    }
}

async fn watch(server: &Server) -> Result<watch::Receiver<View>, sqlx::Error> {
    let mut session = server.session();
    session.ready().await?;
    session.make_schema(TABLE).await?;
    session.rest();
    Ok(Keeper::watch(server.database(), server.schema()))
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
