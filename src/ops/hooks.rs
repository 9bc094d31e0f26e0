//! `POST /hooks/operate/{secret}`: Operate's outbound messages. A message only says where to look: nothing in it but the ids of leads is
//! taken, and nothing of a lead is believed before it was read from Operate.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use regex::Regex;
use secrecy::ExposeSecret as _;

use super::Ops;
use super::page::same;
use crate::lead::Side;
use crate::metrics::OfSide;

/// More than a lead with all its fields takes, in bytes.
const LONGEST: usize = 64 * 1024;

/// So many messages a second in the long run.
const MESSAGES: NonZeroU32 = NonZeroU32::new(50).unwrap();
/// So many at once.
const BURST: NonZeroU32 = NonZeroU32::new(200).unwrap();

const MANY: &str = "more messages come than can be followed: the next poll finds what they are about";

/// So many leads of a message: where it says of none that it is one, each number in it may be.
const MOST: usize = 20;

/// Keeps messages within bounds, and the log too.
#[derive(Debug)]
pub(super) struct Gate {
    messages: DefaultDirectRateLimiter,
    complaints: DefaultDirectRateLimiter,
}

impl Default for Gate {
    fn default() -> Self {
        let messages = Quota::per_second(MESSAGES).allow_burst(BURST);
        Self { messages: RateLimiter::direct(messages), complaints: RateLimiter::direct(Quota::per_minute(NonZeroU32::MIN)) }
    }
}

pub(super) fn routes() -> Router<Arc<Ops>> {
    Router::new().route("/hooks/operate/{secret}", post(of_operate))
}

async fn of_operate(State(ops): State<Arc<Ops>>, Path(given): Path<String>, headers: HeaderMap, body: Body) -> Response {
    let config = ops.config();
    let is_known = config.ops.operate_hook.as_ref().is_some_and(|secret| same(secret.expose_secret(), &given));
    if !is_known {
        ops.complain("a message came to an address that is not the one of [ops] operate_hook");
        return (StatusCode::NOT_FOUND, "There is nothing here.\n").into_response();
    }
    if ops.gate.messages.check().is_err() {
        ops.complain(MANY);
        return (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "1")], "Too many messages.\n").into_response();
    }
    let Ok(body) = to_bytes(body, LONGEST).await else {
        ops.complain("a message is longer than 64 KiB: configure a shorter text, with {leadid} in it");
        return (StatusCode::PAYLOAD_TOO_LARGE, "A message may have 64 KiB.\n").into_response();
    };
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let ids = lead_ids(kind, &body);
    if ids.is_empty() {
        ops.complain("a message names no lead: put {leadid} into its text");
        return (StatusCode::UNPROCESSABLE_ENTITY, "No lead's id is in this message: put {leadid} into its text.\n")
            .into_response();
    }
    tracing::debug!(leads.named = ids.len(), "hook.heard");
    let named = ids.len() as u64;
    ops.metrics.leads_hinted.get_or_create(&OfSide { side: Side::Operate }).inc_by(named);
    if ops.hints.tell(Side::Operate, ids) > 0 {
        ops.complain(MANY);
    }
    StatusCode::ACCEPTED.into_response()
}

impl Ops {
    /// Warns, but not of each message.
    fn complain(&self, problem: &'static str) {
        if self.gate.complaints.check().is_ok() {
            tracing::warn!(problem, "hook.refused");
        }
    }
}

/// The leads that a message names: by numbers behind `leadid`, in whatever spelling and markup, or else by any number.
fn lead_ids(kind: &str, body: &[u8]) -> BTreeSet<String> {
    static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(NAMED_ID).ok());
    static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(ANY_NUMBER).ok());
    let text = if kind.starts_with("application/x-www-form-urlencoded") {
        let pairs: Vec<String> = form_urlencoded::parse(body).map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("\n").into()
    } else {
        String::from_utf8_lossy(body)
    };
    let found = |pattern: &Option<Regex>| -> BTreeSet<String> {
        let captures = pattern.iter().flat_map(|pattern| pattern.captures_iter(&text));
        captures.filter_map(|captures| Some(captures.get(1)?.as_str().to_owned())).take(MOST).collect()
    };
    let named = found(&NAMED);
    if named.is_empty() { found(&NUMBER) } else { named }
}

/// `leadid=7`, `"LeadId": "7"`, `<lead_id>7<`, `name="leadid" value="7"`, `Lead ID: 7`.
const NAMED_ID: &str = r#"(?i-u)lead[ _-]?id["']?(?:[\s:=>\[,]|["']|value|<value>|<!\[CDATA\[){1,12}([1-9][0-9]{0,17})(?-u:\b)"#;

/// A number on its own, and no part of a word, a date, a telephone number or an amount.
const ANY_NUMBER: &str = r"(?:^|[^0-9A-Za-z_.,+:/-])([1-9][0-9]{0,17})(?:$|[^0-9A-Za-z_,+:/-])";

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(kind: &str, body: &str) -> Vec<String> {
        lead_ids(kind, body.as_bytes()).into_iter().collect()
    }

    #[test]
    fn the_lead_is_found_in_whatever_form_the_message_has() {
        for (kind, body) in [
            ("application/x-www-form-urlencoded", "event=update&leadid=1003&phone=%2B44+20+7946+0001"),
            ("application/x-www-form-urlencoded; charset=utf-8", "payload=%7B%22leadid%22%3A1003%7D"),
            ("application/json", r#"{"event":"update","lead":{"LeadId":"1003","phone":"020 7946 0001"}}"#),
            ("application/json", r#"{ "lead_id" : 1003, "year": 2026 }"#),
            ("text/xml", "<lead><leadid>1003</leadid><phone>02079460001</phone><year>2026</year></lead>"),
            ("text/xml", r#"<m><field name="leadid" value="1003"/><field name="units" value="4"/></m>"#),
            ("text/xml", "<LeadId><![CDATA[1003]]></LeadId>"),
            ("text/plain", "Lead ID: 1003 was changed on 2026-11-30 at 10:15"),
            ("text/plain", "lead 1003 of Keeper & Sons, tel. +44 20-7946-0001, was changed on 2026-11-30 at 10:15:01"),
            ("", "1003"),
        ] {
            let found = ids(kind, body);
            assert!(found.contains(&"1003".to_owned()), "{kind} {body}: {found:?}");
            assert!(found.len() <= 2, "{kind} {body}: {found:?}");
        }
    }

    #[test]
    fn what_names_no_lead_gives_none() {
        for body in ["", "a lead was changed", "leadid=", "leadid=0", "{\"leadid\":null}", "leadid 1234567890123456789"] {
            assert!(ids("text/plain", body).is_empty(), "{body}: {:?}", ids("text/plain", body));
        }
    }

    #[test]
    fn a_message_names_a_few_leads_at_most() {
        let body: Vec<String> = (1..500).map(|id| format!("leadid={id}")).collect();
        assert_eq!(ids("text/plain", &body.join("\n")).len(), MOST);
    }
}
