//! Who may act: those who have signed in with `[ops] token`. Sessions are in memory alone, and end with the program or its token.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

/// A working day.
pub(super) const LIFE: Duration = Duration::from_hours(8);

/// More at once than there are people who do this; the oldest makes room.
const MOST: usize = 64;

/// So many attempts to sign in a minute, by all together: nobody guesses 16 characters so.
const ATTEMPTS: NonZeroU32 = NonZeroU32::new(10).unwrap();

pub(super) const COOKIE_NAME: &str = "leadsync_session";

/// Who has signed in.
pub(in crate::ops) struct Door {
    sessions: Mutex<HashMap<String, Session>>,
    attempts: DefaultDirectRateLimiter,
}

struct Session {
    /// The word in this session's forms.
    form: String,
    /// What it was signed in with: it ends when the configuration names another.
    token: SecretString,
    until: Instant,
}

/// Why somebody cannot sign in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// The token is another one.
    Wrong,
    /// There were too many attempts.
    TooMany,
    /// The operating system gives no random numbers.
    NoChance,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Door").finish_non_exhaustive()
    }
}

impl Default for Door {
    fn default() -> Self {
        Self { sessions: Mutex::default(), attempts: RateLimiter::direct(Quota::per_minute(ATTEMPTS)) }
    }
}

impl Door {
    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signs in, and gives the cookie's value.
    pub(super) fn sign_in(&self, token: &SecretString, given: &str) -> Result<String, Kept> {
        self.attempts.check().map_err(|_| Kept::TooMany)?;
        if !same(token.expose_secret(), given) {
            return Err(Kept::Wrong);
        }
        let (id, form) = (random().ok_or(Kept::NoChance)?, random().ok_or(Kept::NoChance)?);
        let now = Instant::now();
        let mut sessions = self.sessions();
        sessions.retain(|_, session| session.until > now);
        if sessions.len() >= MOST
            && let Some(oldest) = sessions.iter().min_by_key(|(_, session)| session.until).map(|(id, _)| id.clone())
        {
            sessions.remove(&oldest);
        }
        sessions.insert(id.clone(), Session { form, token: token.clone(), until: now + LIFE });
        Ok(id)
    }

    /// The word for the forms of whoever sends these headers, if they have signed in.
    pub(super) fn session(&self, token: &SecretString, headers: &HeaderMap) -> Option<String> {
        let sessions = self.sessions();
        let session = sessions.get(cookie(headers)?)?;
        let is_open = session.until > Instant::now() && same(session.token.expose_secret(), token.expose_secret());
        is_open.then(|| session.form.clone())
    }

    pub(super) fn sign_out(&self, headers: &HeaderMap) {
        if let Some(id) = cookie(headers) {
            self.sessions().remove(id);
        }
    }
}

/// Compares in a time that tells nothing but the length.
pub(in crate::ops) fn same(secret: &str, given: &str) -> bool {
    secret.as_bytes().ct_eq(given.as_bytes()).into()
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    cookies.filter_map(|cookie| cookie.trim().split_once('=')).find(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value)
}

/// 256 bits that nobody can guess.
fn random() -> Option<String> {
    let mut bytes = [0_u8; 32];
    OsRng.try_fill_bytes(&mut bytes).ok()?;
    Some(bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, cookie.parse().unwrap())])
    }

    #[test]
    fn a_session_lasts_as_long_as_its_token() {
        let (door, token) = (Door::default(), SecretString::from("a long enough token"));
        let id = door.sign_in(&token, "a long enough token").unwrap();
        let headers = with(&format!("other=1; {COOKIE_NAME}={id}"));
        assert!(door.session(&token, &headers).is_some_and(|form| form.len() == 64 && form != id));
        assert_eq!(door.session(&SecretString::from("another long token"), &headers), None);
        assert_eq!(door.session(&token, &with(&format!("{COOKIE_NAME}=0"))), None);
        door.sign_out(&headers);
        assert_eq!(door.session(&token, &headers), None);
    }

    #[test]
    fn guessing_is_slow() {
        let (door, token) = (Door::default(), SecretString::from("a long enough token"));
        for _ in 0..ATTEMPTS.get() {
            assert_eq!(door.sign_in(&token, "a guess"), Err(Kept::Wrong));
        }
        assert_eq!(door.sign_in(&token, "a long enough token"), Err(Kept::TooMany));
    }
}
