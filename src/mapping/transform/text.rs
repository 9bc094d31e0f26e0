//! What changes text: white space, case, a prefix or suffix of one side, a greatest length.

use crate::config::transform::Transform;
use crate::lead::Side;
use crate::mapping::lens::normal;

/// How often a change of case is repeated until it changes nothing more: composed letters may need a second time.
const ROUNDS: usize = 4;

/// A side's text as the next transform sees it, or as the neutral form.
pub fn read(step: &Transform, side: Side, source: Option<Side>, text: &str) -> String {
    let affix = |affix: &str, strip: for<'t> fn(&'t str, &str) -> Option<&'t str>| {
        if affix.is_empty() { text.to_owned() } else { normal(strip(text, affix).unwrap_or(text)) }
    };
    match step {
        Transform::Trim => normal(&text.lines().map(str::trim).collect::<Vec<_>>().join("\n")),
        Transform::Squeeze => normal(&text.split_whitespace().collect::<Vec<_>>().join(" ")),
        Transform::Lower => settled(text, str::to_lowercase),
        Transform::Upper => settled(text, str::to_uppercase),
        Transform::Title => settled(text, title),
        Transform::Prefix(each) => affix(each.get(side), |text, prefix| text.strip_prefix(prefix)),
        Transform::Suffix(each) => affix(each.get(side), |text, suffix| text.strip_suffix(suffix)),
        Transform::Truncate { length, mark } if source == Some(side) => truncated(text, *length, mark),
        _ => text.to_owned(),
    }
}

/// The text as a side has it.
pub fn write(step: &Transform, side: Side, text: String) -> String {
    match step {
        Transform::Prefix(each) => format!("{}{text}", each.get(side)),
        Transform::Suffix(each) => format!("{text}{}", each.get(side)),
        _ => text,
    }
}

/// Changes the text until that changes nothing more.
fn settled(text: &str, change: impl Fn(&str) -> String) -> String {
    let mut text = text.to_owned();
    for _ in 0..ROUNDS {
        let next = normal(&change(&text));
        if next == text {
            break;
        }
        text = next;
    }
    text
}

/// Every word with a capital letter at its beginning. A letter after an apostrophe begins a word only where a single one stands before
/// it: O'Brien, but Don't.
fn title(text: &str) -> String {
    let mut titled = String::with_capacity(text.len());
    let mut letters = 0_usize;
    for each in text.chars() {
        let after_apostrophe = titled.ends_with(['\'', '\u{2019}']);
        if !each.is_alphanumeric() {
            // Marks belong to the letter before them.
            let goes_on = matches!(each, '\'' | '\u{2019}') || is_mark(each);
            letters = if goes_on { letters } else { 0 };
            titled.push(each);
            continue;
        }
        if letters == 0 || (letters == 1 && after_apostrophe) {
            let mut upper = each.to_uppercase();
            titled.extend(upper.next());
            titled.extend(upper.flat_map(char::to_lowercase));
        } else {
            titled.extend(each.to_lowercase());
        }
        letters += 1;
    }
    titled
}

fn is_mark(each: char) -> bool {
    unicode_normalization::char::is_combining_mark(each)
}

/// The first characters of the text, and the mark, where it is too long.
fn truncated(text: &str, length: usize, mark: &str) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let kept = length.saturating_sub(mark.chars().count());
    let mut cut: Vec<char> = text.chars().take(kept).collect();
    // A letter does not lose the marks on it: it goes with them.
    if text.chars().nth(kept).is_some_and(is_mark) {
        while cut.pop().is_some_and(is_mark) {}
    }
    let cut: String = cut.into_iter().collect();
    normal(&format!("{}{mark}", cut.trim_end()))
}
