//! Finding leads for people: by id through the key, by a value through a walk over the leads that is bounded and can be gone on with.
//!
//! There is no index on values: which fields people search by is a matter of the configuration, and an index on each would cost every
//! write more than a walk costs the few who search. `lead_key` holds only leads without a link, and no parts of values.

use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::sql::query;
use super::{Store, StoreError};
use crate::lead::Side;

/// A lead that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLead {
    /// Its side.
    pub side: Side,
    /// Its id.
    pub lead_id: String,
    /// Its link's state; none where it has no link.
    pub state: Option<String>,
    /// The other half's id.
    pub other_id: Option<String>,
}

/// Up to which lead a search has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Searched {
    /// What it found.
    pub found: Vec<FoundLead>,
    /// Where it was cut off; none where it saw all.
    pub up_to: Option<(Side, String)>,
}

/// How much a search may do before it is cut off.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Leads found.
    pub found: usize,
    /// Leads looked at.
    pub leads: usize,
    /// Time.
    pub time: Duration,
}

/// Leads read by one statement: none holds the store's log for longer than that takes.
const STEP: i64 = 2_000;

impl Store {
    /// Leads with this id on either side.
    pub async fn find_id(&self, id: &str) -> Result<Vec<FoundLead>, StoreError> {
        let mut found = Vec::new();
        for side in Side::BOTH {
            if let Some(lead_id) = self.whole_id(side, id).await? {
                found.push(self.paired(side, lead_id).await?);
            }
        }
        Ok(found)
    }

    /// Leads of which a value of one of these fields holds the text, whatever its case, from after this lead on.
    pub async fn find_value(
        &self,
        text: &str,
        fields: &[String],
        after: Option<(Side, String)>,
        effort: Effort,
    ) -> Result<Searched, StoreError> {
        let (wanted, began) = (folded(text), Instant::now());
        let (mut found, mut seen) = (Vec::new(), 0);
        let mut up_to = after;
        loop {
            let (side, lead_id) = up_to.clone().map_or(("", String::new()), |(side, id)| (side.as_str(), id));
            let rows = query(
                "SELECT side, lead_id, '[' || (SELECT string_agg(coalesce(v.fields -> f.value, 'null'), ',') FROM json_each(?1) f) || ']' AS texts FROM lead_values v
                 WHERE (side, lead_id) > (?2, ?3) ORDER BY side, lead_id LIMIT ?4",
            );
            let rows = rows.bind(Json::from(fields.to_vec()).to_string()).bind(side).bind(lead_id).bind(STEP);
            let rows = rows.fetch_all(&self.read).await?;
            for row in &rows {
                let Some(side) = Side::parse(row.try_get("side")?) else { continue };
                let lead_id: String = row.try_get("lead_id")?;
                let texts: Vec<Json> = serde_json::from_str(row.try_get("texts")?).unwrap_or_default();
                if texts.iter().any(|text| holds(text, &wanted)) {
                    found.push(self.paired(side, lead_id.clone()).await?);
                }
                up_to = Some((side, lead_id));
                if found.len() >= effort.found {
                    return Ok(Searched { found, up_to });
                }
            }
            seen += rows.len();
            if i64::try_from(rows.len()).is_ok_and(|count| count < STEP) {
                return Ok(Searched { found, up_to: None });
            }
            if seen >= effort.leads || began.elapsed() >= effort.time {
                return Ok(Searched { found, up_to });
            }
        }
    }

    async fn paired(&self, side: Side, lead_id: String) -> Result<FoundLead, StoreError> {
        let link = query(
            "SELECT l.state, l.operate_id, l.salesforce_id FROM lead_state a JOIN link l USING (link_id) WHERE a.side = ? AND a.lead_id = ?",
        );
        let link = link.bind(side.as_str()).bind(&lead_id).fetch_optional(&self.read).await?;
        let Some(link) = link else { return Ok(FoundLead { side, lead_id, state: None, other_id: None }) };
        let other = if side == Side::Operate { "salesforce_id" } else { "operate_id" };
        Ok(FoundLead { side, lead_id, state: link.try_get("state")?, other_id: link.try_get(other)? })
    }
}

/// The same text for whatever people take for the same.
fn folded(text: &str) -> String {
    text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

fn holds(value: &Json, wanted: &str) -> bool {
    match value {
        Json::String(text) => folded(text).contains(wanted),
        Json::Number(number) => number.to_string().as_str() == wanted,
        _ => false,
    }
}
