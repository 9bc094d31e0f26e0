//! How much room a store takes in a database.

use super::sql::query_scalar;
use super::{Store, StoreError};

impl Store {
    /// The bytes that the schema's tables and indexes take, where the store is in a database; `None`: it is in a file.
    pub async fn schema_size(&self) -> Result<Option<i64>, StoreError> {
        if self.file().is_some() {
            return Ok(None);
        }
        let size = "SELECT CAST(coalesce(sum(pg_total_relation_size(c.oid)), 0) AS BIGINT) FROM pg_class c
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relkind = 'r'";
        Ok(query_scalar(size).fetch_one(&self.read).await?)
    }
}
