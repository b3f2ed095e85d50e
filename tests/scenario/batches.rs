//! How targets are split into stop requests, and that each request is what the cloud documents.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::interloper::{Call, Treatment};
use crate::scenario::{Scenario, at_once, ids, ids_from};

#[test]
fn a_fleet_of_2500_is_stopped_by_four_requests_of_the_documented_form() {
    let groups = [
        ("canary", ids(1)),
        ("b7", ids_from(2, 1499)),
        ("b8", ids_from(1501, 1000)),
    ];
    let named: Vec<_> = groups.iter().map(|(name, ids)| (*name, &ids[..])).collect();
    let off = groups[2].1[500];
    let stage = Scenario::of_groups(&named)
        .with("guards: { max_servers: 2500 }")
        .faults(json!({"servers": {"off": {"ids": [off]}}}))
        .pace(10)
        .through(Box::new(|_| Treatment::Pass))
        .start();
    let ended = stage.run("run night.yaml").with_code(0);
    assert_eq!(ended.accepted_sizes(), [1, 1000, 499, 999]);
    assert_eq!(
        (ended.total("stopped"), ended.total("already_off")),
        (2499, 1)
    );

    let requests = stage.interloper().seen(Call::Stop);
    let sent: Vec<Value> = requests
        .iter()
        .map(|request| serde_json::from_slice(&request.body).unwrap())
        .collect();
    let wanted: Vec<Value> = groups
        .iter()
        .flat_map(|(_, ids)| ids.chunks(1000))
        .map(|ids| {
            let servers = ids
                .iter()
                .filter(|id| **id != off)
                .map(|id| json!({"id": id}));
            json!({"os-stop": {"type": "HARD", "servers": servers.collect::<Vec<_>>()}})
        })
        .collect();
    assert_eq!(sent, wanted);

    assert_eq!(ended.stats.accepted.len(), 2499);
    assert!(ended.stats.accepted.values().all(|times| *times == 1));
    let jobs: Vec<&str> = ended.stats.jobs.iter().map(|job| job.id.as_str()).collect();
    assert_eq!(ended.report()["job_ids"], json!(jobs));
    let sends = ended.report()["batches"].as_array().unwrap().iter();
    let job_of_sends: Vec<&Value> = sends.map(|batch| &batch["sends"][0]["job_id"]).collect();
    assert_eq!(json!(job_of_sends), json!(jobs));
    let row = ended.server(groups[1].1[1000]);
    assert_eq!(
        (&row["job_id"], &row["before"], &row["after"]),
        (&json!(jobs[2]), &json!("on"), &json!("off"))
    );
    assert_eq!(ended.server(off)["job_id"], Value::Null);
    let signed = requests
        .iter()
        .all(|request| request.header("authorization").is_some());
    assert!(signed && ended.out.is_empty());
}

/// Sizes around the limit, without checks, so that the requests are all there is.
fn sizes_of(count: u32, batch_size: u32) -> Vec<usize> {
    let ended = Scenario::new(&ids(count))
        .with(&format!(
            "guards: {{ max_servers: 2001 }}\nchecks: {{ before: false, after: false }}\nrollout: {{ batch_size: {batch_size} }}"
        ))
        .run("run night.yaml --quiet")
        .with_code(0)
        .with_outcomes(&[("stopped", count as usize)]);
    let seen: BTreeSet<_> = ended.stats.accepted.keys().copied().collect();
    assert_eq!(seen, ids(count).into_iter().collect());
    // The one reading is for the API's date, which every run compares with its clock.
    let read = (ended.stats.requests.list, ended.stats.requests.show);
    assert_eq!(read, (0, 1));
    ended.accepted_sizes()
}

#[test]
fn no_request_names_more_than_a_thousand_servers() {
    let sizes: [(u32, &[usize]); 6] = [
        (1, &[1]),
        (999, &[999]),
        (1000, &[1000]),
        (1001, &[1000, 1]),
        (2000, &[1000, 1000]),
        (2001, &[1000, 1000, 1]),
    ];
    at_once(&sizes, |(count, sizes)| {
        assert_eq!(sizes_of(*count, 1000), *sizes)
    });
}

#[test]
fn smaller_batches_are_as_the_workflow_says() {
    assert_eq!(sizes_of(25, 10), [10, 10, 5]);
    assert_eq!(sizes_of(3, 1), [1, 1, 1]);
}

#[test]
fn batches_in_flight_together_stay_within_their_group() {
    let eight = std::time::Duration::from_secs(8);
    let groups = [("canary", ids(2)), ("rest", ids_from(3, 12))];
    let named: Vec<_> = groups.iter().map(|(name, ids)| (*name, &ids[..])).collect();
    let ended = Scenario::of_groups(&named)
        .with("rollout: { batch_size: 3, in_flight: 4 }")
        .settings(|cloud| cloud.job_duration = eight)
        .run("run night.yaml")
        .with_code(0);
    assert_eq!(ended.accepted_sizes(), [2, 3, 3, 3, 3]);
    let (canary, rest) = ended.stats.stops.split_first().unwrap();
    let early = canary.at + eight * 3 / 4;
    assert!(
        rest.iter().all(|stop| stop.at > early),
        "the canary was not settled"
    );
    let spread = rest[3].at.duration_since(rest[0].at).unsigned_abs();
    assert!(
        spread < eight / 2,
        "they went one after another: {spread:?}"
    );
}
