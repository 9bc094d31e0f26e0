//! What is old goes: in small steps, so that a write never waits long, and never what something still needs.

use chrono::{DateTime, Utc};

use super::sql::query;
use super::{Store, StoreError, stamp};

/// Rows removed in one transaction.
const BATCH: i64 = 500;

/// What is removed, each with whether it is history (or the record of cycles). `?1`: what ended before this is old; `?2`: so many rows.
///
/// Kept of the old: a write that another one reverses; the last conflict of a field whose link is not in step, by which the engine knows that
/// it has told of it; the last cycle, and the last one that says what Salesforce allows.
pub const PRUNE: [(bool, &str); 4] = [
    (
        true,
        "DELETE FROM push WHERE push_id IN (SELECT p.push_id FROM push p WHERE p.done_at < ?1 AND p.state IN ('done', 'superseded')
             AND NOT EXISTS (SELECT 1 FROM push u WHERE u.undoes = p.push_id) ORDER BY p.done_at LIMIT ?2)",
    ),
    (
        true,
        "DELETE FROM conflict WHERE conflict_id IN (SELECT c.conflict_id FROM conflict c JOIN link l USING (link_id)
             WHERE c.settled_at < ?1 AND c.state = 'settled' AND (l.state = 'in_step' OR EXISTS (
                 SELECT 1 FROM conflict n WHERE n.link_id = c.link_id AND n.field = c.field AND n.conflict_id > c.conflict_id))
             ORDER BY c.settled_at LIMIT ?2)",
    ),
    (true, "DELETE FROM audit WHERE audit_id IN (SELECT audit_id FROM audit WHERE at < ?1 ORDER BY at LIMIT ?2)"),
    (
        false,
        "DELETE FROM cycle WHERE cycle_id IN (SELECT cycle_id FROM cycle WHERE started_at < ?1
             AND cycle_id <> (SELECT max(cycle_id) FROM cycle)
             AND cycle_id IS DISTINCT FROM (SELECT cycle_id FROM cycle WHERE limit_salesforce IS NOT NULL ORDER BY cycle_id DESC LIMIT 1)
             ORDER BY started_at LIMIT ?2)",
    ),
];

/// What one step of pruning came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Rows removed.
    pub rows: u64,
    /// Whether there is more to remove.
    pub more: bool,
}

impl Store {
    /// Removes some of the settled writes, conflicts and audit rows from before `history`, and of the cycles from before `cycles`; a
    /// transaction for each kind.
    pub async fn prune(&self, history: Option<DateTime<Utc>>, cycles: Option<DateTime<Utc>>) -> Result<Pruned, StoreError> {
        let mut pruned = Pruned::default();
        for (is_history, sql) in PRUNE {
            let Some(before) = (if is_history { history } else { cycles }) else { continue };
            let done = query(sql).bind(stamp(before)).bind(BATCH).execute(&mut *self.write().await?).await?;
            pruned.rows += done;
            pruned.more |= done >= BATCH.unsigned_abs();
        }
        Ok(pruned)
    }
}
