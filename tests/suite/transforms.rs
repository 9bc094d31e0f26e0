//! Transforms: both laws of every one over whatever a side may hold, and whole worlds of valid values.

use std::sync::LazyLock;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use leadsync::config::{Config, Loaded};
use leadsync::lead::{Kind, Side, Value, decimal};
use leadsync::mapping::{Lens, Mapping};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const BASE: &str = r#"
[operate]
base_url = "https://operate.example"
timezone = "Europe/London"
auth = { client_id = "a", client_secret = "env:SECRET" }
[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "a", client_secret = "env:SECRET" }
[sync]
match = [["f"]]
[[fields]]
name = "f"
operate = "f"
salesforce = "F__c"
"#;

pub fn load(field: &str) -> Result<Loaded, String> {
    let secret = [("SECRET".to_owned(), "s".to_owned())];
    Config::from_text(&format!("{BASE}{field}\n"), "leadsync.toml", secret).map_err(|error| error.to_string())
}

/// The lens of a field with these keys.
pub fn lens(field: &str) -> Lens {
    let config = load(field).unwrap_or_else(|error| panic!("{field}: {error}")).config;
    Mapping::build(&config).unwrap().fields()[0].lens().clone()
}

/// One of every transform, with different spellings on both sides, and compositions.
const FIELDS: [&str; 32] = [
    r#"transform = "trim""#,
    r#"transform = "squeeze""#,
    r#"transform = "lower""#,
    r#"transform = "upper""#,
    r#"transform = "title""#,
    r#"transform = { prefix = { operate = "OP-" } }"#,
    r#"transform = { prefix = { operate = "OP-", salesforce = "x" } }"#,
    r#"transform = { suffix = { salesforce = " Ltd" } }"#,
    "transform = { truncate = { length = 8, mark = \"\u{2026}\" } }\ndirection = \"to_salesforce\"",
    "transform = { truncate = { length = 5 } }\ndirection = \"to_operate\"",
    r#"transform = { phone = { country = "GB", operate = "national", salesforce = "e164" } }"#,
    r#"transform = { phone = { country = "US", operate = "national" } }"#,
    r#"transform = { phone = { country = "AR", operate = "national" } }"#,
    r#"transform = { country = { operate = "name", salesforce = "alpha2" } }"#,
    r#"transform = { country = { operate = "alpha3", salesforce = "name" } }"#,
    r#"transform = { state = { country = "US", operate = "name", salesforce = "code" } }"#,
    r#"transform = { state = { country = "GB", operate = "code", salesforce = "name" } }"#,
    "transform = { number = { operate = { decimal = \",\", group = \".\", places = 2, prefix = \"\u{a3}\" }, salesforce = { } } }",
    r#"transform = { number = { operate = { group = " ", suffix = " EUR" } } }"#,
    r#"transform = { boolean = { operate = ["Yes", "No"], salesforce = ["1", "0"] } }"#,
    r#"transform = { boolean = { operate = ["X", ""] } }"#,
    r#"transform = { date = { operate = "%d/%m/%Y" } }"#,
    r#"transform = { date = { operate = "%d %B %Y", salesforce = "%Y%m%d" } }"#,
    r#"transform = { datetime = { operate = "%d/%m/%Y %H:%M" } }"#,
    r#"transform = { datetime = { operate = "%d.%m.%Y %I:%M:%S %p", salesforce = "%Y-%m-%d %H:%M", zone = "America/New_York" } }"#,
    r#"transform = ["squeeze", "title"]"#,
    r#"transform = [{ prefix = { operate = "op-" } }, "upper"]"#,
    r#"transform = ["trim", { suffix = { operate = "!", salesforce = "?" } }, "lower"]"#,
    r#"transform = [{ prefix = { operate = "tel " } }, { phone = { country = "DE", operate = "national", salesforce = "international" } }]"#,
    r#"transform = ["upper", { country = { operate = "name", salesforce = "alpha3" } }]"#,
    "transform = [\"squeeze\", \"upper\", { truncate = { length = 10, mark = \"...\" } }]\ndirection = \"to_salesforce\"",
    r#"transform = ["squeeze", { prefix = { salesforce = "A " } }, { suffix = { salesforce = " Z" } }]"#,
];

static LENSES: LazyLock<Vec<(&str, Kind, Lens)>> = LazyLock::new(|| {
    let read = |field: &&'static str| {
        let config = load(field).unwrap_or_else(|error| panic!("{field}: {error}")).config;
        let mapping = Mapping::build(&config).unwrap();
        (*field, mapping.fields()[0].kind, mapping.fields()[0].lens().clone())
    };
    FIELDS.iter().map(read).collect()
});

fn native() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "\\PC{0,16}".prop_map(Json::from),
        "(OP-|op-|x|A |tel ){0,2}[ \t\r\na-zA-ZßİǆΣς'’é\u{301}ŉﬁ]{0,12}( Ltd|!|\\?| Z){0,2}".prop_map(Json::from),
        "(\\+|00|0|\\+44 ?|\\+1|\\+49 ?|\\+54 ?9? ?)[0-9 ()./-]{3,14}( ?x ?[0-9]{1,4}| ext\\. [0-9]{2})?".prop_map(Json::from),
        "(Yes|No|yes|NO|X|1|0|GB|gbr|US|UK|ny|New York|Edinburgh|South Korea|Jersey)".prop_map(Json::from),
        "-?\u{a3}?-?[0-9]{1,3}([., \u{a0}][0-9]{1,3}){0,3}( EUR)?".prop_map(Json::from),
        "[0-3]?[0-9][/. ][01]?[0-9][/. ][0-9]{2,4}( [0-2][0-9]:[0-5][0-9](:[0-5][0-9] [AP]M)?)?".prop_map(Json::from),
        "20[0-9]{2}-(0[1-9]|1[0-2])-[0-2][0-9]([T ][0-2][0-9]:[0-5][0-9](:[0-5][0-9]Z)?)?".prop_map(Json::from),
        "[0-3][0-9] (March|october|May) (19|20)[0-9]{2}".prop_map(Json::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn what_was_written_is_read_back(native in native(), number in 0..FIELDS.len(), operate in any::<bool>()) {
        let (field, kind, lens) = &LENSES[number];
        let value = lens.get(if operate { Side::Operate } else { Side::Salesforce }, &native);
        prop_assert!(value != Value::Text(String::new()), "{}: {}", field, native);
        prop_assert_eq!(Value::from_json(*kind, &value.to_json()), Some(value.clone()), "{}: the store", field);
        for side in Side::BOTH {
            if let Ok(written) = lens.put(side, &value) {
                prop_assert_eq!(lens.get(side, &written), value.clone(), "{}: {} was written as {}", field, &native, &written);
            } else {
                prop_assert!(!matches!(value, Value::Empty), "{}: empty is not written", field);
            }
        }
    }

    #[test]
    fn writing_what_was_read_changes_nothing(native in native(), number in 0..FIELDS.len(), operate in any::<bool>()) {
        let (field, _, lens) = &LENSES[number];
        let side = if operate { Side::Operate } else { Side::Salesforce };
        // Among the spellings of a value there is one that is written: from then on, nothing changes any more.
        if let Ok(written) = lens.put(side, &lens.get(side, &native)) {
            prop_assert_eq!(lens.put(side, &lens.get(side, &written)), Ok(written.clone()), "{}: {}", field, native);
        }
    }

    #[test]
    fn texts_can_always_be_written_where_they_were_read(text in "[ \ta-zA-ZéüÅß'.0-9-]{0,20}", number in 0..8_usize) {
        let (field, _, lens) = &LENSES[number];
        for side in Side::BOTH {
            let value = lens.get(side, &json!(text));
            for to in Side::BOTH {
                prop_assert!(lens.put(to, &value).is_ok(), "{}: {:?} is not written to {}", field, value, to);
            }
        }
    }

    #[test]
    fn every_amount_with_few_enough_places_is_written_and_read(units in -1_000_000_000_i64..1_000_000_000, places in 0..3_u32) {
        let number = Value::Number(decimal(&format!("{units}e-{places}")).unwrap());
        for (field, kind, lens) in LENSES.iter().filter(|(_, kind, _)| *kind == Kind::Number) {
            for side in Side::BOTH {
                let written = lens.put(side, &number);
                prop_assert!(written.is_ok(), "{}: {:?} is not written", field, number);
                prop_assert_eq!(lens.get(side, &written.unwrap()), number.clone(), "{} {:?}", field, kind);
            }
        }
    }

    #[test]
    fn every_day_is_written_and_read(days in 0_u64..100_000) {
        let day = NaiveDate::from_ymd_opt(1_850, 1, 1).unwrap() + Days::new(days);
        for (field, _, lens) in LENSES.iter().filter(|(_, kind, _)| *kind == Kind::Date) {
            for side in Side::BOTH {
                let written = lens.put(side, &Value::Date(day));
                prop_assert_eq!(written.map(|written| lens.get(side, &written)), Ok(Value::Date(day)), "{}", field);
            }
        }
    }

    #[test]
    fn every_minute_is_written_and_read_unless_clocks_repeat_it(minutes in 0_i64..40_000_000) {
        let moment = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::minutes(minutes);
        for (field, _, lens) in LENSES.iter().filter(|(_, kind, _)| *kind == Kind::Instant) {
            for side in Side::BOTH {
                match lens.put(side, &Value::Instant(moment)) {
                    Ok(written) => prop_assert_eq!(lens.get(side, &written), Value::Instant(moment), "{}", field),
                    // Clocks are set back on an autumn night.
                    Err(_) => prop_assert!(moment.format("%m").to_string() .as_str() >= "09", "{}: {}", field, moment),
                }
            }
        }
    }

    #[test]
    fn every_british_number_is_written_and_read(digits in "(20[78]1[0-9]{6}|1[2346]1[0-9]{7}|79[0-9]{8})", extension in prop::option::of("[0-9]{1,5}")) {
        let lens = &LENSES[10].2;
        let text = extension.map_or_else(|| format!("+44{digits}"), |extension| format!("+44{digits} ext {extension}"));
        let value = lens.get(Side::Operate, &json!(text));
        prop_assume!(!matches!(value, Value::Unknown(_)));
        for side in Side::BOTH {
            let written = lens.put(side, &value);
            prop_assert_eq!(written.map(|written| lens.get(side, &written)), Ok(value.clone()));
        }
    }
}

#[test]
fn every_country_is_written_and_read_in_every_way() {
    let lens = |style: &str| lens(&format!("transform = {{ country = {{ operate = \"{style}\", salesforce = \"alpha2\" }} }}"));
    let codes: Vec<&str> = rust_iso3166::ALL.iter().map(|country| country.alpha2).collect();
    assert!(codes.len() >= 249, "{}", codes.len());
    for lens in ["name", "alpha2", "alpha3"].map(lens) {
        for code in &codes {
            let value = Value::Text((*code).to_owned());
            let written = lens.put(Side::Operate, &value).unwrap_or_else(|error| panic!("{code}: {error}"));
            assert_eq!(lens.get(Side::Operate, &written), value, "{written}");
            assert_eq!(lens.put(Side::Salesforce, &value).unwrap(), json!(code));
        }
    }
    // The standard's own names are read too.
    for country in rust_iso3166::ALL {
        assert_eq!(lens("name").get(Side::Operate, &json!(country.name)), Value::Text(country.alpha2.to_owned()));
    }
}

#[test]
fn every_state_is_written_and_read_as_a_code_and_as_a_name_that_is_its_own() {
    let mut refused = Vec::new();
    for (country, states) in rust_iso3166::iso3166_2::SUBDIVISION_COUNTRY_MAP.entries() {
        let field = format!("transform = {{ state = {{ country = \"{country}\", operate = \"name\", salesforce = \"code\" }} }}");
        if states.is_empty() {
            continue;
        }
        let lens = lens(&field);
        for state in *states {
            let value = Value::Text(state.region_code.to_owned());
            assert_eq!(lens.put(Side::Salesforce, &value).unwrap(), json!(state.region_code));
            assert_eq!(lens.get(Side::Salesforce, &json!(state.code)), value);
            match lens.put(Side::Operate, &value) {
                Ok(written) => assert_eq!(lens.get(Side::Operate, &written), value, "{written}"),
                Err(_) => refused.push(state.code),
            }
        }
    }
    // States whose names two of a country have.
    assert!(refused.len() < 100 && !refused.iter().any(|code| code.starts_with("US-") || code.starts_with("GB-")), "{refused:?}");
}
