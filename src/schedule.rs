//! When it is time: moments of a cron expression, in UTC, under a clock that somebody may set meanwhile.

use std::time::Duration;

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds};
use tokio::time::Instant;

/// So much later than it should have come, a moment is missed.
const GRACE: Duration = Duration::from_secs(1);

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

/// Notices a moment that did not come. The scheduler follows the clock that people set: put back by hours, it is silent for hours.
/// This goes by the clock that only goes on ([`Instant`]).
#[derive(Debug)]
pub struct Missed {
    schedule: Schedule,
    at: Option<Instant>,
}

impl Missed {
    /// From now on.
    #[must_use]
    pub fn of(schedule: Schedule) -> Self {
        let mut missed = Self { schedule, at: None };
        missed.came(Utc::now(), Instant::now());
        missed
    }

    /// A moment came, or its work was begun without it: the next one is waited for. `shown` is now by the clock that people set.
    pub fn came(&mut self, shown: DateTime<Utc>, steady: Instant) {
        self.at = self.schedule.next(shown).map(|next| steady + (next - shown).to_std().unwrap_or_default() + GRACE);
    }

    /// Waits until the next moment is missed.
    pub async fn wait(&self) {
        match self.at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_moment_is_missed_a_little_after_it_should_have_come_whatever_the_clock_shows_by_then() {
        let shown = DateTime::from_timestamp(1_800_057_600, 0).unwrap_or_default();
        let steady = Instant::now();
        let mut missed = Missed::of(Schedule::parse("*/30 * * * * *").unwrap());
        let after = |missed: &Missed, steady: Instant| missed.at.map(|at| at - steady);
        missed.came(shown, steady);
        assert_eq!(after(&missed, steady), Some(Duration::from_secs(31)));
        // The clock is put back meanwhile; it begins to count from what is shown then.
        let later = steady + Duration::from_secs(31);
        missed.came(shown + TimeDelta::seconds(31) - TimeDelta::hours(7), later);
        assert_eq!(after(&missed, later), Some(Duration::from_secs(30)));
    }
}
