//! Keeping a subscription up: from where it left off, through cut streams, ended sessions and places that are not good any more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use apache_avro::Schema;
use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use chrono::{TimeDelta, Utc};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use super::Listener;
use super::event::{Change, read};
use super::line::Line;
use super::trouble::Trouble;
use super::wire::{ConsumerEvent, FetchRequest, FetchResponse, ReplayPreset};
use crate::config::salesforce::ChangeEvents;
use crate::http::Session;
use crate::lead::Side;
use crate::salesforce::SalesforceClient;
use crate::side::{SideClient as _, SideError};

/// So many events may be under way to us: as many as one request may ask for.
const ASKED: i32 = 100;
/// Where fewer are left to come, more are asked for.
const LEFT: i32 = 50;
/// Salesforce sends something every 270 s. Who has heard nothing for longer listens to a dead stream.
const SILENCE: Duration = Duration::from_mins(5);
/// Salesforce may answer only with the first event. After so long, a stream that was not refused counts as open.
const SOON: Duration = Duration::from_secs(2);
/// Events that were older when the stream began are not followed one by one: a whole cycle takes fewer requests than all that was missed.
const RECENT: TimeDelta = TimeDelta::minutes(15);
/// How long the place in the stream may wait to be kept. What was heard since then is heard again after a crash.
const KEEP: Duration = Duration::from_secs(1);
/// The first wait before the next attempt, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_mins(5));
/// The least wait where signing in is refused, or does not help: whoever asks again and again locks the user out.
const SIGN_IN_AGAIN: Duration = Duration::from_mins(1);

/// Listens to the org's change events until it is told to stop.
pub async fn watch(salesforce: &SalesforceClient, config: &ChangeEvents, listener: &dyn Listener, stop: &CancellationToken) {
    let mut watch = Watch::new(salesforce, config, listener);
    let watching = async {
        loop {
            let trouble = watch.stream().await;
            listener.is_up(false);
            let wait = watch.recover(trouble).await;
            tokio::time::sleep(wait).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = watching => {}
    }
    watch.keep().await;
    listener.is_up(false);
}

/// A subscription, through all its streams.
struct Watch<'w> {
    salesforce: &'w SalesforceClient,
    config: &'w ChangeEvents,
    listener: &'w dyn Listener,
    place: Place,
    /// The session of the stream.
    session: Option<Arc<Session>>,
    /// How often in a row a session was refused.
    refused: u32,
    waits: ExponentialBackoff,
    /// After so long without a word a stream counts as dead.
    silence: Duration,
    /// What was logged last, since the stream was up.
    logged: Option<String>,
}

/// Where in the stream we are.
#[derive(Default)]
struct Place {
    /// The org and the channel, once known: a place of another is none.
    of: String,
    /// The replay id, in hex.
    replay_id: Option<String>,
    /// When it has to be kept; `None`: it is.
    keep_at: Option<Instant>,
}

/// What an open stream holds.
struct Open {
    line: Line,
    asked: mpsc::Sender<FetchRequest>,
    /// Milliseconds since 1970, by the org's clock: what happened before is not followed one by one.
    recent: i64,
    /// By id; `None` where it cannot be had.
    schemas: HashMap<String, Option<Schema>>,
}

impl<'w> Watch<'w> {
    fn new(salesforce: &'w SalesforceClient, config: &'w ChangeEvents, listener: &'w dyn Listener) -> Self {
        let place = Place::default();
        Self { salesforce, config, listener, place, session: None, refused: 0, waits: waits(), silence: SILENCE, logged: None }
    }

    /// Listens until the stream ends, and gives why.
    async fn stream(&mut self) -> Trouble {
        let Err(trouble) = self.listen().await else { return Trouble::Passing("the stream has ended".to_owned()) };
        trouble
    }

    async fn listen(&mut self) -> Result<(), Trouble> {
        let refused = self.session.take().filter(|_| self.refused > 0);
        let mut line = Line::open(self.salesforce, self.config, refused.as_ref()).await?;
        self.session = Some(Arc::clone(&line.session));
        line.may_subscribe(&self.config.channel).await?;
        self.find_place(&line.organization).await;
        let (asked, asking) = mpsc::channel(4);
        let replay_id = self.place.replay_id.as_deref().and_then(bytes);
        let preset = if replay_id.is_some() { ReplayPreset::Custom } else { ReplayPreset::Latest };
        let first = FetchRequest { replay_preset: preset.into(), replay_id: replay_id.unwrap_or_default(), ..self.more(ASKED) };
        let _ = asked.try_send(first);
        let stream = {
            let mut opening = std::pin::pin!(line.subscribe(asking));
            let opened = tokio::time::timeout(SOON, &mut opening).await;
            if !matches!(opened, Ok(Err(_))) {
                self.came_up(preset);
            }
            match opened {
                Ok(opened) => opened?,
                Err(_) => tokio::time::timeout(self.silence, opening).await.map_err(|_| self.silent())??,
            }
        };
        let ahead = self.salesforce.clock().map_or_else(TimeDelta::zero, |clock| clock.offset);
        let recent = (Utc::now() + ahead - RECENT).timestamp_millis();
        self.receive(stream, Open { line, asked, recent, schemas: HashMap::new() }).await
    }

    fn came_up(&mut self, preset: ReplayPreset) {
        tracing::info!(channel = self.config.channel, replay = preset.as_str_name(), "events.subscribed");
        self.listener.is_up(true);
        if preset == ReplayPreset::Latest {
            // What happened before it began was told to nobody.
            self.listener.hear(Change::All);
        }
    }

    async fn receive(&mut self, mut stream: Streaming<FetchResponse>, mut open: Open) -> Result<(), Trouble> {
        let mut silent_at = Instant::now() + self.silence;
        loop {
            let wake_at = self.place.keep_at.unwrap_or(silent_at).min(silent_at);
            let came = tokio::select! {
                came = stream.message() => came?,
                () = tokio::time::sleep_until(wake_at) => {
                    if Instant::now() >= silent_at {
                        return Err(self.silent());
                    }
                    self.keep().await;
                    continue;
                }
            };
            let Some(response) = came else { return Ok(()) };
            silent_at = Instant::now() + self.silence;
            (self.waits, self.logged, self.refused) = (waits(), None, 0);
            self.hear(response, &mut open).await?;
        }
    }

    /// Tells what the events say, moves on, and asks for more.
    async fn hear(&mut self, response: FetchResponse, open: &mut Open) -> Result<(), Trouble> {
        let mut replay_id = response.latest_replay_id;
        for ConsumerEvent { event, replay_id: at } in response.events {
            if let Some(event) = event {
                let recent = open.recent;
                let change = match open.schema(&event.schema_id).await? {
                    Some(schema) => read(schema, &event.payload, recent),
                    None => Change::Unreadable("its schema cannot be had"),
                };
                if let Change::Unreadable(reason) = &change {
                    self.log_unreadable(reason);
                }
                self.listener.hear(change);
            }
            replay_id = at;
        }
        if !replay_id.is_empty() {
            self.place.replay_id = Some(hex(&replay_id));
            self.place.keep_at.get_or_insert(Instant::now() + KEEP);
        }
        let left = response.pending_num_requested.clamp(0, ASKED);
        if left < LEFT {
            // Its receiver lives as long as the stream, whose end is noticed there.
            let _ = open.asked.send(self.more(ASKED - left)).await;
        }
        Ok(())
    }

    fn more(&self, num_requested: i32) -> FetchRequest {
        FetchRequest { topic_name: self.config.channel.clone(), num_requested, ..FetchRequest::default() }
    }

    fn silent(&self) -> Trouble {
        Trouble::Passing(format!("nothing came for {} s", self.silence.as_secs()))
    }

    /// Takes the place from before, if it is one of this org and channel.
    async fn find_place(&mut self, organization: &str) {
        let of = format!("{organization} {} ", self.config.channel);
        if self.place.of == of {
            return;
        }
        let kept = self.listener.kept().await;
        let replay_id = kept.as_deref().and_then(|kept| kept.strip_prefix(&of)).filter(|kept| bytes(kept).is_some());
        self.place = Place { replay_id: replay_id.map(str::to_owned), of, keep_at: None };
    }

    /// Keeps the place where it has moved.
    async fn keep(&mut self) {
        if self.place.keep_at.take().is_some() {
            let replay_id = self.place.replay_id.as_deref().unwrap_or_default();
            self.listener.keep(&format!("{}{replay_id}", self.place.of)).await;
        }
    }

    /// Logs why a stream ended, and does what there is to do. Gives how long to wait before the next one.
    async fn recover(&mut self, trouble: Trouble) -> Duration {
        let wait = self.waits.next().unwrap_or(WAITS.1);
        let wait = match &trouble {
            Trouble::Place(_) => {
                self.place.replay_id = None;
                self.place.keep_at = Some(Instant::now());
                wait
            }
            Trouble::Session(_) => {
                self.refused += 1;
                if self.refused > 1 { wait.max(SIGN_IN_AGAIN) } else { wait }
            }
            Trouble::Refused { .. } => WAITS.1,
            Trouble::SignIn(SideError::Auth { .. }) => wait.max(SIGN_IN_AGAIN),
            Trouble::Passing(_) | Trouble::SignIn(_) => wait,
        };
        self.keep().await;
        self.log(&trouble, wait);
        wait
    }

    /// A trouble that stays the same is logged once.
    fn log(&mut self, trouble: &Trouble, wait: Duration) {
        let error = trouble.to_string();
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        if self.logged.as_ref() == Some(&error) {
            return tracing::debug!(error, wait_ms, "events.lost");
        }
        match trouble {
            Trouble::Place(_) => {
                let hint = "events are kept for 72 hours: a whole cycle reads what was missed";
                tracing::warn!(error, hint, "events.place_refused");
            }
            Trouble::Session(_) => tracing::info!(side = %Side::Salesforce, error, "events.session_refused"),
            Trouble::Refused { advice, .. } => tracing::error!(error, hint = advice, wait_ms, "events.refused"),
            Trouble::Passing(_) | Trouble::SignIn(_) => {
                tracing::warn!(error, wait_ms, hint = "polls go on meanwhile", "events.lost");
            }
        }
        self.logged = Some(error);
    }

    fn log_unreadable(&mut self, reason: &'static str) {
        if self.logged.as_deref() != Some(reason) {
            tracing::warn!(error = reason, hint = "a whole cycle reads what it is about", "events.unreadable");
            self.logged = Some(reason.to_owned());
        }
    }
}

impl Open {
    /// A schema by its id, asked for once.
    async fn schema(&mut self, id: &str) -> Result<Option<&Schema>, Trouble> {
        if !self.schemas.contains_key(id) {
            let schema = match self.line.schema(id).await {
                Ok(schema) => schema,
                Err(trouble @ (Trouble::Session(_) | Trouble::SignIn(_))) => return Err(trouble),
                Err(_) => None,
            };
            self.schemas.insert(id.to_owned(), schema);
        }
        Ok(self.schemas.get(id).and_then(Option::as_ref))
    }
}

fn waits() -> ExponentialBackoff {
    ExponentialBuilder::new().with_min_delay(WAITS.0).with_max_delay(WAITS.1).without_max_times().with_jitter().build()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let is_whole = !hex.is_empty() && hex.len().is_multiple_of(2);
    let pairs = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok());
    is_whole.then(|| pairs.collect::<Option<Vec<u8>>>()).flatten()
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use secrecy::SecretString;
    use serde_json::json;

    use super::*;
    use crate::config::salesforce::SalesforceAuth;
    use crate::sandbox::{Sandbox, SandboxError, SandboxOptions};

    /// Who does not care.
    struct Nobody;

    #[async_trait]
    impl Listener for Nobody {
        async fn kept(&self) -> Option<String> {
            None
        }
        async fn keep(&self, _: &str) {}
        fn hear(&self, _: Change) {}
        fn is_up(&self, _: bool) {}
    }

    /// A client of a sandbox, and where its events are.
    fn client_of(sandbox: &Sandbox) -> Result<(SalesforceClient, ChangeEvents), SideError> {
        let known = sandbox.addresses().salesforce;
        let mut config = crate::fuzz::config().salesforce;
        config.login_url = known.login_url;
        config.auth = SalesforceAuth::ClientCredentials {
            client_id: known.client_id,
            client_secret: SecretString::from(known.client_secret),
        };
        let wanted = ChangeEvents { channel: "/data/LeadChangeEvent".to_owned(), url: known.pubsub_url };
        Ok((SalesforceClient::new(&config, Vec::new())?, wanted))
    }

    #[tokio::test]
    async fn a_stream_that_says_nothing_for_too_long_is_dead() -> Result<(), SandboxError> {
        let options = SandboxOptions { operate_leads: 0, salesforce_leads: 1, common: 0, ..SandboxOptions::default() };
        let sandbox = Sandbox::start(options).await?;
        let Ok((salesforce, config)) = client_of(&sandbox) else { panic!("no client") };
        let mut watch = Watch::new(&salesforce, &config, &Nobody);
        watch.silence = Duration::from_millis(500);
        // It says nothing from the start.
        assert_eq!(watch.stream().await.to_string(), "nothing came for 0 s");
        // It lives, and then says nothing more; what comes in time keeps it up.
        sandbox.salesforce().switch(&json!({ "event_keep_alive_ms": 100 }))?;
        let quiet = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            sandbox.salesforce().switch(&json!({ "event_keep_alive_ms": 60_000 }))
        };
        let started = Instant::now();
        let (ended, switched) = tokio::join!(watch.stream(), quiet);
        switched?;
        assert_eq!(ended.to_string(), "nothing came for 0 s");
        assert!(started.elapsed() >= Duration::from_millis(1_400), "{:?}", started.elapsed());
        Ok(())
    }

    #[test]
    fn a_replay_id_comes_back_as_it_went() {
        for id in [&[0_u8][..], &[0, 255, 16, 1], &[127; 40]] {
            assert_eq!(bytes(&hex(id)).as_deref(), Some(id));
        }
        for wrong in ["", "0", "0g", "é0"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
