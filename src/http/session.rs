//! Signed-in sessions: one for all tasks, renewed by one of them while the others wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use reqwest::Url;
use reqwest::header::HeaderMap;
use secrecy::SecretString;
use tokio::sync::Mutex;

use super::{Answer, Transport};
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
    /// When to renew a token of this lifetime: a little before its end. `None` where that is beyond all clocks.
    #[must_use]
    pub fn until(lifetime: Duration) -> Option<Instant> {
        Instant::now().checked_add(lifetime.saturating_sub((lifetime / 10).min(Duration::from_secs(30))))
    }
}

/// How a system is signed in to.
#[async_trait]
pub trait SignIn: Send + Sync {
    /// Asks for a session.
    async fn sign_in(&self, transport: &Transport) -> Result<Session, SideError>;

    /// What to do about a refused session (401) whose text says that a new sign-in would meet the same refusal.
    fn hopeless(&self, text: &str) -> Option<&'static str> {
        let _ = text;
        None
    }

    /// Whether an answer with another status than the usual ones says "later", and was given before the request had any effect.
    fn is_busy(&self, answer: &Answer) -> bool {
        let _ = answer;
        false
    }

    /// Looks at the headers of every answer.
    fn observe(&self, headers: &HeaderMap) {
        let _ = headers;
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
