//! Many stores of one process in one PostgreSQL database: they share its connections, and their leases are renewed together.

use std::sync::Arc;

use chrono::Utc;
use futures_util::future::try_join_all;
use leadsync::store::{Actor, Address, Hold, Store};

use crate::cluster::{Cluster, execute, rows};
use crate::program::until;

const STORES: usize = 24;

/// So many addresses in the same database, a schema each.
fn addresses(cluster: &Cluster) -> Vec<Address> {
    let first = cluster.address();
    let schema = |number| format!("{}_{number}", first.schema);
    (0..STORES).map(|number| Address { schema: schema(number), ..first.clone() }).collect()
}

/// Each of them writes and reads, and every other one is paused; all at the same time.
async fn work(stores: &[Arc<Store>]) {
    let working = stores.iter().enumerate().map(|(number, store)| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            for turn in 0..40 {
                let said = format!("{number} at {turn}");
                store.keep_fact("said", &said).await.unwrap();
                assert_eq!(store.fact("said").await.unwrap(), Some(said));
            }
            if number % 2 == 0 {
                store.pause(Actor::Command, Utc::now()).await.unwrap();
            }
            assert_eq!(store.stops().await.unwrap().paused.is_some(), number % 2 == 0, "{number}");
        })
    });
    try_join_all(working).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_that_share_connections_keep_apart_and_are_few_connections() {
    if !Cluster::is_possible() {
        return;
    }
    let cluster = Cluster::start(&[]);
    let addresses = addresses(&cluster);
    // All of them at once, so that leases are taken while others are looked at.
    let holds = try_join_all(addresses.iter().map(Hold::take)).await.unwrap();
    let opening = addresses.iter().zip(&holds).map(|(address, hold)| Store::open_held(address, hold));
    let stores: Vec<Arc<Store>> = try_join_all(opening).await.unwrap().into_iter().map(Arc::new).collect();
    let connections = "SELECT CAST(pid AS TEXT) FROM pg_stat_activity WHERE application_name = 'leadsync' ORDER BY pid";
    work(&stores).await;
    let opened = rows(&addresses[0], connections).await;
    assert!((2..=13).contains(&opened.len()), "{} connections", opened.len());
    work(&stores).await;
    assert_eq!(rows(&addresses[0], connections).await, opened, "connections were opened again and again");

    // Each lease is renewed, whenever it was taken.
    for (address, hold) in addresses.iter().zip(&holds) {
        let renewed = "SELECT CAST(renewed_at > taken_at + interval '2 seconds' AS TEXT) FROM lease";
        while rows(address, renewed).await != ["true"] {
            assert!(!hold.lost().is_cancelled(), "{address:?}");
        }
        assert!(!hold.lost().is_cancelled() && hold.permit().holds(), "{address:?}");
    }

    // What somebody let go of in the middle is not seen by whoever has the connection next.
    let (abandoned, other) = (&stores[0], &stores[1]);
    for _ in 0..10 {
        let writing = abandoned.resume(true, Actor::Command, Utc::now());
        let _ = tokio::time::timeout(std::time::Duration::from_micros(300), writing).await;
        other.keep_fact("said", "undisturbed").await.unwrap();
        abandoned.at_rest().await.unwrap();
    }
    assert_eq!(other.fact("said").await.unwrap().as_deref(), Some("undisturbed"));
    abandoned.keep_fact("said", "afterwards").await.unwrap();
    assert_eq!(abandoned.fact("said").await.unwrap().as_deref(), Some("afterwards"));

    // One whose schema is gone cannot be renewed, and that is all.
    execute(&addresses[0], &format!("DROP SCHEMA {} CASCADE", addresses[5].schema)).await;
    until("it ends", || !holds[5].permit().holds()).await;
    for (number, hold) in holds.iter().enumerate() {
        assert_eq!(hold.permit().holds(), number != 5, "{number}");
    }
    for hold in holds {
        hold.give_back().await;
    }
}
