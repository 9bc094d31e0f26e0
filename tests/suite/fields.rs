//! What `fields` lists, and what it keeps to itself.

use serde_json::Value as Json;

use crate::program::run;
use crate::systems::Systems;

#[tokio::test]
async fn fields_are_listed_with_a_mapping_and_no_value_of_any_lead() {
    let systems = Systems::of(60, 40, 30).await;
    let (status, table, errors) = run(&systems, &["fields"]).await;
    assert_eq!((status, errors.as_str()), (0, ""), "{table}");
    let (status, json, _) = run(&systems, &["fields", "--json"]).await;
    let listed: Json = serde_json::from_str(&json).unwrap();
    let pairs = listed["proposed"].as_array().unwrap();
    // What the example maps by hand is what is proposed, whatever the values are.
    for (ours, theirs) in
        [("leadname", "Company"), ("jobtitle", "Title"), ("county", "State"), ("movein", "Move_In__c"), ("notes", "Description")]
    {
        let pair = pairs.iter().find(|pair| pair["operate"] == ours).unwrap_or_else(|| panic!("{ours}: {pairs:?}"));
        assert!(pair["salesforce"] == theirs && pair["confidence"].as_u64().unwrap() >= 80, "{pair}");
        assert!(table.contains(ours) && table.contains(theirs), "{table}");
    }
    assert_eq!((status, pairs.len() >= 20, &listed["leads"]["operate"]), (0, true, &Json::from(60)));
    assert_eq!(systems.traffic().2, 0);
    let leads = [systems.sandbox.operate().leads(), systems.sandbox.salesforce().leads()].concat();
    for value in leads.iter().flat_map(|lead| lead.as_object().unwrap().values()).filter_map(Json::as_str) {
        // Shorter ones are words of the table by chance.
        if value.len() > 9 {
            assert!(!table.contains(value) && !json.contains(value), "{value}");
        }
    }
}

#[tokio::test]
async fn a_sample_reads_less_and_says_so() {
    let systems = Systems::of(60, 40, 30).await;
    let (status, table, _) = run(&systems, &["fields", "--sample", "7"]).await;
    assert!(
        status == 0 && table.contains("read 7 leads of Operate and 7 of Salesforce, those that were modified last"),
        "{table}"
    );
}
