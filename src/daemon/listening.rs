//! Salesforce's change events, turned into hints while the daemon runs.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument as _;

use crate::config::salesforce::ChangeEvents;
use crate::hints::Hints;
use crate::lead::Side;
use crate::metrics::{Heard, Metrics, OfSide};
use crate::salesforce::SalesforceClient;
use crate::salesforce::events::{Change, Listener, watch};
use crate::store::Store;

/// The fact of the store that says up to where events were heard: the org, the channel, the replay id.
const HEARD_UP_TO: &str = "change_events_heard";

/// So many whole cycles may be asked for at once, and then one a minute: an org whose events cannot be read must not cost more requests than
/// polls that come often.
const WHOLE_CYCLES: NonZeroU32 = NonZeroU32::new(5).unwrap();

/// How long the end of a subscription may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A subscription, until this is dropped.
pub(super) struct Listening {
    stop: DropGuard,
    task: JoinHandle<()>,
}

impl Listening {
    /// Listens in the background.
    pub(super) fn start(
        config: ChangeEvents,
        salesforce: Arc<SalesforceClient>,
        (store, hints, metrics): (Arc<Store>, Arc<Hints>, Metrics),
    ) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let listening = async move {
            let whole_cycles = Quota::per_minute(NonZeroU32::MIN).allow_burst(WHOLE_CYCLES);
            let hearing = Hearing { store, hints, metrics, whole_cycles: RateLimiter::direct(whole_cycles) };
            watch(&salesforce, &config, &hearing, &stopped).await;
            hearing.metrics.subscribed.remove(&OfSide { side: Side::Salesforce });
        };
        let task = tokio::spawn(listening.in_current_span());
        Self { stop: stop.drop_guard(), task }
    }

    /// Whether it ended by itself, which only a defect makes it do.
    pub(super) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Stops, and waits until the store is not needed any more; not for long, where the store does not answer.
    pub(super) async fn end(mut self) {
        drop(self.stop);
        if tokio::time::timeout(LAST_WORDS, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

struct Hearing {
    store: Arc<Store>,
    hints: Arc<Hints>,
    metrics: Metrics,
    whole_cycles: DefaultDirectRateLimiter,
}

impl Hearing {
    /// Asks for a whole cycle. Where that is too much, the next poll finds what it would.
    fn tell_all(&self) {
        if self.whole_cycles.check().is_ok() {
            self.hints.tell_all();
        }
    }

    fn count(&self, says: &'static str) {
        self.metrics.change_events.get_or_create(&Heard { says }).inc();
    }
}

#[async_trait]
impl Listener for Hearing {
    async fn kept(&self) -> Option<String> {
        let kept = self.store.fact(HEARD_UP_TO).await;
        kept.inspect_err(|error| tracing::error!(error = %error, "events.place_unknown")).ok().flatten()
    }

    async fn keep(&self, place: &str) {
        // Events that are heard again change nothing.
        if let Err(error) = self.store.keep_fact(HEARD_UP_TO, place).await {
            tracing::error!(error = %error, "events.place_not_kept");
        }
    }

    fn hear(&self, change: Change) {
        match change {
            Change::Leads(ids) => {
                self.count("changed");
                self.metrics.leads_hinted.get_or_create(&OfSide { side: Side::Salesforce }).inc_by(ids.len() as u64);
                tracing::debug!(leads.named = ids.len(), "events.heard");
                if self.hints.tell(Side::Salesforce, ids) > 0 {
                    self.tell_all();
                }
            }
            Change::All => {
                self.count("all");
                self.tell_all();
            }
            Change::Unreadable(_) => {
                self.count("unreadable");
                self.tell_all();
            }
            Change::Own => self.count("own"),
            Change::Other => self.count("other"),
        }
    }

    fn is_up(&self, up: bool) {
        self.metrics.subscribed.get_or_create(&OfSide { side: Side::Salesforce }).set(i64::from(up));
    }
}
