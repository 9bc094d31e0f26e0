//! A Lead as the REST API gives it.

use std::str::FromStr as _;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::Value as Json;

use super::outcome::is_id;
use super::{Fields, OWN, SalesforceClient};
use crate::lead::{Side, writable};
use crate::native::{Columns, Names};
use crate::side::{NativeFields, Record, SideError};

/// The places of [`OWN`]; after them comes the external id.
const ID: usize = 0;
const MODIFIED: usize = 1;
const CREATED: usize = 2;
const DELETED: usize = 3;
const CONVERTED: usize = 4;
const MASTER: usize = 5;
const EXTERNAL_ID: usize = OWN.len();

impl SalesforceClient {
    /// Reads rows of a query or a retrieve.
    pub(super) async fn records(&self, fields: &Fields, rows: Vec<NativeFields>) -> Result<Vec<Record>, SideError> {
        // The API gives fields in their own spelling, whatever the case they were asked for in.
        let own = OWN.iter().copied().chain([self.external_id_field.as_str()]).map(Arc::from).collect();
        let mut own = Columns::in_any_case(Names::new(own));
        let mut mapped = Columns::in_any_case(Arc::clone(&fields.mapped));
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            own.look_at(&row);
            mapped.look_at(&row);
            records.push(record(&own, &mapped, row)?);
        }
        if !fields.users.is_empty() {
            self.name_users(fields, &mut records).await?;
        }
        Ok(records)
    }
}

/// Reads a row. Values are JSON, or all text where they come from CSV.
fn record(own: &Columns, mapped: &Columns, row: NativeFields) -> Result<Record, SideError> {
    let text = |column: usize| own.get(&row, column).and_then(Json::as_str).filter(|text| !text.trim().is_empty());
    let flag = |column: usize| match own.get(&row, column) {
        Some(Json::Bool(flag)) => *flag,
        Some(Json::String(text)) => text == "true",
        _ => false,
    };
    let id = text(ID).filter(|id| is_id(id)).ok_or_else(|| unreadable("a Lead without an Id".to_owned()))?;
    let modified_at = text(MODIFIED).and_then(instant);
    let modified_at = modified_at.ok_or_else(|| unreadable(format!("Lead {id} without a SystemModstamp")))?;
    Ok(Record {
        modified_at,
        created_at: text(CREATED).and_then(instant),
        external_id: text(EXTERNAL_ID).map(str::to_owned),
        deleted: flag(DELETED),
        converted: flag(CONVERTED),
        master_id: text(MASTER).filter(|id| is_id(id)).map(str::to_owned),
        id: id.to_owned(),
        fields: mapped.pick(row),
    })
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
