//! Reconciling: links of which a lead changed are merged, and the decisions become pushes.

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use serde_json::{Value as Json, json};

use super::follow::AsOf;
use super::swing::swings;
use super::{CycleError, Engine};
use crate::lead::{PerSide, Side, Value};
use crate::mapping::{Base, Values};
use crate::merge::{Decision, LeadDecision, Newest, merge_lead};
use crate::side::WriteKind;
use crate::store::{Decided, DirtyLink, LeadRow, NewConflict, NewPush};

/// Links decided in one transaction.
const BATCH: i64 = 500;

/// How far back writes are looked at for fields that swing.
const SWING_TIME: TimeDelta = TimeDelta::hours(1);

/// What reconciling came to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reconciled {
    /// Conflicts found.
    pub(super) conflicts: u64,
    /// Leads newly parked.
    pub(super) parked: u64,
    /// Links that have to wait for a second to pass.
    pub(super) held: u64,
}

impl Engine {
    /// Decides every link of which a lead changed.
    pub(super) async fn reconcile(&self, as_of: &AsOf) -> Result<Reconciled, CycleError> {
        let mut reconciled = Reconciled::default();
        let (mut after, mut decided) = (0, Vec::new());
        loop {
            let links = self.store.dirty_links(after, BATCH, self.now() - SWING_TIME).await?;
            self.recall_mappings(&links).await?;
            // Links are decided while what was decided about the last ones is stored.
            let (stored, next) = tokio::join!(self.store.decide(&decided, self.now()), self.decide_each(&links, as_of));
            stored?;
            let Some(last) = links.last() else { return Ok(reconciled) };
            after = last.link_id;
            decided = next;
            reconciled.held += (links.iter().filter(|link| !link.is_in_doubt()).count() - decided.len()) as u64;
            for link in &decided {
                reconciled.conflicts += link.conflicts.len() as u64;
                reconciled.parked += u64::from(link.blocked.is_some());
            }
        }
    }

    /// Decides links, without those of which it is not time yet.
    async fn decide_each(&self, links: &[DirtyLink], as_of: &AsOf) -> Vec<Decided> {
        let mut decided = Vec::with_capacity(links.len());
        for link in links {
            decided.extend(self.decide(link, as_of));
            tokio::task::yield_now().await;
        }
        decided
    }

    /// `None`: not yet.
    pub(super) fn decide(&self, link: &DirtyLink, as_of: &AsOf) -> Option<Decided> {
        let mut decided = Decided {
            link_id: link.link_id,
            words: link.words,
            base: link.base.clone(),
            blocked: None,
            supersede: Vec::new(),
            forget: None,
            pushes: Vec::new(),
            conflicts: Vec::new(),
            closed: Vec::new(),
        };
        if link.is_in_doubt() {
            return None;
        }
        match (&link.leads.operate, &link.leads.salesforce) {
            (operate, Some(salesforce)) if link.unlinked && operate.is_none() => unname(link, salesforce, &mut decided),
            _ if link.unlinked => decided.supersede = Side::BOTH.to_vec(),
            (Some(operate), Some(salesforce)) if !operate.deleted && !salesforce.deleted => {
                self.merge(link, PerSide { operate, salesforce }, as_of, &mut decided)?;
            }
            (Some(operate), Some(salesforce)) if operate.deleted != salesforce.deleted => {
                let gone = if operate.deleted { Side::Operate } else { Side::Salesforce };
                self.one_gone(link, gone, PerSide { operate, salesforce }, &mut decided);
            }
            (Some(operate), None) if !operate.deleted && link.created => self.half(link, Side::Operate, operate, &mut decided),
            (None, Some(salesforce)) if !salesforce.deleted && link.created => {
                self.half(link, Side::Salesforce, salesforce, &mut decided);
            }
            (None, Some(salesforce)) if !salesforce.deleted => {
                decided.supersede = Side::BOTH.to_vec();
                decided.blocked = salesforce.external_id.as_deref().map(names_another);
            }
            _ => decided.supersede = Side::BOTH.to_vec(),
        }
        Some(decided)
    }

    /// Only one lead is there, and the other is to be created.
    fn half(&self, link: &DirtyLink, side: Side, lead: &LeadRow, decided: &mut Decided) {
        let to = side.other();
        if (lead.converted && side == Side::Salesforce) || !self.rules.creates(to) {
            decided.supersede.push(to);
            return;
        }
        if let Some(named) = lead.external_id.as_ref().filter(|_| side == Side::Salesforce && !link.names.gone) {
            // Somebody has made its other half already, and it could not be linked.
            decided.supersede.push(to);
            decided.blocked = Some(names_another(named));
            return;
        }
        match self.create_push(side, link.link_id, &lead.fields) {
            Ok(push) => replace(link, push, decided),
            Err(problem) => {
                decided.supersede.push(to);
                decided.blocked = Some(problem.to_string());
            }
        }
    }

    fn merge(&self, link: &DirtyLink, leads: PerSide<&LeadRow>, as_of: &AsOf, decided: &mut Decided) -> Option<()> {
        let mut now = PerSide::build(|side| self.all_values_of(side, leads.get(side)));
        let mut base = self.base_of(link);
        if self.mapping.has_variants() {
            let common = self.in_common(&base, &now, self.newest(leads));
            self.mapping.set_aside_both(&mut now, &common);
        }
        let resolved = |place: usize| {
            let field = self.mapping.fields().get(place)?;
            let (_, side, values) = link.resolved.iter().find(|(name, ..)| *name == field.name)?;
            (*values == encoded(&now, place)).then_some(*side)
        };
        let both = PerSide { operate: &now.operate, salesforce: &now.salesforce };
        let mut merged = merge_lead(&self.mapping, &base, both, self.newest(leads), resolved);
        for (place, decision) in &mut merged.fields {
            // Each side keeps its own until somebody edits one of them.
            let foreign = |to: Side| now.get(to.other()).0.get(*place).is_some_and(|value| self.is_foreign(to, *place, value));
            if decision.gives().is_some_and(foreign) {
                *decision = Decision::Accept;
            }
        }
        self.conflicts(link, &merged, &base, &now, decided);
        rebase(&merged, &mut base, &now);
        decided.base = self.mapping.encode_base(&base);
        if let Some((place, side)) = merged.blocked()
            && let (Some(field), Some(value)) = (self.mapping.fields().get(place), now.get(side).0.get(place))
        {
            decided.blocked = Some(field.unreadable(side, &value.to_string()).to_string());
        }
        for to in Side::BOTH {
            let target = leads.get(to);
            let mut given: Vec<usize> = merged.given(to).collect();
            if let Some(field) = self.leave_swinging(link, to, &mut given, &now) {
                decided.blocked = Some(format!(
                    "flapping: {} was given the same {field} twice within the hour, and it was set back each time: look for a rule that \
                     sets it on either side, then `leadsync retry`",
                    to.title()
                ));
            }
            let named = to == Side::Operate
                || link.names.taken
                || target.external_id.as_ref().map_or(!link.created, |named| *named == leads.operate.lead_id);
            let waits = merged.blocked().is_some_and(|(_, side)| side == to.other());
            let read_only = to == Side::Salesforce && target.converted;
            if read_only {
                self.cannot_be_given(&given, &base, &now, decided);
            }
            let undo = self.standing_undo(link, to, &given, &now);
            if waits || read_only || (given.is_empty() && undo.is_none() && named) {
                decided.supersede.push(to);
                continue;
            }
            if to == Side::Salesforce && second(target.modified_at) >= second(as_of.of(&target.lead_id)) {
                // Another edit in the same second would not show: look again once the second is over.
                return None;
            }
            let push = self.update_push(link, to, &given, &now);
            match push.and_then(|push| self.with_undo(push, undo, &now)) {
                Ok(push) => replace(link, push, decided),
                Err(problem) => {
                    decided.supersede.push(to);
                    decided.blocked = Some(problem.to_string());
                }
            }
        }
        Some(())
    }

    /// What both leads will have once they are merged, as far as it can be told: it decides which fields have a part in them.
    fn in_common(&self, base: &Base, now: &PerSide<Values>, newest: Newest) -> Values {
        let merged =
            merge_lead(&self.mapping, base, PerSide { operate: &now.operate, salesforce: &now.salesforce }, newest, |_| None);
        let mut common = now.operate.clone();
        for place in merged.given(Side::Operate) {
            if let (Some(slot), Some(value)) = (common.0.get_mut(place), now.salesforce.0.get(place)) {
                slot.clone_from(value);
            }
        }
        common
    }

    /// What a converted lead can no longer be given is kept where people look for what did not reach the other side.
    fn cannot_be_given(&self, given: &[usize], base: &Base, now: &PerSide<Values>, decided: &mut Decided) {
        for place in given {
            let (Some(field), Some(base)) = (self.mapping.fields().get(*place), base.0.get(*place)) else { continue };
            let is_told = decided.conflicts.iter().any(|conflict| conflict.field == field.name);
            if !is_told {
                let (base, values) = (stood(base), encoded(now, *place));
                decided.conflicts.push(NewConflict { field: field.name.clone(), base, values, rule: "converted", winner: None });
            }
        }
    }

    /// Takes out fields that swing between two values, and names one of them.
    fn leave_swinging(&self, link: &DirtyLink, to: Side, given: &mut Vec<usize>, now: &PerSide<Values>) -> Option<&str> {
        let swinging = |place: usize| {
            let (field, value) = (self.mapping.fields().get(place)?, now.get(to.other()).0.get(place)?);
            swings(&link.recent, to, &field.name, &value.to_json()).then_some(field.name.as_str())
        };
        let named = given.iter().find_map(|place| swinging(*place));
        given.retain(|place| swinging(*place).is_none());
        named
    }

    fn update_push(
        &self,
        link: &DirtyLink,
        to: Side,
        given: &[usize],
        now: &PerSide<Values>,
    ) -> Result<NewPush, crate::mapping::FieldProblem> {
        let of = |side: Side| given.iter().filter_map(move |place| Some((*place, now.get(side).0.get(*place)?)));
        if to == Side::Operate {
            self.mapping.keep_required(to, &self.rules.required_fields, of(to.other()))?;
        }
        self.mapping.write(to, of(to.other()))?;
        let pairs = of(to.other()).map(|(place, value)| (place, PerSide { operate: value, salesforce: value }));
        Ok(NewPush {
            link_id: link.link_id,
            side: to,
            kind: WriteKind::Update,
            // A write that only names the other lead changes nothing that people see.
            initial: is_first(&link.base) || given.is_empty(),
            fields: self.mapping.encode_some(of(to.other())),
            before: self.mapping.encode_some(of(to)),
            base: self.mapping.encode_base_patch(pairs),
            undoes: None,
        })
    }

    fn conflicts(&self, link: &DirtyLink, merged: &LeadDecision, base: &Base, now: &PerSide<Values>, decided: &mut Decided) {
        let mut open = Vec::new();
        for (place, decision) in &merged.fields {
            let (Some(field), Some(base)) = (self.mapping.fields().get(*place), base.0.get(*place)) else { continue };
            let (rule, winner) = match decision {
                Decision::Settle { winner, by } => (by.as_str(), Some(*winner)),
                Decision::Open => ("manual", None),
                _ => continue,
            };
            let values = encoded(now, *place);
            if winner.is_none() && link.open.iter().any(|(name, stood)| *name == field.name && *stood == values) {
                open.push(field.name.clone());
                continue;
            }
            decided.conflicts.push(NewConflict { field: field.name.clone(), base: stood(base), values, rule, winner });
        }
        decided.closed = link.open.iter().map(|(name, _)| name.clone()).filter(|name| !open.contains(name)).collect();
    }

    /// Whose lead was edited later. Times are whole seconds and offsets are measured, so close calls are ties.
    fn newest(&self, leads: PerSide<&LeadRow>) -> Newest {
        let clocks = PerSide::build(|side| self.clients.get(side).clock());
        let time = |side: Side| leads.get(side).changed_at - clocks.get(side).map_or_else(TimeDelta::zero, |clock| clock.offset);
        let error = |side: Side| clocks.get(side).map_or_else(TimeDelta::zero, |clock| clock.error);
        let ahead = time(Side::Operate) - time(Side::Salesforce);
        let doubt = TimeDelta::seconds(1) + error(Side::Operate) + error(Side::Salesforce);
        if ahead.abs() <= doubt {
            Newest::Tie
        } else if ahead > TimeDelta::zero() {
            Newest::Side(Side::Operate)
        } else {
            Newest::Side(Side::Salesforce)
        }
    }
}

/// Whether nothing was ever in step: the leads have just found each other.
pub(super) fn is_first(base: &str) -> bool {
    base == "{}"
}

fn names_another(named: &str) -> String {
    format!(
        "names Operate lead {named}, which was never seen, is linked to another Salesforce lead or was unlinked: `leadsync relink` links \
         two leads; or clear the Salesforce lead's external id field, then `leadsync retry`"
    )
}

/// A Salesforce lead that is left alone and has no other half names none: its name would be in the way of the lead that has it now.
fn unname(link: &DirtyLink, lead: &LeadRow, decided: &mut Decided) {
    if lead.external_id.is_none() || lead.deleted || lead.converted {
        decided.supersede = Side::BOTH.to_vec();
        return;
    }
    let (side, kind) = (Side::Salesforce, WriteKind::Update);
    let push = NewPush {
        link_id: link.link_id,
        side,
        kind,
        initial: true,
        fields: json!({}),
        before: json!({}),
        base: json!({}),
        undoes: None,
    };
    replace(link, push, decided);
}

/// Puts a push in the place of what was to be sent before; a write that was refused and has not changed stays parked.
pub(super) fn replace(link: &DirtyLink, push: NewPush, decided: &mut Decided) {
    let same = |(side, _, fields): &&(Side, String, Json)| *side == push.side && *fields == push.fields;
    if link.unsettled.iter().find(same).is_some() {
        return;
    }
    decided.supersede.push(push.side);
    decided.pushes.push(push);
}

fn rebase(merged: &LeadDecision, base: &mut Base, now: &PerSide<Values>) {
    for (place, decision) in &merged.fields {
        if matches!(decision, Decision::Agree | Decision::Accept)
            && let (Some(slot), Some(operate), Some(salesforce)) =
                (base.0.get_mut(*place), now.operate.0.get(*place), now.salesforce.0.get(*place))
        {
            *slot = PerSide { operate: operate.clone(), salesforce: salesforce.clone() };
        }
    }
}

/// A base, for people: one value, or both sides'.
fn stood(base: &PerSide<Value>) -> Json {
    let (operate, salesforce) = (base.operate.to_json(), base.salesforce.to_json());
    if operate == salesforce { operate } else { json!([operate, salesforce]) }
}

fn encoded(now: &PerSide<Values>, place: usize) -> PerSide<Json> {
    PerSide::build(|side| now.get(side).0.get(place).map_or(Json::Null, Value::to_json))
}

fn second(time: DateTime<Utc>) -> DateTime<Utc> {
    time.duration_trunc(TimeDelta::seconds(1)).unwrap_or(time)
}
