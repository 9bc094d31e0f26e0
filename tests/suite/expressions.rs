//! Expressions: what they can do, what they cannot, and that none can take time or memory.

use std::collections::BTreeMap;
use std::time::Duration;

use leadsync::mapping::expression::Expression;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn variables() -> BTreeMap<String, Json> {
    let pairs = json!({
        "first": "Ann", "last": "O'Hara", "company": "  ACME  Ltd ", "desks": 12, "budget": 1_234.5, "open": true, "empty": null,
        "owed": -5, "large": u64::MAX,
        "tags": "a;b;c", "list": [["a"]], "note": "S3CRET", "big": "x".repeat(32 * 1_024), "lead": { "city": "York" },
    });
    pairs.as_object().unwrap().clone().into_iter().collect()
}

fn evaluate(source: &str) -> Result<String, String> {
    Expression::compile(source)?.evaluate(&variables())
}

#[test]
fn values() {
    for (source, text) in [
        ("first ~ ' ' ~ last", "Ann O'Hara"),
        ("first if desks > 10 else last", "Ann"),
        ("company | trim | lower", "acme  ltd"),
        ("(first ~ ' ' ~ last) | upper", "ANN O'HARA"),
        ("company | replace('Ltd', 'Limited') | trim", "ACME  Limited"),
        ("company | split | join('-')", "ACME-Ltd"),
        ("last | split(\"'\") | last", "Hara"),
        ("last[0]", "O"),
        ("first[:2]", "An"),
        ("desks * 2 + 1", "25"),
        ("first[1 * 1] ~ (first | replace('A', 'B')) * 2", "nBnnBnn"),
        ("budget / 2", "617.25"),
        ("owed", "-5"),
        ("large", "18446744073709551615"),
        ("(budget | int) // 100", "12"),
        ("(budget | round) | int", "1234"),
        ("(desks / 7) | round(2)", "1.71"),
        ("'7' | int + 1", "8"),
        ("first | length", "3"),
        ("empty ~ first", "Ann"),
        ("'abc'[0] * 2 ~ (first ~ last)[0] * 2", "aaAA"),
        ("(first | replace(('A'), 'B')) * 2", "BnnBnn"),
        (r"'it\'s' ~ first", "it'sAnn"),
        ("empty", ""),
        ("none", ""),
        ("empty or 'nothing'", "nothing"),
        ("missing | default('none there')", "none there"),
        ("open", "true"),
        ("desks in [1, 12]", "true"),
        ("lead.city", "York"),
        ("(tags | split(';'))[1] ~ tags | split(';') | last", "bc"),
        ("'a | loud is (not) called' ~ \"x.y()\"", "a | loud is (not) calledx.y()"),
    ] {
        assert_eq!(evaluate(source).as_deref(), Ok(text), "{source}");
    }
}

#[test]
fn conditions() {
    for (source, holds) in [
        ("desks >= 10 and open", true),
        ("not open", false),
        ("first == 'Ann' or missing is defined", true),
        ("empty == ''", true),
        ("missing is not defined", true),
        ("'O' in last", true),
        ("first is in ['Ann', 'Bob']", true),
        ("company is containing 'ACME'", true),
        ("last is startingwith('O')", true),
        ("budget is number and not (budget is string)", true),
        ("0 < desks < 10", false),
    ] {
        assert_eq!(Expression::compile(source).unwrap().test(&variables()), Ok(holds), "{source}");
    }
    for source in ["first", "desks", "empty", "first and last", "none"] {
        let refused = Expression::compile(source).unwrap().test(&variables()).unwrap_err();
        assert!(refused.contains("where true or false is needed"), "{source}: {refused}");
    }
}

#[test]
fn the_variables_of_an_expression() {
    let names = |source: &str| Expression::compile(source).unwrap().variables().to_vec();
    assert_eq!(names("first ~ last | upper ~ 'city'"), ["first", "last"]);
    assert_eq!(names("lead.city if b is defined else a | default(c)"), ["a", "b", "c", "lead"]);
    assert_eq!(names("a[b:c] ~ d[e] ~ {f: 'x.y'}['z'] ~ 'g'"), ["a", "b", "c", "d", "e", "f"]);
    assert_eq!(names("a | round(precision=b) == c if true and not false is none else d is in e"), ["a", "b", "c", "d", "e"]);
    assert_eq!(names(r"'a\'b' ~ c ~ 'd\\' ~ e"), ["c", "e"]);
    assert!(names("1 + 1").is_empty());
}

#[test]
fn what_is_no_expression_is_refused_when_it_is_read() {
    for (source, part) in [
        ("", "syntax error"),
        ("first ~", "syntax error"),
        ("first last", "syntax error"),
        ("{{ first }}", "syntax error"),
        ("{% for a in b %}", "syntax error"),
        ("first | loud", "there is no filter `loud`"),
        ("a if b else c | loud", "there is no filter `loud`"),
        ("first |  loud('x')", "there is no filter `loud`"),
        ("first is loud", "there is no test `loud`"),
        ("first is not loud", "there is no test `loud`"),
        ("range(10)", "`range` cannot be called"),
        ("first.upper()", "`upper` cannot be called"),
        ("first | lower.x", "is neither a filter nor a test"),
        ("(first)(1)", "there is nothing to call"),
        ("first[0](1)", "there is nothing to call"),
        ("debug()", "`debug` cannot be called"),
        ("self.x()", "`x` cannot be called"),
        ("loop(1)", "`loop` cannot be called"),
        ("include('a')", "`include` cannot be called"),
        ("dict(a=1)", "`dict` cannot be called"),
        ("namespace()", "`namespace` cannot be called"),
        ("[x for x in tags]", "syntax error"),
        ("[1] * 2", "does not go together with lists"),
        ("2 * ([first])", "does not go together with lists"),
        ("(first, last) * 2", "does not go together with lists"),
        ("desks * 2 in [4]", "does not go together with lists"),
        ("(first | split(',')) * 2", "does not go together with lists"),
        ("first | replace((1, 2) * 9, 'b')", "does not go together with lists"),
        ("{first: 1} * 2", "does not go together with lists"),
    ] {
        let refused = Expression::compile(source).unwrap_err();
        assert!(refused.contains(part), "{source}: {refused}");
    }
}

#[test]
fn what_goes_wrong_is_told_without_a_value() {
    for source in [
        "note * note",
        "note + 1",
        "note | int",
        "note | float",
        "note / 0",
        "note.x.y",
        "note | round",
        "tags[note]",
        "note | abs",
        "[note]",
        "{note: note}",
        "missing ~ note",
        "missing",
        "note if desks > 100",
        "note % 3",
        "note - 1",
        "-note",
        "desks // 0",
        "desks % 0",
        "1e400",
        "(desks * 1.0) ** 9999",
        "note is in desks",
        "note < tags",
    ] {
        if let Err(refused) = evaluate(source) {
            assert!(!refused.contains("S3CRET") && !refused.contains("12"), "{source}: {refused}");
        } else {
            assert!(["note < tags", "note is in desks"].contains(&source), "{source} gives {:?}", evaluate(source));
        }
    }
}

#[test]
fn what_goes_wrong_is_told_in_words_for_people() {
    for (source, words) in [
        ("missing ~ note", "it uses something that is not there"),
        ("big | replace('', big)", "it takes more work or memory than it may"),
        ("note - 1", "one of its operations does not go with the values that it was given"),
        ("note if desks > 100", "it gives nothing: an `if` needs an `else`"),
        ("[note]", "it gives a sequence, where a text or a number is needed"),
        ("list", "`list` is a list, which no expression can use"),
    ] {
        assert_eq!(evaluate(source).unwrap_err(), words, "{source}");
    }
}

#[test]
fn an_expression_and_its_result_may_be_as_long_as_the_limit_and_no_longer() {
    assert_eq!(evaluate("big").map(|text| text.len()), Ok(32 * 1_024));
    assert_eq!(evaluate("big ~ 'x'").unwrap_err(), "it gives a text of more than 32768 bytes");
    let source = |length: usize| format!("'{}'", "x".repeat(length - 2));
    assert_eq!(evaluate(&source(2_000)).map(|text| text.len()), Ok(1_998));
    assert_eq!(evaluate(&source(2_001)).unwrap_err(), "it is longer than 2000 characters");
}

/// What this thread has taken of a processor: on a busy machine, less than what has passed.
fn processor_time() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(spent.tv_sec.try_into().unwrap(), spent.tv_nsec.try_into().unwrap())
}

#[test]
fn no_expression_takes_long_or_much() {
    let nested = |open: &str, close: &str, times: usize| format!("{}1{}", open.repeat(times), close.repeat(times));
    let attacks = [
        "'a' * 1000000000".to_owned(),
        "(list * 99999) | string".to_owned(),
        "[list * 99999, 1] | string".to_owned(),
        "1000000000 * 'a'".to_owned(),
        "big * 99999".to_owned(),
        "[1] * 1000000000".to_owned(),
        "[1, 2] * 99999 * 99999".to_owned(),
        "((((big ~ big) ~ (big ~ big)) * 50) * 50) | length".to_owned(),
        vec!["big"; 300].join(" ~ "),
        "big | replace('x', big)".to_owned(),
        "big | replace('', big)".to_owned(),
        "(big | split('')) | join(big)".to_owned(),
        "(big | split('x')) | join(big)".to_owned(),
        "(big | split('')) * 1000".to_owned(),
        "([1, 2] * 99999 * 99999) | last".to_owned(),
        "([1, 2] * 99999 * 99999) | first".to_owned(),
        "([1, 2] * 99999 * 99999) | string | length".to_owned(),
        "([1, 2] * 99999 * 99999) | join".to_owned(),
        "(([1, 2] * 99999 * 99999) ~ '') | length".to_owned(),
        "([1, 2] * 99999 * 99999) == ([1, 2] * 99999 * 99999)".to_owned(),
        "3 in ([1, 2] * 99999 * 99999)".to_owned(),
        "3 is in ([1, 2] * 99999 * 99999)".to_owned(),
        "([1, 2] * 99999 * 99999)[::-1][0]".to_owned(),
        "([1, 2] * 99999 * 99999)[-1]".to_owned(),
        "([1, 2] * 99999 * 99999)[9999999:][0]".to_owned(),
        "((tags * 99999) + (tags * 99999)) | length".to_owned(),
        "([[[tags * 9999] * 9999] * 9999] * 9999) | string".to_owned(),
        "([[[tags * 9999] * 9999] * 9999] * 9999) == 1".to_owned(),
        "(1.5 | round(2000000000)) ~ ''".to_owned(),
        "9 ** 9 ** 9 ** 9".to_owned(),
        "9999999999999999999999999999999999999 * 9999999999999999999999999999999999999".to_owned(),
        "'%1000000000d' % 1".to_owned(),
        "'%1000000000d' | format(1)".to_owned(),
        format!("[{}] | string | length", vec!["big"; 400].join(",")),
        format!("([{}] ~ '') | length", vec!["big"; 400].join(",")),
        format!("[{}] | join | length", vec!["big"; 400].join(",")),
        format!("[{}] | join(big) | length", vec!["big"; 400].join(",")),
        "range(1000000000) | join('a')".to_owned(),
        "big | indent(1000000)".to_owned(),
        "big | batch(1)".to_owned(),
        "big[::-1] ~ big[::-1]".to_owned(),
        "(big | upper) ~ (big | lower)".to_owned(),
        vec!["(big | upper | lower | title)"; 60].join(" == "),
        vec!["(big in big)"; 150].join(" and "),
        vec!["big | replace('x', 'y')"; 80].join(" == "),
        nested("(", ")", 900),
        nested("[", "]", 900),
        nested("-", "", 1_900),
        nested("not ", "", 480),
        vec!["1"; 990].join("+"),
        vec!["desks"; 330].join("+"),
        vec!["desks"; 330].join("-"),
        format!("first{}", "|upper".repeat(330)),
        format!("lead{}", ".a".repeat(900)),
        format!("first{}", "[0]".repeat(600)),
        vec!["1 if open else"; 130].join(" ") + " 2",
        nested("{1:", "}", 600),
        "x".repeat(3_000),
    ];
    for attack in attacks {
        // A thread of a runtime has 2 MiB of stack.
        let source = attack.clone();
        let run = std::thread::Builder::new().stack_size(2 * 1_024 * 1_024).spawn(move || (evaluate(&source), processor_time()));
        let (end, took) = run.unwrap().join().unwrap();
        let shown: String = attack.chars().take(40).collect();
        assert!(took < Duration::from_secs(2), "{shown}: {took:?}");
        if let Ok(text) = &end {
            assert!(text.len() <= 32 * 1_024, "{shown} gives {} bytes", text.len());
        }
    }
    for refused in ["'a' * 1000000000", "[1] * 1000000000", "big | replace('x', big)", "big ~ big"] {
        assert!(evaluate(refused).is_err(), "{refused}");
    }
    assert!(evaluate("big").is_ok());
}

#[test]
fn a_text_that_is_too_long_is_refused_by_name() {
    let long = BTreeMap::from([("long".to_owned(), json!("x".repeat(40_000))), ("short".to_owned(), json!("y"))]);
    let error = Expression::compile("long | length").unwrap().evaluate(&long).unwrap_err();
    assert_eq!(error, "`long` is longer than 32768 bytes");
    let nested = BTreeMap::from([("lead".to_owned(), json!({ "a": "x".repeat(20_000), "b": "x".repeat(20_000) }))]);
    let error = Expression::compile("lead.a").unwrap().evaluate(&nested).unwrap_err();
    assert_eq!(error, "`lead` is longer than 32768 bytes");
    let error = Expression::compile("list").unwrap().evaluate(&variables()).unwrap_err();
    assert_eq!(error, "`list` is a list, which no expression can use");
    // What an expression does not use does not matter to it.
    assert_eq!(Expression::compile("short").unwrap().evaluate(&long).as_deref(), Ok("y"));
}

#[test]
fn one_expression_serves_many_threads() {
    const fn shared<T: Clone + Send + Sync + std::fmt::Debug + 'static>(_: &T) {}
    let expression = Expression::compile("first ~ ' ' ~ last").unwrap();
    shared(&expression);
    assert_eq!(format!("{expression:?}"), "Expression(\"first ~ ' ' ~ last\")");
    let (given, before) = (variables(), processor_time());
    for _ in 0..2_000 {
        assert!(expression.clone().evaluate(&given).is_ok());
    }
    let took = processor_time().checked_sub(before).unwrap();
    assert!(took < Duration::from_secs(2), "{took:?}");
}

proptest! {
    #[test]
    fn whatever_is_written_is_refused_or_ends(source in "[a-c0-9 |().,'\"~*+<>=!%/\\[\\]{}:-]{0,40}", value in "\\PC{0,20}") {
        let given = ["a", "b", "c"].map(|name| (name.to_owned(), json!(value))).into_iter().collect();
        if let Ok(expression) = Expression::compile(&source) {
            if let Ok(text) = expression.evaluate(&given) {
                prop_assert!(text.len() <= 32 * 1_024);
            }
            let _ = expression.test(&given);
        }
    }

    #[test]
    fn a_variable_alone_gives_its_value(value in "\\PC{0,40}") {
        let given = BTreeMap::from([("a".to_owned(), json!(value))]);
        prop_assert_eq!(Expression::compile("a").unwrap().evaluate(&given), Ok(value));
    }
}
