//! Backups: a consistent copy of the store while somebody works on it.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use super::sql::query;
use super::{Place, Store, StoreError};

/// A copy that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// Where it is.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// The links in it.
    pub links: i64,
    /// The leads in it.
    pub leads: i64,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something is there.
    #[error("{} is there already: a backup replaces nothing; name another file", .file.display())]
    Exists {
        /// Where.
        file: PathBuf,
    },
    /// It cannot be written.
    #[error("the backup {} cannot be written: {source}", .file.display())]
    File {
        /// Where.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What was written is not what was read.
    #[error("the copy was damaged on its way to {} ({reason}): it was removed; look at that disk", .file.display())]
    Damaged {
        /// Where.
        file: PathBuf,
        /// `SQLite`'s words.
        reason: String,
    },
    /// It is in no file.
    #[error(
        "a PostgreSQL store is backed up with the server's own means, such as pg_dump; `leadsync store copy` copies it into a file that \
         leadsync can work on"
    )]
    OfServer,
    /// The store, or the copy as one.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// A consistent copy at `target`, which must not exist or be empty.
    pub async fn copy_to(&self, target: &Path) -> Result<(), StoreError> {
        let copied = query("VACUUM INTO ?").bind(target.to_string_lossy()).execute(&self.read).await;
        copied.map(drop).map_err(|error| {
            let error = StoreError::from(error);
            let is_of_target = error.is_of_writing();
            if is_of_target { error.at(&Place::File(target.to_owned())) } else { error.at(&self.place) }
        })
    }

    /// A backup at `file`, which must not exist. It is there, whole and checked, or not at all.
    pub async fn backup(&self, file: &Path) -> Result<Backup, BackupError> {
        let store = self.file().ok_or(BackupError::OfServer)?;
        let exists = || BackupError::Exists { file: file.to_owned() };
        let failed = |source: std::io::Error| match source.kind() {
            ErrorKind::AlreadyExists => exists(),
            _ => BackupError::File { file: file.to_owned(), source },
        };
        if file.symlink_metadata().is_ok() {
            return Err(exists());
        }
        let mut name = file.as_os_str().to_owned();
        name.push(".partial");
        let partial = PathBuf::from(name);
        let made = self.backup_to(store, &partial, file).await;
        let put = match made {
            // Unlike a rename, a link replaces nothing.
            Ok(backup) => std::fs::hard_link(&partial, file)
                .or_else(|error| match error.kind() {
                    ErrorKind::AlreadyExists => Err(error),
                    _ if file.exists() => Err(ErrorKind::AlreadyExists.into()),
                    _ => std::fs::rename(&partial, file),
                })
                .and_then(|()| sync_folder(file))
                .map(|()| backup)
                .map_err(failed),
            Err(error) => Err(error),
        };
        let _ = std::fs::remove_file(&partial);
        put
    }

    async fn backup_to(&self, store: &Path, partial: &Path, file: &Path) -> Result<Backup, BackupError> {
        let failed = |source| BackupError::File { file: partial.to_owned(), source };
        // What is left of a backup that was cut off.
        match std::fs::remove_file(partial) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        // Nobody who may not read the store may read its copy.
        let made = File::options().write(true).create_new(true).open(partial).map_err(failed)?;
        let permissions = std::fs::metadata(store).map_err(failed)?.permissions();
        made.set_permissions(permissions).map_err(failed)?;
        self.copy_to(partial).await?;
        let backup = check(partial, file).await?;
        File::open(partial).and_then(|copy| copy.sync_all()).map_err(failed)?;
        Ok(backup)
    }
}

/// Marks the copy as one, and reads all of it.
async fn check(partial: &Path, file: &Path) -> Result<Backup, BackupError> {
    let of_copy = |error: sqlx::Error| BackupError::Store(StoreError::from(error).at(&Place::File(partial.to_owned())));
    let options = SqliteConnectOptions::new().filename(partial);
    let mut copy: SqliteConnection = options.connect().await.map_err(of_copy)?;
    // Whoever goes on from the copy cannot know which creates were carried out meanwhile, so it looks for them before it sends them.
    sqlx::query("UPDATE push SET state = 'sent', sent_at = created_at WHERE state = 'due' AND kind = 'create'")
        .execute(&mut copy)
        .await
        .map_err(of_copy)?;
    let found: Vec<String> = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_all(&mut copy).await.map_err(of_copy)?;
    if found != ["ok"] {
        return Err(BackupError::Damaged { file: file.to_owned(), reason: found.join("; ") });
    }
    let counts = sqlx::query("SELECT (SELECT count(*) FROM link), (SELECT count(*) FROM lead_state)").fetch_one(&mut copy).await;
    let counts = counts.map_err(of_copy)?;
    copy.close().await.map_err(of_copy)?;
    let bytes = std::fs::metadata(partial).map_err(|source| BackupError::File { file: partial.to_owned(), source })?.len();
    let (links, leads) = (counts.try_get(0).map_err(of_copy)?, counts.try_get(1).map_err(of_copy)?);
    Ok(Backup { file: file.to_owned(), bytes, links, leads })
}

/// A new name is on the disk once its folder is.
fn sync_folder(file: &Path) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}
