//! `health`: asks the daemon that this configuration describes how it is. For HEALTHCHECK and for scripts.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde_json::Value as Json;

use super::{Ended, Failure, output};
use crate::config::Config;
use crate::config::folder::Folder;

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn health(config: &Config, live: bool) -> Result<Ended, Failure> {
    let Some(listen) = config.ops.listen else { return Err(Failure::Usage(SILENT.to_owned())) };
    ask(listen, live).await?;
    output::line(if live { "live" } else { "ready" });
    Ok(Ended::Done)
}

const SILENT: &str = "[ops] listen is \"\": this daemon serves nothing that could be asked";

/// The same for the daemon that serves the pairs of this folder, at each address that they name.
pub(super) async fn of_pairs(folder: &Path, live: bool) -> Result<Ended, Failure> {
    let found = Folder::read(folder)?;
    let addresses: BTreeSet<SocketAddr> = found.pairs.values().flatten().filter_map(|pair| pair.config.ops.listen).collect();
    if addresses.is_empty() {
        return Err(found.useless().map_or_else(|| Failure::Usage(SILENT.to_owned()), Failure::Config));
    }
    for address in addresses {
        ask(address, live).await?;
    }
    output::line(if live { "live" } else { "ready" });
    Ok(Ended::Done)
}

async fn ask(listen: SocketAddr, live: bool) -> Result<(), Failure> {
    if listen.port() == 0 {
        return Err(Failure::Usage("[ops] listen names port 0, any free one: name one to be able to ask it".to_owned()));
    }
    let address = reachable(listen);
    let path = if live { "livez" } else { "readyz" };
    let asked = async {
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let answer = client.get(format!("http://{address}/{path}")).send().await?;
        let status = answer.status();
        Ok::<_, reqwest::Error>((status, answer.text().await?))
    };
    let (status, text) =
        asked.await.map_err(|error| Failure::Other(format!("no daemon answers on {address}: {}", error.without_url())))?;
    if status.is_success() {
        return Ok(());
    }
    let reasons = serde_json::from_str::<Json>(&text).ok().and_then(|report| {
        let reasons = report.get("reasons")?.as_array()?.iter().filter_map(Json::as_str);
        Some(reasons.collect::<Vec<_>>().join("; "))
    });
    let reasons = reasons.unwrap_or_else(|| format!("it answers with status {status}: is it another program?"));
    Err(Failure::Other(format!("not ready: {reasons}")))
}

/// An address of all of this machine's addresses is reached on its loopback address.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
