//! What the environment does to the transport: proxies, and hosts without CA certificates.
//!
//! The environment of a process cannot be changed safely while it runs, so each test here starts this
//! test binary again for one test, in the environment in question.

use std::process::Command;

use super::tls::CA;
use super::*;

/// Runs one test of this module's parent alone, in this process's environment with `changes`.
fn run_again(test: &str, changes: &[(&str, &str)]) {
    let parent = module_path!().split_once("::").unwrap().1;
    let name = format!("{parent}::{test}");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--include-ignored"])
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .envs(changes.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
fn a_dead_proxy_is_not_used_on_the_way_to_this_machine() {
    const DEAD: &str = "http://127.0.0.1:1";
    run_again(
        "sends_to_this_machine",
        &[
            ("HTTP_PROXY", DEAD),
            ("http_proxy", DEAD),
            ("HTTPS_PROXY", DEAD),
            ("ALL_PROXY", DEAD),
        ],
    );
}

#[test]
fn without_certificates_only_plain_loopback_works() {
    let nowhere = [
        ("SSL_CERT_FILE", "/nowhere/file"),
        ("SSL_CERT_DIR", "/nowhere"),
    ];
    run_again("sends_to_this_machine", &nowhere);
    run_again("finds_no_certificates", &nowhere);
}

#[tokio::test]
async fn a_proxy_is_used_on_the_way_to_other_hosts() {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let (proxy, _) = server(move |mut stream| {
        let sender = sender.clone();
        async move {
            sender.send(request_head(&mut stream).await).unwrap();
            let _ = stream.write_all(b"HTTP/1.1 502 No\r\n\r\n").await;
        }
    })
    .await;
    let proxy = format!("http://{proxy}");
    tokio::task::spawn_blocking(move || {
        run_again("is_refused_by_a_proxy", &[("HTTPS_PROXY", &proxy)]);
    })
    .await
    .unwrap();
    let seen = receiver.recv().await.unwrap().unwrap();
    assert!(
        seen.starts_with("CONNECT bms.example.invalid:443 "),
        "{seen}"
    );
    assert!(!seen.contains("canary"), "{seen}");
}

#[tokio::test]
#[ignore = "run by its neighbours in an environment of their own"]
async fn sends_to_this_machine() {
    let (address, _) = keeping_alive().await;
    assert_eq!(fetch(address).await.unwrap().status, 200);
}

#[test]
#[ignore = "run by its neighbours in an environment of their own"]
fn finds_no_certificates() {
    let error = Transport::new(TransportSettings {
        reach: Reach::Network,
        ca_file: None,
        clock: Clock::real(),
    })
    .unwrap_err();
    assert!(matches!(error, HttpError::Setup(_)), "{error}");
    assert!(error.hint().unwrap().contains("--ca-file"));
    with_ca_file(CA).unwrap();
}

/// What a proxy says before the tunnel stands reaches nobody but the proxy: nothing was sent.
#[tokio::test]
#[ignore = "run by its neighbours in an environment of their own"]
async fn is_refused_by_a_proxy() {
    let mut request = get(([127, 0, 0, 1], 1).into(), Connection::Fresh);
    request.url = "https://bms.example.invalid/v1".to_owned();
    let failure = with_ca_file(CA).unwrap().send(request).await.unwrap_err();
    assert!(
        matches!(failure, Failure::NotConnected { .. }),
        "{failure:?}"
    );
    message_of(&failure);
}
