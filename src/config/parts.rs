//! Several native fields that are one text: how they are joined, and how a text is split among them.

use config::ValueKind;

use super::section::{Fault, Given, Section};
use super::value::quote;
use crate::lead::{PerSide, Side};

/// How the parts of a text are joined and split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// What stands between two parts.
    pub join: String,
    /// Which part takes the pieces that are too many.
    pub split: Split,
}

/// Where a text is split that has more pieces than there are native fields, and which fields stay empty if it has fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// From the first piece on: `Mary Jane Watson` is `Mary` and `Jane Watson`, and `Mary` alone is the first field's.
    First,
    /// From the last piece back: `Mary Jane Watson` is `Mary Jane` and `Watson`, and `Watson` alone is the last field's.
    Last,
    /// From the first piece on, and a text with too many waits for a person.
    Exact,
}

/// What stands between parts, unless the file says otherwise.
const JOIN: &str = " ";

/// The words for where a text is split.
pub(super) const SPLIT_WORDS: [(&str, Split); 3] = [("first", Split::First), ("last", Split::Last), ("exact", Split::Exact)];

impl Default for Parts {
    fn default() -> Self {
        Self { join: JOIN.to_owned(), split: Split::Last }
    }
}

impl Parts {
    /// Reads `join` and `split`.
    pub(super) fn read(section: &Section<'_>, native: &PerSide<Vec<String>>) -> Self {
        let several = Side::BOTH.iter().any(|side| native.get(*side).len() > 1);
        for key in ["join", "split"].into_iter().filter(|key| !several && section.has(key)) {
            let help = "remove it, or give a list: operate = [\"firstname\", \"lastname\"]";
            section.report.error_at_key(&section.path.key(key), Fault::new("this goes with several fields on one side", help));
        }
        let join = section.or("join", JOIN.to_owned(), separator);
        let split = if join.contains('\n') { Split::Exact } else { Split::Last };
        Self { split: section.or("split", split, |given| given.word(&SPLIT_WORDS)), join }
    }
}

fn separator(given: &Given<'_>) -> Result<String, Fault> {
    let text = given.text()?;
    if text.is_empty() {
        return Err(Fault::new("nothing would show where one part ends", "write what stands between two parts, such as \" \""));
    }
    if text.chars().any(|each| each.is_alphanumeric() || (each.is_control() && each != '\n')) {
        let help = "write white space, \"\\n\" for a line each, or punctuation, such as \", \"";
        return Err(Fault::new("letters, digits and control characters stand in values themselves", help));
    }
    Ok(text.to_owned())
}

/// The native names of a side: one, or a list.
pub(super) fn native_names(section: &Section<'_>, side: Side) -> Vec<String> {
    let key = side.as_str();
    let example = if side == Side::Operate { "\"leadname\"" } else { "\"Company\"" };
    let is_list = section.get(key).is_some_and(|value| matches!(value.kind, ValueKind::Array(_)));
    if !is_list {
        // A constant is on one side only.
        if section.has("constant") && !section.has(key) {
            return Vec::new();
        }
        let name: String = section.required(key, example, Given::native_name);
        return if name.is_empty() { Vec::new() } else { vec![name] };
    }
    let elements = section.elements(key, "write the field's name").unwrap_or_default();
    if elements.is_empty() {
        section.report.error(&section.path.key(key), Fault::new("this list names no field", "write the name of a field"));
    }
    let mut names: Vec<String> = Vec::new();
    for (path, element) in elements {
        let read = Given { kind: &element.kind, from_environment: false }.native_name();
        let read = read.and_then(|name| {
            if names.iter().any(|other| other.eq_ignore_ascii_case(&name)) {
                return Err(Fault::new(format!("{} stands twice in this list", quote(&name)), "remove one of the two"));
            }
            Ok(name)
        });
        match read {
            Ok(name) => names.push(name),
            Err(fault) => section.report.error(&path, fault),
        }
    }
    names
}

/// Several fields are read as one text only where the field's type is text.
pub(super) fn refuse_typed(section: &Section<'_>, native: &PerSide<Vec<String>>, is_text: bool) {
    for side in Side::BOTH {
        if native.get(side).len() > 1 && !is_text {
            let fault = Fault::new(
                "several fields are one text, and this field is something else",
                "name one field, or leave out what says so (type, values or lookup)",
            );
            section.report.error(&section.path.key(side.as_str()), fault);
        }
    }
}
