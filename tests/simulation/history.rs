//! A history: what happens, step by step, drawn from a seed.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// How many steps a history has.
pub const STEPS: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// People.
    Create,
    Edit,
    Burst,
    Remove,
    Restore,
    Resolve,
    /// The world.
    Wait,
    Outage,
    Hide,
    SetClock,
    /// The daemon.
    Cycle,
    Hint,
    Rush,
    Crash,
    Sweep,
    Restart,
    Reconfigure,
}

#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub kind: Kind,
    pub seed: u64,
}

pub fn history(seed: u64) -> Vec<Step> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let step = |_| {
        let kind = match rng.random_range(0..200) {
            0..12 => Kind::Create,
            12..102 => Kind::Edit,
            102..122 => Kind::Burst,
            122..126 => Kind::Remove,
            126..128 => Kind::Restore,
            128..131 => Kind::Resolve,
            131..175 => Kind::Wait,
            175..177 => Kind::Outage,
            177 => Kind::Hide,
            178 => Kind::SetClock,
            179..192 => Kind::Cycle,
            192..197 => Kind::Crash,
            197 => Kind::Sweep,
            198 => Kind::Restart,
            _ => Kind::Reconfigure,
        };
        Step { kind, seed: rng.random() }
    };
    (0..STEPS).map(step).collect()
}

/// The same history, with hints in between: of what has just changed, of anything else, again, or none for a long time. Now and then
/// somebody edits one lead many times within the second in which it is read and written.
pub fn hinted(seed: u64) -> Vec<Step> {
    let mut rng = ChaCha8Rng::seed_from_u64(!seed);
    let mut hints = |step: Step| {
        let many = if rng.random_bool(0.15) { rng.random_range(1..3) } else { 0 };
        let kind = if rng.random_bool(0.3) { Kind::Rush } else { Kind::Hint };
        let hints: Vec<Step> = (0..many).map(|_| Step { kind, seed: rng.random() }).collect();
        std::iter::once(step).chain(hints)
    };
    history(seed).into_iter().flat_map(&mut hints).collect()
}
