//! Answers that are not the API's: a login page, a redirect to one, a body in a form that was not asked for.
//!
//! Owns telling them by status, headers and the first bytes. Invariant: what may be an answer of the API that was cut
//! off is none of these, as the next one may be whole.

use super::body;
use crate::http::Response;

/// What an answer is that is not the API's, as a fragment; `None` if it may be the API's.
pub(super) fn foreign(response: &Response) -> Option<String> {
    match response.status {
        300..400 => return Some(redirect(response)),
        511 => return Some("the network asks for a login (HTTP 511)".to_owned()),
        200..300 => {}
        _ => return None,
    }
    let encoding = response.header("content-encoding").map(str::trim);
    let encoding = encoding.filter(|it| !it.is_empty() && !it.eq_ignore_ascii_case("identity"));
    let gzip = response.body.starts_with(&[0x1f, 0x8b]);
    if let Some(encoding) = encoding.or(gzip.then_some("gzip")) {
        return Some(format!(
            "the answer is compressed ({encoding}), which was not asked for"
        ));
    }
    let text = body::without_mark(&response.body).trim_ascii_start();
    let media = response.header("content-type").unwrap_or_default();
    let is_page = media.to_ascii_lowercase().contains("html") && !text.starts_with(b"{");
    (text.starts_with(b"<") || is_page).then(|| "the answer is a web page, not JSON".to_owned())
}

/// A redirect, with the place that it names but for its query, which may hold a secret.
fn redirect(response: &Response) -> String {
    let place = response.header("location").unwrap_or_default();
    let place = place.split(['?', '#']).next().unwrap_or_default();
    match place {
        "" => format!("the answer is a redirect (HTTP {})", response.status),
        place => format!(
            "the answer is a redirect (HTTP {} to `{place}`)",
            response.status
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn told(status: u16, header: (&str, &str), body: &[u8]) -> Option<String> {
        foreign(&Response {
            status,
            headers: vec![(header.0.to_owned(), header.1.to_owned())],
            body: body.to_vec().into(),
        })
    }

    #[rstest]
    #[case(302, ("location", "https://login.example/?token=canary"), b"", "a redirect (HTTP 302 to `https://login.example/`)")]
    #[case(304, ("x", "y"), b"", "a redirect (HTTP 304)")]
    #[case(511, ("x", "y"), b"", "asks for a login")]
    #[case(200, ("content-encoding", "gzip"), b"x", "compressed (gzip)")]
    #[case(200, ("x", "y"), b"\x1f\x8b\x08", "compressed (gzip)")]
    #[case(200, ("content-type", "text/html; charset=utf-8"), b"Sign in", "a web page")]
    #[case(200, ("x", "y"), b"\xef\xbb\xbf \n<!doctype html>", "a web page")]
    fn each_kind(
        #[case] status: u16,
        #[case] header: (&str, &str),
        #[case] body: &[u8],
        #[case] expected: &str,
    ) {
        let told = told(status, header, body).unwrap();
        assert!(
            told.contains(expected) && !told.contains("canary"),
            "{told}"
        );
    }

    #[rstest]
    #[case(200, ("content-encoding", "identity"), br#"{"servers":["#)]
    #[case(200, ("content-type", "text/html"), br#"{"servers":[]}"#)]
    #[case(200, ("content-type", "application/json"), b"")]
    #[case(502, ("content-type", "text/html"), b"<html>")]
    #[case(404, ("content-type", "text/html"), b"<html>")]
    fn what_may_be_the_apis_is_not(
        #[case] status: u16,
        #[case] header: (&str, &str),
        #[case] body: &[u8],
    ) {
        assert_eq!(told(status, header, body), None);
    }
}
