//! What must hold of CSV.

use super::table::{self, Sheet};
use super::{DELIMITERS, Style};

/// A sheet that is read, and written, is read again as it was: with commas, and in another style, which depends on the sheet.
pub fn bulk_csv(data: &[u8]) {
    let other = DELIMITERS.iter().cycle().nth(data.len() % 12);
    for (delimiter, crlf) in DELIMITERS.first().map(|comma| (*comma, false)).into_iter().chain(other.map(|other| (*other, true)))
    {
        let style = Style { delimiter, crlf };
        match Sheet::read(data, style) {
            Ok(sheet) => is_read_again(&sheet, style),
            Err(problem) => assert!(!problem.is_empty()),
        }
    }
}

fn is_read_again(sheet: &Sheet, style: Style) {
    assert!(sheet.rows.iter().all(|row| row.len() == sheet.columns.len()));
    if sheet.columns.is_empty() {
        return;
    }
    let written = table::write(&sheet.columns, sheet.rows.iter().cloned(), style, style.crlf);
    let again = Sheet::read(written.as_bytes(), style).map(|again| (again.columns, again.rows));
    assert_eq!(again.as_ref(), Ok(&(sheet.columns.clone(), sheet.rows.clone())), "{written:?}");
}
