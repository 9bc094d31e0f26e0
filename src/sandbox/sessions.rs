//! Access tokens of one simulated system.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng, distr::Alphanumeric};
use rand_chacha::ChaCha8Rng;

/// The tokens given out and not yet expired.
#[derive(Debug)]
pub struct Sessions {
    lifetime: Duration,
    /// Whether use prolongs a token, as Salesforce sessions do.
    sliding: bool,
    prefix: String,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    random: ChaCha8Rng,
    expiry: HashMap<String, Instant>,
}

impl Sessions {
    /// Tokens that begin with `prefix` and live this long.
    pub fn new(seed: u64, prefix: impl Into<String>, lifetime: Duration, sliding: bool) -> Self {
        let inner = Inner { random: ChaCha8Rng::seed_from_u64(seed), expiry: HashMap::new() };
        Self { lifetime, sliding, prefix: prefix.into(), inner: Mutex::new(inner) }
    }

    /// How long a token lives.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Gives out a new token.
    pub fn issue(&self) -> String {
        let mut inner = self.lock();
        let random: String = (&mut inner.random).sample_iter(Alphanumeric).take(48).map(char::from).collect();
        let token = format!("{}{random}", self.prefix);
        let now = Instant::now();
        inner.expiry.retain(|_, expiry| *expiry > now);
        inner.expiry.insert(token.clone(), now + self.lifetime);
        token
    }

    /// Whether the token is good now.
    pub fn accepts(&self, token: Option<&str>) -> bool {
        let now = Instant::now();
        let mut inner = self.lock();
        match token.and_then(|token| inner.expiry.get_mut(token)) {
            Some(expiry) if *expiry > now => {
                if self.sliding {
                    *expiry = now + self.lifetime;
                }
                true
            }
            _ => false,
        }
    }

    /// Ends one token. Whether there was one.
    pub fn revoke(&self, token: &str) -> bool {
        self.lock().expiry.remove(token).is_some()
    }

    /// Ends every token.
    pub fn expire_all(&self) {
        self.lock().expiry.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
