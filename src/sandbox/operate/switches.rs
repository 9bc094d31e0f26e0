//! Variants of Operate's behaviour: what tenants configure, and what the vendor has not published.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::sandbox::operate::outbound::Outbound;
use crate::sandbox::operate::schema::{FIELDS, column};

/// What Operate answers when a lead was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CreateAnswer {
    /// `{"leadid":7}`.
    #[default]
    LeadId,
    /// `{"id":7}`.
    Id,
    /// `[{"leadid":7}]`.
    List,
    /// `{"leads":[{"leadid":7}]}`.
    Envelope,
    /// A text that does not say the id: `{"message":"Lead saved"}`.
    Nothing,
}

/// Rules by which Operate itself changes a lead after a write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Workflows {
    /// A new lead gets an owner at once.
    pub auto_assign: bool,
    /// A lead with `webtolead` 1 gets the source "website".
    pub website_source: bool,
    /// A lead with `brokerstatus` Accepted gets `brokerupdated` yes.
    pub broker_updated: bool,
}

/// A rule of the operator's own: it sets fields of a lead after a write that meets the criteria.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FieldUpdate {
    /// The field that must have `when_value`; none: every write meets it.
    pub when_field: Option<String>,
    /// What it must have; none: anything.
    pub when_value: Option<String>,
    /// What is set.
    pub set: BTreeMap<String, String>,
}

/// Variants of the tenant's interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interface {
    /// Leads hold the ids of reference lists in the place of names.
    pub references_by_id: bool,
    /// The answer to a sign-in does not say how long the token lives.
    pub omit_expires_in: bool,
    /// Requests that are answered in a second; none: all.
    pub rate_limit: Option<u32>,
}

/// The variants; `POST /_sandbox/switch` takes any of these keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OperateSwitches {
    /// What is answered to a create.
    pub create_answer: CreateAnswer,
    /// Several records in one write, each with its own result.
    pub batch: bool,
    /// The tenant's own rules; in JSON their keys stand beside the others.
    #[serde(flatten)]
    pub workflows: Workflows,
    /// Refusals come with status 200 and their text.
    pub refusals_as_200: bool,
    /// A text field that the tenant added, for another system's id.
    pub external_id_field: Option<String>,
    /// The operator's own rules.
    pub field_updates: Vec<FieldUpdate>,
    /// Messages that are sent after writes.
    pub outbound: Vec<Outbound>,
    /// Variants of the interface; in JSON their keys stand beside the others.
    #[serde(flatten)]
    pub interface: Interface,
}

impl OperateSwitches {
    /// The same with these keys changed.
    pub(super) fn merged(&self, changes: &Json) -> Result<Self, String> {
        let Some(changes) = changes.as_object() else {
            return Err("switches are a JSON object".to_owned());
        };
        let mut all = serde_json::to_value(self).map_err(|error| error.to_string())?;
        if let Some(all) = all.as_object_mut() {
            all.extend(changes.clone());
        }
        let merged: Self = serde_json::from_value(all).map_err(|error| error.to_string())?;
        merged.outbound.iter().try_for_each(Outbound::check)?;
        let rules = merged.field_updates.iter().flat_map(|rule| rule.when_field.iter().chain(rule.set.keys()));
        if let Some(unknown) = rules.into_iter().find(|name| column(name).is_none_or(|column| column.kind.is_read_only())) {
            return Err(format!("a rule cannot go by or set `{unknown}`"));
        }
        if let Some(name) = &merged.external_id_field {
            let well_formed = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if !well_formed {
                return Err(format!("a field's name has small letters, digits and `_`, so `{name}` is none"));
            }
            if name == "row_num" || FIELDS.iter().any(|(taken, _)| taken == name) {
                return Err(format!("Operate has a field `{name}` of its own"));
            }
        }
        Ok(merged)
    }
}
