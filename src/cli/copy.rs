//! `store copy`: a store moved from one database to another.

use secrecy::{ExposeSecret as _, SecretString};

use super::{Ended, Failure, Report, output};
use crate::store::{Address, CopyError, Hold, Store};

/// What `store` can do.
#[derive(Debug, clap::Subcommand)]
pub enum StoreCommand {
    /// Copy a store to another file or database. No daemon may work on either.
    Copy {
        /// The address of the store: sqlite:PATH, `postgres://USER@HOST:PORT/DATABASE?schema=NAME`, or env:NAME for a variable that holds it.
        #[arg(long, value_name = "URL", value_parser = address)]
        from: SecretString,
        /// The address of the copy, which must hold no leads.
        #[arg(long, value_name = "URL", value_parser = address)]
        to: SecretString,
        /// As JSON.
        #[command(flatten)]
        report: Report,
    },
}

/// What stands behind `env:NAME`, or the text itself.
fn address(text: &str) -> Result<SecretString, String> {
    match text.strip_prefix("env:") {
        Some(name) => {
            std::env::var(name).map(SecretString::from).map_err(|_| format!("the environment variable {name} is not set"))
        }
        None => Ok(SecretString::from(text)),
    }
}

pub(super) async fn store(command: StoreCommand) -> Result<Ended, Failure> {
    let StoreCommand::Copy { from, to, report } = command;
    let (from, to) = (Address::from(from.expose_secret()), Address::from(to.expose_secret()));
    if from.is_same(&to) {
        return Err(Failure::Usage("--from and --to name the same store".to_owned()));
    }
    let source = Store::open_existing(&from).await?;
    let (held, holding) = (Hold::take(&from).await?, Hold::take(&to).await?);
    let target = Store::open_held(&to, &holding).await?;
    let copied = output::busy("copying the store", source.copy_into(&target)).await.map_err(|error| match error {
        CopyError::Store(error) => Failure::Store(error),
        used @ CopyError::NotEmpty { .. } => Failure::Usage(used.to_string()),
        differs @ CopyError::Differs { .. } => Failure::Other(differs.to_string()),
    });
    source.close().await;
    target.close().await;
    holding.give_back().await;
    held.give_back().await;
    let copied = copied?;
    if report.json {
        output::json(&copied)?;
    } else {
        let (links, leads, rows, to) = (copied.links, copied.leads, copied.rows, to.place()?.name());
        output::line(format!("{to}: {links} links, {leads} leads, {rows} rows in all, compared"));
        output::line(
            "Name it in [store] before the daemon starts again, and start none on the old one: two would not know of each other.",
        );
    }
    Ok(Ended::Done)
}
