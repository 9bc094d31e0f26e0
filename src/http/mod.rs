//! One transport for both clients: time limits, connection reuse, gzip, rate and concurrency, retries, sign-in, the server's clock.
//!
//! It knows no lead and no vendor. A call ends with an [`Answer`], whatever its status, or with a [`Trouble`] that says whether
//! the request can have taken effect. Nothing here logs an address's query, a header or a body: they hold personal data and
//! credentials.

mod clock;
pub(crate) mod fuzz;
mod pace;
mod send;
mod session;

pub use self::clock::ServerClock;
pub use self::send::{Streamed, Transport};
pub use self::session::{Session, SignIn};

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url};
use serde::Serialize;
use serde_json::error::Category;

use crate::lead::{Side, writable};
use crate::side::{Refusal, SideError};

/// Whether a request whose answer was lost may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It reads, or does the same however often it is sent.
    Safe,
    /// Sent twice it may take effect twice.
    Never,
}

/// A request, relative to the address that the sign-in gave.
#[derive(Debug, Clone)]
pub struct Request {
    /// What it is for, in logs: `poll`, `create`.
    pub operation: &'static str,
    /// The method.
    pub method: Method,
    /// The path's parts, not encoded.
    pub path: Vec<String>,
    /// The query's pairs, not encoded.
    pub query: Vec<(&'static str, String)>,
    /// Headers beyond those that every request carries.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Option<Vec<u8>>,
    /// The body's type.
    pub content_type: &'static str,
    /// Whether it may be sent again.
    pub repeat: Repeat,
}

impl Request {
    /// A request without query and body.
    pub fn new(
        operation: &'static str,
        method: Method,
        path: impl IntoIterator<Item = impl Into<String>>,
        repeat: Repeat,
    ) -> Self {
        let path = path.into_iter().map(Into::into).collect();
        Self {
            operation,
            method,
            path,
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            content_type: "application/json",
            repeat,
        }
    }

    /// The same with a pair in the query.
    #[must_use]
    pub fn query(mut self, key: &'static str, value: String) -> Self {
        self.query.push((key, value));
        self
    }

    /// The same with a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same with a CSV body.
    #[must_use]
    pub fn csv(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body);
        self.content_type = "text/csv; charset=UTF-8";
        self
    }

    /// The same with a JSON body.
    #[must_use]
    pub fn json(mut self, body: &impl Serialize) -> Self {
        // A map with text keys cannot fail to be written.
        self.body = Some(serde_json::to_vec(body).unwrap_or_default());
        self
    }
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// A moment, by the server's clock, no later than when it began to work on the request.
    pub as_of: DateTime<Utc>,
}

impl Answer {
    /// The body as text, cut to a length that can be shown.
    #[must_use]
    pub fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let text = text.trim();
        match text.char_indices().nth(2_000) {
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
            None => text.to_owned(),
        }
    }

    /// How long the server asks to wait, in seconds or until a date.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let value = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let until = http_date(value)?;
        Some((until - self.as_of).to_std().unwrap_or(Duration::ZERO))
    }

    /// The status and the text, as a system's own words.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        Refusal::new(format!("http_{}", self.status.as_u16()), self.text())
    }
}

/// A call that came to no answer.
#[derive(Debug)]
pub enum Trouble {
    /// The request was never sent, so nothing happened.
    NotSent(String),
    /// The request went out and no whole answer came back: it may have taken effect.
    Lost(String),
    /// The sign-in failed, so nothing was sent.
    SignIn(SideError),
}

impl Trouble {
    /// The failure of a call as a whole.
    #[must_use]
    pub fn into_error(self, side: Side) -> SideError {
        match self {
            Self::NotSent(reason) | Self::Lost(reason) => SideError::Unreachable { side, reason },
            Self::SignIn(error) => error,
        }
    }
}

/// Reads the time of a header.
fn http_date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text.trim()).ok().and_then(|date| writable(date.to_utc()))
}

/// What is wrong with JSON, without a word of it: the parser's own messages quote values, which may be personal or secret.
pub(crate) fn json_problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match error.classify() {
        Category::Eof => "it breaks off".to_owned(),
        Category::Data if text.starts_with("missing field") => text,
        Category::Data => format!("a value of another type than documented at line {} column {}", error.line(), error.column()),
        Category::Syntax | Category::Io => format!("it is not JSON: {text}"),
    }
}

/// Reads an address that the configuration or a system gave.
pub fn parse_address(side: Side, text: &str) -> Result<Url, SideError> {
    Url::parse(text).map_err(|error| SideError::Answer { side, reason: format!("{text:?} is not an address: {error}") })
}

/// Statuses that say "later", not "no": the server, or one before it, was not able to answer.
#[must_use]
pub fn is_passing(status: StatusCode) -> bool {
    // 420 is Salesforce Edge without a route to the instance.
    matches!(status.as_u16(), 408 | 420 | 429 | 500 | 502 | 503 | 504)
}

/// Of those, the ones that a server gives before it begins to work on a request.
#[must_use]
pub fn is_turned_away(status: StatusCode) -> bool {
    matches!(status.as_u16(), 420 | 429 | 503)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_json_is_told_without_its_values() {
        let told = |json: &str| serde_json::from_str::<Vec<u8>>(json).map_err(|error| json_problem(&error)).err();
        for (json, expected) in [
            (r#""a-token""#, "a value of another type than documented at line 1 column 9"),
            (r#"["a-token"]"#, "a value of another type than documented at line 1 column 10"),
            ("[1", "it breaks off"),
            ("[1 2]", "it is not JSON: expected `,` or `]` at line 1 column 4"),
        ] {
            assert_eq!(told(json).as_deref(), Some(expected), "{json}");
        }
    }
}
