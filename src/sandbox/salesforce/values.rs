//! What a lead's fields take: types, lengths, required fields, picklists, in Salesforce's words.

use chrono::{DateTime, NaiveDate};
use serde_json::{Map, Value as Json};

use crate::sandbox::salesforce::errors::Fail;
use crate::sandbox::salesforce::fields::{Access, CONVERTED_STATUS, Field, Kind};
use crate::sandbox::salesforce::ids;
use crate::sandbox::salesforce::lead_fields::LEAD;
use crate::sandbox::salesforce::objects::{Entity, prefix_of};

/// Values that passed, as they are stored.
pub type Checked = Vec<(&'static Field, Json)>;

/// Finds the fields that a request names, and refuses the request as a whole where it cannot be read: Salesforce does not
/// get as far as single records then.
pub fn read(given: &Map<String, Json>) -> Result<Vec<(&'static Field, Json)>, Fail> {
    let mut read = Vec::new();
    for (name, value) in given.iter().filter(|(name, _)| *name != "attributes") {
        let field = Entity::Lead
            .field(name)
            .ok_or_else(|| Fail::bad("INVALID_FIELD", format!("No such column '{name}' on sobject of type Lead")))?;
        read.push((field, typed(field, value)?));
    }
    Ok(read)
}

/// Checks what [`read`] gave against the rules for one record.
pub fn check(mut read: Checked, creating: bool) -> Result<Checked, Fail> {
    if creating {
        // What has a default takes it where nothing is given.
        read.retain(|(field, value)| field.access != Access::Defaulted || !value.is_null());
    }
    let locked: Vec<&'static str> =
        read.iter().filter(|(field, _)| field.access == Access::ReadOnly).map(|(field, _)| field.name).collect();
    if !locked.is_empty() {
        return Err(self::locked(locked));
    }
    let missing: Vec<&'static str> = LEAD
        .iter()
        .filter(|field| match read.iter().find(|(given, _)| given.name == field.name) {
            // An owner who is missing is refused in other words.
            Some((_, value)) => {
                matches!(field.access, Access::Required | Access::Defaulted) && value.is_null() && field.name != "OwnerId"
            }
            None => creating && field.access == Access::Required,
        })
        .map(|field| field.name)
        .collect();
    if !missing.is_empty() {
        let message = format!("Required fields are missing: [{}]", missing.join(", "));
        return Err(Fail::bad("REQUIRED_FIELD_MISSING", message).with_fields(missing));
    }
    for (field, value) in &read {
        check_value(field, value)?;
    }
    Ok(read)
}

/// The refusal of fields that cannot be written.
pub fn locked(names: Vec<&'static str>) -> Fail {
    let message = format!(
        "Unable to create/update fields: {}. Please check the security settings of this field and verify that it is read/write for your profile or permission set.",
        names.join(", ")
    );
    Fail::bad("INVALID_FIELD_FOR_INSERT_UPDATE", message).with_fields(names)
}

/// A value in the form in which it is stored: text trimmed, nothing as null.
fn typed(field: &'static Field, value: &Json) -> Result<Json, Fail> {
    if value.is_null() {
        return Ok(if field.kind == Kind::Boolean { Json::Bool(false) } else { Json::Null });
    }
    let wrong = || Fail::wrong_type(field.plain_type(), value);
    match field.kind {
        Kind::Boolean => value.as_bool().map(Json::Bool).ok_or_else(wrong),
        Kind::Int => value.as_i64().map(Json::from).ok_or_else(wrong),
        Kind::Double | Kind::Currency => match value {
            Json::Number(number) => Ok(Json::Number(number.clone())),
            _ => Err(wrong()),
        },
        Kind::Date => match value.as_str().map(str::trim) {
            Some("") => Ok(Json::Null),
            Some(text) => {
                NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|date| Json::from(date.to_string())).map_err(|_| wrong())
            }
            None => Err(wrong()),
        },
        Kind::DateTime => {
            let time = value.as_str().and_then(|text| {
                DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z")).ok()
            });
            time.map(|time| Json::from(super::rows::stamp(time.to_utc()))).ok_or_else(wrong)
        }
        Kind::Address => Err(wrong()),
        Kind::Reference(_) => {
            let text = value.as_str().ok_or_else(wrong)?.trim();
            let whole = ids::parse(text).map_or_else(|| text.to_owned(), |key| ids::full(&key));
            Ok(if text.is_empty() { Json::Null } else { Json::from(whole) })
        }
        _ => {
            let text = value.as_str().ok_or_else(wrong)?.trim();
            Ok(if text.is_empty() { Json::Null } else { Json::from(text) })
        }
    }
}

fn check_value(field: &'static Field, value: &Json) -> Result<(), Fail> {
    let label = field.label;
    if let Some(text) = value.as_str() {
        if field.length > 0 && text.chars().count() > field.length {
            let message = format!("{label}: data value too large: {text} (max length={})", field.length);
            return Err(Fail::bad("STRING_TOO_LONG", message).with_fields(vec![field.name]));
        }
        return check_text(field, text);
    }
    if matches!(field.kind, Kind::Int | Kind::Double | Kind::Currency)
        && let Some(number) = value.as_f64()
    {
        let digits = i32::from(field.precision.saturating_sub(field.scale));
        if !number.is_finite() || number.abs() >= 10_f64.powi(digits) {
            let message = format!("{label}: value outside of valid range on numeric field: {value}");
            return Err(Fail::bad("NUMBER_OUTSIDE_VALID_RANGE", message).with_fields(vec![field.name]));
        }
    }
    Ok(())
}

fn check_text(field: &'static Field, text: &str) -> Result<(), Fail> {
    let label = field.label;
    match field.kind {
        Kind::Email if !is_email(text) => {
            let message = format!("{label}: invalid email address: {text}");
            Err(Fail::bad("INVALID_EMAIL_ADDRESS", message).with_fields(vec![field.name]))
        }
        Kind::Picklist { values, restricted: true } if !values.contains(&text) => {
            let message = format!("{label}: bad value for restricted picklist field: {text}");
            Err(Fail::bad("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message).with_fields(vec![field.name]))
        }
        Kind::Picklist { .. } if field.name == "Status" && text == CONVERTED_STATUS => {
            let message = "Status: a converted status is set by converting the lead";
            Err(Fail::bad("FIELD_INTEGRITY_EXCEPTION", message).with_fields(vec![field.name]))
        }
        Kind::Reference(objects)
            if ids::parse(text).is_none() || !objects.iter().any(|object| text.starts_with(prefix_of(object))) =>
        {
            let message = format!("{label}: id value of incorrect type: {text}");
            Err(Fail::bad("MALFORMED_ID", message).with_fields(vec![field.name]))
        }
        _ => Ok(()),
    }
}

/// Plausible as an address: ASCII, one @, a domain of two parts or more, no dots or signs where none can be.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let local_is_sound = !local.is_empty()
        && local.chars().all(|each| each.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(each))
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..");
    let labels: Vec<&str> = domain.split('.').collect();
    let label_is_sound = |label: &&str| {
        !label.is_empty()
            && label.chars().all(|each| each.is_ascii_alphanumeric() || each == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    local_is_sound && labels.len() > 1 && labels.iter().all(label_is_sound)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(fields: &Json, creating: bool) -> (String, String) {
        let fields = fields.as_object().cloned().unwrap_or_default();
        let checked = read(&fields).and_then(|read| check(read, creating));
        checked.map_or_else(|fail| (fail.code.into_owned(), fail.message), |_| ("accepted".to_owned(), String::new()))
    }

    #[test]
    fn refusals_are_in_salesforces_words() {
        let long = "x".repeat(81);
        for (fields, code, message) in [
            (json!({}), "REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName, Company]".to_owned()),
            (
                json!({ "LastName": long, "Company": "a" }),
                "STRING_TOO_LONG",
                format!("Last Name: data value too large: {long} (max length=80)"),
            ),
            (
                json!({ "LastName": "a", "Company": "a", "Email": "nobody" }),
                "INVALID_EMAIL_ADDRESS",
                "Email: invalid email address: nobody".to_owned(),
            ),
            (json!({ "Nope": 1 }), "INVALID_FIELD", "No such column 'Nope' on sobject of type Lead".to_owned()),
        ] {
            assert_eq!(refused(&fields, true), (code.to_owned(), message));
        }
        assert_eq!(refused(&json!({ "Company": " " }), false).0, "REQUIRED_FIELD_MISSING");
        assert_eq!(refused(&json!({ "Desks__c": "4" }), false).0, "JSON_PARSER_ERROR");
        assert_eq!(refused(&json!({ "IsConverted": true }), false).0, "INVALID_FIELD_FOR_INSERT_UPDATE");
        assert_eq!(refused(&json!({ "Status": "Closed - Converted" }), false).0, "FIELD_INTEGRITY_EXCEPTION");
    }

    #[test]
    fn addresses_are_told_from_others() {
        for good in ["a@b.example", "o'brien.x+y@mail.co.uk"] {
            assert!(is_email(good), "{good}");
        }
        for bad in
            ["nobody", "a@b", "a b@c.example", "a@@b.example", ".a@b.example", "a..b@c.example", "zoë@b.example", "a@-b.example"]
        {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
