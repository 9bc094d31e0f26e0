//! Both systems in the sandbox, over real sockets, with a configuration for them; and an oracle that knows nothing of the daemon.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use leadsync::config::Config;
use leadsync::daemon::assemble;
use leadsync::demo::write_configuration;
use leadsync::sandbox::{Sandbox, SandboxOptions};
use leadsync::store::{Address, Cycle, Store};
use leadsync::sync::{CycleError, Engine, Patience};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::cluster::{Cluster, is_asked_for};

pub struct Systems {
    pub sandbox: Sandbox,
    pub folder: TempDir,
    pub configuration: PathBuf,
}

impl Systems {
    /// With so many leads in Operate and in Salesforce, and so many of them the same people.
    pub async fn of(operate_leads: usize, salesforce_leads: usize, common: usize) -> Self {
        let timezone = chrono_tz::Europe::London;
        Self::with(SandboxOptions { operate_leads, salesforce_leads, common, timezone, ..SandboxOptions::default() }).await
    }

    pub async fn with(mut options: SandboxOptions) -> Self {
        if options.daily_requests == SandboxOptions::default().daily_requests {
            // Enough for a poll a second, all day.
            options.daily_requests = 1_000_000;
        }
        let sandbox = Sandbox::start(options).await.unwrap();
        let folder = TempDir::new().unwrap();
        let configuration = write_configuration(&sandbox.addresses(), folder.path(), ([127, 0, 0, 1], 0).into()).unwrap();
        let systems = Self { sandbox, folder, configuration };
        if is_asked_for() {
            systems.put_store_in(&Cluster::shared().address());
        }
        // A create whose answer was lost is looked for again after this, in the place of the usual half minute.
        systems.configure("[operate]\n", "[operate]\nsettle = \"1s\"\n");
        systems
    }

    /// Names a PostgreSQL store in the configuration, in the place of the one in a file.
    pub fn put_store_in(&self, address: &Address) {
        let Address { url, schema, .. } = address;
        let file = format!("url = \"sqlite:{}\"", self.folder.path().join("leadsync.db").display());
        self.configure(&file, &format!("url = \"{url}\"\nschema = \"{schema}\""));
    }

    /// Changes the configuration's text.
    pub fn configure(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.configuration).unwrap();
        assert!(text.contains(from), "the configuration holds no {from:?}");
        std::fs::write(&self.configuration, text.replace(from, to)).unwrap();
    }

    pub fn config(&self) -> Config {
        Config::load(Some(&self.configuration)).unwrap().config
    }

    /// An engine as the daemon has it.
    pub async fn engine(&self) -> Engine {
        let config = self.config();
        let store = Store::open(&config.store).await.unwrap();
        assemble(&config, store).await.unwrap()
    }

    /// Requests (Operate's and Salesforce's) and lead writes so far.
    pub fn traffic(&self) -> (u64, u64, u64) {
        let (operate, salesforce) = (self.sandbox.operate().requests(), self.sandbox.salesforce().requests());
        (operate.total(), salesforce.total(), operate.leads.total() + salesforce.leads.total())
    }

    /// Every lead is on both sides, once, with the same values; `expected` of them.
    pub fn assert_in_step(&self, expected: usize) {
        let operate = by_email(self.sandbox.operate().leads(), "email");
        let salesforce = by_email(self.sandbox.salesforce().leads(), "Email");
        assert_eq!((operate.len(), salesforce.len()), (expected, expected), "leads on both sides");
        for (email, lead) in &operate {
            let twin = salesforce.get(email).unwrap_or_else(|| panic!("{email} is not in Salesforce"));
            let differing: Vec<String> =
                FIELDS.iter().filter_map(|(ours, theirs)| difference(lead, ours, twin, theirs)).collect();
            assert!(differing.is_empty(), "{email}: {}", differing.join("; "));
        }
    }
}

/// One cycle that waits for what cannot be done at once.
pub async fn cycle(engine: &Engine) -> Result<Cycle, CycleError> {
    engine.cycle(Patience::Wait(Duration::from_mins(1)), &|| false).await
}

/// The example's mapping, written down once more.
const FIELDS: [(&str, &str); 20] = [
    ("leadname", "Company"),
    ("firstname", "FirstName"),
    ("lastname", "LastName"),
    ("email", "Email"),
    ("phone", "Phone"),
    ("mobile", "MobilePhone"),
    ("jobtitle", "Title"),
    ("address1", "Street"),
    ("city", "City"),
    ("county", "State"),
    ("postcode", "PostalCode"),
    ("country", "Country"),
    ("website", "Website"),
    ("leadstatus", "Status"),
    ("desks", "Desks__c"),
    ("budget", "Budget__c"),
    ("movein", "Move_In__c"),
    ("location", "Location__c"),
    ("notes", "Description"),
    ("leadsource", "LeadSource"),
];

/// Fields that a create gives where the other side has nothing: they need not be there on the other side.
const DEFAULTS: [(&str, &str); 2] = [("location", "Hub City"), ("leadsource", "Walk-in")];

/// What Operate's words are in Salesforce.
const WORDS: [(&str, &str); 11] = [
    ("New", "Open - Not Contacted"),
    ("Contacted", "Working - Contacted"),
    ("Viewing", "Working - Contacted"),
    ("Proposal", "Working - Contacted"),
    ("Won", "Working - Contacted"),
    ("Lost", "Closed - Not Converted"),
    ("Website", "Web"),
    ("Phone enquiry", "Phone Inquiry"),
    ("Broker", "Partner Referral"),
    ("Referral", "Partner Referral"),
    ("Walk-in", "Other"),
];

fn difference(lead: &Json, ours: &str, twin: &Json, theirs: &str) -> Option<String> {
    let (left, right) = (text(&lead[ours]), text(&twin[theirs]));
    let translated = if ["leadstatus", "leadsource"].contains(&ours) {
        WORDS.iter().find(|(word, _)| *word == left).map_or(left.clone(), |(_, word)| (*word).to_owned())
    } else {
        left.clone()
    };
    let is_default = right.is_empty() && DEFAULTS.contains(&(ours, left.as_str()));
    (translated != right && !is_default).then(|| format!("{ours} is {left:?} and {theirs} is {right:?}"))
}

/// A value as plain text; numbers without trailing zeros.
fn text(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => text.trim().to_owned(),
        Json::Number(number) => number.as_f64().unwrap().to_string(),
        other => other.to_string(),
    }
}

fn by_email(leads: Vec<Json>, field: &str) -> BTreeMap<String, Json> {
    let mut found = BTreeMap::new();
    for lead in leads {
        let email = text(&lead[field]).to_lowercase();
        assert!(!email.is_empty(), "a lead without an e-mail address: {lead}");
        let twin = found.insert(email.clone(), lead);
        assert!(twin.is_none(), "two leads with {email}");
    }
    found
}
