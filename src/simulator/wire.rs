//! Connections that can be cut: after nothing, or in the middle of an answer.
//!
//! Owns the listener and the stream that axum serves; what is cut and when is decided by the handler,
//! through a [`Cutter`]. Invariant: a cut connection sends not one byte more, and is reset rather than
//! closed, as by a failing gateway.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// No limit is set.
const OPEN: usize = usize::MAX;

/// Cuts one connection.
#[derive(Debug, Clone)]
pub(super) struct Cutter(Arc<AtomicUsize>);

impl Cutter {
    /// Nothing more is sent.
    pub(super) fn cut_now(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Of the next answer, the head and so many bytes of the body are sent, and nothing more.
    pub(super) fn cut_after(&self, body_bytes: usize) {
        self.0.store(body_bytes.max(1), Ordering::Relaxed);
    }
}

impl Connected<IncomingStream<'_, Door>> for Cutter {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        Self(Arc::clone(&stream.io().limit))
    }
}

/// Accepts connections that can be cut.
pub(super) struct Door(pub(super) TcpListener);

impl Listener for Door {
    type Io = Line;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Without it small answers wait for the client's acknowledgement; if it fails they are slow.
        let _ = stream.set_nodelay(true);
        let limit = Arc::new(AtomicUsize::new(OPEN));
        (Line { stream, limit }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// One connection.
pub(super) struct Line {
    stream: TcpStream,
    limit: Arc<AtomicUsize>,
}

impl Line {
    fn broken(&self) -> io::Error {
        // Turns the coming close into a reset; without it the client sees an end instead.
        let _ = self.stream.set_zero_linger();
        io::Error::from(io::ErrorKind::ConnectionReset)
    }

    /// How many bytes of `bytes` may go out. The head does not count against the limit.
    fn allowance(&self, bytes: &[u8], limit: usize) -> usize {
        let head = if bytes.starts_with(b"HTTP/1.1 ") {
            let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
            end.map_or(0, |end| end + 4)
        } else {
            0
        };
        bytes.len().min(head + limit)
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.limit.load(Ordering::Relaxed) == 0 {
            return Poll::Ready(Err(self.broken()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let limit = self.limit.load(Ordering::Relaxed);
        if limit == OPEN {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        }
        if limit == 0 {
            return Poll::Ready(Err(self.broken()));
        }
        let allowed = self.allowance(bytes, limit);
        let head = allowed.saturating_sub(limit);
        let part = bytes.get(..allowed).unwrap_or(bytes);
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, part))?;
        let left = limit.saturating_sub(written.saturating_sub(head));
        self.limit.store(left, Ordering::Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
