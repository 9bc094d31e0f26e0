//! What transforms go together, and whether what a side is given can be read back.

use chrono_tz::Tz;

use super::Transform;
use crate::config::field::{Direction, FieldConfig};
use crate::config::keys::KeyPath;
use crate::config::section::{Fault, Section};
use crate::config::value::quote;
use crate::lead::{Kind, Side, Value};
use crate::mapping::transform::moment::{self, Kept};
use crate::mapping::{Lens, OperateTime, Transforms};

/// Texts that a field may hold, to try its transforms on.
const SAMPLES: [&str; 3] = ["Sample Text", "x 1", "QUITE another, longer text: 12 (34)"];

/// Notes what is wrong with the transforms of a field, each with its place.
pub(in crate::config) fn check(section: &Section<'_>, transforms: &[(KeyPath, Transform)], field: &FieldConfig) {
    if transforms.is_empty() {
        return;
    }
    let before = section.report.count();
    check_neighbours(section, field);
    for (number, (path, transform)) in transforms.iter().enumerate() {
        let earlier: Vec<&Transform> = transforms.iter().take(number).map(|(_, transform)| transform).collect();
        if let Some(fault) = misplaced(transform, &earlier) {
            section.report.error(path, fault);
        }
        if matches!(transform, Transform::Truncate { .. }) && field.direction == Direction::Both {
            let help = "add direction = \"to_salesforce\" or \"to_operate\", or leave out the transform";
            section.report.error(path, Fault::new("a text that was cut cannot be written back whole", help));
        }
        check_formats(section, path, transform, field.direction);
    }
    if section.report.count() == before {
        check_samples(section, field);
        check_defaults(section, field);
    }
}

/// Other keys of the field that transforms do not go with.
fn check_neighbours(section: &Section<'_>, field: &FieldConfig) {
    for key in ["values", "lookup"] {
        if section.has(key) {
            let problem = format!("transforms do not go with `{key}`, which says itself how each value is spelt");
            section.report.error_at_key(&section.path.key("transform"), Fault::new(problem, format!("remove it, or `{key}`")));
        }
    }
    let made = field.transforms.iter().find(|transform| transform.is_format()).or_else(|| field.transforms.first());
    let Some(made) = made else { return };
    if section.has("type") && field.kind != made.kind() && !section.has("values") {
        let problem = format!("the transform {} makes a field of type {}", quote(made.name()), made.kind().as_str());
        section.report.error(&section.path.key("type"), Fault::new(problem, "leave out the type, or the transform"));
    }
}

/// Why a transform cannot come after these.
fn misplaced(transform: &Transform, earlier: &[&Transform]) -> Option<Fault> {
    let name = transform.name();
    if let Some(format) = earlier.iter().find(|each| each.is_format()) {
        let problem = format!("{} comes last: nothing can be done to a text after it", quote(format.name()));
        let help = if transform.is_format() { "remove one of the two" } else { "write this one before it" };
        return Some(Fault::new(problem, help));
    }
    if transform.is_case() && earlier.iter().any(|each| each.is_case()) {
        return Some(Fault::new("the case of letters is set twice", "remove one of the two"));
    }
    let alone = transform.kind() != Kind::Text && !earlier.is_empty();
    if alone {
        let problem = format!("{} reads a text as it stands: nothing goes before it", quote(name));
        return Some(Fault::new(problem, "write it alone"));
    }
    if transform.is_format() && earlier.iter().any(|each| matches!(each, Transform::Truncate { .. })) {
        return Some(Fault::new(format!("a text that was cut is not what {} reads", quote(name)), "remove one of the two"));
    }
    None
}

/// A date format must keep what is written with it, and be readable where it is only read.
fn check_formats(section: &Section<'_>, path: &KeyPath, transform: &Transform, direction: Direction) {
    let (formats, what) = match transform {
        Transform::Date(formats) => (formats, "a day"),
        Transform::Datetime { format, .. } => (format, "a moment"),
        _ => return,
    };
    for side in Side::BOTH {
        let Some(format) = formats.get(side) else { continue };
        let kept = if transform.kind() == Kind::Date { moment::days_kept(format) } else { moment::moments_kept(format) };
        let (problem, help) = match kept {
            Kept::All => continue,
            Kept::Some if !direction.writes_to(side) => continue,
            Kept::Some => (
                format!("{} does not keep {what}: part of it is lost", quote(format)),
                "write all of it: %Y with four digits, month and day, and for a time %H and %M",
            ),
            Kept::None => (
                format!("{} is not a format from which {what} can be read", quote(format)),
                "write it in chrono's notation, such as \"%d/%m/%Y\", or \"%d/%m/%Y %H:%M\" with a time; no offset",
            ),
        };
        section.report.error(&path.key(transform.name()).key(side.as_str()), Fault::new(problem, help));
    }
}

/// Steps that undo each other would write what is read back as something else, always.
fn check_samples(section: &Section<'_>, field: &FieldConfig) {
    if field.transforms.iter().any(Transform::is_format) {
        return;
    }
    let lens = lens(field);
    for side in Side::BOTH.into_iter().filter(|side| field.direction.writes_to(*side)) {
        let comes_back = |sample: &str| lens.put(side, &lens.get(side.other(), &serde_json::json!(sample))).is_ok();
        if !SAMPLES.into_iter().all(comes_back) {
            let problem = format!("what these transforms write to {} is read back as something else", side.title());
            let help = "write a prefix or suffix before what changes its letters, and leave out what undoes another one";
            section.report.error(&section.path.key("transform"), Fault::new(problem, help));
        }
    }
}

/// A default is given in its side's spelling.
fn check_defaults(section: &Section<'_>, field: &FieldConfig) {
    let lens = lens(field);
    for side in Side::BOTH {
        let Some(text) = field.default.get(side) else { continue };
        if let Value::Unknown(_) = lens.get(side, &serde_json::json!(text)) {
            let problem = format!("{} is not {}", quote(text), lens.expected());
            let path = section.path.key("default").key(side.as_str());
            section.report.error(&path, Fault::new(problem, "write it as the system has it"));
        }
    }
}

/// The field's lens in a workspace of any zone.
fn lens(field: &FieldConfig) -> Lens {
    let time = OperateTime { zone: Tz::UTC, format: "%Y-%m-%d %H:%M:%S".to_owned() };
    Lens::new(field.kind, None, time).with_transforms(Transforms::new(&field.transforms, field.direction, Tz::UTC))
}
