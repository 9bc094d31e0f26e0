//! SOQL as far as one object and the records that it refers to go: select, where, order, limit, offset.

mod dates;
mod lexer;
mod parser;
mod selection;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use chrono::{DateTime, NaiveDate, Utc};

use crate::sandbox::salesforce::fields::Field;
use crate::sandbox::salesforce::ids::Key;
use crate::sandbox::salesforce::objects::Entity;

pub use parser::{Terms, parse};

/// A query that was understood.
#[derive(Debug)]
pub struct Query {
    pub entity: Entity,
    pub select: Select,
    pub condition: Option<Condition>,
    pub order: Vec<Order>,
    pub limit: Option<usize>,
    pub offset: usize,
}

/// What is asked for.
#[derive(Debug)]
pub enum Select {
    Columns(Vec<Column>),
    /// `COUNT()`.
    Count,
    /// `COUNT(Id)` and the like.
    Totals(Vec<Total>),
}

/// A field of the object, or of a record that it refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    pub through: Option<Through>,
    pub field: &'static Field,
}

/// The way to a record that another refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Through {
    pub reference: &'static Field,
    pub entity: Entity,
}

impl Column {
    /// As a query writes it.
    pub fn name(&self) -> String {
        match self.through.and_then(|through| through.reference.relationship()) {
            Some(relationship) => format!("{relationship}.{}", self.field.name),
            None => self.field.name.to_owned(),
        }
    }
}

/// One figure about all rows.
#[derive(Debug, Clone)]
pub struct Total {
    pub function: Function,
    pub column: Column,
    /// The key of the answer that has it.
    pub name: String,
}

/// What a figure is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Count,
    Min,
    Max,
}

/// One key of the order.
#[derive(Debug)]
pub struct Order {
    pub column: Column,
    pub descending: bool,
    pub nulls_last: bool,
}

/// A condition on a row.
#[derive(Debug)]
pub enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Compare(Column, Operator, Literal),
    In(Column, Vec<Literal>),
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Like,
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Null,
    Text(String),
    Id(Key),
    Number(f64),
    Boolean(bool),
    Date(NaiveDate),
    DateTime(DateTime<Utc>),
    /// What a word such as `LAST_WEEK` stands for: from the first day on, and before the last.
    Days(NaiveDate, NaiveDate),
}

/// A field's value, as a row holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Held<'r> {
    Null,
    Text(&'r str),
    Id(Key),
    Number(f64),
    Boolean(bool),
    DateTime(DateTime<Utc>),
}

/// What a condition is asked of.
pub trait Fields {
    fn held(&self, column: &Column) -> Held<'_>;
}

impl Condition {
    /// Whether a row meets it.
    pub fn holds(&self, row: &impl Fields) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(row)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(row)),
            Self::Not(part) => !part.holds(row),
            Self::Compare(column, operator, literal) => operator.holds(row.held(column), literal),
            Self::In(column, literals) => literals.iter().any(|literal| Operator::Equal.holds(row.held(column), literal)),
        }
    }
}

impl Operator {
    fn holds(self, held: Held<'_>, literal: &Literal) -> bool {
        if self == Self::Like {
            return matches!((held, literal), (Held::Text(text), Literal::Text(pattern)) if like(text, pattern));
        }
        let order = compare(held, literal);
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::NotEqual => order != Some(Ordering::Equal),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            Self::Like => false,
        }
    }
}

fn compare(held: Held<'_>, literal: &Literal) -> Option<Ordering> {
    match (held, literal) {
        (Held::Null, Literal::Null) => Some(Ordering::Equal),
        (Held::Text(text), Literal::Text(wanted)) => Some(fold(text).cmp(fold(wanted))),
        (Held::Text(text), Literal::Date(date)) => Some(text.cmp(&date.to_string())),
        (Held::Id(id), Literal::Id(wanted)) => Some(id.cmp(wanted)),
        (Held::Text(text), Literal::Days(first, end)) => {
            NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|day| within(day, *first, *end))
        }
        (Held::DateTime(time), Literal::Days(first, end)) => Some(within(time.date_naive(), *first, *end)),
        (Held::Number(number), Literal::Number(wanted)) => number.partial_cmp(wanted),
        (Held::Boolean(flag), Literal::Boolean(wanted)) => Some(flag.cmp(wanted)),
        (Held::DateTime(time), Literal::DateTime(wanted)) => Some(time.cmp(wanted)),
        _ => None,
    }
}

/// How a day stands to a stretch of days; one within it is equal to it.
fn within(day: NaiveDate, first: NaiveDate, end: NaiveDate) -> Ordering {
    if day < first {
        Ordering::Less
    } else if day >= end {
        Ordering::Greater
    } else {
        Ordering::Equal
    }
}

/// How two rows stand to each other by one key of the order.
pub fn compare_held(a: Held<'_>, b: Held<'_>, order: &Order) -> Ordering {
    let by_value = match (a, b) {
        (Held::Null, Held::Null) => return Ordering::Equal,
        (Held::Null, _) => return if order.nulls_last { Ordering::Greater } else { Ordering::Less },
        (_, Held::Null) => return if order.nulls_last { Ordering::Less } else { Ordering::Greater },
        (Held::Text(a), Held::Text(b)) => fold(a).cmp(fold(b)),
        (Held::Id(a), Held::Id(b)) => a.cmp(&b),
        (Held::Number(a), Held::Number(b)) => a.total_cmp(&b),
        (Held::Boolean(a), Held::Boolean(b)) => a.cmp(&b),
        (Held::DateTime(a), Held::DateTime(b)) => a.cmp(&b),
        _ => Ordering::Equal,
    };
    if order.descending { by_value.reverse() } else { by_value }
}

/// Case makes no difference.
fn fold(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().flat_map(char::to_lowercase)
}

/// `LIKE`: `%` stands for any text, `_` for one character. The lexer keeps escaped ones apart as private characters.
fn like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = fold(text).collect();
    let pattern: Vec<char> = fold(pattern).collect();
    matches_like(&text, &pattern)
}

/// Goes back to the last `%` only: what an earlier one could take, the last one can as well.
fn matches_like(text: &[char], pattern: &[char]) -> bool {
    let (mut at, mut next) = (0, 0);
    let mut any: Option<(usize, usize)> = None;
    while let Some(first) = text.get(at) {
        match pattern.get(next) {
            Some('%') => {
                any = Some((at, next));
                next += 1;
            }
            Some(symbol) if fits(*symbol, *first) => (at, next) = (at + 1, next + 1),
            _ => {
                let Some((start, place)) = any else { return false };
                any = Some((start + 1, place));
                (at, next) = (start + 1, place + 1);
            }
        }
    }
    pattern.get(next..).unwrap_or_default().iter().all(|symbol| *symbol == '%')
}

fn fits(symbol: char, letter: char) -> bool {
    match symbol {
        '_' => true,
        lexer::PERCENT => letter == '%',
        lexer::UNDERSCORE => letter == '_',
        other => other == letter,
    }
}
