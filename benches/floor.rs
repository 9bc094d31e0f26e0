//! The floor of a first reading from Operate: the answer parsed as it comes, and each row inserted into `SQLite`, and nothing else.
//! `floor ADDRESS QUERY STORE` prints how many rows there were.

#![allow(clippy::expect_used, clippy::print_stdout, missing_docs)]

use std::fmt;
use std::io::{self, Read};
use std::sync::mpsc::Receiver;

use futures_util::StreamExt as _;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use tokio::sync::mpsc;

/// Rows of a transaction.
const PAGE: usize = 1_000;
/// Rows of a statement.
const ROWS: usize = 250;

type Row = (String, String);

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).filter(|word| word != "--bench");
    let (Some(address), Some(query), Some(path)) = (arguments.next(), arguments.next(), arguments.next()) else { return };
    let (pieces, arriving) = std::sync::mpsc::sync_channel(8);
    let (pages, read) = mpsc::channel(1);
    let parsing = tokio::task::spawn_blocking(move || {
        let body = Pieces { arriving, piece: Vec::new(), at: 0 };
        serde_json::Deserializer::from_reader(io::BufReader::with_capacity(1 << 16, body)).deserialize_seq(Pages { pages })
    });
    let storing = tokio::spawn(store(path, read));
    let client = Client::new();
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
    println!("{}", storing.await.expect("a store"));
}

async fn store(path: String, mut pages: mpsc::Receiver<Vec<Row>>) -> usize {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
    let mut connection = SqliteConnection::connect_with(&options).await.expect("a store");
    connection.execute("CREATE TABLE lead (id TEXT PRIMARY KEY, fields TEXT NOT NULL) WITHOUT ROWID").await.expect("a table");
    let mut count = 0;
    while let Some(page) = pages.recv().await {
        let mut tx = connection.begin().await.expect("a transaction");
        for rows in page.chunks(ROWS) {
            let sql = format!("INSERT INTO lead VALUES {}", vec!["(?, ?)"; rows.len()].join(","));
            let query = sqlx::query(AssertSqlSafe(sql));
            rows.iter().fold(query, |query, (id, fields)| query.bind(id).bind(fields)).execute(&mut *tx).await.expect("rows");
        }
        tx.commit().await.expect("a commit");
        count += page.len();
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
    pages: mpsc::Sender<Vec<Row>>,
}

impl<'de> Visitor<'de> for Pages {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        let mut page = Vec::with_capacity(PAGE);
        while let Some(row) = rows.next_element::<Map<String, Json>>()? {
            let id = row.get("leadid").map(Json::to_string).unwrap_or_default();
            page.push((id, serde_json::to_string(&row).expect("a text")));
            if page.len() == PAGE {
                self.pages.blocking_send(std::mem::take(&mut page)).expect("a store");
            }
        }
        self.pages.blocking_send(page).expect("a store");
        Ok(())
    }
}
