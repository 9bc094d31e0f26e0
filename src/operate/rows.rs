//! A JSON array of any length, parsed as it comes: only the row that is being read is in memory.

use memchr::{memchr2, memchr3};

use crate::http::json_problem;
use crate::native::{NativeFields, RowReader};

/// The longest row. One that goes on beyond it is none, and would fill the memory.
const LONGEST: usize = 16 << 20;

/// Takes pieces of a body and gives its rows.
#[derive(Debug, Default)]
pub(super) struct Rows {
    buffer: Vec<u8>,
    state: State,
    row: RowEnd,
    reader: RowReader,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    Inside,
    End,
}

/// The body is not an array of objects.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotRows {
    /// It begins with something else: a text that says why there are no rows, as a rule.
    NoArray,
    /// It is damaged further on.
    Damaged(String),
}

impl Rows {
    /// Takes the next piece and gives the rows that are complete with it.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<Vec<NativeFields>, NotRows> {
        self.buffer.extend_from_slice(piece);
        let mut rows = Vec::new();
        let mut used = 0;
        loop {
            let rest = self.buffer.get(used..).unwrap_or_default();
            let Some(gap) = rest.iter().position(|byte| !is_gap(*byte, &self.state)) else {
                used = self.buffer.len();
                break;
            };
            used += gap;
            let rest = rest.get(gap..).unwrap_or_default();
            match (&self.state, rest.first()) {
                (State::Start, Some(b'[')) => {
                    self.state = State::Inside;
                    used += 1;
                }
                (State::Start, _) => return Err(NotRows::NoArray),
                (State::Inside, Some(b']')) => {
                    self.state = State::End;
                    used += 1;
                }
                (State::Inside, Some(b'{')) => {
                    let Some(length) = self.row.find(rest) else {
                        if rest.len() > LONGEST {
                            return Err(NotRows::Damaged(format!("a row is longer than {LONGEST} bytes")));
                        }
                        break;
                    };
                    let row = self.reader.row(rest.get(..length).unwrap_or_default());
                    rows.push(row.map_err(|error| NotRows::Damaged(json_problem(&error)))?);
                    self.row = RowEnd::default();
                    used += length;
                }
                (State::Inside, _) => return Err(NotRows::Damaged("a row is not an object".to_owned())),
                (State::End, _) => return Err(NotRows::Damaged("something follows the array".to_owned())),
            }
        }
        self.buffer.drain(..used);
        Ok(rows)
    }

    /// Whether the array was closed, or the body was empty.
    pub(super) fn is_complete(&self) -> bool {
        self.state == State::End || (self.state == State::Start && self.buffer.is_empty())
    }

    /// What was taken and not yet read: after [`NotRows::NoArray`], the text from its first piece.
    pub(super) fn into_rest(self) -> Vec<u8> {
        self.buffer
    }
}

/// Looks for the end of a row. It remembers how far it looked, so that a row in many pieces is still looked at once.
#[derive(Debug, Default)]
struct RowEnd {
    looked_at: usize,
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl RowEnd {
    /// The length of the object that this begins with, once its end is there.
    fn find(&mut self, row: &[u8]) -> Option<usize> {
        loop {
            let rest = row.get(self.looked_at..).unwrap_or_default();
            let next = if self.escaped {
                (!rest.is_empty()).then_some(0)
            } else if self.in_text {
                memchr2(b'"', b'\\', rest)
            } else {
                memchr3(b'"', b'{', b'}', rest)
            };
            let Some(next) = next else {
                self.looked_at = row.len();
                return None;
            };
            self.looked_at += next + 1;
            match rest.get(next) {
                _ if self.escaped => self.escaped = false,
                Some(b'\\') => self.escaped = true,
                Some(b'"') => self.in_text = !self.in_text,
                Some(b'{') => self.depth += 1,
                _ => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(self.looked_at);
                    }
                }
            }
        }
    }
}

fn is_gap(byte: u8, state: &State) -> bool {
    byte.is_ascii_whitespace() || (byte == b',' && *state == State::Inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#" [{"leadid":1,"notes":"a ] } \" ü"}, {"leadid":2,"more":{"a":[1,2]}} ,{"leadid":3}] "#;

    #[test]
    fn rows_are_the_same_however_the_body_is_cut() {
        for size in 1..BODY.len() {
            let mut rows = Rows::default();
            let ids: Vec<String> = BODY
                .as_bytes()
                .chunks(size)
                .flat_map(|piece| rows.take(piece).unwrap_or_default())
                .map(|row| row.get("leadid").map(ToString::to_string).unwrap_or_default())
                .collect();
            assert_eq!((ids.join(","), rows.is_complete()), ("1,2,3".to_owned(), true), "cut into {size}");
        }
    }

    #[test]
    fn an_array_that_breaks_off_is_not_complete() {
        let mut rows = Rows::default();
        assert_eq!(rows.take(br#"[{"leadid":1},{"lea"#).map(|rows| rows.len()), Ok(1));
        assert!(!rows.is_complete());
    }

    #[test]
    fn a_row_without_end_is_given_up_before_it_fills_the_memory() {
        let mut rows = Rows::default();
        assert_eq!(rows.take(br#"[{"notes":""#), Ok(Vec::new()));
        let piece = vec![b'x'; LONGEST / 8];
        let taken = (0..16).filter(|_| rows.take(&piece).is_ok()).count();
        assert_eq!(taken, 7);
    }

    #[test]
    fn a_row_that_is_none_is_told_without_its_value() {
        let told = |body: &[u8]| Rows::default().take(body);
        assert_eq!(told(br#"["Jane Example"]"#), Err(NotRows::Damaged("a row is not an object".to_owned())));
        let damaged = told(br#"[{"a":"Jane Example" "b"}]"#);
        assert!(matches!(damaged, Err(NotRows::Damaged(text)) if !text.contains("Jane")));
    }

    #[test]
    fn a_text_is_no_array_and_an_empty_body_has_no_rows() {
        let mut rows = Rows::default();
        assert_eq!(rows.take(b"Wrong input parameters"), Err(NotRows::NoArray));
        assert_eq!(rows.into_rest(), b"Wrong input parameters");
        assert!(Rows::default().is_complete());
    }
}
