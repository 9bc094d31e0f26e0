//! A day in 24 bars, hour by hour: one thing counted upwards from the line, another downwards, so that neither needs a colour.

use chrono::{DateTime, Timelike as _, Utc};

use super::words::number;

/// Units of the picture: 24 bars, and the line in the middle of its height.
const BAR: i64 = 10;
const HALF: i64 = 500;
/// The least that is seen.
const LEAST: i64 = 16;

pub(super) struct Chart {
    pub(super) bars: Vec<Bar>,
    pub(super) up: String,
    pub(super) down: String,
    /// The highest bar.
    pub(super) peak: String,
    pub(super) is_empty: bool,
}

pub(super) struct Bar {
    /// `14:00`.
    pub(super) hour: String,
    pub(super) up: String,
    pub(super) down: String,
    pub(super) x: i64,
    pub(super) up_y: i64,
    pub(super) up_height: i64,
    pub(super) down_height: i64,
    pub(super) is_empty: bool,
}

impl Chart {
    pub(super) fn of(hours: impl IntoIterator<Item = (DateTime<Utc>, i64, i64)>) -> Self {
        let hours: Vec<_> = hours.into_iter().collect();
        let peak = hours.iter().map(|(_, up, down)| *up.max(down)).max().unwrap_or_default();
        let (up, down) = hours.iter().fold((0, 0), |sum, hour| (sum.0 + hour.1, sum.1 + hour.2));
        let height = |count: i64| if count > 0 { (count * (HALF - 20) / peak.max(1)).max(LEAST) } else { 0 };
        let bars = hours.iter().zip(0..).map(|((start, up, down), place)| Bar {
            hour: format!("{:02}:00", start.hour()),
            up: number(*up),
            down: number(*down),
            x: place * BAR + 1,
            up_y: HALF - height(*up),
            up_height: height(*up),
            down_height: height(*down),
            is_empty: *up == 0 && *down == 0,
        });
        Self { bars: bars.collect(), up: number(up), down: number(down), peak: number(peak), is_empty: up == 0 && down == 0 }
    }

    /// The hour that the day begins with.
    pub(super) fn first(&self) -> &str {
        self.bars.first().map_or("", |bar| &bar.hour)
    }

    /// The hour in its middle.
    pub(super) fn middle(&self) -> &str {
        self.bars.get(self.bars.len() / 2).map_or("", |bar| &bar.hour)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn bars_stand_on_the_line_and_hang_from_it() {
        let start = Utc::now();
        let chart = Chart::of([(start, 0, 0), (start + TimeDelta::hours(1), 100, 1)]);
        let [empty, full] = chart.bars.as_slice() else { panic!("{}", chart.bars.len()) };
        assert_eq!((empty.up_height, empty.down_height, empty.is_empty), (0, 0, true));
        assert_eq!((full.x, full.up_y, full.up_height, full.down_height), (11, 20, 480, LEAST));
        assert!(Chart::of([]).is_empty);
    }
}
