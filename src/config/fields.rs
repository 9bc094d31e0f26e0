//! `[[fields]]` as a whole: what one table cannot say alone.

use super::field::{EmptyRule, FieldConfig};
use super::keys::KeyPath;
use super::operate::OperateConfig;
use super::salesforce::SalesforceConfig;
use super::section::{Fault, Section};
use super::value::quote;
use crate::lead::Side;

/// Fields of a Salesforce lead that the program itself goes by.
const SALESFORCE_OWN: [&str; 3] = ["Id", "SystemModstamp", "LastModifiedDate"];

/// Reads every table and checks them together.
pub(super) fn read(root: &Section<'_>, operate: &OperateConfig, salesforce: &SalesforceConfig) -> Vec<FieldConfig> {
    let read: Vec<(KeyPath, FieldConfig)> =
        root.sections("fields").iter().map(|section| (section.path.clone(), FieldConfig::read(section))).collect();
    if !root.has("fields") {
        let help = "add a [[fields]] table with name, operate and salesforce for each field to keep in step";
        root.report.error_at_key(&root.path.key("fields"), Fault::new("no field is mapped", help));
    }
    refuse_same_names(root, &read);
    refuse_torn_groups(root, &read);
    for side in Side::BOTH {
        refuse_two_writers(root, &read, side);
    }
    let operate_own = [&operate.id_field, &operate.modified_field, &operate.external_id_field].map(String::as_str);
    let salesforce_own: Vec<&str> = SALESFORCE_OWN.into_iter().chain([salesforce.external_id_field.as_str()]).collect();
    refuse_own(root, &read, Side::Operate, &operate_own);
    refuse_own(root, &read, Side::Salesforce, &salesforce_own);
    read.into_iter().map(|(_, field)| field).collect()
}

fn refuse_same_names(root: &Section<'_>, fields: &[(KeyPath, FieldConfig)]) {
    for (number, (path, field)) in fields.iter().enumerate().filter(|(_, (_, field))| !field.name.is_empty()) {
        if let Some((other, _)) = fields.iter().take(number).find(|(_, other)| other.name == field.name) {
            let problem =
                format!("{} is the name of another field too, on {}", quote(&field.name), root.report.line(&other.key("name")));
            root.report.error(&path.key("name"), Fault::new(problem, "give each field a name of its own"));
        }
    }
}

/// Fields of a group are decided together, so what decides has to be the same for all of them.
fn refuse_torn_groups(root: &Section<'_>, fields: &[(KeyPath, FieldConfig)]) {
    for (number, (path, field)) in fields.iter().enumerate() {
        let Some(group) = &field.group else { continue };
        let others =
            || fields.iter().enumerate().filter(|(other, (_, config))| *other != number && config.group.as_ref() == Some(group));
        let key = path.key("group");
        if others().next().is_none() {
            let problem = format!("no other field is in the group {}", quote(group));
            root.report.error(&key, Fault::new(problem, "give the fields that belong together the same group, or remove it"));
        }
        if field.empty == EmptyRule::Keep {
            let problem = "an empty value that is kept back would tear the group apart";
            root.report.error(&path.key("empty"), Fault::new(problem, "leave out empty = \"keep\" in fields of a group"));
        }
        let Some((_, (first, config))) = others().find(|(other, _)| *other < number) else { continue };
        for (name, differs) in [
            ("direction", config.direction != field.direction),
            ("conflict", config.conflict != field.conflict),
            ("mapping", config.only_in != field.only_in),
        ] {
            if differs {
                let problem = format!(
                    "the field on {} is in the group {} and has another {name}",
                    root.report.line(&first.key("name")),
                    quote(group)
                );
                let help = format!("give all fields of a group the same {name}: they are decided as one");
                root.report.error(&path.key(name), Fault::new(problem, help));
            }
        }
    }
}

/// Two fields that write the same native field would overwrite each other in turns.
fn refuse_two_writers(root: &Section<'_>, fields: &[(KeyPath, FieldConfig)], side: Side) {
    let writers: Vec<&(KeyPath, FieldConfig)> = fields.iter().filter(|(_, field)| field.direction.writes_to(side)).collect();
    for (number, (path, field)) in writers.iter().enumerate() {
        for native in field.native.get(side) {
            // Fields of different mappings are never in one lead.
            let apart = |other: &FieldConfig| {
                !field.only_in.is_empty()
                    && !other.only_in.is_empty()
                    && !other.only_in.iter().any(|name| field.only_in.contains(name))
            };
            let has = |other: &FieldConfig| {
                !apart(other) && other.native.get(side).iter().any(|name| name.eq_ignore_ascii_case(native))
            };
            let Some((other, _)) = writers.iter().take(number).find(|(_, other)| has(other)) else { continue };
            let line = root.report.line(&other.key(side.as_str()));
            let problem = format!("the field on {line} writes {}'s {} too", side.title(), quote(native));
            let help = format!(
                "remove one of them, limit it with direction = \"to_{}\", or give each a `mapping` of its own",
                side.other()
            );
            root.report.error(&path.key(side.as_str()), Fault::new(problem, help));
        }
    }
}

fn refuse_own(root: &Section<'_>, fields: &[(KeyPath, FieldConfig)], side: Side, own: &[&str]) {
    for (path, field) in fields {
        for native in field.native.get(side).iter().filter(|native| own.iter().any(|each| each.eq_ignore_ascii_case(native))) {
            let problem = format!("{} is what leads are told apart or followed by, and cannot be mapped", quote(native));
            root.report.error(
                &path.key(side.as_str()),
                Fault::new(problem, "remove this [[fields]] table: leadsync looks after it by itself"),
            );
        }
    }
}
