//! What a request must be to be let in: authenticated, of the right project, and exactly of the
//! documented form.
//!
//! Owns the checks of credentials and query parameters; bodies are the neighbour's, and the state of
//! servers is not looked at.
//! Pure. Invariant: every deviation is answered with a documented error, none is repaired.

use std::collections::HashSet;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method};
use jiff::Timestamp;

use super::reply::Refusal;
use super::{Keys, signature};
use crate::ids::ProjectId;

/// Most servers in one request, and rows on one page.
pub(super) const MOST: usize = 1000;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Checks token or signature, as the gateway does first.
pub(super) fn authenticate(
    received: &Received,
    keys: &Keys,
    now: Timestamp,
) -> Result<(), Refusal> {
    if let Some(token) = received.header("x-auth-token") {
        return if token == keys.token {
            Ok(())
        } else {
            Err(Refusal::credentials("decrypt token fail"))
        };
    }
    if received.header("x-security-token") != keys.security_token.as_deref() {
        return Err(Refusal::credentials(
            "the security token is not the one of these keys",
        ));
    }
    signature::check(received, &keys.access_key, &keys.secret_key, now)
        .map_err(Refusal::credentials)
}

/// Checks that path and header name the one project.
pub(super) fn check_project(
    received: &Received,
    in_path: &str,
    project: &ProjectId,
) -> Result<(), Refusal> {
    let in_header = received.header("x-project-id").unwrap_or(in_path);
    if in_path == project.as_str() && in_header == in_path {
        Ok(())
    } else {
        let message = "The project in the credentials differs from the project in the URL.";
        Err(Refusal::new(400, "Common.0018", message))
    }
}

pub(super) fn check_media(received: &Received) -> Result<(), Refusal> {
    let media = received.header("content-type").unwrap_or_default();
    let essence = media.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(Refusal::new(
            400,
            "BMS.0001",
            "The Content-Type is not application/json.",
        ))
    }
}

pub(super) fn no_query(received: &Received) -> Result<(), Refusal> {
    match received.query.as_deref() {
        None | Some("") => Ok(()),
        Some(_) => Err(Refusal::parameter("The call takes no query parameters.")),
    }
}

/// Checks that a read has neither parameters nor a body.
pub(super) fn bare_read(received: &Received) -> Result<(), Refusal> {
    no_query(received)?;
    no_body(received)
}

fn no_body(received: &Received) -> Result<(), Refusal> {
    if received.body.is_empty() {
        Ok(())
    } else {
        Err(Refusal::parameter("The call takes no body."))
    }
}

/// Which page of which servers a list call asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ListRequest {
    pub(super) limit: usize,
    /// From 1.
    pub(super) page: usize,
    pub(super) name: Option<String>,
    pub(super) status: Option<String>,
    /// Another filter stands that no simulated server meets.
    pub(super) nothing_matches: bool,
}

/// Reads the parameters of a list call.
pub(super) fn list_request(received: &Received) -> Result<ListRequest, Refusal> {
    no_body(received)?;
    let query = received.query.as_deref().unwrap_or_default();
    let (mut limit, mut page) = (None, None);
    let mut request = ListRequest::default();
    let mut seen = HashSet::new();
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if !seen.insert(key.clone()) {
            return Err(Refusal::parameter(format!(
                "The parameter {key} is given twice."
            )));
        }
        match &*key {
            "limit" => limit = Some(number("limit", &value, 1..=MOST)?),
            "offset" => page = Some(number("offset", &value, 1..=usize::MAX)?),
            "detail" => number("detail", &value, 1..=4).map(drop)?,
            "name" => request.name = Some(value.into_owned()),
            "status" => request.status = Some(status(&value)?),
            "flavor" => request.nothing_matches |= value != super::rows::flavor_id(),
            "tags" => request.nothing_matches |= value != "__type_baremetal",
            "reservation_id" => request.nothing_matches = true,
            "enterprise_project_id" => {
                request.nothing_matches |= value != "0" && value != "all_granted_eps";
            }
            _ => {
                return Err(Refusal::parameter(format!(
                    "The parameter {key} is unknown."
                )));
            }
        }
    }
    // The default differs with and without `offset`, as documented.
    request.limit = limit.unwrap_or(if page.is_some() { MOST } else { 25 });
    request.page = page.unwrap_or(1);
    Ok(request)
}

fn number(
    name: &str,
    text: &str,
    range: std::ops::RangeInclusive<usize>,
) -> Result<usize, Refusal> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| Refusal::parameter(format!("The parameter {name} is out of range.")))
}

fn status(word: &str) -> Result<String, Refusal> {
    const KNOWN: [&str; 8] = [
        "ACTIVE",
        "BUILD",
        "DELETED",
        "ERROR",
        "HARD_REBOOT",
        "REBOOT",
        "REBUILD",
        "SHUTOFF",
    ];
    if KNOWN.contains(&word) {
        Ok(word.to_owned())
    } else {
        Err(Refusal::parameter(
            "The parameter status is none of the known words.",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn post(body: &str) -> Received {
        let mut headers = HeaderMap::new();
        headers.insert(
            "content-type",
            "application/json;charset=utf-8".parse().unwrap(),
        );
        Received {
            method: Method::POST,
            path: "/v1/p/baremetalservers/action".to_owned(),
            query: None,
            headers,
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    fn get(query: &str) -> Received {
        Received {
            method: Method::GET,
            query: Some(query.to_owned()),
            ..post("")
        }
    }

    #[rstest]
    #[case("", 25, 1)]
    #[case("offset=2", 1000, 2)]
    #[case("limit=10", 10, 1)]
    #[case("limit=1000&offset=3&detail=4", 1000, 3)]
    fn pages_have_the_documented_defaults(
        #[case] query: &str,
        #[case] limit: usize,
        #[case] page: usize,
    ) {
        let request = list_request(&get(query)).unwrap();
        assert_eq!((request.limit, request.page), (limit, page));
    }

    #[rstest]
    #[case("limit=0")]
    #[case("limit=1001")]
    #[case("limit=-1")]
    #[case("limit=ten")]
    #[case("offset=0")]
    #[case("offset=1&offset=2")]
    #[case("detail=9")]
    #[case("marker=x")]
    #[case("status=active")]
    fn other_parameters_are_refused(#[case] query: &str) {
        assert_eq!(list_request(&get(query)).unwrap_err().code, "BMS.0018");
    }

    #[test]
    fn filters_are_read() {
        let request = list_request(&get("name=rack%207&status=SHUTOFF&flavor=other")).unwrap();
        assert_eq!(request.name.as_deref(), Some("rack 7"));
        assert_eq!(request.status.as_deref(), Some("SHUTOFF"));
        assert!(request.nothing_matches);
    }
}
