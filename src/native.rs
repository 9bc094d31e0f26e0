//! Fields under a system's own names. Rows of one answer have the same names, so they share them.

use std::fmt;
use std::iter::{Map, Zip};
use std::slice::Iter;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value as Json;

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

/// Some of the fields of rows, and where rows of one kind have them.
#[derive(Debug, Clone)]
pub struct Columns {
    names: Names,
    any_case: bool,
    /// The kind of rows that was seen last.
    of: Names,
    /// Where such rows have each of `names`.
    places: Vec<Option<usize>>,
    /// Whether they have all of them, in this order.
    in_order: bool,
}

impl Columns {
    /// Fields that rows have under these very names.
    #[must_use]
    pub fn named(names: Names) -> Self {
        Self { places: vec![None; names.len()], names, any_case: false, of: Names::default(), in_order: false }
    }

    /// Fields that rows may have in another spelling, of capitals and small letters.
    #[must_use]
    pub fn in_any_case(names: Names) -> Self {
        Self { any_case: true, ..Self::named(names) }
    }

    /// Learns where this row has them, if it is of another kind than the last.
    pub fn look_at(&mut self, row: &NativeFields) {
        if Arc::ptr_eq(&self.of, &row.names) {
            return;
        }
        self.of = Arc::clone(&row.names);
        let place = |name: &Arc<str>| {
            let spelt = || row.names.iter().position(|other| other.eq_ignore_ascii_case(name)).filter(|_| self.any_case);
            row.place(name).ok().or_else(spelt)
        };
        self.places = self.names.iter().map(place).collect();
        self.in_order =
            self.places.is_sorted_by(|one, next| one.is_some() && one < next) && self.places.iter().all(Option::is_some);
    }

    /// A field of the row that was looked at.
    #[must_use]
    pub fn get<'r>(&self, row: &'r NativeFields, column: usize) -> Option<&'r Json> {
        row.values.get((*self.places.get(column)?)?)
    }

    /// All of these fields and no others of the row that was looked at; null where there is none.
    #[must_use]
    pub fn pick(&self, row: NativeFields) -> NativeFields {
        let mut values = row.values;
        if self.in_order {
            // None of them moves to a place behind its own, so they all stay in the memory that they are in.
            self.places.iter().flatten().enumerate().for_each(|(to, from)| values.swap(to, *from));
            values.truncate(self.names.len());
        } else {
            let value = |place: &Option<usize>| place.and_then(|place| values.get(place)).cloned().unwrap_or_default();
            values = self.places.iter().map(value).collect();
        }
        NativeFields { names: Arc::clone(&self.names), values }
    }
}

/// Reads rows: the next has the same fields as those before it, as a rule in the same order.
#[derive(Debug, Clone, Default)]
pub struct RowReader {
    /// A field that is left out.
    without: Option<&'static str>,
    /// The fields of the fullest row so far, as they came, and where each stands in its names.
    came: Vec<(Arc<str>, Option<usize>)>,
    names: Names,
}

impl RowReader {
    /// Reads a row.
    pub fn row(&mut self, text: &[u8]) -> Result<NativeFields, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let row = RowSeed(self).deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(row)
    }

    /// Reads what is left of a row that is not as those before it, of which these names and fields were read, and then this name.
    fn other<'de, A: MapAccess<'de>>(
        &mut self,
        mut came: Vec<Arc<str>>,
        mut fields: Vec<(Arc<str>, Json)>,
        mut next: Option<Arc<str>>,
        mut map: A,
    ) -> Result<NativeFields, A::Error> {
        while let Some(name) = next {
            if self.without == Some(&*name) {
                map.next_value::<IgnoredAny>()?;
            } else {
                fields.push((Arc::clone(&name), map.next_value()?));
            }
            came.push(name);
            next = map.next_key_seed(NameSeed { known: &self.came, expected: usize::MAX })?.and_then(Named::other);
        }
        let count = fields.len();
        let row = NativeFields::ordered(fields);
        if count >= self.names.len() && count == row.len() && came.len() < MOST_NAMES {
            self.came = came.into_iter().map(|name| (Arc::clone(&name), row.place(&name).ok())).collect();
            self.names = Arc::clone(&row.names);
        }
        Ok(row)
    }
}

/// More names than a lead can have fields: what comes beyond is no table.
const MOST_NAMES: usize = 2_000;

/// Reads one row.
struct RowSeed<'n>(&'n mut RowReader);

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
        let reader = self.0;
        let mut values = vec![Json::Null; reader.names.len()];
        let mut count = 0;
        let other = loop {
            match map.next_key_seed(NameSeed { known: &reader.came, expected: count })? {
                Some(Named::Expected(None)) => _ = map.next_value::<IgnoredAny>()?,
                Some(Named::Expected(Some(place))) => {
                    let value = map.next_value()?;
                    if let Some(slot) = values.get_mut(place) {
                        *slot = value;
                    }
                }
                Some(Named::Other(name)) => break Some(name),
                None if count == reader.came.len() => return Ok(NativeFields { names: Arc::clone(&reader.names), values }),
                None => break None,
            }
            count += 1;
        };
        let so_far = reader.came.get(..count).unwrap_or_default();
        let came = so_far.iter().map(|(name, _)| Arc::clone(name)).collect();
        let field = |(name, place): &(Arc<str>, Option<usize>)| Some((Arc::clone(name), values.get_mut((*place)?)?.take()));
        let fields = so_far.iter().filter_map(field).collect();
        reader.other(came, fields, other, map)
    }
}

/// Reads the name of a field.
struct NameSeed<'n> {
    known: &'n [(Arc<str>, Option<usize>)],
    /// Where it stands among those that are known, as a rule.
    expected: usize,
}

/// The name of a field.
enum Named {
    /// The one that was expected, and where its value goes.
    Expected(Option<usize>),
    /// Another.
    Other(Arc<str>),
}

impl Named {
    /// Where none was expected.
    fn other(self) -> Option<Arc<str>> {
        match self {
            Self::Expected(_) => None,
            Self::Other(name) => Some(name),
        }
    }
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Named;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Named, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Named;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Named, E> {
        Ok(match self.known.get(self.expected) {
            Some((expected, place)) if **expected == *name => Named::Expected(*place),
            _ => {
                let known = self.known.iter().find(|(known, _)| **known == *name);
                Named::Other(known.map_or_else(|| name.into(), |(known, _)| Arc::clone(known)))
            }
        })
    }
}

impl<'de> serde::Deserialize<'de> for NativeFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RowSeed(&mut RowReader::default()).deserialize(deserializer)
    }
}

/// Salesforce's rows, without what it says about each of them; null in the place of a row is none.
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
        let mut reader = RowReader { without: Some(ABOUT), ..RowReader::default() };
        let mut all = Vec::new();
        while let Some(row) = rows.next_element_seed(MaybeRow(&mut reader))? {
            all.push(row);
        }
        Ok(NativeRows(all))
    }
}

/// What Salesforce says about a row: its type, and the address that it has.
const ABOUT: &str = "attributes";

/// Reads a row or null.
struct MaybeRow<'n>(&'n mut RowReader);

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

    fn rows(text: &str) -> Vec<NativeFields> {
        serde_json::from_str::<NativeRows>(text).unwrap().0.into_iter().flatten().collect()
    }

    #[test]
    fn rows_share_their_names_as_long_as_they_have_the_same() {
        let rows = rows(r#"[{"b":1,"a":"x"},null,{"b":2,"a":null},{"a":2,"b":{"c":[]}},{"b":3}]"#);
        let texts: Vec<String> = rows.iter().map(|row| serde_json::to_string(row).unwrap()).collect();
        assert_eq!(texts, [r#"{"a":"x","b":1}"#, r#"{"a":null,"b":2}"#, r#"{"a":2,"b":{"c":[]}}"#, r#"{"b":3}"#]);
        let [first, second, third, fourth] = rows.as_slice() else { panic!("{rows:?}") };
        assert!(Arc::ptr_eq(&first.names, &second.names), "in the same order they are known at once");
        let shared = |one: &NativeFields, other: &NativeFields| {
            one.names.iter().any(|name| other.names.iter().any(|known| Arc::ptr_eq(name, known)))
        };
        assert!(shared(first, third) && shared(first, fourth), "the text of a name is there once");
    }

    #[test]
    fn a_row_is_read_the_same_whatever_rows_were_before_it() {
        let texts = [
            r#"{"a":1,"b":2,"c":3}"#,
            r#"{"c":1,"b":2}"#,
            r#"{"a":1,"a":2}"#,
            r#"{}"#,
            r#"{"a":1,"b":2,"c":3,"d":[4]}"#,
            r#"{"a":1,"z":2,"c":3}"#,
        ];
        for first in texts {
            for second in texts {
                let mut reader = RowReader::default();
                for text in [first, second, second, first] {
                    let alone: NativeFields = serde_json::from_str(text).unwrap();
                    assert_eq!(reader.row(text.as_bytes()).unwrap(), alone, "{text} after {first} and {second}");
                }
            }
        }
        assert_eq!(rows(r#"[{"a":1,"a":2}]"#), [NativeFields::from([("a", json!(2))])], "the later of two of a name stays");
    }

    #[test]
    fn what_salesforce_says_about_a_row_is_left_out_wherever_it_stands() {
        let expected = NativeFields::from([("Id", json!("1")), ("Name", json!("x"))]);
        let rows = rows(
            r#"[{"attributes":{"type":"Lead"},"Id":"1","Name":"x"},{"attributes":{"type":"Lead"},"Id":"1","Name":"x"},
                {"Id":"1","Name":"x"},{"Id":"1","attributes":null,"Name":"x"}]"#,
        );
        assert_eq!(rows, vec![expected; 4]);
    }

    #[test]
    fn what_is_no_row_is_refused() {
        for text in ["[1]", r#"["a"]"#, "{}", r#"[{"a":}]"#] {
            assert!(serde_json::from_str::<NativeRows>(text).is_err(), "{text}");
        }
        assert!(RowReader::default().row(br#"{"a":1} x"#).is_err());
    }

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

    #[test]
    fn columns_are_picked_from_rows_of_any_kind() {
        let names = Names::new(["a", "b", "d"].map(Into::into).to_vec());
        let pick = |mut columns: Columns, rows: &[NativeFields]| -> Vec<String> {
            let picked = rows.iter().map(|row| {
                columns.look_at(row);
                assert_eq!(columns.get(row, 0), row.get("a").or_else(|| row.get("A").filter(|_| columns.any_case)));
                serde_json::to_string(&columns.pick(row.clone())).unwrap()
            });
            picked.collect()
        };
        let rows = rows(r#"[{"a":1,"b":2,"c":3},{"b":4,"a":5,"c":6},{"A":7,"d":8}]"#);
        let [first, second, third] = [r#"{"a":1,"b":2,"d":null}"#, r#"{"a":5,"b":4,"d":null}"#, r#"{"a":null,"b":null,"d":8}"#];
        assert_eq!(pick(Columns::named(Arc::clone(&names)), &rows), [first, second, third]);
        assert_eq!(pick(Columns::in_any_case(names), &rows), [first, second, r#"{"a":7,"b":null,"d":8}"#]);
        let twice = Columns::in_any_case(Names::new(["A", "a"].map(Into::into).to_vec()));
        assert_eq!(pick(twice, &rows[..1]), [r#"{"A":1,"a":1}"#]);
    }
}
