//! Killed at every step: whatever store commit or request the process ends at, the end is the same as without.

use super::cluster::is_asked_for;
use super::{folder, on_runtime};
use crate::scenario::{ALL, assert_same};

#[test]
fn killed_before_and_after_every_commit_and_every_request_it_ends_the_same() {
    let (mut kills, mut twice) = (0, 0);
    // PostgreSQL takes several times as long, and stops at the same steps: at each third, which meets every kind of step.
    let stride = if is_asked_for() { 3 } else { 1 };
    for scenario in &ALL {
        let whole = on_runtime(scenario.play(folder(), 1, &[]));
        assert!(!whole.state.contains("BROKEN"), "{}: {}", scenario.name, whole.state);
        for point in (0..whole.points).step_by(stride) {
            let end = on_runtime(scenario.play(folder(), 1, &[point]));
            assert_same(&end.state, &whole.state, &format!("{}: killed at step {point} of {}", scenario.name, whole.points));
            kills += 1;
            // And once more while it finds its way back.
            if point % 4 == 0 {
                let again = point % 13;
                let end = on_runtime(scenario.play(folder(), 1, &[point, again]));
                assert_same(&end.state, &whole.state, &format!("{}: killed at step {point}, and {again} later", scenario.name));
                twice += 1;
            }
        }
        eprintln!("{}: {} store commits and requests", scenario.name, whole.points);
    }
    eprintln!("crashes: {kills} kills, and {twice} double ones");
    assert!(kills * stride > 200, "only {kills} kills");
}
