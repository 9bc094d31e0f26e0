//! One process with many pairs, over real HTTP: the list of them, each pair's pages below its own address, health and metrics of them all.

mod process;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use leadsync::lead::Side;
use leadsync::ops::{Ops, Reason, Shown, serve};
use leadsync::store::Store;
use regex::Regex;
use reqwest::header::{COOKIE, HOST, LOCATION, SET_COOKIE};
use reqwest::{Method, StatusCode};
use serde_json::json;

use self::process::{Asked, HOLDER, Pair, Process, SECRET, TOKEN, value};
use crate::cluster::{Cluster, execute, is_asked_for};
use crate::exposition::faults;
use crate::systems::Systems;

/// Every address on a page: links, forms, what it is made of, and where forms lead back to. None of them is elsewhere.
fn addresses(page: &str) -> BTreeSet<String> {
    let pattern = Regex::new(r#"(?:href|action|src|name="back" value)="([^"]*)""#).unwrap();
    let all: BTreeSet<String> = pattern.captures_iter(page).map(|found| found[1].to_owned()).collect();
    all.into_iter().filter(|address| !address.starts_with('#')).collect()
}

/// The pages of a pair, all of them that are reached by an address.
async fn pages(asked: &Asked, pair: &Pair, base: &str) -> Vec<String> {
    let (ours, theirs) = pair.store.pair_in_step(1).await.unwrap().unwrap();
    let parked =
        pair.store.parked_slice(leadsync::store::Slice { skip: 0, take: 1 }).await.unwrap().remove(0).operate_id.unwrap();
    let open = pair.store.open_conflicts().await.unwrap().remove(0).operate_id.unwrap();
    let mut paths: Vec<String> =
        ["/", "/parked", "/parked?page=2", "/conflicts", "/search", "/sign-in", "/nowhere", "/lead/operate/0"]
            .map(str::to_owned)
            .into();
    paths.extend([&ours, &parked, &open].map(|id| format!("/lead/operate/{id}")));
    paths.push(format!("/lead/salesforce/{theirs}"));
    let (cookie, _) = asked.sign_in(base).await;
    let mut pages = Vec::new();
    for path in paths {
        for cookie in ["", value(&cookie)] {
            let answer = asked.ask(Method::GET, &format!("{base}{path}")).header(COOKIE, cookie).send().await.unwrap();
            pages.push(answer.text().await.unwrap());
        }
    }
    for text in ["example", "zz"] {
        let answer = asked.ask(Method::POST, &format!("{base}/search")).form(&[("text", text)]).send().await.unwrap();
        pages.push(answer.text().await.unwrap());
    }
    let refused = asked.ask(Method::POST, &format!("{base}/pause")).form(&[("form", "")]).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    pages.push(refused.text().await.unwrap());
    pages
}

#[tokio::test]
async fn all_links_of_a_pairs_pages_stay_below_its_address_but_one() {
    let process = Process::new().await;
    execute(
        &process.north.systems.config().store,
        "INSERT INTO link (operate_id, state, origin, reason, created_at, updated_at)
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120)
         SELECT 'P' || i, 'parked', 'ambiguous', 'reason', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z' FROM n",
    )
    .await;
    let mut all = BTreeSet::new();
    for page in pages(&process.asked, &process.north, "/pairs/north").await {
        assert!(page.contains(" · north · leadsync</title>") && page.contains(">leadsync · north</a>"), "{page}");
        assert!(page.contains("<a href=\"/\">All pairs</a>"), "{page}");
        all.extend(addresses(&page));
    }
    assert!(all.remove("/"));
    for expected in
        ["", "assets/style.css?", "parked?page=3", "search", "sign-out", "resolve", "retry", "lead/operate/P7", "parked"]
    {
        assert!(all.iter().any(|address| address.starts_with(&format!("/pairs/north/{expected}"))), "{expected}: {all:?}");
    }
    for address in &all {
        assert!(address.starts_with("/pairs/north/"), "{address}");
    }
    for asset in all.iter().filter(|address| address.contains("/assets/")) {
        assert_eq!(process.asked.get(asset).await.0, StatusCode::OK, "{asset}");
    }
    // What is not there is on a page of that pair, too, and a search leads to one.
    let (ours, _) = process.north.store.pair_in_step(1).await.unwrap().unwrap();
    let found = process.asked.post("/pairs/north/search", "", &[("text", &ours)]).await;
    assert_eq!(found, (StatusCode::SEE_OTHER, format!("/pairs/north/lead/operate/{ours}")));
}

#[tokio::test]
async fn a_daemon_with_one_pair_shows_what_it_showed() {
    let pair = Pair::new("north").await;
    let ops = Ops::new(&pair.systems.config(), Arc::clone(&pair.store));
    let asked = Asked::at(serve(ops, ([127, 0, 0, 1], 0).into()).await.unwrap());
    for page in pages(&asked, &pair, "").await {
        assert!(!page.contains("/pairs") && !page.contains("All pairs") && !page.contains("north"), "{page}");
        let menu = "<ul>\n\n<li><a href=\"/\"";
        assert!(page.contains(menu) && page.contains("<p class=\"brand\"><a href=\"/\">leadsync</a></p>"), "{page}");
    }
    let (cookie, form) = asked.sign_in("").await;
    assert!(cookie.contains("; Path=/; "), "{cookie}");
    let paused = asked.post("/pause", value(&cookie), &[("form", &form), ("back", "/parked")]).await;
    assert_eq!(paused, (StatusCode::SEE_OTHER, "/parked?done=paused".to_owned()));
    assert_eq!(asked.get("/pairs/north/").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn who_signs_in_on_one_pair_acts_there_and_on_no_other() {
    let process = Process::new().await;
    let asked = &process.asked;
    let (cookie, form) = asked.sign_in("/pairs/north").await;
    for part in ["; Path=/pairs/north; ", "HttpOnly", "SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let session = value(&cookie);
    let there = asked.post("/pairs/south/pause", session, &[("form", &form)]).await;
    assert_eq!(there.0, StatusCode::FORBIDDEN);
    let page = asked.ask(Method::GET, "/pairs/south/").header(COOKIE, session).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Sign in</a>") && !page.contains("Sign out"), "{page}");

    for (back, to) in [
        ("/pairs/north/parked", "/pairs/north/parked?done=paused"),
        ("/pairs/south/parked", "/pairs/north/?done=paused"),
        ("/pairs/north/../south/", "/pairs/north/?done=paused"),
        ("//evil.example/", "/pairs/north/?done=paused"),
        ("/", "/pairs/north/?done=paused"),
    ] {
        let done = asked.post("/pairs/north/pause", session, &[("form", &form), ("back", back)]).await;
        assert_eq!(done, (StatusCode::SEE_OTHER, to.to_owned()), "{back}");
    }
    assert!(process.north.is_paused().await && !process.south.is_paused().await);
    let out = asked.ask(Method::POST, "/pairs/north/sign-out").header(COOKIE, session).form(&[("form", &form)]);
    let out = out.send().await.unwrap();
    assert!(out.headers()[SET_COOKIE].to_str().unwrap().contains("; Path=/pairs/north; Max-Age=0"), "{out:?}");
    assert_eq!(out.headers()[LOCATION], "/pairs/north/?done=signed-out");

    // Too many attempts on one pair leave the other alone.
    for _ in 0..11 {
        asked.post("/pairs/north/sign-in", "", &[("token", "a guess")]).await;
    }
    assert_eq!(asked.post("/pairs/north/sign-in", "", &[("token", TOKEN)]).await.0, StatusCode::TOO_MANY_REQUESTS);
    asked.sign_in("/pairs/south").await;
}

#[tokio::test]
async fn a_message_of_operate_is_heard_by_its_pair_alone() {
    let process = Process::new().await;
    let tell = async |path: &str| {
        let request = process.asked.ask(Method::POST, path).body("leadid=1003");
        request.send().await.unwrap().status()
    };
    assert_eq!(tell(&format!("/pairs/south/hooks/operate/{SECRET}")).await, StatusCode::ACCEPTED);
    assert_eq!(tell("/pairs/south/hooks/operate/5c0ffee5c0ffee5c0ffef").await, StatusCode::NOT_FOUND);
    assert_eq!(tell(&format!("/hooks/operate/{SECRET}")).await, StatusCode::NOT_FOUND);
    assert_eq!(tell(&format!("/pairs/broken/hooks/operate/{SECRET}")).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(process.south.ops.hints().take().get(Side::Operate), &["1003"]);
    assert_eq!(process.north.ops.hints().take().get(Side::Operate), &Vec::<String>::new());
}

#[tokio::test]
async fn health_counts_pairs_and_names_those_in_trouble() {
    let process = Process::new().await;
    let asked = &process.asked;
    assert_eq!(asked.get("/livez").await, (StatusCode::OK, "live\n".to_owned()));
    assert_eq!(asked.get("/leaderz").await, (StatusCode::OK, "leads 2 of 4 pairs\n".to_owned()));
    process.north.ops.pulse().well(Utc::now());
    let report = json!({ "ready": true, "role": "pairs", "leads": 2, "stands_by": 1, "fails": 1, "troubled": {
        "broken": "[operate] base_url is <missing>", "south": "starting: no cycle has ended yet" } });
    assert_eq!(asked.json("/readyz").await, (StatusCode::OK, report));

    for (path, expected) in [
        ("/pairs/north/readyz", StatusCode::OK),
        ("/pairs/south/readyz", StatusCode::SERVICE_UNAVAILABLE),
        ("/pairs/west/readyz", StatusCode::OK),
        ("/pairs/broken/readyz", StatusCode::SERVICE_UNAVAILABLE),
        ("/pairs/north/leaderz", StatusCode::OK),
        ("/pairs/west/leaderz", StatusCode::SERVICE_UNAVAILABLE),
        ("/pairs/broken/leaderz", StatusCode::SERVICE_UNAVAILABLE),
        ("/pairs/broken/livez", StatusCode::OK),
        ("/pairs/broken/metrics", StatusCode::OK),
    ] {
        assert_eq!(asked.get(path).await.0, expected, "{path}");
    }
    let (_, report) = asked.json("/pairs/broken/readyz").await;
    assert_eq!(report["reasons"], json!(["[operate] base_url is <missing>"]));

    // A pair comes to stand by, and others go.
    process.pairs.show("north", Shown::StandsBy(Reason::default()));
    process.pairs.remove("south");
    assert_eq!(asked.get("/leaderz").await, (StatusCode::SERVICE_UNAVAILABLE, "leads 0 of 3 pairs\n".to_owned()));
    for name in ["north", "west", "broken"] {
        process.pairs.remove(name);
    }
    let (status, report) = asked.json("/readyz").await;
    assert_eq!((status, &report["ready"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(false)));
    assert_eq!(report["reasons"], json!(["starting: there is no pair yet"]));
}

#[tokio::test]
async fn metrics_of_all_pairs_are_one_exposition() {
    let process = Process::new().await;
    process.north.ops.pulse().well(Utc::now());
    let answer = process.asked.ask(Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = answer.text().await.unwrap();
    assert_eq!(faults(&text), Vec::<String>::new(), "{text}");
    for line in [
        r#"leadsync_pairs{role="leader"} 2"#,
        r#"leadsync_pairs{role="stand_by"} 1"#,
        r#"leadsync_pairs{role="failing"} 1"#,
        r#"leadsync_leader{pair="north"} 1"#,
        r#"leadsync_leader{pair="south"} 1"#,
        r#"leadsync_leader{pair="west"} 0"#,
        r#"leadsync_leader{pair="broken"} 0"#,
        r#"leadsync_open_conflicts{pair="north"} 1"#,
        r#"leadsync_open_conflicts{pair="south"} 1"#,
        r#"leadsync_links{pair="south",state="conflict"} 1"#,
    ] {
        assert!(text.lines().any(|each| each == line), "{line}\n{text}");
    }
    // Every figure of leadsync says of which pair it is, but for those of the process.
    for line in text.lines().filter(|line| line.starts_with("leadsync_")) {
        let is_own = line.starts_with("leadsync_build_info") || line.starts_with("leadsync_pairs{");
        assert!(is_own != line.contains("pair=\""), "{line}");
    }
    assert_eq!(text.matches("\nprocess_cpu_seconds_total ").count(), 1, "{text}");
    assert_eq!(text.matches("leadsync_last_cycle_timestamp_seconds{").count(), 1, "only one has had a cycle\n{text}");

    // A pair's own are what one daemon shows.
    let (_, own) = process.asked.get("/pairs/north/metrics").await;
    assert_eq!(faults(&own), Vec::<String>::new(), "{own}");
    assert!(own.contains("leadsync_leader 1\n") && own.contains("process_cpu_seconds_total ") && !own.contains("pair="), "{own}");

    // A store that does not answer hides neither what was counted of its pair, nor the other pairs.
    execute(&process.north.systems.config().store, "ALTER TABLE checkpoint RENAME TO elsewhere").await;
    let (_, text) = process.asked.get("/metrics").await;
    assert_eq!(faults(&text), Vec::<String>::new(), "{text}");
    assert!(text.contains(r#"leadsync_leader{pair="north"} 1"#), "{text}");
    assert!(!text.contains(r#"leadsync_open_conflicts{pair="north"}"#), "{text}");
    assert!(text.contains(r#"leadsync_open_conflicts{pair="south"} 1"#), "{text}");
}

#[tokio::test]
async fn a_store_that_hangs_holds_up_no_figures_for_long() {
    if !Cluster::is_possible() {
        return;
    }
    let process = Process::new().await;
    let systems = Systems::of(2, 2, 1).await;
    if !is_asked_for() {
        systems.put_store_in(&Cluster::shared().address());
    }
    let config = systems.config();
    let store = Arc::new(Store::open(&config.store).await.unwrap());
    process.pairs.show("east", Shown::Leads(Ops::of_pair("east", &config, store)));
    let address = config.store.clone();
    let hanging = tokio::spawn(async move {
        execute(&address, "BEGIN; LOCK TABLE link IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(7); COMMIT").await;
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let asked_at = Instant::now();
    let (_, text) = process.asked.get("/metrics").await;
    assert!((2..6).contains(&asked_at.elapsed().as_secs()), "{:?}", asked_at.elapsed());
    assert_eq!(faults(&text), Vec::<String>::new(), "{text}");
    assert!(
        text.contains(r#"leadsync_leader{pair="east"} 1"#) && !text.contains(r#"leadsync_open_conflicts{pair="east"}"#),
        "{text}"
    );
    assert!(text.contains(r#"leadsync_open_conflicts{pair="south"} 1"#), "{text}");
    let (status, page) = process.asked.get("/").await;
    assert!(status == StatusCode::OK && page.contains("/pairs/east/") && !hanging.is_finished(), "the list asks no store");
    hanging.await.unwrap();
    assert!(process.asked.get("/metrics").await.1.contains(r#"leadsync_open_conflicts{pair="east"} 0"#));
}

#[tokio::test]
async fn what_is_asked_of_no_pair_is_said_to_be_missing() {
    let process = Process::new().await;
    let asked = &process.asked;
    for path in [
        "/pairs/nobody/",
        "/pairs/nobody",
        "/pairs/nobody/readyz",
        "/pairs/",
        "/pairs//",
        "/pairs//north/",
        "/pairs/NORTH/",
        "/pairs/n%6Frth/",
        "/pairs/north%2F/",
        "/pairs/..%2F/",
        "/pairs/north%00/",
        "/pairs/%3Cscript%3E/",
        "/pairs/north\"/",
        "/pairs/nörth/",
    ] {
        let (status, text) = asked.get(path).await;
        assert!(status == StatusCode::NOT_FOUND && text.contains("This process has no pair of this name."), "{path}: {text}");
        assert!(
            !text.contains("<script>") && addresses(&text).iter().all(|address| !address.contains("pairs")),
            "{path}: {text}"
        );
    }
    for path in ["/pairs", "/parked", "/sign-in", "/lead/operate/1", "/nowhere"] {
        let (status, text) = asked.get(path).await;
        assert!(status == StatusCode::NOT_FOUND && text.contains("There is no page at this address."), "{path}: {text}");
    }
    for path in ["/pairs/north", "/pairs/broken", "/pairs/north?a=b"] {
        let answer = asked.ask(Method::GET, path).send().await.unwrap();
        let to = format!("{}/", path.split('?').next().unwrap());
        assert_eq!((answer.status(), &answer.headers()[LOCATION]), (StatusCode::SEE_OTHER, &to.parse().unwrap()), "{path}");
    }
    for path in ["/", "/metrics", "/nowhere", "/pairs/north/", "/pairs/west/", "/pairs/broken/", "/pairs/nobody/", "/pairs/north"]
    {
        let answer = asked.ask(Method::GET, path).header(HOST, "evil.example").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST, "{path}");
    }
    let answer = asked.ask(Method::DELETE, "/").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn the_list_shows_every_pair_and_those_in_trouble_first() {
    let process = Process::new().await;
    let asked = &process.asked;
    process.north.ops.pulse().well(Utc::now());
    process.south.ops.pulse().failed("Operate does not answer".to_owned(), false, Utc::now());
    let answer = asked.ask(Method::GET, "/").send().await.unwrap();
    assert!(answer.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    let text = answer.text().await.unwrap();
    for expected in [
        "<title>Pairs · leadsync</title>",
        "2 pairs are in trouble",
        "4 pairs: 2 lead here, 1 stands by, 1 fails",
        "process 7 on &#60;elsewhere&#62; leads",
        "[operate] base_url is &#60;missing&#62;",
        ": Operate does not answer",
        " data-refreshes",
        "<th scope=\"row\" role=\"rowheader\"><a href=\"/pairs/north/\">north</a></th>",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert_eq!(names(&text), ["broken", "south", "north", "west"]);
    for address in addresses(&text) {
        assert_eq!(asked.get(&address).await.0.is_server_error(), ["/pairs/west/", "/pairs/broken/"].contains(&address.as_str()));
    }
    assert!(!text.contains("<form") && !text.contains("/sign-in") && !text.contains("/search"), "{text}");

    let (status, text) = asked.get("/pairs/west/").await;
    assert!(status == StatusCode::SERVICE_UNAVAILABLE && text == format!("this replica stands by: {HOLDER}\n"), "{text}");
    let (status, text) = asked.get("/pairs/broken/parked").await;
    assert!(status == StatusCode::SERVICE_UNAVAILABLE && text.contains("base_url is &#60;missing&#62;"), "{text}");
    assert!(text.contains("This pair does not run") && text.contains(" data-refreshes") && text.contains("href=\"/\""), "{text}");

    process.pairs.remove("broken");
    process.south.ops.pulse().well(Utc::now());
    for number in 0..250 {
        process.pairs.show(&format!("pair-{number:03}"), Shown::StandsBy(Reason::default()));
    }
    let (_, text) = asked.get("/").await;
    assert!(text.contains("All well") && text.contains("253 pairs: 2 lead here, 251 stand by, 0 fail"), "{text}");
    let names = names(&text);
    assert!(names.len() == 253 && names.is_sorted(), "{names:?}");
    let (_, text) = asked.get("/metrics").await;
    assert_eq!(faults(&text), Vec::<String>::new());
}

/// The pairs of the list, from the top.
fn names(list: &str) -> Vec<&str> {
    list.split("role=\"rowheader\"><a href=\"/pairs/").skip(1).map(|row| row.split('/').next().unwrap()).collect()
}
