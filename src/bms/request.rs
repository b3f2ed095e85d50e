//! The calls as they go on the wire: method, path, query and body, before any signature.
//!
//! Owns their exact spelling; `plan --requests` prints what stands here. Invariant: the same servers
//! in the same order give the same bytes, and page numbers start at 1.

use crate::bms::signing::{canonical_query, encode};
use crate::http::Method;
use crate::ids::{JobId, ProjectId, ServerId};
use crate::power::Action;

/// Rows of a list page; a shorter page is the last.
pub const PAGE_SIZE: usize = 1000;
/// Pages after which a listing is taken for one without an end: two million servers in one project.
pub const MOST_PAGES: u32 = 2000;

/// One call, without host, headers and signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Method.
    pub method: Method,
    /// Percent-encoded path, to be put behind the endpoint.
    pub path: String,
    /// Query, decoded.
    pub query: Vec<(String, String)>,
    /// Body; empty for none.
    pub body: Vec<u8>,
}

impl Call {
    fn get(path: String) -> Self {
        Self {
            method: Method::Get,
            path,
            query: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Path and query as they stand on the request line.
    pub fn target(&self) -> String {
        if self.query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, canonical_query(&self.query))
        }
    }
}

/// The call that stops or starts these servers.
pub fn power(project: &ProjectId, action: Action, servers: &[ServerId]) -> Call {
    Call {
        method: Method::Post,
        path: power_path(project),
        query: Vec::new(),
        body: power_body(action, servers),
    }
}

/// Path of the call that stops and starts.
pub fn power_path(project: &ProjectId) -> String {
    format!("/v1/{project}/baremetalservers/action")
}

/// Body of that call: compact JSON, one object for each server, in order.
pub fn power_body(action: Action, servers: &[ServerId]) -> Vec<u8> {
    let mut body = String::with_capacity(64 + 46 * servers.len());
    for part in [r#"{""#, action.word(), r#"":{"#] {
        body.push_str(part);
    }
    if let Some(stop_type) = action.stop_type() {
        for part in [r#""type":""#, stop_type.as_str(), r#"","#] {
            body.push_str(part);
        }
    }
    body.push_str(r#""servers":["#);
    let mut buffer = [0; 36];
    for (at, server) in servers.iter().enumerate() {
        body.push_str(if at == 0 { r#"{"id":""# } else { r#",{"id":""# });
        body.push_str(server.encode(&mut buffer));
        body.push_str(r#""}"#);
    }
    body.push_str("]}}");
    body.into_bytes()
}

/// The call that asks for a job.
pub fn job(project: &ProjectId, id: &JobId) -> Call {
    Call::get(format!("/v1/{project}/jobs/{}", encode(id.as_str())))
}

/// The call that lists page `page` of the project's servers; the first page is 1.
pub fn list(project: &ProjectId, page: u32) -> Call {
    let mut call = Call::get(format!("/v1/{project}/baremetalservers/detail"));
    call.query = vec![
        ("limit".to_owned(), PAGE_SIZE.to_string()),
        ("offset".to_owned(), page.to_string()),
    ];
    call
}

/// The call that asks for one server.
pub fn show(project: &ProjectId, server: ServerId) -> Call {
    Call::get(format!("/v1/{project}/baremetalservers/{server}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::StopType;

    fn project() -> ProjectId {
        "bbf1946d374b44a0a2a95533562ba954".parse().unwrap()
    }

    fn servers(count: u8) -> Vec<ServerId> {
        (0..count).map(|n| ServerId::from_bytes([n; 16])).collect()
    }

    #[test]
    fn the_start_body_is_exactly_this() {
        let body = power_body(Action::Start, &servers(2));
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"os-start":{"servers":[{"id":"00000000-0000-0000-0000-000000000000"},{"id":"01010101-0101-0101-0101-010101010101"}]}}"#
        );
    }

    #[test]
    fn the_stop_body_is_exactly_this() {
        let body = power_body(Action::Stop(StopType::Hard), &servers(2));
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"os-stop":{"type":"HARD","servers":[{"id":"00000000-0000-0000-0000-000000000000"},{"id":"01010101-0101-0101-0101-010101010101"}]}}"#
        );
    }

    #[test]
    fn the_stop_type_is_sent_as_given_and_order_is_kept() {
        let mut reversed = servers(9);
        reversed.reverse();
        let body = power_body(Action::Stop(StopType::Soft), &reversed);
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["os-stop"]["type"], "SOFT");
        let sent: Vec<String> = json["os-stop"]["servers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|server| server["id"].as_str().unwrap().to_owned())
            .collect();
        let given: Vec<String> = reversed.iter().map(ServerId::to_string).collect();
        assert_eq!(sent, given);
    }

    #[test]
    fn paths_are_those_of_the_api() {
        let project = project();
        let id = servers(1)[0];
        let at = "/v1/bbf1946d374b44a0a2a95533562ba954";
        let stop = power(&project, Action::Start, &servers(1));
        assert_eq!(stop.target(), format!("{at}/baremetalservers/action"));
        assert_eq!(
            list(&project, 1).target(),
            format!("{at}/baremetalservers/detail?limit=1000&offset=1")
        );
        assert_eq!(
            show(&project, id).target(),
            format!("{at}/baremetalservers/00000000-0000-0000-0000-000000000000")
        );
    }

    #[test]
    fn a_job_id_cannot_leave_its_segment() {
        for odd in [
            "",
            ".",
            "..",
            "../a",
            "a/b",
            "a?b",
            "a%2Fb",
            "é",
            &"a".repeat(65),
        ] {
            assert!(odd.parse::<JobId>().is_err(), "{odd}");
        }
        let plain: JobId = "ff80_80-8".parse().unwrap();
        assert!(job(&project(), &plain).target().ends_with("/ff80_80-8"));
    }
}
