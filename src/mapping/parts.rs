//! Several native fields that are one text: joined when a lead is read, and split when one is written.
//!
//! The pieces of a text are what stands between the separators, trimmed and without the empty ones. In its canonical form a text is
//! its pieces with the separator between them, so that what is split among native fields and read again is the same text.

use crate::config::parts::{Parts, Split};

/// The text that these parts are.
#[must_use]
pub fn join<'p>(parts: &Parts, values: impl IntoIterator<Item = &'p str>) -> String {
    let pieces: Vec<&str> = values.into_iter().flat_map(|value| pieces(parts, value)).collect();
    pieces.join(&parts.join)
}

/// What each of `count` native fields gets of a text. An error says why it cannot be split.
pub fn split(parts: &Parts, text: &str, count: usize) -> Result<Vec<String>, String> {
    let pieces = pieces(parts, text);
    let surplus = pieces.len().saturating_sub(count);
    if surplus > 0 && parts.split == Split::Exact {
        return Err(format!("it has {} parts, and there are {count} fields for them", pieces.len()));
    }
    let mut given: Vec<String> = match parts.split {
        Split::Last => {
            let (first, rest) = pieces.split_at_checked(surplus + 1).unwrap_or((&pieces, &[]));
            [first.join(&parts.join)].into_iter().chain(rest.iter().map(|piece| (*piece).to_owned())).collect()
        }
        Split::First | Split::Exact => {
            let (rest, last) = pieces.split_at_checked(count.saturating_sub(1)).unwrap_or((&pieces, &[]));
            let last = (!last.is_empty()).then(|| last.join(&parts.join));
            rest.iter().map(|piece| (*piece).to_owned()).chain(last).collect()
        }
    };
    let missing = std::iter::repeat_n(String::new(), count.saturating_sub(given.len()));
    if parts.split == Split::Last {
        given = missing.chain(given).collect();
    } else {
        given.extend(missing);
    }
    Ok(given)
}

/// The separator is looked for without the white space around it, unless it is nothing else.
fn pieces<'t>(parts: &Parts, text: &'t str) -> Vec<&'t str> {
    let mark = parts.join.trim();
    let split: Vec<&str> = if !mark.is_empty() {
        text.split(mark).collect()
    } else if parts.join.contains('\n') {
        text.lines().collect()
    } else {
        text.split_whitespace().collect()
    };
    split.into_iter().map(str::trim).filter(|piece| !piece.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(join: &str, split: Split) -> Parts {
        Parts { join: join.to_owned(), split }
    }

    #[test]
    fn a_name_is_split_at_its_first_or_its_last_piece() {
        let given = |how, text: &str, count| split(&parts(" ", how), text, count).map_err(|_| ());
        let texts = |texts: &[&str]| Ok(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(given(Split::Last, "Mary Jane Watson", 2), texts(&["Mary Jane", "Watson"]));
        assert_eq!(given(Split::First, "Mary Jane Watson", 2), texts(&["Mary", "Jane Watson"]));
        assert_eq!(given(Split::Exact, "Mary Jane Watson", 2), Err(()));
        assert_eq!(given(Split::Last, "Watson", 2), texts(&["", "Watson"]));
        assert_eq!(given(Split::First, "Mary", 2), texts(&["Mary", ""]));
        assert_eq!(given(Split::Last, "A B C D", 3), texts(&["A B", "C", "D"]));
        assert_eq!(given(Split::First, "A B C D", 3), texts(&["A", "B", "C D"]));
        assert_eq!(given(Split::Last, "", 2), texts(&["", ""]));
    }

    #[test]
    fn an_address_is_split_by_lines() {
        let lines = parts("\n", Split::Exact);
        assert_eq!(join(&lines, ["1 High Street\r\nFloor 2 ", "", "Leeds"]), "1 High Street\nFloor 2\nLeeds");
        assert_eq!(
            split(&lines, "1 High Street\n\n Floor 2", 3),
            Ok(vec!["1 High Street".into(), "Floor 2".into(), String::new()])
        );
        assert_eq!(join(&parts(", ", Split::First), ["a,b", " c "]), "a, b, c");
    }

    proptest! {
        #[test]
        fn what_is_split_is_read_as_the_same_text(
            text in "[a-c ,\n\r\u{a0}]{0,24}",
            mark in prop::sample::select(vec![" ", "\n", ", ", "-", "  ", " | "]),
            how in prop::sample::select(vec![Split::First, Split::Last, Split::Exact]),
            count in 1_usize..5,
        ) {
            let parts = parts(mark, how);
            let text = join(&parts, [text.as_str()]);
            prop_assert_eq!(join(&parts, [text.as_str()]), text.clone());
            if let Ok(given) = split(&parts, &text, count) {
                prop_assert_eq!(given.len(), count);
                prop_assert_eq!(join(&parts, given.iter().map(String::as_str)), text);
            }
        }
    }
}
