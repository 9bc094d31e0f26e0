//! `[operate]` and `[salesforce]`.

use super::{Form, Key, Section, default, optional, required, words};
use crate::config::operate::GRANT_WORDS;
use crate::config::salesforce::{DUPLICATE_WORDS, FLOWS};

/// The limits of a request's time.
const TIMEOUT: Form = Form::Duration("1ms", "1h");
/// The limits of a rate.
const RATE: Form = Form::Whole(1, 10_000);
/// The limits of how much is under way at once.
const CONCURRENCY: Form = Form::Whole(1, 100);

/// The sections of both systems.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        name: "operate",
        about: "The Operate workspace: where it is, how to sign in, and what differs there.",
        keys: OPERATE,
    },
    Section { name: "operate.auth", about: "How to sign in to Operate, by OAuth.", keys: OPERATE_AUTH },
    Section { name: "operate.lookups", about: "The fields of Operate's reference lists.", keys: LOOKUPS },
    Section {
        name: "salesforce",
        about: "The Salesforce org: where it is, how to sign in, and how it is used.",
        keys: SALESFORCE,
    },
    Section {
        name: "salesforce.auth",
        about: "How to sign in to Salesforce, as an External Client App or Connected App.",
        keys: SALESFORCE_AUTH,
    },
];

const OPERATE: &[Key] = &[
    required("base_url", Form::Address, "The address of the Operate API: https, a host, no path."),
    required("auth", Form::Table, "How to sign in to Operate, by OAuth."),
    default("timezone", Form::Zone, r#""UTC""#, "The time zone of the workspace, an IANA name, since its times carry none."),
    default("requests_per_second", RATE, "5", "Requests a second, at most."),
    default("concurrency", CONCURRENCY, "4", "Requests under way at once, at most."),
    default("timeout", TIMEOUT, r#""60s""#, "How long to wait for an answer to begin."),
    default("endpoint", Form::NativeName, r#""Lead""#, "The lead's name in addresses: /api/1.0/Lead."),
    default("envelope", Form::NativeName, r#""leads""#, "The key that holds the records in a write: {\"leads\": [...]}."),
    default("id_field", Form::NativeName, r#""leadid""#, "The field that holds a lead's id."),
    default("modified_field", Form::NativeName, r#""lastmodified""#, "The field that says when a lead was last changed."),
    default("created_field", Form::NativeName, r#""created""#, "The field that says when a lead was made."),
    default("converted_field", Form::NativeName, r#""converted""#, "The field that says whether a lead was converted."),
    default(
        "timestamp_format",
        Form::Filled,
        r#""%Y-%m-%d %H:%M:%S""#,
        "How Operate writes times, to the second and without an offset: %Y year, %m month, %d day, %H hour, %M minute, %S second.",
    ),
    default(
        "batch_size",
        Form::Whole(1, 1_000),
        "1",
        "Records in one write: more than 1 only where the workspace is known to take them.",
    ),
    default("window", Form::Duration("1m", "3650d"), r#""30d""#, "The longest stretch of time that one query asks for."),
    default(
        "external_id_field",
        Form::NativeNameOrNone,
        r#""""#,
        "A field of the Operate lead to keep the Salesforce id in; empty: none.",
    ),
    default(
        "filter",
        Form::Text,
        r#""""#,
        "Only leads that match this take part, in the notation of Operate's where: [webtolead]='1'; empty: all.",
    ),
    default(
        "settle",
        Form::Duration("0s", "1d"),
        r#""30s""#,
        "How long after a create without an answer the lead is looked for again, before it is sent again.",
    ),
    default("required_fields", Form::List(&Form::NativeName, 0), r#"["location"]"#, "Fields that Operate makes no lead without."),
    optional("lookups", Form::Table, "The fields of Operate's reference lists, for fields with a lookup."),
];

const OPERATE_AUTH: &[Key] = &[
    default(
        "grant",
        Form::Word(|| words(&GRANT_WORDS)),
        r#""client_credentials""#,
        "The OAuth grant: the client's own credentials, or a user's name and password as well.",
    ),
    required("client_id", Form::Filled, "The OAuth client's id."),
    required("client_secret", Form::Secret, "The OAuth client's secret."),
    optional("username", Form::Filled, "The user to sign in as; with grant = \"password\" only."),
    optional("password", Form::Secret, "The user's password; with grant = \"password\" only."),
];

const LOOKUPS: &[Key] = &[
    default("id_field", Form::NativeName, r#""id""#, "The field that holds an entry's id."),
    default("name_field", Form::NativeName, r#""name""#, "The field that holds an entry's name."),
    default("email_field", Form::NativeName, r#""email""#, "The field that holds a user's e-mail address."),
];

const SALESFORCE: &[Key] = &[
    required("login_url", Form::Address, "The org's own address, from Setup, My Domain: https, a host, no path."),
    default("api_version", Form::ApiVersion, r#""64.0""#, "The version of the REST API."),
    required("auth", Form::Table, "How to sign in to Salesforce, as an External Client App or Connected App."),
    default(
        "external_id_field",
        Form::NativeName,
        r#""Operate_Lead_Id__c""#,
        "The Lead field (Text, External ID, Unique) that holds the Operate id: it makes a create safe to repeat.",
    ),
    default("filter", Form::Text, r#""""#, "Only leads that match this SOQL condition take part; empty: all."),
    default(
        "daily_request_share",
        Form::Share,
        "0.5",
        "The share of the org's API requests of 24 hours that leadsync may use: above 0, up to 1.",
    ),
    default("requests_per_second", RATE, "10", "Requests a second, at most."),
    default("concurrency", CONCURRENCY, "4", "Requests under way at once, at most."),
    default("timeout", TIMEOUT, r#""120s""#, "How long one request may take."),
    default(
        "duplicates",
        Form::Word(|| words(&DUPLICATE_WORDS)),
        r#""park""#,
        "A lead that the org's duplicate rules take for another: it waits for a person, is linked with the lead that they name, or is saved all the same.",
    ),
    default("auto_assign", Form::Flag, "false", "Whether the org's assignment rules run on what leadsync writes."),
    default(
        "guarded_updates",
        Form::Whole(0, 1_000_000),
        "500",
        "Up to this many updates that are due are guarded by Salesforce itself, 25 a request; more are compared by leadsync, 200 a request.",
    ),
    default(
        "bulk_creates",
        Form::Whole(1, 1_000_000_000),
        "10000",
        "From this many creates that are due on they go by Bulk API; 201 at least.",
    ),
    default("bulk_read", Form::Whole(1, 1_000_000_000), "200000", "From this many leads on the first read goes by Bulk API."),
    default(
        "change_events",
        Form::Flag,
        "false",
        "Whether Salesforce's change events (Change Data Capture) are subscribed to, so that changes are seen before the next poll.",
    ),
    default(
        "change_events_channel",
        Form::Filled,
        r#""/data/LeadChangeEvent""#,
        "The channel of change events: that of Lead, or one of the org's own.",
    ),
    default(
        "pubsub_url",
        Form::Address,
        r#""https://api.pubsub.salesforce.com:7443""#,
        "The address of the Pub/Sub API, where change events come from: https, a host, no path.",
    ),
];

const SALESFORCE_AUTH: &[Key] = &[
    default(
        "flow",
        Form::Word(|| words(&FLOWS)),
        r#""client_credentials""#,
        "The OAuth flow: by the app's own credentials, by a key whose certificate it knows, or by a refresh token.",
    ),
    required("client_id", Form::Filled, "The app's consumer key."),
    optional("client_secret", Form::Secret, "The app's consumer secret; client_credentials must have it, refresh_token may."),
    optional("username", Form::Filled, "The user to sign in as; with jwt_bearer only, which must have it."),
    optional(
        "private_key",
        Form::Secret,
        "The RSA key in PEM whose certificate the app knows; with jwt_bearer only, which must have it.",
    ),
    optional(
        "audience",
        Form::Address,
        "For whom the assertion of jwt_bearer is meant; left out: https://test.salesforce.com where login_url is that of a sandbox org, else https://login.salesforce.com.",
    ),
    optional(
        "refresh_token",
        Form::Secret,
        "What the consent gave, in a file where the app rotates it; with refresh_token only, which must have it.",
    ),
];
