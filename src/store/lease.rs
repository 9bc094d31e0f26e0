//! The lease of a store in PostgreSQL: which of several replicas writes.
//!
//! It is a row with a number, the fence, that each new holder raises. Every transaction of a daemon looks whether the fence is still its
//! own, in the place of the only writer: what somebody was stopped in who has been replaced meanwhile is refused. Before a request
//! leaves, the [`Permit`] is asked, which ends by this process's own clock before anybody else can take the lease.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::postgres::Server;
use super::sql::query;
use super::{Store, StoreError, stamp};
use crate::permit::{self, Permit};

/// A lease that somebody has seen for this long without a renewal can be taken by them. It goes by their own clock, and not by the
/// server's, which may be set, or be another one after a failover.
const EXPIRES: Duration = Duration::from_secs(6);
/// By its holder's own clock it ends after so long: earlier than anybody can take it, since they see a renewal after it was asked for.
const HOLDS: Duration = Duration::from_secs(5);
/// How often it is renewed.
const RENEWAL: Duration = Duration::from_millis(1_500);
/// The longest that a renewal may take: two that hang leave time for a third.
const PATIENCE: Duration = Duration::from_secs(1);
/// The longest that giving it back may take.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Where it stands: beside the tables, since whoever makes these must hold it.
pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS lease (
    only_one    BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_one),
    fence       BIGINT NOT NULL,            -- raised by every new holder
    holder      TEXT NOT NULL,              -- machine and process; '' where it was given back
    taken_at    TIMESTAMPTZ NOT NULL,
    renewed_at  TIMESTAMPTZ NOT NULL
)";

const LOOK: &str = "SELECT fence, CAST(renewed_at AS TEXT),
        holder || ' since ' || to_char(taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')
    FROM lease WHERE holder <> ''";

const TAKE: &str = "INSERT INTO lease (fence, holder, taken_at, renewed_at) VALUES (1, $1, clock_timestamp(), clock_timestamp())
    ON CONFLICT (only_one) DO UPDATE SET fence = lease.fence + 1, holder = excluded.holder, taken_at = excluded.taken_at,
        renewed_at = excluded.renewed_at
    WHERE lease.holder = '' OR (lease.fence = $2 AND CAST(lease.renewed_at AS TEXT) = $3)
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

/// Held for as long as it is renewed, which a task does until this is dropped.
#[derive(Debug)]
pub struct Lease {
    fence: i64,
    permit: Permit,
    lost: CancellationToken,
    server: Arc<Server>,
    _renewing: DropGuard,
}

/// What somebody who wants the lease has seen of it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    fence: i64,
    renewed_at: String,
    /// Who has it and since when, for people.
    holder: String,
    /// Since when it is like that, by [`permit::now`].
    since: i64,
}

impl Seen {
    /// Looks again, and gives whether it can be taken.
    async fn look(&mut self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let Some((fence, renewed_at, holder)) = sqlx::query_as(LOOK).fetch_optional(connection).await? else { return Ok(true) };
        let now = permit::now();
        if (fence, &renewed_at) != (self.fence, &self.renewed_at) {
            *self = Self { fence, renewed_at, holder, since: now };
        }
        Ok(u128::from((now - self.since).unsigned_abs()) >= EXPIRES.as_millis())
    }
}

impl Lease {
    /// Takes the lease, or says who has it.
    pub(super) async fn take(server: Server, seen: &mut Seen) -> Result<Result<Self, String>, sqlx::Error> {
        let mut session = server.connect().await?;
        session.make_schema(TABLE).await?;
        // Whoever writes is not held up by those who only look.
        if !seen.look(session.connection()).await? {
            return Ok(Err(seen.holder.clone()));
        }
        session.begin().await?;
        let asked = permit::now();
        let taking = sqlx::query_scalar(TAKE).bind(own_name()).bind(seen.fence).bind(&seen.renewed_at);
        let fence: Option<i64> = taking.fetch_optional(session.connection()).await?;
        session.commit().await?;
        let Some(fence) = fence else {
            // Another one was quicker.
            seen.look(session.connection()).await?;
            return Ok(Err(seen.holder.clone()));
        };
        let _ = session.close().await;
        let (permit, lost, ended) = (Permit::limited(), CancellationToken::new(), CancellationToken::new());
        permit.renew(asked, HOLDS);
        let server = Arc::new(server);
        let renewal = Renewal { server: Arc::clone(&server), fence, permit: permit.clone(), lost: lost.clone() };
        tokio::spawn(renewal.go_on(ended.clone()));
        Ok(Ok(Self { fence, permit, lost, server, _renewing: ended.drop_guard() }))
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

    /// Gives it back, so that another one need not wait for its end.
    pub(super) async fn give_back(self) {
        self.permit.end();
        let giving = async {
            let mut session = self.server.connect().await?;
            sqlx::query("UPDATE lease SET holder = '' WHERE fence = $1").bind(self.fence).execute(session.connection()).await
        };
        // Where that fails it ends by itself.
        let _ = tokio::time::timeout(LAST_WORD, giving).await;
    }
}

/// What keeps a lease.
struct Renewal {
    server: Arc<Server>,
    fence: i64,
    permit: Permit,
    lost: CancellationToken,
}

/// What became of a renewal.
enum Renewed {
    InTime,
    /// Nobody else has it, but this process was stopped or cut off for long: what it was in the middle of may wait for an answer that never
    /// comes, so it begins anew.
    Late,
    /// Another one has it.
    Lost,
}

impl Renewal {
    async fn go_on(self, ended: CancellationToken) {
        tokio::select! {
            () = ended.cancelled() => {}
            () = self.renew_until_lost() => {
                self.permit.end();
                self.lost.cancel();
            }
        }
    }

    async fn renew_until_lost(&self) {
        let mut connection = None;
        let mut ticks = tokio::time::interval(RENEWAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match tokio::time::timeout(PATIENCE, self.renew(&mut connection)).await {
                Ok(Ok(Renewed::InTime)) => {}
                Ok(Ok(Renewed::Late | Renewed::Lost)) => return,
                Ok(Err(error)) => {
                    connection = None;
                    tracing::warn!(error = %StoreError::from(error), "lease.not_renewed");
                }
                Err(_) => {
                    connection = None;
                    tracing::warn!(error = "the server does not answer", "lease.not_renewed");
                }
            }
        }
    }

    async fn renew(&self, connection: &mut Option<PgConnection>) -> Result<Renewed, sqlx::Error> {
        let connection = match connection {
            Some(connection) => connection,
            none => none.insert(self.server.connect().await?.into_connection()),
        };
        let asked = permit::now();
        let renewing = sqlx::query("UPDATE lease SET renewed_at = clock_timestamp() WHERE fence = $1").bind(self.fence);
        if renewing.execute(connection).await?.rows_affected() == 0 {
            return Ok(Renewed::Lost);
        }
        if !self.permit.holds() {
            return Ok(Renewed::Late);
        }
        self.permit.renew(asked, HOLDS);
        Ok(Renewed::InTime)
    }
}

/// This machine and process.
fn own_name() -> String {
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
