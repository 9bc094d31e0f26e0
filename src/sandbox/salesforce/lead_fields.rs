//! The fields of a Lead, with the lengths that Salesforce gives them, and the custom ones that this sandbox's org has.

use crate::sandbox::salesforce::fields::{Access, EXTERNAL_ID, Field, Kind, Source};

/// What a Lead's status can be; the first is the default.
pub const STATUSES: &[&str] = &["Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted"];

const SOURCES: &[&str] = &["Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"];
const RATINGS: &[&str] = &["Hot", "Warm", "Cold"];
const SALUTATIONS: &[&str] = &["Mr.", "Ms.", "Mrs.", "Dr.", "Prof.", "Mx."];
const GENDERS: &[&str] = &["Male", "Female", "Nonbinary", "Not Listed"];
const PRONOUNS: &[&str] = &["He/Him", "She/Her", "They/Them", "He/They", "She/They", "Not Listed"];
const CLEAN_STATUSES: &[&str] =
    &["Matched", "Different", "Acknowledged", "NotFound", "Inactive", "Pending", "SelectMatch", "Skipped"];
const ACCURACIES: &[&str] =
    &["Address", "NearAddress", "Block", "Street", "ExtendedZip", "Zip", "Neighborhood", "City", "County", "State", "Unknown"];
const INDUSTRIES: &[&str] = &[
    "Agriculture",
    "Apparel",
    "Banking",
    "Biotechnology",
    "Chemicals",
    "Communications",
    "Construction",
    "Consulting",
    "Education",
    "Electronics",
    "Energy",
    "Engineering",
    "Entertainment",
    "Environmental",
    "Finance",
    "Food & Beverage",
    "Government",
    "Healthcare",
    "Hospitality",
    "Insurance",
    "Machinery",
    "Manufacturing",
    "Media",
    "Not For Profit",
    "Recreation",
    "Retail",
    "Shipping",
    "Technology",
    "Telecommunications",
    "Transportation",
    "Utilities",
    "Other",
];

/// A picklist that takes other values too, as most of Salesforce's own do.
const fn open(values: &'static [&'static str]) -> Kind {
    Kind::Picklist { values, restricted: false }
}

const fn restricted(values: &'static [&'static str]) -> Kind {
    Kind::Picklist { values, restricted: true }
}

const fn text(name: &'static str, label: &'static str, length: usize) -> Field {
    Field::of(name, label, Kind::Text, length)
}

const fn plain(name: &'static str, label: &'static str, kind: Kind) -> Field {
    Field::of(name, label, kind, 0)
}

const fn read_only(name: &'static str, label: &'static str, kind: Kind, length: usize) -> Field {
    Field::kept(name, label, kind, length, Source::Stored)
}

const fn flag(name: &'static str, label: &'static str) -> Field {
    Field::of(name, label, Kind::Boolean, 0).with(Access::Defaulted)
}

/// All of them.
pub const LEAD: &[Field] = &[
    Field::kept("Id", "Lead ID", Kind::Id, 18, Source::Id),
    Field::kept("IsDeleted", "Deleted", Kind::Boolean, 0, Source::Deleted),
    read_only("MasterRecordId", "Master Record ID", Kind::Reference(&["Lead"]), 18),
    text("LastName", "Last Name", 80).with(Access::Required),
    text("FirstName", "First Name", 40),
    Field::of("Salutation", "Salutation", open(SALUTATIONS), 40),
    text("MiddleName", "Middle Name", 40),
    text("Suffix", "Suffix", 40),
    read_only("Name", "Full Name", Kind::Text, 121),
    Field::of("RecordTypeId", "Record Type ID", Kind::Reference(&["RecordType"]), 18),
    text("Title", "Title", 128),
    text("Company", "Company", 255).with(Access::Required),
    Field::of("Street", "Street", Kind::TextArea, 255),
    text("City", "City", 40),
    text("State", "State/Province", 80),
    text("PostalCode", "Zip/Postal Code", 20),
    text("Country", "Country", 80),
    Field::number("Latitude", "Latitude", Kind::Double, 18, 15),
    Field::number("Longitude", "Longitude", Kind::Double, 18, 15),
    Field::of("GeocodeAccuracy", "Geocode Accuracy", restricted(ACCURACIES), 40),
    Field::kept("Address", "Address", Kind::Address, 0, Source::Address),
    Field::of("Phone", "Phone", Kind::Phone, 40),
    Field::of("MobilePhone", "Mobile Phone", Kind::Phone, 40),
    Field::of("Fax", "Fax", Kind::Phone, 40),
    Field::of("Email", "Email", Kind::Email, 80),
    Field::of("Website", "Website", Kind::Url, 255),
    read_only("PhotoUrl", "Photo URL", Kind::Url, 255),
    Field::of("Description", "Description", Kind::TextArea, 32_000),
    Field::of("LeadSource", "Lead Source", open(SOURCES), 255),
    Field::of("Status", "Status", open(STATUSES), 255).with(Access::Defaulted),
    Field::of("Industry", "Industry", open(INDUSTRIES), 255),
    Field::of("Rating", "Rating", open(RATINGS), 255),
    Field::number("AnnualRevenue", "Annual Revenue", Kind::Currency, 18, 0),
    Field::number("NumberOfEmployees", "Employees", Kind::Int, 8, 0),
    Field::of("OwnerId", "Owner ID", Kind::Reference(&["Group", "User"]), 18).with(Access::Defaulted),
    flag("HasOptedOutOfEmail", "Email Opt Out"),
    flag("HasOptedOutOfFax", "Fax Opt Out"),
    flag("DoNotCall", "Do Not Call"),
    read_only("IsConverted", "Converted", Kind::Boolean, 0),
    read_only("ConvertedDate", "Converted Date", Kind::Date, 0),
    read_only("ConvertedAccountId", "Converted Account ID", Kind::Reference(&["Account"]), 18),
    read_only("ConvertedContactId", "Converted Contact ID", Kind::Reference(&["Contact"]), 18),
    read_only("ConvertedOpportunityId", "Converted Opportunity ID", Kind::Reference(&["Opportunity"]), 18),
    flag("IsUnreadByOwner", "Unread By Owner"),
    Field::kept("CreatedDate", "Created Date", Kind::DateTime, 0, Source::Created),
    read_only("CreatedById", "Created By ID", Kind::Reference(&["User"]), 18),
    Field::kept("LastModifiedDate", "Last Modified Date", Kind::DateTime, 0, Source::Modified),
    read_only("LastModifiedById", "Last Modified By ID", Kind::Reference(&["User"]), 18),
    Field::kept("SystemModstamp", "System Modstamp", Kind::DateTime, 0, Source::Stamp),
    read_only("LastActivityDate", "Last Activity", Kind::Date, 0),
    read_only("LastViewedDate", "Last Viewed Date", Kind::DateTime, 0),
    read_only("LastReferencedDate", "Last Referenced Date", Kind::DateTime, 0),
    text("Jigsaw", "Data.com Key", 20),
    read_only("JigsawContactId", "Jigsaw Contact ID", Kind::Text, 20),
    Field::of("CleanStatus", "Clean Status", restricted(CLEAN_STATUSES), 40),
    text("CompanyDunsNumber", "Company D-U-N-S Number", 9),
    text("EmailBouncedReason", "Email Bounced Reason", 255),
    plain("EmailBouncedDate", "Email Bounced Date", Kind::DateTime),
    Field::of("IndividualId", "Individual ID", Kind::Reference(&["Individual"]), 18),
    Field::of("GenderIdentity", "Gender Identity", open(GENDERS), 255),
    Field::of("Pronouns", "Pronouns", open(PRONOUNS), 255),
    flag("IsPriorityRecord", "Important"),
    text(EXTERNAL_ID, "Operate Lead Id", 40),
    Field::number("Desks__c", "Desks", Kind::Double, 18, 0),
    // 16 digits before the point and 2 after it, as the field's setup page counts.
    Field::number("Budget__c", "Budget", Kind::Currency, 18, 2),
    plain("Move_In__c", "Move In", Kind::Date),
    text("Location__c", "Location", 80),
];
