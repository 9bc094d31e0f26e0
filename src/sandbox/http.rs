//! One request and one answer as the simulated systems see them: no sockets, so that a composite request can send its
//! parts through the same door.

use std::io::Write as _;

use axum::body::{Body, Bytes};
use axum::extract::Query;
use axum::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A row of a write that must fail, by order of a fault.
#[derive(Debug, Clone)]
pub struct RowError {
    /// Which row of the request, from 0.
    pub row: usize,
    /// The code to answer with.
    pub code: String,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path as sent, still encoded.
    pub path: String,
    /// The query's pairs, decoded.
    pub query: Vec<(String, String)>,
    /// Whether the query could be decoded.
    pub query_is_sound: bool,
    /// Length of path and query as sent.
    pub uri_length: usize,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// A row that must fail.
    pub row_error: Option<RowError>,
}

impl Call {
    /// Takes a request apart.
    pub fn new(method: Method, uri: &Uri, headers: HeaderMap, body: Bytes) -> Self {
        let query = Query::<Vec<(String, String)>>::try_from_uri(uri);
        Self {
            method,
            path: uri.path().to_owned(),
            query_is_sound: query.is_ok(),
            query: query.map(|Query(pairs)| pairs).unwrap_or_default(),
            uri_length: uri.path_and_query().map_or(0, |whole| whole.as_str().len()),
            headers,
            body,
            row_error: None,
        }
    }

    /// The path's parts, decoded. A slash at the end gives an empty last part.
    pub fn segments(&self) -> Vec<String> {
        self.path.trim_start_matches('/').split('/').map(percent_decode).collect()
    }

    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A header, where it is plain text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The token of an `Authorization: Bearer` header.
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// User and password of an `Authorization: Basic` header.
    pub fn basic(&self) -> Option<(String, String)> {
        let (scheme, coded) = self.headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let text = String::from_utf8(base64_decode(coded.trim())?).ok()?;
        let (user, password) = text.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    }

    /// The pairs of a form body; `None` where the body is not declared to be a form, or is none.
    pub fn form(&self) -> Option<Vec<(String, String)>> {
        let declared = self.headers.get(CONTENT_TYPE)?.to_str().ok()?;
        if !declared.trim().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
            return None;
        }
        let text = std::str::from_utf8(&self.body).ok()?;
        // A form body has the grammar of a query.
        let uri = Uri::builder().path_and_query(format!("/?{text}")).build().ok()?;
        Query::<Vec<(String, String)>>::try_from_uri(&uri).ok().map(|Query(pairs)| pairs)
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Headers beyond content type and date.
    pub headers: Vec<(&'static str, String)>,
    /// The body's type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl Answer {
    /// An answer without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), content_type: "", body: String::new() }
    }

    /// A JSON answer.
    pub fn json(status: StatusCode, body: &impl Serialize) -> Self {
        Self::text_of(status, "application/json;charset=UTF-8", serde_json::to_string(body).unwrap_or_default())
    }

    /// A plain text answer.
    pub fn text(status: StatusCode, body: impl Into<String>) -> Self {
        Self::text_of(status, "text/plain;charset=UTF-8", body.into())
    }

    /// An answer with a body of this type.
    pub fn text_of(status: StatusCode, content_type: &'static str, body: String) -> Self {
        Self { status, headers: Vec::new(), content_type, body }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The answer as axum sends it, its body compressed.
    pub fn into_compressed(self) -> Response<Body> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let packed = encoder.write_all(self.body.as_bytes()).and_then(|()| encoder.finish());
        let (is_empty, mut response) = (self.body.is_empty(), self.into_response());
        if let (Ok(packed), false) = (packed, is_empty) {
            *response.body_mut() = Body::from(packed);
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }

    /// The answer as axum sends it.
    pub fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        if !self.content_type.is_empty() {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// Decodes `%41`; what is no such pair stands for itself.
fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let pair = after.get(..2).filter(|_| first == b'%').and_then(|pair| std::str::from_utf8(pair).ok());
        if let Some(byte) = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            bytes.push(byte);
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Decodes standard base64, with or without padding.
fn base64_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut bits, mut held) = (0_u32, 0_u32);
    for symbol in text.trim_end_matches('=').bytes() {
        let value = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_decoded_part_by_part() {
        assert_eq!(percent_decode("a%2Fb%zz%4"), "a/b%zz%4");
    }

    #[test]
    fn basic_credentials_are_read() {
        assert_eq!(base64_decode("aWQ6c2VjcmV0").as_deref(), Some(b"id:secret".as_slice()));
        assert_eq!(base64_decode("aWQ6c2U=").as_deref(), Some(b"id:se".as_slice()));
        assert_eq!(base64_decode("a*"), None);
    }
}
