//! What `check` tells an administrator before the first cycle.

use leadsync::sandbox::Fault;
use serde_json::{Value as Json, json};

use crate::program::run;
use crate::systems::Systems;
use crate::workspace::by_id;

/// Runs `check`, which must end with this status and say all of these.
async fn told(systems: &Systems, status: i32, expected: &[&str]) -> String {
    let (ended, said, errors) = run(systems, &["check"]).await;
    assert_eq!((ended, errors.as_str()), (status, ""), "{said}");
    for expected in expected {
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
    said
}

#[tokio::test]
async fn a_filter_is_tried_before_it_stops_a_cycle() {
    let systems = Systems::of(3, 5, 1).await;
    systems.configure("[salesforce]\n", "[salesforce]\nfilter = \"Nonsense__c = 'x'\"\n");
    let said = told(
        &systems,
        3,
        &["error    salesforce.filter: Salesforce refuses the request: INVALID_FIELD: No such column 'Nonsense__c'"],
    )
    .await;
    assert!(!said.contains("SELECT"), "{said}");
    systems.configure("Nonsense__c = 'x'", "LastName != null");
    told(&systems, 0, &["ok       salesforce.filter: 5 lead(s) take part"]).await;
    systems.configure("LastName != null", "LastName = 'nobody of this name'");
    told(&systems, 3, &["warning  salesforce.filter: no lead meets it"]).await;
}

#[tokio::test]
async fn rights_that_are_missing_are_named() {
    let systems = Systems::of(3, 3, 1).await;
    systems.configure("[sync]\n", "[sync]\ndelete = \"propagate\"\n");
    told(&systems, 0, &["ok       sync.delete: deletes are carried across, and this user may delete Leads"]).await;
    let body = json!({ "createable": false, "updateable": false, "deletable": false, "fields": [] }).to_string();
    let described = Fault { times: 0, status: Some(200), body: Some(body), ..Fault::on("GET /sobjects/Lead/describe") };
    systems.sandbox.salesforce().fault(described).unwrap();
    let expected = [
        "error    sync.create: this user may not create Leads",
        "error    fields: this user may not edit Leads",
        "error    sync.delete: this user may not delete Leads\n         --> ",
        "         help: give the integration user's permission set the right to delete Leads",
    ];
    told(&systems, 3, &expected).await;
}

#[tokio::test]
async fn lists_are_read_and_what_only_one_side_has_is_named() {
    let systems = by_id(4).await;
    let expected = [
        "ok       fields.location: Operate's list Location has 8 name(s)",
        "ok       fields.owner: 6 of 6 Operate user(s) have no active Salesforce user with their address: amara.okafor@sandbox.example, ",
        "active Salesforce user(s) have no Operate user with their address: ",
    ];
    told(&systems, 0, &expected).await;
    systems.configure("lookup = \"User\"\nunknown = \"keep\"\n", "lookup = \"User\"\n");
    systems.sandbox.operate().reference("LeadSource", 9, Some("Podcast"), None).unwrap();
    let expected = [
        "warning  fields.owner: 6 of 6 Operate user(s) have no active Salesforce user with their address",
        "users are matched by e-mail address",
        "ok       fields.lead_source: 1 of 6 name(s) in Operate's list LeadSource are in no row of `values`: Podcast",
    ];
    told(&systems, 3, &expected).await;
}

#[tokio::test]
async fn a_list_that_may_not_be_read_and_names_in_the_place_of_ids_are_errors() {
    let systems = by_id(3).await;
    let refused = Fault { times: 0, status: Some(403), body: Some("Forbidden".to_owned()), ..Fault::on("GET /api/1.0/User") };
    systems.sandbox.operate().fault(refused).unwrap();
    let expected =
        ["error    fields.owner: Operate's list User cannot be read: Operate refuses the request: http_403: Forbidden"];
    told(&systems, 3, &expected).await;

    let systems = Systems::of(3, 0, 0).await;
    systems.configure("operate = \"location\"\n", "operate = \"location\"\nlookup = \"Location\"\n");
    let expected = ["error    fields.location: leads hold names of the list Location in location, and no ids: "];
    told(&systems, 3, &expected).await;
    let (_, said, _) = run(&systems, &["check"]).await;
    assert!(!said.contains("hold something in location"), "it is told once: {said}");
}

#[tokio::test]
async fn ids_in_the_place_of_names_draw_the_advice_to_look_them_up() {
    let systems = by_id(3).await;
    systems.configure("lookup = \"Location\"\n", "");
    let expected = ["warning  fields.location: leads hold numbers such as ", "help: write lookup = \"Location\" in the field"];
    told(&systems, 3, &expected).await;
}

/// What `check --json` found, with the line of the file that each finding names.
async fn found(systems: &Systems, more: &[&str]) -> Vec<(String, String, String)> {
    let before = (systems.traffic().2, std::fs::read_dir(systems.folder.path()).unwrap().count());
    let (_, said, errors) = run(systems, &[&["check", "--json"], more].concat()).await;
    let after = (systems.traffic().2, std::fs::read_dir(systems.folder.path()).unwrap().count());
    assert_eq!(before, after, "check wrote something");
    let text = std::fs::read_to_string(&systems.configuration).unwrap();
    let checked: Json = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{errors}"));
    let line = |finding: &Json| {
        let line = finding["line"].as_u64().and_then(|line| usize::try_from(line).ok());
        line.and_then(|line| text.lines().nth(line - 1)).unwrap_or_default().to_owned()
    };
    let word = |finding: &Json, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let of = |finding: &Json| (word(finding, "severity"), line(finding), word(finding, "found"));
    checked["findings"].as_array().unwrap().iter().map(of).collect()
}

/// Exactly one finding says this, this bad and at this line.
fn assert_found(found: &[(String, String, String)], severity: &str, line: &str, told: &str) {
    let those: Vec<_> = found.iter().filter(|(_, _, found)| found.contains(told)).collect();
    assert_eq!(those.len(), 1, "{told} in {found:#?}");
    assert_eq!((those[0].0.as_str(), those[0].1.as_str()), (severity, line), "{told}");
}

#[tokio::test]
async fn values_that_do_not_fit_are_counted_with_the_line_of_their_field() {
    let systems = Systems::of(30, 20, 10).await;
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    let id = |number: usize| operate.leads()[number]["leadid"].to_string();
    operate.edit(&id(3), &json!({ "city": "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogoch" })).unwrap();
    operate.edit(&id(4), &json!({ "leadstatus": "Lost" })).unwrap();
    operate.edit(&id(5), &json!({ "leadstatus": "Lost" })).unwrap();
    systems.configure("  [\"Lost\", \"Closed - Not Converted\"],\n", "");
    systems.configure("salesforce = \"Title\"\n", "salesforce = \"Title\"\ntype = \"number\"\n");
    salesforce.switch(&json!({ "restricted_picklists": ["LeadSource"], "picklists": { "LeadSource": ["Web"] } })).unwrap();
    let found = found(&systems, &[]).await;
    let long = format!("City takes 40 characters, and 1 Operate lead(s) hold more, up to 56: {}", id(3));
    assert_found(&found, "error", "salesforce = \"City\"", &long);
    assert_found(&found, "warning", "values = [", "Operate leads hold values in leadstatus that have no row: \"Lost\" (");
    assert_found(
        &found,
        "warning",
        "type = \"number\"",
        "30 of 30 Operate leads hold something in jobtitle that is not a number",
    );
    assert_found(&found, "error", "salesforce = \"LeadSource\"", "the picklist LeadSource is restricted");
    assert!(!found.iter().any(|(_, _, found)| found.contains("Llanfair") || found.contains("Manager")), "{found:#?}");
}

#[tokio::test]
async fn leads_that_cannot_be_told_apart_or_made_are_counted() {
    let systems = Systems::of(12, 8, 4).await;
    let operate = systems.sandbox.operate();
    let lead =
        |name: &str| json!({ "leadname": name, "location": "Hub City", "leadsource": "Website", "email": "pia@pomelo.example" });
    let ids: Vec<String> = ["Pomelo", "Quince"].iter().map(|name| operate.create(&lead(name)).unwrap()).collect();
    systems.configure("default = { salesforce = \"Unknown\" }\n", "");
    let found = found(&systems, &[]).await;
    let line = "match = [[\"email\"], [\"company\", \"postcode\"]]";
    assert_found(&found, "warning", line, "2 Operate leads without a link share email with another: ");
    let told = "2 of 14 Operate leads give no LastName, without which Salesforce makes none: ";
    assert_found(&found, "warning", "[[fields]]", told);
    let named = |id: &String| found.iter().any(|(_, _, found)| found.starts_with(told) && found.contains(id));
    assert!(ids.iter().all(named), "{ids:?} in {found:#?}");
}

#[tokio::test]
async fn times_are_read_twice_and_a_wrong_zone_is_named_with_its_hours() {
    let systems = Systems::of(5, 3, 1).await;
    let operate = systems.sandbox.operate();
    let told = "every lead has a lastmodified, and the newest one is found again by it";
    assert_found(&found(&systems, &[]).await, "ok", "[operate]", told);
    let none = Fault { status: Some(200), body: Some("[]".to_owned()), ..Fault::on("GET fields=%5Bleadid%2Clastmodified%5D") };
    operate.fault(Fault { times: 0, ..none }).unwrap();
    assert_found(
        &found(&systems, &[]).await,
        "error",
        "[operate]",
        "and a query for what was modified since then does not find it",
    );
    operate.clear_faults();
    operate.edit(&operate.leads()[2]["leadid"].to_string(), &json!({ "city": "Leeds" })).unwrap();
    systems.configure("timezone = \"Europe/London\"", "timezone = \"America/Anchorage\"");
    let (status, said, _) = run(&systems, &["check"]).await;
    assert_eq!(status, 3);
    let hours = if said.contains("at least 10 hour(s)") { 10 } else { 9 };
    for expected in [
        "error    operate.timezone: the newest lead was modified ".to_owned(),
        format!("{}:", systems.configuration.display()),
        format!("whose clock is at least {hours} hour(s) ahead of America/Anchorage"),
    ] {
        assert!(said.contains(&expected), "{expected} is not in {said}");
    }
}

#[tokio::test]
async fn duplicate_rules_and_the_schedule_are_weighed() {
    let systems = Systems::of(3, 3, 3).await;
    let salesforce = systems.sandbox.salesforce();
    assert_found(&found(&systems, &[]).await, "ok", "[salesforce]", "the org has no active duplicate rule for leads");
    salesforce.switch(&json!({ "duplicate_rule": "alert", "daily_requests": 100_000 })).unwrap();
    let twice = found(&systems, &[]).await;
    let told = "1 active duplicate rule(s) for leads: Leads with the same e-mail address (Leads_with_the_same_email). A new lead";
    assert_found(&twice, "warning", "[salesforce]", told);
    assert_found(&twice, "warning", "poll = \"* * * * * *\"", "and this schedule makes 864");
    systems.configure("poll = \"* * * * * *\"", "poll = \"*/30 * * * * *\"");
    systems.configure("[salesforce]\n", "[salesforce]\nduplicates = \"link\"\n");
    salesforce.switch(&json!({ "hidden_objects": ["DuplicateRule"] })).unwrap();
    let thrice = found(&systems, &[]).await;
    assert_found(&thrice, "ok", "duplicates = \"link\"", "could not be looked at: this user may not see them");
    assert_found(&thrice, "ok", "[salesforce]", "and this schedule makes 2882 with nothing to do");
    salesforce.switch(&json!({ "hidden_objects": [] })).unwrap();
    assert_found(&found(&systems, &[]).await, "ok", "duplicates = \"link\"", "A new lead is linked with the one that they name");
}

#[tokio::test]
async fn a_sample_is_of_the_leads_that_were_modified_last() {
    let systems = Systems::of(60, 40, 20).await;
    let told = "read 10 leads of Operate and 10 of Salesforce, those that were modified last; it took ";
    assert_found(&found(&systems, &["--sample", "10"]).await, "ok", "", told);
    let found = found(&systems, &["--sample", "1000"]).await;
    assert_found(&found, "ok", "", "read 60 leads of Operate and 40 of Salesforce");
}

#[tokio::test]
async fn what_cannot_be_written_back_and_what_may_be_chosen_is_told() {
    let systems = Systems::of(4, 4, 2).await;
    let salesforce = systems.sandbox.salesforce();
    let id = salesforce.leads()[1]["Id"].as_str().unwrap().to_owned();
    salesforce.edit(&id, &json!({ "Street": "Unit 7, Old Mill, Mill Lane" })).unwrap();
    let parts = "operate = [\"address1\", \"address2\"]\njoin = \", \"\nsplit = \"exact\"\n";
    systems.configure("operate = \"address1\"\n", parts);
    systems.configure("# A source that one side alone knows stays there.\nunknown = \"keep\"\n", "");
    let found = found(&systems, &[]).await;
    let told =
        format!("1 Salesforce lead(s) hold a value in Street that cannot be written to Operate's address1 and address2: {id}");
    assert_found(&found, "warning", "[[fields]]", &told);
    assert_found(&found, "warning", "values = [", "1 value(s) of the picklist LeadSource have no row: Purchased List");
    assert!(!found.iter().any(|(_, _, found)| found.contains("Old Mill")), "{found:#?}");
}

#[tokio::test]
async fn a_modified_time_that_moves_by_itself_is_noticed() {
    let systems = Systems::of(4, 2, 1).await;
    let operate = systems.sandbox.operate();
    let leads = operate.leads();
    let newest = leads.iter().max_by_key(|lead| lead["lastmodified"].as_str().unwrap().to_owned()).unwrap();
    let later = json!([{ "leadid": newest["leadid"], "lastmodified": "2020-01-01 00:00:00" }]).to_string();
    let moved = Fault { times: 0, status: Some(200), body: Some(later), ..Fault::on("GET fields=%5Bleadid%2Clastmodified%5D") };
    operate.fault(moved).unwrap();
    assert_found(&found(&systems, &[]).await, "warning", "[operate]", "has another lastmodified than a moment ago");
}
