//! Suspected duplicates, by the rules that Operate shows its users: nothing is refused for them.

use serde_json::{Map, Value as Json, json};

/// The rules by which a lead may double another.
const COMPANY: usize = 10;
const COMPANY_AND_CONTACT: (usize, usize) = (5, 3);
const CONTACT: usize = 14;

/// The leads that this one may double, with the rule that says so.
pub fn of(lead: &Map<String, Json>, others: &[Map<String, Json>]) -> Vec<Json> {
    let id = |lead: &Map<String, Json>| lead.get("leadid").cloned().unwrap_or_default();
    let doubles = others.iter().filter(|other| id(other) != id(lead));
    doubles.filter_map(|other| rule(lead, other).map(|rule| json!({ "leadid": id(other), "rule": rule }))).collect()
}

fn rule(one: &Map<String, Json>, other: &Map<String, Json>) -> Option<&'static str> {
    let text =
        |lead: &Map<String, Json>, name: &str| lead.get(name).and_then(Json::as_str).unwrap_or_default().trim().to_lowercase();
    let contact = |lead: &Map<String, Json>| format!("{} {}", text(lead, "firstname"), text(lead, "lastname")).trim().to_owned();
    let same = |one: &str, other: &str, length: usize| {
        let start = |text: &str| text.chars().take(length).collect::<String>();
        !one.is_empty() && start(one) == start(other)
    };
    let company = (text(one, "leadname"), text(other, "leadname"));
    let people = (contact(one), contact(other));
    let postcode = (text(one, "postcode"), text(other, "postcode"));
    if same(&company.0, &company.1, COMPANY) {
        Some("company")
    } else if same(&company.0, &company.1, COMPANY_AND_CONTACT.0) && same(&people.0, &people.1, COMPANY_AND_CONTACT.1) {
        Some("company and contact")
    } else if !postcode.0.is_empty() && postcode.0 == postcode.1 {
        Some("postcode")
    } else if company.0.is_empty() && company.1.is_empty() && same(&people.0, &people.1, CONTACT) {
        Some("contact")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(id: u32, company: &str, contact: (&str, &str), postcode: &str) -> Map<String, Json> {
        let lead =
            json!({ "leadid": id, "leadname": company, "firstname": contact.0, "lastname": contact.1, "postcode": postcode });
        lead.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn each_rule_suspects_what_it_says() {
        let pomelo = lead(1, "Pomelo Print Ltd", ("Pia", "Pomelo"), "LS1 4AP");
        let nameless = lead(9, "", ("Maximilian", "Schmidt"), "");
        for (one, other, expected) in [
            (&pomelo, lead(2, "POMELO PRIVATE", ("Ann", "Other"), ""), Some("company")),
            (&pomelo, lead(3, "Pomalo", ("Pia", "Other"), ""), None),
            (&pomelo, lead(4, "Pomel Ltd", ("Pia", "Other"), ""), Some("company and contact")),
            (&pomelo, lead(5, "Else", ("Ann", "Other"), "ls1 4ap"), Some("postcode")),
            (&nameless, lead(6, "", ("Maximilian", "Schulz"), ""), Some("contact")),
            (&pomelo, lead(1, "Pomelo Print Ltd", ("Pia", "Pomelo"), "LS1 4AP"), None),
        ] {
            let found = of(one, std::slice::from_ref(&other));
            assert_eq!(found.first().and_then(|found| found["rule"].as_str()), expected, "{other:?}");
        }
    }
}
