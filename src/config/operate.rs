//! `[operate]`: where the Operate workspace is, how to sign in, and the keys for what its API reference leaves open.

use std::time::Duration;

use chrono_tz::Tz;
use secrecy::SecretString;

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
