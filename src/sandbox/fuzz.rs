//! What must hold of what the simulated systems are asked, whatever it is. The properties stand with the parsers.

pub(crate) use super::operate::fuzz::{operate_where, outbound_message};
pub(crate) use super::salesforce::fuzz::{bulk_csv, event_schema, soql, soql_literal};
