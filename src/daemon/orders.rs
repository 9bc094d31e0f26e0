//! What a running daemon is told: to stop, to read its configuration again, to cycle now. By signals, or by whoever runs it.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Signals cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("signals cannot be watched: {0}")]
pub struct SignalError(#[from] std::io::Error);

/// What a daemon is told while it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Read the configuration again.
    Reload,
    /// Start a cycle at once.
    CycleNow,
}

/// Where a daemon hears what it is told.
#[derive(Debug)]
pub struct Orders {
    /// Is cancelled when it is to stop.
    pub stop: CancellationToken,
    given: mpsc::Receiver<Order>,
    /// Held, so that a daemon that nobody gives orders does not take that for an end.
    _teller: mpsc::Sender<Order>,
}

impl Orders {
    /// It is told nothing but to stop.
    #[must_use]
    pub fn only(stop: CancellationToken) -> Self {
        Self::told(stop).1
    }

    /// It is told what is sent here, and to stop.
    pub(super) fn told(stop: CancellationToken) -> (mpsc::Sender<Order>, Self) {
        let (teller, given) = mpsc::channel(8);
        (teller.clone(), Self { stop, given, _teller: teller })
    }

    /// SIGTERM and SIGINT stop it, SIGHUP has the configuration read again, SIGUSR1 starts a cycle.
    pub fn by_signal() -> Result<Self, SignalError> {
        let stop = stop_on_signal()?;
        let (teller, orders) = Self::told(stop);
        for (kind, order) in [(SignalKind::hangup(), Order::Reload), (SignalKind::user_defined1(), Order::CycleNow)] {
            tokio::spawn(pass_on(signal(kind)?, order, teller.clone()));
        }
        Ok(orders)
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Order {
        match self.given.recv().await {
            Some(order) => order,
            None => std::future::pending().await,
        }
    }
}

async fn pass_on(mut signal: Signal, order: Order, teller: mpsc::Sender<Order>) {
    while signal.recv().await.is_some() {
        // Full: as many of them wait already as make a difference.
        let _ = teller.try_send(order);
    }
}

/// Is cancelled by SIGTERM or SIGINT.
pub fn stop_on_signal() -> Result<CancellationToken, SignalError> {
    let stop = CancellationToken::new();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        tracing::info!("daemon.stopping");
        token.cancel();
    });
    Ok(stop)
}
