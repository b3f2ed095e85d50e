//! The transport against servers that behave badly, each a few lines on a loopback socket.
//!
//! Owns the servers; they speak HTTP by hand, so that they can break it.

use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

mod broken;
mod environment;
mod tls;

/// A server that gives each connection, with its number from 0, to `serve`.
async fn server<F, S>(serve: S) -> (SocketAddr, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(TcpStream) -> F + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(stream));
        }
    });
    (address, accepted)
}

/// Reads one request without a body, up to its empty line; `None` if the client has gone.
async fn request_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// A server that answers every connection's first request with these bytes, and closes.
async fn answering(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer: Arc<Vec<u8>> = Arc::new(answer.into());
    let serve = move |mut stream: TcpStream| {
        let answer = Arc::clone(&answer);
        async move {
            request_head(&mut stream).await;
            // The client may hang up on an answer that is too long for it.
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        }
    };
    server(serve).await.0
}

fn transport(factor: u32) -> Transport {
    let clock = match NonZeroU32::new(factor) {
        Some(factor) if factor.get() > 1 => Clock::compressed(factor),
        _ => Clock::real(),
    };
    Transport::new(TransportSettings {
        reach: Reach::PlainLoopback,
        ca_file: None,
        clock,
    })
    .unwrap()
}

fn get(address: SocketAddr, connection: Connection) -> Request {
    Request {
        method: Method::Get,
        url: format!("http://{address}/v1"),
        headers: vec![Header::secret("X-Auth-Token", "canary-secret")],
        body: Bytes::new(),
        connection,
    }
}

async fn fetch(address: SocketAddr) -> Result<Response, Failure> {
    transport(1).send(get(address, Connection::Fresh)).await
}

fn message_of(failure: &Failure) -> String {
    let message = failure.to_string();
    assert!(!format!("{failure:?}").contains("canary"), "{failure:?}");
    assert!(message.len() < 400, "{message}");
    message
}

#[tokio::test]
async fn a_whole_answer_is_returned_whatever_its_status() {
    let answer = "HTTP/1.1 418 Odd\r\nX-Request-Id: r-1\r\nContent-Length: 5\r\n\r\nhello";
    let response = fetch(answering(answer).await).await.unwrap();
    assert_eq!(response.status, 418);
    assert_eq!(response.header("x-request-id"), Some("r-1"));
    assert_eq!(&response.body[..], b"hello");
}

#[tokio::test]
async fn an_html_page_is_an_answer_like_any_other() {
    let answer = "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html>no</html>";
    let response = fetch(answering(answer).await).await.unwrap();
    assert_eq!(
        (response.status, &response.body[..]),
        (502, &b"<html>no</html>"[..])
    );
}

#[rstest]
#[case::absolute("http://127.0.0.1:1/elsewhere")]
#[case::relative("/elsewhere")]
#[tokio::test]
async fn a_redirect_is_not_followed(#[case] location: &str) {
    let answer = format!("HTTP/1.1 307 Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(fetch(answering(answer).await).await.unwrap().status, 307);
}

#[tokio::test]
async fn a_refused_port_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for connection in [Connection::Fresh, Connection::Pooled] {
        let failure = transport(1)
            .send(get(address, connection))
            .await
            .unwrap_err();
        assert!(
            matches!(failure, Failure::NotConnected { .. }),
            "{failure:?}"
        );
        let message = message_of(&failure);
        assert!(message.contains("onnection refused"), "{message}");
        assert!(!message.contains("http://"), "{message}");
    }
}

#[tokio::test]
async fn an_unknown_host_is_no_connection() {
    let mut request = get(([127, 0, 0, 1], 1).into(), Connection::Fresh);
    request.url = "http://no-such-host.invalid/v1".to_owned();
    let failure = transport(1).send(request).await.unwrap_err();
    assert!(
        matches!(failure, Failure::NotConnected { .. }),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_no_connection() {
    let (address, _) = server(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad\r\n\r\n").await;
        let _ = stream.read(&mut [0; 4096]).await;
    })
    .await;
    let mut request = get(address, Connection::Fresh);
    request.url = format!("https://{address}/v1");
    let failure = transport(1).send(request).await.unwrap_err();
    assert_eq!(failure, Failure::Blocked(Obstacle::NotTls));
}

/// A server that keeps its connections open and answers every request on them.
async fn keeping_alive() -> (SocketAddr, Arc<AtomicUsize>) {
    server(|mut stream| async move {
        while request_head(&mut stream).await.is_some() {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            stream.write_all(answer).await.unwrap();
        }
    })
    .await
}

#[tokio::test]
async fn fresh_connections_are_fresh_and_pooled_ones_are_used_again() {
    let (address, accepted) = keeping_alive().await;
    let transport = transport(1);
    let send = |connection| {
        let (transport, accepted) = (transport.clone(), Arc::clone(&accepted));
        async move {
            transport.send(get(address, connection)).await.unwrap();
            accepted.load(Ordering::SeqCst)
        }
    };
    let pooled_then_fresh = [
        (Connection::Pooled, 1),
        (Connection::Fresh, 2),
        (Connection::Pooled, 2),
        (Connection::Fresh, 3),
        (Connection::Fresh, 4),
        (Connection::Pooled, 4),
    ];
    for (connection, expected) in pooled_then_fresh {
        assert_eq!(send(connection).await, expected);
    }
}

#[tokio::test]
async fn a_fresh_request_that_fails_is_sent_once() {
    let (address, accepted) = server(|mut stream| async move {
        request_head(&mut stream).await;
    })
    .await;
    let transport = transport(1);
    for expected in 1..=5 {
        let result = transport.send(get(address, Connection::Fresh)).await;
        assert!(matches!(result, Err(Failure::Broken { .. })), "{result:?}");
        assert_eq!(accepted.load(Ordering::SeqCst), expected);
    }
}

#[tokio::test]
async fn a_request_that_may_not_leave_any_more_is_given_up_on_its_connection() {
    let (heard, mut told) = tokio::sync::mpsc::unbounded_channel();
    let (address, _) = server(move |mut stream| {
        let heard = heard.clone();
        async move {
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes).await;
            heard.send(bytes).unwrap();
        }
    })
    .await;
    let transport = transport(1);
    // Copies share what is asked.
    transport.clone().ask_before_leaving(Arc::new(|| false));
    let result = transport.send(get(address, Connection::Fresh)).await;
    let Err(failure @ Failure::NotConnected { .. }) = result else {
        panic!("{result:?}");
    };
    let said = "no connection: connected, but by then the request was not to leave any more";
    assert_eq!(message_of(&failure), said);
    assert_eq!(told.recv().await.unwrap(), b"", "nothing was sent");
    let (address, accepted) = keeping_alive().await;
    transport
        .send(get(address, Connection::Pooled))
        .await
        .unwrap();
    transport.ask_before_leaving(Arc::new(|| true));
    transport
        .send(get(address, Connection::Fresh))
        .await
        .unwrap();
    assert_eq!(accepted.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_opens_no_connection() {
    let (address, accepted) = keeping_alive().await;
    let mut request = get(address, Connection::Fresh);
    request.headers[0].value = "canary\r\nX-Evil: 1".to_owned();
    let failure = transport(1).send(request).await.unwrap_err();
    let message = message_of(&failure);
    assert!(
        message.ends_with("the header `X-Auth-Token` cannot be sent"),
        "{message}"
    );
    assert_eq!(accepted.load(Ordering::SeqCst), 0);
}

#[test]
fn secret_headers_are_marked_for_the_library() {
    let headers = [Header::open("a", "1"), Header::secret("b", "canary")];
    let map = header_map(&headers).unwrap();
    assert!(!map["a"].is_sensitive());
    assert!(map["b"].is_sensitive());
    assert!(!format!("{map:?}").contains("canary"));
}

#[tokio::test]
async fn the_request_arrives_as_it_was_given() {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let (address, _) = server(move |mut stream| {
        let sender = sender.clone();
        async move {
            let head = request_head(&mut stream).await.unwrap();
            let mut body = [0; 4];
            stream.read_exact(&mut body).await.unwrap();
            sender.send((head, body)).unwrap();
            let _ = stream.write_all(b"HTTP/1.1 204 No\r\n\r\n").await;
        }
    })
    .await;
    let request = Request {
        method: Method::Post,
        url: format!("http://{address}/a%2Fb/c?x=%20&y="),
        headers: vec![Header::open("Host", "named.example.com:81")],
        body: "{\"\"}".into(),
        connection: Connection::Fresh,
    };
    assert_eq!(transport(1).send(request).await.unwrap().status, 204);
    let (head, body) = receiver.recv().await.unwrap();
    let head = head.to_lowercase();
    assert!(
        head.starts_with("post /a%2fb/c?x=%20&y= http/1.1\r\n"),
        "{head}"
    );
    assert_eq!(head.matches("host:").count(), 1, "{head}");
    assert!(
        head.contains("\r\nhost: named.example.com:81\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\ncontent-length: 4\r\n"), "{head}");
    let agent = format!(
        "\r\nuser-agent: lightsout/{}\r\n",
        env!("CARGO_PKG_VERSION")
    );
    assert!(head.contains(&agent), "{head}");
    assert_eq!(&body, b"{\"\"}");
}

#[test]
fn reach_follows_from_the_endpoint() {
    for (endpoint, expected) in [
        ("http://127.0.0.1:8080", Reach::PlainLoopback),
        ("http://localhost", Reach::PlainLoopback),
        ("https://[::1]:8443", Reach::TlsLoopback),
        ("https://bms.x.myhuaweicloud.com", Reach::Network),
    ] {
        assert_eq!(
            Reach::of(&endpoint.parse().unwrap()),
            expected,
            "{endpoint}"
        );
    }
}

fn with_ca_file(pem: &str) -> Result<Transport, HttpError> {
    Transport::new(TransportSettings {
        reach: Reach::Network,
        ca_file: Some(CaFile {
            path: "ca.pem".to_owned(),
            pem: pem.as_bytes().to_vec(),
        }),
        clock: Clock::real(),
    })
}

#[rstest]
#[case("")]
#[case("not a certificate")]
#[case("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]
#[case("-----BEGIN CERTIFICATE-----\n%%%%\n-----END CERTIFICATE-----\n")]
#[case("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")]
fn a_file_without_certificates_is_named(#[case] pem: &str) {
    let error = with_ca_file(pem).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`ca.pem` holds no usable CA certificates in PEM form"
    );
    assert!(error.hint().is_some());
}

#[test]
fn a_missing_ca_file_is_named() {
    let error = CaFile::read(Path::new("/nowhere/ca.pem")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the CA certificates in `/nowhere/ca.pem`"
    );
}
