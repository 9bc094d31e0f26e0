//! One lead of a link is gone: the other one stays, follows it, or brings it back.

use serde_json::json;

use super::Engine;
use super::reconcile::{is_first, replace};
use crate::config::sync::DeleteRule;
use crate::lead::{PerSide, Side, Value};
use crate::side::WriteKind;
use crate::store::{Decided, DirtyLink, LeadRow, NewPush};

impl Engine {
    pub(super) fn one_gone(&self, link: &DirtyLink, gone: Side, leads: PerSide<&LeadRow>, decided: &mut Decided) {
        let (left, lost) = (leads.get(gone.other()), leads.get(gone));
        if let Some(master) = &lost.master_id {
            decided.supersede = Side::BOTH.to_vec();
            decided.blocked = Some(format!(
                "Salesforce lead {} was merged into {master}, which has another Operate lead or cannot be seen: merge the Operate \
                 leads or delete one, then `leadsync retry`",
                lost.lead_id
            ));
            return;
        }
        // A converted lead is a customer's: nothing is deleted or made anew because of it. Nor is a lead that a person had unmade.
        let rests = self.rules.delete == DeleteRule::Ignore || left.converted || lost.converted || link.uncreated;
        if rests {
            decided.supersede = Side::BOTH.to_vec();
        } else if self.was_edited(link, gone.other(), left) {
            self.bring_back(link, gone, left, decided);
        } else {
            decided.supersede.push(gone);
            replace(link, delete_push(link.link_id, gone.other(), left), decided);
        }
    }

    /// Whether somebody changed the lead that is left since both were last in step. Where they never were, or both were gone and
    /// one came back, that counts as an edit: nothing is deleted that nobody compared.
    fn was_edited(&self, link: &DirtyLink, side: Side, lead: &LeadRow) -> bool {
        let (now, base) = (self.values_of(side, lead), self.base_of(link));
        is_first(&link.base) || now.0.iter().zip(&base.0).any(|(now, base)| !matches!(now, Value::Aside) && now != base.get(side))
    }

    /// The edit wins: the lead is made anew on the side where it was deleted.
    fn bring_back(&self, link: &DirtyLink, gone: Side, left: &LeadRow, decided: &mut Decided) {
        decided.supersede = Side::BOTH.to_vec();
        if !self.rules.creates(gone) {
            return;
        }
        match self.create_push(gone.other(), link.link_id, &left.fields) {
            Ok(push) => {
                decided.forget = Some(gone);
                decided.pushes.push(push);
            }
            Err(problem) => decided.blocked = Some(problem.to_string()),
        }
    }
}

fn delete_push(link_id: i64, side: Side, lead: &LeadRow) -> NewPush {
    NewPush {
        link_id,
        side,
        kind: WriteKind::Delete,
        initial: false,
        fields: json!({}),
        before: serde_json::from_str(&lead.fields).unwrap_or_default(),
        base: json!({}),
        undoes: None,
    }
}
