//! Looks at all leads of a side as they are: how often each field is filled, how long values are, what they look like.
//!
//! Leads come page by page through the client's own poll, and none is kept: what stays in memory is a few figures a field, and eight
//! bytes a lead to count each once. Nothing is written.

mod profile;
mod shape;
mod sketch;
mod whole;

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::mpsc;

pub use self::profile::Profile;
pub use self::shape::Shape;
pub use self::sketch::Sketch;
pub use self::whole::{Surveyed, whole};
use crate::side::{Page, Position, Record, SideClient, SideError};

/// What values are hashed with. Two sketches can be compared only if they share it; it is drawn anew in each process, so that a hash
/// tells nothing outside of it.
pub type Hashing = RandomState;

/// What the leads of a side hold.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// Leads that were read.
    pub read: u64,
    /// By native name.
    pub fields: BTreeMap<String, Profile>,
}

impl Survey {
    /// Counts a lead in.
    pub fn take(&mut self, record: &Record, hashing: &Hashing) {
        self.read += 1;
        for (name, value) in &record.fields {
            match self.fields.get_mut(name) {
                Some(profile) => profile.take(value, hashing),
                None => self.fields.entry(name.to_owned()).or_default().take(value, hashing),
            }
        }
    }
}

/// Hands over every lead that is there and was modified since, each once; all of them without `since`.
pub async fn read(
    client: &dyn SideClient,
    since: Option<DateTime<Utc>>,
    mut take: impl FnMut(&Record) + Send,
) -> Result<(), SideError> {
    let (sender, mut pages) = mpsc::channel::<Page>(1);
    let since = since.map(|modified_at| Position { modified_at, id: String::new() });
    let hashing = Hashing::new();
    let taken = async {
        // A window that is asked for a second time, and a lead that is edited meanwhile, bring leads once more.
        let mut seen: HashSet<u64> = HashSet::new();
        while let Some(page) = pages.recv().await {
            for record in page.records.iter().filter(|record| !record.deleted) {
                if seen.insert(hashing.hash_one(&record.id)) {
                    take(record);
                }
            }
        }
    };
    let (polled, ()) = tokio::join!(client.poll(since, TimeDelta::zero(), sender), taken);
    polled
}
