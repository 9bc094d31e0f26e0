//! How replicas share stores among them: whoever has less to do asks for some of those of whoever has more.

use std::collections::BTreeMap;

/// What is known of the lease of a store that this replica does not lead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elsewhere<'s> {
    pub(super) store: &'s str,
    /// Who leads it; nothing where it was given back.
    pub(super) holder: &'s str,
    /// Who has asked for it.
    pub(super) wanted_by: &'s str,
    /// Whether its holder was heard of lately.
    pub(super) is_there: bool,
}

/// Of the stores `elsewhere`, those that the replica `own`, which leads so many now, asks for.
pub(super) fn to_ask_for<'s>(own: &str, leads: usize, elsewhere: &[Elsewhere<'s>]) -> Vec<&'s str> {
    // What it has asked for is as good as its own, also where it was given back and not taken yet.
    let coming = elsewhere.iter().filter(|each| each.wanted_by == own).count();
    let mut others: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for each in elsewhere.iter().filter(|each| each.is_there && each.wanted_by.is_empty()) {
        if !each.holder.is_empty() && each.holder != own {
            others.entry(each.holder).or_default().push(each.store);
        }
    }
    of_whoever_has_most(leads + coming, &others)
}

/// A quarter of the difference at a time, so that several who ask the same one do not take turns in asking each other.
fn of_whoever_has_most<'s>(own: usize, others: &BTreeMap<&'s str, Vec<&'s str>>) -> Vec<&'s str> {
    // Of equals, any will do.
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
                let asked = of_whoever_has_most(before[asking], &others).len();
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

    #[test]
    fn what_is_on_its_way_is_not_asked_for_twice() {
        let of = |store, holder, wanted_by| Elsewhere { store, holder, wanted_by, is_there: true };
        let all = ["a", "b", "c", "d"].map(|store| of(store, "one", ""));
        assert_eq!(to_ask_for("two", 0, &all), ["a"]);
        let asked = [of("a", "one", "two"), all[1], all[2], all[3]];
        assert_eq!(to_ask_for("two", 0, &asked), ["b"]);
        // One was given back, the other not yet; then both; then one was taken.
        for on_their_way in [[of("a", "", "two"), of("b", "one", "two")], [of("a", "", "two"), of("b", "", "two")]] {
            let elsewhere = [on_their_way[0], on_their_way[1], all[2], all[3]];
            assert!(to_ask_for("two", 0, &elsewhere).is_empty());
        }
        assert!(to_ask_for("two", 1, &[of("b", "", "two"), all[2], all[3]]).is_empty());
        // What a third one asks for, or was not heard of, is nobody's to ask for.
        let gone = Elsewhere { is_there: false, ..all[3] };
        assert_eq!(to_ask_for("two", 0, &[of("a", "one", "three"), all[1], all[2], gone]), ["b"]);
    }
}
