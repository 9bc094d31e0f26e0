//! What a query asks for: fields by name, through relationships, by `FIELDS()`, and figures about all rows.

use super::lexer::{located, malformed};
use super::parser::Parser;
use super::{Column, Function, Select, Through, Total};
use crate::sandbox::salesforce::errors::Fail;
use crate::sandbox::salesforce::fields::Field;
use crate::sandbox::salesforce::objects::Entity;

/// Rows of a query that asks for fields without naming them.
const MOST_UNNAMED: usize = 200;

/// The figures that are known.
const FUNCTIONS: [(&str, Function); 3] = [("COUNT", Function::Count), ("MIN", Function::Min), ("MAX", Function::Max)];

impl Parser<'_> {
    pub(super) fn select(&mut self) -> Result<Select, Fail> {
        let (mut columns, mut totals) = (Vec::new(), Vec::new());
        loop {
            let place = self.place();
            if let Some(group) = self.fields_function() {
                columns.extend(group?);
            } else if let Some(function) = self.function() {
                if function == Function::Count && self.take_sign(")") {
                    return Ok(Select::Count);
                }
                totals.push(self.total(function, totals.len())?);
            } else {
                let column = self.column()?;
                if columns.contains(&column) {
                    let problem = format!("duplicate field selected: {}", column.name());
                    return Err(Fail::bad("INVALID_FIELD", located(self.soql, place, &problem)));
                }
                columns.push(column);
            }
            if !self.take_sign(",") {
                break;
            }
        }
        match (columns.first(), totals.is_empty()) {
            (_, true) => Ok(Select::Columns(columns)),
            (None, false) => Ok(Select::Totals(totals)),
            (Some(column), false) => {
                let problem = format!("Field must be grouped or aggregated: {}", column.name());
                Err(malformed(self.soql, 0, &problem))
            }
        }
    }

    /// `FIELDS(ALL)`, `FIELDS(STANDARD)` or `FIELDS(CUSTOM)`.
    fn fields_function(&mut self) -> Option<Result<Vec<Column>, Fail>> {
        if !self.is_call("FIELDS") {
            return None;
        }
        let which = self.word().map(|(_, word)| word.to_ascii_uppercase()).unwrap_or_default();
        let custom = match which.as_str() {
            "ALL" => None,
            "CUSTOM" => Some(true),
            "STANDARD" => Some(false),
            _ => return Some(Err(self.unexpected())),
        };
        self.step();
        self.has_unnamed |= custom != Some(false);
        let switches = self.terms.switches;
        let is_seen = |field: &&Field| self.entity != Entity::Lead || !switches.lacks(field.name);
        let fields = self.entity.fields().iter().filter(|field| custom.is_none_or(|custom| field.is_custom() == custom));
        let columns = fields.filter(is_seen).map(|field| Column { through: None, field }).collect();
        Some(self.expect_sign(")").map(|()| columns))
    }

    /// Refuses a query that asks for fields without naming them, and for too many rows.
    pub(super) fn check_limit(&self, limit: Option<usize>) -> Result<(), Fail> {
        if self.has_unnamed && limit.is_none_or(|limit| limit > MOST_UNNAMED) {
            return Err(malformed(self.soql, 0, "The SOQL FIELDS function must have a LIMIT of at most 200"));
        }
        Ok(())
    }

    fn function(&mut self) -> Option<Function> {
        FUNCTIONS.into_iter().find(|(name, _)| self.is_call(name)).map(|(_, function)| function)
    }

    /// Takes a function's name and its bracket.
    fn is_call(&mut self, name: &str) -> bool {
        let found = self.is_followed_by("(") && self.take_word(name);
        if found {
            self.step();
        }
        found
    }

    /// What is between the brackets, and the name that the figure is given.
    fn total(&mut self, function: Function, number: usize) -> Result<Total, Fail> {
        let place = self.place();
        let column = self.column()?;
        if column.field.is_long_text() {
            let problem = format!("field {} does not support aggregate operator {function:?}", column.field.name);
            return Err(malformed(self.soql, place, &problem));
        }
        self.expect_sign(")")?;
        let alias = self.word().map(|(_, word)| word.to_owned()).filter(|word| !word.eq_ignore_ascii_case("FROM"));
        if alias.is_some() {
            self.step();
        }
        Ok(Total { function, column, name: alias.unwrap_or_else(|| format!("expr{number}")) })
    }

    /// A field, with the relationship before it, if any.
    pub(super) fn column(&mut self) -> Result<Column, Fail> {
        let (mut place, mut name) = self.word().map(|(place, word)| (place, word.to_owned())).ok_or_else(|| self.unexpected())?;
        let mut through = None;
        let mut entity = self.entity;
        let own = |name: &str| {
            name.eq_ignore_ascii_case(self.entity.name())
                || self.alias.as_ref().is_some_and(|alias| alias.eq_ignore_ascii_case(name))
        };
        let mut may_be_own = own(&name);
        while self.is_followed_by(".") {
            if !may_be_own {
                let known = if through.is_none() { entity.parent(&name) } else { None };
                let (reference, there) = known.ok_or_else(|| no_relationship(self.soql, place, &name))?;
                entity = there;
                through = Some(Through { reference, entity });
            }
            may_be_own = false;
            self.step();
            self.step();
            (place, name) = self.word().map(|(place, word)| (place, word.to_owned())).ok_or_else(|| self.unexpected())?;
        }
        let seen = |field: &&'static Field| entity != Entity::Lead || !self.terms.switches.lacks(field.name);
        let field = entity.field(&name).filter(seen).ok_or_else(|| no_column(self.soql, place, &name, entity))?;
        self.step();
        Ok(Column { through, field })
    }
}

fn no_column(soql: &str, place: usize, name: &str, entity: Entity) -> Fail {
    let problem = format!(
        "No such column '{name}' on entity '{}'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names.",
        entity.name()
    );
    Fail::bad("INVALID_FIELD", located(soql, place, &problem))
}

fn no_relationship(soql: &str, place: usize, name: &str) -> Fail {
    let problem = format!(
        "Didn't understand relationship '{name}' in field path. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names."
    );
    Fail::bad("INVALID_FIELD", located(soql, place, &problem))
}
