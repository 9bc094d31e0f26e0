//! `sandbox` and `demo`: both systems simulated.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Ended, Failure, System, output};
use crate::daemon;
use crate::demo::{self, DemoOptions};
use crate::sandbox::{Sandbox, SandboxOptions};

/// The workspace's zone: one with summer time, so that it is tried.
const ZONE: chrono_tz::Tz = chrono_tz::Tz::Europe__London;

/// What is simulated.
#[derive(Debug, Clone, clap::Args)]
pub struct Systems {
    /// Leads in Operate; Salesforce gets three fifths of that, and one fifth are the same people on both sides.
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub leads: u32,
    /// What people and companies are drawn from; the same number gives the same leads.
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub seed: u64,
    /// Where Operate listens: a loopback address, port 0 for a free one.
    #[arg(long, default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), value_name = "ADDR")]
    pub operate: SocketAddr,
    /// Where Salesforce listens: a loopback address, port 0 for a free one.
    #[arg(long, default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), value_name = "ADDR")]
    pub salesforce: SocketAddr,
    /// Where Salesforce's Pub/Sub API listens: a loopback address, port 0 for a free one.
    #[arg(long, default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), value_name = "ADDR")]
    pub pubsub: SocketAddr,
}

/// The sandbox by itself.
#[derive(Debug, Clone, clap::Args)]
pub struct Alone {
    /// The two systems.
    #[command(flatten)]
    pub systems: Systems,
    /// This system has no lead at the start, and the other one N, so that a first load can be tried.
    #[arg(long, value_enum, value_name = "SYSTEM")]
    pub empty: Option<System>,
}

/// How the demo runs.
#[derive(Debug, Clone, clap::Args)]
pub struct Demo {
    /// Keep the store and the configuration in this folder [default: a temporary one, removed at the end].
    #[arg(long, value_name = "FOLDER")]
    pub dir: Option<PathBuf>,
    /// End by itself after this time, such as 20s or 5m.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// The two systems.
    #[command(flatten)]
    pub systems: Systems,
}

fn duration(text: &str) -> Result<Duration, String> {
    let help = || format!("`{text}` is not a time: write a whole number and s, m or h, such as 20s");
    let digits = text.find(|each: char| !each.is_ascii_digit()).ok_or_else(help)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| help())?;
    let seconds = match unit {
        "s" => Some(number),
        "m" => number.checked_mul(60),
        "h" => number.checked_mul(3_600),
        _ => None,
    };
    seconds.filter(|seconds| *seconds > 0).map(Duration::from_secs).ok_or_else(help)
}

impl Alone {
    fn options(&self) -> SandboxOptions {
        let options = self.systems.options();
        let leads = options.operate_leads;
        match self.empty {
            None => options,
            Some(System::Operate) => SandboxOptions { operate_leads: 0, salesforce_leads: leads, common: 0, ..options },
            Some(System::Salesforce) => SandboxOptions { salesforce_leads: 0, common: 0, ..options },
        }
    }
}

impl Systems {
    fn options(&self) -> SandboxOptions {
        let leads = usize::try_from(self.leads).unwrap_or_default();
        SandboxOptions {
            operate_leads: leads,
            salesforce_leads: leads * 3 / 5,
            common: leads / 5,
            seed: self.seed,
            operate_addr: self.operate,
            salesforce_addr: self.salesforce,
            pubsub_addr: self.pubsub,
            timezone: ZONE,
            ..SandboxOptions::default()
        }
    }
}

pub(super) async fn sandbox(sandbox: &Alone) -> Result<Ended, Failure> {
    let stop = daemon::stop_on_signal()?;
    let sandbox = Sandbox::start(sandbox.options()).await?;
    output::json_line(&sandbox.addresses())?;
    stop.cancelled().await;
    sandbox.stop().await;
    Ok(Ended::Done)
}

pub(super) async fn demo(options: Demo) -> Result<Ended, Failure> {
    let stop = daemon::stop_on_signal()?;
    let options = DemoOptions { folder: options.dir, duration: options.duration, sandbox: options.systems.options() };
    Box::pin(demo::run(options, stop, Arc::new(|line| output::line(line)))).await?;
    Ok(Ended::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_needs_a_unit_and_is_not_zero() {
        assert_eq!(duration("20s"), Ok(Duration::from_secs(20)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        for wrong in ["20", "s", "0s", "20d", "-1s", ""] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
