//! Hints: what Operate's outbound messages make the daemon look at, long before the next poll.

use std::time::Duration;

use futures_util::future::join_all;
use leadsync::config::sync::DeleteRule;
use leadsync::lead::PerSide;
use leadsync::sync::Engine;
use reqwest::StatusCode;
use serde_json::json;

use crate::bench::Bench;
use crate::ops::{address, configure, get};
use crate::program::{Running, ShowLog, log, run, signal, start, until, wait};
use crate::systems::{Systems, cycle};

const SECRET: &str = "5c0ffee5c0ffee5c0ffee";

/// What an administrator may have configured.
const MESSAGE: &str = r#"{"event":"lead","lead":{"leadid":{leadid},"name":"{leadname}"}}"#;

/// Systems of so many leads in step, and a daemon that polls once a year and hears Operate's messages. Its address, too.
async fn hearing(leads: usize) -> (Systems, Running, String) {
    let systems = Systems::of(leads, leads, leads).await;
    std::fs::write(systems.folder.path().join("hook"), SECRET).unwrap();
    configure(&systems, "[ops]\n", "[ops]\noperate_hook = \"file:hook\"\n");
    configure(&systems, "poll = \"* * * * * *\"", "poll = \"0 0 0 1 1 *\"\nsweep = \"0 0 0 1 1 *\"");
    configure(&systems, "[sync]\n", "[sync]\ndelete = \"propagate\"\n");
    run(&systems, &["once"]).await;
    systems.assert_in_step(leads);
    let daemon = start(&systems);
    until("a port is open", || address(&log(&systems)).is_some()).await;
    let address = address(&log(&systems)).unwrap();
    while get(&address, "/readyz").await.0 != 200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let url = format!("http://{address}/hooks/operate/{SECRET}");
    let outbound =
        json!({ "url": url, "on": ["create", "update", "delete"], "content_type": "application/json", "body": MESSAGE });
    systems.sandbox.operate().switch(&json!({ "outbound": [outbound] })).unwrap();
    (systems, daemon, address)
}

/// Both ids of a pair.
fn pair(systems: &Systems, place: usize) -> (String, String) {
    let lead = &systems.sandbox.operate().leads()[place];
    let twins = systems.sandbox.salesforce().leads();
    let twin = twins.iter().find(|twin| twin["Email"] == lead["email"]).unwrap();
    (lead["leadid"].to_string(), twin["Id"].as_str().unwrap().to_owned())
}

async fn post(address: &str, path: &str, body: impl Into<reqwest::Body>) -> StatusCode {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.post(format!("http://{address}{path}")).body(body).send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_operate_tells_of_arrives_without_a_poll() {
    let (systems, daemon, _) = hearing(5).await;
    let _show = ShowLog(log(&systems));
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    let (ours, theirs) = pair(&systems, 0);
    // The second one comes when Salesforce's lead was just written.
    for (title, expected) in [("Keeper", 1..=1), ("Baker", 2..=3)] {
        let before = salesforce.requests();
        operate.edit(&ours, &json!({ "jobtitle": title })).unwrap();
        until("the edit has arrived", || salesforce.lead(&theirs).unwrap()["Title"] == title).await;
        let after = salesforce.requests();
        let requests = after.total() - before.total();
        assert!(expected.contains(&requests), "{title}: {requests} of {:#?}", after.recent);
        assert_eq!(after.leads.updated - before.leads.updated, 1, "{title}");
    }
    signal(&daemon, "-TERM");
    wait(daemon).await;
    systems.assert_in_step(5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_counts_once_the_lead_was_looked_for() {
    let (systems, daemon, address) = hearing(5).await;
    let _show = ShowLog(log(&systems));
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    let ((there, there_too), (gone, gone_too)) = (pair(&systems, 0), pair(&systems, 1));
    let path = format!("/hooks/operate/{SECRET}");
    let asked = |id: &str| operate.requests().recent.iter().filter(|line| line.uri.contains(id)).count();
    let before = asked(&there);
    assert_eq!(post(&address, &path, format!("deleted: leadid={there}")).await, StatusCode::ACCEPTED);
    until("the lead was looked for", || asked(&there) > before).await;
    operate.delete(&gone).unwrap();
    until("the delete has arrived", || salesforce.lead(&gone_too).is_none_or(|lead| lead["IsDeleted"] == true)).await;
    assert_eq!(salesforce.lead(&there_too).unwrap()["IsDeleted"], false);
    signal(&daemon, "-TERM");
    wait(daemon).await;
    assert_eq!(operate.leads().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_lead_finds_its_other_half_that_no_poll_has_seen() {
    let (systems, daemon, _) = hearing(3).await;
    let _show = ShowLog(log(&systems));
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    let twin = json!({ "Company": "Pomelo Print", "LastName": "Pomelo", "Email": "ann@pomelo.example" });
    let twin = salesforce.create(&twin).unwrap();
    let lead = json!({ "leadname": "Pomelo Print", "lastname": "Pomelo", "email": "ann@pomelo.example", "location": "Hub City",
                       "leadsource": "Website", "postcode": "ZZ9 9ZZ" });
    let lead = operate.create(&lead).unwrap();
    until("they are one", || salesforce.lead(&twin).unwrap()["Operate_Lead_Id__c"] == lead).await;
    signal(&daemon, "-TERM");
    wait(daemon).await;
    assert_eq!((operate.leads().len(), salesforce.leads().len()), (4, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_by_which_a_lead_leaves_the_filter_does_not_cross() {
    let systems = Systems::of(3, 3, 3).await;
    configure(&systems, "[operate]\n", "[operate]\nfilter = \"[leadstatus]!='Lost'\"\n");
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    let (ours, theirs) = pair(&systems, 0);
    operate.edit(&ours, &json!({ "leadstatus": "New" })).unwrap();
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    operate.edit(&ours, &json!({ "leadstatus": "Lost", "jobtitle": "Keeper" })).unwrap();
    follow(&engine, &ours).await;
    assert_ne!(salesforce.lead(&theirs).unwrap()["Title"], "Keeper");
    // One that stays within it does.
    operate.edit(&ours, &json!({ "leadstatus": "New", "jobtitle": "Baker" })).unwrap();
    follow(&engine, &ours).await;
    assert_eq!(salesforce.lead(&theirs).unwrap()["Title"], "Baker");
}

/// What is named together is looked at together: edits by one request, whatever their number, and what was deleted for itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leads_that_are_named_together_take_one_request() {
    let systems = Systems::of(8, 8, 8).await;
    configure(&systems, "[sync]\n", "[sync]\ndelete = \"propagate\"\n");
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    let pairs: Vec<(String, String)> = (0..7).map(|place| pair(&systems, place)).collect();
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    // Until what was linked can be written without another look.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    cycle(&engine).await.unwrap();
    let hints = |ids: &[(String, String)]| PerSide {
        operate: ids.iter().map(|(ours, _)| ours.clone()).collect(),
        salesforce: Vec::new(),
    };
    let (gone, edited) = pairs.split_last().unwrap();
    for (title, named, asked) in [("Keeper", edited, (1, 1)), ("Baker", &pairs, (2, 2))] {
        for (ours, _) in edited {
            operate.edit(ours, &json!({ "jobtitle": title })).unwrap();
        }
        if named.len() > edited.len() {
            operate.delete(&gone.0).unwrap();
            // The second in which the others were written is over, and they are looked at by one poll.
            tokio::time::sleep(Duration::from_millis(2_100)).await;
        }
        let before = (operate.requests(), salesforce.requests());
        let followed = engine.follow(&hints(named), &|| false).await.unwrap();
        let after = (operate.requests(), salesforce.requests());
        let requests = (after.0.total() - before.0.total(), after.1.total() - before.1.total());
        // A delete is two more: Salesforce's lead is compared before.
        let deletes = if followed.cycle.deleted > 0 { 2 } else { 0 };
        assert_eq!((requests.0, requests.1 - deletes), asked, "{title}: {:#?} {:#?}", after.0.recent, after.1.recent);
        for (_, theirs) in edited {
            assert_eq!(salesforce.lead(theirs).unwrap()["Title"], title);
        }
    }
    assert_eq!(salesforce.lead(&gone.1).unwrap()["IsDeleted"], true);
}

/// Messages that come one after the other are followed together: the first at once, and what comes soon after it by one more look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_come_soon_after_each_other_are_gathered() {
    const EDITS: usize = 10;
    let (systems, daemon, _) = hearing(EDITS).await;
    let _show = ShowLog(log(&systems));
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    let pairs: Vec<(String, String)> = (0..EDITS).map(|place| pair(&systems, place)).collect();
    let before = operate.requests().total();
    // Longer than a look takes, so that each edit could be looked at by itself.
    let mut next = tokio::time::interval(Duration::from_millis(120));
    for (ours, _) in &pairs {
        next.tick().await;
        operate.edit(ours, &json!({ "jobtitle": "Keeper" })).unwrap();
    }
    until("all have arrived", || pairs.iter().all(|(_, theirs)| salesforce.lead(theirs).unwrap()["Title"] == "Keeper")).await;
    let requests = operate.requests().total() - before;
    assert!(requests <= 4, "{requests} requests for {EDITS} edits");
    signal(&daemon, "-TERM");
    wait(daemon).await;
}

/// Looks at a lead of Operate until nothing of it waits for a second to pass any more.
async fn follow(engine: &Engine, id: &str) {
    let hints = PerSide { operate: vec![id.to_owned()], salesforce: Vec::new() };
    while engine.follow(&hints, &|| false).await.unwrap().waits {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn what_hints_bring_between_two_polls_is_one_cycle_for_the_brakes() {
    let bench = Bench::ruled(|rules| {
        rules.delete = DeleteRule::Propagate;
        rules.max_delete = 2;
    })
    .await;
    let emails = ["a@example.com", "b@example.com", "c@example.com"];
    let leads: Vec<String> = emails.iter().map(|email| bench.operate.add(&[("email", email)])).collect();
    bench.cycle().await;
    let mut there = Vec::new();
    for lead in &leads {
        bench.operate.purge(lead);
        follow(&bench.engine, lead).await;
        there.push(bench.salesforce.leads().len());
    }
    assert_eq!(there, [2, 1, 1], "the third is held");
    bench.cycle().await;
    assert_eq!(bench.salesforce.leads().len(), 0);
}

#[tokio::test]
async fn what_is_no_message_of_operate_is_refused() {
    let (systems, daemon, address) = hearing(1).await;
    let _show = ShowLog(log(&systems));
    let path = format!("/hooks/operate/{SECRET}");
    let before = systems.traffic();
    for (path, body, expected) in [
        ("/hooks/operate/5c0ffee5c0ffee5c0ffef".to_owned(), "leadid=1".to_owned(), StatusCode::NOT_FOUND),
        (format!("{path}0"), "leadid=1".to_owned(), StatusCode::NOT_FOUND),
        ("/hooks/operate/".to_owned(), "leadid=1".to_owned(), StatusCode::NOT_FOUND),
        (path.clone(), "a lead was changed".to_owned(), StatusCode::UNPROCESSABLE_ENTITY),
        (path.clone(), format!("leadid=1{}", " ".repeat(64 * 1024)), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let said = path.replace(SECRET, "…");
        assert_eq!(post(&address, &path, body).await, expected, "{said}");
    }
    assert_eq!(get(&address, &path).await.0, 405);
    assert_eq!(systems.traffic(), before, "nothing of that made the daemon ask anything");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let sending = (0..500).map(|_| client.post(format!("http://{address}{path}")).body("leadid=987654").send());
    let answers: Vec<_> = join_all(sending).await.into_iter().map(|answer| answer.unwrap().status()).collect();
    assert!(answers.contains(&StatusCode::ACCEPTED) && answers.contains(&StatusCode::TOO_MANY_REQUESTS), "{answers:?}");
    signal(&daemon, "-TERM");
    wait(daemon).await;
    let log = std::fs::read_to_string(log(&systems)).unwrap();
    assert!(
        log.contains("one of [ops] operate_hook") && log.matches("hook.refused").count() == 1,
        "one complaint a minute: {log}"
    );
    assert!(!log.contains("5c0ffee"), "{log}");
}

#[tokio::test]
async fn without_a_secret_of_their_own_no_messages_are_taken() {
    let systems = Systems::of(1, 1, 1).await;
    let daemon = start(&systems);
    until("a port is open", || address(&log(&systems)).is_some()).await;
    let address = address(&log(&systems)).unwrap();
    for path in ["/hooks/operate/", "/hooks/operate/x"] {
        assert_eq!(post(&address, path, "leadid=1").await, StatusCode::NOT_FOUND);
    }
    signal(&daemon, "-TERM");
    wait(daemon).await;
    for (secret, problem) in [("short", "fewer than 16 characters"), ("with a space in its middle", "cannot stand in an address")]
    {
        std::fs::write(systems.folder.path().join("hook"), secret).unwrap();
        let text = std::fs::read_to_string(&systems.configuration).unwrap();
        let hooked = text.replacen("[ops]\n", "[ops]\noperate_hook = \"file:hook\"\n", 1);
        std::fs::write(&systems.configuration, hooked).unwrap();
        let (status, said, errors) = run(&systems, &["check", "--offline"]).await;
        std::fs::write(&systems.configuration, text).unwrap();
        assert!(
            status != 0 && format!("{said}{errors}").contains(problem) && !format!("{said}{errors}").contains(secret),
            "{said}{errors}"
        );
    }
}
