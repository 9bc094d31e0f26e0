//! Both clients, and the engine that is put together on them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::config::Config;
use crate::lead::{PerSide, Side};
use crate::mapping::{Described, Mapping, MappingError, Misfit, user_fields};
use crate::metrics::Metrics;
use crate::operate::OperateClient;
use crate::permit::Permit;
use crate::salesforce::SalesforceClient;
use crate::side::{SideClient, SideError};
use crate::store::{Cycle, Store, StoreError};
use crate::sync::{Engine, Rules, Tally};

/// Why an engine cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    /// The fields do not make a mapping.
    #[error("the mapping is wrong: {0}")]
    Mapping(#[from] MappingError),
    /// A client cannot be made, or a system does not say what its fields are.
    #[error(transparent)]
    Side(#[from] SideError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The clients of both systems. They keep their sessions for as long as the program runs.
pub struct Systems {
    /// Operate.
    pub operate: Arc<OperateClient>,
    /// Salesforce.
    pub salesforce: Arc<SalesforceClient>,
    /// What engines on these clients pass on to the next.
    tally: Mutex<Tally>,
    metrics: Metrics,
}

impl Systems {
    /// As configured, with what they do counted there. Nothing is sent yet, nor without this permit.
    pub fn of(config: &Config, metrics: &Metrics, permit: &Permit) -> Result<Self, SideError> {
        let native = |side: Side| config.fields.iter().flat_map(|field| field.native.get(side).clone()).collect::<BTreeSet<_>>();
        let lookups = config.fields.iter().filter_map(|field| Some((field.native.operate.first()?.clone(), field.lookup?)));
        let operate = OperateClient::new(&config.operate, native(Side::Operate).into_iter().collect(), lookups.collect())?;
        let salesforce = SalesforceClient::new(&config.salesforce, native(Side::Salesforce).into_iter().collect())?;
        let (operate, salesforce) = (operate.at_work(metrics, permit), salesforce.at_work(metrics, permit));
        let (operate, salesforce, metrics) = (Arc::new(operate), Arc::new(salesforce), metrics.clone());
        Ok(Self { operate, salesforce, tally: Mutex::default(), metrics })
    }

    /// What the systems say of their fields.
    pub async fn describe(&self) -> Result<Described, SideError> {
        let (operate, salesforce) = tokio::join!(self.operate.describe(), self.salesforce.describe());
        Ok(PerSide { operate: operate?, salesforce: salesforce? })
    }

    /// An engine on this store, with the mapping that the systems' fields allow. What had to be left out of it is logged. Where a
    /// system fails, the store keeps that as the record of a cycle.
    pub async fn engine(&self, config: &Config, store: Arc<Store>) -> Result<Engine, AssemblyError> {
        let started_at = Utc::now();
        let assembled = self.assembled(config, Arc::clone(&store)).await;
        if let Err(AssemblyError::Side(error)) = &assembled {
            self.record(&store, started_at, error).await?;
        }
        assembled
    }

    async fn assembled(&self, config: &Config, store: Arc<Store>) -> Result<Engine, AssemblyError> {
        let described = self.describe().await?;
        let (mapping, misfits) = Mapping::fitted(config, &described)?;
        for Misfit { field, problem } in &misfits {
            tracing::warn!(field, problem, "mapping.misfit");
        }
        let users = user_fields(config, Side::Salesforce, &described);
        self.salesforce.map(mapping.native_names(Side::Salesforce), users);
        let clients: PerSide<Arc<dyn SideClient>> =
            PerSide { operate: Arc::clone(&self.operate) as _, salesforce: Arc::clone(&self.salesforce) as _ };
        let rules = Rules::of(config, &mapping)?;
        let engine = Engine::new(store, Arc::new(mapping), clients, rules, Arc::new(Utc::now)).await?.counted_in(&self.metrics);
        engine.go_on_from(&self.tally());
        Ok(engine)
    }

    async fn record(&self, store: &Store, started_at: DateTime<Utc>, error: &SideError) -> Result<(), StoreError> {
        let mut tally = self.tally();
        let made = PerSide { operate: self.operate.requests(), salesforce: self.salesforce.requests() };
        let held = match error {
            SideError::Budget { side: Side::Salesforce, retry_at, .. } => Some(tally.leave_alone(*retry_at, Utc::now())),
            _ => None,
        };
        let cycle = Cycle {
            started_at,
            requests: made,
            held,
            usage: self.salesforce.usage(),
            error: Some(error.to_string()),
            ..Cycle::default()
        };
        store.record_cycle(&cycle, PerSide::default(), Utc::now()).await?;
        self.operate.recorded(made.operate);
        self.salesforce.recorded(made.salesforce);
        self.keep(tally);
        Ok(())
    }

    /// What the next engine goes on from.
    pub(super) fn tally(&self) -> Tally {
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what an engine passes on.
    pub(super) fn keep(&self, tally: Tally) {
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner) = tally;
    }
}

/// An engine on this store, with the clients of both systems.
pub async fn assemble(config: &Config, store: Store) -> Result<Engine, AssemblyError> {
    Systems::of(config, &Metrics::default(), store.permit())?.engine(config, Arc::new(store)).await
}
