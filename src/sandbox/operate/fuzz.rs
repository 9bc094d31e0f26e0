//! What must hold of queries and of outbound messages.

use serde_json::{Map, Value as Json};

use super::outbound::{Event, Outbound};
use super::query::{Cell, conditions, fields};
use super::schema::{Refusal, column};

/// A `where`, or a list of fields: it is understood, or refused in the vendor's manner; joined with itself it says the same twice.
pub(crate) fn operate_where(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match conditions(&text, &column) {
        Ok(read) => {
            let twice = conditions(&format!("{text}AND{text}"), &column);
            assert_eq!(twice, Ok(read.iter().chain(&read).cloned().collect()));
            for condition in &read {
                for cell in [Cell::Text("York"), Cell::Number(Some(3.0)), Cell::Number(None), Cell::Date(""), Cell::Time(0)] {
                    let _ = condition.holds(cell);
                }
            }
        }
        Err(refusal) => is_in_the_vendors_manner(&refusal),
    }
    match fields(&text, &column) {
        Ok(read) => {
            let names: Vec<&str> = read.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(format!("[{}]", names.join(",")), text);
        }
        Err(refusal) => is_in_the_vendors_manner(&refusal),
    }
}

fn is_in_the_vendors_manner(refusal: &Refusal) {
    assert!(refusal.text.starts_with("Wrong input parameters, "), "{refusal:?}");
}

/// A template, and after a line `---` the lead as JSON: each name in braces is replaced once, and a value stays as it is.
pub(crate) fn outbound_message(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (template, lead) = text.split_once("\n---\n").unwrap_or((text.as_ref(), "{}"));
    let lead: Map<String, Json> = serde_json::from_str(lead).unwrap_or_default();
    let outbound = Outbound {
        url: template.to_owned(),
        on: vec![Event::Create],
        content_type: "text/plain".to_owned(),
        body: template.to_owned(),
    };
    let _ = outbound.check();
    let length = |json: &Json| json.as_str().map_or_else(|| json.to_string().len(), str::len);
    let longest = lead.values().map(length).max().unwrap_or_default();
    let message = outbound.text(&lead);
    assert!(message.len() <= template.len() + template.matches('{').count() * longest, "{} bytes", message.len());
    assert!(!lead.is_empty() || message == template);
    if let (1, Some((name, Json::String(value)))) = (lead.len(), lead.iter().next())
        && !name.contains(['{', '}'])
    {
        assert_eq!(message, template.replace(&format!("{{{name}}}"), value));
    }
}
