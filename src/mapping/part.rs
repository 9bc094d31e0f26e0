//! Which leads take part, and which fields in which leads.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value as Json;

use super::expression::Expression;
use super::{Mapping, MappingError, Values};
use crate::config::part::MappingConfig;
use crate::lead::{PerSide, Side, Value};

/// The conditions of a mapping.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    /// True of the leads that take part; `None`: all.
    filter: Option<Expression>,
    /// The mappings with fields of their own, in the order in which they are tried.
    variants: Vec<(String, Expression)>,
}

impl Mapping {
    /// Limits the leads that take part, and fields to some of them.
    pub fn limited(mut self, filter: Option<&str>, mappings: &[MappingConfig]) -> Result<Self, MappingError> {
        let compile = |name: &str, source: &str| {
            Expression::compile(source).map_err(|reason| MappingError { field: name.to_owned(), reason })
        };
        self.part.filter = filter.map(|filter| compile("[sync].filter", filter)).transpose()?;
        for MappingConfig { name, when } in mappings {
            self.part.variants.push((name.clone(), compile(name, when)?));
        }
        let _ = write!(self.fingerprint, "\n{filter:?} {mappings:?}");
        Ok(self)
    }

    /// Whether a lead with these values takes part. Where that cannot be told, it does not.
    #[must_use]
    pub fn takes_part(&self, values: &Values) -> bool {
        self.part.filter.as_ref().is_none_or(|filter| filter.test(&self.variables(values)).unwrap_or(false))
    }

    /// Sets aside what has no part in this lead: the fields of mappings other than the first whose condition is true.
    pub fn set_aside(&self, values: &mut Values) {
        if self.has_variants() {
            let applies = self.variant(values);
            self.set_aside_but(applies, values);
        }
    }

    /// Sets aside what has no part in a pair of leads that will have these values in common.
    pub fn set_aside_both(&self, both: &mut PerSide<Values>, common: &Values) {
        let applies = self.variant(common);
        for side in Side::BOTH {
            self.set_aside_but(applies, both.get_mut(side));
        }
    }

    /// Whether some fields are in some leads only.
    #[must_use]
    pub const fn has_variants(&self) -> bool {
        !self.part.variants.is_empty()
    }

    /// The mapping that applies to a lead.
    fn variant(&self, values: &Values) -> Option<&str> {
        let variables = self.variables(values);
        let applies = |(_, when): &&(String, Expression)| when.test(&variables).unwrap_or(false);
        self.part.variants.iter().find(applies).map(|(name, _)| name.as_str())
    }

    fn set_aside_but(&self, applies: Option<&str>, values: &mut Values) {
        for (field, value) in self.fields.iter().zip(&mut values.0) {
            if !field.only_in.is_empty() && !applies.is_some_and(|name| field.only_in.iter().any(|other| other == name)) {
                *value = Value::Aside;
            }
        }
    }

    /// The values of the fields that are in every lead, by name.
    fn variables(&self, values: &Values) -> BTreeMap<String, Json> {
        let common = self.fields.iter().zip(&values.0).filter(|(field, _)| field.only_in.is_empty());
        common
            .map(|(field, value)| {
                let json = if let Value::Unknown(raw) = value { Json::from(raw.as_str()) } else { value.to_json() };
                (field.name.clone(), json)
            })
            .collect()
    }
}
