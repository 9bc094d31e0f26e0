//! What an operator sees of the built program where leads refer to locations, sources and users.

use serde_json::json;

use crate::program::run;
use crate::systems::Systems;
use crate::workspace::by_id;

const KEEP: &str = "lookup = \"User\"\nunknown = \"keep\"\n";

/// The lead of Salesforce with this lead's e-mail address.
fn twin(systems: &Systems, lead: &serde_json::Value) -> serde_json::Value {
    systems.sandbox.salesforce().leads().into_iter().find(|twin| twin["Email"] == lead["email"]).unwrap()
}

#[tokio::test]
async fn an_owner_that_is_a_queue_parks_with_a_way_out() {
    let systems = by_id(4).await;
    systems.configure(KEEP, "lookup = \"User\"\n");
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    operate.reference("User", 9, Some("Sync"), Some("leadsync@sandbox.example")).unwrap();
    let leads = operate.leads();
    let first = twin(&systems, &leads[0]);
    salesforce.edit(first["Id"].as_str().unwrap(), &json!({ "OwnerId": "00G5g0000000001EAA" })).unwrap();
    let (status, said, errors) = run(&systems, &["once"]).await;
    assert_eq!(status, 3, "{said}{errors}");
    let (_, said, _) = run(&systems, &["parked"]).await;
    let told = "owner: Salesforce's OwnerId is 00G5g0000000001EAA, which is a queue and no user: give the lead to a user, or write unknown = \"keep\" in the field";
    assert!(said.contains(told), "{told} is not in {said}");
    systems.configure("salesforce = \"OwnerId\"\nlookup = \"User\"\n", &format!("salesforce = \"OwnerId\"\n{KEEP}"));
    assert_eq!(run(&systems, &["once"]).await.0, 0, "each side keeps its own owner");
    let (status, said, _) = run(&systems, &["verify"]).await;
    assert_eq!(status, 0, "and that is no difference: {said}");
}

#[tokio::test]
async fn leads_that_hold_names_where_ids_are_expected_say_so() {
    let systems = Systems::of(3, 0, 0).await;
    systems.configure("operate = \"location\"\n", "operate = \"location\"\nlookup = \"Location\"\n");
    assert_eq!(run(&systems, &["once"]).await.0, 3);
    let (_, said, _) = run(&systems, &["parked"]).await;
    assert!(said.contains("which is a name in Operate's list Location and no id: leads hold names here"), "{said}");
    assert!(said.contains("take lookup = \"Location\" out of the field"), "{said}");
    systems.configure("lookup = \"Location\"\n", "");
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    systems.assert_in_step(3);
}

#[tokio::test]
async fn a_name_that_is_like_none_lists_none() {
    let systems = by_id(3).await;
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    let lead = twin(&systems, &systems.sandbox.operate().leads()[0]);
    systems.sandbox.salesforce().edit(lead["Id"].as_str().unwrap(), &json!({ "Location__c": "Zz" })).unwrap();
    assert_eq!(run(&systems, &["once"]).await.0, 3);
    let (_, said, _) = run(&systems, &["parked"]).await;
    assert!(said.contains("location: there is no Operate location \"Zz\", and none of the "), "{said}");
}

#[tokio::test]
async fn an_entry_that_is_renamed_is_renamed_in_every_lead() {
    let systems = by_id(6).await;
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    // It was modified long before the others, so that no poll reads it again by itself.
    let leads = operate.leads();
    let lead = leads.iter().min_by_key(|lead| lead["lastmodified"].to_string()).unwrap();
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    let id = u32::try_from(lead["location"].as_i64().unwrap()).unwrap();
    let name = twin(&systems, lead)["Location__c"].clone();
    operate.reference("Location", id, Some("Foundry Yard"), None).unwrap();
    assert_ne!(name, json!("Foundry Yard"));
    // The list is read with the next lead that is read.
    let another = leads.iter().find(|another| another["leadid"] != lead["leadid"]).unwrap();
    operate.edit(&another["leadid"].to_string(), &json!({ "jobtitle": "Founder" })).unwrap();
    let before = salesforce.requests().write;
    let (status, said, errors) = run(&systems, &["once"]).await;
    assert_eq!(status, 0, "{said}{errors}");
    assert_eq!(twin(&systems, lead)["Location__c"], json!("Foundry Yard"));
    assert!(salesforce.requests().write > before);
    let (_, said, _) = run(&systems, &["verify"]).await;
    assert!(said.contains("6 pair(s) compared") && !said.contains("location"), "{said}");
}

#[tokio::test]
async fn an_entry_that_was_missing_lets_its_leads_go_on_once_it_is_there() {
    let systems = by_id(4).await;
    let operate = systems.sandbox.operate();
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    let lead = operate.leads()[2].clone();
    operate.reference("Location", 9, Some("Annexe"), None).unwrap();
    operate.edit(&lead["leadid"].to_string(), &json!({ "location": 9 })).unwrap();
    operate.reference("Location", 9, None, None).unwrap();
    assert_eq!(run(&systems, &["once"]).await.0, 3);
    let (_, said, _) = run(&systems, &["parked"]).await;
    assert!(said.contains("Operate's location is \"9\", which is no id in Operate's list Location: correct the lead"), "{said}");
    operate.reference("Location", 9, Some("Annexe"), None).unwrap();
    let (status, said, errors) = run(&systems, &["once"]).await;
    assert_eq!(status, 0, "{said}{errors}");
    assert_eq!(twin(&systems, &lead)["Location__c"], json!("Annexe"));
}

#[tokio::test]
async fn a_lead_without_the_location_that_operate_needs_waits_before_anything_is_sent() {
    let systems = Systems::of(2, 2, 2).await;
    systems.configure("default = { operate = \"Hub City\" }\n", "");
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    let lead = json!({ "LastName": "Pomelo", "Company": "Pomelo", "Email": "pia@pomelo.example", "LeadSource": "Web" });
    let id = salesforce.create(&lead).unwrap();
    let before = operate.requests().write;
    let (status, _, _) = run(&systems, &["once"]).await;
    let (_, said, _) = run(&systems, &["parked"]).await;
    assert_eq!((status, operate.requests().write), (3, before), "{said}");
    let told = "location: Operate makes no lead without it: fill in Location__c, or give the field a default = { operate = … }";
    assert!(said.contains(&id) && said.contains(told), "{said}");
    let (status, said, _) = run(&systems, &["check"]).await;
    assert!(status == 3 && said.contains("warning  operate.required_fields: Operate makes no lead without location"), "{said}");
    salesforce.edit(&id, &json!({ "Location__c": "Hub City" })).unwrap();
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    systems.assert_in_step(3);
}
