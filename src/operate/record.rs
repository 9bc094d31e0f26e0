//! A Lead as Operate gives it.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::OperateClient;
use crate::config::operate::OperateConfig;
use crate::lead::Side;
use crate::native::{Columns, Names};
use crate::side::{NativeFields, Record, SideError};

/// The longest id.
const LONGEST_ID: usize = 64;
/// What every row of an answer carries, and no lead.
const ROW_NUMBER: &str = "row_num";
/// Characters of a timestamp that messages show.
const SHOWN: usize = 40;

/// Where rows have what makes a record.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    own: Columns,
    mapped: Columns,
}

/// The fields that every query names, whatever is mapped: each at its place below.
pub(super) const fn own_fields(config: &OperateConfig) -> [&String; 5] {
    [&config.id_field, &config.modified_field, &config.created_field, &config.converted_field, &config.external_id_field]
}

const ID: usize = 0;
const MODIFIED: usize = 1;
const CREATED: usize = 2;
const CONVERTED: usize = 3;
const EXTERNAL_ID: usize = 4;

impl OperateClient {
    /// For the rows of one answer.
    pub(super) fn layout(&self) -> Layout {
        Layout {
            own: Columns::named(Names::new(own_fields(&self.config).into_iter().map(|name| name.as_str().into()).collect())),
            mapped: Columns::named(Arc::clone(&self.mapped)),
        }
    }

    /// Reads a row of a query, or a single lead.
    pub(super) fn record(&self, layout: &mut Layout, mut row: NativeFields) -> Result<Record, SideError> {
        let config = &self.config;
        let own = &mut layout.own;
        own.look_at(&row);
        let text = |column: usize| own.get(&row, column).and_then(spelt);
        let id = own.get(&row, ID).and_then(as_id).ok_or_else(|| unreadable(format!("a lead without {}", config.id_field)))?;
        let stamp = text(MODIFIED);
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
        Ok(Record {
            modified_at,
            created_at: text(CREATED).and_then(|stamp| self.time.parse(&stamp)),
            external_id: text(EXTERNAL_ID).filter(|held| !held.is_empty()).map(Cow::into_owned),
            deleted: false,
            converted: text(CONVERTED).is_some_and(|word| is_yes(&word)),
            master_id: None,
            id,
            fields: if self.whole {
                row.remove(ROW_NUMBER);
                row
            } else {
                layout.mapped.look_at(&row);
                layout.mapped.pick(row)
            },
        })
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
    let text = spelt(value)?;
    let text = text.as_ref();
    let fits = match value {
        Json::Number(_) => is_whole(text),
        Json::String(_) => {
            text.len() <= LONGEST_ID && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        }
        _ => false,
    };
    Some(text).filter(|text| fits && !text.is_empty()).map(str::to_owned)
}

/// An id as it is written: a number, where it is one.
pub(super) fn id_json(id: &str) -> Json {
    let number = id.parse::<i64>().ok().filter(|number| number.to_string() == id);
    number.map_or_else(|| json!(id), |number| json!(number))
}

/// Text or a number, as text.
pub(super) fn as_text(value: &Json) -> Option<String> {
    spelt(value).map(Cow::into_owned)
}

fn spelt(value: &Json) -> Option<Cow<'_, str>> {
    match value {
        Json::String(text) => Some(text.trim().into()),
        Json::Number(number) => Some(number.to_string().into()),
        Json::Bool(flag) => Some(flag.to_string().into()),
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
