//! The store's SQL as PostgreSQL reads it.

use std::fmt::Write as _;

/// What is spelled otherwise, each at the beginning of a word.
///
/// `SQLite` takes the tables of a `CROSS JOIN` in the order written, and lets it have a condition; PostgreSQL finds the order by itself.
/// The list of a sweep is filled by many statements, between which other stores have the connection: there it is a table like any other.
///
/// Ids and keys are compared byte by byte in both; an index is of use only to what is compared in the same way.
const SPELLED: [(&str, &str); 6] = [
    ("TEMP TABLE IF NOT EXISTS listed", "TABLE IF NOT EXISTS listed"),
    ("temp.listed", "listed"),
    ("temp.", "pg_temp."),
    ("CROSS JOIN", "JOIN"),
    ("WITHOUT ROWID", ""),
    ("COLLATE BINARY", "COLLATE \"C\""),
];

/// The same statement for PostgreSQL: parameters are `$1`, and a few words are spelled otherwise. Texts and comments stay as they are.
pub(super) fn for_postgres(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let (mut rest, mut unnumbered, mut begins) = (text, 0_u32, true);
    while let Some(next) = rest.chars().next() {
        let kept = match next {
            '\'' => rest.get(1..).and_then(|text| text.find('\'')).map_or(rest.len(), |end| end + 2),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '?' => {
                rest = rest.trim_start_matches('?');
                let digits = rest.find(|each: char| !each.is_ascii_digit()).unwrap_or(rest.len());
                if digits == 0 {
                    unnumbered += 1;
                    let _ = write!(out, "${unnumbered}");
                } else {
                    out.push('$');
                }
                digits
            }
            _ => {
                if let Some((from, to)) = SPELLED.into_iter().find(|(from, _)| begins && rest.starts_with(from)) {
                    out.push_str(to);
                    rest = rest.get(from.len()..).unwrap_or_default();
                    begins = false;
                    continue;
                }
                next.len_utf8()
            }
        };
        let (taken, left) = rest.split_at_checked(kept).unwrap_or((rest, ""));
        out.push_str(taken);
        begins = !taken.ends_with(|each: char| each.is_ascii_alphanumeric() || each == '_' || each == '.');
        rest = left;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_numbers_as_in_sqlite() {
        assert_eq!(for_postgres("SELECT ?, ? FROM t WHERE a = ?"), "SELECT $1, $2 FROM t WHERE a = $3");
        assert_eq!(for_postgres("SELECT ?2, ?1,?12)"), "SELECT $2, $1,$12)");
    }

    #[test]
    fn texts_and_comments_stay_as_they_are() {
        let text = "SELECT 'a ? ''temp.x'' CROSS JOIN' -- temp.y ?\n, '?'";
        assert_eq!(for_postgres(text), text);
    }

    #[test]
    fn words_are_spelled_as_postgres_knows_them() {
        assert_eq!(
            for_postgres("DELETE FROM temp.import; SELECT 1 FROM a CROSS JOIN b ON b.x = a.attemp.y"),
            "DELETE FROM pg_temp.import; SELECT 1 FROM a JOIN b ON b.x = a.attemp.y"
        );
        assert_eq!(for_postgres("DELETE FROM temp.listed WHERE EXISTS"), "DELETE FROM listed WHERE EXISTS");
        assert_eq!(for_postgres("CREATE TEMP TABLE t (a TEXT) WITHOUT ROWID"), "CREATE TEMP TABLE t (a TEXT) ");
        assert_eq!(for_postgres("(a TEXT COLLATE BINARY)"), "(a TEXT COLLATE \"C\")");
        assert_eq!(for_postgres("SELECT 'Grüße', ?"), "SELECT 'Grüße', $1");
    }
}
