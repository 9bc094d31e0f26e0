//! Signing in: OAuth client credentials, with a user's name and password where the workspace wants them.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::config::operate::{OperateAuth, OperateConfig};
use crate::http::{Answer, Session, SignIn, Transport, is_passing, json_problem, parse_address};
use crate::lead::Side;
use crate::side::SideError;

/// The workspace's address and the credentials.
pub(super) struct OperateSignIn {
    base: Url,
    token_url: Url,
    auth: OperateAuth,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
    /// Seconds; where it is not told, the token is used until it is refused.
    #[serde(default)]
    expires_in: Option<f64>,
}

impl OperateSignIn {
    pub(super) fn new(config: &OperateConfig) -> Result<Self, SideError> {
        let base = parse_address(Side::Operate, &config.base_url)?;
        let token_url = parse_address(Side::Operate, &format!("{}/oauth2/token", config.base_url))?;
        Ok(Self { base, token_url, auth: config.auth.clone() })
    }
}

#[async_trait]
impl SignIn for OperateSignIn {
    async fn sign_in(&self, transport: &Transport) -> Result<Session, SideError> {
        let grant = if self.auth.password.is_some() { "password" } else { "client_credentials" };
        let mut form = vec![
            ("grant_type", grant),
            ("client_id", self.auth.client_id.as_str()),
            ("client_secret", self.auth.client_secret.expose_secret()),
        ];
        if let Some((username, password)) = &self.auth.password {
            form.extend([("username", username.as_str()), ("password", password.expose_secret())]);
        }
        self.session(&transport.post_form(&self.token_url, &form).await?)
    }
}

impl OperateSignIn {
    /// The session that an answer gives.
    pub(super) fn session(&self, answer: &Answer) -> Result<Session, SideError> {
        if !answer.status.is_success() {
            return Err(refused(answer));
        }
        let token: Token = serde_json::from_slice(&answer.body).map_err(|error| SideError::Answer {
            side: Side::Operate,
            // The answer itself may hold the token, so it is not shown.
            reason: format!("the sign-in gave no access_token: {}", json_problem(&error)),
        })?;
        let lifetime = token.expires_in.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Ok(Session {
            token: SecretString::from(token.access_token),
            base: self.base.clone(),
            good_until: lifetime.and_then(Session::until),
        })
    }
}

fn refused(answer: &Answer) -> SideError {
    let (side, said) = (Side::Operate, answer.refusal().to_string());
    if is_passing(answer.status) {
        return SideError::Unreachable { side, reason: said };
    }
    SideError::Auth { side, reason: format!("{said}; check [operate] base_url and auth") }
}
