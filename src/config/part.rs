//! Which leads take part, and which fields in which leads: `[sync].filter`, `[[mappings]]` and a field's `mapping`.

use super::field::FieldConfig;
use super::keys::{self, KeyPath};
use super::section::{Fault, Given, Section};
use super::value::quote;
use crate::mapping::expression::Expression;

/// One `[[mappings]]` table: fields of its own for some of the leads.
#[derive(Debug, Clone)]
pub struct MappingConfig {
    /// What fields call it.
    pub name: String,
    /// The condition, over the neutral values of fields that are in every lead.
    pub when: String,
}

/// What becomes of a link when one of its leads leaves the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeavesRule {
    /// It rests: a lead that comes back goes on from what was in step.
    Stop,
    /// What was in step is forgotten: a lead that comes back is compared as at first.
    Unlink,
}

/// The words for what becomes of a link.
pub(super) const LEAVES_WORDS: [(&str, LeavesRule); 2] = [("stop", LeavesRule::Stop), ("unlink", LeavesRule::Unlink)];

/// Reads `[[mappings]]`, and holds the fields' `mapping` to it.
pub(super) fn mappings(root: &Section<'_>, fields: &[FieldConfig]) -> Vec<MappingConfig> {
    let mut mappings: Vec<MappingConfig> = Vec::new();
    for section in root.sections("mappings") {
        let name = section.required("name", "\"virtual_office\"", |given| {
            let name = super::field::field_name(given)?;
            if mappings.iter().any(|other| other.name == name) {
                return Err(Fault::new(
                    format!("{} is the name of another mapping too", quote(&name)),
                    "give each a name of its own",
                ));
            }
            Ok(name)
        });
        let when = section.required("when", "\"location == 'Hub City'\"", |given| condition(given, fields));
        if !name.is_empty() && !fields.iter().any(|field| field.only_in.contains(&name)) {
            let fault = Fault::new(
                "no field has this mapping",
                format!("write mapping = \"{name}\" in the fields that only these leads have"),
            );
            section.report.warn(&section.path.key("name"), fault);
        }
        mappings.push(MappingConfig { name, when });
    }
    for (place, field) in fields.iter().enumerate() {
        for name in &field.only_in {
            if !mappings.iter().any(|mapping| mapping.name == *name) {
                let help = keys::nearest(name, mappings.iter().map(|mapping| mapping.name.as_str())).map_or_else(
                    || "add a [[mappings]] table with this name and `when`".to_owned(),
                    |near| format!("did you mean \"{near}\"?"),
                );
                root.report.error(
                    &root.path.key("fields").index(place).key("mapping"),
                    Fault::new(format!("no mapping is named {}", quote(name)), help),
                );
            }
        }
    }
    mappings
}

/// The mappings that a field belongs to: a word or a list of them.
pub(super) fn only_in(section: &Section<'_>) -> Vec<String> {
    let read = |(path, value): (KeyPath, &config::Value)| {
        let given = Given { kind: &value.kind, from_environment: false };
        super::field::field_name(&given).map_err(|fault| section.report.error(&path, fault)).ok()
    };
    section.one_or_more("mapping").into_iter().filter_map(read).collect()
}

/// An expression over the neutral values of fields that are in every lead.
pub(super) fn condition(given: &Given<'_>, fields: &[FieldConfig]) -> Result<String, Fault> {
    let text = given.filled()?;
    let help = "write a condition such as status != 'Lost'; see docs/mapping.md";
    let compiled = Expression::compile(&text).map_err(|problem| Fault::new(format!("this is no expression: {problem}"), help))?;
    for name in compiled.variables() {
        match fields.iter().find(|field| field.name == *name) {
            None => {
                let near = keys::nearest(name, fields.iter().map(|field| field.name.as_str()));
                let help = near.map_or_else(
                    || "write the name of a field of the mapping".to_owned(),
                    |near| format!("did you mean {near}?"),
                );
                return Err(Fault::new(format!("no field of the mapping is named {}", quote(name)), help));
            }
            Some(field) if !field.only_in.is_empty() => {
                let help = "take `mapping` out of that field, or name another";
                return Err(Fault::new(format!("{} is not in every lead itself", quote(name)), help));
            }
            Some(_) => {}
        }
    }
    Ok(text)
}
