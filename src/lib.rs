//! leadsync keeps Leads in step, both ways, between essensys Operate and Salesforce.

pub mod check;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod demo;
pub mod directory;
#[doc(hidden)]
pub mod fuzz;
pub mod hints;
pub mod http;
pub mod init;
pub mod lead;
pub mod logging;
pub mod mapping;
pub mod merge;
pub mod metrics;
pub mod native;
pub mod operate;
pub mod ops;
pub mod permit;
pub mod propose;
pub mod salesforce;
pub mod sandbox;
pub mod schedule;
pub mod side;
pub mod store;
pub mod survey;
pub mod sync;
#[cfg(feature = "otlp")]
pub mod traces;
pub mod undo;
