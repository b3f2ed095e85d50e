//! Checks a signature as the gateway would: from the bytes that arrived, not from what was meant.
//!
//! Owns what a signature must cover and how old it may be; the canonical form is that of
//! [`crate::bms::signing`], which the official SDK's vectors and the SDK itself hold to account.
//! Invariant: a request passes only if all that the signature covers arrived unchanged, and Host and
//! the date are covered.

use axum::http::HeaderMap;
use jiff::{SignedDuration, Timestamp};

use super::strict::Received;
use crate::bms::signing::{self, Authorization, DATE_HEADER, Message};

/// How far the date of a request may be off, as documented.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(15);

/// Checks the signature of `received` at `now`; the error says what is wrong.
pub(super) fn check(
    received: &Received,
    access_key: &str,
    secret_key: &str,
    now: Timestamp,
) -> Result<(), &'static str> {
    let header = received
        .header("authorization")
        .ok_or("neither a signature nor a token is given")?;
    let claim = Authorization::parse(header).ok_or("the Authorization header is malformed")?;
    if claim.access_key != access_key {
        return Err("the access key is unknown");
    }
    check_names(&claim.signed_headers, &received.headers)?;
    check_date(received.header(DATE_HEADER).unwrap_or_default(), now)?;
    let expected = expected(received, &claim.signed_headers, secret_key);
    if expected.as_deref() == Some(&claim.signature) {
        Ok(())
    } else {
        Err("verify aksk signature fail")
    }
}

/// The signature that `received` must bear if it covers the headers `signed`.
pub(super) fn expected(received: &Received, signed: &[String], secret_key: &str) -> Option<String> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = received.headers.iter();
    let headers: Vec<(String, String)> = headers
        .map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())))
        .collect();
    let message = Message {
        method: received.method.as_str(),
        path: &received.path,
        query: &signing::parse_query(received.query.as_deref().unwrap_or_default()),
        headers: &headers,
        body: &received.body,
    };
    signing::expected_signature(&message, signed, secret_key)
}

fn check_names(signed: &[String], headers: &HeaderMap) -> Result<(), &'static str> {
    let in_order = signed.is_sorted_by(|one, next| one < next);
    if !in_order || signed.iter().any(|name| *name != name.to_ascii_lowercase()) {
        return Err("the signed headers are not sorted, once each, in lower case");
    }
    if !["host", DATE_HEADER]
        .iter()
        .all(|must| signed.iter().any(|name| name == must))
    {
        return Err("the signed headers do not include host and x-sdk-date");
    }
    match signed
        .iter()
        .find(|name| headers.get_all(*name).iter().count() != 1)
    {
        None => Ok(()),
        Some(_) => Err("a signed header is missing or given twice"),
    }
}

fn check_date(date: &str, now: Timestamp) -> Result<(), &'static str> {
    let well_formed = date.len() == 16
        && date.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    let at = well_formed
        .then(|| date.parse::<Timestamp>().ok())
        .flatten();
    let at = at.ok_or("X-Sdk-Date is not of the form YYYYMMDDTHHMMSSZ")?;
    if at.duration_since(now).abs() <= TOLERANCE {
        Ok(())
    } else {
        Err("the date of the request is more than 15 minutes off")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("20261128T170000Z", true)]
    #[case("20261128T171500Z", true)]
    #[case("20261128T171501Z", false)]
    #[case("20261128T164500Z", true)]
    #[case("20261128T164459Z", false)]
    #[case("20261128T170000", false)]
    #[case("20261128T170000+", false)]
    #[case("20261399T170000Z", false)]
    #[case("2026-11-28T17:00Z", false)]
    #[case("", false)]
    fn a_date_may_be_a_quarter_of_an_hour_off(#[case] date: &str, #[case] fine: bool) {
        let now = "2026-11-28T17:00:00Z".parse().unwrap();
        assert_eq!(check_date(date, now).is_ok(), fine);
    }

    #[rstest]
    #[case("host;x-sdk-date", true)]
    #[case("content-type;host;x-sdk-date", true)]
    #[case("x-sdk-date;host", false)]
    #[case("host;host;x-sdk-date", false)]
    #[case("Host;x-sdk-date", false)]
    #[case("host", false)]
    #[case("", false)]
    #[case("host;twice;x-sdk-date", false)]
    #[case("absent;host;x-sdk-date", false)]
    fn a_signature_covers_host_and_date_and_nothing_doubtful(
        #[case] names: &str,
        #[case] fine: bool,
    ) {
        let mut headers = HeaderMap::new();
        for name in ["host", "x-sdk-date", "content-type", "twice", "twice"] {
            headers.append(name, "x".parse().unwrap());
        }
        let names: Vec<String> = names.split(';').map(str::to_owned).collect();
        assert_eq!(check_names(&names, &headers).is_ok(), fine);
    }
}
