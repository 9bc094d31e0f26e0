//! What every answer has, and which requests are no business of ours.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Refused;

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Gives every page its headers; what says itself how long it may be kept is kept so long.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A web site may have a name of its own lead to a loopback address, and so read as its own what is served there ("DNS rebinding").
/// Who asks a loopback address for another name than this machine's is turned away.
pub(in crate::ops) async fn only_local_names(State(address): State<SocketAddr>, request: Request, next: Next) -> Response {
    if !address.ip().is_loopback() {
        return next.run(request).await;
    }
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    match host {
        Some(host) if is_local(host) => next.run(request).await,
        Some(_) => {
            let words = format!(
                "This is served on the loopback address {address}, and only under its name: ask for http://localhost:{port}/, or have the \
                 proxy in front of it send that as Host.\n",
                port = address.port()
            );
            (StatusCode::MISDIRECTED_REQUEST, words).into_response()
        }
        None => (StatusCode::BAD_REQUEST, "The request has no Host.\n").into_response(),
    }
}

/// Whether a `Host` names this machine, on whichever port.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, port)) if port.is_empty() || is_port(port.strip_prefix(':')) => name,
            _ => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) if is_port(Some(port)) => name,
            Some(_) => return false,
            None => host,
        },
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn is_port(port: Option<&str>) -> bool {
    port.is_some_and(|port| port.parse::<u16>().is_ok())
}

/// Whether a form may come from one of these pages. Browsers say so themselves where they hold the connection for safe (https, loopback).
/// Elsewhere the form's own word and the cookie, which other sites have neither of, are what is left: under this page's referrer policy
/// the origin of its own forms is `null`.
pub(super) fn is_of_this_site(headers: &HeaderMap) -> Result<(), Refused> {
    let of = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_so = match (of("sec-fetch-site"), of(ORIGIN.as_str())) {
        (Some(site), _) => site == "same-origin",
        (None, None | Some("null")) => true,
        (None, Some(origin)) => {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_some() && authority == of(HOST.as_str())
        }
    };
    if is_so { Ok(()) } else { Err(Refused::Forbidden("The form was sent by another site.".to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_local() {
        for host in ["localhost", "LocalHost:8080", "127.0.0.1", "127.0.0.2:1", "[::1]", "[::1]:8080"] {
            assert!(is_local(host), "{host}");
        }
        for host in
            ["", "example.com", "localhost.example.com", "127.0.0.1.nip.io", "10.0.0.1", "[::1", "[::2]", "localhost:http", "::1"]
        {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn a_form_of_another_site_is_known() {
        let headers = |given: &[(&'static str, &'static str)]| {
            given.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
        };
        for (given, expected) in [
            (vec![], true),
            (vec![("sec-fetch-site", "same-origin"), ("origin", "null")], true),
            (vec![("sec-fetch-site", "cross-site")], false),
            (vec![("sec-fetch-site", "same-site")], false),
            (vec![("host", "a:1"), ("origin", "http://a:1")], true),
            (vec![("host", "a:1"), ("origin", "http://a:2")], false),
            (vec![("host", "a:1"), ("origin", "null")], true),
        ] {
            assert_eq!(is_of_this_site(&headers(&given)).is_ok(), expected, "{given:?}");
        }
    }
}
