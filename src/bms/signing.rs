//! SDK-HMAC-SHA256: the signature that the cloud asks of a request made with an access key.
//!
//! Owns the canonical form and the `Authorization` header, in both directions: the client writes it,
//! the simulator computes it again from what arrived. Knows nothing of where keys come from.
//! Invariant: the same message, names, date and key give the same text as the official signer.

use std::borrow::Cow;

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

/// Name of the algorithm, as it begins the header and the string to sign.
pub const ALGORITHM: &str = "SDK-HMAC-SHA256";
/// Name of the header with the date of signing, in lower case.
pub const DATE_HEADER: &str = "x-sdk-date";
const CONTENT_HASH_HEADER: &str = "x-sdk-content-sha256";

/// Everything but letters, digits, hyphen, underscore, dot and tilde.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// The parts of a request that a signature covers.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// `GET`, `POST` and so on.
    pub method: &'a str,
    /// Path as it stands on the request line: percent-encoded, without the query.
    pub path: &'a str,
    /// Query as decoded pairs, in any order; see [`parse_query`].
    pub query: &'a [(String, String)],
    /// Headers in any order and spelling; more than are signed may be given.
    pub headers: &'a [(String, String)],
    /// The exact bytes of the body; empty for none.
    pub body: &'a [u8],
}

impl Message<'_> {
    /// Value of a header, trimmed; `name` in any spelling.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// The names that the official signer signs: all, in lower case and sorted, but those with an underscore.
    pub fn signable_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .headers
            .iter()
            .filter(|(name, _)| !name.contains('_'))
            .map(|(name, _)| name.to_ascii_lowercase())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// The headers that the scheme needs beside those given: `Host`, the date, and the content hash of
/// bodies that are not JSON. Only what is missing in `given` is returned.
pub fn added_headers(given: &[(String, String)], host: &str, date: &str) -> Vec<(String, String)> {
    let find = |name: &str| given.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    let mut added = Vec::new();
    let mut add = |name: &str, value: &str| {
        if find(name).is_none() {
            added.push((name.to_owned(), value.to_owned()));
        }
    };
    if find("content-type").is_some_and(|(_, kind)| !is_hashed(kind)) {
        add("X-Sdk-Content-Sha256", "UNSIGNED-PAYLOAD");
    }
    add("X-Sdk-Date", date);
    add("Host", host);
    added
}

fn is_hashed(content_type: &str) -> bool {
    content_type.starts_with("application/json") || content_type.starts_with("application/bson")
}

/// The canonical form of a message, of whose headers `signed` are covered (lower case, in the
/// signature's order). A signed header that the message lacks counts as empty.
pub fn canonical_request(message: &Message<'_>, signed: &[String]) -> String {
    let mut block = String::new();
    for name in signed {
        block.push_str(name);
        block.push(':');
        block.push_str(message.header(name).unwrap_or_default());
        block.push('\n');
    }
    [
        message.method.to_ascii_uppercase().as_str(),
        &canonical_path(message.path),
        &canonical_query(message.query),
        &block,
        &signed.join(";"),
        &payload_hash(message),
    ]
    .join("\n")
}

fn canonical_path(path: &str) -> String {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let mut canonical = utf8_percent_encode(&decoded, RESERVED_IN_PATH).to_string();
    if !canonical.ends_with('/') {
        canonical.push('/');
    }
    canonical
}

/// The query as it is signed and as it goes on the request line: sorted pairs, percent-encoded.
pub fn canonical_query(pairs: &[(String, String)]) -> String {
    let mut sorted: Vec<&(String, String)> = pairs.iter().collect();
    sorted.sort_unstable();
    let encoded: Vec<String> = sorted
        .iter()
        .map(|(key, value)| format!("{}={}", encode(key), encode(value)))
        .collect();
    encoded.join("&")
}

/// Percent-encodes a path segment, a query key or a query value.
pub fn encode(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, RESERVED).into()
}

/// The decoded pairs of a query as it stood on a request line; a plus stays a plus.
pub fn parse_query(query: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        })
        .collect()
}

fn payload_hash(message: &Message<'_>) -> String {
    match message.header(CONTENT_HASH_HEADER) {
        Some(given) if !message.body.is_empty() => given.to_owned(),
        Some(_) | None => hex(&Sha256::digest(message.body)),
    }
}

/// What is signed for a canonical request and a date of the form `20261128T170000Z`.
pub fn string_to_sign(date: &str, canonical_request: &str) -> String {
    let hash = hex(&Sha256::digest(canonical_request.as_bytes()));
    format!("{ALGORITHM}\n{date}\n{hash}")
}

/// The signature, 64 hex digits, of a string to sign.
pub fn signature(secret_key: &str, string_to_sign: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret_key.as_bytes()).map(|mut mac| {
        mac.update(string_to_sign.as_bytes());
        mac.finalize().into_bytes()
    });
    // An HMAC takes keys of any length, so there is always a signature.
    mac.map(|bytes| hex(&bytes)).unwrap_or_default()
}

/// The signature that a message must bear; `None` if it has no date header.
pub fn expected_signature(
    message: &Message<'_>,
    signed: &[String],
    secret_key: &str,
) -> Option<String> {
    let date = message.header(DATE_HEADER)?;
    let canonical = canonical_request(message, signed);
    Some(signature(secret_key, &string_to_sign(date, &canonical)))
}

/// The content of an `Authorization` header.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Which key signed.
    pub access_key: String,
    /// Names of the headers covered, in lower case and in order.
    pub signed_headers: Vec<String>,
    /// 64 hex digits.
    pub signature: String,
}

impl Authorization {
    /// The header's value.
    pub fn to_header(&self) -> String {
        format!(
            "{ALGORITHM} Access={}, SignedHeaders={}, Signature={}",
            self.access_key,
            self.signed_headers.join(";"),
            self.signature
        )
    }

    /// Reads the header's value; `None` if it is of another scheme or malformed.
    pub fn parse(header: &str) -> Option<Self> {
        let rest = header.strip_prefix(ALGORITHM)?.strip_prefix(' ')?;
        let mut parts = rest.split(',').map(str::trim);
        let access_key = parts.next()?.strip_prefix("Access=")?.to_owned();
        let names = parts.next()?.strip_prefix("SignedHeaders=")?;
        let signature = parts.next()?.strip_prefix("Signature=")?.to_owned();
        parts.next().is_none().then(|| Self {
            access_key,
            signed_headers: names.split(';').map(str::to_owned).collect(),
            signature,
        })
    }
}

/// Signs a message that already has its date header, covering all its headers.
/// `None` if the date header is missing.
pub fn authorize(
    message: &Message<'_>,
    access_key: &str,
    secret_key: &str,
) -> Option<Authorization> {
    let signed_headers = message.signable_names();
    let signature = expected_signature(message, &signed_headers, secret_key)?;
    Some(Authorization {
        access_key: access_key.to_owned(),
        signed_headers,
        signature,
    })
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
