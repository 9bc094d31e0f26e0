//! `values` of a field: the rows, and whether every value can be read in one way only.

use config::{Value, ValueKind};

use super::field::{DIRECTION_WORDS, Direction, ValueRow};
use super::keys::{self, KeyPath};
use super::section::{Fault, Report, Section, wrong_type};
use super::value::quote;
use crate::lead::{PerSide, Side};

/// How a row is written.
const HELP: &str = "write rows such as [\"New\", \"Open\"], or [\"Fresh\", \"Open\", \"to_salesforce\"] for one way only";

/// The value map of a field.
pub(super) struct ValueMap {
    /// The rows that could be read.
    pub rows: Vec<ValueRow>,
    /// Whether that is all of them. If not, nothing can be said of what is missing.
    pub complete: bool,
}

impl ValueMap {
    /// The spellings of a side.
    pub(super) fn spellings(&self, side: Side) -> impl Iterator<Item = &str> {
        self.rows.iter().map(move |row| row.native.get(side).as_str())
    }
}

/// Reads and checks the map; a field without one has no rows.
pub(super) fn read(section: &Section<'_>) -> ValueMap {
    let report = section.report;
    let elements = section.elements("values", HELP);
    if elements.as_ref().is_some_and(Vec::is_empty) {
        report.error(&section.path.key("values"), Fault::new("the value map is empty", HELP));
    }
    let readable = elements.is_some() || !section.has("values");
    let elements = elements.unwrap_or_default();
    let rows: Vec<(KeyPath, ValueRow)> =
        elements.iter().filter_map(|(path, element)| read_row(report, path, element).map(|row| (path.clone(), row))).collect();
    let complete = readable && rows.len() == elements.len();
    refuse_ambiguous(report, &rows);
    if complete {
        refuse_one_way_only(report, &rows);
    }
    ValueMap { rows: rows.into_iter().map(|(_, row)| row).collect(), complete }
}

fn read_row(report: &Report<'_>, path: &KeyPath, element: &Value) -> Option<ValueRow> {
    let ValueKind::Array(cells) = &element.kind else {
        report.error(path, wrong_type(&element.kind, "a row of the value map", HELP));
        return None;
    };
    let mut words = Vec::new();
    for (index, cell) in cells.iter().enumerate() {
        match &cell.kind {
            ValueKind::String(word) if !word.trim().is_empty() => words.push(word.trim()),
            ValueKind::String(_) => {
                let help = "remove the row: an empty value is empty on both sides without one";
                report.error(&path.index(index), Fault::new("this is empty", help));
                return None;
            }
            kind => {
                report.error(&path.index(index), wrong_type(kind, "text", "put it in double quotes"));
                return None;
            }
        }
    }
    let (operate, salesforce, direction) = match words.as_slice() {
        [operate, salesforce] => (operate, salesforce, Direction::Both),
        [operate, salesforce, word] => (operate, salesforce, read_direction(report, &path.index(2), word)?),
        _ => {
            let problem = format!("this row has {} values, where 2 or 3 are expected", words.len());
            report.error(path, Fault::new(problem, HELP));
            return None;
        }
    };
    let native = PerSide { operate: (*operate).to_owned(), salesforce: (*salesforce).to_owned() };
    Some(ValueRow { native, direction })
}

fn read_direction(report: &Report<'_>, path: &KeyPath, word: &str) -> Option<Direction> {
    let known = DIRECTION_WORDS.iter().find(|(name, _)| *name == word).map(|(_, direction)| *direction);
    if known.is_none() {
        let help = keys::nearest(word, DIRECTION_WORDS.iter().map(|(name, _)| *name)).map_or_else(
            || "write \"to_salesforce\" or \"to_operate\", or leave it out".to_owned(),
            |near| format!("did you mean \"{near}\"?"),
        );
        report.error(path, Fault::new(format!("{} is not a way that values go", quote(word)), help));
    }
    known
}

/// The way in which values are read from a side, and its word.
const fn way_from(side: Side) -> (Direction, &'static str) {
    match side {
        Side::Operate => (Direction::ToSalesforce, "to_salesforce"),
        Side::Salesforce => (Direction::ToOperate, "to_operate"),
    }
}

fn is_read_from(row: &ValueRow, side: Side) -> bool {
    row.direction == Direction::Both || row.direction == way_from(side).0
}

/// A value that stands in two rows which are both used to read it has no one meaning.
fn refuse_ambiguous(report: &Report<'_>, rows: &[(KeyPath, ValueRow)]) {
    for (number, (path, row)) in rows.iter().enumerate() {
        for (column, side) in Side::BOTH.into_iter().enumerate().filter(|(_, side)| is_read_from(row, *side)) {
            let spelling = row.native.get(side);
            let earlier =
                rows.iter().take(number).find(|(_, other)| is_read_from(other, side) && other.native.get(side) == spelling);
            let Some((_, other)) = earlier else { continue };
            if other.native == row.native {
                report.error(path, Fault::new("this row stands twice", "remove one of the two"));
                break;
            }
            let problem =
                format!("{}'s {} stands in two rows, and nothing says which one it is read by", side.title(), quote(spelling));
            let help = format!("limit one of them to the other way: add \"{}\" as its third word", way_from(side.other()).1);
            report.error(&path.index(column), Fault::new(problem, help));
        }
    }
}

/// A row for one way leaves to other rows how its target is read back. If none does, what we write comes back as unknown.
fn refuse_one_way_only(report: &Report<'_>, rows: &[(KeyPath, ValueRow)]) {
    for (path, row) in rows {
        let (target, column) = match row.direction {
            Direction::Both => continue,
            Direction::ToSalesforce => (Side::Salesforce, 1),
            Direction::ToOperate => (Side::Operate, 0),
        };
        let spelling = row.native.get(target);
        if !rows.iter().any(|(_, other)| is_read_from(other, target) && other.native.get(target) == spelling) {
            let problem = format!("no row says how {}'s {} is read back", target.title(), quote(spelling));
            report.error(&path.index(column), Fault::new(problem, "leave out the third word, or add the row for the other way"));
        }
    }
}
