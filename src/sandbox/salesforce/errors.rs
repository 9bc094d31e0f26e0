//! What Salesforce says when it refuses: one shape for whole requests, another for single rows of a collection.

use std::borrow::Cow;

use axum::http::StatusCode;
use serde_json::{Value as Json, json};

use crate::sandbox::http::Answer;

/// A refusal.
#[derive(Debug, Clone)]
pub struct Fail {
    pub status: StatusCode,
    pub code: Cow<'static, str>,
    pub message: String,
    pub fields: Option<Vec<&'static str>>,
    /// What a duplicate rule found.
    pub duplicates: Option<Box<Json>>,
}

impl Fail {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code: Cow::Borrowed(code), message: message.into(), fields: None, duplicates: None }
    }

    /// With status 400.
    pub fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", "The requested resource does not exist")
    }

    pub fn deleted() -> Self {
        Self::new(StatusCode::NOT_FOUND, "ENTITY_IS_DELETED", "entity is deleted").with_fields(Vec::new())
    }

    pub fn json_parser(message: impl Into<String>) -> Self {
        Self::bad("JSON_PARSER_ERROR", message)
    }

    /// A JSON value of the wrong type, where a value of `wanted` belongs.
    pub fn wrong_type(wanted: &str, value: &Json) -> Self {
        let (token, text) = match value {
            Json::Null => ("VALUE_NULL", "null".to_owned()),
            Json::Bool(true) => ("VALUE_TRUE", "true".to_owned()),
            Json::Bool(false) => ("VALUE_FALSE", "false".to_owned()),
            Json::Number(number) if number.is_f64() => ("VALUE_NUMBER_FLOAT", number.to_string()),
            Json::Number(number) => ("VALUE_NUMBER_INT", number.to_string()),
            Json::String(text) => ("VALUE_STRING", text.clone()),
            Json::Array(_) => ("START_ARRAY", "[".to_owned()),
            Json::Object(_) => ("START_OBJECT", "{".to_owned()),
        };
        Self::json_parser(format!(
            "Cannot deserialize instance of {wanted} from {token} value {text} or request may be missing a required field"
        ))
    }

    /// The failure that a fault orders for a row.
    pub fn ordered(code: &str, id: Option<&str>) -> Self {
        let message = match code {
            "UNABLE_TO_LOCK_ROW" => {
                format!("unable to obtain exclusive access to this record or 1 records: {}", id.unwrap_or_default())
            }
            "CANNOT_UPDATE_CONVERTED_LEAD" => "cannot reference converted lead".to_owned(),
            "ENTITY_IS_DELETED" => "entity is deleted".to_owned(),
            _ => "The row was refused.".to_owned(),
        };
        Self {
            status: StatusCode::BAD_REQUEST,
            code: Cow::Owned(code.to_owned()),
            message,
            fields: Some(Vec::new()),
            duplicates: None,
        }
    }

    #[must_use]
    pub fn with_duplicates(mut self, found: Json) -> Self {
        self.duplicates = Some(Box::new(found));
        self
    }

    #[must_use]
    pub fn with_fields(mut self, fields: Vec<&'static str>) -> Self {
        self.fields = Some(fields);
        self
    }

    /// As the answer to a whole request.
    pub fn answer(&self) -> Answer {
        Answer::json(self.status, &json!([self.plain()]))
    }

    fn plain(&self) -> Json {
        let mut plain = json!({"message": self.message, "errorCode": self.code});
        if let (Some(plain), Some(fields)) = (plain.as_object_mut(), &self.fields) {
            plain.insert("fields".to_owned(), json!(fields));
        }
        if let (Some(plain), Some(found)) = (plain.as_object_mut(), &self.duplicates) {
            // Spelled so by real orgs.
            plain.insert("duplicateResut".to_owned(), (**found).clone());
        }
        plain
    }

    /// As an error of one row.
    pub fn row(&self) -> Json {
        json!({"statusCode": self.code, "message": self.message, "fields": self.fields.clone().unwrap_or_default()})
    }
}

/// What the system itself says with a status, where a fault orders the status and no text.
pub fn of_status(status: StatusCode) -> Answer {
    let (code, message) = match status.as_u16() {
        400 => ("JSON_PARSER_ERROR", "The request could not be read"),
        401 => return super::session_ended(),
        403 => ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
        404 => return Fail::not_found().answer(),
        405 => ("METHOD_NOT_ALLOWED", "HTTP Method not allowed"),
        409 => ("CONFLICT", "The request is in conflict with the current state of the resource"),
        412 => ("PRECONDITION_FAILED", "The condition of the request is not met"),
        414 => ("URI_TOO_LONG", "URI Too Long"),
        415 => ("UNSUPPORTED_MEDIA_TYPE", "Content type not supported"),
        431 => ("REQUEST_HEADER_FIELDS_TOO_LARGE", "Request Header Fields Too Large"),
        420 | 502 | 504 => {
            let reason = status.canonical_reason().unwrap_or("No Route");
            let page = format!("<html><body><h1>{} {reason}</h1></body></html>", status.as_u16());
            return Answer::text_of(status, "text/html;charset=UTF-8", page);
        }
        503 => ("SERVER_UNAVAILABLE", "The server is too busy to respond, please try again later"),
        500 => (
            "UNKNOWN_EXCEPTION",
            "An unexpected error occurred. Please include this ErrorId if you contact support: 1234-5678 (90)",
        ),
        _ => ("UNKNOWN_EXCEPTION", "An unexpected error occurred."),
    };
    Fail::new(status, code, message).answer()
}
