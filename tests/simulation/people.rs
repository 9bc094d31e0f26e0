//! What people do in both systems.

use chrono::TimeDelta;
use leadsync::lead::Side;
use leadsync::side::{NativeFields, Record};
use rand::Rng as _;
use serde_json::json;

use super::model::{Edit, Model, Soul, TRACED, Uncommitted, is_refused, native};

impl Model {
    /// Somebody makes a lead; now and then somebody else makes the same one on the other side, or once more on this one.
    pub fn person_creates(&mut self) {
        self.souls += 1;
        let soul = self.souls;
        let side = self.any_side();
        let also = match self.rng.random_range(0..100) {
            0..20 => Some(side.other()),
            20..23 => Some(side),
            _ => None,
        };
        if also == Some(side) {
            self.touched.insert(soul);
        }
        for side in [Some(side), also].into_iter().flatten() {
            let fields = self.new_fields(side, soul);
            let id = self.insert(side, soul, false, fields, None);
            self.note(&format!("person creates {side} {id} soul {soul}"));
        }
    }

    fn new_fields(&mut self, side: Side, soul: Soul) -> NativeFields {
        let mut fields = NativeFields::from([(native(side, "email"), json!(format!("s{soul}@example.com")))]);
        for field in TRACED {
            if self.rng.random_bool(0.7) {
                let value = self.fresh(soul, field);
                fields.insert(native(side, field), json!(value.clone()));
                self.edits.push(Edit { side, soul, field, value });
            }
        }
        fields
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
        // One that began in the second of the last change before it cannot be told from that change: see docs/reliability.md.
        let can_be_seen = self.leads.get(side)[&id].record.modified_at < self.second(side);
        if self.rng.random_bool(0.1) && can_be_seen {
            let visible_at = self.now + TimeDelta::seconds(self.rng.random_range(1..300));
            let modified_at = self.second(side);
            self.remember(side, soul, field, &value);
            let (field, value) = (field.to_owned(), json!(value));
            self.uncommitted.push(Uncommitted { side, id, field, value, modified_at, visible_at });
            return;
        }
        self.person_writes(side, &id, field, &value);
    }

    /// Somebody in Salesforce edits a lead, or is about to.
    pub fn person_rushes(&mut self, id: &str) {
        let can = self.leads.salesforce.get(id).is_some_and(|lead| !lead.record.deleted && !lead.record.converted);
        if can && !self.is_locked(Side::Salesforce, id) && self.rng.random_bool(0.5) {
            let (soul, field) = (self.leads.salesforce[id].soul, TRACED[self.rng.random_range(0..TRACED.len())]);
            let value = self.fresh(soul, field);
            self.note(&format!("person rushes {id} {field}={value}"));
            self.person_writes(Side::Salesforce, id, field, &value);
        }
    }

    pub fn person_writes(&mut self, side: Side, id: &str, field: &'static str, value: &str) {
        let soul = self.leads.get(side)[id].soul;
        self.remember(side, soul, field, value);
        let modified_at = self.second(side);
        let record = self.record(side, id);
        record.fields.insert(native(side, field), json!(value));
        record.modified_at = modified_at;
    }

    pub fn remember(&mut self, side: Side, soul: Soul, field: &str, value: &str) {
        if let Some(field) = TRACED.into_iter().find(|traced| *traced == field) {
            self.edits.push(Edit { side, soul, field, value: value.to_owned() });
        }
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
                    let read_only = lead.record.converted && side == Side::Salesforce;
                    let refused = lead.record.fields.get(&native(side, field)).is_some_and(is_refused);
                    if refused && !lead.record.deleted && !read_only {
                        let value = self.fresh(soul, field);
                        self.note(&format!("person mends {side} {id} {field}={value}"));
                        self.person_writes(side, &id, field, &value);
                    }
                }
            }
        }
    }

    /// Somebody deletes a lead, converts one, or merges two.
    pub fn person_removes(&mut self) {
        let side = self.any_side();
        let Some(id) = self.any_lead(side).filter(|id| !self.is_locked(side, id)) else { return };
        let soul = self.leads.get(side)[&id].soul;
        match (side, self.rng.random_range(0..3)) {
            (_, 0) => {
                self.note(&format!("person converts {side} {id}"));
                let now = self.second(side);
                let record = self.record(side, &id);
                (record.converted, record.modified_at) = (true, now);
            }
            (Side::Operate, _) => {
                self.bereave(soul);
                self.note(&format!("person deletes {side} {id}"));
                self.leads.get_mut(side).remove(&id);
            }
            (Side::Salesforce, 1) => {
                self.bereave(soul);
                self.note(&format!("person deletes {side} {id}"));
                let now = self.second(side);
                let record = self.record(side, &id);
                (record.deleted, record.modified_at) = (true, now);
            }
            _ => self.person_merges(&id, soul),
        }
    }

    fn bereave(&mut self, soul: Soul) {
        self.touched.insert(soul);
        self.bereft.insert(soul);
    }

    /// Somebody merges a Salesforce lead into another, which keeps its own values.
    fn person_merges(&mut self, master: &str, soul: Soul) {
        let Some(loser) = self.any_lead(Side::Salesforce).filter(|id| id != master && !self.is_locked(Side::Salesforce, id))
        else {
            return;
        };
        let lost = self.leads.salesforce[&loser].soul;
        self.note(&format!("person merges salesforce {loser} into {master}"));
        for soul in [soul, lost] {
            self.bereave(soul);
        }
        self.join(soul, lost);
        let now = self.second(Side::Salesforce);
        let record = self.record(Side::Salesforce, &loser);
        (record.deleted, record.modified_at, record.master_id) = (true, now, Some(master.to_owned()));
        self.record(Side::Salesforce, master).modified_at = now;
    }

    pub fn person_restores(&mut self) {
        let now = self.second(Side::Salesforce);
        // No two leads may have the same value in a unique field.
        let leads = &mut self.leads.salesforce;
        let held: Vec<String> =
            leads.values().filter(|lead| !lead.record.deleted).filter_map(|lead| lead.record.external_id.clone()).collect();
        let is_free = |record: &Record| record.external_id.as_ref().is_none_or(|id| !held.contains(id));
        let can = |record: &Record| record.deleted && record.master_id.is_none() && is_free(record);
        let Some(lead) = leads.values_mut().find(|lead| can(&lead.record)) else { return };
        lead.record.deleted = false;
        lead.record.modified_at = now;
        let (id, soul): (String, Soul) = (lead.record.id.clone(), lead.soul);
        self.touched.insert(soul);
        self.note(&format!("person restores salesforce {id}"));
    }
}
