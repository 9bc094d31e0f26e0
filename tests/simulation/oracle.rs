//! What must be true once the world is quiet, told from the two systems and from every edit that a person made.

use std::collections::BTreeMap;
use std::path::Path;

use leadsync::lead::{PerSide, Side};
use leadsync::sync::Engine;
use serde_json::Value as Json;
use sqlx::SqlitePool;

use super::model::{Lead, Model, Soul, TRACED, native};
use super::port::Shared;

pub async fn check(shared: &Shared, engine: &Engine) -> Vec<String> {
    let store = engine.store();
    let disputed = disputed(store.path()).await;
    let now = shared.model().now;
    let status = store.status(now).await.unwrap();
    let model = shared.model();
    let mut broken = Vec::new();
    let mut souls: BTreeMap<Soul, PerSide<Vec<&Lead>>> = BTreeMap::new();
    for side in Side::BOTH {
        for lead in model.leads.get(side).values().filter(|lead| !lead.record.deleted) {
            souls.entry(lead.soul).or_default().get_mut(side).push(lead);
        }
    }
    for (soul, leads) in souls {
        for side in Side::BOTH {
            let leads = leads.get(side);
            if leads.len() > 1 && leads.iter().any(|lead| lead.by_us) && !model.touched.contains(&soul) {
                broken.push(format!("no duplicate: soul {soul} has {} leads in {side}", leads.len()));
            }
        }
        if model.touched.contains(&soul) {
            continue;
        }
        match (leads.operate.as_slice(), leads.salesforce.as_slice()) {
            ([operate], [salesforce]) => agree(&model, soul, operate, salesforce, &disputed, &mut broken),
            (operate, salesforce) => {
                broken.push(format!("convergent: soul {soul} has {} and {} leads", operate.len(), salesforce.len()));
            }
        }
    }
    if status.oldest_waiting.is_some() {
        broken.push(format!("convergent: writes are left waiting: {:?}", status.pushes));
    }
    broken
}

fn agree(model: &Model, soul: Soul, operate: &Lead, salesforce: &Lead, disputed: &str, broken: &mut Vec<String>) {
    for field in TRACED {
        let text = |side: Side, lead: &Lead| -> String {
            let value = lead.record.fields.get(&native(side, field)).and_then(Json::as_str);
            value.unwrap_or_default().to_owned()
        };
        let (operate, salesforce) = (text(Side::Operate, operate), text(Side::Salesforce, salesforce));
        if operate != salesforce {
            broken.push(format!("convergent: soul {soul} has {field} {operate:?} in Operate and {salesforce:?} in Salesforce"));
        }
        let edits = || model.edits.iter().filter(|edit| edit.soul == soul && edit.field == field);
        for (place, edit) in edits().enumerate() {
            let stands = edit.value.eq_ignore_ascii_case(&operate);
            let overwritten =
                edits().skip(place + 1).any(|later| later.side == edit.side || later.value.eq_ignore_ascii_case(&operate));
            let kept = disputed.contains(&format!("{:?}", edit.value.to_lowercase()));
            if !(stands || overwritten || kept) {
                broken.push(format!("no lost edit: soul {soul} {field} = {:?} by a person in {}", edit.value, edit.side));
            }
        }
    }
}

/// Every value that a conflict kept, in lower case, as JSON.
async fn disputed(store: &Path) -> String {
    let pool = SqlitePool::connect(&format!("sqlite:{}", store.display())).await.unwrap();
    let sql = "SELECT lower(coalesce(group_concat(operate_value || char(10) || salesforce_value, char(10)), '')) FROM conflict";
    let values = sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap();
    pool.close().await;
    values
}
