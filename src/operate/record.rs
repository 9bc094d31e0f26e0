//! A Lead as Operate gives it.

use serde_json::Value as Json;

use super::OperateClient;
use crate::lead::Side;
use crate::side::{NativeFields, Record, SideError};

impl OperateClient {
    /// Reads a row of a query, or a single lead.
    pub(super) fn record(&self, row: &NativeFields) -> Result<Record, SideError> {
        let config = &self.config;
        let text = |name: &String| row.get(name).and_then(as_text);
        let id = text(&config.id_field).ok_or_else(|| unreadable(format!("a lead without {}", config.id_field)))?;
        let stamp = text(&config.modified_field);
        let modified_at = stamp.as_deref().and_then(|stamp| self.time.parse(stamp)).ok_or_else(|| {
            let (field, format) = (&config.modified_field, &self.time.format);
            unreadable(match &stamp {
                Some(stamp) => format!("lead {id} has the {field} {stamp:?}, which is not in the form {format}"),
                None => format!("lead {id} has no {field}"),
            })
        })?;
        let fields = self.mapped.iter().map(|name| (name.clone(), row.get(name).cloned().unwrap_or(Json::Null)));
        Ok(Record {
            fields: fields.collect(),
            modified_at,
            created_at: text(&config.created_field).and_then(|stamp| self.time.parse(&stamp)),
            external_id: text(&config.external_id_field).filter(|held| !held.is_empty()),
            deleted: false,
            converted: text(&config.converted_field).is_some_and(|word| is_yes(&word)),
            master_id: None,
            id,
        })
    }
}

/// An answer that does not look as assumed.
pub(super) fn unreadable(reason: String) -> SideError {
    SideError::Answer { side: Side::Operate, reason }
}

/// Text or a number, as text.
pub(super) fn as_text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.trim().to_owned()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn is_yes(word: &str) -> bool {
    ["1", "true", "yes", "y"].iter().any(|yes| word.eq_ignore_ascii_case(yes))
}
