//! Listing every lead by its id alone: what is missing from the list may have been deleted.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::mpsc;

use super::record::{as_id, as_text, unreadable};
use super::{OperateClient, REFERENCES};
use crate::side::{Listed, SideError, Swept};

/// So many values of a field tell enough of it.
const ENOUGH: usize = 500;

/// What one look at the workspace told.
#[derive(Debug, Clone, Default)]
pub struct Probe {
    /// Fields that none of the leads read has.
    pub missing: Vec<String>,
    /// What leads hold in mapped fields that refer to a list, by field: some of it, where it is much.
    pub references: BTreeMap<String, BTreeSet<String>>,
}

impl OperateClient {
    /// Reads the leads of the last window, to see that the sign-in works and the fields are there.
    pub async fn probe(&self) -> Result<Probe, SideError> {
        let now = Utc::now() + self.transport.clock().map_or_else(TimeDelta::zero, |clock| clock.offset);
        let width = TimeDelta::from_std(self.config.window).unwrap_or(TimeDelta::MAX);
        let since = now.checked_sub_signed(width).unwrap_or_default();
        let condition = format!("[{}]>='{}'", self.config.modified_field, self.time.lower_bound(since));
        let mut answer = self.ask("check", &condition).await?;
        let refers = |field: &&str| {
            REFERENCES.iter().any(|(name, _)| name == field) || self.lookups.iter().any(|(name, _)| name == *field)
        };
        let mut references: BTreeMap<String, BTreeSet<String>> =
            self.mapped.iter().map(|name| &**name).filter(refers).map(|field| (field.to_owned(), BTreeSet::new())).collect();
        let (mut seen, mut rows) = (HashSet::new(), 0);
        while let Some(part) = answer.next().await? {
            for row in part {
                rows += 1;
                seen.extend(row.keys().map(str::to_owned));
                for (field, values) in references.iter_mut().filter(|(_, values)| values.len() < ENOUGH) {
                    values.extend(row.get(field).and_then(as_text).filter(|value| !value.is_empty()));
                }
            }
        }
        references.retain(|_, values| !values.is_empty());
        let missing = self.fields.iter().filter(|name| rows > 0 && !seen.contains(*name)).cloned().collect();
        Ok(Probe { missing, references })
    }

    /// When the one of the newest leads was modified that so many are not older than; `None`: there are no more than that.
    pub async fn since_newest(&self, count: usize) -> Result<Option<DateTime<Utc>>, SideError> {
        let fields = [self.config.id_field.clone(), self.config.modified_field.clone()];
        let mut answer = self.ask_for("check", self.config.filter.trim(), &fields).await?;
        let mut newest: BinaryHeap<Reverse<DateTime<Utc>>> = BinaryHeap::new();
        let (mut more, mut layout) = (false, self.layout());
        while let Some(rows) = answer.next().await? {
            for row in rows {
                newest.push(Reverse(self.record(&mut layout, row)?.modified_at));
                if newest.len() > count {
                    newest.pop();
                    more = true;
                }
            }
        }
        Ok(newest.pop().map(|Reverse(oldest)| oldest).filter(|_| more))
    }

    /// The leads modified at this moment or later, as Operate finds them by that time.
    pub async fn modified_since(&self, moment: DateTime<Utc>) -> Result<Vec<Listed>, SideError> {
        let fields = [self.config.id_field.clone(), self.config.modified_field.clone()];
        let since = format!("[{}]>='{}'", self.config.modified_field, self.time.lower_bound(moment));
        let conditions: Vec<&str> =
            [since.as_str(), self.config.filter.trim()].into_iter().filter(|each| !each.is_empty()).collect();
        let mut answer = self.ask_for("check", &conditions.join("AND"), &fields).await?;
        let (mut found, mut layout) = (Vec::new(), self.layout());
        while let Some(rows) = answer.next().await? {
            for row in rows {
                let record = self.record(&mut layout, row)?;
                found.push(Listed { id: record.id, modified_at: Some(record.modified_at), takes_part: true });
            }
        }
        Ok(found)
    }

    /// Lists the leads that take part with their times, for changes that no poll saw, and then, where a filter hides some, all of
    /// them: a lead that leaves the filter is not gone.
    pub(super) async fn list_all(&self, listed: &mpsc::Sender<Vec<Listed>>) -> Result<Swept, SideError> {
        let config = &self.config;
        let fields = [config.id_field.clone(), config.modified_field.clone()];
        self.list(config.filter.trim(), &fields, true, listed).await?;
        if !config.filter.trim().is_empty() {
            self.list("", &fields[..1], false, listed).await?;
        }
        Ok(Swept { complete: true, ..Swept::default() })
    }

    async fn list(
        &self,
        condition: &str,
        fields: &[String],
        takes_part: bool,
        listed: &mpsc::Sender<Vec<Listed>>,
    ) -> Result<(), SideError> {
        let mut answer = self.ask_for("sweep", condition, fields).await?;
        while let Some(rows) = answer.next().await? {
            let mut page = Vec::with_capacity(rows.len());
            for row in &rows {
                let id = row.get(&self.config.id_field).and_then(as_id);
                let id = id.ok_or_else(|| unreadable(format!("a lead without {}", self.config.id_field)))?;
                let stamp = row.get(&self.config.modified_field).and_then(as_text);
                page.push(Listed { id, modified_at: stamp.and_then(|stamp| self.time.parse(&stamp)), takes_part });
            }
            if !page.is_empty() {
                listed.send(page).await.map_err(|_| SideError::Abandoned)?;
            }
        }
        Ok(())
    }
}
