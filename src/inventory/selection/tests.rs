//! What servers criteria find, by what the API reports of them.

use super::*;
use proptest::prelude::*;
use rstest::rstest;

fn server(number: u8, tags: &[&str]) -> ServerDetail {
    ServerDetail {
        id: ServerId::from_bytes([number; 16]),
        name: format!("web-{number}"),
        other_names: Vec::new(),
        status: "ACTIVE".into(),
        state: StateClass::On,
        flavor: Some("physical.s4.medium".into()),
        availability_zone: Some("az1".into()),
        enterprise_project_id: Some("0".into()),
        tags: Tags::Listed(tags.iter().map(|tag| (*tag).to_owned()).collect()),
    }
}

fn select(criteria: &[(&str, &str)]) -> Select {
    let own = |key: &str| {
        let mut all = criteria.iter();
        let found = all.find(|(name, _)| *name == key);
        found.map(|(_, text)| (*text).to_owned())
    };
    Select {
        name: own("name").map(|name| name.parse().unwrap()),
        tags: criteria
            .iter()
            .filter_map(|(key, value)| {
                Some((key.strip_prefix("tag:")?.to_owned(), (*value).to_owned()))
            })
            .collect(),
        status: own("status"),
        flavor: own("flavor"),
        availability_zone: own("zone"),
        enterprise_project_id: own("project"),
    }
}

#[rstest]
#[case(&[("name", "web-*")], true)]
#[case(&[("name", "web")], false)]
#[case(&[("name", "WEB-*")], false)]
#[case(&[("tag:rack", "b7")], true)]
#[case(&[("tag:rack", "b")], false)]
#[case(&[("tag:rac", "k=b7")], false)]
#[case(&[("tag:rack", "b7"), ("tag:env", "test")], true)]
#[case(&[("tag:rack", "b7"), ("tag:env", "prod")], false)]
#[case(&[("tag:env", "")], false)]
#[case(&[("tag:bare", "")], true)]
#[case(&[("tag:bar", "")], false)]
#[case(&[("tag:empty", "")], true)]
#[case(&[("tag:url", "a=b")], true)]
#[case(&[("status", "ACTIVE")], true)]
#[case(&[("status", "active")], false)]
#[case(&[("flavor", "physical.s4.medium")], true)]
#[case(&[("flavor", "physical.s4.*")], false)]
#[case(&[("zone", "az1")], true)]
#[case(&[("zone", "az2")], false)]
#[case(&[("project", "0")], true)]
#[case(&[("project", "1")], false)]
#[case(&[("name", "web-*"), ("zone", "az2")], false)]
fn each_criterion_must_be_met(#[case] criteria: &[(&str, &str)], #[case] expected: bool) {
    let tags = ["bare", "empty=", "env=test", "rack=b7", "url=a=b"];
    assert_eq!(meets(&select(criteria), &server(1, &tags)), expected);
}

#[test]
fn what_a_server_does_not_have_meets_nothing() {
    let mut bare = server(1, &[]);
    bare.flavor = None;
    bare.availability_zone = None;
    for criterion in ["flavor", "zone", "tag:rack"] {
        assert!(!meets(&select(&[(criterion, "")]), &bare), "{criterion}");
    }
}

/// A server of which one member is not reported clearly.
fn unclear(member: &str) -> ServerDetail {
    let mut server = server(1, &["keep=on"]);
    match member {
        "name" => server.name = String::new(),
        "second name" => server.other_names = vec!["db-1".into()],
        "status" => server.status = String::new(),
        "flavor" => server.flavor = None,
        "availability_zone" => server.availability_zone = None,
        "enterprise_project_id" => server.enterprise_project_id = None,
        "null tags" => server.tags = Tags::Null,
        "absent tags" => server.tags = Tags::Absent,
        "odd tags" => server.tags = Tags::Unreadable,
        "two tags" => server.tags = Tags::Conflicting(vec!["keep=on".into()]),
        other => panic!("{other}"),
    }
    server
}

#[rstest]
#[case("name", ("name", "web-*"), "name")]
#[case("name", ("name", "*"), "name")]
#[case("second name", ("name", "web-*"), "name")]
#[case("second name", ("name", "db-*"), "name")]
#[case("status", ("status", "ACTIVE"), "status")]
#[case("flavor", ("flavor", "physical.s4.medium"), "flavor")]
#[case("availability_zone", ("zone", "az1"), "availability_zone")]
#[case("enterprise_project_id", ("project", "0"), "enterprise_project_id")]
#[case("null tags", ("tag:keep", "on"), "tags")]
#[case("absent tags", ("tag:keep", "on"), "tags")]
#[case("odd tags", ("tag:keep", "on"), "tags")]
#[case("two tags", ("tag:keep", "on"), "tags")]
fn what_is_not_reported_selects_nobody_and_spares_everybody(
    #[case] member: &str,
    #[case] criterion: (&str, &str),
    #[case] expected: &'static str,
) {
    let servers = [unclear(member)];
    let by_one = select(&[criterion]);
    assert_eq!(matching(&by_one, &servers[0]), Match::Unknown(expected));
    let known = Known::Listing(&servers);
    assert_eq!(known.doubtful(&by_one), [(servers[0].id, expected)]);
    let never = [criterion, ("flavor", "of-no-server")];
    let by_two = select(&never);
    // Unless the server fails another criterion for certain.
    let fails = member != "flavor";
    assert_eq!(matching(&by_two, &servers[0]) == Match::No, fails);
}

#[test]
fn two_names_that_both_fit_select() {
    let mut server = server(1, &[]);
    server.other_names = vec!["web-9".into()];
    assert!(meets(&select(&[("name", "web-*")]), &server));
    assert!(!meets(&select(&[("name", "web-1")]), &server));
    assert_eq!(matching(&select(&[("name", "db-*")]), &server), Match::No);
}

#[test]
fn words_name_every_criterion() {
    let asked = select(&[
        ("name", "web-*"),
        ("tag:rack", "b7"),
        ("tag:bare", ""),
        ("status", "ACTIVE"),
        ("flavor", "f"),
        ("zone", "az1"),
        ("project", "0"),
    ]);
    assert_eq!(
        criteria(&asked),
        "select name=web-* status=ACTIVE flavor=f availability_zone=az1 enterprise_project_id=0 tag:bare= tag:rack=b7"
    );
}

proptest! {
    #[test]
    fn more_criteria_never_find_more(
        tags in proptest::collection::btree_set("[ab](=[ab]?)?", 0..4),
        first in "[ab]", second in "[ab]?", name in "[web*?0-9-]{1,6}",
    ) {
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let server = server(7, &tags);
        let key = format!("tag:{first}");
        let by_tag = select(&[(&key, &second)]);
        let by_name = select(&[("name", &name)]);
        let both = select(&[(&key, &second), ("name", &name)]);
        prop_assert_eq!(
            meets(&both, &server),
            meets(&by_tag, &server) && meets(&by_name, &server)
        );
    }
}
