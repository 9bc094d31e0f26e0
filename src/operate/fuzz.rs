//! What must hold of Operate's answers, whatever they are.

use std::sync::LazyLock;

use chrono::{Datelike as _, TimeDelta, Timelike as _, Utc};
use chrono_tz::Tz;
use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::Value as Json;

use super::OperateClient;
use super::auth::OperateSignIn;
use super::read::Answering;
use super::record::as_id;
use super::time::LocalTime;
use super::windows::Window;
use super::write::{Sent, understood};
use crate::fuzz::{config, cuts, keeps_out};
use crate::http::Answer;
use crate::http::fuzz::read_answer;
use crate::lead::writable;
use crate::side::{NativeFields, Outcome, Record, SideError};

static CLIENT: LazyLock<OperateClient> =
    LazyLock::new(|| match OperateClient::new(&config().operate, vec!["leadname".to_owned()], Vec::new()) {
        Ok(client) => client,
        Err(error) => panic!("{error}"),
    });

/// A list of leads: the same however it is cut; all of any JSON array of objects; else a text, kept word for word, or an error without
/// a value of the list.
pub(crate) fn rows(data: &[u8]) {
    let mut read = cuts(data).into_iter().map(|pieces| read_list(&pieces));
    let whole = read.next().unwrap_or(Err(SideError::Abandoned));
    for other in read {
        assert_eq!(whole, other);
    }
    if let Ok(expected) = serde_json::from_slice::<Vec<NativeFields>>(data) {
        assert_eq!(whole.as_ref(), Ok(&expected));
    }
    match whole {
        Ok(rows) => rows
            .into_iter()
            .filter_map(|row| CLIENT.record(&mut CLIENT.layout(), row).ok())
            .for_each(|record| can_be_polled(&record)),
        Err(SideError::Refused { reason, .. }) => {
            let said = String::from_utf8_lossy(data.trim_ascii());
            assert!(data.len() > 7_000 || reason == said.trim(), "{reason:?}");
        }
        Err(error) => keeps_out(&error.to_string(), data),
    }
}

fn read_list(pieces: &[&[u8]]) -> Result<Vec<NativeFields>, SideError> {
    let pieces: Vec<_> = pieces.iter().map(|piece| Ok(piece.to_vec())).collect();
    let mut answering = Answering::of(Utc::now(), futures_util::stream::iter(pieces).boxed());
    let all = async {
        let mut rows = Vec::new();
        while let Some(more) = answering.next().await? {
            rows.extend(more);
        }
        Ok(rows)
    };
    all.now_or_never().unwrap_or(Err(SideError::Abandoned))
}

/// A lead has an id that can stand in an address, and a time from which a poll can go on, by a bounded number of queries.
fn can_be_polled(record: &Record) {
    assert!(as_id(&Json::from(record.id.as_str())).is_some_and(|id| id == record.id), "{record:?}");
    let now = Utc::now();
    let windows = Window::cover(Some(record.modified_at - TimeDelta::days(7)), now, TimeDelta::minutes(1));
    assert!(windows.len() <= 1_100, "{} windows", windows.len());
    for window in windows.iter().take(2).chain(windows.last()) {
        assert!(!CLIENT.condition(*window).is_empty());
        let _ = window.halves(now);
    }
}

/// The answer to a write: an outcome for each record. A refusal that is a text is kept word for word; a record that was made is never
/// taken for one that was not.
pub(crate) fn write_answer(data: &[u8]) {
    let answer = read_answer(data);
    let json: Option<Json> = serde_json::from_slice(&answer.body).ok();
    let words = String::from_utf8_lossy(&answer.body);
    match understood(&answer) {
        Sent::Taken(taken) => {
            assert!(answer.status.is_success());
            for expected in 1..4 {
                let outcomes = CLIENT.created(taken.as_ref(), expected);
                assert_eq!(outcomes.len(), expected);
                let ids = outcomes.iter().filter_map(|outcome| if let Outcome::Done { id } = outcome { Some(id) } else { None });
                ids.for_each(|id| assert!(as_id(&Json::from(id.as_str())).is_some(), "{id:?}"));
            }
        }
        Sent::Not(Outcome::Refused(refusal) | Outcome::Retry(refusal) | Outcome::Unknown(refusal)) => {
            assert!(words.len() > 2_000 || refusal.message == words.trim(), "{refusal}");
            let made = json.as_ref().and_then(|json| json.get("leadid")).and_then(Json::as_u64).is_some();
            let no_error = json.and_then(|json| json.get("error").cloned()).is_none_or(|error| error.is_null());
            assert!(!(answer.status.is_success() && made && no_error), "a lead that was made: {words}");
        }
        Sent::Not(outcome) => panic!("{outcome:?}"),
    }
    if let Ok(Some(record)) = CLIENT.single(&answer) {
        can_be_polled(&record);
    }
}

/// A time: what is written is read again, and lies within the bounds that queries ask by.
pub(crate) fn time(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for zone in [Tz::UTC, Tz::Europe__London, Tz::Australia__Lord_Howe, Tz::Pacific__Kiritimati, Tz::America__St_Johns] {
        for format in ["%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M:%S"] {
            let local = LocalTime { zone, format: format.to_owned() };
            let Some(time) = local.parse(&text) else { continue };
            assert_eq!(writable(time), Some(time));
            let stamp = local.stamp(time);
            let again = local.parse(&stamp).unwrap_or_default();
            let whole = time.with_nanosecond(0).unwrap_or(time);
            let repeated = again < whole && whole - again <= TimeDelta::hours(3) && local.stamp(again) == stamp;
            assert!(again == whole || repeated, "{text:?} in {zone} is {time}, written {stamp:?}, read {again}");
            if format.starts_with("%Y") && time.year() < 9_999 {
                assert!(local.lower_bound(time) <= stamp && stamp <= local.upper_bound(time + TimeDelta::seconds(1)), "{stamp}");
            }
        }
    }
}

/// The answer to a sign-in: a session, or an error that holds nothing of a token.
pub(crate) fn sign_in(answer: &Answer) {
    let Ok(sign_in) = OperateSignIn::new(&CLIENT.config) else { return };
    if let (Err(error), true) = (sign_in.session(answer), answer.status.is_success()) {
        keeps_out(&error.to_string(), &answer.body);
    }
}
