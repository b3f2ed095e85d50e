//! Exclusions that protect nothing, or less than they seem to.
//!
//! Owns these cases. Invariant: each is an error or a warning.

use super::*;

fn codes(targets: &Targets) -> Vec<&'static str> {
    let warnings = targets.warnings().iter();
    warnings.map(|found| found.code).collect()
}

fn excluding_file(name: &str, servers: &[&str], file: &str) -> Group {
    let mut group = group(name, servers);
    group.exclude.servers_from = Some(inventory(file));
    group
}

#[test]
fn an_exclusion_that_protects_nothing_is_a_warning_unless_another_group_uses_it() {
    let repository = Repository::new();
    let excluding = |name: &str, servers: &[&str]| {
        let mut group = group(name, servers);
        group.exclude.servers = vec![id(C)];
        group
    };
    let targets = repository
        .resolve(vec![excluding("a", &[A]), excluding("b", &[B])])
        .unwrap();
    let codes: Vec<_> = targets.warnings().iter().map(|found| found.code).collect();
    assert_eq!(codes, ["exclude-unmatched"]);
    let targets = repository
        .resolve(vec![excluding("a", &[A]), excluding("b", &[B, C])])
        .unwrap();
    assert!(targets.warnings().is_empty());
}

#[test]
fn a_file_that_excludes_nobody_is_a_warning() {
    let repository = Repository::with("keep.txt", "# none today\n");
    let mut group = group("a", &[A]);
    group.exclude.servers_from = Some(inventory("keep.txt"));
    let targets = repository.resolve(vec![group]).unwrap();
    assert_eq!(targets.warnings()[0].code, "inventory-empty");
}

#[test]
fn a_file_without_a_line_is_refused_as_an_exclusion() {
    for text in ["", "\n \r\n", "\u{feff}"] {
        let repository = Repository::with("keep.txt", text);
        let errors = repository.errors(vec![excluding_file("a", &[A], "keep.txt")]);
        assert_eq!(
            errors,
            ["exclude-empty workflows/weekly.yaml:1:1"],
            "{text:?}"
        );
    }
}

#[test]
fn lists_without_rows_exclude_nobody_with_a_warning() {
    for (file, text) in [("keep.csv", "id,name\n"), ("keep.json", "[]")] {
        let repository = Repository::with(file, text);
        let targets = repository.resolve(vec![excluding_file("a", &[A], file)]);
        assert_eq!(codes(&targets.unwrap()), ["inventory-empty"], "{file}");
    }
}

#[test]
fn a_file_that_takes_nothing_out_of_any_group_is_a_warning() {
    let repository = Repository::with("keep.txt", C);
    let groups = |third: &[&str]| {
        vec![
            excluding_file("a", &[A], "keep.txt"),
            excluding_file("b", &[B], "keep.txt"),
            excluding_file("c", third, "keep.txt"),
        ]
    };
    let targets = repository.resolve(groups(&[D])).unwrap();
    assert_eq!(codes(&targets), ["exclude-unmatched"]);
    assert!(targets.warnings()[0].message.contains("`keep.txt`"));
    let targets = repository.resolve(groups(&[C, D])).unwrap();
    assert!(codes(&targets).is_empty());
}

#[test]
fn an_excluded_group_that_shares_no_server_is_a_warning() {
    let repository = Repository::new();
    let groups = |rest: &[&str]| {
        let mut second = group("rest", rest);
        second.exclude.groups = vec!["canary".to_owned()];
        vec![group("canary", &[A]), second]
    };
    assert_eq!(
        codes(&repository.resolve(groups(&[B])).unwrap()),
        ["exclude-unmatched"]
    );
    assert!(codes(&repository.resolve(groups(&[A, B])).unwrap()).is_empty());
}

#[test]
fn a_group_whose_servers_are_not_known_is_not_judged() {
    let repository = Repository::with("keep.txt", C);
    let mut group = excluding_file("a", &[A], "keep.txt");
    group.exclude.servers = vec![id(D)];
    group.select = Some(serde_json::from_str(r#"{"name":"web-*"}"#).unwrap());
    let file = repository.0.path().join("repo/workflows/weekly.yaml");
    let folders = Folders::of(&file).unwrap();
    let targets = resolve_definition(&workflow(vec![group]), &folders, Known::Nothing);
    assert!(codes(&targets.unwrap()).is_empty());
}

#[test]
fn a_quote_that_swallows_rows_of_an_exclusion_is_an_error() {
    let rows = format!("id,note\n{B},\"19 inch\n{C},x\n");
    let repository = Repository::with("keep.csv", &rows);
    let errors = repository.errors(vec![excluding_file("a", &[A, B, C], "keep.csv")]);
    assert_eq!(errors, ["unclosed-quote workflows/keep.csv:2:38"]);
}

#[test]
fn rows_that_only_look_as_if_they_were_excluded_are_named() {
    let rows = format!("id,keep\n{B},TRUE\n{C},\u{a0}true \n");
    let repository = Repository::with("keep.csv", &rows);
    let mut group = excluding_file("a", &[A, B, C], "keep.csv");
    let list = group.exclude.servers_from.as_mut().unwrap();
    list.matching = BTreeMap::from([("keep".to_owned(), "true".to_owned())]);
    let targets = repository.resolve(vec![group]).unwrap();
    assert_eq!(targets.groups()[0].targets, [id(A), id(B)]);
    assert_eq!(codes(&targets), ["where-near-miss"]);
    assert!(targets.warnings()[0].message.ends_with("`TRUE` in 1 row"));
}
