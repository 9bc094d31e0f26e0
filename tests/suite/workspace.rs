//! What real workspaces do, over real HTTP: reference lists, their own rules, limits, large answers, time zones.

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use chrono::Utc;
use leadsync::sandbox::{Cut, Fault, Interface, OperateSwitches, SandboxOptions};
use leadsync::store::Actor;
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex};

use crate::systems::{Systems, cycle};

/// Both systems, where Operate's leads hold ids of locations, sources and users, and the mapping has lookups for them.
pub async fn by_id(people: usize) -> Systems {
    let interface = Interface { references_by_id: true, ..Interface::default() };
    let operate = OperateSwitches { interface, ..OperateSwitches::default() };
    let options =
        SandboxOptions { operate_leads: people, salesforce_leads: people, common: people, operate, ..SandboxOptions::default() };
    let systems = Systems::with(options).await;
    systems.configure("operate = \"location\"\n", "operate = \"location\"\nlookup = \"Location\"\n");
    systems.configure("operate = \"leadsource\"\n", "operate = \"leadsource\"\nlookup = \"LeadSource\"\n");
    let text = std::fs::read_to_string(&systems.configuration).unwrap();
    let owner =
        "\n[[fields]]\nname = \"owner\"\noperate = \"owner\"\nsalesforce = \"OwnerId\"\nlookup = \"User\"\nunknown = \"keep\"\n";
    std::fs::write(&systems.configuration, text + owner).unwrap();
    systems
}

#[tokio::test]
async fn ids_of_reference_lists_become_names_and_back() {
    let systems = by_id(6).await;
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    let (ours, theirs) = engine.store().pair_in_step(2).await.unwrap().unwrap();
    assert!(operate.lead(&ours).unwrap()["location"].is_u64());

    operate.edit(&ours, &json!({ "location": 4 })).unwrap();
    cycle(&engine).await.unwrap();
    assert_eq!(salesforce.lead(&theirs).unwrap()["Location__c"], json!("The Foundry"));
    salesforce.edit(&theirs, &json!({ "Location__c": "quayside works" })).unwrap();
    cycle(&engine).await.unwrap();
    assert_eq!(operate.lead(&ours).unwrap()["location"], json!(2));
    // Operate's own spelling comes back, and then all is quiet.
    cycle(&engine).await.unwrap();
    assert_eq!(salesforce.lead(&theirs).unwrap()["Location__c"], json!("Quayside Works"));
    assert_eq!(cycle(&engine).await.unwrap().pushed, 0);

    // A new lead of Salesforce gets ids too.
    let lead = json!({ "LastName": "Pomelo", "Company": "Pomelo", "Email": "pia@pomelo.example", "Location__c": "Mill Yard" });
    let theirs = salesforce.create(&lead).unwrap();
    cycle(&engine).await.unwrap();
    let made = engine.store().show(&theirs).await.unwrap().unwrap().leads.operate.unwrap();
    assert_eq!(operate.lead(&made.lead_id).unwrap()["location"], json!(5));
}

#[tokio::test]
async fn a_name_that_no_list_has_parks_with_the_near_ones_before_anything_is_sent() {
    let systems = by_id(4).await;
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    let (ours, theirs) = engine.store().pair_in_step(1).await.unwrap().unwrap();
    salesforce.edit(&theirs, &json!({ "Location__c": "Station Hose" })).unwrap();
    let before = operate.requests().write;
    cycle(&engine).await.unwrap();
    assert_eq!(operate.requests().write, before);
    let parked = engine.store().parked().await.unwrap();
    assert_eq!(parked[0].code.as_deref(), Some("unknown_reference"));
    let reason = parked[0].reason.clone().unwrap();
    assert!(reason.starts_with("location: there is no Operate location \"Station Hose\"; near: Station House"), "{reason}");

    // An administrator adds it: the lead goes on once the list is read anew.
    operate.reference("Location", 9, Some("Station Hose"), None).unwrap();
    drop(engine);
    let engine = systems.engine().await;
    engine.store().retry(None, Actor::Command, Utc::now()).await.unwrap();
    cycle(&engine).await.unwrap();
    assert_eq!(operate.lead(&ours).unwrap()["location"], json!(9));
}

#[tokio::test]
async fn owners_are_the_users_with_the_same_email_address() {
    let systems = by_id(4).await;
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    operate.reference("User", 3, Some("Rita Rep"), Some("rita.rep@sandbox.example")).unwrap();
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    let (ours, theirs) = engine.store().pair_in_step(1).await.unwrap().unwrap();
    let owner = |lead: &Json| lead["OwnerId"].clone();
    operate.edit(&ours, &json!({ "owner": 3 })).unwrap();
    cycle(&engine).await.unwrap();
    assert_eq!(owner(&salesforce.lead(&theirs).unwrap()), json!("0055g0000000003AAA"));
    operate.reference("User", 4, Some("Sam Seller"), Some("Sam.Seller@sandbox.example")).unwrap();
    drop(engine);
    let engine = systems.engine().await;
    salesforce.edit(&theirs, &json!({ "OwnerId": "0055g0000000002AAA" })).unwrap();
    cycle(&engine).await.unwrap();
    assert_eq!(operate.lead(&ours).unwrap()["owner"], json!(4));
}

#[tokio::test]
async fn a_window_that_operate_cannot_answer_whole_is_halved() {
    let systems = Systems::of(200, 0, 0).await;
    // Every query without bounds is answered by an error of a server that ran out of time; those for part of the time are fine.
    let too_much = Fault { times: 0, status: Some(504), ..Fault::on("GET /api/1.0/Lead?fields=") };
    systems.sandbox.operate().fault(too_much).unwrap();
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    systems.assert_in_step(200);
}

#[tokio::test]
async fn an_answer_that_breaks_off_every_time_is_asked_for_in_smaller_parts() {
    let systems = Systems::of(100, 0, 0).await;
    let cut = Fault { times: 12, drop: Some(Cut::After), ..Fault::on("GET /api/1.0/Lead?fields=") };
    systems.sandbox.operate().fault(cut).unwrap();
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    systems.sandbox.operate().clear_faults();
    systems.assert_in_step(100);
}

#[tokio::test]
async fn a_workspace_with_rules_limits_and_silent_tokens_comes_into_step() {
    let systems = Systems::of(20, 10, 5).await;
    let operate = systems.sandbox.operate();
    let rule = json!({ "when_field": "leadstatus", "when_value": "Lost", "set": { "brokerstatus": "Closed" } });
    let switches = json!({
        "field_updates": [rule], "omit_expires_in": true, "rate_limit": 3, "auto_assign": true, "create_answer": "nothing",
    });
    operate.switch(&switches).unwrap();
    let engine = systems.engine().await;
    for _ in 0..10 {
        let _ = cycle(&engine).await;
        if engine.store().status(Utc::now()).await.unwrap().pushes.is_empty() {
            break;
        }
    }
    systems.assert_in_step(25);
    assert!(operate.requests().recent.iter().any(|line| line.status == 429), "the limit was met");
}

type Inbox = Arc<Mutex<Vec<String>>>;

#[tokio::test]
async fn operate_sends_what_an_administrator_configured_and_suspects_doubles() {
    let systems = Systems::of(3, 0, 0).await;
    let operate = systems.sandbox.operate();
    let inbox = Inbox::default();
    let keep = |State(inbox): State<Inbox>, body: String| async move { inbox.lock().unwrap().push(body) };
    let app = Router::new().route("/hook", post(keep)).with_state(Arc::clone(&inbox));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let message = json!({ "url": url, "on": ["create", "update", "delete"], "body": "lead {leadid} of {leadname}" });
    operate.switch(&json!({ "outbound": [message] })).unwrap();
    let away = json!({ "url": "http://example.com/", "on": ["create"], "body": "" });
    assert!(operate.switch(&json!({ "outbound": [away] })).unwrap_err().to_string().contains("loopback"));

    let lead = json!({ "leadname": "Pomelo Print", "location": "Hub City", "leadsource": "Website", "postcode": "ZZ9 9ZZ" });
    let id = operate.create(&lead).unwrap();
    operate.edit(&id, &json!({ "leadname": "Pomelo Ltd" })).unwrap();
    operate.delete(&id).unwrap();
    let expected = [format!("lead {id} of Pomelo Print"), format!("lead {id} of Pomelo Ltd"), format!("lead {id} of Pomelo Ltd")];
    let started = std::time::Instant::now();
    while inbox.lock().unwrap().len() < 3 {
        assert!(started.elapsed().as_secs() < 20, "messages: {}", operate.messages());
        tokio::task::yield_now().await;
    }
    let mut arrived = inbox.lock().unwrap().clone();
    let mut wanted = expected.to_vec();
    arrived.sort();
    wanted.sort();
    assert_eq!(arrived, wanted);

    let one = operate.create(&lead).unwrap();
    let two = operate
        .create(&json!({ "leadname": "Else", "location": "Hub City", "leadsource": "Website", "postcode": "zz9 9zz" }))
        .unwrap();
    let suspected = operate.suspected(&one).unwrap();
    assert_eq!(suspected, [json!({ "leadid": two.parse::<u32>().unwrap(), "rule": "postcode" })]);
}

#[tokio::test]
async fn a_restored_operate_lead_comes_back_into_step() {
    let systems = Systems::of(6, 6, 6).await;
    systems.configure("[sync]\n", "[sync]\ndelete = \"propagate\"\n");
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    let (ours, theirs) = engine.store().pair_in_step(2).await.unwrap().unwrap();
    let operate = systems.sandbox.operate();
    operate.delete(&ours).unwrap();
    engine.sweep().await.unwrap();
    cycle(&engine).await.unwrap();
    assert_eq!(systems.sandbox.salesforce().lead(&theirs).unwrap()["IsDeleted"], json!(true));
    operate.undelete(&ours).unwrap();
    cycle(&engine).await.unwrap();
    cycle(&engine).await.unwrap();
    let report = engine.store().show(&ours).await.unwrap().unwrap();
    assert_eq!(report.state, "in_step");
    let made = report.leads.salesforce.unwrap().lead_id;
    assert_ne!(made, theirs, "a lead in the recycle bin is not taken out of it: it is made anew");
    let there = systems.sandbox.salesforce().leads().iter().filter(|lead| lead["IsDeleted"] == json!(false)).count();
    assert_eq!(there, 6);
}

#[tokio::test]
async fn a_converted_lead_has_an_account_and_its_person_is_a_contact_of_it() {
    let systems = Systems::of(3, 0, 0).await;
    let operate = systems.sandbox.operate();
    let known = systems.sandbox.addresses().operate;
    let http = reqwest::Client::new();
    let form = [("grant_type", "client_credentials"), ("client_id", &known.client_id), ("client_secret", &known.client_secret)];
    let token: Json =
        http.post(format!("{}/oauth2/token", known.base_url)).form(&form).send().await.unwrap().json().await.unwrap();
    let token = token["access_token"].as_str().unwrap();
    let get = async |path: &str| {
        let answer = http.get(format!("{}/api/1.0/{path}", known.base_url)).bearer_auth(token).send().await.unwrap();
        answer.json::<Json>().await.unwrap()
    };
    assert_eq!(get("account").await, json!([]));
    let lead = operate.leads()[1].clone();
    operate.convert(&lead["leadid"].to_string()).unwrap();
    let accounts = get("account").await;
    let account = get(&format!("account/{}", accounts[0]["accountid"])).await;
    assert_eq!((&account["accountname"], &account["leadid"]), (&lead["leadname"], &lead["leadid"]));
    assert_eq!((&account["accounttype"], &account["accounttypename"]), (&json!(-1), &json!("Customer")));
    let contacts = get(&format!("Contacts?where=[accountid]='{}'&fields=[email]", account["accountid"])).await;
    assert_eq!(contacts, json!([{ "email": lead["email"], "row_num": 1 }]));
    assert_eq!(get("Contacts").await.as_array().map(Vec::len), Some(3));
}
