//! A server as the list and the single read show it: a full-size row with the documented names.
//!
//! Owns the JSON of a row, straight to bytes, as a list page holds a thousand. Which servers a page
//! holds is not decided here. Invariant: as in the documented samples, numbers of the flavor are strings
//! and an idle server has no `task_state`.

use std::time::Duration;

use jiff::Timestamp;

use super::model::{Phase, Server};
use crate::clock::Moment;

/// What all rows share: the project and the dates.
#[derive(Debug)]
pub(super) struct Rows {
    project: String,
    created: String,
    started: Moment,
    started_at: Timestamp,
}

/// The flavor that list calls may filter by.
pub(super) fn flavor_id() -> &'static str {
    "physical.s4.medium"
}

impl Rows {
    pub(super) fn new(project: &str, started: Moment, started_at: Timestamp) -> Self {
        Self {
            project: project.to_owned(),
            created: stamp(started_at - jiff::SignedDuration::from_hours(24 * 90)),
            started,
            started_at,
        }
    }

    /// Appends the row of `server` as it is seen at `now`.
    pub(super) fn write(&self, out: &mut Vec<u8>, server: &Server, now: Moment, lag: Duration) {
        let (phase, since) = server.seen(now, lag);
        let mut buffer = [0; 36];
        let id = server.id.encode(&mut buffer);
        let updated = if since.since(self.started).is_zero() {
            self.created.clone()
        } else {
            let passed = since.since(self.started).saturating_add(lag);
            stamp(
                self.started_at
                    .checked_add(passed)
                    .unwrap_or(self.started_at),
            )
        };
        self.write_identity(out, id, server, &updated);
        write_state(out, phase, server.locked);
        if phase == Phase::Error {
            let message = "The power state of the node cannot be read.";
            push(
                out,
                &[
                    r#","fault":{"code":"500","message":""#,
                    message,
                    r#"","created":""#,
                    &updated,
                    r#""}"#,
                ],
            );
        }
        self.write_rest(out, id, server);
        out.push(b'}');
    }

    fn write_identity(&self, out: &mut Vec<u8>, id: &str, server: &Server, updated: &str) {
        let name = serde_json::json!(server.name).to_string();
        push(
            out,
            &[
                r#"{"id":""#,
                id,
                r#"","name":"#,
                &name,
                r#","tenant_id":""#,
                &self.project,
                r#"","user_id":"055d8f7a8a80d4b61f8bc0138c8e1a3d","created":""#,
                &self.created,
                r#"","updated":""#,
                updated,
                r#"","#,
                &server.shown.flavor,
            ],
        );
    }

    fn write_rest(&self, out: &mut Vec<u8>, id: &str, server: &Server) {
        let mut buffer = [0; 36];
        let bits = super::draw::key_of(server.id);
        let host = uuid::Uuid::from_u64_pair(bits, !bits)
            .simple()
            .encode_lower(&mut buffer);
        let address = format!("10.{}.{}.{}", bits >> 16 & 255, bits >> 8 & 255, bits & 255);
        push(
            out,
            &[
                r#","hostId":""#,
                host,
                r#"","OS-EXT-SRV-ATTR:host":"bms.az1","OS-EXT-SRV-ATTR:hypervisor_hostname":""#,
                id,
                r#"","OS-EXT-SRV-ATTR:instance_name":"instance-0000","OS-EXT-SRV-ATTR:root_device_name":"/dev/sda","#,
                &server.shown.zone,
                r#","OS-DCF:diskConfig":"MANUAL","OS-SRV-USG:launched_at":""#,
                &self.created,
                r#"","addresses":{"3e8e0f3f-7a4c-4b5c-9a4e-1f6c0f0e6d11":[{"version":"4","addr":""#,
                &address,
                r#"","OS-EXT-IPS:type":"fixed","OS-EXT-IPS-MAC:mac_addr":"fa:16:3e:00:00:01","OS-EXT-IPS:port_id":""#,
                host,
                r#""}]},"image":{"id":"1f6c0f0e-6d11-4b5c-9a4e-3e8e0f3f7a4c"},"key_name":"KeyPair-ops","accessIPv4":"","accessIPv6":"","#,
                r#""progress":0,"config_drive":"","security_groups":[{"id":"8a4e1f6c","name":"default"}],"#,
                r#""metadata":{"chargingMode":"0","metering.resourcetype":"hws.resource.type.pm","metering.resourcespeccode":"physical.s4.medium.linux","op_svc_userid":"055d8f7a8a80d4b61f8bc0138c8e1a3d"},"#,
                r#""host_status":"UP","description":"","os-extended-volumes:volumes_attached":[],"#,
                &server.shown.tags,
            ],
        );
    }
}

fn write_state(out: &mut Vec<u8>, phase: Phase, locked: bool) {
    let words = phase.words();
    let power = words.power.to_string();
    let task = words
        .task
        .map(|task| format!(r#","OS-EXT-STS:task_state":"{task}""#));
    push(
        out,
        &[
            r#","status":""#,
            words.status,
            r#"","OS-EXT-STS:vm_state":""#,
            words.vm_state,
            r#"","OS-EXT-STS:power_state":"#,
            &power,
            task.as_deref().unwrap_or_default(),
            r#","locked":"#,
            if locked { "true" } else { "false" },
        ],
    );
}

fn push(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ServerId;
    use crate::simulator::model::Condition;
    use serde_json::{Value, json};

    fn row(condition: Condition) -> (usize, Value) {
        let id = ServerId::from_bytes([0x61; 16]);
        let start = Moment::default();
        let server = Server::new(id, "rack \"7\" ü".to_owned(), condition, start).unwrap();
        let at = "2026-11-28T17:00:00Z".parse().unwrap();
        let rows = Rows::new("bbf1946d374b44a0a2a95533562ba954", start, at);
        let mut out = Vec::new();
        rows.write(&mut out, &server, start, Duration::ZERO);
        (out.len(), serde_json::from_slice(&out).unwrap())
    }

    #[test]
    fn a_row_has_the_documented_names_and_size() {
        let (length, row) = row(Condition::On);
        assert_eq!(row["name"], "rack \"7\" ü");
        assert_eq!(row["status"], "ACTIVE");
        assert_eq!(row["OS-EXT-STS:power_state"], 1);
        assert_eq!(row["OS-EXT-STS:vm_state"], "active");
        assert_eq!(row["locked"], false);
        assert_eq!(row["flavor"]["vcpus"], "32");
        assert_eq!(row.get("OS-EXT-STS:task_state"), None);
        assert_eq!(row.get("fault"), None);
        assert!((1_000..2_500).contains(&length), "{length}");
    }

    #[test]
    fn a_task_a_lock_and_a_fault_show() {
        let (_, stopping) = row(Condition::Stopping(None));
        assert_eq!(stopping["OS-EXT-STS:task_state"], "powering-off");
        assert_eq!(row(Condition::Locked).1["locked"], true);
        assert_eq!(row(Condition::Error).1["fault"]["code"], json!("500"));
    }
}
