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
use crate::plan::{Against, Offender, Ruling};
use crate::workflow::Waves;

fn shown(plan: &Plan, changes: Option<&Difference<'_>>) -> String {
    to_markdown(plan, changes, &Judgement::of(plan))
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
    )
}

/// The comment on a change in which everything that may come from outside is `text`.
fn hostile_change(text: &str, groups: u32) -> String {
    let (old, new) = (hostile(text, 0, groups), hostile(text, groups / 2, groups));
    let judgement = hostile_judgement(&new, text, groups.div_ceil(5));
    to_markdown(&new, Some(&Difference::between(&old, &new)), &judgement)
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
    assert_snapshot!(to_markdown(&plan, None, &judgement));
}

#[test]
fn nothing_ends_the_invisible_line_early() {
    let shown = shown(&hostile("a --> <b>x</b> <!--", 0, 1), None);
    let first = shown.lines().next().unwrap();
    assert_eq!(first, "<!-- lightsout plan a--bxb-- -->");
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
            if at == 1 && html.literal.starts_with("<!-- lightsout") => {}
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
    let text = to_markdown(&plan, None, &Judgement::of(&plan));
    let row = text
        .lines()
        .find(|line| line.starts_with("| rollout.gate |"));
    let row = row.unwrap();
    assert!(row.contains("a\\|b") && row.contains("2 retries"), "{row}");
}
