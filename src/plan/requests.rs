//! The requests of a plan, exactly as a run sends them.
//!
//! Owns showing them; the body and path are made by the same functions as those of the real calls.
//! Invariant: one request for each batch, in sending order.

use std::io::{self, Write};

use super::model::Plan;
use crate::bms::request::{power_body, power_path};

/// One power request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRequest {
    /// HTTP method.
    pub method: &'static str,
    /// Path below the host, with the endpoint's own path before it.
    pub path: String,
    /// The body, compact JSON.
    pub body: Vec<u8>,
}

/// The requests in sending order, made one at a time.
pub fn requests(plan: &Plan) -> impl Iterator<Item = PlannedRequest> {
    let path = format!(
        "{}{}",
        plan.project.endpoint.base_path(),
        power_path(&plan.project.id)
    );
    plan.batches.iter().map(move |batch| PlannedRequest {
        method: "POST",
        path: path.clone(),
        body: power_body(plan.action, batch.servers()),
    })
}

/// Writes each request as a line with method and path, a line with the body, and an empty line.
pub fn write_requests(plan: &Plan, out: impl Write) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    for request in requests(plan) {
        writeln!(out, "{} {}", request.method, request.path)?;
        out.write_all(&request.body)?;
        out.write_all(b"\n\n")?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample::{self, group};
    use serde_json::Value;

    #[test]
    fn a_request_is_shown_to_the_byte() {
        let mut workflow = sample::workflow();
        workflow.endpoint = "https://cloud.example.com/bms".parse().unwrap();
        let plan = sample::plan_of(&workflow, vec![group("a", 0, 2)]);
        let mut shown = Vec::new();
        write_requests(&plan, &mut shown).unwrap();
        assert_eq!(
            String::from_utf8(shown).unwrap(),
            concat!(
                "POST /bms/v1/bbf1946d374b44a0a2a95533562ba954/baremetalservers/action\n",
                r#"{"os-stop":{"type":"HARD","servers":[{"id":"00000000-a5a5-a5a5-a5a5-a5a500000000"},"#,
                r#"{"id":"80000000-a5a5-a5a5-a5a5-a5a500000001"}]}}"#,
                "\n\n",
            )
        );
    }

    #[test]
    fn every_batch_is_one_request_of_its_servers() {
        let plan = sample::fleet();
        let sizes: Vec<_> = requests(&plan)
            .map(|request| {
                let body: Value = serde_json::from_slice(&request.body).unwrap();
                body["os-stop"]["servers"].as_array().unwrap().len()
            })
            .collect();
        assert_eq!(sizes, [1, 1000, 499, 1000]);
    }
}
