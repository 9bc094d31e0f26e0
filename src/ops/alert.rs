//! Alerts: a webhook is told what waits for a person, and when that is over; about each kind at most one message in a while.
//!
//! What was told is kept in the store, so that a program that starts again and again does not tell it again and again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::Ops;
use crate::config::Config;
use crate::config::ops::{AlertConfig, AlertFormat, AlertKind};
use crate::lead::Side;
use crate::schedule::Schedule;
use crate::store::{Troubles, stamp, time};

/// How often it is looked, beside each end of a cycle.
const LOOK: Duration = Duration::from_secs(15);
/// How long a webhook may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Something that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Matter {
    /// How many of them.
    count: i64,
    /// In words, without any value of a lead.
    text: String,
}

/// What was told last about a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    /// When.
    at: DateTime<Utc>,
    /// How many there were; none: that it was over.
    count: i64,
}

/// Watches until the program ends.
pub(super) async fn watch(ops: Arc<Ops>) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            () = ops.pulse.changed() => {}
        }
        let config = ops.config();
        let Some(alert) = &config.ops.alert else { continue };
        if let Err(error) = look_once(&ops, &config, alert).await {
            tracing::error!(error = %error, "alert.store_unreadable");
        }
    }
}

async fn look_once(ops: &Ops, config: &Config, alert: &AlertConfig) -> Result<(), crate::store::StoreError> {
    let now = Utc::now();
    let troubles = ops.store.troubles().await?;
    let matters = matters(ops, config, alert, &troubles, now);
    for kind in &alert.on {
        let name = format!("alert_{}", kind.as_str());
        let told: Option<Told> = ops.store.fact(&name).await?.and_then(|told| serde_json::from_str(&told).ok());
        let matter = matters.get(kind);
        if !is_worth_telling(told, matter.map_or(0, |matter| matter.count), alert.every, now) {
            continue;
        }
        match post(alert, message(alert.format, *kind, matter, ops.place.pair(), now)).await {
            Ok(()) => {
                tracing::info!(alert.kind = kind.as_str(), alert.firing = matter.is_some(), "alert.told");
                let told = Told { at: now, count: matter.map_or(0, |matter| matter.count) };
                ops.store.keep_fact(&name, &json!(told).to_string()).await?;
            }
            Err(problem) => tracing::warn!(alert.kind = kind.as_str(), problem, hint = "it is tried again", "alert.not_told"),
        }
    }
    Ok(())
}

/// News is: that there is something, that there is more of it, that it is over. Other than the very first, it waits its turn.
fn is_worth_telling(told: Option<Told>, count: i64, every: Duration, now: DateTime<Utc>) -> bool {
    let Some(told) = told else { return count > 0 };
    let is_news = if told.count == 0 { count > 0 } else { count == 0 || count > told.count };
    let every = TimeDelta::from_std(every).unwrap_or(TimeDelta::MAX);
    // A clock that was put back does not silence it for longer.
    let waited = now - told.at;
    is_news && (waited >= every || waited < TimeDelta::zero())
}

fn matters(
    ops: &Ops,
    config: &Config,
    alert: &AlertConfig,
    troubles: &Troubles,
    now: DateTime<Utc>,
) -> BTreeMap<AlertKind, Matter> {
    let mut matters = BTreeMap::new();
    let mut add = |kind, count: i64, text: String| {
        if count > 0 {
            matters.insert(kind, Matter { count, text });
        }
    };
    let Troubles { parked, conflicts, stops, .. } = troubles;
    add(AlertKind::Parked, *parked, format!("{parked} lead(s) are parked: `leadsync parked` says why"));
    add(AlertKind::Conflict, *conflicts, format!("{conflicts} conflict(s) are open: `leadsync conflicts` lists them"));
    if let Some(reason) = &stops.braked {
        add(AlertKind::Brake, 1, format!("writes are stopped: {reason}"));
    }
    let trouble = ops.pulse.trouble();
    if let Some(trouble) = trouble.as_ref().filter(|trouble| trouble.is_of_sign_in) {
        add(AlertKind::Auth, 1, format!("the sign-in is refused since {}: {}", stamp(trouble.since), trouble.reason));
    }
    let late = late(config, alert.lag, troubles, ops.pulse.started_at(), now);
    if !late.is_empty() {
        let why = trouble.map(|trouble| format!("; the last cycle failed: {}", trouble.reason)).unwrap_or_default();
        add(AlertKind::Lag, 1, format!("{}{why}", late.join("; ")));
    }
    matters
}

/// What is late, in words.
fn late(config: &Config, lag: TimeDelta, troubles: &Troubles, started_at: DateTime<Utc>, now: DateTime<Utc>) -> Vec<String> {
    let polls = Schedule::parse(&config.schedule.poll).ok();
    let mut late = Vec::new();
    for side in Side::BOTH {
        let polled_at = troubles.polled_at.get(side).as_deref().map(time);
        // A daemon that was stopped for a while has its time to catch up.
        let since = polled_at.map_or(started_at, |polled_at| polled_at.max(started_at));
        let due = polls.as_ref().and_then(|polls| polls.next(since)).unwrap_or(since);
        if now - due > lag {
            let last = polled_at.map_or_else(|| "never".to_owned(), stamp);
            late.push(format!("{}'s leads were last read completely {last}", side.title()));
        }
    }
    let is_stopped = troubles.stops.paused.is_some() || troubles.stops.braked.is_some();
    if let Some(since) = troubles.oldest_waiting.as_deref().filter(|since| !is_stopped && now - time(since) > lag) {
        late.push(format!("the oldest write waits since {since}"));
    }
    late
}

async fn post(alert: &AlertConfig, message: Json) -> Result<(), String> {
    // The address is a secret: it is in none of these errors.
    let client = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build();
    let client = client.map_err(|error| error.without_url().to_string())?;
    let answer = client.post(alert.webhook.expose_secret().trim()).json(&message).send().await;
    let status = answer.map_err(|error| error.without_url().to_string())?.status();
    if status.is_success() { Ok(()) } else { Err(format!("the webhook answers with status {status}")) }
}

/// `pair`: whose it is, where one process serves many.
fn message(format: AlertFormat, kind: AlertKind, matter: Option<&Matter>, pair: Option<&str>, now: DateTime<Utc>) -> Json {
    let kind = kind.as_str();
    let text = matter.map_or_else(|| format!("over: nothing is left of {kind}"), |matter| matter.text.clone());
    match format {
        AlertFormat::Slack => {
            let sign = if matter.is_some() { ":warning:" } else { ":white_check_mark:" };
            // Slack reads these three as its own.
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let pair = pair.map(|pair| format!(", {pair}")).unwrap_or_default();
            json!({ "text": format!("{sign} leadsync{pair}: {text}") })
        }
        AlertFormat::Generic => {
            let mut message = json!({
                "source": "leadsync",
                "version": env!("CARGO_PKG_VERSION"),
                "alert": kind,
                "state": if matter.is_some() { "firing" } else { "resolved" },
                "count": matter.map_or(0, |matter| matter.count),
                "message": text,
                "at": stamp(now),
            });
            if let (Some(pair), Some(fields)) = (pair, message.as_object_mut()) {
                fields.insert("pair".to_owned(), json!(pair));
            }
            message
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lead::PerSide;

    #[test]
    fn news_is_told_at_once_at_first_and_then_waits_its_turn() {
        let now = Utc::now();
        let ago = |minutes, count| Some(Told { at: now - TimeDelta::minutes(minutes), count });
        for (told, count, expected) in [
            (None, 0, false),
            (None, 1, true),
            (ago(1, 1), 2, false),
            (ago(15, 1), 2, true),
            (ago(15, 2), 2, false),
            (ago(15, 2), 1, false),
            (ago(1, 2), 0, false),
            (ago(15, 2), 0, true),
            (ago(1, 0), 3, false),
            (ago(15, 0), 3, true),
            (ago(15, 0), 0, false),
            (ago(-600, 0), 1, true),
        ] {
            assert_eq!(is_worth_telling(told, count, Duration::from_mins(15), now), expected, "{told:?} {count}");
        }
    }

    #[test]
    fn a_message_says_what_in_the_form_that_is_wanted() {
        let now = Utc::now();
        let matter = Matter { count: 2, text: "2 <lead(s)> & more".to_owned() };
        let slack = message(AlertFormat::Slack, AlertKind::Parked, Some(&matter), None, now);
        assert_eq!(slack, json!({ "text": ":warning: leadsync: 2 &lt;lead(s)&gt; &amp; more" }));
        let slack = message(AlertFormat::Slack, AlertKind::Parked, Some(&matter), Some("acme"), now);
        assert_eq!(slack["text"], json!(":warning: leadsync, acme: 2 &lt;lead(s)&gt; &amp; more"));
        let over = message(AlertFormat::Generic, AlertKind::Brake, None, Some("acme"), now);
        let (alert, state) = (json!("brake"), json!("resolved"));
        assert_eq!((&over["alert"], &over["state"], &over["count"], &over["pair"]), (&alert, &state, &json!(0), &json!("acme")));
    }

    #[test]
    fn lag_is_counted_from_the_poll_that_was_due() {
        let started_at = time("2026-11-24T10:00:00.000Z");
        let lag = TimeDelta::minutes(15);
        let mut troubles = Troubles::default();
        let text = "[operate]\nbase_url = \"https://o.example\"\nauth = { client_id = \"a\", client_secret = \"env:S\" }\n[salesforce]\n\
                    login_url = \"https://acme.my.salesforce.com\"\nauth = { client_id = \"a\", client_secret = \"env:S\" }\n[schedule]\n\
                    poll = \"0 0 * * * *\"\n[sync]\nmatch = [[\"email\"]]\n[[fields]]\nname = \"email\"\noperate = \"email\"\nsalesforce = \"Email\"\n";
        let Ok(loaded) = Config::from_text(text, "leadsync.toml", [("S".to_owned(), "s".to_owned())]) else {
            panic!("a configuration")
        };
        let late = |troubles: &Troubles, at: &str| late(&loaded.config, lag, troubles, started_at, time(at)).len();
        assert_eq!(late(&troubles, "2026-11-24T11:10:00.000Z"), 0, "the first poll is due at eleven");
        assert_eq!(late(&troubles, "2026-11-24T11:20:00.000Z"), 2);
        troubles.polled_at = PerSide::build(|_| Some("2026-11-24T11:00:01.000Z".to_owned()));
        assert_eq!(late(&troubles, "2026-11-24T12:10:00.000Z"), 0, "the next one is due at twelve");
        troubles.oldest_waiting = Some("2026-11-24T11:50:00.000Z".to_owned());
        assert_eq!(late(&troubles, "2026-11-24T12:10:00.000Z"), 1, "a write waits");
        troubles.stops.paused = Some("2026-11-24T11:51:00.000Z".to_owned());
        assert_eq!(late(&troubles, "2026-11-24T12:10:00.000Z"), 0, "because a person wants it to");
    }
}
