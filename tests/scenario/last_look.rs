//! What comes up while a stop request is still connecting keeps it from leaving.
//!
//! Owns a front of the cloud that takes a connection and lets it wait for its TLS handshake. Invariant: a front
//! that never finishes a handshake before it is told to counts what arrives afterwards.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use lightsout::clock::Clock;
use lightsout::event::{Event, SendAnswer};
use lightsout::state::Switch;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::scenario::Scenario;

const CA: &str = include_str!("../fixtures/tls/ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("../fixtures/tls/server.pem");
const KEY: &[u8] = include_bytes!("../fixtures/tls/server.key");

/// A connection that waits: says when it has come, shakes hands when told, and says what arrived then.
struct Front {
    endpoint: String,
    come: mpsc::Receiver<()>,
    go_on: mpsc::Sender<()>,
    arrived: mpsc::Receiver<usize>,
}

fn front() -> Front {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate],
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let (come, has_come) = mpsc::channel();
    let (go_on, told) = mpsc::channel();
    let (arrived, count) = mpsc::channel();
    let config = Arc::new(config);
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        // The first request asks for the date, so that a wrong clock is noticed before anything is sent.
        let (socket, _) = listener.accept().unwrap();
        let connection = ServerConnection::new(config.clone()).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        let _ = stream.read(&mut bytes).unwrap();
        stream.write_all(dated_response().as_bytes()).unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        drop(stream);
        let (socket, _) = listener.accept().unwrap();
        come.send(()).unwrap();
        told.recv().unwrap();
        let connection = ServerConnection::new(config).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        arrived.send(stream.read(&mut bytes).unwrap_or(0)).unwrap();
    });
    Front {
        endpoint,
        come: has_come,
        go_on,
        arrived: count,
    }
}

/// A response that says nothing but the date.
fn dated_response() -> String {
    let date = Clock::real().now().strftime("%a, %d %b %Y %H:%M:%S GMT");
    format!(
        "HTTP/1.1 404 Not Found\r\nDate: {date}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
    )
}

/// The bytes of a request that arrived, and the exit code, where `meanwhile` happens during the handshake.
fn sent_after(meanwhile: impl Fn(&crate::scenario::Stage)) -> (usize, Option<i32>, Vec<Event>) {
    let front = front();
    let stage = Scenario::with_cloud(
        "groups:\n  - name: all\n    servers: [00000000-a5a5-a5a5-a5a5-a5a500000000]\n",
        &[],
    )
    .with("checks: { before: false, after: false }")
    .endpoint(&front.endpoint)
    .file("ca.pem", CA)
    .pace(1)
    .start();
    let running = stage.spawn("run night.yaml --ca-file ca.pem");
    front.come.recv_timeout(Duration::from_secs(20)).unwrap();
    meanwhile(&stage);
    front.go_on.send(()).unwrap();
    let arrived = front.arrived.recv_timeout(Duration::from_secs(20)).unwrap();
    running.signal("TERM");
    let ended = running.output();
    let events = stage.durable().into_iter().map(|stamped| stamped.event);
    (arrived, ended.status.code(), events.collect())
}

#[test]
fn a_stop_switch_that_is_set_while_a_request_connects_keeps_it_back() {
    let (arrived, code, events) = sent_after(|stage| {
        let switch = Switch {
            reason: "cooling failed".to_owned(),
            set_at: jiff::Timestamp::UNIX_EPOCH,
            until: None,
        };
        switch.set(&stage.path("state")).unwrap();
        // It is obeyed within a second.
        std::thread::sleep(Duration::from_millis(1500));
    });
    assert_eq!(arrived, 0, "no byte of the request left");
    assert_eq!(code, Some(34));
    let not_connected = |event: &Event| {
        matches!(
            event,
            Event::SendAnswered {
                answer: SendAnswer::NotConnected,
                ..
            }
        )
    };
    assert!(events.iter().any(not_connected), "{events:?}");
}

#[test]
fn a_request_that_connects_slowly_leaves_where_nothing_stands_against_it() {
    let (arrived, code, _) = sent_after(|_| std::thread::sleep(Duration::from_millis(1500)));
    assert!(arrived > 0);
    assert_eq!(code, Some(34));
}
