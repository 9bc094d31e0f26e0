//! What the leads that are there say to a configuration.

use super::values::{Counted, Held, Read, SideRead};
use super::{Finding, Severity, finding};
use crate::config::Config;
use crate::config::sync::CreateRule;
use crate::lead::{Kind, Side};
use crate::mapping::{Field, find};
use crate::side::NativeField;

/// So many values are told, where there are few in all.
const TOLD: usize = 5;
/// Of more different values none is told: a field that holds so many may hold names.
const FEW: usize = 30;

pub(super) fn findings(config: &Config, read: &Read, described: &[NativeField]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for side in Side::BOTH {
        let leads = read.sides.get(side);
        findings.extend(lacking(config, side, leads));
        findings.extend(twins(read, side));
        for (field, held) in read.mapping.fields().iter().zip(&leads.fields) {
            findings.extend(unreadable(field, side, held, leads.read));
            findings.extend(unwritable(field, side, held));
            findings.extend(too_long(field, held, described));
            findings.extend(refused(field, held));
        }
    }
    findings.extend(config.fields.iter().filter_map(|field| uncovered(field, described)));
    findings
}

fn about(field: &Field) -> String {
    format!("fields.{}", field.name)
}

/// Values that cannot be read through the mapping.
fn unreadable(field: &Field, side: Side, held: &Held, read: u64) -> Option<Finding> {
    let (count, native) = (held.unreadable.count, field.native_name(side));
    if count == 0 || field.is_lookup() {
        return None;
    }
    let severity = if field.policy.unknown_parks { Severity::Warning } else { Severity::Ok };
    let title = side.title();
    if field.kind == Kind::Choice {
        let found = format!("{count} of {read} {title} leads hold values in {native} that have no row: {}", told(&held.unlisted));
        let remedy =
            "add a row for each to `values`; leads with them wait for a person, or keep their own with unknown = \"keep\"";
        return Some(finding(severity, about(field), found, Some(remedy)).on("values"));
    }
    let found = format!(
        "{count} of {read} {title} leads hold something in {native} that is not {}: {}",
        field.lens().expected(),
        held.unreadable.such_as()
    );
    let remedy = "correct these leads, or give the field another type: until then they wait for a person";
    Some(finding(severity, about(field), found, Some(remedy)).on("type"))
}

/// Values that can be read and not be written.
fn unwritable(field: &Field, side: Side, held: &Held) -> Option<Finding> {
    let (count, to) = (held.unwritable.count, side.other());
    let found = format!(
        "{count} {} lead(s) hold a value in {} that cannot be written to {}'s {}: {}",
        side.title(),
        field.native_name(side),
        to.title(),
        field.native_name(to),
        held.unwritable.such_as()
    );
    let remedy = "correct these leads, or let the field go the other way only: until then they wait for a person";
    (count > 0).then(|| finding(Severity::Warning, about(field), found, Some(remedy)))
}

/// Values that are longer than Salesforce's field.
fn too_long(field: &Field, held: &Held, described: &[NativeField]) -> Vec<Finding> {
    let long = held.too_long.iter().filter(|(_, (_, leads))| leads.count > 0);
    long.filter_map(|(name, (longest, leads))| {
        let length = find(described, name)?.length;
        let found = format!(
            "{name} takes {length} characters, and {} Operate lead(s) hold more, up to {longest}: {}",
            leads.count,
            leads.such_as()
        );
        let remedy = "make the Salesforce field longer, or shorten these values: nothing is cut off, and these leads are refused";
        Some(finding(Severity::Error, about(field), found, Some(remedy)).on("salesforce"))
    })
    .collect()
}

/// Values that a restricted picklist has not.
fn refused(field: &Field, held: &Held) -> Vec<Finding> {
    let refused = held.refused.iter().map(|(name, counted)| {
        let found =
            format!("the picklist {name} is restricted, and {} Operate lead(s) hold others: {}", counted.leads, told(counted));
        let remedy = "add the values to the picklist, or write `values`: such leads are refused";
        finding(Severity::Error, about(field), found, Some(remedy)).on("salesforce")
    });
    refused.collect()
}

/// Values that can be chosen in Salesforce and have no row.
fn uncovered(field: &crate::config::field::FieldConfig, described: &[NativeField]) -> Option<Finding> {
    let [name] = field.native.salesforce.as_slice() else { return None };
    if field.values.is_empty() || !field.direction.writes_to(Side::Operate) {
        return None;
    }
    let has = |value: &&String| field.values.iter().any(|row| row.native.salesforce == **value);
    let without: Vec<&str> = find(described, name)?.values.iter().filter(|value| !has(value)).map(String::as_str).collect();
    let found = format!("{} value(s) of the picklist {name} have no row: {}", without.len(), without.join(", "));
    let severity = if field.unknown == crate::config::field::UnknownRule::Park { Severity::Warning } else { Severity::Ok };
    let remedy = "add a row for each to `values`: whoever chooses one has the lead wait for a person";
    let about = format!("fields.{}", field.name);
    let remedy = Some(remedy).filter(|_| severity != Severity::Ok);
    (!without.is_empty()).then(|| finding(severity, about, found, remedy).on("values"))
}

/// Leads that the other side would not make.
fn lacking(config: &Config, side: Side, leads: &SideRead) -> Vec<Finding> {
    let (to, key) = match side {
        Side::Operate => (CreateRule::ToSalesforce, "fields"),
        Side::Salesforce => (CreateRule::ToOperate, "operate.required_fields"),
    };
    if config.sync.create != CreateRule::Both && config.sync.create != to {
        return Vec::new();
    }
    let lacking = leads.lacking.iter().map(|(name, some)| {
        let found = format!(
            "{} of {} {} leads give no {name}, without which {} makes none: {}",
            some.count,
            leads.read,
            side.title(),
            side.other().title(),
            some.such_as()
        );
        let remedy =
            format!("fill them in, or give the field a default = {{ {} = … }}: until then they wait for a person", side.other());
        finding(Severity::Warning, key, found, Some(&remedy))
    });
    lacking.collect()
}

/// Leads that cannot be told apart.
fn twins(read: &Read, side: Side) -> Vec<Finding> {
    let rules = read.sides.get(side).twins.rules().filter(|(_, rule)| rule.leads > 0);
    let twins = rules.map(|(number, rule)| {
        let found = format!(
            "{} {} leads without a link share {} with another: {}",
            rule.leads,
            side.title(),
            read.mapping.match_rule(number),
            rule.doubles.such_as()
        );
        let remedy =
            "merge them, or match by more fields: where the other side has such a lead too, all of them wait for a person";
        finding(Severity::Warning, "sync.match", found, Some(remedy))
    });
    twins.collect()
}

/// The most frequent values with their counts, where they are few.
fn told(counted: &Counted) -> String {
    if counted.more || counted.values.len() > FEW {
        let more = if counted.more { "more than " } else { "" };
        return format!("{more}{} different ones", counted.values.len());
    }
    let mut values: Vec<(&String, &u64)> = counted.values.iter().collect();
    values.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let some: Vec<String> = values.iter().take(TOLD).map(|(value, count)| format!("{value:?} ({count})")).collect();
    let more = if values.len() > TOLD { ", …" } else { "" };
    format!("{}{more}", some.join(", "))
}
