//! What must hold of a field's value, whatever JSON it is.

use chrono_tz::Tz;
use serde_json::Value as Json;

use super::{Choices, Lens, OperateTime};
use crate::config::field::{Direction, UnknownRule, ValueRow};
use crate::lead::{Kind, PerSide, Side, Value};

const KINDS: [Kind; 6] = [Kind::Text, Kind::Number, Kind::Boolean, Kind::Date, Kind::Instant, Kind::Choice];

/// Both laws of lenses, and the store's: what was written is read back, and what was read and kept is the same.
pub(crate) fn lens(data: &[u8]) {
    let json = serde_json::from_slice(data).unwrap_or_else(|_| Json::from(String::from_utf8_lossy(data)));
    for (kind, zone) in KINDS.into_iter().zip([Tz::UTC, Tz::Europe__London].into_iter().cycle()).chain([(Kind::Instant, Tz::UTC)])
    {
        let time = OperateTime { zone, format: "%Y-%m-%d %H:%M:%S".to_owned() };
        let lens = Lens::new(kind, if kind == Kind::Choice { choices() } else { None }, time);
        for read_on in Side::BOTH {
            let value = lens.get(read_on, &json);
            assert_eq!(Value::from_json(kind, &value.to_json()).as_ref(), Some(&value), "{kind:?}: kept {json}");
            assert!(value != Value::Text(String::new()), "an empty text");
            for side in Side::BOTH {
                match lens.put(side, &value) {
                    Ok(written) => assert_eq!(lens.get(side, &written), value, "{kind:?}: {json} was written as {written}"),
                    Err(problem) => assert!(!problem.to_string().is_empty()),
                }
            }
        }
    }
}

fn choices() -> Option<Choices> {
    let row = |operate: &str, salesforce: &str, direction| ValueRow {
        native: PerSide { operate: operate.to_owned(), salesforce: salesforce.to_owned() },
        direction,
    };
    let rows = [
        row("New", "Open", Direction::Both),
        row("Fresh", "Open", Direction::ToSalesforce),
        row("Caf\u{e9}", "Closed", Direction::Both),
    ];
    Choices::build(&rows, Direction::Both, &UnknownRule::Park).ok().flatten()
}
