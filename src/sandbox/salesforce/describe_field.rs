//! What describe says of one field.

use serde_json::{Value as Json, json};

use super::fields::{Access, EXTERNAL_ID, Field, Kind};
use super::objects::Entity;
use super::switches::SalesforceSwitches;

/// The fields of an object, as the org's administrators have changed them.
pub fn of(entity: Entity, switches: &SalesforceSwitches) -> Vec<Json> {
    let is_lead = entity == Entity::Lead;
    let seen = entity.fields().iter().filter(|field| !is_lead || !switches.lacks(field.name));
    seen.map(|each| if is_lead { as_switched(field(each), each, switches) } else { field(each) }).collect()
}

fn field(field: &Field) -> Json {
    let writable = field.access != Access::ReadOnly;
    let is_id = field.kind == Kind::Id;
    let is_external = field.name == EXTERNAL_ID;
    let is_address = field.kind == Kind::Address;
    let (restricted, values) = picklist(field);
    let reference = match field.kind {
        Kind::Reference(objects) => objects,
        _ => &[],
    };
    let nillable = matches!(field.access, Access::Optional) || (field.access == Access::ReadOnly && !is_kept(field));
    let is_boolean = field.kind == Kind::Boolean;
    let described = json!({
        "name": field.name, "label": field.label, "type": field.type_name(), "soapType": field.soap_type(),
        "length": field.length, "byteLength": field.length * 3, "precision": field.precision, "scale": field.scale,
        "digits": if field.kind == Kind::Int { field.precision } else { 0 },
        "createable": writable, "updateable": writable, "nillable": nillable && !is_boolean,
        "defaultedOnCreate": field.access == Access::Defaulted || is_boolean || (is_kept(field) && field.name != "Name"),
        "defaultValue": if is_boolean { json!(false) } else { Json::Null },
        "compoundFieldName": field.compound(),
        "externalId": is_external, "unique": is_external, "caseSensitive": false,
        "idLookup": is_id || is_external || field.kind == Kind::Email,
        "custom": field.is_custom(), "filterable": !field.is_long_text(), "sortable": !field.is_long_text() && !is_address,
        "groupable": !field.is_long_text() && !is_address, "aggregatable": !field.is_long_text() && !is_address,
        "picklistValues": values, "restrictedPicklist": restricted, "referenceTo": reference,
        "nameField": field.name == "Name", "permissionable": writable && field.access == Access::Optional,
        "relationshipName": field.relationship(),
        "namePointing": reference.len() > 1, "polymorphicForeignKey": reference.len() > 1,
        "queryByDistance": is_address, "extraTypeInfo": Json::Null,
    });
    let mut described = described.as_object().cloned().unwrap_or_default();
    described.extend(NEVER.map(|name| (name.to_owned(), json!(false))));
    described.extend(EMPTY.map(|name| (name.to_owned(), Json::Null)));
    Json::Object(described)
}
/// What none of these fields is.
const NEVER: [&str; 14] = [
    "aiPredictionField",
    "autoNumber",
    "calculated",
    "cascadeDelete",
    "dependentPicklist",
    "deprecatedAndHidden",
    "displayLocationInDecimal",
    "encrypted",
    "formulaTreatNullNumberAsZero",
    "highScaleNumber",
    "htmlFormatted",
    "restrictedDelete",
    "searchPrefilterable",
    "writeRequiresMasterRead",
];

/// What none of these fields has.
const EMPTY: [&str; 9] = [
    "calculatedFormula",
    "controllerName",
    "defaultValueFormula",
    "filteredLookupInfo",
    "inlineHelpText",
    "mask",
    "maskType",
    "referenceTargetField",
    "relationshipOrder",
];

/// A field as the org's administrators have changed it.
fn as_switched(mut described: Json, field: &Field, switches: &SalesforceSwitches) -> Json {
    let Some(map) = described.as_object_mut() else { return described };
    if switches.locks(field.name) {
        map.extend(["createable", "updateable"].map(|name| (name.to_owned(), json!(false))));
    }
    if switches.restricts(field.name) {
        map.insert("restrictedPicklist".to_owned(), json!(true));
    }
    if let Some(values) = switches.picklist(field.name) {
        map.insert("picklistValues".to_owned(), values.iter().map(|value| choice(value, false)).collect());
    }
    described
}

fn choice(value: &str, is_default: bool) -> Json {
    json!({ "active": true, "defaultValue": is_default, "label": value, "validFor": Json::Null, "value": value })
}

/// Whether the system always gives the field a value.
fn is_kept(field: &Field) -> bool {
    [
        "Id",
        "Name",
        "IsDeleted",
        "IsConverted",
        "CreatedDate",
        "CreatedById",
        "LastModifiedDate",
        "LastModifiedById",
        "SystemModstamp",
    ]
    .contains(&field.name)
}

fn picklist(field: &Field) -> (bool, Vec<Json>) {
    let Kind::Picklist { values, restricted } = field.kind else { return (false, Vec::new()) };
    let is_default = |number: usize| field.name == "Status" && number == 0;
    let value = |(number, value): (usize, &&str)| choice(value, is_default(number));
    (restricted, values.iter().enumerate().map(value).collect())
}
