//! Opening a store: whichever database it is in, and whatever version wrote it.

use std::borrow::Cow;

use sqlx::migrate::{MigrateError, Migrator};
use tokio::sync::Mutex;

use super::address::Located;
use super::sql::{Connection, Pool, query_scalar};
use super::{Address, Hold, Place, Store, StoreError, sqlite};
use crate::permit::Permit;

/// For `SQLite`.
static MIGRATIONS: Migrator = sqlx::migrate!();
/// For PostgreSQL.
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

impl Store {
    /// Opens the store at this address for writing, makes it if it is missing, and brings its schema up to date. Take
    /// [`Hold`] first.
    pub async fn open(address: impl Into<Address>) -> Result<Self, StoreError> {
        Self::open_as(address.into(), None).await
    }

    /// The same for whoever holds it: nothing is written any more once somebody else does.
    pub async fn open_held(address: impl Into<Address>, hold: &Hold) -> Result<Self, StoreError> {
        let store = Self { permit: hold.permit(), ..Self::open_as(address.into(), Some(hold)).await? };
        if let (Connection::Postgres(session), Some(fence)) = (&mut *store.write().await?, hold.fence()) {
            session.fence_in(fence);
        }
        Ok(store)
    }

    async fn open_as(address: Address, hold: Option<&Hold>) -> Result<Self, StoreError> {
        let store = match address.locate()? {
            Located::File(path) => sqlite::open(path).await?,
            Located::Server(server) => {
                let (place, mut session) = (address.place()?, server.session());
                let making = async {
                    session.ready().await?;
                    session.make_schema(super::lease::TABLE).await
                };
                making.await.map_err(|error| StoreError::from(error).at(&place))?;
                session.rest();
                Self::of(place, Connection::Postgres(Box::new(session)), Pool::Postgres(*server))
            }
        };
        store.migrate(hold.is_none()).await?;
        Ok(store)
    }

    /// Opens an existing store for commands that report or that leave a word for the daemon. The schema must be the current one.
    pub async fn open_existing(address: impl Into<Address>) -> Result<Self, StoreError> {
        let address = address.into();
        match address.locate()? {
            Located::File(path) => sqlite::open_existing(path).await,
            Located::Server(server) => {
                let (place, mut session) = (address.place()?, server.session());
                let looking = async {
                    session.ready().await?;
                    session.has_store().await
                };
                if !looking.await.map_err(|error| StoreError::from(error).at(&place))? {
                    return Err(StoreError::Missing { place });
                }
                session.rest();
                let store = Self::of(place, Connection::Postgres(Box::new(session)), Pool::Postgres(*server));
                store.check_version().await?;
                Ok(store)
            }
        }
    }

    pub(super) fn of(place: Place, write: Connection, read: Pool) -> Self {
        Self { place, write: Mutex::new(Some(write)), read, permit: Permit::default() }
    }

    /// `locking`: others may do the same at the same time, since nobody holds the store. The lock is that of the whole database.
    async fn migrate(&self, locking: bool) -> Result<(), StoreError> {
        let migrated = match &mut *self.write().await? {
            Connection::Sqlite(connection) => MIGRATIONS.run(connection).await,
            Connection::Postgres(session) => {
                let migrations = Cow::Borrowed(POSTGRES_MIGRATIONS.migrations.as_ref());
                let migrations = Migrator { migrations, locking, ..Migrator::DEFAULT };
                session.asked();
                let migrated = migrations.run(session.connection()?).await;
                if migrated.is_ok() {
                    session.answered();
                }
                migrated
            }
        };
        migrated.map_err(|error| match error {
            MigrateError::VersionMissing(version) => StoreError::Newer { place: self.place.clone(), version },
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => self.opening(error),
            other => StoreError::Damaged { place: self.place.clone(), reason: other.to_string() },
        })
    }

    pub(super) async fn check_version(&self) -> Result<(), StoreError> {
        let known = match &self.read {
            Pool::Sqlite(_) => &MIGRATIONS,
            Pool::Postgres(_) => &POSTGRES_MIGRATIONS,
        };
        let newest: Option<i64> = query_scalar("SELECT max(version) FROM _sqlx_migrations")
            .fetch_one(&self.read)
            .await
            .map_err(|error| self.opening(error))?;
        match newest {
            Some(version) if !known.version_exists(version) => Err(StoreError::Newer { place: self.place.clone(), version }),
            _ => Ok(()),
        }
    }

    fn opening(&self, error: sqlx::Error) -> StoreError {
        StoreError::opening(error, &self.place)
    }
}
