//! All tests that go through the library's public face, in one binary: linking is what takes the time.
// A test that cannot go on should panic, and it is the place that panics which says why.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stderr)]

mod bench;
mod bulk;
mod checking;
mod clients;
mod config;
mod configurations;
mod cookbook;
mod doubtful;
mod edges;
mod engine;
mod expressions;
mod fields;
mod fixtures;
mod found;
mod fuzz;
mod hardship;
mod in_step;
mod init;
mod lenses;
mod merging;
mod moved;
mod operator;
mod org;
mod org_trouble;
mod org_writes;
mod program;
mod references;
mod remapping;
mod removal;
mod schema;
mod sign_in;
mod spellings;
mod starting;
mod store;
mod systems;
mod taking_part;
mod transform_refusals;
mod transforms;
mod watched;
mod workspace;
mod world;
