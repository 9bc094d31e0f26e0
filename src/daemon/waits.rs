//! How long the daemon leaves a system alone that refused to sign it in: whoever asks again and again locks the user out.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// The wait after the first refusal; it doubles with each.
const FIRST: Duration = Duration::from_secs(30);
/// The longest wait.
const LONGEST: Duration = Duration::from_mins(15);

/// Refused sign-ins in a row.
#[derive(Debug, Default)]
pub(super) struct Refusals(u32);

impl Refusals {
    /// One more. Gives how long to wait.
    pub(super) fn another(&mut self) -> Duration {
        let wait = FIRST.saturating_mul(1 << self.0.min(10)).min(LONGEST);
        self.0 += 1;
        wait
    }

    /// A sign-in worked.
    pub(super) const fn end(&mut self) {
        self.0 = 0;
    }

    pub(super) const fn are_any(&self) -> bool {
        self.0 > 0
    }
}

/// When a file was changed last, and how long it is; `None` while it is not there.
type Stamp = Option<(SystemTime, u64)>;

/// The files that hold secrets, as they were when they were read.
#[derive(Debug)]
pub(super) struct SecretFiles(Vec<(PathBuf, Stamp)>);

impl SecretFiles {
    pub(super) fn as_they_are(files: &[PathBuf]) -> Self {
        Self(files.iter().map(|file| (file.clone(), stamp(file))).collect())
    }

    pub(super) fn have_changed(&self) -> bool {
        self.0.iter().any(|(file, known)| stamp(file) != *known)
    }
}

fn stamp(file: &PathBuf) -> Stamp {
    let data = std::fs::metadata(file).ok()?;
    Some((data.modified().ok()?, data.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour_and_begin_anew() {
        let mut refusals = Refusals::default();
        let waits: Vec<u64> = (0..8).map(|_| refusals.another().as_secs()).collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 900, 900, 900]);
        refusals.end();
        assert_eq!((refusals.are_any(), refusals.another().as_secs()), (false, 30));
    }
}
