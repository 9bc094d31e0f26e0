//! What the org has: versions, resources, objects and their fields.

use axum::http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::fields::{Access, EXTERNAL_ID, Field, Kind};
use super::lead_fields::LEAD;
use super::switches::SalesforceSwitches;
use crate::sandbox::http::Answer;

/// The API versions that are answered.
pub fn versions((oldest, newest): (u32, u32)) -> Answer {
    let season = |version: u32| match version % 3 {
        0 => "Summer",
        1 => "Winter",
        _ => "Spring",
    };
    let version = |number: u32| {
        let label = format!("{} '{}", season(number + 2), (number + 1) / 3 + 4);
        json!({ "label": label, "url": format!("/services/data/v{number}.0"), "version": format!("{number}.0") })
    };
    let all: Vec<Json> = (oldest..=newest).map(version).collect();
    Answer::json(StatusCode::OK, &all)
}

/// The resources of one version.
pub fn resources(version: &str) -> Answer {
    let names = ["sobjects", "query", "queryAll", "limits", "composite", "jobs"];
    let map: Map<String, Json> =
        names.into_iter().map(|name| (name.to_owned(), json!(format!("/services/data/{version}/{name}")))).collect();
    Answer::json(StatusCode::OK, &map)
}

/// `/sobjects` and `/sobjects/Lead/describe`.
pub fn answer(path: &[&str], version: &str, switches: &SalesforceSwitches) -> Answer {
    let mut lead = object(version);
    if path.len() == 1 {
        return Answer::json(StatusCode::OK, &json!({ "encoding": "UTF-8", "maxBatchSize": 200, "sobjects": [lead] }));
    }
    let lists = ["recordTypeInfos", "childRelationships", "actionOverrides", "namedLayoutInfos", "supportedScopes"];
    lead.extend(lists.into_iter().map(|name| (name.to_owned(), json!([]))));
    let seen = LEAD.iter().filter(|field| !switches.lacks(field.name));
    lead.insert("fields".to_owned(), seen.map(|each| as_switched(field(each), each, switches)).collect());
    let flags = [("compactLayoutable", true), ("searchLayoutable", true)];
    lead.extend(flags.into_iter().map(|(name, flag)| (name.to_owned(), json!(flag))));
    lead.extend(
        ["listviewable", "lookupLayoutable", "networkScopeFieldName"].into_iter().map(|name| (name.to_owned(), Json::Null)),
    );
    Answer::json(StatusCode::OK, &lead)
}

fn object(version: &str) -> Map<String, Json> {
    let base = format!("/services/data/{version}/sobjects/Lead");
    let able = [
        "createable",
        "updateable",
        "deletable",
        "undeletable",
        "mergeable",
        "queryable",
        "retrieveable",
        "searchable",
        "replicateable",
        "layoutable",
        "triggerable",
        "feedEnabled",
        "mruEnabled",
    ];
    let not = [
        "activateable",
        "custom",
        "customSetting",
        "deepCloneable",
        "deprecatedAndHidden",
        "hasSubtypes",
        "isInterface",
        "isSubtype",
    ];
    let mut object = Map::from_iter([
        ("name".to_owned(), json!("Lead")),
        ("label".to_owned(), json!("Lead")),
        ("labelPlural".to_owned(), json!("Leads")),
        ("keyPrefix".to_owned(), json!("00Q")),
        (
            "urls".to_owned(),
            json!({ "sobject": base, "describe": format!("{base}/describe"), "rowTemplate": format!("{base}/{{ID}}") }),
        ),
    ]);
    object.extend(able.into_iter().map(|name| (name.to_owned(), json!(true))));
    object.extend(not.into_iter().map(|name| (name.to_owned(), json!(false))));
    object
}

fn field(field: &Field) -> Json {
    let writable = field.access != Access::ReadOnly;
    let is_id = field.kind == Kind::Id;
    let is_external = field.name == EXTERNAL_ID;
    let is_address = field.kind == Kind::Address;
    let (restricted, values) = picklist(field);
    let reference = match field.kind {
        Kind::Reference(object) => vec![object],
        _ => Vec::new(),
    };
    let nillable = matches!(field.access, Access::Optional) || (field.access == Access::ReadOnly && !is_kept(field));
    let mut described = json!({
        "name": field.name, "label": field.label, "type": field.type_name(), "soapType": field.soap_type(),
        "length": field.length, "byteLength": field.length * 3, "precision": field.precision, "scale": field.scale,
        "digits": if field.kind == Kind::Int { field.precision } else { 0 },
        "createable": writable, "updateable": writable, "nillable": nillable,
        "defaultedOnCreate": field.access == Access::Defaulted || is_kept(field),
        "externalId": is_external, "unique": is_external, "caseSensitive": false,
        "idLookup": is_id || is_external || field.kind == Kind::Email,
        "custom": field.is_custom(), "filterable": !field.is_long_text(), "sortable": !field.is_long_text() && !is_address,
        "groupable": !field.is_long_text() && !is_address, "aggregatable": !field.is_long_text() && !is_address,
        "picklistValues": values, "restrictedPicklist": restricted, "referenceTo": reference,
        "nameField": field.name == "Name", "permissionable": writable && field.access == Access::Optional,
        "relationshipName": field.name.strip_suffix("Id").filter(|_| !reference.is_empty()),
        "queryByDistance": is_address, "extraTypeInfo": Json::Null,
    });
    if let Some(described) = described.as_object_mut() {
        for name in [
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
            "namePointing",
            "polymorphicForeignKey",
            "restrictedDelete",
            "searchPrefilterable",
            "writeRequiresMasterRead",
        ] {
            described.insert(name.to_owned(), json!(false));
        }
        for name in [
            "calculatedFormula",
            "compoundFieldName",
            "controllerName",
            "defaultValue",
            "defaultValueFormula",
            "filteredLookupInfo",
            "inlineHelpText",
            "mask",
            "maskType",
            "referenceTargetField",
            "relationshipOrder",
        ] {
            described.insert(name.to_owned(), Json::Null);
        }
    }
    described
}

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
    ["Id", "IsDeleted", "IsConverted", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp"]
        .contains(&field.name)
}

fn picklist(field: &Field) -> (bool, Vec<Json>) {
    let Kind::Picklist { values, restricted } = field.kind else { return (false, Vec::new()) };
    let is_default = |number: usize| field.name == "Status" && number == 0;
    let value = |(number, value): (usize, &&str)| choice(value, is_default(number));
    (restricted, values.iter().enumerate().map(value).collect())
}
