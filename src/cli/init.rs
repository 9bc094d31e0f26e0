//! `init`: a first configuration, with questions on a terminal and without any in a pipe.

use std::collections::BTreeMap;
use std::io::{self, BufRead, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use super::{Ended, Failure, output};
use crate::config::{Config, ConfigError, DEFAULT_FILES};
use crate::daemon::{self, AssemblyError};
use crate::init::{self, Asker, Choice, Connection};
use crate::mapping::find;
use crate::propose::{self, Proposal};
use crate::survey::{self, Surveyed};

/// Where a secret stands if nothing is said.
const OPERATE_SECRET: &str = "env:OPERATE_CLIENT_SECRET";
const SALESFORCE_SECRET: &str = "env:SALESFORCE_CLIENT_SECRET";

/// How to make it.
#[derive(Debug, Clone, clap::Args)]
pub struct Init {
    /// The file to write [default: the one of --config, then leadsync.toml].
    pub file: Option<PathBuf>,
    /// The address of the Operate API.
    #[arg(long, env = "LEADSYNC__OPERATE__BASE_URL", value_name = "URL")]
    pub base_url: Option<String>,
    /// The time zone of the workspace, such as Europe/London.
    #[arg(long, env = "LEADSYNC__OPERATE__TIMEZONE", value_name = "ZONE")]
    pub timezone: Option<String>,
    /// The id of Operate's OAuth client.
    #[arg(long, env = "LEADSYNC__OPERATE__AUTH__CLIENT_ID", value_name = "ID")]
    pub operate_client_id: Option<String>,
    /// Where its secret stands: `env:NAME` or `file:PATH`, never the secret itself [default: `env:OPERATE_CLIENT_SECRET`].
    #[arg(long, value_name = "WHERE")]
    pub operate_secret: Option<String>,
    /// The org's own address (My Domain).
    #[arg(long, env = "LEADSYNC__SALESFORCE__LOGIN_URL", value_name = "URL")]
    pub login_url: Option<String>,
    /// The consumer key of the app.
    #[arg(long, env = "LEADSYNC__SALESFORCE__AUTH__CLIENT_ID", value_name = "ID")]
    pub salesforce_client_id: Option<String>,
    /// Where its secret stands, as above [default: `env:SALESFORCE_CLIENT_SECRET`].
    #[arg(long, value_name = "WHERE")]
    pub salesforce_secret: Option<String>,
    /// Of each side read only about so many leads, those that were modified last [default: all].
    #[arg(long, value_name = "N", value_parser = super::sample)]
    pub sample: Option<usize>,
    /// Ask nothing, also on a terminal.
    #[arg(long)]
    pub yes: bool,
    /// Replace the file if it is there.
    #[arg(long)]
    pub force: bool,
    /// Without a request to either system: write the example with every key, to be filled in.
    #[arg(long)]
    pub offline: bool,
}

pub(super) async fn init(options: &Init, config: Option<&Path>) -> Result<Ended, Failure> {
    let [default, _] = DEFAULT_FILES;
    let file = options.file.as_deref().or(config).unwrap_or_else(|| Path::new(default));
    if file.exists() && !options.force {
        return Err(Failure::Usage(format!(
            "{} is there already: name another file, or say --force to replace it",
            file.display()
        )));
    }
    if options.offline {
        put(file, &init::skeleton(), options.force)?;
        output::line(format!("{} has every key: put in addresses, ids and secrets, then run `leadsync check`", file.display()));
        return Ok(Ended::Done);
    }
    let asks = !options.yes && io::stdin().is_terminal() && io::stderr().is_terminal();
    let mut asker = Asker::new(io::stdin().lock(), io::stderr());
    let connection = if asks { asked(options, &mut asker)? } else { given(options)? };
    let env: BTreeMap<String, String> = std::env::vars().collect();
    let draft = connection.draft(file, &env).map_err(|error| Failure::Usage(in_words(&error)))?;
    let work = survey::whole(&draft.operate, &draft.salesforce, options.sample);
    let surveyed = output::busy("reading leads on both sides", work).await.map_err(AssemblyError::Side)?;
    let mut proposals = propose::propose(&surveyed, &draft.operate, &draft.salesforce.external_id_field);
    if asks {
        doubts(&surveyed, &mut proposals, &mut asker)?;
    }
    drop(asker);
    let keys = propose::match_keys(&surveyed, &proposals);
    put(file, &init::configuration(&connection, &surveyed, &proposals, &keys), options.force)?;
    tell(file, &draft, &surveyed, &proposals, keys.is_empty());
    Ok(Ended::Done)
}

/// What was written, and what is left to do.
fn tell(file: &Path, draft: &Config, surveyed: &Surveyed, proposals: &[Proposal], is_unmatched: bool) {
    let certain = proposals.iter().filter(|proposal| proposal.is_certain()).count();
    let left = proposals.len() - certain;
    output::line(format!("{}: {certain} field(s) mapped, {left} left out as comments to look at", file.display()));
    if certain == 0 {
        output::remark("no field is certain enough: take away the # of those that are right, else the file cannot be used");
    }
    if is_unmatched {
        output::remark("no field was found by which leads can be matched, so nothing is created yet: see `match` and `create`");
    }
    let name = &draft.salesforce.external_id_field;
    if find(&surveyed.described, name).is_none() {
        output::remark(format!(
            "Lead has no field {name} yet, which leadsync cannot do without: docs/salesforce-setup.md, step 1"
        ));
    }
    output::line("next: look through it, then `leadsync check`, then `leadsync plan`");
}

/// Writes the file; a signal that comes meanwhile ends the program after it, so that nothing half done is left.
fn put(file: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let _stop = daemon::stop_on_signal()?;
    init::write(file, text, force).map_err(|error| Failure::Other(format!("{} cannot be written: {error}", file.display())))
}

/// What is wrong with the options, without the lines of a draft that nobody sees.
fn in_words(error: &ConfigError) -> String {
    let words = error.findings.iter().map(|finding| format!("{}: {} ({})", finding.key, finding.problem, finding.help));
    words.collect::<Vec<_>>().join("\n")
}

fn secret(name: &str, given: Option<&String>, default: &str) -> Result<String, Failure> {
    let text = given.map_or(default, String::as_str);
    if init::is_reference(text) {
        return Ok(text.to_owned());
    }
    Err(Failure::Usage(format!("{name} says where the secret stands, and is not the secret: write env:NAME or file:PATH")))
}

/// The connection from options and environment alone.
fn given(options: &Init) -> Result<Connection, Failure> {
    let needed = [
        ("--base-url", &options.base_url),
        ("--operate-client-id", &options.operate_client_id),
        ("--login-url", &options.login_url),
        ("--salesforce-client-id", &options.salesforce_client_id),
    ];
    let missing: Vec<&str> = needed.iter().filter(|(_, given)| given.is_none()).map(|(name, _)| *name).collect();
    if !missing.is_empty() {
        let help = "`leadsync init --help` names the variables that do as well, and --offline writes a file to be filled in";
        return Err(Failure::Usage(format!(
            "nothing is asked without a terminal, so these are needed: {} ({help})",
            missing.join(", ")
        )));
    }
    let text = |given: &Option<String>| given.clone().unwrap_or_default();
    Ok(Connection {
        base_url: text(&options.base_url),
        timezone: options.timezone.clone().unwrap_or_else(|| "UTC".to_owned()),
        operate_client_id: text(&options.operate_client_id),
        operate_secret: secret("--operate-secret", options.operate_secret.as_ref(), OPERATE_SECRET)?,
        login_url: text(&options.login_url),
        salesforce_client_id: text(&options.salesforce_client_id),
        salesforce_secret: secret("--salesforce-secret", options.salesforce_secret.as_ref(), SALESFORCE_SECRET)?,
    })
}

/// The connection from a person; what options give is the default.
fn asked<R: BufRead, W: Write>(options: &Init, asker: &mut Asker<R, W>) -> Result<Connection, Failure> {
    let stopped = |error: io::Error| Failure::Other(format!("nothing was written: {error}"));
    let address = |answer: &str| (!answer.contains("://")).then(|| "write it with https://".to_owned());
    let zone =
        |answer: &str| answer.parse::<chrono_tz::Tz>().is_err().then(|| "write an IANA name, such as Europe/London".to_owned());
    let place = |answer: &str| {
        let is_set = |name: &str| std::env::var_os(name).is_some();
        let problem = "write where it stands, env:NAME (a variable that is set for this process) or file:PATH. The secret itself is never typed here";
        (!init::is_reference(answer) || answer.strip_prefix("env:").is_some_and(|name| !is_set(name))).then(|| problem.to_owned())
    };
    let any = |_: &str| None;
    asker.say("The secrets are read from where you say they stand; nothing is written until the end.").map_err(stopped)?;
    let text = |given: &'_ Option<String>| given.clone();
    let mut ask = |question: &str, default: Option<String>, wrong: &dyn Fn(&str) -> Option<String>| {
        asker.text(question, default.as_deref(), wrong).map_err(stopped)
    };
    Ok(Connection {
        base_url: ask(
            "Operate API, address",
            text(&options.base_url).or(Some("https://operate-api.essensys.tech".into())),
            &address,
        )?,
        timezone: ask("Operate, time zone of the workspace", text(&options.timezone).or(Some("Europe/London".into())), &zone)?,
        operate_client_id: ask("Operate, client id", text(&options.operate_client_id), &any)?,
        operate_secret: ask(
            "Operate, where the client secret stands",
            text(&options.operate_secret).or(Some(OPERATE_SECRET.into())),
            &place,
        )?,
        login_url: ask("Salesforce, the org's own address", text(&options.login_url), &address)?,
        salesforce_client_id: ask("Salesforce, consumer key", text(&options.salesforce_client_id), &any)?,
        salesforce_secret: ask(
            "Salesforce, where the consumer secret stands",
            text(&options.salesforce_secret).or(Some(SALESFORCE_SECRET.into())),
            &place,
        )?,
    })
}

/// Asks about each pair that is not certain. Those that need rows or a lookup first stay comments.
fn doubts<R: BufRead, W: Write>(surveyed: &Surveyed, proposals: &mut [Proposal], asker: &mut Asker<R, W>) -> Result<(), Failure> {
    for place in 0..proposals.len() {
        let Some(proposal) = proposals.get(place).filter(|proposal| !proposal.is_certain()) else { continue };
        let doubt = proposal.doubt.as_ref().map(|doubt| format!("; {doubt}")).unwrap_or_default();
        let question = format!(
            "{} in Operate and {} in Salesforce, {}% ({}{doubt}): use it?",
            proposal.operate,
            proposal.salesforce,
            proposal.confidence,
            proposal.reason.as_str()
        );
        let is_free = |name: &str| {
            let taken = proposals.iter().any(|other| other.salesforce.eq_ignore_ascii_case(name) && other.is_certain());
            find(&surveyed.described, name).is_some() && !taken
        };
        let choice = asker.pair(&question, is_free).map_err(|error| Failure::Other(format!("nothing was written: {error}")))?;
        let target = match choice {
            Choice::No => continue,
            Choice::Yes => proposal.salesforce.clone(),
            Choice::Other(name) => name,
        };
        let name = proposal.name.clone();
        let chosen = propose::chosen(surveyed, &proposal.operate, &target);
        if let Some(doubt) = chosen.as_ref().and_then(|chosen| chosen.doubt.as_ref()) {
            let _ = asker.say(&format!("  it is written as a comment, to be completed: {doubt}"));
        }
        if let (Some(slot), Some(chosen)) = (proposals.get_mut(place), chosen) {
            *slot = Proposal { name, ..chosen };
        }
    }
    Ok(())
}
