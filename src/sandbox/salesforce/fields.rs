//! What kinds of fields there are.

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
    /// An id of a record of one of these types.
    Reference(&'static [&'static str]),
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

    /// The field that this one is a part of.
    pub fn compound(&self) -> Option<&'static str> {
        match self.name {
            "FirstName" | "LastName" | "Salutation" | "MiddleName" | "Suffix" => Some("Name"),
            "Street" | "City" | "State" | "PostalCode" | "Country" | "Latitude" | "Longitude" | "GeocodeAccuracy" => {
                Some("Address")
            }
            _ => None,
        }
    }

    /// What queries call the record that a reference leads to.
    pub fn relationship(&self) -> Option<&'static str> {
        matches!(self.kind, Kind::Reference(_)).then(|| self.name.strip_suffix("Id")).flatten()
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
