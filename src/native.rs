//! Fields under a system's own names. Rows of one answer have the same names, so they share them.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value as Json;

/// Fields under their native names, in the system's own JSON; in the order of the names, each of which is there once.
#[derive(Clone, Default, PartialEq)]
pub struct NativeFields(Vec<(Arc<str>, Json)>);

impl NativeFields {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| (**other).cmp(name))
    }

    /// A field's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.0.get(self.place(name).ok()?).map(|(_, value)| value)
    }

    /// A field's value, to change.
    #[must_use]
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Json> {
        let place = self.place(name).ok()?;
        self.0.get_mut(place).map(|(_, value)| value)
    }

    /// Sets a field, and gives what it was.
    pub fn insert(&mut self, name: impl Into<Arc<str>>, value: Json) -> Option<Json> {
        let name = name.into();
        match self.place(&name) {
            Ok(place) => self.0.get_mut(place).map(|(_, known)| std::mem::replace(known, value)),
            Err(place) => {
                self.0.insert(place, (name, value));
                None
            }
        }
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: &str) -> Option<Json> {
        let place = self.place(name).ok()?;
        Some(self.0.remove(place).1)
    }

    /// The names.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    /// The values.
    pub fn values(&self) -> impl Iterator<Item = &Json> {
        self.0.iter().map(|(_, value)| value)
    }

    /// All of them.
    #[must_use]
    pub fn iter(&self) -> <&Self as IntoIterator>::IntoIter {
        self.into_iter()
    }

    /// These fields, which are named in order, and no others; null where there is none.
    #[must_use]
    pub fn only(self, names: &[Arc<str>]) -> Self {
        let mut fields = self.0.into_iter().peekable();
        let mut only = Vec::with_capacity(names.len());
        for name in names {
            while fields.next_if(|(other, _)| other < name).is_some() {}
            let value = fields.next_if(|(other, _)| other == name).map_or(Json::Null, |(_, value)| value);
            only.push((Arc::clone(name), value));
        }
        Self(only)
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
        Self(fields)
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
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Null where there is none, as with JSON.
impl std::ops::Index<&str> for NativeFields {
    type Output = Json;

    fn index(&self, name: &str) -> &Json {
        self.get(name).unwrap_or(&Json::Null)
    }
}

/// A field, borrowed.
type FieldOf<'f> = fn(&'f (Arc<str>, Json)) -> (&'f str, &'f Json);

impl<'f> IntoIterator for &'f NativeFields {
    type Item = (&'f str, &'f Json);
    type IntoIter = std::iter::Map<std::slice::Iter<'f, (Arc<str>, Json)>, FieldOf<'f>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(name, value)| (&**name, value))
    }
}

impl From<&NativeFields> for serde_json::Map<String, Json> {
    fn from(fields: &NativeFields) -> Self {
        fields.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }
}

impl Serialize for NativeFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The names that rows had so far: the next rows have the same, as a rule in the same order.
#[derive(Debug, Clone, Default)]
pub struct Names(Vec<Arc<str>>);

impl Names {
    fn shared(&mut self, name: &str, expected_at: usize) -> Arc<str> {
        if let Some(known) = self.0.get(expected_at).filter(|known| &***known == name) {
            return Arc::clone(known);
        }
        if let Some(known) = self.0.iter().find(|known| &***known == name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = name.into();
        if self.0.len() < MOST_NAMES {
            self.0.push(Arc::clone(&new));
        }
        new
    }

    /// Reads a row.
    pub fn row(&mut self, text: &[u8]) -> Result<NativeFields, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let row = RowSeed(self).deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(row)
    }
}

/// More names than a lead can have fields: what comes beyond is no table.
const MOST_NAMES: usize = 2_000;

/// Reads one row.
struct RowSeed<'n>(&'n mut Names);

impl<'de> DeserializeSeed<'de> for RowSeed<'_> {
    type Value = NativeFields;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<NativeFields, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_> {
    type Value = NativeFields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NativeFields, A::Error> {
        let mut fields = Vec::with_capacity(self.0.0.len());
        while let Some(name) = map.next_key_seed(NameSeed(self.0, fields.len()))? {
            fields.push((name, map.next_value()?));
        }
        Ok(NativeFields::ordered(fields))
    }
}

/// Reads the name of a field.
struct NameSeed<'n>(&'n mut Names, usize);

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Arc<str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Arc<str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Arc<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Arc<str>, E> {
        Ok(self.0.shared(name, self.1))
    }
}

impl<'de> serde::Deserialize<'de> for NativeFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RowSeed(&mut Names::default()).deserialize(deserializer)
    }
}

/// Rows that share their names; null in the place of a row is none.
#[derive(Debug, Default)]
pub struct NativeRows(pub Vec<Option<NativeFields>>);

impl<'de> serde::Deserialize<'de> for NativeRows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(RowsVisitor)
    }
}

struct RowsVisitor;

impl<'de> Visitor<'de> for RowsVisitor {
    type Value = NativeRows;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<NativeRows, A::Error> {
        let mut names = Names::default();
        let mut all = Vec::new();
        while let Some(row) = rows.next_element_seed(MaybeRow(&mut names))? {
            all.push(row);
        }
        Ok(NativeRows(all))
    }
}

/// Reads a row or null.
struct MaybeRow<'n>(&'n mut Names);

impl<'de> DeserializeSeed<'de> for MaybeRow<'_> {
    type Value = Option<NativeFields>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for MaybeRow<'_> {
    type Value = Option<NativeFields>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or null")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        RowSeed(self.0).deserialize(deserializer).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_share_their_names_whatever_their_order() {
        let rows: NativeRows = serde_json::from_str(r#"[{"b":1,"a":"x"},null,{"a":2,"b":{"c":[]},"a":3}]"#).unwrap();
        let [Some(first), None, Some(second)] = rows.0.as_slice() else { panic!("{rows:?}") };
        assert_eq!(serde_json::to_string(first).unwrap(), r#"{"a":"x","b":1}"#);
        assert_eq!(serde_json::to_string(second).unwrap(), r#"{"a":3,"b":{"c":[]}}"#, "the later of two of a name stays");
        assert!(first.0.iter().zip(&second.0).all(|((one, _), (other, _))| Arc::ptr_eq(one, other)));
    }

    #[test]
    fn what_is_no_row_is_refused() {
        for text in ["[1]", r#"["a"]"#, "{}", r#"[{"a":}]"#] {
            assert!(serde_json::from_str::<NativeRows>(text).is_err(), "{text}");
        }
        assert!(Names::default().row(br#"{"a":1} x"#).is_err());
    }

    #[test]
    fn fields_are_found_set_and_taken_out() {
        let mut fields = NativeFields::from([("b", json!(1)), ("a", json!(2))]);
        assert_eq!((fields.get("a"), fields.get("c")), (Some(&json!(2)), None));
        assert_eq!((fields.insert("a", json!(3)), fields.insert("c", json!(4))), (Some(json!(2)), None));
        assert_eq!(fields.remove("b"), Some(json!(1)));
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["a", "c"]);
        let names: Vec<Arc<str>> = ["a", "b", "d"].map(Into::into).to_vec();
        assert_eq!(fields.only(&names), NativeFields::from([("a", json!(3)), ("b", Json::Null), ("d", Json::Null)]));
    }
}
