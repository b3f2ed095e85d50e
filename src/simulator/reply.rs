//! What goes back to the client: the documented error bodies, and answers of the right shape.
//!
//! Owns status, body and the shape of errors; when which is due is decided elsewhere. Invariant: a code
//! of the gateway has the gateway's shape, every other the service's.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::json;

/// An error as it is documented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: Cow<'static, str>,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
        }
    }

    /// 401: signature or token wrong, or the date too far off.
    pub(super) fn credentials(why: &str) -> Self {
        let message = format!("Incorrect IAM authentication information: {why}");
        Self::new(401, "APIGW.0301", message)
    }

    /// 404: no such path, or not with this method.
    pub(super) fn unknown_path() -> Self {
        let message = "The API does not exist or has not been published in the environment.";
        Self::new(404, "APIGW.0101", message)
    }

    /// 400: a parameter is not what it should be.
    pub(super) fn parameter(why: impl Into<String>) -> Self {
        Self::new(400, "BMS.0018", why)
    }
}

/// One answer, complete but for the headers that every answer has.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) media: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) retry_after: Option<Duration>,
    /// The error's code, for the statistics.
    pub(super) code: Option<String>,
}

const JSON: &str = "application/json";

impl Reply {
    /// 200 with a JSON body.
    pub(super) fn json(body: Vec<u8>) -> Self {
        Self {
            status: 200,
            media: JSON,
            body,
            retry_after: None,
            code: None,
        }
    }

    /// The body of an error, in the shape that its code has.
    pub(super) fn refusal(refusal: Refusal, request_id: &str) -> Self {
        let Refusal {
            status,
            code,
            message,
        } = refusal;
        let body = if code.starts_with("APIGW.") {
            json!({"error_code": code, "error_msg": message, "request_id": request_id})
        } else if code == "itemNotFound" {
            json!({"itemNotFound": {"code": status, "message": message}})
        } else {
            json!({"error": {"code": code, "message": message}})
        };
        Self {
            status,
            code: Some(code.into_owned()),
            ..Self::json(body.to_string().into_bytes())
        }
    }

    /// An error page of some proxy on the way.
    pub(super) fn page(status: u16) -> Self {
        let body = format!(
            "<html>\r\n<head><title>{status}</title></head>\r\n<body>\r\n<center><h1>{status}</h1></center>\r\n\
             <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
        Self {
            status,
            media: "text/html",
            ..Self::json(body.into_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Refusal::unknown_path(), "error_code")]
    #[case(Refusal::parameter("no"), "error")]
    #[case(Refusal::new(404, "itemNotFound", "no"), "itemNotFound")]
    fn each_code_has_its_shape(#[case] refusal: Refusal, #[case] member: &str) {
        let (status, code) = (refusal.status, refusal.code.clone());
        let reply = Reply::refusal(refusal, "abc");
        let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert!(body.get(member).is_some(), "{body}");
        assert_eq!(
            (reply.status, reply.code.as_deref()),
            (status, Some(&*code))
        );
    }
}
