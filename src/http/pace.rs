//! The pace of requests: a configured number a second, evenly.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// So late may a request be without putting off those after it: timers are. The next one may come so much earlier instead.
const LATE: Duration = Duration::from_millis(2);

/// Lets requests go one after another.
#[derive(Debug)]
pub struct Pace {
    limiter: DefaultDirectRateLimiter,
    cells: NonZeroU32,
}

impl Pace {
    /// At most so many a second.
    pub fn per_second(most: NonZeroU32) -> Self {
        let (quota, cells) = quota(most);
        Self { limiter: RateLimiter::direct(quota), cells }
    }

    /// Waits for a request's turn.
    pub async fn turn(&self) {
        // It never takes more cells than can be saved up, which would be the error.
        _ = self.limiter.until_n_ready(self.cells).await;
    }
}

/// The limiter's quota, and how many of its cells a request takes: it saves up whole cells, and what may be late is less than a request.
fn quota(most: NonZeroU32) -> (Quota, NonZeroU32) {
    let apart = Duration::from_secs(1) / most.get();
    let cells = count(apart.as_nanos().div_ceil(LATE.as_nanos()));
    let cell = apart / cells.get();
    let late = count(LATE.as_nanos() / cell.as_nanos().max(1));
    let quota = Quota::with_period(cell).unwrap_or_else(|| Quota::per_second(most));
    (quota.allow_burst(cells.saturating_add(late.get())), cells)
}

fn count(count: u128) -> NonZeroU32 {
    u32::try_from(count).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    /// When requests of ten seconds go that are all waiting, each `late` after its turn, in microseconds; a minute was quiet before.
    fn gone(most: u32, late: u64) -> Vec<u64> {
        let (quota, cells) = quota(NonZeroU32::new(most).unwrap());
        let clock = FakeRelativeClock::default();
        let limiter = RateLimiter::direct_with_clock(quota, clock.clone());
        clock.advance(Duration::from_mins(1));
        let (mut now, mut gone, mut turn) = (0, Vec::new(), None);
        while now < 10_000_000 {
            let is_ready = turn.is_some_and(|turn| now >= turn + late);
            if turn.is_none() || is_ready {
                match limiter.check_n(cells).unwrap() {
                    Ok(()) => {
                        gone.push(now);
                        turn = None;
                        continue;
                    }
                    // Its turn comes while nobody looks.
                    Err(not_until) => {
                        let wait = not_until.wait_time_from(governor::clock::Clock::now(&clock));
                        turn = Some(now + u64::try_from(wait.as_micros()).unwrap() + 1);
                    }
                }
            }
            clock.advance(Duration::from_micros(10));
            now += 10;
        }
        gone
    }

    #[test]
    fn a_request_that_is_late_does_not_put_off_the_next() {
        for most in [1, 3, 5, 20, 100, 333, 600, 1_000] {
            let count = gone(most, 900).len();
            assert!((10 * most as usize..=10 * most as usize + 3).contains(&count), "{most} a second: {count} in ten seconds");
        }
    }

    #[test]
    fn no_second_has_more_than_the_rate_and_what_was_late() {
        for most in [1, 3, 5, 20, 100, 333, 600, 1_000, 7_000] {
            let gone = gone(most, 0);
            let extra = 1 + most as usize * 2 / 1_000;
            let most_in_a_second =
                (0..gone.len()).map(|first| gone[first..].partition_point(|time| *time < gone[first] + 1_000_000)).max();
            assert!(most_in_a_second <= Some(most as usize + extra), "{most} a second: {most_in_a_second:?}");
            let at_once = gone.partition_point(|time| *time == 0);
            assert!(at_once <= extra, "{most} a second: {at_once} at once");
        }
    }
}
