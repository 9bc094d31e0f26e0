//! Leads that come back, go for good, merge, or are hidden; and what can be seen of them, and when.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::errors::Fail;
use super::fields::EXTERNAL_ID;
use super::ids::{self, Key};
use super::rows::{Row, Table, Writer};

/// A lead that is gone for good, for as long as the log of deletes has it.
#[derive(Debug, Clone)]
pub struct Purged {
    pub key: Key,
    pub at: DateTime<Utc>,
}

/// A change that others cannot see yet.
#[derive(Debug, Clone)]
pub struct Late {
    visible_at: DateTime<Utc>,
    /// What they see until then; none: nothing.
    before: Option<Box<Row>>,
}

impl Row {
    /// The row as the API's user sees it.
    pub fn seen(&self, now: DateTime<Utc>) -> Option<&Self> {
        let seen = match &self.late {
            Some(late) if now < late.visible_at => late.before.as_deref(),
            _ => Some(self),
        };
        seen.filter(|row| !row.hidden)
    }
}

impl Table {
    /// The leads as the API's user sees them.
    pub fn seen(&self, now: DateTime<Utc>) -> impl Iterator<Item = &Row> {
        self.all().filter_map(move |row| row.seen(now))
    }

    /// A lead by its id, as the API's user sees it.
    pub fn seen_by_id(&self, id: &str, now: DateTime<Utc>) -> Result<Option<&Row>, Fail> {
        Ok(self.by_id(id)?.and_then(|row| row.seen(now)))
    }

    /// Changes by others become visible late, where the org is slow.
    pub fn delay(&mut self, key: &Key, before: Option<Row>, now: DateTime<Utc>) {
        let seconds = i64::from(self.switches.late_seconds);
        let late = (seconds > 0).then(|| Late {
            visible_at: now + TimeDelta::seconds(seconds),
            before: before.map(|row| Box::new(Row { late: None, ..row })),
        });
        if let Some(row) = self.row_mut(key) {
            row.late = late;
        }
    }

    /// Takes a lead out of the recycle bin.
    pub fn undelete(&mut self, key: &Key, writer: &Writer) -> Result<(), Fail> {
        let Some(row) = self.get(key) else { return Err(Fail::not_found()) };
        if !row.deleted {
            return Err(Fail::bad("UNDELETE_FAILED", "Entity is not in the recycle bin").with_fields(Vec::new()));
        }
        let external_id = row.values.get(EXTERNAL_ID).and_then(serde_json::Value::as_str).map(str::to_owned);
        if let Some(taken) = external_id.as_deref().and_then(|id| self.by_external_id(id)) {
            let message =
                format!("duplicate value found: {EXTERNAL_ID} duplicates value on record with id: {}", ids::short(&taken.key));
            return Err(Fail::bad("DUPLICATE_VALUE", message).with_fields(Vec::new()));
        }
        if let Some(row) = self.row_mut(key) {
            row.deleted = false;
            row.stamp = writer.now;
            row.values.remove("MasterRecordId");
        }
        self.hold_external_id(key);
        Ok(())
    }

    /// Deletes a lead for good; only the log of deletes remembers it.
    pub fn purge(&mut self, key: &Key, writer: &Writer) -> Result<(), Fail> {
        if self.get(key).is_some_and(|row| !row.deleted) {
            self.delete(key, writer)?;
        }
        self.take(key).ok_or_else(Fail::not_found)?;
        self.purged.push(Purged { key: *key, at: writer.now });
        Ok(())
    }

    /// Merges one or two leads into another.
    pub fn merge(&mut self, master: &Key, losers: &[Key], writer: &Writer) -> Result<(), Fail> {
        let is_sound = |row: Option<&Row>| row.is_some_and(|row| !row.deleted && !row.converted);
        if losers.is_empty() || losers.len() > 2 || losers.contains(master) {
            return Err(Fail::bad("INVALID_INPUT", "a merge takes one or two other leads"));
        }
        if !is_sound(self.get(master)) || !losers.iter().all(|loser| is_sound(self.get(loser))) {
            let message = "a lead that is deleted or converted can neither be merged nor be a master";
            return Err(Fail::bad("INVALID_INPUT", message));
        }
        for loser in losers {
            self.delete(loser, writer)?;
            if let Some(row) = self.row_mut(loser) {
                row.values.insert("MasterRecordId", json!(ids::full(master)));
            }
        }
        if let Some(row) = self.row_mut(master) {
            row.stamp = writer.now;
            row.values.insert("LastModifiedById", json!(writer.by));
        }
        Ok(())
    }

    /// Hides a lead from the API's user, or shows it again.
    pub fn hide(&mut self, key: &Key, hidden: bool) -> Result<(), Fail> {
        self.row_mut(key).map(|row| row.hidden = hidden).ok_or_else(Fail::not_found)
    }
}
