//! JSON as other systems write it.
//!
//! Owns what members mean in comparisons. Invariant: a number is compared as it is written.

use super::*;

#[test]
fn a_json_member_that_is_no_text_is_compared_as_it_is_written() {
    let content = format!(r#"[{{"id":"{A}","rack":7,"on":true}},{{"id":"{B}","rack":70}}]"#);
    let repository = Repository::with("l.json", &content);
    let mut list = inventory("l.json");
    list.matching = BTreeMap::from([
        ("rack".to_owned(), "7".to_owned()),
        ("on".to_owned(), "true".to_owned()),
    ]);
    assert_eq!(repository.targets(vec![from(list)])[0].1, ids(&[A]));
}

#[test]
fn a_json_number_is_never_spelled_anew() {
    let row = |id: &str, rack: &str| format!(r#"{{"id":"{id}","rack":{rack}}}"#);
    let racks = ["1.1", "1.10", "1e3", "12345678901234567890123"];
    for (file, separator, open, close) in [("l.json", ",", "[", "]"), ("l.jsonl", "\n", "", "")] {
        let rows: Vec<String> = [A, B, C, D]
            .into_iter()
            .zip(racks)
            .map(|(id, rack)| row(id, rack))
            .collect();
        let text = format!("{open}{}{close}", rows.join(separator));
        let repository = Repository::with(file, &text);
        for (server, rack) in [A, B, C, D].into_iter().zip(racks) {
            let mut list = inventory(file);
            list.matching = BTreeMap::from([("rack".to_owned(), rack.to_owned())]);
            assert_eq!(
                repository.targets(vec![from(list)])[0].1,
                ids(&[server]),
                "{rack}"
            );
        }
    }
}

#[test]
fn a_group_is_split_by_numbers_as_they_are_written() {
    let text = format!(r#"[{{"id":"{A}","rack":1.1}},{{"id":"{B}","rack":1.10}}]"#);
    let repository = Repository::with("l.json", &text);
    let mut group = from(inventory("l.json"));
    group.split_by = Some("rack".to_owned());
    let names: Vec<String> = repository
        .targets(vec![group])
        .into_iter()
        .map(|it| it.0)
        .collect();
    assert_eq!(names, ["g-1.1", "g-1.10"]);
}

#[test]
fn utf_16_is_called_by_its_name() {
    let repository = Repository::new();
    repository.file("l.csv", [0xff, 0xfe, b'i', 0, b'd', 0]);
    let errors = repository.resolve(from_file("l.csv")).unwrap_err();
    assert!(
        errors[0].message.contains("UTF-16"),
        "{}",
        errors[0].message
    );
}
