//! The fields of a Lead as the org describes them to this user: one that its rights hide is not there.

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value as Json;

use super::SalesforceClient;
use super::read::parse;
use crate::http::{Answer, Repeat};
use crate::lead::Kind;
use crate::side::{FieldRole, NativeField, SideError};

#[derive(Deserialize)]
struct Described {
    #[serde(default = "granted")]
    createable: bool,
    #[serde(default = "granted")]
    updateable: bool,
    #[serde(default = "granted")]
    deletable: bool,
    fields: Vec<Json>,
}

const fn granted() -> bool {
    true
}

/// What this user may do with Leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// Make them.
    pub create: bool,
    /// Change them.
    pub edit: bool,
    /// Delete them.
    pub delete: bool,
}

impl SalesforceClient {
    /// What this user may do with Leads, and the fields of one that it may see.
    pub async fn describe_lead(&self) -> Result<(Rights, Vec<NativeField>), SideError> {
        let request = self.request("describe", Method::GET, &["sobjects", "Lead", "describe"], Repeat::Safe);
        read(&self.expect(&request).await?)
    }
}

/// The rights and the fields that an answer describes. What has no name is no field.
pub(super) fn read(answer: &Answer) -> Result<(Rights, Vec<NativeField>), SideError> {
    let described: Described = parse(answer)?;
    let rights = Rights { create: described.createable, edit: described.updateable, delete: described.deletable };
    Ok((rights, described.fields.iter().map(field).filter(|field| !field.name.is_empty()).collect()))
}

fn field(described: &Json) -> NativeField {
    let text = |name: &str| described.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let flag = |name: &str| described.get(name).and_then(Json::as_bool).unwrap_or(false);
    let list = |name: &str| described.get(name).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let native_type = text("type");
    let kind = match native_type.as_str() {
        "double" | "currency" | "percent" | "int" | "long" => Some(Kind::Number),
        "boolean" => Some(Kind::Boolean),
        "date" => Some(Kind::Date),
        "datetime" => Some(Kind::Instant),
        _ => None,
    };
    let role = if flag("externalId") && flag("unique") {
        FieldRole::Key
    } else if list("referenceTo").iter().any(|target| target == "User") {
        FieldRole::User
    } else {
        FieldRole::Plain
    };
    let active = list("picklistValues").iter().filter(|value| value.get("active") == Some(&Json::Bool(true)));
    NativeField {
        name: text("name"),
        label: text("label"),
        length: described.get("length").and_then(Json::as_u64).and_then(|length| usize::try_from(length).ok()).unwrap_or(0),
        writable: flag("createable") && flag("updateable"),
        required: !flag("nillable") && flag("createable") && !flag("defaultedOnCreate"),
        restricted: flag("restrictedPicklist"),
        values: active.filter_map(|value| value.get("value").and_then(Json::as_str).map(str::to_owned)).collect(),
        native_type,
        kind,
        role,
    }
}
