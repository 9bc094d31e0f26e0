//! A model of both systems, of the people who work in them and of what goes wrong between them and us.
//!
//! Time stands still but for what a request or a step takes. All chance comes from the step that is being played, so that a history
//! can be shortened step by step and still runs the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use leadsync::lead::{PerSide, Side};
use leadsync::side::{Action, NativeFields, Outcome, Record, Refusal, Write};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value as Json, json};

/// A person behind leads: everything that people and we write about that person can be told from its values.
pub type Soul = usize;

/// A field of which every value that a person writes is a new one.
pub const TRACED: [&str; 2] = ["phone", "title"];

pub struct Lead {
    pub record: Record,
    pub soul: Soul,
    pub by_us: bool,
}

/// A value that a person wrote.
pub struct Edit {
    pub side: Side,
    pub soul: Soul,
    pub field: &'static str,
    pub value: String,
}

/// A change that a slow transaction of somebody holds: not to be seen yet, and the row is locked.
struct Uncommitted {
    side: Side,
    id: String,
    field: String,
    value: Json,
    modified_at: DateTime<Utc>,
    visible_at: DateTime<Utc>,
}

/// What may go wrong during a step.
#[derive(Default)]
pub struct Trouble {
    /// How many of a hundred requests meet something.
    pub percent: u32,
    /// After this many more store commits and requests everything ends.
    pub crash_in: Option<u32>,
}

pub struct Model {
    pub now: DateTime<Utc>,
    pub rng: ChaCha8Rng,
    pub leads: PerSide<BTreeMap<String, Lead>>,
    pub edits: Vec<Edit>,
    pub trouble: Trouble,
    /// What the promises forbid and was seen all the same.
    pub broken: Vec<String>,
    /// Souls of which a lead was deleted or converted by a person.
    pub touched: BTreeSet<Soul>,
    /// Salesforce writes this field in capitals.
    pub shouts: bool,
    pub offsets: PerSide<TimeDelta>,
    pub down: PerSide<u32>,
    pub requests: PerSide<u64>,
    pub dead: bool,
    pub log: Vec<String>,
    pub trace: DefaultHasher,
    uncommitted: Vec<Uncommitted>,
    souls: Soul,
    values: u64,
    next: u64,
}

impl Model {
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut offset = || TimeDelta::milliseconds(rng.random_range(-90_000..90_000));
        let offsets = PerSide { operate: offset(), salesforce: offset() };
        let shouts = rng.random_bool(0.2);
        Self {
            now: "2026-03-01T09:00:00Z".parse().unwrap(),
            rng,
            leads: PerSide::default(),
            edits: Vec::new(),
            trouble: Trouble::default(),
            broken: Vec::new(),
            touched: BTreeSet::new(),
            shouts,
            offsets,
            down: PerSide::default(),
            requests: PerSide::default(),
            dead: false,
            log: Vec::new(),
            trace: DefaultHasher::new(),
            uncommitted: Vec::new(),
            souls: 0,
            values: 0,
            next: 1000,
        }
    }

    pub fn note(&mut self, what: &str) {
        let line = format!("{} {what}", self.now.format("%d %H:%M:%S%.3f"));
        line.hash(&mut self.trace);
        self.log.push(line);
    }

    pub fn trace_hash(&self) -> u64 {
        self.trace.finish()
    }

    /// A server's clock.
    pub fn server_now(&self, side: Side) -> DateTime<Utc> {
        self.now + *self.offsets.get(side)
    }

    fn second(&self, side: Side) -> DateTime<Utc> {
        self.server_now(side).duration_trunc(TimeDelta::seconds(1)).unwrap()
    }

    pub fn pass(&mut self, time: TimeDelta) {
        self.now += time;
        let now = self.now;
        let (due, rest) = std::mem::take(&mut self.uncommitted).into_iter().partition(|change| change.visible_at <= now);
        self.uncommitted = rest;
        let due: Vec<Uncommitted> = due;
        for change in due {
            if let Some(lead) = self.leads.get_mut(change.side).get_mut(&change.id).filter(|lead| !lead.record.deleted) {
                lead.record.fields.insert(native(change.side, &change.field), change.value);
                lead.record.modified_at = lead.record.modified_at.max(change.modified_at);
            }
        }
    }

    fn fresh(&mut self, soul: Soul, field: &str) -> String {
        self.values += 1;
        format!("{field} {soul}.{}", self.values)
    }

    fn insert(&mut self, side: Side, soul: Soul, by_us: bool, fields: NativeFields, external_id: Option<String>) -> String {
        self.next += 1;
        let id = if side == Side::Operate { format!("{}", self.next) } else { format!("00Q{:012}AAA", self.next) };
        let now = self.second(side);
        let record = Record { id: id.clone(), modified_at: now, created_at: Some(now), fields, external_id, ..Record::default() };
        self.leads.get_mut(side).insert(id.clone(), Lead { record, soul, by_us });
        id
    }

    /// Somebody makes a lead; now and then somebody else makes the same one on the other side.
    pub fn person_creates(&mut self) {
        self.souls += 1;
        let soul = self.souls;
        let side = self.any_side();
        let both = self.rng.random_bool(0.2);
        for side in [Some(side), both.then_some(side.other())].into_iter().flatten() {
            let mut fields = NativeFields::from([(native(side, "email"), json!(format!("s{soul}@example.com")))]);
            for field in TRACED {
                if self.rng.random_bool(0.7) {
                    let value = self.fresh(soul, field);
                    fields.insert(native(side, field), json!(value.clone()));
                    self.edits.push(Edit { side, soul, field, value });
                }
            }
            let id = self.insert(side, soul, false, fields, None);
            self.note(&format!("person creates {side} {id} soul {soul}"));
        }
    }

    pub fn any_side(&mut self) -> Side {
        if self.rng.random_bool(0.5) { Side::Operate } else { Side::Salesforce }
    }

    fn any_lead(&mut self, side: Side) -> Option<String> {
        let ids: Vec<&String> = self
            .leads
            .get(side)
            .iter()
            .filter(|(_, lead)| !(lead.record.deleted || lead.record.converted && side == Side::Salesforce))
            .map(|(id, _)| id)
            .collect();
        if ids.is_empty() { None } else { Some(ids[self.rng.random_range(0..ids.len())].clone()) }
    }

    fn is_locked(&self, side: Side, id: &str) -> bool {
        self.uncommitted.iter().any(|change| change.side == side && change.id == id)
    }

    /// Somebody edits a lead; now and then in a transaction that takes its time.
    pub fn person_edits(&mut self) {
        let side = self.any_side();
        let Some(id) = self.any_lead(side).filter(|id| !self.is_locked(side, id)) else { return };
        let soul = self.leads.get(side)[&id].soul;
        let (field, value) = if self.rng.random_bool(0.15) {
            let word = match (side, self.rng.random_bool(0.5)) {
                (Side::Operate, true) => "New",
                (Side::Operate, false) => "Working",
                (Side::Salesforce, true) => "Open",
                (Side::Salesforce, false) => "Contacted",
            };
            ("status", word.to_owned())
        } else {
            let field = TRACED[self.rng.random_range(0..TRACED.len())];
            let refused = self.rng.random_bool(0.04);
            let value = self.fresh(soul, field);
            (field, if refused { format!("refuse me {value}") } else { value })
        };
        self.note(&format!("person edits {side} {id} {field}={value}"));
        if let Some(field) = TRACED.into_iter().find(|traced| *traced == field) {
            self.edits.push(Edit { side, soul, field, value: value.clone() });
        }
        let modified_at = self.second(side);
        if self.rng.random_bool(0.1) {
            let visible_at = self.now + TimeDelta::seconds(self.rng.random_range(1..300));
            let (field, value) = (field.to_owned(), json!(value));
            self.uncommitted.push(Uncommitted { side, id, field, value, modified_at, visible_at });
            return;
        }
        let record = &mut self.leads.get_mut(side).get_mut(&id).unwrap().record;
        record.fields.insert(native(side, field), json!(value));
        record.modified_at = modified_at;
    }

    /// People mend what the other system refused.
    pub fn people_mend(&mut self) {
        self.pass(TimeDelta::minutes(10));
        for side in Side::BOTH {
            let ids: Vec<String> = self.leads.get(side).keys().cloned().collect();
            for id in ids {
                for field in TRACED {
                    let lead = &self.leads.get(side)[&id];
                    let soul = lead.soul;
                    if lead.record.deleted || !lead.record.fields.get(&native(side, field)).is_some_and(is_refused) {
                        continue;
                    }
                    let value = self.fresh(soul, field);
                    self.edits.push(Edit { side, soul, field, value: value.clone() });
                    self.note(&format!("person mends {side} {id} {field}={value}"));
                    let modified_at = self.second(side);
                    let record = &mut self.leads.get_mut(side).get_mut(&id).unwrap().record;
                    record.fields.insert(native(side, field), json!(value));
                    record.modified_at = modified_at;
                }
            }
        }
    }

    /// Somebody deletes a lead, brings one back, or converts one.
    pub fn person_removes(&mut self) {
        let side = self.any_side();
        let Some(id) = self.any_lead(side).filter(|id| !self.is_locked(side, id)) else { return };
        let now = self.second(side);
        let converts = side == Side::Salesforce && self.rng.random_bool(0.4);
        let soul = self.leads.get(side)[&id].soul;
        self.touched.insert(soul);
        self.note(&format!("person {} {side} {id}", if converts { "converts" } else { "deletes" }));
        if side == Side::Operate {
            self.leads.get_mut(side).remove(&id);
            return;
        }
        let record = &mut self.leads.get_mut(side).get_mut(&id).unwrap().record;
        record.modified_at = now;
        if converts { record.converted = true } else { record.deleted = true }
    }

    pub fn person_restores(&mut self) {
        let now = self.second(Side::Salesforce);
        let Some(lead) = self.leads.salesforce.values_mut().find(|lead| lead.record.deleted) else { return };
        lead.record.deleted = false;
        lead.record.modified_at = now;
        let id = lead.record.id.clone();
        self.note(&format!("person restores salesforce {id}"));
    }

    /// One write of ours.
    pub fn carry_out(&mut self, side: Side, write: &Write) -> Outcome {
        if let Action::Update { id, .. } | Action::Delete { id, .. } = &write.action
            && self.is_locked(side, id)
        {
            return Outcome::Retry(Refusal::new("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record"));
        }
        if write.fields.values().any(is_refused) {
            return Outcome::Refused(Refusal::new("FIELD_CUSTOM_VALIDATION_EXCEPTION", "this value is refused"));
        }
        let mut fields = write.fields.clone();
        if self.shouts
            && side == Side::Salesforce
            && let Some(Json::String(title)) = fields.get_mut("title__c")
        {
            *title = title.to_uppercase();
        }
        let external_id = write.external_id.clone().filter(|_| side == Side::Salesforce);
        match &write.action {
            Action::Create => self.create(side, fields, external_id),
            Action::Update { id, modified_at, unmoved } => {
                let now = self.second(side);
                let Some(lead) = self.leads.get(side).get(id) else {
                    return Outcome::Absent(Refusal::new("NOT_FOUND", "The requested resource does not exist"));
                };
                match &lead.record {
                    record if record.deleted => return Outcome::Gone,
                    record if record.converted && side == Side::Salesforce => return Outcome::Converted,
                    record => {
                        let moved = if side == Side::Salesforce { record.modified_at > *modified_at } else { !unmoved(record) };
                        if moved {
                            return Outcome::Moved(Some(Box::new(record.clone())));
                        }
                    }
                }
                let soul = lead.soul;
                self.check_origin(side, soul, &write.fields);
                let record = &mut self.leads.get_mut(side).get_mut(id).unwrap().record;
                record.fields.extend(fields);
                record.external_id = external_id.or(record.external_id.take());
                record.modified_at = now;
                Outcome::Done { id: id.clone() }
            }
            Action::Delete { id, unmoved } => self.delete(side, id, &**unmoved),
        }
    }

    fn create(&mut self, side: Side, fields: NativeFields, external_id: Option<String>) -> Outcome {
        let known = self
            .leads
            .get(side)
            .values()
            .find(|lead| !lead.record.deleted && external_id.is_some() && lead.record.external_id == external_id);
        if let Some(known) = known {
            let (id, converted) = (known.record.id.clone(), known.record.converted);
            if converted {
                return Outcome::Converted;
            }
            let now = self.second(side);
            let record = &mut self.leads.get_mut(side).get_mut(&id).unwrap().record;
            record.fields.extend(fields);
            record.modified_at = now;
            return Outcome::Done { id };
        }
        let email = fields.get(&native(side, "email")).and_then(Json::as_str).unwrap_or_default();
        let soul = email.trim_start_matches('s').split('@').next().and_then(|soul| soul.parse().ok()).unwrap_or(0);
        self.check_origin(side, soul, &fields);
        let id = self.insert(side, soul, true, fields, external_id);
        Outcome::Done { id }
    }

    fn delete(&mut self, side: Side, id: &str, unmoved: &dyn Fn(&Record) -> bool) -> Outcome {
        let now = self.second(side);
        let Some(lead) = self.leads.get(side).get(id).filter(|lead| !lead.record.deleted) else { return Outcome::Gone };
        if !unmoved(&lead.record) {
            return Outcome::Moved(Some(Box::new(lead.record.clone())));
        }
        let soul = lead.soul;
        if !self.touched.contains(&soul) {
            self.broken
                .push(format!("no delete without evidence: {side} lead {id} is deleted, and nobody deleted its other half"));
        }
        if side == Side::Operate {
            self.leads.get_mut(side).remove(id);
        } else {
            let record = &mut self.leads.get_mut(side).get_mut(id).unwrap().record;
            (record.deleted, record.modified_at) = (true, now);
        }
        Outcome::Done { id: id.to_owned() }
    }

    /// Every value that we write is one that stood on the other side of the same person's lead.
    fn check_origin(&mut self, side: Side, soul: Soul, fields: &NativeFields) {
        for field in TRACED {
            let Some(value) = fields.get(&native(side, field)).and_then(Json::as_str).filter(|value| !value.is_empty()) else {
                continue;
            };
            let known = |edit: &Edit| edit.soul == soul && edit.field == field && edit.value.eq_ignore_ascii_case(value);
            if !self.edits.iter().any(known) {
                self.broken.push(format!("no invention: {side} is given {field} = {value:?}, which nobody wrote of soul {soul}"));
            }
        }
    }
}

pub fn is_refused(value: &Json) -> bool {
    value.as_str().is_some_and(|text| text.to_lowercase().contains("refuse me"))
}

/// A field's name on a side.
pub fn native(side: Side, field: &str) -> String {
    if side == Side::Operate { field.to_owned() } else { format!("{field}__c") }
}
