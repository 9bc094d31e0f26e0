//! Change events: what Salesforce's Pub/Sub API makes the daemon look at, long before the next poll.

mod disturbed;

use std::time::{Duration, Instant};

use leadsync::sandbox::{Fault, SimulatedSide};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value as Json, json};

use crate::ops::{address, configure, get};
use crate::program::{Running, ShowLog, log, run, signal, start, until, wait};
use crate::systems::Systems;

/// Systems of so many leads in step, with a daemon that polls once a year and listens to change events.
struct Listening {
    /// The first to go, while the log is still there.
    _show: ShowLog,
    systems: Systems,
    daemon: Option<Running>,
    address: String,
}

impl Listening {
    async fn of(leads: usize) -> Self {
        let systems = Systems::of(leads, leads, leads).await;
        // Salesforce answers with its first sign of life.
        systems.sandbox.salesforce().switch(&json!({ "event_keep_alive_ms": 50 })).unwrap();
        wish_for_events(&systems);
        configure(&systems, "poll = \"* * * * * *\"", "poll = \"0 0 0 1 1 *\"\nsweep = \"0 0 0 1 1 *\"");
        configure(&systems, "[sync]\n", "[sync]\ndelete = \"propagate\"\nmax_change = \"off\"\n");
        run(&systems, &["once"]).await;
        systems.assert_in_step(leads);
        let show = ShowLog(log(&systems));
        let mut listening = Self { _show: show, systems, daemon: None, address: String::new() };
        listening.start().await;
        // The first cycle, and the one for what nobody was told of.
        listening.settle(2.0).await;
        listening
    }

    /// Starts the daemon, and waits until it listens.
    async fn start(&mut self) {
        let (ports, subscribed) = (self.count_in_log("ops.listening"), self.count_in_log("events.subscribed"));
        self.daemon = Some(start(&self.systems));
        until("a port is open", || self.count_in_log("ops.listening") > ports).await;
        self.address = address(&log(&self.systems)).unwrap();
        until("it listens", || self.count_in_log("events.subscribed") > subscribed).await;
    }

    /// Stops the daemon.
    async fn stop(&mut self) {
        let daemon = self.daemon.take().unwrap();
        signal(&daemon, "-TERM");
        let asked = Instant::now();
        assert_eq!(wait(daemon).await, 0);
        assert!(asked.elapsed() < Duration::from_secs(5), "the end took {:?}", asked.elapsed());
    }

    /// Waits until so many cycles have ended since the start of the daemon, and nothing is under way.
    async fn settle(&self, cycles: f64) {
        self.metric_reaches(r#"leadsync_cycles_total{outcome="done"}"#, cycles).await;
    }

    async fn metric(&self, name: &str) -> Option<f64> {
        let (_, text) = get(&self.address, "/metrics").await;
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    async fn metric_reaches(&self, name: &str, least: f64) {
        let started = Instant::now();
        while self.metric(name).await.is_none_or(|value| value < least) {
            assert!(started.elapsed() < Duration::from_secs(30), "{name} is {:?}, not {least}", self.metric(name).await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn count_in_log(&self, word: &str) -> usize {
        std::fs::read_to_string(log(&self.systems)).unwrap_or_default().matches(word).count()
    }

    fn salesforce(&self) -> &SimulatedSide {
        self.systems.sandbox.salesforce()
    }

    /// Both ids of a pair.
    fn pair(&self, place: usize) -> (String, String) {
        let lead = &self.systems.sandbox.operate().leads()[place];
        let twins = self.salesforce().leads();
        let twin = twins.iter().find(|twin| twin["Email"] == lead["email"]).unwrap();
        (lead["leadid"].to_string(), twin["Id"].as_str().unwrap().to_owned())
    }

    /// Edits the lead in Salesforce, and waits until Operate has it. How long that took.
    async fn edit(&self, place: usize, title: &str) -> Duration {
        let (ours, theirs) = self.pair(place);
        self.salesforce().edit(&theirs, &json!({ "Title": title })).unwrap();
        let edited = Instant::now();
        self.arrives(&ours, title).await;
        edited.elapsed()
    }

    async fn arrives(&self, ours: &str, title: &str) {
        let operate = self.systems.sandbox.operate();
        until(&format!("{title} has arrived"), || operate.lead(ours).unwrap()["jobtitle"] == title).await;
    }

    /// Edits the lead in Salesforce so that nobody is told.
    fn edit_silently(&self, place: usize, title: &str) -> String {
        let (ours, theirs) = self.pair(place);
        self.salesforce().switch(&json!({ "change_events": false })).unwrap();
        self.salesforce().edit(&theirs, &json!({ "Title": title })).unwrap();
        self.salesforce().switch(&json!({ "change_events": true })).unwrap();
        ours
    }

    fn events(&self, wish: &Json) -> Json {
        self.salesforce().events(wish).unwrap()
    }

    fn subscriptions(&self) -> Vec<Json> {
        self.events(&json!({}))["subscriptions"].as_array().unwrap().clone()
    }
}

fn wish_for_events(systems: &Systems) {
    let url = systems.sandbox.addresses().salesforce.pubsub_url;
    configure(systems, "[salesforce]\n", &format!("[salesforce]\nchange_events = true\npubsub_url = \"{url}\"\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_in_salesforce_arrives_within_a_second_without_a_poll() {
    let mut listening = Listening::of(9).await;
    let before = listening.salesforce().requests();
    let mut took = Vec::new();
    for place in 0..9 {
        took.push(listening.edit(place, &format!("Keeper {place}")).await);
    }
    took.sort_unstable();
    assert!(took[4] < Duration::from_secs(1), "{took:?}");
    let after = listening.salesforce().requests();
    assert_eq!(after.total() - before.total(), 9, "one read for each: {:#?}", after.recent);
    assert_eq!(listening.metric(r#"leadsync_subscribed{side="salesforce"}"#).await, Some(1.0));
    assert_eq!(listening.metric(r#"leadsync_change_events_total{says="changed"}"#).await, Some(9.0));
    listening.stop().await;
    listening.systems.assert_in_step(9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_writes_that_come_back_as_events_cause_nothing() {
    let mut listening = Listening::of(3).await;
    let own = r#"leadsync_change_events_total{says="own"}"#;
    let (operate, salesforce) = (listening.systems.sandbox.operate(), listening.salesforce());
    let (ours, theirs) = listening.pair(0);
    let written = listening.metric(own).await.unwrap_or_default();
    operate.edit(&ours, &json!({ "jobtitle": "Keeper" })).unwrap();
    signal(listening.daemon.as_ref().unwrap(), "-USR1");
    until("the edit has arrived", || salesforce.lead(&theirs).unwrap()["Title"] == "Keeper").await;
    listening.metric_reaches(own, written + 1.0).await;
    listening.settle(3.0).await;
    let before = listening.systems.traffic();
    // Whatever the event had caused would have been done before this, which came later.
    listening.edit(1, "Baker").await;
    let after = listening.systems.traffic();
    assert_eq!((after.1 - before.1, after.2 - before.2), (1, 1), "{:#?}", listening.salesforce().requests().recent);
    listening.stop().await;
    listening.systems.assert_in_step(3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_call_for_several_leads_makes_one_event_that_names_them_all() {
    let mut listening = Listening::of(4).await;
    let made = listening.events(&json!({}))["made"].as_u64().unwrap();
    let pairs: Vec<_> = (0..4).map(|place| listening.pair(place)).collect();
    let address = listening.systems.sandbox.addresses().salesforce;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let form =
        [("grant_type", "client_credentials"), ("client_id", &address.client_id), ("client_secret", &address.client_secret)];
    let session = client.post(format!("{}/services/oauth2/token", address.login_url)).form(&form).send().await.unwrap();
    let session: Json = session.json().await.unwrap();
    let records: Vec<Json> =
        pairs.iter().map(|(_, id)| json!({ "attributes": { "type": "Lead" }, "id": id, "Title": "Keeper" })).collect();
    let url = format!("{}/services/data/v64.0/composite/sobjects", address.login_url);
    let body = json!({ "allOrNone": true, "records": records });
    let sent = client.patch(url).bearer_auth(session["access_token"].as_str().unwrap()).json(&body).send().await.unwrap();
    assert_eq!(sent.status(), 200);
    for (ours, _) in &pairs {
        listening.arrives(ours, "Keeper").await;
    }
    assert_eq!(listening.events(&json!({}))["made"], made + 1);
    listening.stop().await;
    listening.systems.assert_in_step(4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn creates_and_deletes_are_told_of_too() {
    let mut listening = Listening::of(2).await;
    let (operate, salesforce) = (listening.systems.sandbox.operate(), listening.salesforce());
    let lead = json!({ "Company": "Pomelo Print", "LastName": "Pomelo", "Email": "ann@pomelo.example", "LeadSource": "Web" });
    salesforce.create(&lead).unwrap();
    until("the new lead has arrived", || operate.leads().len() == 3).await;
    let (ours, theirs) = listening.pair(0);
    salesforce.delete(&theirs).unwrap();
    until("the delete has arrived", || operate.lead(&ours).is_none()).await;
    listening.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_events_go_on_from_where_they_were_heard() {
    let mut listening = Listening::of(3).await;
    listening.edit(0, "Keeper").await;
    listening.stop().await;
    assert_eq!(listening.subscriptions(), ["LATEST"]);
    let (ours, theirs) = listening.pair(1);
    listening.salesforce().edit(&theirs, &json!({ "Title": "Baker" })).unwrap();
    let sent = listening.events(&json!({}))["sent"].as_u64().unwrap();
    listening.start().await;
    assert_eq!(listening.subscriptions(), ["LATEST", "CUSTOM"]);
    listening.metric_reaches(r#"leadsync_change_events_total{says="changed"}"#, 1.0).await;
    let resent = listening.events(&json!({}))["sent"].as_u64().unwrap() - sent;
    assert_eq!(resent, 1, "only what was not heard");
    listening.arrives(&ours, "Baker").await;
    assert_eq!(listening.metric(r#"leadsync_change_events_total{says="all"}"#).await, None, "no whole cycle beside the first");
    listening.stop().await;
    listening.systems.assert_in_step(3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_events_come_in_portions_and_late_ones_in_order() {
    let mut listening = Listening::of(130).await;
    listening.salesforce().switch(&json!({ "event_delay_ms": 300 })).unwrap();
    for place in 0..130 {
        let (_, theirs) = listening.pair(place);
        listening.salesforce().edit(&theirs, &json!({ "Title": "Keeper" })).unwrap();
    }
    let operate = listening.systems.sandbox.operate();
    until("all have arrived", || operate.leads().iter().all(|lead| lead["jobtitle"] == "Keeper")).await;
    let seen = listening.events(&json!({}));
    assert!(seen["sent"].as_u64().unwrap() >= 130 && seen["asked"].as_u64() > seen["sent"].as_u64(), "{seen}");
    assert_eq!(listening.metric(r#"leadsync_change_events_total{says="changed"}"#).await, Some(130.0));
    listening.stop().await;
    listening.systems.assert_in_step(130);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_listens_unless_the_configuration_says_so() {
    let systems = Systems::of(2, 2, 2).await;
    let _show = ShowLog(log(&systems));
    let daemon = start(&systems);
    until("a port is open", || address(&log(&systems)).is_some()).await;
    let address = address(&log(&systems)).unwrap();
    while get(&address, "/readyz").await.0 != 200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (_, text) = get(&address, "/metrics").await;
    assert!(!text.contains("leadsync_subscribed{"), "{text}");
    // A cycle later it would have.
    let polls = || systems.sandbox.salesforce().requests().read;
    let before = polls();
    until("two polls more", || polls() >= before + 2).await;
    signal(&daemon, "-TERM");
    wait(daemon).await;
    let log = std::fs::read_to_string(log(&systems)).unwrap();
    let seen = systems.sandbox.salesforce().events(&json!({})).unwrap();
    assert!(seen["calls"] == 0 && !log.contains("events."), "{seen} {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listening_begins_and_ends_with_the_configuration() {
    let mut listening = Listening::of(2).await;
    let up = r#"leadsync_subscribed{side="salesforce"}"#;
    let told = |word: &str| listening.count_in_log(word);
    listening.systems.configure("change_events = true", "change_events = false");
    signal(listening.daemon.as_ref().unwrap(), "-HUP");
    until("it is in force", || told("daemon.reloaded") == 1).await;
    while listening.metric(up).await.is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    listening.systems.configure("change_events = false", "change_events = true");
    signal(listening.daemon.as_ref().unwrap(), "-HUP");
    until("it listens again", || told("events.subscribed") == 2).await;
    listening.edit(1, "Keeper").await;
    assert_eq!((listening.metric(up).await, listening.subscriptions()), (Some(1.0), vec![json!("LATEST"), json!("CUSTOM")]));
    listening.stop().await;
}

/// `cargo test --test suite events::measured -- --ignored --nocapture`: from a change to where it is applied, at 50 ms to either system and
/// back, with edits at random moments.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures"]
async fn measured_from_a_change_to_where_it_is_applied() {
    const LEADS: usize = 60;
    const EDITS: usize = 200;
    let mut listening = Listening::of(LEADS).await;
    let (operate, salesforce) = (listening.systems.sandbox.operate().clone(), listening.salesforce().clone());
    for side in [&operate, &salesforce] {
        side.fault(Fault { times: 0, latency_ms: Some(50), ..Fault::on("any") }).unwrap();
    }
    salesforce.switch(&json!({ "event_delay_ms": 25 })).unwrap();
    let pairs: Vec<_> = (0..LEADS).map(|place| listening.pair(place)).collect();
    let before = (operate.requests(), salesforce.requests());
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut under_way = Vec::new();
    for edit in 0..EDITS {
        tokio::time::sleep(Duration::from_millis(random.random_range(0..1_000))).await;
        let ((ours, theirs), title) = (pairs[edit % LEADS].clone(), format!("Keeper {edit}"));
        salesforce.edit(&theirs, &json!({ "Title": title })).unwrap();
        let (operate, edited) = (operate.clone(), Instant::now());
        under_way.push(tokio::spawn(async move {
            until("it has arrived", || operate.lead(&ours).unwrap()["jobtitle"] == title).await;
            edited.elapsed().as_millis()
        }));
    }
    let mut took = Vec::new();
    for task in under_way {
        took.push(task.await.unwrap());
    }
    took.sort_unstable();
    let after = (operate.requests(), salesforce.requests());
    eprintln!("p50 {} ms, p99 {} ms, slowest {} ms", took[EDITS / 2], took[EDITS * 99 / 100], took[EDITS - 1]);
    let requests = (after.0.total() - before.0.total(), after.1.total() - before.1.total());
    eprintln!("{} requests to Operate and {} to Salesforce for {EDITS} edits", requests.0, requests.1);
    listening.stop().await;
}
