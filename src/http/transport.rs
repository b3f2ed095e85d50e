//! Sends one request over HTTP/1.1 and reads the whole answer, within time and size limits.
//!
//! Owns the two clients: one that keeps no connection, for stop requests, and one with a pool, for
//! reads. Redirects and the library's own retries are off in both. Invariant: one call of
//! [`Transport::send`] over [`Connection::Fresh`] puts at most one request on the wire.

use std::path::Path;
use std::time::Duration;

use bytes::BytesMut;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, ClientBuilder, redirect, retry};

use super::failure::{Failure, HttpError};
use super::last_look::{LastLook, MayLeave};
use super::message::{Connection, Header, Method, Request, Response};
use super::obstacle::Obstacle;
use crate::clock::{Clock, Elapsed};
use crate::ids::{Endpoint, WebUrl};
use crate::named_file;

/// Most bytes of an answer's body.
pub const BODY_LIMIT: usize = 32 << 20;
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const REQUEST_LIMIT: Duration = Duration::from_secs(60);
/// Idle connections are given up sooner than gateways do, so that they are rarely found dead.
const IDLE_LIMIT: Duration = Duration::from_secs(20);
const USER_AGENT: &str = concat!("lightsout/", env!("CARGO_PKG_VERSION"));

/// Further CA certificates that the user names.
#[derive(Debug, Clone)]
pub struct CaFile {
    /// The file as the user named it, for messages.
    pub path: String,
    /// Its content, PEM.
    pub pem: Vec<u8>,
}

impl CaFile {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, HttpError> {
        let name = path.display().to_string();
        match named_file::read(path) {
            Ok(pem) => Ok(Self { path: name, pem }),
            Err(cause) => Err(HttpError::CaFileUnreadable { path: name, cause }),
        }
    }
}

/// Where the calls go, as far as TLS and proxies are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// This machine, without TLS: no proxy, no certificates needed.
    PlainLoopback,
    /// This machine, with TLS: no proxy.
    TlsLoopback,
    /// Any other host: TLS, and the proxy that the environment names.
    Network,
}

impl Reach {
    /// What this endpoint needs.
    pub fn of(endpoint: &Endpoint) -> Self {
        match (endpoint.is_loopback(), endpoint.is_https()) {
            (true, false) => Self::PlainLoopback,
            (true, true) => Self::TlsLoopback,
            (false, _) => Self::Network,
        }
    }

    /// What a question that goes there needs.
    pub(super) fn of_url(url: &WebUrl) -> Self {
        match (url.is_loopback(), url.is_https()) {
            (true, false) => Self::PlainLoopback,
            (true, true) => Self::TlsLoopback,
            (false, _) => Self::Network,
        }
    }
}

/// What a transport is made from.
#[derive(Debug, Clone)]
pub struct TransportSettings {
    /// Where the calls go.
    pub reach: Reach,
    /// CA certificates beside those of the system.
    pub ca_file: Option<CaFile>,
    /// Counts the time-outs.
    pub clock: Clock,
}

/// Sends requests. Copies share their connections.
#[derive(Debug, Clone)]
pub struct Transport {
    fresh: Client,
    pooled: Client,
    last_look: LastLook,
    clock: Clock,
}

impl Transport {
    /// Sets up the clients; opens no connection.
    pub fn new(settings: TransportSettings) -> Result<Self, HttpError> {
        let certificates = prepared(&settings)?;
        let last_look = LastLook::default();
        let fresh = client_builder(&settings, &certificates).pool_max_idle_per_host(0);
        let fresh = fresh.connector_layer(last_look.clone());
        Ok(Self {
            fresh: built(fresh, &settings)?,
            pooled: built(client_builder(&settings, &certificates), &settings)?,
            last_look,
            clock: settings.clock,
        })
    }

    /// From now on, asks this before a request over [`Connection::Fresh`] leaves, once its connection stands. Where
    /// the answer is no, the failure is [`Failure::NotConnected`].
    pub fn ask_before_leaving(&self, may_leave: MayLeave) {
        self.last_look.ask(may_leave);
    }

    /// Sends one request once and reads the whole answer, whatever its status.
    pub async fn send(&self, request: Request) -> Result<Response, Failure> {
        self.exchange(request).await.result
    }

    /// The same, with what had arrived of an answer that broke off.
    pub async fn exchange(&self, request: Request) -> Exchange {
        let mut arrived = None;
        let result = self.send_into(request, &mut arrived).await;
        let part = result.is_err().then(|| arrived.map(Arrived::into_response));
        Exchange {
            result,
            part: part.flatten(),
        }
    }

    async fn send_into(
        &self,
        request: Request,
        arrived: &mut Option<Arrived>,
    ) -> Result<Response, Failure> {
        let client = match request.connection {
            Connection::Fresh => &self.fresh,
            Connection::Pooled => &self.pooled,
        };
        match self
            .clock
            .timeout(REQUEST_LIMIT, exchange(client, request, arrived))
            .await
        {
            Ok(result) => result,
            // The limit on connecting is shorter and counts as a failure to connect; so by now a
            // connection may have stood, and what was sent is not known.
            Err(Elapsed) => Err(Failure::TimedOut {
                message: format!("no answer within {} s", REQUEST_LIMIT.as_secs()),
            }),
        }
    }
}

/// The result of one request.
#[derive(Debug)]
pub struct Exchange {
    /// The whole answer, or why there is none.
    pub result: Result<Response, Failure>,
    /// What had arrived of an answer that broke off, if its head had.
    pub part: Option<Response>,
}

/// What has arrived of an answer so far.
#[derive(Default)]
struct Arrived {
    status: u16,
    headers: Vec<(String, String)>,
    body: BytesMut,
}

impl Arrived {
    fn into_response(self) -> Response {
        Response {
            status: self.status,
            headers: self.headers,
            body: self.body.freeze(),
        }
    }
}

/// A client for questions, which keeps no connection.
pub(super) fn enquiring(settings: &TransportSettings) -> Result<Client, HttpError> {
    let certificates = prepared(settings)?;
    let builder = client_builder(settings, &certificates);
    built(builder.pool_max_idle_per_host(0), settings)
}

/// What a client is built with: the certificates of the user, and a provider of cryptography.
fn prepared(settings: &TransportSettings) -> Result<Vec<Certificate>, HttpError> {
    // An earlier call, or another user of rustls in this process, has installed one: just as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    certificates(settings.ca_file.as_ref())
}

fn built(builder: ClientBuilder, settings: &TransportSettings) -> Result<Client, HttpError> {
    let client = builder.build();
    client.map_err(|cause| setup_error(cause, settings.ca_file.as_ref()))
}

fn certificates(ca_file: Option<&CaFile>) -> Result<Vec<Certificate>, HttpError> {
    let Some(CaFile { path, pem }) = ca_file else {
        return Ok(Vec::new());
    };
    let unusable = |cause| HttpError::CaFile {
        path: path.clone(),
        cause,
    };
    let found = Certificate::from_pem_bundle(pem).map_err(|cause| unusable(Some(cause)))?;
    if found.is_empty() {
        return Err(unusable(None));
    }
    Ok(found)
}

/// With certificates of the user's, those are what the library does not take; else the system has none.
fn setup_error(cause: reqwest::Error, ca_file: Option<&CaFile>) -> HttpError {
    match ca_file {
        Some(CaFile { path, .. }) => HttpError::CaFile {
            path: path.clone(),
            cause: Some(cause),
        },
        None => HttpError::Setup(cause),
    }
}

fn client_builder(settings: &TransportSettings, certificates: &[Certificate]) -> ClientBuilder {
    let clock = &settings.clock;
    let builder = Client::builder()
        .http1_only()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .user_agent(USER_AGENT)
        .connect_timeout(clock.on_the_wall(CONNECT_LIMIT))
        .pool_idle_timeout(clock.on_the_wall(IDLE_LIMIT));
    match settings.reach {
        // Looking for system certificates would fail where there are none, even without TLS.
        Reach::PlainLoopback => builder.no_proxy().tls_certs_only([]),
        Reach::TlsLoopback => builder.no_proxy().tls_certs_merge(certificates.to_vec()),
        Reach::Network => builder.tls_certs_merge(certificates.to_vec()),
    }
}

async fn exchange(
    client: &Client,
    request: Request,
    arrived: &mut Option<Arrived>,
) -> Result<Response, Failure> {
    let method = match request.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
    };
    let mut builder = client
        .request(method, &request.url)
        .headers(header_map(&request.headers)?);
    if !request.body.is_empty() {
        builder = builder.body(request.body);
    }
    let response = builder.send().await.map_err(|error| Failure::of(&error))?;
    read(response, arrived).await
}

fn header_map(headers: &[Header]) -> Result<HeaderMap, Failure> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for header in headers {
        let unusable = || Failure::Blocked(Obstacle::BadHeader(header.name.clone()));
        let name = HeaderName::try_from(&header.name).map_err(|_| unusable())?;
        let mut value = HeaderValue::try_from(&header.value).map_err(|_| unusable())?;
        value.set_sensitive(header.secret);
        map.insert(name, value);
    }
    Ok(map)
}

async fn read(
    mut response: reqwest::Response,
    arrived: &mut Option<Arrived>,
) -> Result<Response, Failure> {
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    // Kept outside, so that it outlives a time-out.
    let arrived = arrived.insert(Arrived {
        status,
        headers,
        body: BytesMut::new(),
    });
    read_body(&mut response, arrived).await?;
    Ok(std::mem::take(arrived).into_response())
}

async fn read_body(response: &mut reqwest::Response, arrived: &mut Arrived) -> Result<(), Failure> {
    let announced = response.content_length().unwrap_or(0);
    let too_large = Failure::TooLarge {
        status: arrived.status,
        limit: BODY_LIMIT,
    };
    let body = &mut arrived.body;
    if announced > BODY_LIMIT as u64 {
        // Its beginning is worth having: it can name a job.
        let first = response.chunk().await.ok().flatten();
        body.extend_from_slice(&first.unwrap_or_default());
        return Err(too_large);
    }
    // One piece of the announced size is not moved again while it grows.
    body.reserve(usize::try_from(announced).unwrap_or(0));
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| Failure::of(&error))?
    {
        if body.len() + chunk.len() > BODY_LIMIT {
            return Err(too_large);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
