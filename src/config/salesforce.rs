//! `[salesforce]`: where the org is and how to sign in.

use std::time::Duration;

use secrecy::SecretString;

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
