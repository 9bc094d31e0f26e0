//! An org that moves to another address between two sign-ins, by three small servers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use leadsync::config::Config;
use leadsync::daemon::Systems;
use serde_json::json;

type Seen = Arc<Mutex<Vec<String>>>;

/// Serves on loopback and gives the address.
async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// An instance that accepts one token, and notes who asks.
async fn instance(token: &'static str, seen: Seen) -> String {
    let describe = move |headers: HeaderMap| async move {
        let given = headers["authorization"].to_str().unwrap().to_owned();
        seen.lock().unwrap().push(given.clone());
        if given == format!("Bearer {token}") {
            (StatusCode::OK, json!({ "fields": [] }).to_string())
        } else {
            let refused = json!([{ "errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid" }]);
            (StatusCode::UNAUTHORIZED, refused.to_string())
        }
    };
    serve(Router::new().route("/services/data/v64.0/sobjects/Lead/describe", get(describe))).await
}

#[tokio::test]
async fn requests_follow_the_address_that_the_newest_sign_in_gave() {
    let (old, new) = (Seen::default(), Seen::default());
    // The old instance knows no token any more.
    let addresses = [instance("none", Arc::clone(&old)).await, instance("second", Arc::clone(&new)).await];
    let sign_ins = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sign_ins);
    let token = move || {
        let number = counted.fetch_add(1, Ordering::SeqCst).min(1);
        let token = ["first", "second"][number];
        let answer = json!({
            "access_token": token, "instance_url": addresses[number], "token_type": "Bearer",
            "id": "https://login.salesforce.com/id/00D5g0000000001EAA/0055g0000000001AAA",
        });
        async move { answer.to_string() }
    };
    let login = serve(Router::new().route("/services/oauth2/token", post(token))).await;
    let text = format!(
        r#"
        [operate]
        base_url = "http://127.0.0.1:9"
        auth = {{ client_id = "a", client_secret = "env:SECRET" }}
        [salesforce]
        login_url = "{login}"
        auth = {{ client_id = "a", client_secret = "env:SECRET" }}
        [sync]
        match = [["email"]]
        [[fields]]
        name = "email"
        operate = "email"
        salesforce = "Email"
        "#
    );
    let config = Config::from_text(&text, "leadsync.toml", [("SECRET".to_owned(), "s".to_owned())]).unwrap().config;
    let systems = Systems::of(&config, &leadsync::metrics::Metrics::default(), &leadsync::permit::Permit::default()).unwrap();
    for _ in 0..3 {
        systems.describe().await.unwrap();
    }
    assert_eq!(old.lock().unwrap().as_slice(), ["Bearer first"], "the old address is asked once, and never gets the new token");
    assert_eq!(new.lock().unwrap().as_slice(), ["Bearer second"; 3]);
    assert_eq!(sign_ins.load(Ordering::SeqCst), 2);
    // The new address refuses to say who is signed in, and the sign-in told it.
    let identity = systems.salesforce.identity().await.unwrap();
    assert_eq!((identity.user.as_str(), identity.organization.as_str()), ("0055g0000000001AAA", "00D5g0000000001EAA"));
    assert!(identity.problem.is_some());
}
