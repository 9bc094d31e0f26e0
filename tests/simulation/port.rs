//! The model as the engine sees it: one client a side. Every request is a moment at which people may edit, answers may be lost
//! and everything may end.

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use leadsync::lead::Side;
use leadsync::side::{
    Action, ClockOffset, Listed, NativeField, Outcome, Page, Position, Record, Refusal, SideClient, SideError, Swept, Usage,
    Write, WriteKind,
};
use leadsync::sync::Turns;
use rand::Rng as _;
use rand::seq::SliceRandom as _;
use serde_json::Value as Json;
use tokio::sync::{Notify, mpsc};

use super::model::{FIELDS, Loss, Model, native};

/// The model, and the end of the process.
pub struct Shared {
    model: Mutex<Model>,
    pub ended: Notify,
}

impl Shared {
    pub fn new(model: Model) -> Self {
        Self { model: Mutex::new(model), ended: Notify::new() }
    }

    pub fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap()
    }

    /// One more store commit or request. True: the process ends here.
    pub fn ends(&self) -> bool {
        let mut model = self.model();
        if model.dead {
            return true;
        }
        let Some(left) = model.trouble.crash_in else { return false };
        model.trouble.crash_in = left.checked_sub(1);
        if left > 0 {
            return false;
        }
        model.dead = true;
        model.note("the process ends");
        self.ended.notify_one();
        true
    }
}

pub struct Port {
    pub side: Side,
    pub shared: Arc<Shared>,
    pub turns: Arc<Turns>,
    /// The fields that are read, by their native names.
    pub asked: Vec<String>,
}

impl Port {
    /// A query that names a field that is not there is refused.
    fn may_read(&self, model: &Model) -> Result<(), SideError> {
        let hidden = model.hidden.map(|field| native(Side::Salesforce, field)).filter(|name| self.asked.contains(name));
        hidden.map_or(Ok(()), |name| Err(SideError::Refused { side: self.side, reason: format!("No such column '{name}'") }))
    }

    fn as_asked(&self, record: &Record) -> Record {
        let mut record = record.clone();
        record.fields = record.fields.into_iter().filter(|(name, _)| self.asked.iter().any(|asked| **asked == **name)).collect();
        record
    }

    async fn may_end(&self) {
        if self.shared.ends() {
            std::future::pending::<()>().await;
        }
    }

    /// What happens when a request is made, before it has any effect.
    async fn request(&self, what: &str) -> Result<(), SideError> {
        self.turns.pass().await;
        self.may_end().await;
        let side = self.side;
        let mut model = self.shared.model();
        *model.requests.get_mut(side) += 1;
        model.note(&format!("{side} {what}"));
        let rush = model.trouble.rush.clone();
        let longest = if rush.is_some() { 100 } else { 1500 };
        let took = TimeDelta::milliseconds(model.rng.random_range(20..longest));
        model.pass(took);
        if let Some(id) = rush {
            model.person_rushes(&id);
        }
        let percent = model.trouble.percent;
        if model.rng.random_range(0..100) < percent {
            model.person_edits();
        }
        let down = model.down.get_mut(side);
        if *down > 0 {
            *down -= 1;
            return Err(SideError::Unreachable { side, reason: "connection refused".to_owned() });
        }
        if model.rng.random_range(0..400) < percent {
            return Err(match model.rng.random_range(0..3) {
                0 => SideError::Auth { side, reason: "the token has expired".to_owned() },
                1 => SideError::Answer { side, reason: "the answer ended early".to_owned() },
                _ => {
                    let retry_at = Some(model.our_now() + TimeDelta::minutes(2));
                    SideError::Budget { side, reason: "REQUEST_LIMIT_EXCEEDED".to_owned(), retry_at }
                }
            });
        }
        Ok(())
    }
}

#[async_trait]
impl SideClient for Port {
    fn side(&self) -> Side {
        self.side
    }

    async fn poll(&self, from: Option<Position>, overlap: TimeDelta, pages: mpsc::Sender<Page>) -> Result<(), SideError> {
        self.request("poll").await?;
        let answer = {
            let mut model = self.shared.model();
            self.may_read(&model)?;
            let since = from.map(|from| from.modified_at - overlap);
            let leads = model.leads.get(self.side).values().map(|lead| &lead.record);
            let leads = leads.filter(|lead| since.is_none_or(|since| lead.modified_at >= since));
            let mut records: Vec<Record> = leads.map(|lead| self.as_asked(lead)).collect();
            records.sort_by(|a, b| (a.modified_at, &a.id).cmp(&(b.modified_at, &b.id)));
            let as_of = model.server_now(self.side);
            let size = [2, 5, 50][model.rng.random_range(0..3)];
            let mut pages: Vec<Page> = records
                .chunks(size)
                .map(|chunk| {
                    let last = &chunk[chunk.len() - 1];
                    let checkpoint = Some(Position { modified_at: last.modified_at, id: last.id.clone() });
                    Page { records: chunk.to_vec(), checkpoint, as_of }
                })
                .collect();
            for page in &mut pages {
                page.records.shuffle(&mut model.rng);
            }
            if pages.is_empty() {
                pages.push(Page { as_of, ..Page::default() });
            } else if model.rng.random_bool(0.05) {
                let again = pages[0].clone();
                pages.insert(1, Page { checkpoint: None, ..again });
            }
            let cut = model.rng.random_range(0..200) < model.trouble.percent;
            (pages, cut)
        };
        let (answer, cut) = answer;
        let whole = answer.len();
        for (place, page) in answer.into_iter().enumerate() {
            if cut && place + 1 == whole {
                return Err(SideError::Answer { side: self.side, reason: "the answer ended early".to_owned() });
            }
            pages.send(page).await.map_err(|_| SideError::Abandoned)?;
        }
        Ok(())
    }

    async fn read(&self, ids: &[String]) -> Result<Vec<Record>, SideError> {
        self.request("read").await?;
        let model = self.shared.model();
        self.may_read(&model)?;
        Ok(ids.iter().filter_map(|id| model.leads.get(self.side).get(id)).map(|lead| self.as_asked(&lead.record)).collect())
    }

    fn reads_at_once(&self) -> usize {
        3
    }

    async fn find_created(&self, since: DateTime<Utc>, _: &[Write]) -> Result<Vec<Record>, SideError> {
        self.request("find").await?;
        let model = self.shared.model();
        self.may_read(&model)?;
        let leads = model.leads.get(self.side).values().map(|lead| &lead.record);
        let made = leads.filter(|lead| !lead.deleted && lead.created_at.is_some_and(|made| made >= since));
        Ok(made.map(|lead| self.as_asked(lead)).collect())
    }

    async fn sweep(&self, _: Option<DateTime<Utc>>, listed: mpsc::Sender<Vec<Listed>>) -> Result<Swept, SideError> {
        self.request("sweep").await?;
        let all: Vec<Listed> = {
            let model = self.shared.model();
            let leads = model.leads.get(self.side).values().map(|lead| &lead.record).filter(|lead| !lead.deleted);
            leads.map(|lead| Listed { id: lead.id.clone(), modified_at: Some(lead.modified_at), takes_part: true }).collect()
        };
        listed.send(all).await.map_err(|_| SideError::Abandoned)?;
        Ok(Swept { complete: self.side == Side::Operate, deleted: Vec::new(), covered: None })
    }

    async fn describe(&self) -> Result<Option<Vec<NativeField>>, SideError> {
        if self.side == Side::Operate {
            return Ok(None);
        }
        self.request("describe").await?;
        let hidden = self.shared.model().hidden;
        let shown = FIELDS.into_iter().filter(|field| Some(*field) != hidden);
        let field = |name: &str| NativeField { name: native(self.side, name), writable: true, ..NativeField::default() };
        Ok(Some(shown.map(field).collect()))
    }

    fn batch_size(&self, _: WriteKind, _: u64) -> usize {
        2
    }

    fn concurrency(&self) -> usize {
        2
    }

    async fn write(&self, writes: &[Write]) -> Result<Vec<Outcome>, SideError> {
        self.request(&format!("write {}", writes.len())).await?;
        let outcomes = {
            let mut model = self.shared.model();
            let percent = model.trouble.percent;
            let lost = || Outcome::Unknown(Refusal::new("timeout", "no answer came"));
            let mut outcomes = Vec::new();
            for write in writes {
                let drawn = model.losses.get_mut(self.side).pop_front();
                if matches!(drawn, Some(Loss::After)) {
                    model.carry_out(self.side, write);
                }
                let outcome = match model.rng.random_range(0..400) {
                    _ if drawn.is_some() => lost(),
                    chance if chance < percent => {
                        if matches!(write.action, Action::Create) && model.rng.random_bool(0.5) {
                            // It is still at work on it.
                            let at = model.now + TimeDelta::milliseconds(model.rng.random_range(1..20_000));
                            model.delayed.push((at, self.side, write.clone()));
                        }
                        lost()
                    }
                    chance if chance < 2 * percent => {
                        model.carry_out(self.side, write);
                        lost()
                    }
                    chance if chance < 3 * percent => {
                        Outcome::Retry(Refusal::new("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access"))
                    }
                    _ => model.carry_out(self.side, write),
                };
                let note = format!("{} {:?} {:?}: {outcome:?}", self.side, write.action, write.fields);
                model.note(&note);
                outcomes.push(outcome);
            }
            outcomes
        };
        self.may_end().await;
        Ok(outcomes)
    }

    fn clock(&self) -> Option<ClockOffset> {
        let model = self.shared.model();
        let offset = *model.offsets.get(self.side) - model.our_offset;
        Some(ClockOffset { offset, error: TimeDelta::milliseconds(600) })
    }

    fn knows(&self, _: &str, _: &Json) -> bool {
        true
    }

    fn absence_is_deletion(&self) -> bool {
        self.side == Side::Operate
    }

    fn usage(&self) -> Option<Usage> {
        None
    }

    fn requests(&self) -> u64 {
        let model = self.shared.model();
        model.requests.get(self.side) - model.recorded.get(self.side)
    }

    fn recorded(&self, requests: u64) {
        *self.shared.model().recorded.get_mut(self.side) += requests;
    }
}
