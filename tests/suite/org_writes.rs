//! The simulated Salesforce over real sockets: what it takes and what it refuses.

use serde_json::{Value as Json, json};

use crate::org::{Org, lead};

#[tokio::test]
async fn owners_and_record_types_have_to_be_there_and_in_use() {
    let org = Org::of(0).await;
    for (fields, code, message) in [
        (
            json!({ "OwnerId": "0055g0000000004AAA" }),
            "INACTIVE_OWNER_OR_USER",
            "inactive user [0055g0000000004] as owner of lead",
        ),
        (json!({ "OwnerId": "0055g0000000099" }), "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"),
        (json!({ "OwnerId": "00G5g0000000099" }), "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"),
        (json!({ "OwnerId": "0015g0000000001" }), "MALFORMED_ID", "Owner ID: id value of incorrect type"),
        (
            json!({ "RecordTypeId": "0125g0000000003" }),
            "INVALID_CROSS_REFERENCE_KEY",
            "this ID value isn't valid for the user: 0125g0000000003AAA",
        ),
        (json!({ "RecordTypeId": "0125g0000000004" }), "INVALID_CROSS_REFERENCE_KEY", "this ID value isn't valid for the user"),
        (json!({ "RecordTypeId": "Workspace" }), "MALFORMED_ID", "Record Type ID: id value of incorrect type: Workspace"),
        (json!({ "IndividualId": "0PK5g0000000001" }), "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"),
    ] {
        let (status, found, text) = org.refusal("POST", "sobjects/Lead", &lead(&fields)).await;
        assert_eq!((status, found.as_str()), (400, code), "{fields}");
        assert!(text.contains(message), "{text}");
    }
    let id = org.make(&json!({ "OwnerId": "00G5g0000000001", "RecordTypeId": "0125g0000000002" })).await;
    let made = org.get(&format!("sobjects/Lead/{id}")).await;
    assert_eq!((&made["OwnerId"], &made["RecordTypeId"]), (&json!("00G5g0000000001EAA"), &json!("0125g0000000002AAA")));
    let (_, code, message) = org.refusal("PATCH", &format!("sobjects/Lead/{id}"), &json!({ "OwnerId": null })).await;
    assert_eq!((code.as_str(), message.as_str()), ("INVALID_CROSS_REFERENCE_KEY", "Owner ID: owner cannot be blank"));
    let (_, code, _) = org.refusal("PATCH", &format!("sobjects/Lead/{id}"), &json!({ "Status": "" })).await;
    assert_eq!(code, "REQUIRED_FIELD_MISSING");
    let plain = org.make(&json!({ "Status": null, "OwnerId": null })).await;
    let made = org.get(&format!("sobjects/Lead/{plain}?fields=Status,OwnerId,RecordTypeId")).await;
    assert_eq!((&made["Status"], &made["RecordTypeId"]), (&json!("Open - Not Contacted"), &json!("0125g0000000001AAA")));
}

#[tokio::test]
async fn an_upsert_by_id_changes_what_has_one_and_makes_what_has_none() {
    let org = Org::of(0).await;
    let id = org.make(&json!({})).await;
    let (status, answer) = org.ask("PATCH", &format!("sobjects/Lead/Id/{id}"), &json!({ "City": "Leeds" })).await;
    assert_eq!((status, &answer["created"]), (200, &json!(false)));
    assert_eq!(org.get(&format!("sobjects/lead/id/{id}?fields=City")).await["City"], "Leeds");
    let (status, answer) = org.ask("POST", "sobjects/Lead/Id", &lead(&json!({}))).await;
    assert_eq!((status, &answer["created"]), (201, &json!(true)));
    let unknown = org.refusal("PATCH", "sobjects/Lead/Id/00Q5g0000000099", &json!({ "City": "Leeds" })).await;
    assert_eq!((unknown.0, unknown.1.as_str()), (400, "INVALID_CROSS_REFERENCE_KEY"));
    assert_eq!(org.refusal("PATCH", &format!("sobjects/Lead/Id/{id}"), &json!({ "Id": id })).await.1, "INVALID_FIELD");
    let typed = |more: Json| {
        let mut record = more;
        record["attributes"] = json!({ "type": "Lead" });
        record
    };
    let records = json!([typed(json!({ "id": id, "City": "York" })), typed(lead(&json!({ "City": "Ely" })))]);
    let (_, rows) = org.ask("PATCH", "composite/sobjects/Lead/Id", &json!({ "records": records })).await;
    assert_eq!((&rows[0]["created"], &rows[1]["created"]), (&json!(false), &json!(true)), "{rows}");
    assert_eq!(org.query("SELECT COUNT() FROM Lead WHERE City IN ('York', 'Ely')").await["totalSize"], 2);
}

#[tokio::test]
async fn each_graph_is_done_as_a_whole_or_not_at_all() {
    let org = Org::of(0).await;
    let node = |reference: &str, body: Json| json!({ "method": "POST", "url": "/services/data/v64.0/sobjects/Lead", "referenceId": reference, "body": body });
    let linked = json!({
        "method": "PATCH", "url": "/services/data/v64.0/sobjects/Lead/@{a.id}", "referenceId": "b", "body": { "City": "Leeds" },
    });
    let graphs = json!({ "graphs": [
        { "graphId": "good", "compositeRequest": [node("a", lead(&json!({}))), linked] },
        { "graphId": "bad", "compositeRequest": [node("a", lead(&json!({}))), node("b", json!({ "Company": "Acme" }))] },
    ] });
    let (status, answer) = org.ask("POST", "composite/graph", &graphs).await;
    assert_eq!(status, 200);
    let graphs = &answer["graphs"];
    assert_eq!((&graphs[0]["isSuccessful"], &graphs[1]["isSuccessful"]), (&json!(true), &json!(false)));
    let failed = &graphs[1]["graphResponse"]["compositeResponse"];
    assert_eq!(
        (&failed[0]["body"][0]["errorCode"], &failed[1]["body"][0]["errorCode"]),
        (&json!("PROCESSING_HALTED"), &json!("REQUIRED_FIELD_MISSING"))
    );
    assert_eq!(org.query("SELECT City FROM Lead").await["records"].as_array().map(Vec::len), Some(1));
    let query = json!({ "method": "GET", "url": "/services/data/v64.0/query?q=x", "referenceId": "q" });
    let graphs = json!({ "graphs": [{ "graphId": "1", "compositeRequest": [query] }] });
    assert_eq!(org.refusal("POST", "composite/graph", &graphs).await.1, "INVALID_INPUT");
    let many: Vec<Json> = (0..76).map(|number| json!({ "graphId": number.to_string(), "compositeRequest": [] })).collect();
    assert_eq!(org.refusal("POST", "composite/graph", &json!({ "graphs": many })).await.1, "LIMIT_EXCEEDED");
}

#[tokio::test]
async fn a_user_without_a_right_is_refused_and_describe_says_so() {
    let org = Org::of(0).await;
    let id = org.make(&json!({})).await;
    org.switch(&json!({ "denied_rights": ["create", "edit", "delete"] }));
    let lead_path = format!("sobjects/Lead/{id}");
    for (method, path, body, status, code) in [
        ("POST", "sobjects/Lead", lead(&json!({})), 400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"),
        ("PATCH", lead_path.as_str(), json!({ "City": "Leeds" }), 403, "INSUFFICIENT_ACCESS_OR_READONLY"),
        ("DELETE", lead_path.as_str(), Json::Null, 403, "INSUFFICIENT_ACCESS_OR_READONLY"),
    ] {
        let refusal = org.refusal(method, path, &body).await;
        assert_eq!((refusal.0, refusal.1.as_str()), (status, code));
    }
    let described = org.get("sobjects/Lead/describe").await;
    for right in ["createable", "updateable", "deletable"] {
        assert_eq!(described[right], json!(false), "{right}");
    }
    // Others still may.
    org.sandbox.salesforce().edit(&id, &json!({ "City": "York" })).unwrap();
    assert!(org.sandbox.salesforce().switch(&json!({ "denied_rights": ["fly"] })).is_err());
}

#[tokio::test]
async fn the_pieces_of_a_bulk_query_can_be_fetched_side_by_side() {
    let org = Org::of(30).await;
    let job = json!({ "operation": "query", "query": "SELECT Id, Owner.Name FROM Lead" });
    let (_, job) = org.ask("POST", "jobs/query", &job).await;
    let path = format!("jobs/query/{}", job["id"].as_str().unwrap());
    assert_eq!(org.refusal("GET", &format!("{path}/resultPages"), &Json::Null).await.1, "INVALIDJOBSTATE");
    org.get(&path).await;
    let pages = org.get(&format!("{path}/resultPages")).await;
    assert_eq!(pages["done"], json!(true));
    let url = pages["resultPages"][0]["resultUrl"].as_str().unwrap();
    let piece = org.send("GET", url.trim_start_matches("/services/data/v64.0/"), &Json::Null, &[]).await.text().await.unwrap();
    assert!(piece.starts_with("\"Id\",\"Owner.Name\"\n\"00Q"), "{piece}");
    assert_eq!(piece.lines().count(), 31);
}
