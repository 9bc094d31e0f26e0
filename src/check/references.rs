//! Fields that refer to entries of lists and to users: whether the lists can be read, and whether both sides have the same.

use std::collections::BTreeSet;

use super::operate::Seen;
use super::{Finding, Severity, finding};
use crate::config::Config;
use crate::config::field::{FieldConfig, Lookup, UnknownRule};
use crate::daemon::Systems;
use crate::directory::Directory;
use crate::lead::Side;
use crate::mapping::find;
use crate::operate::REFERENCES;
use crate::side::{FieldRole, NativeField, SideError};

/// So many names are told of those that only one side has.
const TOLD: usize = 3;

pub(super) async fn check(config: &Config, systems: &Systems, seen: &Seen, described: &[NativeField]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = config.fields.iter().filter_map(|field| numbers(field, seen)).collect();
    let looked_up: Vec<(&FieldConfig, Lookup)> = config.fields.iter().filter_map(|field| Some((field, field.lookup?))).collect();
    let names_users = |field: &FieldConfig| {
        let native = find(described, only(&field.native.salesforce));
        field.lookup == Some(Lookup::User) && native.is_some_and(|native| native.role == FieldRole::User)
    };
    let users = if config.fields.iter().any(names_users) { Some(systems.salesforce.read_users().await) } else { None };
    for (field, lookup) in looked_up {
        let about = format!("fields.{}", field.name);
        let list = match systems.operate.read_list(lookup).await {
            Ok(list) => list,
            Err(error) => {
                findings.push(unread(&about, &format!("Operate's list {}", lookup.as_str()), &error));
                continue;
            }
        };
        let count = list.active().len();
        findings.push(finding(Severity::Ok, &about, format!("Operate's list {} has {count} name(s)", lookup.as_str()), None));
        findings.extend(ids(field, lookup, &list, seen));
        match &users {
            Some(Err(error)) if names_users(field) => findings.push(unread(&about, "Salesforce's users", error)),
            Some(Ok(users)) if names_users(field) => findings.extend(owners(field, &list, users)),
            _ if lookup != Lookup::User => findings.extend(names(field, lookup, &list, described)),
            _ => {}
        }
    }
    findings
}

fn unread(about: &str, what: &str, error: &SideError) -> Finding {
    let help = "let the client that leadsync signs in with read it, or take `lookup` out of the field";
    finding(Severity::Error, about, format!("{what} cannot be read: {error}"), Some(help))
}

/// A field that is mapped as text and holds ids.
fn numbers(field: &FieldConfig, seen: &Seen) -> Option<Finding> {
    let (_, list) = REFERENCES.iter().find(|(name, _)| *name == only(&field.native.operate))?;
    let values = seen.get(only(&field.native.operate)).filter(|values| !values.is_empty() && field.lookup.is_none())?;
    if !values.iter().all(|value| value.chars().all(|each| each.is_ascii_digit())) {
        return None;
    }
    let found = format!(
        "leads hold numbers such as {} in {}: ids of the list {list}, it seems",
        told(values),
        only(&field.native.operate)
    );
    let help = format!("write lookup = \"{list}\" in the field, and Salesforce gets the names");
    Some(finding(Severity::Warning, format!("fields.{}", field.name), found, Some(&help)))
}

/// Whether leads hold ids that the list has.
fn ids(field: &FieldConfig, lookup: Lookup, list: &Directory, seen: &Seen) -> Option<Finding> {
    let (about, name) = (format!("fields.{}", field.name), lookup.as_str());
    let unknown: BTreeSet<&String> =
        seen.get(only(&field.native.operate))?.iter().filter(|value| !value.is_empty() && !list.has(value)).collect();
    let (named, strange): (BTreeSet<&String>, BTreeSet<&String>) = unknown.iter().partition(|value| list.id(value).is_ok());
    if !named.is_empty() {
        let found =
            format!("leads hold names of the list {name} in {}, and no ids: {}", only(&field.native.operate), told(&named));
        let help = format!("take lookup = \"{name}\" out of the field: nothing has to be looked up");
        return Some(finding(Severity::Error, about, found, Some(&help)));
    }
    let found = format!(
        "{} id(s) in {} are in no entry of the list {name}: {}",
        strange.len(),
        only(&field.native.operate),
        told(&strange)
    );
    let help = "check the field and the list; leads with these ids wait for a person, or keep their own with unknown = \"keep\"";
    (!strange.is_empty()).then(|| finding(severity(field), about, found, Some(help)))
}

/// Names that only one side can have.
fn names(field: &FieldConfig, lookup: Lookup, list: &Directory, described: &[NativeField]) -> Vec<Finding> {
    let about = format!("fields.{}", field.name);
    let ours = list.active();
    let native = find(described, only(&field.native.salesforce));
    let picklist = native.map(|native| native.values.iter().map(String::as_str).collect()).unwrap_or_default();
    let rows = field.values.iter().map(|row| row.native.operate.as_str()).collect();
    let (theirs, what, help): (BTreeSet<&str>, &str, &str) = if !field.values.is_empty() {
        (rows, "in no row of `values`", "add a row for each, or correct the row")
    } else if BTreeSet::is_empty(&picklist) {
        return Vec::new();
    } else {
        (picklist, "no value of the picklist", "let both have the same names, or write `values`")
    };
    let mut findings = Vec::new();
    let only_ours = without(&ours, &theirs);
    if !only_ours.is_empty() {
        let found = format!(
            "{} of {} name(s) in Operate's list {} are {what}: {}",
            only_ours.len(),
            ours.len(),
            lookup.as_str(),
            told(&only_ours)
        );
        findings.push(finding(severity(field), &about, found, Some(help)));
    }
    let only_theirs = without(&theirs, &ours);
    if !only_theirs.is_empty() && field.direction.writes_to(Side::Operate) {
        let whose = if field.values.is_empty() { "value(s) of the picklist" } else { "value(s) in rows of `values`" };
        let found =
            format!("{} {whose} are no name in Operate's list {}: {}", only_theirs.len(), lookup.as_str(), told(&only_theirs));
        findings.push(finding(severity(field), &about, found, Some(help)));
    }
    findings
}

/// Users whom only one side knows.
fn owners(field: &FieldConfig, list: &Directory, users: &Directory) -> Vec<Finding> {
    let about = format!("fields.{}", field.name);
    let (ours, theirs) = (list.active(), users.active());
    let mut findings = Vec::new();
    let help = "users are matched by e-mail address: correct the address on one side; with unknown = \"keep\" each side keeps its own owner";
    for (own, others, whose, where_not) in [
        (&ours, &theirs, "Operate user(s)", "no active Salesforce user"),
        (&theirs, &ours, "active Salesforce user(s)", "no Operate user"),
    ] {
        let lacking = without(own, others);
        if !lacking.is_empty() {
            let found =
                format!("{} of {} {whose} have {where_not} with their address: {}", lacking.len(), own.len(), told(&lacking));
            findings.push(finding(severity(field), &about, found, Some(help)));
        }
    }
    let invalid = theirs.iter().filter(|address| address.ends_with(".invalid")).count();
    if invalid > 0 {
        let found = format!(
            "{invalid} address(es) of Salesforce users end in .invalid: that is what a refreshed sandbox org does to them"
        );
        findings.push(finding(Severity::Warning, &about, found, Some("correct the addresses in that org's Setup, Users")));
    }
    findings
}

/// The field's one name on a side.
fn only(names: &[String]) -> &str {
    if let [name] = names { name } else { "" }
}

/// Leads wait for what is unknown, unless each side keeps its own.
fn severity(field: &FieldConfig) -> Severity {
    if field.unknown == UnknownRule::Park { Severity::Warning } else { Severity::Ok }
}

/// Names that others do not have, whatever their case.
fn without<'n>(names: &BTreeSet<&'n str>, others: &BTreeSet<&str>) -> BTreeSet<&'n str> {
    let others: BTreeSet<String> = others.iter().map(|name| name.trim().to_lowercase()).collect();
    names.iter().copied().filter(|name| !others.contains(&name.trim().to_lowercase())).collect()
}

/// The first few.
fn told<T: AsRef<str>>(names: &BTreeSet<T>) -> String {
    let some: Vec<&str> = names.iter().take(TOLD).map(AsRef::as_ref).collect();
    let more = if names.len() > TOLD { ", …" } else { "" };
    format!("{}{more}", some.join(", "))
}
