//! What kinds of fields there are, and the three objects that can be asked for.

use crate::sandbox::salesforce::lead_fields::LEAD;

/// The external id: unique, and what an upsert finds its lead by.
pub const EXTERNAL_ID: &str = "Operate_Lead_Id__c";

/// The status of a converted lead.
pub const CONVERTED_STATUS: &str = "Closed - Converted";

/// A field's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Id,
    Text,
    /// A text area; one of more than 255 characters can be neither filtered nor sorted by.
    TextArea,
    Email,
    Phone,
    Url,
    Picklist {
        values: &'static [&'static str],
        restricted: bool,
    },
    Int,
    Double,
    Currency,
    Boolean,
    Date,
    DateTime,
    /// An id of a record of this type.
    Reference(&'static str),
    Address,
}

/// Where a row holds the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Id,
    Deleted,
    Created,
    Modified,
    Stamp,
    Address,
    Stored,
}

/// Who gives the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    ReadOnly,
    Optional,
    /// Must be given on creation and cannot be cleared.
    Required,
    /// Cannot be cleared, but need not be given on creation.
    Defaulted,
}

/// A field.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    pub name: &'static str,
    pub label: &'static str,
    pub kind: Kind,
    /// In characters, for text.
    pub length: usize,
    /// Digits before and after the point together, for numbers.
    pub precision: u8,
    /// Digits after the point.
    pub scale: u8,
    pub access: Access,
    pub source: Source,
}

impl Field {
    pub const fn of(name: &'static str, label: &'static str, kind: Kind, length: usize) -> Self {
        Self { name, label, kind, length, precision: 0, scale: 0, access: Access::Optional, source: Source::Stored }
    }

    pub const fn number(name: &'static str, label: &'static str, kind: Kind, precision: u8, scale: u8) -> Self {
        Self { name, label, kind, length: 0, precision, scale, access: Access::Optional, source: Source::Stored }
    }

    pub const fn with(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// A field that the system itself keeps.
    pub const fn kept(name: &'static str, label: &'static str, kind: Kind, length: usize, source: Source) -> Self {
        Self { name, label, kind, length, precision: 0, scale: 0, access: Access::ReadOnly, source }
    }

    pub fn is_custom(&self) -> bool {
        self.name.ends_with("__c")
    }

    pub fn is_long_text(&self) -> bool {
        self.kind == Kind::TextArea && self.length > 255
    }

    /// The type's name in describe.
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Id => "id",
            Kind::Text => "string",
            Kind::TextArea => "textarea",
            Kind::Email => "email",
            Kind::Phone => "phone",
            Kind::Url => "url",
            Kind::Picklist { .. } => "picklist",
            Kind::Int => "int",
            Kind::Double => "double",
            Kind::Currency => "currency",
            Kind::Boolean => "boolean",
            Kind::Date => "date",
            Kind::DateTime => "datetime",
            Kind::Reference(_) => "reference",
            Kind::Address => "address",
        }
    }

    /// The type's name in XML and in error messages.
    pub fn soap_type(&self) -> &'static str {
        match self.kind {
            Kind::Id | Kind::Reference(_) => "tns:ID",
            Kind::Int => "xsd:int",
            Kind::Double | Kind::Currency => "xsd:double",
            Kind::Boolean => "xsd:boolean",
            Kind::Date => "xsd:date",
            Kind::DateTime => "xsd:dateTime",
            Kind::Address => "urn:address",
            _ => "xsd:string",
        }
    }

    /// The same without its namespace.
    pub fn plain_type(&self) -> &'static str {
        self.soap_type().split_once(':').map_or("string", |(_, name)| name)
    }
}

/// An object that can be queried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entity {
    Lead,
    User,
    Organization,
}

impl Entity {
    pub fn named(name: &str) -> Option<Self> {
        [Self::Lead, Self::User, Self::Organization].into_iter().find(|entity| entity.name().eq_ignore_ascii_case(name))
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Lead => "Lead",
            Self::User => "User",
            Self::Organization => "Organization",
        }
    }

    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::Lead => LEAD,
            Self::User => USER,
            Self::Organization => ORGANIZATION,
        }
    }

    /// The field of this name, in whatever case.
    pub fn field(self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.name.eq_ignore_ascii_case(name))
    }
}

const USER: &[Field] = &[
    Field::kept("Id", "User ID", Kind::Id, 18, Source::Id),
    Field::kept("Username", "Username", Kind::Text, 80, Source::Stored),
    Field::kept("Name", "Full Name", Kind::Text, 121, Source::Stored),
    Field::kept("Email", "Email", Kind::Email, 128, Source::Stored),
    Field::kept("IsActive", "Active", Kind::Boolean, 0, Source::Stored),
    Field::kept("CreatedDate", "Created Date", Kind::DateTime, 0, Source::Created),
    Field::kept("LastModifiedDate", "Last Modified Date", Kind::DateTime, 0, Source::Modified),
    Field::kept("SystemModstamp", "System Modstamp", Kind::DateTime, 0, Source::Stamp),
];

const ORGANIZATION: &[Field] = &[
    Field::kept("Id", "Organization ID", Kind::Id, 18, Source::Id),
    Field::kept("Name", "Name", Kind::Text, 80, Source::Stored),
    Field::kept("InstanceName", "Instance Name", Kind::Text, 5, Source::Stored),
    Field::kept("IsSandbox", "Is Sandbox", Kind::Boolean, 0, Source::Stored),
    Field::kept("TrialExpirationDate", "Trial Expiration Date", Kind::DateTime, 0, Source::Stored),
    Field::kept("NamespacePrefix", "Namespace Prefix", Kind::Text, 15, Source::Stored),
    Field::kept("OrganizationType", "Edition", Kind::Text, 40, Source::Stored),
    Field::kept("CreatedDate", "Created Date", Kind::DateTime, 0, Source::Created),
    Field::kept("LastModifiedDate", "Last Modified Date", Kind::DateTime, 0, Source::Modified),
    Field::kept("SystemModstamp", "System Modstamp", Kind::DateTime, 0, Source::Stamp),
];
