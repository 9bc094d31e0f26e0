//! The lease of a store in PostgreSQL: which of several replicas writes.
//!
//! It is a row with a number, the fence, that each new holder raises. Every transaction of a daemon looks whether the fence is still its
//! own, in the place of the only writer: what somebody was stopped in who has been replaced meanwhile is refused. Before a request
//! leaves, the [`Permit`] is asked, which ends by this process's own clock before anybody else can take the lease.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::keeper::{EXPIRES, HOLDS, Held, Keeper};
use super::postgres::Server;
use super::sql::query;
use super::{Store, StoreError, stamp};
use crate::permit::{self, Permit};

/// The longest that giving it back may take.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Where it stands: beside the tables, since whoever makes these must hold it.
pub(super) const TABLE: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS lease (
        only_one    BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_one),
        fence       BIGINT NOT NULL,            -- raised by every new holder
        holder      TEXT NOT NULL,              -- machine and process; '' where it was given back
        taken_at    TIMESTAMPTZ NOT NULL,
        renewed_at  TIMESTAMPTZ NOT NULL
    )",
    // A replica that leads fewer stores and would lead this one.
    "ALTER TABLE lease ADD COLUMN IF NOT EXISTS wanted_by TEXT NOT NULL DEFAULT ''",
];

const TAKE: &str = "INSERT INTO lease (fence, holder, taken_at, renewed_at) VALUES (1, $1, clock_timestamp(), clock_timestamp())
    ON CONFLICT (only_one) DO UPDATE SET fence = lease.fence + 1, holder = excluded.holder, taken_at = excluded.taken_at,
        renewed_at = excluded.renewed_at, wanted_by = ''
    WHERE lease.fence = $2 AND CAST(lease.renewed_at AS TEXT) = $3
    RETURNING fence";

/// Which replica leads, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leader {
    /// Its machine and process.
    pub holder: String,
    /// Since when.
    pub since: String,
    /// When it said last that it is there.
    pub renewed_at: String,
    /// Whether that was not too long ago.
    pub is_there: bool,
}

/// Held for as long as it is renewed, which is done until this is dropped.
#[derive(Debug)]
pub struct Lease {
    fence: i64,
    permit: Permit,
    lost: CancellationToken,
    wanted: CancellationToken,
    server: Server,
}

impl Lease {
    /// Takes the lease where it is still as it was seen; `None`: another one was quicker.
    pub(super) async fn take(server: Server, fence: i64, renewed_at: &str) -> Result<Option<Self>, sqlx::Error> {
        let mut session = server.session();
        session.ready().await?;
        session.begin().await?;
        let asked = permit::now();
        let taking = sqlx::query_scalar(TAKE).bind(own_name()).bind(fence).bind(renewed_at);
        let fence: Option<i64> = taking.fetch_optional(session.connection()?).await?;
        session.commit().await?;
        session.rest();
        let Some(fence) = fence else { return Ok(None) };
        let (permit, lost, wanted) = (Permit::limited(), CancellationToken::new(), CancellationToken::new());
        permit.renew(asked, HOLDS);
        let held = Held { fence, permit: permit.clone(), lost: lost.clone(), wanted: wanted.clone() };
        Keeper::keep(server.database(), server.schema(), held);
        Ok(Some(Self { fence, permit, lost, wanted, server }))
    }

    /// The number that nobody had before.
    pub(super) const fn fence(&self) -> i64 {
        self.fence
    }

    /// Whether its holder may still write.
    pub(super) fn permit(&self) -> Permit {
        self.permit.clone()
    }

    /// Is cancelled once another replica has it.
    pub(super) fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }

    /// Is cancelled once another replica asks for it.
    pub(super) fn wanted(&self) -> CancellationToken {
        self.wanted.clone()
    }

    /// Gives it back, so that another one need not wait for its end.
    pub(super) async fn give_back(self) {
        self.permit.end();
        self.server.database().keeper().let_go(self.server.schema(), self.fence);
        let giving = async {
            let mut session = self.server.session();
            session.ready().await?;
            session.asked();
            sqlx::query("UPDATE lease SET holder = '' WHERE fence = $1").bind(self.fence).execute(session.connection()?).await?;
            session.answered();
            session.rest();
            Ok::<_, sqlx::Error>(())
        };
        // Where that fails it ends by itself.
        let _ = tokio::time::timeout(LAST_WORD, giving).await;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.permit.end();
        self.server.database().keeper().let_go(self.server.schema(), self.fence);
    }
}

/// This machine and process.
pub(super) fn own_name() -> String {
    format!("{} process {}", rustix::system::uname().nodename().to_string_lossy(), std::process::id())
}

impl Store {
    /// Which replica leads; `None` where there can be only one, or none has led yet.
    pub async fn leader(&self, now: DateTime<Utc>) -> Result<Option<Leader>, StoreError> {
        if self.file().is_some() {
            return Ok(None);
        }
        let row = query(
            "SELECT holder, CAST(extract(epoch FROM clock_timestamp() - taken_at) * 1000 AS BIGINT) AS led,
                 CAST(extract(epoch FROM clock_timestamp() - renewed_at) * 1000 AS BIGINT) AS silent FROM lease WHERE holder <> ''",
        );
        let Some(row) = row.fetch_optional(&self.read).await? else { return Ok(None) };
        let ago = |ms: i64| stamp(now - chrono::TimeDelta::milliseconds(ms));
        let silent: i64 = row.try_get("silent")?;
        Ok(Some(Leader {
            holder: row.try_get("holder")?,
            since: ago(row.try_get("led")?),
            renewed_at: ago(silent),
            is_there: silent.unsigned_abs() < u64::try_from(EXPIRES.as_millis()).unwrap_or_default(),
        }))
    }
}
