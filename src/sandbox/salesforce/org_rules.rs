//! The org's own rules about a write: field-level security, picklists, duplicates, assignment, flows.

use axum::http::StatusCode;
use serde_json::{Value as Json, json};

use super::errors::Fail;
use super::fields::Kind;
use super::ids::{self, Key};
use super::objects::Entity;
use super::rows::{Row, Table, USER, Writer};
use super::setup::DUPLICATE_RULE;
use super::switches::{DuplicateAction, Right, SalesforceSwitches};
use super::values::{self, Checked};

impl SalesforceSwitches {
    /// Refuses what the profile of the API's user does not let it do with leads.
    pub(super) fn permit(&self, right: Right, writer: &Writer) -> Result<(), Fail> {
        if writer.by != USER || !self.denies(right) {
            return Ok(());
        }
        Err(match right {
            Right::Create => Fail::bad("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "entity type cannot be inserted: Lead"),
            Right::Edit | Right::Delete => {
                Fail::new(StatusCode::FORBIDDEN, "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")
            }
        }
        .with_fields(Vec::new()))
    }

    /// Refuses what this user may not write, and what a picklist does not take.
    pub(super) fn allow(&self, given: &Checked) -> Result<(), Fail> {
        let locked: Vec<&'static str> =
            given.iter().filter(|(field, _)| self.locks(field.name)).map(|(field, _)| field.name).collect();
        if !locked.is_empty() {
            return Err(values::locked(locked));
        }
        for (field, value) in given {
            let Some(text) = value.as_str().filter(|_| self.restricts(field.name)) else { continue };
            let known = match (self.picklist(field.name), field.kind) {
                (Some(values), _) => values.iter().any(|value| value == text),
                (None, Kind::Picklist { values, .. }) => values.contains(&text),
                _ => true,
            };
            if !known {
                let message = format!("{}: bad value for restricted picklist field: {text}", field.label);
                return Err(Fail::bad("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message).with_fields(vec![field.name]));
            }
        }
        Ok(())
    }

    /// What assignment and flows set on a lead that was just written.
    pub(super) fn consequences(&self, row: &Row, writer: &Writer) -> Checked {
        let mut set = serde_json::Map::new();
        if let Some(owner) = self.assignment_owner.as_ref().filter(|_| writer.assign) {
            set.insert("OwnerId".to_owned(), json!(owner));
        }
        for flow in &self.flows {
            let holds = flow.when_field.as_ref().is_none_or(|name| {
                let value = Entity::Lead.field(name).map(|field| row.json(field)).unwrap_or_default();
                flow.when_value.as_ref().is_none_or(|wanted| *wanted == value)
            });
            if holds {
                set.extend(flow.set.clone());
            }
        }
        values::read(&set).unwrap_or_default()
    }
}

impl Table {
    /// Refuses a lead whose e-mail address another has, where the org has a rule against that.
    pub(super) fn refuse_duplicate(&self, checked: &Checked, own: Option<&Key>, writer: &Writer) -> Result<(), Fail> {
        let rule = self.switches.duplicate_rule;
        if rule == DuplicateAction::Off || (rule == DuplicateAction::Alert && writer.allow_save) {
            return Ok(());
        }
        let email = checked.iter().find(|(field, _)| field.name == "Email").and_then(|(_, value)| value.as_str());
        let Some(email) = email else { return Ok(()) };
        let same = |row: &&Row| {
            let held = row.values.get("Email").and_then(Json::as_str);
            !row.deleted && !row.hidden && Some(&row.key) != own && held.is_some_and(|held| held.eq_ignore_ascii_case(email))
        };
        let found: Vec<Json> = self
            .all()
            .filter(same)
            .map(|row| {
                let id = ids::full(&row.key);
                let record = json!({ "attributes": { "type": "Lead", "url": format!("/services/data/v64.0/sobjects/Lead/{id}") }, "Id": id });
                json!({ "additionalInformation": [], "fieldDiffs": [], "matchConfidence": 100.0, "record": record })
            })
            .collect();
        if found.is_empty() {
            return Ok(());
        }
        let rule_name = DUPLICATE_RULE;
        let result = json!({
            "allowSave": rule == DuplicateAction::Alert, "duplicateRule": rule_name, "duplicateRuleEntityType": "Lead",
            "errorMessage": "Use one of these records?",
            "matchResults": [{
                "entityType": "Lead", "errors": [], "matchEngine": "ExactMatchEngine", "rule": rule_name,
                "size": found.len(), "success": true, "matchRecords": found,
            }],
        });
        Err(Fail::bad("DUPLICATES_DETECTED", "Use one of these records?").with_fields(Vec::new()).with_duplicates(result))
    }
}

/// Whether a request names a field that the org does not have, in a list of fields or a body; queries are understood elsewhere.
pub(super) fn missing_field(switches: &SalesforceSwitches, names: Option<&str>, body: &[u8]) -> Option<Fail> {
    if switches.missing_fields.is_empty() {
        return None;
    }
    let in_names = || names?.split(',').map(str::trim).find(|name| switches.lacks(name)).map(str::to_owned);
    let in_body = || serde_json::from_slice::<Json>(body).ok().and_then(|body| named(switches, &body));
    let name = in_names().or_else(in_body)?;
    Some(Fail::bad("INVALID_FIELD", format!("No such column '{name}' on sobject of type Lead")))
}

/// A missing field among the keys of a body, or in its list of fields.
fn named(switches: &SalesforceSwitches, body: &Json) -> Option<String> {
    match body {
        Json::Object(map) => map.iter().find_map(|(key, value)| {
            let listed = || {
                let names = value.as_array().filter(|_| key == "fields").into_iter().flatten();
                names.filter_map(Json::as_str).find(|name| switches.lacks(name)).map(str::to_owned)
            };
            let within = || value.as_array().into_iter().flatten().find_map(|each| named(switches, each));
            switches.lacks(key).then(|| key.clone()).or_else(listed).or_else(within)
        }),
        _ => None,
    }
}
