//! The clock of one simulated system: whole seconds, possibly ahead of or behind the machine's.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// A server's clock. Both systems stamp whole seconds only, so nothing finer leaves this module.
#[derive(Debug, Default)]
pub struct Clock {
    ahead_seconds: AtomicI64,
}

impl Clock {
    /// A clock that many seconds ahead of the machine's (negative: behind).
    pub fn ahead_by(seconds: i64) -> Self {
        Self { ahead_seconds: AtomicI64::new(seconds) }
    }

    /// Moves the clock, from now on.
    pub fn set_ahead(&self, seconds: i64) {
        self.ahead_seconds.store(seconds, Ordering::Relaxed);
    }

    /// Now, cut to the second.
    pub fn now(&self) -> DateTime<Utc> {
        (Utc::now() + TimeDelta::seconds(self.ahead_seconds.load(Ordering::Relaxed))).trunc_subsecs(0)
    }

    /// The `Date` header.
    pub fn http_date(&self) -> String {
        http_date(self.now())
    }
}

/// A time as HTTP headers write it.
pub fn http_date(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Reads the time of an HTTP header.
pub fn parse_http_date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text.trim()).ok().map(|time| time.to_utc())
}
