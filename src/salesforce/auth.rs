//! Signing in: OAuth client credentials, JWT bearer and refresh token.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::outcome::refusal_of;
use crate::config::salesforce::{SalesforceAuth, SalesforceConfig};
use crate::http::{Answer, Session, SignIn, Transport, is_passing, json_problem, parse_address};
use crate::lead::Side;
use crate::side::{SideError, Usage};

/// Texts of a 401 that a new session would meet again, and what to do about them.
const HOPELESS: [(&str, &str); 2] = [
    (
        "This session is not valid for use with the REST API",
        "give the integration user the permission API Enabled, and the app the scope \"Manage user data via APIs (api)\"",
    ),
    ("Connected app is not attached to Agent", "let the app that signs in be one for API use, and not that of an agent"),
];
/// How long an assertion is good for. Salesforce wants no more than a few minutes.
const ASSERTION_LIFE: TimeDelta = TimeDelta::minutes(3);

/// An org's sign-in address and the credentials for it.
pub(super) struct SalesforceSignIn {
    token_url: Url,
    auth: SalesforceAuth,
    /// The refresh token that is good now, where the flow has one.
    refresh_token: Mutex<Option<SecretString>>,
    /// What the org last said of its requests.
    usage: Mutex<Option<Usage>>,
    /// The ids of org and user, as the last sign-in told them.
    ids: Mutex<Option<(String, String)>>,
}

/// The part of a token answer that is needed. Salesforce does not say how long a session lives.
#[derive(Deserialize)]
struct SignedIn {
    access_token: String,
    instance_url: String,
    /// The next refresh token, where the app rotates them: the one before it is dead by now.
    #[serde(default)]
    refresh_token: Option<String>,
    /// `https://login.salesforce.com/id/{org}/{user}`.
    #[serde(default)]
    id: Option<String>,
}

#[derive(Deserialize)]
struct Turned {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// The claims of an assertion.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
}

impl SalesforceSignIn {
    pub(super) fn new(config: &SalesforceConfig) -> Result<Self, SideError> {
        let token_url = parse_address(Side::Salesforce, &format!("{}/services/oauth2/token", config.login_url))?;
        let refresh_token = match &config.auth {
            SalesforceAuth::RefreshToken { refresh_token, .. } => Some(refresh_token.clone()),
            _ => None,
        };
        Ok(Self {
            token_url,
            auth: config.auth.clone(),
            refresh_token: Mutex::new(refresh_token),
            usage: Mutex::default(),
            ids: Mutex::default(),
        })
    }

    /// The org's requests of 24 hours, once an answer told them.
    pub(super) fn usage(&self) -> Option<Usage> {
        *self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ids of org and user, once a sign-in told them.
    pub(super) fn ids(&self) -> Option<(String, String)> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn ask(&self, transport: &Transport) -> Result<Answer, SideError> {
        let refresh_token = self.refresh_token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let assertion;
        let form = match &self.auth {
            SalesforceAuth::ClientCredentials { client_id, client_secret } => vec![
                ("grant_type", "client_credentials"),
                ("client_id", client_id.as_str()),
                ("client_secret", client_secret.expose_secret()),
            ],
            SalesforceAuth::JwtBearer { client_id, username, private_key, audience } => {
                // By the server's clock, as soon as it is known: a clock of ours that is wrong would make the assertion old.
                let ahead = transport.clock().map_or_else(TimeDelta::zero, |clock| clock.offset);
                let exp = (Utc::now() + ahead + ASSERTION_LIFE).timestamp();
                assertion = sign(&Claims { iss: client_id, sub: username, aud: audience, exp }, private_key)?;
                vec![("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion.expose_secret())]
            }
            SalesforceAuth::RefreshToken { client_id, client_secret, .. } => {
                let mut form = vec![("grant_type", "refresh_token"), ("client_id", client_id.as_str())];
                form.extend(client_secret.as_ref().map(|secret| ("client_secret", secret.expose_secret())));
                form.extend(refresh_token.as_ref().map(|token| ("refresh_token", token.expose_secret())));
                form
            }
        };
        transport.post_form(&self.token_url, &form).await
    }

    /// Keeps the next refresh token: in memory, and in the file that the last one came from.
    fn rotate(&self, next: String) {
        let next = SecretString::from(next);
        if let SalesforceAuth::RefreshToken { file, .. } = &self.auth {
            match file.as_deref().map(|file| (file, replace(file, &next))) {
                Some((file, Ok(()))) => tracing::info!(file = %file.display(), "session.refresh_token_rotated"),
                Some((file, Err(error))) => tracing::error!(
                    file = %file.display(), error = %error,
                    hint = "the org gave a new one, and it cannot be kept: the next start will not be able to sign in",
                    "session.refresh_token_lost"
                ),
                None => tracing::error!(
                    hint = "the org gave a new one, and there is nowhere to keep it: write salesforce.auth.refresh_token as \"file:PATH\", \
                            or the next start will not be able to sign in",
                    "session.refresh_token_lost"
                ),
            }
        }
        *self.refresh_token.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
    }
}

/// Puts a secret in the place of a file's text, so that a crash leaves the old or the new one.
fn replace(file: &Path, secret: &SecretString) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), Path::to_owned);
    let mut next = tempfile::NamedTempFile::new_in(folder)?;
    next.write_all(secret.expose_secret().as_bytes())?;
    next.as_file().set_permissions(std::fs::metadata(file)?.permissions())?;
    next.as_file().sync_all()?;
    next.persist(file)?;
    Ok(())
}

/// The ids of org and user: the last two parts of an identity's address.
fn ids_of(address: &str) -> Option<(String, String)> {
    let mut parts = address.trim_end_matches('/').rsplit('/');
    let (user, organization) = (parts.next()?, parts.next()?);
    Some((organization.to_owned(), user.to_owned()))
}

fn sign(claims: &Claims<'_>, key: &SecretString) -> Result<SecretString, SideError> {
    let key = EncodingKey::from_rsa_pem(key.expose_secret().as_bytes());
    key.and_then(|key| jsonwebtoken::encode(&Header::new(Algorithm::RS256), claims, &key)).map(SecretString::from).map_err(
        |error| SideError::Auth { side: Side::Salesforce, reason: format!("salesforce.auth.private_key does not sign: {error}") },
    )
}

#[async_trait]
impl SignIn for SalesforceSignIn {
    async fn sign_in(&self, transport: &Transport) -> Result<Session, SideError> {
        self.session(&self.ask(transport).await?)
    }

    fn hopeless(&self, text: &str) -> Option<&'static str> {
        HOPELESS.iter().find(|(known, _)| text.contains(known)).map(|(_, advice)| *advice)
    }

    /// The limit on long requests at once passes by within seconds.
    fn is_busy(&self, answer: &Answer) -> bool {
        if answer.status != StatusCode::FORBIDDEN {
            return false;
        }
        let refusal = refusal_of(answer);
        refusal.code == "REQUEST_LIMIT_EXCEEDED" && refusal.message.contains("Concurrent")
    }

    fn observe(&self, headers: &HeaderMap) {
        if let Some(usage) = super::budget::usage(headers) {
            *self.usage.lock().unwrap_or_else(PoisonError::into_inner) = Some(usage);
        }
    }
}

impl SalesforceSignIn {
    /// The session that an answer gives.
    pub(super) fn session(&self, answer: &Answer) -> Result<Session, SideError> {
        if !answer.status.is_success() {
            return Err(self.refused(answer));
        }
        let token: SignedIn = serde_json::from_slice(&answer.body).map_err(|error| SideError::Answer {
            side: Side::Salesforce,
            // The answer itself may hold the token, so it is not shown.
            reason: format!("the sign-in gave no access_token and instance_url: {}", json_problem(&error)),
        })?;
        if let Some(next) = token.refresh_token {
            self.rotate(next);
        }
        let base = Url::parse(&token.instance_url).map_err(|error| SideError::Answer {
            side: Side::Salesforce,
            reason: format!("the sign-in gave an instance_url that is not an address: {error}"),
        })?;
        *self.ids.lock().unwrap_or_else(PoisonError::into_inner) = token.id.as_deref().and_then(ids_of);
        Ok(Session { token: SecretString::from(token.access_token), base, good_until: None })
    }

    fn refused(&self, answer: &Answer) -> SideError {
        let side = Side::Salesforce;
        if is_passing(answer.status) {
            return SideError::Unreachable { side, reason: answer.refusal().to_string() };
        }
        let Ok(Turned { error, error_description }) = serde_json::from_slice(&answer.body) else {
            return SideError::Auth { side, reason: format!("{}; check [salesforce] login_url", answer.refusal()) };
        };
        let advice = match (error.as_str(), &self.auth) {
            ("invalid_client_id", _) => "check salesforce.auth.client_id",
            ("invalid_client" | "invalid_client_credentials", _) => "check salesforce.auth.client_secret",
            ("invalid_grant", SalesforceAuth::ClientCredentials { .. }) => {
                "check that the app allows the client credentials flow and names a run-as user"
            }
            ("invalid_grant", SalesforceAuth::JwtBearer { .. }) => {
                "check that the app knows the certificate of the private key, that the user is pre-authorised for the app, and \
                 salesforce.auth.audience"
            }
            ("invalid_grant", SalesforceAuth::RefreshToken { .. }) => {
                "the refresh token was used up or revoked: let a user consent to the app once more, and store the new one"
            }
            ("rate_limit_exceeded", _) => "wait: this user signed in too often in the last hour",
            ("inactive_user" | "inactive_org", _) => "let an administrator activate it, or name another",
            _ => "check [salesforce] login_url and auth",
        };
        SideError::Auth { side, reason: format!("{error}: {error_description}; {advice}") }
    }
}
