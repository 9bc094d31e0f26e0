//! What must hold of queries.

pub use super::bulk::fuzz::bulk_csv;
use super::errors::Fail;
use super::fields::Kind;
use super::ids;
use super::soql::{Column, Condition, Fields, Held, Literal, Operator, Query, Select, Terms};
use super::switches::SalesforceSwitches;

/// The schema of leads' change events, as the service gives it.
pub fn event_schema() -> String {
    super::events::schema_of_lead().to_string()
}

/// A row to ask conditions of.
struct Sample {
    id: ids::Key,
    is_empty: bool,
}

impl Fields for Sample {
    fn held(&self, column: &Column) -> Held<'_> {
        match column.field.kind {
            _ if self.is_empty => Held::Null,
            Kind::Id | Kind::Reference(_) => Held::Id(self.id),
            Kind::Int | Kind::Double | Kind::Currency => Held::Number(7.0),
            Kind::Boolean => Held::Boolean(true),
            Kind::DateTime => Held::DateTime(chrono::DateTime::UNIX_EPOCH),
            _ => Held::Text("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        }
    }
}

fn parse(soql: &str) -> Result<Query, Fail> {
    super::soql::parse(soql, Terms { now: chrono::DateTime::UNIX_EPOCH, switches: &SalesforceSwitches::default() })
}

/// A query is refused with a code and a reason, or understood: then, printed and read again, it is the same query.
pub fn soql(text: &str) {
    let query = match parse(text) {
        Ok(query) => query,
        Err(fail) => return assert!(!fail.code.is_empty() && !fail.message.is_empty() && fail.status.is_client_error()),
    };
    if let Some(condition) = &query.condition {
        for is_empty in [false, true] {
            let _ = condition.holds(&Sample { id: ids::make(*b"00Q", 1), is_empty });
        }
    }
    // Figures, and days that a word stands for, have no text of their own.
    let Some(printed) = print(&query).filter(|_| !format!("{:?}", query.condition).contains("Days(")) else { return };
    if printed.len() <= 100_000 {
        let again = parse(&printed).map(|again| format!("{again:?}")).map_err(|fail| fail.message);
        assert_eq!(again, Ok(format!("{query:?}")), "{printed}");
    }
}

/// What a string of a query is to the server; `None` where the query is too long or refused.
pub fn soql_literal(quoted: &str) -> Option<String> {
    let soql = format!("SELECT Id FROM Lead WHERE Company = {quoted}");
    if soql.len() > 100_000 {
        return None;
    }
    match parse(&soql) {
        Ok(Query { condition: Some(Condition::Compare(_, Operator::Equal, Literal::Text(text))), .. }) => Some(text),
        other => panic!("{soql}: {other:?}"),
    }
}

fn print(query: &Query) -> Option<String> {
    let select = match &query.select {
        Select::Count => "COUNT()".to_owned(),
        Select::Columns(columns) => columns.iter().map(Column::name).collect::<Vec<_>>().join(","),
        Select::Totals(_) => return None,
    };
    let condition = query.condition.as_ref().map(|condition| format!(" WHERE {}", print_condition(condition)));
    let order = query.order.iter().enumerate().map(|(place, order)| {
        let way = if order.descending { "DESC" } else { "ASC" };
        let nulls = if order.nulls_last { "LAST" } else { "FIRST" };
        format!("{} {} {way} NULLS {nulls}", if place == 0 { " ORDER BY" } else { "," }, order.column.name())
    });
    let limit = query.limit.map(|limit| format!(" LIMIT {limit}"));
    let rest: String = condition.into_iter().chain(order).chain(limit).collect();
    Some(format!("SELECT {select} FROM {}{rest} OFFSET {}", query.entity.name(), query.offset))
}

fn print_condition(condition: &Condition) -> String {
    let joined = |parts: &[Condition], word: &str| {
        let parts: Vec<String> = parts.iter().map(print_part).collect();
        parts.join(word)
    };
    match condition {
        Condition::All(parts) => joined(parts, " AND "),
        Condition::Any(parts) => joined(parts, " OR "),
        Condition::Not(part) => match part.as_ref() {
            Condition::In(column, literals) => format!("{} NOT IN ({})", column.name(), print_list(literals)),
            part => format!("NOT {}", print_part(part)),
        },
        Condition::In(column, literals) => format!("{} IN ({})", column.name(), print_list(literals)),
        Condition::Compare(column, operator, literal) => {
            let sign = match operator {
                Operator::Equal => "=",
                Operator::NotEqual => "!=",
                Operator::Less => "<",
                Operator::LessOrEqual => "<=",
                Operator::Greater => ">",
                Operator::GreaterOrEqual => ">=",
                Operator::Like => "LIKE",
            };
            format!("{} {sign} {}", column.name(), print_literal(literal))
        }
    }
}

/// A part of another condition, in brackets where it has parts itself.
fn print_part(part: &Condition) -> String {
    let text = print_condition(part);
    if matches!(part, Condition::All(_) | Condition::Any(_)) { format!("({text})") } else { text }
}

fn print_list(literals: &[Literal]) -> String {
    literals.iter().map(print_literal).collect::<Vec<_>>().join(",")
}

fn print_literal(literal: &Literal) -> String {
    match literal {
        Literal::Null => "null".to_owned(),
        Literal::Text(text) => {
            let escaped = text.replace('\\', "\\\\").replace('\'', "\\'").replace('\u{e000}', "\\%").replace('\u{e001}', "\\_");
            format!("'{escaped}'")
        }
        Literal::Id(key) => format!("'{}'", ids::full(key)),
        Literal::Number(number) => number.to_string(),
        Literal::Boolean(flag) => flag.to_string(),
        Literal::Date(date) | Literal::Days(date, _) => date.to_string(),
        Literal::DateTime(time) => time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
    }
}
