//! Value maps: the rows of `values`, as a lens between each side's spelling and a token.
//!
//! A token is the Operate spelling of the row that stands for it. A row limited to one way only adds a spelling that is read as the
//! token of the row that stands for its counterpart; it is never written.

use std::collections::HashMap;

use crate::config::field::{Direction, UnknownRule, ValueRow};
use crate::lead::{PerSide, Side};

/// A checked value map.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    read: PerSide<HashMap<String, String>>,
    write: PerSide<HashMap<String, String>>,
    unknown: Option<String>,
}

impl Choices {
    /// Builds the map of a field; `Ok(None)` where the field has none.
    pub fn build(rows: &[ValueRow], field: Direction, unknown: &UnknownRule) -> Result<Option<Self>, String> {
        if rows.is_empty() {
            return Ok(None);
        }
        let mut choices = Self::default();
        // In a one-way field several values may share a counterpart: the first row stands for it.
        for row in rows.iter().filter(|row| row.direction == Direction::Both) {
            let PerSide { operate, salesforce } = &row.native;
            let token = match field {
                Direction::ToSalesforce => choices.read.salesforce.get(salesforce).unwrap_or(operate).clone(),
                _ => operate.clone(),
            };
            choices.add(Side::Operate, operate, &token, field)?;
            choices.add(Side::Salesforce, salesforce, &token, field)?;
        }
        for row in rows.iter().filter(|row| row.direction != Direction::Both) {
            let (from, to) = match row.direction {
                Direction::ToOperate => (Side::Salesforce, Side::Operate),
                _ => (Side::Operate, Side::Salesforce),
            };
            let counterpart = row.native.get(to);
            let token = choices.read.get(to).get(counterpart).cloned().ok_or_else(|| {
                format!(
                    "the row {:?} goes one way only, so {}'s {counterpart:?} needs a row of its own that goes both ways",
                    [&row.native.operate, &row.native.salesforce],
                    to.title()
                )
            })?;
            let spelling = row.native.get(from);
            if choices.read.get_mut(from).insert(spelling.clone(), token).is_some() {
                return Err(format!("{}'s {spelling:?} stands in two rows", from.title()));
            }
        }
        if let UnknownRule::Literal(literal) = unknown {
            let token = Side::BOTH.iter().find_map(|side| choices.read.get(*side).get(literal));
            choices.unknown = Some(token.cloned().ok_or_else(|| {
                format!("unknown = {literal:?} is in no row of `values`: name one of the listed values, \"park\" or \"keep\"")
            })?);
        }
        Ok(Some(choices))
    }

    fn add(&mut self, side: Side, spelling: &str, token: &str, field: Direction) -> Result<(), String> {
        if let Some(known) = self.read.get(side).get(spelling) {
            // The side that is only written to may repeat a spelling.
            let only_written =
                matches!((field, side), (Direction::ToSalesforce, Side::Salesforce) | (Direction::ToOperate, Side::Operate));
            if known == token || only_written {
                self.write.get_mut(side).entry(token.to_owned()).or_insert_with(|| spelling.to_owned());
                return Ok(());
            }
            return Err(format!(
                "{}'s {spelling:?} stands in two rows: add \"to_salesforce\" or \"to_operate\" as a third word to the one that is \
                 not to be written back",
                side.title()
            ));
        }
        self.read.get_mut(side).insert(spelling.to_owned(), token.to_owned());
        self.write.get_mut(side).entry(token.to_owned()).or_insert_with(|| spelling.to_owned());
        Ok(())
    }

    /// The token that a side's spelling means.
    #[must_use]
    pub fn token(&self, side: Side, spelling: &str) -> Option<&str> {
        self.read.get(side).get(spelling).or(self.unknown.as_ref()).map(String::as_str)
    }

    /// How a side spells a token.
    #[must_use]
    pub fn spelling(&self, side: Side, token: &str) -> Option<&str> {
        self.write.get(side).get(token).map(String::as_str)
    }
}
