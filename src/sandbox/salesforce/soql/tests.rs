//! Queries that are understood, and those that are not.

use chrono::DateTime;

use super::*;
use crate::sandbox::salesforce::errors::Fail;
use crate::sandbox::salesforce::switches::SalesforceSwitches;

fn understood(soql: &str) -> Result<Query, Fail> {
    let switches = SalesforceSwitches { missing_fields: vec!["Fax".to_owned()], ..SalesforceSwitches::default() };
    parse(soql, Terms { now: DateTime::UNIX_EPOCH, switches: &switches })
}

fn refusal(soql: &str) -> (String, String) {
    understood(soql).map_or_else(|fail| (fail.code.into_owned(), fail.message), |_| ("accepted".to_owned(), String::new()))
}

#[test]
fn the_query_of_a_keyset_page_is_understood() {
    let soql = "SELECT Id, company FROM Lead WHERE (SystemModstamp > 2026-11-24T10:00:00Z OR (SystemModstamp = 2026-11-24T10:00:00Z AND Id > '00Q5g0000000001')) AND (Company != null) ORDER BY SystemModstamp ASC, Id ASC LIMIT 2000";
    assert!(understood(soql).is_ok(), "{:?}", refusal(soql));
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
        ("SELECT Fax FROM Lead", "INVALID_FIELD"),
        ("SELECT Id, Company, id FROM Lead", "INVALID_FIELD"),
        ("SELECT FIELDS(ALL) FROM Lead", "MALFORMED_QUERY"),
        ("SELECT FIELDS(CUSTOM) FROM Lead LIMIT 201", "MALFORMED_QUERY"),
        ("SELECT FIELDS(SOME) FROM Lead LIMIT 2", "MALFORMED_QUERY"),
        ("SELECT COUNT(Id), Company FROM Lead", "MALFORMED_QUERY"),
        ("SELECT COUNT(Id) FROM Lead GROUP BY Company", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE Boss.Name = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE RecordType.Nope = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE CreatedDate = SOMEDAY", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE CreatedDate = 'TODAY'", "INVALID_FIELD"),
        ("SELECT x.Id FROM Lead l", "INVALID_FIELD"),
    ] {
        assert_eq!(refusal(soql).0, code, "{soql}");
    }
}

#[test]
fn names_may_go_through_relationships_and_carry_the_objects_own_name() {
    for soql in [
        "SELECT Lead.Id, Owner.Name, RecordType.DeveloperName FROM Lead WHERE recordtype.developername = 'Workspace'",
        "SELECT l.Id, l.Owner.Name FROM Lead l WHERE l.CreatedBy.Email != null ORDER BY l.Owner.Name",
        "SELECT FIELDS(STANDARD) FROM Lead",
        "SELECT FIELDS(ALL) FROM Lead LIMIT 200",
        "SELECT COUNT(Id), MAX(SystemModstamp) newest FROM Lead WHERE CreatedDate >= LAST_N_DAYS:30",
    ] {
        assert!(understood(soql).is_ok(), "{soql}: {:?}", refusal(soql));
    }
}

#[test]
fn escapes_are_resolved() {
    let query = understood(r"SELECT Id FROM Lead WHERE Company = 'O\'Brien \\ \u00e9'");
    let condition = query.ok().and_then(|query| query.condition);
    let literal = match condition {
        Some(Condition::Compare(_, Operator::Equal, Literal::Text(text))) => text,
        other => format!("{other:?}"),
    };
    assert_eq!(literal, "O'Brien \\ é");
}

#[test]
fn like_knows_its_wildcards() {
    for (text, pattern, expected) in
        [("Acme Ltd", "acme%", true), ("Acme", "a_me", true), ("Acme", "_", false), ("", "%", true), ("Acme", "%z%", false)]
    {
        assert_eq!(like(text, pattern), expected, "{text} like {pattern}");
    }
}

#[test]
fn like_with_many_wildcards_ends() {
    let (text, pattern) = ("a".repeat(32_000), "%a".repeat(500) + "b");
    assert!(!like(&text, &pattern));
    assert!(like(&text, &"%a".repeat(500)));
}

#[test]
fn nesting_that_would_fill_the_stack_is_refused() {
    for nest in ["(", "NOT "] {
        let soql = format!("SELECT Id FROM Lead WHERE {}Company = 'a'", nest.repeat(20_000));
        assert_eq!(refusal(&soql).0, "MALFORMED_QUERY");
    }
}
