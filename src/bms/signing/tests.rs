//! The signer against the official signer's vectors, and against a second implementation.
//!
//! Owns that second implementation, written from the description alone and sharing no code.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const VECTORS: &str = include_str!("../../../tests/fixtures/signing-vectors.json");

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Pairs of a vector's query, where a value may be a list.
fn pairs(query: &Value) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for pair in query.as_array().unwrap() {
        let one = std::slice::from_ref(&pair[1]);
        let values = pair[1].as_array().map_or(one, Vec::as_slice);
        pairs.extend(values.iter().map(|value| (text(&pair[0]), text(value))));
    }
    pairs
}

fn headers(members: &Value) -> Vec<(String, String)> {
    let members = members.as_object().unwrap();
    members.iter().map(|(k, v)| (k.clone(), text(v))).collect()
}

#[test]
fn every_vector_of_the_official_signer_is_reproduced() {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    let (access, secret) = (text(&file["access_key"]), text(&file["secret_key"]));
    let vectors = file["vectors"].as_array().unwrap();
    assert!(vectors.len() >= 13, "{}", vectors.len());
    for vector in vectors {
        let (name, input) = (text(&vector["name"]), &vector["input"]);
        let mut given = headers(&input["headers"]);
        let date = given.iter().find(|(k, _)| k == "X-Sdk-Date").unwrap();
        let date = date.1.clone();
        let mut added = added_headers(&given, &text(&input["host"]), &date);
        given.extend(added.clone());
        added.sort();
        assert_eq!(added, headers(&vector["added_headers"]), "{name}");

        let query = pairs(&input["query"]);
        let (method, path) = (text(&input["method"]), text(&input["path"]));
        let body = input["body"].as_str().unwrap_or_default();
        let message = Message {
            method: &method,
            path: &path,
            query: &query,
            headers: &given,
            body: body.as_bytes(),
        };
        let signed = message.signable_names();
        assert_eq!(
            serde_json::json!(signed),
            vector["signed_headers"],
            "{name}"
        );
        let canonical = canonical_request(&message, &signed);
        assert_eq!(canonical, text(&vector["canonical_request"]), "{name}");
        let to_sign = string_to_sign(&date, &canonical);
        assert_eq!(to_sign, text(&vector["string_to_sign"]), "{name}");
        let authorization = authorize(&message, &access, &secret).unwrap();
        assert_eq!(
            authorization.signature,
            text(&vector["signature"]),
            "{name}"
        );
        let header = authorization.to_header();
        assert_eq!(header, text(&vector["authorization"]), "{name}");
        let target = match canonical_query(&query) {
            query if query.is_empty() => path.clone(),
            query => format!("{path}?{query}"),
        };
        assert_eq!(target, text(&vector["request_target"]), "{name}");
    }
}

#[test]
fn an_authorization_header_reads_back_as_itself() {
    let header = "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-sdk-date, Signature=0a";
    let parsed = Authorization::parse(header).unwrap();
    assert_eq!(parsed.signed_headers, ["host", "x-sdk-date"]);
    assert_eq!(parsed.to_header(), header);
    for other in [
        "",
        "Basic YTpi",
        "SDK-HMAC-SHA256",
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host",
        "SDK-HMAC-SHA256 Access=AK, Signature=0a, SignedHeaders=host",
        "SDK-HMAC-SHA256, Access=AK, SignedHeaders=host, Signature=0a",
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host, Signature=0a, More=1",
    ] {
        assert!(Authorization::parse(other).is_none(), "{other}");
    }
}

#[test]
fn a_message_without_a_date_cannot_be_signed() {
    let message = Message {
        method: "GET",
        path: "/",
        query: &[],
        headers: &[],
        body: b"",
    };
    assert!(authorize(&message, "AK", "SK").is_none());
}

/// The second implementation: bytes in, text out, one character at a time.
mod second {
    use sha2::{Digest, Sha256};

    fn hex(bytes: impl IntoIterator<Item = u8>) -> String {
        let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
        let mut out = String::new();
        for byte in bytes {
            out.push(digit(byte >> 4));
            out.push(digit(byte & 15));
        }
        out
    }

    fn escaped(text: &str, keep_slash: bool) -> String {
        let mut out = String::new();
        for byte in text.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(byte.into()),
                b'-' | b'_' | b'.' | b'~' => out.push(byte.into()),
                b'/' if keep_slash => out.push('/'),
                _ => out.push_str(&format!("%{}", hex([byte]).to_uppercase())),
            }
        }
        out
    }

    /// HMAC from its definition in RFC 2104.
    fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
        let mut block = [0_u8; 64];
        if key.len() > 64 {
            block[..32].copy_from_slice(&Sha256::digest(key));
        } else {
            block[..key.len()].copy_from_slice(key);
        }
        let inner: Vec<u8> = block
            .iter()
            .map(|b| b ^ 0x36)
            .chain(text.to_vec())
            .collect();
        let hash = Sha256::digest(inner);
        let outer: Vec<u8> = block.iter().map(|b| b ^ 0x5c).chain(hash).collect();
        Sha256::digest(outer).to_vec()
    }

    /// Header value for a raw (not encoded) path, which the caller must encode on the wire.
    pub(super) fn sign(
        raw_path: &str,
        query: &[(String, String)],
        headers: &[(String, String)],
        body: &[u8],
        secret: &str,
    ) -> String {
        let mut lines = String::from("PUT\n");
        lines += &escaped(raw_path, true);
        if !raw_path.ends_with('/') {
            lines.push('/');
        }
        let mut pairs = query.to_vec();
        pairs.sort();
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(k, v)| escaped(k, false) + "=" + &escaped(v, false))
            .collect();
        lines += &format!("\n{}\n", pairs.join("&"));
        let mut sorted: Vec<_> = headers
            .iter()
            .map(|(k, v)| (k.to_lowercase(), v.trim()))
            .collect();
        sorted.sort();
        for (name, value) in &sorted {
            lines += &format!("{name}:{value}\n");
        }
        let names: Vec<_> = sorted.iter().map(|(name, _)| name.as_str()).collect();
        lines += &format!("\n{}\n{}", names.join(";"), hex(Sha256::digest(body)));
        let date = sorted.iter().find(|(k, _)| k == "x-sdk-date").unwrap().1;
        let request = hex(Sha256::digest(lines));
        let to_sign = format!("SDK-HMAC-SHA256\n{date}\n{request}");
        hex(hmac(secret.as_bytes(), to_sign.as_bytes()))
    }
}

prop_compose! {
    fn some_headers()(
        names in proptest::collection::btree_set("[a-z]{1,4}(-[a-z]{1,4})?", 0..5),
        values in proptest::collection::vec(" {0,2}[!-~]([ -~]{0,8}[!-~])? {0,2}", 5),
        spelled_upper in any::<bool>(),
    ) -> Vec<(String, String)> {
        let spell = |name: String| if spelled_upper { name.to_uppercase() } else { name };
        let mut headers: Vec<_> = names.into_iter().map(spell).zip(values).collect();
        headers.push(("X-Sdk-Date".to_owned(), "20261128T170000Z".to_owned()));
        headers
    }
}

proptest! {
    #[test]
    fn two_implementations_agree(
        raw_path in "/([a-zA-Z0-9 é服%+~*()@]{0,6}/){0,3}[a-z]{0,3}",
        query in proptest::collection::vec(("[a-zé /+&=%]{0,4}", "[a-z服 ~*/+&=%]{0,4}"), 0..5),
        headers in some_headers(),
        body in proptest::collection::vec(any::<u8>(), 0..40),
        secret in "[!-~]{1,80}",
    ) {
        let wire_path: String = raw_path.split('/').map(encode).collect::<Vec<_>>().join("/");
        let message = Message {
            method: "put",
            path: &wire_path,
            query: &query,
            headers: &headers,
            body: &body,
        };
        let ours = authorize(&message, "AK", &secret).unwrap();
        let theirs = second::sign(&raw_path, &query, &headers, &body, &secret);
        prop_assert_eq!(ours.signature, theirs);
    }

    #[test]
    fn what_was_signed_can_be_computed_again_from_the_wire(
        query in proptest::collection::vec(("[a-zé /+&=%]{1,4}", "[a-z服 ~*/+&=%]{0,4}"), 0..5),
        headers in some_headers(),
    ) {
        let message = Message { method: "GET", path: "/a", query: &query, headers: &headers, body: b"" };
        let sent = authorize(&message, "AK", "SK").unwrap();
        let arrived = parse_query(&canonical_query(&query));
        let received = Message { query: &arrived, ..message };
        let header = Authorization::parse(&sent.to_header()).unwrap();
        let expected = expected_signature(&received, &header.signed_headers, "SK");
        prop_assert_eq!(expected, Some(header.signature));
    }
}
