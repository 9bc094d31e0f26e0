//! The status page over real HTTP: what it shows, whom it answers, and what people do from it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use leadsync::lead::Side;
use leadsync::ops::{Ops, Served, serve};
use leadsync::store::Store;
use reqwest::header::{COOKIE, HOST, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::json;
use sqlx::SqlitePool;

use crate::cluster::execute;
use crate::systems::{Systems, cycle};

const TOKEN: &str = "a token of more than sixteen characters";
const HOSTILE: &str = "<script>alert('x')</script>\"&";

/// A page that is served, on a store of its own.
struct Page {
    systems: Systems,
    store: Arc<Store>,
    served: Served,
    client: Client,
}

impl Page {
    /// Of a daemon that has run a cycle over a few leads, with a token or without.
    async fn of(token: Option<&str>) -> Self {
        let systems = Systems::of(12, 8, 5).await;
        systems.configure("[sync]\n", "[sync]\nconflict = \"manual\"\n");
        if let Some(token) = token {
            systems.configure("[ops]\n", &format!("[ops]\ntoken = \"{token}\"\n"));
        }
        let engine = systems.engine().await;
        cycle(&engine).await.unwrap();
        cycle(&engine).await.unwrap();
        let config = systems.config();
        let store = Arc::new(Store::open(&config.store).await.unwrap());
        let ops = Ops::new(&config, Arc::clone(&store));
        ops.pulse().well(Utc::now());
        let served = serve(ops, ([127, 0, 0, 1], 0).into()).await.unwrap();
        let client = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { systems, store, served, client }
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.served.address))
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let answer = self.ask(Method::GET, path).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    async fn post(&self, session: &Session, path: &str, fields: &[(&str, &str)]) -> (StatusCode, String) {
        let mut form = fields.to_vec();
        form.push(("form", session.form.as_str()));
        let answer = self.ask(Method::POST, path).header(COOKIE, &session.cookie).form(&form).send().await.unwrap();
        let to = answer.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned());
        (answer.status(), to.unwrap_or_default())
    }

    async fn sign_in(&self) -> Session {
        let answer = self.ask(Method::POST, "/sign-in").form(&[("token", TOKEN)]).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().to_owned();
        for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=28800"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let page = self.ask(Method::GET, "/").header(COOKIE, &cookie).send().await.unwrap().text().await.unwrap();
        let form = page.split("name=\"form\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        Session { cookie, form }
    }

    /// A connection beside the store, for what only a test does.
    async fn sql(&self, sql: &'static str) {
        execute(&self.systems.config().store, sql).await;
    }

    async fn audited(&self) -> Vec<(String, String, Option<String>, Option<String>)> {
        let done = self.store.done_last(50).await.unwrap();
        done.into_iter().map(|done| (done.actor, done.action, done.subject, done.detail)).collect()
    }

    /// Has both sides edit a lead's phone number, so that a person has to decide. Gives both ids and the conflict's number.
    async fn disagree(&self) -> (String, String, i64) {
        let (ours, theirs) = self.store.pair_in_step(0).await.unwrap().unwrap();
        self.systems.sandbox.operate().edit(&ours, &json!({ "phone": "020 7946 0001" })).unwrap();
        self.systems.sandbox.salesforce().edit(&theirs, &json!({ "Phone": "020 7946 0002" })).unwrap();
        self.cycle().await;
        let open = self.store.open_conflicts().await.unwrap();
        let conflict = open.iter().find(|conflict| conflict.operate_id.as_ref() == Some(&ours) && conflict.field == "phone");
        (ours, theirs, conflict.unwrap().conflict_id)
    }

    /// Somebody makes a lead that Salesforce refuses.
    async fn refuse(&self) -> String {
        let bad = json!({ "leadname": "Pomelo", "lastname": "P", "email": "pomelo", "location": "Hub City", "leadsource": "Website", "leadstatus": "New" });
        let bad = self.systems.sandbox.operate().create(&bad).unwrap();
        self.cycle().await;
        bad
    }

    async fn cycle(&self) {
        cycle(&self.systems.engine().await).await.unwrap();
    }
}

struct Session {
    cookie: String,
    form: String,
}

#[tokio::test]
async fn the_overview_shows_how_everything_is() {
    let page = Page::of(None).await;
    let answer = page.ask(Method::GET, "/").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let headers = answer.headers().clone();
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let text = answer.text().await.unwrap();
    for expected in ["Last polled", "15 links", "Writes done", "requests in 24 hours", "The last 24 hours", "read-only"] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    for inline in ["style=", "onclick=", "<style", "<form method=\"post\" action=\"/pause\""] {
        assert!(!text.contains(inline), "{inline}");
    }
    // Of both sides' writes of the first sync: three leads made in Operate, seven in Salesforce.
    assert!(text.contains("to Operate in 24 hours: ") && text.contains(" (bars upwards), "), "{text}");

    let answer = page.ask(Method::HEAD, "/").send().await.unwrap();
    assert_eq!(
        (answer.status(), answer.headers()["content-type"].to_str().unwrap()),
        (StatusCode::OK, "text/html; charset=utf-8")
    );
    assert_eq!(answer.text().await.unwrap(), "");
    for (path, kind) in
        [("style.css", "text/css; charset=utf-8"), ("page.js", "text/javascript; charset=utf-8"), ("icon.svg", "image/svg+xml")]
    {
        let answer = page.ask(Method::GET, &format!("/assets/{path}")).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], kind);
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_and_so_is_a_store_that_does_not_answer() {
    let page = Page::of(None).await;
    for path in ["/nowhere", "/lead/operate/999999", "/lead/nobody/1", "/lead/operate/%3Cscript%3E"] {
        let (status, text) = page.get(path).await;
        assert!(status == StatusCode::NOT_FOUND && text.contains("Not found") && !text.contains("<script>"), "{path}: {text}");
    }
    let answer = page.ask(Method::DELETE, "/").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    page.sql("ALTER TABLE checkpoint RENAME TO elsewhere").await;
    let (status, text) = page.get("/").await;
    assert!(status == StatusCode::SERVICE_UNAVAILABLE && text.contains("The store does not answer"), "{text}");
}

#[tokio::test]
async fn a_loopback_address_answers_to_its_own_names_only() {
    let page = Page::of(None).await;
    for host in ["localhost:1", "127.0.0.1", "[::1]:8080"] {
        assert_eq!(page.ask(Method::GET, "/").header(HOST, host).send().await.unwrap().status(), StatusCode::OK, "{host}");
    }
    for path in ["/", "/metrics", "/nowhere"] {
        let answer = page.ask(Method::GET, path).header(HOST, "evil.example:80").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::MISDIRECTED_REQUEST);
        assert!(answer.text().await.unwrap().contains("ask for http://localhost:"));
    }
}

#[tokio::test]
async fn a_lead_is_shown_whole_and_its_values_are_no_html() {
    let page = Page::of(None).await;
    let (ours, theirs, number) = page.disagree().await;
    page.systems.sandbox.operate().edit(&ours, &json!({ "leadname": HOSTILE })).unwrap();
    page.cycle().await;
    page.cycle().await;
    for path in
        [format!("/lead/operate/{ours}"), format!("/lead/salesforce/{theirs}"), format!("/lead/salesforce/{}", &theirs[..15])]
    {
        let (status, text) = page.get(&path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(!text.contains("<script>alert"), "{text}");
        assert!(text.contains("&#60;script&#62;alert"), "{text}");
        for expected in [
            "020 7946 0001",
            "020 7946 0002",
            "A person has to decide",
            &format!("id=\"conflict-{number}\""),
            &format!("leadsync resolve {number} --take operate"),
            "Salesforce given what Operate has",
            &ours,
            &theirs,
        ] {
            assert!(text.contains(expected), "{expected} is not in {text}");
        }
    }
    // Lists name leads by their ids alone.
    let (_, text) = page.get("/conflicts").await;
    assert!(text.contains(&format!("{number}: phone")) && !text.contains("020 7946"), "{text}");
    page.store.resolve(number, Side::Salesforce, leadsync::store::Actor::Command, Utc::now()).await.unwrap();
    page.cycle().await;
    let (_, text) = page.get(&format!("/lead/operate/{ours}")).await;
    assert!(text.contains("both changed it; a person took Salesforce’s value"), "{text}");
    assert!(text.contains("Both sides changed phone: Salesforce won") && text.contains("A person decided it"), "{text}");
}

#[tokio::test]
async fn three_thousand_parked_leads_are_shown_by_pages() {
    let page = Page::of(Some(TOKEN)).await;
    page.sql(
        "INSERT INTO link (operate_id, state, origin, reason, created_at, updated_at)
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
         SELECT 'P' || i, 'parked', 'ambiguous', 'reason of ' || i, '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z' FROM n",
    )
    .await;
    let (_, text) = page.get("/").await;
    assert!(text.contains("3,000 leads are parked") && text.contains("All parked leads (3000)"), "{text}");
    let (_, first) = page.get("/parked").await;
    assert!(first.contains("Page 1 of 60") && first.contains("reason of 50<") && !first.contains("reason of 51<"), "{first}");
    let (_, last) = page.get("/parked?page=60").await;
    assert!(last.contains("reason of 3000<") && !last.contains("rel=\"next\""), "{last}");
    for odd in ["/parked?page=61", "/parked?page=99999999999"] {
        assert_eq!(page.get(odd).await.0, StatusCode::OK, "{odd}");
    }
    let plan = "EXPLAIN QUERY PLAN SELECT link_id FROM link l WHERE l.state = 'parked' AND l.state <> 'in_step' ORDER BY l.link_id LIMIT 50";
    let pool = SqlitePool::connect(&page.systems.config().store.url).await.unwrap();
    let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(plan).fetch_all(&pool).await.unwrap();
    assert!(plan.iter().any(|(.., step)| step.contains("link_not_in_step")), "{plan:?}");
}

#[tokio::test]
async fn a_lead_is_found_by_ids_and_by_parts_of_values() {
    let page = Page::of(None).await;
    let (ours, theirs) = page.store.pair_in_step(2).await.unwrap().unwrap();
    let lead = page.systems.sandbox.operate().lead(&ours).unwrap();
    let email = lead["email"].as_str().unwrap().to_uppercase();
    let search = async |text: &str| {
        let answer = page.ask(Method::POST, "/search").form(&[("text", text)]).send().await.unwrap();
        let to = answer.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned());
        (to, answer.text().await.unwrap())
    };
    let path = format!("/lead/operate/{ours}");
    assert_eq!(search(&ours).await.0, Some(path.clone()));
    assert_eq!(search(&format!("  {theirs} ")).await.0, Some(format!("/lead/salesforce/{theirs}")));
    assert_eq!(search(&email).await.0, Some(path));
    assert!(search("example").await.1.contains("Found: "));
    assert!(search("nobody has this").await.1.contains("Nothing found"));
    assert!(search("zz").await.1.contains("three characters or more"));
    let (_, hostile) = search(HOSTILE).await;
    assert!(!hostile.contains("<script>alert"), "{hostile}");
    assert!(page.get("/search").await.1.contains("a value of email, company, postcode"));
}

#[tokio::test]
async fn without_a_token_the_page_only_shows() {
    let page = Page::of(None).await;
    let bad = page.refuse().await;
    let (_, text) = page.get(&format!("/lead/operate/{bad}")).await;
    assert!(text.contains(&format!("leadsync retry {bad}")) && !text.contains("action=\"/retry\""), "{text}");
    assert!(page.get("/sign-in").await.1.contains("no token is configured"));
    for path in ["/sign-in", "/pause", "/resume", "/retry", "/resolve"] {
        let answer = page.ask(Method::POST, path).form(&[("token", ""), ("form", "")]).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
        assert!(answer.text().await.unwrap().contains("This page only shows"), "{path}");
    }
    assert_eq!(page.audited().await, vec![]);
}

#[tokio::test]
async fn only_who_knows_the_token_acts_and_only_from_these_pages() {
    let page = Page::of(Some(TOKEN)).await;
    let wrong =
        page.ask(Method::POST, "/sign-in").form(&[("token", "a token of more than sixteen characterz")]).send().await.unwrap();
    assert_eq!((wrong.status(), wrong.headers().get(SET_COOKIE)), (StatusCode::FORBIDDEN, None));
    assert!(wrong.text().await.unwrap().contains("That is not the token"));
    let session = page.sign_in().await;
    let refused = async |request: RequestBuilder| {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert_eq!(page.store.stops().await.unwrap().paused, None);
        answer.text().await.unwrap()
    };
    let pause = || page.ask(Method::POST, "/pause");
    let form = [("form", session.form.as_str())];
    assert!(refused(pause().form(&form)).await.contains("not signed in"));
    assert!(refused(pause().form(&form).header(COOKIE, "leadsync_session=0")).await.contains("not signed in"));
    let signed = || pause().header(COOKIE, &session.cookie);
    assert!(refused(signed().form(&[("form", "0")])).await.contains("not one of your session"));
    assert!(refused(signed().form(&[("other", "")])).await.contains("not one of your session"));
    assert!(refused(signed().form(&form).header("sec-fetch-site", "cross-site")).await.contains("another site"));
    assert!(refused(signed().form(&form).header("origin", "https://evil.example")).await.contains("another site"));
    assert_eq!(page.audited().await, vec![]);

    let (status, to) = page.post(&session, "/sign-out", &[]).await;
    assert_eq!((status, to.as_str()), (StatusCode::SEE_OTHER, "/?done=signed-out"));
    assert!(refused(signed().form(&form)).await.contains("not signed in"));
    // Ten attempts a minute, wrong and right ones.
    let mut last = StatusCode::OK;
    for _ in 0..10 {
        last = page.ask(Method::POST, "/sign-in").form(&[("token", "guess")]).send().await.unwrap().status();
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn a_conflict_is_settled_and_a_lead_tried_again() {
    let page = Page::of(Some(TOKEN)).await;
    let (ours, _, number) = page.disagree().await;
    let bad = page.refuse().await;
    let session = page.sign_in().await;
    let path = format!("/lead/operate/{ours}");
    let number = number.to_string();
    let fields = [("conflict", number.as_str()), ("take", "salesforce"), ("back", path.as_str())];
    let done = page.post(&session, "/resolve", &fields).await;
    assert_eq!(done, (StatusCode::SEE_OTHER, format!("{path}?done=resolved")));
    assert_eq!(page.post(&session, "/resolve", &fields).await.1, format!("{path}?done=not-open"));
    assert_eq!(page.post(&session, "/resolve", &[("conflict", "x"), ("take", "both")]).await.0, StatusCode::BAD_REQUEST);
    let outside = [("id", bad.as_str()), ("back", "//evil.example/")];
    assert_eq!(page.post(&session, "/retry", &outside).await, (StatusCode::SEE_OTHER, "/?done=retried".to_owned()));
    page.systems.sandbox.operate().edit(&bad, &json!({ "email": "pia@pomelo.example" })).unwrap();
    page.cycle().await;
    page.cycle().await;
    assert_eq!(page.systems.sandbox.operate().lead(&ours).unwrap()["phone"], json!("020 7946 0002"));
    assert_eq!(page.store.waiting_counts().await.unwrap().0, 0);
    assert_eq!(page.post(&session, "/retry", &[("all", "yes"), ("back", "/parked")]).await.1, "/parked?done=not-parked");
    let audited = page.audited().await;
    let row = |row: &(String, String, Option<String>, Option<String>), word: &str, id: &str| {
        row.0 == "page" && row.1 == word && row.2.as_ref().is_some_and(|leads| leads.split(' ').any(|lead| lead == id))
    };
    assert!(audited.len() == 2 && row(&audited[0], "retry", &bad) && row(&audited[1], "resolve", &ours), "{audited:?}");
    assert_eq!(audited[1].3.as_deref(), Some(format!("conflict {number}: phone, salesforce wins").as_str()));
    let shown = page.get("/").await.1;
    assert!(shown.contains("Done by people") && shown.contains("resolve"), "{shown}");
    let (ours, bad) = (page.get(&path).await.1, page.get(&format!("/lead/operate/{bad}")).await.1);
    let done = format!("conflict {number}: phone, salesforce wins");
    assert!(ours.contains("resolve by a person, on this page") && ours.contains(&done) && !ours.contains("retry by"), "{ours}");
    assert!(bad.contains("retry by a person, on this page") && !bad.contains("resolve by"), "{bad}");
}

#[tokio::test]
async fn writes_are_paused_and_resumed_and_a_brake_is_let_go() {
    let page = Page::of(Some(TOKEN)).await;
    let session = page.sign_in().await;
    assert_eq!(page.post(&session, "/pause", &[]).await.1, "/?done=paused");
    assert!(page.get("/").await.1.contains("paused since"));
    assert_eq!(page.post(&session, "/resume", &[]).await.1, "/?done=resumed");
    assert_eq!(page.store.stops().await.unwrap().paused, None);
    page.store.brake(Some("brake max_delete: 12 deletes")).await.unwrap();
    assert_eq!(page.post(&session, "/resume", &[]).await.1, "/?done=braked");
    // What was read is what is accepted.
    assert_eq!(page.post(&session, "/resume", &[("accept", "brake max_delete: 11 deletes")]).await.1, "/?done=another-brake");
    assert!(page.store.stops().await.unwrap().braked.is_some());
    assert_eq!(page.post(&session, "/resume", &[("accept", "brake max_delete: 12 deletes")]).await.1, "/?done=resumed");
    assert_eq!(page.store.stops().await.unwrap().braked, None);
    let actions: Vec<String> = page.audited().await.into_iter().rev().map(|(_, action, ..)| action).collect();
    assert_eq!(actions, ["pause", "resume", "resume", "resume"]);
}

#[tokio::test]
async fn a_day_is_counted_by_hours() {
    let page = Page::of(None).await;
    let now: DateTime<Utc> = Utc::now();
    let day = page.store.day(now).await.unwrap();
    assert_eq!(day.len(), 24);
    let written: (i64, i64) =
        day.iter().fold((0, 0), |sum, (_, hour)| (sum.0 + hour.written.operate, sum.1 + hour.written.salesforce));
    assert!(written.0 >= 3 && written.1 >= 7, "{written:?}");
    page.sql("UPDATE push SET done_at = '2020-01-01T00:00:00.000Z'").await;
    page.sql("INSERT INTO cycle (started_at, parked, error) SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), 2, 'no answer'").await;
    let day = page.store.day(Utc::now()).await.unwrap();
    assert!(day.iter().all(|(_, hour)| hour.written.operate == 0 && hour.written.salesforce == 0));
    assert_eq!((day[23].1.failed, day[23].1.parked), (1, 2));
}
