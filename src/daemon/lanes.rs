//! Threads on which pairs are served: as many as there are processors. What a pair does is cut into small pieces, and those on a thread take
//! turns. A thread for each pair would cost two megabytes of memory a pair.

use std::num::NonZeroUsize;
use std::thread;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tracing::Instrument as _;

use super::pairs::serve;
use super::{Orders, Process};
use crate::config::Config;

/// More threads than this would have nothing to do.
const MOST: usize = 8;

/// What becomes a task on a thread of its choice.
type Job = Box<dyn FnOnce() -> LocalBoxFuture<'static, ()> + Send>;

/// The threads, until this is dropped.
pub(super) struct Lanes {
    threads: Vec<mpsc::UnboundedSender<Job>>,
    next: usize,
    told: mpsc::UnboundedSender<String>,
}

impl Lanes {
    /// A pair that has ended says its name there.
    pub(super) fn new(told: mpsc::UnboundedSender<String>) -> std::io::Result<Self> {
        let count = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MOST);
        let threads = (0..count).map(|_| start()).collect::<Result<_, _>>()?;
        Ok(Self { threads, next: 0, told })
    }

    /// Serves a pair on one of them.
    pub(super) fn serve(&mut self, name: &str, config: Config, orders: Orders, process: Process, span: tracing::Span) {
        let ended = Ended { name: name.to_owned(), told: self.told.clone() };
        let job = move || {
            let serving = async move {
                let _ended = ended;
                serve(config, orders, &process).await;
            };
            serving.instrument(span).boxed_local()
        };
        if let Some(thread) = self.threads.get(self.next % self.threads.len().max(1)) {
            // It ends after this.
            let _ = thread.send(Box::new(job));
        }
        self.next += 1;
    }
}

/// Tells, however a pair ends.
struct Ended {
    name: String,
    told: mpsc::UnboundedSender<String>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        // Where nobody listens any more, the process ends.
        let _ = self.told.send(std::mem::take(&mut self.name));
    }
}

fn start() -> std::io::Result<mpsc::UnboundedSender<Job>> {
    let (sender, mut jobs) = mpsc::unbounded_channel::<Job>();
    let runtime = Handle::current();
    thread::Builder::new().name("pairs".to_owned()).spawn(move || {
        runtime.block_on(LocalSet::new().run_until(async move {
            while let Some(job) = jobs.recv().await {
                tokio::task::spawn_local(job());
            }
        }));
    })?;
    Ok(sender)
}
