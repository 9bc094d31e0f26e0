//! Does one thing once, for callgrind to count its instructions: `instructions CASE` (see `instructions.sh`). Without a case, it
//! lists them.

#![allow(clippy::expect_used, clippy::format_push_string, clippy::print_stdout, missing_docs)]

mod cases;
mod fields;

use std::hint::black_box;

use cases::Core;
use leadsync::lead::Side;
use tikv_jemallocator::Jemalloc;

/// The program's own. What the C library's takes depends on what lies where, which differs from run to run by a twelfth.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// How often, where once is over in no time.
const TIMES: usize = 100;

type Case = (&'static str, fn() -> Core, fn(&Core));

const CASES: [Case; 7] = [
    ("merge_unchanged", Core::new, |core| again(|| core.merge())),
    ("merge_edited_on_both_sides", Core::edited, |core| again(|| core.merge())),
    ("read_an_answer_of_operate", Core::new, |core| _ = black_box(core.read(Side::Operate))),
    ("read_an_answer_of_salesforce", Core::new, |core| _ = black_box(core.read(Side::Salesforce))),
    ("recall_a_link", Core::new, |core| again(|| core.recall())),
    ("keep_a_base", Core::new, |core| again(|| core.keep_base())),
    ("write_all_fields", Core::new, |core| again(|| core.write())),
];

fn main() {
    let asked = std::env::args().nth(1).filter(|word| !word.starts_with('-'));
    let Some(asked) = asked else { return CASES.iter().for_each(|(name, ..)| println!("{name}")) };
    let (_, made, case) = CASES.into_iter().find(|(name, ..)| *name == asked).expect("a case of the list");
    measured(case, &made());
}

/// Callgrind counts what happens in here.
#[inline(never)]
fn measured(case: fn(&Core), core: &Core) {
    case(black_box(core));
}

fn again<T>(mut case: impl FnMut() -> T) {
    for _ in 0..TIMES {
        black_box(case());
    }
}
