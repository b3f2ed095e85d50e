//! Why there is no complete answer, and why there is no transport at all.
//!
//! Owns the classes and their words, taken from the HTTP library's chain of causes without its
//! headers and URLs. Invariant: whatever is not proven to have failed before a connection stood is
//! one of the other classes.

use std::error::Error;
use std::fmt::Write;

use super::obstacle::Obstacle;

/// Why a request has no complete answer. Messages are short and hold no header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// No connection was established, so nothing was sent.
    #[error("no connection: {message}")]
    NotConnected {
        /// What the network said.
        message: String,
    },
    /// No connection can be established until somebody changes something. Nothing was sent.
    #[error("no connection: {0}")]
    Blocked(Obstacle),
    /// The time allowed ran out after, or possibly after, the request was sent.
    #[error("no complete answer in time: {message}")]
    TimedOut {
        /// Which time ran out.
        message: String,
    },
    /// The connection broke, or what came back is not HTTP.
    #[error("the connection broke: {message}")]
    Broken {
        /// What went wrong.
        message: String,
    },
    /// The answer's body is over the limit.
    #[error("an answer of status {status} with more than {limit} bytes")]
    TooLarge {
        /// HTTP status of the answer.
        status: u16,
        /// The limit in bytes.
        limit: usize,
    },
}

/// Longest message that is taken from a chain of causes, in characters.
const MESSAGE_LIMIT: usize = 300;

impl Failure {
    /// The class of an error of the HTTP library.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        let message = causes(error);
        if error.is_connect() || error.is_builder() {
            match Obstacle::of(error) {
                Some(obstacle) => Self::Blocked(obstacle),
                None => Self::NotConnected { message },
            }
        } else if error.is_timeout() {
            Self::TimedOut { message }
        } else {
            Self::Broken { message }
        }
    }
}

/// The chain of causes below the library's own outermost words, joined by colons.
fn causes(error: &reqwest::Error) -> String {
    let mut message = String::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        // The client's own frame says only where it failed; the class already tells that.
        if !text.starts_with("client error (") && !message.ends_with(text.as_str()) {
            let joint = if message.is_empty() { "" } else { ": " };
            let _ = write!(message, "{joint}{text}");
        }
        next = cause.source();
    }
    shorten(if message.is_empty() {
        "the request could not be made".to_owned()
    } else {
        lower_first(&message)
    })
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_lowercase().chain(letters).collect())
        .unwrap_or_default()
}

fn shorten(text: String) -> String {
    match text.char_indices().nth(MESSAGE_LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Why there is no transport.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The file with CA certificates holds none that can be read.
    #[error("`{path}` holds no usable CA certificates in PEM form")]
    CaFile {
        /// The file as the user named it.
        path: String,
        /// What the library said, where it said something.
        #[source]
        cause: Option<reqwest::Error>,
    },
    /// The file with CA certificates cannot be read.
    #[error("cannot read the CA certificates in `{path}`")]
    CaFileUnreadable {
        /// The file as the user named it.
        path: String,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// A variable of the environment names a proxy in a way that cannot be read.
    #[error("the proxy in `{variable}` cannot be read: {why}")]
    Proxy {
        /// The variable.
        variable: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The HTTP client could not be set up.
    #[error("cannot set up encrypted connections")]
    Setup(#[source] reqwest::Error),
}

impl HttpError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::CaFile { .. } => Some("give a file of `-----BEGIN CERTIFICATE-----` blocks"),
            Self::CaFileUnreadable { .. } => None,
            Self::Proxy { .. } => {
                Some("write it like `http://proxy.example.com:3128`, or unset the variable")
            }
            Self::Setup(_) => Some(
                "install the system's CA certificates (package `ca-certificates`), or name a file with `--ca-file`",
            ),
        }
    }
}
