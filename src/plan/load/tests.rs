//! Written plans that are read back, and those that were changed in between.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::plan::sample::{self, group, server};
use crate::plan::write_json;
use crate::workflow::{BatchSize, InFlight};

fn written(plan: &Plan) -> String {
    let mut bytes = Vec::new();
    write_json(plan, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Three groups, one with smaller batches and more in flight, one empty.
fn small() -> Plan {
    let mut b = group("b", 2, 5);
    b.batch_size = BatchSize::try_from(2).unwrap();
    b.in_flight = InFlight::try_from(3).unwrap();
    b.excluded = 1;
    let mut workflow = sample::workflow();
    workflow.report = Some("reports/{{ run.id }}.json".to_owned());
    sample::plan_of(&workflow, vec![group("a", 0, 2), b, group("c", 7, 0)])
}

fn edited(change: impl Fn(&mut Value)) -> String {
    let mut value: Value = serde_json::from_str(&written(&small())).unwrap();
    change(&mut value);
    value.to_string()
}

/// Two groups in waves, one of them otherwise than the rollout says; the usual pauses do not hold for it.
fn waves() -> Plan {
    let mut workflow = sample::workflow();
    workflow.rollout.waves = serde_json::from_value(json!([1, "20%"])).unwrap();
    workflow.rollout.soak = std::time::Duration::from_secs(300);
    workflow.rollout.max_failures = serde_json::from_value(json!(3)).unwrap();
    let mut a = group("a", 0, 10);
    a.waves = workflow.rollout.waves.clone();
    a.soak = workflow.rollout.soak;
    let mut b = group("b", 10, 9);
    b.waves = serde_json::from_value(json!([4, "rest"])).unwrap();
    b.batch_size = BatchSize::try_from(3).unwrap();
    sample::plan_of(&workflow, vec![a, b])
}

/// A plan with a window.
fn in_a_window() -> Plan {
    let mut workflow = sample::workflow();
    workflow.window = Some(sample::window());
    sample::plan_of(&workflow, vec![group("a", 0, 2)])
}

#[rstest]
#[case::no_zone("/window/timezone", json!("Asia/Singapur"), "no time zone")]
#[case::no_opening("/window/opens", json!([]), "no opening")]
#[case::no_day("/window/opens/0/days", json!(["someday"]), "neither")]
#[case::all_cut_off("/window/cutoff", json!("4h"), "the cutoff leaves nothing")]
#[case::zone("/window/timezone", json!("Asia/Tokyo"), "digest")]
#[case::freeze("/window/freeze", json!([]), "`freeze_calendars` does not name the files")]
#[case::no_window("/window", json!(null), "`freeze_calendars` does not name the files")]
#[case::calendar("/freeze_calendars/0/sha256", json!("ab".repeat(32)), "digest")]
#[case::no_calendar("/freeze_calendars", json!([]), "`freeze_calendars` does not name the files")]
fn a_window_that_was_changed_is_refused(
    #[case] pointer: &str,
    #[case] value: Value,
    #[case] says: &str,
) {
    let mut plan: Value = serde_json::from_str(&written(&in_a_window())).unwrap();
    *plan.pointer_mut(pointer).unwrap() = value;
    let error = load(&plan.to_string()).unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    let told = format!("{error} {}", cause.unwrap_or_default());
    assert!(told.contains(says), "{told}");
}

#[test]
fn the_rollout_is_written_with_every_default() {
    let value: Value = serde_json::from_str(&written(&waves())).unwrap();
    let rollout = json!({
        "batch_size": 1000, "in_flight": 1, "waves": [1, "20%", "rest"], "soak": "5m", "gate": null,
        "max_failures": 3, "retry_for": "1h",
        "overrides": { "b": { "soak": "0s", "waves": [4, "rest"] } },
    });
    assert_eq!(value["rollout"], rollout);
    let rows: Vec<Value> = value["batches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|batch| {
            let size = batch["servers"].as_array().unwrap().len();
            json!([batch["group"], batch["wave"], size])
        })
        .collect();
    let expected = json!([
        ["a", 0, 1],
        ["a", 1, 2],
        ["a", 2, 7],
        ["b", 0, 3],
        ["b", 0, 1],
        ["b", 1, 3],
        ["b", 1, 2]
    ]);
    assert_eq!(json!(rows), expected);
}

#[rstest]
#[case::a_gap(|v: &mut Value| v["batches"][2]["wave"] = json!(3), "batch 2 is out of order: group or wave does not follow the batch before")]
#[case::backwards(|v: &mut Value| v["batches"][2]["wave"] = json!(0), "batch 2 is out of order: group or wave does not follow the batch before")]
#[case::late_start(|v: &mut Value| v["batches"][3]["wave"] = json!(1), "batch 3 is out of order: group or wave does not follow the batch before")]
#[case::no_override(|v: &mut Value| v["rollout"]["overrides"]["a"] = json!({"soak": "5m"}), "the override for `a` overrides nothing")]
#[case::half_override(|v: &mut Value| v["rollout"]["overrides"]["b"]["in_flight"] = json!(1), "the override for `b` overrides nothing")]
#[case::empty_override(|v: &mut Value| v["rollout"]["overrides"]["a"] = json!({}), "the override for `a` overrides nothing")]
#[case::another_share(|v: &mut Value| v["rollout"]["waves"] = json!([1, "21%", "rest"]), "the batches of the group `a` are not cut into its `waves`: 1, 21%, rest")]
#[case::one_wave(|v: &mut Value| drop(v["rollout"]["overrides"]["b"].as_object_mut().unwrap().insert("waves".into(), json!(["rest"]))), "the batches of the group `b` are not cut into its `waves`: rest")]
#[case::one_more_wave(|v: &mut Value| v["rollout"]["overrides"]["b"]["waves"] = json!([4, 4, "rest"]), "the batches of the group `b` are not cut into its `waves`: 4, 4, rest")]
fn waves_that_were_never_cut_are_refused(#[case] change: fn(&mut Value), #[case] message: &str) {
    let mut value: Value = serde_json::from_str(&written(&waves())).unwrap();
    change(&mut value);
    assert_eq!(load(&value.to_string()).unwrap_err().to_string(), message);
}

#[rstest]
#[case::waves(|v: &mut Value| v["rollout"]["waves"] = json!([1, "11%", "rest"]))]
#[case::soak(|v: &mut Value| v["rollout"]["soak"] = json!("4m"))]
#[case::no_soak(|v: &mut Value| { v["rollout"]["soak"] = json!("0s"); v["rollout"]["overrides"]["b"].as_object_mut().unwrap().remove("soak"); })]
#[case::limit(|v: &mut Value| v["rollout"]["max_failures"] = json!(4))]
#[case::share(|v: &mut Value| v["rollout"]["max_failures"] = json!("3%"))]
#[case::usual_limit(|v: &mut Value| v["rollout"]["max_failures"] = json!("10%"))]
#[case::own_waves(|v: &mut Value| v["rollout"]["overrides"]["b"]["waves"] = json!([4, "50%", "rest"]))]
#[case::own_soak(|v: &mut Value| v["rollout"]["overrides"]["b"]["soak"] = json!("1s"))]
fn waves_that_were_changed_have_another_digest(#[case] change: fn(&mut Value)) {
    let mut value: Value = serde_json::from_str(&written(&waves())).unwrap();
    change(&mut value);
    let error = load(&value.to_string()).unwrap_err();
    assert!(matches!(error, PlanError::DigestMismatch { .. }), "{error}");
}

/// One group asks the usual gate, the other one of its own.
fn gates() -> Plan {
    let mut workflow = sample::workflow();
    let gate = |value: Value| serde_json::from_value(value).unwrap();
    workflow.rollout.gate = gate(json!({"http": "https://gate.example.com/ok", "retries": 0}));
    let mut a = group("a", 0, 2);
    a.gate = workflow.rollout.gate.clone();
    let mut b = group("b", 2, 2);
    b.gate = gate(json!({"http": "https://gate.example.com/b"}));
    sample::plan_of(&workflow, vec![a, b])
}

#[rstest]
#[case::url(|v: &mut Value| v["rollout"]["gate"]["http"] = json!("https://gate.example.com/no"))]
#[case::status(|v: &mut Value| v["rollout"]["gate"]["expect"] = json!([200, 503]))]
#[case::retries(|v: &mut Value| v["rollout"]["gate"]["retries"] = json!(1))]
#[case::timeout(|v: &mut Value| v["rollout"]["gate"]["timeout"] = json!("11s"))]
#[case::none(|v: &mut Value| v["rollout"]["gate"] = json!(null))]
#[case::own(|v: &mut Value| v["rollout"]["overrides"] = json!({}))]
fn gates_that_were_changed_have_another_digest(#[case] change: fn(&mut Value)) {
    let mut value: Value = serde_json::from_str(&written(&gates())).unwrap();
    change(&mut value);
    let error = load(&value.to_string()).unwrap_err();
    assert!(matches!(error, PlanError::DigestMismatch { .. }), "{error}");
}

#[rstest]
#[case::gates(gates())]
#[case::window(in_a_window())]
#[case::waves(waves())]
#[case::small(small())]
#[case::fleet(sample::fleet())]
#[case::nothing(sample::plan(Vec::new()))]
fn what_was_written_is_read_back(#[case] plan: Plan) {
    assert_eq!(load(&written(&plan)).unwrap(), plan);
}

#[rstest]
#[case::server(|v: &mut Value| v["batches"][0]["servers"][0] = json!(server(77)))]
#[case::order(|v: &mut Value| { let s = v["batches"][0]["servers"].as_array_mut().unwrap(); s.swap(0, 1) })]
#[case::group_name(|v: &mut Value| { v["groups"][0]["name"] = json!("z"); v["batches"][0]["group"] = json!("z") })]
#[case::stop_type(|v: &mut Value| v["stop_type"] = json!("SOFT"))]
#[case::endpoint(|v: &mut Value| v["project"]["endpoint"] = json!("https://bms.example.com"))]
#[case::project(|v: &mut Value| v["project"]["id"] = json!("0".repeat(32)))]
#[case::limit(|v: &mut Value| v["guards"][0]["limit"] = json!(4999))]
#[case::check(|v: &mut Value| v["checks"]["before"] = json!(false))]
#[case::grace(|v: &mut Value| v["checks"]["grace"] = json!("3m"))]
#[case::poll(|v: &mut Value| v["jobs"]["poll"] = json!("3m"))]
#[case::in_flight(|v: &mut Value| v["rollout"]["in_flight"] = json!(2))]
#[case::override_of_a_group(|v: &mut Value| v["rollout"]["overrides"]["b"]["in_flight"] = json!(50))]
#[case::override_gone(|v: &mut Value| v["rollout"]["overrides"] = json!({}))]
#[case::region(|v: &mut Value| v["project"]["region"] = json!(null))]
#[case::name(|v: &mut Value| v["workflow"]["name"] = json!("other"))]
#[case::report(|v: &mut Value| v["report"] = json!("out.json"))]
#[case::expectation(|v: &mut Value| v["expectations"] = json!([{ "group": "a", "allow_unnamed": false, "targets": { "min": null, "max": 9 }, "inventories": [] }]))]
#[case::digest(|v: &mut Value| v["digest"] = json!(format!("sha256:{}", "0".repeat(64))))]
fn a_changed_plan_has_another_digest(#[case] change: fn(&mut Value)) {
    let error = load(&edited(change)).unwrap_err();
    assert!(matches!(error, PlanError::DigestMismatch { .. }), "{error}");
}

#[rstest]
#[case::format(|v: &mut Value| v["schema"] = json!("lightsout/plan/v2"), "the format is `lightsout/plan/v2`; this version reads `lightsout/plan/v1`")]
#[case::old_digest(|v: &mut Value| drop(v.as_object_mut().unwrap().remove("digest_version")), "the plan has a digest of version 1; this version of lightsout computes version 2")]
#[case::newer_digest(|v: &mut Value| v["digest_version"] = json!(3), "the plan has a digest of version 3; this version of lightsout computes version 2")]
#[case::expected_twice(|v: &mut Value| v["expectations"] = json!(vec![json!({ "group": "a", "allow_unnamed": false, "targets": { "min": null, "max": 9 }, "inventories": [] }); 2]), "`expectations` names the group `a` twice")]
#[case::action(|v: &mut Value| v["action"] = json!("reboot"), "the action is `reboot`; this version knows `os-stop` and `os-start`")]
#[case::start_with_type(|v: &mut Value| v["action"] = json!("os-start"), "`stop_type` does not belong to the `action`: a stop has one, a start has none")]
#[case::stop_without_type(|v: &mut Value| v["stop_type"] = json!(null), "`stop_type` does not belong to the `action`: a stop has one, a start has none")]
#[case::total_targets(|v: &mut Value| v["totals"]["targets"] = json!(8), "`totals.targets` says 8, but the plan has 7")]
#[case::total_groups(|v: &mut Value| v["totals"]["groups"] = json!(2), "`totals.groups` says 2, but the plan has 3")]
#[case::total_batches(|v: &mut Value| v["totals"]["batches"] = json!(5), "`totals.batches` says 5, but the plan has 4")]
#[case::group_targets(|v: &mut Value| v["groups"][1]["targets"] = json!(4), "`groups.b.targets` says 4, but the plan has 5")]
#[case::group_twice(|v: &mut Value| v["groups"][1]["name"] = json!("a"), "the group `a` is listed twice")]
#[case::unknown_group(|v: &mut Value| v["batches"][1]["group"] = json!("x"), "batch 1 is of an unknown group, `x`")]
#[case::index(|v: &mut Value| v["batches"][1]["index"] = json!(2), "batch 1 is numbered 2")]
#[case::empty(|v: &mut Value| v["batches"][3]["servers"] = json!([]), "batch 3 has 0 servers; 1 to 1000 are possible")]
#[case::large(|v: &mut Value| v["batches"][0]["servers"] = (0..1001).map(|n| json!(server(n))).collect(), "batch 0 has 1001 servers; 1 to 1000 are possible")]
#[case::group_order(|v: &mut Value| v["batches"][3]["group"] = json!("a"), "batch 3 is out of order: group or wave does not follow the batch before")]
#[case::wave_order(|v: &mut Value| v["batches"][3]["wave"] = json!(2), "batch 3 is out of order: group or wave does not follow the batch before")]
#[case::first_wave(|v: &mut Value| v["batches"][0]["wave"] = json!(1), "batch 0 is out of order: group or wave does not follow the batch before")]
#[case::grown(|v: &mut Value| v["batches"][3]["servers"] = json!([server(6), server(8), server(9)]), "batch 3 does not have the size of the other batches of its wave")]
#[case::uneven(|v: &mut Value| v["batches"][2]["servers"] = json!([server(6)]), "batch 2 does not have the size of the other batches of its wave")]
#[case::no_override(|v: &mut Value| v["rollout"]["overrides"]["c"] = json!({"in_flight": 1}), "the override for `c` overrides nothing")]
#[case::lost_override(|v: &mut Value| v["rollout"]["overrides"]["x"] = json!({"in_flight": 2}), "`rollout.overrides` names no group of the plan: `x`")]
#[case::verdict(|v: &mut Value| v["guards"][0]["limit"] = json!(3), "`guards` does not hold the verdict that the plan's own targets give")]
#[case::no_guard(|v: &mut Value| v["guards"] = json!([]), "`guards` does not hold the verdict that the plan's own targets give")]
#[case::file_name(|v: &mut Value| v["workflow"]["name"] = json!("../x"), "`workflow.name` is not the name of a workflow")]
#[case::hash(|v: &mut Value| v["workflow"]["sha256"] = json!("zz"), "`workflow.sha256` is not 64 hex digits")]
#[case::no_rate(|v: &mut Value| v["rate"]["stop"] = json!(0), "`rate` allows no request at all")]
#[case::no_poll(|v: &mut Value| v["jobs"]["poll"] = json!("0s"), "`jobs.poll` is zero")]
fn a_plan_that_was_never_made_is_refused(#[case] change: fn(&mut Value), #[case] message: &str) {
    assert_eq!(load(&edited(change)).unwrap_err().to_string(), message);
}

#[test]
fn a_server_in_two_batches_is_named_with_both() {
    let text = edited(|v| v["batches"][3]["servers"][0] = json!(server(1)));
    assert_eq!(
        load(&text).unwrap_err().to_string(),
        "server `80000000-a5a5-a5a5-a5a5-a5a500000001` is in batch 0 and again in batch 3"
    );
}

#[test]
fn a_name_for_a_server_that_is_no_target_is_refused() {
    let text = edited(|v| v["names"] = json!({ server(99).to_string(): "x" }));
    assert!(
        load(&text)
            .unwrap_err()
            .to_string()
            .contains("is no target")
    );
}

#[test]
fn what_was_found_by_name_has_a_name_that_fits() {
    let plan = sample::selecting(&sample::workflow(), vec![group("a", 0, 3)]);
    let text = written(&plan);
    assert_eq!(load(&text).unwrap(), plan);
    let stranger = server(1).to_string();
    let none = |v: &mut Value| drop(v["names"].as_object_mut().unwrap().remove(&stranger));
    let other = |v: &mut Value| v["names"][&stranger] = json!("db-1");
    for change in [&none as &dyn Fn(&mut Value), &other] {
        let mut value: Value = serde_json::from_str(&text).unwrap();
        change(&mut value);
        let error = load(&value.to_string()).unwrap_err().to_string();
        let expected =
            format!("`a` selects by name, and `names` has none that fits for `{stranger}`");
        assert_eq!(error, expected);
    }
    // In another group the same server stands for itself: only the digest tells the plans apart.
    let mut value: Value = serde_json::from_str(&text).unwrap();
    value["selections"][0]["asked"]["group"] = json!("b");
    value["names"] = json!({});
    let error = load(&value.to_string()).unwrap_err();
    assert!(matches!(error, PlanError::DigestMismatch { .. }), "{error}");
}

#[test]
fn a_share_that_is_guarded_is_read_back_and_may_be_none_but_a_share() {
    let mut workflow = sample::workflow();
    workflow.guards.max_percent = Some(20.try_into().unwrap());
    let plan = sample::plan_of(&workflow, vec![group("a", 0, 2)]);
    let text = written(&plan);
    assert_eq!(load(&text).unwrap(), plan);
    let bad = [
        ("limit", json!(101)),
        ("limit", json!(0)),
        ("actual", json!(5)),
        ("ok", json!(true)),
        ("name", json!("max_share")),
    ];
    for (member, value) in bad {
        let mut changed: Value = serde_json::from_str(&text).unwrap();
        changed["guards"][1][member] = value;
        let error = load(&changed.to_string()).unwrap_err();
        assert!(error.to_string().contains("`guards`"), "{member}: {error}");
    }
}

#[rstest]
#[case("", 1, 0)]
#[case("{\n  \"schema\": 7\n}", 2, 13)]
fn what_is_no_plan_is_refused_with_its_place(
    #[case] text: &str,
    #[case] line: usize,
    #[case] column: usize,
) {
    let error = load(text).unwrap_err();
    assert_eq!(error.to_string(), "not a plan that can be read");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    let place = format!(" at line {line} column {column}");
    assert!(cause.ends_with(&place), "{cause}");
}

#[test]
fn an_unknown_member_is_refused_in_every_struct() {
    for path in [
        "",
        "/workflow",
        "/project",
        "/totals",
        "/groups/0",
        "/batches/0",
        "/guards/0",
        "/rollout",
        "/rollout/overrides/b",
        "/checks",
        "/checks/on_state",
        "/jobs",
        "/rate",
    ] {
        let text = edited(|v| v.pointer_mut(path).unwrap()["extra"] = json!(1));
        assert!(
            matches!(load(&text), Err(PlanError::Unreadable(_))),
            "{path}"
        );
    }
}

proptest! {
    #[test]
    fn a_plan_cut_short_is_refused(cut in 0.0..1.0f64) {
        let text = written(&small());
        let whole = text.trim_end().len();
        prop_assert!(load(&text[..(whole as f64 * cut) as usize]).is_err());
    }

    /// From `action` to `batches` and from `guards` to `jobs` every byte matters, white space apart.
    #[test]
    fn one_changed_byte_never_gives_another_plan(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let plan = small();
        let text = written(&plan);
        let mut bytes = text.clone().into_bytes();
        *at.get_mut(&mut bytes) = byte;
        let Ok(changed) = String::from_utf8(bytes) else { return Ok(()) };
        if let Ok(read) = load(&changed) {
            prop_assert_eq!(&read.batches, &plan.batches);
            prop_assert_eq!(&read.project.endpoint, &plan.project.endpoint);
            prop_assert_eq!(&read.project.id, &plan.project.id);
            prop_assert_eq!(&read.guards, &plan.guards);
            prop_assert_eq!((read.action, read.digest), (plan.action, plan.digest));
            prop_assert_eq!((&read.rollout, read.checks, read.jobs), (&plan.rollout, plan.checks, plan.jobs));
            // A group without targets does nothing, so its name is not in the digest.
            prop_assert_eq!((&read.names, &read.report), (&plan.names, &plan.report));
            prop_assert_eq!(&read.workflow.name, &plan.workflow.name);
            prop_assert_eq!(&read.project.region, &plan.project.region);
            let groups = read.groups.iter().zip(&plan.groups);
            for (read, made) in groups.filter(|(_, made)| made.targets > 0) {
                prop_assert_eq!(read, &PlannedGroup { excluded: read.excluded, source: read.source.clone(), ..made.clone() });
            }
        }
    }
}
