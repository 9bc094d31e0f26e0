//! Windows of time: what one query asks for. Operate answers with all of it at once, so a window that proves too large is halved.

use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};

/// Before this no workspace has leads; only for halving a window that has no start.
const BEGINNING: i32 = 2_000;
/// A window is not halved below this.
const NARROWEST: TimeDelta = TimeDelta::minutes(1);

/// Windows of one poll, at most: a checkpoint or a clock that is far off makes them wider, not more.
const MOST: i32 = 1_000;

/// A stretch of modified times: from its start up to, and without, its end. A missing bound is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: Option<DateTime<Utc>>,
    pub(super) end: Option<DateTime<Utc>>,
}

impl Window {
    /// Windows that cover all since, each `width` wide at most, the earliest last. The first poll asks for everything at once:
    /// nothing tells how far back the leads go.
    pub(super) fn cover(since: Option<DateTime<Utc>>, now: DateTime<Utc>, width: TimeDelta) -> Vec<Self> {
        let width = since.map_or(width, |since| width.max((now - since) / MOST));
        let mut windows = Vec::new();
        let mut start = since;
        while let Some(end) = start.and_then(|start| start.checked_add_signed(width)).filter(|end| *end < now) {
            windows.push(Self { start, end: Some(end) });
            start = Some(end);
        }
        windows.push(Self { start, end: None });
        windows.reverse();
        windows
    }

    /// Its two halves, the earlier one first; `None` if it is too narrow for that.
    pub(super) fn halves(self, now: DateTime<Utc>) -> Option<(Self, Self)> {
        let start = self.start.or_else(|| Utc.with_ymd_and_hms(BEGINNING, 1, 1, 0, 0, 0).single())?;
        let width = self.end.unwrap_or(now) - start;
        if width < NARROWEST * 2 {
            return None;
        }
        let middle = Some(start + TimeDelta::seconds((width / 2).num_seconds()));
        Some((Self { start: self.start, end: middle }, Self { start: middle, end: self.end }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(hour: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 24, hour, 0, 0).single().unwrap_or_default()
    }

    #[test]
    fn windows_cover_all_since_without_a_gap_and_the_last_is_open() {
        let mut windows = Window::cover(Some(hour(1)), hour(10), TimeDelta::hours(4));
        windows.reverse();
        let bounds: Vec<_> = windows.iter().map(|window| (window.start, window.end)).collect();
        assert_eq!(bounds, [(Some(hour(1)), Some(hour(5))), (Some(hour(5)), Some(hour(9))), (Some(hour(9)), None)]);
        assert_eq!(Window::cover(None, hour(10), TimeDelta::hours(4)), [Window { start: None, end: None }]);
    }

    #[test]
    fn a_checkpoint_from_long_ago_makes_windows_wider_not_more() {
        let ancient = Utc.with_ymd_and_hms(1, 1, 1, 0, 0, 0).single();
        let windows = Window::cover(ancient, hour(10), TimeDelta::hours(4));
        assert!(windows.len() <= 1_001 && windows.iter().any(|window| window.start == ancient), "{}", windows.len());
    }

    #[test]
    fn a_window_is_halved_until_it_is_a_minute_or_so() {
        let whole = Window { start: Some(hour(0)), end: Some(hour(8)) };
        let (first, second) = whole.halves(hour(9)).unwrap();
        assert_eq!((first.start, first.end, second.start, second.end), (whole.start, Some(hour(4)), Some(hour(4)), whole.end));
        let (earlier, later) = Window { start: None, end: None }.halves(hour(9)).unwrap();
        assert!(earlier.start.is_none() && later.end.is_none() && earlier.end == later.start);
        let mut window = whole;
        let mut times = 0;
        while let Some((first, _)) = window.halves(hour(9)) {
            window = first;
            times += 1;
        }
        assert_eq!(times, 8);
    }
}
