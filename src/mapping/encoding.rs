//! The store's form of values: JSON objects by field name.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use super::{Base, Field, Mapping, Values};
use crate::lead::{PerSide, Value};

/// Bytes that a field takes in the store, more or less.
const VALUE: usize = 40;

/// Each field's place with its name as it stands before its value, in the order of the names.
pub(super) fn keys(fields: &[Field]) -> Vec<(usize, String)> {
    let mut keys: Vec<(usize, &Field)> = fields.iter().enumerate().collect();
    keys.sort_unstable_by(|(_, one), (_, other)| one.name.cmp(&other.name));
    keys.into_iter().map(|(place, field)| (place, format!("{}:", Json::from(field.name.as_str())))).collect()
}

impl Mapping {
    /// The store's form of a lead's values: the text of a JSON object by field name, without the empty ones.
    #[must_use]
    pub fn encode(&self, values: &Values) -> String {
        self.object(|place, text| {
            let Some(value) = values.0.get(place).filter(|value| !value.is_empty()) else { return false };
            value.write_json(text);
            true
        })
    }

    /// The text of a JSON object by field name. `write` writes a field's value, or says that there is none.
    fn object(&self, write: impl Fn(usize, &mut Vec<u8>) -> bool) -> String {
        let mut text = Vec::with_capacity(self.keys.len() * VALUE);
        text.push(b'{');
        for (place, key) in &self.keys {
            let before = text.len();
            if before > 1 {
                text.push(b',');
            }
            text.extend_from_slice(key.as_bytes());
            if !write(*place, &mut text) {
                text.truncate(before);
            }
        }
        text.push(b'}');
        String::from_utf8(text).unwrap_or_default()
    }

    /// Gives the fields that stand in the text of a JSON object by field name, each with the text of its value.
    fn each_entry(&self, text: &str, mut take: impl FnMut(usize, &Field, &str)) {
        let Ok(Entries(entries)) = serde_json::from_str(text) else { return };
        let mut expected = 0;
        for (name, value) in entries {
            // They stand in the order of their names, as a rule.
            let field_at = |at: usize| {
                let (place, _) = self.keys.get(at)?;
                self.fields.get(*place).map(|field| (*place, field))
            };
            let at = match field_at(expected) {
                Some((_, field)) if field.name == name => expected,
                _ => self.keys.partition_point(|(place, _)| self.fields.get(*place).is_some_and(|field| *field.name < *name)),
            };
            if let Some((place, field)) = field_at(at).filter(|(_, field)| field.name == name) {
                expected = at + 1;
                take(place, field, value.get());
            }
        }
    }

    /// Reads what [`Mapping::encode`] wrote. What the mapping no longer knows is left out.
    #[must_use]
    pub fn decode(&self, text: &str) -> Values {
        let mut values = vec![Value::Empty; self.fields.len()];
        self.each_entry(text, |place, field, text| {
            if let Some(slot) = values.get_mut(place) {
                *slot = Value::from_json_text(field.kind, text).unwrap_or_default();
            }
        });
        Values(values)
    }

    /// The store's form of some fields' values, the empty ones as null.
    pub fn encode_some<'v>(&self, values: impl IntoIterator<Item = (usize, &'v Value)>) -> Json {
        let pairs = values.into_iter().filter_map(|(place, value)| Some((self.fields.get(place)?.name.clone(), value.to_json())));
        Json::Object(pairs.collect())
    }

    /// Reads what [`Mapping::encode_some`] wrote.
    #[must_use]
    pub fn decode_some(&self, json: &Json) -> Vec<(usize, Value)> {
        let Json::Object(pairs) = json else { return Vec::new() };
        let read = |(name, json): (&String, &Json)| {
            let (place, field) = self.field(name)?;
            Some((place, Value::from_json(field.kind, json)?))
        };
        let mut values: Vec<(usize, Value)> = pairs.iter().filter_map(read).collect();
        values.sort_unstable_by_key(|(place, _)| *place);
        values
    }

    /// The store's form of a base: by field name, one value where both sides had the same, else Operate's and Salesforce's in an
    /// array; without the fields that are empty on both sides.
    #[must_use]
    pub fn encode_base(&self, base: &Base) -> String {
        self.object(|place, text| {
            let Some(pair) = base.0.get(place).filter(|pair| !pair.operate.is_empty() || !pair.salesforce.is_empty()) else {
                return false;
            };
            if pair.operate == pair.salesforce {
                pair.operate.write_json(text);
            } else {
                text.push(b'[');
                pair.operate.write_json(text);
                text.push(b',');
                pair.salesforce.write_json(text);
                text.push(b']');
            }
            true
        })
    }

    /// The store's form of part of a base, as a merge patch for the whole of it.
    pub fn encode_base_patch<'v>(&self, pairs: impl IntoIterator<Item = (usize, PerSide<&'v Value>)>) -> Json {
        let entry = |(place, pair): (usize, PerSide<&'v Value>)| {
            let pair = PerSide { operate: pair.operate.clone(), salesforce: pair.salesforce.clone() };
            Some((self.fields.get(place)?.name.clone(), base_entry(&pair)))
        };
        Json::Object(pairs.into_iter().filter_map(entry).collect::<Map<_, _>>())
    }

    /// Reads what [`Mapping::encode_base`] wrote.
    #[must_use]
    pub fn decode_base(&self, text: &str) -> Base {
        let mut base = vec![PerSide::default(); self.fields.len()];
        self.each_entry(text, |place, field, text| {
            let value = |text: &str| Value::from_json_text(field.kind, text).unwrap_or_default();
            let Some(slot) = base.get_mut(place) else { return };
            let pair: Option<[&RawValue; 2]> = text.starts_with('[').then(|| serde_json::from_str(text).ok()).flatten();
            *slot = if let Some([operate, salesforce]) = pair {
                PerSide { operate: value(operate.get()), salesforce: value(salesforce.get()) }
            } else {
                let both = value(text);
                PerSide { operate: both.clone(), salesforce: both }
            };
        });
        Base(base)
    }
}

/// The entries of a JSON object, each value as a text.
struct Entries<'t>(Vec<(Cow<'t, str>, &'t RawValue)>);

impl<'t> Deserialize<'t> for Entries<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor).map(Self)
    }
}

struct EntriesVisitor;

impl<'t> Visitor<'t> for EntriesVisitor {
    type Value = Vec<(Cow<'t, str>, &'t RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            entries.push((name, map.next_value()?));
        }
        Ok(entries)
    }
}

/// A name, which is copied only where it has escapes.
#[derive(Deserialize)]
struct Name<'t>(#[serde(borrow)] Cow<'t, str>);

fn base_entry(pair: &PerSide<Value>) -> Json {
    if pair.operate == pair.salesforce {
        pair.operate.to_json()
    } else {
        Json::Array(vec![pair.operate.to_json(), pair.salesforce.to_json()])
    }
}
