//! What becomes of cycles when Salesforce's requests are used up, or nearly so.

use chrono::{TimeDelta, Utc};
use leadsync::lead::Side;
use leadsync::side::SideError;
use leadsync::sync::Patience;
use serde_json::json;

use crate::bench::Bench;

async fn refused(bench: &Bench) -> String {
    bench.engine.cycle(Patience::NextCycle, &|| false).await.unwrap_err().to_string()
}

#[tokio::test]
async fn salesforce_is_left_alone_until_the_time_it_named_and_the_next_engine_knows() {
    let mut bench = Bench::new().await;
    let (operate, salesforce) = bench.pair().await;
    assert_eq!(bench.engine.interval().await.unwrap(), None);
    assert_eq!(bench.engine.tally().exhausted_until, None);
    let retry_at = Some(Utc::now() + TimeDelta::minutes(30));
    let used_up = SideError::Budget { side: Side::Salesforce, reason: "used up".to_owned(), retry_at };
    bench.salesforce.fail_poll(used_up);
    bench.operate.edit(&operate, "phone", "2");
    refused(&bench).await;
    let held = bench.engine.store().status(Utc::now()).await.unwrap().held.unwrap();
    assert!(held.starts_with("Salesforce's requests of 24 hours are used up: it is left alone until"), "{held}");
    let wait = bench.engine.interval().await.unwrap().unwrap();
    assert!(wait > TimeDelta::minutes(29) && wait <= TimeDelta::minutes(30), "{wait}");

    let tally = bench.engine.tally();
    assert_eq!(tally.exhausted_until, retry_at);
    bench.restart().await;
    bench.engine.go_on_from(&tally);
    let before = (bench.operate.requests(), bench.salesforce.requests());
    assert!(refused(&bench).await.contains("it is left alone until"));
    assert_eq!((bench.operate.requests(), bench.salesforce.requests()), before, "nobody is asked");

    bench.set_our_clock_ahead(TimeDelta::minutes(31));
    assert_eq!(bench.engine.interval().await.unwrap(), None);
    bench.cycle().await;
    assert_eq!(bench.salesforce.value(&salesforce, "phone__c"), json!("2"));
}

#[tokio::test]
async fn the_share_is_of_the_requests_of_the_last_24_hours() {
    let bench = Bench::ruled(|rules| rules.daily_request_share = 0.5).await;
    bench.pair().await;
    // The share is ten requests; those of the cycles so far are kept.
    for _ in 0..20 {
        if bench.engine.interval().await.unwrap().is_none() {
            bench.cycle().await;
            bench.salesforce.set_usage(1, 20);
        }
    }
    assert_eq!(bench.engine.interval().await.unwrap(), Some(TimeDelta::minutes(5)), "eight are made");
    bench.cycle().await;
    bench.cycle().await;
    assert_eq!(bench.engine.interval().await.unwrap(), Some(TimeDelta::minutes(15)));
    assert!(refused(&bench).await.contains("leadsync made 10 requests in 24 hours, its share is 0.5 of 20"));
    let held = bench.engine.store().status(Utc::now()).await.unwrap().held.unwrap();
    assert!(held.starts_with("no request is made to Salesforce"), "{held}");
    bench.set_our_clock_ahead(TimeDelta::hours(23));
    refused(&bench).await;
    bench.set_our_clock_ahead(TimeDelta::hours(25));
    bench.cycle().await;
}
