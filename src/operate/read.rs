//! Reading Leads. Operate knows no pages and no order, so what is asked for is bounded by time, and the answer is read as a
//! stream.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt as _;
use reqwest::{Method, StatusCode};
use tokio::sync::mpsc;

use super::record::unreadable;
use super::rows::{NotRows, Rows};
use super::{OperateClient, whole_failure};
use crate::http::{Answer, Repeat, Streamed, Trouble};
use crate::lead::Side;
use crate::side::{NativeFields, Page, Position, Record, SideError};

/// Leads handed over at once.
const PAGE: usize = 500;
/// How often a window is asked for again whose answer broke off.
const BREAKS: usize = 3;

impl OperateClient {
    /// Reads every lead changed since, window by window. Rows come in no order, so the checkpoint moves at a window's end.
    pub(super) async fn poll_windows(
        &self,
        from: Option<Position>,
        overlap: TimeDelta,
        pages: &mpsc::Sender<Page>,
    ) -> Result<(), SideError> {
        let mut checkpoint = from;
        for window in self.windows(checkpoint.as_ref().map(|position| position.modified_at - overlap)) {
            let mut breaks = 0;
            loop {
                match self.poll_window(&window, &mut checkpoint, pages).await {
                    // Leads that were handed over already are known by then, and cost nothing the second time.
                    Err(SideError::Unreachable { .. }) if breaks < BREAKS => breaks += 1,
                    other => break other?,
                }
            }
        }
        Ok(())
    }

    /// `where` expressions that together cover all that changed since. The first poll asks for everything at once: nothing
    /// tells how far back the leads go.
    fn windows(&self, since: Option<DateTime<Utc>>) -> Vec<String> {
        let Some(since) = since else { return vec![String::new()] };
        let clock = self.transport.clock();
        let now = Utc::now() + clock.map_or(TimeDelta::zero(), |clock| clock.offset);
        let width = TimeDelta::from_std(self.config.window).unwrap_or(TimeDelta::MAX);
        let field = &self.config.modified_field;
        let mut windows = Vec::new();
        let mut start = since;
        loop {
            let lower = format!("[{field}]>='{}'", self.time.lower_bound(start));
            let end = start.checked_add_signed(width).filter(|end| *end < now);
            let Some(end) = end else {
                windows.push(lower);
                return windows;
            };
            windows.push(format!("{lower}AND[{field}]<'{}'", self.time.stamp(end)));
            start = end;
        }
    }

    async fn poll_window(
        &self,
        window: &str,
        checkpoint: &mut Option<Position>,
        pages: &mpsc::Sender<Page>,
    ) -> Result<(), SideError> {
        let mut answer = self.ask("poll", window).await?;
        let mut newest = checkpoint.clone();
        let mut page = Vec::new();
        while let Some(rows) = answer.next().await? {
            for row in rows {
                let record = self.record(&row)?;
                newest = newest.max(Some(Position { modified_at: record.modified_at, id: record.id.clone() }));
                page.push(record);
            }
            if page.len() >= PAGE {
                let records = std::mem::take(&mut page);
                let full = Page { records, checkpoint: None, as_of: answer.as_of };
                pages.send(full).await.map_err(|_| SideError::Abandoned)?;
            }
        }
        let last = Page { records: page, checkpoint: newest.clone(), as_of: answer.as_of };
        pages.send(last).await.map_err(|_| SideError::Abandoned)?;
        *checkpoint = newest;
        Ok(())
    }

    /// Reads the leads made since.
    pub(super) async fn created_since(&self, since: DateTime<Utc>) -> Result<Vec<Record>, SideError> {
        let condition = format!("[{}]>='{}'", self.config.created_field, self.time.lower_bound(since));
        let mut answer = self.ask("find_created", &condition).await?;
        let mut records = Vec::new();
        while let Some(rows) = answer.next().await? {
            for row in rows {
                records.push(self.record(&row)?);
            }
        }
        Ok(records)
    }

    /// Reads one lead; `None` if there is none of this id.
    pub(super) async fn get(&self, id: &str) -> Result<Option<Record>, SideError> {
        let request = self.request("read", Method::GET, Some(id), Repeat::Safe);
        let answer = self.transport.call(&self.sign_in, &request).await.map_err(|trouble| trouble.into_error(Side::Operate))?;
        self.single(&answer)
    }

    /// A single lead's answer: an object, or an array that holds it.
    pub(super) fn single(&self, answer: &Answer) -> Result<Option<Record>, SideError> {
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !answer.status.is_success() {
            return Err(whole_failure(answer));
        }
        let row = serde_json::from_slice::<NativeFields>(&answer.body).map(Some);
        let row = row.or_else(|_| serde_json::from_slice::<Vec<NativeFields>>(&answer.body).map(|rows| rows.into_iter().next()));
        match row {
            Ok(row) => row.map(|row| self.record(&row)).transpose(),
            Err(_) => Err(SideError::Refused { side: Side::Operate, reason: answer.refusal().to_string() }),
        }
    }

    async fn ask(&self, operation: &'static str, condition: &str) -> Result<Answering<'_>, SideError> {
        let filter = self.config.filter.trim();
        let conditions: Vec<&str> = [condition, filter].into_iter().filter(|each| !each.is_empty()).collect();
        let mut request = self.request(operation, Method::GET, None, Repeat::Safe);
        if !conditions.is_empty() {
            request = request.query("where", conditions.join("AND"));
        }
        let request = request.query("fields", format!("[{}]", self.fields.join(",")));
        let streamed =
            self.transport.stream(&self.sign_in, &request).await.map_err(|trouble| trouble.into_error(Side::Operate))?;
        streamed.map(Answering::new).map_err(|answer| whole_failure(&answer))
    }
}

/// A query's answer, as it comes.
struct Answering<'t> {
    as_of: DateTime<Utc>,
    pieces: futures_util::stream::BoxStream<'t, Result<Vec<u8>, Trouble>>,
    rows: Rows,
}

impl<'t> Answering<'t> {
    fn new(streamed: Streamed<'t>) -> Self {
        Self { as_of: streamed.as_of, pieces: streamed.pieces().boxed(), rows: Rows::default() }
    }

    /// The rows of the next piece; `None` after the last.
    async fn next(&mut self) -> Result<Option<Vec<NativeFields>>, SideError> {
        let Some(piece) = self.pieces.next().await else {
            if self.rows.is_complete() {
                return Ok(None);
            }
            return Err(SideError::Unreachable { side: Side::Operate, reason: "the answer broke off".to_owned() });
        };
        let piece = piece.map_err(|trouble| trouble.into_error(Side::Operate))?;
        match self.rows.take(&piece) {
            Ok(rows) => Ok(Some(rows)),
            Err(NotRows::Damaged(problem)) => Err(unreadable(format!("a list of leads that is damaged: {problem}"))),
            Err(NotRows::NoArray) => Err(self.refusal().await),
        }
    }

    /// A text in the place of rows says why there are none.
    async fn refusal(&mut self) -> SideError {
        let mut text = std::mem::take(&mut self.rows).into_rest();
        while let Some(Ok(piece)) = self.pieces.next().await {
            text.extend_from_slice(&piece);
            if text.len() > 8_000 {
                break;
            }
        }
        text.truncate(8_000);
        SideError::Refused { side: Side::Operate, reason: String::from_utf8_lossy(&text).trim().to_owned() }
    }
}
