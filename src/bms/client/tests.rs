//! The client against a server that keeps what it receives and answers by script.
//!
//! Owns that server; what the client sent is judged from the bytes that arrived.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::Duration;

use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::super::credentials::{CredentialsChoice, Environment};
use super::*;
use crate::bms::signing::Authorization;
use crate::http::{Reach, TransportSettings};
use crate::power::StateClass;
use crate::workflow::StopType;

mod secrecy_kept;

const PROJECT: &str = "bbf1946d374b44a0a2a95533562ba954";
const SERVER: &str = "616fb98f-46ca-475e-917e-2563e5a8cd19";
const ACCEPTED: &str = r#"{"job_id":"job-1"}"#;

/// One request as it arrived.
#[derive(Debug, Clone)]
struct Received {
    connection: usize,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Received {
    async fn read(stream: &mut TcpStream, connection: usize) -> Option<Self> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().lines();
        let mut first = lines.next()?.split(' ').map(str::to_owned);
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        let mut received = Self {
            connection,
            method: first.next()?,
            target: first.next()?,
            headers,
            body: Vec::new(),
        };
        let length = received.header("content-length").unwrap_or("0");
        received.body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut received.body).await.unwrap();
        Some(received)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }

    fn authorization(&self) -> Authorization {
        Authorization::parse(self.header("authorization").unwrap()).unwrap()
    }

    /// The signature that this request must bear, computed from what arrived.
    fn expected_signature(&self, secret_key: &str) -> String {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let message = Message {
            method: &self.method,
            path,
            query: &signing::parse_query(query),
            headers: &self.headers,
            body: &self.body,
        };
        let signed = self.authorization().signed_headers;
        signing::expected_signature(&message, &signed, secret_key).unwrap()
    }
}

/// Answers each request with the next of its script; with the script at its end, never.
struct Cloud {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Cloud {
    async fn answering<const N: usize>(script: [(u16, &str); N]) -> Self {
        let script: VecDeque<String> = script
            .iter()
            .map(|(status, body)| {
                let length = body.len();
                let seconds = status % 60;
                format!(
                    "HTTP/1.1 {status} X\r\nX-Request-Id: r-{status}\r\nDate: Sat, 28 Nov 2026 17:00:{seconds:02} GMT\r\n\
                     Content-Length: {length}\r\n\r\n{body}"
                )
            })
            .collect();
        let script = Arc::new(Mutex::new(script));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let log = Arc::clone(&received);
        tokio::spawn(async move {
            for connection in 0.. {
                let Ok((mut stream, _)) = listener.accept().await else {
                    return;
                };
                let (script, log) = (Arc::clone(&script), Arc::clone(&log));
                tokio::spawn(async move {
                    while let Some(request) = Received::read(&mut stream, connection).await {
                        log.lock().unwrap().push(request);
                        let answer = script.lock().unwrap().pop_front();
                        let Some(answer) = answer else {
                            return std::future::pending().await;
                        };
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                });
            }
        });
        Self { address, received }
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    fn settings(&self) -> ClientSettings {
        ClientSettings {
            endpoint: format!("http://{}", self.address).parse().unwrap(),
            project: PROJECT.parse().unwrap(),
            rate: Rate::default(),
            clock: Clock::real(),
        }
    }

    fn client(&self, credentials: Credentials) -> Client {
        client(self.settings(), credentials)
    }
}

fn client(settings: ClientSettings, credentials: Credentials) -> Client {
    let transport = Transport::new(TransportSettings {
        reach: Reach::of(&settings.endpoint),
        ca_file: None,
        clock: settings.clock,
    });
    Client::new(settings, transport.unwrap(), credentials)
}

fn keys() -> Credentials {
    Credentials::fixed(Secrets::keys("ACCESS-KEY", "SECRET-KEY"))
}

fn server() -> ServerId {
    SERVER.parse().unwrap()
}

async fn stop(client: &Client) -> (PowerAnswer, Evidence) {
    let slot = client.power_slot().await;
    client
        .power(slot, Action::Stop(StopType::Hard), &[server()])
        .await
}

#[tokio::test]
async fn a_stop_arrives_as_it_was_signed() {
    let cloud = Cloud::answering([(200, ACCEPTED)]).await;
    let (answer, evidence) = stop(&cloud.client(keys())).await;
    assert_eq!(answer, PowerAnswer::Accepted("job-1".parse().unwrap()));
    assert_eq!(evidence.request_id.as_deref(), Some("r-200"));

    let received = cloud.received();
    assert_eq!(received.len(), 1);
    let request = &received[0];
    assert_eq!(request.method, "POST");
    let path = format!("/v1/{PROJECT}/baremetalservers/action");
    assert_eq!(request.target, path);
    let body = format!(r#"{{"os-stop":{{"type":"HARD","servers":[{{"id":"{SERVER}"}}]}}}}"#);
    assert_eq!(String::from_utf8_lossy(&request.body), body);
    let host = cloud.address.to_string();
    assert_eq!(request.header("host"), Some(host.as_str()));
    assert_eq!(request.header("x-project-id"), Some(PROJECT));
    let json = Some("application/json;charset=utf-8");
    assert_eq!(request.header("content-type"), json);
    let authorization = request.authorization();
    let signed = ["content-type", "host", "x-project-id", "x-sdk-date"];
    assert_eq!(authorization.access_key, "ACCESS-KEY");
    assert_eq!(authorization.signed_headers, signed);
    assert_eq!(
        authorization.signature,
        request.expected_signature("SECRET-KEY")
    );
    let date = request.header("x-sdk-date").unwrap();
    assert_eq!((date.len(), &date[8..9], &date[15..]), (16, "T", "Z"));
}

#[tokio::test]
async fn every_answer_tells_what_the_cloud_s_clock_shows() {
    let cloud = Cloud::answering([(200, ACCEPTED), (404, "{}"), (503, "")]).await;
    let client = cloud.client(keys());
    let shown = |client: &Client| client.date().map(|date| date.told.to_string());
    assert_eq!(shown(&client), None);
    stop(&client).await;
    assert_eq!(shown(&client).as_deref(), Some("2026-11-28T17:00:20Z"));
    let _ = client.show(server()).await;
    assert_eq!(shown(&client).as_deref(), Some("2026-11-28T17:00:44Z"));
    let _ = client.clone().job(&"job-1".parse().unwrap()).await;
    assert_eq!(shown(&client).as_deref(), Some("2026-11-28T17:00:23Z"));
}

#[tokio::test]
async fn a_security_token_is_sent_and_signed() {
    let cloud = Cloud::answering([(200, ACCEPTED)]).await;
    let credentials = Credentials::fixed(Secrets::Keys {
        access_key: "ACCESS-KEY".into(),
        secret_key: "SECRET-KEY".into(),
        security_token: Some("token+/==".into()),
    });
    stop(&cloud.client(credentials)).await;
    let request = &cloud.received()[0];
    assert_eq!(request.header("x-security-token"), Some("token+/=="));
    let authorization = request.authorization();
    let signed = &authorization.signed_headers;
    assert_eq!(signed.last().unwrap(), "x-security-token");
    assert_eq!(
        authorization.signature,
        request.expected_signature("SECRET-KEY")
    );
}

#[tokio::test]
async fn a_token_is_sent_without_a_signature() {
    let cloud = Cloud::answering([(200, ACCEPTED)]).await;
    stop(&cloud.client(Credentials::fixed(Secrets::Token("the-token".into())))).await;
    let request = &cloud.received()[0];
    assert_eq!(request.header("x-auth-token"), Some("the-token"));
    assert_eq!(request.header("x-project-id"), Some(PROJECT));
    assert_eq!(request.header("authorization"), None);
    assert_eq!(request.header("x-sdk-date"), None);
}

#[tokio::test]
async fn a_base_path_is_part_of_what_is_signed() {
    let cloud = Cloud::answering([(200, r#"{"servers":[]}"#)]).await;
    let mut settings = cloud.settings();
    settings.endpoint = format!("http://{}/cloud/a%20b/", cloud.address)
        .parse()
        .unwrap();
    client(settings, keys()).list_page(3).await.unwrap();
    let request = &cloud.received()[0];
    assert_eq!(
        request.target,
        format!("/cloud/a%20b/v1/{PROJECT}/baremetalservers/detail?limit=1000&offset=3")
    );
    let expected = request.expected_signature("SECRET-KEY");
    assert_eq!(request.authorization().signature, expected);
}

#[tokio::test]
async fn stops_travel_alone_and_reads_share_a_connection() {
    let page = r#"{"servers":[]}"#;
    let script = [(200, page), (200, ACCEPTED), (200, page), (200, ACCEPTED)];
    let cloud = Cloud::answering(script).await;
    let client = cloud.client(keys());
    for _ in 0..2 {
        client.list_page(1).await.unwrap();
        stop(&client).await;
    }
    let connections: Vec<usize> = cloud.received().iter().map(|r| r.connection).collect();
    assert_eq!(connections, [0, 1, 0, 2]);
}

#[tokio::test]
async fn jobs_pages_and_servers_are_read() {
    let row = format!(r#"{{"id":"{SERVER}","name":"n","status":"SHUTOFF","x":[{{}}]}}"#);
    let (list, single) = (
        format!(r#"{{"servers":[{row}],"count":1}}"#),
        format!(r#"{{"server":{row}}}"#),
    );
    let job = r#"{"status":"RUNNING","entities":{"sub_jobs":""}}"#;
    let cloud = Cloud::answering([(200, job), (200, &list), (200, &single)]).await;
    let client = cloud.client(keys());
    let job = client.job(&"a-b".parse().unwrap()).await.unwrap();
    assert!(!job.is_final());
    let page = client.list_page(1).await.unwrap();
    assert_eq!((page.listed, page.rows.len()), (1, 1));
    let shown = client.show(server()).await.unwrap().unwrap();
    assert_eq!(shown, page.rows[0]);
    assert_eq!(shown.state, StateClass::Off);
    let targets: Vec<String> = cloud.received().into_iter().map(|r| r.target).collect();
    assert_eq!(targets[0], format!("/v1/{PROJECT}/jobs/a-b"));
    assert_eq!(
        targets[2],
        format!("/v1/{PROJECT}/baremetalservers/{SERVER}")
    );
}

#[rstest]
#[case(404, r#"{"error":{"code":"BMS.0040","message":"m"}}"#, None)]
#[case(404, r#"{"itemNotFound":{"code":404,"message":"m"}}"#, None)]
#[case(
    404,
    r#"{"error_code":"APIGW.0101","error_msg":"m"}"#,
    Some(ReadFailure::Refused)
)]
#[case(404, "<html>not here</html>", Some(ReadFailure::Rejected))]
#[case(200, r#"{"servers":[]}"#, Some(ReadFailure::Retry { after: None }))]
#[case(200, "{\"server\":", Some(ReadFailure::Retry { after: None }))]
#[tokio::test]
async fn only_the_service_can_say_that_a_server_is_gone(
    #[case] status: u16,
    #[case] body: &str,
    #[case] expected: Option<ReadFailure>,
) {
    let cloud = Cloud::answering([(status, body)]).await;
    let shown = cloud.client(keys()).show(server()).await;
    match expected {
        None => assert_eq!(shown, Ok(None)),
        Some(class) => assert_eq!(shown.unwrap_err().class, class),
    }
    assert_eq!(cloud.received().len(), 1);
}

#[rstest]
#[case(r#"{"server":{"id":"726fb98f-46ca-475e-917e-2563e5a8cd20","status":"SHUTOFF"}}"#)]
#[case(r#"{"server":{"id":null,"status":"SHUTOFF"}}"#)]
#[case(r#"{"server":null}"#)]
#[tokio::test]
async fn an_answer_about_no_known_server_shows_no_state_of_it(#[case] body: &str) {
    let cloud = Cloud::answering([(200, body)]).await;
    let shown = cloud.client(keys()).show(server()).await.unwrap().unwrap();
    assert_eq!((shown.id, shown.state), (server(), StateClass::Busy));
    assert_eq!(cloud.received().len(), 1);
}

/// Credentials of a file that is replaced after they were read.
fn replaced_file() -> (tempfile::TempDir, Credentials) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials");
    std::fs::write(&path, "[basic]\nak=OLD\nsk=OLD\n").unwrap();
    let choice = CredentialsChoice::File(path.clone());
    let credentials = Credentials::load(&choice, &Environment::new()).unwrap();
    std::fs::write(&path, "[basic]\nak=NEW\nsk=NEW\n").unwrap();
    (folder, credentials)
}

fn keys_used(cloud: &Cloud) -> Vec<String> {
    let requests = cloud.received();
    requests
        .iter()
        .map(|request| request.authorization().access_key)
        .collect()
}

const STALE: &str = r#"{"error_code":"APIGW.0301","error_msg":"stale"}"#;

#[tokio::test]
async fn a_refused_read_is_signed_with_the_new_keys() {
    let (_folder, credentials) = replaced_file();
    let cloud = Cloud::answering([(401, STALE), (200, r#"{"servers":[]}"#)]).await;
    let page = cloud.client(credentials).list_page(1).await.unwrap();
    assert_eq!(page.listed, 0);
    assert_eq!(keys_used(&cloud), ["OLD", "NEW"]);
}

#[tokio::test]
async fn a_read_refused_twice_is_a_failure_of_credentials() {
    let cloud = Cloud::answering([(401, STALE), (401, STALE)]).await;
    let error = cloud.client(keys()).list_page(1).await.unwrap_err();
    assert_eq!(error.class, ReadFailure::Credentials);
    assert_eq!(error.evidence.code.as_deref(), Some("APIGW.0301"));
    assert_eq!(cloud.received().len(), 2);
}

#[tokio::test]
async fn a_refused_stop_is_left_to_the_caller() {
    let (_folder, credentials) = replaced_file();
    let cloud = Cloud::answering([(401, STALE), (200, ACCEPTED)]).await;
    let client = cloud.client(credentials);
    assert_eq!(stop(&client).await.0, PowerAnswer::Credentials);
    assert_eq!(cloud.received().len(), 1);
    client.renew_credentials().unwrap();
    assert!(matches!(stop(&client).await.0, PowerAnswer::Accepted(_)));
    assert_eq!(keys_used(&cloud), ["OLD", "NEW"]);
}

#[tokio::test]
async fn ten_megabytes_of_html_become_a_short_message() {
    let page = format!("<html>{}</html>", "bad gateway ".repeat(10 << 20 >> 3));
    assert!(page.len() > 10 << 20);
    let cloud = Cloud::answering([(502, &page), (502, &page)]).await;
    let client = cloud.client(keys());
    let (answer, evidence) = stop(&client).await;
    assert_eq!(answer, PowerAnswer::Ambiguous);
    let error = client.job(&"j".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.class, ReadFailure::Retry { after: None });
    for evidence in [evidence, error.evidence] {
        assert_eq!(evidence.code.as_deref(), Some("502"));
        let message = evidence.message.unwrap();
        assert!(message.starts_with("<html>bad gateway bad"), "{message}");
        assert!(message.chars().count() <= 501);
    }
}

#[tokio::test]
async fn a_silent_cloud_makes_a_stop_ambiguous_and_it_is_sent_once() {
    let cloud = Cloud::answering([]).await;
    let mut settings = cloud.settings();
    settings.clock = Clock::compressed(NonZeroU32::new(300).unwrap());
    let client = client(settings, keys());
    let (answer, evidence) = stop(&client).await;
    assert_eq!(answer, PowerAnswer::Ambiguous);
    assert_eq!(evidence.code.as_deref(), Some("timeout"));
    assert_eq!(cloud.received().len(), 1);
}

#[tokio::test]
async fn an_unreachable_cloud_is_surely_not_sent() {
    let cloud = Cloud::answering([]).await;
    let mut settings = cloud.settings();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    settings.endpoint = format!("http://{closed}").parse().unwrap();
    let (answer, evidence) = stop(&client(settings, keys())).await;
    assert_eq!(answer, PowerAnswer::NotSent);
    assert_eq!(evidence.code.as_deref(), Some("not-connected"));
}

#[tokio::test]
async fn each_kind_of_call_has_its_own_quota() {
    let page = r#"{"servers":[]}"#;
    let script = [(200, ACCEPTED), (200, page), (200, ACCEPTED)];
    let cloud = Cloud::answering(script).await;
    let mut settings = cloud.settings();
    settings.rate.stop = 1;
    settings.clock = Clock::compressed(NonZeroU32::new(100).unwrap());
    let clock = settings.clock;
    let client = client(settings, keys());
    stop(&client).await;
    let ended = clock.elapsed();
    client.list_page(1).await.unwrap();
    let waiting = clock.timeout(Duration::from_secs(20), client.power_slot());
    assert!(waiting.await.is_err());
    assert!(matches!(stop(&client).await.0, PowerAnswer::Accepted(_)));
    assert!(clock.elapsed().since(ended) >= Duration::from_secs(60));
}

#[tokio::test]
async fn calls_can_be_made_from_tasks_of_their_own() {
    let page = r#"{"servers":[]}"#;
    let cloud = Cloud::answering([(200, page); 8]).await;
    let client = cloud.client(keys());
    let tasks: Vec<_> = (1..=8)
        .map(|page| {
            let client = client.clone();
            tokio::spawn(async move { client.list_page(page).await })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap().is_ok());
    }
    let mut targets: Vec<String> = cloud.received().into_iter().map(|r| r.target).collect();
    targets.sort();
    targets.dedup();
    assert_eq!(targets.len(), 8);
}
