//! The simulated Salesforce over real sockets, asked as any program would: what the org has, and how it is asked for.

use chrono::{TimeDelta, Utc};
use leadsync::sandbox::{Fault, Sandbox, SandboxOptions};
use reqwest::{Client, Method, Response};
use serde_json::{Value as Json, json};

/// A sandbox, and a program that has signed in to its Salesforce.
pub struct Org {
    pub sandbox: Sandbox,
    http: Client,
    pub instance: String,
    token: String,
}

impl Org {
    pub async fn of(leads: usize) -> Self {
        let options = SandboxOptions { operate_leads: 0, salesforce_leads: leads, common: 0, ..SandboxOptions::default() };
        let sandbox = Sandbox::start(options).await.unwrap();
        let mut org = Self { sandbox, http: Client::new(), instance: String::new(), token: String::new() };
        org.sign_in().await;
        org
    }

    pub async fn sign_in(&mut self) {
        let known = self.sandbox.addresses().salesforce;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", known.client_id.as_str()),
            ("client_secret", known.client_secret.as_str()),
        ];
        let address = format!("{}/services/oauth2/token", known.login_url);
        let answer: Json = self.http.post(address).form(&form).send().await.unwrap().json().await.unwrap();
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        (self.instance, self.token) = (text("instance_url"), text("access_token"));
    }

    /// Sends a request; the path is one below `/services/data/v64.0/`.
    pub async fn send(&self, method: &str, path: &str, body: &Json, headers: &[(&str, String)]) -> Response {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request =
            self.http.request(method, format!("{}/services/data/v64.0/{path}", self.instance)).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if !body.is_null() {
            request = request.json(body);
        }
        request.send().await.unwrap()
    }

    pub async fn ask(&self, method: &str, path: &str, body: &Json) -> (u16, Json) {
        let answer = self.send(method, path, body, &[]).await;
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    pub async fn get(&self, path: &str) -> Json {
        let (status, answer) = self.ask("GET", path, &Json::Null).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    pub async fn query(&self, soql: &str) -> Json {
        self.get(&format!("query?q={}", soql.replace('%', "%25").replace('+', "%2B"))).await
    }

    /// The code and the message of a refusal.
    pub async fn refusal(&self, method: &str, path: &str, body: &Json) -> (u16, String, String) {
        let (status, answer) = self.ask(method, path, body).await;
        let text = |key: &str| answer[0][key].as_str().unwrap_or_else(|| panic!("{path}: {answer}")).to_owned();
        (status, text("errorCode"), text("message"))
    }

    pub async fn make(&self, more: &Json) -> String {
        let (status, answer) = self.ask("POST", "sobjects/Lead", &lead(more)).await;
        assert_eq!(status, 201, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    pub fn switch(&self, switches: &Json) {
        self.sandbox.salesforce().switch(switches).unwrap();
    }
}

/// A lead with what it must have, and more.
pub fn lead(more: &Json) -> Json {
    let mut lead = json!({ "LastName": "Pomelo", "Company": "Pomelo Ltd" });
    lead.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    lead
}

#[tokio::test]
async fn a_query_tells_of_its_columns_in_the_place_of_its_rows() {
    let org = Org::of(3).await;
    let soql = "SELECT Id, Company, Desks__c, Owner.Name, Owner.Email FROM Lead&columns=true";
    let answer = org.query(soql).await;
    let columns = answer["columnMetadata"].as_array().unwrap();
    let names: Vec<&Json> = columns.iter().map(|column| &column["columnName"]).collect();
    assert_eq!(names, ["Id", "Company", "Desks__c", "Owner"]);
    assert_eq!(
        (&answer["entityName"], &answer["idSelected"], &answer["keyPrefix"]),
        (&json!("Lead"), &json!(true), &json!("00Q"))
    );
    assert_eq!((&columns[2]["numberType"], &columns[2]["custom"]), (&json!(true), &json!(true)));
    let joined: Vec<&Json> = columns[3]["joinColumns"].as_array().unwrap().iter().map(|column| &column["columnName"]).collect();
    assert_eq!(joined, ["Name", "Email"]);
    assert!(answer.get("records").is_none());
    let total = org.query("SELECT COUNT(Id) FROM Lead&columns=true").await;
    assert_eq!(
        (&total["columnMetadata"][0]["aggregate"], &total["columnMetadata"][0]["columnName"]),
        (&json!(true), &json!("expr0"))
    );
}

#[tokio::test]
async fn the_resources_of_a_version_say_where_the_identity_is() {
    let org = Org::of(0).await;
    let resources = org.get("").await;
    let identity = resources["identity"].as_str().unwrap();
    assert!(identity.starts_with("http") && identity.contains("/id/00D"), "{identity}");
    let whole = format!("{identity}?format=json&oauth_token={}", org.token);
    let who: Json = org.http.get(whole).send().await.unwrap().json().await.unwrap();
    assert_eq!(who["username"], "leadsync@sandbox.example");
}

#[tokio::test]
async fn an_object_is_described_in_short_with_what_was_looked_at_last() {
    let org = Org::of(5).await;
    let one = org.make(&json!({})).await;
    let two = org.make(&json!({ "FirstName": "Pia" })).await;
    org.get(&format!("sobjects/Lead/{one}")).await;
    org.send("GET", &format!("sobjects/Lead/{two}"), &Json::Null, &[("Sforce-Mru", "updateMru=false".to_owned())]).await;
    let lead = org.get("sobjects/lead").await;
    assert_eq!(lead["objectDescribe"]["name"], "Lead");
    let names: Vec<&Json> = lead["recentItems"].as_array().unwrap().iter().map(|item| &item["Name"]).collect();
    assert_eq!(names, ["Pomelo", "Pia Pomelo"]);
    assert_eq!(org.get("recent?limit=1").await[0]["Id"], json!(one));
    assert_eq!(org.get("sobjects/User/").await["objectDescribe"]["keyPrefix"], "005");
}

#[tokio::test]
async fn every_object_that_can_be_queried_is_listed_and_described_under_its_name_in_any_case() {
    let org = Org::of(2).await;
    let listed = org.get("sobjects").await;
    for object in listed["sobjects"].as_array().unwrap() {
        let name = object["name"].as_str().unwrap();
        let described = org.get(&format!("sobjects/{}/describe", name.to_lowercase())).await;
        assert_eq!(described["name"], object["name"]);
        let fields = described["fields"].as_array().unwrap();
        let names: Vec<&str> = fields.iter().map(|field| field["name"].as_str().unwrap()).collect();
        let row = &org.query(&format!("SELECT {} FROM {name}", names.join(","))).await["records"][0];
        let id = row["Id"].as_str().unwrap();
        assert!(id.starts_with(object["keyPrefix"].as_str().unwrap()), "{name}: {id}");
        assert_eq!(org.get(&format!("sobjects/{name}/{id}")).await["Id"], row["Id"]);
    }
    assert_eq!(listed["sobjects"].as_array().unwrap().len(), 7);
    assert_eq!(org.refusal("GET", "sobjects/Account/describe", &Json::Null).await.0, 404);
    assert_eq!(org.refusal("POST", "sobjects/User", &json!({})).await.1, "INSUFFICIENT_ACCESS_OR_READONLY");
}

#[tokio::test]
async fn describe_tells_parts_from_wholes_and_what_an_owner_can_be() {
    let org = Org::of(0).await;
    let lead = org.get("sobjects/Lead/describe").await;
    let field = |name: &str| lead["fields"].as_array().unwrap().iter().find(|field| field["name"] == name).unwrap().clone();
    assert_eq!(
        (&field("FirstName")["compoundFieldName"], &field("City")["compoundFieldName"]),
        (&json!("Name"), &json!("Address"))
    );
    assert_eq!((&field("Company")["compoundFieldName"], &field("Name")["nillable"]), (&Json::Null, &json!(false)));
    assert_eq!((&field("OwnerId")["referenceTo"], &field("OwnerId")["namePointing"]), (&json!(["Group", "User"]), &json!(true)));
    assert_eq!((&field("DoNotCall")["defaultedOnCreate"], &field("DoNotCall")["defaultValue"]), (&json!(true), &json!(false)));
    let required =
        |field: &&Json| field["nillable"] == false && field["createable"] == true && field["defaultedOnCreate"] == false;
    let required: Vec<&Json> = lead["fields"].as_array().unwrap().iter().filter(required).map(|field| &field["name"]).collect();
    assert_eq!(required, ["LastName", "Company"]);
    let types: Vec<&Json> = lead["recordTypeInfos"].as_array().unwrap().iter().map(|info| &info["developerName"]).collect();
    assert_eq!(types, ["Workspace", "Virtual_Office", "Event_Space", "Master"]);
    assert_eq!((&lead["createable"], &lead["mergeable"]), (&json!(true), &json!(true)));
}

#[tokio::test]
async fn what_has_not_changed_is_not_described_again() {
    let org = Org::of(0).await;
    let since = |seconds: i64| {
        let time = Utc::now() + TimeDelta::seconds(seconds);
        [("If-Modified-Since", time.format("%a, %d %b %Y %H:%M:%S GMT").to_string())]
    };
    for path in ["sobjects", "sobjects/Lead/describe"] {
        assert_eq!(org.send("GET", path, &Json::Null, &since(-60)).await.status(), 200);
        assert_eq!(org.send("GET", path, &Json::Null, &since(60)).await.status(), 304);
    }
    org.sandbox.salesforce().set_clock_ahead(600);
    org.switch(&json!({ "missing_fields": ["Fax"] }));
    assert_eq!(org.send("GET", "sobjects/Lead/describe", &Json::Null, &since(60)).await.status(), 200);
}

#[tokio::test]
async fn queries_go_through_relationships() {
    let org = Org::of(0).await;
    let queue = "00G5g0000000001EAA";
    org.make(&json!({ "FirstName": "Pia" })).await;
    org.make(&json!({ "RecordTypeId": "0125g0000000002AAA", "OwnerId": queue })).await;
    let soql = "SELECT Lead.Id, Name, Owner.Name, Owner.Type, RecordType.DeveloperName FROM Lead WHERE RecordType.DeveloperName = 'Workspace'";
    let found = org.query(soql).await;
    assert_eq!(found["totalSize"], 1);
    let row = &found["records"][0];
    assert_eq!((&row["Name"], &row["Owner"]["Name"]), (&json!("Pia Pomelo"), &json!("Integration User")));
    assert_eq!(row["RecordType"]["attributes"]["type"], "RecordType");
    let queued = org.query("SELECT l.Id, l.Owner.Type FROM Lead l WHERE l.Owner.Name LIKE 'new%' ORDER BY l.Owner.Name").await;
    assert_eq!((&queued["totalSize"], &queued["records"][0]["Owner"]["Type"]), (&json!(1), &json!("Queue")));
    let owned = org.query(&format!("SELECT Id FROM Lead WHERE OwnerId = '{}' AND Name = 'pomelo'", &queue[..15])).await;
    assert_eq!(owned["totalSize"], 1);
    let (_, code, message) = org.refusal("GET", "query?q=SELECT Id, Boss.Name FROM Lead", &Json::Null).await;
    assert_eq!(code, "INVALID_FIELD");
    assert!(message.contains("Didn't understand relationship 'Boss' in field path."), "{message}");
    let (_, _, message) = org.refusal("GET", "query?q=SELECT Id FROM Lead WHERE RecordType.Nope = 'x'", &Json::Null).await;
    assert!(message.contains("No such column 'Nope' on entity 'RecordType'."), "{message}");
}

#[tokio::test]
async fn queries_know_words_for_days_figures_and_fields_without_names() {
    let org = Org::of(0).await;
    let salesforce = org.sandbox.salesforce();
    let yesterday = salesforce.now() - TimeDelta::days(1);
    salesforce.create_at(&lead(&json!({ "Move_In__c": "2001-02-03" })), Some(yesterday)).unwrap();
    org.make(&json!({ "Desks__c": 7 })).await;
    let count =
        async |condition: &str| org.query(&format!("SELECT COUNT() FROM Lead WHERE {condition}")).await["totalSize"].clone();
    assert_eq!(count("CreatedDate = YESTERDAY").await, 1);
    assert_eq!(count("CreatedDate >= YESTERDAY").await, 2);
    assert_eq!(count("CreatedDate > yesterday").await, 1);
    assert_eq!(count("CreatedDate = LAST_N_DAYS:2").await, 2);
    assert_eq!(count("Move_In__c < LAST_N_YEARS:3").await, 1);
    assert_eq!(count("CreatedDate IN (TODAY, TOMORROW)").await, 1);
    let figures = org.query("SELECT COUNT(Id), COUNT(Desks__c) desks, MAX(Desks__c) FROM Lead").await;
    let record = &figures["records"][0];
    assert_eq!(record["attributes"]["type"], "AggregateResult");
    assert_eq!((&record["expr0"], &record["desks"], &record["expr2"]), (&json!(2), &json!(1), &json!(7)));
    let all = org.query("SELECT FIELDS(ALL) FROM Lead LIMIT 200").await;
    let custom = org.query("SELECT FIELDS(CUSTOM) FROM Lead LIMIT 1").await;
    let keys = |answer: &Json| answer["records"][0].as_object().unwrap().len();
    assert!(keys(&all) > 60 && keys(&custom) == 6, "{custom}");
    let (_, code, message) = org.refusal("GET", "query?q=SELECT FIELDS(ALL) FROM Lead LIMIT 201", &Json::Null).await;
    assert_eq!(code, "MALFORMED_QUERY");
    assert!(message.contains("The SOQL FIELDS function must have a LIMIT of at most 200"), "{message}");
}

#[tokio::test]
async fn the_limits_have_the_usual_names_and_count_what_is_used() {
    let org = Org::of(0).await;
    let limits = org.get("limits").await;
    for name in
        ["DailyApiRequests", "DailyBulkApiBatches", "DailyBulkV2QueryJobs", "DataStorageMB", "DailyDeliveredPlatformEvents"]
    {
        let (most, left) = (limits[name]["Max"].as_u64().unwrap(), limits[name]["Remaining"].as_u64().unwrap());
        assert!(most > 0 && left <= most, "{name}: {}", limits[name]);
    }
    let job = json!({ "operation": "query", "query": "SELECT Id FROM Lead" });
    assert_eq!(org.ask("POST", "jobs/query", &job).await.0, 200);
    assert_eq!(org.get("limits").await["DailyBulkV2QueryJobs"], json!({ "Max": 10_000, "Remaining": 9_999 }));
}

#[tokio::test]
async fn answers_tell_the_usage_and_faults_speak_as_the_system_does() {
    let org = Org::of(0).await;
    let usage = |answer: &Response| answer.headers().contains_key("sforce-limit-info");
    let missing = org.send("GET", "sobjects/Lead/00Q5g0000000099", &Json::Null, &[]).await;
    assert!(missing.status() == 404 && usage(&missing));
    for (status, code, tells) in [
        (401, "INVALID_SESSION_ID", false),
        (403, "REQUEST_LIMIT_EXCEEDED", true),
        (500, "UNKNOWN_EXCEPTION", true),
        (404, "NOT_FOUND", true),
    ] {
        org.sandbox.salesforce().fault(Fault { status: Some(status), ..Fault::on("read") }).unwrap();
        let answer = org.send("GET", "limits", &Json::Null, &[]).await;
        assert_eq!((answer.status().as_u16(), usage(&answer)), (status, tells));
        assert_eq!(answer.headers().contains_key("www-authenticate"), status == 401);
        assert_eq!(answer.json::<Json>().await.unwrap()[0]["errorCode"], code);
    }
    org.sandbox.salesforce().fault(Fault { status: Some(400), ..Fault::on("token") }).unwrap();
    let token = org.http.post(format!("{}/services/oauth2/token", org.instance)).send().await.unwrap();
    assert_eq!(token.json::<Json>().await.unwrap()["error"], "invalid_grant");
}

#[tokio::test]
async fn long_heads_are_refused_and_answers_come_compressed_to_whoever_takes_them_so() {
    let org = Org::of(5).await;
    let long = [("X-Note", "x".repeat(16_500))];
    assert_eq!(org.send("GET", "limits", &Json::Null, &long).await.status(), 431);
    let address = format!("query?q=SELECT Id FROM Lead WHERE Company != '{}'", "x".repeat(16_500));
    assert_eq!(org.send("GET", &address, &Json::Null, &[]).await.status(), 414);
    let plain = Client::builder().no_gzip().build().unwrap();
    let ask = |accepted: &'static str| {
        let request = plain.get(format!("{}/services/data/v64.0/limits", org.instance)).bearer_auth(&org.token);
        request.header("Accept-Encoding", accepted).send()
    };
    let packed = ask("deflate, gzip").await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert_eq!(packed.bytes().await.unwrap()[..2], [0x1f, 0x8b]);
    assert!(!ask("gzip;q=0").await.unwrap().headers().contains_key("content-encoding"));
}

#[tokio::test]
async fn an_org_that_moves_is_found_at_the_newest_address_only() {
    let mut org = Org::of(3).await;
    let first = org.instance.clone();
    org.switch(&json!({ "second_instance": true }));
    assert_eq!(org.refusal("GET", "limits", &Json::Null).await.1, "INVALID_SESSION_ID");
    org.sign_in().await;
    assert_ne!(org.instance, first);
    assert_eq!(org.query("SELECT COUNT() FROM Lead").await["totalSize"], 3);
    let second = std::mem::replace(&mut org.instance, first);
    assert_eq!(
        org.refusal("GET", "limits", &Json::Null).await.1,
        "INVALID_SESSION_ID",
        "the new session is not good at the old place"
    );
    org.instance = second;
    org.switch(&json!({ "second_instance": false }));
    assert_eq!(org.refusal("GET", "limits", &Json::Null).await.1, "INVALID_SESSION_ID");
}
