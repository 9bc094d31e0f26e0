//! What `check` tells an administrator before the first cycle.

use leadsync::sandbox::Fault;
use serde_json::json;

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
        "error    sync.delete: this user may not delete Leads\n         help: give the integration user's permission set the right to delete Leads",
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
}

#[tokio::test]
async fn ids_in_the_place_of_names_draw_the_advice_to_look_them_up() {
    let systems = by_id(3).await;
    systems.configure("lookup = \"Location\"\n", "");
    let expected = ["warning  fields.location: leads hold numbers such as ", "help: write lookup = \"Location\" in the field"];
    told(&systems, 3, &expected).await;
}
