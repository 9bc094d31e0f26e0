//! What an operator sees of leads that are hidden or merged, and of a budget that runs low.

use serde_json::{Value as Json, json};

use crate::program::run;
use crate::systems::Systems;

/// Operate's lead at a place, by its id, and the Salesforce lead of the same person.
fn pair(systems: &Systems, place: usize) -> (String, String) {
    let lead = systems.sandbox.operate().leads()[place].clone();
    let twin = systems.sandbox.salesforce().leads().into_iter().find(|twin| twin["Email"] == lead["email"]).unwrap();
    (lead["leadid"].to_string(), twin["Id"].as_str().unwrap().to_owned())
}

fn title(lead: Option<Json>) -> Json {
    lead.map(|lead| lead["Title"].clone()).unwrap_or_default()
}

#[tokio::test]
async fn a_lead_that_sharing_rules_hide_waits_and_goes_on_once_it_is_seen() {
    let systems = Systems::of(6, 6, 6).await;
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    let (ours, theirs) = pair(&systems, 2);
    salesforce.hide(&theirs, true).unwrap();
    operate.edit(&ours, &json!({ "jobtitle": "Hidden" })).unwrap();
    let (status, said, errors) = run(&systems, &["once"]).await;
    assert_eq!(status, 3, "{said}{errors}");
    let (_, said, _) = run(&systems, &["parked"]).await;
    assert!(said.contains("or its sharing rules hide it from this user"), "{said}");
    assert!(operate.lead(&ours).is_some(), "nothing is deleted because of it");
    salesforce.hide(&theirs, false).unwrap();
    assert_eq!(run(&systems, &["retry", "--all"]).await.0, 0);
    let (status, said, errors) = run(&systems, &["once"]).await;
    assert_eq!(status, 0, "{said}{errors}");
    assert_eq!(title(salesforce.lead(&theirs)), json!("Hidden"));
}

#[tokio::test]
async fn a_lead_merged_into_one_that_has_a_link_waits_and_says_what_to_do() {
    let systems = Systems::of(6, 6, 6).await;
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    let ((ours, loser), (_, master)) = (pair(&systems, 1), pair(&systems, 3));
    systems.sandbox.salesforce().merge(&master, std::slice::from_ref(&loser)).unwrap();
    let (status, said, errors) = run(&systems, &["once"]).await;
    assert_eq!(status, 3, "{said}{errors}");
    let (_, said, _) = run(&systems, &["parked"]).await;
    assert!(
        said.contains(&format!("was merged into {master}")) && said.contains("merge the Operate leads or delete one"),
        "{said}"
    );
    assert!(said.contains(&ours), "{said}");
}

#[tokio::test]
async fn a_budget_that_runs_low_slows_polls_and_holds_nothing() {
    let systems = Systems::of(6, 6, 6).await;
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    systems.sandbox.salesforce().switch(&json!({ "daily_requests": 1_000, "daily_requests_used": 910 })).unwrap();
    let (ours, theirs) = pair(&systems, 2);
    systems.sandbox.operate().edit(&ours, &json!({ "jobtitle": "Slow" })).unwrap();
    let (status, said, errors) = run(&systems, &["once"]).await;
    assert_eq!(status, 0, "{said}{errors}");
    assert_eq!(title(systems.sandbox.salesforce().lead(&theirs)), json!("Slow"));
    let (_, said, _) = run(&systems, &["status"]).await;
    assert!(said.contains("polls come less often: leadsync made") && !said.contains("held "), "{said}");
}
