//! `[ops]`: what the daemon shows of itself, how it ends, what it keeps, and whom it tells when something waits for a person.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use chrono::TimeDelta;
use secrecy::{ExposeSecret as _, SecretString};

use super::section::{Fault, Given, Section};
use super::value::DAY;
use super::{keys, secret};

/// `[ops]`.
#[derive(Debug, Clone)]
pub struct OpsConfig {
    /// Where health, metrics and the status page are served. `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// Who knows it may act from the status page. `None`: nobody may.
    pub token: Option<SecretString>,
    /// The end of the address to which Operate's outbound messages are sent. `None`: none are taken.
    pub operate_hook: Option<SecretString>,
    /// How long an end may wait for writes under way.
    pub drain: Duration,
    /// How long settled writes and conflicts are kept. `None`: for good.
    pub keep_history: Option<TimeDelta>,
    /// How long the records of cycles are kept. `None`: for good.
    pub keep_cycles: Option<TimeDelta>,
    /// `[ops.alert]`.
    pub alert: Option<AlertConfig>,
}

/// `[ops.alert]`: a webhook that is told what waits for a person.
#[derive(Debug, Clone)]
pub struct AlertConfig {
    /// Where to post: an address that is a secret, as chat systems give it.
    pub webhook: SecretString,
    /// What to post.
    pub format: AlertFormat,
    /// What about.
    pub on: BTreeSet<AlertKind>,
    /// How old the last good poll or the oldest waiting write may be before that is an alert.
    pub lag: TimeDelta,
    /// The least time between two messages.
    pub every: Duration,
}

/// What a webhook is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertFormat {
    /// A JSON object with all that is known.
    Generic,
    /// `{"text": …}`, as Slack and its like take it.
    Slack,
}

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertKind {
    /// Leads are parked.
    Parked,
    /// Conflicts are open.
    Conflict,
    /// A brake holds.
    Brake,
    /// A system refuses to sign leadsync in.
    Auth,
    /// Polls or writes are late.
    Lag,
}

impl AlertKind {
    /// Its word in the configuration and in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        ALERT_WORDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }
}

/// The words of `format`.
pub(super) const FORMAT_WORDS: [(&str, AlertFormat); 2] = [("generic", AlertFormat::Generic), ("slack", AlertFormat::Slack)];

/// The words of `on`.
pub(super) const ALERT_WORDS: [(&str, AlertKind); 5] = [
    ("parked", AlertKind::Parked),
    ("conflict", AlertKind::Conflict),
    ("brake", AlertKind::Brake),
    ("auth", AlertKind::Auth),
    ("lag", AlertKind::Lag),
];

/// The port of health, metrics and the status page, unless another one is named.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

impl OpsConfig {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let keep = |key, days, least: Duration| {
            let keep = section.or(key, Some(DAY * days), |given| match given.text() {
                Ok(text) if text.trim() == "off" => Ok(None),
                _ => given.duration(least..=DAY * 36_500).map(Some),
            });
            keep.and_then(|keep| TimeDelta::from_std(keep).ok())
        };
        Self {
            listen: section.or("listen", Some(LISTEN), Given::listen_address),
            token: token(section, "token"),
            operate_hook: operate_hook(section),
            drain: section.or("drain", Duration::from_secs(20), |given| given.duration(Duration::ZERO..=Duration::from_mins(10))),
            keep_history: keep("keep_history", 730, DAY * 30),
            keep_cycles: keep("keep_cycles", 35, DAY * 2),
            alert: section.has("alert").then(|| AlertConfig::read(&section.section("alert"))),
        }
    }
}

/// A token that could be guessed is none.
fn token(section: &Section<'_>, key: &str) -> Option<SecretString> {
    let token = secret::optional(section, key)?;
    if (1..16).contains(&token.expose_secret().len()) {
        section.report.error(&section.path.key(key), Fault::new(format!("the {key} has fewer than 16 characters"), RANDOM));
    }
    Some(token)
}

/// It stands in an address.
fn operate_hook(section: &Section<'_>) -> Option<SecretString> {
    let hook = token(section, "operate_hook")?;
    if !hook.expose_secret().chars().all(|each| each.is_ascii_alphanumeric() || "-._~".contains(each)) {
        let problem = "the operate_hook has characters that cannot stand in an address as they are";
        section.report.error(&section.path.key("operate_hook"), Fault::new(problem, RANDOM));
    }
    Some(hook)
}

const RANDOM: &str = "take a long random one, such as `openssl rand -hex 24` gives";

impl AlertConfig {
    fn read(section: &Section<'_>) -> Self {
        let minutes = |key, default: u64| {
            section.or(key, Duration::from_mins(default), |given| given.duration(Duration::from_secs(10)..=DAY))
        };
        Self {
            webhook: secret::required(section, "webhook"),
            format: section.or("format", AlertFormat::Generic, |given| given.word(&FORMAT_WORDS)),
            on: kinds(section),
            lag: TimeDelta::from_std(minutes("lag", 15)).unwrap_or(TimeDelta::MAX),
            every: minutes("every", 15),
        }
    }
}

fn kinds(section: &Section<'_>) -> BTreeSet<AlertKind> {
    let help = "write a list of words, such as [\"parked\", \"lag\"]";
    let Some(elements) = section.elements("on", help) else { return ALERT_WORDS.iter().map(|(_, kind)| *kind).collect() };
    let kind = |(path, element): (keys::KeyPath, &config::Value)| {
        let given = Given { kind: &element.kind, from_environment: false };
        given.word(&ALERT_WORDS).map_err(|fault| section.report.error(&path, fault)).ok()
    };
    elements.into_iter().filter_map(kind).collect()
}
