//! Three-way merge of one linked lead: pure and total.
//!
//! For each field there is what each side had when they were last in step (the base) and what each side has now. A side has changed
//! a field when its value differs from its own base. Before the first pairing the base is empty on both sides, so the same table
//! serves: equal values are adopted, a filled one fills an empty one, and two different ones are a conflict.

use crate::config::field::{Direction, EmptyRule};
use crate::config::sync::ConflictRule;
use crate::lead::{PerSide, Side, Value};
use crate::mapping::{Base, Mapping, Policy, Values};

/// Which side's lead was edited later, as far as the servers' clocks can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newest {
    /// This side, beyond doubt.
    Side(Side),
    /// Too close to tell.
    Tie,
}

/// What decided a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecidedBy {
    /// The field's rule.
    Rule(ConflictRule),
    /// The rule `newest` could not tell: the fixed fallback, Salesforce.
    Tie,
    /// The field goes one way only, so the source wins.
    Direction,
    /// One of the values is empty and the field says that an empty value never overwrites.
    Empty,
    /// A person, by `leadsync resolve`.
    Person,
}

impl DecidedBy {
    /// The word for the store's `conflict.rule`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rule(rule) => rule_word(rule),
            Self::Tie => "newest (tie)",
            Self::Direction => "direction",
            Self::Empty => "empty",
            Self::Person => "manual",
        }
    }
}

/// The configuration's word for a rule.
#[must_use]
pub const fn rule_word(rule: ConflictRule) -> &'static str {
    match rule {
        ConflictRule::Newest => "newest",
        ConflictRule::Operate => "operate",
        ConflictRule::Salesforce => "salesforce",
        ConflictRule::Manual => "manual",
    }
}

/// What is to be done about one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Both sides have the same: the base moves there.
    Agree,
    /// Nobody changed it since the base, or the change goes against the field's arrow: nothing to do.
    Rest,
    /// A change that is not carried across, by the field's rule for empty values: the base moves to what each side has.
    Accept,
    /// The other side's value is given to this side.
    Give(Side),
    /// Both sides changed it, and this side's value wins: it is given to the other.
    Settle {
        /// Whose value wins.
        winner: Side,
        /// Why.
        by: DecidedBy,
    },
    /// Both sides changed it and a person has to decide.
    Open,
    /// The value that would be given cannot be read: the lead waits for a person.
    Blocked(Side),
}

impl Decision {
    /// The side that is given the other's value.
    #[must_use]
    pub const fn gives(self) -> Option<Side> {
        match self {
            Self::Give(to) => Some(to),
            Self::Settle { winner, .. } => Some(winner.other()),
            _ => None,
        }
    }
}

/// What is known of one field.
#[derive(Debug, Clone, Copy)]
pub struct FieldState<'v> {
    /// What each side had when both were last in step.
    pub base: &'v PerSide<Value>,
    /// What each side has now.
    pub now: PerSide<&'v Value>,
}

/// Decides one field. `resolved` gives a person's word on exactly this conflict; it is asked only where there is one.
#[must_use]
pub fn merge_field(state: FieldState<'_>, policy: Policy, newest: Newest, resolved: impl FnOnce() -> Option<Side>) -> Decision {
    let PerSide { operate, salesforce } = state.now;
    if matches!(operate, Value::Aside) || matches!(salesforce, Value::Aside) {
        return Decision::Rest;
    }
    if operate == salesforce {
        return Decision::Agree;
    }
    let unknown = |side: Side| matches!(state.now.get(side), Value::Unknown(_));
    if !policy.unknown_parks && (unknown(Side::Operate) || unknown(Side::Salesforce)) {
        return Decision::Rest;
    }
    match (*operate != state.base.operate, *salesforce != state.base.salesforce) {
        (false, false) => Decision::Rest,
        (true, false) => carry(state, policy, Side::Operate),
        (false, true) => carry(state, policy, Side::Salesforce),
        (true, true) => settle(state, policy, newest, resolved()),
    }
}

/// Only `from` changed.
fn carry(state: FieldState<'_>, policy: Policy, from: Side) -> Decision {
    match state.now.get(from) {
        _ if !policy.writes(from.other()) => Decision::Rest,
        Value::Empty if policy.empty == EmptyRule::Keep => Decision::Accept,
        Value::Unknown(_) => Decision::Blocked(from),
        _ => Decision::Give(from.other()),
    }
}

/// Both changed, to different values.
fn settle(state: FieldState<'_>, policy: Policy, newest: Newest, resolved: Option<Side>) -> Decision {
    let source = match policy.direction {
        Direction::Both => None,
        Direction::ToSalesforce => Some(Side::Operate),
        Direction::ToOperate => Some(Side::Salesforce),
    };
    let filled = match policy.empty {
        EmptyRule::Overwrite => None,
        EmptyRule::Keep => Side::BOTH.into_iter().find(|side| state.now.get(side.other()).is_empty()),
    };
    let (winner, by) = match (source, filled, resolved) {
        (Some(source), Some(filled), _) if filled != source => return Decision::Accept,
        (Some(source), ..) => (source, DecidedBy::Direction),
        (None, Some(filled), _) => (filled, DecidedBy::Empty),
        (None, None, Some(side)) => (side, DecidedBy::Person),
        (None, None, None) => match (policy.rule, newest) {
            (ConflictRule::Manual, _) => return Decision::Open,
            (ConflictRule::Operate, _) => (Side::Operate, DecidedBy::Rule(policy.rule)),
            (ConflictRule::Salesforce, _) => (Side::Salesforce, DecidedBy::Rule(policy.rule)),
            (ConflictRule::Newest, Newest::Side(side)) => (side, DecidedBy::Rule(policy.rule)),
            (ConflictRule::Newest, Newest::Tie) => (Side::Salesforce, DecidedBy::Tie),
        },
    };
    if matches!(state.now.get(winner), Value::Unknown(_)) {
        return Decision::Blocked(winner);
    }
    Decision::Settle { winner, by }
}

/// What is to be done about a lead: every decision that is not [`Decision::Rest`], by the field's place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeadDecision {
    /// The decisions, in the order of the fields.
    pub fields: Vec<(usize, Decision)>,
    /// Whether the base moves although nothing is written.
    pub rebased: bool,
}

impl LeadDecision {
    /// The fields that a side is to be given.
    pub fn given(&self, to: Side) -> impl Iterator<Item = usize> {
        self.fields.iter().filter(move |(_, decision)| decision.gives() == Some(to)).map(|(place, _)| *place)
    }

    /// The first field whose value cannot be given, and the side that has it.
    #[must_use]
    pub fn blocked(&self) -> Option<(usize, Side)> {
        self.fields.iter().find_map(|(place, decision)| match decision {
            Decision::Blocked(side) => Some((*place, *side)),
            _ => None,
        })
    }

    /// Decides otherwise about a field whose values differ.
    fn set(&mut self, place: usize, decision: Decision) {
        self.fields.retain(|(other, _)| *other != place);
        if decision != Decision::Rest {
            let at = self.fields.partition_point(|(other, _)| *other < place);
            self.fields.insert(at, (place, decision));
        }
    }
}

/// Decides every field of a lead.
///
/// `resolved` gives a person's word on a field's conflict, if there is one for exactly the values that now stand.
#[must_use]
pub fn merge_lead(
    mapping: &Mapping,
    base: &Base,
    now: PerSide<&Values>,
    newest: Newest,
    resolved: impl Fn(usize) -> Option<Side>,
) -> LeadDecision {
    let mut lead = LeadDecision::default();
    for (place, (state, field)) in states(base, now).zip(mapping.fields()).enumerate() {
        let decision = merge_field(state, field.policy, newest, || resolved(place));
        if moves(state, decision) {
            lead.fields.push((place, decision));
        }
    }
    for group in mapping.groups() {
        merge_group(mapping, group, (base, now), newest, &resolved, &mut lead);
    }
    lead.rebased = lead.fields.iter().any(|(_, decision)| matches!(decision, Decision::Agree | Decision::Accept));
    lead
}

/// What is known of each field, in their order.
fn states<'v>(base: &'v Base, now: PerSide<&'v Values>) -> impl Iterator<Item = FieldState<'v>> {
    let values = now.operate.0.iter().zip(&now.salesforce.0).zip(&base.0);
    values.map(|((operate, salesforce), base)| FieldState { base, now: PerSide { operate, salesforce } })
}

/// Whether a decision changes anything.
fn moves(state: FieldState<'_>, decision: Decision) -> bool {
    match decision {
        Decision::Rest => false,
        Decision::Agree => *state.now.operate != state.base.operate || *state.now.salesforce != state.base.salesforce,
        _ => true,
    }
}

/// Fields that only make sense together: where each side changed any of them, one side's values win for all that differ.
fn merge_group(
    mapping: &Mapping,
    group: &[usize],
    (base, now): (&Base, PerSide<&Values>),
    newest: Newest,
    resolved: &impl Fn(usize) -> Option<Side>,
    lead: &mut LeadDecision,
) {
    let fields = || {
        group.iter().filter_map(|place| {
            let now = PerSide { operate: now.operate.0.get(*place)?, salesforce: now.salesforce.0.get(*place)? };
            Some((*place, FieldState { base: base.0.get(*place)?, now }, mapping.fields().get(*place)?.policy))
        })
    };
    let moved = |side: Side| fields().any(|(_, state, _)| *state.now.get(side) != state.base.get(side));
    let apart = || fields().filter(|(_, state, _)| state.now.operate != state.now.salesforce);
    // Leads that have just found each other, of which one only has more: it fills the other.
    let first = fields().all(|(_, state, _)| state.base.operate.is_empty() && state.base.salesforce.is_empty());
    let lacks = |side: Side| apart().all(|(_, state, _)| state.now.get(side).is_empty());
    if !moved(Side::Operate) || !moved(Side::Salesforce) || (first && Side::BOTH.into_iter().any(lacks)) {
        return;
    }
    let unread = |state: FieldState<'_>| Side::BOTH.iter().any(|side| matches!(state.now.get(*side), Value::Unknown(_)));
    let aside = |state: FieldState<'_>| Side::BOTH.iter().any(|side| matches!(state.now.get(*side), Value::Aside));
    let rests = apart().any(|(_, state, policy)| aside(state) || (!policy.unknown_parks && unread(state)));
    let word = apart().find_map(|(place, ..)| resolved(place));
    for (place, state, policy) in apart() {
        lead.set(place, if rests { Decision::Rest } else { settle(state, policy, newest, word) });
    }
}
