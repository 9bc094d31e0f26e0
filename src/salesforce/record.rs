//! A Lead as the REST API gives it.

use std::str::FromStr as _;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, Utc};
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
        let value = |name: &str| spelt(&row, name);
        let text = |name: &str| {
            let text = value(name).and_then(Json::as_str).map(str::to_owned);
            text.filter(|text| !text.trim().is_empty())
        };
        let flag = |name: &str| match value(name) {
            Some(Json::Bool(flag)) => *flag,
            Some(Json::String(text)) => text == "true",
            _ => false,
        };
        let id = text("Id").filter(|id| is_id(id)).ok_or_else(|| unreadable("a Lead without an Id".to_owned()))?;
        let modified_at = text("SystemModstamp").as_deref().and_then(instant);
        let modified_at = modified_at.ok_or_else(|| unreadable(format!("Lead {id} without a SystemModstamp")))?;
        let mut record = Record {
            modified_at,
            created_at: text("CreatedDate").as_deref().and_then(instant),
            external_id: text(&self.external_id_field),
            deleted: flag("IsDeleted"),
            converted: flag("IsConverted"),
            master_id: text("MasterRecordId").filter(|id| is_id(id)),
            id,
            fields: NativeFields::new(),
        };
        for name in &fields.mapped {
            if row.get(name).is_none()
                && let Some(value) = spelt(&row, name).cloned()
            {
                row.insert(Arc::clone(name), value);
            }
        }
        record.fields = row.only(&fields.mapped);
        Ok(record)
    }
}

/// A column of a row. The API gives fields in their own spelling, whatever the case they were asked for in.
fn spelt<'r>(row: &'r NativeFields, name: &str) -> Option<&'r Json> {
    row.get(name).or_else(|| row.iter().find(|(spelt, _)| spelt.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// An answer that does not look as documented.
pub(super) fn unreadable(reason: String) -> SideError {
    SideError::Answer { side: Side::Salesforce, reason }
}

/// Reads `2013-05-07T22:07:19.000+0000`.
pub(super) fn instant(text: &str) -> Option<DateTime<Utc>> {
    // As it nearly always is; to go by a format takes several times as long.
    let plain = text.strip_suffix("+0000").and_then(|time| NaiveDateTime::from_str(time).ok()).map(|time| time.and_utc());
    let other = || {
        ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M:%S%.f%#z"]
            .iter()
            .find_map(|format| DateTime::parse_from_str(text, format).ok())
            .or_else(|| DateTime::parse_from_rfc3339(text).ok())
            .map(|time| time.to_utc())
    };
    plain.or_else(other).and_then(writable)
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
