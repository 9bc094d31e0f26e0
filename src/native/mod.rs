//! Fields under a system's own names. Rows of one answer have the same names, so they share them.

mod columns;
mod rows;

use std::fmt;
use std::iter::{Map, Zip};
use std::slice::Iter;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value as Json;

pub use columns::Columns;
pub use rows::{NativeRows, RowReader};

/// Names of fields, in order, each of them once. Rows of one answer share them.
pub type Names = Arc<Vec<Arc<str>>>;

/// Fields under their native names, in the system's own JSON; in the order of the names, each of which is there once.
#[derive(Clone, Default, PartialEq)]
pub struct NativeFields {
    names: Names,
    /// As many as there are names.
    values: Vec<Json>,
}

impl NativeFields {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.values.len()
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.names.binary_search_by(|other| (**other).cmp(name))
    }

    /// A field's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.values.get(self.place(name).ok()?)
    }

    /// The same, where the field stands at this place as a rule.
    #[must_use]
    pub fn get_at(&self, place: usize, name: &str) -> Option<&Json> {
        match self.names.get(place) {
            Some(there) if **there == *name => self.values.get(place),
            _ => self.get(name),
        }
    }

    /// A field's value, to change.
    #[must_use]
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Json> {
        let place = self.place(name).ok()?;
        self.values.get_mut(place)
    }

    /// Sets a field, and gives what it was.
    pub fn insert(&mut self, name: impl Into<Arc<str>>, value: Json) -> Option<Json> {
        let name = name.into();
        match self.place(&name) {
            Ok(place) => self.values.get_mut(place).map(|known| std::mem::replace(known, value)),
            Err(place) => {
                Arc::make_mut(&mut self.names).insert(place, name);
                self.values.insert(place, value);
                None
            }
        }
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: &str) -> Option<Json> {
        let place = self.place(name).ok()?;
        Arc::make_mut(&mut self.names).remove(place);
        Some(self.values.remove(place))
    }

    /// The names.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// The values.
    pub fn values(&self) -> impl Iterator<Item = &Json> {
        self.values.iter()
    }

    /// All of them.
    #[must_use]
    pub fn iter(&self) -> <&Self as IntoIterator>::IntoIter {
        self.into_iter()
    }

    /// Puts fields in order; of two of the same name, the later stays.
    fn ordered(mut fields: Vec<(Arc<str>, Json)>) -> Self {
        fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        fields.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        let (names, values) = fields.into_iter().unzip();
        Self { names: Arc::new(names), values }
    }
}

impl fmt::Debug for NativeFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<N: Into<Arc<str>>> FromIterator<(N, Json)> for NativeFields {
    fn from_iter<I: IntoIterator<Item = (N, Json)>>(fields: I) -> Self {
        Self::ordered(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}

impl<N: Into<Arc<str>>, const SIZE: usize> From<[(N, Json); SIZE]> for NativeFields {
    fn from(fields: [(N, Json); SIZE]) -> Self {
        fields.into_iter().collect()
    }
}

impl<N: Into<Arc<str>>> Extend<(N, Json)> for NativeFields {
    fn extend<I: IntoIterator<Item = (N, Json)>>(&mut self, fields: I) {
        for (name, value) in fields {
            self.insert(name, value);
        }
    }
}

impl IntoIterator for NativeFields {
    type Item = (Arc<str>, Json);
    type IntoIter = Zip<std::vec::IntoIter<Arc<str>>, std::vec::IntoIter<Json>>;

    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.names).into_iter().zip(self.values)
    }
}

/// Null where there is none, as with JSON.
impl std::ops::Index<&str> for NativeFields {
    type Output = Json;

    fn index(&self, name: &str) -> &Json {
        self.get(name).unwrap_or(&Json::Null)
    }
}

/// A name, borrowed.
type NameOf<'f> = fn(&'f Arc<str>) -> &'f str;

impl<'f> IntoIterator for &'f NativeFields {
    type Item = (&'f str, &'f Json);
    type IntoIter = Zip<Map<Iter<'f, Arc<str>>, NameOf<'f>>, Iter<'f, Json>>;

    fn into_iter(self) -> Self::IntoIter {
        let name: NameOf<'f> = |name| name;
        self.names.iter().map(name).zip(&self.values)
    }
}

impl From<&NativeFields> for serde_json::Map<String, Json> {
    fn from(fields: &NativeFields) -> Self {
        fields.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }
}

impl Serialize for NativeFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_found_set_and_taken_out() {
        let mut fields = NativeFields::from([("b", json!(1)), ("a", json!(2))]);
        let before = fields.clone();
        assert_eq!((fields.get("a"), fields.get("c")), (Some(&json!(2)), None));
        assert_eq!(
            (fields.get_at(1, "b"), fields.get_at(0, "b"), fields.get_at(9, "c")),
            (Some(&json!(1)), Some(&json!(1)), None)
        );
        assert_eq!((fields.insert("a", json!(3)), fields.insert("c", json!(4))), (Some(json!(2)), None));
        assert_eq!(fields.remove("b"), Some(json!(1)));
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(before, NativeFields::from([("a", json!(2)), ("b", json!(1))]), "a copy has names of its own");
    }
}
