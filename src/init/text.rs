//! The text of a first configuration: the example's, which explains every key, with the connection and the mapping put in.

use std::fmt::Write as _;

use super::Connection;
use crate::config::field::Direction;
use crate::lead::Side;
use crate::propose::{Proposal, ValueRows, described};
use crate::side::NativeField;
use crate::survey::{Profile, Surveyed};

/// The example, with every key.
const EXAMPLE: &str = include_str!("../../config/leadsync.toml");
/// Where its own mapping begins.
const MAPPING: &str = "\n[[fields]]";
/// The column at which a line of a comment ends.
const WIDTH: usize = 120;

/// A text as TOML writes it, on one line.
#[must_use]
pub fn quoted(text: &str) -> String {
    // JSON's escapes are TOML's too; only DEL stands for itself in JSON alone.
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

/// What begins the example's lines, and what takes their place.
pub(super) fn operate(connection: &Connection) -> [(&'static str, String); 3] {
    let Connection { base_url, timezone, operate_client_id, operate_secret, .. } = connection;
    let auth = format!(
        "auth = {{ grant = \"client_credentials\", client_id = {}, client_secret = {} }}",
        quoted(operate_client_id),
        quoted(operate_secret)
    );
    [
        ("base_url = ", format!("base_url = {}", quoted(base_url))),
        ("auth = { grant", auth),
        ("timezone = ", format!("timezone = {}", quoted(timezone))),
    ]
}

/// The same of the org.
pub(super) fn salesforce(connection: &Connection) -> [(&'static str, String); 2] {
    let Connection { login_url, salesforce_client_id, salesforce_secret, .. } = connection;
    let auth = format!(
        "auth = {{ flow = \"client_credentials\", client_id = {}, client_secret = {} }}",
        quoted(salesforce_client_id),
        quoted(salesforce_secret)
    );
    [("login_url = ", format!("login_url = {}", quoted(login_url))), ("auth = { flow", auth)]
}

/// The example as it is, for who cannot sign in yet.
#[must_use]
pub fn skeleton() -> String {
    format!(
        "# Made by `leadsync init --offline`: put in both addresses, ids and secrets, then run `leadsync check`.\n#\n{EXAMPLE}"
    )
}

/// A configuration for these systems. What is not certain stands in it as a comment.
#[must_use]
pub fn configuration(connection: &Connection, surveyed: &Surveyed, proposals: &[Proposal], match_keys: &[Vec<String>]) -> String {
    let keys: Vec<String> = match_keys
        .iter()
        .map(|names| format!("[{}]", names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")))
        .collect();
    let mut lines: Vec<(&str, String)> = operate(connection).into_iter().chain(salesforce(connection)).collect();
    lines.push(("match = ", format!("match = [{}]", keys.join(", "))));
    if match_keys.is_empty() {
        let create = "# No field was found that is filled and different in each lead on both sides. Until `match` names one, nothing is created:\n\
                      # leads that are on both sides would be doubled.\ncreate = \"none\"";
        lines.push(("# create = ", create.to_owned()));
    }
    let head = EXAMPLE.find(MAPPING).and_then(|end| EXAMPLE.get(..end)).unwrap_or(EXAMPLE);
    let (read, theirs) = (surveyed.surveys.operate.read, surveyed.surveys.salesforce.read);
    let mut text = format!(
        "# Made by `leadsync init` from {read} leads of Operate and {theirs} of Salesforce. Look through it, run `leadsync check`, then\n\
         # `leadsync plan`, which says what would be written.\n#\n"
    );
    for line in head.lines() {
        let replaced = lines.iter().find(|(start, _)| line.starts_with(start)).map_or(line, |(_, new)| new.as_str());
        let _ = writeln!(text, "{replaced}");
    }
    for proposal in proposals {
        text.push('\n');
        text.push_str(&table(surveyed, proposal));
    }
    text
}

/// One `[[fields]]` table under a comment.
fn table(surveyed: &Surveyed, proposal: &Proposal) -> String {
    let empty = Profile::default();
    let (ours, theirs) = (&surveyed.surveys.operate, &surveyed.surveys.salesforce);
    let our = ours.fields.get(&proposal.operate).unwrap_or(&empty);
    let their = theirs.fields.get(&proposal.salesforce).unwrap_or(&empty);
    let native = described(surveyed, proposal);
    let seen = our.shape().map_or("empty", crate::survey::Shape::as_str);
    let remark = format!(
        "Operate: {seen}, {} filled. Salesforce: {}, {} filled. {}% certain ({}).",
        percent(our.filled, ours.read),
        native.map_or("?", |native| native.native_type.as_str()),
        percent(their.filled, theirs.read),
        proposal.confidence,
        proposal.reason.as_str()
    );
    let mut text = comment(&remark);
    if !proposal.is_certain() {
        let doubt = proposal.doubt.as_deref().unwrap_or("it is not certain");
        text.push_str(&comment(&format!("Left out: {doubt}. Take away the # of each line if it is right.")));
    }
    let body = body(surveyed, proposal, our, native);
    for line in body.lines() {
        let _ = if proposal.is_certain() { writeln!(text, "{line}") } else { writeln!(text, "# {line}") };
    }
    text
}

fn body(surveyed: &Surveyed, proposal: &Proposal, our: &Profile, native: Option<&NativeField>) -> String {
    let mut text = format!(
        "[[fields]]\nname = {}\noperate = {}\nsalesforce = {}\n",
        quoted(&proposal.name),
        quoted(&proposal.operate),
        quoted(&proposal.salesforce)
    );
    if proposal.direction == Direction::ToOperate {
        text.push_str("# Salesforce does not let this user write it.\ndirection = \"to_operate\"\n");
    }
    if let Some(lookup) = proposal.lookup {
        let _ = writeln!(text, "lookup = {}\nunknown = \"keep\"", quoted(lookup.as_str()));
    }
    if let Some(values) = &proposal.values {
        text.push_str(&rows(values));
    }
    // A text that leads hold much of the time is no invention, and still nothing to be given without a person's word.
    if native.is_some_and(|native| native.required) && our.filled < surveyed.surveys.operate.read {
        text.push_str("# Salesforce makes no lead without one, and some Operate leads have none:\n# default = { salesforce = \"Unknown\" }\n");
    }
    if proposal.operate == "location" && proposal.lookup.is_none() {
        let most = our.values().and_then(|values| values.iter().max_by_key(|(_, count)| **count));
        if let Some((value, _)) = most {
            let _ = writeln!(text, "# Operate makes no lead without one:\n# default = {{ operate = {} }}", quoted(value));
        }
    }
    text
}

/// A value map: the rows that are known, and those to be filled in.
fn rows(values: &ValueRows) -> String {
    let mut text = "values = [\n".to_owned();
    for (one, other) in &values.rows {
        let _ = writeln!(text, "  [{}, {}],", quoted(one), quoted(other));
    }
    for (side, left) in [(Side::Operate, &values.operate), (Side::Salesforce, &values.salesforce)] {
        if !left.is_empty() {
            let _ = writeln!(text, "  # Only in {}: say what each is in {}.", side.title(), side.other().title());
        }
        for (value, count) in left {
            let row = if side == Side::Operate { [quoted(value), quoted("")] } else { [quoted(""), quoted(value)] };
            let _ = writeln!(text, "  # [{}],   # {count} lead(s)", row.join(", "));
        }
    }
    text.push_str("]\n# A value without a row stays on its side.\nunknown = \"keep\"\n");
    text
}

fn percent(filled: u64, read: u64) -> String {
    format!("{}%", (filled * 100).checked_div(read).unwrap_or_default())
}

/// Lines of a comment.
fn comment(text: &str) -> String {
    let (mut lines, mut line) = (String::new(), "#".to_owned());
    for word in text.split_whitespace() {
        if line.chars().count() + word.chars().count() >= WIDTH {
            let _ = writeln!(lines, "{line}");
            "#".clone_into(&mut line);
        }
        let _ = write!(line, " {word}");
    }
    lines + &line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn connection() -> Connection {
        let text = |text: &str| text.to_owned();
        Connection {
            base_url: text("https://uat.operate.example"),
            timezone: text("Europe/Dublin"),
            operate_client_id: text("some \"id\""),
            operate_secret: text("env:OPERATE_SECRET"),
            login_url: text("https://acme--uat.sandbox.my.salesforce.com"),
            salesforce_client_id: text("3MVG9"),
            salesforce_secret: text("env:SALESFORCE_SECRET"),
        }
    }

    fn proposal(name: &str, operate: &str, salesforce: &str) -> Proposal {
        Proposal {
            name: name.to_owned(),
            operate: operate.to_owned(),
            salesforce: salesforce.to_owned(),
            confidence: 90,
            reason: crate::propose::Reason::SameName,
            doubt: None,
            kind: crate::lead::Kind::Text,
            direction: Direction::Both,
            lookup: None,
            values: None,
        }
    }

    fn loaded(text: &str) -> Config {
        let env = ["OPERATE_SECRET", "SALESFORCE_SECRET"].map(|name| (name.to_owned(), "s".to_owned()));
        Config::from_text(text, "leadsync.toml", env).unwrap_or_else(|error| panic!("{error}\n{text}")).config
    }

    #[test]
    fn what_is_written_can_be_read_with_the_connection_and_the_certain_fields() {
        let rows = ValueRows {
            rows: vec![("Phone enquiry".to_owned(), "Phone Inquiry".to_owned())],
            operate: vec![("a\n\"b\" \u{7f}".to_owned(), 3)],
            salesforce: vec![("Web".to_owned(), 0)],
        };
        let proposals = [
            proposal("email", "email", "Email"),
            Proposal { values: Some(rows), ..proposal("lead_source", "leadsource", "LeadSource") },
            Proposal { confidence: 40, ..proposal("x", "custom17", "Venue__c") },
        ];
        let text = configuration(&connection(), &Surveyed::default(), &proposals, &[vec!["email".to_owned()]]);
        let config = loaded(&text);
        assert_eq!(
            (config.operate.base_url.as_str(), config.operate.timezone.name()),
            ("https://uat.operate.example", "Europe/Dublin")
        );
        assert_eq!(config.salesforce.login_url, connection().login_url);
        assert_eq!(config.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["email", "lead_source"]);
        assert_eq!((config.fields[1].values.len(), config.sync.match_keys), (1, vec![vec!["email".to_owned()]]));
        assert!(text.contains("# operate = \"custom17\"") && text.contains("# [\"\", \"Web\"],   # 0 lead(s)"), "{text}");
    }

    #[test]
    fn without_a_key_to_match_by_nothing_is_created() {
        let text = configuration(&connection(), &Surveyed::default(), &[proposal("title", "jobtitle", "Title")], &[]);
        let config = loaded(&text);
        assert!(config.sync.match_keys.is_empty() && config.sync.create == crate::config::sync::CreateRule::None);
    }
}
