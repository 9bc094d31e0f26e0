//! What must hold of a field's value, whatever JSON it is.

use chrono_tz::Tz;
use serde_json::Value as Json;

use super::{Choices, Lens, OperateTime, Transforms};
use crate::config::field::{Direction, UnknownRule, ValueRow};
use crate::config::transform::{CountryStyle, NumberFormat, PhoneStyle, StateStyle, Transform, Words};
use crate::lead::{Kind, PerSide, Side, Value};

const KINDS: [Kind; 6] = [Kind::Text, Kind::Number, Kind::Boolean, Kind::Date, Kind::Instant, Kind::Choice];

/// Both laws of lenses, and the store's: what was written is read back, and what was read and kept is the same.
pub(crate) fn lens(data: &[u8]) {
    let json = serde_json::from_slice(data).unwrap_or_else(|_| Json::from(String::from_utf8_lossy(data)));
    for (kind, zone) in KINDS.into_iter().zip([Tz::UTC, Tz::Europe__London].into_iter().cycle()).chain([(Kind::Instant, Tz::UTC)])
    {
        let time = OperateTime { zone, format: "%Y-%m-%d %H:%M:%S".to_owned() };
        laws(kind, &Lens::new(kind, if kind == Kind::Choice { choices() } else { None }, time), &json);
    }
    for transforms in transforms() {
        let time = OperateTime { zone: Tz::Europe__London, format: "%Y-%m-%d %H:%M:%S".to_owned() };
        let kind = transforms.last().map_or(Kind::Text, Transform::kind);
        let transforms = Transforms::new(&transforms, Direction::ToSalesforce, time.zone);
        laws(kind, &Lens::new(kind, None, time).with_transforms(transforms), &json);
    }
}

fn laws(kind: Kind, lens: &Lens, json: &Json) {
    for read_on in Side::BOTH {
        let value = lens.get(read_on, json);
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

/// Every transform, some of them together.
fn transforms() -> [Vec<Transform>; 10] {
    let per_side = |operate: &str, salesforce: &str| PerSide { operate: operate.to_owned(), salesforce: salesforce.to_owned() };
    let format = |operate: &str| PerSide { operate: Some(operate.to_owned()), salesforce: None };
    let number =
        NumberFormat { decimal: ',', group: Some('.'), places: Some(2), prefix: "\u{a3}".to_owned(), suffix: String::new() };
    let words = Words { yes: "Ja".to_owned(), no: String::new() };
    let gb = || "GB".to_owned();
    let style = PerSide { operate: PhoneStyle::National, salesforce: PhoneStyle::E164 };
    let states = PerSide { operate: StateStyle::Name, salesforce: StateStyle::Code };
    [
        vec![Transform::Trim, Transform::Lower, Transform::Suffix(per_side("!", ""))],
        vec![Transform::Squeeze, Transform::Title, Transform::Truncate { length: 9, mark: "\u{2026}".to_owned() }],
        vec![Transform::Prefix(per_side("OP-", "x ")), Transform::Upper],
        vec![Transform::Phone { country: gb(), style }],
        vec![Transform::Country(PerSide { operate: CountryStyle::Name, salesforce: CountryStyle::Alpha3 })],
        vec![Transform::State { country: gb(), style: states }],
        vec![Transform::Number(PerSide { operate: Some(number), salesforce: None })],
        vec![Transform::Boolean(PerSide { operate: Some(words), salesforce: None })],
        vec![Transform::Date(format("%d/%m/%Y"))],
        vec![Transform::Datetime { format: format("%d/%m/%Y %H:%M"), zone: None }],
    ]
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
