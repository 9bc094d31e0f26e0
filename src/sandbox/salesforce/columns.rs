//! `&columns=true`: what a query would answer, and no rows. Nowhere documented; the `sf` program asks for it after each query.

use serde_json::{Map, Value as Json, json};

use super::fields::{Access, Field, Kind};
use super::soql::{Column, Query, Select};

/// The columns of a query.
pub fn of(query: &Query) -> Json {
    let columns = match &query.select {
        Select::Columns(columns) => plain(columns),
        Select::Count => Vec::new(),
        Select::Totals(totals) => {
            let total = |total: &super::soql::Total| {
                let shown = format!("{:?}({})", total.function, total.column.name());
                let mut column = column(total.column.field, &shown);
                column.extend([("aggregate".to_owned(), json!(true)), ("columnName".to_owned(), json!(total.name))]);
                Json::Object(column)
            };
            totals.iter().map(total).collect()
        }
    };
    let has_id = |columns: &[Column]| columns.iter().any(|column| column.through.is_none() && column.field.kind == Kind::Id);
    json!({
        "columnMetadata": columns,
        "entityName": query.entity.name(),
        "groupBy": false,
        "idSelected": matches!(&query.select, Select::Columns(columns) if has_id(columns)),
        "keyPrefix": query.entity.prefix(),
    })
}

/// Fields in their order; those of one related record together, where the first of them stands.
fn plain(columns: &[Column]) -> Vec<Json> {
    let mut shown: Vec<Map<String, Json>> = Vec::new();
    for each in columns {
        let inner = column(each.field, each.field.name);
        let Some(relationship) = each.through.and_then(|through| through.reference.relationship()) else {
            shown.push(inner);
            continue;
        };
        let known = shown.iter_mut().find(|column| column.get("columnName") == Some(&json!(relationship)));
        let joined = known.and_then(|column| column.get_mut("joinColumns")?.as_array_mut());
        if let Some(joined) = joined {
            joined.push(Json::Object(inner));
        } else if let Some(through) = each.through {
            let mut outer = column(through.reference, relationship);
            outer.insert("apexType".to_owned(), json!(through.entity.name()));
            outer.insert("foreignKeyName".to_owned(), json!(through.reference.name));
            outer.insert("joinColumns".to_owned(), json!([inner]));
            shown.push(outer);
        }
    }
    shown.into_iter().map(Json::Object).collect()
}

fn column(field: &Field, name: &str) -> Map<String, Json> {
    let (is_number, is_boolean) = (matches!(field.kind, Kind::Int | Kind::Double | Kind::Currency), field.kind == Kind::Boolean);
    let apex = match field.kind {
        Kind::Id | Kind::Reference(_) => "Id",
        Kind::Int => "Integer",
        Kind::Double => "Double",
        Kind::Currency => "Decimal",
        Kind::Boolean => "Boolean",
        Kind::Date => "Date",
        Kind::DateTime => "Datetime",
        Kind::Address => "System.Address",
        _ => "String",
    };
    let is_written = field.access != Access::ReadOnly;
    Map::from_iter([
        ("aggregate".to_owned(), json!(false)),
        ("apexType".to_owned(), json!(apex)),
        ("booleanType".to_owned(), json!(is_boolean)),
        ("columnName".to_owned(), json!(name)),
        ("custom".to_owned(), json!(field.is_custom())),
        ("displayName".to_owned(), json!(name)),
        ("foreignKeyName".to_owned(), Json::Null),
        ("insertable".to_owned(), json!(is_written)),
        ("joinColumns".to_owned(), json!([])),
        ("numberType".to_owned(), json!(is_number)),
        ("textType".to_owned(), json!(apex == "String")),
        ("updatable".to_owned(), json!(is_written)),
    ])
}
