//! What a database's planner goes by. `SQLite`'s has figures that the migrations give it, the same on the first day as later.

use super::StoreError;
use super::sql::{Connection, query, query_scalar};

/// Has PostgreSQL analyze the tables of leads and links that have grown by half and more since it did. By itself it does so once a minute at
/// most, and until then takes a side for a few leads: it goes through all of them for each batch of a first linking.
pub(super) async fn analyze_grown(connection: &mut Connection) -> Result<(), StoreError> {
    if matches!(connection, Connection::Sqlite(_)) {
        return Ok(());
    }
    let grown: Vec<String> = query_scalar(
        "SELECT CAST(relname AS TEXT) FROM pg_stat_user_tables WHERE schemaname = current_schema()
             AND relname IN ('lead_state', 'lead_values', 'lead_key', 'link') AND n_mod_since_analyze > 1000 + n_live_tup / 2",
    )
    .fetch_all(&mut *connection)
    .await?;
    for table in grown {
        // It can wait where somebody has the table, a vacuum that takes hours among them.
        query(format!("ANALYZE (SKIP_LOCKED) {table}")).execute(&mut *connection).await?;
    }
    Ok(())
}
