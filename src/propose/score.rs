//! How alike two fields are.

use super::{Reason, synonyms};
use crate::lead::Kind;
use crate::side::NativeField;
use crate::survey::{Profile, Shape};

/// So many different values must be there before having the same ones means anything.
const ENOUGH: f64 = 8.0;

/// How certain it is that these two are the same, 0 to 100, and why. `None`: nothing speaks for it.
pub(super) fn score(name: &str, ours: &Profile, native: &NativeField, theirs: &Profile) -> Option<(u8, Reason)> {
    let (one, other, label) = (words(name), words(&native.name), words(&native.label));
    let overlap = overlap(ours, theirs);
    let alike = strsim::jaro_winkler(&one, &other).max(strsim::jaro_winkler(&one, &label));
    let (base, reason) = if one == other {
        (85, Reason::SameName)
    } else if synonyms::named(&one, &other).is_some() {
        (85, Reason::Synonym)
    } else if !label.is_empty() && one == label {
        (80, Reason::Label)
    } else if alike > 0.9 {
        (50, Reason::SimilarName)
    } else if overlap >= 0.3 && ours.shape().is_some_and(|shape| shape.kind() == Kind::Text) {
        (25, Reason::SimilarValues)
    } else {
        return None;
    };
    let mut points: i32 = base;
    points += match ours.shape() {
        Some(shape) if !fits(shape, native) => -40,
        Some(shape) if Some(shape) == theirs.shape() && shape != Shape::Text => 8,
        Some(_) if theirs.filled > 0 => 4,
        _ => -10,
    };
    // What both have in common is worth as much as a name, at most.
    points +=
        [(0.7, 30), (0.4, 25), (0.2, 15), (0.05, 6)].iter().find(|(least, _)| overlap >= *least).map_or(0, |(_, more)| *more);
    if !native.writable {
        points -= 15;
    }
    u8::try_from(points.clamp(0, 99)).ok().map(|points| (points, reason))
}

fn overlap(ours: &Profile, theirs: &Profile) -> f64 {
    if ours.sketch.distinct() < ENOUGH || theirs.sketch.distinct() < ENOUGH { 0.0 } else { ours.sketch.overlap(&theirs.sketch) }
}

/// Whether values that look like this can stand in such a field.
pub(super) fn fits(shape: Shape, native: &NativeField) -> bool {
    match native.kind {
        Some(Kind::Number) => matches!(shape, Shape::Number | Shape::Boolean),
        Some(Kind::Boolean) => shape == Shape::Boolean,
        Some(Kind::Date) => shape == Shape::Date,
        Some(Kind::Instant) => shape == Shape::Instant,
        _ => match native.native_type.as_str() {
            "email" => shape == Shape::Email,
            "phone" => shape != Shape::Email,
            _ => true,
        },
    }
}

/// A name in small letters, without what separates words, and without what marks a custom field or a package.
pub(super) fn words(name: &str) -> String {
    let name = name.strip_suffix("__c").unwrap_or(name);
    let name = name.split_once("__").map_or(name, |(_, rest)| rest);
    name.chars().filter(char::is_ascii_alphanumeric).map(|each| each.to_ascii_lowercase()).collect()
}
