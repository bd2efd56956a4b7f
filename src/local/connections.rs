//! Connections of `scimlet serve`: how many there may be, and how long a client may take over each part of an exchange.
//! API Gateway sees to this before a function; here nothing else would.

use crate::http::{Room, refusal};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::serve::Listener;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::Sleep;

/// What a server takes on at one time, and how long it waits for a client.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections. One more is answered 503 and closed.
    pub connections: usize,
    /// Connections that are told so at one time. Those beyond them are not accepted until one of them is gone.
    pub refusals: usize,
    /// Requests that are worked on. Others wait.
    pub requests: usize,
    /// How long a request waits for that before it is answered 503.
    pub wait: Duration,
    /// In which the head of a request must come, from the opening of the connection or from the last answer on.
    pub head: Duration,
    /// In which its body must come.
    pub body: Duration,
    /// In which the client must take some of an answer.
    pub stall: Duration,
}

impl Default for Limits {
    /// With the connections of the requests to the embedded engine these stay below 1,024 open files, which is what a
    /// process may have where nobody has said otherwise.
    fn default() -> Self {
        Self {
            connections: 512,
            refusals: 32,
            requests: 64,
            wait: Duration::from_secs(10),
            head: Duration::from_secs(10),
            body: Duration::from_secs(10),
            stall: Duration::from_secs(30),
        }
    }
}

/// Answers what comes until `stop` is ready, and then until every request under way is answered.
pub async fn serve(mut listener: TcpListener, router: Router, limits: Limits, stop: impl Future<Output = ()>) {
    let room = Room::new(router, limits.requests, limits.body, limits.wait);
    let connections = Arc::new(Semaphore::new(limits.connections));
    let refusals = Arc::new(Semaphore::new(limits.refusals));
    let (ending, _) = watch::channel(());
    let mut stop = pin!(stop);
    loop {
        let accepted = async {
            let (stream, _address) = Listener::accept(&mut listener).await;
            let place = connections.clone().try_acquire_owned();
            let is_refused = place.is_err();
            let place = match place {
                Ok(place) => Ok(place),
                Err(_taken) => refusals.clone().acquire_owned().await,
            };
            place.map(|place| (stream, place, is_refused))
        };
        let (stream, place, is_refused) = tokio::select! {
            accepted = accepted => match accepted {
                Ok(accepted) => accepted,
                Err(_closed) => break,
            },
            () = &mut stop => break,
        };
        let _slower_otherwise = stream.set_nodelay(true);
        let room = (!is_refused).then(|| room.clone());
        let answers = tower::service_fn(move |request: Request<_>| {
            let room = room.clone();
            async move { Ok::<_, Infallible>(answer(room, request.map(Body::new)).await) }
        });
        let mut builder = Builder::new(TokioExecutor::new()).http1_only();
        builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.head).keep_alive(!is_refused);
        let io = TokioIo::new(Stream { inner: stream, stall: limits.stall, stalled: None });
        let connection = builder.serve_connection(io, TowerToHyperService::new(answers)).into_owned();
        let mut ended = ending.subscribe();
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            tokio::select! {
                // The client went away or was sent away: there is nobody to tell.
                _ended = connection.as_mut() => {}
                _asked = ended.changed() => {
                    connection.as_mut().graceful_shutdown();
                    let _ended = connection.await;
                }
            }
            drop((place, ended));
        });
    }
    drop(listener);
    let _nobody_is_left = ending.send(());
    ending.closed().await;
}

async fn answer(room: Option<Room>, request: Request) -> Response {
    match room {
        Some(room) => room.answer(request).await,
        None => refusal(&request),
    }
}

/// A connection that ends when its client takes nothing of an answer for too long.
#[derive(Debug)]
struct Stream {
    inner: TcpStream,
    stall: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    fn unless_stalled<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stall = self.stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.unless_stalled(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, bytes);
        self.unless_stalled(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
