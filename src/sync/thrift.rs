//! Thrift: Salesforce counts the requests of 24 hours, and all programs of an organisation share them.

use std::sync::PoisonError;

use chrono::{DateTime, TimeDelta, Utc};

use super::{CycleError, Engine};
use crate::lead::Side;
use crate::side::Usage;

/// How long Salesforce is left alone once its limit is used up, where it does not say how long. The 24 hours roll on, so that some
/// requests become free all the time.
const LEFT_ALONE: TimeDelta = TimeDelta::minutes(15);

/// How long the requests of a day are known before they are counted anew.
const COUNTED_ANEW: TimeDelta = TimeDelta::minutes(5);

/// How much is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Thrift {
    /// Enough.
    Enough,
    /// Little: polls come less often.
    Slow(String),
    /// Very little: nothing is written to Salesforce.
    Hold(String),
    /// Nothing: no request is made.
    Stop(String),
}

/// What is left of the share, and of what all programs may use. Above four fifths, or with less than a tenth left for all, polls
/// slow down; close to the end writes are held, so that what is left goes to seeing changes.
pub(super) fn judge(own: u64, usage: Option<Usage>, share: f64) -> Thrift {
    let Some(Usage { used, limit }) = usage.filter(|usage| usage.limit > 0) else { return Thrift::Enough };
    let part = |number: u64, of: f64| f64::from(u32::try_from(number).unwrap_or(u32::MAX)) / of.max(1.0);
    let whole = f64::from(u32::try_from(limit).unwrap_or(u32::MAX));
    let (of_share, of_all) = (part(own, whole * share), part(used, whole));
    let say = |what: &str| {
        format!(
            "{what}: leadsync made {own} requests in 24 hours, its share is {share} of {limit} (daily_request_share), and all programs \
             together made {used}"
        )
    };
    if of_share >= 1.0 {
        Thrift::Stop(say("no request is made to Salesforce until some of the 24 hours have passed"))
    } else if of_share >= 0.95 || of_all >= 0.975 {
        Thrift::Hold(say("writes to Salesforce wait"))
    } else if of_share >= 0.8 || of_all >= 0.9 {
        Thrift::Slow(say("polls come less often"))
    } else {
        Thrift::Enough
    }
}

impl Thrift {
    /// How long to wait between cycles, where that is longer than the schedule may say.
    pub(super) const fn interval(&self) -> Option<TimeDelta> {
        match self {
            Self::Enough => None,
            Self::Slow(_) => Some(TimeDelta::minutes(5)),
            Self::Hold(_) | Self::Stop(_) => Some(LEFT_ALONE),
        }
    }

    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            Self::Enough => None,
            Self::Slow(reason) | Self::Hold(reason) | Self::Stop(reason) => Some(reason),
        }
    }
}

/// What becomes of polls and writes when so many requests are made, for people; `None`: nothing.
#[must_use]
pub fn thrift(own: u64, usage: Usage, share: f64) -> Option<String> {
    judge(own, Some(usage), share).reason().map(str::to_owned)
}

/// What outlives an engine when another takes its place on the same clients.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Until when Salesforce is left alone, because its limit is used up.
    pub exhausted_until: Option<DateTime<Utc>>,
}

impl Tally {
    /// Salesforce said that its limit is used up. Gives what that means for people.
    pub fn leave_alone(&mut self, retry_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> String {
        let until = retry_at.unwrap_or(now + LEFT_ALONE);
        self.exhausted_until = Some(until);
        left_alone(until)
    }
}

fn left_alone(until: DateTime<Utc>) -> String {
    format!("Salesforce's requests of 24 hours are used up: it is left alone until {} UTC", until.format("%H:%M:%S"))
}

impl Engine {
    /// What the next engine on the same clients goes on from.
    pub fn tally(&self) -> Tally {
        Tally { exhausted_until: *self.exhausted_until.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Takes over from another engine on the same clients.
    pub fn go_on_from(&self, tally: &Tally) {
        *self.exhausted_until.lock().unwrap_or_else(PoisonError::into_inner) = tally.exhausted_until;
    }

    pub(super) async fn thrift(&self) -> Result<Thrift, CycleError> {
        let now = self.now();
        let exhausted = *self.exhausted_until.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = exhausted.filter(|until| *until > now) {
            return Ok(Thrift::Stop(left_alone(until)));
        }
        let usage = self.clients.salesforce.usage();
        if usage.is_none() {
            return Ok(Thrift::Enough);
        }
        let recorded = self.requests_of_a_day(now).await?;
        Ok(judge(recorded + self.clients.salesforce.requests(), usage, self.rules.daily_request_share))
    }

    /// The requests to Salesforce of the last day, or a few more: those that are older now are let go of every few minutes.
    async fn requests_of_a_day(&self, now: DateTime<Utc>) -> Result<u64, CycleError> {
        let known = *self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, requests)) = known.filter(|(at, _)| (now - *at).abs() < COUNTED_ANEW) {
            return Ok(requests);
        }
        let requests = self.store.requests_since(Side::Salesforce, now - TimeDelta::days(1)).await?;
        *self.recorded.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, requests));
        Ok(requests)
    }

    /// Notes that the store has so many more requests to Salesforce.
    pub(super) fn recorded(&self, requests: u64) {
        if let Some((_, known)) = &mut *self.recorded.lock().unwrap_or_else(PoisonError::into_inner) {
            *known += requests;
        }
    }

    /// Notes that Salesforce said that its limit is used up. Gives what that means for people.
    pub(super) fn leave_alone(&self, retry_at: Option<DateTime<Utc>>) -> String {
        let mut tally = self.tally();
        let reason = tally.leave_alone(retry_at, self.now());
        *self.exhausted_until.lock().unwrap_or_else(PoisonError::into_inner) = tally.exhausted_until;
        reason
    }

    /// How long the next cycle has to wait at least, from the start of the last.
    pub async fn interval(&self) -> Result<Option<TimeDelta>, CycleError> {
        let left_alone = self.tally().exhausted_until.map(|until| until - self.now());
        Ok(self.thrift().await?.interval().max(left_alone.filter(|wait| *wait > TimeDelta::zero())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(own: u64, used: u64) -> &'static str {
        match judge(own, Some(Usage { used, limit: 10_000 }), 0.5) {
            Thrift::Enough => "enough",
            Thrift::Slow(_) => "slow",
            Thrift::Hold(_) => "hold",
            Thrift::Stop(_) => "stop",
        }
    }

    #[test]
    fn the_less_is_left_the_less_is_done() {
        let levels = [(3_999, 5_000), (4_000, 5_000), (4_750, 5_000), (5_000, 5_000), (10, 8_999), (10, 9_000), (10, 9_750)];
        let judged: Vec<_> = levels.iter().map(|(own, used)| level(*own, *used)).collect();
        assert_eq!(judged, ["enough", "slow", "hold", "stop", "enough", "slow", "hold"]);
    }

    #[test]
    fn nothing_is_held_before_salesforce_has_said_anything() {
        assert_eq!(judge(9_999_999, None, 0.1), Thrift::Enough);
        assert_eq!(judge(9_999_999, Some(Usage { used: 1, limit: 0 }), 0.1), Thrift::Enough, "a limit of nothing says nothing");
    }

    #[test]
    fn the_less_is_left_the_longer_the_next_cycle_waits() {
        let why = String::new;
        let waits =
            [Thrift::Enough, Thrift::Slow(why()), Thrift::Hold(why()), Thrift::Stop(why())].map(|thrift| thrift.interval());
        assert_eq!(waits, [None, Some(TimeDelta::minutes(5)), Some(LEFT_ALONE), Some(LEFT_ALONE)]);
    }

    #[test]
    fn people_are_told_what_becomes_of_so_many_requests_and_nothing_where_there_are_enough() {
        let usage = Usage { used: 5_000, limit: 10_000 };
        assert_eq!(thrift(3_999, usage, 0.5), None);
        let told = thrift(4_000, usage, 0.5);
        let expected = "polls come less often: leadsync made 4000 requests in 24 hours, its share is 0.5 of 10000 \
                        (daily_request_share), and all programs together made 5000";
        assert_eq!(told.as_deref(), Some(expected));
    }

    #[test]
    fn salesforce_is_left_alone_as_long_as_it_says_or_for_a_while() {
        let now = DateTime::from_timestamp(36_000, 0).unwrap_or_default();
        let mut tally = Tally::default();
        let told = tally.leave_alone(Some(now + TimeDelta::hours(1)), now);
        assert_eq!(told, "Salesforce's requests of 24 hours are used up: it is left alone until 11:00:00 UTC");
        assert_eq!(tally.exhausted_until, Some(now + TimeDelta::hours(1)));
        tally.leave_alone(None, now);
        assert_eq!(tally.exhausted_until, Some(now + LEFT_ALONE));
    }
}
