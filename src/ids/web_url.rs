//! Where a question over HTTP goes that is no call of the cloud's API.
//!
//! Owns what such a URL may be. Invariant: it has a host and nothing in it that names or proves a user.

use std::fmt;
use std::str::FromStr;

use url::Url;

use super::{InvalidId, is_loopback};

/// A URL to ask: `http` or `https`, with a host, without user info and fragment. One spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WebUrl(Url);

impl WebUrl {
    /// The longest that is taken, in bytes as it is sent.
    pub const LONGEST: usize = 2000;

    /// Whether the host is this machine itself, by address or as `localhost`.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// Whether the connection is encrypted.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl FromStr for WebUrl {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let url = Url::parse(text).map_err(|_| InvalidId("not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidId("neither http nor https"));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(InvalidId("a URL without a host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidId("a URL with user info"));
        }
        if url.fragment().is_some() {
            return Err(InvalidId("a URL with a fragment"));
        }
        if url.as_str().len() > Self::LONGEST {
            return Err(InvalidId("a URL of more than 2000 bytes"));
        }
        Ok(Self(url))
    }
}

impl fmt::Display for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://Gate.Example.com:443", "https://gate.example.com/")]
    #[case("http://10.0.0.1:8080/ok?of=b 7", "http://10.0.0.1:8080/ok?of=b%207")]
    #[case("http://[::1]:80/a/../b", "http://[::1]/b")]
    fn a_url_has_one_spelling(#[case] text: &str, #[case] shown: &str) {
        let url: WebUrl = text.parse().unwrap();
        assert_eq!(url.to_string(), shown);
        assert_eq!(shown.parse(), Ok(url));
    }

    #[rstest]
    #[case("gate.example.com", "not a URL")]
    #[case("/ok", "not a URL")]
    #[case("https://", "not a URL")]
    #[case("ftp://gate.example.com/", "neither http nor https")]
    #[case("file:///etc/passwd", "neither http nor https")]
    #[case("https://user@gate.example.com/", "a URL with user info")]
    #[case("https://:word@gate.example.com/", "a URL with user info")]
    #[case("https://gate.example.com/#part", "a URL with a fragment")]
    fn anything_else_is_refused(#[case] text: &str, #[case] why: &str) {
        assert_eq!(text.parse::<WebUrl>().unwrap_err().0, why);
    }

    #[test]
    fn a_url_has_its_limit() {
        let long = format!("https://gate.example.com/{}", "a".repeat(WebUrl::LONGEST));
        assert!(long.parse::<WebUrl>().is_err());
    }

    #[rstest]
    #[case("http://localhost:1/", true, false)]
    #[case("https://127.0.0.2/", true, true)]
    #[case("http://192.0.2.1/", false, false)]
    fn it_is_known_where_it_goes(#[case] text: &str, #[case] here: bool, #[case] encrypted: bool) {
        let url: WebUrl = text.parse().unwrap();
        assert_eq!((url.is_loopback(), url.is_https()), (here, encrypted));
    }
}
