//! Numbers and amounts of money, as a side spells them.

use std::fmt::Write as _;

use rust_decimal::Decimal;

use crate::config::transform::NumberFormat;
use crate::lead::decimal;

/// The digits between two group signs.
const GROUP: usize = 3;

/// Reads a number in this format. Group signs, the prefix, the suffix and closing zeros may be missing; what stands where it would
/// change the number's size is refused.
pub fn read(format: &NumberFormat, text: &str) -> Option<Decimal> {
    let (text, negative) = without_sign(text.trim());
    let text = strip(text, &format.prefix, |text, prefix| text.strip_prefix(prefix));
    let (text, inner) = without_sign(text);
    if negative && inner {
        return None;
    }
    let text = strip(text, &format.suffix, |text, suffix| text.strip_suffix(suffix));
    let (whole, places) = text.split_once(format.decimal).unwrap_or((text, "0"));
    if whole.is_empty() || places.is_empty() || !places.chars().all(|each| each.is_ascii_digit()) {
        return None;
    }
    let digits = ungrouped(format, whole)?;
    let sign = if negative || inner { "-" } else { "" };
    decimal(&format!("{sign}{digits}.{places}"))
}

/// Writes a number; `None` where it has more places than the format.
pub fn write(format: &NumberFormat, number: &Decimal) -> Option<String> {
    let number = number.normalize();
    let places = format.places.unwrap_or_else(|| number.scale());
    if number.scale() > places {
        return None;
    }
    let plain = number.abs().to_string();
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let mut written = String::new();
    if number.is_sign_negative() && !number.is_zero() {
        written.push('-');
    }
    written.push_str(&format.prefix);
    for (place, digit) in whole.chars().enumerate() {
        if let Some(group) = format.group
            && place > 0
            && (whole.len() - place).is_multiple_of(GROUP)
        {
            written.push(group);
        }
        written.push(digit);
    }
    let places = usize::try_from(places).ok()?;
    if places > 0 {
        let _ = write!(written, "{}{fraction:0<places$}", format.decimal);
    }
    written.push_str(&format.suffix);
    Some(written)
}

fn without_sign(text: &str) -> (&str, bool) {
    let minus = ['-', '\u{2212}'];
    text.strip_prefix(minus).map_or((text, false), |text| (text.trim_start(), true))
}

fn strip<'t>(text: &'t str, affix: &str, strip: fn(&'t str, &str) -> Option<&'t str>) -> &'t str {
    let affix = affix.trim();
    if affix.is_empty() { text } else { strip(text, affix).map_or(text, str::trim) }
}

/// The digits before the decimal sign. Groups are of three digits each, the first of one to three; or there are none.
fn ungrouped(format: &NumberFormat, whole: &str) -> Option<String> {
    let is_sign = |each: char| format.group.is_some_and(|group| each == group || (is_space(group) && is_space(each)));
    let groups: Vec<&str> = whole.split(is_sign).collect();
    let digits = |group: &&str| !group.is_empty() && group.chars().all(|each| each.is_ascii_digit());
    let (first, others) = groups.split_first()?;
    let fits = others.is_empty() || (first.len() <= GROUP && others.iter().all(|group| group.len() == GROUP));
    (fits && groups.iter().all(digits)).then(|| groups.concat())
}

/// A space, or one of those that keep a line together.
const fn is_space(each: char) -> bool {
    matches!(each, ' ' | '\u{a0}' | '\u{202f}')
}
