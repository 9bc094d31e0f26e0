//! Reads `transform`: one item or a list of them, each a word or a table with one key.

use config::{Value, ValueKind};
use unicode_normalization::UnicodeNormalization as _;

use super::{CountryStyle, NumberFormat, PhoneStyle, StateStyle, Transform, Words};
use crate::config::keys::{self, KeyPath};
use crate::config::section::{Fault, Given, Section, wrong_type};
use crate::config::value::quote;
use crate::config::value_map;
use crate::lead::{PerSide, Side};
use crate::mapping::transform::{country, phone, state};

/// Those that need no settings.
pub(in crate::config) const WORDS: [(&str, Transform); 5] = [
    ("trim", Transform::Trim),
    ("squeeze", Transform::Squeeze),
    ("lower", Transform::Lower),
    ("upper", Transform::Upper),
    ("title", Transform::Title),
];
pub(in crate::config) const PHONE_STYLES: [(&str, PhoneStyle); 3] =
    [("national", PhoneStyle::National), ("international", PhoneStyle::International), ("e164", PhoneStyle::E164)];
pub(in crate::config) const COUNTRY_STYLES: [(&str, CountryStyle); 3] =
    [("name", CountryStyle::Name), ("alpha2", CountryStyle::Alpha2), ("alpha3", CountryStyle::Alpha3)];
pub(in crate::config) const STATE_STYLES: [(&str, StateStyle); 2] = [("name", StateStyle::Name), ("code", StateStyle::Code)];

/// How a transform is written.
const HELP: &str = "write a word such as \"squeeze\", a table such as { prefix = { operate = \"OP-\" } }, or a list of them";
/// The characters that a text may be cut to.
pub(in crate::config) const LENGTHS: std::ops::RangeInclusive<i64> = 1..=100_000;
/// The decimal places of a number.
pub(in crate::config) const PLACES: std::ops::RangeInclusive<i64> = 0..=15;

/// Reads the transforms of a field, each with its place. Those that are wrong are noted and left out.
pub(in crate::config) fn read(field: &Section<'_>) -> Vec<(KeyPath, Transform)> {
    let items = field.one_or_more("transform");
    if field.has("transform") && items.is_empty() {
        field.report.error(&field.path.key("transform"), Fault::new("this list is empty", HELP));
    }
    items.into_iter().filter_map(|(path, item)| Some((path.clone(), read_item(field, path, item)?))).collect()
}

fn read_item(field: &Section<'_>, path: KeyPath, item: &Value) -> Option<Transform> {
    match &item.kind {
        ValueKind::String(word) => word_item(word).map_err(|fault| field.report.error(&path, fault)).ok(),
        ValueKind::Table(table) => {
            let section = field.at(path, item)?;
            match table.keys().collect::<Vec<_>>().as_slice() {
                [name] => table_item(&section, name),
                [] => {
                    section.report.error(&section.path, Fault::new("this table names no transform", HELP));
                    None
                }
                _ => {
                    let help = "write a list with a table for each: [{ … }, { … }]";
                    section.report.error(&section.path, Fault::new("this table names more than one transform", help));
                    None
                }
            }
        }
        kind => {
            field.report.error(&path, wrong_type(kind, "a transform", HELP));
            None
        }
    }
}

fn word_item(word: &str) -> Result<Transform, Fault> {
    if let Some((_, transform)) = WORDS.iter().find(|(known, _)| *known == word) {
        return Ok(transform.clone());
    }
    let with_settings = keys::of_section("fields.transform");
    if with_settings.contains(&word) {
        let problem = format!("the transform {} needs settings", quote(word));
        return Err(Fault::new(problem, format!("write {{ {word} = {{ … }} }}")));
    }
    let known: Vec<&str> = WORDS.iter().map(|(word, _)| *word).chain(with_settings.iter().copied()).collect();
    let help = keys::nearest(word, known.iter().copied())
        .map_or_else(|| format!("known are {}", known.join(", ")), |near| format!("did you mean \"{near}\"?"));
    Err(Fault::new(format!("{} is no transform", quote(word)), help))
}

fn table_item(item: &Section<'_>, name: &str) -> Option<Transform> {
    // A key that is not known was refused with the nearest that is.
    if !keys::of_section("fields.transform").contains(&name) {
        return None;
    }
    let settings = item.section(name);
    match name {
        "prefix" | "suffix" => affixes(&settings, name),
        "truncate" => {
            let length = settings.required("length", "80", |given| given.whole(LENGTHS));
            let mark = settings.optional("mark", |given| mark(given, length)).unwrap_or_default();
            (length > 0).then_some(Transform::Truncate { length, mark })
        }
        "phone" => {
            let country =
                settings.required("country", "\"GB\"", |given| country_code(given, phone::is_known, phone::countries()));
            let style = styles(&settings, &PHONE_STYLES).map(Option::unwrap_or_default);
            (!country.is_empty()).then_some(Transform::Phone { country, style })
        }
        "country" => Some(Transform::Country(required_styles(&settings, &COUNTRY_STYLES, "\"name\"")?)),
        "state" => {
            let country =
                settings.required("country", "\"US\"", |given| country_code(given, state::is_known, state::countries()));
            let style = required_styles(&settings, &STATE_STYLES, "\"code\"")?;
            (!country.is_empty()).then_some(Transform::State { country, style })
        }
        "number" => {
            let format = PerSide::build(|side| number_format(&settings, side));
            one_at_least(&settings, &format, "operate = { places = 2 }").then_some(Transform::Number(format))
        }
        "boolean" => {
            let pair = PerSide::build(|side| settings.optional(side.as_str(), words_of));
            one_at_least(&settings, &pair, "operate = [\"Yes\", \"No\"]").then_some(Transform::Boolean(pair))
        }
        "date" => {
            let format = formats(&settings);
            one_at_least(&settings, &format, "operate = \"%d/%m/%Y\"").then_some(Transform::Date(format))
        }
        "datetime" => {
            let format = formats(&settings);
            let zone = settings.optional("zone", Given::zone);
            one_at_least(&settings, &format, "operate = \"%d/%m/%Y %H:%M\"").then_some(Transform::Datetime { format, zone })
        }
        _ => None,
    }
}

/// Whether a side has a setting. If neither has, that is noted.
fn one_at_least<T>(settings: &Section<'_>, each: &PerSide<Option<T>>, example: &str) -> bool {
    let has = |side: Side| settings.has(side.as_str()) || settings.has_misspelt(side.as_str());
    if !Side::BOTH.into_iter().any(has) {
        settings.report.error(&settings.path, Fault::new("this says nothing of either side", format!("write {example}")));
    }
    each.operate.is_some() || each.salesforce.is_some()
}

fn styles<T: Clone>(settings: &Section<'_>, words: &[(&str, T)]) -> PerSide<Option<T>> {
    PerSide::build(|side| settings.optional(side.as_str(), |given| given.word(words)))
}

fn required_styles<T: Clone + Default>(settings: &Section<'_>, words: &[(&str, T)], example: &str) -> Option<PerSide<T>> {
    let read = |side: Side| settings.required(side.as_str(), example, |given| given.word(words).map(Some));
    let PerSide { operate, salesforce } = PerSide::build(read);
    Some(PerSide { operate: operate?, salesforce: salesforce? })
}

fn affixes(settings: &Section<'_>, name: &str) -> Option<Transform> {
    let affix = |given: &Given<'_>| {
        let text = given.text()?;
        let outside = if name == "prefix" { text.starts_with(char::is_whitespace) } else { text.ends_with(char::is_whitespace) };
        if text.trim().is_empty() {
            return Err(Fault::new(format!("an empty {name} changes nothing"), "leave it out"));
        }
        if outside {
            return Err(Fault::new(format!("a value is trimmed, so this {name} is never found again"), "leave out the space"));
        }
        Ok(text.nfc().collect())
    };
    let each = PerSide::build(|side| settings.optional(side.as_str(), affix));
    let example = if name == "prefix" { "operate = \"OP-\"" } else { "operate = \" Ltd\"" };
    let filled = one_at_least(settings, &each, example);
    let each = each.map(Option::unwrap_or_default);
    filled.then(|| if name == "prefix" { Transform::Prefix(each) } else { Transform::Suffix(each) })
}

fn mark(given: &Given<'_>, length: usize) -> Result<String, Fault> {
    let mark: String = given.text()?.nfc().collect();
    if mark.chars().count() >= length.max(1) {
        return Err(Fault::new("the mark leaves no room for the text", "write a shorter one, or a greater length"));
    }
    Ok(mark)
}

fn country_code(
    given: &Given<'_>,
    is_known: impl Fn(&str) -> bool,
    known: impl Iterator<Item = &'static str>,
) -> Result<String, Fault> {
    let text = given.filled()?;
    if is_known(&text) {
        return Ok(text);
    }
    let meant = country::read(&text).filter(|code| is_known(code));
    let known: Vec<&str> = known.collect();
    let help = meant.or_else(|| keys::nearest(&text, known.iter().copied())).map_or_else(
        || "write the two letters of ISO 3166, such as \"GB\"".to_owned(),
        |near| format!("did you mean \"{near}\"? It is the two letters of ISO 3166"),
    );
    Err(Fault::new(format!("{} is not the code of a country for which this is known", quote(&text)), help))
}

fn number_format(settings: &Section<'_>, side: Side) -> Option<NumberFormat> {
    if !settings.has(side.as_str()) {
        return None;
    }
    let settings = settings.section(side.as_str());
    let decimal = settings.or("decimal", '.', |given| sign(given).and_then(|sign| sign.ok_or_else(no_sign)));
    let group = settings.optional("group", sign).flatten();
    if group == Some(decimal) {
        let problem = "the sign between groups is the one before the decimal places too";
        settings.report.error(&settings.path, Fault::new(problem, "write another group, or decimal"));
    }
    let affix = |given: &Given<'_>| {
        let text = given.text()?;
        let reserved = |each: char| each.is_ascii_digit() || matches!(each, '-' | '+' | '\u{2212}');
        if text.contains(reserved) {
            return Err(Fault::new("digits and signs here could not be told from those of the number", "leave them out"));
        }
        Ok(text.to_owned())
    };
    Some(NumberFormat {
        decimal,
        group,
        places: settings.optional("places", |given| given.whole(PLACES)),
        prefix: settings.or("prefix", String::new(), affix),
        suffix: settings.or("suffix", String::new(), affix),
    })
}

/// One character that is neither a digit nor a sign; empty: none.
fn sign(given: &Given<'_>) -> Result<Option<char>, Fault> {
    let mut letters = given.text()?.chars();
    match (letters.next(), letters.next()) {
        (None, _) => Ok(None),
        (Some(sign), None) if !sign.is_alphanumeric() && !matches!(sign, '-' | '+' | '\u{2212}') => Ok(Some(sign)),
        _ => Err(no_sign()),
    }
}

fn no_sign() -> Fault {
    Fault::new("this is not a sign that can stand in a number", "write one character, such as \".\" or \",\"")
}

fn words_of(given: &Given<'_>) -> Result<Words, Fault> {
    let help = "write the word for yes and the word for no, such as [\"Yes\", \"No\"]";
    let ValueKind::Array(cells) = given.kind else { return Err(wrong_type(given.kind, "a list of two words", help)) };
    let word = |cell: &Value| match &cell.kind {
        ValueKind::String(text) => Ok(value_map::normal(text)),
        kind => Err(wrong_type(kind, "text", "put it in double quotes")),
    };
    let [yes, no] = cells.as_slice() else { return Err(Fault::new("this is not a list of two words", help)) };
    let (yes, no) = (word(yes)?, word(no)?);
    if yes.is_empty() {
        return Err(Fault::new("an empty field always means no", "write a word for yes"));
    }
    if yes.to_lowercase() == no.to_lowercase() {
        return Err(Fault::new("yes and no are the same word", help));
    }
    Ok(Words { yes, no })
}

fn formats(settings: &Section<'_>) -> PerSide<Option<String>> {
    PerSide::build(|side| settings.optional(side.as_str(), Given::filled))
}
