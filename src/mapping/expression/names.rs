//! The names in an expression: its variables, and what the engine would look for only when it comes to it: filters, tests and calls.
//!
//! The engine's own list of variables leaves out some places, such as what a slice is cut from.

use std::collections::BTreeSet;

/// Words of the language: they are no variables, and a parenthesis after one is no call.
const WORDS: [&str; 13] = ["and", "else", "if", "in", "is", "not", "or", "true", "True", "false", "False", "none", "None"];

/// What an expression is made of, as far as this goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'s> {
    Name(&'s str),
    Sign(char),
    /// A text or a number.
    Constant,
}

/// The variables of an expression that the engine could parse. Filters and tests that are not known are refused, and so are calls.
pub fn variables(source: &str, filters: &[&str], tests: &[&str]) -> Result<BTreeSet<String>, String> {
    let tokens = tokens(source);
    if tokens.contains(&Token::Sign('*')) && makes_lists(&tokens) {
        return Err("`*` does not go together with lists: they could be repeated without end".to_owned());
    }
    let mut variables = BTreeSet::new();
    for (place, token) in tokens.iter().enumerate() {
        let before = |back: usize| place.checked_sub(back).and_then(|place| tokens.get(place)).copied();
        let after = |on: usize| tokens.get(place + on).copied();
        let calls = after(1) == Some(Token::Sign('('));
        let Token::Name(name) = *token else {
            if calls && matches!(token, Token::Sign(')' | ']') | Token::Constant) {
                return Err("there is nothing to call: it has no functions".to_owned());
            }
            continue;
        };
        let is_test = before(1) == Some(Token::Name("is")) && name != "not"
            || before(1) == Some(Token::Name("not")) && before(2) == Some(Token::Name("is"));
        if before(1) == Some(Token::Sign('|')) {
            known("filter", name, filters)?;
        } else if is_test {
            known("test", name, tests)?;
        } else if calls && !WORDS.contains(&name) {
            return Err(format!("`{name}` cannot be called: there are filters, such as x | lower, and no functions"));
        } else if before(1) != Some(Token::Sign('.')) && !WORDS.contains(&name) && !is_argument(after(1), after(2)) {
            variables.insert(name.to_owned());
        }
        // `a.b` after a filter or test would be part of its name.
        if (is_test || before(1) == Some(Token::Sign('|'))) && after(1) == Some(Token::Sign('.')) {
            return Err(format!("`{name}.` is neither a filter nor a test"));
        }
    }
    Ok(variables)
}

/// Whether an expression makes a list, a tuple or a map anywhere. The engine repeats lists without making them, so that neither memory nor
/// steps are paid for before they are spelt out: one in another, repeated a few times each, has no end.
fn makes_lists(tokens: &[Token<'_>]) -> bool {
    // For each bracket that is open, whether commas in it stand between the arguments of a filter or test.
    let mut calls = Vec::new();
    let mut before = None;
    for token in tokens {
        let follows_value = match before {
            Some(Token::Name(name)) => !WORDS.contains(&name),
            Some(Token::Constant | Token::Sign(')' | ']' | '}')) => true,
            _ => false,
        };
        match token {
            Token::Name("split") | Token::Sign('{') => return true,
            Token::Sign('[') if !follows_value => return true,
            Token::Sign('(' | '[') => calls.push(follows_value && *token == Token::Sign('(')),
            Token::Sign(')' | ']') => drop(calls.pop()),
            Token::Sign(',') if calls.last() != Some(&true) => return true,
            _ => {}
        }
        before = Some(*token);
    }
    false
}

/// Whether what follows a name makes it that of an argument: `count=1`, but not `count == 1`.
fn is_argument(after: Option<Token<'_>>, then: Option<Token<'_>>) -> bool {
    after == Some(Token::Sign('=')) && then != Some(Token::Sign('='))
}

fn known(what: &str, name: &str, names: &[&str]) -> Result<(), String> {
    if names.contains(&name) {
        return Ok(());
    }
    Err(format!("there is no {what} `{name}`; known are {}", names.join(", ")))
}

fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = source.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' => {
                tokens.push(Token::Constant);
                text_length(rest, first)
            }
            _ if first.is_alphanumeric() || first == '_' => {
                let length = rest.find(|each: char| !each.is_alphanumeric() && each != '_').unwrap_or(rest.len());
                let word = rest.get(..length).unwrap_or_default();
                tokens.push(if first.is_ascii_digit() { Token::Constant } else { Token::Name(word) });
                length
            }
            _ => {
                tokens.push(Token::Sign(first));
                first.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    tokens
}

/// The bytes of a text in quotes, with the quotes.
fn text_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (place, each) in rest.char_indices().skip(1) {
        match each {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if each == quote => return place + each.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}
