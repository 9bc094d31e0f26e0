//! Events in Avro: the schema of `LeadChangeEvent`, and changes encoded by it.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{AvroResult, Schema};
use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::changes::Change;
use crate::sandbox::salesforce::fields::{Field, Kind, Source};
use crate::sandbox::salesforce::lead_fields::LEAD;

/// The kinds of changes, in the order of the schema.
const KINDS: [&str; 9] =
    ["CREATE", "UPDATE", "DELETE", "UNDELETE", "GAP_CREATE", "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE", "GAP_OVERFLOW"];
/// What an event of an overflow names in the place of leads.
const NOBODY: &str = "000000000000000AAA";

/// What was changed together.
pub struct Transaction<'a> {
    pub(super) changes: Vec<Change>,
    /// Where it came from; empty: from a person.
    pub(super) origin: &'a str,
}

/// How events are encoded.
#[derive(Debug)]
pub(super) struct Encoding {
    pub id: String,
    pub json: String,
    schema: Schema,
}

impl Encoding {
    pub(super) fn new() -> AvroResult<Self> {
        let json = schema_of_lead().to_string();
        let mut hasher = DefaultHasher::new();
        json.hash(&mut hasher);
        Ok(Self { id: format!("sandbox-{:016x}", hasher.finish()), schema: Schema::parse_str(&json)?, json })
    }

    /// A change in binary. `number` tells its transaction from all others.
    pub(super) fn encode(&self, change: &Change, origin: &str, number: u64, at: DateTime<Utc>, is_gap: bool) -> Vec<u8> {
        let kind = if is_gap { format!("GAP_{}", change.kind) } else { change.kind.to_owned() };
        let shown = |field: &Field| (!is_gap).then(|| change.fields.iter().find(|(name, _)| *name == field.name)).flatten();
        let changed: Vec<&str> = stored().filter(|field| shown(field).is_some()).map(|field| field.name).collect();
        let mut event = vec![("ChangeEventHeader".to_owned(), header(&kind, change, &changed, origin, number, at))];
        event.extend(stored().map(|field| (field.name.to_owned(), value(field, shown(field).map(|(_, value)| value)))));
        let writer = GenericDatumWriter::builder(&self.schema).build();
        writer.and_then(|writer| writer.write_value_to_vec(Value::Record(event))).unwrap_or_default()
    }

    /// An event that says that too much has changed to tell what.
    pub(super) fn overflow(&self, number: u64, at: DateTime<Utc>) -> Vec<u8> {
        let change = Change { kind: "OVERFLOW", ids: vec![NOBODY.to_owned()], user: String::new(), fields: Vec::new() };
        self.encode(&change, "", number, at, true)
    }
}

fn stored() -> impl Iterator<Item = &'static Field> {
    LEAD.iter().filter(|field| field.source == Source::Stored)
}

/// The schema of a lead's change events.
pub fn schema_of_lead() -> Json {
    let array = json!({ "type": "array", "items": "string" });
    let plain = |name: &str, kind: Json| json!({ "name": name, "type": kind });
    let header = json!({ "type": "record", "name": "ChangeEventHeader", "fields": [
        plain("entityName", json!("string")),
        plain("recordIds", array.clone()),
        plain("changeType", json!({ "type": "enum", "name": "ChangeType", "symbols": KINDS })),
        plain("changeOrigin", json!("string")),
        plain("transactionKey", json!("string")),
        plain("sequenceNumber", json!("int")),
        plain("commitTimestamp", json!("long")),
        plain("commitNumber", json!("long")),
        plain("commitUser", json!("string")),
        plain("nulledFields", array.clone()),
        plain("diffFields", array.clone()),
        plain("changedFields", array),
    ] });
    let mut fields = vec![plain("ChangeEventHeader", header)];
    fields.extend(stored().map(|field| json!({ "name": field.name, "type": ["null", type_of(field)], "default": null })));
    json!({ "type": "record", "name": "LeadChangeEvent", "namespace": "com.sforce.eventbus", "fields": fields })
}

fn type_of(field: &Field) -> &'static str {
    match field.kind {
        Kind::Boolean => "boolean",
        Kind::Int | Kind::Double | Kind::Currency => "double",
        _ => "string",
    }
}

/// A field's value, or null where it did not change.
fn value(field: &Field, given: Option<&Json>) -> Value {
    let some = |value: Value| Value::Union(1, Box::new(value));
    match (type_of(field), given) {
        ("boolean", Some(Json::Bool(flag))) => some(Value::Boolean(*flag)),
        ("double", Some(Json::Number(number))) => some(Value::Double(number.as_f64().unwrap_or_default())),
        ("string", Some(Json::String(text))) => some(Value::String(text.clone())),
        _ => Value::Union(0, Box::new(Value::Null)),
    }
}

fn header(kind: &str, change: &Change, changed: &[&str], origin: &str, number: u64, at: DateTime<Utc>) -> Value {
    let text = |text: &str| Value::String(text.to_owned());
    let place = KINDS.iter().position(|known| *known == kind).unwrap_or_default();
    let nulled = changed.iter().filter(|name| change.fields.iter().any(|(field, value)| field == *name && value.is_null()));
    let bits = |names: Vec<&str>| Value::Array(bitmap(&names).iter().map(|bits| text(bits)).collect());
    let fields = [
        ("entityName", text("Lead")),
        ("recordIds", Value::Array(change.ids.iter().map(|id| text(id)).collect())),
        ("changeType", Value::Enum(u32::try_from(place).unwrap_or_default(), kind.to_owned())),
        ("changeOrigin", text(origin)),
        ("transactionKey", text(&format!("{number:08x}-0000-4000-8000-000000000000"))),
        ("sequenceNumber", Value::Int(1)),
        ("commitTimestamp", Value::Long(at.timestamp_millis())),
        ("commitNumber", Value::Long(i64::try_from(number).unwrap_or_default())),
        ("commitUser", text(&change.user)),
        ("nulledFields", bits(nulled.copied().collect())),
        ("diffFields", Value::Array(Vec::new())),
        ("changedFields", bits(if kind.ends_with("UPDATE") { changed.to_vec() } else { Vec::new() })),
    ];
    Value::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Names as Salesforce writes them: a bit for each field of the schema, the header's being the lowest.
fn bitmap(names: &[&str]) -> Vec<String> {
    if names.is_empty() {
        return Vec::new();
    }
    let mut bytes = vec![0_u8; (LEAD.len() + 1) / 8 + 1];
    for (place, _) in stored().enumerate().filter(|(_, field)| names.contains(&field.name)) {
        let bit = place + 1;
        if let Some(byte) = bytes.iter_mut().nth_back(bit / 8) {
            *byte |= 1 << (bit % 8);
        }
    }
    let digits = bytes.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02X}");
        digits
    });
    vec![format!("0x{}", digits.trim_start_matches("00"))]
}

#[cfg(test)]
mod tests {
    use apache_avro::reader::datum::GenericDatumReader;

    use super::*;

    #[test]
    fn a_change_can_be_read_by_the_schema_that_is_given_out() {
        let fields = vec![("Phone", json!("020 7946 0001")), ("Desks__c", json!(4)), ("Title", Json::Null)];
        let change = Change { kind: "UPDATE", ids: vec!["00Q1".to_owned(), "00Q2".to_owned()], user: "005".to_owned(), fields };
        let read = Encoding::new().and_then(|encoding| {
            let payload = encoding.encode(&change, "", 7, Utc::now(), false);
            let schema = Schema::parse_str(&encoding.json)?;
            GenericDatumReader::builder(&schema).build()?.read_value(&mut payload.as_slice())
        });
        let read = read.and_then(Json::try_from).unwrap_or_default();
        assert_eq!(read.get("Phone"), Some(&json!("020 7946 0001")), "{read}");
        assert_eq!((read.get("Desks__c"), read.get("Title")), (Some(&json!(4.0)), Some(&Json::Null)));
        assert_eq!(read.pointer("/ChangeEventHeader/recordIds"), Some(&json!(["00Q1", "00Q2"])));
        assert_eq!(read.pointer("/ChangeEventHeader/changeType"), Some(&json!("UPDATE")));
    }
}
