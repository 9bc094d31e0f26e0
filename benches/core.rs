//! How long the core takes for a lead, and what it allocates: `cargo bench --bench core`.

#![allow(clippy::expect_used, clippy::format_push_string, missing_docs)]

mod cases;
mod fields;

use cases::{Core, LEADS};
use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use leadsync::lead::Side;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench]
fn merge_unchanged(bencher: Bencher<'_, '_>) {
    let core = Core::new();
    bencher.counter(ItemsCount::new(1_u8)).bench_local(|| core.merge());
}

#[divan::bench]
fn merge_edited_on_both_sides(bencher: Bencher<'_, '_>) {
    let core = Core::edited();
    bencher.counter(ItemsCount::new(1_u8)).bench_local(|| core.merge());
}

#[divan::bench(args = Side::BOTH)]
fn read_an_answer(bencher: Bencher<'_, '_>, side: Side) {
    let core = Core::new();
    bencher.counter(ItemsCount::new(LEADS)).bench_local(|| core.read(side));
}

#[divan::bench]
fn recall_a_link(bencher: Bencher<'_, '_>) {
    let core = Core::new();
    bencher.counter(ItemsCount::new(1_u8)).bench_local(|| core.recall());
}

#[divan::bench]
fn keep_a_base(bencher: Bencher<'_, '_>) {
    let core = Core::new();
    bencher.counter(ItemsCount::new(1_u8)).bench_local(|| core.keep_base());
}

#[divan::bench]
fn write_all_fields(bencher: Bencher<'_, '_>) {
    let core = Core::new();
    bencher.counter(ItemsCount::new(1_u8)).bench_local(|| core.write());
}
