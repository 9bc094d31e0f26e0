//! What must hold of headers and statuses, whatever they say.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::{Answer, ServerClock, Session};

/// An answer as a text: the status on the first line, then the body. Without a status, all of it is the body of a good one.
pub(crate) fn read_answer(data: &[u8]) -> Answer {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (line, rest) = data.split_at(end);
    let status = std::str::from_utf8(line).ok().and_then(|line| line.trim().parse().ok());
    match status.and_then(|status| StatusCode::from_u16(status).ok()) {
        Some(status) => answer(status, HeaderMap::new(), rest.get(1..).unwrap_or_default()),
        None => answer(StatusCode::OK, HeaderMap::new(), data),
    }
}

/// An answer.
pub(crate) fn answer(status: StatusCode, headers: HeaderMap, body: &[u8]) -> Answer {
    Answer { status, headers, body: body.to_vec(), as_of: moment() }
}

/// Lines of `name: value`. A line that is none is left out.
pub(crate) fn read_headers(data: &[u8]) -> HeaderMap {
    let header = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let name = HeaderName::from_bytes(name.trim_ascii()).ok()?;
        Some((name, HeaderValue::from_bytes(value.get(1..)?.trim_ascii()).ok()?))
    };
    data.split(|byte| *byte == b'\n').filter_map(header).collect()
}

/// A wait or a date is read or left alone; what is reckoned from it stays within what can be reckoned with.
pub(crate) fn headers(headers: &HeaderMap) {
    let wait = answer(StatusCode::SERVICE_UNAVAILABLE, headers.clone(), b"").retry_after();
    let _ = wait.and_then(Session::until);
    let clock = ServerClock::default();
    let asked = moment();
    let as_of = clock.as_of(headers, asked, asked + TimeDelta::milliseconds(20));
    assert!(as_of.timestamp().abs() < 400_000_000_000, "{as_of}");
    if let Some(known) = clock.offset() {
        let _ = Utc::now() + known.offset + TimeDelta::days(7);
        assert!(known.error >= TimeDelta::zero());
        assert!(clock.earliest(asked).is_some_and(|earliest| earliest <= asked + known.offset));
    }
    assert!(wait.is_none_or(|wait| wait <= Duration::from_secs(u64::MAX)));
}

fn moment() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap_or_default()
}
