//! What Salesforce's answers about single records mean: one table of codes.

use reqwest::StatusCode;
use serde::Deserialize;

use crate::http::{Answer, is_passing};
use crate::side::{Outcome, Refusal};

/// An error as REST (`errorCode`) and collections (`statusCode`) give it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ApiError {
    #[serde(alias = "statusCode", rename = "errorCode")]
    code: String,
    message: String,
    #[serde(default)]
    fields: Vec<String>,
}

/// The first error of an answer that is no success, in Salesforce's words; whatever the answer holds, if it is not JSON.
pub(super) fn refusal_of(answer: &Answer) -> Refusal {
    match serde_json::from_slice::<Vec<ApiError>>(&answer.body) {
        Ok(errors) if !errors.is_empty() => refusal(&errors),
        _ => answer.refusal(),
    }
}

/// Several errors about one record, as one.
pub(super) fn refusal(errors: &[ApiError]) -> Refusal {
    let Some(first) = errors.first() else {
        return Refusal::new("no_reason", "Salesforce refused the record and gave no reason");
    };
    let say = |error: &ApiError| {
        let named = error.fields.iter().any(|field| !error.message.contains(field.as_str()));
        if named { format!("{} [{}]", error.message, error.fields.join(", ")) } else { error.message.clone() }
    };
    let messages: Vec<String> = errors.iter().map(say).collect();
    Refusal::new(first.code.clone(), messages.join("; "))
}

/// What errors about one record mean for its write.
pub(super) fn outcome(errors: &[ApiError], repeatable: bool) -> Outcome {
    let refusal = refusal(errors);
    let code = refusal.code.as_str();
    // A trigger or flow that runs into a lock passes it on in its own error.
    if refusal.message.contains("UNABLE_TO_LOCK_ROW") {
        return Outcome::Retry(refusal);
    }
    match code {
        "UNABLE_TO_LOCK_ROW"
        | "SERVER_UNAVAILABLE"
        | "QUERY_TIMEOUT"
        | "REQUEST_LIMIT_EXCEEDED"
        | "ENTITY_IS_LOCKED"
        | "API_CURRENTLY_DISABLED"
        | "PROCESSING_HALTED"
        | "ALL_OR_NONE_OPERATION_ROLLED_BACK" => Outcome::Retry(refusal),
        "UNKNOWN_EXCEPTION" if repeatable => Outcome::Retry(refusal),
        "UNKNOWN_EXCEPTION" => Outcome::Unknown(refusal),
        "ENTITY_IS_DELETED" | "NOT_FOUND" => Outcome::Gone,
        "CANNOT_UPDATE_CONVERTED_LEAD" => Outcome::Converted,
        _ => Outcome::Refused(refusal),
    }
}

/// What the answer to one guarded update within a composite call means.
pub(super) fn update_outcome(id: &str, status: u16, errors: &[ApiError]) -> Outcome {
    match StatusCode::from_u16(status) {
        Ok(status) if status.is_success() => Outcome::Done { id: id.to_owned() },
        // The body of a 412 is not documented, so the status alone decides.
        Ok(StatusCode::PRECONDITION_FAILED) => Outcome::Moved(None),
        Ok(StatusCode::NOT_FOUND | StatusCode::GONE) => Outcome::Gone,
        Ok(status) if errors.is_empty() && is_passing(status) => {
            Outcome::Unknown(Refusal::new(format!("http_{}", status.as_u16()), "no reason given"))
        }
        _ => outcome(errors, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, message: &str, fields: &[&str]) -> ApiError {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        ApiError { code: code.to_owned(), message: message.to_owned(), fields }
    }

    #[test]
    fn the_systems_words_are_kept_and_the_field_is_named() {
        let refused = outcome(&[error("INVALID_EMAIL_ADDRESS", "Email: invalid email address: nobody", &["Email"])], true);
        let words = Refusal::new("INVALID_EMAIL_ADDRESS", "Email: invalid email address: nobody");
        assert_eq!(refused, Outcome::Refused(words));
        let unnamed = refusal(&[error("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Please fill it in.", &["City"])]);
        assert_eq!(unnamed.message, "Please fill it in. [City]");
    }

    #[test]
    fn a_lock_is_tried_again_even_when_a_flow_reports_it() {
        let flow = error("CANNOT_EXECUTE_FLOW_TRIGGER", "We can't save this record: UNABLE_TO_LOCK_ROW", &[]);
        assert!(matches!(outcome(&[flow], true), Outcome::Retry(_)));
    }

    #[test]
    fn a_guarded_update_that_was_overtaken_has_moved() {
        assert_eq!(update_outcome("00Q", 412, &[]), Outcome::Moved(None));
        assert_eq!(update_outcome("00Q", 204, &[]), Outcome::Done { id: "00Q".to_owned() });
        assert_eq!(update_outcome("00Q", 404, &[]), Outcome::Gone);
    }
}
