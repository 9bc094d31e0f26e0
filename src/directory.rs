//! Directories: what ids of other objects stand for. Leads hold the id of a location or a user; the mapping knows names and e-mail
//! addresses, which mean the same on both sides.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

/// How old a directory may be when something is not found in it, before it is read again.
const FRESH: Duration = Duration::from_mins(1);
/// How old it may be at all: entries are renamed.
const STALE: Duration = Duration::from_mins(15);
/// How many near names a message lists.
const NEAR: usize = 5;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: String,
    /// Its name, or e-mail address.
    pub name: String,
    /// Whether leads may be given it. Others are only read.
    pub active: bool,
}

/// A list of entries, by id and by name.
#[derive(Debug)]
pub struct Directory {
    what: &'static str,
    names: HashMap<String, String>,
    ids: HashMap<String, Vec<String>>,
    read_at: Instant,
}

impl Directory {
    /// A directory of these entries. `what` they are is named in messages.
    #[must_use]
    pub fn new(what: &'static str, entries: Vec<Entry>) -> Self {
        let mut directory = Self { what, names: HashMap::new(), ids: HashMap::new(), read_at: Instant::now() };
        for entry in entries.into_iter().filter(|entry| !entry.name.trim().is_empty()) {
            let name = entry.name.trim().to_owned();
            if entry.active {
                directory.ids.entry(name.to_lowercase()).or_default().push(entry.id.clone());
            }
            directory.names.insert(entry.id, name);
        }
        directory
    }

    /// Whether it is too old to say that something does not exist.
    #[must_use]
    pub fn is_old(&self) -> bool {
        self.read_at.elapsed() >= FRESH
    }

    /// Whether it will do for these ids: it is not stale, and has them or is too young to be read again.
    pub fn serves<'i>(&self, mut ids: impl Iterator<Item = &'i str>) -> bool {
        let age = self.read_at.elapsed();
        age < STALE && (age < FRESH || ids.all(|id| id.is_empty() || self.has(id)))
    }

    /// Whether an id is in it.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.names.contains_key(id)
    }

    /// What the mapping reads in the place of an id: the name, or an object that no mapping can read, which says what is missing.
    #[must_use]
    pub fn name(&self, id: &str) -> Json {
        match self.names.get(id) {
            _ if id.is_empty() => Json::Null,
            Some(name) => json!(name),
            None => json!({ "unknown": format!("{} {id}", self.what) }),
        }
    }

    /// The id that a name stands for, without regard to case; or why there is none.
    pub fn id(&self, name: &str) -> Result<String, String> {
        let wanted = name.trim().to_lowercase();
        match self.ids.get(&wanted).map(Vec::as_slice) {
            Some([id]) => Ok(id.clone()),
            Some(ids) => Err(format!("{} {name:?} is there {} times: {}", self.what, ids.len(), ids.join(", "))),
            None => {
                let mut near: Vec<(usize, &str)> = self
                    .names
                    .iter()
                    .filter(|(_, known)| self.ids.contains_key(&known.to_lowercase()))
                    .map(|(_, known)| (strsim::damerau_levenshtein(&wanted, &known.to_lowercase()), known.as_str()))
                    .collect();
                near.sort_unstable();
                near.dedup();
                let near: Vec<&str> = near.into_iter().take(NEAR).map(|(_, known)| known).collect();
                let near = if near.is_empty() { "there is none at all".to_owned() } else { format!("near: {}", near.join(", ")) };
                Err(format!("there is no {} {name:?}; {near}", self.what))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn houses() -> Directory {
        let entry = |id: &str, name: &str, active| Entry { id: id.to_owned(), name: name.to_owned(), active };
        Directory::new(
            "location",
            vec![
                entry("1", "Hub City", true),
                entry("2", "Tower", true),
                entry("3", "tower", true),
                entry("4", "Old Mill", false),
                entry("5", "Hub Town", true),
            ],
        )
    }

    #[test]
    fn a_name_is_found_whatever_its_case() {
        assert_eq!(houses().id(" hub CITY "), Ok("1".to_owned()));
        assert_eq!(houses().name("1"), json!("Hub City"));
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is_near() {
        let refused = houses().id("Hub Cty").unwrap_err();
        assert_eq!(refused, "there is no location \"Hub Cty\"; near: Hub City, Hub Town, Tower, tower");
        assert_eq!(houses().name("9"), json!({ "unknown": "location 9" }));
    }

    #[test]
    fn a_name_that_several_have_names_none_and_an_inactive_one_is_only_read() {
        assert!(houses().id("Tower").unwrap_err().contains("is there 2 times: 2, 3"));
        assert_eq!(houses().name("4"), json!("Old Mill"));
        assert!(houses().id("Old Mill").is_err());
    }
}
