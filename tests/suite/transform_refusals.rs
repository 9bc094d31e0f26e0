//! Transforms that are refused: what is said of each, and that nothing else is.

use crate::transforms::load;

const REFUSALS: &[(&str, &str)] = &[
    (r#"transform = "lowr""#, "fields[0].transform: `lowr` is no transform | did you mean \"lower\"?"),
    (
        r#"transform = ["squeeze", "quietly"]"#,
        "fields[0].transform[1]: `quietly` is no transform | known are trim, squeeze, lower, upper, title, prefix,",
    ),
    (r#"transform = "phone""#, "fields[0].transform: the transform `phone` needs settings | write { phone = { … } }"),
    (r"transform = []", "fields[0].transform: this list is empty"),
    (r"transform = 3", "fields[0].transform: this is a whole number, where a transform is expected"),
    (r"transform = {}", "fields[0].transform: this table names no transform"),
    (
        r#"transform = { phon = { country = "GB" } }"#,
        "fields[0].transform.phon: no key of this name is known here | did you mean `phone`?",
    ),
    (r#"transform = { prefix = { operate = "a" }, suffix = { operate = "b" } }"#, "this table names more than one transform"),
    (
        r#"transform = { prefix = { operat = "a" } }"#,
        "fields[0].transform.prefix.operat: no key of this name is known here | did you mean `operate`?",
    ),
    (r#"transform = { prefix = { operate = "" } }"#, "fields[0].transform.prefix.operate: an empty prefix changes nothing"),
    (r#"transform = { prefix = { operate = " a" } }"#, "a value is trimmed, so this prefix is never found again"),
    (r"transform = { prefix = {} }", "fields[0].transform.prefix: this says nothing of either side"),
    (
        r#"transform = ["upper", { prefix = { operate = "op-" } }]"#,
        "what these transforms write to Operate is read back as something else",
    ),
    (r#"transform = ["upper", "title"]"#, "fields[0].transform[1]: the case of letters is set twice"),
    (
        r"transform = { truncate = { length = 5 } }",
        "fields[0].transform: a text that was cut cannot be written back whole | add direction",
    ),
    ("direction = \"to_operate\"\ntransform = { truncate = { length = 0 } }", "0 is outside of the limits"),
    ("direction = \"to_operate\"\ntransform = { truncate = { } }", "fields[0].transform.truncate.length: this key is missing"),
    (
        "direction = \"to_operate\"\ntransform = { truncate = { length = 3, mark = \"...\" } }",
        "the mark leaves no room for the text",
    ),
    (
        r#"transform = { phone = { country = "UK" } }"#,
        "fields[0].transform.phone.country: `UK` is not the code of a country for which this is known | did you mean \"GB\"?",
    ),
    (
        r#"transform = { phone = { country = "Nowhere" } }"#,
        "`Nowhere` is not the code of a country for which this is known | write the two letters",
    ),
    (
        r#"transform = { phone = { country = "GB", operate = "natonal" } }"#,
        "`natonal` is not a word that this key takes | did you mean \"national\"?",
    ),
    (r#"transform = { country = { operate = "name" } }"#, "fields[0].transform.country.salesforce: this key is missing"),
    (
        r#"transform = { state = { operate = "name", salesforce = "code" } }"#,
        "fields[0].transform.state.country: this key is missing",
    ),
    (
        r#"transform = { number = { operate = { decimal = ",", group = "," } } }"#,
        "the sign between groups is the one before the decimal places too",
    ),
    (r#"transform = { number = { operate = { decimal = "1" } } }"#, "this is not a sign that can stand in a number"),
    (
        r#"transform = { number = { operate = { prefix = "-" } } }"#,
        "digits and signs here could not be told from those of the number",
    ),
    (r"transform = { number = { operate = { places = 99 } } }", "99 is outside of the limits"),
    (r#"transform = { boolean = { operate = ["Yes", "yes"] } }"#, "yes and no are the same word"),
    (r#"transform = { boolean = { operate = ["", "No"] } }"#, "an empty field always means no"),
    (r#"transform = { boolean = { operate = ["Yes"] } }"#, "this is not a list of two words"),
    (
        r#"transform = { date = { operate = "%d/%m" } }"#,
        "fields[0].transform.date.operate: `%d/%m` is not a format from which a day can be read",
    ),
    (r#"transform = { date = { operate = "%d/%m/%y" } }"#, "`%d/%m/%y` does not keep a day: part of it is lost"),
    (r#"transform = { date = { operate = "%d/%m/%Y %z" } }"#, "is not a format from which a day can be read"),
    (r#"transform = { date = { operate = "%Q" } }"#, "is not a format from which a day can be read"),
    (r#"transform = { datetime = { operate = "%s" } }"#, "is not a format from which a moment can be read"),
    (r#"transform = { datetime = { operate = "%d/%m/%Y" } }"#, "is not a format from which a moment can be read"),
    (r#"transform = { datetime = { operate = "%d/%m/%Y %I:%M" } }"#, "is not a format from which a moment can be read"),
    (r#"transform = { datetime = { operate = "%d/%m/%Y %H:%M", zone = "Europe/Lodon" } }"#, "did you mean \"Europe/London\"?"),
    (
        r#"transform = [{ date = { operate = "%d/%m/%Y" } }, "lower"]"#,
        "`date` comes last: nothing can be done to a text after it",
    ),
    (r#"transform = ["lower", { date = { operate = "%d/%m/%Y" } }]"#, "`date` reads a text as it stands: nothing goes before it"),
    (
        r#"transform = [{ country = { operate = "name", salesforce = "alpha2" } }, { phone = { country = "GB" } }]"#,
        "`country` comes last",
    ),
    (
        "type = \"text\"\ntransform = { date = { operate = \"%d/%m/%Y\" } }",
        "fields[0].type: the transform `date` makes a field of type date",
    ),
    ("type = \"number\"\ntransform = \"lower\"", "fields[0].type: the transform `lower` makes a field of type text"),
    ("lookup = \"Location\"\ntransform = \"lower\"", "fields[0].transform: transforms do not go with `lookup`"),
    ("values = [[\"a\", \"b\"]]\ntransform = \"lower\"", "fields[0].transform: transforms do not go with `values`"),
    ("unknown = \"keep\"\ntransform = \"lower\"", "fields[0].unknown: this goes with a value map, a lookup, or a transform"),
    (
        "unknown = \"Other\"\ntransform = { phone = { country = \"GB\" } }",
        "fields[0].unknown: `Other` is in no row of the value map",
    ),
    (r#"expression = "a ~ b""#, "fields[0].expression: an expression gives a value one way only"),
    ("direction = \"to_operate\"\nexpression = \"a ~\"", "fields[0].expression: this is no expression: syntax error: unexpected"),
    ("direction = \"to_operate\"\nexpression = \"a | loud\"", "this is no expression: there is no filter `loud`; known are abs,"),
    ("direction = \"to_operate\"\nlookup = \"Location\"\nexpression = \"a\"", "an expression does not go with `lookup`"),
];

#[test]
fn every_refusal_says_what_is_wrong_where_and_what_to_do() {
    for (field, expected) in REFUSALS {
        let message = load(field).map(|_| ()).expect_err(field);
        for part in expected.split(" | ") {
            assert!(message.contains(part), "{field}\n  {part}\nis not in\n{message}");
        }
        assert_eq!(message.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{field}\n{message}");
        assert!(message.contains("help: "), "{field}\n{message}");
    }
}
