//! Phone numbers: E.164 with an extension, from and to the ways in which people write them.
//!
//! What is not a number and nothing else is not read: a note behind a number, or two numbers in one field, would be lost.

use phonenumber::metadata::DATABASE;
use phonenumber::{Mode, PhoneNumber, country};

use crate::config::transform::PhoneStyle;

/// What may stand before an extension, longest first.
const MARKERS: [&str; 9] = [";ext=", "extension", "extn.", "extn", "ext.", "ext", "x.", "x", "#"];
/// The digits of an extension at most.
const EXTENSION: usize = 9;
/// The digits of a number at most, with what is dialled before it.
const DIGITS: usize = 20;
/// The digits before a slash at most: more are a number of their own.
const AREA: usize = 6;
/// Between the number and its extension, in neutral form.
const NEUTRAL: &str = ";ext=";

/// Whether numbers of this country can be told.
#[must_use]
pub fn is_known(country: &str) -> bool {
    country.parse::<country::Id>().is_ok() && DATABASE.by_id(country).is_some()
}

/// The countries whose numbers can be told, for messages.
pub fn countries() -> impl Iterator<Item = &'static str> {
    super::country::codes().filter(|code| is_known(code))
}

/// The neutral form: `+442079460958`, or `+442079460958;ext=12`.
pub fn read(country: &str, text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let text = text.strip_prefix("tel:").unwrap_or(&text).trim_start();
    let (number, extension) = split_extension(text);
    let dialled = dialled(number)?;
    let number = phonenumber::parse(country.parse().ok(), &dialled).ok().filter(PhoneNumber::is_valid)?;
    let neutral = number.format().mode(Mode::E164).to_string();
    // What E.164 does not give back is not known well enough.
    let again = parse_neutral(&neutral)?;
    if again.format().mode(Mode::E164).to_string() != neutral {
        return None;
    }
    Some(extension.map_or_else(|| neutral.clone(), |extension| format!("{neutral}{NEUTRAL}{extension}")))
}

/// Writes a number; what would not be read back as the same in this style is written in the next one.
pub fn write(country: &str, style: PhoneStyle, neutral: &str) -> Option<String> {
    let (base, extension) = neutral.split_once(NEUTRAL).map_or((neutral, None), |(base, extension)| (base, Some(extension)));
    let number = parse_neutral(base)?;
    let code = DATABASE.by_id(country)?.country_code();
    let styles = match style {
        PhoneStyle::National if number.code().value() == code => {
            [Some(Mode::National), Some(Mode::International), Some(Mode::E164)]
        }
        PhoneStyle::National | PhoneStyle::International => [None, Some(Mode::International), Some(Mode::E164)],
        PhoneStyle::E164 => [None, None, Some(Mode::E164)],
    };
    styles.into_iter().flatten().find_map(|mode| {
        let mut text = number.format().mode(mode).to_string();
        if let Some(extension) = extension {
            text.push_str(" x");
            text.push_str(extension);
        }
        (read(country, &text).as_deref() == Some(neutral)).then_some(text)
    })
}

fn parse_neutral(text: &str) -> Option<PhoneNumber> {
    phonenumber::parse(None, dialled(text)?).ok()
}

/// The number, and the extension if there is one.
fn split_extension(text: &str) -> (&str, Option<&str>) {
    let head = text.trim_end_matches(|each: char| each.is_ascii_digit());
    let extension = text.strip_prefix(head).unwrap_or_default();
    let head = head.trim_end_matches([' ', ':']);
    let number = MARKERS.iter().find_map(|marker| head.strip_suffix(marker));
    match number {
        Some(number) if (1..=EXTENSION).contains(&extension.len()) => (number.trim_end_matches([' ', ',', ';']), Some(extension)),
        _ => (text, None),
    }
}

/// The digits, and a plus at the beginning; `None` where there is anything else than digits and what stands between them.
fn dialled(text: &str) -> Option<String> {
    let mut dialled = String::with_capacity(text.len());
    let mut slash = false;
    for each in text.chars() {
        match each {
            '0'..='9' => dialled.push(each),
            '+' if dialled.is_empty() => dialled.push(each),
            // `030/123456`, but neither two numbers nor the last digits of another one.
            '/' if !slash && dialled.len() <= AREA => slash = true,
            ' ' | '\u{a0}' | '\u{202f}' | '(' | ')' | '-' | '.' | '\u{2010}'..='\u{2015}' | '\u{2212}' => {}
            _ => return None,
        }
    }
    (dialled.len() <= DIGITS).then_some(dialled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_countries_whose_numbers_can_be_told_are_those_of_the_standard_and_no_others() {
        // 001: numbers of no country, such as those of satellites.
        assert!(is_known("GB") && !is_known("UK") && !is_known("XX") && !is_known("001"));
        assert!(countries().count() > 200 && countries().any(|code| code == "GB"));
    }
}
