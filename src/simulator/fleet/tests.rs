//! The listing, and which states forbid what.

use super::*;
use crate::simulator::Condition;
use rstest::rstest;
use serde_json::{Value, json};

fn id(number: u8) -> ServerId {
    ServerId::from_bytes([number; 16])
}

fn second(at: u64) -> Moment {
    Moment::default().after(Duration::from_secs(at))
}

fn fleet(conditions: &[Condition]) -> Fleet {
    let given = conditions
        .iter()
        .enumerate()
        .map(|(at, initial)| SimulatedServer {
            name: format!("server-{at}"),
            initial: *initial,
            ..SimulatedServer::new(id(at as u8))
        });
    Fleet::new(given.collect(), &Faults::default(), Draw::new(1), second(0))
}

const STOP: Action = Action::Stop(StopType::Hard);

fn request(servers: &[u8]) -> PowerRequest {
    asking(STOP, servers)
}

fn asking(action: Action, servers: &[u8]) -> PowerRequest {
    PowerRequest {
        action,
        servers: servers.iter().map(|number| Ok(id(*number))).collect(),
    }
}

fn terms(at: u64, conflicts: Conflicts) -> Terms {
    Terms {
        now: second(at),
        takes: Duration::from_secs(10),
        conflicts,
        draw: Draw::new(1),
    }
}

#[rstest]
#[case(Condition::Starting(None), "BMS.0035")]
#[case(Condition::Stopping(None), "BMS.0036")]
#[case(Condition::Rebooting(None), "BMS.0037")]
#[case(Condition::Off, "BMS.0039")]
#[case(Condition::Missing, "BMS.0040")]
#[case(Condition::Locked, "BMS.0605")]
fn a_wrong_state_refuses_the_batch_or_fails_its_sub_job(
    #[case] condition: Condition,
    #[case] expected: &str,
) {
    let mut strict = fleet(&[Condition::On, condition]);
    let refusal = strict
        .power(&request(&[0, 1]), terms(1, Conflicts::Reject))
        .unwrap_err();
    assert_eq!((refusal.status, &*refusal.code), (400, expected));
    assert_eq!(
        strict.find(id(0)).unwrap().phase(second(60)),
        Phase::On,
        "nothing changed"
    );

    let mut lenient = fleet(&[Condition::On, condition]);
    let sub_jobs = lenient
        .power(&request(&[0, 1]), terms(1, Conflicts::Subjob))
        .unwrap();
    assert_eq!(sub_jobs[0].ending, Ending::Success);
    assert!(matches!(&sub_jobs[1].ending, Ending::Fail { code, .. } if code == expected));
    assert_eq!(lenient.find(id(0)).unwrap().phase(second(60)), Phase::Off);
}

#[rstest]
#[case(json!({"ids": [id(0)]}), "BMS.0360")]
#[case(json!({"share": 1.0, "code": "BMS.0212"}), "BMS.0212")]
fn a_server_can_be_refused_though_it_looks_well(#[case] refused: Value, #[case] code: &str) {
    let faults = Faults::from_value(json!({"servers": {"refused": refused}})).unwrap();
    let given = vec![SimulatedServer::new(id(0))];
    let mut fleet = Fleet::new(given, &faults, Draw::new(1), Moment::default());
    let refusal = fleet
        .power(&request(&[0]), terms(1, Conflicts::Reject))
        .unwrap_err();
    assert_eq!(refusal.code, code);
    let sub_jobs = fleet
        .power(&request(&[0]), terms(1, Conflicts::Subjob))
        .unwrap();
    assert!(matches!(&sub_jobs[0].ending, Ending::Fail { code: given, .. } if given == code));
    assert_eq!(
        fleet.find(id(0)).unwrap().phase(Moment::default()),
        Phase::On
    );
}

#[rstest]
#[case(Condition::On, "BMS.0038")]
#[case(Condition::Starting(None), "BMS.0035")]
#[case(Condition::Stopping(None), "BMS.0036")]
#[case(Condition::Rebooting(None), "BMS.0037")]
#[case(Condition::Missing, "BMS.0040")]
fn a_wrong_state_stands_against_a_start(#[case] condition: Condition, #[case] expected: &str) {
    let mut fleet = fleet(&[Condition::Off, condition]);
    let asked = asking(Action::Start, &[0, 1]);
    let refusal = fleet
        .power(&asked, terms(1, Conflicts::Reject))
        .unwrap_err();
    assert_eq!((refusal.status, &*refusal.code), (400, expected));
    let sub_jobs = fleet.power(&asked, terms(1, Conflicts::Subjob)).unwrap();
    assert_eq!(sub_jobs[0].ending, Ending::Success);
    assert!(matches!(&sub_jobs[1].ending, Ending::Fail { code, .. } if code == expected));
    assert_eq!(fleet.find(id(0)).unwrap().phase(second(60)), Phase::On);
}

#[test]
fn a_server_in_error_can_be_stopped() {
    let mut fleet = fleet(&[Condition::Error]);
    fleet
        .power(&request(&[0]), terms(1, Conflicts::Reject))
        .unwrap();
    assert_eq!(fleet.find(id(0)).unwrap().phase(second(60)), Phase::Off);
}

#[test]
fn a_soft_stop_succeeds_without_effect() {
    let mut fleet = fleet(&[Condition::On]);
    let soft = asking(Action::Stop(StopType::Soft), &[0]);
    let sub_jobs = fleet.power(&soft, terms(1, Conflicts::Reject)).unwrap();
    assert_eq!(sub_jobs[0].ending, Ending::Success);
    assert_eq!(fleet.find(id(0)).unwrap().phase(second(60)), Phase::On);
}

#[test]
fn sub_jobs_end_in_the_last_quarter_and_not_all_at_once() {
    let mut fleet = fleet(&[Condition::On; 20]);
    let all: Vec<u8> = (0..20).collect();
    let sub_jobs = fleet
        .power(&request(&all), terms(0, Conflicts::Reject))
        .unwrap();
    let takes: Vec<Duration> = sub_jobs.iter().map(|sub| sub.takes).collect();
    assert!(
        takes
            .iter()
            .all(|takes| (7_500..=10_000).contains(&takes.as_millis()))
    );
    assert!(takes.iter().any(|one| *one != takes[0]));
}

#[rstest]
#[case(2, 1, None, &["server-0", "server-1"], 2)]
#[case(2, 3, None, &["server-5"], 2)]
#[case(2, 4, None, &[], 2)]
#[case(1000, 1, None, &["server-0", "server-1", "server-3", "server-4", "server-5"], 5)]
#[case(2, 2, Some("ACTIVE"), &["server-4"], 2)]
#[case(9, 1, Some("SHUTOFF"), &["server-1", "server-5"], 2)]
fn pages_hold_the_servers_that_the_cloud_knows(
    #[case] limit: usize,
    #[case] page: usize,
    #[case] status: Option<&str>,
    #[case] expected: &[&str],
    #[case] count: u64,
) {
    use Condition::{Missing, Off, On};
    let fleet = fleet(&[On, Off, Missing, On, On, Off]);
    let request = ListRequest {
        limit,
        page,
        status: status.map(str::to_owned),
        ..ListRequest::default()
    };
    let rows = Rows::new("p", second(0), "2026-11-28T17:00:00Z".parse().unwrap());
    let body = fleet.page(&request, &rows, second(0), Duration::ZERO);
    let body: Value = serde_json::from_slice(&body).unwrap();
    let names: Vec<&str> = body["servers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, expected);
    assert_eq!(body["count"], count);
}

#[test]
fn bystanders_and_second_rows_are_listed_too() {
    let faults = Faults::from_value(json!({
        "bystanders": 5,
        "doubled": [
            {"ids": [id(0)], "name": "beside"},
            {"ids": [id(1), id(0)], "name": "behind", "apart": true}
        ],
        "rows": [{"member": "name", "form": "null_value", "ids": [id(1)]}]
    }));
    let given = vec![SimulatedServer::new(id(0)), SimulatedServer::new(id(1))];
    let fleet = Fleet::new(given, &faults.unwrap(), Draw::new(1), second(0));
    let rows = Rows::new("p", second(0), "2026-11-28T17:00:00Z".parse().unwrap());
    let request = ListRequest {
        limit: 100,
        page: 1,
        ..ListRequest::default()
    };
    let body = fleet.page(&request, &rows, second(0), Duration::ZERO);
    let body: Value = serde_json::from_slice(&body).unwrap();
    let shown = body["servers"].as_array().unwrap().iter().map(|row| {
        let id = row["id"].as_str().unwrap();
        let name = row["name"].as_str().unwrap_or("null");
        match name.starts_with("server-") {
            true => id[..2].to_owned(),
            false => name.to_owned(),
        }
    });
    let shown: Vec<String> = shown.collect();
    assert_eq!(shown.len(), 10, "{shown:?}");
    assert_eq!(shown[..2], ["bystander-0", "bystander-1"]);
    assert_eq!(shown[3], "beside");
    assert_eq!(shown[8..], ["behind", "null"]);
}
