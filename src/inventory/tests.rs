//! Workflows with inventory files on a real disk, through the whole stage.
//!
//! Owns the stage's tests; the wording of errors is held by `tests/invalid_inventories.rs`. Invariant:
//! every test has a folder of its own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use proptest::prelude::*;
use rstest::rstest;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::{Folders, Known, Targets, resolve_definition};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::ids::{Endpoint, ServerId};
use crate::workflow::{
    BatchSize, Checks, Definition, Exclude, Expect, Group, Guards, InFlight, InventoryFile, Jobs,
    Rate, Rollout, StopType, Waves,
};

mod exclusions;
mod exports;

const A: &str = "616fb98f-46ca-475e-917e-2563e5a8cd19";
const B: &str = "7a1c0000-0000-4000-8000-00000000000b";
const C: &str = "7a1c0000-0000-4000-8000-00000000000c";
const D: &str = "7a1c0000-0000-4000-8000-00000000000d";

/// A repository with a workflow file in a folder, and inventories beside it.
struct Repository(TempDir);

impl Repository {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir_all(folder.path().join("repo/.git")).unwrap();
        fs::create_dir_all(folder.path().join("repo/workflows")).unwrap();
        let repository = Self(folder);
        repository.file("weekly.yaml", "version: 1\n");
        repository
    }

    fn with(name: &str, content: &str) -> Self {
        let repository = Self::new();
        repository.file(name, content);
        repository
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.0.path().join("repo/workflows").join(name), content).unwrap();
    }

    fn resolve(&self, groups: Vec<Group>) -> Result<Targets, Vec<Diagnostic>> {
        let file = self.0.path().join("repo/workflows/weekly.yaml");
        resolve_definition(
            &workflow(groups),
            &Folders::of(&file).unwrap(),
            Known::Listing(&[]),
        )
    }

    fn targets(&self, groups: Vec<Group>) -> Vec<(String, Vec<String>)> {
        let targets = self.resolve(groups).unwrap();
        let groups = targets.groups().iter();
        groups
            .map(|group| {
                let ids = group.targets.iter().map(ToString::to_string);
                (group.name.clone(), ids.collect())
            })
            .collect()
    }

    /// The codes and places of all errors.
    fn errors(&self, groups: Vec<Group>) -> Vec<String> {
        let errors = self.resolve(groups).unwrap_err();
        let told = |error: &Diagnostic| match &error.place {
            Some(place) => format!("{} {place}", error.code),
            None => error.code.to_owned(),
        };
        errors.iter().map(told).collect()
    }
}

fn workflow(groups: Vec<Group>) -> Definition {
    Definition {
        source: SourceFile::new("workflows/weekly.yaml", "version: 1\n"),
        sha256: String::new(),
        name: "weekly".to_owned(),
        description: None,
        labels: BTreeMap::new(),
        project: "bbf1946d374b44a0a2a95533562ba954".parse().unwrap(),
        region: None,
        endpoint: Endpoint::of_region("ap-southeast-1").unwrap(),
        stop_type: StopType::Hard,
        groups,
        rollout: Rollout::default(),
        window: None,
        guards: Guards::default(),
        jobs: Jobs::default(),
        checks: Checks::default(),
        rate: Rate::default(),
        report: None,
        warnings: Vec::new(),
    }
}

fn id(text: &str) -> ServerId {
    text.parse().unwrap()
}

fn group(name: &str, servers: &[&str]) -> Group {
    Group {
        name: name.to_owned(),
        origin: "/groups/0".to_owned(),
        servers: servers.iter().map(|text| id(text)).collect(),
        servers_from: None,
        select: None,
        split_by: None,
        expect: Expect::default(),
        allow_unnamed: false,
        exclude: Exclude::default(),
        batch_size: BatchSize::try_from(1000).unwrap(),
        in_flight: InFlight::try_from(1).unwrap(),
        waves: Waves::default(),
        soak: Duration::ZERO,
        gate: None,
    }
}

fn inventory(file: &str) -> InventoryFile {
    InventoryFile {
        file: file.to_owned(),
        column: None,
        name_column: None,
        matching: BTreeMap::new(),
        expect_count: None,
        sha256: None,
        origin: "/groups/0/servers_from".to_owned(),
    }
}

fn from(inventory: InventoryFile) -> Group {
    Group {
        servers_from: Some(inventory),
        ..group("g", &[])
    }
}

fn from_file(file: &str) -> Vec<Group> {
    vec![from(inventory(file))]
}

fn ids(servers: &[&str]) -> Vec<String> {
    servers.iter().map(|text| (*text).to_owned()).collect()
}

#[rstest]
#[case::plain("list.txt", format!("{A}\n{B}\n"))]
#[case::no_last_line_end("list.txt", format!("{A}\n{B}"))]
#[case::windows("list.txt", format!("\u{feff}{A}\r\n\r\n{B}\r\n"))]
#[case::upper_case("LIST.TXT", format!("{}\n{}\n", A.to_uppercase(), B.to_uppercase()))]
#[case::comments("list.txt", format!("# all\n  {A} # first\n\n\t{B}#second\n#{C}\n"))]
#[case::table("list.csv", format!("id,rack\n{A},b7\n{B},b8\n"))]
#[case::windows_table("list.csv", format!("\u{feff}id,rack\r\n{A},b7\r\n\r\n{B},b8\r\n"))]
#[case::quoted("list.csv", format!("\"rack, hall\",\"id\"\n\"b\"\"7\n\",\"{A}\"\n,{B}\n"))]
#[case::array("list.json", format!("[\"{A}\", \"{B}\"]"))]
#[case::windows_array("list.json", format!("\u{feff}[\r\n\"{A}\",\r\n\"{B}\"\r\n]\r\n"))]
#[case::objects("list.json", format!(r#"[{{"id":"{A}","x":[1,{{}}]}}, {{"n":null,"id":"{B}"}}]"#))]
#[case::mixed("list.json", format!(r#" [ "{A}" , {{"id":"{B}"}} ] "#))]
#[case::export("list.json", format!(r#" {{"x":{{"servers":[1]}}, "count" : 2, "servers": [{{"id":"{A}"}}, "{B}"]}} "#))]
#[case::json_lines("list.json", format!("\u{feff}{{\"id\":\"{A}\"}}\r\n{{\"id\":\"{B}\"}}\r\n"))]
#[case::lines_of_ids("list.jsonl", format!("\"{A}\"\n\"{B}\""))]
fn every_format_gives_its_servers_in_order(#[case] file: &str, #[case] content: String) {
    let repository = Repository::with(file, &content);
    let targets = repository.targets(from_file(file));
    assert_eq!(targets, [("g".to_owned(), ids(&[A, B]))]);
}

#[test]
fn inline_servers_come_before_those_of_the_file() {
    let repository = Repository::with("list.txt", B);
    let mut group = from(inventory("list.txt"));
    group.servers = vec![id(A)];
    let targets = repository.resolve(vec![group]).unwrap();
    assert_eq!(targets.groups()[0].targets, [id(A), id(B)]);
    assert_eq!(targets.groups()[0].source, ["inline", "list.txt"]);
}

#[rstest]
#[case("list.csv", format!("uuid,label,az\n{A},机房-1,az1\n{B},,az1\n{C},c,az2\n"))]
#[case("list.json", format!(r#"[{{"uuid":"{A}","label":"机房-1","az":"az1"}},{{"uuid":"{B}","az":"az1"}},{{"uuid":"{C}","label":"c","az":"az2"}}]"#))]
fn columns_can_be_chosen_and_rows_filtered(#[case] file: &str, #[case] content: String) {
    let repository = Repository::with(file, &content);
    let mut list = inventory(file);
    list.column = Some("uuid".to_owned());
    list.name_column = Some("label".to_owned());
    list.matching = BTreeMap::from([("az".to_owned(), "az1".to_owned())]);
    list.expect_count = Some(2);
    // A row without a name could be any machine at the run.
    let error = repository.resolve(vec![from(list.clone())]).unwrap_err();
    assert_eq!(error.len(), 1);
    assert_eq!(error[0].code, "unnamed-server");
    let mut group = from(list);
    group.allow_unnamed = true;
    let targets = repository.resolve(vec![group]).unwrap();
    assert_eq!(targets.groups()[0].targets, [id(A), id(B)]);
    let names = BTreeMap::from([(id(A), "机房-1".to_owned())]);
    assert_eq!(targets.names(), &names);
}

#[test]
fn json_objects_have_names_without_being_asked() {
    let content = format!(r#"[{{"id":"{A}","name":"a"}},{{"id":"{B}","name":""}}]"#);
    let repository = Repository::with("l.json", &content);
    let targets = repository.resolve(from_file("l.json")).unwrap();
    assert_eq!(targets.names().len(), 1);
}

#[test]
fn a_group_is_split_in_order_of_first_appearance() {
    let content = format!("id,rack\n{A},b8\n{B},b7\n{C},b8\n{D},b7\n");
    let repository = Repository::with("l.csv", &content);
    let mut group = from(inventory("l.csv"));
    group.split_by = Some("rack".to_owned());
    group.exclude.servers = vec![id(D)];
    let targets = repository.resolve(vec![group.clone()]).unwrap();
    let parts: Vec<_> = targets
        .groups()
        .iter()
        .map(|part| (&*part.name, part.targets.len(), part.excluded))
        .collect();
    assert_eq!(parts, [("g-b8", 2, 0), ("g-b7", 1, 1)]);
    group.exclude.servers = vec![id(D), id(B)];
    assert_eq!(
        repository.errors(vec![group.clone()]),
        ["empty-group workflows/weekly.yaml:1:1"]
    );
    group.expect.min = Some(0);
    assert_eq!(repository.targets(vec![group])[1].1, ids(&[]));
}

#[test]
fn the_parts_of_a_split_group_can_be_excluded_one_by_one_or_together() {
    let repository = Repository::with("l.csv", &format!("id,rack\n{A},b8\n{B},b7\n"));
    let mut split = from(inventory("l.csv"));
    split.split_by = Some("rack".to_owned());
    for name in ["g-b7", "g"] {
        let mut rest = group("rest", &[B, C, D]);
        rest.exclude.groups = vec![name.to_owned()];
        let targets = repository.resolve(vec![split.clone(), rest]).unwrap();
        assert_eq!(targets.groups()[2].targets, [id(C), id(D)]);
        assert_eq!(targets.groups()[2].excluded, 1);
    }
}

#[test]
fn a_later_group_may_leave_out_what_an_earlier_one_has() {
    let repository = Repository::with("keep.txt", D);
    let mut rest = group("rest", &[A, B, C, D]);
    rest.exclude.groups = vec!["canary".to_owned()];
    rest.exclude.servers = vec![id(B)];
    rest.exclude.servers_from = Some(inventory("keep.txt"));
    let targets = repository
        .resolve(vec![group("canary", &[A]), rest])
        .unwrap();
    assert_eq!(targets.groups()[1].targets, [id(C)]);
    assert_eq!(targets.groups()[1].excluded, 3);
    assert!(targets.warnings().is_empty());
}

#[test]
fn a_name_is_kept_only_for_a_target() {
    let content = format!("id,name\n{A},a\n{B},b\n");
    let repository = Repository::with("l.csv", &content);
    let mut list = inventory("l.csv");
    list.name_column = Some("name".to_owned());
    let mut group = from(list);
    group.exclude.servers = vec![id(B)];
    let targets = repository.resolve(vec![group]).unwrap();
    assert_eq!(targets.names().keys().collect::<Vec<_>>(), [&id(A)]);
}

#[test]
fn a_server_listed_twice_is_told_with_both_places() {
    let repository = Repository::with("l.txt", &format!("{A}\n# x\n  {B}\n{A}\n"));
    let errors = repository.resolve(from_file("l.txt")).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert_eq!(
        errors[0].place.as_ref().unwrap().to_string(),
        "workflows/l.txt:4:1"
    );
    assert_eq!(errors[0].related[0].0.to_string(), "workflows/l.txt:1:1");
}

#[test]
fn a_server_in_two_groups_is_told_with_both_places() {
    let repository = Repository::with("l.csv", &format!("rack,id\n\"b,7\",{B}\nb8,{A}\n"));
    repository.file("l.json", format!("[\n  {{\"id\": \"{A}\"}}]"));
    let mut second = from(inventory("l.json"));
    second.name = "second".to_owned();
    let errors = repository
        .resolve(vec![from(inventory("l.csv")), second])
        .unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(
        errors[0].place.as_ref().unwrap().to_string(),
        "workflows/l.json:2:10"
    );
    assert_eq!(errors[0].related[0].0.to_string(), "workflows/l.csv:3:4");
    assert!(errors[0].message.contains("`g`") && errors[0].message.contains("`second`"));
}

#[test]
fn a_duplicate_is_no_less_one_for_being_excluded() {
    let repository = Repository::new();
    let mut group = group("a", &[A, B, A]);
    group.exclude.servers = vec![id(A)];
    assert_eq!(
        repository.errors(vec![group]),
        ["duplicate-server workflows/weekly.yaml:1:1"]
    );
}

#[test]
fn the_sha256_is_that_of_the_bytes() {
    let content = format!("\u{feff}{A}\r\n");
    let hash = Sha256::digest(content.as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02X}")).collect();
    let repository = Repository::with("l.txt", &content);
    let mut list = inventory("l.txt");
    list.sha256 = Some(hash);
    assert_eq!(repository.targets(vec![from(list.clone())])[0].1, ids(&[A]));
    repository.file("l.txt", A);
    assert_eq!(
        repository.errors(vec![from(list)]),
        ["inventory-changed workflows/weekly.yaml:1:1"]
    );
}

#[test]
fn a_sha256_of_other_line_ends_is_called_that() {
    let lines = |end: &str| format!("id,rack{end}{A},b7{end}");
    for (kept, reviewed) in [("\n", "\r\n"), ("\r\n", "\n")] {
        let hash = Sha256::digest(lines(reviewed).as_bytes());
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let repository = Repository::with("l.csv", &lines(kept));
        let mut list = inventory("l.csv");
        list.sha256 = Some(hash);
        assert_eq!(
            repository.errors(vec![from(list.clone())]),
            ["inventory-line-ends workflows/weekly.yaml:1:1"]
        );
        repository.file("l.csv", lines(kept).replace("b7", "b8"));
        assert_eq!(
            repository.errors(vec![from(list)]),
            ["inventory-changed workflows/weekly.yaml:1:1"]
        );
    }
}

#[rstest]
#[case::up("../../secret.txt", "inventory-outside")]
#[case::up_and_in("../../repo/../secret.txt", "inventory-outside")]
#[case::up_to_nothing("../../nothing.txt", "inventory-outside")]
#[case::absolute("/etc/hosts.txt", "inventory-outside")]
#[case::link("link.txt", "inventory-outside")]
#[case::linked_folder("out/secret.txt", "inventory-outside")]
#[case::missing("nothing.txt", "inventory-not-found")]
#[case::folder("folder.txt", "inventory-no-file")]
#[case::extension("list.yaml", "inventory-format")]
#[case::no_extension("list", "inventory-format")]
fn only_files_of_the_work_tree_are_read(#[case] path: &str, #[case] code: &str) {
    let repository = Repository::new();
    let root = repository.0.path();
    fs::write(root.join("secret.txt"), "canary-secret").unwrap();
    fs::create_dir(root.join("repo/workflows/folder.txt")).unwrap();
    symlink(
        root.join("secret.txt"),
        root.join("repo/workflows/link.txt"),
    )
    .unwrap();
    symlink(root, root.join("repo/workflows/out")).unwrap();
    let errors = repository.resolve(from_file(path)).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].code, code);
    assert!(!format!("{errors:?}").contains("canary-secret"));
}

#[test]
fn a_path_may_leave_the_folder_but_not_the_work_tree() {
    let repository = Repository::new();
    fs::write(repository.0.path().join("repo/list.txt"), A).unwrap();
    assert_eq!(repository.targets(from_file("../list.txt"))[0].1, ids(&[A]));
    fs::remove_dir(repository.0.path().join("repo/.git")).unwrap();
    assert_eq!(
        repository.errors(from_file("../list.txt")),
        ["inventory-outside workflows/weekly.yaml:1:1"]
    );
}

#[test]
fn a_work_tree_may_be_marked_by_a_file_and_links_inside_it_are_followed() {
    let repository = Repository::with("list.txt", A);
    let repo = repository.0.path().join("repo");
    fs::remove_dir(repo.join(".git")).unwrap();
    fs::write(repo.join(".git"), "gitdir: elsewhere\n").unwrap();
    symlink(repo.join("workflows/list.txt"), repo.join("link.txt")).unwrap();
    assert_eq!(repository.targets(from_file("../link.txt"))[0].1, ids(&[A]));
}

#[test]
fn a_broken_list_ends_with_a_number_of_errors_that_can_be_read() {
    let repository = Repository::with("l.txt", &"x\n".repeat(1000));
    let errors = repository.resolve(from_file("l.txt")).unwrap_err();
    assert_eq!(errors.len(), 51);
    assert_eq!(errors[50].message, "950 more errors are not shown");
}

#[test]
fn a_long_line_is_told_by_its_beginning() {
    let repository = Repository::with("l.txt", &"ä".repeat(5_000_000));
    let errors = repository.resolve(from_file("l.txt")).unwrap_err();
    assert!(errors[0].message.len() < 300);
}

#[rstest]
#[case::table("l.csv", format!("id,id2\n{A},x\n\n{B}\nq,\"x\ny\"\n{A}x,\n"), &["ragged-row workflows/l.csv:4:1", "invalid-server-id workflows/l.csv:5:1", "invalid-server-id workflows/l.csv:7:1"])]
#[case::windows_table("l.csv", format!("x,id\r\n1,{A}\r\n2,bad\r\n3\r\n"), &["invalid-server-id workflows/l.csv:3:3", "ragged-row workflows/l.csv:4:1"])]
#[case::array("l.json", format!("[\"{A}\",\n  7, {{\"id\": \"bad\"}},\n \"worse\", {{\"idd\":1}}, {{\"id\":\"{B}\",\"id\":\"{C}\"}}]"), &["invalid-json workflows/l.json:2:3", "invalid-server-id workflows/l.json:2:13", "invalid-server-id workflows/l.json:3:2", "unknown-column workflows/l.json:3:11", "invalid-json workflows/l.json:3:22"])]
#[case::cut("l.json", format!("[\"{A}\",\n  \"{B}\""), &["invalid-json workflows/l.json:2:41"])]
#[case::comma("l.json", format!("[\"{A}\",\n]"), &["invalid-json workflows/l.json:2:1"])]
#[case::no_comma("l.json", format!("[\"{A}\"\n \"{B}\"]"), &["invalid-json workflows/l.json:2:2"])]
#[case::object("l.json", "{}".to_owned(), &["unknown-column workflows/l.json:1:1"])]
#[case::one_page("l.json", format!("{{\"count\":\n 2,\"servers\":[\"{A}\"]}}"), &["invalid-json workflows/l.json:2:2"])]
#[case::next_page("l.json", format!("{{\"servers\":[\"{A}\"],\n\"servers_links\":[{{\"rel\":\"next\"}}]}}"), &["invalid-json workflows/l.json:2:17"])]
#[case::next_marker("l.json", format!("{{\"servers\":[\"{A}\"],\n\"page_info\":{{\"next_marker\":\"x\"}}}}"), &["invalid-json workflows/l.json:2:13"])]
#[case::several_pages("l.json", format!("{{\"servers\":[\"{A}\"]}}\n{{\"servers\":[\"{B}\"]}}"), &["invalid-json workflows/l.json:2:1"])]
#[case::servers_twice("l.json", format!("{{\"servers\":[\"{A}\"],\n\"servers\":[\"{B}\"]}}"), &["invalid-json workflows/l.json:2:11"])]
#[case::lines_with_commas("l.json", format!("{{\"id\":\"{A}\"}},\n{{\"id\":\"{B}\"}}"), &["invalid-json workflows/l.json:1:46"])]
#[case::quote_not_closed("l.csv", format!("id,note\n{A},\"19 inch\n{B},x\n"), &["unclosed-quote workflows/l.csv:2:38"])]
#[case::quote_in_cell("l.csv", format!("id,note\n{A},19\" x\nbad,y\n"), &["invalid-server-id workflows/l.csv:3:1"])]
#[case::syntax("l.json", "[\n{\"id\":\n tru}]".to_owned(), &["invalid-json workflows/l.json:3:5"])]
#[case::more("l.json", format!("[\"{A}\"]\n[]"), &["invalid-json workflows/l.json:2:1"])]
#[case::lines("l.txt", format!("{A}\n é {B} {C}\n"), &["invalid-server-id workflows/l.txt:2:2"])]
fn every_error_of_a_file_has_its_place(
    #[case] file: &str,
    #[case] content: String,
    #[case] errors: &[&str],
) {
    let repository = Repository::with(file, &content);
    assert_eq!(repository.errors(from_file(file)), errors);
}

#[test]
fn text_that_is_not_utf8_is_told_where_it_begins() {
    let repository = Repository::new();
    repository.file("l.txt", [A.as_bytes(), b"\n# caf\xe9\n"].concat());
    assert_eq!(
        repository.errors(from_file("l.txt")),
        ["inventory-not-utf8 workflows/l.txt:2:6"]
    );
}

proptest! {
    /// Whatever stands in a file, there is an answer, and errors have places in that file.
    #[test]
    fn no_content_is_too_strange(
        content in "(\\[|\\]|\\{|\\}|\"|,|:|id|\n|\r|#| |616fb98f-46ca-475e-917e-2563e5a8cd19|é|\\PC){0,40}",
        file in prop::sample::select(vec!["l.txt", "l.csv", "l.json"]),
    ) {
        let repository = Repository::with(file, &content);
        if let Err(errors) = repository.resolve(from_file(file)) {
            prop_assert!(errors.iter().all(|error| error.place.is_some()));
        }
    }
}
