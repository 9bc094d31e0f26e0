//! Which value of a picklist is which of Operate's.

use std::collections::BTreeSet;

use crate::side::NativeField;
use crate::survey::Profile;

/// How alike spellings must be, 0 to 1.
const ALIKE: f64 = 0.75;

/// Rows of a value map, and what is left over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValueRows {
    /// Operate's and Salesforce's spelling of the same.
    pub rows: Vec<(String, String)>,
    /// Operate's values in use that nothing was found for, with the leads that have them.
    pub operate: Vec<(String, u64)>,
    /// Salesforce's: those of the picklist, and others that leads have.
    pub salesforce: Vec<(String, u64)>,
}

/// Pairs the values that are spelt alike; `None` where Operate has too many.
pub(super) fn rows(ours: &Profile, native: &NativeField, theirs: &Profile) -> Option<ValueRows> {
    let in_use = ours.values()?;
    let their_counts = theirs.values();
    let listed = native.values.iter().chain(their_counts.into_iter().flat_map(|values| values.keys()));
    let listed: BTreeSet<&String> = listed.collect();
    let mut pairs: Vec<(f64, &String, &String)> = in_use
        .keys()
        .flat_map(|one| listed.iter().map(move |other| (likeness(one, other), one, *other)))
        .filter(|(likeness, _, _)| *likeness >= ALIKE)
        .collect();
    pairs.sort_by(|one, other| other.0.total_cmp(&one.0));
    let mut rows = ValueRows::default();
    for (_, one, other) in pairs {
        if !rows.rows.iter().any(|(ours, theirs)| ours == one || theirs == other) {
            rows.rows.push((one.clone(), other.clone()));
        }
    }
    let has_row = |value: &String| rows.rows.iter().any(|(one, other)| one == value || other == value);
    let operate = in_use.iter().filter(|(value, _)| !has_row(value)).map(|(value, count)| (value.clone(), *count)).collect();
    let count = |value: &String| their_counts.and_then(|counts| counts.get(value)).copied().unwrap_or_default();
    let salesforce = listed.iter().filter(|value| !has_row(value)).map(|value| ((*value).clone(), count(value))).collect();
    rows.rows.sort();
    Some(ValueRows { operate, salesforce, ..rows })
}

fn likeness(one: &str, other: &str) -> f64 {
    let plain = |text: &str| text.chars().filter(|each| each.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    strsim::normalized_damerau_levenshtein(&plain(one), &plain(other))
}
