//! The people of the demo: they edit leads on both sides, one thing after another, and tell how each arrives.

use chrono::Utc;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::{DemoError, Tell};
use crate::lead::Side;
use crate::sandbox::{Sandbox, SandboxError, SimulatedSide};
use crate::store::Store;

/// How often somebody looks whether something has arrived.
const LOOK: Duration = Duration::from_millis(100);
/// The pause between two edits.
const PAUSE: Duration = Duration::from_millis(1_200);

/// Holds on both systems and on the store, which is only read.
pub(super) struct People {
    operate: SimulatedSide,
    salesforce: SimulatedSide,
    store: Store,
    started: Instant,
    tell: Tell,
}

/// The demo is over before what was waited for came.
struct Over;

/// A linked pair.
struct Pair {
    operate: String,
    salesforce: String,
    company: String,
}

impl People {
    pub(super) fn new(sandbox: &Sandbox, store: Store, started: Instant, tell: Tell) -> Self {
        Self { operate: sandbox.operate().clone(), salesforce: sandbox.salesforce().clone(), store, started, tell }
    }

    /// Works until the demo is stopped.
    pub(super) async fn work(&self, stop: &CancellationToken) -> Result<(), DemoError> {
        let day = async {
            self.first_sync().await?;
            for round in 1_u32.. {
                self.edit_in_operate(round).await?;
                self.edit_in_salesforce(round).await?;
                self.new_in_operate(round).await?;
                self.new_in_salesforce(round).await?;
                self.contradict(round).await?;
                if round == 1 {
                    self.mistype_an_address().await?;
                }
            }
            Ok::<(), Stopped>(())
        };
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            ended = day => match ended {
                Ok(()) | Err(Stopped::Over(Over)) => Ok(()),
                Err(Stopped::Failed(error)) => Err(error),
            },
        }
    }

    async fn first_sync(&self) -> Result<(), Stopped> {
        self.say("first sync: every lead on either side finds its other half, or is created there …");
        loop {
            let status = self.store.status(Utc::now()).await?;
            let links: i64 = status.links.values().sum();
            let settled = links - status.links.get("pending").copied().unwrap_or_default();
            if links > 0 && links == settled && status.pushes.is_empty() && status.last_cycle.is_some() {
                let (operate, salesforce) = (self.operate.writes(), self.salesforce.writes());
                self.say(&format!(
                    "first sync done: {links} links; Operate got {} new leads and {} edits, Salesforce {} and {}",
                    operate.created, operate.updated, salesforce.created, salesforce.updated
                ));
                return Ok(());
            }
            look().await;
        }
    }

    async fn edit_in_operate(&self, round: u32) -> Result<(), Stopped> {
        let pair = self.pair(round * 7).await?;
        let phone = format!("020 7946 0{:03}", round % 1_000);
        self.say(&format!("Operate     {} · the phone number becomes {phone}", pair.company));
        self.operate.edit(&pair.operate, &json!({ "phone": phone }))?;
        self.arrives(Side::Salesforce, &pair.salesforce, "Phone", &json!(phone)).await
    }

    async fn edit_in_salesforce(&self, round: u32) -> Result<(), Stopped> {
        let pair = self.pair(round * 7 + 1).await?;
        let title = format!("Head of Workplace {round}");
        self.say(&format!("Salesforce  {} · the title becomes {title:?}", pair.company));
        self.salesforce.edit(&pair.salesforce, &json!({ "Title": title }))?;
        self.arrives(Side::Operate, &pair.operate, "jobtitle", &json!(title)).await
    }

    async fn new_in_operate(&self, round: u32) -> Result<(), Stopped> {
        let company = format!("Larkspur & Daughters {round}");
        self.say(&format!("Operate     new lead {company}, 6 desks"));
        let id = self.operate.create(&json!({
            "leadname": company, "firstname": "Ines", "lastname": "Larkspur", "email": format!("ines{round}@larkspur.example"),
            "location": "Hub City", "leadsource": "Walk-in", "leadstatus": "New", "desks": 6,
        }))?;
        self.has_a_twin(Side::Operate, &id).await
    }

    async fn new_in_salesforce(&self, round: u32) -> Result<(), Stopped> {
        let company = format!("Tamarind Analytics {round}");
        self.say(&format!("Salesforce  new lead {company}"));
        let id = self.salesforce.create(&json!({
            "Company": company, "FirstName": "Joss", "LastName": "Tamarind", "Email": format!("joss{round}@tamarind.example"),
            "LeadSource": "Web",
        }))?;
        self.has_a_twin(Side::Salesforce, &id).await
    }

    /// Both sides change one field to different values: the later edit wins, and both values are kept.
    async fn contradict(&self, round: u32) -> Result<(), Stopped> {
        let pair = self.pair(round * 7 + 2).await?;
        let (first, second) = (format!("01632 960{:03}", round % 1_000), format!("01632 961{:03}", round % 1_000));
        self.say(&format!("both        {} · Operate writes the phone number {first}, Salesforce {second}", pair.company));
        self.operate.edit(&pair.operate, &json!({ "phone": first }))?;
        self.salesforce.edit(&pair.salesforce, &json!({ "Phone": second }))?;
        let since = Instant::now();
        loop {
            look().await;
            let (operate, salesforce) =
                (self.field(Side::Operate, &pair.operate, "phone"), self.field(Side::Salesforce, &pair.salesforce, "Phone"));
            if operate == salesforce {
                let rule = self.rule_of_conflict(&pair).await?;
                self.say(&format!(
                    "            settled after {} by the rule `{rule}`: both have {}",
                    seconds(since),
                    text(&operate)
                ));
                break;
            }
        }
        pause().await;
        Ok(())
    }

    /// A lead that Salesforce refuses waits for a person, holds up nobody, and goes on when it is mended.
    async fn mistype_an_address(&self) -> Result<(), Stopped> {
        self.say("Operate     new lead Pomelo Print, with the e-mail address `pomelo(at)print.example`");
        let id = self.operate.create(&json!({
            "leadname": "Pomelo Print", "firstname": "Pia", "lastname": "Pomelo", "email": "pomelo(at)print.example",
            "location": "Hub City", "leadsource": "Website", "leadstatus": "New",
        }))?;
        loop {
            look().await;
            let parked = self.store.parked().await?;
            if let Some(lead) = parked.iter().find(|lead| lead.operate_id.as_ref() == Some(&id)) {
                self.say(&format!("            parked, in Salesforce's own words: {}", lead.reason.as_deref().unwrap_or("-")));
                break;
            }
        }
        pause().await;
        self.say("Operate     Pomelo Print · somebody corrects the address");
        self.operate.edit(&id, &json!({ "email": "pia@pomelo.example" }))?;
        self.has_a_twin(Side::Operate, &id).await
    }

    /// Any pair that is in step; another one for each number.
    async fn pair(&self, number: u32) -> Result<Pair, Stopped> {
        let (operate, salesforce) = self.store.pair_in_step(number).await?.ok_or(Over)?;
        let company = text(&self.field(Side::Operate, &operate, "leadname"));
        Ok(Pair { operate, salesforce, company })
    }

    async fn arrives(&self, side: Side, id: &str, field: &str, value: &Json) -> Result<(), Stopped> {
        let since = Instant::now();
        while self.field(side, id, field) != *value {
            look().await;
        }
        self.say(&format!("            in {} after {}", side.title(), seconds(since)));
        pause().await;
        Ok(())
    }

    async fn has_a_twin(&self, side: Side, id: &str) -> Result<(), Stopped> {
        let since = Instant::now();
        loop {
            let link = self.store.show(id).await?;
            let twin = link
                .filter(|link| link.state == "in_step")
                .and_then(|link| link.leads.get(side.other()).as_ref().map(|lead| lead.lead_id.clone()));
            if let Some(twin) = twin {
                self.say(&format!("            in {} after {}, as {twin}", side.other().title(), seconds(since)));
                break;
            }
            look().await;
        }
        pause().await;
        Ok(())
    }

    async fn rule_of_conflict(&self, pair: &Pair) -> Result<String, Stopped> {
        let link = self.store.show(&pair.operate).await?;
        let conflict = link.and_then(|link| link.history.into_iter().rfind(|event| event.event == "conflict"));
        Ok(conflict.and_then(|event| event.kind.strip_prefix("phone by ").map(str::to_owned)).unwrap_or_default())
    }

    fn side(&self, side: Side) -> &SimulatedSide {
        match side {
            Side::Operate => &self.operate,
            Side::Salesforce => &self.salesforce,
        }
    }

    fn field(&self, side: Side, id: &str, field: &str) -> Json {
        self.side(side).lead(id).and_then(|lead| lead.get(field).cloned()).unwrap_or_default()
    }

    fn say(&self, what: &str) {
        (self.tell)(&format!("{:>6.1} s  {what}", self.started.elapsed().as_secs_f64()));
    }

    /// What the demo came to.
    pub(super) async fn sum_up(&self) -> Result<(), DemoError> {
        let status = self.store.status(Utc::now()).await?;
        let words: Vec<String> = status.links.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let (operate, salesforce) = (self.operate.requests(), self.salesforce.requests());
        let tell = &self.tell;
        tell("");
        tell(&format!("Summary after {:.0} s", self.started.elapsed().as_secs_f64()));
        tell(&format!("  links        {}", words.join(", ")));
        tell(&format!(
            "  Operate      {} leads, {} made and {} changed by leadsync, {} requests",
            self.operate.leads().len(),
            operate.leads.created,
            operate.leads.updated,
            operate.total()
        ));
        tell(&format!(
            "  Salesforce   {} leads, {} made and {} changed by leadsync, {} requests",
            self.salesforce.leads().len(),
            salesforce.leads.created,
            salesforce.leads.updated,
            salesforce.total()
        ));
        let (settled, open) = self.store.conflict_counts().await?;
        tell(&format!("  conflicts    {settled} settled, {open} open"));
        Ok(())
    }
}

/// Why the people stopped before the demo did.
enum Stopped {
    Over(Over),
    Failed(DemoError),
}

impl From<Over> for Stopped {
    fn from(over: Over) -> Self {
        Self::Over(over)
    }
}

impl From<crate::store::StoreError> for Stopped {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<SandboxError> for Stopped {
    fn from(error: SandboxError) -> Self {
        Self::Failed(error.into())
    }
}

/// Until somebody looks again.
fn look() -> Sleep {
    sleep(LOOK)
}

/// Until somebody goes on.
fn pause() -> Sleep {
    sleep(PAUSE)
}

fn seconds(since: Instant) -> String {
    format!("{:.1} s", since.elapsed().as_secs_f64())
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
