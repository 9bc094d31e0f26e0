//! What must hold of every parser of what comes from outside, for any bytes: a target a parser.
//!
//! It is no part of the program and no public interface. It stands in the library because most of these parsers are private, and both
//! callers are outside of it: `tests/suite/fuzz.rs` runs each target for a bounded number of inputs, `fuzz/` for as long as somebody
//! likes. A property that does not hold ends in a panic. The properties themselves stand next to the parsers, in files of this name.

use std::borrow::Cow;
use std::sync::LazyLock;

use apache_avro::Schema;
use serde_json::Value as Json;

use crate::config::Config;
use crate::{config, http, mapping, operate, salesforce, sandbox};

/// A target.
pub struct Target {
    /// Its name: that of the program in `fuzz/fuzz_targets/` and of the folder in `fuzz/corpus/`.
    pub name: &'static str,
    check: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 15] = [
    Target { name: "change_event", check: change_event },
    Target { name: "config_toml", check: config::fuzz::toml },
    Target { name: "http_headers", check: http_headers },
    Target { name: "mapping_lens", check: mapping::fuzz::lens },
    Target { name: "operate_rows", check: operate::fuzz::rows },
    Target { name: "operate_time", check: operate::fuzz::time },
    Target { name: "operate_where", check: sandbox::fuzz::operate_where },
    Target { name: "operate_write_answer", check: operate::fuzz::write_answer },
    Target { name: "outbound_message", check: sandbox::fuzz::outbound_message },
    Target { name: "salesforce_bulk_csv", check: salesforce_bulk_csv },
    Target { name: "salesforce_describe", check: salesforce::fuzz::describe },
    Target { name: "salesforce_outcomes", check: salesforce::fuzz::outcomes },
    Target { name: "salesforce_query_page", check: salesforce::fuzz::query_page },
    Target { name: "sign_in_answer", check: sign_in_answer },
    Target { name: "soql", check: soql },
];

impl Target {
    /// Checks one input.
    ///
    /// # Panics
    ///
    /// If a property does not hold.
    pub fn check(&self, data: &[u8]) {
        (self.check)(data);
    }
}

/// The same by name.
///
/// # Panics
///
/// If a property does not hold, or there is no such target.
pub fn check(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let Some(target) = target else { panic!("there is no target {name}") };
    target.check(data);
}

/// A change event's payload, by the schema of leads.
fn change_event(data: &[u8]) {
    static SCHEMA: LazyLock<Option<Schema>> = LazyLock::new(|| Schema::parse_str(&sandbox::fuzz::event_schema()).ok());
    let Some(schema) = &*SCHEMA else { panic!("the sandbox's schema is none") };
    salesforce::events::fuzz(schema, data);
}

/// Headers, a line each.
fn http_headers(data: &[u8]) {
    let headers = http::fuzz::read_headers(data);
    http::fuzz::headers(&headers);
    salesforce::fuzz::headers(&headers);
}

/// The answer to a sign-in: a status on the first line, and the body.
fn sign_in_answer(data: &[u8]) {
    let answer = http::fuzz::read_answer(data);
    operate::fuzz::sign_in(&answer);
    salesforce::fuzz::sign_in(&answer);
}

/// Both ends of the CSV of Bulk API: what the client reads and writes, and the sandbox.
fn salesforce_bulk_csv(data: &[u8]) {
    salesforce::fuzz::bulk_csv(data);
    sandbox::fuzz::bulk_csv(data);
}

/// A query; and any text, as the client quotes it, is that text to the server.
fn soql(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    sandbox::fuzz::soql(&text);
    let read = sandbox::fuzz::soql_literal(&salesforce::fuzz::quoted(&text));
    assert!(read.is_none_or(|read| read == text), "quoting changed {text:?}");
}

/// A configuration for the clients.
pub(crate) fn config() -> Config {
    let text = r#"
        [operate]
        base_url = "https://operate.example.com"
        auth = { client_id = "fuzz", client_secret = "env:SECRET" }
        timezone = "Europe/London"
        external_id_field = "externalid"
        [salesforce]
        login_url = "https://acme.my.salesforce.com"
        auth = { client_id = "fuzz", client_secret = "env:SECRET" }
        [sync]
        match = [["company"]]
        [[fields]]
        name = "company"
        operate = "leadname"
        salesforce = "Company"
    "#;
    match Config::from_text(text, "fuzz.toml", [("SECRET".to_owned(), "fuzz-secret".to_owned())]) {
        Ok(loaded) => loaded.config,
        Err(error) => panic!("{error}"),
    }
}

/// A body in pieces: all at once, byte by byte, and at places that depend on the body alone, so that an input tells all.
pub(crate) fn cuts(data: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut seed = data.iter().fold(data.len(), |seed, byte| seed.wrapping_mul(31).wrapping_add(usize::from(*byte)));
    let (mut pieces, mut rest) = (Vec::new(), data);
    while !rest.is_empty() {
        seed = seed.wrapping_mul(25_214_903_917).wrapping_add(11);
        let (piece, after) = rest.split_at((1 + (seed >> 16) % 37).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    vec![vec![data], data.chunks(1).collect(), pieces]
}

/// No longer text value of a JSON body stands in a message about it: it may be personal, or secret.
pub(crate) fn keeps_out(message: &str, body: &[u8]) {
    for text in texts(&serde_json::from_slice(body).unwrap_or_default()) {
        assert!(text.chars().count() < 12 || !message.contains(text.as_ref()), "{message:?} holds {text:?}");
    }
}

fn texts(json: &Json) -> Vec<Cow<'_, str>> {
    match json {
        Json::String(text) => vec![Cow::Borrowed(text)],
        Json::Array(items) => items.iter().flat_map(texts).collect(),
        Json::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}
