//! `[operate]`: where the Operate workspace is, how to sign in, and the keys for what its API reference leaves open.

use std::time::Duration;

use chrono_tz::Tz;
use secrecy::SecretString;

use super::secret;
use super::section::{Fault, Given, Section};
use super::value::DAY;

/// `[operate]`. Every key but the address and the credentials has a default.
#[derive(Debug, Clone)]
pub struct OperateConfig {
    /// Scheme, host and port; no path. `https://operate-api.essensys.tech`.
    pub base_url: String,
    /// The zone of timestamps, which carry no offset. `UTC`.
    pub timezone: Tz,
    /// Requests a second, at most. 5.
    pub requests_per_second: u32,
    /// Requests under way at once, at most. 4.
    pub concurrency: usize,
    /// How long one request may take, without the streaming of its body. `60s`.
    pub timeout: Duration,
    /// How to sign in.
    pub auth: OperateAuth,
    /// `Lead`, in `/api/1.0/Lead`.
    pub endpoint: String,
    /// The key that wraps records in a write. `leads`.
    pub envelope: String,
    /// `leadid`.
    pub id_field: String,
    /// `lastmodified`.
    pub modified_field: String,
    /// `created`.
    pub created_field: String,
    /// `converted`.
    pub converted_field: String,
    /// In chrono's notation. `%Y-%m-%d %H:%M:%S`.
    pub timestamp_format: String,
    /// Records in one write request. 1.
    pub batch_size: usize,
    /// The longest time span that one query asks for. `30d`.
    pub window: Duration,
    /// An Operate field that may hold the Salesforce id; empty: none.
    pub external_id_field: String,
    /// A `where` expression: only these leads take part; empty: all.
    pub filter: String,
    /// How long after an unanswered create it is looked for once more before it is sent again. `30s`.
    pub settle: Duration,
    /// Fields that Operate makes no lead without. `["location"]`.
    pub required_fields: Vec<String>,
    /// How its reference lists are read.
    pub lookups: LookupConfig,
}

/// `[operate.lookups]`: the fields of a reference list.
#[derive(Debug, Clone)]
pub struct LookupConfig {
    /// `id`.
    pub id_field: String,
    /// `name`.
    pub name_field: String,
    /// Of the list `User`: `email`.
    pub email_field: String,
}

/// How to sign in to Operate.
#[derive(Debug, Clone)]
pub struct OperateAuth {
    /// The OAuth client's id.
    pub client_id: String,
    /// The OAuth client's secret.
    pub client_secret: SecretString,
    /// `grant = "password"`: user name and password as well.
    pub password: Option<(String, SecretString)>,
}

/// The words for the grants, and whether a user's name and password go with each.
pub(super) const GRANT_WORDS: [(&str, bool); 2] = [("client_credentials", false), ("password", true)];

impl OperateConfig {
    /// Reads `[operate]`.
    pub(super) fn read(section: &Section<'_>) -> Self {
        let name = |key, default: &str| section.or(key, default.to_owned(), Given::native_name);
        Self {
            base_url: section.required("base_url", "\"https://operate-api.essensys.tech\"", Given::base_address),
            auth: OperateAuth::read(&section.section("auth")),
            timezone: section.or("timezone", Tz::UTC, Given::zone),
            requests_per_second: section.or("requests_per_second", 5, |given| given.whole(1..=10_000)),
            concurrency: section.or("concurrency", 4, |given| given.whole(1..=100)),
            timeout: section.or("timeout", Duration::from_mins(1), |given| {
                given.duration(Duration::from_millis(1)..=Duration::from_hours(1))
            }),
            endpoint: name("endpoint", "Lead"),
            envelope: name("envelope", "leads"),
            id_field: name("id_field", "leadid"),
            modified_field: name("modified_field", "lastmodified"),
            created_field: name("created_field", "created"),
            converted_field: name("converted_field", "converted"),
            timestamp_format: section.or("timestamp_format", "%Y-%m-%d %H:%M:%S".to_owned(), Given::timestamp_format),
            batch_size: section.or("batch_size", 1, |given| given.whole(1..=1_000)),
            window: section.or("window", DAY * 30, |given| given.duration(Duration::from_mins(1)..=DAY * 3_650)),
            external_id_field: section.or("external_id_field", String::new(), Given::native_name_or_none),
            filter: section.or("filter", String::new(), Given::any_text),
            settle: section.or("settle", Duration::from_secs(30), |given| given.duration(Duration::ZERO..=DAY)),
            required_fields: required_fields(section),
            lookups: LookupConfig::read(&section.section("lookups")),
        }
    }
}

/// A list of field names.
fn required_fields(section: &Section<'_>) -> Vec<String> {
    let help = "write a list of Operate fields, such as [\"location\"]";
    let Some(elements) = section.elements("required_fields", help) else { return vec!["location".to_owned()] };
    let mut names = Vec::new();
    for (path, element) in elements {
        let given = Given { kind: &element.kind, from_environment: false };
        match given.native_name() {
            Ok(name) => names.push(name),
            Err(fault) => section.report.error(&path, fault),
        }
    }
    names
}

impl LookupConfig {
    fn read(section: &Section<'_>) -> Self {
        let name = |key, default: &str| section.or(key, default.to_owned(), Given::native_name);
        Self {
            id_field: name("id_field", "id"),
            name_field: name("name_field", "name"),
            email_field: name("email_field", "email"),
        }
    }
}

impl OperateAuth {
    fn read(section: &Section<'_>) -> Self {
        let with_password = section.or("grant", false, |given| given.word(&GRANT_WORDS));
        let password = with_password.then(|| {
            let username = section.required("username", "\"…\"", Given::filled);
            (username, secret::required(section, "password"))
        });
        for key in ["username", "password"].into_iter().filter(|key| !with_password && section.has(key)) {
            let help = "remove it, or write grant = \"password\"";
            section.report.error_at_key(&section.path.key(key), Fault::new("this goes with grant = \"password\" only", help));
        }
        Self {
            client_id: section.required("client_id", "\"…\"", Given::filled),
            client_secret: secret::required(section, "client_secret"),
            password,
        }
    }
}
