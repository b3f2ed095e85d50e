//! The comment, read by a parser of GitHub's Markdown: hostile words stay words.

use std::collections::BTreeMap;

use comrak::nodes::{AstNode, NodeValue};
use comrak::{Arena, Options, parse_document};
use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::diagnostic::Diagnostic;
use crate::inventory::Targets;
use crate::plan::make::expand;
use crate::plan::sample::{self, group, server};
use crate::plan::{Against, ChangedFile, FileChange, FileKind, Offender, Ruling};
use crate::workflow::Waves;

const PATH: &str = "workflows/weekly-stop.yaml";

fn shown(plan: &Plan, changes: Option<&Difference<'_>>) -> String {
    let changes = changes.map_or(Changes::NotCompared, Changes::Against);
    to_markdown(plan, PATH, &changes, &Judgement::of(plan))
}

/// What GitHub takes, less a margin.
const LIMIT: usize = 60_000;

#[test]
fn what_groups_select_is_told_as_plain_words() {
    let plan = sample::selecting(&sample::workflow(), vec![group("a", 0, 3)]);
    let text = shown(&plan, None);
    let line = text.lines().find(|line| line.starts_with("- **a**"));
    assert_snapshot!(line.unwrap());
}

#[test]
fn a_reviewer_sees_who_loses_power_first() {
    assert_snapshot!(shown(&sample::fleet(), None));
}

#[test]
fn a_reviewer_sees_what_changes_before_the_settings() {
    let mut workflow = sample::workflow();
    workflow.guards.max_servers = 7;
    let groups = vec![group("canary", 0, 1), group("rack-b7", 2, 1500)];
    let (old, new) = (sample::fleet(), sample::plan_of(&workflow, groups));
    let change = Difference::between(&old, &new);
    assert_snapshot!(shown(&new, Some(&change)));
}

#[test]
fn a_plan_that_does_the_same_says_so() {
    let plan = sample::fleet();
    let text = shown(&plan, Some(&Difference::between(&plan, &plan)));
    assert!(text.contains("has the same digest"), "{text}");
}

#[test]
fn many_groups_are_cut_and_counted() {
    let groups = (0..3000).map(|n| group(&format!("rack-{n}"), n, 1));
    let text = shown(&sample::plan(groups.collect()), None);
    assert!(text.len() < LIMIT);
    let (groups, waves) = text.split_once("### Waves").unwrap();
    for (part, noun) in [(groups, "groups"), (waves, "waves")] {
        let rows = part.lines().filter(|line| line.starts_with("| rack"));
        let more = format!("\n… and {} more {noun}\n", 3000 - rows.count());
        assert!(part.contains(&more), "{more}{text}");
    }
}

/// A plan in which everything that may come from outside is `text`, from `from` on.
fn hostile(text: &str, from: u32, groups: u32) -> Plan {
    let mut workflow = sample::workflow();
    workflow.window = Some(sample::frozen_by(text));
    workflow.description = Some(text.to_owned());
    workflow.region = Some(text.to_owned());
    workflow.report = Some(text.to_owned());
    workflow.name = text.to_owned();
    let label = |n| (format!("{n}{text}"), text.to_owned());
    workflow.labels = (0..groups).map(label).collect();
    workflow.warnings = vec![Diagnostic::warning("a-code", text); groups as usize];
    workflow.guards.max_servers = 100 + from;
    let names = (from..from + groups).map(|n| (server(n), text.to_owned()));
    let targets = (from..from + groups).map(|n| group(&format!("{text}{n}"), n, 1));
    expand(
        &workflow,
        Targets::for_tests(targets.collect(), names.collect::<BTreeMap<_, _>>()),
        Vec::new(),
    )
}

/// The comment on a change in which everything that may come from outside is `text`.
fn hostile_change(text: &str, groups: u32) -> String {
    let (old, new) = (hostile(text, 0, groups), hostile(text, groups / 2, groups));
    let judgement = hostile_judgement(&new, text, groups.div_ceil(5));
    let base = Base::Approved {
        moved_from: Some(text.to_owned()),
        difference: Box::new(Difference::between(&old, &new)),
    };
    let file = |number| ChangedFile {
        kind: FileKind::Inventory,
        path: format!("{text}{number}"),
        change: FileChange::Changed,
    };
    let review = Review::new(base, (0..groups).map(file).collect());
    // No path is longer than 4096 bytes.
    let path: String = text.chars().take(1000).collect();
    to_markdown(&new, &path, &Changes::Base(&review), &judgement)
}

/// The comment on a plan without an approved base.
fn new_workflow(plan: &Plan, why: &str) -> String {
    let base = Base::Unapproved {
        why: why.to_owned(),
    };
    let review = Review::new(base, Vec::new());
    to_markdown(plan, PATH, &Changes::Base(&review), &Judgement::of(plan))
}

/// A policy named `text` that forbids each target, whose name and tag are `text`, several times.
fn hostile_judgement(plan: &Plan, text: &str, rules: u32) -> Judgement {
    let mut judgement = Judgement::of(plan);
    for _ in 0..rules.min(100) {
        let offender = |number| Offender {
            server: server(number),
            name: Some(text.to_owned()),
            group: text.to_owned(),
            why: format!("its tag `{text}` fits `{text}`"),
        };
        let ruling = Ruling {
            name: "protected.tags".to_owned(),
            policy: Some(text.to_owned()),
            limit: Some(0),
            actual: Some(rules),
            ok: Some(false),
        };
        let against = Against::Servers((0..rules).map(offender).collect());
        judgement.add(ruling, Some(against));
    }
    judgement
}

#[test]
fn the_longest_texts_of_the_most_groups_still_fit() {
    for text in ["\u{e0001}", "@", "#", "|", "\u{1f5a5}", "a1"] {
        let shown = hostile_change(&text.repeat(5000), 2000);
        assert!(shown.len() < LIMIT, "{} bytes of {text:?}", shown.len());
    }
}

#[test]
fn two_thousand_waves_of_the_longest_names_fit() {
    let waves: Waves = serde_json::from_value(serde_json::json!(vec![1; 200])).unwrap();
    let mut workflow = sample::workflow();
    workflow.rollout.waves = waves.clone();
    let groups = (0..10).map(|number| {
        let name = format!("{}{number}", "|\u{e0001}".repeat(40));
        let mut group = group(&name, number * 300, 300);
        group.waves = waves.clone();
        group.soak = std::time::Duration::from_secs(3600);
        group
    });
    let plan = sample::plan_of(&workflow, groups.collect());
    let text = shown(&plan, Some(&Difference::between(&sample::fleet(), &plan)));
    assert!(text.len() < LIMIT, "{}", text.len());
    let (_, waves) = text.split_once("### Waves").unwrap();
    let (waves, _) = waves.split_once("###").unwrap();
    assert!(waves.contains(" more waves"), "{waves}");
    assert!(waves.len() < 9_000, "{}", waves.len());
}

#[test]
fn fifty_thousand_servers_fit() {
    let old = sample::plan(vec![group("a", 0, 50_000)]);
    let new = sample::plan(vec![group("b", 20_000, 50_000)]);
    let shown = shown(&new, Some(&Difference::between(&old, &new)));
    assert!(shown.len() < LIMIT, "{}", shown.len());
    assert!(shown.contains("#### 20000 servers would newly lose power"));
}

const MARKUP: &str = "<img src=x onerror=alert(1)> [a](https://evil) ![b](c) @team #1 ```\n| x | y |\n# head GH-7 www.evil.example";

#[test]
fn a_hostile_text_stays_words() {
    let plan = hostile(MARKUP, 0, 1);
    let judgement = hostile_judgement(&plan, MARKUP, 1);
    let text = to_markdown(&plan, MARKUP, &Changes::NotCompared, &judgement);
    assert_snapshot!(text);
}

#[test]
fn nothing_ends_the_invisible_line_early() {
    let plan = sample::fleet();
    let path = "a --> <b>x</b> <!--.yaml";
    let shown = to_markdown(&plan, path, &Changes::NotCompared, &Judgement::of(&plan));
    let first = shown.lines().next().unwrap();
    let path = "a%20--%3E%20%3Cb%3Ex%3C/b%3E%20%3C%21--.yaml";
    assert_eq!(first, format!("<!-- lightsout plan {path} -->"));
}

/// What a reader of the comment could be led astray by, and its outline.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    astray: Vec<String>,
    outline: Vec<&'static str>,
}

fn read(markdown: &str) -> Read {
    let mut options = Options::default();
    let extension = &mut options.extension;
    extension.table = true;
    extension.autolink = true;
    extension.strikethrough = true;
    extension.tasklist = true;
    extension.footnotes = true;
    extension.math_dollars = true;
    extension.math_code = true;
    extension.alerts = true;
    let arena = Arena::new();
    let mut read = Read::default();
    let document = parse_document(&arena, markdown, &options);
    for (at, node) in document.descendants().enumerate() {
        look_at(node, at, &mut read);
    }
    read
}

fn look_at<'a>(node: &'a AstNode<'a>, at: usize, read: &mut Read) {
    let value = &node.data().value;
    match (value, value.xml_node_name()) {
        (NodeValue::Text(text), _) if is_reference(text) => read.astray.push(text.to_string()),
        (NodeValue::Text(_), _) => {}
        (NodeValue::HtmlBlock(html), _)
            if at <= 2 && html.literal.starts_with("<!-- lightsout") => {}
        (_, name) if PLAIN.contains(&name) => read.outline.push(name),
        (_, _) => read.astray.push(format!("{value:?}")),
    }
}

/// What the comment itself is made of.
const PLAIN: [&str; 11] = [
    "document",
    "heading",
    "block_quote",
    "paragraph",
    "strong",
    "code",
    "table",
    "table_row",
    "table_cell",
    "list",
    "item",
];

/// Whether GitHub or GitLab would make a link, a mention or a reference of it.
fn is_reference(text: &str) -> bool {
    let lower = text.to_lowercase();
    let sigil = |(at, sign): (usize, char)| {
        let next = text[at + sign.len_utf8()..].chars().next();
        "@#!$%~^&*:".contains(sign) && next.is_some_and(|c| c.is_alphanumeric() || c == '/')
    };
    let hash = |word: &str| word.len() >= 7 && word.chars().all(|c| c.is_ascii_hexdigit());
    let issue = |(at, _): (usize, &str)| {
        let before = lower[..at.saturating_sub(1)].chars().next_back();
        let behind = lower[at + 2..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && behind.is_some_and(|c| c.is_ascii_digit())
    };
    text.char_indices().any(sigil)
        || lower.contains("://")
        || lower.split(|c: char| !c.is_alphanumeric()).any(hash)
        || format!(" {lower}").match_indices("gh-").any(issue)
}

#[test]
fn the_reader_of_these_tests_sees_what_would_lead_astray() {
    let bad = "a <b>b</b> [c](d) ![e](f) https://g.example www.h.example i@j.example @k #1 !2 GH-3 deadbeef1";
    let read = read(bad);
    assert!(read.astray.len() >= 8, "{:?}", read.astray);
}

#[test]
fn markup_leads_nobody_astray() {
    let plain = read(&hostile_change("x", 2));
    assert_eq!(plain.astray, [""; 0]);
    assert_eq!(read(&hostile_change(MARKUP, 2)), plain);
}

proptest! {
    // Each case reads two whole comments.
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_text_leads_astray_or_changes_the_outline(text in "([ -~\n\r\t\u{80}-\u{9f}\u{202e}é]{0,80}|(@x|#1|!2|GH-3|<b>|\\[a\\]\\(b\\)|https://e\\.x|www\\.e\\.x|a@b\\.cc|:\\+1:|deadbeef|\\||`|\\\\|\\$x\\$|\\[\\^1\\]|~~|\n|- \\[ \\] | ){0,12})", groups in 1u32..4) {
        prop_assume!(!text.trim().is_empty());
        let shown = hostile_change(&text, groups);
        prop_assert!(shown.len() < LIMIT);
        let (found, plain) = (read(&shown), read(&hostile_change("x", groups)));
        prop_assert_eq!(found.astray, Vec::<String>::new());
        prop_assert_eq!(found.outline, plain.outline);
    }
}

#[test]
fn a_gate_is_shown_whole_and_as_words() {
    let mut workflow = sample::workflow();
    let gate = r#"{"http": "https://gate.example.com/may-stop?fleet=weekly&why=a|b&which=of-all-the-racks"}"#;
    workflow.rollout.gate = serde_json::from_str(gate).unwrap();
    let mut own = sample::group("a", 0, 2);
    own.gate = workflow.rollout.gate.clone();
    let plan = sample::plan_of(&workflow, vec![own]);
    let text = shown(&plan, None);
    let row = text
        .lines()
        .find(|line| line.starts_with("| rollout.gate |"));
    let row = row.unwrap();
    assert!(row.contains("a\\|b") && row.contains("2 retries"), "{row}");
}

#[test]
fn every_server_of_a_workflow_without_an_approved_base_is_listed() {
    let plan = sample::plan(vec![group("a", 0, 40)]);
    let text = new_workflow(&plan, "the plan is behind a link");
    assert!(
        text.contains(
            "**NEW: all 40 servers newly lose power.** Reason: the plan is behind a link."
        )
    );
    for number in 0..40 {
        let row = format!("- `{}` in a, batch 0\n", server(number));
        assert!(text.contains(&row), "{text}");
    }
}

#[test]
fn three_thousand_new_servers_are_listed_by_the_start_of_their_ids() {
    let plan = sample::plan(vec![group("a", 0, 3000)]);
    let text = new_workflow(&plan, "x");
    assert!(text.len() < LIMIT, "{}", text.len());
    for number in 0..3000 {
        assert!(text.contains(&server(number).to_string()[..8]), "{number}");
    }
}

#[test]
fn a_hundred_thousand_new_servers_are_listed_by_the_ends_of_batches() {
    let plan = sample::plan(vec![group("a", 0, 100_000)]);
    let text = new_workflow(&plan, "x");
    assert!(text.len() < LIMIT, "{}", text.len());
    for number in [0, 999, 99_000, 99_999] {
        assert!(text.contains(&server(number).to_string()), "{number}");
    }
}

#[test]
fn servers_that_go_earlier_are_named() {
    let mut old = group("a", 0, 10);
    old.waves = serde_json::from_str(r#"[1, 4, "rest"]"#).unwrap();
    let mut new = old.clone();
    new.targets.swap(0, 9);
    let (old, new) = (sample::plan(vec![old]), sample::plan(vec![new]));
    let text = shown(&new, Some(&Difference::between(&old, &new)));
    assert!(
        text.contains("#### 1 server in an earlier wave\n"),
        "{text}"
    );
    let row = format!(
        "- `{}` from a, wave 3, batch 2 to a, wave 1, batch 0\n",
        server(9)
    );
    assert!(text.contains(&row), "{text}");
}

#[test]
fn groups_that_change_places_go_earlier() {
    let old = sample::plan(vec![group("canary", 0, 1), group("rest", 1, 3)]);
    let new = sample::plan(vec![group("rest", 1, 3), group("canary", 0, 1)]);
    let text = shown(&new, Some(&Difference::between(&old, &new)));
    assert!(
        text.contains("#### 3 servers in an earlier wave\n"),
        "{text}"
    );
}

#[test]
fn protections_come_before_settings_of_groups_and_are_never_dropped() {
    let groups = |waves: &str, gate: Option<&str>| {
        let groups = (0..300).map(|number| {
            let mut group = group(&format!("rack-{number}"), number, 1);
            group.waves = serde_json::from_str(waves).unwrap();
            group.soak = std::time::Duration::from_secs(u64::from(number));
            group.gate = gate.map(|gate| serde_json::from_str(gate).unwrap());
            group
        });
        groups.collect::<Vec<_>>()
    };
    let mut workflow = sample::workflow();
    let gate = r#"{"http": "https://gate.example.com/"}"#;
    let old = sample::plan_of(&workflow, groups("[1]", Some(gate)));
    workflow.guards.max_servers = 7;
    workflow.checks.after = false;
    workflow.window = Some(sample::window());
    let new = sample::plan_of(&workflow, groups("[\"rest\"]", None));
    let text = shown(&new, Some(&Difference::between(&old, &new)));
    let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    let waves = place("- waves of ");
    for protection in [
        "- guards.max\\_servers: 5000 → 7\n",
        "- checks.after: true → false\n",
        "- window.timezone: **not set** → Asia/Singapore",
        "- window.freeze: **not set** → freeze.yaml\n",
        "- gate of rack-0, rack-1, rack-2, rack-3, rack-4 and 295 more groups: https",
    ] {
        assert!(place(protection) < waves, "{protection}");
    }
    assert!(!text.contains("<!-- lightsout incomplete -->"));
}

#[test]
fn a_comment_without_room_for_its_protections_says_so() {
    let gated = |host: &str| {
        let groups = (0..300).map(|number| {
            let mut group = group(&format!("rack-{number}"), number, 1);
            let gate = format!(r#"{{"http": "https://{host}.example.com/{number}"}}"#);
            group.gate = Some(serde_json::from_str(&gate).unwrap());
            group
        });
        sample::plan(groups.collect())
    };
    let (old, new) = (gated("a"), gated("b"));
    let text = shown(&new, Some(&Difference::between(&old, &new)));
    assert_eq!(text.lines().nth(1), Some("<!-- lightsout incomplete -->"));
    assert!(text.contains(" more lines\n") && text.contains("**This comment is incomplete:"));
    assert!(text.len() < LIMIT, "{}", text.len());
}
