//! The ways to sign in to Salesforce, over real HTTP, and what an operator sees when one fails.

use std::path::PathBuf;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use leadsync::sandbox::Fault;
use serde_json::json;

use crate::systems::{Systems, cycle};

/// A new RSA key: the private part in a file of the folder, and both in PEM.
fn key(systems: &Systems) -> (PathBuf, String) {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let path = systems.folder.path().join("key.pem");
    std::fs::write(&path, pem::encode(&pem::Pem::new("PRIVATE KEY", private.as_ref()))).unwrap();
    (path, pem::encode(&pem::Pem::new("PUBLIC KEY", public.as_ref())))
}

/// Puts another way to sign in into the configuration.
fn sign_in_by(systems: &Systems, auth: &str) {
    let client = &systems.sandbox.addresses().salesforce.client_id;
    let from = format!(
        "auth = {{ flow = \"client_credentials\", client_id = \"{client}\", client_secret = \"file:salesforce-secret\" }}"
    );
    systems.configure(&from, &format!("auth = {{ client_id = \"{client}\", {auth} }}"));
}

async fn failure(systems: &Systems) -> String {
    let config = systems.config();
    let store = leadsync::store::Store::open(&config.store).await.unwrap();
    leadsync::daemon::assemble(&config, store).await.err().unwrap().to_string()
}

#[tokio::test]
async fn an_assertion_signed_by_a_known_key_signs_in() {
    let systems = Systems::of(5, 5, 2).await;
    let (_, public) = key(&systems);
    sign_in_by(&systems, "flow = \"jwt_bearer\", username = \"leadsync@sandbox.example\", private_key = \"file:key.pem\"");
    let refused = failure(&systems).await;
    assert!(refused.contains("user hasn't approved this consumer") && refused.contains("knows the certificate"), "{refused}");

    systems.sandbox.salesforce().switch(&json!({ "jwt_public_key": public })).unwrap();
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    systems.assert_in_step(8);
    systems.sandbox.salesforce().expire_tokens();
    cycle(&engine).await.unwrap();

    let (_, another) = key(&systems);
    let refused = failure(&systems).await;
    assert!(refused.contains("invalid_grant: invalid assertion"), "{refused}");
    systems.sandbox.salesforce().switch(&json!({ "jwt_public_key": another })).unwrap();
    systems.configure("leadsync@sandbox.example", "nobody@sandbox.example");
    let refused = failure(&systems).await;
    assert!(refused.contains("user hasn't approved this consumer"), "{refused}");
}

#[tokio::test]
async fn a_clock_of_ours_that_is_wrong_does_not_make_assertions_old() {
    let systems = Systems::of(2, 2, 1).await;
    let (_, public) = key(&systems);
    sign_in_by(&systems, "flow = \"jwt_bearer\", username = \"leadsync@sandbox.example\", private_key = \"file:key.pem\"");
    systems.sandbox.salesforce().switch(&json!({ "jwt_public_key": public })).unwrap();
    systems.sandbox.salesforce().set_clock_ahead(1_800);
    let config = systems.config();
    let clients =
        leadsync::daemon::Systems::of(&config, &leadsync::metrics::Metrics::default(), &leadsync::permit::Permit::default())
            .unwrap();
    // The first answer, which refuses, tells the server's time.
    let first = clients.describe().await.unwrap_err().to_string();
    assert!(first.contains("expired authorization code"), "{first}");
    clients.describe().await.unwrap();
}

#[tokio::test]
async fn rotated_refresh_tokens_are_kept_for_the_next_start() {
    let systems = Systems::of(5, 5, 2).await;
    let file = systems.folder.path().join("refresh-token");
    let first = systems.sandbox.addresses().salesforce.refresh_token;
    std::fs::write(&file, &first).unwrap();
    sign_in_by(&systems, "flow = \"refresh_token\", refresh_token = \"file:refresh-token\"");
    systems.sandbox.salesforce().switch(&json!({ "rotate_refresh_tokens": true })).unwrap();
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    systems.sandbox.salesforce().expire_tokens();
    cycle(&engine).await.unwrap();
    assert_ne!(std::fs::read_to_string(&file).unwrap(), first);
    drop(engine);
    cycle(&systems.engine().await).await.unwrap();
    systems.assert_in_step(8);

    std::fs::write(&file, &first).unwrap();
    let refused = failure(&systems).await;
    assert!(refused.contains("expired access/refresh token") && refused.contains("let a user consent"), "{refused}");
    assert!(!refused.contains(&first), "a secret is shown");
}

#[tokio::test]
async fn sessions_that_would_be_refused_again_end_with_advice_and_no_loop() {
    for (text, advice) in [
        ("This session is not valid for use with the REST API", "give the integration user the permission API Enabled"),
        ("Connected app is not attached to Agent", "let the app that signs in be one for API use"),
    ] {
        let systems = Systems::of(2, 2, 1).await;
        let body = json!([{ "errorCode": "INVALID_SESSION_ID", "message": text }]).to_string();
        let refused = Fault { times: 0, status: Some(401), body: Some(body), ..Fault::on("any") };
        systems.sandbox.salesforce().fault(Fault { matching: "GET /sobjects".to_owned(), ..refused }).unwrap();
        let error = failure(&systems).await;
        assert!(error.contains(text) && error.contains(advice), "{error}");
        let requests = systems.sandbox.salesforce().requests();
        assert_eq!((requests.token, requests.read), (1, 1));
    }
}

#[tokio::test]
async fn many_requests_whose_session_ended_sign_in_once() {
    let systems = Systems::of(20, 400, 20).await;
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    for lead in systems.sandbox.operate().leads().iter().take(150) {
        systems.sandbox.operate().edit(&lead["leadid"].to_string(), &json!({ "jobtitle": "Keeper" })).unwrap();
    }
    systems.configure("[sync]\n", "[sync]\nmax_change = \"off\"\n");
    let engine = systems.engine().await;
    let before = systems.sandbox.salesforce().requests().token;
    systems.sandbox.salesforce().expire_tokens();
    cycle(&engine).await.unwrap();
    systems.assert_in_step(400);
    assert_eq!(systems.sandbox.salesforce().requests().token, before + 1);
}

#[tokio::test]
async fn an_org_that_moves_is_followed_to_its_newest_address() {
    let systems = Systems::of(6, 6, 6).await;
    let engine = systems.engine().await;
    cycle(&engine).await.unwrap();
    let (ours, theirs) = engine.store().pair_in_step(2).await.unwrap().unwrap();
    for (moved, title) in [(true, "Keeper"), (false, "Warden")] {
        systems.sandbox.salesforce().switch(&json!({ "second_instance": moved })).unwrap();
        systems.sandbox.operate().edit(&ours, &json!({ "jobtitle": title })).unwrap();
        cycle(&engine).await.unwrap();
        assert_eq!(systems.sandbox.salesforce().lead(&theirs).unwrap()["Title"], json!(title), "moved: {moved}");
    }
}
