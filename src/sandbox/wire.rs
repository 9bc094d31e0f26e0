//! TCP connections that a handler can cut without an answer.
//!
//! A cut makes the next write to the socket fail; hyper then drops the connection, so that the client sees it closed
//! before the first byte of an answer.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// The handler's hold on the connection that a request came in on.
#[derive(Debug, Clone, Default)]
pub struct Wire {
    is_cut: Arc<AtomicBool>,
}

impl Wire {
    /// Closes the connection; whatever is answered after this is never sent.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
    }

    fn check(&self) -> io::Result<()> {
        if self.is_cut.load(Ordering::Acquire) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

/// A connection with its [`Wire`].
pub struct WiredStream {
    inner: TcpStream,
    wire: Wire,
}

impl AsyncRead for WiredStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Err(cut) = self.wire.check() {
            return Poll::Ready(Err(cut));
        }
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for WiredStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if let Err(cut) = self.wire.check() {
            return Poll::Ready(Err(cut));
        }
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Accepts connections that can be cut.
pub struct WiredListener(pub TcpListener);

impl Listener for WiredListener {
    type Io = WiredStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            if let Ok((inner, address)) = self.0.accept().await {
                // Without this, answers in two segments wait for the client's delayed acknowledgement.
                let _ = inner.set_nodelay(true);
                return (WiredStream { inner, wire: Wire::default() }, address);
            }
            // Out of file descriptors, as a rule: give others time to close theirs.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, WiredListener>> for Wire {
    fn connect_info(stream: IncomingStream<'_, WiredListener>) -> Self {
        stream.io().wire.clone()
    }
}
