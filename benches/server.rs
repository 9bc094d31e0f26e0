//! Both systems as far as reading goes, lean enough not to be what a measurement measures: leads are made as they are asked for, and
//! none is kept. Serves Salesforce's sign-in, describe and queries, and Operate's sign-in and list. Whole behaviour is the
//! sandbox's business.
//!
//! `server --leads N [--salesforce N] [--operate N] [--spacing SECONDS]` prints its address and answers until it is killed. Lead `i` is the
//! same person on both sides, was modified `i` times the spacing after the first, and the last is an hour old.

#![allow(clippy::print_stdout, clippy::expect_used, missing_docs)]

mod fields;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use chrono::{DateTime, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use clap::Parser;
use futures_util::stream;
use serde_json::json;

use fields::{FIELDS, value};

/// Rows of one answer to a query, as Salesforce gives them.
const PAGE: usize = 2_000;
/// Rows that are made at once for Operate's answer.
const PIECE: usize = 500;

#[derive(Parser)]
struct Arguments {
    /// Leads on each side.
    #[arg(long, default_value_t = 0)]
    leads: usize,
    /// Leads in Salesforce, if it is another number.
    #[arg(long)]
    salesforce: Option<usize>,
    /// Leads in Operate, if it is another number.
    #[arg(long)]
    operate: Option<usize>,
    /// Seconds between the modified times of two leads.
    #[arg(long, default_value_t = 60)]
    spacing: u32,
    /// What `cargo bench` says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

struct Org {
    address: String,
    salesforce: usize,
    operate: usize,
    spacing: TimeDelta,
    first: DateTime<Utc>,
    /// Queries whose answer has further pages.
    queries: Mutex<Vec<Soql>>,
    requests: [AtomicU64; 2],
}

/// A query, as far as it makes a difference here.
#[derive(Clone, Debug)]
struct Soql {
    columns: Vec<String>,
    range: std::ops::Range<usize>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments = Arguments::parse();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("its address"));
    let (salesforce, operate) = (arguments.salesforce.unwrap_or(arguments.leads), arguments.operate.unwrap_or(arguments.leads));
    let spacing = TimeDelta::seconds(arguments.spacing.into());
    let span = spacing * i32::try_from(salesforce.max(operate)).expect("a count of leads");
    // The same all day: a store that knows the leads finds none of them changed when the server is started again.
    let first = Utc::now().date_naive().and_time(NaiveTime::MIN).and_utc() - TimeDelta::hours(1) - span;
    let org = Arc::new(Org {
        address: address.clone(),
        salesforce,
        operate,
        spacing,
        first,
        queries: Mutex::default(),
        requests: [AtomicU64::new(0), AtomicU64::new(0)],
    });
    let router = Router::new()
        .route("/services/oauth2/token", post(sign_in))
        .route("/oauth2/token", post(sign_in))
        .route("/services/data/{version}/sobjects", get(objects))
        .route("/services/data/{version}/sobjects/Lead/describe", get(describe))
        .route("/services/data/{version}/sobjects/Lead/{log}", get(change_log))
        .route("/services/data/{version}/limits", get(limits))
        .route("/services/data/{version}/{resource}", get(query))
        .route("/services/data/{version}/query/", get(query))
        .route("/services/data/{version}/query/{cursor}", get(next_page))
        .route("/services/data/{version}/queryAll/{cursor}", get(next_page))
        .route("/api/1.0/Lead", get(list))
        .route("/requests", get(requests))
        .with_state(org);
    println!("{address}");
    axum::serve(listener, router).await.expect("a server");
}

async fn sign_in(State(org): State<Arc<Org>>) -> Response {
    answer(&org, json!({ "access_token": "bench", "instance_url": org.address, "token_type": "Bearer" }).to_string())
}

async fn requests(State(org): State<Arc<Org>>) -> String {
    let count = |which: usize| org.requests.get(which).map_or(0, |count| count.load(Ordering::Relaxed));
    json!({ "operate": count(0), "salesforce": count(1) }).to_string()
}

async fn objects(State(org): State<Arc<Org>>) -> Response {
    answer(&org, json!({ "sobjects": [{ "name": "Lead", "queryable": true, "retrieveable": true }] }).to_string())
}

async fn limits(State(org): State<Arc<Org>>) -> Response {
    answer(&org, json!({ "DailyApiRequests": { "Max": 100_000, "Remaining": 99_000 } }).to_string())
}

/// The logs that a sweep reads: nothing was changed or deleted.
async fn change_log(State(org): State<Arc<Org>>) -> Response {
    org.count(1);
    let covered = Utc::now().format("%Y-%m-%dT%H:%M:%S.000+0000").to_string();
    let text = json!({ "ids": [], "deletedRecords": [], "earliestDateAvailable": null, "latestDateCovered": covered });
    answer(&org, text.to_string())
}

async fn describe(State(org): State<Arc<Org>>) -> Response {
    let own = [
        ("Id", "id"),
        ("IsDeleted", "boolean"),
        ("IsConverted", "boolean"),
        ("MasterRecordId", "reference"),
        ("CreatedDate", "datetime"),
        ("SystemModstamp", "datetime"),
        ("Operate_Lead_Id__c", "string"),
    ];
    let mapped = FIELDS.iter().map(|(_, name, kind, _)| (*name, *kind));
    let fields: Vec<_> = own
        .into_iter()
        .chain(mapped)
        .map(|(name, kind)| {
            let key = name == "Operate_Lead_Id__c";
            json!({
                "name": name, "label": name, "type": kind, "length": 32_000, "precision": 18, "scale": 2, "nillable": true,
                "createable": true, "updateable": true, "externalId": key, "unique": key, "idLookup": key,
                "calculated": false, "compoundFieldName": null, "deprecatedAndHidden": false, "referenceTo": [], "picklistValues": [],
            })
        })
        .collect();
    let text =
        json!({ "name": "Lead", "createable": true, "updateable": true, "deletable": true, "queryable": true, "fields": fields });
    answer(&org, text.to_string())
}

async fn query(State(org): State<Arc<Org>>, Query(asked): Query<BTreeMap<String, String>>) -> Response {
    org.count(1);
    let soql = org.parse(asked.get("q").map(String::as_str).unwrap_or_default());
    let number = {
        let mut queries = org.queries.lock().unwrap_or_else(PoisonError::into_inner);
        if soql.range.len() > PAGE {
            queries.push(soql.clone());
        }
        queries.len()
    };
    answer(&org, org.page(&soql, number, soql.range.start))
}

async fn next_page(State(org): State<Arc<Org>>, Path((_, cursor)): Path<(String, String)>) -> Response {
    org.count(1);
    let (number, start) = cursor.split_once('-').expect("a cursor");
    let number: usize = number.parse().expect("a cursor's query");
    let soql = org.queries.lock().unwrap_or_else(PoisonError::into_inner).get(number - 1).cloned().expect("a known cursor");
    answer(&org, org.page(&soql, number, start.parse().expect("a cursor's start")))
}

async fn list(State(org): State<Arc<Org>>, Query(asked): Query<BTreeMap<String, String>>) -> Response {
    org.count(0);
    let condition = asked.get("where").map(String::as_str).unwrap_or_default();
    let bound = |operator: &str, otherwise: usize| {
        let Some((_, rest)) = condition.split_once(operator) else { return otherwise };
        let text = rest.split('\'').nth(1).unwrap_or_default();
        let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").expect("a time").and_utc();
        org.since(time, org.operate)
    };
    let (start, end) = (bound("]>=", 0), bound("]<", org.operate));
    let columns: Vec<String> = asked
        .get("fields")
        .map(|names| names.trim_matches(['[', ']']).split(',').map(str::to_owned).collect())
        .unwrap_or_default();
    let pieces = stream::unfold(Some(start), move |next| {
        let (org, columns) = (Arc::clone(&org), columns.clone());
        async move {
            let from = next?;
            let to = (from + PIECE).min(end).max(from);
            let mut text = String::with_capacity(PIECE * 1_200);
            text.push_str(if from == start { "[" } else { "," });
            for lead in from..to {
                if lead > from {
                    text.push(',');
                }
                org.operate_row(&mut text, lead, &columns);
            }
            let more = to < end;
            if !more {
                text.push(']');
            }
            Some((Ok::<_, Infallible>(Bytes::from(text)), more.then_some(to)))
        }
    });
    ([(header::CONTENT_TYPE, "application/json"), (header::DATE, &date())], Body::from_stream(pieces)).into_response()
}

fn answer(org: &Org, text: String) -> Response {
    let used = org.requests.get(1).map_or(0, |count| count.load(Ordering::Relaxed));
    let usage = format!("api-usage={used}/10000000");
    let limit = header::HeaderName::from_static("sforce-limit-info");
    ([(header::CONTENT_TYPE, "application/json".to_owned()), (header::DATE, date()), (limit, usage)], text).into_response()
}

fn date() -> String {
    Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

impl Org {
    fn count(&self, side: usize) {
        if let Some(count) = self.requests.get(side) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn modified(&self, lead: usize) -> DateTime<Utc> {
        self.first + self.spacing * i32::try_from(lead).expect("a lead")
    }

    /// The first of so many leads that was modified at this time or later.
    fn since(&self, time: DateTime<Utc>, count: usize) -> usize {
        let (passed, spacing) = ((time - self.first).num_seconds(), self.spacing.num_seconds());
        usize::try_from((passed + spacing - 1).div_euclid(spacing)).unwrap_or(0).min(count)
    }

    /// Understands `SELECT … FROM Lead [WHERE SystemModstamp …] [LIMIT n]`, in the order of the modified time.
    fn parse(&self, soql: &str) -> Soql {
        let columns = soql.split_once("SELECT ").and_then(|(_, rest)| rest.split_once(" FROM ")).map(|(columns, _)| columns);
        let columns = columns.unwrap_or_default().split(',').map(|name| name.trim().to_owned()).collect();
        let time = |operator: &str| {
            let (_, rest) = soql.split_once(operator)?;
            let text = rest.split([' ', ')']).next().unwrap_or_default();
            Some(DateTime::parse_from_rfc3339(text).expect("a time").to_utc())
        };
        let after = soql.split_once("Id > '").and_then(|(_, rest)| rest.get(5..15)).map(str::parse::<usize>);
        let start = match (after, time("SystemModstamp >= ")) {
            (Some(after), _) => after.expect("an id") + 1,
            (None, Some(time)) => self.since(time, self.salesforce),
            (None, None) => 0,
        };
        let limit = soql.split_once("LIMIT ").map_or(usize::MAX, |(_, limit)| limit.trim().parse().expect("a limit"));
        let end = start.saturating_add(limit).min(self.salesforce);
        Soql { columns, range: start.min(end)..end }
    }

    fn page(&self, soql: &Soql, number: usize, start: usize) -> String {
        let end = (start + PAGE).min(soql.range.end);
        let mut text = String::with_capacity(PAGE * 1_200);
        let _ = write!(text, r#"{{"totalSize":{},"done":{}"#, soql.range.len(), end == soql.range.end);
        if end < soql.range.end {
            let _ = write!(text, r#","nextRecordsUrl":"/services/data/v64.0/query/{number}-{end}""#);
        }
        text.push_str(r#","records":["#);
        for lead in start..end {
            if lead > start {
                text.push(',');
            }
            self.salesforce_row(&mut text, lead, &soql.columns);
        }
        text.push_str("]}");
        text
    }

    fn salesforce_row(&self, text: &mut String, lead: usize, columns: &[String]) {
        let id = salesforce_id(lead);
        let _ = write!(text, r#"{{"attributes":{{"type":"Lead","url":"/services/data/v64.0/sobjects/Lead/{id}"}}"#);
        for column in columns {
            let _ = write!(text, r#","{column}":"#);
            match column.as_str() {
                "Id" => _ = write!(text, "\"{id}\""),
                "SystemModstamp" | "CreatedDate" => {
                    _ = write!(text, "\"{}\"", self.modified(lead).format("%Y-%m-%dT%H:%M:%S.000+0000"));
                }
                "IsDeleted" | "IsConverted" => text.push_str("false"),
                name => match FIELDS.iter().find(|(_, known, ..)| *known == name) {
                    Some((_, _, kind, word)) => value(text, kind, word, lead),
                    None => text.push_str("null"),
                },
            }
        }
        text.push('}');
    }

    fn operate_row(&self, text: &mut String, lead: usize, columns: &[String]) {
        text.push('{');
        for (place, column) in columns.iter().enumerate() {
            let _ = write!(text, "{}\"{column}\":", if place > 0 { "," } else { "" });
            match column.as_str() {
                "leadid" => _ = write!(text, "{}", lead + 1),
                "lastmodified" | "created" => _ = write!(text, "\"{}\"", self.modified(lead).format("%Y-%m-%d %H:%M:%S")),
                "converted" => text.push_str("\"0\""),
                name => match FIELDS.iter().find(|(known, ..)| *known == name) {
                    Some((_, _, kind, word)) => value(text, kind, word, lead),
                    None => text.push_str("\"\""),
                },
            }
        }
        text.push('}');
    }
}

fn salesforce_id(lead: usize) -> String {
    format!("00Q5e{lead:010}EAA")
}
