//! What both systems make of our writes.

use leadsync::lead::Side;
use leadsync::side::{Action, NativeFields, Outcome, Record, Refusal, Write, WriteKind};
use serde_json::Value as Json;

use super::model::{Model, Soul, TRACED, is_refused, native};

impl Model {
    /// One write of ours.
    pub fn carry_out(&mut self, side: Side, write: &Write) -> Outcome {
        let kind = match write.action {
            Action::Create => WriteKind::Create,
            Action::Update { .. } => WriteKind::Update,
            Action::Delete { .. } => WriteKind::Delete,
        };
        self.written.push((side, kind, write.fields.clone()));
        self.judge(side, write)
    }

    fn judge(&mut self, side: Side, write: &Write) -> Outcome {
        if let Action::Update { id, .. } | Action::Delete { id, .. } = &write.action
            && self.is_locked(side, id)
        {
            return Outcome::Retry(Refusal::new("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record"));
        }
        if let Some(name) = self.hidden.map(|field| native(Side::Salesforce, field))
            && write.fields.get(&name).is_some()
        {
            return Outcome::Schema(Refusal::new("INVALID_FIELD_FOR_INSERT_UPDATE", format!("No such column '{name}'")));
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
                let record = self.record(side, id);
                record.fields.extend(fields);
                record.external_id = external_id.or(record.external_id.take()).filter(|id| !id.is_empty());
                record.modified_at = now;
                Outcome::Done { id: id.clone() }
            }
            Action::Delete { id, unmoved } => self.delete(side, id, &**unmoved),
        }
    }

    /// Salesforce upserts on the external id.
    fn create(&mut self, side: Side, fields: NativeFields, external_id: Option<String>) -> Outcome {
        let same = |record: &Record| !record.deleted && external_id.is_some() && record.external_id == external_id;
        let known = self.leads.get(side).values().find(|lead| same(&lead.record)).map(|lead| lead.record.clone());
        if let Some(known) = known {
            if known.converted {
                return Outcome::Converted;
            }
            let now = self.second(side);
            let record = self.record(side, &known.id);
            record.fields.extend(fields);
            record.modified_at = now;
            return Outcome::Done { id: known.id };
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
        if !self.bereft.contains(&soul) {
            self.broken
                .push(format!("no delete without evidence: {side} lead {id} is deleted, and nobody deleted its other half"));
        }
        if lead.record.converted {
            self.broken.push(format!("no delete without evidence: {side} lead {id} is a customer's, and is deleted"));
        }
        if side == Side::Operate {
            self.leads.get_mut(side).remove(id);
        } else {
            let record = self.record(side, id);
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
            let root = self.root(soul);
            let known = self
                .edits
                .iter()
                .any(|edit| self.root(edit.soul) == root && edit.field == field && edit.value.eq_ignore_ascii_case(value));
            if !known {
                self.broken.push(format!("no invention: {side} is given {field} = {value:?}, which nobody wrote of soul {soul}"));
            }
        }
    }
}
