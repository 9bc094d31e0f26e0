//! Reading Leads: the change feed in keyset pages, retrieval by id, search by external id.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::record::unreadable;
use super::{COLLECTION, Fields, RETRIEVE, SalesforceClient};
use crate::http::{Answer, Repeat, json_problem};
use crate::native::NativeRows;
use crate::side::{NativeFields, Page, Position, Record, SideError};

/// Rows of one page: the most that the server puts in one answer.
const PAGE: usize = 2_000;

/// An answer to a query.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueryAnswer {
    #[serde(default)]
    next_records_url: Option<String>,
    #[serde(default)]
    total_size: u64,
    pub(super) records: NativeRows,
}

/// Rows of a query.
pub(super) struct QueryRows {
    pub(super) rows: Vec<NativeFields>,
    /// How many there are in all, those among them that were not fetched.
    pub(super) total: u64,
}

/// Waits until there is room for a page. One that was asked for before would lie in memory, and be asked for again after a crash.
pub(super) async fn wanted(pages: &mpsc::Sender<Page>) -> Result<(), SideError> {
    pages.reserve().await.map(drop).map_err(|_| SideError::Abandoned)
}

impl SalesforceClient {
    /// Reads every Lead changed since, the deleted and merged among them, in the order of (`SystemModstamp`, `Id`).
    ///
    /// Each page asks for what comes after the last row of the one before: a row that changes in between only moves to a
    /// later page, and no cursor has to be kept alive while a page is stored. A first read that turns out to be large goes on by
    /// Bulk API.
    pub(super) async fn poll_changes(
        &self,
        from: Option<Position>,
        overlap: TimeDelta,
        pages: &mpsc::Sender<Page>,
    ) -> Result<(), SideError> {
        let fields = self.fields();
        let start = from.as_ref().map(|position| format!("SystemModstamp >= {}", literal(position.modified_at - overlap)));
        let mut after = start;
        let mut checkpoint = from;
        loop {
            wanted(pages).await?;
            // Without a limit, the first answer tells how many there are.
            let limit = if after.is_some() { format!(" LIMIT {PAGE}") } else { String::new() };
            let soql = format!("{} ORDER BY SystemModstamp ASC, Id ASC{limit}", self.change_query(&fields, after.as_deref()));
            let (rows, as_of) = self.rows("poll", true, &soql, PAGE).await?;
            if after.is_none() && rows.total >= self.bulk_read && self.poll_by_bulk(&fields, as_of, pages).await? {
                return Ok(());
            }
            let is_last = rows.rows.len() < PAGE;
            let records = self.records(&fields, rows.rows).await?;
            let last = records.last().map(|record| Position { modified_at: record.modified_at, id: record.id.clone() });
            // A page of the overlap lies behind the checkpoint, which never goes back.
            checkpoint = checkpoint.max(last.clone());
            let page = Page { records, checkpoint: checkpoint.clone(), as_of };
            pages.send(page).await.map_err(|_| SideError::Abandoned)?;
            match last {
                Some(last) if !is_last => {
                    let time = literal(last.modified_at);
                    after = Some(format!("(SystemModstamp > {time} OR (SystemModstamp = {time} AND Id > {}))", quoted(&last.id)));
                }
                _ => return Ok(()),
            }
        }
    }

    /// How many leads the configured filter leaves.
    pub async fn count(&self) -> Result<u64, SideError> {
        let condition = self.filter_condition().map(|filter| format!(" WHERE {filter}")).unwrap_or_default();
        let (rows, _) = self.rows("check", false, &format!("SELECT COUNT() FROM Lead{condition}"), PAGE).await?;
        Ok(rows.total)
    }

    /// The configured filter, in brackets.
    pub(super) fn filter_condition(&self) -> Option<String> {
        Some(self.filter.trim()).filter(|filter| !filter.is_empty()).map(|filter| format!("({filter})"))
    }

    pub(super) fn change_query(&self, fields: &Fields, after: Option<&str>) -> String {
        let filter = self.filter_condition();
        let conditions: Vec<&str> = after.into_iter().chain(filter.as_deref()).collect();
        let condition = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        format!("SELECT {} FROM Lead{condition}", fields.asked.join(","))
    }

    /// Runs a query until it has so many rows, or all. The moment is that of its first answer.
    pub(super) async fn rows(
        &self,
        operation: &'static str,
        with_deleted: bool,
        soql: &str,
        at_most: usize,
    ) -> Result<(QueryRows, DateTime<Utc>), SideError> {
        let resource = if with_deleted { "queryAll" } else { "query" };
        let request = self.request(operation, Method::GET, &[resource], Repeat::Safe).query("q", soql.to_owned());
        let mut answer = self.expect(&request).await?;
        let as_of = answer.as_of;
        let mut rows = Vec::new();
        loop {
            let part: QueryAnswer = parse(&answer)?;
            rows.extend(part.records.0.into_iter().flatten());
            let next = part.next_records_url.filter(|_| rows.len() < at_most);
            let Some(next) = next else { return Ok((QueryRows { rows, total: part.total_size }, as_of)) };
            // The server may put fewer rows in an answer than were asked for.
            let cursor = next.rsplit('/').next().unwrap_or_default();
            answer = self.expect(&self.request(operation, Method::GET, &["query", cursor], Repeat::Safe)).await?;
        }
    }

    /// Reads these Leads. Those that were deleted come as such for as long as the recycle bin has them; those that are not visible
    /// are left out.
    pub(super) async fn read_all(&self, ids: &[String]) -> Result<Vec<Record>, SideError> {
        let mut records = self.retrieve(ids).await?;
        let missing: Vec<&str> = ids
            .iter()
            .map(String::as_str)
            .filter(|id| !records.iter().any(|record| id.get(..15) == record.id.get(..15)))
            .collect();
        if !missing.is_empty() {
            records.extend(self.matching("read", true, "Id", &missing).await?);
        }
        Ok(records)
    }

    /// Reads these Leads; those that are deleted or not visible are left out.
    pub(super) async fn retrieve(&self, ids: &[String]) -> Result<Vec<Record>, SideError> {
        let fields = self.fields();
        let mut records = Vec::new();
        for chunk in ids.chunks(RETRIEVE) {
            let request = self.request("read", Method::POST, &["composite", "sobjects", "Lead"], Repeat::Safe);
            let answer = self.expect(&request.json(&json!({ "ids": chunk, "fields": fields.asked }))).await?;
            let rows: NativeRows = parse(&answer)?;
            records.extend(self.records(&fields, rows.0.into_iter().flatten().collect()).await?);
        }
        Ok(records)
    }

    /// Looks for Leads that hold one of these external ids.
    pub(super) async fn by_external_ids(&self, ids: &[&str]) -> Result<Vec<Record>, SideError> {
        self.matching("find_created", false, &self.external_id_field, ids).await
    }

    async fn matching(
        &self,
        operation: &'static str,
        with_deleted: bool,
        field: &str,
        values: &[&str],
    ) -> Result<Vec<Record>, SideError> {
        let fields = self.fields();
        let mut records = Vec::new();
        for chunk in values.chunks(COLLECTION) {
            let list: Vec<String> = chunk.iter().map(|value| quoted(value)).collect();
            let soql = format!("SELECT {} FROM Lead WHERE {field} IN ({})", fields.asked.join(","), list.join(","));
            let (rows, _) = self.rows(operation, with_deleted, &soql, usize::MAX).await?;
            records.extend(self.records(&fields, rows.rows).await?);
        }
        Ok(records)
    }
}

pub(super) fn parse<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, SideError> {
    serde_json::from_slice(&answer.body)
        .map_err(|error| unreadable(format!("an answer that is not as documented: {}", json_problem(&error))))
}

/// A SOQL dateTime.
pub(super) fn literal(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A SOQL string.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for each in text.chars() {
        match each {
            '\'' | '\\' => quoted.extend(['\\', each]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_cannot_end_a_soql_string() {
        assert_eq!(quoted(r"O'Brien \ x"), r"'O\'Brien \\ x'");
    }
}
