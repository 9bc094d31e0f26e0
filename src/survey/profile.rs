//! What one native field holds, in figures.

use std::collections::BTreeMap;
use std::hash::BuildHasher as _;

use serde_json::Value as Json;

use super::{Hashing, Shape, Sketch};
use crate::lead::decimal;

/// So many different values are counted one by one; of a field that has more, none is kept.
const DIFFERENT: usize = 200;
/// Only values of so many characters are.
const LONG: usize = 255;

/// Figures about a field.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    /// Leads that have something in it.
    pub filled: u64,
    /// Characters of the longest value.
    pub longest: usize,
    /// Characters of the shortest.
    pub shortest: usize,
    /// Characters of all values together.
    total: u64,
    /// How many values look like each of [`Shape::ALL`].
    shapes: [u64; Shape::ALL.len()],
    values: Values,
    /// The values, as hashes.
    pub sketch: Sketch,
}

/// The values in use, with counts; `None` where there are too many.
#[derive(Debug, Clone)]
struct Values(Option<BTreeMap<String, u64>>);

impl Default for Values {
    fn default() -> Self {
        Self(Some(BTreeMap::new()))
    }
}

impl Profile {
    /// Counts a value in.
    pub fn take(&mut self, value: &Json, hashing: &Hashing) {
        let raw;
        let text = match value {
            Json::String(text) => text.trim(),
            Json::Null => return,
            other => {
                raw = other.to_string();
                raw.as_str()
            }
        };
        if text.is_empty() {
            return;
        }
        let length = text.chars().count();
        self.shortest = if self.filled == 0 { length } else { self.shortest.min(length) };
        self.longest = self.longest.max(length);
        self.filled += 1;
        self.total += u64::try_from(length).unwrap_or_default();
        for (count, shape) in self.shapes.iter_mut().zip(Shape::ALL) {
            *count += u64::from(shape.fits(text));
        }
        let known = decimal(text).map_or_else(|| text.to_lowercase(), |number| number.to_string());
        self.sketch.take(hashing.hash_one(known));
        self.values.take(text, length);
    }

    /// Characters of a value, on average.
    #[must_use]
    pub fn typical(&self) -> u64 {
        (self.total + self.filled / 2).checked_div(self.filled).unwrap_or_default()
    }

    /// What all values look like; of e-mail addresses and telephone numbers, nearly all. `None` where there is none.
    #[must_use]
    pub fn shape(&self) -> Option<Shape> {
        let nearly = self.filled - self.filled / 20;
        let enough = |shape: Shape| if matches!(shape, Shape::Email | Shape::Phone) { nearly } else { self.filled };
        let mut shapes = self.shapes.iter().zip(Shape::ALL);
        shapes.find(|(count, shape)| self.filled > 0 && **count >= enough(*shape)).map(|(_, shape)| shape)
    }

    /// The values in use, with counts, where they are few.
    #[must_use]
    pub fn values(&self) -> Option<&BTreeMap<String, u64>> {
        self.values.0.as_ref()
    }

    /// Which share of the values no other lead has, about: 1 where all differ.
    #[must_use]
    pub fn uniqueness(&self) -> f64 {
        let filled = f64::from(u32::try_from(self.filled).unwrap_or(u32::MAX));
        if self.filled == 0 { 0.0 } else { (self.sketch.distinct() / filled).min(1.0) }
    }
}

impl Values {
    fn take(&mut self, text: &str, length: usize) {
        let Some(values) = &mut self.0 else { return };
        if let Some(count) = values.get_mut(text) {
            *count += 1;
        } else if length > LONG || values.len() >= DIFFERENT {
            self.0 = None;
        } else {
            values.insert(text.to_owned(), 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn profile(values: &[Json]) -> Profile {
        let (mut profile, hashing) = (Profile::default(), Hashing::new());
        for value in values {
            profile.take(value, &hashing);
        }
        profile
    }

    #[test]
    fn empty_values_do_not_count_and_lengths_are_in_characters() {
        let seen = profile(&[json!(""), json!(null), json!("  "), json!(" Caf\u{e9} "), json!("ab"), json!("abcdef")]);
        assert_eq!((seen.filled, seen.shortest, seen.longest, seen.typical()), (3, 2, 6, 4));
    }

    #[test]
    fn a_field_is_what_all_its_values_look_like() {
        let shape = |values: &[Json]| profile(values).shape();
        assert_eq!(shape(&[json!("1"), json!("0")]), Some(Shape::Boolean));
        assert_eq!(shape(&[json!(1), json!("17")]), Some(Shape::Number));
        assert_eq!(shape(&[json!("17"), json!("about 20")]), Some(Shape::Text));
        assert_eq!(shape(&[]), None);
        let mut addresses = vec![json!("pia@pomelo.example"); 20];
        addresses.push(json!("none"));
        assert_eq!(shape(&addresses), Some(Shape::Email));
    }

    #[test]
    fn of_many_different_values_none_is_kept() {
        let few: Vec<Json> = (0..150).map(|number| json!(format!("value {}", number % 3))).collect();
        assert_eq!(profile(&few).values().map(BTreeMap::len), Some(3));
        let many: Vec<Json> = (0..250).map(|number| json!(format!("value {number}"))).collect();
        assert!(profile(&many).values().is_none() && profile(&[json!("x".repeat(300))]).values().is_none());
        assert!((profile(&many).uniqueness() - 1.0).abs() < 0.01 && profile(&few).uniqueness() < 0.05);
    }
}
