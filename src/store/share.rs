//! How replicas share stores among them: whoever has less to do asks for some of those of whoever has more.

use std::collections::BTreeMap;

/// Of the stores that others lead, those that this replica asks for. It leads `own` now. A quarter of the difference at a time, so that
/// several who ask the same one do not take turns in asking each other.
pub(super) fn to_ask_for<'s>(own: usize, others: &BTreeMap<&'s str, Vec<&'s str>>) -> Vec<&'s str> {
    // The one who leads most; of equals, any will do.
    let Some(stores) = others.values().max_by_key(|stores| stores.len()) else { return Vec::new() };
    let more = stores.len().saturating_sub(own);
    if more < 2 {
        return Vec::new();
    }
    stores.iter().take((more / 4).max(1)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(mut led: Vec<usize>) -> (Vec<usize>, usize) {
        let mut rounds = 0;
        loop {
            let before = led.clone();
            for asking in 0..led.len() {
                let names: Vec<Vec<String>> =
                    before.iter().map(|led| (0..*led).map(|store| store.to_string()).collect()).collect();
                let names: Vec<Vec<&str>> = names.iter().map(|names| names.iter().map(String::as_str).collect()).collect();
                let replicas: Vec<String> = (0..led.len()).map(|replica| replica.to_string()).collect();
                let others = replicas.iter().zip(&names).enumerate().filter(|(replica, _)| *replica != asking);
                let others: BTreeMap<&str, Vec<&str>> = others.map(|(_, (name, led))| (name.as_str(), led.clone())).collect();
                let asked = to_ask_for(before[asking], &others).len();
                let most = (0..led.len()).filter(|replica| *replica != asking).max_by_key(|replica| before[*replica]);
                if let Some(most) = most {
                    let asked = asked.min(led[most]);
                    led[most] -= asked;
                    led[asking] += asked;
                }
            }
            if led == before {
                return (led, rounds);
            }
            rounds += 1;
            assert!(rounds < 100, "it never ends: {led:?}");
        }
    }

    #[test]
    fn replicas_come_to_have_as_many_stores_as_each_other_and_leave_it_at_that() {
        for led in
            [vec![200, 0], vec![200, 0, 0], vec![100, 100, 0], vec![1, 0], vec![2, 0], vec![3, 0, 0], vec![5], vec![7, 0, 0, 9]]
        {
            let (after, rounds) = settled(led.clone());
            let (least, most) = (after.iter().min().unwrap(), after.iter().max().unwrap());
            assert!(most - least <= 1, "{led:?}: {after:?}");
            assert!(rounds <= 20, "{led:?}: {rounds} rounds");
        }
    }
}
