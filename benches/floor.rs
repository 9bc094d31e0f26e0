//! The floor of a first reading: answers parsed as they come, and each row inserted into `SQLite`, and nothing else.
//! `floor ADDRESS QUERY STORE` reads Operate's and prints how many rows there were. `floor ADDRESS QUERY STORE SOQL` reads Salesforce's at the
//! same time, inserts a link for each pair that has the same e-mail address, and prints how many there were.

#![allow(clippy::expect_used, clippy::print_stdout, missing_docs)]

use std::fmt;
use std::io::{self, Read};
use std::sync::mpsc::Receiver;

use futures_util::StreamExt as _;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use tokio::sync::mpsc;

/// Rows of a transaction.
const PAGE: usize = 1_000;
/// Rows of a statement.
const ROWS: usize = 250;

/// A lead: its id, its e-mail address, and its fields.
type Row = (String, String, String);
/// Rows of one side's table.
type Page = (&'static str, Vec<Row>);

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).filter(|word| word != "--bench");
    let (Some(address), Some(query), Some(path)) = (arguments.next(), arguments.next(), arguments.next()) else { return };
    let (pages, read) = mpsc::channel(1);
    let soql = arguments.next();
    let storing = tokio::spawn(store(path, read, soql.is_some()));
    let client = Client::new();
    let (operate, salesforce) = (pages.clone(), pages);
    let other = async {
        match soql {
            Some(soql) => read_salesforce(&client, &address, &soql, salesforce).await,
            None => drop(salesforce),
        }
    };
    tokio::join!(read_operate(&client, &address, &query, operate), other);
    println!("{}", storing.await.expect("a store"));
}

async fn read_operate(client: &Client, address: &str, query: &str, pages: mpsc::Sender<Page>) {
    let (pieces, arriving) = std::sync::mpsc::sync_channel(8);
    let parsing = tokio::task::spawn_blocking(move || {
        let body = Pieces { arriving, piece: Vec::new(), at: 0 };
        serde_json::Deserializer::from_reader(io::BufReader::with_capacity(1 << 16, body)).deserialize_seq(Pages { pages })
    });
    let token = client.post(format!("{address}/oauth2/token")).header(CONTENT_TYPE, "application/x-www-form-urlencoded").send();
    token.await.expect("a sign-in").error_for_status().expect("a token");
    let answer = client.get(format!("{address}/api/1.0/Lead?{query}")).send().await.expect("an answer");
    let mut body = answer.bytes_stream();
    while let Some(piece) = body.next().await {
        let piece = piece.expect("a whole answer").to_vec();
        tokio::task::block_in_place(|| pieces.send(piece)).expect("a parser");
    }
    drop(pieces);
    parsing.await.expect("a parser").expect("an array of objects");
}

async fn read_salesforce(client: &Client, address: &str, soql: &str, pages: mpsc::Sender<Page>) {
    let mut next = Some("/services/data/v64.0/query/".to_owned());
    let mut asked = vec![("q", soql)];
    while let Some(path) = next {
        let body =
            client.get(format!("{address}{path}")).query(&asked).send().await.expect("an answer").bytes().await.expect("a page");
        asked.clear();
        let answer: Answer = serde_json::from_slice(&body).expect("a page");
        next = answer.next_records_url;
        pages
            .send(("salesforce", answer.records.into_iter().map(|row| lead(&row, "Id", "Email")).collect()))
            .await
            .expect("a store");
    }
}

/// A page of Salesforce's.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    next_records_url: Option<String>,
    records: Vec<Map<String, Json>>,
}

fn lead(row: &Map<String, Json>, id: &str, email: &str) -> Row {
    let text = |name: &str| row.get(name).map(Json::to_string).unwrap_or_default();
    (text(id), text(email), serde_json::to_string(row).expect("a text"))
}

async fn store(path: String, mut pages: mpsc::Receiver<Page>, linked: bool) -> u64 {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
    let mut connection = SqliteConnection::connect_with(&options).await.expect("a store");
    for side in ["operate", "salesforce"] {
        let table = format!("CREATE TABLE {side} (id TEXT PRIMARY KEY, email TEXT NOT NULL, fields TEXT NOT NULL) WITHOUT ROWID");
        connection.execute(AssertSqlSafe(table)).await.expect("a table");
    }
    if linked {
        connection.execute("CREATE INDEX by_email ON salesforce (email)").await.expect("an index");
        let table =
            "CREATE TABLE link (operate TEXT PRIMARY KEY, salesforce TEXT NOT NULL UNIQUE, base TEXT NOT NULL) WITHOUT ROWID";
        connection.execute(table).await.expect("a table");
    }
    let mut count = 0;
    while let Some((side, page)) = pages.recv().await {
        let mut tx = connection.begin().await.expect("a transaction");
        for rows in page.chunks(ROWS) {
            let sql = format!("INSERT INTO {side} VALUES {}", vec!["(?, ?, ?)"; rows.len()].join(","));
            let query = sqlx::query(AssertSqlSafe(sql));
            let bound = rows.iter().fold(query, |query, (id, email, fields)| query.bind(id).bind(email).bind(fields));
            bound.execute(&mut *tx).await.expect("rows");
        }
        tx.commit().await.expect("a commit");
        count += page.len() as u64;
    }
    if linked {
        let links = "INSERT INTO link SELECT o.id, s.id, o.fields FROM operate o CROSS JOIN salesforce s USING (email)";
        count = connection.execute(links).await.expect("links").rows_affected();
    }
    count
}

/// The body's pieces, as something to read from.
struct Pieces {
    arriving: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            self.piece = self.arriving.recv().unwrap_or_default();
            self.at = 0;
        }
        let rest = self.piece.get(self.at..).unwrap_or_default();
        let taken = rest.len().min(into.len());
        into.iter_mut().zip(rest).for_each(|(into, byte)| *into = *byte);
        self.at += taken;
        Ok(taken)
    }
}

/// Hands rows over in pages.
struct Pages {
    pages: mpsc::Sender<Page>,
}

impl<'de> Visitor<'de> for Pages {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        let mut page = Vec::with_capacity(PAGE);
        while let Some(row) = rows.next_element::<Map<String, Json>>()? {
            page.push(lead(&row, "leadid", "email"));
            if page.len() == PAGE {
                self.pages.blocking_send(("operate", std::mem::take(&mut page))).expect("a store");
            }
        }
        self.pages.blocking_send(("operate", page)).expect("a store");
        Ok(())
    }
}
