//! What transforms say of values that they do not take, and spellings at the edge of what they read.

use chrono::{DateTime, NaiveDate};
use leadsync::lead::{Side, Value, decimal};
use serde_json::json;

use crate::transforms::lens;

#[test]
fn what_a_transform_expects_and_why_it_does_not_write_is_told_in_words() {
    let expected = [
        (r#"transform = "trim""#, "text"),
        (r#"transform = { phone = { country = "GB" } }"#, "a phone number that is known to be valid"),
        (r#"transform = { country = { operate = "name", salesforce = "alpha2" } }"#, "a country"),
        (r#"transform = { state = { country = "US", operate = "name", salesforce = "code" } }"#, "a state of its country"),
        (r#"transform = { number = { operate = { group = " " } } }"#, "a number in the format of its transform"),
        (r#"transform = { boolean = { operate = ["Ja", "Nein"] } }"#, "one of the two words of its transform"),
        (r#"transform = { date = { operate = "%d/%m/%Y" } }"#, "a date in the format of its transform"),
        (r#"transform = { datetime = { operate = "%d/%m/%Y %H:%M" } }"#, "a date and time in the format of its transform"),
    ];
    for (field, words) in expected {
        assert_eq!(lens(field).expected(), words, "{field}");
    }
    let moment = DateTime::parse_from_rfc3339("2026-07-01T09:30:15Z").unwrap().to_utc();
    let refused = [
        (r#"transform = { phone = { country = "GB" } }"#, Value::Text("+1".into()), "it would be read back as something else"),
        (
            r"transform = { number = { operate = { places = 1 } } }",
            Value::Number(decimal("1.25").unwrap()),
            "its format has not as many decimal places",
        ),
        (
            r#"transform = { date = { operate = "%d/%m/%Y" } }"#,
            Value::Date(NaiveDate::from_ymd_opt(12_000, 5, 1).unwrap()),
            "its format cannot hold this day",
        ),
        (
            r#"transform = { datetime = { operate = "%d/%m/%Y %H:%M" } }"#,
            Value::Instant(moment),
            "its format cannot hold this moment: it has seconds, or lies in an hour that clocks repeat",
        ),
        (
            "direction = \"to_salesforce\"\ntransform = { truncate = { length = 3 } }",
            Value::Text("longer".into()),
            "it would be cut off where it comes from",
        ),
    ];
    for (field, value, words) in refused {
        let problem = lens(field).put(Side::Operate, &value).unwrap_err().to_string();
        assert!(problem.contains(words), "{field}: {problem}");
    }
}

#[test]
fn each_transform_writes_what_it_reads() {
    let cases = [
        (r#"transform = { phone = { country = "GB", operate = "national" } }"#, json!("020 7946 0958")),
        (r#"transform = { country = { operate = "name", salesforce = "alpha2" } }"#, json!("France")),
        (r#"transform = { state = { country = "US", operate = "name", salesforce = "code" } }"#, json!("Texas")),
        (r#"transform = { number = { operate = { group = " " } } }"#, json!("1 234.5")),
        (r#"transform = { number = { operate = { group = "." , decimal = "," } } }"#, json!("123.456,5")),
        (r#"transform = { boolean = { operate = ["Ja", "Nein"] } }"#, json!("Nein")),
        (r#"transform = { date = { operate = "%d/%m/%Y" } }"#, json!("31/12/2026")),
        (r#"transform = { datetime = { operate = "%d/%m/%Y %H:%M" } }"#, json!("31/12/2026 23:59")),
    ];
    for (field, native) in cases {
        let lens = lens(field);
        let value = lens.get(Side::Operate, &native);
        assert!(!matches!(value, Value::Unknown(_)), "{field}: {value}");
        assert_eq!(lens.put(Side::Operate, &value), Ok(native), "{field}");
    }
}

/// Whether Operate's text is read as something.
fn reads(field: &str, native: &str) -> bool {
    !matches!(lens(field).get(Side::Operate, &json!(native)), Value::Unknown(_))
}

#[test]
fn a_time_with_a_short_year_is_read_only_as_it_would_be_written() {
    let field = r#"transform = { datetime = { operate = "%d/%m/%Y %H:%M" } }"#;
    let cases = [
        ("01/02/2026 09:05", true),
        ("1/2/2026 9:05", true),
        ("1/2/1000 9:05", true),
        ("01/02/26 09:05", false),
        ("1/2/999 9:05", false),
        ("01/02/0999 09:05", true),
    ];
    for (native, read) in cases {
        assert_eq!(reads(field, native), read, "{native}");
    }
}

#[test]
fn a_group_sign_stands_between_digits_and_a_space_is_any_space() {
    let comma = r#"transform = { number = { operate = { group = "," } } }"#;
    let space = r#"transform = { number = { operate = { group = " " } } }"#;
    let cases = [(comma, "1,234", true), (comma, ",234", false), (space, "1\u{a0}234", true), (space, "1\u{202f}234", true)];
    for (field, native, read) in cases {
        assert_eq!(reads(field, native), read, "{native}");
    }
    assert!(!reads(comma, "1\u{a0}234"));
}

#[test]
fn a_slash_stands_once_behind_an_area_code_and_a_plus_at_the_beginning() {
    let field = r#"transform = { phone = { country = "GB", operate = "national" } }"#;
    let cases = [
        ("020/7946 0958", true),
        ("020/79/460958", false),
        ("0207946/0958", false),
        ("+442079460958", true),
        ("020 7946+0958", false),
        ("020 7946 0958+", false),
    ];
    for (native, read) in cases {
        assert_eq!(reads(field, native), read, "{native}");
    }
}

#[test]
fn a_country_is_read_by_either_code_and_by_its_name() {
    let field = r#"transform = { country = { operate = "name", salesforce = "alpha2" } }"#;
    for native in ["fr", "FRA", "france"] {
        assert_eq!(lens(field).get(Side::Operate, &json!(native)), Value::Text("FR".to_owned()), "{native}");
    }
}
