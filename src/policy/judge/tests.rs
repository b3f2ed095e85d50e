//! Rules against plans, before and after servers were read.

use super::*;
use crate::diagnostic::SourceFile;
use crate::plan::Breach;
use crate::plan::sample::{self, group, server};
use crate::policy::parse;
use crate::policy::rules::Origin;
use rstest::rstest;

fn policies(texts: &[&str]) -> Policies {
    let policy = |text: &&str| {
        let source = SourceFile::new("p.yaml", &format!("version: 1\n{text}\n"));
        let rules = parse(&source).unwrap();
        Policy::new("p.yaml", Origin::Fixed, rules)
    };
    Policies::new(texts.iter().map(policy).collect())
}

/// Three servers in `a`, one of them named in the plan.
fn plan() -> Plan {
    sample::named(vec![group("a", 0, 3)], &[(2, "db-7")])
}

fn reading(servers: &[(u32, &str, Option<&[&str]>)], others: usize) -> Reading {
    let seen = servers.iter().map(|(number, name, tags)| {
        let names = name.split_terminator('|').map(str::to_owned).collect();
        let owned = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
        let tags = tags.map_or(SeenTags::Absent, |tags| SeenTags::Known(owned(tags)));
        (server(*number), Seen { names, tags })
    });
    Reading::for_tests(servers.len() + others, seen.collect())
}

fn judged(rules: &str, plan: &Plan, reading: Option<&Reading>) -> Judgement {
    let approval = Approval::Other;
    let case = Case {
        plan,
        approval,
        lifting: Lifting::Nothing,
        reading,
    };
    judge(&policies(&[rules]), case)
}

/// What a policy of these rules says of the plan: each rule's word, and the reasons against it.
fn shown(rules: &str, reading: Option<&Reading>) -> (Vec<String>, Vec<String>) {
    let judgement = judged(rules, &plan(), reading);
    let own = judgement.rulings.iter().filter(|it| it.policy.is_some());
    let words = own.map(|ruling| format!("{} {}", ruling.name, ruling.word()));
    let against = judgement.breaches.iter().flat_map(Breach::lines);
    let against = against.map(|line| line.split_once(": ").unwrap().1.to_owned());
    (words.collect(), against.collect())
}

fn calm() -> Reading {
    reading(
        &[
            (0, "web-0", Some(&[])),
            (1, "web-1", Some(&["env=prod", "bare"])),
            (2, "web-2", Some(&[])),
        ],
        0,
    )
}

#[test]
fn no_policy_is_no_rule() {
    let judgement = judge(
        &Policies::default(),
        Case {
            plan: &plan(),
            approval: Approval::Other,
            lifting: Lifting::Nothing,
            reading: None,
        },
    );
    assert_eq!(judgement, Judgement::of(&plan()));
    assert!(!needs_reading(&Policies::default(), &plan()));
}

#[test]
fn a_protected_id_is_forbidden_without_asking_anybody() {
    let rules = format!(
        "protected: {{ servers: ['{}', '{}'] }}",
        server(1),
        server(9)
    );
    let (words, against) = shown(&rules, None);
    assert_eq!(words, ["protected.servers BREACHED"]);
    assert_eq!(
        against,
        [format!(
            "server `{}` (group `a`): it is protected",
            server(1)
        )]
    );
    assert!(!needs_reading(&policies(&[&rules]), &plan()));
}

#[test]
fn a_name_of_the_plan_is_enough_to_forbid_and_not_to_allow() {
    let (words, against) = shown("protected: { names: ['db-*'] }", None);
    assert_eq!(words, ["protected.names BREACHED"]);
    assert_eq!(
        against,
        [format!(
            "server `{}` (`db-7`, group `a`): its name fits `db-*`",
            server(2)
        )]
    );
    let (words, against) = shown("protected: { names: ['mq-*'] }", None);
    assert_eq!(
        (words, against.len()),
        (vec!["protected.names decided at the run".to_owned()], 0)
    );
    assert!(needs_reading(
        &policies(&["protected: { names: ['mq-*'] }"]),
        &plan()
    ));
}

#[test]
fn both_the_name_of_the_plan_and_the_live_one_count() {
    let (words, _) = shown("protected: { names: ['mq-*'] }", Some(&calm()));
    assert_eq!(words, ["protected.names ok"]);
    // Renamed since: the plan's name still counts.
    let (words, _) = shown("protected: { names: ['db-*'] }", Some(&calm()));
    assert_eq!(words, ["protected.names BREACHED"]);
    let (words, against) = shown("protected: { names: ['web-[01]'] }", Some(&calm()));
    assert_eq!((words.len(), against.len()), (1, 2));
}

#[rstest]
#[case("env=prod", true)]
#[case("env=*", true)]
#[case("env", true)]
#[case("en?", true)]
#[case("env=dev", false)]
#[case("ENV", false)]
#[case("prod", false)]
#[case("bare", true)]
#[case("bare=", true)]
#[case("bare=*", true)]
#[case("bare=x", false)]
fn tags_are_forbidden_by_key_or_as_a_whole(#[case] pattern: &str, #[case] breached: bool) {
    let rules = format!("protected: {{ tags: ['{pattern}'] }}");
    let judgement = judged(&rules, &plan(), Some(&calm()));
    assert_eq!(judgement.is_breached(), breached);
    assert!(!judged(&rules, &plan(), None).is_breached());
}

#[test]
fn what_cannot_be_read_is_refused() {
    let reading = reading(&[(0, "", Some(&[])), (1, "web-1", None)], 5);
    let (_, against) = shown("protected: { names: ['mq-*'] }", Some(&reading));
    assert_eq!(
        against,
        [
            format!(
                "server `{}` (group `a`): its name cannot be read: the API reports none, or not as text",
                server(0)
            ),
            format!(
                "server `{}` (`db-7`, group `a`): its name cannot be read: the API does not know the server",
                server(2)
            )
        ]
    );
    let (_, against) = shown("protected: { tags: ['env'] }", Some(&reading));
    assert_eq!(against.len(), 2);
    let why = "`web-1`, group `a`): its tags cannot be read: the API does not report them";
    assert!(against[0].contains(why), "{}", against[0]);
}

#[rstest]
#[case(SeenTags::Null, "the API reports them as null", true)]
#[case(SeenTags::Absent, "the API does not report them", true)]
#[case(SeenTags::Unreadable, "they are not a list of texts", false)]
#[case(
    SeenTags::Partial(Vec::new()),
    "the API lists the server twice, once without tags that can be read",
    false
)]
fn tags_that_are_not_reported_are_none_only_if_the_policy_says_so(
    #[case] tags: SeenTags,
    #[case] why: &str,
    #[case] can_be_allowed: bool,
) {
    let seen = |number| {
        let seen = Seen {
            names: vec![format!("web-{number}")],
            tags: tags.clone(),
        };
        (server(number), seen)
    };
    let reading = Reading::for_tests(3, (0..3).map(seen).collect());
    for untagged in ["", ", untagged: refuse"] {
        let rules = format!("protected: {{ tags: ['env']{untagged} }}");
        let (words, against) = shown(&rules, Some(&reading));
        assert_eq!(
            (words, against.len()),
            (vec!["protected.tags BREACHED".to_owned()], 3)
        );
        assert!(against[0].ends_with(&format!("its tags cannot be read: {why}")));
    }
    let allowing = "protected: { tags: ['env'], untagged: allow }";
    let (_, against) = shown(allowing, Some(&reading));
    assert_eq!(against.is_empty(), can_be_allowed);
    // One policy that refuses is enough.
    let refusing = "protected: { tags: ['other'] }";
    let both = policies(&[allowing, refusing]);
    assert_eq!(both.untagged(), Some(Untagged::Refuse));
    assert_eq!(policies(&[allowing]).untagged(), Some(Untagged::Allow));
    assert_eq!(policies(&["max_servers: 1"]).untagged(), None);
}

#[test]
fn every_name_of_a_server_counts() {
    let servers: [(u32, &str, Option<&[&str]>); 3] = [
        (0, "web-0|mq-7", Some(&[])),
        (1, "web-1", Some(&[])),
        (2, "web-2", Some(&[])),
    ];
    let (_, against) = shown(
        "protected: { names: ['mq-*'] }",
        Some(&reading(&servers, 0)),
    );
    assert_eq!(against.len(), 1);
    assert!(
        against[0].ends_with("its name fits `mq-*`"),
        "{}",
        against[0]
    );
}

#[rstest]
#[case("projects: [bbf1946d374b44a0a2a95533562ba954]", None)]
#[case(
    "projects: [00000000000000000000000000000000]",
    Some("the project `bbf1946d374b44a0a2a95533562ba954` is not allowed")
)]
#[case(
    "projects: []",
    Some("the project `bbf1946d374b44a0a2a95533562ba954` is not allowed")
)]
#[case("regions: [eu-west-101, ap-southeast-1]", None)]
#[case(
    "regions: [eu-west-101]",
    Some("the region `ap-southeast-1` is not allowed")
)]
#[case(
    "endpoints: ['https://BMS.ap-southeast-1.myhuaweicloud.com:443/']",
    None
)]
#[case(
    "endpoints: ['https://bms.eu-west-101.myhuaweicloud.com']",
    Some("the endpoint `https://bms.ap-southeast-1.myhuaweicloud.com` is not allowed")
)]
#[case("max_servers: 3", None)]
#[case("max_servers: 2", Some("3 targets, and the limit is 2"))]
#[case("max_servers: 0", Some("3 targets, and the limit is 0"))]
#[case(
    "require: [window]",
    Some("it is required, and the workflow has no window")
)]
#[case(
    "require: [waves]",
    Some("waves are required, and group `a` would go in one")
)]
#[case(
    "require: [locked]",
    Some("it is required: run the committed plan with `--locked`")
)]
fn each_rule_about_the_whole_plan(#[case] rules: &str, #[case] expected: Option<&str>) {
    let (words, against) = shown(rules, None);
    let word = if expected.is_some() { "BREACHED" } else { "ok" };
    assert!(words[0].ends_with(word), "{words:?}");
    assert_eq!(against.first().map(String::as_str), expected);
}

#[test]
fn a_plan_with_a_window_has_what_is_required() {
    let mut workflow = sample::workflow();
    workflow.window = Some(sample::window());
    let plan = sample::plan_of(&workflow, vec![group("a", 0, 1)]);
    assert!(!judged("require: [window]", &plan, None).is_breached());
}

#[test]
fn a_plan_has_waves_if_each_group_of_several_goes_in_more_than_one() {
    let groups = |waves: &str| {
        let mut several = group("several", 1, 3);
        several.waves = serde_json::from_str(waves).unwrap();
        vec![group("one", 0, 1), several, group("none", 4, 0)]
    };
    let judged = |waves| judged("require: [waves]", &sample::plan(groups(waves)), None);
    assert!(!judged("[1]").is_breached());
    assert!(
        judged("[3, 1]").is_breached(),
        "a wave that is not there is none"
    );
    assert!(judged("[\"100%\"]").is_breached());
}

#[test]
fn a_region_is_not_believed_beside_another_endpoint() {
    let mut workflow = sample::workflow();
    workflow.endpoint = "https://bms.example.com".parse().unwrap();
    let elsewhere = sample::plan_of(&workflow, vec![group("a", 0, 1)]);
    let only = "regions: [ap-southeast-1]";
    assert!(judged(only, &elsewhere, None).is_breached());
    let known = format!("{only}\nendpoints: ['https://bms.example.com']");
    assert!(!judged(&known, &elsewhere, None).is_breached());
    workflow.region = None;
    let nameless = sample::plan_of(&workflow, vec![group("a", 0, 1)]);
    assert!(judged(&known, &nameless, None).is_breached());
    workflow.endpoint = Endpoint::of_region("ap-southeast-1").unwrap();
    let own = sample::plan_of(&workflow, vec![group("a", 0, 1)]);
    assert!(!judged(only, &own, None).is_breached());
}

#[rstest]
#[case(57, 5, 5, true)] // 3 of 60 servers are 5 %
#[case(56, 5, 6, false)] // of 59 they are 5.08 %
#[case(297, 1, 1, true)]
#[case(296, 1, 2, false)]
#[case(0, 100, 100, true)]
fn a_share_is_over_its_limit_as_soon_as_it_is_larger(
    #[case] others: usize,
    #[case] limit: u32,
    #[case] actual: u32,
    #[case] ok: bool,
) {
    let calm = [(0, "a", None), (1, "b", None), (2, "c", None)];
    let reading = reading(&calm, others);
    let judgement = judged(&format!("max_percent: {limit}"), &plan(), Some(&reading));
    let ruling = judgement.rulings.last().unwrap();
    assert_eq!((ruling.actual, ruling.ok), (Some(actual), Some(ok)));
    let mut workflow = sample::workflow();
    workflow.guards.max_percent = Some(u16::try_from(limit).unwrap().try_into().unwrap());
    let guarded = sample::plan_of(&workflow, vec![group("a", 0, 3)]);
    assert!(needs_reading(&Policies::default(), &guarded));
    let judgement = judged("max_servers: 9", &guarded, Some(&reading));
    assert_eq!(judgement.rulings[1].policy, None);
    assert_eq!(
        (judgement.rulings[1].actual, judgement.rulings[1].ok),
        (Some(actual), Some(ok))
    );
}

#[test]
fn an_undo_has_a_limit_on_servers_and_none_on_their_share() {
    let run = "20261128T170000Z-3f9a1c".parse().unwrap();
    let stopped = (0..3).map(server).collect();
    let undo = crate::plan::reverse(&plan(), &run, &stopped);
    let share = "max_percent: 1";
    assert!(needs_reading(&policies(&[share]), &plan()));
    assert!(!needs_reading(&policies(&[share]), &undo));
    let reading = reading(&[(0, "a", None), (1, "b", None), (2, "c", None)], 0);
    assert!(judged(share, &plan(), Some(&reading)).is_breached());
    assert!(!judged(share, &undo, Some(&reading)).is_breached());
    assert!(judged("max_servers: 2", &undo, None).is_breached());
}

#[test]
fn a_project_that_lists_nothing_has_no_share_to_spare() {
    let reading = reading(&[], 0);
    let judgement = judged("max_percent: 100", &plan(), Some(&reading));
    assert_eq!(judgement.rulings.last().unwrap().actual, Some(300));
}

#[test]
fn of_several_policies_the_strictest_wins_in_either_order() {
    for texts in [
        ["max_servers: 2", "max_servers: 9"],
        ["max_servers: 9", "max_servers: 2"],
    ] {
        let case = Case {
            plan: &plan(),
            approval: Approval::Other,
            lifting: Lifting::Nothing,
            reading: None,
        };
        assert_eq!(judge(&policies(&texts), case).breaches.len(), 1);
    }
}

#[test]
fn a_committed_plan_is_locked_and_an_open_question_is_open() {
    let plan = plan();
    let word = |approval| {
        let case = Case {
            plan: &plan,
            approval,
            lifting: Lifting::Nothing,
            reading: None,
        };
        let judgement = judge(&policies(&["require: [locked]"]), case);
        judgement.rulings.last().unwrap().word()
    };
    assert_eq!(word(Approval::Committed), "ok");
    assert_eq!(word(Approval::Open), "decided at the run");
    assert_eq!(word(Approval::Other), "BREACHED");
}

#[test]
fn credentials_go_where_the_platform_says_and_not_where_a_flag_says() {
    let policy = |origin| {
        let text = "version: 1\nendpoints: ['https://bms.example.com']\n";
        let rules = parse(&SourceFile::new("p.yaml", text)).unwrap();
        Policies::new(vec![Policy::new("p.yaml", origin, rules)])
    };
    assert_eq!(policy(Origin::Fixed).hosts(), ["https://bms.example.com"]);
    assert_eq!(
        policy(Origin::Variable).hosts(),
        ["https://bms.example.com"]
    );
    assert!(policy(Origin::Flag).hosts().is_empty());
}

#[test]
fn what_forbids_a_time_is_lifted_unless_a_policy_says_that_it_is_not() {
    let judged = |rules: &str, lifting| {
        let plan = plan();
        let case = Case {
            plan: &plan,
            approval: Approval::Other,
            lifting,
            reading: None,
        };
        let judgement = judge(&policies(&[rules, ""]), case);
        let own = judgement.rulings.iter().filter(|it| it.policy.is_some());
        own.map(|ruling| ruling.ok).collect::<Vec<_>>()
    };
    assert_eq!(judged("allow_override: false", Lifting::Nothing), []);
    assert_eq!(judged("", Lifting::Times), []);
    assert_eq!(judged("allow_override: true", Lifting::Times), [Some(true)]);
    assert_eq!(
        judged("allow_override: false", Lifting::Times),
        [Some(false)]
    );
}
