//! What a request must be to be let in: authenticated, of the right project, and exactly of the
//! documented form.
//!
//! Owns the checks of credentials, bodies and query parameters; the state of servers is not looked at.
//! Pure. Invariant: every deviation is answered with a documented error, none is repaired.

use std::collections::HashSet;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::reply::Refusal;
use super::{Keys, signature};
use crate::ids::{ProjectId, ServerId};

/// Most servers in one stop request, and rows on one page.
const MOST: usize = 1000;

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

/// A stop request of the documented form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StopRequest {
    pub(super) stop_type: StopType,
    /// The IDs as given; a text that no server can have is kept, as it is an unknown server.
    pub(super) servers: Vec<Result<ServerId, String>>,
}

/// How to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopType {
    Hard,
    Soft,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StopBody {
    #[serde(rename = "os-stop")]
    stop: StopText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StopText {
    #[serde(rename = "type")]
    stop_type: Option<String>,
    servers: Vec<ServerText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerText {
    id: String,
}

/// Reads the body of a stop request.
pub(super) fn stop_request(received: &Received) -> Result<StopRequest, Refusal> {
    check_media(received)?;
    no_query(received)?;
    let body: StopBody =
        serde_json::from_slice(&received.body).map_err(|error| unreadable(&error))?;
    objects_only(&received.body)?;
    let StopText { stop_type, servers } = body.stop;
    if servers.is_empty() || servers.len() > MOST {
        let message = format!(
            "The number of servers is {}, not 1 to {MOST}.",
            servers.len()
        );
        return Err(Refusal::new(400, "BMS.0205", message));
    }
    let mut seen = HashSet::with_capacity(servers.len());
    if let Some(twice) = servers
        .iter()
        .find(|server| !seen.insert(server.id.as_str()))
    {
        return Err(Refusal::parameter(format!(
            "The server {} is given twice.",
            twice.id
        )));
    }
    Ok(StopRequest {
        stop_type: stop_type_of(stop_type.as_deref())?,
        servers: servers
            .into_iter()
            .map(|server| known_spelling(server.id))
            .collect(),
    })
}

/// Refuses arrays where objects belong, which serde takes for structs.
fn objects_only(body: &[u8]) -> Result<(), Refusal> {
    let body: Value = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let servers = body["os-stop"]["servers"].as_array();
    let fine = servers.is_some_and(|servers| servers.iter().all(Value::is_object));
    if fine {
        Ok(())
    } else {
        Err(Refusal::parameter(
            "The body is invalid: an array stands for an object.",
        ))
    }
}

fn unreadable(error: &serde_json::Error) -> Refusal {
    match error.classify() {
        serde_json::error::Category::Data => {
            Refusal::parameter(format!("The body is invalid: {error}"))
        }
        serde_json::error::Category::Io
        | serde_json::error::Category::Syntax
        | serde_json::error::Category::Eof => {
            Refusal::new(400, "BMS.0001", "The body of the request cannot be parsed.")
        }
    }
}

fn stop_type_of(word: Option<&str>) -> Result<StopType, Refusal> {
    match word {
        None | Some("HARD") => Ok(StopType::Hard),
        Some("SOFT") => Ok(StopType::Soft),
        Some(_) => Err(Refusal::parameter("The type is neither HARD nor SOFT.")),
    }
}

/// The cloud compares IDs as texts, so an ID in upper case is none of its servers.
fn known_spelling(text: String) -> Result<ServerId, String> {
    match text.parse::<ServerId>() {
        Ok(id) if id.encode(&mut [0; 36]) == text => Ok(id),
        Ok(_) | Err(_) => Err(text),
    }
}

fn check_media(received: &Received) -> Result<(), Refusal> {
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

fn no_query(received: &Received) -> Result<(), Refusal> {
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

    const ID: &str = "616fb98f-46ca-475e-917e-2563e5a8cd19";
    const OTHER: &str = "726fb98f-46ca-475e-917e-2563e5a8cd20";

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

    fn stop(stop_type: &str, ids: &[&str]) -> String {
        let servers: Vec<_> = ids.iter().map(|id| serde_json::json!({"id": id})).collect();
        serde_json::json!({"os-stop": {"type": stop_type, "servers": servers}}).to_string()
    }

    #[test]
    fn the_documented_body_is_read() {
        let request = stop_request(&post(&stop("HARD", &[ID, OTHER]))).unwrap();
        assert_eq!(request.stop_type, StopType::Hard);
        assert_eq!(
            request.servers,
            [Ok(ID.parse().unwrap()), Ok(OTHER.parse().unwrap())]
        );
        let soft = stop_request(&post(&stop("SOFT", &[ID]))).unwrap();
        assert_eq!(soft.stop_type, StopType::Soft);
    }

    #[test]
    fn an_id_in_upper_case_is_no_server() {
        let upper = ID.to_ascii_uppercase();
        let request = stop_request(&post(&stop("HARD", &[&upper]))).unwrap();
        assert_eq!(request.servers, [Err(upper)]);
    }

    #[rstest]
    #[case::not_json("{", "BMS.0001")]
    #[case::empty("", "BMS.0001")]
    #[case::array("[]", "BMS.0018")]
    #[case::no_member("{}", "BMS.0018")]
    #[case::start(r#"{"os-start":{"servers":[{"id":"x"}]}}"#, "BMS.0018")]
    #[case::second_member(r#"{"os-stop":{"servers":[{"id":"x"}]},"x":1}"#, "BMS.0018")]
    #[case::unknown_member(r#"{"os-stop":{"servers":[{"id":"x"}],"dry_run":true}}"#, "BMS.0018")]
    #[case::unknown_in_server(r#"{"os-stop":{"servers":[{"id":"x","name":"y"}]}}"#, "BMS.0018")]
    #[case::twice_a_key(r#"{"os-stop":{"servers":[{"id":"x"}],"servers":[]}}"#, "BMS.0018")]
    #[case::bare_ids(r#"{"os-stop":{"servers":["x"]}}"#, "BMS.0018")]
    #[case::arrays_for_objects(r#"[["HARD",[["x"]]]]"#, "BMS.0018")]
    #[case::array_for_stop(r#"{"os-stop":["HARD",[{"id":"x"}]]}"#, "BMS.0018")]
    #[case::array_for_server(r#"{"os-stop":{"servers":[["x"]]}}"#, "BMS.0018")]
    #[case::number(r#"{"os-stop":{"servers":[{"id":1}]}}"#, "BMS.0018")]
    #[case::no_servers(r#"{"os-stop":{"type":"HARD"}}"#, "BMS.0018")]
    #[case::empty_servers(r#"{"os-stop":{"servers":[]}}"#, "BMS.0205")]
    #[case::lower_type(r#"{"os-stop":{"type":"hard","servers":[{"id":"x"}]}}"#, "BMS.0018")]
    #[case::duplicate(r#"{"os-stop":{"servers":[{"id":"x"},{"id":"x"}]}}"#, "BMS.0018")]
    #[case::trailing(r#"{"os-stop":{"servers":[{"id":"x"}]}} {}"#, "BMS.0001")]
    fn every_other_body_is_refused(#[case] body: &str, #[case] code: &str) {
        let refusal = stop_request(&post(body)).unwrap_err();
        assert_eq!(
            (refusal.status, &*refusal.code),
            (400, code),
            "{}",
            refusal.message
        );
    }

    #[rstest]
    #[case(1000, true)]
    #[case(1001, false)]
    fn a_thousand_servers_are_the_most(#[case] count: u64, #[case] fine: bool) {
        let ids: Vec<String> = (0..count)
            .map(|n| format!("00000000-0000-0000-0000-{n:012}"))
            .collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let answer = stop_request(&post(&stop("HARD", &ids)));
        assert_eq!(answer.map_err(|refusal| refusal.code).is_ok(), fine);
    }

    #[rstest]
    #[case(None)]
    #[case(Some("text/plain"))]
    #[case(Some("application/x-www-form-urlencoded"))]
    fn another_media_type_is_refused(#[case] media: Option<&str>) {
        let mut request = post(&stop("HARD", &[ID]));
        request.headers.remove("content-type");
        if let Some(media) = media {
            request
                .headers
                .insert("content-type", media.parse().unwrap());
        }
        assert_eq!(stop_request(&request).unwrap_err().code, "BMS.0001");
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
