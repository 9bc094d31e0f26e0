//! `/metrics`: what was counted, and what the store holds at this moment, as Prometheus and `OpenMetrics` read it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{DateTime, Utc};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use rustix::time::{ClockId, clock_gettime};

use super::Ops;
use crate::lead::{PerSide, Side};
use crate::store::{StatusReport, time};

/// Where each state of a link is shown, also while no link is in it.
const LINK_STATES: [&str; 7] = ["pending", "in_step", "conflict", "parked", "converted", "deleted", "unlinked"];
/// The same for writes that are not settled.
const PUSH_STATES: [&str; 3] = ["due", "sent", "parked"];
/// What holds writes, by the first word of its reason.
const HOLDS: [&str; 3] = ["paused", "brake", "budget"];

const LEADER: &str = "1 where this replica does the work, 0 where it stands by";

type Labels = [(&'static str, &'static str); 1];

pub(super) fn routes() -> Router<Arc<Ops>> {
    Router::new().route("/metrics", get(metrics))
}

async fn metrics(State(ops): State<Arc<Ops>>) -> Response {
    let mut registry = Registry::default();
    let own = registry.sub_registry_with_prefix("leadsync");
    ops.metrics.register(own);
    build(own);
    of_daemon(own, &ops);
    asked_of_store(own, &ops).await;
    of_process(&mut registry, ops.pulse.started_at());
    told(&registry)
}

/// The program.
pub(super) fn build(own: &mut Registry) {
    own.register("build", "The program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
}

/// Whether this process does the work.
pub(super) fn leader(own: &mut Registry, leads: bool) {
    own.register("leader", LEADER, ConstGauge::new(i64::from(leads)));
}

/// What was counted of one of several pairs, and is known without its store.
pub(super) fn counted(own: &mut Registry, ops: &Ops) {
    ops.metrics.register(own);
    of_daemon(own, ops);
}

fn of_daemon(own: &mut Registry, ops: &Ops) {
    leader(own, ops.store.permit().holds());
    if let Some(well_at) = ops.pulse.well_at() {
        let gauge = ConstGauge::new(seconds(well_at));
        own.register_with_unit("last_cycle_timestamp", "When a cycle ended well last", Unit::Seconds, gauge);
    }
    if let Some(file) = ops.store.file() {
        let mut log = file.to_owned().into_os_string();
        log.push("-wal");
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| i64::try_from(file.len()).unwrap_or(i64::MAX));
        store_size(own, &[("store", size(file)), ("log", size(Path::new(&log)))]);
    }
}

/// What only the store knows.
pub(super) async fn asked_of_store(own: &mut Registry, ops: &Ops) {
    let now = Utc::now();
    match ops.store.status(now).await {
        Ok(status) => of_store(own, &status, now),
        // What was counted is shown all the same; a figure that is missing is an alert of its own.
        Err(error) => return tracing::error!(error = %error, "ops.store_unreadable"),
    }
    match ops.store.schema_size().await {
        Ok(Some(size)) => store_size(own, &[("store", size)]),
        Ok(None) => {}
        Err(error) => tracing::error!(error = %error, "ops.store_unreadable"),
    }
}

/// The figures of a replica that does nothing but wait.
pub(super) fn standing_by(started_at: DateTime<Utc>) -> Response {
    let mut registry = Registry::default();
    let own = registry.sub_registry_with_prefix("leadsync");
    build(own);
    leader(own, false);
    of_process(&mut registry, started_at);
    told(&registry)
}

fn told(registry: &Registry) -> Response {
    let mut text = String::new();
    if encode(&mut text, registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    answer(text)
}

/// With what it is.
pub(super) fn answer(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}

fn of_store(own: &mut Registry, status: &StatusReport, now: DateTime<Utc>) {
    let by = |name: &'static str, known: &[&'static str], count: &dyn Fn(&str) -> i64| {
        let family = Family::<Labels, Gauge>::default();
        for word in known {
            family.get_or_create(&[(name, word)]).set(count(word));
        }
        family
    };
    let of = |counts: &std::collections::BTreeMap<String, i64>, word: &str| counts.get(word).copied().unwrap_or_default();
    own.register("links", "Links, by state", by("state", &LINK_STATES, &|word| of(&status.links, word)));
    own.register(
        "pushes_waiting",
        "Writes that are not settled, by state",
        by("state", &PUSH_STATES, &|word| of(&status.pushes, word)),
    );
    let held = |word: &str| i64::from(status.held.as_ref().is_some_and(|held| held.starts_with(word)));
    own.register("writes_held", "1 while this holds writes back", by("reason", &HOLDS, &held));
    own.register("open_conflicts", "Conflicts that wait for a person", ConstGauge::new(status.open_conflicts));
    let waiting = status.oldest_waiting.as_deref().map_or(0.0, |since| age(since, now));
    own.register_with_unit("push_lag", "The age of the oldest write that waits", Unit::Seconds, ConstGauge::new(waiting));
    let polled = PerSide::build(|side| status.checkpoints.get(side).polled_at.as_deref().map(|at| age(at, now)));
    let lag = per_side::<f64, AtomicU64>(|side| *polled.get(side));
    own.register_with_unit("poll_lag", "The time since the last complete poll", Unit::Seconds, lag);
    let requests = per_side(|side| Some(*status.requests_24h.get(side)));
    own.register("api_requests_24h", "Requests of 24 hours, by the records of cycles", requests as Family<Labels, Gauge>);
    if let Some(budget) = &status.budget {
        let count = |number: u64| ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
        let (used, limit) = (count(budget.used), count(budget.limit));
        own.register("api_requests_used", "Salesforce's count of 24 hours, for all programs", used);
        own.register("api_requests_limit", "What Salesforce allows in 24 hours, to all programs", limit);
    }
}

/// A gauge of each side that has a value.
fn per_side<N, A>(value: impl Fn(Side) -> Option<N>) -> Family<Labels, Gauge<N, A>>
where
    Gauge<N, A>: Default,
    A: prometheus_client::metrics::gauge::Atomic<N>,
{
    let family = Family::<Labels, Gauge<N, A>>::default();
    for side in Side::BOTH {
        if let Some(value) = value(side) {
            family.get_or_create(&[("side", side.as_str())]).set(value);
        }
    }
    family
}

fn store_size(own: &mut Registry, sizes: &[(&'static str, i64)]) {
    let family = Family::<Labels, Gauge>::default();
    for (file, size) in sizes {
        family.get_or_create(&[("file", file)]).set(*size);
    }
    own.register_with_unit(
        "store_size",
        "The store's file and its write-ahead log, or its schema in a database",
        Unit::Bytes,
        family,
    );
}

/// The figures that every process is expected to have.
pub(super) fn of_process(registry: &mut Registry, started_at: DateTime<Utc>) {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    // Nanoseconds of a process fit a double's 53 bits for a hundred days to the nanosecond, and are only shown.
    let cpu = std::time::Duration::try_from(used).unwrap_or_default().as_secs_f64();
    registry.register_with_unit("process_cpu", "Processor time used", Unit::Seconds, ConstCounter::new(cpu));
    let started = ConstGauge::new(seconds(started_at));
    registry.register_with_unit("process_start_time", "When the program started", Unit::Seconds, started);
    if let Some(resident) = resident_bytes() {
        registry.register_with_unit("process_resident_memory", "Memory in use", Unit::Bytes, ConstGauge::new(resident));
    }
}

/// Linux says it in KiB.
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok()?.checked_mul(1_024)
}

fn seconds(time: DateTime<Utc>) -> f64 {
    std::time::Duration::from_millis(time.timestamp_millis().unsigned_abs()).as_secs_f64()
}

/// How long ago that was, in seconds; nothing for what lies ahead, since somebody set a clock.
fn age(stamp: &str, now: DateTime<Utc>) -> f64 {
    (now - time(stamp)).to_std().unwrap_or_default().as_secs_f64()
}
