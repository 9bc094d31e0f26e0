//! The mapping: which field of one side is which field of the other, and the lens through which each is read and written.
//!
//! Pure: no runtime, no HTTP, no SQL. A lens has two laws, both property-tested: writing what was just read changes nothing, and
//! reading what was just written gives it back.

mod choices;
pub mod expression;
mod fit;
mod former;
pub(crate) mod fuzz;
mod lens;
mod part;
mod parts;
pub(crate) mod transform;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono_tz::Tz;
use serde_json::{Map, Value as Json};

use crate::config::Config;
use crate::config::field::{Direction, EmptyRule, FieldConfig, UnknownRule};
use crate::config::parts::Parts;
use crate::config::sync::ConflictRule;
use crate::lead::{Kind, PerSide, Side, Value, is_unresolved};
use crate::side::NativeFields;

use expression::Expression;

pub use choices::Choices;
pub use fit::{Described, Misfit, find, user_fields};
pub use former::Former;
pub use lens::{Lens, Unwritable};
pub use transform::Transforms;

/// A mapped field.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name in the store and in messages.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// Both systems' names of it: on a side, one field or several that are read as one text.
    pub native: PerSide<Vec<String>>,
    /// What merging needs to know.
    pub policy: Policy,
    /// What a create gives on a side where the other side is empty.
    pub default: PerSide<Value>,
    /// The mappings of whose leads it is a field; empty: of all leads.
    only_in: Vec<String>,
    /// Whether clients put names in the place of ids.
    is_lookup: bool,
    /// How several native fields are one text; `None` where there is one on each side.
    parts: Option<Parts>,
    /// What gives its value on the side that it comes from.
    expression: Option<(Side, Expression)>,
    /// All that its values depend on.
    described: String,
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

/// The values of one lead, in the order of the mapping's fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values(pub Vec<Value>);

/// The values that both sides had when a link was last in step, in the order of the mapping's fields. A field that never was in
/// step counts as empty on both sides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Base(pub Vec<PerSide<Value>>);

/// The configured fields do not make a mapping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {field}: {reason}")]
pub struct MappingError {
    /// The field's name.
    pub field: String,
    /// What is wrong and what to do.
    pub reason: String,
}

/// A value cannot be given to a side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct FieldProblem {
    /// The field's name.
    pub field: String,
    /// Why, for the people who look after the lead.
    pub reason: String,
}

/// All mapped fields.
#[derive(Debug, Clone)]
pub struct Mapping {
    fields: Vec<Field>,
    match_keys: Vec<Vec<usize>>,
    groups: Vec<Vec<usize>>,
    part: part::Part,
    fingerprint: String,
}

impl Mapping {
    /// Builds the mapping that a checked configuration describes, whatever the systems say.
    pub fn build(config: &Config) -> Result<Self, MappingError> {
        Self::fitted(config, &Described::default()).map(|(mapping, _)| mapping)
    }

    /// Builds a mapping of these fields. `match_keys` are names of fields, `conflict` is the rule for fields without their own.
    pub fn new(
        fields: &[FieldConfig],
        match_keys: &[Vec<String>],
        conflict: ConflictRule,
        time: &OperateTime,
    ) -> Result<Self, MappingError> {
        let mut fingerprint = format!("{match_keys:?} {}", time.zone);
        for field in fields {
            let _ = write!(fingerprint, "\n{field:?}");
        }
        let groups = groups(fields);
        let fields = fields.iter().map(|field| Field::build(field, conflict, time)).collect::<Result<Vec<_>, _>>()?;
        let place = |name: &String| {
            fields.iter().position(|field| field.name == *name).ok_or_else(|| MappingError {
                field: name.clone(),
                reason: "is named in [sync].match and is no field of the mapping".to_owned(),
            })
        };
        let match_keys =
            match_keys.iter().map(|names| names.iter().map(place).collect()).collect::<Result<Vec<Vec<usize>>, _>>()?;
        Ok(Self { fields, match_keys, groups, part: part::Part::default(), fingerprint })
    }

    /// The fields, in the configuration's order.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The field of this name, and its place.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<(usize, &Field)> {
        self.fields.iter().enumerate().find(|(_, field)| field.name == name)
    }

    /// The places of fields that merge as one, group by group.
    #[must_use]
    pub fn groups(&self) -> &[Vec<usize>] {
        &self.groups
    }

    /// A text that changes whenever stored observations have to be read anew.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The native names to read on a side.
    #[must_use]
    pub fn native_names(&self, side: Side) -> Vec<String> {
        let mut names: Vec<String> = self.fields.iter().flat_map(|field| field.native.get(side).clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Reads a lead.
    #[must_use]
    pub fn read(&self, side: Side, native: &NativeFields) -> Values {
        Values(self.fields.iter().map(|field| field.read(side, native)).collect())
    }

    /// The native fields that set these values.
    pub fn write<'v>(
        &self,
        side: Side,
        values: impl IntoIterator<Item = (usize, &'v Value)>,
    ) -> Result<NativeFields, FieldProblem> {
        let mut native = NativeFields::new();
        for (place, value) in values {
            let Some(field) = self.fields.get(place) else { continue };
            native.extend(field.write(side, value).map_err(|reason| FieldProblem { field: field.name.clone(), reason })?);
        }
        Ok(native)
    }

    /// What a new lead on side `to` is given: the other side's values and, where those are empty or stay on their side, the
    /// defaults.
    pub fn create(&self, to: Side, source: &Values) -> Result<Vec<(usize, Value)>, FieldProblem> {
        let mut given = Vec::new();
        for (place, (field, value)) in self.fields.iter().zip(&source.0).enumerate() {
            if !field.policy.writes(to) {
                continue;
            }
            let value = match value {
                Value::Empty => field.default.get(to),
                Value::Aside => continue,
                Value::Unknown(_) if !field.policy.unknown_parks => field.default.get(to),
                Value::Unknown(raw) => return Err(field.unreadable(to.other(), raw)),
                value => value,
            };
            if !value.is_empty() {
                given.push((place, value.clone()));
            }
        }
        Ok(given)
    }

    /// The keys by which an unlinked lead may be found, one per rule of `[sync].match`; `None` where a part is empty.
    #[must_use]
    pub fn match_keys(&self, values: &Values) -> Vec<Option<String>> {
        let key = |places: &Vec<usize>| {
            let mut key = String::new();
            for place in places {
                match values.0.get(*place) {
                    None | Some(Value::Empty | Value::Unknown(_) | Value::Aside) => return None,
                    Some(value) => {
                        for word in value.to_string().split_whitespace() {
                            key.push_str(&word.to_lowercase());
                            key.push(' ');
                        }
                        key.push('\u{1f}');
                    }
                }
            }
            Some(key)
        };
        self.match_keys.iter().map(key).collect()
    }

    /// How many rules `[sync].match` has.
    #[must_use]
    pub const fn match_rules(&self) -> usize {
        self.match_keys.len()
    }

    /// Whether these values, given to a new lead on a side, fill all native fields that it must have.
    pub fn require(&self, side: Side, native: &[String], given: &[(usize, Value)]) -> Result<(), FieldProblem> {
        for name in native {
            let fills = |field: &Field| field.native.get(side).contains(name) && field.policy.writes(side);
            let filled = given.iter().filter_map(|(place, _)| self.fields.get(*place)).any(fills);
            if filled {
                continue;
            }
            let title = side.title();
            let field = self.fields.iter().find(|field| fills(field));
            let reason = field.map_or_else(
                || format!("{title} makes no lead without it, and no field of the mapping gives it: map it, with a default"),
                |field| {
                    let other = field.native_name(side.other());
                    format!("{title} makes no lead without it: fill in {other}, or give the field a default = {{ {side} = … }}")
                },
            );
            return Err(FieldProblem { field: field.map_or(name, |field| &field.name).clone(), reason });
        }
        Ok(())
    }

    /// Whether none of these values would clear a native field that every lead on a side must have.
    pub fn keep_required<'v>(
        &self,
        side: Side,
        native: &[String],
        mut given: impl Iterator<Item = (usize, &'v Value)>,
    ) -> Result<(), FieldProblem> {
        let cleared = given.find_map(|(place, value)| {
            let field = self.fields.get(place)?;
            (value.is_empty() && field.native.get(side).iter().any(|name| native.contains(name))).then_some(field)
        });
        cleared.map_or(Ok(()), |field| {
            let (title, other) = (side.title(), field.native_name(side.other()));
            let reason = format!("{title} has no lead without it, and {other} was cleared: fill it in again");
            Err(FieldProblem { field: field.name.clone(), reason })
        })
    }

    /// How rule `rule` of `[sync].match` is written, for messages.
    #[must_use]
    pub fn match_rule(&self, rule: usize) -> String {
        let names = self.match_keys.get(rule).into_iter().flatten();
        names.filter_map(|place| self.fields.get(*place)).map(|field| field.name.as_str()).collect::<Vec<_>>().join(" and ")
    }

    /// The store's form of a lead's values: a JSON object by field name, without the empty ones.
    #[must_use]
    pub fn encode(&self, values: &Values) -> Json {
        let pairs = self.fields.iter().zip(&values.0).filter(|(_, value)| !value.is_empty());
        Json::Object(pairs.map(|(field, value)| (field.name.clone(), value.to_json())).collect())
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

fn groups(fields: &[FieldConfig]) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, field) in fields.iter().enumerate() {
        if let Some(group) = &field.group {
            groups.entry(group).or_default().push(place);
        }
    }
    groups.into_values().collect()
}

fn base_entry(pair: &PerSide<Value>) -> Json {
    if pair.operate == pair.salesforce {
        pair.operate.to_json()
    } else {
        Json::Array(vec![pair.operate.to_json(), pair.salesforce.to_json()])
    }
}

impl Field {
    fn build(config: &FieldConfig, conflict: ConflictRule, time: &OperateTime) -> Result<Self, MappingError> {
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

    /// A side's value.
    fn read(&self, side: Side, native: &NativeFields) -> Value {
        let names = self.native.get(side);
        if names.is_empty() {
            return Value::Empty;
        }
        if let Some((_, expression)) = self.expression.as_ref().filter(|(from, _)| *from == side) {
            let variables = names.iter().map(|name| (name.clone(), trimmed(native.get(name)))).collect();
            // What went wrong stands where a value that cannot be read stands, and the lead waits.
            return expression.evaluate(&variables).map_or_else(Value::Unknown, |text| self.lens.get(side, &Json::String(text)));
        }
        let Some(parts) = &self.parts else {
            return self.lens.get(side, names.first().and_then(|name| native.get(name)).unwrap_or(&Json::Null));
        };
        let texts: Vec<Value> = names.iter().map(|name| self.lens.get(side, native.get(name).unwrap_or(&Json::Null))).collect();
        if let Some(unknown) = texts.iter().find(|text| matches!(text, Value::Unknown(_))) {
            return unknown.clone();
        }
        let texts = texts.iter().map(|text| if let Value::Text(text) = text { text.as_str() } else { "" });
        let text = parts::join(parts, texts);
        if text.is_empty() { Value::Empty } else { Value::Text(text) }
    }

    /// The native fields that hold a value on a side. An error says why they cannot.
    fn write(&self, side: Side, value: &Value) -> Result<Vec<(String, Json)>, String> {
        let names = self.native.get(side);
        let put = |value: &Value| self.lens.put(side, value).map_err(|problem| problem.to_string());
        let (Some(parts), Value::Text(text)) = (&self.parts, value) else {
            let json = put(value)?;
            return Ok(names.iter().map(|name| (name.clone(), json.clone())).collect());
        };
        let texts = parts::split(parts, text, names.len())?;
        let part = |text: &str| put(&if text.is_empty() { Value::Empty } else { Value::Text(text.to_owned()) });
        names.iter().zip(&texts).map(|(name, text)| Ok((name.clone(), part(text)?))).collect()
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

/// How Operate writes a moment: in the workspace's zone, without an offset.
#[derive(Debug, Clone)]
pub struct OperateTime {
    /// The workspace's zone.
    pub zone: Tz,
    /// In chrono's notation.
    pub format: String,
}
