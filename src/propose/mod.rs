//! A proposal of which field of one system is which of the other: pure, from what a survey saw and what Salesforce describes.
//!
//! Names count most, then what values look like, then how many of them both sides have. Nothing here writes a configuration.

mod score;
mod synonyms;
mod values;

use serde::Serialize;

use self::score::{score, words};
pub use self::values::ValueRows;
use crate::config::field::{Direction, Lookup};
use crate::config::operate::OperateConfig;
use crate::lead::{Kind, PerSide};
use crate::mapping::find;
use crate::operate::REFERENCES;
use crate::side::{FieldRole, NativeField};
use crate::survey::{Profile, Shape, Surveyed};

/// What is less certain is only shown.
pub const CERTAIN: u8 = 60;
/// What is less alike than this is no pair at all.
const LEAST: u8 = 35;

/// Salesforce's own bookkeeping, which nobody keeps in step.
const BOOKKEEPING: [&str; 10] = [
    "CreatedDate",
    "ConvertedDate",
    "SystemModstamp",
    "LastModifiedDate",
    "LastActivityDate",
    "IsDeleted",
    "IsConverted",
    "IsUnreadByOwner",
    "EmailBouncedReason",
    "EmailBouncedDate",
];

/// Why two fields are taken for the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Reason {
    /// They are called the same.
    #[serde(rename = "same name")]
    SameName,
    /// They are usual names of the same thing.
    #[serde(rename = "known synonym")]
    Synonym,
    /// People call Salesforce's what Operate's is called.
    #[serde(rename = "label")]
    Label,
    /// They are called nearly the same.
    #[serde(rename = "similar name")]
    SimilarName,
    /// Leads of both sides hold the same values in them.
    #[serde(rename = "similar values")]
    SimilarValues,
    /// A person said so.
    #[serde(rename = "chosen")]
    Chosen,
}

impl Reason {
    /// The word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameName => "same name",
            Self::Synonym => "known synonym",
            Self::Label => "label",
            Self::SimilarName => "similar name",
            Self::SimilarValues => "similar values",
            Self::Chosen => "chosen",
        }
    }
}

/// A pair of fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// What the mapping would call it.
    pub name: String,
    /// Operate's field.
    pub operate: String,
    /// Salesforce's field.
    pub salesforce: String,
    /// How certain it is, 0 to 100.
    pub confidence: u8,
    /// Why.
    pub reason: Reason,
    /// What speaks against it.
    pub doubt: Option<String>,
    /// The type of the values.
    pub kind: Kind,
    /// Which way values can go.
    #[serde(skip)]
    pub direction: Direction,
    /// The list whose ids Operate's field holds.
    #[serde(skip)]
    pub lookup: Option<Lookup>,
    /// For a picklist: which value is which. They stand in a configuration and in no report.
    #[serde(skip)]
    pub values: Option<ValueRows>,
}

impl Proposal {
    /// Whether it can be used without a person's look at it.
    #[must_use]
    pub const fn is_certain(&self) -> bool {
        self.confidence >= CERTAIN && self.doubt.is_none()
    }
}

/// Pairs the fields of both systems, each once, the most certain pairs first chosen; in the order of Operate's names.
#[must_use]
pub fn propose(surveyed: &Surveyed, operate: &OperateConfig, external_id_field: &str) -> Vec<Proposal> {
    let own = [
        &operate.id_field,
        &operate.modified_field,
        &operate.created_field,
        &operate.converted_field,
        &operate.external_id_field,
    ];
    let ours = surveyed.surveys.operate.fields.iter().filter(|(name, _)| !own.contains(name));
    let empty = Profile::default();
    let theirs = surveyed.described.iter().filter(|field| is_candidate(field, external_id_field));
    let theirs: Vec<(&NativeField, &Profile)> =
        theirs.map(|field| (field, surveyed.surveys.salesforce.fields.get(&field.name).unwrap_or(&empty))).collect();
    let mut pairs: Vec<Proposal> = Vec::new();
    for (name, profile) in ours {
        for (native, their_profile) in &theirs {
            let Some((confidence, reason)) = score(name, profile, native, their_profile) else { continue };
            if confidence >= LEAST {
                pairs.push(pair(name, profile, native, their_profile, confidence, reason));
            }
        }
    }
    // The surest pair of a field stands, also where something speaks against its use.
    pairs.sort_by(|one, other| other.confidence.cmp(&one.confidence).then_with(|| one.operate.cmp(&other.operate)));
    let mut chosen: Vec<Proposal> = Vec::new();
    for mut pair in pairs {
        if chosen.iter().any(|other| other.operate == pair.operate || other.salesforce == pair.salesforce) {
            continue;
        }
        let base = pair.name.clone();
        let mut number = 2;
        while chosen.iter().any(|other| other.name == pair.name) {
            pair.name = format!("{base}_{number}");
            number += 1;
        }
        chosen.push(pair);
    }
    chosen.sort_by(|one, other| one.operate.cmp(&other.operate));
    chosen
}

/// The pair that a person chose; `None` where Salesforce has no such field.
#[must_use]
pub fn chosen(surveyed: &Surveyed, operate: &str, salesforce: &str) -> Option<Proposal> {
    let empty = Profile::default();
    let native = find(&surveyed.described, salesforce)?;
    let ours = surveyed.surveys.operate.fields.get(operate).unwrap_or(&empty);
    let theirs = surveyed.surveys.salesforce.fields.get(&native.name).unwrap_or(&empty);
    Some(pair(operate, ours, native, theirs, 100, Reason::Chosen))
}

fn is_candidate(field: &NativeField, external_id_field: &str) -> bool {
    let is_reference = field.native_type == "reference" && field.role != FieldRole::User;
    let is_other = matches!(field.native_type.as_str(), "id" | "address" | "location" | "base64");
    let is_own = field.name.eq_ignore_ascii_case(external_id_field) || BOOKKEEPING.contains(&field.name.as_str());
    let is_user = field.role == FieldRole::User && field.name != "OwnerId" && !field.name.ends_with("__c");
    !(is_reference || is_other || is_own || is_user)
}

/// The field's Salesforce description.
#[must_use]
pub fn described<'s>(surveyed: &'s Surveyed, proposal: &Proposal) -> Option<&'s NativeField> {
    find(&surveyed.described, &proposal.salesforce)
}

fn pair(name: &str, profile: &Profile, native: &NativeField, theirs: &Profile, confidence: u8, reason: Reason) -> Proposal {
    let list = REFERENCES.iter().find(|(field, _)| *field == name).and_then(|(_, list)| Lookup::named(list));
    let lookup = list.filter(|_| profile.shape().is_some_and(|shape| matches!(shape, Shape::Number | Shape::Boolean)));
    let is_picklist = matches!(native.native_type.as_str(), "picklist" | "multipicklist");
    let values = (is_picklist && lookup.is_none()).then(|| values::rows(profile, native, theirs)).flatten();
    let shape = profile.shape();
    let doubt = if native.role == FieldRole::User && lookup.is_none() {
        Some("Salesforce's field holds a user's id, and Operate's none that can be looked up".to_owned())
    } else if lookup.is_some() && is_picklist {
        Some("Operate's field holds ids of a list, whose names have to be those of the picklist".to_owned())
    } else if lookup.is_none() && shape.is_some_and(|shape| !score::fits(shape, native)) {
        Some(format!("Operate's values do not fit the type {}", native.native_type))
    } else if is_picklist && lookup.is_none() && values.is_none() {
        Some("too many different values for a picklist".to_owned())
    } else if values.as_ref().is_some_and(|values| values.rows.is_empty()) {
        Some("no value is spelt alike on both sides: fill in the rows".to_owned())
    } else {
        None
    };
    let usual = synonyms::named(&words(name), &words(&native.name));
    let kind = if values.is_some() { Kind::Choice } else { native.kind.unwrap_or(Kind::Text) };
    Proposal {
        name: usual.map_or_else(|| mapping_name(name), str::to_owned),
        operate: name.to_owned(),
        salesforce: native.name.clone(),
        confidence,
        reason,
        doubt,
        kind,
        direction: if native.writable { Direction::Both } else { Direction::ToOperate },
        lookup,
        values,
    }
}

/// A name that a field of the mapping can have.
fn mapping_name(native: &str) -> String {
    let text: String =
        native.chars().map(|each| if each.is_ascii_alphanumeric() { each.to_ascii_lowercase() } else { '_' }).collect();
    let text = text.trim_matches('_');
    if text.starts_with(|first: char| first.is_ascii_lowercase()) { text.to_owned() } else { format!("field_{text}") }
}

/// The lists of fields by which unlinked leads should find each other: e-mail addresses where nearly all have one of their own, then
/// company and postcode. Filled and unique on both sides, or not at all.
#[must_use]
pub fn match_keys(surveyed: &Surveyed, proposals: &[Proposal]) -> Vec<Vec<String>> {
    let certain = |name: &str| proposals.iter().find(|proposal| proposal.name == name && proposal.is_certain());
    let held = |proposal: &Proposal| PerSide {
        operate: surveyed.surveys.operate.fields.get(&proposal.operate).map(|profile| (profile, surveyed.surveys.operate.read)),
        salesforce: surveyed
            .surveys
            .salesforce
            .fields
            .get(&proposal.salesforce)
            .map(|profile| (profile, surveyed.surveys.salesforce.read)),
    };
    let every = |proposal: &Proposal, fits: &dyn Fn(&Profile, u64) -> bool| {
        let PerSide { operate, salesforce } = held(proposal);
        [operate, salesforce].into_iter().all(|held| held.is_some_and(|(profile, read)| fits(profile, read)))
    };
    let mut keys = Vec::new();
    let half = |profile: &Profile, read: u64| profile.filled * 2 >= read.max(1);
    if certain("email").is_some_and(|email| every(email, &|profile, read| half(profile, read) && profile.uniqueness() > 0.9)) {
        keys.push(vec!["email".to_owned()]);
    }
    if let (Some(company), Some(postcode)) = (certain("company"), certain("postcode"))
        && every(company, &half)
        && every(postcode, &half)
    {
        keys.push(vec!["company".to_owned(), "postcode".to_owned()]);
    }
    keys
}

#[cfg(test)]
mod tests;
