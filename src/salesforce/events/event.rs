//! What a change event says: of its payload, only the header.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::util::max_allocation_bytes;

use crate::salesforce::outcome::is_id;

/// What follows from an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// These leads may have changed.
    Leads(Vec<String>),
    /// It tells of what this program wrote.
    Own,
    /// Any lead may have changed.
    All,
    /// It tells of no lead.
    Other,
    /// It cannot be read, for this reason: any lead may have changed.
    Unreadable(&'static str),
}

/// How this program names itself to the org when it writes (`Sforce-Call-Options`).
const OWN_NAME: &str = "client=leadsync";

/// A message of gRPC is no longer than this, in bytes: a length in an event that says more is wrong.
const LONGEST: usize = 4 * 1024 * 1024;

/// Reads an event by its schema. One that is older than `recent`, in milliseconds since 1970, names no leads one by one.
pub(super) fn read(schema: &Schema, mut payload: &[u8], recent: i64) -> Change {
    max_allocation_bytes(LONGEST);
    // The parser's own words may quote values of a lead.
    let decoded = GenericDatumReader::builder(schema).build().and_then(|reader| reader.read_value(&mut payload));
    let Ok(Value::Record(fields)) = decoded else {
        return Change::Unreadable("its payload does not fit its schema");
    };
    let header = fields.iter().find(|(name, _)| name == "ChangeEventHeader").map(|(_, value)| plain(value));
    let Some(Value::Record(header)) = header else { return Change::Unreadable("it has no ChangeEventHeader") };
    let field = |wanted: &str| header.iter().find(|(name, _)| name == wanted).map(|(_, value)| plain(value));
    let text = |name: &str| field(name).and_then(text_of).unwrap_or_default();
    if text("entityName") != "Lead" {
        return Change::Other;
    }
    let kind = text("changeType");
    if kind == "GAP_OVERFLOW" {
        return Change::All;
    }
    // A gap event may stand for more than one writer.
    if !kind.starts_with("GAP_") && text("changeOrigin").split(';').any(|part| part.trim() == OWN_NAME) {
        return Change::Own;
    }
    let Some(Value::Array(ids)) = field("recordIds") else { return Change::Unreadable("it has no recordIds") };
    let ids: Vec<String> = ids.iter().filter_map(|id| text_of(plain(id))).map(str::to_owned).collect();
    // A whole cycle has read it, or does so with fewer requests.
    if matches!(field("commitTimestamp"), Some(Value::Long(at)) if *at < recent) {
        return Change::All;
    }
    // `00Q*` stands for any lead.
    if ids.is_empty() || !ids.iter().all(|id| is_lead_id(id)) { Change::All } else { Change::Leads(ids) }
}

fn is_lead_id(id: &str) -> bool {
    id.len() == 18 && id.starts_with("00Q") && is_id(id)
}

/// A value as it is where it may be null.
fn plain(value: &Value) -> &Value {
    match value {
        Value::Union(_, value) => value,
        value => value,
    }
}

fn text_of(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) | Value::Enum(_, text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use apache_avro::AvroResult;
    use apache_avro::writer::datum::GenericDatumWriter;

    use super::*;

    const SCHEMA: &str = r#"{"type":"record","name":"LeadChangeEvent","namespace":"com.sforce.eventbus","fields":[
        {"name":"ChangeEventHeader","type":{"type":"record","name":"ChangeEventHeader","fields":[
            {"name":"entityName","type":"string"},
            {"name":"recordIds","type":{"type":"array","items":"string"}},
            {"name":"changeType","type":{"type":"enum","name":"ChangeType","symbols":["CREATE","UPDATE","GAP_UPDATE","GAP_OVERFLOW"]}},
            {"name":"changeOrigin","type":["null","string"]},
            {"name":"commitTimestamp","type":"long"}]}},
        {"name":"Phone","type":["null","string"],"default":null}]}"#;
    const LEAD: &str = "00Q5g00000000a1EAA";

    /// When it happened.
    const AT: i64 = 1_796_000_000_000;

    fn said(entity: &str, ids: &[&str], kind: (u32, &str), origin: &str, recent: i64) -> Change {
        let text = |text: &str| Value::String(text.to_owned());
        let header = vec![
            ("entityName".to_owned(), text(entity)),
            ("recordIds".to_owned(), Value::Array(ids.iter().map(|id| text(id)).collect())),
            ("changeType".to_owned(), Value::Enum(kind.0, kind.1.to_owned())),
            ("changeOrigin".to_owned(), Value::Union(1, Box::new(text(origin)))),
            ("commitTimestamp".to_owned(), Value::Long(AT)),
        ];
        let event = vec![
            ("ChangeEventHeader".to_owned(), Value::Record(header)),
            ("Phone".to_owned(), Value::Union(1, Box::new(text("020 7946 0001")))),
        ];
        let read_back = |schema: Schema| -> AvroResult<Change> {
            let payload = GenericDatumWriter::builder(&schema).build()?.write_value_to_vec(Value::Record(event))?;
            Ok(read(&schema, &payload, recent))
        };
        Schema::parse_str(SCHEMA).and_then(read_back).unwrap_or(Change::Unreadable("the test itself"))
    }

    #[test]
    fn an_event_names_leads_or_tells_that_any_may_have_changed() {
        let (update, gap, overflow) = ((1, "UPDATE"), (2, "GAP_UPDATE"), (3, "GAP_OVERFLOW"));
        let own = "com/salesforce/api/rest/64.0;client=leadsync";
        let leads = Change::Leads(vec![LEAD.to_owned()]);
        for (entity, ids, kind, origin, expected) in [
            ("Lead", vec![LEAD], update, "", leads.clone()),
            ("Lead", vec![LEAD], update, "com/salesforce/api/rest/64.0;client=leadsyncer", leads.clone()),
            ("Lead", vec![LEAD], update, own, Change::Own),
            ("Lead", vec![LEAD], gap, own, leads),
            ("Lead", vec!["000000000000000AAA"], overflow, "", Change::All),
            ("Lead", vec!["00Q*"], gap, "", Change::All),
            ("Lead", vec![], update, "", Change::All),
            ("Contact", vec!["0035g00000000a1EAA"], update, "", Change::Other),
        ] {
            assert_eq!(said(entity, &ids, kind, origin, AT), expected, "{entity} {ids:?} {kind:?} {origin}");
        }
        assert_eq!(said("Lead", &[LEAD], update, "", AT + 1), Change::All, "it is old");
        assert_eq!(said("Lead", &[LEAD], update, own, AT + 1), Change::Own);
    }

    #[test]
    fn what_does_not_fit_its_schema_is_unreadable() {
        let schema = Schema::parse_str(SCHEMA).ok();
        for payload in [&b""[..], &[0xff; 40], &[8, b'L']] {
            let said = schema.as_ref().map(|schema| read(schema, payload, 0));
            assert_eq!(said, Some(Change::Unreadable("its payload does not fit its schema")), "{payload:?}");
        }
    }
}
