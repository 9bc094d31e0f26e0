//! The crate `force` against `leadsync sandbox`: its parsers fail where a key is missing that Salesforce gives.

use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use force::api::RestOperation as _;
use force::auth::ClientCredentials;
use force::client::ForceClientBuilder;
use serde_json::{Value, json};

const KEY: &str = "Operate_Lead_Id__c";

/// A sandbox that ends with the test.
struct Sandbox(Child);

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.0.kill();
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let program = std::env::var("LEADSYNC_BIN")?;
    let mut sandbox = Sandbox(Command::new(program).args(["sandbox", "--leads", "3500"]).stdout(Stdio::piped()).spawn()?);
    let mut line = String::new();
    BufReader::new(sandbox.0.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let known = serde_json::from_str::<Value>(&line)?["salesforce"].clone();
    let text = |key: &str| known[key].as_str().unwrap_or_default().to_owned();

    let auth = ClientCredentials::new_my_domain(text("client_id"), text("client_secret"), text("login_url"));
    let client = ForceClientBuilder::new().authenticate(auth).build().await?;
    let rest = client.rest();
    assert!(rest.versions().await?.iter().any(|each| each.version == "64.0"));
    let limits = rest.limits().await?;
    assert!(limits.daily_api_requests.is_some_and(|limit| limit.remaining > 0) && limits.data_storage_mb.is_some());
    println!("force: signs in ok");

    let all = rest.describe_global().await?;
    for object in &all.sobjects {
        let described = rest.describe(&object.name).await?;
        assert_eq!(described.name, object.name);
    }
    let lead = rest.describe("Lead").await?;
    let key = lead.fields.iter().find(|field| field.name == KEY).ok_or("no external id")?;
    assert!(key.external_id && key.unique && all.sobjects.len() == 6);
    println!("force: describes ok");

    let made = rest.create("Lead", &json!({ "LastName": "Pomelo", "Company": "Acme", "Desks__c": 4 })).await?;
    let id = made.id.ok_or("no id")?;
    rest.update("Lead", &id, &json!({ "Title": "O'Brien", "Desks__c": null })).await?;
    let read = rest.get("Lead", &id).await?;
    assert_eq!((&read["Title"], &read["Desks__c"]), (&json!("O'Brien"), &Value::Null));
    let fields = json!({ "LastName": "Pomelo", "Company": "Acme" });
    let first = rest.upsert("Lead", KEY, "op-1", &fields).await?;
    let again = rest.upsert("Lead", KEY, "op-1", &fields).await?;
    assert_eq!((first.created, again.created, first.id == again.id), (true, false, true));
    rest.delete("Lead", &id).await?;
    let gone = rest.get("Lead", &id).await.err().ok_or("a deleted lead was found")?.to_string();
    assert!(gone.contains("NOT_FOUND") || gone.contains("does not exist"), "{gone}");
    println!("force: one by one ok");

    let page = rest.query::<Value>("SELECT Id, Owner.Name FROM Lead WHERE RecordType.DeveloperName = 'Workspace'").await?;
    let next = page.next_records_url.clone().ok_or("one page only")?;
    let rest_of_it = rest.query_more::<Value>(next.as_ref()).await?;
    assert!(page.records.len() == 2000 && rest_of_it.done);
    assert_eq!(page.records[0]["Owner"]["attributes"]["type"], "Name");
    println!("force: pages ok");
    Ok(())
}
