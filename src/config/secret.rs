//! Secrets: named by an environment variable or a file; a literal works and draws a warning. Nothing here puts a secret, or
//! what may be one, in a message.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::keys::printable;
use super::section::{Fault, Given, Report, Section};

/// The longest secret that a file may hold, in bytes.
const LONGEST: u64 = 64 * 1_024;

/// How a secret is written.
const HELP: &str = "write \"env:NAME\" for an environment variable or \"file:/path\" for a file";

/// Whether a text says where the secret is and is none itself, so that it may be shown.
pub(super) fn is_reference(text: &str) -> bool {
    text.starts_with("file:") || text.strip_prefix("env:").is_some_and(is_variable_name)
}

fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|each| each.is_ascii_alphanumeric() || each == '_')
}

/// A secret that may be left out.
pub(super) fn optional(section: &Section<'_>, key: &str) -> Option<SecretString> {
    section.has(key).then(|| required(section, key))
}

/// The file that a secret stands in, where it is one.
pub(super) fn file(section: &Section<'_>, key: &str) -> Option<PathBuf> {
    let path =
        section.optional(key, |given| Ok(given.text().ok().and_then(|text| text.strip_prefix("file:")).map(str::to_owned)));
    path.flatten().map(|path| section.report.folder().join(path.trim()))
}

/// A secret that must be there.
pub(super) fn required(section: &Section<'_>, key: &str) -> SecretString {
    let report = section.report;
    let (mut literal, path) = (false, section.path.key(key));
    let secret = section.required(key, "\"env:NAME\"", |given| read(given, report, &mut literal));
    if literal {
        let problem = "the secret itself stands in the file, for everybody who can read it";
        report.warn(&path, Fault::new(problem, HELP));
    }
    SecretString::from(secret)
}

fn read(given: &Given<'_>, report: &Report<'_>, literal: &mut bool) -> Result<String, Fault> {
    let text = given.text().map_err(|fault| Fault::new(fault.problem, HELP))?;
    if text.starts_with("env:") || text.starts_with("file:") {
        return named(text, report);
    }
    if text.is_empty() {
        return Err(Fault::new("this is empty", HELP));
    }
    *literal = !given.from_environment;
    Ok(text.to_owned())
}

/// What is named by `env:NAME` or `file:PATH`.
pub(super) fn named(reference: &str, report: &Report<'_>) -> Result<String, Fault> {
    match reference.split_once(':') {
        Some(("env", name)) => from_variable(name.trim(), report),
        Some((_, path)) => from_file(path.trim(), report),
        None => Err(Fault::new("this names nothing", HELP)),
    }
}

fn from_variable(name: &str, report: &Report<'_>) -> Result<String, Fault> {
    if name.is_empty() {
        return Err(Fault::new("env: names no variable", HELP));
    }
    let shown = if is_variable_name(name) { name } else { "named" };
    let help = "set it for this process (a shell needs `export`) and start again";
    match report.env.get(name) {
        Some(value) if !value.is_empty() => Ok(value.clone()),
        Some(_) => Err(Fault::new(format!("the environment variable {shown} is empty"), help)),
        None => Err(Fault::new(format!("the environment variable {shown} is not set"), help)),
    }
}

/// Reads a file no further than a secret can be long: another one may have no end.
fn read_text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let length = std::fs::File::open(path)?.take(LONGEST + 1).read_to_string(&mut text)?;
    if u64::try_from(length).is_ok_and(|length| length <= LONGEST) {
        return Ok(text);
    }
    Err(std::io::Error::other(format!("it is longer than {LONGEST} bytes")))
}

fn from_file(path: &str, report: &Report<'_>) -> Result<String, Fault> {
    if path.is_empty() {
        return Err(Fault::new("file: names no file", HELP));
    }
    let path = report.folder().join(path);
    report.secret_file(path.clone());
    let help = "the file must hold the secret alone, and this user must be able to read it";
    let text = read_text(&path)
        .map_err(|error| Fault::new(format!("{} cannot be read: {error}", printable(&path.to_string_lossy())), help))?;
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.is_empty() {
        return Err(Fault::new(format!("{} is empty", printable(&path.to_string_lossy())), help));
    }
    Ok(secret.to_owned())
}
