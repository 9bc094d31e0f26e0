//! One run: the world, and the daemon on its store.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::FutureExt as _;
use leadsync::lead::{PerSide, Side};
use leadsync::store::{Actor, Cycle, PlannedPush, Store, stamp};
use leadsync::sync::{CycleError, Engine, Followed, Patience, Turns};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value as Json};

use super::cluster::{execute, rows};
use super::history::{Kind, Step};
use super::home::Home;
use super::model::{Model, TRACED, Trouble};
use super::oracle;
use super::port::{Port, Shared};
use super::setup::Setup;

/// In so many cycles without trouble both sides agree.
const BOUND: usize = 12;

/// One in so many starts opens the store's file anew, which costs more than a cycle.
const OPENED: usize = 4;

pub struct Run {
    pub shared: Arc<Shared>,
    home: Home,
    setup: Setup,
    open: Option<Arc<Store>>,
    starts: usize,
    engine: Option<Engine>,
}

/// What a run came to.
pub struct Ran {
    pub trace: u64,
    pub simulated: TimeDelta,
    pub cycles: u64,
    pub broken: Vec<String>,
    pub log: Vec<String>,
}

impl Run {
    /// In a folder that holds an empty store, `empty.db`.
    pub fn new(seed: u64, folder: &Path) -> Self {
        Self::at(seed, Home::new(folder))
    }

    /// With its store there.
    pub fn at(seed: u64, home: Home) -> Self {
        let mut model = Model::new(seed);
        let setup = Setup::draw(&mut model.rng);
        Self::of(model, setup, home)
    }

    /// Under this configuration, with systems that have no rules of their own.
    pub fn under(draws: u64, setup: Setup, folder: &Path) -> Self {
        let mut model = Model::new(draws);
        model.shouts = false;
        Self::of(model, setup, Home::new(folder))
    }

    fn of(model: Model, setup: Setup, home: Home) -> Self {
        Self { shared: Arc::new(Shared::new(model)), home, setup, open: None, starts: 0, engine: None }
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    /// A daemon starts on the store.
    pub async fn start(&mut self) {
        if self.starts.is_multiple_of(OPENED) {
            self.close().await;
        } else {
            self.stop().await;
        }
        self.starts += 1;
        let store = match self.open.take() {
            Some(store) => store,
            None => self.open().await,
        };
        self.engine = Some(self.engine_on(Arc::clone(&store)).await);
        self.open = Some(store);
    }

    async fn open(&self) -> Arc<Store> {
        let store = Store::open(&self.home.address).await.unwrap();
        let shared = Arc::clone(&self.shared);
        store.on_commit(move || !shared.ends()).await.unwrap();
        Arc::new(store)
    }

    async fn engine_on(&self, store: Arc<Store>) -> Engine {
        let shared = Arc::clone(&self.shared);
        let turns = Arc::new(Turns::new(move |of| shared.model().rng.random_range(0..of.max(1))));
        let mapping = Arc::new(self.setup.mapping(self.shared.model().hidden));
        let port = |side| {
            let asked = mapping.native_names(side);
            Arc::new(Port { side, shared: Arc::clone(&self.shared), turns: Arc::clone(&turns), asked }) as _
        };
        let rules = self.setup.rules(&mapping);
        let shared = Arc::clone(&self.shared);
        let clock = Arc::new(move || shared.model().our_now());
        let engine = Engine::new(store, Arc::clone(&mapping), PerSide::build(port), rules, clock).await.unwrap();
        engine.in_turns(turns)
    }

    /// The process is gone; what it had not committed is gone with it.
    async fn stop(&mut self) {
        if self.engine.take().is_some() {
            let store = self.open.as_ref().unwrap();
            // Once the store's connection can be had, nothing of that process is under way any more.
            store.at_rest().await.unwrap();
        }
        let _ = self.shared.ended.notified().now_or_never();
        let mut model = self.shared.model();
        model.dead = false;
        model.trouble = Trouble::default();
    }

    /// Ends the process and closes its store.
    async fn close(&mut self) {
        self.stop().await;
        if let Some(store) = self.open.take() {
            store.close().await;
        }
    }

    /// Has the process do something; `None` if it ended meanwhile.
    async fn alive<T>(&mut self, work: impl AsyncFnOnce(&Engine) -> T) -> Option<T> {
        let engine = self.engine.as_ref().unwrap();
        let done = tokio::select! {
            biased;
            () = self.shared.ended.notified() => None,
            done = work(engine) => Some(done),
        };
        if done.is_none() || self.shared.model().dead {
            self.start().await;
            return None;
        }
        done
    }

    /// One cycle, as the daemon has it; `None` if the process ended in it.
    pub async fn cycle(&mut self) -> Option<Result<Cycle, CycleError>> {
        let ran = self.alive(async |engine| engine.cycle(Patience::NextCycle, &|| false).await).await?;
        match &ran {
            Err(CycleError::Schema { .. }) => self.start().await,
            Ok(cycle) => self.setup.check(cycle, &mut self.shared.model().broken),
            Err(_) => {}
        }
        Some(ran)
    }

    async fn step(&mut self, step: Step) {
        {
            let mut model = self.shared.model();
            model.rng = ChaCha8Rng::seed_from_u64(step.seed);
            match step.kind {
                Kind::Create => model.person_creates(),
                Kind::Edit => model.person_edits(),
                Kind::Burst => (0..3).for_each(|_| model.person_edits()),
                Kind::Remove => model.person_removes(),
                Kind::Restore => model.person_restores(),
                Kind::Wait => {
                    let time = TimeDelta::milliseconds(model.rng.random_range(10..120_000));
                    model.pass(time);
                }
                Kind::Outage => {
                    let (side, requests) = (model.any_side(), model.rng.random_range(1..6));
                    *model.down.get_mut(side) = requests;
                }
                Kind::Hide => {
                    let field = TRACED[model.rng.random_range(0..TRACED.len())];
                    model.hidden = if model.hidden.is_none() { Some(field) } else { None };
                    let note = format!("hidden from this user: {:?}", model.hidden);
                    model.note(&note);
                }
                Kind::SetClock => {
                    let jump = TimeDelta::seconds(model.rng.random_range(-7_200..7_200));
                    model.our_offset += jump;
                    model.note("our clock is set");
                }
                Kind::Reconfigure => self.setup.change(&mut model.rng),
                Kind::Rush => model.trouble.rush = model.any_lead(Side::Salesforce),
                Kind::Cycle | Kind::Hint | Kind::Crash | Kind::Sweep | Kind::Restart | Kind::Resolve => {
                    model.trouble.percent = if model.rng.random_bool(0.5) { 15 } else { 0 };
                    model.trouble.crash_in = (step.kind == Kind::Crash).then(|| model.rng.random_range(0..25));
                }
            }
        }
        match step.kind {
            Kind::Cycle | Kind::Crash => {
                let _ = self.cycle().await;
            }
            Kind::Hint => self.hint().await,
            Kind::Rush => self.rush().await,
            Kind::Sweep => {
                let _ = self.alive(async |engine| engine.sweep().await).await;
            }
            Kind::Restart | Kind::Reconfigure => self.start().await,
            Kind::Resolve => self.people_resolve().await,
            _ => {}
        }
        self.shared.model().trouble = Trouble::default();
    }

    /// Somebody names some leads: any of them, leads that nobody has, and what changed last among them or not.
    async fn hint(&mut self) {
        let hints = {
            let mut model = self.shared.model();
            PerSide::build(|side| {
                let mut ids: Vec<String> = model.leads.get(side).keys().cloned().collect();
                ids.push("4711".to_owned());
                let many = model.rng.random_range(0..5);
                (0..many).map(|_| ids[model.rng.random_range(0..ids.len())].clone()).collect()
            })
        };
        self.follow(&hints).await;
    }

    /// Both halves of a lead are edited, and edited again while leadsync looks at them.
    async fn rush(&mut self) {
        let Some(id) = self.shared.model().trouble.rush.clone() else { return };
        for _ in 0..3 {
            let (hints, is_hint) = {
                let mut model = self.shared.model();
                let soul = model.leads.salesforce[&id].soul;
                let twin = model.leads.operate.iter().find(|(_, lead)| lead.soul == soul && !lead.record.deleted);
                let twin: Vec<String> = twin.map(|(id, _)| id.clone()).into_iter().collect();
                for twin in &twin {
                    let (field, value) = (TRACED[model.rng.random_range(0..TRACED.len())], model.fresh(soul, "rush"));
                    if !model.is_locked(Side::Operate, twin) {
                        model.person_writes(Side::Operate, twin, field, &value);
                    }
                }
                model.person_rushes(&id);
                (PerSide { operate: twin, salesforce: Vec::new() }, model.rng.random_bool(0.7))
            };
            if is_hint {
                self.follow(&hints).await;
            } else {
                let _ = self.cycle().await;
            }
        }
    }

    async fn follow(&mut self, hints: &PerSide<Vec<String>>) {
        let followed = self.alive(async |engine| engine.follow(hints, &|| false).await).await;
        match followed {
            Some(Err(CycleError::Schema { .. })) => self.start().await,
            Some(Ok(Followed { cycle, .. })) => self.setup.check(&cycle, &mut self.shared.model().broken),
            _ => {}
        }
    }

    /// People settle every open conflict, let go on what a brake holds, and have parked leads tried again.
    async fn people_resolve(&self) {
        let store = self.engine().store();
        for conflict in store.open_conflicts().await.unwrap() {
            let (winner, now) = {
                let mut model = self.shared.model();
                let winner = model.any_side();
                model.note(&format!("person takes {winner} for {}", conflict.field));
                (winner, model.our_now())
            };
            store.resolve(conflict.conflict_id, winner, Actor::Command, now).await.unwrap();
        }
        let now = self.shared.model().our_now();
        store.resume(true, Actor::Command, now).await.unwrap();
        store.retry(None, Actor::Command, now).await.unwrap();
    }

    /// Ends the process, and takes its store away.
    pub async fn end(&mut self) {
        self.close().await;
        self.home.remove().await;
    }

    /// Somebody loses the store; the daemon starts with none.
    pub async fn lose_store(&mut self) {
        self.end().await;
        self.start().await;
    }

    /// The process ends after so many more store commits and requests.
    pub fn kill_in(&self, points: u32) {
        self.shared.model().trouble.crash_in = Some(points);
    }

    /// How many there were since [`Run::kill_in`] was told the greatest number.
    pub fn points(&self) -> u32 {
        u32::MAX - self.shared.model().trouble.crash_in.unwrap()
    }

    pub async fn sweep(&self) {
        self.engine().sweep().await.unwrap();
    }

    /// What the store says, a text a row.
    pub async fn rows(&self, sql: &'static str) -> Vec<String> {
        rows(&self.home.address, sql).await
    }

    /// Has polls miss whatever was modified before the next hour.
    pub async fn look_ahead(&mut self) {
        self.close().await;
        let later = PerSide::build(|side: Side| {
            let model = self.shared.model();
            stamp(model.server_now(side) + TimeDelta::hours(1))
        });
        for side in Side::BOTH {
            let sql = format!("UPDATE checkpoint SET modified_at = '{}' WHERE side = '{side}'", later.get(side));
            execute(&self.home.address, &sql).await;
        }
        self.start().await;
    }

    /// What `leadsync plan` says: side, kind and fields of every write.
    pub async fn plan(&self) -> BTreeSet<String> {
        let copy = self.home.beside();
        let place = copy.address.place().unwrap();
        if let Some(file) = place.file() {
            self.engine().store().copy_to(file).await.unwrap();
        }
        let store = Store::open(&copy.address).await.unwrap();
        if place.file().is_none() {
            self.engine().store().copy_into(&store).await.unwrap();
        }
        let engine = self.engine_on(Arc::new(store)).await;
        engine.rehearse().await.unwrap();
        let planned = engine.store().planned().await.unwrap();
        engine.store().close().await;
        copy.remove().await;
        let fields = |push: &PlannedPush| -> Map<String, Json> {
            push.fields.iter().map(|field| (field.name.clone(), field.after.clone())).collect()
        };
        planned.iter().map(|push| format!("{} {} {:?}", push.side, push.kind, fields(push))).collect()
    }

    /// Nobody edits and nothing fails any more: cycles until both sides agree, and two that must be quiet.
    pub async fn settle(&mut self) -> Vec<String> {
        {
            let mut model = self.shared.model();
            model.down = PerSide::default();
            model.hidden = None;
            model.people_mend();
        }
        self.start().await;
        let mut broken = Vec::new();
        let mut quiet = 0;
        for round in 0..BOUND {
            self.shared.model().pass(TimeDelta::minutes(6));
            if round < 1
                && let Err(error) = self.engine().sweep().await
            {
                broken.push(format!("convergent: a sweep without trouble fails: {error}"));
            }
            self.people_resolve().await;
            match self.cycle().await {
                Some(Ok(cycle)) if (cycle.seen, cycle.pushed, cycle.conflicts) == (0, 0, 0) => quiet += 1,
                Some(Ok(_)) => quiet = 0,
                Some(Err(error)) => broken.push(format!("convergent: a cycle without trouble fails: {error}")),
                None => broken.push("the process ended by itself".to_owned()),
            }
            if quiet > 0 {
                break;
            }
        }
        for _ in 0..2 {
            self.shared.model().pass(TimeDelta::minutes(20));
            let before = self.shared.model().requests;
            if let Some(Ok(cycle)) = self.cycle().await {
                let after = self.shared.model().requests;
                let requests = PerSide::build(|side: Side| after.get(side) - before.get(side));
                if (cycle.seen, cycle.pushed, requests) != (0, 0, PerSide { operate: 1, salesforce: 1 }) {
                    broken.push(format!("quiet when in step: {} seen, {} pushed, {requests:?}", cycle.seen, cycle.pushed));
                }
            }
        }
        broken
    }

    /// Plays a history, and gives how many cycles there were in it.
    pub async fn live(&mut self, steps: &[Step]) -> u64 {
        self.start().await;
        for step in steps {
            self.step(*step).await;
        }
        steps.iter().map(|step| u64::from(matches!(step.kind, Kind::Cycle | Kind::Crash))).sum()
    }

    /// Plays a history, lets the world go quiet, and asks the oracle.
    pub async fn play(mut self, steps: &[Step]) -> Ran {
        let began = self.shared.model().now;
        let cycles = self.live(steps).await;
        let mut broken = self.settle().await;
        broken.extend(oracle::check(&self.shared, self.engine(), &self.home.address).await);
        self.end().await;
        let mut model = self.shared.model();
        broken.append(&mut model.broken);
        let log = std::mem::take(&mut model.log);
        Ran { trace: model.trace_hash(), simulated: model.now - began, cycles, broken, log }
    }
}
