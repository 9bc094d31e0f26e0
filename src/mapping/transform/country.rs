//! Countries: ISO 3166-1 codes, and the English names that people and systems give them.

use std::collections::HashMap;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use crate::config::transform::CountryStyle;

/// Names in use where the standard's own is a formal one, and other names that are read: the code, the name that is written, and
/// what else stands for it.
const NAMES: &[(&str, &str, &[&str])] = &[
    ("AE", "United Arab Emirates", &["UAE"]),
    ("BN", "Brunei", &[]),
    ("BO", "Bolivia", &["Plurinational State of Bolivia"]),
    ("BQ", "Bonaire, Sint Eustatius and Saba", &["Caribbean Netherlands"]),
    ("CD", "Democratic Republic of the Congo", &["DR Congo", "DRC", "Congo-Kinshasa"]),
    ("CG", "Congo", &["Republic of the Congo", "Congo-Brazzaville"]),
    ("CI", "C\u{f4}te d'Ivoire", &["Ivory Coast"]),
    ("CN", "China", &["People's Republic of China", "PRC"]),
    ("CV", "Cabo Verde", &["Cape Verde"]),
    ("CZ", "Czechia", &["Czech Republic"]),
    ("FK", "Falkland Islands", &[]),
    ("FM", "Micronesia", &["Federated States of Micronesia"]),
    ("GB", "United Kingdom", &["UK", "Great Britain", "Britain", "England", "Scotland", "Wales", "Northern Ireland"]),
    ("HK", "Hong Kong", &["Hong Kong SAR"]),
    ("IE", "Ireland", &["Republic of Ireland", "Eire"]),
    ("IR", "Iran", &["Islamic Republic of Iran"]),
    ("KP", "North Korea", &["Democratic People's Republic of Korea"]),
    ("KR", "South Korea", &["Republic of Korea"]),
    ("LA", "Laos", &[]),
    ("MD", "Moldova", &["Republic of Moldova"]),
    ("MF", "Saint Martin", &[]),
    ("MK", "North Macedonia", &["Macedonia", "Republic of North Macedonia"]),
    ("MM", "Myanmar", &["Burma"]),
    ("MO", "Macao", &["Macau", "Macao SAR"]),
    ("NL", "Netherlands", &["Holland", "Kingdom of the Netherlands"]),
    ("PS", "Palestine", &["State of Palestine", "Palestinian Territories", "Palestinian Territory, Occupied"]),
    ("PN", "Pitcairn", &["Pitcairn Islands"]),
    ("RU", "Russia", &[]),
    ("SH", "Saint Helena, Ascension and Tristan da Cunha", &["Saint Helena"]),
    ("SX", "Sint Maarten", &[]),
    ("SY", "Syria", &[]),
    ("SZ", "Eswatini", &["Swaziland"]),
    ("TL", "Timor-Leste", &["East Timor"]),
    ("TR", "T\u{fc}rkiye", &["Turkey"]),
    ("TW", "Taiwan", &[]),
    ("TZ", "Tanzania", &["United Republic of Tanzania"]),
    ("US", "United States", &["America", "USA", "US"]),
    ("VA", "Vatican City", &["Vatican", "Holy See (Vatican City State)"]),
    ("VE", "Venezuela", &["Bolivarian Republic of Venezuela"]),
    ("VG", "British Virgin Islands", &["Virgin Islands, British"]),
    ("VI", "U.S. Virgin Islands", &["Virgin Islands, U.S.", "United States Virgin Islands"]),
    ("VN", "Vietnam", &[]),
];

/// Every name that is read, in folded form, with its code. A name that two countries have is none.
static READ: LazyLock<HashMap<String, Option<&'static str>>> = LazyLock::new(|| {
    let mut read: HashMap<String, Option<&'static str>> = HashMap::new();
    let standard = rust_iso3166::ALL.iter().map(|each| (each.name, each.alpha2));
    let usual = NAMES.iter().flat_map(|(code, name, others)| others.iter().chain([name]).map(move |name| (*name, *code)));
    for (name, code) in standard.chain(usual) {
        read.entry(folded(name)).and_modify(|known| *known = known.filter(|known| *known == code)).or_insert(Some(code));
    }
    read
});

/// Every alpha-2 code.
pub fn codes() -> impl Iterator<Item = &'static str> {
    rust_iso3166::ALL.iter().map(|each| each.alpha2)
}

/// The alpha-2 code of a country that is written in any of the ways known.
pub fn read(text: &str) -> Option<&'static str> {
    let code = text.trim().to_ascii_uppercase();
    let standard = match code.len() {
        2 => rust_iso3166::from_alpha2(&code),
        3 => rust_iso3166::from_alpha3(&code),
        _ => None,
    };
    standard.map(|country| country.alpha2).or_else(|| READ.get(&folded(text)).copied().flatten())
}

/// Writes the country of an alpha-2 code.
pub fn write(style: CountryStyle, code: &str) -> Option<&'static str> {
    let country = rust_iso3166::from_alpha2(code)?;
    Some(match style {
        CountryStyle::Alpha2 => country.alpha2,
        CountryStyle::Alpha3 => country.alpha3,
        CountryStyle::Name => {
            NAMES.iter().find(|(known, ..)| *known == country.alpha2).map_or(country.name, |(_, name, _)| *name)
        }
    })
}

/// A name as names are compared: small letters and digits, without accents, dots, and a leading article.
pub fn folded(name: &str) -> String {
    let bare: String = name.nfd().filter(|each| !is_combining_mark(*each) && !matches!(each, '.' | '\'' | '\u{2019}')).collect();
    let spaced: String =
        bare.to_lowercase().replace('&', " and ").chars().map(|each| if each.is_alphanumeric() { each } else { ' ' }).collect();
    let words: Vec<&str> = spaced.split_whitespace().map(|word| if word == "st" { "saint" } else { word }).collect();
    let folded = words.join(" ");
    folded.strip_prefix("the ").map(str::to_owned).unwrap_or(folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_of_the_standard_is_there() {
        assert!(codes().count() > 240 && codes().any(|code| code == "FR") && codes().all(|code| read(code) == Some(code)));
    }
}
