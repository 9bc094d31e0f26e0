//! Reading Leads: the change feed in keyset pages, retrieval by id, search by external id.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::record::unreadable;
use super::{COLLECTION, RETRIEVE, SalesforceClient};
use crate::http::{Answer, Repeat};
use crate::side::{NativeFields, Page, Position, Record, SideError};

/// Rows of one page: the most that the server puts in one answer.
const PAGE: usize = 2_000;

/// An answer to a query.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct QueryAnswer {
    #[serde(default)]
    next_records_url: Option<String>,
    records: Vec<NativeFields>,
}

impl SalesforceClient {
    /// Reads every Lead changed since, the deleted and merged among them, in the order of (`SystemModstamp`, `Id`).
    ///
    /// Each page asks for what comes after the last row of the one before: a row that changes in between only moves to a
    /// later page, and no cursor has to be kept alive while a page is stored.
    pub(super) async fn poll_changes(
        &self,
        from: Option<Position>,
        overlap: TimeDelta,
        pages: &mpsc::Sender<Page>,
    ) -> Result<(), SideError> {
        let start = from.as_ref().map(|position| format!("SystemModstamp >= {}", literal(position.modified_at - overlap)));
        let mut after = start;
        let mut checkpoint = from;
        loop {
            let (records, as_of) = self.query("poll", true, &self.change_query(after.as_deref())).await?;
            let is_last = records.len() < PAGE;
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

    fn change_query(&self, after: Option<&str>) -> String {
        let filter = Some(self.filter.trim()).filter(|filter| !filter.is_empty()).map(|filter| format!("({filter})"));
        let conditions: Vec<&str> = after.into_iter().chain(filter.as_deref()).collect();
        let condition = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        format!("SELECT {} FROM Lead{condition} ORDER BY SystemModstamp ASC, Id ASC LIMIT {PAGE}", self.fields.join(","))
    }

    /// Runs a query to its end. The moment is that of its first answer.
    async fn query(
        &self,
        operation: &'static str,
        with_deleted: bool,
        soql: &str,
    ) -> Result<(Vec<Record>, DateTime<Utc>), SideError> {
        let resource = if with_deleted { "queryAll" } else { "query" };
        let request = self.request(operation, Method::GET, &[resource], Repeat::Safe).query("q", soql.to_owned());
        let mut answer = self.expect(&request).await?;
        let as_of = answer.as_of;
        let mut records = Vec::new();
        loop {
            let part: QueryAnswer = parse(&answer)?;
            for row in part.records {
                records.push(self.record(row)?);
            }
            let Some(next) = part.next_records_url else { return Ok((records, as_of)) };
            // The server may put fewer rows in an answer than were asked for.
            let cursor = next.rsplit('/').next().unwrap_or_default();
            answer = self.expect(&self.request(operation, Method::GET, &["query", cursor], Repeat::Safe)).await?;
        }
    }

    /// Reads these Leads; those that are deleted or not visible are left out.
    pub(super) async fn retrieve(&self, ids: &[String]) -> Result<Vec<Record>, SideError> {
        let mut records = Vec::new();
        for chunk in ids.chunks(RETRIEVE) {
            let request = self.request("read", Method::POST, &["composite", "sobjects", "Lead"], Repeat::Safe);
            let answer = self.expect(&request.json(&json!({ "ids": chunk, "fields": self.fields }))).await?;
            let rows: Vec<Option<NativeFields>> = parse(&answer)?;
            for row in rows.into_iter().flatten() {
                records.push(self.record(row)?);
            }
        }
        Ok(records)
    }

    /// Looks for Leads that hold one of these external ids.
    pub(super) async fn by_external_ids(&self, ids: &[&str]) -> Result<Vec<Record>, SideError> {
        let mut records = Vec::new();
        for chunk in ids.chunks(COLLECTION) {
            let list: Vec<String> = chunk.iter().map(|id| quoted(id)).collect();
            let fields = self.fields.join(",");
            let soql = format!("SELECT {fields} FROM Lead WHERE {} IN ({})", self.external_id_field, list.join(","));
            records.extend(self.query("find_created", false, &soql).await?.0);
        }
        Ok(records)
    }
}

pub(super) fn parse<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, SideError> {
    serde_json::from_slice(&answer.body).map_err(|error| unreadable(format!("JSON that is not as documented: {error}")))
}

/// A SOQL dateTime.
fn literal(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A SOQL string.
fn quoted(text: &str) -> String {
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
