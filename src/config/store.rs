//! `[store]`: where leadsync remembers.

use super::secret;
use super::section::{Fault, Given, Report, Section};
use super::value::quote;
use crate::store::{Address, is_schema_name};

const HELP: &str = "write sqlite: and a file, such as \"sqlite:leadsync.db\", or \"postgres://USER@HOST:PORT/DATABASE\"";

pub(super) fn read(section: &Section<'_>) -> Address {
    let (report, mut literal) = (section.report, false);
    let url = section.or("url", "sqlite:leadsync.db".to_owned(), |given| url(given, report, &mut literal));
    if literal {
        let problem = "a password stands in the file, for everybody who can read it";
        let help = "leave it out of the address, and write password = \"env:NAME\" or \"file:/path\"";
        report.warn(&section.path.key("url"), Fault::new(problem, help));
    }
    let named = Address::from(&url);
    let address = Address {
        password: secret::optional(section, "password"),
        schema: section.or("schema", named.schema.clone(), schema),
        ..named
    };
    if !is_postgres(&address.url) {
        for key in ["password", "schema"].into_iter().filter(|key| section.has(key)) {
            report.warn(
                &section.path.key(key),
                Fault::new("a store in a file has none", "remove it, or name a PostgreSQL server in url"),
            );
        }
    }
    address
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres:") || url.starts_with("postgresql:")
}

fn has_password(url: &str) -> bool {
    let after = url.split_once("://").map_or("", |(_, rest)| rest);
    let user = after.split(['/', '?']).next().and_then(|host| host.rsplit_once('@')).map_or("", |(user, _)| user);
    user.contains(':') || after.contains("password=")
}

fn url(given: &Given<'_>, report: &Report<'_>, literal: &mut bool) -> Result<String, Fault> {
    let text = given.filled()?;
    let is_reference = secret::is_reference(&text) && !text.starts_with("sqlite:");
    let url = if is_reference { secret::named(&text, report)? } else { text };
    if is_postgres(&url) {
        Address::from(&url).place().map_err(|_| {
            Fault::new("this is not the address of a PostgreSQL database, or has a parameter that is not known", HELP)
        })?;
        *literal = !is_reference && !given.from_environment && has_password(&url);
        return Ok(url);
    }
    let Some(file) = url.strip_prefix("sqlite:") else {
        let shown = if is_reference { "what is named here".to_owned() } else { quote(&url) };
        return Err(Fault::new(format!("{shown} is not the address of a store"), HELP));
    };
    let file = file.strip_prefix("//").unwrap_or(file).split('?').next().unwrap_or_default();
    match file {
        "" => Err(Fault::new("the address names no file", HELP)),
        ":memory:" => Err(Fault::new("a store in memory would forget what was in step", HELP)),
        _ => Ok(url),
    }
}

fn schema(given: &Given<'_>) -> Result<String, Fault> {
    let name = given.filled()?;
    if is_schema_name(&name) {
        return Ok(name);
    }
    let help = "write small letters, digits and _, a letter first, 63 at most, and not pg_ in front";
    Err(Fault::new(format!("{} is not the name of a schema", quote(&name)), help))
}
