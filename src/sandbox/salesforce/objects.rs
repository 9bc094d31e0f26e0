//! The objects that can be asked for, and the fields of those that are no leads.

use crate::sandbox::salesforce::fields::{Field, Kind, Source};
use crate::sandbox::salesforce::lead_fields::LEAD;

/// An object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entity {
    Lead,
    User,
    Group,
    RecordType,
    LeadStatus,
    Organization,
    DuplicateRule,
    /// What the owner of a lead is in a query: a user or a queue.
    Name,
}

impl Entity {
    /// Those that the org lists.
    pub const LISTED: [Self; 7] =
        [Self::DuplicateRule, Self::Group, Self::Lead, Self::LeadStatus, Self::Organization, Self::RecordType, Self::User];

    /// The object of this name, in whatever case.
    pub fn named(name: &str) -> Option<Self> {
        Self::LISTED.into_iter().find(|entity| entity.name().eq_ignore_ascii_case(name))
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Lead => "Lead",
            Self::User => "User",
            Self::Group => "Group",
            Self::RecordType => "RecordType",
            Self::LeadStatus => "LeadStatus",
            Self::Organization => "Organization",
            Self::DuplicateRule => "DuplicateRule",
            Self::Name => "Name",
        }
    }

    /// What people call one, and several.
    pub fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::Lead => ("Lead", "Leads"),
            Self::User => ("User", "People"),
            Self::Group => ("Group", "Groups"),
            Self::RecordType => ("Record Type", "Record Types"),
            Self::LeadStatus => ("Lead Status Value", "Lead Status Value"),
            Self::Organization => ("Organization", "Organizations"),
            Self::DuplicateRule => ("Duplicate Rule", "Duplicate Rules"),
            Self::Name => ("Name", "Names"),
        }
    }

    /// What ids of the object begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Lead => "00Q",
            Self::User => "005",
            Self::Group => "00G",
            Self::RecordType => "012",
            Self::LeadStatus => "01J",
            Self::Organization => "00D",
            Self::DuplicateRule => "0Bm",
            Self::Name => "",
        }
    }

    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::Lead => LEAD,
            Self::User => USER,
            Self::Group => GROUP,
            Self::RecordType => RECORD_TYPE,
            Self::LeadStatus => LEAD_STATUS,
            Self::Organization => ORGANIZATION,
            Self::DuplicateRule => DUPLICATE_RULE,
            Self::Name => NAME,
        }
    }

    /// The field of this name, in whatever case.
    pub fn field(self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The field and the object that a relationship such as `Owner` goes by.
    pub fn parent(self, relationship: &str) -> Option<(&'static Field, Self)> {
        let leads_there = |field: &&Field| field.relationship().is_some_and(|name| name.eq_ignore_ascii_case(relationship));
        let field = self.fields().iter().find(leads_there)?;
        match field.kind {
            Kind::Reference([one]) => Self::named(one).map(|entity| (field, entity)),
            Kind::Reference(_) => Some((field, Self::Name)),
            _ => None,
        }
    }
}

/// What ids of an object begin with, of those that are only referred to as well.
pub fn prefix_of(object: &str) -> &'static str {
    match object {
        "Account" => "001",
        "Contact" => "003",
        "Opportunity" => "006",
        "Individual" => "0PK",
        other => Entity::named(other).map_or("", Entity::prefix),
    }
}

const fn text(name: &'static str, label: &'static str, length: usize) -> Field {
    Field::kept(name, label, Kind::Text, length, Source::Stored)
}

const fn flag(name: &'static str, label: &'static str) -> Field {
    Field::kept(name, label, Kind::Boolean, 0, Source::Stored)
}

const fn id(label: &'static str) -> Field {
    Field::kept("Id", label, Kind::Id, 18, Source::Id)
}

const CREATED: Field = Field::kept("CreatedDate", "Created Date", Kind::DateTime, 0, Source::Created);
const MODIFIED: Field = Field::kept("LastModifiedDate", "Last Modified Date", Kind::DateTime, 0, Source::Modified);
const STAMP: Field = Field::kept("SystemModstamp", "System Modstamp", Kind::DateTime, 0, Source::Stamp);

const USER: &[Field] = &[
    id("User ID"),
    text("Username", "Username", 80),
    text("LastName", "Last Name", 80),
    text("FirstName", "First Name", 40),
    text("Name", "Full Name", 121),
    text("Alias", "Alias", 8),
    Field::kept("Email", "Email", Kind::Email, 128, Source::Stored),
    flag("IsActive", "Active"),
    text("UserType", "User Type", 40),
    CREATED,
    MODIFIED,
    STAMP,
];

const GROUP: &[Field] = &[
    id("Group ID"),
    text("Name", "Name", 40),
    text("DeveloperName", "Developer Name", 80),
    text("Type", "Type", 40),
    Field::kept("Email", "Email", Kind::Email, 255, Source::Stored),
    CREATED,
    MODIFIED,
    STAMP,
];

const RECORD_TYPE: &[Field] = &[
    id("Record Type ID"),
    text("Name", "Name", 80),
    text("DeveloperName", "Record Type Name", 80),
    text("NamespacePrefix", "Namespace Prefix", 15),
    text("Description", "Description", 255),
    text("SobjectType", "SObject Type Name", 40),
    flag("IsActive", "Active"),
    CREATED,
    MODIFIED,
    STAMP,
];

const LEAD_STATUS: &[Field] = &[
    id("Lead Status Value ID"),
    text("MasterLabel", "Master Label", 255),
    text("ApiName", "API Name", 255),
    Field::kept("SortOrder", "Sort Order", Kind::Int, 0, Source::Stored),
    flag("IsDefault", "Is Default"),
    flag("IsConverted", "Is Converted"),
    CREATED,
    MODIFIED,
    STAMP,
];

const ORGANIZATION: &[Field] = &[
    id("Organization ID"),
    text("Name", "Name", 80),
    text("InstanceName", "Instance Name", 5),
    flag("IsSandbox", "Is Sandbox"),
    Field::kept("TrialExpirationDate", "Trial Expiration Date", Kind::DateTime, 0, Source::Stored),
    text("NamespacePrefix", "Namespace Prefix", 15),
    text("OrganizationType", "Edition", 40),
    CREATED,
    MODIFIED,
    STAMP,
];

const DUPLICATE_RULE: &[Field] = &[
    id("Duplicate Rule ID"),
    text("DeveloperName", "Duplicate Rule Name", 80),
    text("MasterLabel", "Master Label", 80),
    text("SobjectType", "Object", 40),
    text("NamespacePrefix", "Namespace Prefix", 15),
    flag("IsActive", "Active"),
    CREATED,
    MODIFIED,
    STAMP,
];

const NAME: &[Field] = &[
    id("ID"),
    text("Name", "Full Name", 255),
    text("LastName", "Last Name", 80),
    text("FirstName", "First Name", 80),
    text("Type", "Type", 40),
    text("Alias", "Alias", 8),
    text("Username", "Username", 80),
    Field::kept("Email", "Email", Kind::Email, 255, Source::Stored),
    flag("IsActive", "Active"),
];
