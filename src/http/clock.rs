//! A server's clock against ours, narrowed down from the `Date` headers of its answers.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{DATE, HeaderMap};

use super::http_date;
use crate::side::ClockOffset;

/// How much the true offset may change in an hour: quartz clocks drift by less than 100 parts in a million.
const DRIFT_PER_HOUR: TimeDelta = TimeDelta::milliseconds(360);

/// Every answer bounds the offset: a `Date` of 12:00:07 was written between 12:00:07 and 12:00:08 by the server's clock, and
/// between request and answer by ours. What all answers allow is kept, which soon is much less than a second.
///
/// It is measured against a clock of ours that only goes on, since somebody may set the other one between two answers, and the
/// offsets of both systems are compared with each other.
#[derive(Debug)]
pub struct ServerClock {
    start: (DateTime<Utc>, Instant),
    bounds: Mutex<Option<Bounds>>,
}

impl Default for ServerClock {
    fn default() -> Self {
        Self { start: (Utc::now(), Instant::now()), bounds: Mutex::default() }
    }
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    low: TimeDelta,
    high: TimeDelta,
    seen: DateTime<Utc>,
}

impl ServerClock {
    /// Our time, by the clock that only goes on.
    pub fn now(&self) -> DateTime<Utc> {
        let (shown, since) = self.start;
        shown + since.elapsed()
    }

    /// Takes in an answer's date, with the times of the request and of the answer by [`ServerClock::now`].
    pub fn observe(&self, date: DateTime<Utc>, asked: DateTime<Utc>, answered: DateTime<Utc>) {
        let fresh = Bounds { low: date - answered, high: date + TimeDelta::seconds(1) - asked, seen: answered };
        let mut bounds = self.bounds.lock().unwrap_or_else(PoisonError::into_inner);
        let met = bounds.map(|known| known.drifted(answered)).and_then(|known| known.meet(fresh));
        // Where nothing satisfies both, one of the clocks was set: only the fresh answer counts.
        *bounds = Some(met.unwrap_or(fresh));
    }

    /// Takes in an answer's headers. Gives a moment, by the server's clock, no later than when it began to work on the request.
    pub(super) fn as_of(&self, headers: &HeaderMap, asked: DateTime<Utc>, answered: DateTime<Utc>) -> DateTime<Utc> {
        let date = headers.get(DATE).and_then(|value| value.to_str().ok()).and_then(http_date);
        if let Some(date) = date {
            self.observe(date, asked, answered);
        }
        let by_header = date.map(|date| date - (answered - asked));
        by_header.max(self.earliest(asked)).unwrap_or(asked)
    }

    /// The offset against what our clock shows now, once an answer was seen.
    pub fn offset(&self) -> Option<ClockOffset> {
        let steady = self.steady_offset()?;
        Some(ClockOffset { offset: steady.offset + (self.now() - Utc::now()), ..steady })
    }

    /// The earliest that the server's clock can have shown at a moment by [`ServerClock::now`].
    pub fn earliest(&self, ours: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.steady_offset().map(|clock| ours + clock.offset - clock.error)
    }

    fn steady_offset(&self) -> Option<ClockOffset> {
        let bounds = (*self.bounds.lock().unwrap_or_else(PoisonError::into_inner))?.drifted(self.now());
        Some(ClockOffset { offset: (bounds.low + bounds.high) / 2, error: (bounds.high - bounds.low) / 2 })
    }
}

impl Bounds {
    fn drifted(self, now: DateTime<Utc>) -> Self {
        let seconds = (now - self.seen).num_seconds().clamp(0, 30 * 24 * 3600);
        let drift = TimeDelta::milliseconds(DRIFT_PER_HOUR.num_milliseconds() * seconds / 3600);
        Self { low: self.low - drift, high: self.high + drift, seen: self.seen }
    }

    fn meet(self, fresh: Self) -> Option<Self> {
        let met = Self { low: self.low.max(fresh.low), high: self.high.min(fresh.high), seen: fresh.seen };
        (met.low <= met.high).then_some(met)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;
    use reqwest::header::HeaderValue;

    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        Utc.timestamp_millis_opt(1_800_000_000_000 + millis).single().unwrap_or_default()
    }

    /// A server that is 4.3 s ahead of us, asked at these moments of ours; each answer takes 20 ms.
    fn asked_at(moments: impl IntoIterator<Item = i64>) -> (ServerClock, i64) {
        let clock = ServerClock::default();
        let mut last = 0;
        for moment in moments {
            let shown = (moment + 10 + 4_300).div_euclid(1_000) * 1_000;
            clock.observe(at(shown), at(moment), at(moment + 20));
            last = moment + 20;
        }
        (clock, last)
    }

    fn bounds(clock: &ServerClock, last: i64) -> (i64, i64) {
        let bounds = clock.bounds.lock().unwrap_or_else(PoisonError::into_inner);
        bounds.map_or((0, 0), |known| {
            let known = known.drifted(at(last));
            (known.low.num_milliseconds(), known.high.num_milliseconds())
        })
    }

    #[test]
    fn one_answer_bounds_the_offset_to_its_second_and_its_round_trip() {
        let (clock, last) = asked_at([0]);
        assert_eq!(bounds(&clock, last), (3_980, 5_000));
    }

    #[test]
    fn many_answers_narrow_it_down_around_the_truth() {
        let (clock, last) = asked_at((0..40).map(|each| each * 137));
        let (low, high) = bounds(&clock, last);
        assert!(low <= 4_300 && 4_300 <= high && high - low < 200, "{low}..{high}");
    }

    #[test]
    fn a_date_beyond_reckoning_is_none() {
        let clock = ServerClock::default();
        let headers = HeaderMap::from_iter([(DATE, HeaderValue::from_static("31 Dec 262142 23:59:59 GMT"))]);
        assert_eq!((clock.as_of(&headers, at(0), at(20)), clock.offset()), (at(0), None));
    }

    #[test]
    fn a_clock_that_was_set_is_believed_again() {
        let (clock, _) = asked_at((0..10).map(|each| each * 137));
        clock.observe(at(90_000), at(10_000), at(10_020));
        assert_eq!(bounds(&clock, 10_020), (79_980, 81_000));
    }
}
