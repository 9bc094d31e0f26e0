//! The forms in which the store keeps values, and what becomes of them when the mapping changes.

use chrono_tz::Tz;
use leadsync::config::field::{FieldConfig, Lookup};
use leadsync::config::sync::ConflictRule;
use leadsync::lead::{Kind, PerSide, Side, Value, unresolved};
use leadsync::mapping::{Base, Former, Mapping, OperateTime, Values};
use serde_json::{Value as Json, json};

use crate::fixtures::{field, mapping};

fn text(text: &str) -> Value {
    if text.is_empty() { Value::Empty } else { Value::Text(text.to_owned()) }
}

fn pair(operate: &str, salesforce: &str) -> PerSide<Value> {
    PerSide { operate: text(operate), salesforce: text(salesforce) }
}

#[test]
fn a_base_is_kept_as_one_value_or_two_and_without_what_is_empty() {
    let fields = ["same", "apart", "ours", "theirs", "none"].map(|name| field(name, Kind::Text));
    let mapping = mapping(&fields).unwrap();
    let base = Base(vec![pair("a", "a"), pair("b", "c"), pair("d", ""), pair("", "e"), pair("", "")]);
    let kept = r#"{"apart":["b","c"],"ours":["d",null],"same":"a","theirs":[null,"e"]}"#;
    assert_eq!(mapping.encode_base(&base), kept);
    assert_eq!(mapping.decode_base(kept), base);
    let (f, g) = (text("f"), text("g"));
    let patch = [(0, PerSide { operate: &f, salesforce: &f }), (1, PerSide { operate: &g, salesforce: &Value::Empty })];
    assert_eq!(mapping.encode_base_patch(patch), json!({ "same": "f", "apart": ["g", null] }));
}

#[test]
fn what_is_written_is_kept_with_what_it_clears_and_read_in_the_mappings_order() {
    let fields = ["b", "a"].map(|name| field(name, Kind::Text));
    let mapping = mapping(&fields).unwrap();
    let kept = mapping.encode_some([(1, &text("x")), (0, &text(""))]);
    assert_eq!(kept, json!({ "a": "x", "b": null }));
    assert_eq!(mapping.decode_some(&kept), [(0, Value::Empty), (1, text("x"))]);
    assert_eq!(mapping.encode(&Values(vec![text(""), text("x")])), r#"{"a":"x"}"#);
}

#[test]
fn what_is_kept_is_read_in_any_order_with_escapes_and_without_what_is_no_field_any_more() {
    let fields = ["a", "b", "c\"", "n"].map(|name| field(name, if name == "n" { Kind::Number } else { Kind::Text }));
    let mapping = mapping(&fields).unwrap();
    let kept = r#"{"n": 1.5, "gone":{"deep":["x"]}, "c\"":"\u00fc\n", "b":{"unknown":"?"},"a":7}"#;
    let expected = [Value::Empty, Value::Unknown("?".to_owned()), text("\u{fc}\n"), Value::Number("1.5".parse().unwrap())];
    assert_eq!(mapping.decode(kept).0, expected, "a value of another type than the field's is none");
    assert_eq!(mapping.decode("[]").0, vec![Value::Empty; 4]);
    let base = mapping.decode_base(r#"{"c\"":["\"",null],"a":"x"}"#);
    assert_eq!(base.0, [pair("x", "x"), pair("", ""), pair("\"", ""), pair("", "")]);
}

/// The base of one field, `["a", "b"]` under an earlier mapping, after that field changed as told.
fn translated(described: &Json, had: &Json, unmoved: bool, now: &str) -> PerSide<Value> {
    let mapping = mapping(&[field("f", Kind::Text)]).unwrap();
    let former = Former { described, fields: had, unmoved };
    let both = PerSide { operate: None, salesforce: Some(former) };
    let now = PerSide { operate: Values(vec![text("a")]), salesforce: Values(vec![text(now)]) };
    mapping.translate(r#"{"f":["a","b"]}"#, both, &now).0.remove(0)
}

#[test]
fn a_base_is_translated_by_a_lead_that_has_it_still() {
    let (had, other) = (json!({ "f": "b" }), json!({ "f": "a" }));
    let (changed, absent) = (json!({ "f": "as it was read before" }), json!({}));
    let same = mapping(&[field("f", Kind::Text)]).unwrap().described();
    assert_eq!(translated(&changed, &had, true, "B"), pair("a", "B"), "it is read in another way");
    assert_eq!(translated(&changed, &had, false, "B"), pair("a", "b"), "somebody modified it");
    assert_eq!(translated(&changed, &other, true, "B"), pair("a", "b"), "it had an edit that was not carried across");
    assert_eq!(translated(&same, &had, true, "B"), pair("a", "b"), "this field did not change: what it refers to did");
    assert_eq!(translated(&absent, &had, true, "B"), pair("a", ""), "it was not mapped");
}

#[test]
fn only_moments_depend_on_the_workspaces_zone() {
    let described = |zone: Tz| {
        let time = OperateTime { zone, format: "%Y-%m-%d %H:%M:%S".to_owned() };
        let fields = [field("name", Kind::Text), field("since", Kind::Instant)];
        Mapping::new(&fields, &[], ConflictRule::Newest, &time).unwrap().described()
    };
    let (here, there) = (described(chrono_tz::UTC), described(chrono_tz::Europe::Rome));
    assert_eq!(here["name"], there["name"]);
    assert_ne!(here["since"], there["since"]);
}

#[test]
fn an_id_that_stands_for_nothing_known_is_told_in_its_own_words_and_other_values_are_not() {
    let owner = FieldConfig { lookup: Some(Lookup::User), ..field("owner", Kind::Text) };
    let mapping = mapping(&[owner, field("desks", Kind::Number)]).unwrap();
    let told = unresolved("005X", "no user");
    let said = told["unknown"].as_str().unwrap();
    let [owner, desks] = mapping.fields() else { panic!("two fields") };
    assert_eq!(owner.unreadable(Side::Salesforce, said).reason, "Salesforce's owner__c is 005X, which is no user");
    assert_eq!(owner.unreadable(Side::Salesforce, "x").reason, "Salesforce's owner__c is \"x\", which is not text");
    let desks = desks.unreadable(Side::Operate, said).reason;
    assert_eq!(desks, "Operate's desks is \"005X, which is no user\", which is not a number");
}
