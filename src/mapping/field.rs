//! One mapped field: what it is, and how its value is read and written on a side.

use std::iter::repeat_n;
use std::sync::Arc;

use serde_json::Value as Json;

use super::expression::Expression;
use super::parts;
use super::{Choices, FieldProblem, Lens, MappingError, OperateTime, Transforms};
use crate::config::field::{Direction, EmptyRule, FieldConfig, UnknownRule};
use crate::config::parts::Parts;
use crate::config::sync::ConflictRule;
use crate::lead::{Kind, PerSide, Side, Value, is_unresolved};
use crate::side::NativeFields;

/// A mapped field.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name in the store and in messages.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// Both systems' names of it: on a side, one field or several that are read as one text.
    pub native: PerSide<Vec<String>>,
    /// Where each of those stands among all that are read on its side.
    places: PerSide<Vec<usize>>,
    /// What merging needs to know.
    pub policy: Policy,
    /// What a create gives on a side where the other side is empty.
    pub default: PerSide<Value>,
    /// The mappings of whose leads it is a field; empty: of all leads.
    pub(super) only_in: Vec<String>,
    /// Whether clients put names in the place of ids.
    is_lookup: bool,
    /// How several native fields are one text; `None` where there is one on each side.
    parts: Option<Parts>,
    /// What gives its value on the side that it comes from.
    expression: Option<(Side, Expression)>,
    /// All that its values depend on.
    pub(super) described: String,
    lens: Lens,
}

/// How a field merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Which way values go.
    pub direction: Direction,
    /// What decides a conflict.
    pub rule: ConflictRule,
    /// Whether an empty value overwrites.
    pub empty: EmptyRule,
    /// Whether a value that cannot be read parks the lead (or else each side keeps its own).
    pub unknown_parks: bool,
}

impl Policy {
    /// Whether values may be written to this side.
    #[must_use]
    pub const fn writes(self, side: Side) -> bool {
        match self.direction {
            Direction::Both => true,
            Direction::ToSalesforce => matches!(side, Side::Salesforce),
            Direction::ToOperate => matches!(side, Side::Operate),
        }
    }
}

impl Field {
    pub(super) fn build(config: &FieldConfig, conflict: ConflictRule, time: &OperateTime) -> Result<Self, MappingError> {
        let error = |reason: String| MappingError { field: config.name.clone(), reason };
        let choices = Choices::build(&config.values, config.direction, &config.unknown).map_err(error)?;
        let several = Side::BOTH.iter().any(|side| config.native.get(*side).len() > 1);
        if let Some(transform) = config.transforms.iter().find(|each| each.is_format() && each.kind() != config.kind) {
            return Err(error(format!("the transform {} does not go with type {}", transform.name(), config.kind.as_str())));
        }
        let mut lens = Lens::new(config.kind, choices, time.clone());
        if !config.transforms.is_empty() {
            lens = lens.with_transforms(Transforms::new(&config.transforms, config.direction, time.zone));
        }
        let mut default = PerSide::<Value>::default();
        for side in Side::BOTH {
            if let Some(text) = config.default.get(side) {
                let value = lens.get(side, &Json::String(text.clone()));
                if let Value::Unknown(raw) = value {
                    return Err(error(format!("default for {}: {raw:?} is not {}", side.title(), lens.expected())));
                }
                *default.get_mut(side) = value;
            }
        }
        Ok(Self {
            name: config.name.clone(),
            kind: config.kind,
            native: config.native.clone(),
            places: PerSide::default(),
            parts: (several && config.expression.is_none()).then(|| config.parts.clone()),
            policy: Policy {
                direction: config.direction,
                rule: config.conflict.unwrap_or(conflict),
                empty: config.empty,
                unknown_parks: config.unknown != UnknownRule::Keep,
            },
            default,
            expression: expression(config).map_err(error)?,
            described: described(config, time),
            only_in: config.only_in.clone(),
            is_lookup: config.lookup.is_some(),
            lens,
        })
    }

    /// Learns where its native fields stand among all that are read, in order.
    pub(super) fn stands_among(&mut self, read: &PerSide<Vec<String>>) {
        let place = |side: Side, name: &String| read.get(side).binary_search(name).unwrap_or_default();
        self.places = PerSide::build(|side| self.native.get(side).iter().map(|name| place(side, name)).collect());
    }

    /// A side's value.
    pub(super) fn read(&self, side: Side, native: &NativeFields) -> Value {
        let names = self.native.get(side);
        let mut values = names.iter().zip(self.places.get(side)).map(|(name, place)| native.get_at(*place, name));
        if names.is_empty() {
            return Value::Empty;
        }
        if let Some((_, expression)) = self.expression.as_ref().filter(|(from, _)| *from == side) {
            let variables = names.iter().zip(values).map(|(name, value)| (name.clone(), trimmed(value))).collect();
            // What went wrong stands where a value that cannot be read stands, and the lead waits.
            return expression.evaluate(&variables).map_or_else(Value::Unknown, |text| self.lens.get(side, &Json::String(text)));
        }
        let Some(parts) = &self.parts else {
            return self.lens.get(side, values.next().flatten().unwrap_or(&Json::Null));
        };
        let texts: Vec<Value> = values.map(|value| self.lens.get(side, value.unwrap_or(&Json::Null))).collect();
        if let Some(unknown) = texts.iter().find(|text| matches!(text, Value::Unknown(_))) {
            return unknown.clone();
        }
        let texts = texts.iter().map(|text| if let Value::Text(text) = text { text.as_str() } else { "" });
        let text = parts::join(parts, texts);
        if text.is_empty() { Value::Empty } else { Value::Text(text) }
    }

    /// The native fields that hold a value on a side. An error says why they cannot.
    pub(super) fn write(&self, side: Side, value: &Value) -> Result<Vec<(Arc<str>, Json)>, String> {
        let native = self.native.get(side);
        let names = native.iter().map(|name| Arc::from(name.as_str()));
        let put = |value: &Value| self.lens.put(side, value).map_err(|problem| problem.to_string());
        let (Some(parts), Value::Text(text)) = (&self.parts, value) else {
            return Ok(names.zip(repeat_n(put(value)?, native.len())).collect());
        };
        let texts = parts::split(parts, text, native.len())?;
        let part = |text: &str| put(&if text.is_empty() { Value::Empty } else { Value::Text(text.to_owned()) });
        names.zip(&texts).map(|(name, text)| Ok((name, part(text)?))).collect()
    }

    /// What people know it by on a side: one name or several.
    #[must_use]
    pub fn native_name(&self, side: Side) -> String {
        self.native.get(side).join(" and ")
    }

    /// Says that a side's value cannot be read.
    #[must_use]
    pub fn unreadable(&self, side: Side, raw: &str) -> FieldProblem {
        let (title, native) = (side.title(), self.native_name(side));
        let told = self.is_lookup && is_unresolved(raw);
        let said = if told { raw.to_owned() } else { format!("{raw:?}, which is not {}", self.lens.expected()) };
        FieldProblem { field: self.name.clone(), reason: format!("{title}'s {native} is {said}") }
    }

    /// Whether clients put names in the place of ids.
    #[must_use]
    pub const fn is_lookup(&self) -> bool {
        self.is_lookup
    }

    /// The lens of this field.
    #[must_use]
    pub const fn lens(&self) -> &Lens {
        &self.lens
    }
}

/// A native value for an expression: white space is empty there too.
fn trimmed(native: Option<&Json>) -> Json {
    match native {
        Some(Json::String(text)) => Json::from(text.trim()),
        Some(other) => other.clone(),
        None => Json::Null,
    }
}

/// What gives the field's value, and on which side.
fn expression(config: &FieldConfig) -> Result<Option<(Side, Expression)>, String> {
    let Some(source) = &config.expression else { return Ok(None) };
    let from = if config.direction == Direction::ToOperate { Side::Salesforce } else { Side::Operate };
    let expression = Expression::compile(source)?;
    let names = config.native.get(from);
    if let Some(unknown) = expression.variables().iter().find(|name| !names.contains(name)) {
        return Err(format!("the expression names {unknown}, which is not among the field's {from} names: {}", names.join(", ")));
    }
    Ok(Some((from, expression)))
}

/// What a field's neutral values depend on, as a text.
fn described(config: &FieldConfig, time: &OperateTime) -> String {
    let FieldConfig { native, parts, kind, values, lookup, unknown, direction, transforms, expression, .. } = config;
    let zone = if *kind == Kind::Instant { format!(" {time:?}") } else { String::new() };
    let FieldConfig { default: _, conflict: _, empty: _, group: _, kind_is_given: _, name: _, .. } = config;
    format!("{native:?} {parts:?} {kind:?} {values:?} {lookup:?} {unknown:?} {direction:?} {transforms:?} {expression:?}{zone}")
}
