//! When cycles start: the moments of a schedule.

use chrono::Utc;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::config::ScheduleConfig;
use crate::schedule::{Missed, Schedule};

/// The moments at which cycles start and sweeps are due. Those that come while nobody waits count as one.
pub(super) struct Ticks {
    /// The scheduler has its job until this is dropped.
    _job: DropGuard,
    moments: mpsc::Receiver<()>,
    missed: Missed,
    /// When everything is compared.
    pub(super) sweeps: Schedule,
}

impl Ticks {
    pub(super) async fn of(config: &ScheduleConfig, scheduler: &JobScheduler) -> Result<Self, String> {
        let schedule = |name: &str, expression: &str| {
            Schedule::parse(expression).map_err(|error| format!("schedule.{name} {expression:?}: {error}"))
        };
        let missed = Missed::of(schedule("poll", &config.poll)?);
        let sweeps = schedule("sweep", &config.sweep)?;
        let (job, moments) = ticks(&config.poll, scheduler).await?;
        Ok(Self { _job: job, moments, missed, sweeps })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.moments.recv() => {}
            () = self.missed.wait() => {}
        }
    }

    /// Somebody goes by it.
    pub(super) fn came(&mut self) {
        self.missed.came(Utc::now(), Instant::now());
    }
}

/// A tick at each moment of the schedule (UTC); those that nobody takes count as one.
async fn ticks(schedule: &str, scheduler: &JobScheduler) -> Result<(DropGuard, mpsc::Receiver<()>), String> {
    let (tick, ticks) = mpsc::channel::<()>(1);
    let job = Job::new(schedule, move |_, _| {
        // Full: a tick is waiting already.
        let _ = tick.try_send(());
    });
    let job = job.map_err(|error| format!("schedule.poll {schedule:?}: {error}"))?;
    let id = scheduler.add(job).await.map_err(|error: JobSchedulerError| format!("the scheduler takes no job: {error}"))?;
    let (scheduler, ended) = (scheduler.clone(), CancellationToken::new());
    let end = ended.clone();
    tokio::spawn(async move {
        end.cancelled().await;
        let _ = scheduler.remove(&id).await;
    });
    Ok((ended.drop_guard(), ticks))
}
