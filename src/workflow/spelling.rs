//! Numbers and booleans that are used as texts: there the spelling counts.
//!
//! Owns which places of a workflow are texts, and the refusal of variables that would lose their spelling.
//! Invariant: what `where`, tags, labels and variables are compared with or shown as is what stands in the file.

use serde_json::Value;

use crate::document::finding::{Finding, Spot};
use crate::document::spelling::Respelled;

/// Puts texts back as they are written; what is wrong with variables.
pub(super) fn keep(root: &mut Value, respelled: Vec<Respelled>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Respelled { pointer, written } in respelled {
        let tokens: Vec<&str> = pointer.split('/').skip(1).collect();
        if is_text(&tokens) {
            if let Some(value) = root.pointer_mut(&pointer) {
                *value = Value::String(written);
            }
        } else if is_variable(&tokens) {
            findings.push(ambiguous(root, &pointer, &written));
        }
    }
    findings
}

/// The error for a variable's value that is read otherwise than it is written.
pub(super) fn ambiguous(root: &Value, pointer: &str, written: &str) -> Finding {
    let spot = Spot::Value(pointer.to_owned());
    let quoted = format!("if a text is meant, quote it: `\"{written}\"`");
    let read = root.pointer(pointer).unwrap_or(&Value::Null);
    let (message, hint) = match read.is_null() {
        true => (format!("`{written}` is no number that can be used"), quoted),
        false => (
            format!("`{written}` is read as `{read}`"),
            format!("{quoted}, else write `{read}`"),
        ),
    };
    Finding::error("ambiguous-value", spot, message).hint(hint)
}

/// Whether the workflow uses a number or boolean at this place as a text.
fn is_text(tokens: &[&str]) -> bool {
    match tokens {
        ["labels", _] => true,
        ["groups", _, rest @ ..] => matches!(
            rest,
            ["servers_from", "where", _]
                | ["exclude", "servers_from", "where", _]
                | ["select", "tags", _]
                | ["exclude", "select", "tags", _]
                | ["select", "enterprise_project_id"]
                | ["exclude", "select", "enterprise_project_id"]
        ),
        _ => false,
    }
}

/// Whether this is the value of a variable, or a part of it.
fn is_variable(tokens: &[&str]) -> bool {
    match tokens {
        ["vars", _] | ["vars", _, "default" | "enum", ..] => true,
        ["vars", _, item, ..] => item.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::{Inputs, parse};
    use crate::diagnostic::{Diagnostic, SourceFile};

    const HEAD: &str = "version: 1\nname: weekly\nproject: bbf1946d374b44a0a2a95533562ba954\nregion: ap-southeast-1\nstop_type: HARD\n";

    fn source(text: &str) -> SourceFile {
        SourceFile::new("weekly.yaml", &format!("{HEAD}{text}"))
    }

    /// The errors of a workflow with these variables, the first of which is used.
    fn errors(vars: &str, inputs: &Inputs) -> Vec<String> {
        let text = format!(
            "vars: {{ {vars} }}\ngroups:\n  - name: a\n    servers_from: {{ file: a.csv, where: {{ x: \"{{{{ v }}}}\" }} }}\n"
        );
        let found = match parse(&source(&text), inputs) {
            Ok(_) => Vec::new(),
            Err(found) => found,
        };
        let shown = |it: Diagnostic| {
            let place = it
                .place
                .map(|place| format!("{}:{}", place.line, place.column));
            format!("{} {} {}", it.code, place.unwrap_or_default(), it.message)
        };
        found.into_iter().map(shown).collect()
    }

    #[test]
    fn texts_are_as_they_are_written() {
        let workflow = parse(
            &source(
                "labels: { a: 1.10, b: 0x1F, c: TRUE, d: 1e3, e: .5, f: +1, g: 7, h: yes, i: -0, j: .inf, k: \"1.10\" }
groups:
  - name: a
    servers_from: { file: a.csv, where: { rack: 1.10, \"a/b\": 1e3 } }
    exclude:
      servers_from: { file: b.csv, where: { rack: 1.10 } }
      select: { tags: { rack: 1.10, keep: True } }
  - name: b
    select: { tags: { rack: 1.10 }, enterprise_project_id: 0x0 }
",
            ),
            &Inputs::default(),
        );
        let workflow = workflow.unwrap();
        let labels: Vec<&str> = workflow.labels.values().map(String::as_str).collect();
        assert_eq!(
            labels,
            [
                "1.10", "0x1F", "TRUE", "1e3", ".5", "+1", "7", "yes", "-0", ".inf", "1.10"
            ]
        );
        let (a, b) = (&workflow.groups[0], &workflow.groups[1]);
        let listed = &a.servers_from.as_ref().unwrap().matching;
        assert_eq!((&*listed["rack"], &*listed["a/b"]), ("1.10", "1e3"));
        assert_eq!(
            a.exclude.servers_from.as_ref().unwrap().matching["rack"],
            "1.10"
        );
        let tags = &a.exclude.select.as_ref().unwrap().tags;
        assert_eq!((&*tags["rack"], &*tags["keep"]), ("1.10", "True"));
        let select = b.select.as_ref().unwrap();
        assert_eq!(select.tags["rack"], "1.10");
        assert_eq!(select.enterprise_project_id.as_deref(), Some("0x0"));
    }

    #[test]
    fn a_rendered_text_is_as_it_was_written() {
        let text = "labels: { a: 1.10 }\ngroups:\n  - { name: a, servers: [616fb98f-46ca-475e-917e-2563e5a8cd19] }\n";
        let (rendered, _) = super::super::render(&source(text), &Inputs::default()).unwrap();
        assert!(rendered.contains("a: '1.10'"), "{rendered}");
    }

    #[rstest]
    #[case("v: 1.10", &["ambiguous-value 6:12 `1.10` is read as `1.1`"])]
    #[case("v: { default: 0x1F }", &["ambiguous-value 6:23 `0x1F` is read as `31`"])]
    #[case("v: { default: TRUE }", &["ambiguous-value 6:23 `TRUE` is read as `true`"])]
    #[case("v: { default: 1.1, enum: [1.1, 1.10] }", &["ambiguous-value 6:40 `1.10` is read as `1.1`"])]
    #[case("v: .inf", &["ambiguous-value 6:12 `.inf` is no number that can be used", "wrong-type"])]
    #[case("v: 1.1", &[])]
    #[case("v: \"1.10\"", &[])]
    #[case("v: { default: a, description: x }", &[])]
    fn a_variable_that_is_read_otherwise_is_refused(#[case] vars: &str, #[case] expected: &[&str]) {
        let found = errors(vars, &Inputs::default());
        let found: Vec<_> = found
            .iter()
            .filter(|it| !it.starts_with("no-value"))
            .collect();
        assert_eq!(
            found,
            expected
                .iter()
                .filter(|it| **it != "wrong-type")
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_list_keeps_the_spelling_of_its_items() {
        let text = "vars: { racks: [1.5, 1.10] }\ngroups:\n  - for_each: racks\n    name: \"rack-{{ each }}\"\n    servers_from: a.txt\n";
        let found = parse(&source(text), &Inputs::default()).unwrap_err();
        assert_eq!((found.len(), found[0].code), (1, "ambiguous-value"));
        let hint = found[0].hint.as_deref();
        assert_eq!(
            hint,
            Some("if a text is meant, quote it: `\"1.10\"`, else write `1.1`")
        );
        let text = text.replace("1.5, 1.10", "a, ~");
        let found = parse(&source(&text), &Inputs::default()).unwrap_err();
        assert_eq!((found.len(), found[0].code), (1, "unset-variable"));
    }

    #[rstest]
    #[case("v: 1.5", "1.10", Some("`--var v=1.10` would be used as `1.1`"))]
    #[case("v: 1", "1e3", Some("`--var v=1e3` would be used as `1000.0`"))]
    #[case("v: 1", "12345678901234567890123", Some("would be used as"))]
    #[case("v: 1", "7", None)]
    #[case("v: text", "1.10", None)]
    #[case("v: \"1.5\"", "1.10", None)]
    fn a_number_from_outside_keeps_its_spelling(
        #[case] vars: &str,
        #[case] given: &str,
        #[case] expected: Option<&str>,
    ) {
        let inputs = Inputs {
            vars: vec![("v".to_owned(), given.to_owned())],
            ..Inputs::default()
        };
        let found = errors(vars, &inputs);
        assert_eq!(found.len(), usize::from(expected.is_some()), "{found:?}");
        assert!(
            found
                .iter()
                .all(|it| it.contains(expected.unwrap_or_default())),
            "{found:?}"
        );
    }

    #[test]
    fn a_vars_file_is_held_to_the_same() {
        let inputs = Inputs {
            vars_files: vec![SourceFile::new("vars.yaml", "v: 1.10\n")],
            ..Inputs::default()
        };
        let found = errors("v: a", &inputs);
        assert_eq!(found, ["ambiguous-value 1:4 `1.10` is read as `1.1`"]);
    }
}
