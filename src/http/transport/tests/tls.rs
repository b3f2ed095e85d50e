//! TLS with a server whose authority only `--ca-file` knows.
//!
//! Owns that server; its keys under `tests/fixtures/tls` are of no use anywhere else.

use std::io::{Read, Write};
use std::sync::mpsc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;

pub(super) const CA: &str = include_str!("../../../../tests/fixtures/tls/ca.pem");
const CERTIFICATE: &[u8] = include_bytes!("../../../../tests/fixtures/tls/server.pem");
const KEY: &[u8] = include_bytes!("../../../../tests/fixtures/tls/server.key");

/// Serves one connection; tells whether any byte of a request arrived.
fn tls_server() -> (SocketAddr, mpsc::Receiver<bool>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
        )
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        let arrived = stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        sender.send(arrived).unwrap();
    });
    (address, receiver)
}

fn over_tls(address: SocketAddr) -> Request {
    Request {
        url: format!("https://{address}/v1"),
        ..get(address, Connection::Fresh)
    }
}

fn loopback(pem: Option<&str>) -> Transport {
    Transport::new(TransportSettings {
        reach: Reach::TlsLoopback,
        ca_file: pem.map(|pem| CaFile {
            path: "ca.pem".to_owned(),
            pem: pem.into(),
        }),
        clock: Clock::real(),
    })
    .unwrap()
}

#[tokio::test]
async fn a_named_authority_is_trusted() {
    let (address, arrived) = tls_server();
    let response = loopback(Some(CA)).send(over_tls(address)).await.unwrap();
    assert_eq!(&response.body[..], b"ok");
    assert!(arrived.recv().unwrap());
}

#[tokio::test]
async fn another_authority_is_not_and_nothing_was_sent() {
    let (address, arrived) = tls_server();
    // The server's own certificate is not that of the authority which signed it.
    let other = String::from_utf8(CERTIFICATE.to_vec()).unwrap();
    let failure = loopback(Some(&other))
        .send(over_tls(address))
        .await
        .unwrap_err();
    assert_eq!(failure, Failure::Blocked(Obstacle::UnknownAuthority));
    let message = message_of(&failure);
    assert!(
        message.contains("an authority that is not trusted here"),
        "{message}"
    );
    assert!(!arrived.recv().unwrap());
}

#[tokio::test]
async fn a_handshake_that_hangs_counts_as_no_connection() {
    let (address, accepted) = server(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        std::future::pending::<()>().await;
    })
    .await;
    let failure = transport(100).send(over_tls(address)).await.unwrap_err();
    assert!(
        matches!(failure, Failure::NotConnected { .. }),
        "{failure:?}"
    );
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
}
