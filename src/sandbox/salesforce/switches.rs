//! Variants of the org: what administrators configure, and what goes wrong for longer than one request.

use std::collections::BTreeMap;

use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// What the org's duplicate rule does about a lead with an e-mail address that another has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DuplicateAction {
    /// Nothing: there is no rule.
    #[default]
    Off,
    /// Refuses it, unless the request says that it is to be saved all the same.
    Alert,
    /// Refuses it.
    Block,
}

/// A rule by which the org itself changes a lead in the transaction of a write.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Flow {
    /// The field that must have `when_value`; none: the flow runs after every write.
    pub when_field: Option<String>,
    /// What it must have; none: anything.
    pub when_value: Option<Json>,
    /// What is set.
    pub set: Map<String, Json>,
}

/// What a user may do with leads, beside reading them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Make them.
    Create,
    /// Change them.
    Edit,
    /// Delete them.
    Delete,
}

/// Parts of the org that fail or are limited.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Every write is refused, because too many long ones run.
    pub concurrent_limit: bool,
    /// The requests of 24 hours that are allowed; none: as the sandbox was started.
    pub daily_requests: Option<u64>,
    /// Sets how many were made.
    pub daily_requests_used: Option<u64>,
}

/// How programs may sign in, beside the client credentials flow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SignIns {
    /// The user name and password flow is allowed.
    pub password_flow: bool,
    /// Each use of a refresh token gives a new one, and the old one dies.
    pub rotate_refresh_tokens: bool,
    /// The RSA public key, in PEM, that assertions are signed for; none: nobody may sign in by assertion.
    pub jwt_public_key: Option<String>,
    /// The org has moved: a sign-in gives the address of its second server, and only there its sessions are good.
    pub second_instance: bool,
}

/// What is told of changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capture {
    /// Lead is selected for Change Data Capture.
    pub change_events: bool,
    /// This user may not subscribe to events.
    pub deny_events: bool,
    /// After so long without an event, a stream shows that it lives.
    pub event_keep_alive_ms: u64,
    /// So long after a change its event comes.
    pub event_delay_ms: u64,
}

impl Default for Capture {
    fn default() -> Self {
        Self { change_events: true, deny_events: false, event_keep_alive_ms: 270_000, event_delay_ms: 0 }
    }
}

/// The variants; `POST /_sandbox/switch` takes any of these keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SalesforceSwitches {
    /// What the duplicate rule does.
    pub duplicate_rule: DuplicateAction,
    /// Rules that rewrite fields.
    pub flows: Vec<Flow>,
    /// The owner that an active assignment rule gives leads, unless a request says `Sforce-Auto-Assign: FALSE`.
    pub assignment_owner: Option<String>,
    /// How many seconds after its stamp a change by another user can be seen.
    pub late_seconds: u32,
    /// Fields that the org does not have, or that this user may not see.
    pub missing_fields: Vec<String>,
    /// Fields that this user may only read.
    pub read_only_fields: Vec<String>,
    /// What this user may not do with leads.
    pub denied_rights: Vec<Right>,
    /// Objects other than leads that this user may not see.
    pub hidden_objects: Vec<String>,
    /// The values of picklists, in the place of those that they have at the start.
    pub picklists: BTreeMap<String, Vec<String>>,
    /// Picklists that refuse other values.
    pub restricted_picklists: Vec<String>,
    /// How programs may sign in.
    #[serde(flatten)]
    pub sign_ins: SignIns,
    /// What is told of changes.
    #[serde(flatten)]
    pub capture: Capture,
    /// What is limited.
    #[serde(flatten)]
    pub limits: Limits,
}

impl SalesforceSwitches {
    /// The same with these keys changed.
    pub(super) fn merged(&self, changes: &Json) -> Result<Self, String> {
        let Some(changes) = changes.as_object() else { return Err("switches are a JSON object".to_owned()) };
        let mut all = serde_json::to_value(self).map_err(|error| error.to_string())?;
        if let Some(all) = all.as_object_mut() {
            if let Some(unknown) = changes.keys().find(|key| !all.contains_key(*key)) {
                let known: Vec<&str> = all.keys().map(String::as_str).collect();
                return Err(format!("Salesforce has no switch `{unknown}`; its switches are {}", known.join(", ")));
            }
            all.extend(changes.clone());
        }
        let merged: Self = serde_json::from_value(all).map_err(|error| error.to_string())?;
        if let Some(key) = &merged.sign_ins.jwt_public_key {
            DecodingKey::from_rsa_pem(key.as_bytes())
                .map_err(|error| format!("`jwt_public_key` is no RSA public key: {error}"))?;
        }
        Ok(merged)
    }

    pub(super) fn lacks(&self, field: &str) -> bool {
        self.missing_fields.iter().any(|name| name.eq_ignore_ascii_case(field))
    }

    pub(super) fn locks(&self, field: &str) -> bool {
        self.read_only_fields.iter().any(|name| name.eq_ignore_ascii_case(field))
    }

    pub(super) fn denies(&self, right: Right) -> bool {
        self.denied_rights.contains(&right)
    }

    pub(super) fn hides(&self, object: &str) -> bool {
        object != "Lead" && self.hidden_objects.iter().any(|name| name.eq_ignore_ascii_case(object))
    }

    pub(super) fn picklist(&self, field: &str) -> Option<&Vec<String>> {
        self.picklists.iter().find(|(name, _)| name.eq_ignore_ascii_case(field)).map(|(_, values)| values)
    }

    pub(super) fn restricts(&self, field: &str) -> bool {
        self.restricted_picklists.iter().any(|name| name.eq_ignore_ascii_case(field))
    }
}
