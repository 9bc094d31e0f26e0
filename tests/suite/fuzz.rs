//! Fuzz targets as ordinary tests: every file of the corpus, then a fixed number of mutations of it, always the same ones.
//!
//! `FUZZ_CASES=100000 cargo test --test suite fuzz` tries more, and `FUZZ_SEED=7` others. A failure prints its input: put it into
//! `fuzz/corpus/<target>/regression-<what-was-wrong>`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use leadsync::fuzz::{TARGETS, check};
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Mutations of each target's corpus.
const CASES: usize = 2_000;
/// The longest mutation, in bytes.
const LONGEST: usize = 4_096;
/// The longest that one input may take, on a machine that is busy with others.
const SLOW: Duration = Duration::from_secs(10);
/// What parsers give a meaning to.
const WORDS: &[&str] = &[
    "null",
    "true",
    "{}",
    "[]",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    ",",
    ":",
    "\"",
    "'",
    "\\",
    "\n",
    "\r\n",
    "\u{feff}",
    "\u{0}",
    "\u{1f}",
    "\\u0000",
    "\\ud800",
    "é",
    "e\u{301}",
    "\u{e000}",
    "-1",
    "0",
    "1e999",
    "-0",
    "1.0",
    "99999999999999999999",
    "0x7fffffffffffffff",
    "9007199254740993",
    "inf",
    "nan",
    "+262142-12-31 23:59:59",
    "-262143-01-01 00:00:00",
    "0001-01-01 00:00:00",
    "9999-12-31 23:59:59",
    "2026-10-25 01:30:00",
    "2026-03-29 01:30:00",
    "2026-06-30 23:59:60",
    "2026-11-24T10:00:00.000+0000",
    "9999-12-31T23:59:59-23:59",
    "31 Dec 262142 23:59:59 GMT",
    "SELECT",
    " FROM Lead WHERE ",
    " AND ",
    " OR ",
    "NOT ",
    "(NOT ",
    " LIKE ",
    "%a%",
    " IN ",
    "COUNT()",
    "LIMIT",
    "OFFSET",
    "ORDER BY",
    "[city]='",
    "[desks]>='",
    "'AND[",
    "#N/A",
    "--",
    ": --",
    "..",
    "../",
    "{leadid}",
    "{{",
    "errorCode",
    "statusCode",
    "message",
    "fields",
    "error",
    "leadid",
    "id",
    "Id",
    "success",
    "errors",
    "access_token",
    "expires_in",
    "instance_url",
    "api-usage=1/0",
    "18446744073709551615",
    "\n[",
    "]]",
    "\"\"\"",
    "'''",
    " = ",
    "env:",
    "client_secret",
    "\n# env LEADSYNC__OPERATE__TIMEOUT=",
    "a.a.a.a.",
    "00Q5g00000AbCdEAAW",
];

macro_rules! targets {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*

        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

targets! {
    change_event, config_toml, http_headers, mapping_lens, operate_rows, operate_time, operate_where, operate_write_answer, outbound_message,
    salesforce_bulk_csv, salesforce_describe, salesforce_outcomes, salesforce_query_page, sign_in_answer, soql,
}

#[test]
fn every_target_has_a_test_a_program_and_a_corpus() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    let tested: BTreeSet<String> = TESTED.iter().map(|name| (*name).to_owned()).collect();
    let manifest = std::fs::read_to_string(folder("Cargo.toml")).unwrap();
    let declared: BTreeSet<String> =
        manifest.split("[[bin]]\nname = \"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect();
    assert_eq!((&tested, &declared, &names("corpus")), (&targets, &targets, &targets));
    assert_eq!(names("fuzz_targets"), targets.iter().map(|name| format!("{name}.rs")).collect());
    for name in targets {
        let program = std::fs::read_to_string(folder("fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(program.contains(&format!("leadsync::fuzz::check(\"{name}\", data)")), "{program}");
    }
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

fn names(name: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder(name)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn run(name: &str) {
    let corpus: Vec<Vec<u8>> = names(&format!("corpus/{name}"))
        .iter()
        .map(|file| {
            let data = std::fs::read(folder("corpus").join(name).join(file)).unwrap();
            try_one(name, file, &data);
            data
        })
        .collect();
    let mut random = ChaCha8Rng::seed_from_u64(setting("FUZZ_SEED", 1) as u64);
    for case in 0..setting("FUZZ_CASES", CASES) {
        try_one(name, &format!("mutation {case}"), &mutated(&mut random, &corpus));
    }
}

/// Checks one input, and names it if that fails.
fn try_one(name: &str, what: &str, data: &[u8]) {
    let started = Instant::now();
    let checked = std::panic::catch_unwind(|| check(name, data));
    let elapsed = started.elapsed();
    assert!(checked.is_ok(), "{name}, {what}: the input was b\"{}\"", data.escape_ascii());
    assert!(elapsed < SLOW, "{name}, {what}, took {elapsed:?}: the input was b\"{}\"", data.escape_ascii());
}

/// A file of the corpus, changed a few times.
fn mutated(random: &mut ChaCha8Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut data = corpus.choose(random).unwrap().clone();
    for _ in 0..random.random_range(1..=6) {
        mutate(random, &mut data, corpus);
    }
    data.truncate(LONGEST);
    data
}

fn mutate(random: &mut ChaCha8Rng, data: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let at = random.random_range(0..=data.len());
    let end = (at + random.random_range(0..=16)).min(data.len());
    match random.random_range(0..9) {
        0 => data.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.random_range(0..8)),
        1 => data.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.random()),
        2 => data.truncate(at),
        3 => drop(data.drain(at..end)),
        4 => {
            let range = data[at..end].to_vec();
            let times = if random.random_bool(0.1) { 100 } else { 1 };
            data.splice(at..at, range.repeat(times));
        }
        5 => {
            let other = corpus.choose(random).unwrap();
            let start = random.random_range(0..=other.len());
            let stop = (start + random.random_range(0..=40)).min(other.len());
            data.splice(at..at, other[start..stop].iter().copied());
        }
        6 => {
            let word = WORDS.choose(random).unwrap();
            let times = if random.random_bool(0.05) { 300 } else { 1 };
            data.splice(at..at, word.repeat(times).into_bytes());
        }
        7 => {
            let word = WORDS.choose(random).unwrap();
            data.splice(at..end, word.bytes());
        }
        _ => data[at..].rotate_left(end - at),
    }
}
