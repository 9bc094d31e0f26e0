//! Sending: attempts, waits between them, and what an answer says about the server's clock.

use std::error::Error as _;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt as _};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use reqwest::{StatusCode, Url};
use secrecy::ExposeSecret as _;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::Instrument as _;

use super::pace::Pace;
use super::session::Sessions;
use super::{Answer, Repeat, Request, ServerClock, Session, SignIn, Trouble, is_passing, is_turned_away};
use crate::lead::Side;
use crate::metrics::{Metrics, Requested};
use crate::permit::Permit;
use crate::side::{ClockOffset, SideError};

/// The longest that an attempt is put off. A server that asks for more is told "later" to whoever called.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// Attempts after the first.
const RETRIES: usize = 4;
/// The longest that opening a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// Sends requests to one system.
pub struct Transport {
    side: Side,
    http: reqwest::Client,
    timeout: Duration,
    pace: Pace,
    slots: Semaphore,
    sessions: Sessions,
    clock: ServerClock,
    requests: AtomicU64,
    metrics: Metrics,
    permit: Permit,
}

/// An answer whose body is still to be read.
pub struct Streamed<'t> {
    response: reqwest::Response,
    /// As [`Answer::as_of`].
    pub as_of: DateTime<Utc>,
    slot: SemaphorePermit<'t>,
}

impl Streamed<'_> {
    /// The body, piece by piece.
    pub fn pieces(self) -> impl Stream<Item = Result<Vec<u8>, Trouble>> {
        // The slot is held until the last piece.
        let slot = self.slot;
        self.response.bytes_stream().map(move |piece| {
            let _held = &slot;
            piece.map(Vec::from).map_err(|error| Trouble::Lost(reason(error)))
        })
    }
}

/// One attempt that may be worth another.
enum Failed {
    Passing(Box<Answer>),
    /// Turned away for now, in the system's own manner.
    Busy(Box<Answer>),
    Trouble(Trouble),
}

/// What one attempt gave.
enum Heard<'t> {
    Whole(Answer),
    Body(Streamed<'t>),
}

impl Transport {
    /// A transport to this address that sends at most so many requests a second, and so many at once. `timeout` limits one
    /// attempt; of a streamed answer, the wait for each piece.
    pub fn new(side: Side, address: &str, per_second: u32, at_once: usize, timeout: Duration) -> Result<Self, SideError> {
        // A proxy of the environment cannot reach what listens on this machine alone.
        let builder = reqwest::Client::builder();
        let builder = if is_loopback(address) { builder.no_proxy() } else { builder };
        let http = builder
            .user_agent(concat!("leadsync/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT.min(timeout))
            .read_timeout(timeout)
            // A token must not follow a redirect to another host; neither system redirects its API.
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .build()
            .map_err(|error| SideError::Unreachable { side, reason: format!("no HTTP client can be made: {}", reason(error)) })?;
        let per_second = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
        Ok(Self {
            side,
            http,
            timeout,
            pace: Pace::per_second(per_second),
            slots: Semaphore::new(at_once.max(1)),
            sessions: Sessions::default(),
            clock: ServerClock::default(),
            requests: AtomicU64::new(0),
            metrics: Metrics::default(),
            permit: Permit::default(),
        })
    }

    /// Has requests counted there, and sends none without this permit.
    pub fn work_under(&mut self, metrics: &Metrics, permit: &Permit) {
        (self.metrics, self.permit) = (metrics.clone(), permit.clone());
    }

    fn count(&self, class: &'static str) {
        self.metrics.requests.get_or_create(&Requested { side: self.side, class }).inc();
    }

    /// The server's clock against ours.
    pub fn clock(&self) -> Option<ClockOffset> {
        self.clock.offset()
    }

    /// Attempts sent so far, sign-ins not counted.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// So many of them are recorded.
    pub fn recorded(&self, requests: u64) {
        self.requests.fetch_sub(requests, Ordering::Relaxed);
    }

    /// Sends a request and reads its answer whole. Passing failures are tried again, as far as `repeat` allows; the last
    /// answer is given, whatever its status.
    pub async fn call(&self, how: &dyn SignIn, request: &Request) -> Result<Answer, Trouble> {
        match self.retried(how, request, true).await? {
            Heard::Whole(answer) => Ok(answer),
            Heard::Body(_) => Err(Trouble::Lost("the answer was not read".to_owned())),
        }
    }

    /// The same, and a good answer's body is left to be read as it comes; any other answer is read whole.
    pub async fn stream(&self, how: &dyn SignIn, request: &Request) -> Result<Result<Streamed<'_>, Answer>, Trouble> {
        Ok(match self.retried(how, request, false).await? {
            Heard::Body(streamed) => Ok(streamed),
            Heard::Whole(answer) => Err(answer),
        })
    }

    /// The session that requests go by, or a new one where that was `refused`: for what takes another way than this transport.
    pub async fn session(&self, how: &dyn SignIn, refused: Option<&Arc<Session>>) -> Result<Arc<Session>, SideError> {
        self.sessions.get(self, how, refused).await
    }

    /// Posts a sign-in form. It is tried again like a read.
    pub async fn post_form(&self, url: &Url, form: &[(&str, &str)]) -> Result<Answer, SideError> {
        let attempt = || async {
            let asked = self.clock.now();
            let sending = self.http.post(url.clone()).timeout(self.timeout).header(ACCEPT, "application/json").form(form);
            let response = sending.send().await.map_err(|error| Failed::Trouble(trouble(error)))?;
            let as_of = self.as_of(response.headers(), asked);
            judge(read_whole(response, as_of).await?)
        };
        let answer = attempt.retry(policy()).when(|failed| failed.is_worth_another(Repeat::Safe)).adjust(Failed::wait).await;
        match answer {
            Ok(answer) => Ok(answer),
            Err(Failed::Passing(answer) | Failed::Busy(answer)) => Ok(*answer),
            Err(Failed::Trouble(trouble)) => Err(at_address(trouble, url).into_error(self.side)),
        }
    }

    async fn retried(&self, how: &dyn SignIn, request: &Request, whole: bool) -> Result<Heard<'_>, Trouble> {
        let attempt = || self.signed_in(how, request, whole);
        let heard = attempt
            .retry(policy())
            .when(|failed| failed.is_worth_another(request.repeat))
            .adjust(Failed::wait)
            .notify(|failed, wait| {
                let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                tracing::info!(side = %self.side, operation = request.operation, error.code = failed.code(), wait_ms, "http.retry");
            })
            .await;
        match heard {
            Ok(heard) => Ok(heard),
            Err(Failed::Passing(answer) | Failed::Busy(answer)) => Ok(Heard::Whole(*answer)),
            Err(Failed::Trouble(trouble)) => Err(trouble),
        }
    }

    /// One attempt, with a new session if the one there is is refused.
    async fn signed_in(&self, how: &dyn SignIn, request: &Request, whole: bool) -> Result<Heard<'_>, Failed> {
        let mut refused: Option<Arc<Session>> = None;
        loop {
            let session = self.sessions.get(self, how, refused.as_ref()).await;
            let session = session.map_err(|error| Failed::Trouble(Trouble::SignIn(error)))?;
            let span =
                tracing::debug_span!("http.request", side = %self.side, operation = request.operation, otel.kind = "client");
            let heard = self.attempt(&session, how, request, whole).instrument(span).await?;
            match heard {
                Heard::Whole(answer) if how.is_busy(&answer) => return Err(Failed::Busy(Box::new(answer))),
                Heard::Whole(answer) if answer.status == StatusCode::UNAUTHORIZED => {
                    let advice = how.hopeless(&answer.text());
                    if refused.is_some() || advice.is_some() {
                        return Err(Failed::Trouble(Trouble::SignIn(self.not_accepted(&answer, advice))));
                    }
                    tracing::info!(side = %self.side, "session.renewed");
                    refused = Some(session);
                }
                heard => return Ok(heard),
            }
        }
    }

    fn not_accepted(&self, answer: &Answer, advice: Option<&str>) -> SideError {
        let advice = advice.map(|advice| format!("; {advice}")).unwrap_or_default();
        let reason = format!("signing in works, but the session is not accepted: {}{advice}", answer.text());
        SideError::Auth { side: self.side, reason }
    }

    async fn attempt(&self, session: &Session, how: &dyn SignIn, request: &Request, whole: bool) -> Result<Heard<'_>, Failed> {
        let url = address(&session.base, request);
        let slot = self.slots.acquire().await.map_err(|_| Failed::Trouble(Trouble::NotSent("shutting down".to_owned())))?;
        self.pace.turn().await;
        let mut sending = self.http.request(request.method.clone(), url.clone()).bearer_auth(session.token.expose_secret());
        if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept")) {
            sending = sending.header(ACCEPT, "application/json");
        }
        for (name, value) in &request.headers {
            sending = sending.header(*name, value);
        }
        if let Some(body) = &request.body {
            sending = sending.header(CONTENT_TYPE, request.content_type).body(body.clone());
        }
        if whole {
            sending = sending.timeout(self.timeout);
        }
        // Whoever was stopped until now may have been replaced.
        if !self.permit.holds() {
            return Err(Failed::Trouble(Trouble::NotSent("this replica does not lead".to_owned())));
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let asked = self.clock.now();
        let response = sending.send().await.map_err(|error| {
            self.count("lost");
            Failed::Trouble(at_address(trouble(error), &url))
        })?;
        self.count(class(response.status()));
        let as_of = self.as_of(response.headers(), asked);
        how.observe(response.headers());
        let (status, elapsed) = (response.status(), self.clock.now() - asked);
        let millis = elapsed.num_milliseconds();
        tracing::debug!(status = status.as_u16(), duration_ms = millis, "http.answer");
        if status.is_success() && !whole {
            return Ok(Heard::Body(Streamed { response, as_of, slot }));
        }
        judge(read_whole(response, as_of).await?).map(Heard::Whole)
    }

    fn as_of(&self, headers: &HeaderMap, asked: DateTime<Utc>) -> DateTime<Utc> {
        self.clock.as_of(headers, asked, self.clock.now())
    }
}

impl Failed {
    fn is_worth_another(&self, repeat: Repeat) -> bool {
        match self {
            Self::Passing(answer) => repeat == Repeat::Safe || is_turned_away(answer.status),
            Self::Busy(_) | Self::Trouble(Trouble::NotSent(_)) => true,
            Self::Trouble(Trouble::Lost(_)) => repeat == Repeat::Safe,
            Self::Trouble(Trouble::SignIn(_)) => false,
        }
    }

    /// The wait before the next attempt; the server's wish wins, `None` gives up.
    fn wait(&self, planned: Option<Duration>) -> Option<Duration> {
        let planned = planned?;
        match self {
            Self::Passing(answer) | Self::Busy(answer) => match answer.retry_after() {
                Some(asked) if asked > LONGEST_WAIT => None,
                Some(asked) => Some(asked.max(planned)),
                None => Some(planned),
            },
            Self::Trouble(_) => Some(planned),
        }
    }

    fn code(&self) -> String {
        match self {
            Self::Passing(answer) | Self::Busy(answer) => format!("http_{}", answer.status.as_u16()),
            Self::Trouble(Trouble::NotSent(_)) => "not_sent".to_owned(),
            Self::Trouble(Trouble::Lost(_)) => "answer_lost".to_owned(),
            Self::Trouble(Trouble::SignIn(_)) => "sign_in".to_owned(),
        }
    }
}

/// The class of an answer, for the count of requests.
fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => "auth",
        _ if is_turned_away(status) => "busy",
        ..400 => "ok",
        400..500 => "refused",
        _ => "failed",
    }
}

fn is_loopback(address: &str) -> bool {
    let host = Url::parse(address).ok().and_then(|url| url.host_str().map(|host| host.trim_matches(['[', ']']).to_owned()));
    host.is_some_and(|host| host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()))
}

fn policy() -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(250))
        .with_max_delay(Duration::from_secs(20))
        .with_max_times(RETRIES)
        .with_jitter()
}

fn judge(answer: Answer) -> Result<Answer, Failed> {
    if is_passing(answer.status) { Err(Failed::Passing(Box::new(answer))) } else { Ok(answer) }
}

async fn read_whole(response: reqwest::Response, as_of: DateTime<Utc>) -> Result<Answer, Failed> {
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.map_err(|error| Failed::Trouble(Trouble::Lost(reason(error))))?;
    Ok(Answer { status, headers, body: body.into(), as_of })
}

fn address(base: &Url, request: &Request) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(&request.path);
    }
    if !request.query.is_empty() {
        url.query_pairs_mut().extend_pairs(&request.query);
        // Both spellings of a space are sound in a query; this one nobody misreads. A plus sign is %2B by now.
        let spaced = url.query().map(|query| query.replace('+', "%20"));
        url.set_query(spaced.as_deref());
    }
    url
}

fn trouble(error: reqwest::Error) -> Trouble {
    if error.is_connect() || error.is_builder() { Trouble::NotSent(reason(error)) } else { Trouble::Lost(reason(error)) }
}

fn at_address(trouble: Trouble, url: &Url) -> Trouble {
    let origin = url.origin().ascii_serialization();
    match trouble {
        Trouble::NotSent(reason) => Trouble::NotSent(format!("{origin}: {reason}")),
        Trouble::Lost(reason) => Trouble::Lost(format!("{origin}: {reason}")),
        Trouble::SignIn(error) => Trouble::SignIn(error),
    }
}

/// The whole chain of causes, without the address, whose query may name people.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = if error.is_timeout() { "no answer in time".to_owned() } else { error.to_string() };
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use reqwest::Method;

    use super::*;

    #[test]
    fn this_machine_is_known_by_its_addresses() {
        for (address, expected) in [
            ("http://127.0.0.1:80", true),
            ("http://[::1]:80", true),
            ("http://localhost", true),
            ("https://127.example", false),
            ("https://acme.my.salesforce.com", false),
        ] {
            assert_eq!(is_loopback(address), expected, "{address}");
        }
    }

    #[test]
    fn addresses_encode_what_would_break_them() {
        let request = Request::new("poll", Method::GET, ["api", "1.0", "Lead", "a/b"], Repeat::Safe)
            .query("where", "[lastmodified]>='2026-11-24 10:00:00'".to_owned())
            .query("q", "a+b & c".to_owned());
        let base = Url::parse("https://operate.example").map(|base| address(&base, &request).to_string());
        let expected = "https://operate.example/api/1.0/Lead/a%2Fb?where=%5Blastmodified%5D%3E%3D%272026-11-24%2010%3A00%3A00%27&q=a%2Bb%20%26%20c";
        assert_eq!(base.as_deref(), Ok(expected));
    }
}
