//! Directories: what ids of other objects stand for. Leads hold the id of a location or a user; the mapping knows names and e-mail
//! addresses, which mean the same on both sides.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// How old a directory may be when something is not found in it, before it is read again.
const FRESH: Duration = Duration::from_mins(1);
/// How old it may be at all: entries are renamed.
const STALE: Duration = Duration::from_mins(15);
/// How many near names a message lists.
const NEAR: usize = 5;
/// How alike a name must be to count as near, from 0 to 1.
const LIKENESS: f64 = 0.85;

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
    /// Ids that leads hold and that are not in it.
    missed: BTreeSet<String>,
    /// Whether its names were not told yet, or an id was missed since.
    is_news: bool,
}

impl Directory {
    /// A directory of these entries. `what` they are is named in messages.
    #[must_use]
    pub fn new(what: &'static str, entries: Vec<Entry>) -> Self {
        let mut directory = Self {
            what,
            names: HashMap::new(),
            ids: HashMap::new(),
            read_at: Instant::now(),
            missed: BTreeSet::new(),
            is_news: true,
        };
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

    /// The name of an id. One that is not there is remembered.
    pub fn name(&mut self, id: &str) -> Option<&str> {
        let name = self.names.get(id).map(String::as_str);
        if name.is_none() && self.missed.insert(id.to_owned()) {
            self.is_news = true;
        }
        name
    }

    /// Every id's name, and an empty one for ids that were missed; `None` if that was told already.
    pub fn news(&mut self) -> Option<BTreeMap<&str, &str>> {
        if !std::mem::take(&mut self.is_news) {
            return None;
        }
        let missed = self.missed.iter().map(|id| (id.as_str(), ""));
        Some(missed.chain(self.names.iter().map(|(id, name)| (id.as_str(), name.as_str()))).collect())
    }

    /// The names that leads may be given, in order.
    #[must_use]
    pub fn active(&self) -> BTreeSet<&str> {
        self.names.values().filter(|name| self.ids.contains_key(&name.to_lowercase())).map(String::as_str).collect()
    }

    /// The id that a name stands for, without regard to case; or why there is none.
    pub fn id(&self, name: &str) -> Result<String, String> {
        let wanted = name.trim().to_lowercase();
        match self.ids.get(&wanted).map(Vec::as_slice) {
            Some([id]) => Ok(id.clone()),
            Some(ids) => Err(format!("{} {name:?} is there {} times: {}", self.what, ids.len(), ids.join(", "))),
            None => {
                let what = self.what;
                if self.names.values().any(|known| known.to_lowercase() == wanted) {
                    return Err(format!("there is no {what} {name:?}: it is there, but not active"));
                }
                let known = self.active();
                let mut near: Vec<(u32, &str)> =
                    known.iter().filter_map(|known| Some((distance(&wanted, known)?, *known))).collect();
                near.sort_unstable();
                let near: Vec<&str> = near.into_iter().take(NEAR).map(|(_, known)| known).collect();
                Err(match known.len() {
                    0 => format!("there is no {what} {name:?}; there is none at all"),
                    count if near.is_empty() => {
                        format!("there is no {what} {name:?}, and none of the {count} that there are is near")
                    }
                    _ => format!("there is no {what} {name:?}; near: {}", near.join(", ")),
                })
            }
        }
    }
}

/// How far a known name is from the wanted one; `None`: too far to be meant. Of e-mail addresses in one domain, what is before it counts.
fn distance(wanted: &str, known: &str) -> Option<u32> {
    let known = known.to_lowercase();
    let likeness = match (wanted.split_once('@'), known.split_once('@')) {
        (Some((wanted, domain)), Some((known, other))) if domain == other => strsim::jaro_winkler(wanted, known),
        _ => strsim::jaro_winkler(wanted, &known),
    };
    let edits = u32::try_from(strsim::damerau_levenshtein(wanted, &known)).unwrap_or(u32::MAX);
    (likeness >= LIKENESS).then_some(edits)
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
        assert_eq!(houses().name("1"), Some("Hub City"));
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is_near() {
        let refused = houses().id("Hub Cty").unwrap_err();
        assert_eq!(refused, "there is no location \"Hub Cty\"; near: Hub City, Hub Town");
        let refused = houses().id("Quayside").unwrap_err();
        assert_eq!(refused, "there is no location \"Quayside\", and none of the 4 that there are is near");
    }

    #[test]
    fn an_address_is_near_by_what_is_before_its_domain() {
        let entry = |name: &str| Entry { id: name.to_owned(), name: name.to_owned(), active: true };
        let users = ["rita.rep@acme.example", "sam.seller@acme.example"].map(entry).to_vec();
        let refused = Directory::new("user", users).id("rita.repp@acme.example").unwrap_err();
        assert_eq!(refused, "there is no user \"rita.repp@acme.example\"; near: rita.rep@acme.example");
    }

    #[test]
    fn its_names_are_told_once_and_again_when_an_id_is_missed() {
        let mut houses = houses();
        assert_eq!(houses.news().unwrap().len(), 5);
        assert!(houses.news().is_none());
        assert_eq!(houses.name("9"), None);
        assert_eq!(houses.news().unwrap().get("9").copied(), Some(""));
        assert!(houses.name("9").is_none() && houses.news().is_none());
    }

    #[test]
    fn a_name_that_several_have_names_none_and_an_inactive_one_is_only_read() {
        assert!(houses().id("Tower").unwrap_err().contains("is there 2 times: 2, 3"));
        assert_eq!(houses().name("4"), Some("Old Mill"));
        assert!(houses().id("Old Mill").unwrap_err().ends_with("it is there, but not active"));
    }
}
