//! The configuration: one file a concern, all of it parsed and checked at start.

pub mod field;
pub mod operate;
pub mod salesforce;
pub mod sync;

use chrono::TimeDelta;

/// All of `leadsync.toml`, checked, with secrets resolved.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[store]`.
    pub store: StoreConfig,
    /// `[operate]`.
    pub operate: operate::OperateConfig,
    /// `[salesforce]`.
    pub salesforce: salesforce::SalesforceConfig,
    /// `[schedule]`.
    pub schedule: ScheduleConfig,
    /// `[sync]`.
    pub sync: sync::SyncConfig,
    /// `[[fields]]`, in the file's order.
    pub fields: Vec<field::FieldConfig>,
}

/// `[store]`.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// `sqlite:leadsync.db`.
    pub url: String,
}

/// `[schedule]`: cron expressions with seconds, in UTC.
#[derive(Debug, Clone)]
pub struct ScheduleConfig {
    /// When cycles start.
    pub poll: String,
    /// When everything is compared.
    pub sweep: String,
    /// How far behind the checkpoint a poll reads again; 5 s at least.
    pub overlap: TimeDelta,
}
