//! A changed mapping: what both sides had when they were last in step, in the words of the present one.
//!
//! The base was written under an earlier mapping. Where a field means something else now, the base is translated by the leads
//! themselves: a lead that had its base's value, and was not modified since, has it still, however that is read today.

use serde_json::Value as Json;

use super::{Base, Mapping, Values};
use crate::lead::{PerSide, Side};

/// A lead as it was under an earlier mapping.
#[derive(Debug, Clone, Copy)]
pub struct Former<'f> {
    /// What [`Mapping::described`] gave for that mapping.
    pub described: &'f Json,
    /// The lead's encoded values.
    pub fields: &'f Json,
    /// Whether the lead was not modified since.
    pub unmoved: bool,
}

impl Mapping {
    /// By the name of each field, all that its values depend on.
    #[must_use]
    pub fn described(&self) -> Json {
        Json::Object(self.fields.iter().map(|field| (field.name.clone(), field.described.clone().into())).collect())
    }

    /// Reads a base that was written under an earlier mapping of one or both leads. A field that was not mapped then was never in
    /// step.
    #[must_use]
    pub fn translate(&self, base: &str, former: PerSide<Option<Former<'_>>>, now: &PerSide<Values>) -> Base {
        let mut translated = self.decode_base(base);
        let base = serde_json::from_str(base).unwrap_or_default();
        for (place, (field, pair)) in self.fields.iter().zip(&mut translated.0).enumerate() {
            for side in Side::BOTH {
                let Some(former) = former.get(side) else { continue };
                match former.described.get(&field.name).and_then(Json::as_str) {
                    Some(described) if described == field.described => {}
                    Some(_) => {
                        let had = former.fields.get(&field.name).unwrap_or(&Json::Null);
                        if former.unmoved && had == encoded(&base, &field.name, side) {
                            *pair.get_mut(side) = now.get(side).0.get(place).cloned().unwrap_or_default();
                        }
                    }
                    None => *pair.get_mut(side) = crate::lead::Value::Empty,
                }
            }
        }
        translated
    }
}

/// A side's part of a base, as it is kept.
fn encoded<'b>(base: &'b Json, name: &str, side: Side) -> &'b Json {
    match base.get(name) {
        Some(Json::Array(pair)) => pair.get(usize::from(side == Side::Salesforce)).unwrap_or(&Json::Null),
        Some(both) => both,
        None => &Json::Null,
    }
}
