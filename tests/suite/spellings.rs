//! Transforms by example: what each one reads and writes.

use chrono::{DateTime, NaiveDate};
use leadsync::lead::{Kind, Side, Value, decimal};
use leadsync::mapping::{Lens, Mapping};
use serde_json::json;

use crate::transforms::{lens, load};

fn text(lens: &Lens, side: Side, native: &str) -> String {
    match lens.get(side, &json!(native)) {
        Value::Unknown(_) => "unknown".to_owned(),
        value => value.to_string(),
    }
}

#[test]
fn phone_numbers_of_several_countries() {
    let cases = [
        ("GB", "020 7946 0958", "+442079460958", "020 7946 0958", "+44 20 7946 0958"),
        ("GB", "+44 (0)20 7946-0958", "+442079460958", "020 7946 0958", "+44 20 7946 0958"),
        ("GB", "0044.20.7946.0958", "+442079460958", "020 7946 0958", "+44 20 7946 0958"),
        ("GB", "tel:+44-20-7946-0958;ext=12", "+442079460958;ext=12", "020 7946 0958 x12", "+44 20 7946 0958 x12"),
        ("GB", "020 7946 0958, ext. 012", "+442079460958;ext=012", "020 7946 0958 x012", "+44 20 7946 0958 x012"),
        ("GB", "020 7946 0958 Extension: 7", "+442079460958;ext=7", "020 7946 0958 x7", "+44 20 7946 0958 x7"),
        ("GB", "+1 202 555 0173", "+12025550173", "+1 202-555-0173", "+1 202-555-0173"),
        ("US", "(202) 555-0173", "+12025550173", "(202) 555-0173", "+1 202-555-0173"),
        ("US", "1-202-555-0173 x9", "+12025550173;ext=9", "(202) 555-0173 x9", "+1 202-555-0173 x9"),
        ("DE", "030/123456", "+4930123456", "030 123456", "+49 30 123456"),
        ("FR", "01 23 45 67 89", "+33123456789", "01 23 45 67 89", "+33 1 23 45 67 89"),
        ("IT", "06 1234 5678", "+390612345678", "06 1234 5678", "+39 06 1234 5678"),
        ("AR", "011 15-2345-6789", "+5491123456789", "011 15-2345-6789", "+54 9 11 2345-6789"),
        ("BR", "(11) 98765-4321", "+5511987654321", "(11) 98765-4321", "+55 11 98765-4321"),
        ("JP", "03-1234-5678", "+81312345678", "03-1234-5678", "+81 3-1234-5678"),
        ("AU", "(02) 5550 1234", "+61255501234", "(02) 5550 1234", "+61 2 5550 1234"),
        ("CH", "044 668 18 00", "+41446681800", "044 668 18 00", "+41 44 668 18 00"),
    ];
    for (country, native, neutral, national, international) in cases {
        let lens = lens(&format!("transform = {{ phone = {{ country = \"{country}\", operate = \"national\" }} }}"));
        assert_eq!(text(&lens, Side::Operate, native), neutral, "{native}");
        let value = Value::Text(neutral.to_owned());
        assert_eq!(lens.put(Side::Operate, &value).unwrap(), json!(national));
        assert_eq!(lens.put(Side::Salesforce, &value).unwrap(), json!(international));
    }
}

#[test]
fn what_is_no_phone_number_and_nothing_else_is_not_read() {
    let lens = lens(r#"transform = { phone = { country = "GB", salesforce = "e164" } }"#);
    let cases = [
        "hello",
        "123",
        "020 7946 0958 or 07700 900123",
        "020 7946 0958 / 07700 900123",
        "020 7946 0958/59",
        "020 7946 0958 (ask for Ann)",
        "0207 946 095",
        "1-800-FLOWERS",
        "+",
        "+999 123456",
        "020 7946 0958 x",
        "020 7946 0958 x1234567890",
        "020+7946+0958",
        "\u{660}\u{662}\u{660} 7946 0958",
        "000000000000000000000000000000000000000000000000",
    ];
    for native in cases {
        assert_eq!(text(&lens, Side::Operate, native), "unknown", "{native}");
    }
}

#[test]
fn names_of_countries_in_use() {
    let lens = lens(r#"transform = { country = { operate = "name", salesforce = "alpha2" } }"#);
    let cases = [
        ("UK", "GB"),
        ("great britain", "GB"),
        ("England", "GB"),
        ("USA", "US"),
        ("U.S.A.", "US"),
        ("The United States", "US"),
        ("usa", "US"),
        ("gbr", "GB"),
        ("South Korea", "KR"),
        ("Korea, Republic of", "KR"),
        ("Ivory Coast", "CI"),
        ("Cote d'Ivoire", "CI"),
        ("C\u{f4}te d\u{2019}Ivoire", "CI"),
        ("Turkey", "TR"),
        ("Czech Republic", "CZ"),
        ("The Gambia", "GM"),
        ("Holland", "NL"),
        ("Trinidad & Tobago", "TT"),
        ("St. Lucia", "LC"),
        ("Hong Kong", "HK"),
        ("Viet Nam", "VN"),
        ("Bolivia, Plurinational State of", "BO"),
        ("Congo, Democratic Republic of the", "CD"),
        ("Korea", "unknown"),
        ("Europe", "unknown"),
        ("XX", "unknown"),
        ("Untied Kingdom", "unknown"),
    ];
    for (native, code) in cases {
        assert_eq!(text(&lens, Side::Operate, native), code, "{native}");
    }
    let spelt = |code: &str| lens.put(Side::Operate, &Value::Text(code.to_owned())).unwrap();
    for (code, name) in [("GB", "United Kingdom"), ("US", "United States"), ("KR", "South Korea"), ("FR", "France")] {
        assert_eq!(spelt(code), json!(name));
    }
}

#[test]
fn states_of_several_countries() {
    let cases = [
        ("US", "new york", "NY"),
        ("US", "ny", "NY"),
        ("US", "US-NY", "NY"),
        ("US", "District of Columbia", "DC"),
        ("US", "Ontario", "unknown"),
        ("CA", "Quebec", "QC"),
        ("CA", "ON", "ON"),
        ("GB", "Edinburgh", "EDH"),
        ("GB", "City of Edinburgh", "EDH"),
        ("DE", "Baden-Wurttemberg", "BW"),
        ("AU", "Victoria", "VIC"),
        ("IE", "Dublin", "D"),
    ];
    for (country, native, code) in cases {
        let lens =
            lens(&format!("transform = {{ state = {{ country = \"{country}\", operate = \"name\", salesforce = \"code\" }} }}"));
        assert_eq!(text(&lens, Side::Operate, native), code, "{native}");
    }
}

#[test]
fn numbers_in_the_formats_of_several_countries() {
    let german =
        lens("transform = { number = { operate = { decimal = \",\", group = \".\", places = 2, suffix = \" \u{20ac}\" } } }");
    let cases = [
        ("1.234,50 \u{20ac}", "1234.5"),
        ("1234,5", "1234.5"),
        ("-1.234.567,89\u{20ac}", "-1234567.89"),
        ("0,00", "0"),
        ("1.23", "unknown"),
        ("12.34,5", "unknown"),
        ("1,234,5", "unknown"),
        ("1.2345", "unknown"),
        ("--1", "unknown"),
        (",5", "unknown"),
        ("5,", "unknown"),
        ("1e3", "unknown"),
        ("$5", "unknown"),
        ("about 5", "unknown"),
    ];
    for (native, number) in cases {
        assert_eq!(text(&german, Side::Operate, native), number, "{native}");
    }
    // A number of JSON is what it says.
    assert_eq!(german.get(Side::Operate, &json!(1.234)), Value::Number(decimal("1.234").unwrap()));
    let put = |lens: &Lens, number: &str| lens.put(Side::Operate, &Value::Number(decimal(number).unwrap()));
    assert_eq!(put(&german, "-1234567.8").unwrap(), json!("-1.234.567,80 \u{20ac}"));
    let refused = put(&german, "0.001").unwrap_err().to_string();
    assert_eq!(refused, "the transform `number` does not write this value to Operate: its format has not as many decimal places");
    let pounds = lens("transform = { number = { operate = { group = \",\", prefix = \"\u{a3}\", places = 0 } } }");
    assert_eq!(put(&pounds, "-1000").unwrap(), json!("-\u{a3}1,000"));
    assert_eq!(text(&pounds, Side::Operate, "\u{a3} -1,000"), "-1000");
    assert_eq!(text(&pounds, Side::Operate, "-\u{a3}-1"), "unknown");
    assert!(put(&pounds, "0.5").is_err());
}

#[test]
fn words_for_yes_and_no() {
    let lens = lens(r#"transform = { boolean = { operate = ["Ja", "Nein"], salesforce = ["X", ""] } }"#);
    for (side, native, flag) in [
        (Side::Operate, json!("JA"), Value::Boolean(true)),
        (Side::Operate, json!("nein"), Value::Boolean(false)),
        (Side::Operate, json!(""), Value::Boolean(false)),
        (Side::Operate, json!(true), Value::Boolean(true)),
        (Side::Operate, json!("yes"), Value::Unknown("yes".to_owned())),
        (Side::Salesforce, json!("x"), Value::Boolean(true)),
        (Side::Salesforce, json!(null), Value::Boolean(false)),
    ] {
        assert_eq!(lens.get(side, &native), flag, "{native}");
    }
    assert_eq!(lens.put(Side::Operate, &Value::Boolean(false)).unwrap(), json!("Nein"));
    assert_eq!(lens.put(Side::Salesforce, &Value::Boolean(false)).unwrap(), json!(null));
    assert_eq!(lens.put(Side::Salesforce, &Value::Boolean(true)).unwrap(), json!("X"));
}

#[test]
fn dates_and_times_in_other_formats() {
    let date = lens(r#"transform = { date = { operate = "%d/%m/%Y" } }"#);
    for (native, day) in [
        ("31/12/2026", "2026-12-31"),
        ("1/2/2026", "2026-02-01"),
        ("31/12/26", "unknown"),
        ("12/31/2026", "unknown"),
        ("30/02/2026", "unknown"),
        ("2026-12-31", "unknown"),
        ("31/12/2026 10:00", "unknown"),
    ] {
        assert_eq!(text(&date, Side::Operate, native), day, "{native}");
    }
    let moment = |text: &str| Value::Instant(DateTime::parse_from_rfc3339(text).unwrap().to_utc());
    let time = lens(r#"transform = { datetime = { operate = "%d/%m/%Y %H:%M" } }"#);
    let summer = moment("2026-07-01T09:30:00Z");
    assert_eq!(time.get(Side::Operate, &json!("01/07/2026 10:30")), summer);
    assert_eq!(time.get(Side::Salesforce, &json!("2026-07-01T09:30:00.000+0000")), summer);
    assert_eq!(time.put(Side::Operate, &summer).unwrap(), json!("01/07/2026 10:30"));
    assert_eq!(time.put(Side::Salesforce, &summer).unwrap(), json!("2026-07-01T09:30:00Z"));
    // Clocks skip an hour in spring and repeat one in autumn.
    assert_eq!(text(&time, Side::Operate, "29/03/2026 01:30"), "unknown");
    assert_eq!(time.get(Side::Operate, &json!("25/10/2026 01:30")), moment("2026-10-25T00:30:00Z"));
    let refused = time.put(Side::Operate, &moment("2026-10-25T01:30:00Z")).unwrap_err().to_string();
    assert!(refused.contains("`datetime`") && refused.contains("an hour that clocks repeat"), "{refused}");
    assert!(time.put(Side::Operate, &moment("2026-07-01T09:30:30Z")).is_err(), "seconds do not fit");
    assert!(time.put(Side::Salesforce, &moment("2026-10-25T01:30:00Z")).is_ok());
    let zoned = lens(r#"transform = { datetime = { operate = "%m/%d/%Y %I:%M %p", zone = "America/New_York" } }"#);
    assert_eq!(zoned.get(Side::Operate, &json!("07/01/2026 05:30 AM")), summer);
}

#[test]
fn texts() {
    let cases = [
        ("\"trim\"", " a  b \r\n  c\t\n\n ", "a  b\nc"),
        ("\"squeeze\"", "  a \n\t b  ", "a b"),
        ("\"lower\"", "ACME Straße", "acme straße"),
        ("\"upper\"", "Straße", "STRASSE"),
        ("\"title\"", "ann-marie O'BRIEN of the mcDONALD's don't", "Ann-Marie O'Brien Of The Mcdonald's Don't"),
        ("\"title\"", "3rd éa\u{301}b 'tis", "3rd Éáb 'Tis"),
        ("[\"squeeze\", \"title\"]", " jane   DOE ", "Jane Doe"),
        ("{ prefix = { operate = \"OP-\" } }", "OP-12", "12"),
        ("{ prefix = { operate = \"OP-\" } }", "12", "12"),
        ("{ prefix = { operate = \"OP-\" } }", "OP-", "(empty)"),
        ("{ suffix = { operate = \" Ltd\" } }", "Acme Ltd", "Acme"),
        ("[{ prefix = { operate = \"op-\" } }, \"upper\"]", "op-ab", "AB"),
    ];
    for (transform, native, read) in cases {
        assert_eq!(text(&lens(&format!("transform = {transform}")), Side::Operate, native), read, "{transform}");
    }
    let prefixed = lens(r#"transform = [{ prefix = { operate = "OP-" } }, "upper"]"#);
    assert_eq!(prefixed.put(Side::Operate, &Value::Text("AB".to_owned())).unwrap(), json!("OP-AB"));
    assert_eq!(prefixed.put(Side::Salesforce, &Value::Text("AB".to_owned())).unwrap(), json!("AB"));
    let spaced = lens(r#"transform = [{ prefix = { operate = "Ref. " } }, { suffix = { operate = " Ltd" } }]"#);
    assert_eq!(spaced.put(Side::Operate, &Value::Text("12".to_owned())).unwrap(), json!("Ref. 12 Ltd"));
    assert_eq!(text(&spaced, Side::Operate, "Ref. 12 Ltd"), "12");
    let refused = prefixed.put(Side::Operate, &Value::Text("ab".to_owned())).unwrap_err().to_string();
    assert_eq!(refused, "the transform `upper` does not write this value to Operate: it would be read back as something else");
}

#[test]
fn a_long_text_is_cut_where_it_comes_from_and_only_there() {
    let field = "direction = \"to_salesforce\"\ntransform = { truncate = { length = 8, mark = \"\u{2026}\" } }";
    let lens = lens(field);
    let long = lens.get(Side::Operate, &json!("a rather long text"));
    assert_eq!(long, Value::Text("a rathe\u{2026}".to_owned()));
    let written = lens.put(Side::Salesforce, &long).unwrap();
    assert_eq!((written.clone(), lens.get(Side::Salesforce, &written)), (json!("a rathe\u{2026}"), long));
    assert_eq!(text(&lens, Side::Operate, "12345678"), "12345678");
    assert_eq!(text(&lens, Side::Operate, "123456 89"), "123456\u{2026}");
    // A letter keeps its marks, or goes with them.
    assert_eq!(text(&lens, Side::Operate, "123456q\u{301}\u{302}89"), "123456\u{2026}");
    let whole = lens.get(Side::Salesforce, &json!("a rather long text"));
    assert_eq!(whole, Value::Text("a rather long text".to_owned()));
    assert!(lens.put(Side::Operate, &whole).is_err());
}

#[test]
fn a_default_is_read_as_its_side_spells_it() {
    let field = "transform = { date = { operate = \"%d/%m/%Y\" } }\ndefault = { operate = \"31/12/2026\" }";
    let mapping = Mapping::build(&load(field).unwrap().config).unwrap();
    assert_eq!(mapping.fields()[0].default.operate, Value::Date(NaiveDate::from_ymd_opt(2026, 12, 31).unwrap()));
    let refused = load(&field.replace("31/12", "12/31")).unwrap_err();
    assert!(refused.contains("`12/31/2026` is not a date in the format of its transform"), "{refused}");
}

#[test]
fn a_value_that_a_transform_cannot_read_is_named_with_what_it_expects() {
    let config = load(r#"transform = { phone = { country = "GB", operate = "national" } }"#).unwrap().config;
    let mapping = Mapping::build(&config).unwrap();
    let field = &mapping.fields()[0];
    let problem = field.unreadable(Side::Operate, "ring me").to_string();
    assert_eq!(problem, "f: Operate's f is \"ring me\", which is not a phone number that is known to be valid");
    assert_eq!(field.kind, Kind::Text);
}

#[test]
fn what_a_side_is_only_read_by_may_lose_the_century() {
    let field = "direction = \"to_salesforce\"\ntransform = { date = { operate = \"%d/%m/%y\" } }";
    assert_eq!(text(&lens(field), Side::Operate, "31/12/26"), "2026-12-31");
    assert!(load("unknown = \"keep\"\ntransform = { phone = { country = \"GB\" } }").is_ok());
    assert!(load("direction = \"to_operate\"\nexpression = \"F__c ~ '!'\"").unwrap().config.fields[0].expression.is_some());
}
