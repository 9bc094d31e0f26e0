//! What the engine asks of a system: one trait, which the Operate client, the Salesforce client and a test's world implement.
//!
//! Clients know no store and no mapping: records go in and out under the system's own field names and in its own JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value as Json;
use tokio::sync::mpsc;

use crate::lead::{Kind, Side};
pub use crate::native::NativeFields;

/// A lead as a system gave it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    /// The lead's id on its side. Salesforce: 18 characters. Operate: the integer, as text.
    pub id: String,
    /// When it was last modified, by that server's clock, whole seconds as a rule.
    pub modified_at: DateTime<Utc>,
    /// When it was created, where the system says.
    pub created_at: Option<DateTime<Utc>>,
    /// The mapped fields (those asked for when the client was made), the external id field not among them.
    pub fields: NativeFields,
    /// The other side's id, where this side has a field that holds it and the field is filled.
    pub external_id: Option<String>,
    /// Whether the system says that it is deleted.
    pub deleted: bool,
    /// Whether it was converted and, on Salesforce, is read-only now.
    pub converted: bool,
    /// The lead that it was merged into.
    pub master_id: Option<String>,
}

/// Where a poll goes on: everything modified after this, or at the same time with a greater id, is new.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Modified time, by the server's clock.
    pub modified_at: DateTime<Utc>,
    /// The lead's id.
    pub id: String,
}

/// Part of the answer to a poll.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The leads, in any order.
    pub records: Vec<Record>,
    /// Once this page is stored the checkpoint may move here; `None` while later pages may still hold older leads.
    pub checkpoint: Option<Position>,
    /// A moment, by the server's clock, that is no later than the reading of these leads: a lead whose modified second is
    /// earlier than the second of this moment cannot change again without showing a later modified time.
    pub as_of: DateTime<Utc>,
}

/// How far a server's clock is ahead of ours, from the `Date` headers of its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset {
    /// Server time minus our time.
    pub offset: TimeDelta,
    /// How wrong the offset may be, either way: half the round trip and the header's whole second.
    pub error: TimeDelta,
}

/// Says whether a lead that was just read again still is what a decision was based on.
pub type Unmoved = Arc<dyn Fn(&Record) -> bool + Send + Sync>;

/// What a write does to its lead.
#[derive(Clone)]
pub enum Action {
    /// Make a new lead.
    Create,
    /// Change this lead, if it still is what the decision was based on. A side that can have its server check
    /// `modified_at` does that; any other reads the lead again and asks `unmoved`.
    Update {
        /// The lead's id.
        id: String,
        /// Its modified time when it was observed.
        modified_at: DateTime<Utc>,
        /// The check by reading.
        unmoved: Unmoved,
    },
    /// Delete this lead, if nothing of it changed: it is read again, and `unmoved` is asked.
    Delete {
        /// The lead's id.
        id: String,
        /// The check by reading.
        unmoved: Unmoved,
    },
}

/// The kinds of writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WriteKind {
    /// Makes a lead.
    Create,
    /// Changes one.
    Update,
    /// Deletes one.
    Delete,
}

impl WriteKind {
    /// All of them, in the order in which they are sent: somebody may wait for a change, and new leads may be very many.
    pub const ALL: [Self; 3] = [Self::Update, Self::Create, Self::Delete];

    /// The store's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    /// Reads the store's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create => f.write_str("Create"),
            Self::Update { id, modified_at, .. } => write!(f, "Update({id}, {modified_at})"),
            Self::Delete { id, .. } => write!(f, "Delete({id})"),
        }
    }
}

/// One intended write.
#[derive(Debug, Clone)]
pub struct Write {
    /// Create or guarded update.
    pub action: Action,
    /// The fields to set, native. `null` (Salesforce) or `""` (Operate) clears one: the mapping has decided which.
    pub fields: NativeFields,
    /// The other side's id, to be kept in this side's external id field if it has one; empty clears that.
    pub external_id: Option<String>,
}

/// What became of one write.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It took effect. `id` is the lead's; for a create it is the new one.
    Done {
        /// The lead's id.
        id: String,
    },
    /// A create took effect and the answer holds no id: look for the lead.
    DoneWithoutId,
    /// The target is no longer what the decision was based on; nothing was written. The lead as it is now, where it was read.
    Moved(Option<Box<Record>>),
    /// The target is deleted; nothing was written.
    Gone,
    /// The target cannot be found: it is gone, or this user may not see it. Nothing was written.
    Absent(Refusal),
    /// The system holds these leads for the same one; nothing was written.
    Duplicate {
        /// Their ids.
        ids: Vec<String>,
        /// Whether they hold the id of the other side's lead, so that there is no doubt.
        certain: bool,
        /// The system's words.
        refusal: Refusal,
    },
    /// The system does not know a field, or does not let it be written.
    Schema(Refusal),
    /// The target was converted and is read-only; nothing was written.
    Converted,
    /// Nothing was written and the same write may work later: a lock, an overload, a network that was never reached.
    Retry(Refusal),
    /// Nobody knows whether it took effect: the answer was lost.
    Unknown(Refusal),
    /// The system will not have it. Somebody must change something first.
    Refused(Refusal),
}

/// A system's own words about a write that it did not carry out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The system's code (`REQUIRED_FIELD_MISSING`), or ours where it has none (`http_503`, `timeout`).
    pub code: String,
    /// The system's text, word for word. It may hold a person's data: for the store, never for a log.
    pub message: String,
}

impl Refusal {
    /// Makes one.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// A whole call failed: nothing is known of single leads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SideError {
    /// The system could not be reached, or kept failing until the retries ran out.
    #[error("{side} cannot be reached: {reason}", side = .side.title())]
    Unreachable {
        /// Which system.
        side: Side,
        /// What happened, with the address and no credential.
        reason: String,
    },
    /// It does not accept the credentials.
    #[error("{side} refuses the sign-in: {reason}", side = .side.title())]
    Auth {
        /// Which system.
        side: Side,
        /// The system's words, and what to look at.
        reason: String,
    },
    /// Its request limit is used up.
    #[error("{side} allows no more requests now: {reason}", side = .side.title())]
    Budget {
        /// Which system.
        side: Side,
        /// The system's words.
        reason: String,
        /// When it said to come back.
        retry_at: Option<DateTime<Utc>>,
    },
    /// It refuses the request: a field that is not there, a query that it does not understand.
    #[error("{side} refuses the request: {reason}", side = .side.title())]
    Refused {
        /// Which system.
        side: Side,
        /// The system's words, unchanged.
        reason: String,
    },
    /// What leadsync cannot do without is missing there. It goes on by itself once it is back.
    #[error("{side} is not set up for leadsync: {reason}", side = .side.title())]
    Setup {
        /// Which system.
        side: Side,
        /// What is missing, what that means and what to do.
        reason: String,
    },
    /// Its answer is not what its documentation says.
    #[error("{side} gave an answer that cannot be read: {reason}", side = .side.title())]
    Answer {
        /// Which system.
        side: Side,
        /// What was expected and what came.
        reason: String,
    },
    /// The caller no longer listens (the cycle is being given up).
    #[error("the poll was given up")]
    Abandoned,
}

/// One outcome for each write, in order: of some it was known before anything was sent, and the others were sent.
#[must_use]
pub fn outcomes_of(known: Vec<Option<Outcome>>, sent: Vec<Outcome>) -> Vec<Outcome> {
    let mut sent = sent.into_iter();
    let lost = || Outcome::Unknown(Refusal::new("wrong_number_of_results", "a result is missing"));
    known.into_iter().map(|outcome| outcome.or_else(|| sent.next()).unwrap_or_else(lost)).collect()
}

/// A lead in a list that tells only what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// When it was last modified, where the list tells.
    pub modified_at: Option<DateTime<Utc>>,
    /// Whether the configured filter lets it take part.
    pub takes_part: bool,
}

/// What a side's own lists say about what polls can miss.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Whether the list named every lead that is there: one that was not listed may be gone.
    pub complete: bool,
    /// Leads that the side says were deleted.
    pub deleted: Vec<String>,
    /// Up to when the side's log of changes was read, by its clock: the next sweep goes on from there.
    pub covered: Option<DateTime<Utc>>,
}

/// The requests of 24 hours, by all programs, as a side counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Those made.
    pub used: u64,
    /// Those allowed.
    pub limit: u64,
}

/// What is special about a field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FieldRole {
    /// Nothing.
    #[default]
    Plain,
    /// It is an external id, and no two leads may have the same value.
    Key,
    /// It holds the id of a user.
    User,
}

/// A field as a system describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NativeField {
    /// Its API name.
    pub name: String,
    /// What people call it.
    pub label: String,
    /// The type, in the system's word.
    pub native_type: String,
    /// What that is here; `None`: plain text.
    pub kind: Option<Kind>,
    /// The most characters that it takes; 0 where that means nothing.
    pub length: usize,
    /// Whether a lead may be given a value, when it is made and later.
    pub writable: bool,
    /// Whether a new lead must be given a value.
    pub required: bool,
    /// What is special about it.
    pub role: FieldRole,
    /// Whether values outside of `values` are refused.
    pub restricted: bool,
    /// The values of a picklist that can be chosen.
    pub values: Vec<String>,
}

/// One system, as the engine sees it.
#[async_trait]
pub trait SideClient: Send + Sync {
    /// Which one.
    fn side(&self) -> Side;

    /// Gives every lead modified since `from` less `overlap` (all leads without `from`) in pages. Each page is sent once; the
    /// receiver may be slower than the network, and then the network waits. At least one page is sent, an empty one if
    /// nothing is new, so that `as_of` is known.
    async fn poll(&self, from: Option<Position>, overlap: TimeDelta, pages: mpsc::Sender<Page>) -> Result<(), SideError>;

    /// Reads these leads; those that are gone come back as deleted where the side remembers them, and are left out else.
    async fn read(&self, ids: &[String]) -> Result<Vec<Record>, SideError>;

    /// How many leads one request reads by their ids.
    fn reads_at_once(&self) -> usize;

    /// Looks for leads that one of these unanswered creates may have made, all created since `since` (server's clock). May give too many: the
    /// caller compares.
    async fn find_created(&self, since: DateTime<Utc>, creates: &[Write]) -> Result<Vec<Record>, SideError>;

    /// Lists what is there, or what changed since (server's clock), as far as the side can tell without the leads themselves.
    async fn sweep(&self, since: Option<DateTime<Utc>>, listed: mpsc::Sender<Vec<Listed>>) -> Result<Swept, SideError>;

    /// The fields of a lead; `None` where the system does not describe itself.
    async fn describe(&self) -> Result<Option<Vec<NativeField>>, SideError>;

    /// How many writes of one kind the engine may hand over at once, where so many are due.
    fn batch_size(&self, kind: WriteKind, due: u64) -> usize;

    /// How many batches may be under way at once.
    fn concurrency(&self) -> usize;

    /// Sends writes of one kind and gives an outcome for each, in order. An error means that nothing was sent at all.
    async fn write(&self, writes: &[Write]) -> Result<Vec<Outcome>, SideError>;

    /// The server's clock against ours, once an answer was seen.
    fn clock(&self) -> Option<ClockOffset>;

    /// Whether a field can be given this native value, as far as that is known without asking: false only for a name that a
    /// directory of this side does not have.
    fn knows(&self, field: &str, value: &Json) -> bool;

    /// What ids in leads stand for, by list and id, where a list was read anew since this was asked last; an empty name for an id that
    /// is in no list. A name that has changed since stands in every lead that has the id.
    async fn reference_names(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// Whether a lead that cannot be read is gone. Where users do not see every lead, it may only be hidden.
    fn absence_is_deletion(&self) -> bool;

    /// The requests that the side counted, where it does.
    fn usage(&self) -> Option<Usage>;

    /// Requests made by this client that no record of a cycle holds yet, retries included and sign-ins not.
    fn requests(&self) -> u64;

    /// So many requests stand in the record of a cycle now. They are counted once, whatever becomes of the engine.
    fn recorded(&self, requests: u64);
}
