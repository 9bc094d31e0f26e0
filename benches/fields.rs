//! The mapped fields of every measurement, and their values: lead `i` is the same person on both sides.

use std::fmt::Write as _;

/// Operate's name, Salesforce's, the type that Salesforce tells, and what comes before a lead's number.
pub const FIELDS: [(&str, &str, &str, &str); 24] = [
    ("lastname", "LastName", "string", "\"Example"),
    ("firstname", "FirstName", "string", "\"Jane"),
    ("salutation", "Salutation", "string", "\"Dr."),
    ("jobtitle", "Title", "string", "\"Head of Workspace"),
    ("company", "Company", "string", "\"Example Offices Ltd."),
    ("email", "Email", "email", "\"jane.example@host"),
    ("phone", "Phone", "phone", "\"+44 20 7946"),
    ("mobile", "MobilePhone", "phone", "\"+44 7700 900"),
    ("fax", "Fax", "phone", "\"+44 20 7947"),
    ("website", "Website", "url", "\"https://www.example.org/"),
    ("street", "Street", "textarea", "\"High Street"),
    ("city", "City", "string", "\"London"),
    ("county", "State", "string", "\"Greater London"),
    ("postcode", "PostalCode", "string", "\"EC1A 1BB"),
    ("country", "Country", "string", "\"United Kingdom"),
    ("source", "LeadSource", "string", "\"Website"),
    ("status", "Status", "string", "\"Open"),
    ("industry", "Industry", "string", "\"Consulting"),
    ("rating", "Rating", "string", "\"Warm"),
    ("budget", "AnnualRevenue", "double", ""),
    ("people", "NumberOfEmployees", "int", ""),
    ("notes", "Description", "textarea", "\"Asked for a private office with a view and two meeting rooms, number"),
    ("optout", "HasOptedOutOfEmail", "boolean", "false"),
    ("donotcall", "DoNotCall", "boolean", "true"),
];

/// Writes a lead's value of a field as JSON.
pub fn value(text: &mut String, kind: &str, word: &str, lead: usize) {
    let _ = match kind {
        "boolean" => write!(text, "{word}"),
        "int" | "double" => write!(text, "{}", lead % 5_000),
        "email" => write!(text, "{word}{lead}.example\""),
        _ => write!(text, "{word} {lead}\""),
    };
}
