//! The HTTP side: a thread with its own runtime that serves the cloud on a loopback port.
//!
//! Owns the thread, the port and how an answer travels back; what is answered is the cloud's. Invariant:
//! it listens on loopback only, and ends with the value that started it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use futures_util::{StreamExt, stream};
use tokio::sync::oneshot;

use super::SimulatorError;
use super::cloud::Cloud;
use super::reply::{Refusal, Reply};
use super::routes::Route;
use super::rule::{Fault, Point};
use super::spoil::Delivery;
use super::strict::Received;
use super::wire::{Cutter, Door};

/// Most bytes of a signed request, as documented.
const MOST_BYTES: usize = 12 * 1024 * 1024;

/// How long connections that are still busy are waited for at the end, on the wall.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long a body that is never ended stays open.
const BEFORE_THE_END: Duration = Duration::from_millis(30);

/// A running server; stops when it is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Binds `port` (0 for a free one) and serves `cloud` from a thread of its own.
    pub(super) fn start(cloud: Arc<Cloud>, port: u16) -> Result<Self, SimulatorError> {
        let bind = || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener))
        };
        let (address, listener) =
            bind().map_err(|source: io::Error| SimulatorError::Port { port, source })?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(SimulatorError::Thread)?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("simulator".to_owned())
            .spawn(move || {
                runtime.block_on(serve(cloud, listener, stopped));
                runtime.shutdown_background();
            })
            .map_err(SimulatorError::Thread)?;
        Ok(Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so on stderr already.
            let _ = thread.join();
        }
    }
}

/// Serves until `stopped` is done or dropped, then lets busy connections finish for a moment.
async fn serve(cloud: Arc<Cloud>, listener: TcpListener, stopped: oneshot::Receiver<()>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let router = Router::new().fallback(answer).with_state(cloud);
    let service = router.into_make_service_with_connect_info::<Cutter>();
    let (leave, leaving) = oneshot::channel::<()>();
    let served = axum::serve(Door(listener), service).with_graceful_shutdown(async {
        let _ = leaving.await;
    });
    let stop = async move {
        let _ = stopped.await;
        drop(leave);
        tokio::time::sleep(PATIENCE).await;
    };
    tokio::select! {
        _ = std::future::IntoFuture::into_future(served) => {}
        () = stop => {}
    }
}

async fn answer(
    State(cloud): State<Arc<Cloud>>,
    ConnectInfo(cutter): ConnectInfo<Cutter>,
    request: Request,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let route = Route::of(head.method.as_str(), head.uri.path());
    let (request_id, befallen) = cloud.arrived(&route);
    if befallen.fault == Some(Fault::Reset(Point::Before)) {
        cloud.cut_off(&route);
        cutter.cut_now();
        return Response::new(Body::empty());
    }
    let body = to_bytes(body, MOST_BYTES).await;
    if !befallen.delay.is_zero() {
        cloud.clock().sleep(befallen.delay).await;
    }
    let (reply, delivery) = match body {
        Err(_) => (too_large(&request_id), Delivery::Whole),
        Ok(body) => {
            let received = Received {
                method: head.method,
                path: head.uri.path().to_owned(),
                query: head.uri.query().map(str::to_owned),
                headers: head.headers,
                body,
            };
            cloud.serve(&route, &received, befallen.fault, &request_id)
        }
    };
    match delivery {
        Delivery::Whole => {}
        Delivery::Half => cutter.cut_after(reply.body.len() / 2),
        Delivery::Cut => cutter.cut_now(),
        Delivery::Never => std::future::pending().await,
        Delivery::TooShort | Delivery::NoLastChunk => {
            return unended(response(&cloud, reply, &request_id), delivery).await;
        }
    }
    response(&cloud, reply, &request_id)
}

/// The whole body of a response, after which the connection is closed though more should come.
async fn unended(response: Response<Body>, delivery: Delivery) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let body = to_bytes(body, MOST_BYTES).await.unwrap_or_default();
    if delivery == Delivery::TooShort {
        let announced = HeaderValue::from(body.len() + 100);
        head.headers.insert(header::CONTENT_LENGTH, announced);
    }
    let end = async {
        // What stands before has left by then.
        tokio::time::sleep(BEFORE_THE_END).await;
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    };
    let parts = stream::once(async { Ok(body) }).chain(stream::once(end));
    Response::from_parts(head, Body::from_stream(parts))
}

fn too_large(request_id: &str) -> Reply {
    let refusal = Refusal::new(413, "APIGW.0201", "The request is larger than 12 MB.");
    Reply::refusal(refusal, request_id)
}

fn response(cloud: &Cloud, reply: Reply, request_id: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from(reply.body)));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reply.media));
    let date = cloud.date().strftime("%a, %d %b %Y %H:%M:%S GMT");
    let retry_after = reply.retry_after.map(|wait| wait.as_secs().to_string());
    for (name, value) in [
        ("x-request-id", Some(request_id.to_owned())),
        ("date", Some(date.to_string())),
        ("retry-after", retry_after),
    ] {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}
