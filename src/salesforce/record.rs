//! A Lead as the REST API gives it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use super::outcome::is_id;
use super::{Fields, SalesforceClient};
use crate::lead::{Side, writable};
use crate::side::{NativeFields, Record, SideError};

impl SalesforceClient {
    /// Reads rows of a query or a retrieve.
    pub(super) async fn records(&self, fields: &Fields, rows: Vec<NativeFields>) -> Result<Vec<Record>, SideError> {
        let mut records = rows.into_iter().map(|row| self.record(fields, row)).collect::<Result<Vec<_>, _>>()?;
        if !fields.users.is_empty() {
            self.name_users(fields, &mut records).await?;
        }
        Ok(records)
    }

    /// Reads a row. Values are JSON, or all text where they come from CSV.
    fn record(&self, fields: &Fields, mut row: NativeFields) -> Result<Record, SideError> {
        row.remove("attributes");
        // The API gives fields in their own spelling, whatever the case they were asked for in.
        let folded: BTreeMap<String, Json> = row.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        let text = |name: &str| {
            let text = folded.get(&name.to_ascii_lowercase()).and_then(Json::as_str).map(str::to_owned);
            text.filter(|text| !text.trim().is_empty())
        };
        let flag = |name: &str| match folded.get(name) {
            Some(Json::Bool(flag)) => *flag,
            Some(Json::String(text)) => text == "true",
            _ => false,
        };
        let id = text("Id").filter(|id| is_id(id)).ok_or_else(|| unreadable("a Lead without an Id".to_owned()))?;
        let modified_at = text("SystemModstamp").as_deref().and_then(instant);
        let modified_at = modified_at.ok_or_else(|| unreadable(format!("Lead {id} without a SystemModstamp")))?;
        let mapped = fields.mapped.iter().map(|name| {
            let value = folded.get(&name.to_ascii_lowercase()).cloned().unwrap_or(Json::Null);
            (name.clone(), value)
        });
        Ok(Record {
            fields: mapped.collect(),
            modified_at,
            created_at: text("CreatedDate").as_deref().and_then(instant),
            external_id: text(&self.external_id_field),
            deleted: flag("isdeleted"),
            converted: flag("isconverted"),
            master_id: text("MasterRecordId").filter(|id| is_id(id)),
            id,
        })
    }
}

/// An answer that does not look as documented.
pub(super) fn unreadable(reason: String) -> SideError {
    SideError::Answer { side: Side::Salesforce, reason }
}

/// Reads `2013-05-07T22:07:19.000+0000`.
pub(super) fn instant(text: &str) -> Option<DateTime<Utc>> {
    ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M:%S%.f%#z"]
        .iter()
        .find_map(|format| DateTime::parse_from_str(text, format).ok())
        .or_else(|| DateTime::parse_from_rfc3339(text).ok())
        .and_then(|time| writable(time.to_utc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_an_offset_are_read() {
        let expected = DateTime::from_timestamp(1_367_964_439, 0);
        for text in ["2013-05-07T22:07:19.000+0000", "2013-05-07T22:07:19.000Z", "2013-05-08T00:07:19+02:00"] {
            assert_eq!(instant(text), expected, "{text}");
        }
    }
}
