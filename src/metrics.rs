//! What is counted while the program runs, in Prometheus's model. Counting knows no HTTP: `ops` shows the figures.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::lead::Side;
use crate::side::WriteKind;

/// Counters. A clone counts on in the same place.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Cycles that have ended.
    pub cycles: Family<Ended, Counter>,
    /// How long they took, in seconds.
    pub cycle_duration: Histogram,
    /// Polls that have ended.
    pub polls: Family<Polled, Counter>,
    /// Leads that polls found new or changed.
    pub leads_seen: Family<OfSide, Counter>,
    /// Leads that hints named.
    pub leads_hinted: Family<OfSide, Counter>,
    /// Change events that came.
    pub change_events: Family<Heard, Counter>,
    /// Whether change events are subscribed to: 1 or 0, and nothing where they are not wanted.
    pub subscribed: Family<OfSide, Gauge>,
    /// Attempts to write a lead.
    pub pushes: Family<Pushed, Counter>,
    /// HTTP requests, sign-ins not counted.
    pub requests: Family<Requested, Counter>,
}

/// How a cycle or a poll ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types, reason = "the names are the values of a label")]
pub enum Outcome {
    /// Well.
    done,
    /// Badly.
    failed,
}

impl Outcome {
    /// Of a result.
    pub const fn of<T, E>(result: &Result<T, E>) -> Self {
        if result.is_ok() { Self::done } else { Self::failed }
    }
}

/// Labels of a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
}

/// Labels of what there is on each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfSide {
    /// Which.
    pub side: Side,
}

/// Labels of a change event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Heard {
    /// What it says: `changed`, `own` (leadsync's own write), `all` (any lead may have changed), `other` (no lead) or `unreadable`.
    pub says: &'static str,
}

/// Labels of a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Polled {
    /// Of which side.
    pub side: Side,
    /// How it ended.
    pub outcome: Outcome,
}

/// Labels of an attempt to write a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Pushed {
    /// The side that is written.
    pub side: Side,
    /// What it does.
    pub kind: WriteKind,
    /// What came of it: `done`, `retry`, `in_doubt`, `parked` or `superseded`.
    pub outcome: &'static str,
}

/// Labels of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Requested {
    /// The side that is asked.
    pub side: Side,
    /// What kind of answer came: `ok`, `refused` (4xx), `auth` (401, 403), `busy` (429, 503 and their like), `failed` (5xx) or
    /// `lost` (none).
    pub class: &'static str,
}

impl EncodeLabelValue for Side {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        self.as_str().encode(encoder)
    }
}

impl EncodeLabelValue for WriteKind {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        self.as_str().encode(encoder)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            cycles: Family::default(),
            // 10 ms to 23 minutes.
            cycle_duration: Histogram::new(exponential_buckets(0.01, 3.0, 12)),
            polls: Family::default(),
            leads_seen: Family::default(),
            leads_hinted: Family::default(),
            change_events: Family::default(),
            subscribed: Family::default(),
            pushes: Family::default(),
            requests: Family::default(),
        }
    }
}

impl Metrics {
    /// Has them shown, under names with the prefix `leadsync_`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("cycles", "Cycles that have ended", self.cycles.clone());
        registry.register_with_unit("cycle_duration", "How long cycles took", Unit::Seconds, self.cycle_duration.clone());
        registry.register("polls", "Polls that have ended", self.polls.clone());
        registry.register("leads_seen", "Leads that polls found new or changed", self.leads_seen.clone());
        registry.register("leads_hinted", "Leads that messages from outside named", self.leads_hinted.clone());
        registry.register("change_events", "Change events of Salesforce, by what they say", self.change_events.clone());
        registry.register("subscribed", "1 while change events are subscribed to", self.subscribed.clone());
        registry.register("pushes", "Attempts to write a lead, by what came of them", self.pushes.clone());
        registry.register("requests", "HTTP requests, sign-ins not counted, by what came of them", self.requests.clone());
    }
}
