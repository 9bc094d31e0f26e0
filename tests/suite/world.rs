//! A small model of one system behind the trait that the real clients implement, for tests of the engine alone.
//!
//! Whole-second times, no paging, faults on demand. It is stricter than kind: a guarded update of a lead that moved is refused.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use leadsync::lead::Side;
use leadsync::side::{
    Action, ClockOffset, Listed, NativeField, NativeFields, Outcome, Page, Position, Record, Refusal, SideClient, SideError,
    Swept, Usage, Write, WriteKind,
};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

/// What goes wrong with the next write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It takes effect and the answer is lost.
    LostAfter,
    /// It never arrives, and nobody knows.
    LostBefore,
}

pub struct World {
    side: Side,
    inner: Mutex<Inner>,
    requests: AtomicU64,
}

#[derive(Default)]
struct Inner {
    leads: BTreeMap<String, Record>,
    next: u64,
    now: DateTime<Utc>,
    faults: VecDeque<Fault>,
    writes: u64,
    purged: Vec<String>,
    usage: Option<Usage>,
    overlaps: Vec<TimeDelta>,
    clock_error: TimeDelta,
    our_clock_ahead: TimeDelta,
    answers: VecDeque<Outcome>,
    foreign: Vec<Json>,
    reads_fail: bool,
    reads_at_once: Option<usize>,
    unlisted: Vec<String>,
    poll_fails: Option<SideError>,
    write_fails: Option<SideError>,
    finds_nothing: bool,
}

impl World {
    pub fn new(side: Side) -> Self {
        let inner = Inner { now: Utc::now() - TimeDelta::days(1), ..Inner::default() };
        Self { side, inner: Mutex::new(inner), requests: AtomicU64::new(0) }
    }

    /// How far behind the checkpoint each poll was asked to begin.
    pub fn overlaps(&self) -> Vec<TimeDelta> {
        self.inner().overlaps.clone()
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Lets a minute pass.
    pub fn later(&self) {
        self.inner().now += TimeDelta::minutes(1);
    }

    pub fn fault(&self, fault: Fault) {
        self.inner().faults.push_back(fault);
    }

    /// The next write has no effect, and this is what is said of it.
    pub fn answer(&self, outcome: Outcome) {
        self.inner().answers.push_back(outcome);
    }

    /// A value that this side's own lists do not have.
    pub fn knows_not(&self, value: &str) {
        self.inner().foreign.push(json!(value));
    }

    /// Whether leads cannot be read by their ids.
    pub fn set_reads_fail(&self, fail: bool) {
        self.inner().reads_fail = fail;
    }

    pub fn set_reads_at_once(&self, count: usize) {
        self.inner().reads_at_once = Some(count);
    }

    /// The next poll fails with this.
    pub fn fail_poll(&self, error: SideError) {
        self.inner().poll_fails = Some(error);
    }

    /// The next writes are not sent, because of this.
    pub fn fail_write(&self, error: SideError) {
        self.inner().write_fails = Some(error);
    }

    /// Whether leads that were made of late are not found yet.
    pub fn set_finds_nothing(&self, blind: bool) {
        self.inner().finds_nothing = blind;
    }

    /// A lead becomes visible long after its last change: no poll sees it.
    pub fn outdate(&self, id: &str) {
        let mut inner = self.inner();
        inner.leads.get_mut(id).unwrap().modified_at -= TimeDelta::hours(3);
    }

    /// A lead that is there and missing from the list of all.
    pub fn leave_out_of_the_list(&self, id: &str) {
        self.inner().unlisted.push(id.to_owned());
    }

    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub fn writes(&self) -> u64 {
        self.inner().writes
    }

    pub fn leads(&self) -> Vec<Record> {
        self.inner().leads.values().filter(|lead| !lead.deleted).cloned().collect()
    }

    pub fn value(&self, id: &str, field: &str) -> Json {
        self.inner().leads[id].fields.get(field).cloned().unwrap_or_default()
    }

    /// Somebody makes a lead.
    pub fn add(&self, fields: &[(&str, &str)]) -> String {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        self.inner().create(self.side, fields, None)
    }

    /// Somebody edits a lead.
    pub fn edit(&self, id: &str, field: &str, value: &str) {
        let mut inner = self.inner();
        let now = inner.second();
        let lead = inner.leads.get_mut(id).unwrap();
        lead.fields.insert(field.to_owned(), json!(value));
        lead.modified_at = now;
    }

    /// A value changes and the modified time does not.
    pub fn tamper(&self, id: &str, field: &str, value: &str) {
        self.inner().leads.get_mut(id).unwrap().fields.insert(field.to_owned(), json!(value));
    }

    /// Somebody makes a lead that is in the recycle bin at once.
    pub fn add_deleted(&self, fields: &[(&str, &str)]) -> String {
        let id = self.add(fields);
        self.change(&id, |lead| lead.deleted = true);
        id
    }

    /// A lead is hidden from the API's user; `show` brings it back.
    pub fn hide(&self, id: &str) -> Record {
        self.inner().leads.remove(id).unwrap()
    }

    pub fn show(&self, lead: Record) {
        self.inner().leads.insert(lead.id.clone(), lead);
    }

    /// Somebody deletes a lead for good: nothing of it is left.
    pub fn purge(&self, id: &str) {
        let mut inner = self.inner();
        inner.leads.remove(id);
        inner.purged.push(id.to_owned());
    }

    /// What the side says of its requests.
    pub fn set_usage(&self, used: u64, limit: u64) {
        self.inner().usage = Some(Usage { used, limit });
    }

    /// How far off the measured clock may be.
    pub fn set_clock_error(&self, error: TimeDelta) {
        self.inner().clock_error = error;
    }

    /// Our clock is set forward, and the next answer tells.
    pub fn set_our_clock_ahead(&self, ahead: TimeDelta) {
        self.inner().our_clock_ahead = ahead;
    }

    pub fn change(&self, id: &str, change: impl FnOnce(&mut Record)) {
        let mut inner = self.inner();
        let now = inner.second();
        let lead = inner.leads.get_mut(id).unwrap();
        change(lead);
        lead.modified_at = now;
    }
}

impl Inner {
    fn second(&self) -> DateTime<Utc> {
        self.now.duration_trunc(TimeDelta::seconds(1)).unwrap()
    }

    fn create(&mut self, side: Side, fields: NativeFields, external_id: Option<String>) -> String {
        self.next += 1;
        let id = if side == Side::Operate { format!("{}", self.next) } else { format!("00Q{:012}AAA", self.next) };
        let now = self.second();
        let lead = Record { id: id.clone(), modified_at: now, created_at: Some(now), fields, external_id, ..Record::default() };
        self.leads.insert(id.clone(), lead);
        id
    }

    fn carry_out(&mut self, side: Side, write: &Write) -> Outcome {
        if write.fields.values().any(|value| value == "refuse me") {
            return Outcome::Refused(Refusal::new("INVALID", "this value is refused"));
        }
        let external_id = write.external_id.clone().filter(|_| side == Side::Salesforce);
        match &write.action {
            Action::Create => {
                let known =
                    self.leads.values().find(|lead| !lead.deleted && external_id.is_some() && lead.external_id == external_id);
                let id = match known.map(|lead| lead.id.clone()) {
                    Some(id) => {
                        let now = self.second();
                        if let Some(lead) = self.leads.get_mut(&id) {
                            lead.fields.extend(write.fields.clone());
                            lead.modified_at = now;
                        }
                        id
                    }
                    None => self.create(side, write.fields.clone(), external_id),
                };
                self.writes += 1;
                Outcome::Done { id }
            }
            Action::Update { id, modified_at, unmoved } => {
                let now = self.second();
                let holds = |lead: &Record| lead.id != *id && !lead.deleted && lead.external_id == external_id;
                if external_id.as_ref().is_some_and(|id| !id.is_empty()) && self.leads.values().any(holds) {
                    return Outcome::Refused(Refusal::new("DUPLICATE_VALUE", "duplicate value found: Operate_Lead_Id__c"));
                }
                let Some(lead) = self.leads.get_mut(id) else {
                    return Outcome::Absent(Refusal::new("NOT_FOUND", "The requested resource does not exist"));
                };
                if lead.deleted {
                    return Outcome::Gone;
                }
                let moved = if side == Side::Salesforce { lead.modified_at > *modified_at } else { !unmoved(lead) };
                if moved {
                    return Outcome::Moved(Some(Box::new(lead.clone())));
                }
                lead.fields.extend(write.fields.clone());
                lead.external_id = external_id.or(lead.external_id.take()).filter(|id| !id.is_empty());
                lead.modified_at = now;
                self.writes += 1;
                Outcome::Done { id: id.clone() }
            }
            Action::Delete { id, unmoved } => {
                let now = self.second();
                let Some(lead) = self.leads.get_mut(id).filter(|lead| !lead.deleted) else { return Outcome::Gone };
                if !unmoved(lead) {
                    return Outcome::Moved(Some(Box::new(lead.clone())));
                }
                lead.modified_at = now;
                lead.deleted = true;
                if side == Side::Operate {
                    self.leads.remove(id);
                }
                self.writes += 1;
                Outcome::Done { id: id.clone() }
            }
        }
    }
}

#[async_trait]
impl SideClient for World {
    fn side(&self) -> Side {
        self.side
    }

    async fn poll(&self, from: Option<Position>, overlap: TimeDelta, pages: mpsc::Sender<Page>) -> Result<(), SideError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(error) = self.inner().poll_fails.take() {
            return Err(error);
        }
        self.inner().overlaps.push(overlap);
        let page = {
            let inner = self.inner();
            let since = from.map(|from| from.modified_at - overlap);
            let changed = inner.leads.values().filter(|lead| since.is_none_or(|since| lead.modified_at >= since));
            let records: Vec<Record> = changed.cloned().collect();
            let newest = records.iter().map(|lead| Position { modified_at: lead.modified_at, id: lead.id.clone() }).max();
            Page { records, checkpoint: newest, as_of: inner.now + TimeDelta::seconds(1) }
        };
        self.inner().now += TimeDelta::seconds(2);
        pages.send(page).await.map_err(|_| SideError::Abandoned)
    }

    async fn read(&self, ids: &[String]) -> Result<Vec<Record>, SideError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let inner = self.inner();
        if inner.reads_fail {
            return Err(SideError::Unreachable { side: self.side, reason: "it is down".to_owned() });
        }
        Ok(ids.iter().filter_map(|id| inner.leads.get(id).cloned()).collect())
    }

    async fn find_created(&self, since: DateTime<Utc>, _: &[Write]) -> Result<Vec<Record>, SideError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if self.inner().finds_nothing {
            return Ok(Vec::new());
        }
        Ok(self.leads().into_iter().filter(|lead| lead.created_at.is_none_or(|created| created >= since)).collect())
    }

    async fn sweep(&self, _: Option<DateTime<Utc>>, listed: mpsc::Sender<Vec<Listed>>) -> Result<Swept, SideError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let unlisted = self.inner().unlisted.clone();
        let all: Vec<Listed> = self
            .leads()
            .into_iter()
            .filter(|lead| !unlisted.contains(&lead.id))
            .map(|lead| Listed { id: lead.id, modified_at: Some(lead.modified_at), takes_part: true })
            .collect();
        listed.send(all).await.map_err(|_| SideError::Abandoned)?;
        Ok(Swept { complete: self.side == Side::Operate, deleted: self.inner().purged.clone(), covered: None })
    }

    async fn describe(&self) -> Result<Option<Vec<NativeField>>, SideError> {
        Ok(None)
    }

    fn knows(&self, _: &str, value: &Json) -> bool {
        !self.inner().foreign.contains(value)
    }

    fn absence_is_deletion(&self) -> bool {
        self.side == Side::Operate
    }

    fn usage(&self) -> Option<Usage> {
        self.inner().usage
    }

    fn batch_size(&self, kind: WriteKind, _: u64) -> usize {
        if kind == WriteKind::Create { 200 } else { 25 }
    }

    fn reads_at_once(&self) -> usize {
        self.inner().reads_at_once.unwrap_or(200)
    }

    fn concurrency(&self) -> usize {
        2
    }

    async fn write(&self, writes: &[Write]) -> Result<Vec<Outcome>, SideError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let mut inner = self.inner();
        if let Some(error) = inner.write_fails.take() {
            return Err(error);
        }
        inner.now += TimeDelta::seconds(2);
        let lost = || Outcome::Unknown(Refusal::new("timeout", "no answer came"));
        let mut answers = std::mem::take(&mut inner.answers);
        let one = |write: &Write| match inner.faults.pop_front() {
            None if !answers.is_empty() => answers.pop_front().unwrap(),
            Some(Fault::LostBefore) => lost(),
            Some(Fault::LostAfter) => {
                inner.carry_out(self.side, write);
                lost()
            }
            None => inner.carry_out(self.side, write),
        };
        let outcomes = writes.iter().map(one).collect();
        inner.answers = answers;
        Ok(outcomes)
    }

    fn clock(&self) -> Option<ClockOffset> {
        let inner = self.inner();
        Some(ClockOffset { offset: inner.now - Utc::now() - inner.our_clock_ahead, error: inner.clock_error })
    }

    fn requests(&self) -> u64 {
        Self::requests(self)
    }

    fn recorded(&self, requests: u64) {
        self.requests.fetch_sub(requests, Ordering::Relaxed);
    }
}
