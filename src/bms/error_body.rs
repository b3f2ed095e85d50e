//! What the body of an error answer says, in whichever of the cloud's shapes it comes.
//!
//! Owns the shapes of bms-api.md §2.1 and their order, that of the official SDK: `error_code`, else
//! `errorCode`, else `code`, else the members that are objects, of which a later one wins. Invariant:
//! every body yields a code and a message, neither longer than a few hundred characters.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::answer::Evidence;
use super::body;
use crate::http::Response;

/// Longest text that is kept, in characters.
pub(super) const TEXT_LIMIT: usize = 500;
/// Names of a code and its text, in the order in which they are looked for.
const PAIRS: [(&str, &str); 3] = [
    ("error_code", "error_msg"),
    ("errorCode", "errorMsg"),
    ("code", "message"),
];

/// What the cloud said is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Error code; the HTTP status where the body names none.
    pub(super) code: String,
    /// Text; the shortened body where the body has none.
    pub(super) message: String,
    /// Whether the body is one of the cloud's own shapes.
    pub(super) recognised: bool,
}

/// Reads the body of an answer with an error status.
pub(super) fn fault(response: &Response) -> Fault {
    let (code, message) = serde_json::from_slice::<Node>(body::without_mark(&response.body))
        .ok()
        .and_then(|root| root.find())
        .unwrap_or_default();
    Fault {
        recognised: code.is_some() || message.is_some(),
        code: match code {
            Some(code) => shorten(&code),
            None => response.status.to_string(),
        },
        message: match message {
            Some(message) => shorten(&message),
            None => shorten(&String::from_utf8_lossy(head(&response.body))),
        },
    }
}

/// The same as evidence, with status and request ID.
pub(super) fn evidence(response: &Response, fault: Fault) -> Evidence {
    Evidence {
        http_status: Some(response.status),
        request_id: request_id(response),
        code: Some(fault.code),
        message: Some(fault.message).filter(|text| !text.is_empty()),
    }
}

/// The cloud's ID of the request, from the answer's headers.
pub(super) fn request_id(response: &Response) -> Option<String> {
    ["x-request-id", "x-iam-trace-id"]
        .iter()
        .find_map(|name| response.header(name))
        .map(shorten)
        .filter(|id| !id.is_empty())
}

/// Enough of a body that is no JSON to tell what it is.
fn head(body: &[u8]) -> &[u8] {
    body.get(..4 * TEXT_LIMIT).unwrap_or(body)
}

/// One line of at most [`TEXT_LIMIT`] characters: blanks and control characters become single spaces.
pub(super) fn shorten(text: &str) -> String {
    let mut line = String::new();
    let mut kept = 0;
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    for word in words.filter(|word| !word.is_empty()) {
        if kept > 0 {
            line.push(' ');
            kept += 1;
        }
        for letter in word.chars() {
            if kept == TEXT_LIMIT {
                line.push('…');
                return line;
            }
            line.push(letter);
            kept += 1;
        }
    }
    line
}

/// A JSON value reduced to what errors are made of, members in the order of the body.
enum Node {
    Text(String),
    Members(Vec<(String, Node)>),
    Nothing,
}

impl Node {
    /// Code and message by the order of the SDK; `None` if there is no known pair.
    fn find(&self) -> Option<(Option<String>, Option<String>)> {
        let Self::Members(members) = self else {
            return None;
        };
        let member = |name: &str| members.iter().rev().find(|(key, _)| key == name);
        for (code, message) in PAIRS {
            if let (Some((_, code)), Some((_, message))) = (member(code), member(message)) {
                return Some((code.text(), message.text()));
            }
        }
        members.iter().rev().find_map(|(_, node)| node.find())
    }

    fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text.clone()),
            Self::Text(_) | Self::Members(_) | Self::Nothing => None,
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Text(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Text(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        Ok(Node::Text(number.to_string()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Node::Nothing)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Node::Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn response(status: u16, body: &str) -> Response {
        Response {
            status,
            headers: vec![("X-Request-Id".to_owned(), "r-1".to_owned())],
            body: body.to_owned().into(),
        }
    }

    #[rstest]
    #[case::bms(
        r#"{"error":{"code":"BMS.0039","message":"stopped"}}"#,
        "BMS.0039",
        "stopped"
    )]
    #[case::iam(r#"{"error":{"message":"no","code":401,"title":"T"}}"#, "401", "no")]
    #[case::gateway(
        r#"{"error_code":"APIGW.0308","error_msg":"throttled","request_id":"x"}"#,
        "APIGW.0308",
        "throttled"
    )]
    #[case::camel(r#"{"errorCode":"X.1","errorMsg":"m"}"#, "X.1", "m")]
    #[case::plain_pair(r#"{"code":"X.2","message":"m"}"#, "X.2", "m")]
    #[case::nova(r#"{"itemNotFound":{"code":404,"message":"gone"}}"#, "404", "gone")]
    #[case::deep(r#"{"a":{"b":{"error_code":"X.3","error_msg":"m"}}}"#, "X.3", "m")]
    #[case::underscored_first(
        r#"{"code":"no","message":"no","error_code":"yes","error_msg":"yes"}"#,
        "yes",
        "yes"
    )]
    #[case::half_a_pair_is_none(
        r#"{"error_code":"no","error":{"code":"yes","message":"m"}}"#,
        "yes",
        "m"
    )]
    #[case::this_level_first(
        r#"{"e":{"code":"no","message":"no"},"code":"yes","message":"m"}"#,
        "yes",
        "m"
    )]
    #[case::the_later_object_wins(
        r#"{"z":{"code":"1","message":"a"},"b":{"code":"2","message":"b"}}"#,
        "2",
        "b"
    )]
    #[case::an_object_without_a_pair_wins_nothing(
        r#"{"z":{"code":"1","message":"a"},"b":{"x":1}}"#,
        "1",
        "a"
    )]
    #[case::authorization_message(
        r#"{"encoded_authorization_message":"blob","error_code":"BMS.0033","error_msg":"denied"}"#,
        "BMS.0033",
        "denied"
    )]
    #[case::no_code(r#"{"error":{"code":null,"message":"m"}}"#, "400", "m")]
    #[case::other_object(r#"{"a": 1}"#, "400", r#"{"a": 1}"#)]
    #[case::array(
        r#"[{"code":"1","message":"a"}]"#,
        "400",
        r#"[{"code":"1","message":"a"}]"#
    )]
    #[case::html("<html>\n  <b>Bad\tGateway</b>", "400", "<html> <b>Bad Gateway</b>")]
    #[case::text("upstream\u{1b}[31m error", "400", "upstream [31m error")]
    #[case::empty("", "400", "")]
    #[case::cut_off(r#"{"error":{"code":"BMS.00"#, "400", r#"{"error":{"code":"BMS.00"#)]
    fn each_shape(#[case] body: &str, #[case] code: &str, #[case] message: &str) {
        let fault = fault(&response(400, body));
        assert_eq!(
            (fault.code.as_str(), fault.message.as_str()),
            (code, message)
        );
    }

    #[rstest]
    #[case("{\"error\":{\"code\":\"BMS.0039\",\"message\":\"m\"}}", true)]
    #[case("{\"itemNotFound\":{\"code\":404,\"message\":\"m\"}}", true)]
    #[case("{}", false)]
    #[case("<html>", false)]
    #[case("", false)]
    fn only_the_clouds_own_shapes_are_recognised(#[case] body: &str, #[case] expected: bool) {
        assert_eq!(fault(&response(404, body)).recognised, expected);
    }

    #[test]
    fn an_empty_message_shows_the_body() {
        let body = r#"{"error":{"message":"","code":401,"title":"Unauthorized"}}"#;
        let fault = fault(&response(401, body));
        assert_eq!((fault.code.as_str(), fault.message.as_str()), ("401", body));
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let long = "é".repeat(10 << 20);
        let plain = fault(&response(502, &long));
        assert_eq!(plain.message.chars().count(), TEXT_LIMIT + 1);
        let json = format!(r#"{{"error":{{"code":"{long}","message":"{long}"}}}}"#);
        let fault = fault(&response(502, &json));
        assert_eq!(fault.message.chars().count(), TEXT_LIMIT + 1);
        assert_eq!(fault.code.chars().count(), TEXT_LIMIT + 1);
    }

    #[test]
    fn deep_nesting_is_no_harm() {
        let body = "{\"a\":".repeat(100_000);
        assert_eq!(fault(&response(500, &body)).code, "500");
    }

    #[test]
    fn evidence_has_status_and_request_id() {
        let response = response(400, r#"{"error":{"code":"BMS.0039","message":"stopped"}}"#);
        let evidence = evidence(&response, fault(&response));
        assert_eq!(
            evidence,
            Evidence {
                http_status: Some(400),
                request_id: Some("r-1".into()),
                code: Some("BMS.0039".into()),
                message: Some("stopped".into()),
            }
        );
    }
}
