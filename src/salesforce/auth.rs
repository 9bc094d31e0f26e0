//! Signing in with the OAuth client credentials flow.

use async_trait::async_trait;
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::config::salesforce::{SalesforceAuth, SalesforceConfig};
use crate::http::{Answer, Session, SignIn, Transport, is_passing, parse_address};
use crate::lead::Side;
use crate::side::SideError;

/// Texts of a 401 that a new session would meet again: the user or the app lacks a right.
const HOPELESS: [&str; 2] = ["This session is not valid for use with the REST API", "Connected app is not attached to Agent"];

/// An app's own credentials.
pub(super) struct ClientCredentials {
    token_url: Url,
    client_id: String,
    client_secret: SecretString,
}

/// The part of a token answer that is needed. Salesforce does not say how long a session lives.
#[derive(Deserialize)]
struct Token {
    access_token: String,
    instance_url: String,
}

#[derive(Deserialize)]
struct TokenRefusal {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl ClientCredentials {
    pub(super) fn new(config: &SalesforceConfig) -> Result<Self, SideError> {
        let SalesforceAuth::ClientCredentials { client_id, client_secret } = &config.auth;
        let token_url = parse_address(Side::Salesforce, &format!("{}/services/oauth2/token", config.login_url))?;
        Ok(Self { token_url, client_id: client_id.clone(), client_secret: client_secret.clone() })
    }
}

#[async_trait]
impl SignIn for ClientCredentials {
    async fn sign_in(&self, transport: &Transport) -> Result<Session, SideError> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id.as_str()),
            ("client_secret", self.client_secret.expose_secret()),
        ];
        let answer = transport.post_form(&self.token_url, &form).await?;
        if !answer.status.is_success() {
            return Err(refused(&answer));
        }
        let token: Token = serde_json::from_slice(&answer.body).map_err(|error| SideError::Answer {
            side: Side::Salesforce,
            // The answer itself may hold the token, so it is not shown.
            reason: format!("the sign-in gave no access_token and instance_url: {error}"),
        })?;
        let base = parse_address(Side::Salesforce, &token.instance_url)?;
        Ok(Session { token: SecretString::from(token.access_token), base, good_until: None })
    }

    fn is_hopeless(&self, text: &str) -> bool {
        HOPELESS.iter().any(|known| text.contains(known))
    }
}

fn refused(answer: &Answer) -> SideError {
    let side = Side::Salesforce;
    if is_passing(answer.status) {
        return SideError::Unreachable { side, reason: answer.refusal().to_string() };
    }
    let Ok(TokenRefusal { error, error_description }) = serde_json::from_slice(&answer.body) else {
        return SideError::Auth { side, reason: format!("{}; check [salesforce] login_url", answer.refusal()) };
    };
    let advice = match error.as_str() {
        "invalid_client_id" => "check salesforce.auth.client_id",
        "invalid_client" | "invalid_client_credentials" => "check salesforce.auth.client_secret",
        "invalid_grant" => "check that the app allows the client credentials flow and names a run-as user",
        "rate_limit_exceeded" => "wait: this user signed in too often in the last hour",
        _ => "check [salesforce] login_url and auth",
    };
    SideError::Auth { side, reason: format!("{error}: {error_description}; {advice}") }
}
