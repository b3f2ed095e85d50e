//! That no secret leaves the client but in its request, even if the cloud sends it back.

use std::io;

use tracing_subscriber::fmt::MakeWriter;

use super::*;

const CANARIES: [&str; 3] = ["canary-access", "canary-secret", "canary+token/=="];

fn canaries() -> [Credentials; 2] {
    let [access_key, secret_key, token] = CANARIES;
    [
        Credentials::fixed(Secrets::Keys {
            access_key: access_key.into(),
            secret_key: secret_key.into(),
            security_token: Some(token.into()),
        }),
        Credentials::fixed(Secrets::Token(token.into())),
    ]
}

fn assert_clean(text: &str) {
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn a_cloud_that_repeats_the_secrets_does_not_spread_them() {
    let echo = CANARIES.join(" ");
    let slashes = CANARIES[2].replace('/', r"\/");
    let json = format!(r#"{{"error_code":"APIGW.0301 {echo}","error_msg":"{echo} {slashes}"}}"#);
    for credentials in canaries() {
        let script = [
            (400, json.as_str()),
            (500, &echo),
            (200, &echo),
            (200, &echo),
        ];
        let cloud = Cloud::answering(script).await;
        let client = cloud.client(credentials.clone());
        let mut shown = format!("{client:?} {credentials:?}");
        for _ in 0..2 {
            shown += &format!("{:?}", stop(&client).await);
        }
        shown += &format!("{:?}", client.list_page(1).await.unwrap_err());
        shown += &format!("{:?}", client.show(server()).await.unwrap_err());
        assert!(shown.contains("[redacted]"), "{shown}");
        // With a token, the words of the key pair are no secrets of this client.
        if matches!(credentials.secrets(), Secrets::Keys { .. }) {
            assert_clean(&shown);
        } else {
            assert!(!shown.contains(CANARIES[2]), "{shown}");
        }
        assert_eq!(cloud.received().len(), 4);
    }
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn calls_are_logged_without_secrets_at_any_level() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    for credentials in canaries() {
        let cloud = Cloud::answering([(200, ACCEPTED), (403, "")]).await;
        let client = cloud.client(credentials);
        stop(&client).await;
        client.list_page(1).await.unwrap_err();
    }
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_clean(&text);
    let stop_line =
        format!("method=\"POST\" path=\"/v1/{PROJECT}/baremetalservers/action\" status=200");
    assert!(text.contains(&stop_line), "{text}");
    assert!(text.contains("request_id=\"r-403\""), "{text}");
}
