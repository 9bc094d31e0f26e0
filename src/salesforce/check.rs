//! What `check` asks an org, beside what the daemon asks it.

use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use super::SalesforceClient;
use super::record::instant;
use crate::side::SideError;

/// A rule of the org that compares new leads with those that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveRule {
    /// Its API name.
    pub name: String,
    /// What people call it.
    pub label: String,
}

impl SalesforceClient {
    /// The duplicate rules for leads that are active.
    pub async fn duplicate_rules(&self) -> Result<Vec<ActiveRule>, SideError> {
        let soql = "SELECT DeveloperName, MasterLabel, IsActive FROM DuplicateRule WHERE SobjectType = 'Lead'";
        let (found, _) = self.rows("check", false, soql, usize::MAX).await?;
        let active = found.rows.iter().filter(|row| row.get("IsActive") == Some(&Json::Bool(true)));
        let rule = |row: &crate::side::NativeFields| {
            let text = |name: &str| row.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
            ActiveRule { name: text("DeveloperName"), label: text("MasterLabel") }
        };
        Ok(active.map(rule).collect())
    }

    /// When the one of the newest leads was modified that so many are not older than; `None`: there are no more than that.
    pub async fn since_newest(&self, count: usize) -> Result<Option<DateTime<Utc>>, SideError> {
        let condition = self.filter_condition().map(|filter| format!(" WHERE {filter}")).unwrap_or_default();
        let soql = format!("SELECT SystemModstamp FROM Lead{condition} ORDER BY SystemModstamp DESC LIMIT {count}");
        let (found, _) = self.rows("check", false, &soql, count).await?;
        let oldest = found.rows.get(count.saturating_sub(1)).and_then(|row| row.get("SystemModstamp")).and_then(Json::as_str);
        Ok(oldest.and_then(instant))
    }
}
