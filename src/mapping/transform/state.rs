//! States, provinces, counties and the like: ISO 3166-2 codes within one country, and the names that the standard gives them.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::country::folded;
use crate::config::transform::StateStyle;

/// What is known of one country.
#[derive(Default)]
struct Country {
    /// Codes without the country, and the names that are written.
    names: HashMap<&'static str, &'static str>,
    /// Folded names and their codes. A name that two of them have is none.
    codes: HashMap<String, Option<&'static str>>,
}

static COUNTRIES: LazyLock<HashMap<&'static str, Country>> = LazyLock::new(|| {
    let countries = rust_iso3166::iso3166_2::SUBDIVISION_COUNTRY_MAP.entries();
    countries
        .map(|(country, states)| (*country, Country::new(states.iter().map(|state| (state.region_code, state.name)))))
        .collect()
});

impl Country {
    fn new(states: impl Iterator<Item = (&'static str, &'static str)> + Clone) -> Self {
        let mut country = Self { names: states.clone().collect(), codes: HashMap::new() };
        for (code, name) in states.clone() {
            country.note(folded(name), code);
        }
        // A shorter form of a name stands back behind a name.
        let mut shorter = Self::default();
        for (code, name) in states {
            for name in short_forms(name) {
                shorter.note(name, code);
            }
        }
        for (name, code) in shorter.codes {
            country.codes.entry(name).or_insert(code);
        }
        country
    }

    fn note(&mut self, name: String, code: &'static str) {
        self.codes.entry(name).and_modify(|known| *known = known.filter(|known| *known == code)).or_insert(Some(code));
    }
}

/// `Edinburgh, City of` is `City of Edinburgh` and `Edinburgh` too; `Bicol (Region V)` is `Bicol`.
fn short_forms(name: &str) -> Vec<String> {
    let mut forms = Vec::new();
    if let Some((bare, _)) = name.split_once([',', '(', '[']) {
        forms.push(folded(bare));
    }
    if let Some((last, first)) = name.split_once(", ") {
        forms.push(folded(&format!("{first} {last}")));
    }
    forms
}

/// Whether states of this country are known.
#[must_use]
pub fn is_known(country: &str) -> bool {
    COUNTRIES.get(country).is_some_and(|country| !country.names.is_empty())
}

/// The countries whose states are known, for messages.
pub fn countries() -> impl Iterator<Item = &'static str> {
    COUNTRIES.keys().copied()
}

/// The code of a state that is written as a name or a code, with or without the country.
pub fn read(country: &str, text: &str) -> Option<&'static str> {
    let known = COUNTRIES.get(country)?;
    let code = text.trim().to_uppercase();
    let code = code.strip_prefix(country).and_then(|code| code.strip_prefix('-')).unwrap_or(&code);
    let by_code = known.names.get_key_value(code).map(|(code, _)| *code);
    by_code.or_else(|| known.codes.get(&folded(text)).copied().flatten())
}

/// Writes a state.
pub fn write(country: &str, style: StateStyle, code: &str) -> Option<&'static str> {
    let (code, name) = COUNTRIES.get(country)?.names.get_key_value(code)?;
    Some(match style {
        StateStyle::Code => code,
        StateStyle::Name => name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_countries_whose_states_are_known_are_those_that_have_some() {
        assert!(is_known("US") && !is_known("XX"));
        assert!(countries().count() > 100 && countries().any(|code| code == "US"));
    }

    #[test]
    fn a_name_that_two_states_have_is_none() {
        let country = Country::new([("A", "Same"), ("B", "Same"), ("C", "Own"), ("C", "Own")].into_iter());
        assert_eq!((country.codes.get("same"), country.codes.get("own")), (Some(&None), Some(&Some("C"))));
    }
}
