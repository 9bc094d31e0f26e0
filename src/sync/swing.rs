//! Fields that swing: a rule on either side sets a field back each time it is given, and the other side's rule does the same.

use serde_json::Value as Json;

use crate::lead::Side;

/// How often a side may be given the same value, and have it set back, before a person is asked.
const SWINGS: usize = 3;

/// Whether giving side `to` this value once more would be the third time that it swings there and back. `recent` are the
/// writes to both sides, the newest first.
pub(super) fn swings(recent: &[(Side, Json)], to: Side, field: &str, value: &Json) -> bool {
    let mut given = recent.iter().filter_map(|(side, fields)| Some((*side, fields.get(field)?)));
    let mut set_back: Option<&Json> = None;
    (1..SWINGS).all(|_| match (given.next(), given.next()) {
        (Some((back_to, back)), Some((forth_to, forth))) => {
            let is_swing =
                back_to == to.other() && forth_to == to && forth == value && set_back.is_none_or(|known| known == back);
            set_back = Some(back);
            is_swing
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn writes(writes: &[(Side, &str)]) -> Vec<(Side, Json)> {
        writes.iter().map(|(side, phone)| (*side, json!({ "phone": phone }))).collect()
    }

    #[test]
    fn the_third_swing_is_one_too_many() {
        let (o, s) = (Side::Operate, Side::Salesforce);
        let twice = writes(&[(o, "b"), (s, "a"), (o, "b"), (s, "a")]);
        assert!(swings(&twice, s, "phone", &json!("a")));
        assert!(!swings(&twice[2..], s, "phone", &json!("a")), "the second");
        assert!(!swings(&twice, s, "phone", &json!("c")), "another value");
        assert!(!swings(&twice, s, "title", &json!("a")), "another field");
        assert!(!swings(&twice, o, "phone", &json!("a")), "the other side");
        let one_side = writes(&[(s, "b"), (s, "a"), (s, "b"), (s, "a")]);
        assert!(!swings(&one_side, s, "phone", &json!("a")), "nobody set it back on the other side");
    }

    #[test]
    fn a_value_of_a_person_in_between_ends_it() {
        let (o, s) = (Side::Operate, Side::Salesforce);
        assert!(!swings(&writes(&[(o, "b"), (s, "a"), (o, "c"), (s, "a")]), s, "phone", &json!("a")));
        assert!(!swings(&writes(&[(o, "b"), (s, "c"), (o, "b"), (s, "a")]), s, "phone", &json!("a")));
    }
}
