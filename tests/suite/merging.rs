//! The merge rules as annotated cases, and the properties that hold for all of them.

use leadsync::config::field::{Direction, EmptyRule, FieldConfig, UnknownRule};
use leadsync::config::sync::ConflictRule;
use leadsync::lead::{Kind, PerSide, Side, Value};
use leadsync::mapping::{Base, Policy, Values};
use leadsync::merge::{DecidedBy, Decision, FieldState, Newest, merge_field, merge_lead};
use proptest::prelude::*;

use crate::fixtures::{field, mapping};

const BOTH: Policy =
    Policy { direction: Direction::Both, rule: ConflictRule::Newest, empty: EmptyRule::Overwrite, unknown_parks: true };
const TO_SF: Policy = Policy { direction: Direction::ToSalesforce, ..BOTH };
const KEEP: Policy = Policy { empty: EmptyRule::Keep, ..BOTH };

/// "" is empty, "~" has no part in the lead, and "?x" is a value that cannot be read.
fn value(word: &str) -> Value {
    match word.strip_prefix('?') {
        Some(raw) => Value::Unknown(raw.to_owned()),
        None if word.is_empty() => Value::Empty,
        None if word == "~" => Value::Aside,
        None => Value::Text(word.to_owned()),
    }
}

fn decide(base: [&str; 2], now: [&str; 2], policy: Policy, newest: Newest, resolved: Option<Side>) -> Decision {
    let base = PerSide { operate: value(base[0]), salesforce: value(base[1]) };
    let (operate, salesforce) = (value(now[0]), value(now[1]));
    let state = FieldState { base: &base, now: PerSide { operate: &operate, salesforce: &salesforce } };
    merge_field(state, policy, newest, || resolved)
}

#[test]
fn each_case_of_the_table_is_decided_as_written() {
    use Decision::{Accept, Agree, Blocked, Give, Open, Rest, Settle};
    use Side::{Operate as O, Salesforce as S};
    let rule = |rule| Policy { rule, ..BOTH };
    let won = |winner, by| Settle { winner, by };
    let newest = DecidedBy::Rule(ConflictRule::Newest);
    let cases = [
        ("nobody changed it", ["a", "a"], ["a", "a"], BOTH, Agree),
        ("both made the same change", ["a", "a"], ["b", "b"], BOTH, Agree),
        ("Salesforce changed it", ["a", "a"], ["a", "b"], BOTH, Give(O)),
        ("Operate changed it", ["a", "a"], ["b", "a"], BOTH, Give(S)),
        ("Operate cleared it", ["a", "a"], ["", "a"], BOTH, Give(S)),
        ("both changed it, and Operate's edit is later", ["a", "a"], ["b", "c"], BOTH, won(O, newest)),
        ("first pairing, only one is filled", ["", ""], ["", "x"], BOTH, Give(O)),
        ("first pairing, both are filled", ["", ""], ["x", "y"], BOTH, won(O, newest)),
        ("different since they were last in step, and nobody changed either", ["a", "b"], ["a", "b"], BOTH, Rest),
        ("one of a different pair changes", ["a", "b"], ["a", "c"], BOTH, Give(O)),
        (
            "the rule names Operate",
            ["a", "a"],
            ["b", "c"],
            rule(ConflictRule::Operate),
            won(O, DecidedBy::Rule(ConflictRule::Operate)),
        ),
        (
            "the rule names Salesforce",
            ["a", "a"],
            ["b", "c"],
            rule(ConflictRule::Salesforce),
            won(S, DecidedBy::Rule(ConflictRule::Salesforce)),
        ),
        ("a person has to decide", ["a", "a"], ["b", "c"], rule(ConflictRule::Manual), Open),
        ("a one-way field ignores a change against its arrow", ["a", "a"], ["a", "b"], TO_SF, Rest),
        ("a one-way field's source wins", ["a", "a"], ["b", "c"], TO_SF, won(O, DecidedBy::Direction)),
        ("a one-way field's empty source fills nothing back", ["", ""], ["", "x"], TO_SF, Rest),
        ("an empty value never overwrites, if so told", ["a", "a"], ["", "a"], KEEP, Accept),
        ("an empty value loses a conflict, if so told", ["a", "a"], ["", "c"], KEEP, won(S, DecidedBy::Empty)),
        ("a source cleared against an edit", ["a", "a"], ["", "c"], Policy { empty: EmptyRule::Keep, ..TO_SF }, Accept),
        ("a value that cannot be read is not given", ["a", "a"], ["?z", "a"], BOTH, Blocked(O)),
        ("a value that cannot be read wins nothing", ["a", "a"], ["?z", "c"], BOTH, Blocked(O)),
        ("a value that cannot be read rests", ["a", "a"], ["?z", "c"], Policy { unknown_parks: false, ..BOTH }, Rest),
        ("a value that cannot be read and did not change rests", ["?z", "a"], ["?z", "a"], BOTH, Rest),
        ("a field that has no part in Operate's lead", ["a", "a"], ["~", "c"], BOTH, Rest),
        ("a field that has no part in Salesforce's lead", ["a", "a"], ["b", "~"], BOTH, Rest),
    ];
    for (why, base, now, policy, expected) in cases {
        assert_eq!(decide(base, now, policy, Newest::Side(O), None), expected, "{why}");
    }
}

#[test]
fn a_tie_falls_to_salesforce() {
    let tie = decide(["a", "a"], ["b", "c"], BOTH, Newest::Tie, None);
    assert_eq!(tie, Decision::Settle { winner: Side::Salesforce, by: DecidedBy::Tie });
}

#[test]
fn a_persons_word_settles_a_conflict() {
    let manual = Policy { rule: ConflictRule::Manual, ..BOTH };
    let settled = decide(["a", "a"], ["b", "c"], manual, Newest::Tie, Some(Side::Operate));
    assert_eq!(settled, Decision::Settle { winner: Side::Operate, by: DecidedBy::Person });
}

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "a", "b", "c", "?z"])
}

fn policy() -> impl Strategy<Value = Policy> {
    let direction = prop::sample::select(vec![Direction::Both, Direction::ToSalesforce, Direction::ToOperate]);
    let rule =
        prop::sample::select(vec![ConflictRule::Newest, ConflictRule::Operate, ConflictRule::Salesforce, ConflictRule::Manual]);
    let empty = prop::sample::select(vec![EmptyRule::Overwrite, EmptyRule::Keep]);
    (direction, rule, empty, any::<bool>()).prop_map(|(direction, rule, empty, unknown_parks)| Policy {
        direction,
        rule,
        empty,
        unknown_parks,
    })
}

proptest! {
    #[test]
    fn a_write_never_goes_against_the_arrow_nor_carries_what_cannot_be_read(
        base in [word(), word()], now in [word(), word()], policy in policy(), later in any::<bool>(),
    ) {
        let newest = Newest::Side(if later { Side::Operate } else { Side::Salesforce });
        let decision = decide(base, now, policy, newest, None);
        let to = match decision {
            Decision::Give(to) => Some(to),
            Decision::Settle { winner, .. } => Some(winner.other()),
            _ => None,
        };
        if let Some(to) = to {
            prop_assert!(policy.writes(to));
            let given = now[usize::from(to == Side::Operate)];
            prop_assert!(!given.starts_with('?'));
            prop_assert!(policy.empty == EmptyRule::Overwrite || !given.is_empty());
        }
    }

    #[test]
    fn what_both_sides_have_when_they_meet_is_what_they_have_in_common(now in word(), policy in policy(), later in any::<bool>()) {
        let newest = Newest::Side(if later { Side::Operate } else { Side::Salesforce });
        prop_assert_eq!(decide(["", ""], [now, now], policy, newest, None), Decision::Agree);
    }

    #[test]
    fn nothing_is_overwritten_without_a_trace(base in [word(), word()], now in [word(), word()], policy in policy()) {
        // Plain giving is only for a target that nobody changed: any other overwriting is a settled conflict.
        if let Decision::Give(to) = decide(base, now, policy, Newest::Tie, None) {
            let place = usize::from(to == Side::Salesforce);
            prop_assert_eq!(now[place], base[place]);
        }
    }

    #[test]
    fn after_the_write_both_sides_agree(base in [word(), word()], now in [word(), word()], policy in policy()) {
        let winner = match decide(base, now, policy, Newest::Tie, None) {
            Decision::Give(to) => to.other(),
            Decision::Settle { winner, .. } => winner,
            _ => return Ok(()),
        };
        let value = now[usize::from(winner == Side::Salesforce)];
        prop_assert_eq!(decide([value, value], [value, value], policy, Newest::Tie, None), Decision::Agree);
    }
}

/// Decides a lead whose fields are all in one group.
fn decide_group(base: &[[&str; 2]], now: &[[&str; 2]], rule: ConflictRule, resolved: Option<(usize, Side)>) -> Vec<Decision> {
    decide_group_with(&UnknownRule::Park, base, now, rule, resolved)
}

fn decide_group_with(
    unknown: &UnknownRule,
    base: &[[&str; 2]],
    now: &[[&str; 2]],
    rule: ConflictRule,
    resolved: Option<(usize, Side)>,
) -> Vec<Decision> {
    let fields: Vec<FieldConfig> = (0..base.len())
        .map(|place| FieldConfig {
            group: Some("address".to_owned()),
            conflict: Some(rule),
            unknown: unknown.clone(),
            ..field(&format!("f{place}"), Kind::Text)
        })
        .collect();
    let mapping = mapping(&fields).unwrap();
    let base = Base(base.iter().map(|pair| PerSide { operate: value(pair[0]), salesforce: value(pair[1]) }).collect());
    let side = |at: usize| Values(now.iter().map(|pair| value(pair[at])).collect());
    let (operate, salesforce) = (side(0), side(1));
    let word = |place| resolved.filter(|(resolved, _)| *resolved == place).map(|(_, side)| side);
    let now = PerSide { operate: &operate, salesforce: &salesforce };
    let merged = merge_lead(&mapping, &base, now, Newest::Side(Side::Operate), word);
    (0..fields.len())
        .map(|place| merged.fields.iter().find(|(other, _)| *other == place).map_or(Decision::Rest, |(_, decision)| *decision))
        .collect()
}

#[test]
fn a_group_is_never_put_together_from_both_sides() {
    use Decision::{Agree, Blocked, Give, Open, Rest, Settle};
    use Side::{Operate as O, Salesforce as S};
    let newest = Settle { winner: O, by: DecidedBy::Rule(ConflictRule::Newest) };
    let cases = [
        (
            "one side moved house: only what differs is given",
            vec![["a", "a"], ["b", "b"]],
            vec![["c", "a"], ["b", "b"]],
            vec![Give(S), Rest],
        ),
        ("each side changed another line", vec![["a", "a"], ["b", "b"]], vec![["c", "a"], ["b", "d"]], vec![newest, newest]),
        ("a line in which both agree", vec![["a", "a"], ["b", "b"]], vec![["c", "a"], ["d", "d"]], vec![newest, Agree]),
        ("both moved to the same place", vec![["a", "a"], ["b", "b"]], vec![["c", "c"], ["d", "d"]], vec![Agree, Agree]),
        ("first pairing, one has nothing", vec![["", ""], ["", ""]], vec![["a", ""], ["b", ""]], vec![Give(S), Give(S)]),
        ("first pairing, one has less", vec![["", ""], ["", ""]], vec![["a", "a"], ["", "b"]], vec![Agree, Give(O)]),
        ("first pairing, each has another part", vec![["", ""], ["", ""]], vec![["a", ""], ["", "b"]], vec![newest, newest]),
        ("what they had was not the same", vec![["", "x"], ["z", ""]], vec![["a", ""], ["b", ""]], vec![newest, newest]),
        ("one line has no part in one lead", vec![["a", "a"], ["b", "b"]], vec![["~", "c"], ["d", "b"]], vec![Rest, Rest]),
        (
            "the winner's line cannot be read",
            vec![["a", "a"], ["b", "b"]],
            vec![["?c", "a"], ["b", "d"]],
            vec![Blocked(O), newest],
        ),
    ];
    for (what, base, now, expected) in cases {
        assert_eq!(decide_group(&base, &now, ConflictRule::Newest, None), expected, "{what}");
    }
    let unread = [["?c", "a"], ["b", "d"]];
    let kept = decide_group_with(&UnknownRule::Keep, &[["a", "a"], ["b", "b"]], &unread, ConflictRule::Newest, None);
    assert_eq!(kept, [Rest, Rest], "a line that is not carried across holds back the others");
    let (base, now) = ([["a", "a"], ["b", "b"]], [["c", "a"], ["b", "d"]]);
    assert_eq!(decide_group(&base, &now, ConflictRule::Manual, None), [Open, Open], "a person decides all of it");
    let word = Settle { winner: S, by: DecidedBy::Person };
    assert_eq!(decide_group(&base, &now, ConflictRule::Manual, Some((1, S))), [word, word], "and says so once");
}

#[test]
fn the_store_is_told_in_the_configurations_words_what_decided() {
    let words = [
        (DecidedBy::Rule(ConflictRule::Newest), "newest"),
        (DecidedBy::Rule(ConflictRule::Operate), "operate"),
        (DecidedBy::Rule(ConflictRule::Salesforce), "salesforce"),
        (DecidedBy::Rule(ConflictRule::Manual), "manual"),
        (DecidedBy::Tie, "newest (tie)"),
        (DecidedBy::Direction, "direction"),
        (DecidedBy::Empty, "empty"),
        (DecidedBy::Person, "manual"),
    ];
    for (decided, word) in words {
        assert_eq!(decided.as_str(), word);
    }
}

#[test]
fn a_one_way_field_that_keeps_its_value_takes_one_from_its_source_and_no_emptiness() {
    let policy = Policy { empty: EmptyRule::Keep, ..TO_SF };
    let won = Decision::Settle { winner: Side::Operate, by: DecidedBy::Direction };
    assert_eq!(decide(["a", "a"], ["b", ""], policy, Newest::Tie, None), won, "the source has one");
    assert_eq!(decide(["a", "a"], ["", "b"], policy, Newest::Tie, None), Decision::Accept, "only the target has one");
}

#[test]
fn what_needs_no_decision_is_not_among_them_and_a_moved_base_is_told() {
    let mapping = mapping(&[field("f", Kind::Text)]).unwrap();
    let merge = |base: [&str; 2], now: [&str; 2]| {
        let base = Base(vec![PerSide { operate: value(base[0]), salesforce: value(base[1]) }]);
        let (operate, salesforce) = (Values(vec![value(now[0])]), Values(vec![value(now[1])]));
        let merged = merge_lead(&mapping, &base, PerSide { operate: &operate, salesforce: &salesforce }, Newest::Tie, |_| None);
        (merged.fields, merged.rebased)
    };
    assert_eq!(merge(["a", "a"], ["a", "a"]), (vec![], false), "in step");
    assert_eq!(merge(["a", "b"], ["a", "b"]), (vec![], false), "apart, and nobody touched it");
    assert_eq!(merge(["a", "a"], ["b", "b"]), (vec![(0, Decision::Agree)], true), "both made the same change");
    assert_eq!(merge(["a", "b"], ["b", "b"]), (vec![(0, Decision::Agree)], true), "one has come to the other");
    assert_eq!(merge(["a", "b"], ["a", "a"]), (vec![(0, Decision::Agree)], true), "and the other way round");
    assert_eq!(merge(["a", "a"], ["b", "a"]), (vec![(0, Decision::Give(Side::Salesforce))], false), "a write moves it later");
}
