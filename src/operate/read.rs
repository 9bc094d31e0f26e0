//! Reading Leads. Operate knows no pages and no order, so what is asked for is bounded by time, and the answer is read as a
//! stream.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt as _;
use reqwest::{Method, StatusCode};
use tokio::sync::mpsc;

use super::record::unreadable;
use super::rows::{NotRows, Rows};
use super::windows::Window;
use super::{OperateClient, whole_failure};
use crate::http::{Answer, Repeat, Streamed, Trouble};
use crate::lead::Side;
use crate::side::{NativeFields, Page, Position, Record, SideError};

/// Leads handed over at once: a power of two, as the store's statements take them.
const PAGE: usize = 1_024;
/// The longest text that is kept of what came in the place of rows.
const TEXT: usize = 8_000;
/// How often a window is asked for again whose answer broke off, before it is halved.
const BREAKS: usize = 1;
/// How often in a row windows are halved before the trouble is taken for another than their size.
const HALVINGS: usize = 10;

impl OperateClient {
    /// Reads every lead changed since, window by window. Rows come in no order, so the checkpoint moves at a window's end. A window
    /// that Operate cannot answer whole, for its size or its time, is halved.
    pub(super) async fn poll_windows(
        &self,
        from: Option<Position>,
        overlap: TimeDelta,
        pages: &mpsc::Sender<Page>,
    ) -> Result<(), SideError> {
        let now = Utc::now() + self.transport.clock().map_or_else(TimeDelta::zero, |clock| clock.offset);
        let width = TimeDelta::from_std(self.config.window).unwrap_or(TimeDelta::MAX);
        let mut checkpoint = from;
        let mut failures = 0;
        let mut windows = Window::cover(checkpoint.as_ref().map(|position| position.modified_at - overlap), now, width);
        while let Some(window) = windows.pop() {
            let mut breaks = 0;
            loop {
                match self.poll_window(window, now, &mut checkpoint, pages).await {
                    // Leads that were handed over already are known by then, and cost nothing the second time.
                    Err(Ended { error: SideError::Unreachable { .. }, answered: true }) if breaks < BREAKS => breaks += 1,
                    Err(Ended { error, answered }) => {
                        failures += 1;
                        let may_be_size = answered && failures <= HALVINGS && matches!(error, SideError::Unreachable { .. });
                        let Some((earlier, later)) = window.halves(now).filter(|_| may_be_size) else { return Err(error) };
                        tracing::warn!(side = %Side::Operate, "poll.window_halved");
                        windows.extend([later, earlier]);
                        break;
                    }
                    Ok(()) => {
                        failures = 0;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// The `where` expression of a window.
    pub(super) fn condition(&self, window: Window) -> String {
        let field = &self.config.modified_field;
        let lower = window.start.map(|start| format!("[{field}]>='{}'", self.time.lower_bound(start)));
        let upper = window.end.map(|end| format!("[{field}]<'{}'", self.time.upper_bound(end)));
        lower.into_iter().chain(upper).collect::<Vec<_>>().join("AND")
    }

    async fn poll_window(
        &self,
        window: Window,
        now: DateTime<Utc>,
        checkpoint: &mut Option<Position>,
        pages: &mpsc::Sender<Page>,
    ) -> Result<(), Ended> {
        let mut answer = self.ask("poll", &self.condition(window)).await?;
        let broke = |error| Ended { error, answered: true };
        let mut newest = checkpoint.clone();
        let mut page = Vec::new();
        let mut layout = self.layout();
        while let Some(rows) = answer.next().await.map_err(broke)? {
            let mut records =
                rows.into_iter().map(|row| self.record(&mut layout, row)).collect::<Result<Vec<_>, _>>().map_err(broke)?;
            self.name_references(&mut records).await.map_err(broke)?;
            // A piece may hold more than one page.
            for record in records {
                newest = newest.max(Some(reached(&record, now)));
                page.push(record);
                if page.len() >= PAGE {
                    let records = std::mem::take(&mut page);
                    let full = Page { records, checkpoint: None, as_of: answer.as_of };
                    pages.send(full).await.map_err(|_| broke(SideError::Abandoned))?;
                }
            }
        }
        let last = Page { records: page, checkpoint: newest.clone(), as_of: answer.as_of };
        pages.send(last).await.map_err(|_| broke(SideError::Abandoned))?;
        *checkpoint = newest;
        Ok(())
    }

    /// Reads the leads made since.
    pub(super) async fn created_since(&self, since: DateTime<Utc>) -> Result<Vec<Record>, SideError> {
        let condition = format!("[{}]>='{}'", self.config.created_field, self.time.lower_bound(since));
        let mut answer = self.ask("find_created", &condition).await?;
        let (mut records, mut layout) = (Vec::new(), self.layout());
        while let Some(rows) = answer.next().await? {
            for row in rows {
                records.push(self.record(&mut layout, row)?);
            }
        }
        self.name_references(&mut records).await?;
        Ok(records)
    }

    /// Reads one lead; `None` if there is none of this id.
    pub(super) async fn get(&self, id: &str) -> Result<Option<Record>, SideError> {
        let request = self.request("read", Method::GET, Some(id), Repeat::Safe);
        let answer = self.transport.call(&self.sign_in, &request).await.map_err(|trouble| trouble.into_error(Side::Operate))?;
        let mut record: Vec<Record> = self.single(&answer)?.into_iter().collect();
        self.name_references(&mut record).await?;
        Ok(record.pop())
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
            Ok(row) => row.map(|row| self.record(&mut self.layout(), row)).transpose(),
            Err(_) => Err(SideError::Refused { side: Side::Operate, reason: answer.refusal().to_string() }),
        }
    }

    pub(super) async fn ask(&self, operation: &'static str, condition: &str) -> Result<Answering<'_>, Ended> {
        let filter = self.config.filter.trim();
        let conditions: Vec<&str> = [condition, filter].into_iter().filter(|each| !each.is_empty()).collect();
        self.ask_for(operation, &conditions.join("AND"), &self.fields).await
    }

    /// A query for these fields, all of them where none is named, without the configured filter.
    pub(super) async fn ask_for(
        &self,
        operation: &'static str,
        condition: &str,
        fields: &[String],
    ) -> Result<Answering<'_>, Ended> {
        let mut request = self.request(operation, Method::GET, None, Repeat::Safe);
        if !condition.is_empty() {
            request = request.query("where", condition.to_owned());
        }
        if !fields.is_empty() {
            request = request.query("fields", format!("[{}]", fields.join(",")));
        }
        match self.transport.stream(&self.sign_in, &request).await {
            Ok(Ok(streamed)) => Ok(Answering::new(streamed)),
            Ok(Err(answer)) => {
                // A server that is there and cannot cope with so much answers with an error of its own, or not in time.
                let answered = matches!(answer.status.as_u16(), 408 | 413 | 500 | 502 | 504);
                Err(Ended { error: whole_failure(&answer), answered })
            }
            Err(trouble) => {
                let answered = matches!(trouble, Trouble::Lost(_));
                Err(Ended { error: trouble.into_error(Side::Operate), answered })
            }
        }
    }
}

impl From<Ended> for SideError {
    fn from(ended: Ended) -> Self {
        ended.error
    }
}

/// How far a poll has got with a lead. Nothing is modified later than now, whatever a row says: a checkpoint out there would skip all
/// that is to come.
fn reached(record: &Record, now: DateTime<Utc>) -> Position {
    Position { modified_at: record.modified_at.min(now), id: record.id.clone() }
}

/// A query that was not answered to its end.
pub(super) struct Ended {
    error: SideError,
    /// Whether Operate was there: then it may be the window's size that is too much.
    answered: bool,
}

/// A query's answer, as it comes.
pub(super) struct Answering<'t> {
    as_of: DateTime<Utc>,
    pieces: futures_util::stream::BoxStream<'t, Result<Vec<u8>, Trouble>>,
    rows: Rows,
}

impl<'t> Answering<'t> {
    fn new(streamed: Streamed<'t>) -> Self {
        Self::of(streamed.as_of, streamed.pieces().boxed())
    }

    pub(super) fn of(as_of: DateTime<Utc>, pieces: futures_util::stream::BoxStream<'t, Result<Vec<u8>, Trouble>>) -> Self {
        Self { as_of, pieces, rows: Rows::default() }
    }

    /// The rows of the next piece; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<NativeFields>>, SideError> {
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
            if text.trim_ascii_start().len() > TEXT {
                break;
            }
        }
        let text = text.trim_ascii_start();
        let text = String::from_utf8_lossy(text.get(..TEXT).unwrap_or(text));
        SideError::Refused { side: Side::Operate, reason: text.trim().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lead_from_the_future_does_not_take_the_checkpoint_there() {
        let now = DateTime::from_timestamp(1_795_000_000, 0).unwrap_or_default();
        let at = |modified_at| reached(&Record { modified_at, ..Record::default() }, now).modified_at;
        assert_eq!(at(now + TimeDelta::days(2_900_000)), now);
        assert_eq!(at(now - TimeDelta::hours(1)), now - TimeDelta::hours(1));
    }
}
