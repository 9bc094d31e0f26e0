//! What an administrator has set up: people, a queue, record types, statuses, and the org itself.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::fields::CONVERTED_STATUS;
use super::ids::{self, Key};
use super::lead_fields::STATUSES;
use super::objects::Entity;
use super::rows::{OTHER_USER, Row, USER};
use super::{ORGANIZATION, errors::Fail};

/// The record type that a new lead gets.
pub const DEFAULT_RECORD_TYPE: &str = "0125g0000000001AAA";
/// The record type that every object has, and that stands for none.
pub const MASTER_RECORD_TYPE: &str = "012000000000000AAA";

/// The API name of the org's duplicate rule.
pub const DUPLICATE_RULE: &str = "Leads_with_the_same_email";

/// Rows that only an administrator changes, and nobody here is one.
#[derive(Debug, Default)]
pub struct Setup {
    users: Vec<Row>,
    groups: Vec<Row>,
    record_types: Vec<Row>,
    statuses: Vec<Row>,
    organization: Vec<Row>,
    /// The org's duplicate rule, as it is while it is not active and while it is.
    duplicate_rules: [Vec<Row>; 2],
}

impl Setup {
    pub fn new(now: DateTime<Utc>) -> Self {
        let organization = [
            ("Name", json!("Sandbox")),
            ("InstanceName", json!("SBX1")),
            ("IsSandbox", json!(true)),
            ("OrganizationType", json!("Developer Edition")),
        ];
        let queue = [("Name", json!("New leads")), ("DeveloperName", json!("New_leads")), ("Type", json!("Queue"))];
        Self {
            users: users(now),
            groups: vec![fixed("00G5g0000000001EAA", &queue, now)],
            record_types: record_types(now),
            statuses: statuses(now),
            organization: vec![fixed(ORGANIZATION, &organization, now)],
            duplicate_rules: [false, true].map(|active| vec![duplicate_rule(active, now)]),
        }
    }

    /// The duplicate rules, as they are now.
    pub fn duplicate_rules(&self, active: bool) -> &[Row] {
        let [off, on] = &self.duplicate_rules;
        if active { on } else { off }
    }

    /// All rows of an object.
    pub fn rows(&self, entity: Entity) -> &[Row] {
        match entity {
            Entity::User => &self.users,
            Entity::Group => &self.groups,
            Entity::RecordType => &self.record_types,
            Entity::LeadStatus => &self.statuses,
            Entity::Organization => &self.organization,
            Entity::DuplicateRule => self.duplicate_rules(false),
            Entity::Lead | Entity::Name => &[],
        }
    }

    /// A row of an object; an owner may be a user or a queue.
    pub fn row(&self, entity: Entity, key: &Key) -> Option<&Row> {
        let rows = match entity {
            Entity::Name if key.starts_with(b"00G") => self.rows(Entity::Group),
            Entity::Name => self.rows(Entity::User),
            other => self.rows(other),
        };
        rows.iter().find(|row| row.key == *key)
    }

    /// Refuses an owner who cannot own leads.
    pub fn allow_owner(&self, id: Option<&str>) -> Result<(), Fail> {
        let refuse = |code, message: String| Err(Fail::bad(code, message).with_fields(vec!["OwnerId"]));
        let Some(key) = id.and_then(ids::parse) else {
            return refuse("INVALID_CROSS_REFERENCE_KEY", "Owner ID: owner cannot be blank".to_owned());
        };
        let Some(owner) = self.row(Entity::Name, &key) else {
            return Err(Fail::bad("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id").with_fields(Vec::new()));
        };
        if owner.values.get("IsActive") == Some(&json!(false)) {
            let message = format!("operation performed with inactive user [{}] as owner of lead", ids::short(&key));
            return refuse("INACTIVE_OWNER_OR_USER", message);
        }
        Ok(())
    }

    /// Refuses a record type that leads cannot have.
    pub fn allow_record_type(&self, id: &str) -> Result<(), Fail> {
        let key = ids::parse(id).unwrap_or_default();
        let known = self.row(Entity::RecordType, &key);
        let fits = known.is_some_and(|row| {
            row.values.get("IsActive") == Some(&json!(true)) && row.values.get("SobjectType") == Some(&json!("Lead"))
        });
        if fits || ids::parse(MASTER_RECORD_TYPE) == Some(key) {
            return Ok(());
        }
        let message = format!("Record Type ID: this ID value isn't valid for the user: {}", ids::full(&key));
        Err(Fail::bad("INVALID_CROSS_REFERENCE_KEY", message).with_fields(vec!["RecordTypeId"]))
    }
}

/// The people of the org: the app's own user, two in sales, and one who left.
fn users(now: DateTime<Utc>) -> Vec<Row> {
    let people = [
        (USER, "leadsync@sandbox.example", ("Integration", "User"), true),
        (OTHER_USER, "sam.seller@sandbox.example", ("Sam", "Seller"), true),
        ("0055g0000000003AAA", "rita.rep@sandbox.example", ("Rita", "Rep"), true),
        ("0055g0000000004AAA", "gone.guy@sandbox.example", ("Gone", "Guy"), false),
    ];
    let user = |(id, email, (first, last), active): (&str, &str, (&str, &str), bool)| {
        let alias: String = first.chars().take(1).chain(last.chars().take(7)).collect();
        let values = [
            ("Username", json!(email)),
            ("Email", json!(email)),
            ("FirstName", json!(first)),
            ("LastName", json!(last)),
            ("Name", json!(format!("{first} {last}"))),
            ("Alias", json!(alias.to_lowercase())),
            ("IsActive", json!(active)),
            ("UserType", json!("Standard")),
            // What an owner's type is; no field of a user.
            ("Type", json!("User")),
        ];
        fixed(id, &values, now)
    };
    people.into_iter().map(user).collect()
}

/// Two record types for leads, one that is no longer used, and one of another object.
fn record_types(now: DateTime<Utc>) -> Vec<Row> {
    let types = [
        (DEFAULT_RECORD_TYPE, "Workspace", "Workspace", "Lead", true),
        ("0125g0000000002AAA", "Virtual office", "Virtual_Office", "Lead", true),
        ("0125g0000000003AAA", "Event space", "Event_Space", "Lead", false),
        ("0125g0000000004AAA", "Member", "Member", "Account", true),
    ];
    let record_type = |(id, name, developer_name, object, active): (&str, &str, &str, &str, bool)| {
        let values = [
            ("Name", json!(name)),
            ("DeveloperName", json!(developer_name)),
            ("SobjectType", json!(object)),
            ("IsActive", json!(active)),
        ];
        fixed(id, &values, now)
    };
    types.into_iter().map(record_type).collect()
}

fn statuses(now: DateTime<Utc>) -> Vec<Row> {
    let status = |(number, name): (u64, &&str)| {
        let values = [
            ("MasterLabel", json!(name)),
            ("ApiName", json!(name)),
            ("SortOrder", json!(number)),
            ("IsDefault", json!(number == 1)),
            ("IsConverted", json!(*name == CONVERTED_STATUS)),
        ];
        fixed(&ids::short(&ids::make(*b"01J", number)), &values, now)
    };
    (1..).zip(STATUSES).map(status).collect()
}

/// The rule that compares e-mail addresses, which a switch puts to work.
fn duplicate_rule(active: bool, now: DateTime<Utc>) -> Row {
    let values = [
        ("DeveloperName", json!(DUPLICATE_RULE)),
        ("MasterLabel", json!("Leads with the same e-mail address")),
        ("SobjectType", json!("Lead")),
        ("IsActive", json!(active)),
    ];
    fixed("0Bm5g0000000001CAA", &values, now)
}

/// A row that stays as it is.
fn fixed(id: &str, values: &[(&'static str, Json)], at: DateTime<Utc>) -> Row {
    let key = ids::parse(id).unwrap_or([b'0'; 15]);
    let values: HashMap<&'static str, Json> = values.iter().cloned().collect();
    Row { key, created: at, stamp: at, deleted: false, converted: false, hidden: false, late: None, values }
}
