use std::time::Instant;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use chrono::{TimeDelta, TimeZone};
use serde_json::json;

use super::*;

fn operate_with(options: &SandboxOptions) -> Operate {
    Operate::new(options, crate::sandbox::seed::Seeded::draw(options).operate)
}

fn operate() -> Operate {
    operate_with(&SandboxOptions { operate_leads: 20, salesforce_leads: 0, common: 0, ..SandboxOptions::default() })
}

fn call(operate: &Operate, method: Method, uri: &str, body: &str) -> Answer {
    let token = operate.sessions.issue();
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&format!("Bearer {token}")) {
        headers.insert(header::AUTHORIZATION, value);
    }
    let uri: Uri = uri.replace('>', "%3E").replace('<', "%3C").parse().unwrap_or_default();
    operate.answer(&Call::new(method, &uri, headers, Bytes::from(body.to_owned())))
}

fn get(operate: &Operate, uri: &str) -> Answer {
    call(operate, Method::GET, uri, "")
}

fn put(operate: &Operate, body: &str) -> Answer {
    call(operate, Method::PUT, "/api/1.0/Lead", body)
}

fn post(operate: &Operate, id: u64, body: &str) -> Answer {
    call(operate, Method::POST, &format!("/api/1.0/Lead/{id}"), body)
}

fn body(answer: &Answer) -> Json {
    serde_json::from_str(&answer.body).unwrap_or_default()
}

/// Makes a lead that has what it must have and these fields; its id.
fn make(operate: &Operate, fields: &Json) -> u64 {
    let mut record = json!({ "leadname": "Acme", "location": "Hub City", "leadsource": "Website" });
    if let (Some(record), Some(fields)) = (record.as_object_mut(), fields.as_object()) {
        record.extend(fields.clone());
    }
    let answer = put(operate, &json!({ "leads": [record] }).to_string());
    assert_eq!(answer.status, 200, "{}", answer.body);
    body(&answer).get("leadid").and_then(Json::as_u64).unwrap_or_default()
}

fn field(operate: &Operate, id: u64, name: &str) -> Json {
    operate.lead(&id.to_string()).and_then(|lead| lead.get(name).cloned()).unwrap_or_default()
}

fn refused(answer: &Answer, status: u16, words: &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    assert!(answer.body.contains(words), "{}", answer.body);
    assert_eq!(answer.content_type, "text/plain;charset=UTF-8");
}

fn ask_token(operate: &Operate, content_type: &'static str, form: &str) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    operate.answer(&Call::new(Method::POST, &Uri::from_static("/oauth2/token"), headers, Bytes::from(form.to_owned())))
}

const FORM: &str = "application/x-www-form-urlencoded";
const CLIENT: &str = "client_id=operate-sandbox&client_secret=operate-sandbox-secret";

#[test]
fn a_token_is_given_for_a_form_with_the_right_credentials() {
    let operate = operate();
    let answer = ask_token(&operate, FORM, &format!("grant_type=client_credentials&{CLIENT}"));
    assert_eq!(answer.status, 200);
    let token = body(&answer);
    assert_eq!(token.get("token_type"), Some(&json!("Bearer")));
    assert_eq!(token.get("expires_in"), Some(&json!(7200)));
    assert!(operate.sessions.accepts(token.get("access_token").and_then(Json::as_str)));
    let user = format!("grant_type=password&{CLIENT}&username=operate-user&password=operate-user-password");
    assert_eq!(ask_token(&operate, FORM, &user).status, 200);
}

#[test]
fn a_token_is_refused_for_anything_else() {
    let operate = operate();
    let wrong = ask_token(&operate, FORM, "grant_type=client_credentials&client_id=operate-sandbox&client_secret=guess");
    assert_eq!((wrong.status.as_u16(), body(&wrong).get("error").cloned()), (401, Some(json!("invalid_client"))));
    assert_eq!(ask_token(&operate, FORM, &format!("grant_type=password&{CLIENT}")).status, 401);
    assert_eq!(ask_token(&operate, FORM, &format!("grant_type=magic&{CLIENT}")).status, 400);
    assert_eq!(ask_token(&operate, "application/json", "{}").status, 400);
}

#[test]
fn a_request_without_a_good_token_is_refused() {
    let operate = operate();
    let uri = Uri::from_static("/api/1.0/Lead");
    refused(&operate.answer(&Call::new(Method::GET, &uri, HeaderMap::new(), Bytes::new())), 401, "token");
}

#[test]
fn one_lead_is_read_by_its_id_under_either_case_of_the_endpoint() {
    let operate = operate();
    let id = make(&operate, &json!({ "desks": "12", "budget": 2500.5, "movein": "2026-05-01", "firstname": "Zoë  " }));
    let lead = body(&get(&operate, &format!("/api/1.0/lead/{id}")));
    assert_eq!(Some(&lead), operate.lead(&id.to_string()).as_ref());
    let value = |name: &str| lead.get(name).cloned().unwrap_or_default();
    assert_eq!(value("leadid"), json!(id));
    assert_eq!((value("desks"), value("budget")), (json!(12), json!(2500.5)));
    assert_eq!((value("firstname"), value("email"), value("converted")), (json!("Zoë"), json!(""), json!("0")));
    assert_eq!(lead.get("row_num"), None);
    refused(&get(&operate, "/api/1.0/Lead/7"), 404, "not found");
    refused(&get(&operate, "/api/1.0/Lead/x"), 400, "Wrong input parameters, ");
    refused(&get(&operate, "/api/1.0/Leads/7"), 404, "no endpoint");
}

#[test]
fn a_query_gives_the_fields_asked_for_and_numbers_the_rows() {
    let operate = operate();
    make(&operate, &json!({ "city": "Ely", "desks": 3 }));
    make(&operate, &json!({ "city": "ELY", "desks": 10 }));
    let answer = get(&operate, "/api/1.0/LEAD?where=[city]=%27ely%27AND[desks]>=%274%27&fields=[city,desks]");
    assert_eq!(body(&answer), json!([{ "city": "ELY", "desks": 10, "row_num": 1 }]));
    assert_eq!(body(&get(&operate, "/api/1.0/Lead?where=[city]=%27Nowhere%27")), json!([]));
    let all = body(&get(&operate, "/api/1.0/Lead?fields=[leadid]"));
    let numbers = |name: &str| -> Vec<u64> {
        all.as_array().into_iter().flatten().filter_map(|row| row.get(name).and_then(Json::as_u64)).collect()
    };
    assert_eq!(numbers("row_num"), (1..=22).collect::<Vec<u64>>());
    let mut ids = numbers("leadid");
    assert!(!ids.is_sorted(), "no order is promised");
    ids.sort_unstable();
    assert_eq!(ids, (1001..=1022).collect::<Vec<u64>>());
}

#[test]
fn a_query_that_is_not_understood_is_refused() {
    let operate = operate();
    for wrong in
        ["where=[nosuch]=%271%27", "where=[city]%20=%27a%27", "fields=leadid", "fields=[leadid,%20city]", "limit=5", "fields=[]"]
    {
        refused(&get(&operate, &format!("/api/1.0/Lead?{wrong}")), 400, "Wrong input parameters, ");
    }
}

#[test]
fn timestamps_are_local_and_without_an_offset() {
    let options = SandboxOptions { operate_leads: 0, salesforce_leads: 0, common: 0, ..SandboxOptions::default() };
    let operate = operate_with(&SandboxOptions { timezone: Tz::Europe__London, ..options });
    let fields = json!({ "leadname": "Acme", "location": "Hub City", "leadsource": "Website" });
    let at = Utc.with_ymd_and_hms(2026, 7, 1, 12, 0, 0).single();
    let id = fields.as_object().and_then(|fields| operate.create(fields, at).ok()).unwrap_or_default();
    assert_eq!(operate.lead(&id).and_then(|lead| lead.get("lastmodified").cloned()), Some(json!("2026-07-01 13:00:00")));
    let rows = |when: &str| body(&get(&operate, &format!("/api/1.0/Lead?where=[lastmodified]=%27{when}%27&fields=[leadid]")));
    assert_eq!(rows("2026-07-01%2013:00:00").as_array().map(Vec::len), Some(1));
    assert_eq!(rows("2026-07-01%2012:00:00"), json!([]));
}

#[test]
fn a_lead_needs_a_name_a_location_and_a_source() {
    let operate = operate();
    refused(&put(&operate, r#"{"leads":[{"leadname":"Acme","leadsource":"Website"}]}"#), 400, "location");
    refused(&put(&operate, r#"{"leads":[{"leadname":" ","location":"Hub City","leadsource":"Website"}]}"#), 400, "leadname");
    refused(&put(&operate, r#"{"leads":[{"leadname":"Acme","location":"Hub City"}]}"#), 400, "leadsource");
    for malformed in
        ["", "[]", "{}", r#"{"lead":[{}]}"#, r#"{"leads":{}}"#, r#"{"leads":[]}"#, r#"{"leads":[1]}"#, r#"{"leads":[{}],"x":1}"#]
    {
        refused(&put(&operate, malformed), 400, "Wrong input parameters, request should be in format");
    }
    assert_eq!(operate.lead_writes(), LeadWrites::default());
}

#[test]
fn an_update_changes_what_it_names_and_clears_what_is_empty() {
    let operate = operate();
    let id = make(&operate, &json!({ "city": "Ely", "phone": "1", "email": "a@b.example" }));
    let old = operate.clock.now() - TimeDelta::days(1);
    assert_eq!(operate.edit(&id.to_string(), &Map::new(), Some(old)), Ok(()));
    let before = field(&operate, id, "lastmodified");
    let answer = post(&operate, id, &json!({ "leads": [{ "leadid": id, "city": "Cambridge", "phone": "" }] }).to_string());
    assert_eq!((answer.status.as_u16(), body(&answer)), (200, json!({ "leadid": id })));
    let values = ["city", "phone", "email"].map(|name| field(&operate, id, name));
    assert_eq!(values, [json!("Cambridge"), json!(""), json!("a@b.example")]);
    assert_ne!(field(&operate, id, "lastmodified"), before);
    assert_eq!(operate.lead_writes(), LeadWrites { created: 1, updated: 1, deleted: 0 });
}

#[test]
fn a_write_that_changes_nothing_still_stamps_the_lead() {
    let operate = operate();
    let id = make(&operate, &json!({}));
    operate.clock.set_ahead(3600);
    let before = field(&operate, id, "lastmodified");
    assert_eq!(post(&operate, id, &json!({ "leads": [{ "leadid": id, "leadname": "Acme" }] }).to_string()).status, 200);
    assert_ne!(field(&operate, id, "lastmodified"), before);
}

#[test]
fn an_update_is_refused_with_the_mistake_named_and_changes_nothing() {
    let operate = operate();
    let id = make(&operate, &json!({ "city": "Ely" }));
    let before = operate.lead(&id.to_string());
    let cases = [
        (json!({ "leadid": 1 }), 400, "does not agree"),
        (json!({ "lastmodified": "2026-01-01 00:00:00" }), 400, "read-only field [lastmodified]"),
        (json!({ "converted": "1" }), 400, "read-only field [converted]"),
        (json!({ "row_num": 1 }), 400, "read-only field [row_num]"),
        (json!({ "nosuch": "1" }), 400, "unknown field [nosuch]"),
        (json!({ "salesforceid": "1" }), 400, "unknown field [salesforceid]"),
        (json!({ "city": ["Ely"] }), 400, "city"),
        (json!({ "leadname": "" }), 400, "leadname is required"),
        (json!({ "city": "x".repeat(256) }), 422, "255"),
        (json!({ "notes": "x".repeat(32_001) }), 422, "32000"),
        (json!({ "movein": "01/05/2026" }), 422, "movein"),
        (json!({ "movein": "2026-02-30" }), 422, "movein"),
        (json!({ "desks": "four" }), 422, "desks"),
        (json!({ "desks": 4.5 }), 422, "desks"),
        (json!({ "budget": -1 }), 422, "budget"),
        (json!({ "location": "Mars" }), 422, "There is no Location 'Mars'"),
        (json!({ "leadsource": "Dream" }), 422, "LeadSource"),
        (json!({ "leadstatus": "Maybe" }), 422, "LeadStatus"),
        (json!({ "leadstatus": "Converted" }), 422, "LeadStatus"),
    ];
    for (fields, status, words) in cases {
        let mut record = json!({ "leadid": id, "phone": "changed" });
        if let (Some(record), Some(fields)) = (record.as_object_mut(), fields.as_object()) {
            record.extend(fields.clone());
        }
        refused(&post(&operate, id, &json!({ "leads": [record] }).to_string()), status, words);
    }
    refused(&post(&operate, id, r#"{"leads":[{"phone":"changed"}]}"#), 400, "leadid is required");
    assert_eq!(operate.lead(&id.to_string()), before);
    refused(&post(&operate, 7, r#"{"leads":[{"leadid":7,"phone":"changed"}]}"#), 404, "not found");
}

#[test]
fn a_deleted_lead_is_gone() {
    let operate = operate();
    assert_eq!(call(&operate, Method::DELETE, "/api/1.0/Lead/1005", "").status, 200);
    refused(&call(&operate, Method::DELETE, "/api/1.0/Lead/1005", ""), 404, "1005");
    assert_eq!(operate.leads().len(), 19);
    assert_eq!(operate.lead_writes().deleted, 1);
}

#[test]
fn a_converted_lead_stays_and_can_still_be_edited() {
    let operate = operate();
    let id = make(&operate, &json!({}));
    assert_eq!(operate.convert(&id.to_string()), Ok(()));
    assert!(operate.convert(&id.to_string()).is_err());
    assert_eq!((field(&operate, id, "converted"), field(&operate, id, "leadstatus")), (json!("1"), json!("Converted")));
    let update = json!({ "leads": [{ "leadid": id, "leadstatus": "Converted", "city": "Ely" }] }).to_string();
    assert_eq!(post(&operate, id, &update).status, 200);
}

#[test]
fn the_answer_to_a_create_follows_the_switch() {
    let operate = operate();
    let record = r#"{"leads":[{"leadname":"Acme","location":"Hub City","leadsource":"Website"}]}"#;
    let answers = ["id", "list", "envelope", "nothing"].map(|answer| {
        assert!(operate.switch(&json!({ "create_answer": answer })).is_ok());
        body(&put(&operate, record))
    });
    let message = json!({ "message": "Lead saved" });
    assert_eq!(answers, [json!({ "id": 1021 }), json!([{ "leadid": 1022 }]), json!({ "leads": [{ "leadid": 1023 }] }), message]);
}

#[test]
fn several_records_are_taken_only_where_the_switch_allows_it() {
    let operate = operate();
    let records = r#"{"leads":[{"leadname":"A","location":"Hub City","leadsource":"Website"},{"leadname":"B"}]}"#;
    refused(&put(&operate, records), 400, "one record");
    assert!(operate.switch(&json!({ "batch": true })).is_ok());
    let error = "Wrong input parameters, location is required";
    assert_eq!(body(&put(&operate, records)), json!([{ "leadid": 1021 }, { "error": error }]));
    let updates = r#"{"leads":[{"leadid":1021,"city":"Ely"},{"leadid":1001,"city":"York"}]}"#;
    let answer = call(&operate, Method::POST, "/api/1.0/Lead", updates);
    assert_eq!(body(&answer), json!([{ "leadid": 1021 }, { "leadid": 1001 }]));
    assert_eq!(operate.lead_writes(), LeadWrites { created: 1, updated: 2, deleted: 0 });
}

#[test]
fn the_tenants_workflows_run_only_when_switched_on() {
    let operate = operate();
    let fields = json!({ "leadsource": "Broker", "webtolead": true, "brokerstatus": "Accepted" });
    let changed = ["owner", "leadsource", "brokerupdated"];
    let plain = make(&operate, &fields);
    assert_eq!(changed.map(|name| field(&operate, plain, name)), [json!(""), json!("Broker"), json!("")]);
    assert!(operate.switch(&json!({ "auto_assign": true, "website_source": true, "broker_updated": true })).is_ok());
    let ruled = make(&operate, &fields);
    assert_ne!(field(&operate, ruled, "owner"), json!(""));
    assert_eq!((field(&operate, ruled, "leadsource"), field(&operate, ruled, "brokerupdated")), (json!("website"), json!("yes")));
}

#[test]
fn refusals_come_with_status_200_where_switched_on() {
    let operate = operate();
    assert!(operate.switch(&json!({ "refusals_as_200": true })).is_ok());
    refused(&put(&operate, "{}"), 200, "Wrong input parameters, ");
    refused(&get(&operate, "/api/1.0/Lead/7"), 404, "not found");
}

#[test]
fn a_tenant_may_have_a_field_for_another_systems_id() {
    let operate = operate();
    assert!(operate.switch(&json!({ "external_id_field": "salesforceid" })).is_ok());
    let id = make(&operate, &json!({ "salesforceid": "00Q000000000001AAA" }));
    let found = body(&get(&operate, "/api/1.0/Lead?where=[salesforceid]=%2700Q000000000001AAA%27&fields=[leadid]"));
    assert_eq!(found, json!([{ "leadid": id, "row_num": 1 }]));
}

#[test]
fn unknown_switches_and_unfit_ones_are_refused() {
    let operate = operate();
    for wrong in [json!({ "nosuch": true }), json!({ "batch": "yes" }), json!({ "external_id_field": "email" }), json!([])] {
        assert!(operate.switch(&wrong).is_err(), "{wrong}");
    }
    assert_eq!(operate.switch(&json!({})).ok(), serde_json::to_value(OperateSwitches::default()).ok());
}

#[test]
fn reference_lists_are_queried_in_the_same_way() {
    let operate = operate();
    assert_eq!(body(&get(&operate, "/api/1.0/location/1")), json!({ "id": 1, "name": "Hub City" }));
    let found = body(&get(&operate, "/api/1.0/LeadSource?where=[name]=%27walk-in%27&fields=[id]"));
    assert_eq!(found, json!([{ "id": 3, "row_num": 1 }]));
    assert_eq!(body(&get(&operate, "/api/1.0/User")).as_array().map(Vec::len), Some(6));
    refused(&get(&operate, "/api/1.0/User?where=[phone]=%27a%27"), 400, "unknown field");
    refused(&call(&operate, Method::PUT, "/api/1.0/User", "{}"), 405, "PUT");
}

#[test]
fn other_objects_can_be_read_and_conversion_makes_an_account() {
    let operate = operate();
    let id = make(&operate, &json!({ "firstname": "Pia", "lastname": "Pomelo", "leadname": "Pomelo Print" }));
    assert_eq!(body(&get(&operate, "/api/1.0/account")), json!([]));
    assert_eq!(operate.convert(&id.to_string()), Ok(()));
    let found =
        body(&get(&operate, &format!("/api/1.0/Account?where=[leadid]='{id}'&fields=[accountid,accountname,accounttype]")));
    let account = found[0]["accountid"].clone();
    assert_eq!(found, json!([{ "accountid": account, "accountname": "Pomelo Print", "accounttype": -1, "row_num": 1 }]));
    assert_eq!(body(&get(&operate, &format!("/api/1.0/account/{account}")))["accounttypename"], "Customer");
    let contacts = body(&get(&operate, &format!("/api/1.0/Contacts?where=[accountid]='{account}'&fields=[contactname,leadid]")));
    assert_eq!(contacts, json!([{ "contactname": "Pia Pomelo", "leadid": id, "row_num": 1 }]));
    let documented = "/api/1.0/Calendar?where=[resource]='2726'AND[startdate]>='2016-09-01'AND[enddate]<='2016-09-10'&fields=[contactname,duration]";
    assert_eq!(body(&get(&operate, documented)), json!([{ "contactname": "Ann Archer", "duration": 90, "row_num": 1 }]));
    assert_eq!(body(&get(&operate, "/api/1.0/Products")).as_array().map(Vec::len), Some(4));
    refused(&get(&operate, "/api/1.0/account/7"), 404, "not found");
    refused(&get(&operate, "/api/1.0/account?where=[nosuch]='1'"), 400, "unknown field");
    refused(&call(&operate, Method::PUT, "/api/1.0/account", "{}"), 405, "PUT");
}

#[test]
fn requests_are_counted_by_what_they_are_for() {
    let operate = operate();
    let kind = |method, uri| operate.kind(&Call::new(method, &Uri::from_static(uri), HeaderMap::new(), Bytes::new()));
    assert_eq!(kind(Method::POST, "/oauth2/token"), RequestKind::Token);
    assert_eq!(kind(Method::PUT, "/api/1.0/Lead"), RequestKind::Write);
    assert_eq!(kind(Method::GET, "/api/1.0/Lead"), RequestKind::Read);
}

#[test]
fn a_query_for_the_last_minutes_is_quick_among_ten_thousand() {
    let operate = operate_with(&SandboxOptions { operate_leads: 10_000, ..SandboxOptions::default() });
    make(&operate, &json!({}));
    let since = (operate.clock.now() - TimeDelta::minutes(10)).format("%Y-%m-%d%%20%H:%M:%S");
    let uri = format!("/api/1.0/Lead?where=[lastmodified]>=%27{since}%27");
    let fastest = (0..5).map(|_| {
        let started = Instant::now();
        assert_eq!(body(&get(&operate, &uri)).as_array().map(Vec::len), Some(1));
        started.elapsed()
    });
    let fastest = fastest.min().unwrap_or_default();
    assert!(fastest.as_millis() < 5, "{fastest:?}");
}
