//! The two clients alone, against the simulated systems over real sockets.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use leadsync::lead::Side;
use leadsync::mapping::Mapping;
use leadsync::operate::OperateClient;
use leadsync::salesforce::SalesforceClient;
use leadsync::sandbox::{Fault, SandboxOptions};
use leadsync::side::{Action, NativeFields, Outcome, Page, Position, SideClient, SideError, Write};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use crate::systems::Systems;

fn operate(systems: &Systems) -> OperateClient {
    let config = systems.config();
    OperateClient::new(&config.operate, Mapping::build(&config).unwrap().native_names(Side::Operate), Vec::new()).unwrap()
}

fn salesforce(systems: &Systems) -> SalesforceClient {
    let config = systems.config();
    SalesforceClient::new(&config.salesforce, Mapping::build(&config).unwrap().native_names(Side::Salesforce)).unwrap()
}

async fn poll(client: &dyn SideClient, from: Option<Position>, overlap: TimeDelta) -> Vec<Page> {
    let (pages, mut arriving) = mpsc::channel(1);
    let keeping = async {
        let mut kept = Vec::new();
        while let Some(page) = arriving.recv().await {
            kept.push(page);
        }
        kept
    };
    let (polled, kept) = tokio::join!(client.poll(from, overlap, pages), keeping);
    polled.unwrap();
    kept
}

fn fields(json: &Json) -> NativeFields {
    json.as_object().unwrap().clone().into_iter().collect()
}

fn lead(name: &str) -> NativeFields {
    fields(&json!({ "leadname": name, "lastname": name, "location": "Hub City", "leadsource": "Website", "leadstatus": "New" }))
}

fn create(fields: NativeFields) -> Write {
    Write { action: Action::Create, fields, external_id: None }
}

fn update(id: &str, modified_at: chrono::DateTime<Utc>, given: &Json, unmoved: bool) -> Write {
    let action = Action::Update { id: id.to_owned(), modified_at, unmoved: Arc::new(move |_| unmoved) };
    Write { action, fields: fields(given), external_id: None }
}

fn id_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done { id } => id.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn operate_gives_everything_in_pages_and_moves_the_checkpoint_last() {
    let systems = Systems::of(2_600, 0, 0).await;
    let client = operate(&systems);
    let pages = poll(&client, None, TimeDelta::zero()).await;
    let total: usize = pages.iter().map(|page| page.records.len()).sum();
    assert_eq!((total, client.requests()), (2_600, 1));
    assert!(pages.len() > 2 && pages.iter().all(|page| page.records.len() <= 1_024));
    let (last, earlier) = pages.split_last().unwrap();
    assert!(earlier.iter().all(|page| page.checkpoint.is_none()));
    let newest = pages.iter().flat_map(|page| &page.records).map(|record| record.modified_at).max();
    assert_eq!(last.checkpoint.as_ref().map(|position| position.modified_at), newest);

    // From there, nothing but the overlap is read; and a long absence is read window by window.
    let quiet = poll(&client, last.checkpoint.clone(), TimeDelta::zero()).await;
    assert_eq!((quiet.len(), quiet[0].checkpoint.as_ref()), (1, last.checkpoint.as_ref()));
    let absent = Position { modified_at: Utc::now() - TimeDelta::days(95), id: String::new() };
    let before = client.requests();
    let pages = poll(&client, Some(absent), TimeDelta::zero()).await;
    let total: usize = pages.iter().map(|page| page.records.len()).sum();
    assert_eq!((total, client.requests() - before), (2_600, 4), "95 days in windows of 30");
}

#[tokio::test]
async fn salesforce_gives_everything_in_keyset_pages() {
    let systems = Systems::of(0, 4_500, 0).await;
    let client = salesforce(&systems);
    // A page's worth of leads changes in one second: the id has to tell them apart.
    let second = systems.sandbox.salesforce().now();
    for lead in systems.sandbox.salesforce().leads().iter().take(2_500) {
        systems.sandbox.salesforce().edit_at(lead["Id"].as_str().unwrap(), &json!({ "City": "Leeds" }), Some(second)).unwrap();
    }
    let pages = poll(&client, None, TimeDelta::zero()).await;
    let mut ids: Vec<&str> = pages.iter().flat_map(|page| &page.records).map(|record| record.id.as_str()).collect();
    assert_eq!((ids.len(), client.requests()), (4_500, 3));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4_500, "no lead twice");
    assert!(pages.iter().all(|page| page.checkpoint.is_some()));
}

#[tokio::test]
async fn salesforce_is_asked_for_a_page_once_there_is_room_for_it() {
    let systems = Systems::of(0, 10, 0).await;
    let (client, other) = (salesforce(&systems), salesforce(&systems));
    let (pages, mut arriving) = mpsc::channel(1);
    pages.try_send(Page { records: Vec::new(), checkpoint: None, as_of: Utc::now() }).unwrap();
    let mut polling = Box::pin(client.poll(None, TimeDelta::zero(), pages));
    // Answers to somebody else, in whose time it would have asked.
    let answers = async {
        for _ in 0..10 {
            assert_eq!(other.count().await.unwrap(), 10);
        }
    };
    tokio::select! {
        polled = &mut polling => panic!("{polled:?} with no room for a page"),
        () = answers => {}
    }
    assert_eq!(client.requests(), 0);
    assert!(arriving.recv().await.unwrap().records.is_empty());
    let (polled, page) = tokio::join!(polling, arriving.recv());
    polled.unwrap();
    assert_eq!((page.unwrap().records.len(), client.requests()), (10, 1));
}

#[tokio::test]
async fn deleted_and_converted_leads_are_in_salesforces_changes() {
    let systems = Systems::of(0, 10, 0).await;
    let side = systems.sandbox.salesforce();
    let ids: Vec<String> = side.leads().iter().map(|lead| lead["Id"].as_str().unwrap().to_owned()).collect();
    side.delete(&ids[0]).unwrap();
    side.convert(&ids[1]).unwrap();
    let client = salesforce(&systems);
    let pages = poll(&client, None, TimeDelta::zero()).await;
    let record = |id: &String| pages[0].records.iter().find(|record| record.id == *id).unwrap();
    assert!(record(&ids[0]).deleted && record(&ids[1]).converted && !record(&ids[2]).deleted);
    let read = client.read(&ids).await.unwrap();
    let deleted: Vec<&String> = read.iter().filter(|record| record.deleted).map(|record| &record.id).collect();
    assert_eq!((read.len(), deleted), (10, vec![&ids[0]]), "a deleted lead comes back as such");
}

#[tokio::test]
async fn the_id_of_a_new_lead_is_found_wherever_operate_puts_it() {
    let systems = Systems::of(1, 0, 0).await;
    let client = operate(&systems);
    for answer in ["leadid", "id", "list", "envelope"] {
        systems.sandbox.operate().switch(&json!({ "create_answer": answer })).unwrap();
        let outcomes = client.write(&[create(lead(answer))]).await.unwrap();
        let id = id_of(&outcomes[0]);
        assert_eq!(systems.sandbox.operate().lead(&id).unwrap()["leadname"], json!(answer));
    }
    systems.sandbox.operate().switch(&json!({ "create_answer": "nothing" })).unwrap();
    let since = systems.sandbox.operate().now();
    let writes = [create(lead("nothing"))];
    assert_eq!(client.write(&writes).await.unwrap(), [Outcome::DoneWithoutId]);
    let found = client.find_created(since, &writes).await.unwrap();
    assert!(found.iter().any(|record| record.fields["leadname"] == json!("nothing")));
}

#[tokio::test]
async fn several_creates_in_one_request_stand_for_themselves() {
    let systems = Systems::of(1, 0, 0).await;
    systems.configure("[operate]\n", "[operate]\nbatch_size = 3\n");
    systems.sandbox.operate().switch(&json!({ "batch": true })).unwrap();
    let client = operate(&systems);
    let mut bad = lead("two");
    bad.insert("location".to_owned(), json!("Nowhere"));
    let outcomes = client.write(&[create(lead("one")), create(bad), create(lead("three"))]).await.unwrap();
    assert!(matches!(&outcomes[1], Outcome::Refused(refusal) if refusal.message.contains("Nowhere")), "{outcomes:?}");
    assert_eq!(systems.sandbox.operate().lead(&id_of(&outcomes[2])).unwrap()["leadname"], json!("three"));
    assert_eq!(systems.sandbox.operate().requests().write, 1);

    // A workspace that takes one record a request refuses them all, and then each is sent alone.
    systems.sandbox.operate().switch(&json!({ "batch": false })).unwrap();
    let outcomes = client.write(&[create(lead("four")), create(lead("five"))]).await.unwrap();
    assert_eq!(systems.sandbox.operate().lead(&id_of(&outcomes[1])).unwrap()["leadname"], json!("five"));
}

#[tokio::test]
async fn operates_refusals_keep_their_words_also_with_status_200() {
    let systems = Systems::of(1, 0, 0).await;
    let client = operate(&systems);
    let writes = [create(fields(&json!({ "leadname": "No location", "leadsource": "Website" })))];
    let refused = client.write(&writes).await.unwrap();
    systems.sandbox.operate().switch(&json!({ "refusals_as_200": true })).unwrap();
    let again = client.write(&writes).await.unwrap();
    let words = |outcome: &Outcome| match outcome {
        Outcome::Refused(refusal) => (refusal.code.clone(), refusal.message.clone()),
        other => panic!("{other:?}"),
    };
    let (first, second) = (words(&refused[0]), words(&again[0]));
    assert_eq!((first.0.as_str(), second.0.as_str()), ("http_400", "http_200"));
    assert!(first.1 == second.1 && first.1.contains("location"), "{first:?}");
}

#[tokio::test]
async fn an_operate_update_reads_its_target_first() {
    let systems = Systems::of(3, 0, 0).await;
    let client = operate(&systems);
    let now = systems.sandbox.operate().now();
    let outcomes = client
        .write(&[
            update("1001", now, &json!({ "city": "Leeds" }), true),
            update("1002", now, &json!({ "city": "Leeds" }), false),
            update("9999", now, &json!({ "city": "Leeds" }), true),
        ])
        .await
        .unwrap();
    assert_eq!(outcomes[0], Outcome::Done { id: "1001".to_owned() });
    assert!(matches!(&outcomes[1], Outcome::Moved(Some(record)) if record.id == "1002"), "{outcomes:?}");
    assert_eq!(outcomes[2], Outcome::Gone);
    assert_eq!(systems.sandbox.operate().writes().updated, 1);
}

#[tokio::test]
async fn salesforce_updates_say_what_became_of_each_lead() {
    let systems = Systems::of(0, 5, 0).await;
    let side = systems.sandbox.salesforce();
    let client = salesforce(&systems);
    let ids: Vec<String> = side.leads().iter().map(|lead| lead["Id"].as_str().unwrap().to_owned()).collect();
    let now = side.now();
    side.delete(&ids[1]).unwrap();
    side.convert(&ids[2]).unwrap();
    let city = || json!({ "City": "Leeds" });
    let writes = [
        update(&ids[0], now, &city(), true),
        update(&ids[1], now + TimeDelta::seconds(5), &city(), true),
        update(&ids[2], now + TimeDelta::seconds(5), &city(), true),
        update(&ids[3], now - TimeDelta::days(200), &city(), true),
        update(&ids[4], now, &json!({ "Email": "nobody" }), true),
    ];
    let outcomes = client.write(&writes).await.unwrap();
    let refused = &outcomes[4];
    assert_eq!(outcomes[..4], [Outcome::Done { id: ids[0].clone() }, Outcome::Gone, Outcome::Converted, Outcome::Moved(None)]);
    assert!(
        matches!(refused, Outcome::Refused(refusal) if refusal.message == "Email: invalid email address: nobody"),
        "{refused:?}"
    );
    assert_eq!(side.requests().write, 1);
}

#[tokio::test]
async fn one_record_that_cannot_be_read_does_not_spoil_the_others() {
    let systems = Systems::of(0, 0, 0).await;
    let client = salesforce(&systems);
    let record = |number: usize, desks: Json| Write {
        action: Action::Create,
        fields: fields(&json!({ "LastName": "A", "Company": "B", "Desks__c": desks })),
        external_id: Some(number.to_string()),
    };
    let writes: Vec<Write> = (0..20).map(|number| record(number, if number == 13 { json!("four") } else { json!(4) })).collect();
    let outcomes = client.write(&writes).await.unwrap();
    let refused: Vec<usize> = (0..20).filter(|number| matches!(outcomes[*number], Outcome::Refused(_))).collect();
    assert_eq!((refused, systems.sandbox.salesforce().leads().len()), (vec![13], 19));
}

#[tokio::test]
async fn one_sign_in_serves_all_and_a_refused_session_is_renewed_once() {
    let systems = Systems::of(30, 0, 0).await;
    let client = operate(&systems);
    let ids: Vec<String> = (1001..1021).map(|id| id.to_string()).collect();
    assert_eq!(client.read(&ids).await.unwrap().len(), 20);
    assert_eq!(systems.sandbox.operate().requests().token, 1);
    systems.sandbox.operate().expire_tokens();
    assert_eq!(client.read(&ids).await.unwrap().len(), 20);
    assert_eq!(systems.sandbox.operate().requests().token, 2);
    // A session that is refused as soon as it is given is no reason to go on for ever.
    systems.sandbox.operate().fault(Fault { times: 0, expire_token: true, ..Fault::on("read") }).unwrap();
    let error = client.read(&ids[..1]).await.unwrap_err();
    assert!(matches!(&error, SideError::Auth { .. }), "{error}");
    assert_eq!(systems.sandbox.operate().requests().token, 3);
}

#[tokio::test]
async fn a_server_that_asks_for_time_is_given_it() {
    let systems = Systems::of(1, 0, 0).await;
    let client = operate(&systems);
    client.read(&["1001".to_owned()]).await.unwrap();
    systems.sandbox.operate().fault(Fault { status: Some(429), retry_after: Some(1), ..Fault::on("read") }).unwrap();
    let started = std::time::Instant::now();
    client.read(&["1001".to_owned()]).await.unwrap();
    assert!(started.elapsed() >= std::time::Duration::from_secs(1));
    // More than a minute is the caller's business.
    systems
        .sandbox
        .operate()
        .fault(Fault { times: 0, status: Some(503), retry_after: Some(3_600), ..Fault::on("read") })
        .unwrap();
    let started = std::time::Instant::now();
    let error = client.read(&["1001".to_owned()]).await.unwrap_err();
    assert!(matches!(&error, SideError::Unreachable { .. }) && started.elapsed().as_secs() < 30, "{error}");
}

#[tokio::test]
async fn requests_keep_to_the_rate() {
    let systems = Systems::of(30, 0, 0).await;
    systems.configure("requests_per_second = 1000\nauth = { client_id", "requests_per_second = 20\nauth = { client_id");
    let client = operate(&systems);
    let ids: Vec<String> = (1001..1031).map(|id| id.to_string()).collect();
    let started = std::time::Instant::now();
    client.read(&ids).await.unwrap();
    assert!(started.elapsed() >= std::time::Duration::from_millis(1_400), "30 requests at 20 a second: {:?}", started.elapsed());
}

#[tokio::test]
async fn the_servers_clock_is_measured() {
    let options = SandboxOptions {
        operate_leads: 20,
        salesforce_leads: 0,
        common: 0,
        operate_clock_ahead: 90,
        ..SandboxOptions::default()
    };
    let systems = Systems::with(options).await;
    let client = operate(&systems);
    let ids: Vec<String> = (1001..1021).map(|id| id.to_string()).collect();
    client.read(&ids).await.unwrap();
    let clock = client.clock().unwrap();
    let off = (clock.offset - TimeDelta::seconds(90)).abs();
    assert!(off <= clock.error && clock.error <= TimeDelta::seconds(2), "{clock:?}");
}
