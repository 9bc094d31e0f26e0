//! `[salesforce]`: where the org is and how to sign in.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::EncodingKey;
use secrecy::{ExposeSecret as _, SecretString};

use super::secret;
use super::section::{Fault, Given, Section};

/// `[salesforce]`.
#[derive(Debug, Clone)]
pub struct SalesforceConfig {
    /// The My Domain address. `https://acme.my.salesforce.com`.
    pub login_url: String,
    /// `64.0`.
    pub api_version: String,
    /// How to sign in.
    pub auth: SalesforceAuth,
    /// The Lead field, External Id and Unique, that holds the Operate id. `Operate_Lead_Id__c`.
    pub external_id_field: String,
    /// A SOQL condition: only these leads take part; empty: all.
    pub filter: String,
    /// The share of the org's 24-hour API requests that may be used, 0 to 1. 0.5.
    pub daily_request_share: f64,
    /// Requests a second, at most. 10.
    pub requests_per_second: u32,
    /// Requests under way at once, at most. 4.
    pub concurrency: usize,
    /// How long one request may take. `120s`.
    pub timeout: Duration,
    /// What to do about a duplicate that the org's rules find. Park.
    pub duplicates: DuplicateRule,
    /// Whether the org's assignment rules run on what is written. `false`.
    pub auto_assign: bool,
    /// Up to this many updates, each is guarded by the server (25 a request); more are compared first and then sent 200 a request.
    /// 500.
    pub guarded_updates: u64,
    /// From this many creates on they go by Bulk API. 10,000.
    pub bulk_creates: u64,
    /// From this many leads on the first read goes by Bulk API. 200,000.
    pub bulk_read: u64,
    /// Where changes of leads are told as they happen. Nowhere.
    pub change_events: Option<ChangeEvents>,
}

/// Change Data Capture, through the Pub/Sub API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeEvents {
    /// `/data/LeadChangeEvent`, or a channel of the org's own.
    pub channel: String,
    /// `https://api.pubsub.salesforce.com:7443`.
    pub url: String,
}

/// How to sign in to Salesforce.
#[derive(Debug, Clone)]
pub enum SalesforceAuth {
    /// `flow = "client_credentials"`.
    ClientCredentials {
        /// The consumer key.
        client_id: String,
        /// The consumer secret.
        client_secret: SecretString,
    },
    /// `flow = "jwt_bearer"`.
    JwtBearer {
        /// The consumer key.
        client_id: String,
        /// The user to sign in as.
        username: String,
        /// The RSA key whose certificate the app knows, in PEM.
        private_key: SecretString,
        /// For whom the assertion is meant: `https://login.salesforce.com`, or `https://test.salesforce.com` for a sandbox org.
        audience: String,
    },
    /// `flow = "refresh_token"`.
    RefreshToken {
        /// The consumer key.
        client_id: String,
        /// The consumer secret, where the app wants it.
        client_secret: Option<SecretString>,
        /// What the last consent gave.
        refresh_token: SecretString,
        /// The file that it came from, which takes the next one where the app rotates them.
        file: Option<PathBuf>,
    },
}

/// `duplicates`: what to do where a duplicate rule of the org finds that a lead is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuplicateRule {
    /// The lead waits for a person.
    Park,
    /// It is linked with the lead that was found, if that is one and has no link.
    Link,
    /// It is saved all the same, where the rule allows that.
    Save,
}

/// The words for what to do about duplicates.
pub(super) const DUPLICATE_WORDS: [(&str, DuplicateRule); 3] =
    [("park", DuplicateRule::Park), ("link", DuplicateRule::Link), ("save", DuplicateRule::Save)];

/// Hosts of everybody's sign-in page, which refuse the client credentials flow.
const SHARED_HOSTS: [&str; 2] = ["https://login.salesforce.com", "https://test.salesforce.com"];

impl SalesforceConfig {
    /// Reads `[salesforce]`.
    pub(super) fn read(section: &Section<'_>) -> Self {
        Self {
            api_version: section.or("api_version", "64.0".to_owned(), api_version),
            external_id_field: section.or("external_id_field", "Operate_Lead_Id__c".to_owned(), Given::native_name),
            filter: section.or("filter", String::new(), Given::any_text),
            daily_request_share: section.or("daily_request_share", 0.5, Given::share),
            requests_per_second: section.or("requests_per_second", 10, |given| given.whole(1..=10_000)),
            concurrency: section.or("concurrency", 4, |given| given.whole(1..=100)),
            timeout: section.or("timeout", Duration::from_mins(2), |given| {
                given.duration(Duration::from_millis(1)..=Duration::from_hours(1))
            }),
            duplicates: section.or("duplicates", DuplicateRule::Park, |given| given.word(&DUPLICATE_WORDS)),
            auto_assign: section.or("auto_assign", false, Given::flag),
            guarded_updates: section.or("guarded_updates", 500, |given| given.whole(0..=1_000_000)),
            bulk_creates: bulk_creates(section),
            bulk_read: section.or("bulk_read", 200_000, |given| given.whole(1..=1_000_000_000)),
            change_events: ChangeEvents::read(section),
            login_url: section.required("login_url", "\"https://acme.my.salesforce.com\"", Given::base_address),
            auth: SalesforceAuth::read(section),
        }
    }
}

impl ChangeEvents {
    fn read(section: &Section<'_>) -> Option<Self> {
        // Both are looked at in any case, so that what is wrong with them is said before they are needed.
        let channel = section.or("change_events_channel", "/data/LeadChangeEvent".to_owned(), channel);
        let url = section.or("pubsub_url", "https://api.pubsub.salesforce.com:7443".to_owned(), Given::base_address);
        section.or("change_events", false, Given::flag).then_some(Self { channel, url })
    }
}

fn channel(given: &Given<'_>) -> Result<String, Fault> {
    let text = given.filled()?;
    let name = text.strip_prefix("/data/").unwrap_or_default();
    let is_name = !name.is_empty() && name.bytes().all(|each| each.is_ascii_alphanumeric() || each == b'_');
    if is_name {
        return Ok(text);
    }
    let help = "write \"/data/LeadChangeEvent\", or a channel of the org's own such as \"/data/Leads__chn\"";
    Err(Fault::new(format!("{} is not a channel of change events", super::value::quote(&text)), help))
}

/// Creates that go in one ordinary request. As many as that are never loaded by a job.
const ORDINARY: u64 = 200;

fn bulk_creates(section: &Section<'_>) -> u64 {
    let number = section.or("bulk_creates", 10_000, |given| given.whole(1..=1_000_000_000));
    if number <= ORDINARY {
        let problem = format!("up to {ORDINARY} creates go in one ordinary request, so this counts as {}", ORDINARY + 1);
        let help = "write 201 or more: a job of the Bulk API takes a dozen requests, which pays from some thousands of leads on";
        section.report.warn(&section.path.key("bulk_creates"), Fault::new(problem, help));
    }
    number
}

/// The words for the flows, each with the keys that go with it alone.
pub(super) const FLOWS: [(&str, &[&str]); 3] = [
    ("client_credentials", &["client_secret"]),
    ("jwt_bearer", &["username", "private_key", "audience"]),
    ("refresh_token", &["client_secret", "refresh_token"]),
];

impl SalesforceAuth {
    fn read(salesforce: &Section<'_>) -> Self {
        let section = &salesforce.section("auth");
        let words = FLOWS.map(|(word, _)| (word, word));
        let flow = section.optional("flow", |given| given.word(&words));
        if section.has("flow") && flow.is_none() {
            return Self::ClientCredentials { client_id: String::new(), client_secret: SecretString::from("") };
        }
        let flow = flow.unwrap_or("client_credentials");
        let own = FLOWS.iter().find(|(word, _)| *word == flow).map_or(&[][..], |(_, keys)| keys);
        let others: BTreeSet<&str> = FLOWS.iter().flat_map(|(_, keys)| keys.iter().copied()).collect();
        for key in others.into_iter().filter(|key| !own.contains(key) && section.has(key)) {
            let problem = format!("this does not go with flow = \"{flow}\"");
            section.report.error_at_key(&section.path.key(key), Fault::new(problem, "remove it, or write another flow"));
        }
        let client_id = section.required("client_id", "\"…\"", Given::filled);
        match flow {
            "jwt_bearer" => Self::JwtBearer {
                client_id,
                username: section.required("username", "\"integration@acme.example\"", Given::filled),
                private_key: private_key(section),
                audience: section.or("audience", audience_of(salesforce), Given::base_address),
            },
            "refresh_token" => Self::RefreshToken {
                client_id,
                client_secret: secret::optional(section, "client_secret"),
                refresh_token: secret::required(section, "refresh_token"),
                file: secret::file(section, "refresh_token"),
            },
            _ => {
                let _ = salesforce.optional("login_url", own_host);
                Self::ClientCredentials { client_id, client_secret: secret::required(section, "client_secret") }
            }
        }
    }
}

/// A key that can sign.
fn private_key(section: &Section<'_>) -> SecretString {
    let key = secret::required(section, "private_key");
    if !key.expose_secret().is_empty() && EncodingKey::from_rsa_pem(key.expose_secret().as_bytes()).is_err() {
        let help = "name a file that holds an RSA private key in PEM, as `openssl genrsa` makes it: \"file:/path/to/key.pem\"";
        section.report.error(&section.path.key("private_key"), Fault::new("this is no RSA private key", help));
    }
    key
}

/// Whom an assertion addresses: sandbox orgs have a sign-in page of their own.
fn audience_of(salesforce: &Section<'_>) -> String {
    let login_url = salesforce.optional("login_url", Given::any_text).unwrap_or_default();
    let [login, test] = SHARED_HOSTS;
    let is_sandbox = login_url.trim_end_matches('/') == test || login_url.contains(".sandbox.my.salesforce.com");
    if is_sandbox { test.to_owned() } else { login.to_owned() }
}

/// The address of an org, not of everybody's sign-in page.
fn own_host(given: &Given<'_>) -> Result<(), Fault> {
    let address = given.base_address().unwrap_or_default();
    if SHARED_HOSTS.contains(&address.as_str()) {
        let problem = format!("`{address}` does not sign in programs by their own credentials");
        return Err(Fault::new(problem, "write the org's own address from Setup, My Domain: \"https://NAME.my.salesforce.com\""));
    }
    Ok(())
}

fn api_version(given: &Given<'_>) -> Result<String, Fault> {
    let help = "write two digits and .0 in quotes, such as \"64.0\"";
    let text = given.text().map_err(|fault| Fault::new(fault.problem, help))?.trim();
    let fits =
        text.strip_suffix(".0").is_some_and(|number| number.len() == 2 && number.chars().all(|each| each.is_ascii_digit()));
    if fits {
        Ok(text.to_owned())
    } else {
        Err(Fault::new(format!("{} is not a version of the API", super::value::quote(text)), help))
    }
}
