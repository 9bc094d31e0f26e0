//! Who keeps the leases of this process in a database, renews them, and watches those of others: once a second, all of them in one go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::lease::own_name;
use super::postgres::Database;
use super::share::{Elsewhere, to_ask_for};
use super::{Place, StoreError};
use crate::permit::{self, Permit};

/// A lease that somebody has seen for this long without a renewal can be taken by them. It goes by their own clock, and not by the
/// server's, which may be set, or be another one after a failover.
pub(super) const EXPIRES: Duration = Duration::from_secs(6);
/// By its holder's own clock it ends after so long: earlier than anybody can take it, since they see a renewal after it was asked for.
pub(super) const HOLDS: Duration = Duration::from_secs(5);
/// A lease that was given back for somebody who asked for it is left to them for so long: they take it in their next round, if they are
/// there.
const RESERVED: Duration = Duration::from_millis(1_500);
/// How often leases are renewed and watched.
const ROUND: Duration = Duration::from_secs(1);
/// The longest that it may take: two that hang leave time for a third.
const PATIENCE: Duration = Duration::from_secs(1);
/// Nobody locks a lease for longer than a moment: whoever does keeps the others of this process waiting no longer than this.
const LOCKED: (&str, &str) = ("lock_timeout", "300ms");

/// What is kept and watched.
#[derive(Default)]
pub(super) struct Keeper {
    state: Mutex<State>,
    /// Somebody does not want to wait for the next round.
    now: Notify,
}

#[derive(Default)]
struct State {
    /// By schema.
    held: BTreeMap<String, Held>,
    /// By schema: those who want it.
    watched: BTreeMap<String, Vec<watch::Sender<View>>>,
    seen: BTreeMap<String, Seen>,
    is_running: bool,
}

/// A lease that this process has.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) fence: i64,
    pub(super) permit: Permit,
    /// Another one has it.
    pub(super) lost: CancellationToken,
    /// Another replica, which leads fewer stores, asks for it.
    pub(super) wanted: CancellationToken,
}

impl Held {
    fn end(&self) {
        self.permit.end();
        self.lost.cancel();
    }
}

/// A lease as it stands in the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Row {
    fence: i64,
    renewed_at: String,
    /// Machine and process; nothing where it was given back.
    holder: String,
    /// Who has it and since when, for people.
    since: String,
    wanted_by: String,
}

/// What was seen of a lease.
struct Seen {
    row: Option<Row>,
    /// Since when it is like that, by [`permit::now`].
    since: i64,
}

/// What somebody who wants a lease is told of it.
#[derive(Debug, Clone)]
pub(super) enum View {
    /// Nothing yet.
    Unseen,
    /// It can be taken, if it is still like that.
    Free {
        /// As it was seen.
        fence: i64,
        /// As it was seen.
        renewed_at: String,
    },
    /// Somebody has it.
    Held(String),
    /// It cannot be seen.
    Trouble(Arc<StoreError>),
}

impl Seen {
    fn view(&self, own: &str) -> View {
        let age = Duration::from_millis((permit::now() - self.since).unsigned_abs());
        let Some(row) = &self.row else { return View::Free { fence: 0, renewed_at: String::new() } };
        let is_free = if row.holder.is_empty() {
            row.wanted_by.is_empty() || row.wanted_by == own || age >= RESERVED
        } else {
            age >= EXPIRES
        };
        if is_free {
            return View::Free { fence: row.fence, renewed_at: row.renewed_at.clone() };
        }
        View::Held(if row.holder.is_empty() { format!("{}, soon,", row.wanted_by) } else { row.since.clone() })
    }
}

impl Keeper {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of the lease of this schema until the receiver is dropped.
    pub(super) fn watch(database: &Arc<Database>, schema: &str) -> watch::Receiver<View> {
        let (teller, told) = watch::channel(View::Unseen);
        let keeper = database.keeper();
        keeper.state().watched.entry(schema.to_owned()).or_default().push(teller);
        Self::run(database);
        keeper.now.notify_one();
        told
    }

    /// Renews this lease from now on until [`Keeper::let_go`].
    pub(super) fn keep(database: &Arc<Database>, schema: &str, held: Held) {
        if let Some(before) = database.keeper().state().held.insert(schema.to_owned(), held) {
            before.end();
        }
        Self::run(database);
    }

    pub(super) fn let_go(&self, schema: &str, fence: i64) {
        let mut state = self.state();
        if state.held.get(schema).is_some_and(|held| held.fence == fence) {
            state.held.remove(schema);
        }
    }

    /// Goes on in the background while there is anything to keep or to watch: on a thread of its own, which gets its turn however much the
    /// others have to do.
    fn run(database: &Arc<Database>) {
        if std::mem::replace(&mut database.keeper().state().is_running, true) {
            return;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let (apart, here) = (Arc::clone(database), Arc::clone(database));
        let started = runtime.and_then(|runtime| {
            let thread = std::thread::Builder::new().name("leases".to_owned());
            thread.spawn(move || runtime.block_on(rounds(apart)))
        });
        if started.is_err() {
            tokio::spawn(rounds(here));
        }
    }

    /// Whether there is nothing to do any more.
    fn is_done(&self) -> bool {
        let mut state = self.state();
        state.watched.retain(|_, tellers| {
            tellers.retain(|teller| !teller.is_closed());
            !tellers.is_empty()
        });
        let State { watched, seen, .. } = &mut *state;
        seen.retain(|schema, _| watched.contains_key(schema));
        let is_done = state.held.is_empty() && state.watched.is_empty();
        state.is_running = !is_done;
        is_done
    }

    /// What is done to each schema's lease.
    fn statements(&self) -> Vec<Statement> {
        let state = self.state();
        let renewing = state.held.iter().map(|(schema, held)| {
            let renewing = format!("UPDATE {schema}.lease SET renewed_at = clock_timestamp() WHERE fence = {}", held.fence);
            Statement {
                schema: schema.clone(),
                fence: Some(held.fence),
                sql: format!("{renewing} RETURNING {}", columns(schema)),
            }
        });
        let watching = state.watched.keys().filter(|schema| !state.held.contains_key(*schema));
        let watching = watching.map(|schema| {
            let sql = format!("SELECT {} FROM {schema}.lease", columns(schema));
            Statement { schema: schema.clone(), fence: None, sql }
        });
        renewing.chain(watching).collect()
    }

    /// Takes what these statements found, which were begun at this moment.
    fn take(&self, asked: i64, statements: &[Statement], rows: &[PgRow]) -> Result<(), sqlx::Error> {
        let schemas: BTreeMap<&str, Option<i64>> = statements.iter().map(|each| (each.schema.as_str(), each.fence)).collect();
        let found = rows.iter().map(|row| Ok((row.try_get(0)?, self::row(row)?)));
        let found: BTreeMap<String, Row> = found.collect::<Result<_, sqlx::Error>>()?;
        let mut state = self.state();
        let now = permit::now();
        let State { held, watched, seen, .. } = &mut *state;
        // One that was taken meanwhile was not renewed.
        held.retain(|schema, held| {
            schemas.get(schema.as_str()) != Some(&Some(held.fence)) || renew(held, found.get(schema), asked)
        });
        let own = own_name();
        for (schema, tellers) in watched.iter().filter(|(schema, _)| schemas.contains_key(schema.as_str())) {
            let row = found.get(schema).cloned();
            let known = seen.entry(schema.clone()).or_insert_with(|| Seen { row: row.clone(), since: now });
            if known.row != row {
                *known = Seen { row, since: now };
            }
            let view = known.view(&own);
            for teller in tellers {
                teller.send_replace(view.clone());
            }
        }
        Ok(())
    }

    /// Tells those who wait for these schemas, or for any, that nothing can be seen.
    fn fail(&self, schema: Option<&str>, error: StoreError) {
        let (state, error) = (self.state(), Arc::new(error));
        for (_, tellers) in state.watched.iter().filter(|(known, _)| schema.is_none_or(|schema| schema == *known)) {
            for teller in tellers {
                teller.send_replace(View::Trouble(Arc::clone(&error)));
            }
        }
        if !state.held.is_empty() && schema.is_none_or(|schema| state.held.contains_key(schema)) {
            tracing::warn!(error = %error, "lease.not_renewed");
        }
    }

    /// What asks for some of the leases of whoever has more than this process.
    fn asking(&self) -> Option<String> {
        let (state, own, now) = (self.state(), own_name(), permit::now());
        let elsewhere = state.seen.iter().filter(|(schema, _)| !state.held.contains_key(*schema)).filter_map(|(schema, seen)| {
            let Row { holder, wanted_by, .. } = seen.row.as_ref()?;
            let is_there = u128::from((now - seen.since).unsigned_abs()) < 3 * ROUND.as_millis();
            Some(Elsewhere { store: schema, holder, wanted_by, is_there })
        });
        let asking = to_ask_for(&own, state.held.len(), &elsewhere.collect::<Vec<_>>());
        let own = own.replace('\'', "''");
        let asking: Vec<String> = asking
            .iter()
            .map(|schema| format!("UPDATE {schema}.lease SET wanted_by = '{own}' WHERE holder <> '' AND holder <> '{own}'"))
            .collect();
        (!asking.is_empty()).then(|| asking.join("; "))
    }
}

/// What is asked of one schema's lease.
struct Statement {
    schema: String,
    /// What it is renewed under; `None`: it is only looked at.
    fence: Option<i64>,
    sql: String,
}

/// Whether a lease is still held, as the database has it now.
fn renew(held: &Held, row: Option<&Row>, asked: i64) -> bool {
    // Nobody else has it where its permit has ended, but this process was stopped or cut off for long: what it was in the middle of may wait
    // for an answer that never comes, so it begins anew.
    let Some(row) = row.filter(|row| row.fence == held.fence && held.permit.holds()) else {
        held.end();
        return false;
    };
    held.permit.renew(asked, HOLDS);
    if !row.wanted_by.is_empty() && row.wanted_by != own_name() {
        held.wanted.cancel();
    }
    true
}

fn columns(schema: &str) -> String {
    format!(
        "'{schema}', fence, CAST(renewed_at AS TEXT), holder, \
         holder || ' since ' || to_char(taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), wanted_by"
    )
}

fn row(row: &PgRow) -> Result<Row, sqlx::Error> {
    Ok(Row {
        fence: row.try_get(1)?,
        renewed_at: row.try_get(2)?,
        holder: row.try_get(3)?,
        since: row.try_get(4)?,
        wanted_by: row.try_get(5)?,
    })
}

async fn rounds(database: Arc<Database>) {
    let keeper = database.keeper();
    let mut at = Rounds { connection: None, apart: BTreeSet::new() };
    let mut ticks = tokio::time::interval(ROUND);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = keeper.now.notified() => {}
        }
        if keeper.is_done() {
            return;
        }
        if let Err(error) = Box::pin(at.go(&database)).await {
            at.connection = None;
            keeper.fail(None, StoreError::from(error).at(&Place::Server(database.label())));
        }
    }
}

/// What goes on from round to round.
struct Rounds {
    connection: Option<PgConnection>,
    /// Schemas whose lease could not be used: each is looked at by itself, so that it does no harm to the others.
    apart: BTreeSet<String>,
}

impl Rounds {
    /// A failure is one of the connection.
    async fn go(&mut self, database: &Database) -> Result<(), sqlx::Error> {
        let keeper = database.keeper();
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Box::pin(within(database.connect_apart([LOCKED]))).await?),
        };
        let (single, together): (Vec<_>, Vec<_>) =
            keeper.statements().into_iter().partition(|each| self.apart.contains(&each.schema));
        let asked = permit::now();
        let texts: Vec<&str> = together.iter().map(|each| each.sql.as_str()).collect();
        let single = match within(connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(texts.join("; "))))).await {
            Ok(rows) => {
                keeper.take(asked, &together, &rows)?;
                single
            }
            Err(sqlx::Error::Database(error)) if !is_end(&*error) => together.into_iter().chain(single).collect(),
            Err(error) => return Err(error),
        };
        for statement in single {
            let asked = permit::now();
            match within(connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(statement.sql.clone())))).await {
                Ok(rows) => {
                    self.apart.remove(&statement.schema);
                    keeper.take(asked, &[statement], &rows)?;
                }
                Err(sqlx::Error::Database(error)) if !is_end(&*error) => {
                    let schema = statement.schema;
                    let place = Place::Server(format!("{}, schema {schema}", database.label()));
                    keeper.fail(Some(&schema), StoreError::from(sqlx::Error::Database(error)).at(&place));
                    self.apart.insert(schema);
                }
                Err(error) => return Err(error),
            }
        }
        let Some(sql) = keeper.asking() else { return Ok(()) };
        match within(connection.execute(sqlx::raw_sql(AssertSqlSafe(sql)))).await {
            // It is asked again in the next round.
            Err(sqlx::Error::Database(error)) if !is_end(&*error) => Ok(()),
            other => other.map(drop),
        }
    }
}

/// Whether the server ends the session with it.
fn is_end(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.code().is_some_and(|code| code.starts_with("57P"))
}

async fn within<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    super::postgres::within(PATIENCE, work).await
}
