//! The connection to the Pub/Sub API, signed in.

use std::sync::Arc;
use std::time::Duration;

use apache_avro::Schema;
use futures_util::stream::unfold;
use secrecy::ExposeSecret as _;
use tokio::sync::mpsc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Streaming};

use super::trouble::Trouble;
use super::wire::pub_sub_client::PubSubClient;
use super::wire::{FetchRequest, FetchResponse, SchemaRequest, TopicRequest};
use crate::config::salesforce::ChangeEvents;
use crate::http::Session;
use crate::salesforce::SalesforceClient;
use crate::side::SideError;

/// The longest that opening the connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest that one question may take.
const ANSWER: Duration = Duration::from_secs(30);
/// How often TCP tries whether a quiet connection still lives. Pings of HTTP/2 that come more often than every five minutes are taken for
/// abuse by gRPC servers.
const PROBE: Duration = Duration::from_mins(1);

/// An open connection.
pub(super) struct Line {
    client: PubSubClient<Channel>,
    /// By which it is signed in.
    pub session: Arc<Session>,
    /// The org's id.
    pub organization: String,
    headers: [(&'static str, MetadataValue<Ascii>); 3],
}

impl Line {
    /// Connects by the session that the other requests go by, or by a new one where that was refused.
    pub(super) async fn open(
        salesforce: &SalesforceClient,
        config: &ChangeEvents,
        refused: Option<&Arc<Session>>,
    ) -> Result<Self, Trouble> {
        let session = salesforce.transport.session(&salesforce.sign_in, refused).await?;
        let organization = match salesforce.sign_in.ids() {
            Some((organization, _)) => organization,
            None => salesforce.identity().await?.organization,
        };
        let channel = tokio::time::timeout(CONNECT, endpoint(&config.url)?.connect()).await;
        let channel = channel.map_err(|_| Trouble::Passing(format!("{}: no connection in time", config.url)))?;
        let channel = channel.map_err(|error| unreachable(&config.url, &error))?;
        let headers = [
            ("accesstoken", header(session.token.expose_secret())?),
            ("instanceurl", header(session.base.as_str().trim_end_matches('/'))?),
            ("tenantid", header(&organization)?),
        ];
        Ok(Self { client: PubSubClient::new(channel), session, organization, headers })
    }

    /// Whether the channel is there, and the user may listen to it.
    pub(super) async fn may_subscribe(&mut self, channel: &str) -> Result<(), Trouble> {
        let asked = self.request(TopicRequest { topic_name: channel.to_owned() });
        let topic = in_time(self.client.get_topic(asked)).await?;
        if topic.can_subscribe { Ok(()) } else { Err(Trouble::not_permitted(channel)) }
    }

    /// How the payloads of events are encoded; none: in a way that this program cannot read.
    pub(super) async fn schema(&mut self, id: &str) -> Result<Option<Schema>, Trouble> {
        let asked = self.request(SchemaRequest { schema_id: id.to_owned() });
        let told = in_time(self.client.get_schema(asked)).await?;
        Ok(Schema::parse_str(&told.schema_json).ok())
    }

    /// Opens the stream of events; what is asked for is sent into the channel.
    pub(super) async fn subscribe(&mut self, asked: mpsc::Receiver<FetchRequest>) -> Result<Streaming<FetchResponse>, Trouble> {
        let asked = unfold(asked, |mut asked| async { asked.recv().await.map(|request| (request, asked)) });
        let request = self.request(asked);
        Ok(self.client.subscribe(request).await?.into_inner())
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        for (name, value) in &self.headers {
            request.metadata_mut().insert(*name, value.clone());
        }
        request
    }
}

async fn in_time<T>(asking: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>) -> Result<T, Trouble> {
    let answer = tokio::time::timeout(ANSWER, asking).await;
    Ok(answer.map_err(|_| Trouble::Passing("no answer in time".to_owned()))??.into_inner())
}

fn endpoint(url: &str) -> Result<Endpoint, Trouble> {
    let unusable = |error: tonic::transport::Error| unreachable(url, &error);
    let endpoint = Endpoint::from_shared(url.to_owned()).map_err(unusable)?;
    let endpoint = if url.starts_with("https:") {
        endpoint.tls_config(ClientTlsConfig::new().with_native_roots()).map_err(unusable)?
    } else {
        endpoint
    };
    let endpoint = endpoint.user_agent(concat!("leadsync/", env!("CARGO_PKG_VERSION"))).map_err(unusable)?;
    Ok(endpoint.connect_timeout(CONNECT).tcp_nodelay(true).tcp_keepalive(Some(PROBE)))
}

/// A header's value, which no log shows.
fn header(text: &str) -> Result<MetadataValue<Ascii>, Trouble> {
    let mut value = MetadataValue::try_from(text).map_err(|_| {
        let reason = "the sign-in gave a token, an instance_url or an id that is no header's value".to_owned();
        SideError::Answer { side: crate::lead::Side::Salesforce, reason }
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The whole chain of causes.
fn unreachable(url: &str, error: &dyn std::error::Error) -> Trouble {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    Trouble::Passing(format!("{url}: {text}"))
}
