//! When it is time: moments of a cron expression, in UTC, under a clock that somebody may set meanwhile.
//!
//! Waits go by the clock that only goes on ([`Instant`]), so that a clock put back by hours does not make anything wait for hours.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds};
use tokio::time::Instant;

/// How often a long wait looks whether the clock was put ahead.
const LOOK: Duration = Duration::from_secs(30);

/// Moments that come again and again.
#[derive(Debug, Clone)]
pub struct Schedule(Cron);

impl Schedule {
    /// Reads a cron expression of six fields, the first of which are seconds.
    pub fn parse(expression: &str) -> Result<Self, CronError> {
        CronParser::builder().seconds(Seconds::Required).build().parse(expression).map(Self)
    }

    /// The first moment after this one; `None` if there is none.
    #[must_use]
    pub fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.0.find_next_occurrence(&after, false).ok()
    }
}

/// The moments of a schedule, one by one, as time passes.
#[derive(Debug)]
pub struct Ticks {
    schedule: Schedule,
    last: Moment,
}

/// Notices when somebody sets the clock.
#[derive(Debug)]
pub struct Watch {
    last: Moment,
}

impl Watch {
    /// From now on.
    #[must_use]
    pub fn start() -> Self {
        Self { last: Moment::now() }
    }

    /// By how much the clock was put ahead (or back, below zero) since the last call, if by more than it is set right all the time.
    pub fn moved(&mut self) -> Option<TimeDelta> {
        let last = std::mem::replace(&mut self.last, Moment::now());
        self.last.moved_since(last)
    }
}

/// A moment by both clocks: the one that people set, and the one that only goes on.
#[derive(Debug, Clone, Copy)]
struct Moment {
    shown: DateTime<Utc>,
    steady: Instant,
}

impl Ticks {
    /// Those after now.
    #[must_use]
    pub fn of(schedule: Schedule) -> Self {
        Self { schedule, last: Moment::now() }
    }

    /// Waits for the next moment; those that passed since the last call count as one. A clock that is put ahead over a moment brings
    /// it at once. One that is put back leaves the wait as long as it was.
    pub async fn next(&mut self) {
        let Some(due) = self.due() else { return std::future::pending().await };
        loop {
            let now = Moment::now();
            if due.is_reached(now) {
                self.last = due.reached(now);
                return;
            }
            tokio::time::sleep_until(due.steady.min(now.steady + LOOK)).await;
        }
    }

    /// The next moment, as it looked at the last.
    fn due(&self) -> Option<Moment> {
        let shown = self.schedule.next(self.last.shown)?;
        let wait = (shown - self.last.shown).to_std().unwrap_or_default();
        Some(Moment { shown, steady: self.last.steady + wait })
    }
}

impl Moment {
    fn now() -> Self {
        Self { shown: Utc::now(), steady: Instant::now() }
    }

    fn moved_since(self, last: Self) -> Option<TimeDelta> {
        let passed = TimeDelta::from_std(self.steady - last.steady).ok()?;
        let moved = self.shown - last.shown - passed;
        (moved.abs() > TimeDelta::seconds(1)).then_some(moved)
    }

    /// Whether it has come by either clock.
    fn is_reached(self, now: Self) -> bool {
        now.steady >= self.steady || now.shown >= self.shown
    }

    /// From where to count on. It may have come a little early by the clock that is set, which is slowed down or put back by
    /// fractions of a second all the time: then the moment itself counts, or it would come twice.
    fn reached(self, now: Self) -> Self {
        let early = self.shown - now.shown;
        let is_near = early > TimeDelta::zero() && early < TimeDelta::seconds(1);
        Self { shown: if is_near { self.shown } else { now.shown }, ..now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THIRD: Duration = Duration::from_secs(10);

    /// A moment at the start of a minute and a day, and ticks that begin there.
    fn begin(expression: &str) -> (Moment, Ticks) {
        let start = Moment { shown: DateTime::from_timestamp(1_800_057_600, 0).unwrap_or_default(), steady: Instant::now() };
        match Schedule::parse(expression) {
            Ok(schedule) => (start, Ticks { schedule, last: start }),
            Err(error) => panic!("{expression}: {error}"),
        }
    }

    /// After so much time, while somebody moved the clock by so much.
    fn after(start: Moment, passed: Duration, moved: TimeDelta) -> Moment {
        Moment { shown: start.shown + TimeDelta::from_std(passed).unwrap_or_default() + moved, steady: start.steady + passed }
    }

    #[test]
    fn a_clock_put_back_makes_a_wait_no_longer_and_the_next_one_begins_at_what_it_shows() {
        let (start, mut ticks) = begin("*/30 * * * * *");
        let due = ticks.due().unwrap_or(start);
        let back = TimeDelta::days(-700);
        assert!(!due.is_reached(after(start, THIRD, back)));
        let now = after(start, THIRD * 3, back);
        assert!(due.is_reached(now));
        ticks.last = due.reached(now);
        let next = ticks.due().map(|next| (next.shown - now.shown, next.steady - now.steady));
        assert_eq!(next, Some((TimeDelta::seconds(30), THIRD * 3)));
    }

    #[test]
    fn a_clock_put_ahead_over_a_moment_brings_it_at_once() {
        let (start, ticks) = begin("0 0 3 * * *");
        let due = ticks.due().unwrap_or(start);
        assert!(!due.is_reached(after(start, THIRD, TimeDelta::hours(2))));
        assert!(due.is_reached(after(start, THIRD, TimeDelta::hours(3))));
    }

    #[test]
    fn a_moment_that_comes_a_little_early_does_not_come_twice() {
        let (start, mut ticks) = begin("*/10 * * * * *");
        let due = ticks.due().unwrap_or(start);
        let now = after(start, THIRD, TimeDelta::milliseconds(-3));
        assert!(due.is_reached(now));
        ticks.last = due.reached(now);
        assert_eq!(ticks.due().map(|next| next.shown - due.shown), Some(TimeDelta::seconds(10)));
    }

    #[test]
    fn only_a_clock_that_is_set_has_moved() {
        let (start, _) = begin("* * * * * *");
        let moved = |by| after(start, THIRD, by).moved_since(start);
        assert_eq!(moved(TimeDelta::milliseconds(-400)), None);
        assert_eq!(moved(TimeDelta::hours(-7)), Some(TimeDelta::hours(-7)));
        assert_eq!(moved(TimeDelta::seconds(90)), Some(TimeDelta::seconds(90)));
    }

    #[test]
    fn moments_that_pass_during_work_come_as_one() {
        let (start, mut ticks) = begin("*/10 * * * * *");
        let due = ticks.due().unwrap_or(start);
        ticks.last = due.reached(after(start, THIRD, TimeDelta::zero()));
        let worked = after(start, THIRD * 4 + Duration::from_secs(3), TimeDelta::zero());
        let due = ticks.due().unwrap_or(start);
        assert!(due.is_reached(worked));
        ticks.last = due.reached(worked);
        assert_eq!(ticks.due().map(|next| next.shown - start.shown), Some(TimeDelta::seconds(50)));
    }
}
