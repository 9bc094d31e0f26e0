//! The JSON Schema of the file, made from the table of keys, for editors that complete and check TOML by one.
//!
//! Draft 7, because Taplo and the editors built on it (Even Better TOML, tombi) know it; newer drafts they know in part or not at
//! all. Nothing is behind a `$ref`: draft 7 drops what stands beside one, and with it the description.
//!
//! A schema knows shapes, not what belongs together: `leadsync check --offline` has the last word.

use chrono_tz::{TZ_VARIANTS, Tz};
use serde_json::{Map, Value as Json, json};

use super::field::DIRECTION_WORDS;
use super::spec::{self, Form, Key, Presence, Section};

/// The file that the example names in its first line.
pub const FILE_NAME: &str = "leadsync.schema.json";

/// The schema, as it is printed.
#[must_use]
pub fn text() -> String {
    format!("{:#}\n", schema())
}

/// The schema.
#[must_use]
pub fn schema() -> Json {
    let mut schema = spec::section("").map(table).unwrap_or_default();
    schema.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    schema.insert("title".to_owned(), json!("leadsync.toml"));
    sorted(Json::Object(schema))
}

/// The table of a section.
fn table(section: &Section) -> Map<String, Json> {
    let properties: Map<String, Json> =
        section.keys.iter().map(|key| (key.name.to_owned(), Json::Object(property(section.name, key)))).collect();
    let required: Vec<&str> =
        section.keys.iter().filter(|key| matches!(key.presence, Presence::Required)).map(|key| key.name).collect();
    let mut table = object(json!({
        "type": "object",
        "description": section.about,
        "additionalProperties": false,
        "properties": properties,
    }));
    if !required.is_empty() {
        table.insert("required".to_owned(), json!(required));
    }
    if section.name == "fields" {
        // A constant is on one side only.
        table.insert("anyOf".to_owned(), json!([{ "required": ["operate", "salesforce"] }, { "required": ["constant"] }]));
    }
    table
}

fn property(section: &str, key: &Key) -> Map<String, Json> {
    let name = if section.is_empty() { key.name.to_owned() } else { format!("{section}.{}", key.name) };
    let mut property = form(&key.form, &name);
    let hint = hint(&key.form);
    let description = if hint.is_empty() { key.about.to_owned() } else { format!("{} {hint}", key.about) };
    property.insert("description".to_owned(), json!(description));
    property.insert("title".to_owned(), json!(key.name));
    if let Presence::Default(text) = key.presence {
        property.insert("default".to_owned(), value(text));
    }
    property
}

/// What goes for all values of a form, for people.
fn hint(form: &Form) -> String {
    match form {
        Form::Secret => {
            "Write \"env:NAME\" for an environment variable or \"file:/path\" for a file; a secret written out works and draws \
                         a warning."
                .to_owned()
        }
        Form::Duration(least, most) | Form::DurationOrOff(least, most) => {
            format!("A whole number and ms, s, m, h or d: {least} at least, {most} at most.")
        }
        Form::Percentage => "Such as \"20%\".".to_owned(),
        Form::Cron => "Second, minute, hour, day of month, month, day of week, in UTC.".to_owned(),
        _ => String::new(),
    }
}

/// What a value must look like. `name` is that of its key, dotted.
fn form(form: &Form, name: &str) -> Map<String, Json> {
    let section = || spec::section(name).map(table).unwrap_or_default();
    let pattern = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    object(match form {
        Form::Table => return section(),
        Form::OneKey => {
            let mut table = section();
            table.extend(object(json!({ "minProperties": 1, "maxProperties": 1 })));
            return table;
        }
        Form::Tables => json!({ "type": "array", "minItems": 1, "items": section() }),
        Form::Text => json!({ "type": "string" }),
        Form::Filled => pattern(r"\S"),
        Form::Secret => json!({ "type": "string", "minLength": 1, "examples": ["env:NAME", "file:/run/secrets/name"] }),
        Form::Word(words) => json!({ "type": "string", "enum": words() }),
        Form::Whole(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Form::Share => json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1 }),
        Form::Flag => json!({ "type": "boolean" }),
        Form::Duration(..) => pattern(r"^\s*[0-9]+(ms|s|m|h|d)\s*$"),
        Form::DurationOrOff(..) => pattern(r"^\s*([0-9]+(ms|s|m|h|d)|off)\s*$"),
        Form::Percentage => pattern(r"^\s*([0-9]+(\.[0-9]*)?\s*%|off)\s*$"),
        Form::Cron => pattern(r"^\s*\S+(\s+\S+){5}\s*$"),
        Form::Zone => json!({ "type": "string", "enum": TZ_VARIANTS.map(Tz::name).to_vec() }),
        Form::Address => pattern("^\\s*[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+/?\\s*$"),
        Form::NativeName => pattern(r"^\s*[A-Za-z][A-Za-z0-9_]*\s*$"),
        Form::NativeNameOrNone => pattern(r"^\s*([A-Za-z][A-Za-z0-9_]*)?\s*$"),
        Form::FieldName => pattern(r"^\s*[a-z][a-z0-9_]*\s*$"),
        Form::ApiVersion => pattern(r"^\s*[0-9]{2}\.0\s*$"),
        Form::StoreUrl => pattern(r"^\s*(sqlite:|postgres(ql)?:|env:|file:)"),
        Form::SchemaName => pattern(r"^\s*[a-z_][a-z0-9_]{0,62}\s*$"),
        Form::Scalar => json!({ "type": ["string", "number", "boolean"] }),
        Form::List(each, least) => json!({ "type": "array", "minItems": least, "items": self::form(each, name) }),
        Form::OneOrMore(each) => {
            let one = Json::Object(self::form(each, name));
            json!({ "anyOf": [one, { "type": "array", "minItems": 1, "items": one }] })
        }
        Form::Either(forms) => json!({ "anyOf": forms.iter().map(|each| self::form(each, name)).collect::<Vec<_>>() }),
        Form::Pair => json!({ "type": "array", "minItems": 2, "maxItems": 2, "items": { "type": "string" } }),
        Form::Rows => json!({ "type": "array", "minItems": 1, "items": row() }),
    })
}

/// A row of a value map.
fn row() -> Json {
    let (cell, ways) = (json!({ "type": "string", "pattern": r"\S" }), DIRECTION_WORDS.map(|(word, _)| word));
    let description = "Operate's word, Salesforce's word, and the way for a row that goes one way only.";
    let items = json!([cell, cell, { "type": "string", "enum": ways }]);
    json!({ "type": "array", "minItems": 2, "maxItems": 3, "description": description, "items": items, "additionalItems": false })
}

/// A value as the file would have it.
fn value(text: &str) -> Json {
    let table: toml::Table = format!("value = {text}").parse().unwrap_or_default();
    table.get("value").and_then(|value| serde_json::to_value(value).ok()).unwrap_or(Json::Null)
}

fn object(json: Json) -> Map<String, Json> {
    if let Json::Object(map) = json { map } else { Map::new() }
}

/// The same with its keys in alphabetical order, whatever order this build of the JSON library keeps: so that the printed schema is
/// the same everywhere.
fn sorted(json: Json) -> Json {
    match json {
        Json::Object(map) => {
            let mut pairs: Vec<(String, Json)> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
            Json::Object(pairs.into_iter().collect())
        }
        Json::Array(elements) => Json::Array(elements.into_iter().map(sorted).collect()),
        other => other,
    }
}
