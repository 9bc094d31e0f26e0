//! One subscriber's stream: never more events than were asked for, and a sign of life where there are none.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, Streaming};

use super::bus::{place_of, replay_id};
use super::service::{fail, ordered, session_ended, wanted};
use super::wire::{FetchRequest, FetchResponse};
use crate::sandbox::salesforce::Salesforce;

type Outlet = mpsc::Sender<Result<FetchResponse, Status>>;

/// A subscriber.
pub(super) struct Subscriber {
    org: Arc<Salesforce>,
    token: String,
    topic: String,
    place: u64,
    /// Events that were asked for and have not come.
    pending: i32,
    send: Outlet,
    /// How often all streams were cut before this one began.
    cuts: u64,
    sent_at: Instant,
}

impl Subscriber {
    pub(super) fn new(org: Arc<Salesforce>, token: String, topic: String, (place, pending): (u64, i32), send: Outlet) -> Self {
        let cuts = org.bus.cuts();
        Self { org, token, topic, place, pending, send, cuts, sent_at: Instant::now() }
    }

    /// Serves it until one of both sides ends it.
    pub(super) async fn run(mut self, asked: Streaming<FetchRequest>, stop: CancellationToken) {
        let ended = tokio::select! {
            ended = self.serve(asked) => ended,
            () = stop.cancelled() => Some(Status::unavailable("The server is stopping.")),
        };
        if let Some(status) = ended {
            let _ = self.send.send(Err(status)).await;
        }
    }

    /// Gives why it ended; none: the subscriber has gone.
    async fn serve(&mut self, mut asked: Streaming<FetchRequest>) -> Option<Status> {
        let mut news = self.org.bus.news();
        let gone = self.send.clone();
        loop {
            news.borrow_and_update();
            let next_due = match self.deliver().await {
                Ok(next_due) => next_due,
                Err(status) => return Some(status),
            };
            let keep_alive = Duration::from_millis(self.org.state().leads.switches.capture.event_keep_alive_ms);
            let quiet_until = self.sent_at + keep_alive;
            let wake_at = next_due.map_or(quiet_until, |due| due.min(quiet_until));
            tokio::select! {
                () = gone.closed() => return None,
                request = asked.message() => match request {
                    Ok(Some(request)) => if let Err(status) = self.ask(&request) { return Some(status) },
                    Ok(None) | Err(_) => return None,
                },
                _ = news.changed() => {}
                () = tokio::time::sleep_until(wake_at) => if Instant::now() >= quiet_until {
                    self.place = self.org.bus.place_after(self.place, self.org.clock.now());
                    if let Err(status) = self.send(FetchResponse::default()).await {
                        return Some(status);
                    }
                },
            }
        }
    }

    fn ask(&mut self, request: &FetchRequest) -> Result<(), Status> {
        if !request.topic_name.is_empty() && request.topic_name != self.topic {
            let text = "The topic is not that of the first request.";
            return Err(fail(Code::InvalidArgument, "subscription.fetch.topic.mismatch", text));
        }
        let wanted = wanted(request)?;
        self.pending += wanted;
        self.org.bus.see(|seen| seen.asked += u64::try_from(wanted).unwrap_or_default());
        Ok(())
    }

    /// Sends what there is, as far as it was asked for. Gives when there is more.
    async fn deliver(&mut self) -> Result<Option<Instant>, Status> {
        if self.org.bus.cuts() != self.cuts {
            return Err(Status::unavailable("RST_STREAM closed stream."));
        }
        if let Some(code) = self.org.bus.refusal() {
            return Err(ordered(&code));
        }
        if self.pending == 0 {
            return Ok(None);
        }
        let (events, next_due) = self.org.bus.after(self.place, usize::try_from(self.pending).unwrap_or_default());
        if let Some(last) = events.last() {
            self.place = place_of(&last.replay_id);
            self.pending -= i32::try_from(events.len()).unwrap_or(self.pending);
            self.org.bus.see(|seen| seen.sent += events.len() as u64);
            self.send(FetchResponse { events, ..FetchResponse::default() }).await?;
        }
        Ok(next_due)
    }

    async fn send(&mut self, response: FetchResponse) -> Result<(), Status> {
        if !self.org.sessions.accepts(Some(&self.token)) {
            return Err(session_ended());
        }
        let response = FetchResponse {
            latest_replay_id: replay_id(self.place),
            rpc_id: "5a0db0c5-0000-4000-8000-000000000000".to_owned(),
            pending_num_requested: self.pending,
            ..response
        };
        self.sent_at = Instant::now();
        let _ = self.send.send(Ok(response)).await;
        Ok(())
    }
}
