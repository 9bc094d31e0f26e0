//! Salesforce's change events: Change Data Capture through the Pub/Sub API, which is gRPC with payloads in Avro.
//!
//! An event only says which leads to look at; nothing in it but their ids is taken. What is heard goes to a [`Listener`]: this module
//! knows neither the store nor the engine. Facts of the interface: the Pub/Sub API's guide (flow control, keep-alives, error codes,
//! durability) and the Change Data Capture guide (the header's fields, gap and overflow events).

mod event;
mod line;
mod trouble;
mod watch;
/// The messages and the client that are made of `src/pubsub.proto`.
#[allow(missing_docs, unused_qualifications, clippy::pedantic, reason = "made by the build")]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/client/eventbus.v1.rs"));
}

use async_trait::async_trait;

use super::SalesforceClient;
use crate::config::salesforce::ChangeEvents;

pub use self::event::Change;
pub use self::watch::watch;

/// Who is told what events say.
#[async_trait]
pub trait Listener: Send + Sync {
    /// The place in the stream that was kept last, as it was given.
    async fn kept(&self) -> Option<String>;

    /// Keeps the place in the stream up to which all was told.
    async fn keep(&self, place: &str);

    /// An event, or what is known where there is none.
    fn hear(&self, change: Change);

    /// Whether the subscription is up.
    fn is_up(&self, up: bool);
}

/// What must hold of a payload, whatever it is: what it takes for ids of leads are ids.
pub(crate) fn fuzz(schema: &apache_avro::Schema, payload: &[u8]) {
    if let Change::Leads(ids) = event::read(schema, payload, 0) {
        assert!(!ids.is_empty() && ids.iter().all(|id| super::outcome::is_id(id)), "{ids:?}");
    }
}

/// Whether a channel can be subscribed to; else what is wrong, and what to do.
pub async fn can_subscribe(salesforce: &SalesforceClient, config: &ChangeEvents) -> Result<(), (String, Option<&'static str>)> {
    let opened = async {
        let mut line = line::Line::open(salesforce, config, None).await?;
        line.may_subscribe(&config.channel).await
    };
    opened.await.map_err(|trouble| (trouble.to_string(), trouble.advice()))
}
