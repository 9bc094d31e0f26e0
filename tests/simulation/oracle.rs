//! What must be true once the world is quiet, told from the two systems and from every edit that a person made.

use std::collections::BTreeMap;

use leadsync::lead::{PerSide, Side};
use leadsync::store::Address;
use leadsync::sync::Engine;
use serde_json::Value as Json;

use super::cluster::rows;
use super::model::{Lead, Model, Soul, TRACED, is_refused, native};
use super::port::Shared;

pub async fn check(shared: &Shared, engine: &Engine, at: &Address) -> Vec<String> {
    let store = engine.store();
    let now = shared.model().our_now();
    let status = store.status(now).await.unwrap();
    let disputed = disputed(at).await;
    let mut broken = compare(&shared.model(), &disputed);
    if status.oldest_waiting.is_some() {
        broken.push(format!("convergent: writes are left waiting: {:?}", status.pushes));
    }
    if !broken.is_empty() {
        broken.extend(rows(at, LINKS).await);
    }
    broken
}

fn compare(model: &Model, disputed: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let mut souls: BTreeMap<Soul, PerSide<Vec<&Lead>>> = BTreeMap::new();
    for side in Side::BOTH {
        for lead in model.leads.get(side).values().filter(|lead| !lead.record.deleted) {
            souls.entry(lead.soul).or_default().get_mut(side).push(lead);
        }
    }
    for (soul, leads) in souls.iter().filter(|(soul, _)| !model.touched.contains(*soul)) {
        for side in Side::BOTH {
            let leads = leads.get(side);
            if leads.len() > 1 && leads.iter().any(|lead| lead.by_us) {
                broken.push(format!("no duplicate: soul {soul} has {} leads in {side}", leads.len()));
            }
        }
        match (leads.operate.as_slice(), leads.salesforce.as_slice()) {
            ([operate], [salesforce]) => agree(model, *soul, operate, salesforce, disputed, &mut broken),
            // Nothing is made from a lead that was a customer's before its other half was made.
            ([], [salesforce]) if salesforce.record.converted => {}
            (operate, salesforce) => {
                broken.push(format!("convergent: soul {soul} has {} and {} leads", operate.len(), salesforce.len()));
            }
        }
    }
    broken
}

fn agree(model: &Model, soul: Soul, operate: &Lead, salesforce: &Lead, disputed: &str, broken: &mut Vec<String>) {
    let customer = salesforce.record.converted;
    if customer
        && TRACED.into_iter().any(|field| salesforce.record.fields.get(&native(Side::Salesforce, field)).is_some_and(is_refused))
    {
        // Nobody can mend what Operate refuses: the lead waits, with Operate's words.
        return;
    }
    for field in TRACED {
        let text = |side: Side, lead: &Lead| -> String {
            let value = lead.record.fields.get(&native(side, field)).and_then(Json::as_str);
            value.unwrap_or_default().to_owned()
        };
        let (operate, salesforce) = (text(Side::Operate, operate), text(Side::Salesforce, salesforce));
        if operate != salesforce && !customer {
            broken.push(format!("convergent: soul {soul} has {field} {operate:?} in Operate and {salesforce:?} in Salesforce"));
        }
        let edits = || model.edits.iter().filter(|edit| edit.soul == soul && edit.field == field);
        for (place, edit) in edits().enumerate() {
            let is = |value: &str| edit.value.eq_ignore_ascii_case(value);
            // A customer's lead in Salesforce can be given nothing more.
            let stands = is(&operate) && (is(&salesforce) || !customer);
            let overwritten =
                edits().skip(place + 1).any(|later| later.side == edit.side || later.value.eq_ignore_ascii_case(&operate));
            let kept = disputed.contains(&format!("{:?}", edit.value.to_lowercase()));
            if !(stands || overwritten || kept) {
                broken.push(format!("no lost edit: soul {soul} {field} = {:?} by a person in {}", edit.value, edit.side));
            }
        }
    }
}

/// What the store says of each link.
const LINKS: &str =
    "SELECT concat_ws(' ', s.operate_id, s.salesforce_id, s.state, s.reason, l.base, s.operate_fields, s.salesforce_fields)
    FROM lead_status s JOIN link l USING (link_id)";

/// Every value that a conflict kept, in lower case, as JSON.
async fn disputed(at: &Address) -> String {
    let sql = "SELECT lower(coalesce(string_agg(operate_value || ' ' || salesforce_value, ' '), '')) FROM conflict";
    rows(at, sql).await.concat()
}
