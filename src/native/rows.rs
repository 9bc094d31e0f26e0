//! Rows as they are read: each into the names of those before it, as long as it has the same.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

use super::{Names, NativeFields};

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
            "{}",
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
}
