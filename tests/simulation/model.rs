//! A model of both systems: their leads, their clocks, their own rules, and what may go wrong with them.
//!
//! Time stands still but for what a request or a step takes. All chance comes from the step that is being played, so that a history
//! can be shortened step by step and still runs the same way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use leadsync::lead::{PerSide, Side};
use leadsync::side::{NativeFields, Record, Write, WriteKind};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value as Json;

/// A person behind leads: everything that people and we write about that person can be told from its values.
pub type Soul = usize;

/// Fields of which every value that a person writes is a new one.
pub const TRACED: [&str; 2] = ["phone", "title"];

/// All fields that leads have.
pub const FIELDS: [&str; 4] = ["email", "phone", "title", "status"];

pub struct Lead {
    pub record: Record,
    pub soul: Soul,
    pub by_us: bool,
}

/// A value that a person wrote.
pub struct Edit {
    pub side: Side,
    pub soul: Soul,
    pub field: &'static str,
    pub value: String,
}

/// A change that a slow transaction of somebody holds: not to be seen yet, and the row is locked.
pub struct Uncommitted {
    pub side: Side,
    pub id: String,
    pub field: String,
    pub value: Json,
    pub modified_at: DateTime<Utc>,
    pub visible_at: DateTime<Utc>,
}

/// An answer that never comes.
#[derive(Debug, Clone, Copy)]
pub enum Loss {
    /// The write never arrived.
    Before,
    /// It took effect.
    After,
}

/// What may go wrong during a step.
#[derive(Default)]
pub struct Trouble {
    /// How many of a hundred requests meet something.
    pub percent: u32,
    /// After this many more store commits and requests everything ends.
    pub crash_in: Option<u32>,
    /// Requests take no time, and somebody in Salesforce edits this lead all the while.
    pub rush: Option<String>,
}

pub struct Model {
    pub now: DateTime<Utc>,
    pub rng: ChaCha8Rng,
    pub leads: PerSide<BTreeMap<String, Lead>>,
    pub edits: Vec<Edit>,
    pub trouble: Trouble,
    /// What the promises forbid and was seen all the same.
    pub broken: Vec<String>,
    /// Souls of which people deleted, merged or doubled a lead: what becomes of the rest is theirs to say.
    pub touched: BTreeSet<Soul>,
    /// Souls of which people deleted a lead.
    pub bereft: BTreeSet<Soul>,
    /// Salesforce writes this field in capitals.
    pub shouts: bool,
    /// How far each server's clock is ahead of true time, and ours.
    pub offsets: PerSide<TimeDelta>,
    pub our_offset: TimeDelta,
    pub down: PerSide<u32>,
    pub requests: PerSide<u64>,
    pub recorded: PerSide<u64>,
    /// A field that Salesforce no longer shows to this user.
    pub hidden: Option<&'static str>,
    pub dead: bool,
    pub log: Vec<String>,
    pub uncommitted: Vec<Uncommitted>,
    /// What becomes of the next writes to each side.
    pub losses: PerSide<VecDeque<Loss>>,
    /// Our writes, whatever came of them.
    pub written: Vec<(Side, WriteKind, NativeFields)>,
    /// Creates whose answer was lost and that the server is still at work on.
    pub delayed: Vec<(DateTime<Utc>, Side, Write)>,
    aliases: BTreeMap<Soul, Soul>,
    trace: DefaultHasher,
    pub souls: Soul,
    values: u64,
    next: u64,
}

impl Model {
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut offset = || TimeDelta::milliseconds(rng.random_range(-90_000..90_000));
        let offsets = PerSide { operate: offset(), salesforce: offset() };
        let shouts = rng.random_bool(0.2);
        Self {
            now: "2026-03-01T09:00:00Z".parse().unwrap(),
            rng,
            leads: PerSide::default(),
            edits: Vec::new(),
            trouble: Trouble::default(),
            broken: Vec::new(),
            touched: BTreeSet::new(),
            bereft: BTreeSet::new(),
            shouts,
            offsets,
            our_offset: TimeDelta::zero(),
            down: PerSide::default(),
            requests: PerSide::default(),
            recorded: PerSide::default(),
            hidden: None,
            dead: false,
            log: Vec::new(),
            uncommitted: Vec::new(),
            losses: PerSide::default(),
            written: Vec::new(),
            delayed: Vec::new(),
            aliases: BTreeMap::new(),
            trace: DefaultHasher::new(),
            souls: 0,
            values: 0,
            next: 1000,
        }
    }

    pub fn note(&mut self, what: &str) {
        let line = format!("{} {what}", self.now.format("%d %H:%M:%S%.3f"));
        line.hash(&mut self.trace);
        self.log.push(line);
    }

    pub fn trace_hash(&self) -> u64 {
        self.trace.finish()
    }

    /// Our own clock, which somebody may set.
    pub fn our_now(&self) -> DateTime<Utc> {
        self.now + self.our_offset
    }

    /// A server's clock.
    pub fn server_now(&self, side: Side) -> DateTime<Utc> {
        self.now + *self.offsets.get(side)
    }

    pub fn second(&self, side: Side) -> DateTime<Utc> {
        self.server_now(side).duration_trunc(TimeDelta::seconds(1)).unwrap()
    }

    /// Time passes: slow transactions commit, and servers come to an end with what they were still at work on.
    pub fn pass(&mut self, time: TimeDelta) {
        self.now += time;
        let now = self.now;
        let (due, rest): (Vec<_>, _) =
            std::mem::take(&mut self.uncommitted).into_iter().partition(|change| change.visible_at <= now);
        self.uncommitted = rest;
        for change in due {
            if let Some(lead) = self.leads.get_mut(change.side).get_mut(&change.id).filter(|lead| !lead.record.deleted) {
                lead.record.fields.insert(native(change.side, &change.field), change.value);
                lead.record.modified_at = lead.record.modified_at.max(change.modified_at);
            }
        }
        let (due, rest): (Vec<_>, _) = std::mem::take(&mut self.delayed).into_iter().partition(|(at, ..)| *at <= now);
        self.delayed = rest;
        for (_, side, write) in due {
            let outcome = self.carry_out(side, &write);
            self.note(&format!("{side} comes to an end with a create: {outcome:?}"));
        }
    }

    pub fn fresh(&mut self, soul: Soul, field: &str) -> String {
        self.values += 1;
        format!("{field} {soul}.{}", self.values)
    }

    pub fn insert(&mut self, side: Side, soul: Soul, by_us: bool, fields: NativeFields, external_id: Option<String>) -> String {
        self.next += 1;
        let id = if side == Side::Operate { format!("{}", self.next) } else { format!("00Q{:012}AAA", self.next) };
        let now = self.second(side);
        let record = Record { id: id.clone(), modified_at: now, created_at: Some(now), fields, external_id, ..Record::default() };
        self.leads.get_mut(side).insert(id.clone(), Lead { record, soul, by_us });
        id
    }

    pub fn record(&mut self, side: Side, id: &str) -> &mut Record {
        &mut self.leads.get_mut(side).get_mut(id).unwrap().record
    }

    pub fn any_side(&mut self) -> Side {
        if self.rng.random_bool(0.5) { Side::Operate } else { Side::Salesforce }
    }

    pub fn any_lead(&mut self, side: Side) -> Option<String> {
        let can_be_edited = |lead: &Lead| !(lead.record.deleted || lead.record.converted && side == Side::Salesforce);
        let ids: Vec<&String> = self.leads.get(side).iter().filter(|(_, lead)| can_be_edited(lead)).map(|(id, _)| id).collect();
        if ids.is_empty() { None } else { Some(ids[self.rng.random_range(0..ids.len())].clone()) }
    }

    pub fn is_locked(&self, side: Side, id: &str) -> bool {
        self.uncommitted.iter().any(|change| change.side == side && change.id == id)
    }

    /// People said that two souls are one.
    pub fn join(&mut self, one: Soul, other: Soul) {
        let (one, other) = (self.root(one), self.root(other));
        if one != other {
            self.aliases.insert(other, one);
        }
    }

    pub fn root(&self, mut soul: Soul) -> Soul {
        while let Some(next) = self.aliases.get(&soul) {
            soul = *next;
        }
        soul
    }
}

pub fn is_refused(value: &Json) -> bool {
    value.as_str().is_some_and(|text| text.to_lowercase().contains("refuse me"))
}

/// A field's name on a side.
pub fn native(side: Side, field: &str) -> String {
    if side == Side::Operate { field.to_owned() } else { format!("{field}__c") }
}
