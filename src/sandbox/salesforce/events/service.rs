//! The Pub/Sub API's calls, as strict as they are documented.

use std::sync::Arc;

use futures_util::stream::{BoxStream, unfold};
use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Request, Response, Status, Streaming, async_trait};

use super::stream::Subscriber;
use super::wire::pub_sub_server::PubSub;
use super::wire::{FetchRequest, FetchResponse, ReplayPreset, SchemaInfo, SchemaRequest, TopicInfo, TopicRequest};
use crate::sandbox::salesforce::{ORGANIZATION, Salesforce};

/// The channels that leads are told of in.
const CHANNELS: [&str; 2] = ["/data/LeadChangeEvent", "/data/ChangeEvents"];
/// The most that one request may ask for.
const MOST: i32 = 100;

/// The service.
pub(super) struct Service {
    org: Arc<Salesforce>,
    stop: CancellationToken,
}

/// An error with Salesforce's own code in its trailers.
pub(super) fn fail(status: Code, code: &str, text: &str) -> Status {
    let mut trailers = MetadataMap::new();
    if let Ok(code) = MetadataValue::try_from(format!("sfdc.platform.eventbus.grpc.{code}")) {
        trailers.insert("error-code", code);
    }
    Status::with_metadata(status, format!("{text} rpcId: 5a0db0c5-0000-4000-8000-000000000000"), trailers)
}

/// An error that was ordered.
pub(super) fn ordered(code: &str) -> Status {
    let status = match code {
        _ if code.contains("auth") => Code::Unauthenticated,
        _ if code.contains("replayid") => Code::InvalidArgument,
        _ if code.contains("permission") || code.contains("cannot.subscribe") => Code::PermissionDenied,
        _ if code.contains("limit") => Code::ResourceExhausted,
        _ if code.contains("not.found") => Code::NotFound,
        _ => Code::Unavailable,
    };
    fail(status, code, "This error was ordered.")
}

/// A session that is not good.
pub(super) fn session_ended() -> Status {
    fail(Code::Unauthenticated, "service.auth.error", "Authentication exception occurred.")
}

impl Service {
    pub(super) const fn new(org: Arc<Salesforce>, stop: CancellationToken) -> Self {
        Self { org, stop }
    }

    /// Checks who calls, and gives the token.
    fn admit<T>(&self, request: &Request<T>) -> Result<String, Status> {
        self.org.bus.see(|seen| seen.calls += 1);
        let header = |name: &str| request.metadata().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (token, instance, tenant) = (header("accesstoken"), header("instanceurl"), header("tenantid"));
        if token.is_empty() || instance.is_empty() || tenant.is_empty() {
            let text = "A header of accesstoken, instanceurl and tenantid is missing or empty.";
            return Err(fail(Code::Unauthenticated, "service.auth.headers.invalid", text));
        }
        let is_here = tenant == ORGANIZATION && self.org.state().instances.contains(instance);
        if !is_here || !self.org.sessions.accepts(Some(token)) {
            return Err(session_ended());
        }
        match self.org.bus.refusal() {
            Some(code) => Err(ordered(&code)),
            None => Ok(token.to_owned()),
        }
    }

    fn channel(&self, name: &str) -> Result<(), Status> {
        let is_selected = self.org.state().leads.switches.capture.change_events;
        if is_selected && CHANNELS.contains(&name) {
            return Ok(());
        }
        Err(fail(Code::NotFound, "topic.not.found", &format!("The topic {name} does not exist.")))
    }
}

/// How many more events a request asks for.
pub(super) fn wanted(request: &FetchRequest) -> Result<i32, Status> {
    if (1..=MOST).contains(&request.num_requested) {
        return Ok(request.num_requested);
    }
    let text = "The number of events asked for is not between 1 and 100.";
    Err(fail(Code::InvalidArgument, "subscription.fetch.requested.events.invalid", text))
}

#[async_trait]
impl PubSub for Service {
    type SubscribeStream = BoxStream<'static, Result<FetchResponse, Status>>;

    async fn subscribe(&self, request: Request<Streaming<FetchRequest>>) -> Result<Response<Self::SubscribeStream>, Status> {
        let token = self.admit(&request)?;
        let mut asked = request.into_inner();
        let first = asked.message().await?.ok_or_else(|| Status::invalid_argument("Nothing was asked for."))?;
        self.channel(&first.topic_name)?;
        if self.org.state().leads.switches.capture.deny_events {
            let text = "This user may not subscribe to the topic.";
            return Err(fail(Code::PermissionDenied, "subscription.topic.cannot.subscribe", text));
        }
        let wanted = wanted(&first)?;
        let (newest, oldest) = self.org.bus.ends(self.org.clock.now());
        let place = match first.replay_preset() {
            ReplayPreset::Latest => newest,
            ReplayPreset::Earliest => oldest,
            ReplayPreset::Custom if first.replay_id.is_empty() => {
                let text = "The preset is CUSTOM, and no replay id was given.";
                return Err(fail(Code::InvalidArgument, "subscription.fetch.replayid.validation.failed", text));
            }
            ReplayPreset::Custom => {
                let place = self.org.bus.place(&first.replay_id, self.org.clock.now());
                let text = "The replay id is not one of the stream, or outside of the retention window.";
                place.ok_or_else(|| fail(Code::InvalidArgument, "subscription.fetch.replayid.corrupted", text))?
            }
        };
        self.org.bus.see(|seen| {
            seen.subscriptions.push(first.replay_preset().as_str_name().to_owned());
            seen.asked += u64::try_from(wanted).unwrap_or_default();
        });
        let (send, mut messages) = mpsc::channel(16);
        let subscriber = Subscriber::new(Arc::clone(&self.org), token, first.topic_name, (place, wanted), send);
        tokio::spawn(subscriber.run(asked, self.stop.clone()));
        // The answer begins with the first message, as Salesforce's does: until then not even its head comes.
        let Some(first) = messages.recv().await else { return Err(Status::unavailable("The server is stopping.")) };
        let rest = unfold(messages, |mut messages| async { messages.recv().await.map(|message| (message, messages)) });
        Ok(Response::new(stream::iter([Ok(first?)]).chain(rest).boxed()))
    }

    async fn get_schema(&self, request: Request<SchemaRequest>) -> Result<Response<SchemaInfo>, Status> {
        self.admit(&request)?;
        let (schema_id, schema_json) = self.org.bus.schema();
        if request.get_ref().schema_id != schema_id {
            return Err(fail(Code::NotFound, "schema.not.found", "There is no such schema."));
        }
        Ok(Response::new(SchemaInfo { schema_json, schema_id, rpc_id: String::new() }))
    }

    async fn get_topic(&self, request: Request<TopicRequest>) -> Result<Response<TopicInfo>, Status> {
        self.admit(&request)?;
        let topic_name = request.into_inner().topic_name;
        self.channel(&topic_name)?;
        Ok(Response::new(TopicInfo {
            topic_name,
            tenant_guid: "CORE/sandbox/00D5g0000000001EAA".to_owned(),
            can_publish: false,
            can_subscribe: !self.org.state().leads.switches.capture.deny_events,
            schema_id: self.org.bus.schema().0,
            rpc_id: String::new(),
        }))
    }
}
