//! The store's form of values: JSON objects by field name.

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
        let mut text = Vec::with_capacity(values.0.len() * VALUE);
        text.push(b'{');
        for (place, key) in &self.keys {
            let Some(value) = values.0.get(*place).filter(|value| !value.is_empty()) else { continue };
            if text.len() > 1 {
                text.push(b',');
            }
            text.extend_from_slice(key.as_bytes());
            value.write_json(&mut text);
        }
        text.push(b'}');
        String::from_utf8(text).unwrap_or_default()
    }

    /// Reads what [`Mapping::encode`] wrote. What the mapping no longer knows is left out.
    #[must_use]
    pub fn decode(&self, json: &Json) -> Values {
        let read = |field: &Field| json.get(&field.name).and_then(|json| Value::from_json(field.kind, json)).unwrap_or_default();
        Values(self.fields.iter().map(read).collect())
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
    pub fn encode_base(&self, base: &Base) -> Json {
        let pairs = self.fields.iter().zip(&base.0).filter(|(_, pair)| !pair.operate.is_empty() || !pair.salesforce.is_empty());
        Json::Object(pairs.map(|(field, pair)| (field.name.clone(), base_entry(pair))).collect())
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
    pub fn decode_base(&self, json: &Json) -> Base {
        let read = |field: &Field| {
            let value = |json: &Json| Value::from_json(field.kind, json).unwrap_or_default();
            match json.get(&field.name) {
                None => PerSide::default(),
                Some(Json::Array(pair)) => PerSide {
                    operate: pair.first().map(value).unwrap_or_default(),
                    salesforce: pair.get(1).map(value).unwrap_or_default(),
                },
                Some(both) => PerSide { operate: value(both), salesforce: value(both) },
            }
        };
        Base(self.fields.iter().map(read).collect())
    }
}

fn base_entry(pair: &PerSide<Value>) -> Json {
    if pair.operate == pair.salesforce {
        pair.operate.to_json()
    } else {
        Json::Array(vec![pair.operate.to_json(), pair.salesforce.to_json()])
    }
}
