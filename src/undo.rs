//! What it takes to reverse writes: pure. A field goes back to what it was before, as long as it still is what was written.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::lead::Side;
use crate::side::WriteKind;

/// A write that took effect, with what is known of its lead now.
#[derive(Debug, Clone)]
pub struct Written {
    /// The push.
    pub push_id: i64,
    /// The link.
    pub link_id: i64,
    /// The side that was written.
    pub side: Side,
    /// What it did.
    pub kind: WriteKind,
    /// When it was done.
    pub done_at: String,
    /// What it gave, encoded.
    pub fields: Json,
    /// What the side had before, encoded.
    pub before: Json,
    /// The lead that was written.
    pub lead_id: Option<String>,
    /// What that lead has now, encoded; `None`: it is gone, or read-only.
    pub now: Option<Json>,
    /// The names of fields whose mapping is another one since.
    pub remapped: Vec<String>,
    /// The state of another write to this lead that is not settled.
    pub busy: Option<String>,
}

/// A write that reverses others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reverse {
    /// The newest of the writes that it reverses.
    pub undoes: i64,
    /// The link.
    pub link_id: i64,
    /// The side that is written.
    pub side: Side,
    /// The lead that is written.
    pub lead_id: String,
    /// Whether the lead, which was created, is deleted again.
    pub delete: bool,
    /// All that the lead has, encoded.
    #[serde(skip)]
    pub now: Json,
    /// The fields, by name.
    pub fields: BTreeMap<String, Back>,
}

/// A field that goes back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Back {
    /// What it has.
    pub now: Json,
    /// What it gets.
    pub then: Json,
}

/// What stays as it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Left {
    /// The write.
    pub push_id: i64,
    /// The lead, by the id that is known of it.
    pub lead_id: Option<String>,
    /// The field; `None`: the write as a whole.
    pub field: Option<String>,
    /// Why.
    pub reason: String,
}

/// What an undo would do.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Plan {
    /// The writes.
    pub reverses: Vec<Reverse>,
    /// What stays.
    pub left: Vec<Left>,
}

/// Plans to reverse these writes: all of one lead's side stand together, the newest first.
#[must_use]
pub fn plan(written: &[Written]) -> Plan {
    let mut plan = Plan::default();
    for writes in written.chunk_by(|one, next| (one.link_id, one.side) == (next.link_id, next.side)) {
        plan_lead(writes, &mut plan);
    }
    plan
}

fn plan_lead(writes: &[Written], plan: &mut Plan) {
    let Some(newest) = writes.first() else { return };
    let left = |write: &Written, reason: &str| Left {
        push_id: write.push_id,
        lead_id: write.lead_id.clone(),
        field: None,
        reason: reason.to_owned(),
    };
    let (Some(now), Some(lead_id)) = (&newest.now, &newest.lead_id) else {
        let reason = if newest.kind == WriteKind::Delete {
            "it deleted the lead: bring it back there, as from Salesforce's recycle bin"
        } else {
            "the lead is gone, converted, or has another link now"
        };
        return plan.left.extend(writes.iter().map(|write| left(write, reason)));
    };
    if let Some(state) = &newest.busy {
        let reason = format!("another write to this lead is {state}: let it end first");
        return plan.left.extend(writes.iter().map(|write| left(write, &reason)));
    }
    let mut chain = Chain { now, back: BTreeMap::new(), ended: BTreeSet::new() };
    let reverse = |delete: bool, fields| Reverse {
        undoes: newest.push_id,
        link_id: newest.link_id,
        side: newest.side,
        lead_id: lead_id.clone(),
        delete,
        now: now.clone(),
        fields,
    };
    for write in writes {
        match write.kind {
            WriteKind::Update => plan.left.extend(chain.go_back(write)),
            WriteKind::Create if chain.is_untouched(write) => return plan.reverses.push(reverse(true, BTreeMap::new())),
            WriteKind::Create => {
                plan.left.push(left(write, "it created the lead, which has other values since: delete it by hand"));
            }
            WriteKind::Delete => plan.left.push(left(write, "it deleted another lead of this link")),
        }
    }
    let fields: BTreeMap<String, Back> = chain.back.into_iter().filter(|(_, back)| back.now != back.then).collect();
    if !fields.is_empty() {
        plan.reverses.push(reverse(false, fields));
    }
}

/// The fields of a lead on their way back through our writes.
struct Chain<'w> {
    now: &'w Json,
    back: BTreeMap<String, Back>,
    /// Fields that go back no further.
    ended: BTreeSet<String>,
}

impl Chain<'_> {
    /// Goes back before a write. Gives the fields that do not follow because of it.
    fn go_back(&mut self, write: &Written) -> Vec<Left> {
        let mut left = Vec::new();
        for (name, given) in fields(&write.fields) {
            if self.ended.contains(name) {
                continue;
            }
            let reason = if write.remapped.contains(name) {
                "the field is mapped in another way since"
            } else if self.then(name) == given {
                let (now, then) = (value(self.now, name), value(&write.before, name));
                self.back.entry(name.clone()).or_insert(Back { now: now.clone(), then: Json::Null }).then = then.clone();
                continue;
            } else {
                "it has another value since"
            };
            self.ended.insert(name.clone());
            let (field, reason) = (Some(name.clone()), reason.to_owned());
            left.push(Left { push_id: write.push_id, lead_id: write.lead_id.clone(), field, reason });
        }
        left
    }

    /// What a field had as far back as we are.
    fn then(&self, name: &str) -> &Json {
        self.back.get(name).map_or_else(|| value(self.now, name), |back| &back.then)
    }

    /// Whether the lead would be as it was created.
    fn is_untouched(&self, create: &Written) -> bool {
        let names = fields(self.now).chain(fields(&create.fields)).map(|(name, _)| name);
        create.remapped.is_empty() && names.into_iter().all(|name| self.then(name) == value(&create.fields, name))
    }
}

/// An empty value is left out, or null.
fn value<'j>(fields: &'j Json, name: &str) -> &'j Json {
    fields.get(name).unwrap_or(&Json::Null)
}

fn fields(json: &Json) -> impl Iterator<Item = (&String, &Json)> {
    json.as_object().into_iter().flat_map(Map::iter)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn write(push_id: i64, fields: Json, before: Json, now: &Json) -> Written {
        Written {
            push_id,
            link_id: 1,
            side: Side::Salesforce,
            kind: WriteKind::Update,
            done_at: String::new(),
            fields,
            before,
            lead_id: Some("00Q".to_owned()),
            now: Some(now.clone()),
            remapped: Vec::new(),
            busy: None,
        }
    }

    /// A reverse: what it undoes, whether it deletes, and what fields get.
    type Reversed<'p> = (i64, bool, Vec<(&'p str, &'p Json)>);

    fn back(plan: &Plan) -> Vec<Reversed<'_>> {
        let mut all = Vec::new();
        for reverse in &plan.reverses {
            let fields = reverse.fields.iter().map(|(name, back)| (name.as_str(), &back.then)).collect();
            all.push((reverse.undoes, reverse.delete, fields));
        }
        all
    }

    #[test]
    fn a_field_goes_back_through_our_own_writes_and_no_further() {
        let now = json!({ "phone": "3", "title": "CEO" });
        let ours = [
            write(9, json!({ "phone": "3" }), json!({ "phone": "2" }), &now),
            write(8, json!({ "phone": "2", "title": "CEO" }), json!({ "phone": "1", "title": null }), &now),
        ];
        assert_eq!(back(&plan(&ours)), [(9, false, vec![("phone", &json!("1")), ("title", &Json::Null)])]);

        // A person wrote 5 between the two.
        let between = [
            write(9, json!({ "phone": "3" }), json!({ "phone": "5" }), &now),
            write(8, json!({ "phone": "2" }), json!({ "phone": "1" }), &now),
        ];
        let planned = plan(&between);
        assert_eq!(back(&planned), [(9, false, vec![("phone", &json!("5"))])]);
        assert_eq!(
            planned.left.iter().map(|left| (left.push_id, left.field.as_deref())).collect::<Vec<_>>(),
            [(8, Some("phone"))]
        );
    }

    #[test]
    fn what_somebody_changed_since_stays() {
        let now = json!({ "phone": "theirs" });
        let planned = plan(&[write(9, json!({ "phone": "3", "title": "CEO" }), json!({ "phone": "2", "title": "CFO" }), &now)]);
        assert_eq!(back(&planned), []);
        assert_eq!(planned.left.len(), 2);
        let older = plan(&[
            write(9, json!({ "phone": "3" }), json!({ "phone": "2" }), &now),
            write(8, json!({ "phone": "theirs" }), json!({ "phone": "1" }), &now),
        ]);
        assert_eq!(back(&older), [], "that an older write of ours gave the same is no reason");
    }

    #[test]
    fn what_is_mapped_anew_waited_for_or_gone_stays() {
        let now = json!({ "phone": "3" });
        let usual = write(9, json!({ "phone": "3" }), json!({ "phone": "2" }), &now);
        let stays = |written: Written| {
            let planned = plan(&[written]);
            assert!(planned.reverses.is_empty(), "{planned:?}");
            planned.left[0].reason.clone()
        };
        assert!(stays(Written { remapped: vec!["phone".to_owned()], ..usual.clone() }).contains("mapped"));
        assert!(stays(Written { busy: Some("parked".to_owned()), ..usual.clone() }).contains("parked"));
        assert!(stays(Written { now: None, ..usual.clone() }).contains("gone"));
        assert!(stays(Written { kind: WriteKind::Delete, now: None, ..usual.clone() }).contains("recycle bin"));
        assert!(stays(Written { kind: WriteKind::Delete, ..usual }).contains("deleted another"));
    }

    #[test]
    fn a_created_lead_is_deleted_while_it_has_nothing_but_what_we_gave_it() {
        let create =
            |now: &Json| Written { kind: WriteKind::Create, ..write(1, json!({ "phone": "1", "title": null }), json!({}), now) };
        assert_eq!(back(&plan(&[create(&json!({ "phone": "1" }))])), [(1, true, vec![])]);
        for touched in [json!({ "phone": "2" }), json!({ "phone": "1", "title": "CEO" }), json!({})] {
            let planned = plan(&[create(&touched)]);
            assert!(planned.reverses.is_empty() && planned.left[0].reason.contains("by hand"), "{touched}");
        }
        let now = json!({ "phone": "2" });
        let edited = [write(5, json!({ "phone": "2" }), json!({ "phone": "1" }), &now), create(&now)];
        assert_eq!(back(&plan(&edited)), [(5, true, vec![])], "our own edits since are ours");
    }

    #[test]
    fn each_side_of_each_lead_is_planned_for_itself() {
        let now = json!({ "phone": "3" });
        let one = write(9, json!({ "phone": "3" }), json!({ "phone": "2" }), &now);
        let other = Written { push_id: 8, side: Side::Operate, ..one.clone() };
        let third = Written { push_id: 7, link_id: 2, ..one.clone() };
        let same = write(6, json!({ "phone": "3" }), json!({ "phone": "3" }), &now);
        assert_eq!(plan(&[one, other, third]).reverses.len(), 3);
        assert_eq!(plan(&[same]), Plan::default(), "a write that changed nothing needs no reverse");
    }
}
