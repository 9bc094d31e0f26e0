//! Signing in and out.

use axum::http::{Method, StatusCode};
use serde_json::{Value as Json, json};

use super::{ORGANIZATION, Salesforce, rows};
use crate::sandbox::http::{Answer, Call};
use crate::sandbox::{SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET};

impl Salesforce {
    pub(super) fn oauth(&self, call: &Call, what: &str) -> Answer {
        match (what, &call.method) {
            ("token", &Method::POST) => self.token(call),
            ("revoke", &Method::POST) => self.revoke(call),
            ("userinfo", _) => self.identity(call),
            _ => refusal("invalid_request", "this address takes other requests"),
        }
    }

    fn token(&self, call: &Call) -> Answer {
        let Some(form) = call.form() else {
            return refusal("invalid_request", "the body should be a form");
        };
        let given = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        match given("grant_type").as_deref() {
            Some("client_credentials") => {}
            Some("password") => return refusal("invalid_grant", "authentication failure"),
            Some("refresh_token") => return refusal("invalid_grant", "expired access/refresh token"),
            Some("urn:ietf:params:oauth:grant-type:jwt-bearer") => {
                return refusal("invalid_grant", "user hasn't approved this consumer");
            }
            Some(_) => return refusal("unsupported_grant_type", "grant type not supported"),
            None => return refusal("invalid_request", "must provide grant_type"),
        }
        let (id, secret) =
            call.basic().unwrap_or_else(|| (given("client_id").unwrap_or_default(), given("client_secret").unwrap_or_default()));
        if id != SALESFORCE_CLIENT_ID {
            return refusal("invalid_client_id", "client identifier invalid");
        }
        if secret != SALESFORCE_CLIENT_SECRET {
            return refusal("invalid_client", "invalid client credentials");
        }
        let answer = json!({
            "access_token": self.sessions.issue(),
            "signature": "c2FuZGJveA==",
            "scope": "api",
            "instance_url": self.address,
            "id": self.identity_url(),
            "token_type": "Bearer",
            "issued_at": self.clock.now().timestamp_millis().to_string(),
        });
        Answer::json(StatusCode::OK, &answer).with_header("cache-control", "no-store")
    }

    fn revoke(&self, call: &Call) -> Answer {
        let form = call.form().unwrap_or_default();
        let token = form.iter().find(|(key, _)| key == "token").map(|(_, token)| token.as_str());
        if token.is_some_and(|token| self.sessions.revoke(token)) {
            Answer::empty(StatusCode::OK)
        } else {
            refusal("invalid_token", "invalid token: the token is unknown or was revoked")
        }
    }

    /// Who is signed in.
    pub(super) fn identity(&self, call: &Call) -> Answer {
        if !self.sessions.accepts(call.bearer().or_else(|| call.parameter("oauth_token"))) {
            return Answer::text(StatusCode::FORBIDDEN, "Bad_OAuth_Token");
        }
        let identity: Json = json!({
            "id": self.identity_url(),
            "sub": self.identity_url(),
            "user_id": rows::USER,
            "organization_id": ORGANIZATION,
            "preferred_username": "leadsync@sandbox.example",
            "username": "leadsync@sandbox.example",
            "name": "Integration User",
            "urls": { "rest": format!("{}/services/data/v{{version}}/", self.address) },
        });
        Answer::json(StatusCode::OK, &identity)
    }

    fn identity_url(&self) -> String {
        format!("{}/id/{ORGANIZATION}/{}", self.address, rows::USER)
    }
}

fn refusal(error: &str, description: &str) -> Answer {
    let body = json!({ "error": error, "error_description": description });
    Answer::json(StatusCode::BAD_REQUEST, &body).with_header("cache-control", "no-store")
}
