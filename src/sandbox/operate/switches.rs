//! Variants of Operate's behaviour: what tenants configure, and what the vendor has not published.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::sandbox::operate::schema::FIELDS;

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
