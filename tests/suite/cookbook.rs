//! `docs/mapping.md`: every example in it is a part of a configuration that does what the page says.

use crate::configurations::{Checker, said};

const PAGE: &str = include_str!("../../docs/mapping.md");

/// What stands around an example.
const AROUND: &str = r#"
[operate]
base_url = "https://operate-api.essensys.tech"
timezone = "Europe/London"
auth = { client_id = "leadsync", client_secret = "env:OPERATE_CLIENT_SECRET" }
[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "3MVG9", client_secret = "env:SALESFORCE_CLIENT_SECRET" }
[sync]
match = [["email"]]
[[fields]]
name = "email"
operate = "email"
salesforce = "Email"
"#;

/// An example: the line that it begins on, what follows the language, and the text.
struct Example {
    line: usize,
    note: &'static str,
    text: String,
}

fn examples() -> Vec<Example> {
    let (mut examples, mut open): (Vec<Example>, bool) = (Vec::new(), false);
    for (number, line) in PAGE.lines().enumerate() {
        match (open, line.strip_prefix("```")) {
            (false, Some(info)) => {
                let (language, note) = info.split_once(' ').unwrap_or((info, ""));
                assert_eq!(language, "toml", "line {}: an example that is not checked", number + 1);
                examples.push(Example { line: number + 1, note, text: String::new() });
                open = true;
            }
            (true, Some(_)) => open = false,
            (true, None) => {
                let example = examples.last_mut().unwrap();
                example.text += line;
                example.text += "\n";
            }
            (false, None) => {}
        }
    }
    examples
}

/// The example within what stands around it: tables are put together, and lists one after the other.
fn whole(example: &str) -> String {
    let mut table: toml::Table = AROUND.parse().unwrap();
    merge(&mut table, example.parse().unwrap());
    toml::to_string(&table).unwrap()
}

fn merge(table: &mut toml::Table, other: toml::Table) {
    for (key, value) in other {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(other)) => merge(inner, other),
            (Some(toml::Value::Array(elements)), toml::Value::Array(others)) if key == "fields" => elements.extend(others),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

#[test]
fn every_example_is_read_as_the_page_says() {
    let checker = Checker::new();
    let examples = examples();
    for Example { line, note, text } in &examples {
        let text = whole(text);
        match (*note, said(&text)) {
            ("", Ok(warnings)) => {
                assert!(warnings.is_empty(), "docs/mapping.md:{line}: {warnings}");
                checker.check(&text).unwrap_or_else(|error| panic!("docs/mapping.md:{line}: {error}"));
            }
            ("refused", Err(_)) => {}
            (_, said) => panic!("docs/mapping.md:{line}: {said:?}"),
        }
    }
    assert!(examples.len() >= 14, "the examples are found");
}
