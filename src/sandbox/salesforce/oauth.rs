//! Signing in and out.

use axum::http::header::HOST;
use axum::http::{Method, StatusCode};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value as Json, json};

use super::{ORGANIZATION, Salesforce, rows};
use crate::sandbox::http::{Answer, Call};
use crate::sandbox::{
    SALESFORCE_CLIENT_ID, SALESFORCE_CLIENT_SECRET, SALESFORCE_PASSWORD, SALESFORCE_REFRESH_TOKEN, SALESFORCE_USERNAME,
};

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
        let given = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default();
        let sign_ins = self.state().leads.switches.sign_ins.clone();
        let client = call.basic().unwrap_or_else(|| (given("client_id"), given("client_secret")));
        let refused = match given("grant_type").as_str() {
            "client_credentials" => client_refusal(&client, true),
            "password" if !sign_ins.password_flow => Some(("invalid_grant", "authentication failure")),
            "password" => client_refusal(&client, true).or_else(|| {
                let good = given("username") == SALESFORCE_USERNAME && given("password").starts_with(SALESFORCE_PASSWORD);
                (!good).then_some(("invalid_grant", "authentication failure"))
            }),
            "refresh_token" => client_refusal(&client, !client.1.is_empty()).or_else(|| {
                let good = self.state().refresh_token == given("refresh_token");
                (!good).then_some(("invalid_grant", "expired access/refresh token"))
            }),
            "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
                self.assertion_refusal(&given("assertion"), sign_ins.jwt_public_key.as_deref())
            }
            "" => Some(("invalid_request", "must provide grant_type")),
            _ => Some(("unsupported_grant_type", "grant type not supported")),
        };
        if let Some((error, description)) = refused {
            return refusal(error, description);
        }
        // Where the client reached it, which may be a proxy or a forwarded port.
        let host = call.headers.get(HOST).and_then(|host| host.to_str().ok()).filter(|_| !sign_ins.second_instance);
        let instance_url = host.map_or_else(|| self.instance_url().to_owned(), |host| format!("http://{host}"));
        self.state().instances.insert(instance_url.clone());
        let mut answer = json!({
            "access_token": self.sessions.issue(),
            "scope": "api",
            "instance_url": instance_url,
            "id": self.identity_url(),
            "token_type": "Bearer",
        });
        let is_assertion = given("grant_type").ends_with("jwt-bearer");
        if let Some(answer) = answer.as_object_mut().filter(|_| !is_assertion) {
            answer.insert("signature".to_owned(), json!("c2FuZGJveA=="));
            answer.insert("issued_at".to_owned(), json!(self.clock.now().timestamp_millis().to_string()));
        }
        if given("grant_type") == "refresh_token" && sign_ins.rotate_refresh_tokens {
            let next = format!("{SALESFORCE_REFRESH_TOKEN}{}", self.rotation());
            if let Some(answer) = answer.as_object_mut() {
                answer.insert("refresh_token".to_owned(), json!(next));
            }
            self.state().refresh_token = next;
        }
        Answer::json(StatusCode::OK, &answer).with_header("cache-control", "no-store")
    }

    /// A number that no rotation had before.
    fn rotation(&self) -> usize {
        let mut state = self.state();
        state.rotations += 1;
        state.rotations
    }

    /// Why an assertion signs nobody in. Real orgs are lenient about the form of `exp`, and so is this one.
    fn assertion_refusal(&self, assertion: &str, public_key: Option<&str>) -> Option<(&'static str, &'static str)> {
        let Some(key) = public_key.and_then(|key| DecodingKey::from_rsa_pem(key.as_bytes()).ok()) else {
            return Some(("invalid_grant", "user hasn't approved this consumer"));
        };
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let Ok(decoded) = jsonwebtoken::decode::<Json>(assertion, &key, &validation) else {
            return Some(("invalid_grant", "invalid assertion"));
        };
        let claims = decoded.claims;
        let text = |name: &str| claims.get(name).and_then(Json::as_str).unwrap_or_default();
        let seconds = match claims.get("exp") {
            Some(Json::Number(number)) => number.as_i64(),
            Some(Json::String(text)) => text.parse().ok(),
            _ => None,
        };
        let seconds = seconds.map(|exp| if exp > 100_000_000_000 { exp / 1_000 } else { exp });
        let audiences = ["https://login.salesforce.com", "https://test.salesforce.com", self.address.as_str()];
        if text("iss") != SALESFORCE_CLIENT_ID {
            Some(("invalid_client_id", "client identifier invalid"))
        } else if !audiences.contains(&text("aud").trim_end_matches('/')) {
            Some(("invalid_grant", "audience is invalid"))
        } else if seconds.is_none_or(|exp| exp < self.clock.now().timestamp()) {
            Some(("invalid_grant", "expired authorization code"))
        } else if text("sub") != SALESFORCE_USERNAME {
            Some(("invalid_grant", "user hasn't approved this consumer"))
        } else {
            None
        }
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
            "preferred_username": SALESFORCE_USERNAME,
            "username": SALESFORCE_USERNAME,
            "email": SALESFORCE_USERNAME,
            "active": true,
            "name": "Integration User",
            "urls": {
                "rest": format!("{}/services/data/v{{version}}/", self.instance_url()),
                "query": format!("{}/services/data/v{{version}}/query/", self.instance_url()),
                "sobjects": format!("{}/services/data/v{{version}}/sobjects/", self.instance_url()),
            },
        });
        Answer::json(StatusCode::OK, &identity)
    }

    pub(super) fn identity_url(&self) -> String {
        format!("{}/id/{ORGANIZATION}/{}", self.address, rows::USER)
    }
}

/// Why the app's own credentials will not do.
fn client_refusal((id, secret): &(String, String), wants_secret: bool) -> Option<(&'static str, &'static str)> {
    if id != SALESFORCE_CLIENT_ID {
        return Some(("invalid_client_id", "client identifier invalid"));
    }
    (wants_secret && secret != SALESFORCE_CLIENT_SECRET).then_some(("invalid_client", "invalid client credentials"))
}

/// What a fault's status says where it brings no text.
pub(super) fn fault_answer(status: StatusCode) -> Answer {
    let (error, description) = match status.as_u16() {
        400 => ("invalid_grant", "authentication failure"),
        401 => ("invalid_client", "invalid client credentials"),
        403 | 429 => ("rate_limit_exceeded", "login rate exceeded"),
        502 => return super::errors::of_status(status),
        _ => ("unknown_error", "retry your request"),
    };
    Answer { status, ..refusal(error, description) }
}

fn refusal(error: &str, description: &str) -> Answer {
    let body = json!({ "error": error, "error_description": description });
    Answer::json(StatusCode::BAD_REQUEST, &body).with_header("cache-control", "no-store")
}
