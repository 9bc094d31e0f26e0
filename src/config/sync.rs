//! `[sync]`: what is created, who wins, how unlinked leads find each other.

use serde::Deserialize;

/// `[sync]`.
#[derive(Debug, Clone)]
pub struct SyncConfig {
    /// Where leads that are on one side only are created.
    pub create: CreateRule,
    /// What decides a conflict, unless the field says otherwise.
    pub conflict: ConflictRule,
    /// What a delete on one side does to the other.
    pub delete: DeleteRule,
    /// Field names (of the mapping) that must all agree for two unlinked leads to be the same; tried in order.
    pub match_keys: Vec<Vec<String>>,
    /// Brake: the share of all links, 0 to 1, that one cycle may change. `None`: lifted.
    pub max_change: Option<f64>,
    /// Brake: how many deletes one cycle may carry out.
    pub max_delete: u32,
}

/// `sync.create`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreateRule {
    /// On either side.
    Both,
    /// Operate's leads in Salesforce only.
    ToSalesforce,
    /// Salesforce's leads in Operate only.
    ToOperate,
    /// Nowhere: only leads that find each other are kept in step.
    None,
}

/// What decides a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConflictRule {
    /// The later edit, by the servers' clocks.
    Newest,
    /// Operate's value.
    Operate,
    /// Salesforce's value.
    Salesforce,
    /// A person, by `leadsync resolve`.
    Manual,
}

/// `sync.delete`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeleteRule {
    /// The other side keeps its lead.
    Ignore,
}
