//! What Salesforce's answers about single records mean: one table of codes.

use reqwest::StatusCode;
use serde_json::Value as Json;

use crate::http::{Answer, is_passing};
use crate::side::{Outcome, Refusal};

/// An error as REST (`errorCode`) and collections (`statusCode`) give it.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    code: String,
    message: String,
    fields: Vec<String>,
    /// What a duplicate rule found.
    duplicates: Json,
}

impl ApiError {
    /// Reads an error. What of it is not as documented takes nothing from its words: without a message, they are all that there is.
    pub(super) fn of(error: &Json) -> Self {
        let text = |name: &str| error.get(name).and_then(Json::as_str).map(str::to_owned);
        let fields = error.get("fields").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        // Real orgs spell the key like this.
        let duplicates = error.get("duplicateResut").or_else(|| error.get("duplicateResult"));
        Self {
            code: text("errorCode").or_else(|| text("statusCode")).unwrap_or_else(|| "no_code".to_owned()),
            message: text("message").unwrap_or_else(|| error.as_str().map_or_else(|| error.to_string(), str::to_owned)),
            fields: fields.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
            duplicates: duplicates.cloned().unwrap_or_default(),
        }
    }

    /// Reads the text that the Bulk API gives for a row: `CODE:message:fields --`.
    pub(super) fn of_bulk(text: &str) -> Self {
        let is_code = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        let (code, rest) = text.split_once(':').unwrap_or((if is_code { text } else { "no_code" }, text));
        let is_name = |name: &str| {
            let first = name.bytes().next();
            first.is_none_or(|first| first.is_ascii_alphabetic())
                && name.bytes().all(|each| each.is_ascii_alphanumeric() || each == b'_')
        };
        // Without the dashes nothing says that a list of fields is there.
        let listed = rest.strip_suffix("--").and_then(|rest| rest.trim_end().rsplit_once(':'));
        let named = listed.filter(|(_, names)| names.split(',').all(|name| is_name(name.trim())));
        let (message, list) = named.unwrap_or((rest, ""));
        let fields = list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
        Self { code: code.to_owned(), message: message.to_owned(), fields, duplicates: Json::Null }
    }

    /// The leads that it names as being the same.
    fn doubles(&self) -> Vec<String> {
        let list = |json: &Json, name: &str| json.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
        let mut ids: Vec<String> = list(&self.duplicates, "matchResults")
            .iter()
            .flat_map(|result| list(result, "matchRecords"))
            .filter_map(|found| found.pointer("/record/Id").and_then(Json::as_str).map(str::to_owned))
            .filter(|id| id.starts_with("00Q") && is_id(id))
            .collect();
        if self.code == "DUPLICATE_VALUE" {
            let named = self.message.split_once("record with id: ").map(|(_, rest)| rest.trim_start());
            let id = named.and_then(|named| named.split(|each: char| !each.is_ascii_alphanumeric()).next());
            ids.extend(id.filter(|id| is_id(id)).map(str::to_owned));
        }
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// Whether a text can be an id, which stands in addresses and queries.
pub(super) fn is_id(text: &str) -> bool {
    matches!(text.len(), 15 | 18) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The errors of an answer's body, or of a part of one; none where it holds no list.
pub(super) fn errors_of(body: &Json) -> Vec<ApiError> {
    body.as_array().map(|errors| errors.iter().map(ApiError::of).collect()).unwrap_or_default()
}

/// The first error of an answer that is no success, in Salesforce's words; whatever the answer holds, if it is not JSON.
pub(super) fn refusal_of(answer: &Answer) -> Refusal {
    match errors_of(&serde_json::from_slice(&answer.body).unwrap_or_default()).as_slice() {
        [] => answer.refusal(),
        errors => refusal(errors),
    }
}

/// A refused query comes back with its text, and what is wrong with it after that.
pub(super) fn in_one_line(message: &str) -> String {
    let told = message.split_once("ERROR at Row:").and_then(|(_, rest)| rest.split_once('\n')).map_or(message, |(_, told)| told);
    told.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a refusal says that there is no such field.
pub(super) fn says_missing(refusal: &Refusal, field: &str) -> bool {
    let message = refusal.message.to_ascii_lowercase();
    let words = ["no such column", "does not exist", "field name not found", "not accessible"];
    message.contains(&field.to_ascii_lowercase()) && words.iter().any(|word| message.contains(word))
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
pub(super) fn outcome(errors: &[ApiError], repeatable: bool, external_id_field: &str) -> Outcome {
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
        "ENTITY_IS_DELETED" => Outcome::Gone,
        "NOT_FOUND" => Outcome::Absent(refusal),
        "DUPLICATES_DETECTED" | "DUPLICATE_VALUE" => Outcome::Duplicate {
            ids: errors.iter().flat_map(ApiError::doubles).collect(),
            certain: code == "DUPLICATE_VALUE" && refusal.message.contains(external_id_field),
            refusal,
        },
        // Without that field nothing can be read either: the next poll says so.
        _ if says_missing(&refusal, external_id_field) => Outcome::Retry(refusal),
        "INVALID_FIELD" | "INVALID_FIELD_FOR_INSERT_UPDATE" => Outcome::Schema(refusal),
        "CANNOT_UPDATE_CONVERTED_LEAD" => Outcome::Converted,
        _ => Outcome::Refused(refusal),
    }
}

/// What the answer to one guarded update within a composite call means.
pub(super) fn update_outcome(id: &str, status: u16, body: &Json, external_id_field: &str) -> Outcome {
    let errors = errors_of(body);
    let unread = || {
        let words = if body.is_null() {
            "no reason given".to_owned()
        } else {
            body.as_str().map_or_else(|| body.to_string(), str::to_owned)
        };
        Refusal::new(format!("http_{status}"), words)
    };
    match StatusCode::from_u16(status) {
        Ok(status) if status.is_success() => Outcome::Done { id: id.to_owned() },
        // The body of a 412 is not documented, so the status alone decides.
        Ok(StatusCode::PRECONDITION_FAILED) => Outcome::Moved(None),
        Ok(StatusCode::NOT_FOUND) if errors.is_empty() => Outcome::Absent(unread()),
        Ok(StatusCode::GONE) => Outcome::Gone,
        Ok(status) if errors.is_empty() && is_passing(status) => Outcome::Unknown(unread()),
        _ if errors.is_empty() => Outcome::Refused(unread()),
        _ => outcome(&errors, false, external_id_field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELD: &str = "Operate_Lead_Id__c";

    fn error(code: &str, message: &str, fields: &[&str]) -> ApiError {
        let fields = fields.iter().map(|field| (*field).to_owned()).collect();
        ApiError { code: code.to_owned(), message: message.to_owned(), fields, duplicates: Json::Null }
    }

    #[test]
    fn the_systems_words_are_kept_and_the_field_is_named() {
        let refused = outcome(&[error("INVALID_EMAIL_ADDRESS", "Email: invalid email address: nobody", &["Email"])], true, FIELD);
        let words = Refusal::new("INVALID_EMAIL_ADDRESS", "Email: invalid email address: nobody");
        assert_eq!(refused, Outcome::Refused(words));
        let unnamed = refusal(&[error("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Please fill it in.", &["City"])]);
        assert_eq!(unnamed.message, "Please fill it in. [City]");
    }

    #[test]
    fn a_refused_query_is_told_in_one_line_without_its_text() {
        let told = in_one_line(
            "\nSELECT Id,Nope FROM Lead\n          ^\nERROR at Row:1:Column:11\nNo such column 'Nope' on entity 'Lead'.",
        );
        assert_eq!(told, "No such column 'Nope' on entity 'Lead'.");
        assert!(says_missing(&Refusal::new("INVALID_FIELD", told), "NOPE"));
    }

    #[test]
    fn a_lock_is_tried_again_even_when_a_flow_reports_it() {
        let flow = error("CANNOT_EXECUTE_FLOW_TRIGGER", "We can't save this record: UNABLE_TO_LOCK_ROW", &[]);
        assert!(matches!(outcome(&[flow], true, FIELD), Outcome::Retry(_)));
    }

    #[test]
    fn a_guarded_update_that_was_overtaken_has_moved() {
        assert_eq!(update_outcome("00Q", 412, &Json::Null, FIELD), Outcome::Moved(None));
        assert_eq!(update_outcome("00Q", 204, &Json::Null, FIELD), Outcome::Done { id: "00Q".to_owned() });
        assert!(matches!(update_outcome("00Q", 404, &Json::Null, FIELD), Outcome::Absent(_)), "it may only be hidden");
    }

    #[test]
    fn the_leads_that_an_error_names_as_the_same_are_found() {
        let taken = ApiError::of_bulk(
            "DUPLICATE_VALUE:duplicate value found: Operate_Lead_Id__c duplicates value on record with id: 00Q5g00000AbCdE:--",
        );
        let Outcome::Duplicate { ids, certain, .. } = outcome(&[taken], true, FIELD) else { panic!() };
        assert_eq!((ids.as_slice(), certain), (["00Q5g00000AbCdE".to_owned()].as_slice(), true));
        let found = ApiError::of(&serde_json::json!({
            "errorCode": "DUPLICATES_DETECTED", "message": "Use one of these records?",
            "duplicateResut": { "matchResults": [{ "matchRecords": [{ "record": { "Id": "00Q5g00000AbCdEAAA" } },
                                                                     { "record": { "Id": "0035g00000AbCdEAAA" } }] }] },
        }));
        let Outcome::Duplicate { ids, certain, .. } = outcome(&[found], true, FIELD) else { panic!() };
        assert_eq!((ids.as_slice(), certain), (["00Q5g00000AbCdEAAA".to_owned()].as_slice(), false));
    }

    #[test]
    fn words_of_an_error_are_kept_whatever_else_it_holds() {
        let odd =
            serde_json::json!([{ "errorCode": "X", "statusCode": "X", "message": "Say why", "fields": null }, "no", { "a": 1 }]);
        assert_eq!(refusal(&errors_of(&odd)), Refusal::new("X", "Say why; no; {\"a\":1}"));
        let unread = update_outcome("00Q", 400, &serde_json::json!({ "reason": "not so" }), FIELD);
        assert_eq!(unread, Outcome::Refused(Refusal::new("http_400", r#"{"reason":"not so"}"#)));
    }

    #[test]
    fn a_bulk_message_loses_no_word_to_the_list_of_fields() {
        let read = |text: &str| {
            let error = ApiError::of_bulk(text);
            (error.message, error.fields.join(","))
        };
        assert_eq!(
            read("X:bad value for Budget__c: 100:Budget__c --"),
            ("bad value for Budget__c: 100".into(), "Budget__c".into())
        );
        assert_eq!(read("X:too much: 100:--"), ("too much: 100".into(), String::new()));
        assert_eq!(read("X:no list, but: this"), ("no list, but: this".into(), String::new()));
        assert_eq!(read("Not in the documented form"), ("Not in the documented form".into(), String::new()));
    }

    #[test]
    fn only_ids_are_taken_for_ids() {
        let error = error("DUPLICATE_VALUE", "duplicates value on record with id: 00Q5g00000AbCdE/../Account and more", &[]);
        assert_eq!(error.doubles(), ["00Q5g00000AbCdE"]);
        assert!(ApiError { message: "record with id: ../Account/1".to_owned(), ..error }.doubles().is_empty());
    }
}
