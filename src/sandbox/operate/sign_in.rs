//! The token endpoint.

use axum::http::{Method, StatusCode};
use serde_json::json;

use super::Operate;
use crate::sandbox::http::{Answer, Call};
use crate::sandbox::{OPERATE_CLIENT_ID, OPERATE_CLIENT_SECRET};

/// Who signs in with the `password` grant.
const USERNAME: &str = "operate-user";
const PASSWORD: &str = "operate-user-password";

impl Operate {
    pub(super) fn token(&self, call: &Call) -> Answer {
        if call.method != Method::POST {
            return Answer::text(StatusCode::METHOD_NOT_ALLOWED, "A token is asked for with POST");
        }
        let Some(form) = call.form() else {
            return token_refusal(StatusCode::BAD_REQUEST, "invalid_request", "The body should be a form");
        };
        let is = |name: &str, wanted: &str| form.iter().any(|(key, value)| key == name && value == wanted);
        let client = is("client_id", OPERATE_CLIENT_ID) && is("client_secret", OPERATE_CLIENT_SECRET);
        let good = match form.iter().find(|(key, _)| key == "grant_type").map(|(_, grant)| grant.as_str()) {
            Some("client_credentials") => client,
            Some("password") => client && is("username", USERNAME) && is("password", PASSWORD),
            Some(_) => return token_refusal(StatusCode::BAD_REQUEST, "unsupported_grant_type", "The grant type is not known"),
            None => return token_refusal(StatusCode::BAD_REQUEST, "invalid_request", "grant_type is missing"),
        };
        if !good {
            return wrong_client();
        }
        let token = self.sessions.issue();
        let mut answer = json!({ "access_token": token, "token_type": "Bearer" });
        if let Some(answer) = answer.as_object_mut().filter(|_| !self.state().switches.interface.omit_expires_in) {
            answer.insert("expires_in".to_owned(), json!(self.sessions.lifetime().as_secs()));
        }
        Answer::json(StatusCode::OK, &answer)
    }
}

pub(super) fn wrong_client() -> Answer {
    token_refusal(StatusCode::UNAUTHORIZED, "invalid_client", "The client credentials are not valid")
}

fn token_refusal(status: StatusCode, error: &str, description: &str) -> Answer {
    Answer::json(status, &json!({ "error": error, "error_description": description }))
}
