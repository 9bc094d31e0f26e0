//! A Lead as Operate gives it.

use serde_json::{Value as Json, json};

use super::OperateClient;
use crate::lead::Side;
use crate::side::{NativeFields, Record, SideError};

/// The longest id.
const LONGEST_ID: usize = 64;
/// What every row of an answer carries, and no lead.
const ROW_NUMBER: &str = "row_num";
/// Characters of a timestamp that messages show.
const SHOWN: usize = 40;

impl OperateClient {
    /// Reads a row of a query, or a single lead.
    pub(super) fn record(&self, mut row: NativeFields) -> Result<Record, SideError> {
        let config = &self.config;
        let text = |name: &String| row.get(name).and_then(as_text);
        let id =
            row.get(&config.id_field).and_then(as_id).ok_or_else(|| unreadable(format!("a lead without {}", config.id_field)))?;
        let stamp = text(&config.modified_field);
        let modified_at = stamp.as_deref().and_then(|stamp| self.time.parse(stamp)).ok_or_else(|| {
            let (field, format) = (&config.modified_field, &self.time.format);
            unreadable(match &stamp {
                Some(stamp) => {
                    let stamp: String = stamp.chars().take(SHOWN).collect();
                    format!("lead {id} has the {field} {stamp:?}, which is not in the form {format}")
                }
                None => format!("lead {id} has no {field}"),
            })
        })?;
        let mut record = Record {
            modified_at,
            created_at: text(&config.created_field).and_then(|stamp| self.time.parse(&stamp)),
            external_id: text(&config.external_id_field).filter(|held| !held.is_empty()),
            deleted: false,
            converted: text(&config.converted_field).is_some_and(|word| is_yes(&word)),
            master_id: None,
            id,
            fields: NativeFields::new(),
        };
        record.fields = if self.whole {
            row.remove(ROW_NUMBER);
            row
        } else {
            row.only(&self.mapped)
        };
        Ok(record)
    }
}

/// An answer that does not look as assumed.
pub(super) fn unreadable(reason: String) -> SideError {
    SideError::Answer { side: Side::Operate, reason }
}

/// The id of a lead, which stands in addresses: a whole number, or text that can be a part of one. A number with a fraction or an
/// exponent was too large to be read exactly, and would be another lead's.
pub(super) fn as_id(value: &Json) -> Option<String> {
    let is_whole = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let text = as_text(value)?;
    let fits = match value {
        Json::Number(_) => is_whole(&text),
        Json::String(_) => {
            text.len() <= LONGEST_ID && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        }
        _ => false,
    };
    Some(text).filter(|text| fits && !text.is_empty())
}

/// An id as it is written: a number, where it is one.
pub(super) fn id_json(id: &str) -> Json {
    let number = id.parse::<i64>().ok().filter(|number| number.to_string() == id);
    number.map_or_else(|| json!(id), |number| json!(number))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_not_read_exactly_or_would_lead_elsewhere_is_none() {
        for (json, expected) in [
            (json!(17), Some("17")),
            (json!(" 17 "), Some("17")),
            (json!("9e1c2d-x"), Some("9e1c2d-x")),
            (json!(1.5), None),
            (json!(12_345_678_901_234_567_890_123_f64), None),
            (json!(-1), None),
            (json!(""), None),
            (json!(".."), None),
            (json!("1/../2"), None),
            (json!(true), None),
        ] {
            assert_eq!(as_id(&json).as_deref(), expected, "{json}");
        }
    }

    #[test]
    fn an_id_is_written_as_a_number_only_where_that_is_the_same() {
        assert_eq!((id_json("17"), id_json("017"), id_json("+17")), (json!(17), json!("017"), json!("+17")));
    }
}
