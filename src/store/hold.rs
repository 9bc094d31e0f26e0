//! One daemon a store: a locked file beside it that says who holds it.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::path::PathBuf;

use chrono::Utc;

use super::address::Located;
use super::{Address, Place, StoreError, stamp};

/// Held for as long as a daemon works on a store; the operating system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct Hold {
    _file: File,
}

impl Hold {
    /// Takes the store, or says who has it.
    pub fn take(address: impl Into<Address>) -> Result<Self, StoreError> {
        let Located::File(store) = address.into().locate()? else { todo!() };
        let mut name = store.clone().into_os_string();
        name.push(".lock");
        let path = PathBuf::from(name);
        let directory = |source: std::io::Error| match source.kind() {
            ErrorKind::StorageFull => StoreError::Full { place: Place::File(store.clone()) },
            _ => StoreError::Directory { path: path.clone(), source },
        };
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(directory)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                return Err(StoreError::Held { place: Place::File(store), holder: holder.trim().to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(directory(source)),
        }
        let line = format!("{} since {}\n", std::process::id(), stamp(Utc::now()));
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(line.as_bytes())).map_err(directory)?;
        Ok(Self { _file: file })
    }
}
