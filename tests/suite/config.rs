//! The configuration: the example parses, the environment overrides, and whatever is wrong is said with its place and a way out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use leadsync::config::sync::ConflictRule;
use leadsync::config::{Config, Loaded};
use leadsync::lead::Value;
use leadsync::mapping::Mapping;
use leadsync::sync::Rules;

const EXAMPLE: &str = include_str!("../../config/leadsync.toml");
const REFUSALS: &str = include_str!("config_refusals.txt");

type Variables = Vec<(String, String)>;

fn variables(given: &[(&str, &str)]) -> Variables {
    let secrets = [("OPERATE", "s3cr3t-operate"), ("SALESFORCE", "s3cr3t-salesforce"), ("EMPTY", "")];
    secrets.iter().chain(given).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A case of the file of refusals.
struct Case {
    name: &'static str,
    text: String,
    variables: Vec<(&'static str, &'static str)>,
    message: String,
}

fn base() -> Vec<&'static str> {
    REFUSALS.lines().filter_map(|line| line.strip_prefix('|')).collect()
}

fn cases() -> Vec<Case> {
    REFUSALS.split("\n# ").skip(1).map(case).collect()
}

fn case(block: &'static str) -> Case {
    let (name, rest) = block.split_once('\n').unwrap();
    let base = base();
    let (mut lines, mut taken) = (Vec::new(), 0);
    let (mut variables, mut message) = (Vec::new(), Vec::new());
    for line in rest.lines().filter(|line| !line.is_empty()) {
        let (sign, text) = line.split_at(1);
        match sign {
            "@" => {
                let (start, removed) = text.split_once('-').unwrap_or((text, "0"));
                let start: usize = start.parse::<usize>().unwrap() - 1;
                lines.extend_from_slice(&base[taken..start]);
                taken = start + removed.parse::<usize>().unwrap();
            }
            "+" => lines.push(text),
            "$" => variables.push(text.split_once('=').unwrap()),
            "=" => message.push(text),
            _ => panic!("{name}: {line}"),
        }
    }
    lines.extend_from_slice(&base[taken..]);
    Case { name, text: lines.join("\n") + "\n", variables, message: message.join("\n") }
}

#[test]
fn every_refusal_says_what_is_wrong_where_and_what_to_do() {
    let cases = cases();
    assert_eq!(cases.len(), 95, "the file of refusals is read whole");
    for case in cases {
        let refused = Config::from_text(&case.text, "leadsync.toml", variables(&case.variables));
        let message = match refused {
            Ok(_) => panic!("{} is accepted", case.name),
            Err(error) => error.to_string(),
        };
        assert_eq!(message.trim_end(), case.message, "{}", case.name);
        assert!(!message.contains("s3cr3t") && !message.contains("hunter2"), "{}: a secret is shown", case.name);
    }
}

#[test]
fn the_configuration_that_the_refusals_change_is_accepted() {
    let loaded = Config::from_text(&base().join("\n"), "leadsync.toml", variables(&[])).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

fn example(given: &[(&str, &str)]) -> Loaded {
    let secrets = [("OPERATE_CLIENT_SECRET", "s3cr3t-operate"), ("SALESFORCE_CLIENT_SECRET", "s3cr3t-salesforce")];
    let all: Vec<(&str, &str)> = secrets.iter().chain(given).copied().collect();
    Config::from_text(EXAMPLE, "config/leadsync.toml", variables(&all)).unwrap()
}

#[test]
fn the_example_parses_without_a_warning() {
    let loaded = example(&[]);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    assert_eq!(loaded.config.sync.match_keys, [vec!["email".to_owned()], vec!["company".to_owned(), "postcode".to_owned()]]);
}

#[test]
fn the_example_names_every_default_as_it_is() {
    // A line such as `# timeout = "60s"` is a key with its default: without the sign, nothing may change.
    let spelt_out: Vec<String> = EXAMPLE.lines().map(|line| default_of(line).unwrap_or(line).to_owned()).collect();
    assert!(spelt_out.iter().any(|line| line == "requests_per_second = 5"), "the defaults are found");
    let secrets = [("OPERATE_CLIENT_SECRET", "s3cr3t-operate"), ("SALESFORCE_CLIENT_SECRET", "s3cr3t-salesforce")];
    let loaded = Config::from_text(&spelt_out.join("\n"), "config/leadsync.toml", variables(&secrets)).unwrap();
    assert_eq!(format!("{:?}", loaded.config), format!("{:?}", example(&[]).config));
}

/// The key and default that a comment holds, as in `# window = "30d"`; not those that show another way to sign in, or a secret.
fn default_of(line: &str) -> Option<&str> {
    let text = line.strip_prefix("# ")?;
    let (key, value) = text.split_once(" = ")?;
    let is_key = key.chars().all(|each| each.is_ascii_lowercase() || each == '_');
    (is_key && !['{', '…'].iter().any(|sign| value.starts_with(*sign)) && !value.starts_with("\"env:")).then_some(text)
}

#[test]
fn a_variable_wins_over_the_file() {
    let given = [
        ("LEADSYNC__SALESFORCE__API_VERSION", "63.0"),
        ("leadsync__sync__conflict", "manual"),
        ("LEADSYNC__OPERATE__TIMEOUT", "5s"),
    ];
    let config = example(&given).config;
    assert_eq!(config.salesforce.api_version, "63.0");
    assert_eq!(config.sync.conflict, ConflictRule::Manual);
    assert_eq!(config.operate.timeout, Duration::from_secs(5));
}

#[test]
fn a_secret_in_the_file_itself_works_and_draws_a_warning_that_does_not_show_it() {
    let text = base().join("\n").replace("env:OPERATE", "s3cr3t-literal");
    let loaded = Config::from_text(
        &text,
        "leadsync.toml",
        variables(&[("OPERATE_CLIENT_SECRET", "s"), ("SALESFORCE_CLIENT_SECRET", "s")]),
    )
    .unwrap();
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("warning: operate.auth.client_secret: the secret itself stands in the file"), "{warnings:?}");
    assert!(!format!("{warnings:?}{:?}", loaded.config).contains("s3cr3t"));
}

#[test]
fn a_secret_is_read_from_a_file_next_to_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "s3cr3t-file\n").unwrap();
    let path = folder.path().join("leadsync.toml");
    let text = base().join("\n").replace("env:OPERATE", "file:secret").replace("env:SALESFORCE", "file:secret");
    std::fs::write(&path, text).unwrap();
    let loaded = Config::load(Some(&path)).unwrap();
    assert_eq!(loaded.path, path);
}

#[test]
fn a_file_without_end_is_no_secret() {
    let text = base().join("\n").replace("env:OPERATE", "file:/dev/zero");
    let error = Config::from_text(
        &text,
        "leadsync.toml",
        variables(&[("OPERATE_CLIENT_SECRET", "s"), ("SALESFORCE_CLIENT_SECRET", "s")]),
    )
    .unwrap_err()
    .to_string();
    assert!(error.contains("/dev/zero cannot be read: it is longer than 65536 bytes"), "{error}");
}

#[test]
fn a_configuration_that_is_not_there_is_told_by_name() {
    let error = Config::load(Some(Path::new("/nowhere/leadsync.toml"))).unwrap_err().to_string();
    assert!(error.contains("/nowhere/leadsync.toml") && error.contains("No such file"), "{error}");
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let text = base().join("\n").replace("https://operate.example", "operate.example").replace("\"Email\"", "7");
    let error = Config::from_text(&text, PathBuf::from("leadsync.toml"), variables(&[("LEADSYNC__OPERATE__TIMEOUT", "soon")]))
        .unwrap_err();
    let message = error.to_string();
    for expected in ["operate.base_url", "fields[0].salesforce", "environment variable LEADSYNC__OPERATE__TIMEOUT"] {
        assert!(message.contains(expected), "{expected} is not in {message}");
    }
}

#[test]
fn the_engine_goes_by_the_rules_of_the_configuration() {
    let rules = |sync: &str| {
        let text = EXAMPLE.replace("[sync]\n", &format!("[sync]\n{sync}\n"));
        let config = Config::from_text(
            &text,
            "leadsync.toml",
            variables(&[("OPERATE_CLIENT_SECRET", "s"), ("SALESFORCE_CLIENT_SECRET", "s")]),
        )
        .unwrap()
        .config;
        Rules::of(&config, &Mapping::build(&config).unwrap()).map_err(|error| error.to_string())
    };
    let (plain, unlinking) = (rules("").unwrap(), rules("leaves = \"unlink\"").unwrap());
    assert_eq!((plain.unlinks, plain.converted, unlinking.unlinks), (false, None, true));
    let converted = |operate: &str| rules(&format!("converted = {{ field = \"status\", operate = \"{operate}\" }}"));
    let (_, given) = converted("New").unwrap().converted.unwrap();
    assert_eq!((given.operate, given.salesforce), (Some(Value::Choice("New".to_owned())), None));
    let error = converted("Won").unwrap_err();
    assert!(error.contains("\"Won\" has no row in `values` that goes both ways"), "{error}");
    let error = converted("Nowhere").unwrap_err();
    assert!(error.contains("sync.converted.operate: \"Nowhere\" is not in the field's `values`"), "{error}");
}
