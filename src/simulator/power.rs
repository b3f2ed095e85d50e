//! The body of a request that stops or starts servers: exactly the documented form, or refused.
//!
//! Owns the two forms and their difference: a stop may have a type, a start has none. A reboot is known
//! to the cloud and to nobody here. Pure. Invariant: every deviation is answered with a documented error.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use super::reply::Refusal;
use super::strict::{MOST, Received, check_media, no_query};
use crate::ids::ServerId;
use crate::power::Action;
use crate::workflow::StopType;

/// A request of the documented form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PowerRequest {
    pub(super) action: Action,
    /// The IDs as given; a text that no server can have is kept, as it is an unknown server.
    pub(super) servers: Vec<Result<ServerId, String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(rename = "os-stop")]
    stop: Option<StopText>,
    #[serde(rename = "os-start")]
    start: Option<StartText>,
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
struct StartText {
    servers: Vec<ServerText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerText {
    id: String,
}

/// Reads the body of a request.
pub(super) fn power_request(received: &Received) -> Result<PowerRequest, Refusal> {
    check_media(received)?;
    no_query(received)?;
    let body: Body = serde_json::from_slice(&received.body).map_err(|error| unreadable(&error))?;
    objects_only(&received.body)?;
    let (action, servers) = match (body.stop, body.start) {
        (Some(stop), None) => (
            Action::Stop(stop_type_of(stop.stop_type.as_deref())?),
            stop.servers,
        ),
        (None, Some(start)) => (Action::Start, start.servers),
        (_, _) => {
            let message = "The body holds none of os-stop and os-start, or both.";
            return Err(Refusal::parameter(message));
        }
    };
    check_servers(&servers)?;
    let servers = servers.into_iter().map(|server| known_spelling(server.id));
    Ok(PowerRequest {
        action,
        servers: servers.collect(),
    })
}

fn check_servers(servers: &[ServerText]) -> Result<(), Refusal> {
    if servers.is_empty() || servers.len() > MOST {
        let message = format!(
            "The number of servers is {}, not 1 to {MOST}.",
            servers.len()
        );
        return Err(Refusal::new(400, "BMS.0205", message));
    }
    let mut seen = HashSet::with_capacity(servers.len());
    match servers
        .iter()
        .find(|server| !seen.insert(server.id.as_str()))
    {
        Some(twice) => Err(Refusal::parameter(format!(
            "The server {} is given twice.",
            twice.id
        ))),
        None => Ok(()),
    }
}

/// Refuses arrays where objects belong, which serde takes for structs.
fn objects_only(body: &[u8]) -> Result<(), Refusal> {
    let body: Value = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let member = ["os-stop", "os-start"]
        .iter()
        .find_map(|word| body.get(word));
    let servers = member.and_then(|member| member["servers"].as_array());
    let fine = servers.is_some_and(|servers| servers.iter().all(Value::is_object));
    if fine {
        Ok(())
    } else {
        Err(Refusal::parameter(
            "The body is invalid: no servers, or an array stands for an object.",
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

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::http::{HeaderMap, Method};
    use rstest::rstest;

    use super::*;

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

    fn stop(stop_type: &str, ids: &[&str]) -> String {
        let servers: Vec<_> = ids.iter().map(|id| serde_json::json!({"id": id})).collect();
        serde_json::json!({"os-stop": {"type": stop_type, "servers": servers}}).to_string()
    }

    #[test]
    fn the_documented_body_is_read() {
        let request = power_request(&post(&stop("HARD", &[ID, OTHER]))).unwrap();
        assert_eq!(request.action, Action::Stop(StopType::Hard));
        assert_eq!(
            request.servers,
            [Ok(ID.parse().unwrap()), Ok(OTHER.parse().unwrap())]
        );
        let soft = power_request(&post(&stop("SOFT", &[ID]))).unwrap();
        assert_eq!(soft.action, Action::Stop(StopType::Soft));
    }

    #[test]
    fn an_id_in_upper_case_is_no_server() {
        let upper = ID.to_ascii_uppercase();
        let request = power_request(&post(&stop("HARD", &[&upper]))).unwrap();
        assert_eq!(request.servers, [Err(upper)]);
    }

    #[rstest]
    #[case::not_json("{", "BMS.0001")]
    #[case::empty("", "BMS.0001")]
    #[case::array("[]", "BMS.0018")]
    #[case::no_member("{}", "BMS.0018")]
    #[case::reboot(r#"{"reboot":{"type":"HARD","servers":[{"id":"x"}]}}"#, "BMS.0018")]
    #[case::typed_start(r#"{"os-start":{"type":"HARD","servers":[{"id":"x"}]}}"#, "BMS.0018")]
    #[case::empty_start(r#"{"os-start":{"servers":[]}}"#, "BMS.0205")]
    #[case::null_start(r#"{"os-start":null}"#, "BMS.0018")]
    #[case::array_for_start(r#"{"os-start":[[{"id":"x"}]]}"#, "BMS.0018")]
    #[case::stop_and_start(
        r#"{"os-stop":{"servers":[{"id":"x"}]},"os-start":{"servers":[{"id":"y"}]}}"#,
        "BMS.0018"
    )]
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
        let refusal = power_request(&post(body)).unwrap_err();
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
        let answer = power_request(&post(&stop("HARD", &ids)));
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
        assert_eq!(power_request(&request).unwrap_err().code, "BMS.0001");
    }

    #[test]
    fn a_start_has_servers_and_nothing_else() {
        let body = serde_json::json!({"os-start": {"servers": [{"id": ID}]}}).to_string();
        let request = power_request(&post(&body)).unwrap();
        assert_eq!(request.action, Action::Start);
        assert_eq!(request.servers, [Ok(ID.parse().unwrap())]);
    }
}
