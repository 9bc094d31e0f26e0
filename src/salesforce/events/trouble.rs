//! What an error of the Pub/Sub API means, by the code in its trailers.

use tonic::{Code, Status};

use crate::side::SideError;

/// Where the trailers of an error have Salesforce's own code.
const ERROR_CODE: &str = "error-code";
/// What its codes begin with.
const PREFIX: &str = "sfdc.platform.eventbus.grpc.";
/// The longest text of an error that is shown, in characters.
const SHOWN: usize = 300;

/// Advice for what an administrator has to change.
const ADVICE: [(&str, &str); 7] = [
    ("topic.not.found", SELECT),
    ("topic.meta.permission", PERMIT),
    ("subscription.topic.cannot.subscribe", PERMIT),
    ("schema.meta.permission", PERMIT),
    ("service.tenant.license", "let Salesforce enable the Pub/Sub API for the org, or write change_events = false"),
    (
        "subscription.limit.exceeded",
        "the org's event deliveries of 24 hours are used up: polls go on, and events come again when there is room",
    ),
    ("concurrent.client.limit.exceeded", "too many programs listen to the org's events: end one, or write change_events = false"),
];
const SELECT: &str =
    "select Lead in Setup > Change Data Capture, or write the name of a channel that is there as change_events_channel";
const PERMIT: &str = "give the integration user the right to see Leads (View All Records, or View All Data)";

/// Why a stream ended, or did not begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The place in the stream is not one of the org's, or older than the 72 hours that events are kept.
    #[error("{0}")]
    Place(String),
    /// The session is not accepted (any more).
    #[error("{0}")]
    Session(String),
    /// It does not work before somebody changes something.
    #[error("{reason}")]
    Refused {
        /// In Salesforce's words.
        reason: String,
        /// What to do.
        advice: &'static str,
    },
    /// It may work the next time.
    #[error("{0}")]
    Passing(String),
    /// The sign-in failed.
    #[error(transparent)]
    SignIn(#[from] SideError),
}

impl Trouble {
    /// What to do about it, where there is something to do.
    pub(super) const fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Refused { advice, .. } => Some(advice),
            _ => None,
        }
    }

    /// The user may not listen to the channel.
    pub(super) fn not_permitted(channel: &str) -> Self {
        Self::Refused { reason: format!("this user may not subscribe to {channel}"), advice: PERMIT }
    }
}

impl From<Status> for Trouble {
    fn from(status: Status) -> Self {
        let given = status.metadata().get(ERROR_CODE).and_then(|code| code.to_str().ok()).unwrap_or_default();
        let code = given.strip_prefix(PREFIX).unwrap_or(given);
        let reason = said(code, &status);
        match code {
            "subscription.fetch.replayid.corrupted" | "subscription.fetch.replayid.validation.failed" => Self::Place(reason),
            code if code.starts_with("service.auth.") => Self::Session(reason),
            code => match ADVICE.iter().find(|(known, _)| *known == code) {
                Some((_, advice)) => Self::Refused { reason, advice },
                None if code.is_empty() && status.code() == Code::Unauthenticated => Self::Session(reason),
                None => Self::Passing(reason),
            },
        }
    }
}

/// An error in one line: its code and its text.
fn said(code: &str, status: &Status) -> String {
    let words: Vec<&str> = status.message().split_whitespace().collect();
    let text: String = words.join(" ").chars().take(SHOWN).collect();
    let code = if code.is_empty() { format!("{:?}", status.code()) } else { code.to_owned() };
    if text.is_empty() { code } else { format!("{code}: {text}") }
}

#[cfg(test)]
mod tests {
    use tonic::metadata::{MetadataMap, MetadataValue};

    use super::*;

    fn trouble(status: Code, code: &str) -> Trouble {
        let mut trailers = MetadataMap::new();
        if let Ok(value) = MetadataValue::try_from(code) {
            trailers.insert(ERROR_CODE, value);
        }
        Status::with_metadata(status, "no\n such  thing", trailers).into()
    }

    #[test]
    fn the_code_of_the_trailers_decides_and_not_that_of_grpc() {
        let of = |code: &str| trouble(Code::InvalidArgument, &format!("{PREFIX}{code}"));
        assert!(matches!(of("subscription.fetch.replayid.corrupted"), Trouble::Place(_)));
        assert!(matches!(of("subscription.fetch.replayid.validation.failed"), Trouble::Place(_)));
        assert!(matches!(of("service.auth.error"), Trouble::Session(_)));
        assert!(matches!(of("service.auth.headers.invalid"), Trouble::Session(_)));
        assert!(matches!(of("service.unavailable"), Trouble::Passing(_)));
        assert!(matches!(of("subscription.fetch.replay.repeated"), Trouble::Passing(_)));
        for (code, advice) in ADVICE {
            assert_eq!(of(code).advice(), Some(advice), "{code}");
        }
        assert!(matches!(trouble(Code::Unauthenticated, ""), Trouble::Session(_)));
        assert!(matches!(trouble(Code::Unavailable, ""), Trouble::Passing(_)));
        assert_eq!(of("service.unavailable").to_string(), "service.unavailable: no such thing");
    }
}
