//! The mapping: which field of one side is which field of the other, and the lens through which each is read and written.
//!
//! Pure: no runtime, no HTTP, no SQL. A lens has two laws, both property-tested: writing what was just read changes nothing, and
//! reading what was just written gives it back.

mod choices;
mod encoding;
pub mod expression;
mod field;
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

use crate::config::Config;
use crate::config::field::FieldConfig;
use crate::config::sync::ConflictRule;
use crate::lead::{PerSide, Side, Value};
use crate::side::NativeFields;

pub use choices::Choices;
pub use field::{Field, Policy};
pub use fit::{Described, Misfit, find, user_fields};
pub use former::Former;
pub use lens::{Lens, Unwritable};
pub use transform::Transforms;

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
    keys: Vec<(usize, String)>,
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
        let mut fields = fields.iter().map(|field| Field::build(field, conflict, time)).collect::<Result<Vec<_>, _>>()?;
        let read = PerSide::build(|side| native_names(&fields, side));
        for field in &mut fields {
            field.stands_among(&read);
        }
        let place = |name: &String| {
            fields.iter().position(|field| field.name == *name).ok_or_else(|| MappingError {
                field: name.clone(),
                reason: "is named in [sync].match and is no field of the mapping".to_owned(),
            })
        };
        let match_keys =
            match_keys.iter().map(|names| names.iter().map(place).collect()).collect::<Result<Vec<Vec<usize>>, _>>()?;
        Ok(Self { keys: encoding::keys(&fields), fields, match_keys, groups, part: part::Part::default(), fingerprint })
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
        native_names(&self.fields, side)
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
        let mut native = Vec::new();
        for (place, value) in values {
            let Some(field) = self.fields.get(place) else { continue };
            native.extend(field.write(side, value).map_err(|reason| FieldProblem { field: field.name.clone(), reason })?);
        }
        Ok(native.into_iter().collect())
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
}

fn native_names(fields: &[Field], side: Side) -> Vec<String> {
    let mut names: Vec<String> = fields.iter().flat_map(|field| field.native.get(side).clone()).collect();
    names.sort_unstable();
    names.dedup();
    names
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

/// How Operate writes a moment: in the workspace's zone, without an offset.
#[derive(Debug, Clone)]
pub struct OperateTime {
    /// The workspace's zone.
    pub zone: Tz,
    /// In chrono's notation.
    pub format: String,
}
