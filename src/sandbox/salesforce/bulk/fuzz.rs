//! What must hold of CSV.

use super::table::{self, Sheet};
use super::{DELIMITERS, Style};

/// A sheet that is read, and written in any style, is read again as it was.
pub fn bulk_csv(data: &[u8]) {
    for delimiter in DELIMITERS {
        for crlf in [false, true] {
            let style = Style { delimiter, crlf };
            let sheet = match Sheet::read(data, style) {
                Ok(sheet) if sheet.columns.is_empty() => continue,
                Ok(sheet) => sheet,
                Err(problem) => {
                    assert!(!problem.is_empty());
                    continue;
                }
            };
            assert!(sheet.rows.iter().all(|row| row.len() == sheet.columns.len()));
            let written = table::write(&sheet.columns, sheet.rows.iter().cloned(), style, crlf);
            let again = Sheet::read(written.as_bytes(), style).map(|again| (again.columns, again.rows));
            assert_eq!(again, Ok((sheet.columns, sheet.rows)), "{written:?}");
        }
    }
}
