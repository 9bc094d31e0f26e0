//! The engine and the real store against a model of both systems.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use leadsync::config::field::{Direction, FieldConfig};
use leadsync::config::part::MappingConfig;
use leadsync::config::salesforce::DuplicateRule;
use leadsync::config::sync::{ConflictRule, CreateRule, DeleteRule};
use leadsync::lead::{Kind, PerSide, Side};
use leadsync::mapping::{Mapping, OperateTime};
use leadsync::store::{Address, Cycle, Store};
use leadsync::sync::{Engine, Patience, Rules};
use tempfile::TempDir;

use crate::cluster::address_in;
use crate::fixtures::{field, row};
use crate::world::World;

/// Stands for a clock that stands still.
const FROZEN: i64 = i64::MAX;

pub struct Bench {
    pub operate: Arc<World>,
    pub salesforce: Arc<World>,
    pub engine: Engine,
    pub fields: Vec<FieldConfig>,
    pub match_keys: Vec<Vec<String>>,
    pub filter: Option<String>,
    pub mappings: Vec<MappingConfig>,
    pub rules: Rules,
    pub folder: TempDir,
    pub address: Address,
    ahead: Arc<AtomicI64>,
}

pub fn fields() -> Vec<FieldConfig> {
    let mut status = field("status", Kind::Choice);
    status.values = vec![row("New", "Open", Direction::Both), row("Working", "Contacted", Direction::Both)];
    let plain = |name| field(name, Kind::Text);
    vec![plain("email"), plain("phone"), plain("title"), status]
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(fields()).await
    }

    pub async fn with(fields: Vec<FieldConfig>) -> Self {
        Self::under(fields, rules()).await
    }

    pub async fn ruled(change: impl FnOnce(&mut Rules)) -> Self {
        let mut rules = rules();
        change(&mut rules);
        Self::under(fields(), rules).await
    }

    async fn under(fields: Vec<FieldConfig>, rules: Rules) -> Self {
        let (operate, salesforce) = (Arc::new(World::new(Side::Operate)), Arc::new(World::new(Side::Salesforce)));
        let folder = TempDir::new().unwrap();
        let address = address_in(folder.path());
        let match_keys = vec![vec!["email".to_owned()]];
        let mapping = mapping(&fields, &match_keys);
        let ahead = Arc::default();
        let engine = engine(&address, mapping, &rules, &operate, &salesforce, &ahead).await;
        Self {
            operate,
            salesforce,
            engine,
            fields,
            match_keys,
            filter: None,
            mappings: Vec::new(),
            rules,
            folder,
            address,
            ahead,
        }
    }

    /// Drops the engine, as a crash would, and starts another on the same store.
    pub async fn restart(&mut self) {
        let mapping = mapping(&self.fields, &self.match_keys).limited(self.filter.as_deref(), &self.mappings).unwrap();
        self.engine = engine(&self.address, mapping, &self.rules, &self.operate, &self.salesforce, &self.ahead).await;
    }

    /// Our clock stands still.
    pub fn freeze_our_clock(&self) {
        self.ahead.store(FROZEN, Ordering::Relaxed);
    }

    /// Somebody sets our clock forward.
    pub fn set_our_clock_ahead(&self, ahead: TimeDelta) {
        self.ahead.store(ahead.num_seconds(), Ordering::Relaxed);
        self.operate.set_our_clock_ahead(ahead);
        self.salesforce.set_our_clock_ahead(ahead);
    }

    pub async fn cycle(&self) -> Cycle {
        self.operate.later();
        self.salesforce.later();
        self.engine.cycle(Patience::Wait(Duration::from_secs(10)), &|| false).await.unwrap()
    }

    /// The state of the link that a lead belongs to, and the reason.
    pub async fn state(&self, id: &str) -> (String, String) {
        let report = self.engine.store().show(id).await.unwrap().unwrap();
        (report.state, report.reason.unwrap_or_default())
    }

    pub async fn pair(&self) -> (String, String) {
        let operate = self.operate.add(&[("email", "ann@example.com"), ("phone", "1"), ("title", "CEO"), ("status", "New")]);
        self.cycle().await;
        let salesforce = self.salesforce.leads()[0].id.clone();
        (operate, salesforce)
    }
}

pub fn rules() -> Rules {
    Rules {
        create: CreateRule::Both,
        delete: DeleteRule::Ignore,
        duplicates: DuplicateRule::Park,
        overlap: TimeDelta::minutes(10),
        settle: TimeDelta::seconds(1),
        write_for: Duration::from_mins(2),
        max_change: None,
        max_delete: 10,
        daily_request_share: 0.5,
        required_fields: Vec::new(),
        filtered: PerSide::default(),
        unlinks: false,
        converted: None,
    }
}

fn mapping(fields: &[FieldConfig], match_keys: &[Vec<String>]) -> Mapping {
    let time = OperateTime { zone: chrono_tz::UTC, format: "%Y-%m-%d %H:%M:%S".to_owned() };
    Mapping::new(fields, match_keys, ConflictRule::Newest, &time).unwrap()
}

async fn engine(
    address: &Address,
    mapping: Mapping,
    rules: &Rules,
    operate: &Arc<World>,
    salesforce: &Arc<World>,
    ahead: &Arc<AtomicI64>,
) -> Engine {
    let store = Store::open(address).await.unwrap();
    let clients = PerSide { operate: Arc::clone(operate) as _, salesforce: Arc::clone(salesforce) as _ };
    let ahead = Arc::clone(ahead);
    let clock = move || match ahead.load(Ordering::Relaxed) {
        FROZEN => DateTime::UNIX_EPOCH + TimeDelta::days(20_000),
        ahead => Utc::now() + TimeDelta::seconds(ahead),
    };
    Engine::new(Arc::new(store), Arc::new(mapping), clients, rules.clone(), Arc::new(clock)).await.unwrap()
}
