//! Reading the JSON body of an answer.
//!
//! Owns how bytes become a value, since a page of the listing is over a megabyte. Invariant: text that
//! is not UTF-8 fails a reading only where it stands in a member that is read.

use serde::Deserialize;

/// The value that a body holds, borrowing from it; `None` if it is not of that form.
pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    let body = without_mark(body);
    match std::str::from_utf8(body) {
        // Checked once as a whole, which costs less than text by text.
        Ok(text) => serde_json::from_str(text).ok(),
        Err(_) => serde_json::from_slice(body).ok(),
    }
}

/// The body without a byte order mark, which some proxies put before it.
pub(super) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Named<'a> {
        name: &'a str,
    }

    #[rstest]
    #[case(br#"{"name":"a","note":"b"}"#, Some("a"))]
    #[case(b"{\"name\":\"a\",\"note\":\"\xff\"}", Some("a"))]
    #[case(b"\xef\xbb\xbf{\"name\":\"a\"}", Some("a"))]
    #[case(b"{\"name\":\"\xff\",\"note\":\"b\"}", None)]
    #[case(br#"{"name":7}"#, None)]
    #[case(br#"{"name":"a""#, None)]
    fn bytes_that_are_no_text_harm_only_what_is_read(
        #[case] body: &[u8],
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(read(body), expected.map(|name| Named { name }));
    }
}
