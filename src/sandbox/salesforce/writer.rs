//! On whose behalf leads are written.

use chrono::{DateTime, Utc};

use super::rows::{OTHER_USER, USER};
use crate::sandbox::http::Call;

/// Who writes, and on what terms.
#[derive(Debug, Clone)]
pub struct Writer {
    pub now: DateTime<Utc>,
    /// The user.
    pub by: &'static str,
    /// Whether duplicates are saved all the same.
    pub allow_save: bool,
    /// Whether assignment rules run.
    pub assign: bool,
}

impl Writer {
    /// The user of a request.
    pub fn of(call: &Call, now: DateTime<Utc>) -> Self {
        let says = |name: &str, word: &str| {
            let text = call.header(name).unwrap_or_default().replace(' ', "").to_ascii_lowercase();
            text.split([';', ',']).any(|part| part == word)
        };
        let allow_save = says("sforce-duplicate-rule-header", "allowsave=true");
        Self { now, by: USER, allow_save, assign: !says("sforce-auto-assign", "false") }
    }

    /// Somebody in the user interface, who is asked about duplicates and says yes.
    pub fn person(now: DateTime<Utc>) -> Self {
        Self { now, by: OTHER_USER, allow_save: true, assign: false }
    }
}
