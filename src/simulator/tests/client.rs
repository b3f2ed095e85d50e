//! A client of a few lines over a bare connection: it signs what it is told to, and repairs nothing.
//! Invariant: what is sent is what was asked for, so a deviation reaches the simulator as it is.

use std::io::{Read, Write};
use std::net::TcpStream;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName, Method};
use serde_json::{Value, json};

use super::{ACTION, id};
use crate::bms::signing::Authorization;
use crate::simulator::strict::Received;
use crate::simulator::{Keys, Simulator, signature};

/// An answer, as far as it came.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    pub(super) fn code(&self) -> String {
        let body = self.json();
        let code = body.get("error_code").or(body.pointer("/error/code"));
        code.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// A request to be changed before it is sent.
pub(super) struct Call {
    pub(super) address: String,
    pub(super) keys: Keys,
    pub(super) method: &'static str,
    pub(super) target: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl Call {
    pub(super) fn new(
        simulator: &Simulator,
        method: &'static str,
        target: &str,
        body: String,
    ) -> Self {
        let now = simulator.cloud.clock().now();
        Self {
            address: simulator.endpoint().authority(),
            keys: simulator.keys.clone(),
            method,
            target: target.to_owned(),
            headers: vec![
                ("host", simulator.endpoint().authority()),
                ("content-type", "application/json".to_owned()),
                ("x-sdk-date", now.strftime("%Y%m%dT%H%M%SZ").to_string()),
            ],
            body,
        }
    }

    pub(super) fn get(simulator: &Simulator, target: &str) -> Self {
        Self::new(simulator, "GET", target, String::new())
    }

    pub(super) fn stop(simulator: &Simulator, servers: &[u32]) -> Self {
        let servers: Vec<Value> = servers.iter().map(|n| json!({"id": id(*n)})).collect();
        let body = json!({"os-stop": {"type": "HARD", "servers": servers}});
        Self::new(simulator, "POST", ACTION, body.to_string())
    }

    pub(super) fn set(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self
    }

    /// Signs all headers that are set.
    pub(super) fn signed(self) -> Self {
        let mut names: Vec<&str> = self.headers.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        let names = names.join(";");
        self.signed_over(&names)
    }

    pub(super) fn signed_over(mut self, names: &str) -> Self {
        let (path, query) = match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (&self.target[..], None),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        let received = Received {
            method: Method::from_bytes(self.method.as_bytes()).unwrap(),
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers,
            body: Bytes::from(self.body.clone()),
        };
        let names: Vec<String> = names.split(';').map(str::to_owned).collect();
        let signature = signature::expected(&received, &names, &self.keys.secret_key);
        let value = Authorization {
            access_key: self.keys.access_key.clone(),
            signed_headers: names,
            signature: signature.unwrap(),
        }
        .to_header();
        self.headers.push(("authorization", value));
        self
    }

    /// Sends without signing; an error if no whole answer came.
    pub(super) fn send(&self) -> std::io::Result<Answer> {
        let mut stream = TcpStream::connect(&self.address)?;
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let length = self.body.len();
        text.push_str(&format!(
            "connection: close\r\ncontent-length: {length}\r\n\r\n"
        ));
        text.push_str(&self.body);
        stream.write_all(text.as_bytes())?;
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        answer_of(&bytes).ok_or_else(|| match read {
            Err(error) => error,
            Ok(_) => std::io::Error::from(std::io::ErrorKind::UnexpectedEof),
        })
    }
}

fn answer_of(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some(Answer {
        status: head.split(' ').nth(1)?.parse().ok()?,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

pub(super) fn header<'a>(call: &'a Call, name: &str) -> &'a str {
    let found = call.headers.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| &value[..]).unwrap()
}

impl Call {
    /// Claims other signed headers than were signed.
    pub(super) fn with_names(self, names: &str) -> Self {
        let value = header(&self, "authorization").to_owned();
        let (front, rest) = value.split_once("SignedHeaders=").unwrap();
        let (_, back) = rest.split_once(", ").unwrap();
        self.set(
            "authorization",
            &format!("{front}SignedHeaders={names}, {back}"),
        )
    }
}
