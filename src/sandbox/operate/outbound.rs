//! Outbound messages: what an administrator has Operate send to an address when a lead is made, changed or deleted.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// How often a message is tried.
const TRIES: u32 = 3;

/// What happened to a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// It was made.
    Create,
    /// It was changed.
    Update,
    /// It was deleted.
    Delete,
}

/// A message that is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outbound {
    /// Where to: an address of this machine.
    pub url: String,
    /// After what.
    pub on: Vec<Event>,
    /// The body's type.
    #[serde(default = "plain")]
    pub content_type: String,
    /// The text, with `{leadid}` and every other field's name in braces where its value goes.
    pub body: String,
}

fn plain() -> String {
    "text/plain".to_owned()
}

/// A message that was sent, or was to be.
#[derive(Debug, Clone, Serialize)]
pub struct Message {
    url: String,
    event: Event,
    body: String,
    /// The status of the last answer; none while there was none.
    status: Option<u16>,
    tries: u32,
}

/// The messages so far.
#[derive(Debug, Default, Clone)]
pub struct Messages {
    all: Arc<Mutex<Vec<Message>>>,
}

impl Outbound {
    /// Refuses addresses beyond this machine.
    pub fn check(&self) -> Result<(), String> {
        let url = reqwest::Url::parse(&self.url).map_err(|error| format!("`{}` is no address: {error}", self.url))?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if is_here { Ok(()) } else { Err(format!("messages go to loopback addresses only, and {host} is none")) }
    }

    pub(super) fn text(&self, lead: &Map<String, Json>) -> String {
        let (mut text, mut rest) = (String::with_capacity(self.body.len()), self.body.as_str());
        // From left to right, so that a value with braces in it stays as it is.
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let named = after.split_once('}').and_then(|(name, after)| Some((lead.get(name)?, after)));
            rest = if let Some((value, after)) = named {
                text.push_str(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                after
            } else {
                text.push('{');
                after
            };
        }
        text + rest
    }
}

impl Messages {
    /// All of them, as JSON.
    pub fn shown(&self) -> Json {
        serde_json::to_value(&*self.all.lock().unwrap_or_else(PoisonError::into_inner)).unwrap_or_default()
    }

    /// Sends what is configured for this, in the background: the write does not wait for it.
    pub fn send(&self, configured: &[Outbound], event: Event, lead: &Map<String, Json>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        for outbound in configured.iter().filter(|outbound| outbound.on.contains(&event)) {
            let message = Message { url: outbound.url.clone(), event, body: outbound.text(lead), status: None, tries: 0 };
            let place = {
                let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
                all.push(message.clone());
                all.len() - 1
            };
            runtime.spawn(self.clone().deliver(place, message, outbound.content_type.clone()));
        }
    }

    async fn deliver(self, place: usize, message: Message, content_type: String) {
        let Ok(http) = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build() else { return };
        for tries in 1..=TRIES {
            let sending = http.post(&message.url).header("content-type", &content_type).body(message.body.clone());
            let status = sending.send().await.ok().map(|answer| answer.status().as_u16());
            if let Some(kept) = self.all.lock().unwrap_or_else(PoisonError::into_inner).get_mut(place) {
                (kept.status, kept.tries) = (status, tries);
            }
            if status.is_some_and(|status| (200..300).contains(&status)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_with_braces_in_it_stays_as_it_is() {
        let body = "{leadid}: {leadname} {nosuch} {".to_owned();
        let outbound = Outbound { url: String::new(), on: Vec::new(), content_type: plain(), body };
        let lead = json!({ "leadid": 7, "leadname": "{leadid}{leadname}" });
        assert_eq!(lead.as_object().map(|lead| outbound.text(lead)).as_deref(), Some("7: {leadid}{leadname} {nosuch} {"));
    }
}
