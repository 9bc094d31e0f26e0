//! The table of keys, seen through the schema that is made of it, says what the readers do.

use leadsync::config::{Config, schema};
use serde_json::Value as Json;

use crate::configurations::is_writing;

const EXAMPLE: &str = include_str!("../../config/leadsync.toml");

/// A configuration with no more than it must have; its fields differ, so that each key of a field goes with one of them.
const BASE: &str = r#"
[operate]
base_url = "https://operate.example"
auth = { client_id = "a", client_secret = "env:SECRET" }
[salesforce]
login_url = "https://acme.my.salesforce.com"
auth = { client_id = "a", client_secret = "env:SECRET" }
[sync]
match = [["email"]]
converted = { field = "email" }
[[fields]]
name = "email"
operate = "email"
salesforce = "Email"
[[fields]]
name = "name"
operate = ["firstname", "lastname"]
salesforce = "Name__c"
[[fields]]
name = "status"
operate = "leadstatus"
salesforce = "Status"
values = [["New", "Open"]]
"#;

/// Each transform with settings, with what it must have.
const TRANSFORMS: &str = r#"
prefix = { operate = "OP-", salesforce = "SF-" }
suffix = { operate = "-OP", salesforce = "-SF" }
truncate = { length = 80 }
phone = { country = "GB" }
country = { operate = "name", salesforce = "alpha2" }
state = { country = "US", operate = "name", salesforce = "code" }
number = { operate = { places = 2 }, salesforce = { places = 2 } }
boolean = { operate = ["Yes", "No"], salesforce = ["Y", "N"] }
date = { operate = "%d/%m/%Y", salesforce = "%Y-%m-%d" }
datetime = { operate = "%d/%m/%Y %H:%M", salesforce = "%Y-%m-%d %H:%M" }
"#;

/// A key of the schema: the way to it (a list counts as its element), what the schema says of it, and whether it must be there.
struct Key {
    steps: Vec<String>,
    schema: Json,
    required: bool,
}

impl Key {
    fn name(&self) -> String {
        self.steps.join(".")
    }

    fn last(&self) -> &str {
        self.steps.last().unwrap()
    }
}

/// The schema of the table that may stand here, alone or in a list.
fn table_of(schema: &Json) -> Option<&Json> {
    if schema.get("properties").is_some() {
        return Some(schema);
    }
    let nested = schema.get("items").into_iter().chain(schema.get("anyOf").and_then(Json::as_array).into_iter().flatten());
    nested.filter(|each| each.is_object()).find_map(table_of)
}

fn collect(schema: &Json, steps: &[String], keys: &mut Vec<Key>) {
    for (name, property) in schema["properties"].as_object().unwrap() {
        let steps: Vec<String> = steps.iter().chain([name]).cloned().collect();
        let required = schema["required"].as_array().is_some_and(|required| required.iter().any(|each| each == name));
        if let Some(table) = table_of(property) {
            collect(table, &steps, keys);
        }
        keys.push(Key { steps, schema: property.clone(), required });
    }
}

fn keys() -> Vec<Key> {
    let mut keys = Vec::new();
    collect(&schema::schema(), &[], &mut keys);
    keys
}

/// The base with something else at a key: once for each element of a list on the way, or once.
fn changed(key: &Key, value: Option<&toml::Value>) -> Vec<toml::Table> {
    let places = if key.steps[0] == "fields" { 0..3 } else { 0..1 };
    places.map(|place| with(key, value, place)).collect()
}

fn with(key: &Key, value: Option<&toml::Value>, place: usize) -> toml::Table {
    let mut root: toml::Table = BASE.parse().unwrap();
    let (last, above) = key.steps.split_last().unwrap();
    if let [_, transform, name, ..] = above
        && transform == "transform"
    {
        let known: toml::Table = TRANSFORMS.parse().unwrap();
        let alone: toml::Table = [(name.clone(), known[name].clone())].into_iter().collect();
        let field = root["fields"][place].as_table_mut().unwrap();
        field.insert("transform".to_owned(), toml::Value::Table(alone));
        if name == "truncate" {
            field.insert("direction".to_owned(), "to_operate".into());
        }
    }
    let mut table = &mut root;
    for step in above {
        // An alert has somebody to tell.
        let needed = if step == "alert" { "webhook = 'env:SECRET'" } else { "" };
        let next = table.entry(step).or_insert_with(|| toml::Value::Table(needed.parse().unwrap()));
        let next = if let toml::Value::Array(elements) = next { &mut elements[place] } else { next };
        table = next.as_table_mut().unwrap();
    }
    match value {
        Some(value) => table.insert(last.clone(), value.clone()),
        None => table.remove(last),
    };
    root
}

/// The configuration, or all that is wrong with it at this key.
fn load(root: &toml::Table) -> Result<String, Vec<(String, String)>> {
    let text = toml::to_string(root).unwrap();
    let loaded = Config::from_text(&text, "leadsync.toml", [("SECRET".to_owned(), "s".to_owned())]);
    loaded
        .map(|loaded| format!("{:?}", loaded.config))
        .map_err(|error| error.findings.into_iter().map(|finding| (finding.key, finding.problem)).collect())
}

fn toml_of(json: &Json) -> toml::Value {
    toml::Value::try_from(json).unwrap()
}

/// Whether a value is refused at the key itself, for one reason among these.
fn is_refused(key: &Key, value: &toml::Value, reasons: &[&str]) -> bool {
    changed(key, Some(value)).iter().all(|root| {
        let findings = load(root).err().unwrap_or_default();
        findings.iter().any(|(at, problem)| at.ends_with(key.last()) && reasons.iter().any(|reason| problem.contains(reason)))
    })
}

#[test]
fn the_file_of_the_schema_is_up_to_date_and_the_example_names_it() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/leadsync.schema.json");
    if is_writing() {
        std::fs::write(path, schema::text()).unwrap();
    }
    let help = "write it anew: cargo run -- schema > config/leadsync.schema.json";
    assert!(std::fs::read_to_string(path).unwrap_or_default() == schema::text(), "{help}");
    assert_eq!(EXAMPLE.lines().next(), Some(format!("#:schema ./{}", schema::FILE_NAME).as_str()));
}

#[test]
fn every_key_is_described_and_stands_in_the_example() {
    for key in keys() {
        let description = key.schema["description"].as_str().unwrap_or_default();
        assert!(description.ends_with('.'), "{} is described by {description:?}", key.name());
        let is_word = |(start, _): (usize, &str)| {
            let mut around =
                EXAMPLE[..start].chars().next_back().into_iter().chain(EXAMPLE[start + key.last().len()..].chars().take(1));
            around.all(|each| !each.is_ascii_alphanumeric() && each != '_')
        };
        assert!(EXAMPLE.match_indices(key.last()).any(is_word), "the example does not have {}", key.name());
    }
}

#[test]
fn every_default_is_what_a_key_that_is_left_out_counts_as() {
    let mut defaults = 0;
    for key in keys() {
        let Some(default) = key.schema.get("default") else { continue };
        defaults += 1;
        let mut accepted = 0;
        for (with, without) in changed(&key, Some(&toml_of(default))).iter().zip(changed(&key, None)) {
            let (Ok(with), Ok(without)) = (load(with), load(&without)) else { continue };
            accepted += 1;
            assert!(with == without, "{} = {default} is not the same as nothing", key.name());
        }
        assert!(accepted > 0, "{} = {default} is refused", key.name());
    }
    assert!(defaults > 30);
}

#[test]
fn every_word_is_one_that_the_reader_knows_and_no_other_is() {
    let reasons = ["is not a word that this key takes", "is not a time zone"];
    for key in keys() {
        let Some(words) = key.schema["enum"].as_array() else { continue };
        for word in words {
            assert!(!is_refused(&key, &toml_of(word), &reasons), "{} does not take {word}", key.name());
        }
        assert!(is_refused(&key, &"no such word".into(), &reasons), "{} takes any word", key.name());
    }
}

#[test]
fn the_limits_are_those_of_the_readers() {
    let reasons = ["is outside of the limits"];
    let (mut numbers, mut durations) = (0, 0);
    for key in keys() {
        if let (Some(least), Some(most)) = (key.schema["minimum"].as_i64(), key.schema["maximum"].as_i64()) {
            numbers += 1;
            let refused = [least - 1, least, most, most + 1].map(|number| is_refused(&key, &number.into(), &reasons));
            assert_eq!(refused, [true, false, false, true], "{}", key.name());
        }
        let Some((least, most)) = limits(key.schema["description"].as_str().unwrap_or_default()) else { continue };
        durations += 1;
        let refused = |text: &str| is_refused(&key, &text.into(), &reasons);
        assert!(!refused(least) && !refused(most), "{} does not take {least} or {most}", key.name());
        assert!(refused(&format!("9{most}")), "{} takes more than {most}", key.name());
        assert!(least == "0s" || refused("0ms"), "{} takes less than {least}", key.name());
    }
    assert!(numbers > 5 && durations > 3);
}

/// The limits that a description names, as in `…: 5s at least, 7d at most.`
fn limits(description: &str) -> Option<(&str, &str)> {
    let (_, limits) = description.strip_suffix(" at most.")?.rsplit_once(": ")?;
    limits.split_once(" at least, ")
}

#[test]
fn a_key_that_must_be_there_is_missed_and_no_other_is() {
    for key in keys() {
        let found = changed(&key, None).iter().all(|root| load(root).is_err());
        // Another flow does without it, or a constant does.
        let is_alternative =
            ["salesforce.auth.client_secret", "fields.operate", "fields.salesforce"].contains(&key.name().as_str());
        let names_a_transform = key.steps.get(1).is_some_and(|step| step == "transform") && key.steps.len() <= 3;
        if !is_alternative && !names_a_transform {
            assert_eq!(found, key.required, "{}", key.name());
        }
    }
}
