//! Requests and answers in plain types, free of the HTTP library's.
//!
//! Owns their shape only. Invariant: nothing here shows the value of a header or a body by `Debug`.

use std::fmt;

use bytes::Bytes;

/// Method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Reads.
    Get,
    /// Acts.
    Post,
}

impl Method {
    /// The word on the request line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// Which connection a request may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Connection {
    /// A new one, which no other request uses before or after.
    Fresh,
    /// One that an earlier request left open, or a new one.
    Pooled,
}

/// One header of a request.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// Name, in any spelling.
    pub name: String,
    /// Value: visible ASCII and inner spaces.
    pub value: String,
    /// Whether the value must never be shown, not even by the HTTP library.
    pub secret: bool,
}

impl Header {
    /// A header that anyone may see.
    pub fn open(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            secret: false,
        }
    }

    /// A header whose value is never shown.
    pub fn secret(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            secret: true,
            ..Self::open(name, value)
        }
    }
}

/// One request, to be sent once.
pub struct Request {
    /// Method.
    pub method: Method,
    /// Absolute URL, path and query percent-encoded.
    pub url: String,
    /// Headers, sent as they are beside the few that HTTP itself needs.
    pub headers: Vec<Header>,
    /// Body; empty for none.
    pub body: Bytes,
    /// Which connection it may use.
    pub connection: Connection,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.as_str(), self.url)
    }
}

/// One complete answer.
#[derive(Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Headers whose values are text, names in any spelling.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Bytes,
}

impl Response {
    /// First value of a header; `name` in any spelling.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} bytes", self.status, self.body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found_in_any_spelling() {
        let response = Response {
            status: 200,
            headers: vec![("x-request-id".into(), "7".into())],
            body: Bytes::new(),
        };
        assert_eq!(response.header("X-Request-Id"), Some("7"));
        assert_eq!(response.header("retry-after"), None);
    }

    #[test]
    fn neither_headers_nor_bodies_are_shown() {
        let request = Request {
            method: Method::Post,
            url: "https://bms.example.com/v1".into(),
            headers: vec![Header::open("a", "canary"), Header::secret("b", "canary")],
            body: "canary".into(),
            connection: Connection::Fresh,
        };
        let response = Response {
            status: 200,
            headers: vec![("a".into(), "canary".into())],
            body: "canary".into(),
        };
        assert_eq!(format!("{request:?}"), "POST https://bms.example.com/v1");
        assert_eq!(format!("{response:?}"), "200 with 6 bytes");
    }
}
