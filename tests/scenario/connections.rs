//! What stands between the program and the API: certificates, login pages, odd bodies, proxies.
//!
//! Invariant: what no waiting can cure ends the invocation at once, in plain words, and nothing is sent.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::interloper::{Call, Mischief, Treatment, always, answer};
use crate::scenario::{Scenario, at_once, ids};

const CERTIFICATE: &[u8] = include_bytes!("../fixtures/tls/server.pem");
const KEY: &[u8] = include_bytes!("../fixtures/tls/server.key");
/// An endpoint of the cloud that is never reached: these tests end before, or at a proxy on this machine.
const REGION: &str = "https://bms.ap-southeast-1.myhuaweicloud.com";

/// A server with a certificate of an authority that is not trusted; it serves connections until the test ends.
fn untrusted() -> SocketAddr {
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
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let connection = ServerConnection::new(config.clone()).unwrap();
            let mut stream = StreamOwned::new(connection, socket);
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
        }
    });
    address
}

#[test]
fn an_unknown_authority_is_explained_and_not_retried() {
    const WORDS: &str =
        "the server's certificate is signed by an authority that is not trusted here";
    let endpoint = format!("https://{}", untrusted());
    let stage = Scenario::new(&ids(2))
        .endpoint(&endpoint)
        .without_cloud()
        // The certificate of the server itself is not that of the authority which signed it.
        .file("ca.pem", CERTIFICATE)
        .start();
    for line in ["run night.yaml", "inventory night.yaml"] {
        // With retries, this would take an hour: the clock of this scenario is the wall's.
        let ended = stage.run(&format!("{line} --ca-file ca.pem")).with_code(3);
        let ended = ended.saying(&[WORDS]);
        assert!(!ended.err.contains("UnknownIssuer"), "{}", ended.err);
    }
    let ended = stage.run("doctor night.yaml --ca-file ca.pem").with_code(3);
    for part in [WORDS, "--ca-file CA.pem", "proxy", "none is used"] {
        assert!(ended.out.contains(part), "{part}\n{}", ended.out);
    }
}

#[test]
fn what_is_not_the_api_is_explained_and_tried_three_times() {
    let page = "<html><title>Sign in</title></html>";
    let gzip = [&[0x1f, 0x8b, 8, 0][..], b"rest"].concat();
    let cases = [
        (answer("200 OK", "text/html", page), "a web page, not JSON"),
        (
            answer(
                "302 Found\r\nlocation: http://127.0.0.1:9/login?token=sesameword",
                "text/html",
                "",
            ),
            "a redirect (HTTP 302 to `http://127.0.0.1:9/login`)",
        ),
        (
            answer("200 OK\r\ncontent-encoding: gzip", "application/json", gzip),
            "compressed (gzip)",
        ),
        (
            answer("511 Network Authentication Required", "text/html", page),
            "asks for a login",
        ),
    ];
    at_once(&cases, |(mischief, words): &(Mischief, &str)| {
        let stage = Scenario::new(&ids(5))
            .through(always(Call::List, Treatment::Instead(mischief.clone())))
            .start();
        let ended = stage
            .run("run night.yaml")
            .with_code(3)
            .with_outcomes(&[("not_sent/unreachable", 5)])
            .with_nothing_sent();
        let ended = ended.saying(&[words, "something else answers instead of the API"]);
        assert!(!ended.err.contains("sesameword"), "{}", ended.err);
        assert_eq!(stage.interloper().seen(Call::List).len(), 3, "{words}");
        let ended = stage.run("doctor night.yaml").with_code(3);
        assert!(ended.out.contains(words), "{}", ended.out);
    });
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let row = json!({ "id": ids(1)[0], "name": "web-1", "status": "ACTIVE", "tags": [] });
    let body = json!({ "servers": [row] }).to_string();
    let body = [b"\xef\xbb\xbf", body.as_bytes()].concat();
    let mischief = answer("200 OK", "application/json", body);
    let stage = Scenario::new(&ids(1))
        .through(always(Call::List, Treatment::Instead(mischief)))
        .start();
    let ended = stage.run("inventory night.yaml").with_code(0);
    let listing: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(listing["servers"][0]["name"], "web-1");
}

#[test]
fn a_proxy_that_cannot_be_read_is_refused_without_showing_it() {
    let stage = Scenario::offline(&format!(
        "groups: [{{ name: a, servers: [{}] }}]\n",
        ids(1)[0]
    ))
    .endpoint(REGION)
    .variable("HTTPS_PROXY", "http//user:canaryword@proxy:3128")
    .start();
    for line in ["run night.yaml", "inventory night.yaml"] {
        let ended = stage.run(line).with_code(2).with_nothing_sent();
        let ended = ended.saying(&["the proxy in `HTTPS_PROXY` cannot be read"]);
        assert!(!ended.err.contains("canaryword"), "{}", ended.err);
    }
    let ended = stage.run("doctor night.yaml").with_code(2);
    assert!(ended.out.contains("PROBLEM  proxy"), "{}", ended.out);
    assert!(!ended.out.contains("canaryword"), "{}", ended.out);
}

#[test]
fn doctor_says_whether_a_proxy_is_used() {
    let offline = || {
        let groups = format!("groups: [{{ name: a, servers: [{}] }}]\n", ids(1)[0]);
        Scenario::offline(&groups).endpoint(REGION)
    };
    // Nothing listens there, so that nothing leaves this machine.
    let stage = offline()
        .variable("HTTPS_PROXY", "http://user:canaryword@127.0.0.1:1")
        .start();
    let ended = stage.run("doctor night.yaml").with_code(3);
    let words = "calls go through `127.0.0.1:1` (`HTTPS_PROXY`)";
    assert!(ended.out.contains(words), "{}", ended.out);
    assert!(!ended.out.contains("canaryword"), "{}", ended.out);
    let here = Scenario::new(&ids(1))
        .variable("HTTPS_PROXY", "http://127.0.0.1:1")
        .start();
    let ended = here.run("doctor night.yaml").with_code(0);
    assert!(
        ended.out.contains("proxy             none is used"),
        "{}",
        ended.out
    );
}
