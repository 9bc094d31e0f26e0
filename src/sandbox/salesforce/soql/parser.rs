//! Queries, by recursive descent: conditions, order, and the words between them.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};

use super::lexer::{Token, located, malformed, tokens};
use super::{Column, Condition, Literal, Operator, Order, Query, dates};
use crate::sandbox::salesforce::errors::Fail;
use crate::sandbox::salesforce::fields::{Field, Kind};
use crate::sandbox::salesforce::ids;
use crate::sandbox::salesforce::objects::Entity;
use crate::sandbox::salesforce::switches::SalesforceSwitches;

/// The longest query.
const LONGEST: usize = 100_000;

/// How deep brackets and NOT may be nested.
const DEEPEST: usize = 100;

/// What a query is understood by, beside its own text.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'t> {
    /// When it is asked: `TODAY` is a day then.
    pub now: DateTime<Utc>,
    /// Which fields the org does not have.
    pub switches: &'t SalesforceSwitches,
}

pub(super) struct Parser<'q> {
    pub(super) soql: &'q str,
    pub(super) terms: Terms<'q>,
    tokens: Vec<(usize, Token)>,
    next: usize,
    pub(super) entity: Entity,
    /// Another name that the query gives its object.
    pub(super) alias: Option<String>,
    /// Whether fields are asked for without being named.
    pub(super) has_unnamed: bool,
    /// How deep in brackets and NOT it is.
    depth: usize,
}

/// Understands a query, or says as Salesforce does what is wrong with it.
pub fn parse(soql: &str, terms: Terms<'_>) -> Result<Query, Fail> {
    if soql.len() > LONGEST {
        return Err(Fail::bad("MALFORMED_QUERY", "SOQL statements cannot be longer than 100000 characters."));
    }
    let tokens = tokens(soql)?;
    let mut parser = Parser { soql, terms, tokens, next: 0, entity: Entity::Lead, alias: None, has_unnamed: false, depth: 0 };
    parser.entity = parser.find_entity()?;
    parser.query()
}

/// Words that may stand after the object's name; any other is another name for it.
const AFTER_OBJECT: [&str; 9] = ["WHERE", "ORDER", "LIMIT", "OFFSET", "GROUP", "HAVING", "WITH", "USING", "FOR"];

impl Parser<'_> {
    /// The object, which has to be known before its fields are looked up.
    fn find_entity(&mut self) -> Result<Entity, Fail> {
        let from = self.tokens.iter().position(|(_, token)| is_word(token, "FROM"));
        self.alias = from.and_then(|from| self.tokens.get(from + 2)).and_then(|(_, token)| match token {
            Token::Word(word) if !AFTER_OBJECT.iter().any(|known| known.eq_ignore_ascii_case(word)) => Some(word.clone()),
            _ => None,
        });
        match from.and_then(|from| self.tokens.get(from + 1)) {
            Some((column, Token::Word(name))) => Entity::named(name).filter(|entity| !self.terms.switches.hides(entity.name())).ok_or_else(|| {
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
        self.next += 1 + usize::from(self.alias.is_some());
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
        self.check_limit(limit)?;
        match self.tokens.get(self.next) {
            None => Ok(Query { entity: self.entity, select, condition, order, limit, offset }),
            Some(_) => Err(self.unexpected()),
        }
    }

    fn order(&mut self) -> Result<Order, Fail> {
        let place = self.place();
        let column = self.column()?;
        if column.field.is_long_text() || column.field.kind == Kind::Address {
            let problem = format!("field '{}' can not be sorted in a query call", column.name());
            return Err(Fail::bad("MALFORMED_QUERY", located(self.soql, place, &problem)));
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
        Ok(Order { column, descending, nulls_last })
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
            return Err(malformed(self.soql, self.place(), "the condition is nested too deeply"));
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
        let place = self.place();
        let column = self.column()?;
        if column.field.is_long_text() || column.field.kind == Kind::Address {
            let problem = format!("field '{}' can not be filtered in a query call", column.name());
            return Err(Fail::bad("INVALID_FIELD", located(self.soql, place, &problem)));
        }
        if self.take_word("NOT") {
            self.expect_word("IN")?;
            return Ok(Condition::Not(Box::new(self.list(column)?)));
        }
        if self.take_word("IN") {
            return self.list(column);
        }
        let operator = self.operator()?;
        let literal = self.literal(column.field)?;
        if operator == Operator::Like && !matches!(literal, Literal::Text(_)) {
            return Err(Fail::bad("INVALID_QUERY_FILTER_OPERATOR", located(self.soql, place, "invalid operator on id field")));
        }
        Ok(Condition::Compare(column, operator, literal))
    }

    fn list(&mut self, column: Column) -> Result<Condition, Fail> {
        self.expect_sign("(")?;
        let mut literals = vec![self.literal(column.field)?];
        while self.take_sign(",") {
            literals.push(self.literal(column.field)?);
        }
        self.expect_sign(")")?;
        Ok(Condition::In(column, literals))
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
            (Kind::Date | Kind::DateTime, Token::Word(word)) => {
                let days = dates::stretch(&word, self.terms.now.date_naive());
                days.map(|(first, end)| Literal::Days(first, end))
                    .ok_or_else(|| malformed(self.soql, column, &format!("unexpected token: '{word}'")))
            }
            (Kind::Int | Kind::Double | Kind::Currency | Kind::Boolean | Kind::Date | Kind::DateTime, _) => Err(wrong(true)),
            (Kind::Id | Kind::Reference(_), _) => Err(wrong(false)),
            (_, Token::Text(text)) => Ok(Literal::Text(text)),
            (..) => Err(wrong(false)),
        }
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

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let found = self.tokens.get(self.next).is_some_and(|(_, token)| is_word(token, word));
        self.next += usize::from(found);
        found
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Result<(), Fail> {
        if self.take_word(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    pub(super) fn take_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.tokens.get(self.next), Some((_, Token::Sign(found))) if *found == sign);
        self.next += usize::from(found);
        found
    }

    pub(super) fn expect_sign(&mut self, sign: &str) -> Result<(), Fail> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// The next token, if it is a name.
    pub(super) fn word(&self) -> Option<(usize, &str)> {
        match self.tokens.get(self.next) {
            Some((place, Token::Word(word))) => Some((*place, word)),
            _ => None,
        }
    }

    /// Goes on to the token after.
    pub(super) fn step(&mut self) {
        self.next += 1;
    }

    /// Whether the token after the next is this sign.
    pub(super) fn is_followed_by(&self, sign: &str) -> bool {
        matches!(self.tokens.get(self.next + 1), Some((_, Token::Sign(found))) if *found == sign)
    }

    /// Where the next token is.
    pub(super) fn place(&self) -> usize {
        self.tokens.get(self.next).map_or(self.soql.len(), |(column, _)| *column)
    }

    pub(super) fn unexpected(&self) -> Fail {
        let shown = self.tokens.get(self.next).map_or_else(|| "<EOF>".to_owned(), |(_, token)| token.shown());
        malformed(self.soql, self.place(), &format!("unexpected token: '{shown}'"))
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
