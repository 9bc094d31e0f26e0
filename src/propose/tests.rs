//! Pairs that must be found, and some that must not.

use serde_json::{Value as Json, json};

use super::*;
use crate::config::Config;
use crate::survey::Hashing;

const TEXT: &str = r#"
    [operate]
    base_url = "https://operate.example"
    auth = { client_id = "a", client_secret = "env:SECRET" }
    [salesforce]
    login_url = "https://acme.my.salesforce.com"
    auth = { client_id = "a", client_secret = "env:SECRET" }
    [sync]
    match = []
    [[fields]]
    name = "email"
    operate = "email"
    salesforce = "Email"
"#;

struct World {
    surveyed: Surveyed,
    hashing: Hashing,
}

impl World {
    fn new() -> Self {
        Self { surveyed: Surveyed::default(), hashing: Hashing::new() }
    }

    fn operate(&mut self, name: &str, values: impl IntoIterator<Item = Json>) -> &mut Self {
        let profile = self.surveyed.surveys.operate.fields.entry(name.to_owned()).or_default();
        for value in values {
            profile.take(&value, &self.hashing);
        }
        self.surveyed.surveys.operate.read = self.surveyed.surveys.operate.read.max(profile.filled);
        self
    }

    fn salesforce(&mut self, native: NativeField, values: impl IntoIterator<Item = Json>) -> &mut Self {
        let profile = self.surveyed.surveys.salesforce.fields.entry(native.name.clone()).or_default();
        for value in values {
            profile.take(&value, &self.hashing);
        }
        self.surveyed.surveys.salesforce.read = self.surveyed.surveys.salesforce.read.max(profile.filled);
        self.surveyed.described.push(native);
        self
    }

    fn propose(&self) -> Vec<Proposal> {
        let config = Config::from_text(TEXT, "leadsync.toml", [("SECRET".to_owned(), "s".to_owned())]).unwrap().config;
        propose(&self.surveyed, &config.operate, "Operate_Lead_Id__c")
    }
}

fn native(name: &str, native_type: &str, kind: Option<Kind>) -> NativeField {
    NativeField { name: name.to_owned(), native_type: native_type.to_owned(), kind, writable: true, ..NativeField::default() }
}

fn texts(prefix: &str, count: u32) -> Vec<Json> {
    (0..count).map(|number| json!(format!("{prefix} {number}"))).collect()
}

#[test]
fn usual_names_are_known_and_each_field_is_taken_once() {
    let mut world = World::new();
    world.operate("leadname", texts("Company", 20)).operate("title", texts("Head", 20)).operate("jobtitle", texts("Chief", 20));
    world.salesforce(native("Company", "string", None), texts("Company", 20));
    world.salesforce(native("Title", "string", None), texts("Chief", 20));
    let pairs = world.propose();
    let told: Vec<(&str, &str, &str)> =
        pairs.iter().map(|pair| (pair.name.as_str(), pair.operate.as_str(), pair.salesforce.as_str())).collect();
    assert_eq!(told, [("job_title", "jobtitle", "Title"), ("company", "leadname", "Company")]);
    assert!(pairs.iter().all(Proposal::is_certain));
}

#[test]
fn values_in_common_make_a_pair_of_names_that_say_nothing_and_are_not_sure() {
    let mut world = World::new();
    world.operate("custom17", texts("Hall", 30)).salesforce(native("Venue__c", "string", None), texts("Hall", 30));
    let pairs = world.propose();
    assert_eq!((pairs[0].reason, pairs[0].name.as_str(), pairs[0].is_certain()), (Reason::SimilarValues, "custom17", false));
    let mut apart = World::new();
    apart.operate("custom17", texts("Hall", 30)).salesforce(native("Venue__c", "string", None), texts("Room", 30));
    assert!(apart.propose().is_empty());
}

#[test]
fn what_does_not_fit_the_type_is_doubted() {
    let mut world = World::new();
    world.operate("desks", texts("about", 12)).salesforce(native("Desks__c", "double", Some(Kind::Number)), [json!(7)]);
    let pairs = world.propose();
    assert!(
        !pairs[0].is_certain() && pairs[0].doubt.as_deref() == Some("Operate's values do not fit the type double"),
        "{pairs:?}"
    );
}

#[test]
fn values_of_a_picklist_are_paired_where_they_are_spelt_alike() {
    let mut world = World::new();
    let picklist = NativeField {
        values: ["Web", "Phone Inquiry", "Other"].map(str::to_owned).to_vec(),
        ..native("LeadSource", "picklist", None)
    };
    world.operate("leadsource", ["Phone enquiry", "other", "Website", "Website"].map(|value| json!(value)));
    world.salesforce(picklist, [json!("Web"), json!("Fair")]);
    let pairs = world.propose();
    let values = pairs[0].values.clone().unwrap();
    let row = |one: &str, other: &str| (one.to_owned(), other.to_owned());
    assert_eq!(values.rows, [row("Phone enquiry", "Phone Inquiry"), row("other", "Other")]);
    assert_eq!(values.operate, [("Website".to_owned(), 2)]);
    assert_eq!(values.salesforce, [("Fair".to_owned(), 1), ("Web".to_owned(), 1)]);
    assert_eq!((pairs[0].kind, pairs[0].is_certain()), (Kind::Choice, true));
}

#[test]
fn ids_of_a_list_are_looked_up_and_users_only_by_ids() {
    let mut world = World::new();
    world.operate("location", [json!(1), json!(4)]).operate("owner", [json!("Amara Okafor")]);
    world.salesforce(native("Location__c", "string", None), [json!("Hub City")]);
    world
        .salesforce(NativeField { role: FieldRole::User, ..native("OwnerId", "reference", None) }, [json!("0055g0000000003AAA")]);
    let pairs = world.propose();
    assert_eq!((pairs[0].lookup, pairs[0].is_certain()), (Some(Lookup::Location), true));
    assert!(pairs[1].doubt.is_some() && pairs[1].lookup.is_none(), "{pairs:?}");
}

#[test]
fn leads_are_matched_by_what_is_filled_and_their_own() {
    let mut world = World::new();
    let addresses = || (0..40).map(|number| json!(format!("person{number}@pomelo.example")));
    world.operate("email", addresses()).salesforce(native("Email", "email", None), addresses());
    assert_eq!(match_keys(&world.surveyed, &world.propose()), [["email"]]);
    let mut shared = World::new();
    let same = || (0..40).map(|_| json!("info@pomelo.example"));
    shared.operate("email", same()).salesforce(native("Email", "email", None), same());
    assert!(match_keys(&shared.surveyed, &shared.propose()).is_empty());
}
