//! What an operator sees of the built program when something is held, vanishes, or is used up.

use serde_json::json;

use crate::program::{log, run, signal, start, until, wait};
use crate::systems::Systems;

#[tokio::test]
async fn a_brake_stops_says_why_and_is_lifted_by_a_person() {
    let systems = Systems::of(40, 40, 40).await;
    systems.configure("[sync]\n", "[sync]\ndelete = \"propagate\"\nmax_delete = 2\n");
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    for lead in systems.sandbox.salesforce().leads().iter().take(3) {
        systems.sandbox.salesforce().delete(lead["Id"].as_str().unwrap()).unwrap();
    }
    let (status, _, errors) = run(&systems, &["once"]).await;
    assert_eq!(status, 3);
    let expected =
        "writes are held: brake: 3 leads would be deleted, and max_delete allows 2 in a cycle; `leadsync plan` shows what is due";
    assert!(errors.contains(expected), "{errors}");
    let (_, said, _) = run(&systems, &["status"]).await;
    assert!(said.contains("held        brake: 3 leads would be deleted"), "{said}");
    let (status, said, _) = run(&systems, &["resume"]).await;
    assert!(status == 3 && said.starts_with("not paused, but a brake still holds: brake: 3 leads"), "{said}");
    assert_eq!(systems.sandbox.operate().leads().len(), 40);

    let (status, said, _) = run(&systems, &["resume", "--accept-changes"]).await;
    assert_eq!((status, said.as_str()), (0, "the next cycle writes what is due\n"));
    let (status, said, errors) = run(&systems, &["once"]).await;
    assert_eq!(status, 0, "{said}{errors}");
    assert_eq!(systems.sandbox.operate().leads().len(), 37);
    let (_, said, _) = run(&systems, &["status"]).await;
    assert!(!said.contains("held"), "{said}");
}

#[tokio::test]
async fn a_pause_holds_writes_until_they_are_resumed() {
    let systems = Systems::of(10, 10, 10).await;
    run(&systems, &["once"]).await;
    let (status, said, _) = run(&systems, &["pause"]).await;
    assert!(status == 0 && said.starts_with("writes are paused"), "{said}");
    let id = systems.sandbox.operate().leads()[2]["leadid"].to_string();
    systems.sandbox.operate().edit(&id, &json!({ "jobtitle": "Keeper" })).unwrap();
    let (status, _, errors) = run(&systems, &["once"]).await;
    assert!(status == 3 && errors.contains("writes are held: paused since "), "{errors}");
    run(&systems, &["resume"]).await;
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    systems.assert_in_step(10);
}

#[tokio::test]
async fn the_daemon_sweeps_on_schedule_and_lives_through_a_field_that_vanishes() {
    let systems = Systems::of(12, 12, 12).await;
    systems.configure("[sync]\n", "[sync]\ndelete = \"propagate\"\n");
    systems.configure("[schedule]\n", "[schedule]\nsweep = \"* * * * * *\"\n");
    let (operate, salesforce) = (systems.sandbox.operate().clone(), systems.sandbox.salesforce().clone());
    let daemon = start(&systems);
    let there = || salesforce.leads().iter().filter(|lead| lead["IsDeleted"] == json!(false)).count();
    until("all are linked", || salesforce.leads().iter().filter(|lead| lead.get("Operate_Lead_Id__c").is_some()).count() > 0)
        .await;
    let gone = operate.leads()[0]["leadid"].to_string();
    operate.delete(&gone).unwrap();
    until("a delete in Operate is found", || there() == 11).await;

    let lead = operate.leads()[3].clone();
    let id = lead["leadid"].to_string();
    let twin = |field: &str| {
        let leads = salesforce.leads();
        let twin = leads.iter().find(|twin| twin["Email"] == lead["email"]).unwrap();
        twin.get(field).cloned().unwrap_or_default()
    };
    salesforce.switch(&json!({ "missing_fields": ["Title"] })).unwrap();
    operate.edit(&id, &json!({ "phone": "020 7946 0003", "jobtitle": "Nobody sees this" })).unwrap();
    until("the rest goes on", || twin("Phone") == json!("020 7946 0003")).await;
    signal(&daemon, "-TERM");
    assert_eq!(wait(daemon).await, 0);
    let log = std::fs::read_to_string(log(&systems)).unwrap();
    let expected = "Salesforce has no field Title that this user may see: the field is left alone on both sides";
    assert!(log.contains(expected) && log.contains("cycle.fields_changed"), "{log}");
    assert!(!log.contains("Nobody sees this"));
}

#[tokio::test]
async fn a_conversion_gets_the_status_that_the_configuration_says() {
    let systems = Systems::of(6, 6, 6).await;
    let converted = "[sync]\nconverted = { field = \"status\", operate = \"Won\", salesforce = \"Closed - Not Converted\" }\n";
    systems.configure("[sync]\n", converted);
    let (status, _, errors) = run(&systems, &["check", "--offline"]).await;
    assert!(status == 2 && errors.contains("\"Won\" has no row in `values` that goes both ways"), "{errors}");
    systems.configure("[\"Won\", \"Working - Contacted\", \"to_salesforce\"]", "[\"Won\", \"Closed - Converted\"]");
    systems.configure("  [\"Contacted\", \"Closed - Converted\", \"to_operate\"],\n", "");
    run(&systems, &["once"]).await;
    let (operate, salesforce) = (systems.sandbox.operate(), systems.sandbox.salesforce());
    let leads = operate.leads();
    let twin = |email: &serde_json::Value| salesforce.leads().into_iter().find(|twin| twin["Email"] == *email).unwrap();
    let (first, second) = (&leads[0], &leads[1]);
    salesforce.convert(twin(&first["email"])["Id"].as_str().unwrap()).unwrap();
    operate.convert(&second["leadid"].to_string()).unwrap();
    let (status, said, errors) = run(&systems, &["once"]).await;
    assert_eq!(status, 0, "{said}{errors}");
    assert_eq!(operate.lead(&first["leadid"].to_string()).unwrap()["leadstatus"], json!("Won"));
    assert_eq!(twin(&second["email"])["Status"], json!("Closed - Not Converted"));
    let (_, said, _) = run(&systems, &["once", "--json"]).await;
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["pushed"], json!(0));
    let (status, said, _) = run(&systems, &["verify"]).await;
    assert_eq!(status, 0, "{said}");

    systems.configure("operate = \"Won\"", "operate = \"Wonn\"");
    let (status, _, errors) = run(&systems, &["check", "--offline"]).await;
    assert!(status == 2 && errors.contains("sync.converted.operate: \"Wonn\" is not in the field's `values`"), "{errors}");
}

#[tokio::test]
async fn a_budget_that_is_used_up_is_told_and_ends_by_itself() {
    let systems = Systems::of(10, 10, 10).await;
    run(&systems, &["once"]).await;
    let salesforce = systems.sandbox.salesforce();
    salesforce.switch(&json!({ "daily_requests": 1_000, "daily_requests_used": 985 })).unwrap();
    let id = systems.sandbox.operate().leads()[2]["leadid"].to_string();
    systems.sandbox.operate().edit(&id, &json!({ "jobtitle": "Keeper" })).unwrap();
    let (status, _, errors) = run(&systems, &["once"]).await;
    assert!(status == 3 && errors.contains("writes are held: writes to Salesforce wait: leadsync made"), "{errors}");
    let (_, said, _) = run(&systems, &["status"]).await;
    assert!(said.contains("of 1000 requests in 24 hours, by all programs; leadsync may make 500"), "{said}");
    assert!(said.contains("held        writes to Salesforce wait"), "{said}");
    salesforce.switch(&json!({ "daily_requests": 1_000, "daily_requests_used": 1_000 })).unwrap();
    let (status, _, errors) = run(&systems, &["once"]).await;
    assert!(status == 1 && errors.contains("REQUEST_LIMIT_EXCEEDED: TotalRequests Limit exceeded."), "{errors}");
    salesforce.switch(&json!({ "daily_requests": 100_000, "daily_requests_used": 10 })).unwrap();
    assert_eq!(run(&systems, &["once"]).await.0, 0);
    systems.assert_in_step(10);
}
