//! A small picture of a large set of values: its least hashes. Two such pictures tell how much the sets overlap, and one how many
//! different values there are, both within a few per cent; small sets exactly (Bar-Yossef et al., "Counting distinct elements in a
//! data stream", 2002, the first of its algorithms).

use std::collections::BTreeSet;

/// Hashes that are kept.
const KEPT: usize = 1_024;

/// The least hashes of the values seen.
#[derive(Debug, Clone, Default)]
pub struct Sketch {
    least: BTreeSet<u64>,
    /// Whether some were left out.
    full: bool,
}

impl Sketch {
    /// Counts a value's hash in.
    pub fn take(&mut self, hash: u64) {
        if self.least.len() >= KEPT {
            if self.least.last().is_some_and(|last| hash >= *last) {
                self.full |= !self.least.contains(&hash);
                return;
            }
            if self.least.insert(hash) {
                self.least.pop_last();
                self.full = true;
            }
            return;
        }
        self.least.insert(hash);
    }

    /// About how many different values there were.
    #[must_use]
    pub fn distinct(&self) -> f64 {
        let kept = f64::from(u32::try_from(self.least.len()).unwrap_or(u32::MAX));
        match self.least.last() {
            Some(last) if self.full => (kept - 1.0) / share(*last),
            _ => kept,
        }
    }

    /// About which share of the smaller set the larger one has too, 0 to 1.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> f64 {
        // Up to this hash both pictures are whole.
        let bound = |sketch: &Self| sketch.least.last().copied().filter(|_| sketch.full).unwrap_or(u64::MAX);
        let bound = bound(self).min(bound(other));
        let within = |sketch: &Self| sketch.least.range(..=bound).count();
        let smaller = within(self).min(within(other));
        let common = self.least.range(..=bound).filter(|hash| other.least.contains(hash)).count();
        let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        if smaller == 0 { 0.0 } else { number(common) / number(smaller) }
    }
}

/// A hash as a share of all.
fn share(hash: u64) -> f64 {
    // The upper half tells enough.
    (f64::from(u32::try_from(hash >> 32).unwrap_or(u32::MAX)) + 1.0) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, DefaultHasher};

    use super::*;

    fn sketch(values: std::ops::Range<u32>) -> Sketch {
        let mut sketch = Sketch::default();
        let hashing = std::hash::BuildHasherDefault::<DefaultHasher>::default();
        values.for_each(|value| sketch.take(hashing.hash_one(value)));
        sketch
    }

    #[test]
    fn different_values_are_counted_within_a_few_per_cent() {
        assert!((sketch(0..700).distinct() - 700.0).abs() < 0.1);
        let many = sketch(0..50_000).distinct();
        assert!((45_000.0..55_000.0).contains(&many), "{many}");
    }

    #[test]
    fn the_overlap_is_that_of_the_sets() {
        assert!((sketch(0..100).overlap(&sketch(50..400)) - 0.5).abs() < 0.001);
        assert!(sketch(0..10).overlap(&Sketch::default()) < 0.001);
        let part = sketch(0..20_000).overlap(&sketch(10_000..40_000));
        assert!((0.42..0.58).contains(&part), "{part}");
    }
}
