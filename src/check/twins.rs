//! Leads of one side that have the same match keys: which of them is meant, nobody can tell.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use super::values::Named;

/// By rule of `[sync].match`, what was met. Eight bytes a lead or so, of a value only its hash.
#[derive(Debug, Clone, Default)]
pub(super) struct Twins {
    rules: Vec<Rule>,
}

/// Leads that share a key of one rule.
#[derive(Debug, Clone, Default)]
pub(super) struct Rule {
    /// Whether the key was met more than once, by its hash.
    met: HashMap<u64, bool>,
    /// Leads that are not alone with their key.
    pub(super) leads: u64,
    /// The first few that came second.
    pub(super) doubles: Named,
}

impl Twins {
    /// Counts a lead in.
    pub(super) fn take(&mut self, keys: &[Option<String>], id: &str, hashing: &RandomState) {
        self.rules.resize_with(keys.len(), Rule::default);
        for (rule, key) in self.rules.iter_mut().zip(keys) {
            let Some(key) = key else { continue };
            match rule.met.get_mut(&hashing.hash_one(key)) {
                None => {
                    rule.met.insert(hashing.hash_one(key), false);
                }
                Some(again) => {
                    rule.leads += if *again { 1 } else { 2 };
                    *again = true;
                    rule.doubles.add(id);
                }
            }
        }
    }

    /// The rules, in the configuration's order.
    pub(super) fn rules(&self) -> impl Iterator<Item = (usize, &Rule)> {
        self.rules.iter().enumerate()
    }
}
