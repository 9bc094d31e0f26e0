//! A process with many pairs, and whoever asks it.

use std::sync::Arc;

use leadsync::ops::{Ops, Pairs, Reason, Served, Shown, serve_pairs};
use leadsync::store::Store;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value as Json, json};

use crate::systems::{Systems, cycle};

pub const TOKEN: &str = "a token of more than sixteen characters";
pub const SECRET: &str = "5c0ffee5c0ffee5c0ffee";
pub const HOLDER: &str = "process 7 on <elsewhere> leads";

/// A pair that is led here.
pub struct Pair {
    pub systems: Systems,
    pub store: Arc<Store>,
    pub ops: Arc<Ops>,
}

impl Pair {
    /// With a parked lead and an open conflict.
    pub async fn new(name: &str) -> Self {
        let systems = Systems::of(12, 8, 5).await;
        std::fs::write(systems.folder.path().join("hook"), SECRET).unwrap();
        systems.configure("[sync]\n", "[sync]\nconflict = \"manual\"\n");
        systems.configure("[ops]\n", &format!("[ops]\ntoken = \"{TOKEN}\"\noperate_hook = \"file:hook\"\n"));
        let bad = json!({ "leadname": "Pomelo", "lastname": "P", "email": "pomelo", "location": "Hub City", "leadsource": "Website", "leadstatus": "New" });
        systems.sandbox.operate().create(&bad).unwrap();
        let engine = systems.engine().await;
        cycle(&engine).await.unwrap();
        cycle(&engine).await.unwrap();
        let config = systems.config();
        let store = Arc::new(Store::open(&config.store).await.unwrap());
        let (ours, theirs) = store.pair_in_step(0).await.unwrap().unwrap();
        systems.sandbox.operate().edit(&ours, &json!({ "phone": "020 7946 0001" })).unwrap();
        systems.sandbox.salesforce().edit(&theirs, &json!({ "Phone": "020 7946 0002" })).unwrap();
        cycle(&engine).await.unwrap();
        let ops = Ops::of_pair(name, &config, Arc::clone(&store));
        Self { systems, store, ops }
    }

    pub async fn is_paused(&self) -> bool {
        self.store.stops().await.unwrap().paused.is_some()
    }
}

/// A process with two pairs that it leads, `north` and `south`; one that it stands by for, `west`; and one that fails, `broken`.
pub struct Process {
    pub north: Pair,
    pub south: Pair,
    pub pairs: Arc<Pairs>,
    pub asked: Asked,
}

impl Process {
    pub async fn new() -> Self {
        let (north, south) = tokio::join!(Box::pin(Pair::new("north")), Box::pin(Pair::new("south")));
        let (pairs, reason) = (Pairs::new(), Reason::default());
        reason.set(HOLDER);
        pairs.show("south", Shown::Leads(Arc::clone(&south.ops)));
        pairs.show("west", Shown::StandsBy(reason));
        pairs.show("north", Shown::Leads(Arc::clone(&north.ops)));
        pairs.show("broken", Shown::Fails("[operate] base_url is <missing>".to_owned()));
        let asked = Asked::at(serve_pairs(Arc::clone(&pairs), ([127, 0, 0, 1], 0).into()).await.unwrap());
        Self { north, south, pairs, asked }
    }
}

/// An address to ask.
pub struct Asked {
    pub served: Served,
    pub client: Client,
}

impl Asked {
    pub fn at(served: Served) -> Self {
        Self { served, client: Client::builder().no_proxy().redirect(Policy::none()).build().unwrap() }
    }

    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.served.address))
    }

    pub async fn get(&self, path: &str) -> (StatusCode, String) {
        let answer = self.ask(Method::GET, path).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    pub async fn json(&self, path: &str) -> (StatusCode, Json) {
        let (status, text) = self.get(path).await;
        (status, serde_json::from_str(&text).unwrap())
    }

    /// Where a form leads.
    pub async fn post(&self, path: &str, cookie: &str, fields: &[(&str, &str)]) -> (StatusCode, String) {
        let answer = self.ask(Method::POST, path).header(COOKIE, cookie).form(fields).send().await.unwrap();
        let to = answer.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned());
        (answer.status(), to.unwrap_or_default())
    }

    /// Signs in at a base. Gives the whole cookie, and the word of forms.
    pub async fn sign_in(&self, base: &str) -> (String, String) {
        let answer = self.ask(Method::POST, &format!("{base}/sign-in")).form(&[("token", TOKEN)]).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        assert_eq!(answer.headers()[LOCATION], format!("{base}/?done=signed-in"));
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().to_owned();
        let page = self.ask(Method::GET, &format!("{base}/")).header(COOKIE, value(&cookie)).send().await.unwrap();
        let page = page.text().await.unwrap();
        let form = page.split("name=\"form\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        (cookie, form)
    }
}

/// What a browser sends of a cookie.
pub fn value(cookie: &str) -> &str {
    cookie.split(';').next().unwrap()
}
