//! `[salesforce]`: where the org is and how to sign in.

use std::time::Duration;

use secrecy::SecretString;

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
}

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
            auth: SalesforceAuth::read(&section.section("auth")),
            login_url: section.required("login_url", "\"https://acme.my.salesforce.com\"", login_url),
        }
    }
}

impl SalesforceAuth {
    fn read(section: &Section<'_>) -> Self {
        let unsupported = |flow: &str| {
            Err(Fault::unsupported(
                &format!("flow = \"{flow}\""),
                "write flow = \"client_credentials\" with client_id and client_secret",
            ))
        };
        let flows = ["client_credentials", "jwt_bearer", "refresh_token"].map(|flow| (flow, flow));
        let flow = section.optional("flow", |given| match given.word(&flows)? {
            "client_credentials" => Ok(()),
            flow => unsupported(flow),
        });
        if section.has("flow") && flow.is_none() {
            return Self::ClientCredentials { client_id: String::new(), client_secret: SecretString::from("") };
        }
        for key in ["username", "private_key", "refresh_token"].into_iter().filter(|key| section.has(key)) {
            let problem = "this does not go with flow = \"client_credentials\"";
            section.report.error_at_key(&section.path.key(key), Fault::new(problem, "remove it"));
        }
        Self::ClientCredentials {
            client_id: section.required("client_id", "\"…\"", Given::filled),
            client_secret: secret::required(section, "client_secret"),
        }
    }
}

fn login_url(given: &Given<'_>) -> Result<String, Fault> {
    let address = given.base_address()?;
    if SHARED_HOSTS.contains(&address.as_str()) {
        let problem = format!("`{address}` does not sign in programs by their own credentials");
        return Err(Fault::new(problem, "write the org's own address from Setup, My Domain: \"https://NAME.my.salesforce.com\""));
    }
    Ok(address)
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
