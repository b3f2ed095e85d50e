//! The identifiers that travel through every stage, each a type that can only hold a valid value.
//!
//! Owns parsing and spelling of IDs; knows nothing of files, requests or the run. Invariant: what is
//! constructed is well-formed and has one spelling, so comparing two values never needs folding.

mod web_url;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::{Host, Url};
use uuid::Uuid;

pub use web_url::WebUrl;

/// Why a text is not the identifier that it should be: a fragment such as `not a UUID`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidId(pub &'static str);

/// ID of one bare metal server: a UUID in its hyphenated form, kept in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(Uuid);

impl ServerId {
    /// The server whose ID has these 16 bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// Writes the 36 characters into `buffer` and returns them, without allocating.
    pub fn encode<'a>(&self, buffer: &'a mut [u8; 36]) -> &'a str {
        self.0.hyphenated().encode_lower(buffer)
    }
}

impl FromStr for ServerId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        const EXPECTED: InvalidId = InvalidId("not a UUID of the form 8-4-4-4-12 hex digits");
        if text.len() != 36 {
            return Err(EXPECTED);
        }
        Uuid::try_parse(text).map(Self).map_err(|_| EXPECTED)
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.encode(&mut [0; 36]))
    }
}

impl Serialize for ServerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.encode(&mut [0; 36]))
    }
}

impl<'de> Deserialize<'de> for ServerId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse_from(deserializer)
    }
}

/// ID of the cloud project that owns the servers: 32 hex digits, kept in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProjectId(String);

impl ProjectId {
    /// The 32 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProjectId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidId("not 32 hex digits"))
        }
    }
}

/// ID of an asynchronous task: 1 to 64 ASCII letters, digits, hyphens and underscores.
///
/// The API writes it as a UUID and as 32 bare hex digits, and documents it as opaque text. It becomes a part of a
/// path, so nothing that could leave that part is a job ID.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobId(String);

impl JobId {
    /// Longest job ID, in characters.
    pub const LONGEST: usize = 64;

    /// Whether this byte can be part of a job ID.
    pub fn can_hold(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
    }

    /// The ID exactly as the cloud gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for JobId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if (1..=Self::LONGEST).contains(&text.len()) && text.bytes().all(Self::can_hold) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId(
                "not a job ID of 1 to 64 letters, digits, hyphens and underscores",
            ))
        }
    }
}

/// ID of one execution of a plan: `20261128T170000Z-3f9a1c`, a UTC start time and six hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

impl RunId {
    /// The ID for a run that starts at `at`; `salt` tells runs of the same second apart.
    pub fn new(at: jiff::Timestamp, salt: u32) -> Self {
        let salt = salt & 0x00ff_ffff;
        Self(format!("{}-{salt:06x}", at.strftime("%Y%m%dT%H%M%SZ")))
    }

    /// The ID as it names the run's folder.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part that tells when the run began: `20261128T170000Z`.
    pub fn second(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }

    /// The part that tells runs of the same second apart.
    pub fn salt(&self) -> u32 {
        let salt = self.0.rsplit('-').next().unwrap_or_default();
        u32::from_str_radix(salt, 16).unwrap_or_default()
    }
}

impl FromStr for RunId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let shape = |(at, byte): (usize, u8)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            16 => byte == b'-',
            17.. => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            _ => byte.is_ascii_digit(),
        };
        if text.len() == 23 && text.bytes().enumerate().all(shape) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId("not a run ID such as 20261128T170000Z-3f9a1c"))
        }
    }
}

/// Place of a batch in a plan, from 0, in sending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BatchIndex(pub u32);

impl BatchIndex {
    /// The index into the plan's list of batches.
    pub fn position(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for BatchIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// SHA-256 over what a plan will do, spelled `sha256:<64 hex digits>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest whose hash has these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Digest {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        const EXPECTED: InvalidId = InvalidId("not of the form sha256:<64 hex digits>");
        let hex = text.strip_prefix("sha256:").ok_or(EXPECTED)?;
        if hex.len() != 64 || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(EXPECTED);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| EXPECTED)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| EXPECTED)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Base URL of a BMS service, normalised: lower-case host, no default port, no trailing slash.
///
/// Invariant: `https`, or `http` to a loopback address; no user info, query or fragment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint(Url);

impl Endpoint {
    /// The endpoint of a region of Huawei Cloud.
    pub fn of_region(region: &str) -> Result<Self, InvalidId> {
        format!("https://bms.{region}.myhuaweicloud.com").parse()
    }

    /// The host alone, without port.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether the host is this machine itself, by address or as `localhost`.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// Whether the connection is encrypted.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Host and port as they appear in the `Host` header: the port only where it is spelled.
    pub fn authority(&self) -> String {
        match self.0.port() {
            Some(port) => format!("{}:{port}", self.host()),
            None => self.host().to_owned(),
        }
    }

    /// The URL of `path`, which starts with a slash and is already percent-encoded.
    pub fn join(&self, path: &str) -> String {
        format!("{self}{path}")
    }

    /// The path that precedes every call's own path; empty for most endpoints.
    pub fn base_path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }
}

/// Whether a part of the path is a version such as `v1` or `v2.1`.
fn names_version(url: &Url) -> bool {
    let is_version = |part: &str| {
        let number = part.strip_prefix(['v', 'V']);
        let plain = |c: char| c.is_ascii_digit() || c == '.';
        number.is_some_and(|number| {
            number.starts_with(|c: char| c.is_ascii_digit()) && number.chars().all(plain)
        })
    };
    url.path_segments()
        .is_some_and(|mut parts| parts.any(is_version))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => Ipv4Addr::is_loopback(&address),
        Some(Host::Ipv6(address)) => Ipv6Addr::is_loopback(&address),
        None => false,
    }
}

impl FromStr for Endpoint {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let url = Url::parse(text).map_err(|_| InvalidId("not a URL"))?;
        if url.host().is_none() {
            return Err(InvalidId("a URL without a host"));
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => {
                return Err(InvalidId(
                    "plain http to a host that is not a loopback address",
                ));
            }
            _ => return Err(InvalidId("neither https nor http to a loopback address")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidId("a URL with user info"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidId("a URL with a query or a fragment"));
        }
        if names_version(&url) {
            return Err(InvalidId(
                "a URL with the API's version in its path, which every call adds by itself",
            ));
        }
        Ok(Self(url))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

fn parse_from<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = InvalidId>,
{
    struct Text<T>(std::marker::PhantomData<T>);
    impl<T: FromStr<Err = InvalidId>> de::Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an identifier")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Text(std::marker::PhantomData))
}

/// Spelling and serialisation of the identifiers that are kept as text.
macro_rules! spelled_as_text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    )*};
}
spelled_as_text!(ProjectId, JobId, RunId);

macro_rules! serialised_by_display {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                parse_from(deserializer)
            }
        }
    )*};
}
serialised_by_display!(ProjectId, JobId, RunId, Digest, Endpoint, WebUrl);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_id_is_kept_in_lower_case() {
        let id: ServerId = "616FB98F-46CA-475E-917E-2563E5A8CD19".parse().unwrap();
        assert_eq!(id.to_string(), "616fb98f-46ca-475e-917e-2563e5a8cd19");
    }

    #[test]
    fn other_spellings_of_a_uuid_are_not_server_ids() {
        for text in [
            "",
            "616fb98f46ca475e917e2563e5a8cd19",
            "{616fb98f-46ca-475e-917e-2563e5a8cd19}",
            "urn:uuid:616fb98f-46ca-475e-917e-2563e5a8cd19",
            "616fb98f-46ca-475e-917e-2563e5a8cd1g",
            "616fb98f-46ca-475e-917e-2563e5a8cd19 ",
            "616fb98f46-ca-475e-917e-2563e5a8cd19-",
        ] {
            assert!(text.parse::<ServerId>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_endpoint_is_normalised() {
        for (given, kept) in [
            ("https://BMS.Example.com:443/", "https://bms.example.com"),
            (
                "https://bms.example.com:8443",
                "https://bms.example.com:8443",
            ),
            (
                "https://bms.example.com/base/",
                "https://bms.example.com/base",
            ),
            (
                "https://bms.example.com/v/vault1/",
                "https://bms.example.com/v/vault1",
            ),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("http://[::1]:8080/", "http://[::1]:8080"),
        ] {
            let endpoint: Endpoint = given.parse().unwrap();
            assert_eq!(endpoint.to_string(), kept);
        }
    }

    #[test]
    fn an_endpoint_never_carries_secrets_or_plain_text_abroad() {
        for text in [
            "http://bms.example.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "https://user:secret@bms.example.com",
            "https://user@bms.example.com",
            "https://bms.example.com/?x=1",
            "https://bms.example.com/#x",
            "https://bms.example.com/v1",
            "https://bms.example.com/base/v2.1/servers/",
            "ftp://bms.example.com",
            "bms.example.com",
            "https://",
            "unix:/run/bms",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_run_id_reads_back_as_itself() {
        let at: jiff::Timestamp = "2026-11-28T17:00:00Z".parse().unwrap();
        let id = RunId::new(at, 0x3f9a1c);
        assert_eq!(id.as_str(), "20261128T170000Z-3f9a1c");
        assert_eq!(id.as_str().parse::<RunId>().unwrap(), id);
        assert!("../../etc".parse::<RunId>().is_err());
    }

    #[test]
    fn a_digest_reads_back_as_itself() {
        let digest = Digest::from_bytes([0xab; 32]);
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert!("sha256:AB".parse::<Digest>().is_err());
    }
}
