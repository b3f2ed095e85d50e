//! The stage as a whole: text in, workflow or findings out. Invariant: whatever is changed in a valid
//! file, the stage ends with a workflow or with errors that have places.

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::document::finding::LIMIT;
use crate::ids::ServerId;
use std::time::Duration;

const ID: &str = "616FB98F-46ca-475e-917e-2563e5a8cd19";
const HEAD: &str = "version: 1\nname: az1-weekly-stop\nproject: BBF1946d374b44a0a2a95533562ba954\nregion: ap-southeast-1\nstop_type: HARD\n";

fn file(text: &str) -> SourceFile {
    SourceFile::new("weekly.yaml", text)
}

/// A workflow with one group, and `more` at the end.
fn with(more: &str) -> String {
    format!("{HEAD}groups:\n  - name: canary\n    servers: [{ID}]\n{more}")
}

fn read(text: &str) -> Workflow {
    match parse(&file(text), &Inputs::default()) {
        Ok(workflow) => workflow,
        Err(findings) => panic!("{}", crate::diagnostic::to_text(&findings, false)),
    }
}

/// Code and place of every finding.
fn findings(text: &str, inputs: &Inputs) -> Vec<String> {
    let found = parse(&file(text), inputs).expect_err("the workflow is accepted");
    let place = |found: &Diagnostic| {
        found
            .place
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    found
        .iter()
        .map(|it| {
            format!(
                "{} {}",
                it.code,
                place(it).trim_start_matches("weekly.yaml:")
            )
        })
        .collect()
}

#[test]
fn the_smallest_workflow_has_every_default() {
    let workflow = read(&with(""));
    assert_eq!(workflow.name, "az1-weekly-stop");
    assert_eq!(
        workflow.project.as_str(),
        "bbf1946d374b44a0a2a95533562ba954"
    );
    assert_eq!(
        workflow.endpoint.to_string(),
        "https://bms.ap-southeast-1.myhuaweicloud.com"
    );
    assert_eq!(workflow.stop_type, StopType::Hard);
    assert_eq!(workflow.rollout, Rollout::default());
    assert_eq!(workflow.guards, Guards::default());
    assert_eq!(workflow.jobs, Jobs::default());
    assert_eq!(workflow.checks, Checks::default());
    assert_eq!(workflow.rate, Rate::default());
    let [group] = workflow.groups.as_slice() else {
        panic!()
    };
    assert_eq!(group.servers, [ID.parse::<ServerId>().unwrap()]);
    assert_eq!(group.origin, "/groups/0");
    assert_eq!((group.batch_size.get(), group.in_flight.get()), (1000, 1));
    assert!(workflow.warnings.is_empty());
}

#[test]
fn every_setting_arrives() {
    let text = format!(
        "{HEAD}endpoint: https://Bms.Example.COM:443/\ndescription: d\nlabels: {{ a: x, n: 7 }}\n\
         rollout: {{ batch_size: 500, in_flight: 4, retry_for: 20m, waves: [1, 5%], soak: 10m, max_failures: 3, gate: {{ http: https://gate.example.com, expect: [204] }} }}\nguards: {{ max_servers: 7 }}\n\
         jobs: {{ timeout: 1h, poll: 5s }}\nrate: {{ stop: 1, job: 2, list: 3, show: 4 }}\n\
         checks: {{ before: false, after: false, grace: 0s, on_state: {{ missing: skip, error: send, locked: skip }} }}\n\
         report: \"r/{{{{ run.id }}}}.json\"\n\
         groups:\n  - name: a\n    servers: [{ID}]\n    batch_size: 3\n    waves: [2, rest]\n    soak: 0s\n    gate: {{ http: http://10.0.0.1/a, timeout: 2s }}\n  - name: b\n    servers_from:\n      \
         file: b.csv\n      column: c\n      name_column: n\n      where: {{ rack: b7 }}\n      expect_count: 4\n    \
         split_by: rack\n    expect: {{ min: 0, max: 9 }}\n    in_flight: 2\n    exclude:\n      servers: [{ID}]\n      \
         servers_from: k.txt\n      groups: [a]\n"
    );
    let workflow = read(&text);
    assert_eq!(workflow.endpoint.to_string(), "https://bms.example.com");
    assert_eq!(workflow.labels["n"], "7");
    assert_eq!(workflow.rollout.retry_for, Duration::from_secs(1200));
    assert_eq!(workflow.guards.max_servers, 7);
    assert_eq!(workflow.jobs.poll, Duration::from_secs(5));
    assert_eq!((workflow.rate.stop, workflow.rate.show), (1, 4));
    assert!(!workflow.checks.before && !workflow.checks.after);
    assert_eq!(workflow.checks.on_state.error, FailSkipOrSend::Send);
    assert_eq!(workflow.report.as_deref(), Some("r/{{ run.id }}.json"));
    let [a, b] = workflow.groups.as_slice() else {
        panic!()
    };
    assert_eq!((a.batch_size.get(), a.in_flight.get()), (3, 4));
    assert_eq!((b.batch_size.get(), b.in_flight.get()), (500, 2));
    let paced = |group: &Group| (group.waves.to_string(), group.soak.as_secs());
    assert_eq!(paced(a), ("2, rest".to_owned(), 0));
    assert_eq!(paced(b), ("1, 5%, rest".to_owned(), 600));
    assert_eq!(workflow.rollout.max_failures, MaxFailures::Count(3));
    let gate = |group: &Group| group.gate.as_ref().unwrap().to_string();
    assert_eq!(
        gate(a),
        "http://10.0.0.1/a answers 200 within 2s, 2 retries"
    );
    assert_eq!(
        gate(b),
        "https://gate.example.com/ answers 204 within 10s, 2 retries"
    );
    let from = b.servers_from.as_ref().unwrap();
    assert_eq!((from.file.as_str(), from.expect_count), ("b.csv", Some(4)));
    assert_eq!(from.origin, "/groups/1/servers_from");
    assert_eq!((b.expect.min, b.expect.max), (Some(0), Some(9)));
    assert_eq!(b.exclude.groups, ["a"]);
    assert_eq!(
        b.exclude.servers_from.as_ref().unwrap().origin,
        "/groups/1/exclude/servers_from"
    );
}

#[test]
fn soft_draws_a_warning_at_its_place() {
    let workflow = read(&with("").replace("HARD", "SOFT"));
    assert_eq!(workflow.stop_type, StopType::Soft);
    let [warning] = workflow.warnings.as_slice() else {
        panic!()
    };
    assert_eq!(warning.code, "soft-stop-invalid");
    assert_eq!(
        warning.place.as_ref().unwrap().to_string(),
        "weekly.yaml:5:12"
    );
}

#[test]
fn a_variable_that_nothing_uses_draws_a_warning() {
    let workflow = read(
        &with("vars: { a: 1, b: 2 }\ndescription: \"{{ b }}\"\n")
            .replace("\"{{ b }}\"", "\"{{ b }} servers\""),
    );
    let codes: Vec<_> = workflow
        .warnings
        .iter()
        .map(|it| (it.code, it.place.as_ref().unwrap().column))
        .collect();
    assert_eq!(codes, [("unused-variable", 9)]);
}

#[test]
fn for_each_makes_a_group_for_each_element() {
    let text = format!(
        "{HEAD}vars:\n  racks: [{{ name: b7, size: 3 }}, {{ name: b8, size: 4 }}]\ngroups:\n  - name: first\n    servers: [{ID}]\n  \
         - name: \"rack-{{{{ each.name }}}}\"\n    for_each: racks\n    servers_from: \"{{{{ each.name }}}}.txt\"\n    batch_size: \"{{{{ each.size }}}}\"\n"
    );
    let workflow = read(&text);
    let groups: Vec<_> = workflow
        .groups
        .iter()
        .map(|it| (it.name.as_str(), it.batch_size.get(), it.origin.as_str()))
        .collect();
    assert_eq!(
        groups,
        [
            ("first", 1000, "/groups/0"),
            ("rack-b7", 3, "/groups/1"),
            ("rack-b8", 4, "/groups/1")
        ]
    );
    assert_eq!(
        workflow.groups[2].servers_from.as_ref().unwrap().file,
        "b8.txt"
    );
    let place = locate(
        &workflow.source,
        &format!("{}/batch_size", workflow.groups[2].origin),
    );
    assert_eq!(&*place.text, "    batch_size: \"{{ each.size }}\"");
}

#[test]
fn a_list_variable_gives_servers_whose_place_is_the_expression() {
    let text = format!(
        "{HEAD}vars:\n  ids: [{ID}]\ngroups:\n  - name: a\n    servers: \"{{{{ ids }}}}\"\n"
    );
    let workflow = read(&text);
    assert_eq!(workflow.groups[0].servers.len(), 1);
    assert_eq!(
        locate(&workflow.source, "/groups/0/servers/0").to_string(),
        "weekly.yaml:10:14"
    );
    assert_eq!(
        locate_key(&workflow.source, "/groups/0/servers").to_string(),
        "weekly.yaml:10:5"
    );
    let pointers = ["/groups/0/name".to_owned(), "/nowhere".to_owned()];
    let places: Vec<_> = locate_all(&workflow.source, &pointers)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(places, ["weekly.yaml:9:11", "weekly.yaml:1:1"]);
}

fn environment(pairs: &[(&str, &str)]) -> EnvVariables {
    let pairs = pairs.iter();
    let variables = pairs.map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    EnvVariables::new(variables.collect(), EnvGrants::default(), Severity::Error)
}

#[test]
fn variables_and_labels_come_from_the_caller() {
    let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let inputs = Inputs {
        vars: vec![pair("size", "7")],
        vars_files: vec![SourceFile::new("v.yaml", "site: az2")],
        env: environment(&[("LIGHTSOUT_VAR_FLIGHT", "3")]),
        labels: vec![pair("change", "CHG0042"), pair("owner", "me")],
    };
    let more = "labels: { owner: you }\nvars: { steps: [1, 20%], share: 7, size: 5, site: az1, flight: { default: 1, env: LIGHTSOUT_VAR_FLIGHT } }\n\
        rollout: { batch_size: \"{{ size }}\", in_flight: \"{{ flight }}\", waves: \"{{ steps }}\", max_failures: \"{{ share }}%\" }\ndescription: \"{{ site }}\"\n";
    let workflow = parse(&file(&with(more)), &inputs).unwrap();
    assert_eq!(
        (
            workflow.rollout.batch_size.get(),
            workflow.rollout.in_flight.get()
        ),
        (7, 3)
    );
    assert_eq!(workflow.rollout.waves.to_string(), "1, 20%, rest");
    assert_eq!(workflow.rollout.max_failures.to_string(), "7%");
    assert_eq!(workflow.description.as_deref(), Some("az2"));
    assert_eq!(workflow.labels["change"], "CHG0042");
    assert_eq!(workflow.labels["owner"], "me");
}

#[test]
fn all_errors_of_a_file_come_in_one_go_and_in_order() {
    let text = with(
        "colour: red\nrollout: { batch_size: 0 }\ndescription: \"{{ x }}\"\nname: again\nendpoint: http://example.com\n",
    );
    assert_eq!(
        findings(&text, &Inputs::default()),
        [
            "unknown-key 9:1",
            "invalid-value 10:24",
            "undeclared-variable 11:18",
            "duplicate-key 12:1",
            "endpoint 13:11",
        ]
    );
}

#[test]
fn an_error_after_expansion_points_at_the_group_that_was_unrolled() {
    let text = format!(
        "{HEAD}vars: {{ sizes: [1, 0, 2000] }}\ngroups:\n  - name: \"g{{{{ each }}}}\"\n    for_each: sizes\n    servers: [{ID}]\n    batch_size: \"{{{{ each }}}}\"\n"
    );
    let found = parse(&file(&text), &Inputs::default()).unwrap_err();
    let messages: Vec<_> = found.iter().map(|it| it.message.as_str()).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(
        messages[0].ends_with("not `0` from `{{ each }}`"),
        "{messages:?}"
    );
    assert!(
        messages[1].ends_with("not `2000` from `{{ each }}`"),
        "{messages:?}"
    );
    assert!(found.iter().all(|it| it.place.as_ref().unwrap().line == 11));
}

#[rstest]
#[case::name("name: \"{{ s }}\"", "name: az1-weekly-stop")]
#[case::region("region: \"{{ s }}\"", "region: ap-southeast-1")]
#[case::stop_type("stop_type: \"{{ s }}\"", "stop_type: HARD")]
#[case::project("project: \"x{{ s }}\"", "project: BBF1946d374b44a0a2a95533562ba954")]
#[case::endpoint("endpoint: \"http://{{ s }}.com\"", "region: ap-southeast-1")]
#[case::server(
    "    servers: [\"{{ s }}\"]",
    "    servers: [616FB98F-46ca-475e-917e-2563e5a8cd19]"
)]
#[case::group_twice(
    "  - { name: \"{{ s }}\", servers: [] }\n  - name: \"{{ s }}\"",
    "  - name: canary"
)]
#[case::excluded_group(
    "  - name: canary\n    exclude: { groups: [\"{{ s }}\"] }",
    "  - name: canary"
)]
#[case::mapping(
    "    servers_from: \"{{ m }}\"",
    "    servers: [616FB98F-46ca-475e-917e-2563e5a8cd19]"
)]
#[case::member("description: \"{{ m.x }}\"\nname: n", "name: az1-weekly-stop")]
#[case::loop_over("  - for_each: l\n    name: \"{{ each }}\"", "  - name: canary")]
fn what_the_environment_gave_is_never_shown(#[case] new: &str, #[case] old: &str) {
    let vars = "vars: { s: { env: LIGHTSOUT_VAR_S }, m: { env: LIGHTSOUT_VAR_M, default: {} }, l: { env: LIGHTSOUT_VAR_L, default: [] } }\n";
    let text = with(vars).replace(old, new);
    let inputs = Inputs {
        env: environment(&[
            ("LIGHTSOUT_VAR_S", "canary/Value"),
            ("LIGHTSOUT_VAR_M", "{\"canary/Value\": 1}"),
            ("LIGHTSOUT_VAR_L", "[\"canary/Value\"]"),
        ]),
        ..Inputs::default()
    };
    let found = parse(&file(&text), &inputs).expect_err("the workflow is accepted");
    assert!(!format!("{found:?}").contains("canary/Value"), "{found:#?}");
}

#[rstest]
#[case("\r\n")]
#[case("\n")]
fn line_ends_and_marks_do_not_matter_but_for_the_hash(#[case] end: &str) {
    let text = with("description: zwölf\n").replace('\n', end);
    let marked = format!("\u{feff}{text}");
    let (plain, marked) = (read(&text), read(&marked));
    assert_eq!(plain.description, marked.description);
    assert_eq!(plain.description.as_deref(), Some("zwölf"));
    assert_ne!(plain.sha256, marked.sha256);
    let wrong = text.replace("HARD", "hard");
    assert_eq!(findings(&wrong, &Inputs::default()), ["invalid-value 5:12"]);
}

#[test]
fn the_rendered_file_means_the_same_and_needs_no_variables() {
    let text = format!(
        "{HEAD}vars: {{ racks: [\"07\", yes, b8], size: 5, note: \"a: b # c\" }}\ndescription: \"{{{{ note }}}}\"\n\
         report: \"{{{{ run.id }}}}.json\"\ngroups:\n  - name: \"rack-{{{{ each }}}}\"\n    for_each: racks\n    \
         servers_from: {{ file: \"{{{{ each }}}}.csv\", where: {{ rack: \"{{{{ each }}}}\", on: true }} }}\n    batch_size: \"{{{{ size }}}}\"\n"
    );
    let rendered = render(&file(&text), &Inputs::default()).unwrap().0;
    assert!(
        !rendered.contains("vars") && !rendered.contains("each"),
        "{rendered}"
    );
    assert!(
        rendered.starts_with("version: 1\nname: az1-weekly-stop\n"),
        "{rendered}"
    );
    let (before, after) = (read(&text), read(&rendered));
    assert_eq!(before.description, after.description);
    assert_eq!(before.report, after.report);
    assert_eq!(before.groups.len(), 3);
    for (one, two) in before.groups.iter().zip(&after.groups) {
        assert_eq!((&one.name, one.batch_size), (&two.name, two.batch_size));
        let (one, two) = (
            one.servers_from.as_ref().unwrap(),
            two.servers_from.as_ref().unwrap(),
        );
        assert_eq!((&one.file, &one.matching), (&two.file, &two.matching));
    }
    assert_eq!(
        render(&file(&rendered), &Inputs::default()).unwrap().0,
        rendered
    );
}

#[test]
fn a_report_template_is_filled_in_by_the_run() {
    let run: RunId = "20261128T170000Z-3f9a1c".parse().unwrap();
    let template = "r/{{ workflow.name }}-{{ run.date }}-{{ run.id }}.json";
    assert_eq!(
        expand_report(template, "weekly", &run, "2026-11-28"),
        Ok("r/weekly-2026-11-28-20261128T170000Z-3f9a1c.json".to_owned())
    );
    assert!(expand_report("{{ env.HOME }}", "weekly", &run, "2026-11-28").is_err());
}

#[test]
fn a_part_of_a_split_group_can_be_left_out_by_a_later_one() {
    let split = "  - name: rack\n    servers_from: a.csv\n    split_by: rack\n";
    let later = |name: &str| {
        format!("  - name: rest\n    servers_from: b.txt\n    exclude: {{ groups: [{name}] }}\n")
    };
    for name in ["rack", "rack-b7", "rack-b-7"] {
        read(&format!("{HEAD}groups:\n{split}{}", later(name)));
    }
    for name in ["rackb7", "rac-k"] {
        let text = format!("{HEAD}groups:\n{split}{}", later(name));
        assert_eq!(findings(&text, &Inputs::default()), ["unknown-group 12:25"]);
    }
}

#[test]
fn whole_numbers_may_be_written_as_fractions() {
    let text = with("    batch_size: 5.0\n    expect: { max: 1e2 }\nrollout: { in_flight: 2.0, waves: [3.0, rest], max_failures: 4.0 }\nguards: { max_servers: 1e2 }\nlabels: { v: 1.0 }\n")
        .replace("version: 1", "version: 1.0");
    let workflow = read(&text);
    assert_eq!(workflow.groups[0].batch_size.get(), 5);
    assert_eq!(workflow.groups[0].expect.max, Some(100));
    assert_eq!(
        (
            workflow.rollout.in_flight.get(),
            workflow.guards.max_servers
        ),
        (2, 100)
    );
    assert_eq!(workflow.rollout.waves.to_string(), "3, rest");
    assert_eq!(workflow.rollout.max_failures, MaxFailures::Count(4));
    assert_eq!(workflow.labels["v"], "1.0");
}

#[rstest]
#[case("guards: { max_servers: 10000000 }\nrate: { stop: 100000 }\n")]
#[case("jobs: { timeout: 999999999h999999999m999999999s999999999ms, poll: 1ms }\n")]
#[case("rollout: { retry_for: 0s1ms }\nchecks: { grace: 0s }\n")]
fn what_is_just_within_the_limits_can_be_read(#[case] more: &str) {
    read(&with(more));
}

#[test]
fn every_warning_is_told() {
    let workflow = read(&with("vars: { a: 1 }\n").replace("HARD", "SOFT"));
    let codes: Vec<_> = workflow.warnings.iter().map(|it| it.code).collect();
    assert_eq!(codes, ["soft-stop-invalid", "unused-variable"]);
}

#[test]
fn for_each_has_a_limit() {
    let elements = vec!["x"; 10_001].join(", ");
    let text = format!(
        "{HEAD}vars: {{ l: [{elements}] }}\ngroups: [{{ name: \"{{{{ each }}}}\", for_each: l, servers: [{ID}] }}]\n"
    );
    assert_eq!(findings(&text, &Inputs::default()), ["too-large 7:42"]);
}

#[test]
fn a_hundred_thousand_mistakes_end_quickly_with_a_count() {
    let servers = "      - nonsense\n".repeat(100_000);
    let text = format!("{HEAD}groups:\n  - name: a\n    servers:\n{servers}");
    let found = parse(&file(&text), &Inputs::default()).unwrap_err();
    assert_eq!(found.len(), LIMIT + 1);
    assert_eq!(found[0].place.as_ref().unwrap().line, 9);
    assert_eq!(found[LIMIT].code, "too-many");
    let names: String = (0..20_000)
        .map(|n| format!("  k{n}: \"{{{{ v{n} }}}}\"\n"))
        .collect();
    let vars: String = (0..20_000).map(|n| format!("  w{n}: 1\n")).collect();
    let text = with(&format!("labels:\n{names}vars:\n{vars}"));
    assert_eq!(
        parse(&file(&text), &Inputs::default()).unwrap_err().len(),
        LIMIT + 1
    );
    let keys: String = (0..100_000).map(|n| format!("k{n}: 1\n")).collect();
    assert_eq!(
        parse(&file(&with(&keys)), &Inputs::default())
            .unwrap_err()
            .len(),
        LIMIT + 1
    );
}

proptest! {
    #[test]
    fn no_change_of_a_workflow_makes_the_stage_panic(at in 0usize..400, cut in 0usize..9, put in "([{}\\[\\]:#&*!|>'\"%@` \n\t,0-]|\\PC){0,6}") {
        let text = with("vars: { a: [1, x], b: { default: 2 } }\ndescription: \"{{ b }}{{#if a}}y{{/if}}\"\nrollout: { batch_size: \"{{ b }}\" }\n");
        let at = at.min(text.len());
        let end = (at + cut).min(text.len());
        let changed = format!("{}{put}{}", &text[..at], &text[end..]);
        if let Err(found) = parse(&file(&changed), &Inputs::default()) {
            prop_assert!(!found.is_empty());
            prop_assert!(found.iter().all(|it| it.place.is_some() && it.code != "internal"), "{found:?}");
            crate::diagnostic::to_text(&found, true);
        } else {
            let rendered = render(&file(&changed), &Inputs::default()).unwrap().0;
            prop_assert!(parse(&file(&rendered), &Inputs::default()).is_ok(), "{rendered}");
        }
    }

    #[test]
    fn any_text_of_a_description_survives_rendering(text in "([^{}]|\\n|[\u{7f}-\u{a0}\u{2028}\u{202e}]){0,40}") {
        let escaped: String = text.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect();
        let workflow = read(&with(&format!("description: \"{escaped}\"\n")));
        let rendered = render(&workflow.source, &Inputs::default()).unwrap().0;
        let again = read(&rendered);
        prop_assert_eq!(again.description.as_deref(), Some(text.as_str()));
    }
}
