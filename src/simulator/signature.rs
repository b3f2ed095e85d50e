//! Checks a signature as the gateway would: from the bytes that arrived, not from what was meant.
//!
//! Owns the receiving side of SDK-HMAC-SHA256. It shares no code with the client's signer, so that an
//! error in one shows against the other. Invariant: a request passes only if everything that the
//! signature covers arrived unchanged, and Host and the date are covered.

use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::strict::Received;

const ALGORITHM: &str = "SDK-HMAC-SHA256";
const TOLERANCE: SignedDuration = SignedDuration::from_mins(15);

/// The parts of an `Authorization` header.
struct Claim<'a> {
    access: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Claim<'a> {
    fn of(header: &'a str) -> Result<Self, &'static str> {
        let rest = header
            .strip_prefix(ALGORITHM)
            .and_then(|rest| rest.strip_prefix(' '))
            .ok_or("unknown signing algorithm")?;
        let mut parts = rest.split(", ");
        let mut part = |name| parts.next().and_then(|part: &str| part.strip_prefix(name));
        match (part("Access="), part("SignedHeaders="), part("Signature=")) {
            (Some(access), Some(signed_headers), Some(signature)) => Ok(Self {
                access,
                signed_headers,
                signature,
            }),
            _ => Err("the Authorization header is malformed"),
        }
    }
}

/// Checks the signature of `received` at `now`; the error says what is wrong.
pub(super) fn check(
    received: &Received,
    access_key: &str,
    secret_key: &str,
    now: Timestamp,
) -> Result<(), &'static str> {
    let header = single(&received.headers, "authorization")?;
    let claim = Claim::of(header)?;
    if claim.access != access_key {
        return Err("the access key is unknown");
    }
    let date = single(&received.headers, "x-sdk-date")?;
    check_date(date, now)?;
    check_names(claim.signed_headers)?;
    let canonical = canonical_request(received, claim.signed_headers)?;
    let hashed = hex(&Sha256::digest(canonical.as_bytes()));
    let to_sign = format!("{ALGORITHM}\n{date}\n{hashed}");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret_key.as_bytes())
        .map_err(|_| "the secret key is unusable")?;
    mac.update(to_sign.as_bytes());
    if hex(&mac.finalize().into_bytes()) == claim.signature {
        Ok(())
    } else {
        Err("verify aksk signature fail")
    }
}

fn check_date(date: &str, now: Timestamp) -> Result<(), &'static str> {
    const MALFORMED: &str = "X-Sdk-Date is not of the form YYYYMMDDTHHMMSSZ";
    let well_formed = date.len() == 16
        && date.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    let at: Timestamp = well_formed
        .then(|| date.parse().ok())
        .flatten()
        .ok_or(MALFORMED)?;
    if at.duration_since(now).abs() <= TOLERANCE {
        Ok(())
    } else {
        Err("the date of the request is more than 15 minutes off")
    }
}

fn check_names(signed: &str) -> Result<(), &'static str> {
    let names: Vec<&str> = signed.split(';').collect();
    if !names.is_sorted() || names.iter().any(|name| *name != name.to_ascii_lowercase()) {
        return Err("the signed headers are not sorted and in lower case");
    }
    if !names.contains(&"host") || !names.contains(&"x-sdk-date") {
        return Err("the signed headers do not include host and x-sdk-date");
    }
    Ok(())
}

fn canonical_request(received: &Received, signed: &str) -> Result<String, &'static str> {
    let mut headers = String::new();
    for name in signed.split(';') {
        let value = single(&received.headers, name)?;
        headers.push_str(&format!("{name}:{}\n", value.trim()));
    }
    let method = &received.method;
    let path = canonical_path(&received.path);
    let query = canonical_query(received.query.as_deref().unwrap_or_default());
    let body = hex(&Sha256::digest(&received.body));
    Ok(format!(
        "{method}\n{path}\n{query}\n{headers}\n{signed}\n{body}"
    ))
}

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, &'static str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| "a signed header is not ASCII"),
        (Some(_), Some(_)) => Err("a signed header is given twice"),
        (None, _) if name == "authorization" => Err("neither a signature nor a token is given"),
        (None, _) => Err("a signed header is missing"),
    }
}

fn canonical_path(path: &str) -> String {
    let decoded = decoded(path);
    let segments: Vec<String> = decoded.split(|byte| *byte == b'/').map(encoded).collect();
    let mut canonical = segments.join("/");
    if !canonical.ends_with('/') {
        canonical.push('/');
    }
    canonical
}

fn canonical_query(query: &str) -> String {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(key), decoded(value))
        })
        .collect();
    pairs.sort();
    let spelled =
        |(key, value): &(Vec<u8>, Vec<u8>)| format!("{}={}", encoded(key), encoded(value));
    let pairs: Vec<String> = pairs.iter().map(spelled).collect();
    pairs.join("&")
}

fn decoded(text: &str) -> Vec<u8> {
    percent_encoding::percent_decode_str(text).collect()
}

fn encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) {
            text.push(char::from(*byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

/// The `Authorization` header for a request, for tests that have no client.
#[cfg(test)]
pub(super) fn signed(
    received: &Received,
    keys: (&str, &str),
    signed_headers: &str,
) -> Result<String, &'static str> {
    let canonical = canonical_request(received, signed_headers)?;
    let date = single(&received.headers, "x-sdk-date")?;
    let hashed = hex(&Sha256::digest(canonical.as_bytes()));
    let mut mac = Hmac::<Sha256>::new_from_slice(keys.1.as_bytes()).map_err(|_| "key")?;
    mac.update(format!("{ALGORITHM}\n{date}\n{hashed}").as_bytes());
    let signature = hex(&mac.finalize().into_bytes());
    let access = keys.0;
    Ok(format!(
        "{ALGORITHM} Access={access}, SignedHeaders={signed_headers}, Signature={signature}"
    ))
}
