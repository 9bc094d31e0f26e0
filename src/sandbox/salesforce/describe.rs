//! What the org has: versions, resources, objects.

use axum::http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::describe_field;
use super::objects::Entity;
use super::setup::{DEFAULT_RECORD_TYPE, MASTER_RECORD_TYPE, Setup};
use super::switches::{Right, SalesforceSwitches};
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
pub fn resources(version: &str, identity: &str) -> Answer {
    let names = ["sobjects", "query", "queryAll", "limits", "composite", "jobs", "recent"];
    let mut map: Map<String, Json> =
        names.into_iter().map(|name| (name.to_owned(), json!(format!("/services/data/{version}/{name}")))).collect();
    map.insert("identity".to_owned(), json!(identity));
    Answer::json(StatusCode::OK, &map)
}

/// `/sobjects`.
pub fn all(version: &str, switches: &SalesforceSwitches) -> Answer {
    let seen = Entity::LISTED.into_iter().filter(|entity| !switches.hides(entity.name()));
    let objects: Vec<Json> = seen.map(|entity| Json::Object(object(entity, version, switches))).collect();
    Answer::json(StatusCode::OK, &json!({ "encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects }))
}

/// `/sobjects/Lead/describe`, and the like.
pub fn whole(entity: Entity, version: &str, switches: &SalesforceSwitches, setup: &Setup) -> Answer {
    let mut described = object(entity, version, switches);
    let empty = ["childRelationships", "actionOverrides", "namedLayoutInfos"];
    described.extend(empty.into_iter().map(|name| (name.to_owned(), json!([]))));
    let scopes = json!([{ "label": format!("All {}", entity.labels().1.to_lowercase()), "name": "everything" }]);
    described.insert("supportedScopes".to_owned(), scopes);
    described.insert("recordTypeInfos".to_owned(), record_types(entity, version, setup));
    described.insert("fields".to_owned(), json!(describe_field::of(entity, switches)));
    let is_lead = entity == Entity::Lead;
    let flags = [("compactLayoutable", is_lead), ("searchLayoutable", is_lead)];
    described.extend(flags.into_iter().map(|(name, flag)| (name.to_owned(), json!(flag))));
    let nothing = ["listviewable", "lookupLayoutable", "networkScopeFieldName"];
    described.extend(nothing.into_iter().map(|name| (name.to_owned(), Json::Null)));
    Answer::json(StatusCode::OK, &described)
}

fn record_types(entity: Entity, version: &str, setup: &Setup) -> Json {
    let info = |id: &str, name: &str, developer_name: &str, active: bool| {
        json!({
            "active": active, "available": active, "defaultRecordTypeMapping": id == DEFAULT_RECORD_TYPE,
            "developerName": developer_name, "master": id == MASTER_RECORD_TYPE, "name": name, "recordTypeId": id,
            "urls": { "layout": format!("/services/data/{version}/sobjects/{}/describe/layouts/{id}", entity.name()) },
        })
    };
    let own = setup.rows(Entity::RecordType).iter().filter(|row| row.text("SobjectType") == Some(entity.name()));
    let own = own.map(|row| {
        let active = row.values.get("IsActive") == Some(&json!(true));
        let text = |name: &str| row.text(name).unwrap_or_default();
        info(&super::ids::full(&row.key), text("Name"), text("DeveloperName"), active)
    });
    own.chain([info(MASTER_RECORD_TYPE, "Master", "Master", true)]).collect()
}

/// What is true of a Lead, and of other objects only where it is reading.
const ABLE: [&str; 9] = [
    "undeletable",
    "mergeable",
    "searchable",
    "layoutable",
    "triggerable",
    "feedEnabled",
    "mruEnabled",
    "replicateable",
    "deepCloneable",
];

/// What is true of none.
const NOT: [&str; 7] =
    ["activateable", "custom", "customSetting", "deprecatedAndHidden", "hasSubtypes", "isInterface", "isSubtype"];

/// An object as a list of objects shows it.
pub fn object(entity: Entity, version: &str, switches: &SalesforceSwitches) -> Map<String, Json> {
    let base = format!("/services/data/{version}/sobjects/{}", entity.name());
    let is_lead = entity == Entity::Lead;
    let (label, labels) = entity.labels();
    let rights = [("createable", Right::Create), ("updateable", Right::Edit), ("deletable", Right::Delete)];
    let mut object = Map::from_iter([
        ("name".to_owned(), json!(entity.name())),
        ("label".to_owned(), json!(label)),
        ("labelPlural".to_owned(), json!(labels)),
        ("keyPrefix".to_owned(), json!(entity.prefix())),
        ("queryable".to_owned(), json!(true)),
        ("retrieveable".to_owned(), json!(true)),
        ("associateEntityType".to_owned(), Json::Null),
        ("associateParentEntity".to_owned(), Json::Null),
        (
            "urls".to_owned(),
            json!({ "sobject": base, "describe": format!("{base}/describe"), "rowTemplate": format!("{base}/{{ID}}") }),
        ),
    ]);
    object.extend(rights.map(|(name, right)| (name.to_owned(), json!(is_lead && !switches.denies(right)))));
    object.extend(ABLE.map(|name| (name.to_owned(), json!(is_lead && name != "deepCloneable"))));
    object.extend(NOT.map(|name| (name.to_owned(), json!(false))));
    object
}
