//! Every key that the file may hold, with all that can be said of it before a value is there: how it is written, whether it must be
//! there, what it is if not, and what it is for.
//!
//! This table is the one place that knows: unknown keys, secrets, what the environment can set (`keys`) and the JSON Schema
//! (`schema`) all come from it. What a value means is up to the readers; a test holds each of them to what stands here.

mod fields;
mod systems;
mod transforms;
mod work;

/// A table of the file.
pub(super) struct Section {
    /// Its name, dotted; empty for the file as a whole. `fields` stands for every `[[fields]]` table.
    pub name: &'static str,
    /// What it is for, in one sentence.
    pub about: &'static str,
    /// Its keys. A section nested in it is one of them.
    pub keys: &'static [Key],
}

/// A key of a table.
pub(super) struct Key {
    /// Its name.
    pub name: &'static str,
    /// How its value is written.
    pub form: Form,
    /// Whether it may be left out.
    pub presence: Presence,
    /// What it is for, in one sentence, with its unit.
    pub about: &'static str,
}

/// Whether a key may be left out.
pub(super) enum Presence {
    /// It must be there.
    Required,
    /// It may be left out, and what that means stands in its description.
    Optional,
    /// Left out, it is this, as the file would have it.
    Default(&'static str),
}

/// How a value is written.
pub(super) enum Form {
    /// A table with the keys of the section of this name.
    Table,
    /// A list of such tables.
    Tables,
    /// Such a table with exactly one of the keys.
    OneKey,
    /// Any text.
    Text,
    /// Text that is not empty.
    Filled,
    /// One of these words: a function, because the readers' lists have the meanings beside the words.
    Word(fn() -> Vec<&'static str>),
    /// A whole number within limits.
    Whole(i64, i64),
    /// A number above 0, and 1 at most.
    Share,
    /// True or false.
    Flag,
    /// A number and a unit, within limits.
    Duration(&'static str, &'static str),
    /// The same, or "off".
    DurationOrOff(&'static str, &'static str),
    /// A percentage, or "off".
    Percentage,
    /// Six fields.
    Cron,
    /// A name of the IANA database.
    Zone,
    /// Scheme and host.
    Address,
    /// A system's name for something.
    NativeName,
    /// The same, or nothing.
    NativeNameOrNone,
    /// The name of a field of the mapping.
    FieldName,
    /// A secret, or where it is.
    Secret,
    /// A version of Salesforce's API.
    ApiVersion,
    /// The address of a store.
    StoreUrl,
    /// PostgreSQL's name for a part of a database.
    SchemaName,
    /// Text, number or boolean.
    Scalar,
    /// A list, with this many elements at least.
    List(&'static Form, usize),
    /// One value, or a list of them.
    OneOrMore(&'static Form),
    /// Any of these.
    Either(&'static [Form]),
    /// Two texts.
    Pair,
    /// Rows of a value map.
    Rows,
}

impl Form {
    /// Whether no environment variable can set it, because it is no single value.
    pub(super) const fn is_list(&self) -> bool {
        matches!(self, Self::Tables | Self::List(..) | Self::OneOrMore(_) | Self::Pair | Self::Rows)
    }

    /// Whether it is a section.
    pub(super) const fn is_section(&self) -> bool {
        matches!(self, Self::Table | Self::Tables | Self::OneKey)
    }
}

/// A key that must be there.
const fn required(name: &'static str, form: Form, about: &'static str) -> Key {
    Key { name, form, presence: Presence::Required, about }
}

/// A key that may be left out.
const fn optional(name: &'static str, form: Form, about: &'static str) -> Key {
    Key { name, form, presence: Presence::Optional, about }
}

/// A key with a default, as the file would have it.
const fn default(name: &'static str, form: Form, default: &'static str, about: &'static str) -> Key {
    Key { name, form, presence: Presence::Default(default), about }
}

/// The words of a reader's list, without their meanings.
fn words<T>(list: &[(&'static str, T)]) -> Vec<&'static str> {
    list.iter().map(|(word, _)| *word).collect()
}

/// The file as a whole.
const FILE: Section = Section {
    name: "",
    about: "Keeps Leads in step between essensys Operate and Salesforce.",
    keys: &[
        optional("store", Form::Table, "What leadsync remembers."),
        required("operate", Form::Table, "The Operate workspace."),
        required("salesforce", Form::Table, "The Salesforce org."),
        optional("schedule", Form::Table, "When leads are looked at."),
        required("sync", Form::Table, "How leads are paired, created, merged and deleted."),
        optional("ops", Form::Table, "What the daemon shows of itself."),
        optional("mappings", Form::Tables, "Mappings with fields of their own, for some of the leads."),
        required("fields", Form::Tables, "The mapping: a table for each field to keep in step."),
    ],
};

/// Every section, in the order in which the example has them.
pub(super) fn sections() -> impl Iterator<Item = &'static Section> {
    std::iter::once(&FILE)
        .chain(work::STORE)
        .chain(systems::SECTIONS)
        .chain(work::SECTIONS)
        .chain(fields::SECTIONS)
        .chain(transforms::SECTIONS)
}

/// The section of this name.
pub(super) fn section(name: &str) -> Option<&'static Section> {
    sections().find(|section| section.name == name)
}
