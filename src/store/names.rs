//! What the ids in leads stood for when the leads were read.

use std::collections::BTreeMap;

use super::sql::{query, query_scalar};
use super::{Store, StoreError};
use crate::lead::Side;

impl Store {
    /// Keeps what ids of a side stand for now. Where one stood for something else, the next poll reads every lead of that side anew:
    /// that is told.
    pub async fn keep_names(&self, side: Side, names: &BTreeMap<String, String>) -> Result<bool, StoreError> {
        if names.is_empty() {
            return Ok(false);
        }
        let key = format!("names_{side}");
        let kept: Option<String> =
            query_scalar("SELECT value FROM fact WHERE name = ?").bind(&key).fetch_optional(&mut *self.write().await?).await?;
        let mut kept: BTreeMap<String, String> = kept.and_then(|kept| serde_json::from_str(&kept).ok()).unwrap_or_default();
        let other = |(id, name): (&String, &String)| kept.get(id).is_some_and(|known| known != name);
        let renamed = names.iter().any(other);
        if names.iter().all(|(id, name)| kept.get(id) == Some(name)) {
            return Ok(false);
        }
        if renamed {
            self.read_anew(side).await?;
        }
        kept.extend(names.clone());
        // A map of texts cannot fail to be written.
        let value = serde_json::to_string(&kept).unwrap_or_default();
        query("INSERT INTO fact (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
            .bind(&key)
            .bind(value)
            .execute(&mut *self.write().await?)
            .await?;
        Ok(renamed)
    }
}
