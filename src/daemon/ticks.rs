//! When cycles start: the moments of a schedule.

use chrono::Utc;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::config::ScheduleConfig;
use crate::schedule::{Missed, Schedule};

/// The moments at which cycles start and sweeps are due. Those that come while nobody waits count as one.
pub(super) struct Ticks {
    scheduler: JobScheduler,
    moments: mpsc::Receiver<()>,
    missed: Missed,
    /// When everything is compared.
    pub(super) sweeps: Schedule,
}

impl Ticks {
    pub(super) async fn of(config: &ScheduleConfig) -> Result<Self, String> {
        let schedule = |name: &str, expression: &str| {
            Schedule::parse(expression).map_err(|error| format!("schedule.{name} {expression:?}: {error}"))
        };
        let missed = Missed::of(schedule("poll", &config.poll)?);
        let sweeps = schedule("sweep", &config.sweep)?;
        let (scheduler, moments) = ticks(&config.poll).await?;
        Ok(Self { scheduler, moments, missed, sweeps })
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

    pub(super) async fn stop(mut self) {
        let _ = self.scheduler.shutdown().await;
    }
}

/// A tick at each moment of the schedule (UTC); those that nobody takes count as one.
async fn ticks(schedule: &str) -> Result<(JobScheduler, mpsc::Receiver<()>), String> {
    let starts = |error: JobSchedulerError| format!("the scheduler cannot start: {error}");
    let (tick, ticks) = mpsc::channel::<()>(1);
    let job = Job::new(schedule, move |_, _| {
        // Full: a tick is waiting already.
        let _ = tick.try_send(());
    });
    let scheduler = JobScheduler::new().await.map_err(starts)?;
    scheduler.add(job.map_err(|error| format!("schedule.poll {schedule:?}: {error}"))?).await.map_err(starts)?;
    scheduler.start().await.map_err(starts)?;
    Ok((scheduler, ticks))
}
