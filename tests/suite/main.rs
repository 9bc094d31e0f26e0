//! All tests that go through the library's public face, in one binary: linking is what takes the time.
// A test that cannot go on should panic, and it is the place that panics which says why.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stderr)]

mod alerts;
mod bench;
mod bulk;
mod checking;
mod clients;
#[path = "../cluster/mod.rs"]
mod cluster;
mod comparing;
mod config;
mod configurations;
mod cookbook;
mod counted;
mod decided;
mod doubtful;
mod edges;
mod engine;
mod events;
mod expressions;
mod fields;
mod fixtures;
mod found;
mod fuzz;
mod hardship;
mod hinted;
mod in_step;
mod init;
mod keeping;
mod lenses;
mod logged;
mod logging;
mod mapped;
mod merging;
mod moved;
mod operations;
mod operator;
mod ops;
mod org;
mod org_trouble;
mod org_writes;
mod outcomes;
mod page;
mod pairs_page;
