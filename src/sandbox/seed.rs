//! The leads that both simulated systems hold at the start.
//!
//! Drawn from the seed alone, apart from the times of their edits, which lie within the 90 days before the sandbox starts.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use serde_json::{Map, Value as Json, json};

use crate::sandbox::SandboxOptions;
use crate::sandbox::people::{People, Person};
use crate::sandbox::people_words as words;

/// One lead under its system's own field names; a field without a value is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct SeedLead {
    /// The values.
    pub fields: Map<String, Json>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// When it was last changed.
    pub modified: DateTime<Utc>,
    /// Whether it was converted.
    pub converted: bool,
}

/// The leads of both systems.
#[derive(Debug, Clone, PartialEq)]
pub struct Seeded {
    /// Operate's.
    pub operate: Vec<SeedLead>,
    /// Salesforce's.
    pub salesforce: Vec<SeedLead>,
}

/// Source and status of a lead, which each system words its own way.
#[derive(Debug, Clone, Copy)]
struct Standing {
    source: &'static str,
    status: &'static str,
}

impl Seeded {
    /// Draws them.
    pub fn draw(options: &SandboxOptions) -> Self {
        Self::draw_before(options, Utc::now().trunc_subsecs(0))
    }

    fn draw_before(options: &SandboxOptions, start: DateTime<Utc>) -> Self {
        let mut draw = Draw { people: People::new(options.seed), start };
        let mut operate = Vec::with_capacity(options.operate_leads);
        let mut salesforce = Vec::with_capacity(options.salesforce_leads);
        for _ in 0..options.common {
            let (one, other) = draw.common();
            operate.push(one);
            salesforce.push(other);
        }
        for number in options.common..options.operate_leads {
            operate.push(draw.operate_only(number - options.common < options.converted));
        }
        for number in options.common..options.salesforce_leads {
            salesforce.push(draw.salesforce_only(number - options.common < options.converted));
        }
        operate.shuffle(draw.people.random());
        salesforce.shuffle(draw.people.random());
        Self { operate, salesforce }
    }
}

struct Draw {
    people: People,
    start: DateTime<Utc>,
}

impl Draw {
    /// One person on both sides. One in ten differs in a field, one in ten has a field empty on one side.
    fn common(&mut self) -> (SeedLead, SeedLead) {
        let person = self.people.draw();
        let (operate_source, salesforce_source) = self.pair(&words::SOURCE_PAIRS);
        let (operate_status, salesforce_status) = self.pair(&words::STATUS_PAIRS);
        let mut there = person.clone();
        let mut here = person;
        match self.people.random().random_range(0..10) {
            0 => self.make_differ(&mut there),
            1 => {
                let side = if self.people.chance(50) { &mut here } else { &mut there };
                self.empty_one(side);
            }
            _ => {}
        }
        let operate_standing = Standing { source: operate_source, status: operate_status };
        let salesforce_standing = Standing { source: salesforce_source, status: salesforce_status };
        let operate = self.dated(operate_fields(&here, operate_standing), false);
        let mut salesforce = self.dated(salesforce_fields(&there, salesforce_standing), false);
        if salesforce.modified == operate.modified {
            // So that it is always clear which edit came last.
            salesforce.modified += TimeDelta::seconds(7);
        }
        (operate, salesforce)
    }

    fn operate_only(&mut self, converted: bool) -> SeedLead {
        let person = self.people.draw();
        let source = self.people.pick(&words::OPERATE_SOURCES);
        let status = if converted {
            "Converted"
        } else if self.people.chance(75) {
            self.pair(&words::STATUS_PAIRS).0
        } else {
            self.people.pick(&words::OPERATE_STATUSES)
        };
        self.dated(operate_fields(&person, Standing { source, status }), converted)
    }

    fn salesforce_only(&mut self, converted: bool) -> SeedLead {
        let person = self.people.draw();
        let source = self.pair(&words::SOURCE_PAIRS).1;
        let status = if converted { "Closed - Converted" } else { self.pair(&words::STATUS_PAIRS).1 };
        self.dated(salesforce_fields(&person, Standing { source, status }), converted)
    }

    fn make_differ(&mut self, person: &mut Person) {
        match self.people.random().random_range(0..3) {
            0 => person.phone = self.people.other_phone(person),
            1 => person.title = self.people.other_title(person),
            _ => {
                let change = self.people.random().random_range(1..=5);
                person.desks = if person.desks > 50 { person.desks - change } else { person.desks + change };
            }
        }
    }

    fn empty_one(&mut self, person: &mut Person) {
        let mut fields = [&mut person.phone, &mut person.title, &mut person.mobile, &mut person.website, &mut person.notes];
        // The job title is never empty before, the others may be.
        let said: Vec<usize> = (0..fields.len()).filter(|&at| fields.get(at).is_some_and(|text| !text.is_empty())).collect();
        let chosen = said.choose(self.people.random()).copied().unwrap_or(1);
        if let Some(text) = fields.get_mut(chosen) {
            text.clear();
        }
    }

    /// The lead with times: made within the 200 days before its last edit, which lies within 90 days before the start.
    fn dated(&mut self, fields: Map<String, Json>, converted: bool) -> SeedLead {
        let hours = if converted { 60 * 24..=90 * 24 } else { 1..=90 * 24 };
        let shortest = TimeDelta::hours(*hours.start()).num_seconds();
        let longest = TimeDelta::hours(*hours.end()).num_seconds();
        let random = self.people.random();
        let modified = self.start - TimeDelta::seconds(random.random_range(shortest + 60..=longest));
        let created = modified - TimeDelta::seconds(random.random_range(0..200 * 86_400));
        SeedLead { fields, created, modified, converted }
    }

    fn pair(&mut self, pairs: &[(&'static str, &'static str)]) -> (&'static str, &'static str) {
        pairs.choose(self.people.random()).copied().unwrap_or_default()
    }
}

fn operate_fields(person: &Person, standing: Standing) -> Map<String, Json> {
    filled([
        ("leadname", json!(person.company)),
        ("firstname", json!(person.first_name)),
        ("lastname", json!(person.last_name)),
        ("email", json!(person.email)),
        ("phone", json!(person.phone)),
        ("mobile", json!(person.mobile)),
        ("jobtitle", json!(person.title)),
        ("address1", json!(person.street)),
        ("city", json!(person.city)),
        ("county", json!(person.county)),
        ("postcode", json!(person.postcode)),
        ("country", json!(person.country)),
        ("website", json!(person.website)),
        ("location", json!(person.location)),
        ("leadsource", json!(standing.source)),
        ("leadstatus", json!(standing.status)),
        ("desks", json!(person.desks)),
        ("budget", json!(person.budget)),
        ("movein", json!(person.move_in)),
        ("notes", json!(person.notes)),
    ])
}

fn salesforce_fields(person: &Person, standing: Standing) -> Map<String, Json> {
    filled([
        ("Company", json!(person.company)),
        ("FirstName", json!(person.first_name)),
        ("LastName", json!(person.last_name)),
        ("Email", json!(person.email)),
        ("Phone", json!(person.phone)),
        ("MobilePhone", json!(person.mobile)),
        ("Title", json!(person.title)),
        ("Street", json!(person.street)),
        ("City", json!(person.city)),
        ("State", json!(person.county)),
        ("PostalCode", json!(person.postcode)),
        ("Country", json!(person.country)),
        ("Website", json!(person.website)),
        ("Location__c", json!(person.location)),
        ("LeadSource", json!(standing.source)),
        ("Status", json!(standing.status)),
        ("Desks__c", json!(person.desks)),
        ("Budget__c", json!(person.budget)),
        ("Move_In__c", json!(person.move_in)),
        ("Description", json!(person.notes)),
    ])
}

fn filled<const N: usize>(fields: [(&str, Json); N]) -> Map<String, Json> {
    let said = |value: &Json| !value.is_null() && value.as_str() != Some("");
    fields.into_iter().filter(|(_, value)| said(value)).map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    /// What each Operate field is called in Salesforce.
    const PAIRS: [(&str, &str); 20] = [
        ("leadname", "Company"),
        ("firstname", "FirstName"),
        ("lastname", "LastName"),
        ("email", "Email"),
        ("phone", "Phone"),
        ("mobile", "MobilePhone"),
        ("jobtitle", "Title"),
        ("address1", "Street"),
        ("city", "City"),
        ("county", "State"),
        ("postcode", "PostalCode"),
        ("country", "Country"),
        ("website", "Website"),
        ("location", "Location__c"),
        ("leadsource", "LeadSource"),
        ("leadstatus", "Status"),
        ("desks", "Desks__c"),
        ("budget", "Budget__c"),
        ("movein", "Move_In__c"),
        ("notes", "Description"),
    ];

    const LIMITS: [(&str, usize); 9] = [
        ("Company", 255),
        ("FirstName", 40),
        ("LastName", 80),
        ("Phone", 40),
        ("Title", 128),
        ("City", 40),
        ("State", 80),
        ("PostalCode", 20),
        ("Email", 80),
    ];

    fn options() -> SandboxOptions {
        SandboxOptions { operate_leads: 2000, salesforce_leads: 1500, common: 1000, converted: 20, ..SandboxOptions::default() }
    }

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_780_000_000, 0).unwrap_or_default()
    }

    fn text<'a>(lead: &'a SeedLead, field: &str) -> &'a str {
        lead.fields.get(field).and_then(Json::as_str).unwrap_or_default()
    }

    /// The value under the name that Operate has for it, where both systems word it differently.
    fn in_operate_words(field: &str, value: Option<&Json>) -> Option<Json> {
        let pairs: &[(&str, &str)] = match field {
            "leadsource" => &words::SOURCE_PAIRS,
            "leadstatus" => &words::STATUS_PAIRS,
            _ => return value.cloned(),
        };
        let word = value.and_then(Json::as_str);
        pairs.iter().find(|(_, salesforce)| word == Some(salesforce)).map(|(operate, _)| json!(operate))
    }

    #[test]
    fn a_seed_gives_the_same_leads_every_time_and_another_seed_gives_others() {
        let first = Seeded::draw_before(&options(), start());
        assert_eq!(first, Seeded::draw_before(&options(), start()));
        let other = SandboxOptions { seed: 2, ..options() };
        assert_ne!(first, Seeded::draw_before(&other, start()));
    }

    #[test]
    fn a_later_start_moves_only_the_times() {
        let first = Seeded::draw_before(&options(), start());
        let later = Seeded::draw_before(&options(), start() + TimeDelta::days(3));
        assert!(first.operate.iter().zip(&later.operate).all(|(one, other)| one.fields == other.fields));
        assert!(first.operate.iter().zip(&later.operate).all(|(one, other)| other.modified - one.modified == TimeDelta::days(3)));
    }

    #[test]
    fn there_are_as_many_leads_as_asked_for() {
        let seeded = Seeded::draw_before(&options(), start());
        assert_eq!((seeded.operate.len(), seeded.salesforce.len()), (2000, 1500));
        let converted = |leads: &[SeedLead]| leads.iter().filter(|lead| lead.converted).count();
        assert_eq!((converted(&seeded.operate), converted(&seeded.salesforce)), (20, 20));
        assert!(seeded.operate.iter().all(|lead| lead.converted == (text(lead, "leadstatus") == "Converted")));
        assert!(seeded.salesforce.iter().all(|lead| lead.converted == (text(lead, "Status") == "Closed - Converted")));
    }

    #[test]
    fn more_converted_leads_than_there_are_beyond_the_common_ones_convert_just_those() {
        let few = SandboxOptions { operate_leads: 5, salesforce_leads: 3, common: 3, converted: 50, ..SandboxOptions::default() };
        let seeded = Seeded::draw_before(&few, start());
        assert_eq!(seeded.operate.iter().filter(|lead| lead.converted).count(), 2);
        assert_eq!(seeded.salesforce.iter().filter(|lead| lead.converted).count(), 0);
    }

    #[test]
    fn common_people_agree_but_for_a_field_in_every_fifth() {
        let seeded = Seeded::draw_before(&options(), start());
        let there: HashMap<&str, &SeedLead> = seeded.salesforce.iter().map(|lead| (text(lead, "Email"), lead)).collect();
        let (mut common, mut differ, mut one_sided) = (0, 0, 0);
        for lead in &seeded.operate {
            let Some(twin) = there.get(text(lead, "email")) else { continue };
            common += 1;
            assert!(!lead.converted && !twin.converted);
            let mut unequal = 0;
            for (here, there) in PAIRS {
                let (ours, theirs) = (lead.fields.get(here), in_operate_words(here, twin.fields.get(there)));
                if ours == theirs.as_ref() {
                    continue;
                }
                unequal += 1;
                if ours.is_none() || theirs.is_none() {
                    one_sided += 1;
                } else {
                    assert!(["phone", "jobtitle", "desks"].contains(&here), "{here}");
                    assert_ne!(lead.modified, twin.modified);
                    differ += 1;
                }
            }
            assert!(unequal <= 1, "{:?} {:?}", lead.fields, twin.fields);
        }
        assert_eq!(common, 1000);
        assert!((70..=130).contains(&differ), "{differ}");
        assert!((70..=130).contains(&one_sided), "{one_sided}");
    }

    #[test]
    fn nobody_else_shares_an_address_or_a_company() {
        let large = SandboxOptions { operate_leads: 10_000, salesforce_leads: 2_000, common: 1_000, ..SandboxOptions::default() };
        let seeded = Seeded::draw_before(&large, start());
        let emails: HashSet<&str> = seeded.operate.iter().map(|lead| text(lead, "email")).collect();
        let companies: HashSet<&str> = seeded.operate.iter().map(|lead| text(lead, "leadname")).collect();
        assert_eq!((emails.len(), companies.len()), (10_000, 10_000));
        let all_emails = seeded.salesforce.iter().map(|lead| text(lead, "Email")).chain(emails).collect::<HashSet<_>>();
        let all_companies = seeded.salesforce.iter().map(|lead| text(lead, "Company")).chain(companies).collect::<HashSet<_>>();
        assert_eq!((all_emails.len(), all_companies.len()), (11_000, 11_000));
    }

    #[test]
    fn times_lie_in_the_90_days_before_the_start() {
        let seeded = Seeded::draw_before(&options(), start());
        for lead in seeded.operate.iter().chain(&seeded.salesforce) {
            assert!(lead.created <= lead.modified);
            assert!(lead.modified <= start() - TimeDelta::hours(1));
            assert!(lead.modified >= start() - TimeDelta::days(90));
        }
    }

    #[test]
    fn values_fit_into_salesforce() {
        let seeded = Seeded::draw_before(&options(), start());
        for lead in &seeded.salesforce {
            for (field, limit) in LIMITS {
                assert!(text(lead, field).chars().count() <= limit, "{field}");
            }
            let email = text(lead, "Email");
            assert!(
                email.is_ascii() && email.split('@').count() == 2 && !email.contains("..") && !email.contains(".@"),
                "{email}"
            );
            for required in ["Company", "LastName", "Email", "Status"] {
                assert!(!text(lead, required).is_empty(), "{required}");
            }
        }
        for lead in &seeded.operate {
            assert!(lead.fields.get("desks").and_then(Json::as_u64).is_some_and(|desks| (1..=60).contains(&desks)));
        }
    }
}
