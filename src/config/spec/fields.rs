//! `[[fields]]`.

use super::{Form, Key, Section, default, optional, required, words};
use crate::config::field::{DIRECTION_WORDS, EMPTY_WORDS, KIND_WORDS, LOOKUP_WORDS};
use crate::config::parts::SPLIT_WORDS;
use crate::config::sync::CONFLICT_WORDS;
use crate::config::transform::read::WORDS;

/// The sections of a field.
pub(super) const SECTIONS: &[Section] = &[
    Section { name: "fields", about: "A field to keep in step.", keys: FIELD },
    Section {
        name: "mappings",
        about: "Fields of their own for some leads: the first mapping whose condition is true applies.",
        keys: MAPPING,
    },
    Section {
        name: "fields.default",
        about: "What a create gives where the other side is empty, in the side's own spelling.",
        keys: DEFAULT,
    },
];

const FIELD: &[Key] = &[
    required(
        "name",
        Form::FieldName,
        "What the field is called in the store, in messages and in match: small letters, digits and _.",
    ),
    optional("operate", Form::OneOrMore(&Form::NativeName), "Its name in Operate, or a list of several that are one text."),
    optional(
        "salesforce",
        Form::OneOrMore(&Form::NativeName),
        "Its API name in Salesforce, or a list of several that are one text.",
    ),
    default(
        "join",
        Form::Text,
        r#"" ""#,
        "What stands between the parts where a side has several fields: white space or punctuation, \"\\n\" for a line each.",
    ),
    optional(
        "split",
        Form::Word(|| words(&SPLIT_WORDS)),
        "Which field gets the pieces that are too many, where a side has several: the last (first), the first (last), or none, and the lead waits for a person (exact); left out: last, and exact where join is a new line.",
    ),
    optional(
        "group",
        Form::FieldName,
        "The fields that have the same word here merge as one: what is together on one side never comes from both.",
    ),
    optional(
        "mapping",
        Form::OneOrMore(&Form::FieldName),
        "The mappings of whose leads it is a field; left out: it is in every lead.",
    ),
    optional(
        "constant",
        Form::Scalar,
        "What every new lead gets, in a field that names one side only; it is never touched later.",
    ),
    default("direction", Form::Word(|| words(&DIRECTION_WORDS)), r#""both""#, "Which way values go."),
    optional(
        "conflict",
        Form::Word(|| words(&CONFLICT_WORDS)),
        "What decides if both sides changed this field; left out: as in [sync].",
    ),
    optional(
        "type",
        Form::Word(|| words(&KIND_WORDS)),
        "What both sides' values are read as; left out: choice where values is given, else what Salesforce says.",
    ),
    optional("default", Form::Table, "What a create gives where the other side is empty."),
    optional(
        "values",
        Form::Rows,
        "The value map: rows of Operate's and Salesforce's word for one thing, and a third word for a row that goes one way only.",
    ),
    optional(
        "transform",
        Form::OneOrMore(&TRANSFORM),
        "What is done to values on the way: a word or a table with one key, or a list of them; at most one, the last, says how each side spells a value.",
    ),
    optional(
        "expression",
        Form::Filled,
        "What gives the value from the native fields of the side that it comes from, in a field that goes one way only.",
    ),
    optional(
        "lookup",
        Form::Word(|| words(&LOOKUP_WORDS)),
        "The reference list whose ids Operate's field holds: the mapping has the name, of a user the e-mail address.",
    ),
    default(
        "unknown",
        Form::Filled,
        r#""park""#,
        "A value that is in no row or list: the lead waits for a person (park), each side keeps its own (keep), or a value of the map to take instead.",
    ),
    default("empty", Form::Word(|| words(&EMPTY_WORDS)), r#""overwrite""#, "Whether an empty value clears the other side's."),
];

const MAPPING: &[Key] = &[
    required("name", Form::FieldName, "What fields call it in `mapping`."),
    required(
        "when",
        Form::Filled,
        "The condition: an expression over the values of fields that are in every lead, by their names.",
    ),
];

const DEFAULT: &[Key] = &[
    optional("operate", Form::Scalar, "What a new Operate lead gets where Salesforce's field is empty."),
    optional("salesforce", Form::Scalar, "What a new Salesforce lead gets where Operate's field is empty."),
];

/// One transform.
const TRANSFORM: Form = Form::Either(&[Form::Word(|| words(&WORDS)), Form::OneKey]);
