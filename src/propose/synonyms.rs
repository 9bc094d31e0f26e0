//! What the usual fields of a lead are called, in the two systems and in the mapping.

/// The mapping's name, Operate's names and Salesforce's, in small letters and without what separates words.
pub(super) const SYNONYMS: &[(&str, &[&str], &[&str])] = &[
    ("company", &["leadname", "company", "companyname"], &["company", "companyname"]),
    ("first_name", &["firstname", "forename"], &["firstname"]),
    ("last_name", &["lastname", "surname"], &["lastname"]),
    ("email", &["email", "emailaddress"], &["email"]),
    ("phone", &["phone", "telephone", "tel"], &["phone"]),
    ("mobile", &["mobile", "mobilephone", "cell"], &["mobilephone", "mobile"]),
    ("fax", &["fax"], &["fax"]),
    ("job_title", &["jobtitle", "title", "position"], &["title", "jobtitle"]),
    ("street", &["address1", "address", "street"], &["street"]),
    ("city", &["city", "town"], &["city"]),
    ("county", &["county", "state", "region"], &["state", "county"]),
    ("postcode", &["postcode", "zip", "zipcode", "postalcode"], &["postalcode", "postcode", "zip"]),
    ("country", &["country"], &["country"]),
    ("website", &["website", "web", "url"], &["website"]),
    ("status", &["leadstatus", "status"], &["status"]),
    ("lead_source", &["leadsource", "source"], &["leadsource"]),
    ("owner", &["owner", "assignedto"], &["ownerid"]),
    ("desks", &["desks", "workstations"], &["desks", "workstations", "numberofdesks"]),
    ("budget", &["budget"], &["budget"]),
    ("move_in", &["movein", "moveindate"], &["movein", "moveindate"]),
    ("location", &["location", "building", "centre"], &["location", "building", "centre"]),
    ("notes", &["notes", "comments", "description"], &["description", "notes"]),
    ("rejection_reason", &["rejectionreason"], &["rejectionreason", "lostreason"]),
    ("overturn_reason", &["overturnreason"], &["overturnreason"]),
    ("broker_status", &["brokerstatus"], &["brokerstatus"]),
    ("employees", &["employees", "headcount"], &["numberofemployees", "employees"]),
    ("industry", &["industry", "sector"], &["industry"]),
];

/// The usual name of such a pair.
pub(super) fn named(operate: &str, salesforce: &str) -> Option<&'static str> {
    let found = SYNONYMS.iter().find(|(_, ours, theirs)| ours.contains(&operate) && theirs.contains(&salesforce));
    found.map(|(name, _, _)| *name)
}
