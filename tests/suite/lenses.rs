//! The laws of the lenses: writing what was read changes nothing, and reading what was written gives it back.

use chrono::{DateTime, NaiveDate};
use leadsync::config::field::{Direction, FieldConfig, UnknownRule};
use leadsync::config::parts::{Parts, Split};
use leadsync::lead::{Kind, Side, Value, decimal};
use leadsync::side::NativeFields;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::fixtures::{field, mapping, row};

const KINDS: [Kind; 6] = [Kind::Text, Kind::Number, Kind::Boolean, Kind::Date, Kind::Instant, Kind::Choice];

fn get(kind: Kind, side: Side, native: &Json) -> Value {
    mapping(&[field("f", kind)]).unwrap().fields()[0].lens().get(side, native)
}

fn native() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "\\PC{0,12}".prop_map(Json::from),
        "[ \t\r\n]{0,3}[a-zA-Z0-9é\u{301}]{0,6}[\r\n]{0,2}[a-z]{0,3}".prop_map(Json::from),
        "-?[0-9]{1,12}(\\.[0-9]{1,6})?".prop_map(Json::from),
        "(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]( [0-2][0-9]:[0-5][0-9]:[0-5][0-9])?".prop_map(Json::from),
        "20[0-9]{2}-(0[1-9]|1[0-2])-[0-2][0-9]T[01][0-9]:[0-5][0-9]:00.[0-9]{3}(Z|\\+0000|\\+01:00)".prop_map(Json::from),
    ]
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(native in native(), kind in 0..KINDS.len(), read_on in any::<bool>(), written_on in any::<bool>()) {
        let side = |operate| if operate { Side::Operate } else { Side::Salesforce };
        let mapping = mapping(&[field("f", KINDS[kind])]).unwrap();
        let lens = mapping.fields()[0].lens();
        let value = lens.get(side(read_on), &native);
        if let Ok(written) = lens.put(side(written_on), &value) {
            prop_assert_eq!(lens.get(side(written_on), &written), value);
        }
    }

    #[test]
    fn the_store_gives_back_what_it_was_given(native in native(), kind in 0..KINDS.len()) {
        let value = get(KINDS[kind], Side::Operate, &native);
        prop_assert_eq!(Value::from_json(KINDS[kind], &value.to_json()), Some(value));
    }
}

#[test]
fn empty_text_null_and_white_space_are_all_empty() {
    for native in [json!(null), json!(""), json!("  \r\n ")] {
        for kind in [Kind::Text, Kind::Number, Kind::Date, Kind::Instant, Kind::Choice] {
            assert_eq!(get(kind, Side::Operate, &native), Value::Empty);
        }
        assert_eq!(get(Kind::Boolean, Side::Operate, &native), Value::Boolean(false));
    }
}

#[test]
fn spellings_of_one_value_are_equal() {
    let cases = [
        (Kind::Text, json!(" Cafe\u{301}\r\nBar "), json!("Café\nBar")),
        (Kind::Number, json!("12.50"), json!(12.5)),
        (Kind::Number, json!(1e3), json!("1000")),
        (Kind::Boolean, json!("Yes"), json!(true)),
        (Kind::Date, json!("2026-05-01 00:00:00"), json!("2026-05-01")),
    ];
    for (kind, operate, salesforce) in cases {
        assert_eq!(get(kind, Side::Operate, &operate), get(kind, Side::Salesforce, &salesforce));
    }
}

#[test]
fn operates_local_time_is_the_same_moment_as_salesforces() {
    let moment = Value::Instant(DateTime::parse_from_rfc3339("2026-07-01T09:30:00Z").unwrap().to_utc());
    assert_eq!(get(Kind::Instant, Side::Operate, &json!("2026-07-01 10:30:00")), moment);
    assert_eq!(get(Kind::Instant, Side::Salesforce, &json!("2026-07-01T09:30:00.000+0000")), moment);
}

#[test]
fn a_moment_that_operate_cannot_tell_apart_is_not_written() {
    let mapping = mapping(&[field("f", Kind::Instant)]).unwrap();
    let second_half = DateTime::parse_from_rfc3339("2026-10-25T01:30:00Z").unwrap().to_utc();
    let put = |moment| mapping.fields()[0].lens().put(Side::Operate, &Value::Instant(moment));
    assert!(put(second_half).is_err());
    assert_eq!(put(second_half - chrono::TimeDelta::hours(1)).unwrap(), json!("2026-10-25 01:30:00"), "the first half");
}

#[test]
fn what_cannot_be_read_is_kept_as_it_stands_and_never_written() {
    let value = get(Kind::Number, Side::Operate, &json!("about 20"));
    assert_eq!(value, Value::Unknown("about 20".to_owned()));
    let mapping = mapping(&[field("f", Kind::Number)]).unwrap();
    assert!(mapping.fields()[0].lens().put(Side::Salesforce, &value).is_err());
}

#[test]
fn a_row_limited_to_one_way_is_read_as_the_row_that_stands_for_it() {
    let mut status = field("status", Kind::Choice);
    status.values = vec![row("New", "Open", Direction::Both), row("Fresh", "Open", Direction::ToSalesforce)];
    let mapping = mapping(&[status]).unwrap();
    let lens = mapping.fields()[0].lens();
    let token = lens.get(Side::Operate, &json!("Fresh"));
    assert_eq!(token, lens.get(Side::Salesforce, &json!("Open")));
    assert_eq!(lens.put(Side::Operate, &token).unwrap(), json!("New"));
    assert_eq!(lens.get(Side::Salesforce, &json!("Other")), Value::Unknown("Other".to_owned()));
}

#[test]
fn two_rows_with_the_same_counterpart_are_refused_as_two_way() {
    let mut status = field("status", Kind::Choice);
    status.values = vec![row("New", "Open", Direction::Both), row("Fresh", "Open", Direction::Both)];
    let error = mapping(&[status.clone()]).unwrap_err();
    assert!(error.to_string().contains("third word"), "{error}");
    status.direction = Direction::ToSalesforce;
    let one_way = mapping(&[status.clone()]).unwrap();
    let lens = one_way.fields()[0].lens();
    assert_eq!(
        lens.get(Side::Operate, &json!("Fresh")),
        lens.get(Side::Salesforce, &json!("Open")),
        "one value with two spellings"
    );
    status.direction = Direction::Both;
    status.values = vec![row("New", "Open", Direction::Both), row("New", "Open", Direction::Both)];
    assert!(mapping(&[status]).is_ok(), "the same row twice says nothing else");
}

#[test]
fn an_unknown_value_can_count_as_a_listed_one() {
    let mut status = field("status", Kind::Choice);
    status.values = vec![row("New", "Open", Direction::Both)];
    status.unknown = UnknownRule::Literal("New".to_owned());
    let known = mapping(&[status.clone()]).unwrap();
    assert_eq!(known.fields()[0].lens().get(Side::Operate, &json!("Odd")), Value::Choice("New".to_owned()));
    status.unknown = UnknownRule::Literal("Nowhere".to_owned());
    assert!(mapping(&[status]).is_err());
}

#[test]
fn a_new_lead_gets_the_default_where_a_value_stays_on_its_side() {
    let mut status = field("status", Kind::Choice);
    status.values = vec![row("New", "Open", Direction::Both)];
    status.unknown = UnknownRule::Keep;
    status.default.salesforce = Some("Open".to_owned());
    let mapping = mapping(&[status]).unwrap();
    let odd = mapping.read(Side::Operate, &[("status".to_owned(), json!("Odd"))].into());
    assert_eq!(mapping.create(Side::Salesforce, &odd).unwrap(), [(0, Value::Choice("New".to_owned()))]);
}

#[test]
fn a_date_is_no_date_with_a_time() {
    assert_eq!(get(Kind::Date, Side::Operate, &json!("2026-05-01 10:00:00")), Value::Unknown("2026-05-01 10:00:00".to_owned()));
    assert_eq!(get(Kind::Date, Side::Operate, &json!("2026-05-01")), Value::Date(NaiveDate::from_ymd_opt(2026, 5, 1).unwrap()));
    assert_eq!(decimal("007.10").unwrap().to_string(), "7.1");
}

#[test]
fn several_native_fields_are_one_text() {
    let name = FieldConfig::new("name", ["firstname", "lastname"], ["Full_Name__c"], Kind::Text);
    let mapping = mapping(&[name]).unwrap();
    let native =
        |pairs: &[(&str, &str)]| -> NativeFields { pairs.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect() };
    let read = mapping.read(Side::Operate, &native(&[("firstname", "Mary  Jane"), ("lastname", "Watson")]));
    assert_eq!(read.0, [Value::Text("Mary Jane Watson".to_owned())]);
    assert_eq!(mapping.read(Side::Salesforce, &native(&[("Full_Name__c", " Mary Jane\u{a0}Watson")])), read);
    assert_eq!(mapping.read(Side::Operate, &native(&[("firstname", " ")])).0, [Value::Empty]);
    let write = |side, value: &Value| mapping.write(side, [(0, value)]).unwrap();
    assert_eq!(write(Side::Operate, &read.0[0]), native(&[("firstname", "Mary Jane"), ("lastname", "Watson")]));
    assert_eq!(write(Side::Operate, &Value::Empty), native(&[("firstname", ""), ("lastname", "")]));
    assert_eq!(write(Side::Salesforce, &read.0[0]), native(&[("Full_Name__c", "Mary Jane Watson")]));
}

#[test]
fn what_has_more_lines_than_there_are_fields_is_not_cut() {
    let mut street = FieldConfig::new("street", ["address1", "address2"], ["Street"], Kind::Text);
    street.parts = Parts { join: "\n".to_owned(), split: Split::Exact };
    let mapping = mapping(&[street]).unwrap();
    let problem = mapping.write(Side::Operate, [(0, &Value::Text("1\n2\n3".to_owned()))]).unwrap_err();
    assert_eq!(problem.to_string(), "street: it has 3 parts, and there are 2 fields for them");
}

#[test]
fn an_expression_gives_a_value_from_several_fields_and_what_it_cannot_reckon_with_waits() {
    let mut headline = FieldConfig::new("headline", ["desks", "city"], ["Headline__c"], Kind::Text);
    headline.direction = Direction::ToSalesforce;
    headline.expression = Some("(desks|int) ~ ' desks in ' ~ (city or 'no city')".to_owned());
    let mapping = mapping(&[headline]).unwrap();
    let read = |desks: &str, city: &str| {
        let native = [("desks", desks), ("city", city)].map(|(name, text)| (name.to_owned(), json!(text)));
        mapping.read(Side::Operate, &native.into_iter().collect()).0.remove(0)
    };
    assert_eq!(read("4", "Leeds"), Value::Text("4 desks in Leeds".to_owned()));
    assert_eq!(read("4", " "), Value::Text("4 desks in no city".to_owned()));
    let unread = read("a lot", "Leeds");
    assert!(matches!(&unread, Value::Unknown(why) if !why.contains("a lot")), "{unread:?}");
    let native: NativeFields = [("Headline__c".to_owned(), json!("4 desks in Leeds"))].into();
    assert_eq!(mapping.read(Side::Salesforce, &native).0, [Value::Text("4 desks in Leeds".to_owned())]);
}
