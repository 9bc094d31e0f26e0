//! The stream of events: kept for 72 hours, read from any place in it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use super::payload::{Encoding, Transaction};
use super::wire::{ConsumerEvent, ProducerEvent};

/// How long events are kept.
const KEPT: TimeDelta = TimeDelta::hours(72);
/// What every replay id of this sandbox begins with. The rest is nobody's business.
const MARK: [u8; 2] = [0x5b, 0x0c];
/// Numbers of events do not follow each other closely.
const STEP: u64 = 7;

/// The stream, and who waits for news of it.
#[derive(Debug)]
pub struct Bus {
    inner: Mutex<Inner>,
    news: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Inner {
    encoding: Option<Encoding>,
    stream: VecDeque<Entry>,
    /// The newest place.
    last: u64,
    /// Up to here all is gone.
    forgotten: u64,
    /// How often all streams were cut.
    cuts: u64,
    /// A code that the next stream or call is refused with.
    refusal: Option<String>,
    gap: u32,
    broken: u32,
    unknown_schema: u32,
    seen: Seen,
}

/// A place in the stream.
#[derive(Debug)]
struct Entry {
    place: u64,
    at: DateTime<Utc>,
    due: Instant,
    /// None: nothing happened, but a keep-alive named the place.
    event: Option<ProducerEvent>,
}

/// What came and went.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Seen {
    /// Calls of any kind.
    pub calls: u64,
    /// Subscriptions, oldest first: where they began.
    pub subscriptions: Vec<String>,
    /// Events that were asked for, by all streams.
    pub asked: u64,
    /// Events sent.
    pub sent: u64,
    /// Events made.
    pub made: u64,
}

impl Default for Bus {
    fn default() -> Self {
        let inner = Inner { encoding: Encoding::new().ok(), ..Inner::default() };
        Self { inner: Mutex::new(inner), news: watch::Sender::new(()) }
    }
}

impl Bus {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells when something happens.
    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Lets everybody look again.
    pub(in crate::sandbox::salesforce) fn wake(&self) {
        self.news.send_replace(());
    }

    /// Makes events of a transaction, which can be had after this time.
    pub(in crate::sandbox::salesforce) fn publish(&self, transaction: &Transaction<'_>, now: DateTime<Utc>, delay: Duration) {
        {
            let mut inner = self.lock();
            let number = inner.last;
            for change in &transaction.changes {
                let is_gap = take_one(&mut inner.gap);
                let encoding = inner.encoding.as_ref();
                let payload = encoding.map(|encoding| encoding.encode(change, transaction.origin, number, now, is_gap));
                inner.push(payload.unwrap_or_default(), now, delay);
            }
        }
        self.wake();
    }

    /// An event says that too much has changed to tell what.
    pub(super) fn overflow(&self, now: DateTime<Utc>) {
        {
            let mut inner = self.lock();
            let payload = inner.encoding.as_ref().map(|encoding| encoding.overflow(inner.last, now));
            inner.push(payload.unwrap_or_default(), now, Duration::ZERO);
        }
        self.wake();
    }

    /// Something is wrong with so many of the next events.
    pub(super) fn spoil(&self, gap: u32, broken: u32, unknown_schema: u32) {
        let mut inner = self.lock();
        inner.gap += gap;
        inner.broken += broken;
        inner.unknown_schema += unknown_schema;
    }

    /// Ends all streams.
    pub(super) fn cut(&self) {
        self.lock().cuts += 1;
        self.wake();
    }

    /// How often all streams were cut.
    pub(super) fn cuts(&self) -> u64 {
        self.lock().cuts
    }

    /// Refuses the next stream or call.
    pub(super) fn refuse(&self, code: String) {
        self.lock().refusal = Some(code);
        self.wake();
    }

    /// The code to refuse with, once.
    pub(super) fn refusal(&self) -> Option<String> {
        self.lock().refusal.take()
    }

    /// Everything so far is gone.
    pub(super) fn forget(&self) {
        let mut inner = self.lock();
        inner.stream.clear();
        // The newest place as well: whoever was there cannot go on from it.
        inner.last += 1;
        inner.forgotten = inner.last;
    }

    pub(super) fn seen(&self) -> Seen {
        self.lock().seen.clone()
    }

    pub(super) fn see(&self, see: impl FnOnce(&mut Seen)) {
        see(&mut self.lock().seen);
    }

    /// The id of the schema, and the schema.
    pub(super) fn schema(&self) -> (String, String) {
        self.lock().encoding.as_ref().map(|encoding| (encoding.id.clone(), encoding.json.clone())).unwrap_or_default()
    }

    /// The newest place, and the one before the oldest event that is kept.
    pub(super) fn ends(&self, now: DateTime<Utc>) -> (u64, u64) {
        let mut inner = self.lock();
        inner.prune(now);
        (inner.last, inner.forgotten)
    }

    /// The place that a replay id stands for; none: it was never given out, or what comes after it is gone in part.
    pub(super) fn place(&self, replay_id: &[u8], now: DateTime<Utc>) -> Option<u64> {
        let number: [u8; 8] = replay_id.strip_prefix(&MARK)?.try_into().ok()?;
        let number = u64::from_be_bytes(number);
        let (newest, oldest) = self.ends(now);
        let place = number / STEP;
        (number.is_multiple_of(STEP) && (oldest..=newest).contains(&place)).then_some(place)
    }

    /// Events after a place, no more than `most`, and when the next one can be had where it cannot yet.
    pub(super) fn after(&self, place: u64, most: usize) -> (Vec<ConsumerEvent>, Option<Instant>) {
        let (inner, now) = (self.lock(), Instant::now());
        let mut events = Vec::new();
        for entry in inner.stream.iter().filter(|entry| entry.place > place) {
            if entry.due > now {
                return (events, Some(entry.due));
            }
            if events.len() >= most {
                break;
            }
            let replay_id = replay_id(entry.place);
            events.extend(entry.event.clone().map(|event| ConsumerEvent { event: Some(event), replay_id }));
        }
        (events, None)
    }

    /// A place for a keep-alive to whoever is here: a new one where there is nothing to come.
    pub(super) fn place_after(&self, here: u64, now: DateTime<Utc>) -> u64 {
        let mut inner = self.lock();
        let is_behind = inner.stream.iter().any(|entry| entry.place > here && entry.event.is_some());
        if !is_behind {
            inner.last += 1;
            let place = inner.last;
            inner.stream.push_back(Entry { place, at: now, due: Instant::now(), event: None });
            inner.prune(now);
            return place;
        }
        here
    }
}

impl Inner {
    fn push(&mut self, mut payload: Vec<u8>, now: DateTime<Utc>, delay: Duration) {
        self.last += 1;
        self.seen.made += 1;
        if take_one(&mut self.broken) {
            payload.truncate(payload.len() / 3);
        }
        let known = self.encoding.as_ref().map(|encoding| encoding.id.clone()).unwrap_or_default();
        let schema_id = if take_one(&mut self.unknown_schema) { format!("{known}-lost") } else { known };
        let id = format!("{:08x}-1111-4000-8000-000000000000", self.last);
        let event = Some(ProducerEvent { id, schema_id, payload, headers: Vec::new() });
        self.stream.push_back(Entry { place: self.last, at: now, due: Instant::now() + delay, event });
        self.prune(now);
    }

    fn prune(&mut self, now: DateTime<Utc>) {
        while let Some(old) = self.stream.pop_front_if(|entry| entry.at < now - KEPT) {
            self.forgotten = old.place;
        }
    }
}

/// A place as subscribers know it.
pub(super) fn replay_id(place: u64) -> Vec<u8> {
    let mut id = MARK.to_vec();
    id.extend((place * STEP).to_be_bytes());
    id
}

/// The place of a replay id that this sandbox gave out itself.
pub(super) fn place_of(replay_id: &[u8]) -> u64 {
    let number = replay_id.strip_prefix(&MARK).and_then(|number| number.try_into().ok());
    number.map(u64::from_be_bytes).unwrap_or_default() / STEP
}

fn take_one(left: &mut u32) -> bool {
    let is_left = *left > 0;
    *left -= u32::from(is_left);
    is_left
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::changes::Change;
    use super::*;

    fn publish(bus: &Bus, now: DateTime<Utc>) {
        let fields = vec![("Phone", json!("020 7946 0001"))];
        let change = Change { kind: "UPDATE", ids: vec!["00Q".to_owned()], user: String::new(), fields };
        bus.publish(&Transaction { changes: vec![change], origin: "" }, now, Duration::ZERO);
    }

    #[test]
    fn a_place_is_good_for_72_hours() {
        let (bus, start) = (Bus::default(), Utc::now());
        publish(&bus, start);
        publish(&bus, start + TimeDelta::hours(1));
        let first = bus.after(0, 1).0.pop().map(|event| event.replay_id).unwrap_or_default();
        assert_eq!(bus.place(&first, start + TimeDelta::hours(72)), Some(1));
        let (later, _) = bus.after(1, 10);
        assert_eq!(later.len(), 1);
        assert_eq!(bus.place(&first, start + TimeDelta::hours(74)), None);
        for wrong in [&b""[..], b"12345678", &[0x5b, 0x0c, 0, 0, 0, 0, 0, 0, 0, 1], &replay_id(9)] {
            assert_eq!(bus.place(wrong, start), None, "{wrong:?}");
        }
        publish(&bus, start);
        bus.forget();
        assert_eq!(bus.place(&replay_id(3), start), None);
    }

    #[test]
    fn a_keep_alive_does_not_pass_by_what_is_still_to_come() {
        let (bus, now) = (Bus::default(), Utc::now());
        assert_eq!(bus.place_after(0, now), 1);
        publish(&bus, now);
        assert_eq!(bus.place_after(1, now), 1);
        assert_eq!(bus.place_after(2, now), 3);
    }
}
