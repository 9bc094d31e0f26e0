//! Whether this process may still write: among replicas only one does, and for a limited time unless it is renewed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A permit to write. Whoever holds it asks it right before a request leaves.
#[derive(Debug, Clone, Default)]
pub struct Permit {
    /// Until when, by [`now`]; `None`: for ever.
    until: Option<Arc<AtomicI64>>,
}

impl Permit {
    /// One that ends unless it is renewed.
    #[must_use]
    pub fn limited() -> Self {
        Self { until: Some(Arc::new(AtomicI64::new(i64::MIN))) }
    }

    /// Whether it holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.until.as_ref().is_none_or(|until| now() < until.load(Ordering::Acquire))
    }

    /// It holds for this long from a moment that [`now`] gave.
    pub fn renew(&self, from: i64, time: Duration) {
        if let Some(until) = &self.until {
            until.store(from.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)), Ordering::Release);
        }
    }

    /// It holds no more.
    pub fn end(&self) {
        if let Some(until) = &self.until {
            until.store(i64::MIN, Ordering::Release);
        }
    }
}

/// Milliseconds of a clock that nobody sets, and that goes on while the process is stopped or the machine asleep.
#[must_use]
pub fn now() -> i64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec.saturating_mul(1_000).saturating_add(time.tv_nsec / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_without_a_limit_holds_for_ever_and_a_limited_one_while_it_is_renewed() {
        assert!(Permit::default().holds());
        let permit = Permit::limited();
        assert!(!permit.holds(), "not before it is given");
        permit.renew(now(), Duration::from_mins(1));
        assert!(permit.clone().holds());
        permit.renew(now() - 120_000, Duration::from_mins(1));
        assert!(!permit.holds(), "what was asked for too long ago");
        permit.renew(now(), Duration::from_mins(1));
        permit.clone().end();
        assert!(!permit.holds());
    }
}
