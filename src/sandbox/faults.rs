//! Faults: what the sandbox does wrong on purpose, and for which requests.

use serde::{Deserialize, Serialize};

use crate::sandbox::http::{Call, RowError};

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestKind {
    /// Asks for, or revokes, an access token.
    Token,
    /// Changes nothing.
    Read,
    /// May change leads.
    Write,
}

/// When a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cut {
    /// Before the request took effect.
    Before,
    /// After it took effect, before the answer.
    After,
}

/// A fault, as `POST /_sandbox/fault` takes it. `Fault::on("write")` makes one that does nothing yet; set what it shall do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// `token`, `read`, `write`, `any`, or a method and part of the path and query as sent: `PATCH /sobjects/Lead/`.
    #[serde(rename = "match")]
    pub matching: String,
    /// How many requests it strikes; 0: until cleared.
    #[serde(default = "once")]
    pub times: u32,
    /// How many matching requests pass before.
    #[serde(default)]
    pub skip: u32,
    /// Answer with this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The body that goes with `status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Seconds, in the `Retry-After` header that goes with `status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// With `status`: the request takes effect all the same.
    #[serde(default)]
    pub applied: bool,
    /// Wait this long first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// Close the connection without an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop: Option<Cut>,
    /// End every access token first.
    #[serde(default)]
    pub expire_token: bool,
    /// Salesforce: one row of the write fails with this code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_error: Option<String>,
    /// Which row `row_error` strikes, from 0.
    #[serde(default)]
    pub row: usize,
    /// Operate: refuse with this text and status 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuse: Option<String>,
    /// Operate: give a refusal of its own with status 200.
    #[serde(default)]
    pub refusal_as_200: bool,
}

const fn once() -> u32 {
    1
}

impl Fault {
    /// A fault for these requests, once; it does nothing until one of its effects is set.
    #[must_use]
    pub fn on(matching: &str) -> Self {
        Self {
            matching: matching.to_owned(),
            times: 1,
            skip: 0,
            status: None,
            body: None,
            retry_after: None,
            applied: false,
            latency_ms: None,
            drop: None,
            expire_token: false,
            row_error: None,
            row: 0,
            refuse: None,
            refusal_as_200: false,
        }
    }

    /// Says what is wrong with it, if anything is.
    pub(super) fn check(&self) -> Result<(), String> {
        if Target::parse(&self.matching).is_none() {
            return Err(format!("`match` is token, read, write, any, or METHOD PATH, not `{}`", self.matching));
        }
        if self.status.is_some_and(|status| !(200..600).contains(&status)) {
            return Err("`status` lies between 200 and 599".to_owned());
        }
        let effects = [
            self.status.is_some(),
            self.latency_ms.is_some(),
            self.drop.is_some(),
            self.expire_token,
            self.row_error.is_some(),
            self.refuse.is_some(),
            self.refusal_as_200,
        ];
        if !effects.contains(&true) {
            return Err("a fault needs status, latency_ms, drop, expire_token, row_error, refuse or refusal_as_200".to_owned());
        }
        Ok(())
    }
}

/// Which requests a fault strikes.
enum Target<'a> {
    Any,
    Kind(RequestKind),
    Path { method: &'a str, part: &'a str },
}

impl<'a> Target<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        Some(match text {
            "any" => Self::Any,
            "token" => Self::Kind(RequestKind::Token),
            "read" => Self::Kind(RequestKind::Read),
            "write" => Self::Kind(RequestKind::Write),
            _ => {
                let (method, part) = text.split_once(' ')?;
                Self::Path { method, part: part.trim() }
            }
        })
    }

    fn hits(&self, kind: RequestKind, method: &str, uri: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Kind(wanted) => *wanted == kind,
            Self::Path { method: wanted, part } => wanted.eq_ignore_ascii_case(method) && uri.contains(part),
        }
    }
}

/// The faults that wait, in the order in which they were set.
#[derive(Debug, Default)]
pub struct Faults {
    waiting: Vec<Fault>,
}

/// What the faults that strike one request do to it, together.
#[derive(Debug, Default)]
pub struct Effects {
    /// The first fault's status, with body and `Retry-After`.
    pub status: Option<Fault>,
    /// All latencies together.
    pub latency_ms: u64,
    /// The first cut.
    pub drop: Option<Cut>,
    /// Whether tokens end.
    pub expire_token: bool,
    /// A row that fails.
    pub row_error: Option<RowError>,
    /// A refusal's text.
    pub refuse: Option<String>,
    /// Whether refusals get status 200.
    pub refusal_as_200: bool,
}

impl Effects {
    fn add(&mut self, fault: &Fault) {
        if fault.status.is_some() && self.status.is_none() {
            self.status = Some(fault.clone());
        }
        self.latency_ms += fault.latency_ms.unwrap_or(0);
        self.drop = self.drop.or(fault.drop);
        self.expire_token |= fault.expire_token;
        if let (Some(code), None) = (&fault.row_error, &self.row_error) {
            self.row_error = Some(RowError { row: fault.row, code: code.clone() });
        }
        if self.refuse.is_none() {
            self.refuse.clone_from(&fault.refuse);
        }
        self.refusal_as_200 |= fault.refusal_as_200;
    }
}

impl Faults {
    /// Adds one.
    pub fn add(&mut self, fault: Fault) {
        self.waiting.push(fault);
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Those that still wait.
    pub fn waiting(&self) -> &[Fault] {
        &self.waiting
    }

    /// The faults that strike this request; each is used up by one.
    pub fn strike(&mut self, kind: RequestKind, call: &Call, uri: &str) -> Effects {
        let mut effects = Effects::default();
        self.waiting.retain_mut(|fault| {
            if !Target::parse(&fault.matching).is_some_and(|target| target.hits(kind, call.method.as_str(), uri)) {
                return true;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                return true;
            }
            effects.add(fault);
            match fault.times {
                0 => true,
                1 => false,
                _ => {
                    fault.times -= 1;
                    true
                }
            }
        });
        effects
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::http::{HeaderMap, Method, Uri};

    use super::*;

    fn strike(faults: &mut Faults, kind: RequestKind) -> Effects {
        let uri = "/services/data/v64.0/sobjects/Lead/00Q";
        let call = Call::new(Method::PATCH, &Uri::from_static(uri), HeaderMap::new(), Bytes::new());
        faults.strike(kind, &call, uri)
    }

    #[test]
    fn a_fault_lets_its_skip_pass_and_then_strikes_its_times() {
        let mut faults = Faults::default();
        faults.add(Fault { times: 2, skip: 1, status: Some(503), ..Fault::on("write") });
        let hits: Vec<bool> = (0..5).map(|_| strike(&mut faults, RequestKind::Write).status.is_some()).collect();
        assert_eq!(hits, [false, true, true, false, false]);
        assert!(faults.waiting().is_empty());
    }

    #[test]
    fn a_fault_strikes_by_kind_or_by_method_and_path() {
        let mut faults = Faults::default();
        faults.add(Fault { times: 0, latency_ms: Some(5), ..Fault::on("read") });
        faults.add(Fault { times: 0, drop: Some(Cut::After), ..Fault::on("PATCH /sobjects/Lead/") });
        let effects = strike(&mut faults, RequestKind::Write);
        assert_eq!((effects.latency_ms, effects.drop), (0, Some(Cut::After)));
    }
}
