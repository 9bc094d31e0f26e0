//! The simulated Salesforce, asked as a client would, without sockets.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use serde_json::{Value as Json, json};

use super::Salesforce;
use crate::sandbox::clock::http_date;
use crate::sandbox::http::{Answer, Call, RowError};
use crate::sandbox::simulated::System as _;
use crate::sandbox::{SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET, SandboxOptions};

struct Org {
    salesforce: Salesforce,
    token: String,
}

fn call(method: &str, path: &str, body: String, headers: &[(&'static str, String)]) -> Call {
    let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
    let uri: Uri = path.replace(' ', "%20").parse().unwrap_or_default();
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            map.insert(*name, value);
        }
    }
    Call::new(method, &uri, map, Bytes::from(body))
}

impl Org {
    fn new() -> Self {
        let options = SandboxOptions::default();
        let salesforce = Salesforce::new(&options, ["http://127.0.0.1:1", "http://127.0.0.1:2"], Vec::new());
        let mut org = Self { salesforce, token: String::new() };
        let (status, answer) = org.sign_in(SALESFORCE_CLIENT_SECRET);
        assert_eq!((status, &answer["instance_url"]), (200, &json!("http://127.0.0.1:1")));
        org.token = answer["access_token"].as_str().map(str::to_owned).unwrap_or_default();
        org
    }

    fn sign_in(&self, secret: &str) -> (u16, Json) {
        let form = format!("grant_type=client_credentials&client_id={SALESFORCE_CLIENT_ID}&client_secret={secret}");
        let headers = [("content-type", "application/x-www-form-urlencoded".to_owned())];
        read(&self.salesforce.answer(&call("POST", "/services/oauth2/token", form, &headers)))
    }

    fn call(&self, method: &str, path: &str, body: &Json, headers: &[(&'static str, String)]) -> Call {
        let path = format!("/services/data/v64.0/{path}");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut headers = headers.to_vec();
        headers.push(("authorization", format!("Bearer {}", self.token)));
        call(method, &path, body, &headers)
    }

    fn ask(&self, method: &str, path: &str, body: &Json) -> (u16, Json) {
        read(&self.salesforce.answer(&self.call(method, path, body, &[])))
    }

    fn make(&self, number: usize) -> String {
        let lead = json!({ "LastName": format!("Lead {number}"), "Company": "Acme", "Operate_Lead_Id__c": number.to_string() });
        let (status, answer) = self.ask("POST", "sobjects/Lead", &lead);
        assert_eq!(status, 201, "{answer}");
        answer["id"].as_str().map(str::to_owned).unwrap_or_default()
    }

    fn upsert(&self, records: &Json) -> Json {
        self.ask("PATCH", "composite/sobjects/Lead/Operate_Lead_Id__c", &json!({ "allOrNone": false, "records": records })).1
    }
}

fn read(answer: &Answer) -> (u16, Json) {
    (answer.status.as_u16(), serde_json::from_str(&answer.body).unwrap_or_default())
}

fn record(external_id: &str, more: Json) -> Json {
    let mut record =
        json!({ "attributes": { "type": "Lead" }, "Operate_Lead_Id__c": external_id, "LastName": "A", "Company": "B" });
    if let (Some(record), Json::Object(more)) = (record.as_object_mut(), more) {
        record.extend(more);
    }
    record
}

#[test]
fn a_wrong_secret_and_an_unknown_session_are_refused() {
    let org = Org::new();
    let (status, answer) = org.sign_in("wrong");
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_client")));
    org.salesforce.expire_tokens();
    let (status, answer) = org.ask("GET", "limits", &Json::Null);
    let expected = json!([{ "message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID" }]);
    assert_eq!((status, answer), (401, expected));
}

#[test]
fn an_upsert_sent_twice_makes_one_lead() {
    let org = Org::new();
    let first = org.upsert(&json!([record("7", json!({}))]));
    let second = org.upsert(&json!([record("7", json!({}))]));
    assert_eq!((&first[0]["created"], &second[0]["created"]), (&json!(true), &json!(false)));
    assert_eq!(first[0]["id"], second[0]["id"]);
    assert_eq!(org.salesforce.leads().len(), 1);
}

#[test]
fn each_row_of_a_collection_stands_for_itself() {
    let org = Org::new();
    let rows = org.upsert(&json!([
        record("1", json!({})),
        record("2", json!({ "Email": "nobody" })),
        record("3", json!({})),
        record("3", json!({})),
    ]));
    let codes: Vec<&Json> = rows.as_array().into_iter().flatten().map(|row| &row["errors"][0]["statusCode"]).collect();
    assert_eq!(codes, [&Json::Null, &json!("INVALID_EMAIL_ADDRESS"), &json!("DUPLICATE_VALUE"), &json!("DUPLICATE_VALUE")]);
    assert_eq!(rows[1]["errors"][0]["message"], "Email: invalid email address: nobody");
}

#[test]
fn a_fault_strikes_one_row() {
    let org = Org::new();
    let body = json!({ "allOrNone": false, "records": [record("1", json!({})), record("2", json!({}))] });
    let mut call = org.call("PATCH", "composite/sobjects/Lead/Operate_Lead_Id__c", &body, &[]);
    call.row_error = Some(RowError { row: 1, code: "UNABLE_TO_LOCK_ROW".to_owned() });
    let (_, rows) = read(&org.salesforce.answer(&call));
    assert_eq!((&rows[0]["success"], &rows[1]["errors"][0]["statusCode"]), (&json!(true), &json!("UNABLE_TO_LOCK_ROW")));
    assert_eq!(org.salesforce.leads().len(), 1);
}

#[test]
fn a_guarded_update_of_a_lead_that_moved_writes_nothing() {
    let org = Org::new();
    let id = org.make(1);
    let path = format!("sobjects/Lead/{id}");
    let before = http_date(org.salesforce.clock.now() - chrono::TimeDelta::seconds(5));
    let guard = [("if-unmodified-since", before)];
    let answer = org.salesforce.answer(&org.call("PATCH", &path, &json!({ "City": "Leeds" }), &guard));
    assert_eq!(answer.status.as_u16(), 412);
    assert_eq!(org.ask("GET", &format!("{path}?fields=City"), &Json::Null).1["City"], Json::Null);
    let now = [("if-unmodified-since", http_date(org.salesforce.clock.now()))];
    let answer = org.salesforce.answer(&org.call("PATCH", &path, &json!({ "City": "Leeds" }), &now));
    assert_eq!(answer.status.as_u16(), 204);
}

#[test]
fn parts_of_a_composite_request_have_headers_and_answers_of_their_own() {
    let org = Org::new();
    let (one, two) = (org.make(1), org.make(2));
    let part = |id: &str, reference: &str, since: &str| {
        json!({ "method": "PATCH", "url": format!("/services/data/v64.0/sobjects/Lead/{id}"), "referenceId": reference,
                "httpHeaders": { "If-Unmodified-Since": since }, "body": { "City": "Leeds" } })
    };
    let (long_ago, now) = ("Thu, 01 Jan 2026 00:00:00 GMT", http_date(org.salesforce.clock.now()));
    let body = json!({ "compositeRequest": [part(&one, "a", long_ago), part(&two, "b", &now)] });
    let (status, answer) = org.ask("POST", "composite", &body);
    let statuses: Vec<&Json> =
        answer["compositeResponse"].as_array().into_iter().flatten().map(|part| &part["httpStatusCode"]).collect();
    assert_eq!((status, statuses), (200, vec![&json!(412), &json!(204)]));
}

#[test]
fn more_than_25_parts_and_headers_that_a_part_cannot_set_are_refused() {
    let org = Org::new();
    let part =
        |number: usize| json!({ "method": "GET", "url": "/services/data/v64.0/limits", "referenceId": format!("r{number}") });
    let body = json!({ "compositeRequest": (0..26).map(part).collect::<Vec<_>>() });
    assert_eq!(org.ask("POST", "composite", &body).0, 400);
    let mut part = part(0);
    part["httpHeaders"] = json!({ "Content-Type": "text/plain" });
    let (_, answer) = org.ask("POST", "composite", &json!({ "compositeRequest": [part] }));
    assert_eq!(answer["compositeResponse"][0]["httpStatusCode"], 400);
}

#[test]
fn long_answers_come_in_pages() {
    let org = Org::new();
    for number in 0..450 {
        org.make(number);
    }
    let headers = [("sforce-query-options", "batchSize=200".to_owned())];
    let (_, first) =
        read(&org.salesforce.answer(&org.call("GET", "query?q=SELECT Id FROM Lead ORDER BY Id", &Json::Null, &headers)));
    assert_eq!((&first["totalSize"], &first["done"]), (&json!(450), &json!(false)));
    let mut seen = first["records"].as_array().map_or(0, Vec::len);
    let mut next = first["nextRecordsUrl"].as_str().map(str::to_owned);
    while let Some(path) = next {
        let (_, page) = org.ask("GET", path.trim_start_matches("/services/data/v64.0/"), &Json::Null);
        seen += page["records"].as_array().map_or(0, Vec::len);
        next = page["nextRecordsUrl"].as_str().map(str::to_owned);
    }
    assert_eq!(seen, 450);
    assert_eq!(org.ask("GET", "query/01g000000000000999-200", &Json::Null).1[0]["errorCode"], "INVALID_QUERY_LOCATOR");
}

#[test]
fn the_recycle_bin_shows_in_query_all_only() {
    let org = Org::new();
    let id = org.make(1);
    assert_eq!(org.ask("DELETE", &format!("sobjects/Lead/{id}"), &Json::Null).0, 204);
    let count =
        |resource: &str| org.ask("GET", &format!("{resource}?q=SELECT COUNT() FROM Lead"), &Json::Null).1["totalSize"].clone();
    assert_eq!((count("query"), count("queryAll")), (json!(0), json!(1)));
    assert_eq!(org.ask("PATCH", &format!("sobjects/Lead/{id}"), &json!({ "City": "x" })).1[0]["errorCode"], "ENTITY_IS_DELETED");
    // Its external id is free again.
    assert_ne!(org.make(1), id);
}

#[test]
fn a_converted_lead_cannot_be_changed() {
    let org = Org::new();
    let id = org.make(1);
    assert_eq!(org.salesforce.convert(&id), Ok(()));
    let (status, answer) = org.ask("PATCH", &format!("sobjects/Lead/{id}"), &json!({ "City": "x" }));
    assert_eq!((status, &answer[0]["errorCode"]), (400, &json!("CANNOT_UPDATE_CONVERTED_LEAD")));
}

#[test]
fn describe_has_every_key_that_strict_clients_want() {
    let org = Org::new();
    let (_, lead) = org.ask("GET", "sobjects/Lead/describe/", &Json::Null);
    let fields = lead["fields"].as_array().cloned().unwrap_or_default();
    let email = fields.iter().find(|field| field["name"] == "Email");
    assert_eq!(email.map(|field| (field["type"].clone(), field["length"].clone())), Some((json!("email"), json!(80))));
    assert!(
        fields.iter().all(|field| field.as_object().is_some_and(|keys| keys.len() > 50 && keys.contains_key("aggregatable")))
    );
}

#[test]
fn the_daily_limit_ends_all_requests() {
    let options = SandboxOptions { daily_requests: 1, ..SandboxOptions::default() };
    let mut org = Org::new();
    org.salesforce = Salesforce::new(&options, ["http://127.0.0.1:1", "http://127.0.0.1:2"], Vec::new());
    org.token = org.sign_in(SALESFORCE_CLIENT_SECRET).1["access_token"].as_str().map(str::to_owned).unwrap_or_default();
    assert_eq!(org.ask("GET", "limits", &Json::Null).0, 200);
    let (status, answer) = org.ask("GET", "limits", &Json::Null);
    assert_eq!((status, &answer[0]["message"]), (403, &json!("TotalRequests Limit exceeded.")));
}
