//! Realistic configurations: good ones are accepted, and what is said about broken ones is kept next to each, to be read by people
//! who change a message. `LEADSYNC_TEST_WRITE=1 cargo test configurations` writes it anew.

use std::path::{Path, PathBuf};

use boon::{Compiler, SchemaIndex, Schemas};
use leadsync::config::{Config, schema};
use leadsync::mapping::Mapping;
use leadsync::sync::Rules;

/// The variables that hold secrets.
const SECRETS: [&str; 4] = ["OPERATE_CLIENT_SECRET", "OPERATE_PASSWORD", "SALESFORCE_CLIENT_SECRET", "SALESFORCE_REFRESH_TOKEN"];

/// What stands below what is said about a broken one.
const SEEN: &str = "(An editor with the schema sees it too.)";
const UNSEEN: &str = "(An editor with the schema does not see it: a schema knows shapes only.)";

/// The schema, ready to check with.
pub struct Checker {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Checker {
    pub fn new() -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("https://leadsync.example/schema.json", schema::schema()).unwrap();
        let index = compiler.compile("https://leadsync.example/schema.json", &mut schemas).unwrap();
        Self { schemas, index }
    }

    /// What the schema says against a text that is TOML.
    pub fn check(&self, text: &str) -> Result<(), String> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
        let json = serde_json::to_value(table).unwrap();
        self.schemas.validate(&json, self.index).map_err(|error| error.to_string())
    }
}

/// What `leadsync check --offline` says: warnings of one that is accepted, or what is wrong.
pub fn said(text: &str) -> Result<String, String> {
    let secrets = SECRETS.map(|name| (name.to_owned(), "s3cr3t-of-a-variable".to_owned()));
    let loaded = Config::from_text(text, "leadsync.toml", secrets).map_err(|error| error.to_string())?;
    let mapping = Mapping::build(&loaded.config).map_err(|error| format!("error: the mapping is wrong: {error}"))?;
    Rules::of(&loaded.config, &mapping).map_err(|error| format!("error: the mapping is wrong: {error}"))?;
    Ok(loaded.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"))
}

fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configurations").join(folder);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// Whether kept texts are to be written anew.
pub fn is_writing() -> bool {
    std::env::var_os("LEADSYNC_TEST_WRITE").is_some()
}

/// Compares with what is kept, or keeps it; nothing is kept as no file.
fn keep(path: &Path, said: &str) {
    if is_writing() {
        if said.is_empty() {
            let _ = std::fs::remove_file(path);
        } else {
            std::fs::write(path, said).unwrap();
        }
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == said, "{} has\n\n{kept}\nand it is now\n\n{said}", path.display());
}

#[test]
fn good_configurations_are_accepted_by_the_program_and_by_the_schema() {
    let checker = Checker::new();
    for (path, text) in files("good") {
        let name = path.display();
        let warnings = said(&text).unwrap_or_else(|message| panic!("{name} is refused:\n\n{message}"));
        assert!(!warnings.contains("s3cr3t"), "{name}: a secret is shown");
        let end = if warnings.is_empty() { "" } else { "\n" };
        keep(&path.with_extension("txt"), &format!("{warnings}{end}"));
        checker.check(&text).unwrap_or_else(|error| panic!("{name} is refused by the schema: {error}"));
    }
}

#[test]
fn broken_configurations_are_refused_in_words_that_help() {
    let checker = Checker::new();
    for (path, text) in files("broken") {
        let Err(message) = said(&text) else { panic!("{} is accepted", path.display()) };
        assert!(!message.contains("s3cr3t"), "{}: a secret is shown", path.display());
        let seen = if checker.check(&text).is_err() { SEEN } else { UNSEEN };
        keep(&path.with_extension("txt"), &format!("{message}\n\n{seen}\n"));
    }
}

#[test]
fn there_are_thirty() {
    assert!(files("good").len() + files("broken").len() >= 30);
}
