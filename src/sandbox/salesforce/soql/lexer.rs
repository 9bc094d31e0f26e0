//! The words of a query.

use crate::sandbox::salesforce::errors::Fail;

/// `\%` in a string: a per cent sign that is no wildcard.
pub const PERCENT: char = '\u{e000}';
/// `\_` in a string: an underscore that is no wildcard.
pub const UNDERSCORE: char = '\u{e001}';

/// A word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A keyword or a name.
    Word(String),
    /// A string, its escapes resolved.
    Text(String),
    /// A number, a date or a dateTime.
    Figure(String),
    /// An operator, a bracket or a comma.
    Sign(&'static str),
}

impl Token {
    /// As it is shown in errors.
    pub fn shown(&self) -> String {
        match self {
            Self::Word(text) | Self::Figure(text) => text.clone(),
            Self::Text(text) => format!("'{text}'"),
            Self::Sign(sign) => (*sign).to_owned(),
        }
    }
}

/// Longer ones first.
const SIGNS: [&str; 11] = ["!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ",", "."];

/// The tokens of a query, each with the column where it starts, from 0.
pub fn tokens(soql: &str) -> Result<Vec<(usize, Token)>, Fail> {
    let mut tokens = Vec::new();
    let mut rest = soql;
    loop {
        rest = rest.trim_start();
        let start = soql.len() - rest.len();
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let (token, length) = if first == '\'' {
            string(soql, start, rest)?
        } else if first.is_ascii_digit() || (matches!(first, '+' | '-') && rest.len() > 1) {
            let length = rest.find(|each: char| !(each.is_ascii_alphanumeric() || "+-:.".contains(each))).unwrap_or(rest.len());
            (Token::Figure(rest.get(..length).unwrap_or_default().to_owned()), length)
        } else if first.is_ascii_alphabetic() || first == '_' {
            let length = rest.find(|each: char| !(each.is_ascii_alphanumeric() || each == '_')).unwrap_or(rest.len());
            let length = length + number_after(rest.get(length..).unwrap_or_default());
            (Token::Word(rest.get(..length).unwrap_or_default().to_owned()), length)
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            (Token::Sign(sign), sign.len())
        } else {
            return Err(malformed(soql, start, &format!("unexpected token: '{first}'")));
        };
        tokens.push((start, token));
        rest = rest.get(length..).unwrap_or_default();
    }
}

/// The length of the `:7` in `LAST_N_DAYS:7`.
fn number_after(rest: &str) -> usize {
    let digits = rest.strip_prefix(':').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    if digits > 0 { digits + 1 } else { 0 }
}

fn string(soql: &str, start: usize, rest: &str) -> Result<(Token, usize), Fail> {
    let mut text = String::new();
    let mut symbols = rest.char_indices().skip(1);
    while let Some((place, symbol)) = symbols.next() {
        match symbol {
            '\'' => return Ok((Token::Text(text), place + 1)),
            '\\' => {
                let escape = symbols.next().map(|(_, escape)| escape.to_ascii_lowercase());
                text.push(match escape {
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('t') => '\t',
                    Some('b') => '\u{8}',
                    Some('f') => '\u{c}',
                    Some(plain @ ('\'' | '"' | '\\')) => plain,
                    Some('%') => PERCENT,
                    Some('_') => UNDERSCORE,
                    Some('u') => {
                        let digits: String = symbols.by_ref().take(4).map(|(_, digit)| digit).collect();
                        let digits = Some(digits).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
                        let code = digits.and_then(|digits| u32::from_str_radix(&digits, 16).ok()).and_then(char::from_u32);
                        code.ok_or_else(|| malformed(soql, start + place, "Illegal character sequence in string literal"))?
                    }
                    _ => {
                        let sequence = escape.map(String::from).unwrap_or_default();
                        let problem = format!(
                            "Invalid string literal '{rest}'. Illegal character sequence '\\{sequence}' in string literal"
                        );
                        return Err(malformed(soql, start, &problem));
                    }
                });
            }
            other => text.push(other),
        }
    }
    Err(malformed(soql, start, "line 1:1 no viable alternative at character '<EOF>'"))
}

/// A refusal that shows where in the query something is wrong.
pub fn malformed(soql: &str, column: usize, problem: &str) -> Fail {
    Fail::bad("MALFORMED_QUERY", located(soql, column, problem))
}

/// A problem with the part of the query that it is about, and a caret below it.
pub fn located(soql: &str, column: usize, problem: &str) -> String {
    let before: Vec<char> = soql.get(..column).unwrap_or_default().chars().collect();
    let shown = before.len().min(20);
    let head: String = before.iter().skip(before.len() - shown).collect();
    let tail: String = soql.get(column..).unwrap_or_default().chars().take(40).collect();
    format!("\n{head}{tail}\n{}^\nERROR at Row:1:Column:{}\n{problem}", " ".repeat(shown), before.len() + 1)
}
