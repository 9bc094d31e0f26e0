//! Writes of which nobody knows what became of them, and clocks that cannot be trusted.

use chrono::TimeDelta;
use leadsync::sync::Patience;
use serde_json::json;

use crate::bench::Bench;
use crate::world::Fault;

#[tokio::test]
async fn a_create_in_doubt_waits_by_the_servers_clock_and_not_by_ours() {
    let bench = Bench::ruled(|rules| rules.settle = TimeDelta::minutes(30)).await;
    bench.salesforce.add(&[("email__c", "ann@example.com")]);
    bench.operate.fault(Fault::LostBefore);
    bench.engine.cycle(Patience::NextCycle, &|| false).await.unwrap();
    bench.set_our_clock_ahead(TimeDelta::hours(2));
    bench.engine.cycle(Patience::NextCycle, &|| false).await.unwrap();
    assert!(bench.operate.leads().is_empty(), "hardly any time has passed for Operate");
    for _ in 0..31 {
        bench.operate.later();
    }
    bench.engine.cycle(Patience::NextCycle, &|| false).await.unwrap();
    assert_eq!(bench.operate.leads().len(), 1);
}

#[tokio::test]
async fn an_edit_just_after_a_write_is_seen_however_far_off_the_clock_may_be() {
    let bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    bench.salesforce.set_clock_error(TimeDelta::minutes(5));
    bench.operate.edit(&operate, "phone", "2");
    bench.cycle().await;
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), json!("2"));
    bench.salesforce.edit(&salesforce, "title__c", "CTO");
    bench.cycle().await;
    assert_eq!(bench.operate.value(&operate, "title"), json!("CTO"));
}
