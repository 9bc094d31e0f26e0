//! What the core does with a lead, as functions that a bench calls again and again (`core.rs`), or once under callgrind
//! (`instructions.rs`).

use leadsync::config::Config;
use leadsync::lead::{PerSide, Side, Value};
use leadsync::mapping::{Base, Mapping, Values};
use leadsync::merge::{LeadDecision, Newest, merge_lead};
use leadsync::native::NativeRows;
use leadsync::side::NativeFields;

use crate::fields::{FIELDS, value};

/// Leads in each side's answer.
pub const LEADS: usize = 200;

/// A mapping of [`FIELDS`], and leads to be read, merged and written.
pub struct Core {
    mapping: Mapping,
    answers: PerSide<String>,
    now: PerSide<Values>,
    base: Base,
    stored: String,
    stored_base: String,
}

impl Core {
    /// As it is once both sides are in step.
    pub fn new() -> Self {
        let config = Config::from_text(&configuration(), "leadsync.toml", []).expect("a configuration").config;
        let mapping = Mapping::build(&config).expect("a mapping");
        let answers = PerSide::build(answer);
        let now = PerSide::build(|side| {
            let rows: NativeRows = serde_json::from_str(answers.get(side)).expect("rows");
            mapping.read(side, rows.0.first().and_then(Option::as_ref).expect("a row"))
        });
        let base = Base(
            now.operate
                .0
                .iter()
                .zip(&now.salesforce.0)
                .map(|(operate, salesforce)| PerSide { operate: operate.clone(), salesforce: salesforce.clone() })
                .collect(),
        );
        let (stored, stored_base) = (mapping.encode(&now.operate), mapping.encode_base(&base));
        Self { mapping, answers, now, base, stored, stored_base }
    }

    /// The same with one field edited on each side.
    pub fn edited() -> Self {
        let mut core = Self::new();
        let edited = |values: &mut Values, place: usize| {
            if let Some(slot) = values.0.get_mut(place) {
                *slot = Value::Text("edited".to_owned());
            }
        };
        edited(&mut core.now.operate, 3);
        edited(&mut core.now.salesforce, 11);
        core
    }

    /// Decides one lead.
    pub fn merge(&self) -> LeadDecision {
        let now = PerSide { operate: &self.now.operate, salesforce: &self.now.salesforce };
        merge_lead(&self.mapping, &self.base, now, Newest::Tie, |_| None)
    }

    /// Reads an answer of [`LEADS`] leads, up to what the store is given of each. Gives how many bytes that is.
    pub fn read(&self, side: Side) -> usize {
        let rows: NativeRows = serde_json::from_str(self.answers.get(side)).expect("rows");
        let kept = |row: NativeFields| {
            let values = self.mapping.read(side, &row);
            let keys = self.mapping.match_keys(&values);
            self.mapping.encode(&values).len() + keys.into_iter().flatten().map(|key| key.len()).sum::<usize>()
        };
        rows.0.into_iter().flatten().map(kept).sum()
    }

    /// Reads what the store has of one link: both leads and the base.
    pub fn recall(&self) -> (PerSide<Values>, Base) {
        (PerSide::build(|_| self.mapping.decode(&self.stored)), self.mapping.decode_base(&self.stored_base))
    }

    /// What the store is given of a link that was decided.
    pub fn keep_base(&self) -> String {
        self.mapping.encode_base(&self.base)
    }

    /// The native fields that give one side all values of the other.
    pub fn write(&self) -> NativeFields {
        self.mapping.write(Side::Salesforce, self.now.operate.0.iter().enumerate()).expect("values that can be written")
    }
}

fn configuration() -> String {
    let mut text = "[operate]\nbase_url = \"http://127.0.0.1:1\"\n\
         auth = { grant = \"client_credentials\", client_id = \"bench\", client_secret = \"bench\" }\n\
         [salesforce]\nlogin_url = \"http://127.0.0.1:1\"\n\
         auth = { flow = \"client_credentials\", client_id = \"bench\", client_secret = \"bench\" }\n\
         [sync]\nmatch = [[\"email\"]]\n"
        .to_owned();
    for (operate, salesforce, kind, _) in FIELDS {
        let kind = match kind {
            "double" | "int" => "number",
            "boolean" => "boolean",
            _ => "text",
        };
        text.push_str(&format!(
            "[[fields]]\nname = \"{operate}\"\noperate = \"{operate}\"\nsalesforce = \"{salesforce}\"\ntype = \"{kind}\"\n"
        ));
    }
    text
}

fn answer(side: Side) -> String {
    let row = |lead: usize| {
        let mut text = format!("{{\"id\":{lead}");
        for (operate, salesforce, kind, word) in FIELDS {
            let name = PerSide { operate, salesforce };
            text.push_str(&format!(",\"{}\":", name.get(side)));
            value(&mut text, kind, word, lead);
        }
        text + "}"
    };
    format!("[{}]", (0..LEADS).map(row).collect::<Vec<_>>().join(","))
}
