//! The file's text, parsed a second time for the one thing that the layers lose: where each key and value stands.
//!
//! It also decides what of a line may be shown. Only values under known keys that hold no secret are: a misspelt key may be
//! that of a secret, and a secret never reaches a message.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::finding::{Excerpt, Finding, Place, Severity};
use super::keys::{self, KeyPath, Step, printable};
use super::secret;

/// What stands in a message in place of a secret, whatever its length.
const BLOT: &str = "***";

/// The longest line that is shown whole, in bytes, and of a longer one how many characters: most of them after the place.
const LINE: usize = 200;
/// Characters of a longer line before the place.
const BEFORE: usize = 60;
/// What stands for the rest of a longer line.
const MORE: char = '…';

/// Which part of an entry a finding points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The key.
    Key,
    /// The value.
    Value,
}

/// A parsed file.
pub(super) struct Document<'a> {
    file: PathBuf,
    text: &'a str,
    root: DeTable<'a>,
    /// Where lines begin.
    lines: Vec<usize>,
    /// The parts of the text that are never shown, in order.
    hidden: Vec<Range<usize>>,
    /// Numbers that do not fit.
    too_large: Vec<KeyPath>,
}

impl<'a> Document<'a> {
    /// Parses the text, or says where it is not TOML.
    pub(super) fn parse(file: &Path, text: &'a str) -> Result<Self, Box<Finding>> {
        let (root, errors) = DeTable::parse_recoverable(text);
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(newline, _)| newline + 1)).collect();
        let (file, root_table) = (file.to_owned(), DeTable::new());
        let mut document = Self { file, text, root: root_table, lines, hidden: Vec::new(), too_large: Vec::new() };
        if let Some(error) = errors.first() {
            return Err(Box::new(document.syntax_finding(error)));
        }
        document.survey(root.get_ref(), &KeyPath::root(), false);
        document.hidden.sort_unstable_by_key(|hidden| hidden.start);
        document.root = root.into_inner();
        Ok(document)
    }

    /// The file, as it was named.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Numbers that do not fit, which the layers would stumble over.
    pub(super) fn too_large(&self) -> &[KeyPath] {
        &self.too_large
    }

    /// Where a key or its value stands. Something that is not there is looked for one step up, where it would have been.
    pub(super) fn place(&self, path: &KeyPath, part: Part) -> Place {
        let mut path = path.clone();
        let mut part = part;
        loop {
            if let Some(span) = self.span(&path, part) {
                return self.line_place(span);
            }
            let Some(parent) = path.parent() else { return Place::File(self.file.clone()) };
            path = parent;
            part = Part::Key;
        }
    }

    /// The line of a key, from 1.
    pub(super) fn line(&self, path: &KeyPath) -> Option<usize> {
        self.span(path, Part::Key).map(|span| self.position(span.start).0)
    }

    /// The line of every key, by its name, and the keys of the tables in `fields`, by the name that each gives its field.
    pub(super) fn keys(&self) -> (BTreeMap<String, usize>, BTreeMap<String, String>) {
        let (mut lines, mut fields) = (BTreeMap::new(), BTreeMap::new());
        self.note_keys(&self.root, &KeyPath::root(), &mut lines);
        for (index, table) in self.root.get("fields").and_then(|list| list.get_ref().as_array()).into_iter().flatten().enumerate()
        {
            let name = table.get_ref().as_table().and_then(|table| table.get("name")).and_then(|name| name.get_ref().as_str());
            fields.extend(name.map(|name| (name.to_owned(), KeyPath::root().key("fields").index(index).to_string())));
        }
        (lines, fields)
    }

    fn note_keys(&self, table: &DeTable<'a>, path: &KeyPath, lines: &mut BTreeMap<String, usize>) {
        for (key, value) in table {
            let path = path.key(key.get_ref());
            lines.insert(path.to_string(), self.position(key.span().start).0);
            match value.get_ref() {
                DeValue::Table(table) => self.note_keys(table, &path, lines),
                DeValue::Array(elements) => {
                    for (index, element) in elements.iter().enumerate() {
                        let path = path.index(index);
                        lines.insert(path.to_string(), self.position(element.span().start).0);
                        if let DeValue::Table(table) = element.get_ref() {
                            self.note_keys(table, &path, lines);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn span(&self, path: &KeyPath, part: Part) -> Option<Range<usize>> {
        let (last, above) = path.steps().split_last()?;
        let mut table = Some(&self.root);
        let mut value: Option<&Spanned<DeValue<'a>>> = None;
        for step in above {
            value = match step {
                Step::Key(key) => table?.get(key.as_str()),
                Step::Index(index) => value?.get_ref().get(*index),
            };
            table = value?.get_ref().as_table();
        }
        match last {
            Step::Key(key) => {
                let (key, value) = table?.get_key_value(key.as_str())?;
                Some(if part == Part::Key { key.span() } else { value.span() })
            }
            Step::Index(index) => value?.get_ref().get(*index).map(Spanned::span),
        }
    }

    /// Notes what must not be shown and what does not fit.
    fn survey(&mut self, table: &DeTable<'a>, path: &KeyPath, hidden: bool) {
        for (key, value) in table {
            let name = key.get_ref();
            self.survey_value(value, &path.key(name), hidden || !keys::may_be_shown(name));
        }
    }

    fn survey_value(&mut self, value: &Spanned<DeValue<'a>>, path: &KeyPath, hidden: bool) {
        match value.get_ref() {
            DeValue::Table(table) => return self.survey(table, path, hidden),
            DeValue::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    self.survey_value(element, &path.index(index), hidden);
                }
                return;
            }
            DeValue::Integer(number) if !fits(number) => self.too_large.push(path.clone()),
            DeValue::Float(number) if overflows(number.as_str()) => self.too_large.push(path.clone()),
            _ => {}
        }
        let text = value.get_ref().as_str();
        if (hidden && !text.is_some_and(secret::is_reference)) || text.is_some_and(keys::carries_credentials) {
            self.hidden.push(value.span());
        }
    }

    fn line_place(&self, span: Range<usize>) -> Place {
        let (line, column) = self.position(span.start);
        Place::Line { file: self.file.clone(), line, column, excerpt: Some(self.excerpt(span)) }
    }

    /// Line and column, both from 1, of a byte of the text.
    fn position(&self, offset: usize) -> (usize, usize) {
        let bounds = self.line_bounds(offset);
        let before = self.text.get(bounds.start..offset).unwrap_or_default();
        (self.lines.partition_point(|start| *start <= offset), before.chars().count() + 1)
    }

    fn line_bounds(&self, offset: usize) -> Range<usize> {
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|line| self.lines.get(line)).copied().unwrap_or_default();
        start..self.lines.get(line).map_or(self.text.len(), |next| next - 1)
    }

    /// Of what must not be shown, the part that a byte of the text is in.
    fn hidden_at(&self, offset: usize) -> Option<&Range<usize>> {
        let last = self.hidden.partition_point(|hidden| hidden.start <= offset).checked_sub(1)?;
        self.hidden.get(last).filter(|hidden| hidden.contains(&offset))
    }

    /// The span's first line, or what is near it in a long one, with what must not be shown blotted out and the caret moved to match.
    fn excerpt(&self, span: Range<usize>) -> Excerpt {
        let bounds = self.line_bounds(span.start);
        let line = self.text.get(bounds.clone()).unwrap_or_default().trim_end_matches('\r');
        let part = near(line, span.start - bounds.start);
        let (mut shown, mut end) = (String::new(), 0);
        let mut length = 0;
        if part.start > 0 {
            shown.push(MORE);
            length += 1;
        }
        let mut indent = length;
        let mut blotted: Option<&Range<usize>> = None;
        for (position, each) in line.get(part.clone()).unwrap_or_default().char_indices() {
            let offset = bounds.start + part.start + position;
            if offset <= span.start {
                indent = length;
            }
            match self.hidden_at(offset) {
                Some(range) if blotted == Some(range) => {}
                Some(range) => {
                    blotted = Some(range);
                    shown.push_str(BLOT);
                    length += BLOT.len();
                }
                None => {
                    blotted = None;
                    shown.push_str(&printable(each.encode_utf8(&mut [0; 4])));
                    length += 1;
                }
            }
            if offset < span.end {
                end = length;
            }
        }
        if bounds.start + line.len() <= span.start {
            indent = length;
        }
        if part.end < line.len() {
            shown.push(MORE);
        }
        Excerpt { text: shown, indent, width: end.saturating_sub(indent).max(1) }
    }

    /// What the parser could not read: the first place, since one unclosed bracket makes errors of all that follows. The tree
    /// cannot be trusted then, so the line is shown only where it surely holds no secret.
    fn syntax_finding(&self, error: &toml::de::Error) -> Finding {
        let span = error.span().unwrap_or_default();
        let (line, column) = self.position(span.start);
        let bounds = self.line_bounds(span.start);
        let excerpt = self.surely_harmless(&bounds).then(|| self.excerpt(span));
        let hidden = if excerpt.is_some() { "" } else { " (not shown here, because it may hold a secret)" };
        Finding {
            severity: Severity::Error,
            key: String::new(),
            problem: format!("this is not TOML: {}", error.message().lines().collect::<Vec<_>>().join(", ")),
            help: format!("mend this line{hidden} or what is left open before it; nothing else was checked yet"),
            place: Place::Line { file: self.file.clone(), line, column, excerpt },
        }
    }

    fn surely_harmless(&self, bounds: &Range<usize>) -> bool {
        let before = self.text.get(..bounds.start).unwrap_or_default();
        let line = self.text.get(bounds.clone()).unwrap_or_default().trim();
        let inside_text = before.matches("\"\"\"").count() % 2 == 1 || before.matches("'''").count() % 2 == 1;
        let key = line.split('=').next().unwrap_or_default().trim();
        let known = match line.matches('=').count() {
            0 => line.starts_with('['),
            1 => keys::may_be_shown(key) && key != "auth",
            _ => false,
        };
        known && !inside_text && !keys::carries_credentials(line)
    }
}

/// The part of a line around a place: all of it, unless it is so long that a finding for each of its keys would fill screens.
fn near(line: &str, place: usize) -> Range<usize> {
    if line.len() <= LINE {
        return 0..line.len();
    }
    let before = line.get(..place).unwrap_or(line).char_indices();
    let start = before.rev().nth(BEFORE - 1).map_or(0, |(start, _)| start);
    let rest = line.get(start..).unwrap_or_default();
    start..rest.char_indices().nth(LINE).map_or(line.len(), |(end, _)| start + end)
}

fn fits(number: &DeInteger<'_>) -> bool {
    i64::from_str_radix(number.as_str(), number.radix()).is_ok()
}

fn overflows(number: &str) -> bool {
    number.parse::<f64>().is_ok_and(f64::is_infinite) && !number.contains("inf")
}
