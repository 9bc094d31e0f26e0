//! A folder of configurations, each of one pair of systems: a file `NAME.toml` is the pair `NAME`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Config, ConfigError, Loaded, file_error};

/// The longest name of a pair.
const LONGEST: usize = 63;

/// What can be the name of a pair, in words.
pub const NAMES: &str = "a name has letters, digits, - and _, 63 at most";

/// What the folder holds.
#[derive(Debug, Default)]
pub struct Folder {
    /// By the names of the pairs: a configuration, or what is wrong with it.
    pub pairs: BTreeMap<String, Result<Loaded, ConfigError>>,
    /// Files that end in `.toml` and whose names are none for a pair.
    pub nameless: Vec<PathBuf>,
}

impl Folder {
    /// Reads it. Each store may be named once: of several files that name the same, the first is used. An error says that the folder cannot be
    /// read, or has no file that is one.
    pub fn read(folder: &Path) -> Result<Self, ConfigError> {
        let unreadable = |error: std::io::Error| {
            let help = "name a folder that this user can read: --config-dir DIR";
            file_error(folder, format!("the folder of the configurations cannot be read: {error}"), help)
        };
        let mut found = Self::default();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if is_hidden || path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            match path.file_stem().and_then(|stem| stem.to_str()).filter(|name| is_name(name)) {
                Some(name) => drop(found.pairs.insert(name.to_owned(), Config::load(Some(&path)))),
                None => found.nameless.push(path),
            }
        }
        if found.pairs.is_empty() {
            let help = format!("write one for each pair of systems, as NAME.toml: {NAMES}");
            return Err(file_error(folder, "there is no configuration in this folder".to_owned(), &help));
        }
        found.nameless.sort();
        found.refuse_what_shares_a_store();
        Ok(found)
    }

    fn refuse_what_shares_a_store(&mut self) {
        let mut stores: BTreeMap<String, String> = BTreeMap::new();
        for (name, loaded) in &mut self.pairs {
            let Ok(Loaded { config, path, .. }) = loaded else { continue };
            let Ok(place) = config.store.place() else { continue };
            if let Some(first) = stores.get(&place.name()) {
                let problem = format!("{} is the store of {first}.toml as well", place.name());
                let help = "give each pair a store of its own: another file in store.url, or another store.schema";
                *loaded = Err(file_error(path, problem, help));
            } else {
                stores.insert(place.name(), name.clone());
            }
        }
    }

    /// All that is wrong, where nothing can be used.
    #[must_use]
    pub fn useless(&self) -> Option<ConfigError> {
        let mut findings = Vec::new();
        for loaded in self.pairs.values() {
            findings.extend(loaded.as_ref().err()?.findings.iter().cloned());
        }
        Some(ConfigError { findings })
    }
}

/// Whether a text can be the name of a pair: it stands in addresses and in labels.
fn is_name(name: &str) -> bool {
    let is_plain = name.chars().all(|each| each.is_ascii_alphanumeric() || each == '-' || each == '_');
    is_plain && name.starts_with(|each: char| each.is_ascii_alphanumeric()) && name.len() <= LONGEST
}
