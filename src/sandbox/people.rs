//! Invented people who look for a workspace: no two share an e-mail address or a company.
//!
//! Phone numbers come from the ranges that Ofcom keeps for fiction and addresses on the net end in `.example`, so that
//! nothing which leaves the sandbox by mistake reaches anybody.

use std::collections::HashSet;

use chrono::{Days, NaiveDate};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::sandbox::people_words as words;

/// One person and what they want. Texts are empty where the person did not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub company: String,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub phone: String,
    pub mobile: String,
    pub title: String,
    pub street: String,
    pub city: String,
    pub county: String,
    pub postcode: String,
    pub country: String,
    pub website: String,
    pub location: String,
    pub desks: u32,
    pub budget: Option<u32>,
    pub move_in: Option<NaiveDate>,
    pub notes: String,
}

/// Draws people.
#[derive(Debug)]
pub struct People {
    random: ChaCha8Rng,
    domains: HashSet<String>,
}

impl People {
    /// The people of this seed.
    pub fn new(seed: u64) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(seed), domains: HashSet::new() }
    }

    /// The next one.
    pub fn draw(&mut self) -> Person {
        let (company, domain) = self.company();
        let first_name = self.pick(&words::FIRST_NAMES);
        let last_name = self.pick(&words::LAST_NAMES);
        let email = format!("{}.{}@{domain}.example", plain(first_name), plain(last_name));
        let (city, county, area, dial) =
            words::CITIES.choose(&mut self.random).copied().unwrap_or(("London", "Greater London", "EC", "020 7946 0"));
        let phone = self.phone(dial);
        let mobile = if self.chance(70) { self.phone("07700 900") } else { String::new() };
        let desks = self.desks();
        let budget = self.chance(75).then(|| desks * self.random.random_range(5..=13) * 50);
        Person {
            company,
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            email,
            phone,
            mobile,
            title: self.pick(&words::JOB_TITLES).to_owned(),
            street: format!("{} {}", self.random.random_range(1..=240), self.pick(&words::STREETS)),
            city: city.to_owned(),
            county: county.to_owned(),
            postcode: self.postcode(area),
            country: "United Kingdom".to_owned(),
            website: if self.chance(80) { format!("https://www.{domain}.example") } else { String::new() },
            location: self.pick(&words::LOCATIONS).to_owned(),
            desks,
            budget,
            move_in: self.move_in(),
            notes: self.notes(desks),
        }
    }

    /// Another phone number than the person's own.
    pub fn other_phone(&mut self, person: &Person) -> String {
        self.other(&person.phone, |people| people.phone("01632 960"))
    }

    /// Another job title than the person's own.
    pub fn other_title(&mut self, person: &Person) -> String {
        self.other(&person.title, |people| people.pick(&words::JOB_TITLES).to_owned())
    }

    /// The generator itself, for what is drawn about a person and not of them.
    pub fn random(&mut self) -> &mut ChaCha8Rng {
        &mut self.random
    }

    /// Whether something that happens this often in a hundred times happens.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    /// One of these.
    pub fn pick(&mut self, choices: &[&'static str]) -> &'static str {
        choices.choose(&mut self.random).copied().unwrap_or_default()
    }

    fn other(&mut self, than: &str, mut draw: impl FnMut(&mut Self) -> String) -> String {
        loop {
            let drawn = draw(self);
            if drawn != than {
                return drawn;
            }
        }
    }

    /// A company's name and the domain that goes with it, never seen before.
    fn company(&mut self) -> (String, String) {
        for _ in 0..50 {
            let name = self.company_name();
            let domain = plain(&name);
            if self.domains.insert(domain.clone()) {
                let kind = self.pick(&words::COMPANY_KINDS);
                return (format!("{name}{kind}"), domain);
            }
        }
        // Far more people than names: the number tells them apart.
        let number = self.domains.len();
        let name = format!("{} {number}", self.company_name());
        let domain = plain(&name);
        self.domains.insert(domain.clone());
        (name, domain)
    }

    fn company_name(&mut self) -> String {
        let trade = self.pick(&words::TRADES);
        match self.random.random_range(0..10) {
            0 | 1 => format!("{} & {}", self.pick(&words::LAST_NAMES), self.pick(&words::LAST_NAMES)),
            2 | 3 => format!("{} {trade}", self.pick(&words::LAST_NAMES)),
            4 => format!("{} {} {trade}", self.pick(&words::STEMS), self.pick(&words::STEMS)),
            _ => format!("{}{} {trade}", self.pick(&words::STEMS), self.pick(&words::ENDINGS)),
        }
    }

    fn phone(&mut self, dial: &str) -> String {
        format!("{dial}{:03}", self.random.random_range(0..1000))
    }

    fn postcode(&mut self, area: &str) -> String {
        const LETTERS: [&str; 20] =
            ["A", "B", "D", "E", "F", "G", "H", "J", "L", "N", "P", "Q", "R", "S", "T", "U", "W", "X", "Y", "Z"];
        let district = self.random.random_range(1..=9);
        let sector = self.random.random_range(0..=9);
        // Central London's districts carry a letter: EC1A.
        let letter = if area == "EC" { "A" } else { "" };
        format!("{area}{district}{letter} {sector}{}{}", self.pick(&LETTERS), self.pick(&LETTERS))
    }

    /// Small teams are more common than large ones.
    fn desks(&mut self) -> u32 {
        let most = if self.chance(75) { 12 } else { 60 };
        self.random.random_range(1..=most)
    }

    /// A fixed range of days, so that a seed gives the same people on every day.
    fn move_in(&mut self) -> Option<NaiveDate> {
        if !self.chance(80) {
            return None;
        }
        NaiveDate::from_ymd_opt(2026, 9, 1)?.checked_add_days(Days::new(self.random.random_range(0..700)))
    }

    fn notes(&mut self, desks: u32) -> String {
        if !self.chance(70) {
            return String::new();
        }
        let plural = if desks == 1 { "" } else { "s" };
        format!("Needs {desks} desk{plural} {}, {}", self.pick(&words::PLACES_WANTED), self.pick(&words::REMARKS))
    }
}

/// The name in the letters of an e-mail address: no accents, no marks.
fn plain(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for letter in name.chars().flat_map(char::to_lowercase) {
        match letter {
            'a'..='z' | '0'..='9' => plain.push(letter),
            'á' | 'å' | 'ä' | 'â' | 'ã' => plain.push('a'),
            'é' | 'è' | 'ë' | 'ê' => plain.push('e'),
            'í' | 'ì' | 'ï' | 'î' => plain.push('i'),
            'ó' | 'ò' | 'ö' | 'ô' | 'ø' => plain.push('o'),
            'ú' | 'ù' | 'ü' | 'û' => plain.push('u'),
            'ç' | 'ć' | 'č' => plain.push('c'),
            'ñ' => plain.push('n'),
            'š' => plain.push('s'),
            'ł' => plain.push('l'),
            '&' => plain.push_str("and"),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_and_marks_are_left_out_of_addresses() {
        assert_eq!(plain("Zoë O'Brien & Šimić"), "zoeobrienandsimic");
    }

    #[test]
    fn every_name_has_letters_for_an_address() {
        for name in words::FIRST_NAMES.iter().chain(&words::LAST_NAMES) {
            let letters = name.chars().filter(|letter| letter.is_alphabetic()).count();
            assert_eq!(plain(name).len(), letters, "{name}");
        }
    }
}
