//! `transform` of a field: those that have settings.

use super::{Form, Key, Section, default, optional, required, words};
use crate::config::transform::read::{COUNTRY_STYLES, LENGTHS, PHONE_STYLES, PLACES, STATE_STYLES};

const PHONE: Form = Form::Word(|| words(&PHONE_STYLES));
const COUNTRY: Form = Form::Word(|| words(&COUNTRY_STYLES));
const STATE: Form = Form::Word(|| words(&STATE_STYLES));

/// The sections of transforms.
pub(super) const SECTIONS: &[Section] = &[
    Section { name: "fields.transform", about: "A transform with settings: one key.", keys: TRANSFORMS },
    Section { name: "fields.transform.prefix", about: "What stands before the text on a side alone.", keys: AFFIX },
    Section { name: "fields.transform.suffix", about: "What stands after the text on a side alone.", keys: AFFIX },
    Section { name: "fields.transform.truncate", about: "Longer texts are cut; one way only.", keys: TRUNCATE },
    Section { name: "fields.transform.phone", about: "A phone number, and how each side spells it.", keys: PHONES },
    Section { name: "fields.transform.country", about: "A country, and how each side spells it.", keys: COUNTRIES },
    Section { name: "fields.transform.state", about: "A state, province or county, and how each side spells it.", keys: STATES },
    Section { name: "fields.transform.number", about: "A number, and how each side spells it.", keys: NUMBERS },
    Section { name: "fields.transform.number.operate", about: "How Operate spells the number.", keys: NUMBER },
    Section { name: "fields.transform.number.salesforce", about: "How Salesforce spells the number.", keys: NUMBER },
    Section { name: "fields.transform.boolean", about: "Each side's words for yes and no.", keys: BOOLEANS },
    Section { name: "fields.transform.date", about: "A day, and how each side spells it.", keys: DATES },
    Section { name: "fields.transform.datetime", about: "A moment, and how each side spells it.", keys: MOMENTS },
];

const TRANSFORMS: &[Key] = &[
    optional("prefix", Form::Table, "What stands before the text on a side alone."),
    optional("suffix", Form::Table, "What stands after the text on a side alone."),
    optional("truncate", Form::Table, "Longer texts are cut; one way only."),
    optional("phone", Form::Table, "A phone number, and how each side spells it."),
    optional("country", Form::Table, "A country, and how each side spells it."),
    optional("state", Form::Table, "A state, province or county, and how each side spells it."),
    optional("number", Form::Table, "A number, and how each side spells it."),
    optional("boolean", Form::Table, "Each side's words for yes and no."),
    optional("date", Form::Table, "A day, and how each side spells it."),
    optional("datetime", Form::Table, "A moment, and how each side spells it."),
];

const AFFIX: &[Key] = &[
    optional("operate", Form::Filled, "What Operate has there and Salesforce has not."),
    optional("salesforce", Form::Filled, "What Salesforce has there and Operate has not."),
];

const TRUNCATE: &[Key] = &[
    required("length", Form::Whole(*LENGTHS.start(), *LENGTHS.end()), "The characters of a text at most, with the mark."),
    default("mark", Form::Text, r#""""#, "What a text that was cut ends with."),
];

const PHONES: &[Key] = &[
    required(
        "country",
        Form::Filled,
        "The country whose numbers are written without a country code: the two letters of ISO 3166.",
    ),
    default("operate", PHONE, r#""international""#, "How Operate spells it."),
    default("salesforce", PHONE, r#""international""#, "How Salesforce spells it."),
];

const COUNTRIES: &[Key] = &[
    required("operate", COUNTRY, "How Operate spells it: its English name, or the two or three letters of ISO 3166."),
    required("salesforce", COUNTRY, "How Salesforce spells it: its English name, or the two or three letters of ISO 3166."),
];

const STATES: &[Key] = &[
    required("country", Form::Filled, "The country that it is in: the two letters of ISO 3166."),
    required("operate", STATE, "How Operate spells it."),
    required("salesforce", STATE, "How Salesforce spells it."),
];

const NUMBERS: &[Key] = &[
    optional("operate", Form::Table, "How Operate spells the number; left out: as the system has it by itself."),
    optional("salesforce", Form::Table, "How Salesforce spells the number; left out: as the system has it by itself."),
];

const NUMBER: &[Key] = &[
    default("decimal", Form::Filled, r#"".""#, "The character before the decimal places."),
    default("group", Form::Text, r#""""#, "The character between groups of three digits; empty: none."),
    optional(
        "places",
        Form::Whole(*PLACES.start(), *PLACES.end()),
        "The decimal places that are always written; left out: as many as there are.",
    ),
    default("prefix", Form::Text, r#""""#, "What stands before the digits."),
    default("suffix", Form::Text, r#""""#, "What stands after the digits."),
];

const BOOLEANS: &[Key] = &[
    optional("operate", Form::Pair, "Operate's words for yes and no; an empty one for no: an empty field says so."),
    optional("salesforce", Form::Pair, "Salesforce's words for yes and no; an empty one for no: an empty field says so."),
];

const DATES: &[Key] = &[
    optional("operate", Form::Filled, "Operate's format in chrono's notation, such as \"%d/%m/%Y\"; left out: 2026-12-31."),
    optional("salesforce", Form::Filled, "Salesforce's format in chrono's notation; left out: 2026-12-31."),
];

const MOMENTS: &[Key] = &[
    optional(
        "operate",
        Form::Filled,
        "Operate's format in chrono's notation, without an offset; left out: as the system has it by itself.",
    ),
    optional(
        "salesforce",
        Form::Filled,
        "Salesforce's format in chrono's notation, without an offset; left out: as the system has it by itself.",
    ),
    optional("zone", Form::Zone, "The zone of the formats given here; left out: the workspace's."),
];
