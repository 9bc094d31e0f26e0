//! Every lead, read through the mapping and written to nowhere: what would not be understood, not fit or not be taken.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use super::twins::Twins;
use crate::config::Config;
use crate::daemon::Systems;
use crate::lead::{Kind, PerSide, Side, Value};
use crate::mapping::{Described, Field, Mapping, find, user_fields};
use crate::side::{NativeField, Record, SideClient, SideError};
use crate::survey;

/// So many leads are named.
const NAMED: usize = 3;
/// So many different values are counted one by one, of so many characters at most.
const DIFFERENT: usize = 200;
const LONG: usize = 255;

/// Leads of which something is wrong: how many, and the first few.
#[derive(Debug, Clone, Default)]
pub(super) struct Named {
    pub(super) count: u64,
    pub(super) ids: Vec<String>,
}

impl Named {
    pub(super) fn add(&mut self, id: &str) {
        self.count += 1;
        if self.ids.len() < NAMED {
            self.ids.push(id.to_owned());
        }
    }

    /// `such as 1001, 1002`.
    pub(super) fn such_as(&self) -> String {
        let more = if self.count > u64::try_from(self.ids.len()).unwrap_or_default() { "such as " } else { "" };
        format!("{more}{}", self.ids.join(", "))
    }
}

/// Values with counts, as far as they are few.
#[derive(Debug, Clone, Default)]
pub(super) struct Counted {
    pub(super) leads: u64,
    pub(super) values: BTreeMap<String, u64>,
    /// Whether some were left out.
    pub(super) more: bool,
}

impl Counted {
    fn add(&mut self, value: &str) {
        self.leads += 1;
        if let Some(count) = self.values.get_mut(value) {
            *count += 1;
        } else if self.values.len() < DIFFERENT && value.chars().count() <= LONG {
            self.values.insert(value.to_owned(), 1);
        } else {
            self.more = true;
        }
    }
}

/// What a mapped field holds on one side, as far as it goes to the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Held {
    /// Leads that have a value.
    pub(super) filled: u64,
    /// Those whose value cannot be read.
    pub(super) unreadable: Named,
    /// Of a field with a value map, their values.
    pub(super) unlisted: Counted,
    /// Those whose value is read, and has no form on the other side.
    pub(super) unwritable: Named,
    /// By native field of the other side: the longest value that it would be given, and the leads whose value is too long.
    pub(super) too_long: BTreeMap<String, (usize, Named)>,
    /// By native field of the other side: what its picklist would refuse.
    pub(super) refused: BTreeMap<String, Counted>,
}

/// What the leads of one side are like.
#[derive(Debug, Clone, Default)]
pub(super) struct SideRead {
    pub(super) read: u64,
    /// By place in the mapping.
    pub(super) fields: Vec<Held>,
    /// By native field that a new lead on the other side must have: the leads that give it none.
    pub(super) lacking: BTreeMap<String, Named>,
    pub(super) twins: Twins,
    /// The lead that was modified last.
    pub(super) newest: Option<(DateTime<Utc>, String)>,
}

/// What was read of both.
pub(super) struct Read {
    pub(super) mapping: Mapping,
    pub(super) sides: PerSide<SideRead>,
}

/// What is asked of every lead.
struct Look<'l> {
    mapping: &'l Mapping,
    described: &'l [NativeField],
    required: PerSide<Vec<String>>,
    hashing: RandomState,
    /// Hashes of Operate ids that Salesforce leads have: these two are each other's already.
    linked: HashSet<u64>,
}

/// Reads both sides, or about so many of each. The error says whose leads could not be read.
pub(super) async fn read(
    config: &Config,
    systems: &Systems,
    described: &[NativeField],
    sample: Option<usize>,
) -> Result<Read, (Side, SideError)> {
    let all: Described = PerSide { operate: None, salesforce: Some(described.to_vec()) };
    let fitted = Mapping::fitted(config, &all);
    let (mapping, _) = fitted.map_err(|error| {
        (Side::Salesforce, SideError::Setup { side: Side::Salesforce, reason: format!("the mapping is wrong: {error}") })
    })?;
    systems.salesforce.map(mapping.native_names(Side::Salesforce), user_fields(config, Side::Salesforce, &all));
    let required = described.iter().filter(|field| field.required).map(|field| field.name.clone()).collect();
    let mut look = Look {
        mapping: &mapping,
        described,
        required: PerSide { operate: config.operate.required_fields.clone(), salesforce: required },
        hashing: RandomState::new(),
        linked: HashSet::new(),
    };
    let mut sides = PerSide::<SideRead>::default();
    // Salesforce first: its leads tell which ones of Operate have their other half.
    for side in [Side::Salesforce, Side::Operate] {
        let newest = match (side, sample) {
            (_, None) => Ok(None),
            (Side::Operate, Some(count)) => systems.operate.since_newest(count).await,
            (Side::Salesforce, Some(count)) => systems.salesforce.since_newest(count).await,
        };
        let since = newest.map_err(|error| (side, error))?;
        let client: &dyn SideClient = match side {
            Side::Operate => systems.operate.as_ref(),
            Side::Salesforce => systems.salesforce.as_ref(),
        };
        let held = sides.get_mut(side);
        held.fields = vec![Held::default(); mapping.fields().len()];
        survey::read(client, since, |record| look.take(side, record, held)).await.map_err(|error| (side, error))?;
    }
    Ok(Read { mapping, sides })
}

impl Look<'_> {
    fn take(&mut self, side: Side, record: &Record, held: &mut SideRead) {
        held.read += 1;
        held.newest = held.newest.take().max(Some((record.modified_at, record.id.clone())));
        let to = side.other();
        let values = self.mapping.read(side, &record.fields);
        for (place, (field, value)) in self.mapping.fields().iter().zip(&values.0).enumerate() {
            if let Some(held) = held.fields.get_mut(place).filter(|_| field.policy.writes(to)) {
                self.field(side, record, (place, field), value, held);
            }
        }
        if side == Side::Salesforce {
            self.linked.extend(record.external_id.iter().map(|id| self.hashing.hash_one(id)));
        }
        let is_linked =
            record.external_id.is_some() || (side == Side::Operate && self.linked.contains(&self.hashing.hash_one(&record.id)));
        if is_linked || record.converted {
            return;
        }
        if let Ok(given) = self.mapping.create(to, &values) {
            for name in self.required.get(to) {
                if self.mapping.require(to, std::slice::from_ref(name), &given).is_err() {
                    held.lacking.entry(name.clone()).or_default().add(&record.id);
                }
            }
        }
        held.twins.take(&self.mapping.match_keys(&values), &record.id, &self.hashing);
    }

    fn field(&self, side: Side, record: &Record, (place, field): (usize, &Field), value: &Value, held: &mut Held) {
        if value.is_empty() {
            return;
        }
        held.filled += 1;
        if let Value::Unknown(raw) = value {
            held.unreadable.add(&record.id);
            if field.kind == Kind::Choice {
                held.unlisted.add(raw);
            }
            return;
        }
        let Ok(native) = self.mapping.write(side.other(), [(place, value)]) else {
            held.unwritable.add(&record.id);
            return;
        };
        if side == Side::Operate {
            for (name, json) in &native {
                self.fit(name, json, &record.id, held);
            }
        }
    }

    /// Whether Salesforce would take a value. Operate does not say what it takes.
    fn fit(&self, name: &str, json: &Json, id: &str, held: &mut Held) {
        let (Some(native), Some(text)) = (find(self.described, name), json.as_str()) else { return };
        if native.kind.is_none() && native.length > 0 {
            let length = text.chars().count();
            let (longest, too_long) = held.too_long.entry(native.name.clone()).or_default();
            *longest = length.max(*longest);
            if length > native.length && native.native_type != "reference" {
                too_long.add(id);
            }
        }
        if native.restricted && !native.values.is_empty() && !native.values.iter().any(|known| known == text) {
            held.refused.entry(native.name.clone()).or_default().add(text);
        }
    }
}
