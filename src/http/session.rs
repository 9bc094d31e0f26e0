//! Signed-in sessions: one for all tasks, renewed by one of them while the others wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use reqwest::Url;
use secrecy::SecretString;
use tokio::sync::Mutex;

use super::Transport;
use crate::side::SideError;

/// What a sign-in gave.
#[derive(Debug)]
pub struct Session {
    /// The access token.
    pub token: SecretString,
    /// Where requests go.
    pub base: Url,
    /// When to sign in anew without waiting to be refused.
    pub good_until: Option<Instant>,
}

impl Session {
    /// When to renew a token of this lifetime: a little before its end.
    #[must_use]
    pub fn until(lifetime: Duration) -> Instant {
        Instant::now() + lifetime.saturating_sub((lifetime / 10).min(Duration::from_secs(30)))
    }
}

/// How a system is signed in to.
#[async_trait]
pub trait SignIn: Send + Sync {
    /// Asks for a session.
    async fn sign_in(&self, transport: &Transport) -> Result<Session, SideError>;

    /// Whether a refused session (401) with this text would be refused again after a new sign-in.
    fn is_hopeless(&self, text: &str) -> bool {
        let _ = text;
        false
    }
}

/// The one session.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    current: Mutex<Option<Arc<Session>>>,
}

impl Sessions {
    /// The session that all use, or a new one if there is none or the one there is was `refused`. Who comes while another
    /// signs in waits for that session.
    pub(super) async fn get(
        &self,
        transport: &Transport,
        how: &dyn SignIn,
        refused: Option<&Arc<Session>>,
    ) -> Result<Arc<Session>, SideError> {
        let mut current = self.current.lock().await;
        if let Some(session) = &*current {
            let was_refused = refused.is_some_and(|refused| Arc::ptr_eq(refused, session));
            let is_old = session.good_until.is_some_and(|until| Instant::now() >= until);
            if !was_refused && !is_old {
                return Ok(Arc::clone(session));
            }
        }
        *current = None;
        let session = Arc::new(how.sign_in(transport).await?);
        *current = Some(Arc::clone(&session));
        Ok(session)
    }
}
