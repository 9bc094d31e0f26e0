//! Queries, by recursive descent.

use chrono::{DateTime, NaiveDate, SecondsFormat};

use super::lexer::{Token, located, malformed, tokens};
use super::{Condition, Literal, Operator, Order, Query, Select};
use crate::sandbox::salesforce::errors::Fail;
use crate::sandbox::salesforce::fields::{Entity, Field, Kind};
use crate::sandbox::salesforce::ids;

/// The longest query.
const LONGEST: usize = 100_000;

/// How deep brackets and NOT may be nested.
const DEEPEST: usize = 100;

struct Parser<'q> {
    soql: &'q str,
    tokens: Vec<(usize, Token)>,
    next: usize,
    entity: Entity,
    depth: usize,
}

/// Understands a query, or says as Salesforce does what is wrong with it.
pub fn parse(soql: &str) -> Result<Query, Fail> {
    if soql.len() > LONGEST {
        return Err(Fail::bad("MALFORMED_QUERY", "SOQL statements cannot be longer than 100000 characters."));
    }
    let tokens = tokens(soql)?;
    let mut parser = Parser { soql, tokens, next: 0, entity: Entity::Lead, depth: 0 };
    parser.entity = parser.find_entity()?;
    parser.query()
}

impl Parser<'_> {
    /// The object, which has to be known before its fields are looked up.
    fn find_entity(&self) -> Result<Entity, Fail> {
        let from = self.tokens.iter().position(|(_, token)| is_word(token, "FROM"));
        match from.and_then(|from| self.tokens.get(from + 1)) {
            Some((column, Token::Word(name))) => Entity::named(name).ok_or_else(|| {
                let problem = format!(
                    "sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names."
                );
                Fail::bad("INVALID_TYPE", located(self.soql, *column, &problem))
            }),
            _ => Err(malformed(self.soql, self.soql.len(), "unexpected token: '<EOF>'")),
        }
    }

    fn query(&mut self) -> Result<Query, Fail> {
        self.expect_word("SELECT")?;
        let select = self.select()?;
        self.expect_word("FROM")?;
        self.next += 1;
        let condition = if self.take_word("WHERE") { Some(self.condition()?) } else { None };
        let mut order = Vec::new();
        if self.take_word("ORDER") {
            self.expect_word("BY")?;
            order.push(self.order()?);
            while self.take_sign(",") {
                order.push(self.order()?);
            }
        }
        let limit = if self.take_word("LIMIT") { Some(self.whole()?) } else { None };
        let offset = if self.take_word("OFFSET") { self.whole()? } else { 0 };
        if offset > 2_000 {
            return Err(Fail::bad("NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000"));
        }
        match self.tokens.get(self.next) {
            None => Ok(Query { entity: self.entity, select, condition, order, limit, offset }),
            Some(_) => Err(self.unexpected()),
        }
    }

    fn select(&mut self) -> Result<Select, Fail> {
        if self.take_word("COUNT") {
            self.expect_sign("(")?;
            self.expect_sign(")")?;
            return Ok(Select::Count);
        }
        let mut fields = vec![self.field()?];
        while self.take_sign(",") {
            fields.push(self.field()?);
        }
        Ok(Select::Fields(fields))
    }

    fn order(&mut self) -> Result<Order, Fail> {
        let column = self.column();
        let field = self.field()?;
        if field.is_long_text() {
            let problem = format!("field '{}' can not be sorted in a query call", field.name);
            return Err(Fail::bad("MALFORMED_QUERY", located(self.soql, column, &problem)));
        }
        let descending = self.take_word("DESC");
        if !descending {
            self.take_word("ASC");
        }
        let mut nulls_last = false;
        if self.take_word("NULLS") {
            nulls_last = self.take_word("LAST");
            if !nulls_last {
                self.expect_word("FIRST")?;
            }
        }
        Ok(Order { field, descending, nulls_last })
    }

    /// Parts joined by AND, or by OR; never both without brackets.
    fn condition(&mut self) -> Result<Condition, Fail> {
        let mut parts = vec![self.part()?];
        let mut joined: Option<&'static str> = None;
        while let Some(word) = ["AND", "OR"].into_iter().find(|word| self.take_word(word)) {
            if joined.is_some_and(|joined| joined != word) {
                self.next -= 1;
                return Err(self.unexpected());
            }
            joined = Some(word);
            parts.push(self.part()?);
        }
        match (joined, parts.pop()) {
            (None, Some(only)) => Ok(only),
            (joined, last) => {
                parts.extend(last);
                Ok(if joined == Some("OR") { Condition::Any(parts) } else { Condition::All(parts) })
            }
        }
    }

    fn part(&mut self) -> Result<Condition, Fail> {
        if self.depth >= DEEPEST {
            return Err(malformed(self.soql, self.column(), "the condition is nested too deeply"));
        }
        self.depth += 1;
        let part = self.nested_part();
        self.depth -= 1;
        part
    }

    fn nested_part(&mut self) -> Result<Condition, Fail> {
        if self.take_sign("(") {
            let inner = self.condition()?;
            self.expect_sign(")")?;
            return Ok(inner);
        }
        if self.take_word("NOT") {
            return Ok(Condition::Not(Box::new(self.part()?)));
        }
        let column = self.column();
        let field = self.field()?;
        if field.is_long_text() {
            let problem = format!("field '{}' can not be filtered in a query call", field.name);
            return Err(Fail::bad("INVALID_FIELD", located(self.soql, column, &problem)));
        }
        if self.take_word("NOT") {
            self.expect_word("IN")?;
            return Ok(Condition::Not(Box::new(self.list(field)?)));
        }
        if self.take_word("IN") {
            return self.list(field);
        }
        let operator = self.operator()?;
        let literal = self.literal(field)?;
        if operator == Operator::Like && !matches!(literal, Literal::Text(_)) {
            return Err(Fail::bad("INVALID_QUERY_FILTER_OPERATOR", located(self.soql, column, "invalid operator on id field")));
        }
        Ok(Condition::Compare(field, operator, literal))
    }

    fn list(&mut self, field: &'static Field) -> Result<Condition, Fail> {
        self.expect_sign("(")?;
        let mut literals = vec![self.literal(field)?];
        while self.take_sign(",") {
            literals.push(self.literal(field)?);
        }
        self.expect_sign(")")?;
        Ok(Condition::In(field, literals))
    }

    fn operator(&mut self) -> Result<Operator, Fail> {
        let operator = match self.tokens.get(self.next).map(|(_, token)| token) {
            Some(Token::Sign("=")) => Operator::Equal,
            Some(Token::Sign("!=" | "<>")) => Operator::NotEqual,
            Some(Token::Sign("<")) => Operator::Less,
            Some(Token::Sign("<=")) => Operator::LessOrEqual,
            Some(Token::Sign(">")) => Operator::Greater,
            Some(Token::Sign(">=")) => Operator::GreaterOrEqual,
            Some(token) if is_word(token, "LIKE") => Operator::Like,
            _ => return Err(self.unexpected()),
        };
        self.next += 1;
        Ok(operator)
    }

    /// A literal of the field's type.
    fn literal(&mut self, field: &'static Field) -> Result<Literal, Fail> {
        let Some((column, token)) = self.tokens.get(self.next).cloned() else { return Err(self.unexpected()) };
        self.next += 1;
        if is_word(&token, "null") {
            return Ok(Literal::Null);
        }
        let wrong = |quoted: bool| {
            let advice = if quoted { "should not be enclosed in quotes" } else { "should be enclosed in quotes" };
            let (name, kind) = (field.name, field.plain_type());
            let problem = format!("value of filter criterion for field '{name}' must be of type {kind} and {advice}");
            Fail::bad("INVALID_FIELD", located(self.soql, column, &problem))
        };
        match (field.kind, token) {
            (Kind::Id | Kind::Reference(_), Token::Text(text)) => ids::parse(&text).map(Literal::Id).ok_or_else(|| {
                Fail::bad("INVALID_QUERY_FILTER_OPERATOR", located(self.soql, column, &format!("invalid ID field: {text}")))
            }),
            (Kind::Int | Kind::Double | Kind::Currency, Token::Figure(text)) => {
                let number = text.parse().ok().filter(|number: &f64| number.is_finite());
                number.map(Literal::Number).ok_or_else(|| wrong(true))
            }
            (Kind::Boolean, Token::Word(word)) if word.eq_ignore_ascii_case("true") => Ok(Literal::Boolean(true)),
            (Kind::Boolean, Token::Word(word)) if word.eq_ignore_ascii_case("false") => Ok(Literal::Boolean(false)),
            (Kind::Date, Token::Figure(text)) => {
                NaiveDate::parse_from_str(&text, "%Y-%m-%d").map(Literal::Date).map_err(|_| wrong(true))
            }
            (Kind::DateTime, Token::Figure(text)) => date_time(&text).ok_or_else(|| wrong(true)),
            (Kind::Int | Kind::Double | Kind::Currency | Kind::Boolean | Kind::Date | Kind::DateTime, _) => Err(wrong(true)),
            (Kind::Id | Kind::Reference(_), _) => Err(wrong(false)),
            (_, Token::Text(text)) => Ok(Literal::Text(text)),
            (..) => Err(wrong(false)),
        }
    }

    fn field(&mut self) -> Result<&'static Field, Fail> {
        let Some((column, Token::Word(name))) = self.tokens.get(self.next) else { return Err(self.unexpected()) };
        let field = self.entity.field(name).ok_or_else(|| {
            let problem = format!(
                "No such column '{name}' on entity '{}'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names.",
                self.entity.name()
            );
            Fail::bad("INVALID_FIELD", located(self.soql, *column, &problem))
        })?;
        self.next += 1;
        Ok(field)
    }

    fn whole(&mut self) -> Result<usize, Fail> {
        let number = match self.tokens.get(self.next) {
            Some((_, Token::Figure(text))) => text.parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| self.unexpected())?;
        self.next += 1;
        Ok(number)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.tokens.get(self.next).is_some_and(|(_, token)| is_word(token, word));
        self.next += usize::from(found);
        found
    }

    fn expect_word(&mut self, word: &str) -> Result<(), Fail> {
        if self.take_word(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.next), Some((_, Token::Sign(found))) if *found == sign);
        self.next += usize::from(found);
        found
    }

    fn expect_sign(&mut self, sign: &str) -> Result<(), Fail> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn column(&self) -> usize {
        self.tokens.get(self.next).map_or(self.soql.len(), |(column, _)| *column)
    }

    fn unexpected(&self) -> Fail {
        let shown = self.tokens.get(self.next).map_or_else(|| "<EOF>".to_owned(), |(_, token)| token.shown());
        malformed(self.soql, self.column(), &format!("unexpected token: '{shown}'"))
    }
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.eq_ignore_ascii_case(word))
}

/// `2026-11-24T10:00:00Z`, with or without a fraction, or with an offset.
fn date_time(text: &str) -> Option<Literal> {
    let time = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z")).ok()?;
    // Stored times are whole seconds, and comparisons do not look further.
    let whole = time.to_utc().to_rfc3339_opts(SecondsFormat::Secs, true);
    DateTime::parse_from_rfc3339(&whole).ok().map(|time| Literal::DateTime(time.to_utc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(soql: &str) -> (String, String) {
        parse(soql).map_or_else(|fail| (fail.code.into_owned(), fail.message), |_| ("accepted".to_owned(), String::new()))
    }

    #[test]
    fn the_query_of_a_keyset_page_is_understood() {
        let soql = "SELECT Id, company FROM Lead WHERE (SystemModstamp > 2026-11-24T10:00:00Z OR (SystemModstamp = 2026-11-24T10:00:00Z AND Id > '00Q5g0000000001')) AND (Company != null) ORDER BY SystemModstamp ASC, Id ASC LIMIT 2000";
        assert!(parse(soql).is_ok(), "{:?}", refusal(soql));
    }

    #[test]
    fn nesting_that_would_fill_the_stack_is_refused() {
        for nest in ["(", "NOT "] {
            let soql = format!("SELECT Id FROM Lead WHERE {}Company = 'a'", nest.repeat(20_000));
            assert_eq!(refusal(&soql).0, "MALFORMED_QUERY");
        }
    }

    #[test]
    fn refusals_show_the_place() {
        let (code, message) = refusal("SELECT Id,Nope FROM Lead");
        assert_eq!(code, "INVALID_FIELD");
        let start = "\nSELECT Id,Nope FROM Lead\n          ^\nERROR at Row:1:Column:11\nNo such column 'Nope' on entity 'Lead'. If you are attempting";
        assert!(message.starts_with(start), "{message}");
    }

    #[test]
    fn what_salesforce_refuses_is_refused() {
        for (soql, code) in [
            ("SELECT Id FROM Lead WHERE Company = 'a' AND City = 'b' OR City = 'c'", "MALFORMED_QUERY"),
            ("SELECT Id FROM Lead WHERE SystemModstamp > '2026-11-24T10:00:00Z'", "INVALID_FIELD"),
            ("SELECT Id FROM Lead WHERE Company = 7", "INVALID_FIELD"),
            ("SELECT Id FROM Lead WHERE Company = 'a\\q'", "MALFORMED_QUERY"),
            ("SELECT Id FROM Lead WHERE Company = 'open", "MALFORMED_QUERY"),
            ("SELECT Id FROM Lead ORDER BY Description", "MALFORMED_QUERY"),
            ("SELECT Id FROM Lead WHERE Description = 'x'", "INVALID_FIELD"),
            ("SELECT Id FROM Leads", "INVALID_TYPE"),
            ("SELECT Id FROM Lead LIMIT 10 OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
            ("SELECT Id FROM Lead LIMIT ten", "MALFORMED_QUERY"),
            ("SELECT FROM Lead", "INVALID_FIELD"),
        ] {
            assert_eq!(refusal(soql).0, code, "{soql}");
        }
    }

    #[test]
    fn escapes_are_resolved() {
        let query = parse(r"SELECT Id FROM Lead WHERE Company = 'O\'Brien \\ \u00e9'");
        let condition = query.ok().and_then(|query| query.condition);
        let literal = match condition {
            Some(Condition::Compare(_, Operator::Equal, Literal::Text(text))) => text,
            other => format!("{other:?}"),
        };
        assert_eq!(literal, "O'Brien \\ é");
    }
}
