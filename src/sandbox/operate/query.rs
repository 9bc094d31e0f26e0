//! Queries: `where=[field]op'value'AND…&fields=[a,b]`, taken exactly as the vendor documents them.

use std::cmp::Ordering;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use crate::sandbox::http::Call;
use crate::sandbox::operate::schema::{Column, Kind, Refusal, is_date, same_text};

/// How Operate writes a time.
pub const TIMESTAMP: &str = "%Y-%m-%d %H:%M:%S";

/// A record's value, to be compared.
#[derive(Debug, Clone, Copy)]
pub enum Cell<'a> {
    Text(&'a str),
    /// `None` is an empty field.
    Number(Option<f64>),
    /// A date as text, which sorts as dates do; empty is an empty field.
    Date(&'a str),
    /// A local time, in seconds since 1970 began there.
    Time(i64),
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// Longer ones first, so that `>=` is not read as `>`.
const OPERATORS: [(&str, Operator); 7] = [
    ("!=", Operator::NotEqual),
    ("<>", Operator::NotEqual),
    (">=", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("=", Operator::Equal),
];

/// The value that a condition names.
#[derive(Debug, Clone, PartialEq)]
enum Wanted {
    /// `''` for a field that is not text.
    Empty,
    Text(String),
    Number(f64),
    Date(String),
    Time(i64),
}

/// One condition of a `where`.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The field.
    pub column: Column,
    operator: Operator,
    wanted: Wanted,
}

impl Condition {
    /// Whether it holds for this value.
    pub fn holds(&self, cell: Cell<'_>) -> bool {
        let ordering = match (cell, &self.wanted) {
            (Cell::Text(text), Wanted::Text(wanted)) => Some(self.compare_text(text, wanted)),
            (Cell::Number(Some(number)), Wanted::Number(wanted)) => number.partial_cmp(wanted),
            (Cell::Date(date), Wanted::Date(wanted)) if !date.is_empty() => Some(date.cmp(wanted.as_str())),
            (Cell::Time(time), Wanted::Time(wanted)) => Some(time.cmp(wanted)),
            (Cell::Number(None) | Cell::Date(""), Wanted::Empty) => Some(Ordering::Equal),
            _ => None,
        };
        match self.operator {
            Operator::Equal => ordering == Some(Ordering::Equal),
            Operator::NotEqual => ordering != Some(Ordering::Equal),
            Operator::Greater => ordering == Some(Ordering::Greater),
            Operator::GreaterOrEqual => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
            Operator::Less => ordering == Some(Ordering::Less),
            Operator::LessOrEqual => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
        }
    }

    fn compare_text(&self, text: &str, wanted: &str) -> Ordering {
        match self.operator {
            // Without building lower-case copies for every row.
            Operator::Equal | Operator::NotEqual if same_text(text, wanted) => Ordering::Equal,
            Operator::Equal | Operator::NotEqual => Ordering::Less,
            _ => text.to_lowercase().cmp(&wanted.to_lowercase()),
        }
    }
}

/// A query: which rows, and what of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// All of which must hold.
    pub conditions: Vec<Condition>,
    /// The fields asked for; `None` asks for all.
    pub fields: Option<Vec<(String, Column)>>,
}

impl Query {
    /// Reads the parameters of a request.
    pub fn read(call: &Call, resolve: &dyn Fn(&str) -> Option<Column>) -> Result<Self, Refusal> {
        if !call.query_is_sound {
            return Err(Refusal::input("the query string could not be decoded"));
        }
        let mut query = Self { conditions: Vec::new(), fields: None };
        for (at, (name, value)) in call.query.iter().enumerate() {
            if call.query.iter().take(at).any(|(earlier, _)| earlier == name) {
                return Err(Refusal::input(format!("{name} is given twice")));
            }
            match name.as_str() {
                "where" => query.conditions = conditions(value, resolve)?,
                "fields" => query.fields = Some(fields(value, resolve)?),
                _ => return Err(Refusal::input(format!("unknown parameter {name}"))),
            }
        }
        Ok(query)
    }
}

fn unknown_field(name: &str) -> Refusal {
    Refusal::input(format!("unknown field [{name}]"))
}

/// Reads `[a]='1'AND[b]>='2'`.
pub(super) fn conditions(text: &str, resolve: &dyn Fn(&str) -> Option<Column>) -> Result<Vec<Condition>, Refusal> {
    let malformed = || Refusal::input(format!("where should be in format [field]='value'AND[field]>='value', and it is {text}"));
    let mut conditions = Vec::new();
    let mut rest = text;
    loop {
        let (name, after) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).ok_or_else(malformed)?;
        let (operator, after) = OPERATORS
            .iter()
            .find_map(|(sign, operator)| after.strip_prefix(sign).map(|after| (*operator, after)))
            .ok_or_else(malformed)?;
        let (value, after) = after.strip_prefix('\'').and_then(|after| after.split_once('\'')).ok_or_else(malformed)?;
        if value.chars().any(|letter| letter.is_control() || letter == '[' || letter == ']') {
            return Err(malformed());
        }
        let column = resolve(name).ok_or_else(|| unknown_field(name))?;
        let wanted = wanted(name, column.kind, operator, value)?;
        conditions.push(Condition { column, operator, wanted });
        if after.is_empty() {
            return Ok(conditions);
        }
        rest = after.strip_prefix("AND").ok_or_else(malformed)?;
    }
}

fn wanted(name: &str, kind: Kind, operator: Operator, value: &str) -> Result<Wanted, Refusal> {
    let is_text = matches!(kind, Kind::Text | Kind::Notes | Kind::Listed(_) | Kind::Status | Kind::Converted);
    if is_text {
        return Ok(Wanted::Text(value.to_owned()));
    }
    if value.is_empty() && matches!(operator, Operator::Equal | Operator::NotEqual) {
        return Ok(Wanted::Empty);
    }
    let read = match kind {
        Kind::Date => is_date(value).then(|| Wanted::Date(value.to_owned())),
        Kind::Created | Kind::Modified => time(value).map(Wanted::Time),
        _ => value.parse().ok().filter(|number: &f64| number.is_finite()).map(Wanted::Number),
    };
    read.ok_or_else(|| Refusal::input(format!("the value '{value}' does not suit the field [{name}]")))
}

/// Reads a time as Operate writes it; a date alone is its first second.
fn time(text: &str) -> Option<i64> {
    let time = match text.len() {
        10 => NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN),
        19 => NaiveDateTime::parse_from_str(text, TIMESTAMP).ok()?,
        _ => return None,
    };
    Some(time.and_utc().timestamp())
}

/// Reads `[a,b]`.
pub(super) fn fields(text: &str, resolve: &dyn Fn(&str) -> Option<Column>) -> Result<Vec<(String, Column)>, Refusal> {
    let Some(names) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else {
        return Err(Refusal::input(format!("fields should be in format [field,field], and it is {text}")));
    };
    let column = |name: &str| resolve(name).map(|column| (name.to_owned(), column)).ok_or_else(|| unknown_field(name));
    names.split(',').map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::operate::schema::column;

    fn read(text: &str) -> Result<Vec<Condition>, Refusal> {
        conditions(text, &column)
    }

    fn holds(text: &str, cell: Cell<'_>) -> Option<bool> {
        read(text).ok()?.first().map(|condition| condition.holds(cell))
    }

    #[test]
    fn conditions_are_joined_by_and_without_spaces() {
        let count = |text| read(text).map(|conditions| conditions.len()).ok();
        assert_eq!(count("[city]='York'AND[desks]>='3'AND[lastmodified]<'2026-01-01 00:00:00'"), Some(3));
        assert_eq!(count("[city]='Hub AND Spoke'"), Some(1));
        assert_eq!(count("[city]='York' AND [desks]='3'"), None);
        assert_eq!(count("[city]='York'and[desks]='3'"), None);
        assert_eq!(count("[city]='York'AND"), None);
    }

    #[test]
    fn what_is_not_of_the_documented_form_is_refused_in_the_vendors_manner() {
        let wrong =
            ["", "city='York'", "[city] ='York'", "[city]=York", "[city]=='York'", "[city]='O'Brien'", "[city]='O''Brien'"];
        for text in wrong.into_iter().chain(["[city]='a[b'", "[city]='a\nb'", "[city]like'Y'", "[City]='York'", "[nosuch]='1'"]) {
            let refusal = read(text).err();
            assert!(refusal.is_some_and(|refusal| refusal.text.starts_with("Wrong input parameters, ")), "{text}");
        }
    }

    #[test]
    fn values_must_suit_the_field() {
        for text in ["[desks]>'many'", "[desks]>''", "[lastmodified]>'2026-01-01T00:00:00Z'", "[movein]='1 May'", "[leadid]='x'"]
        {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read("[created]>='2026-01-01'").is_ok());
    }

    #[test]
    fn text_is_compared_without_regard_to_case() {
        assert_eq!(holds("[city]='yORK'", Cell::Text("York")), Some(true));
        assert_eq!(holds("[city]='ZOË'", Cell::Text("Zoë")), Some(true));
        assert_eq!(holds("[city]<>'york'", Cell::Text("York")), Some(false));
        assert_eq!(holds("[city]>'leeds'", Cell::Text("York")), Some(true));
    }

    #[test]
    fn numbers_dates_and_times_are_compared_as_such() {
        assert_eq!(holds("[desks]>'9'", Cell::Number(Some(10.0))), Some(true));
        assert_eq!(holds("[movein]<='2026-05-01'", Cell::Date("2026-05-01")), Some(true));
        assert_eq!(holds("[lastmodified]>='1970-01-01 00:00:10'", Cell::Time(9)), Some(false));
    }

    #[test]
    fn an_empty_number_or_date_meets_only_what_asks_for_it() {
        assert_eq!(holds("[desks]<'9'", Cell::Number(None)), Some(false));
        assert_eq!(holds("[desks]=''", Cell::Number(None)), Some(true));
        assert_eq!(holds("[movein]<'2026-05-01'", Cell::Date("")), Some(false));
        assert_eq!(holds("[movein]!=''", Cell::Date("2026-05-01")), Some(true));
    }
}
