//! Where values come from, what they become, and the rules of declarations. Invariant: nothing that the
//! environment gave is shown.

use super::*;
use rstest::rstest;

fn inputs(vars: &[(&str, &str)], file: &str, env: &[(&str, &str)]) -> Inputs {
    let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    };
    Inputs {
        vars: own(vars),
        vars_files: (!file.is_empty())
            .then(|| SourceFile::new("vars.yaml", file))
            .into_iter()
            .collect(),
        env: EnvVariables::new(
            own(env).into_iter().collect(),
            EnvGrants::default(),
            Severity::Error,
        ),
        labels: Vec::new(),
    }
}

fn codes(vars: Value, inputs: &Inputs) -> Vec<&'static str> {
    let variables = resolve(Some(vars), inputs);
    let elsewhere = variables.elsewhere.iter().map(|finding| finding.code);
    variables
        .findings
        .iter()
        .map(|finding| finding.code)
        .chain(elsewhere)
        .collect()
}

#[test]
fn the_strongest_source_of_a_value_counts() {
    let vars = json!({ "v": { "default": "default", "env": "LIGHTSOUT_VAR_V" } });
    let value = |inputs: &Inputs| {
        let variables = resolve(Some(vars.clone()), inputs);
        assert_eq!(variables.findings, []);
        let secret = variables.templates.is_secret("v");
        (variables.templates.variable("v").cloned().unwrap(), secret)
    };
    assert_eq!(value(&inputs(&[], "", &[])), (json!("default"), false));
    assert_eq!(
        value(&inputs(&[], "", &[("LIGHTSOUT_VAR_V", "env")])),
        (json!("env"), true)
    );
    assert_eq!(
        value(&inputs(&[], "v: file", &[("LIGHTSOUT_VAR_V", "env")])),
        (json!("file"), false)
    );
    assert_eq!(
        value(&inputs(&[("v", "one"), ("v", "two")], "v: file", &[])),
        (json!("two"), false)
    );
}

#[test]
fn a_later_vars_file_is_stronger() {
    let mut inputs = inputs(&[], "v: weak", &[]);
    inputs
        .vars_files
        .push(SourceFile::new("b.yaml", "v: strong"));
    let variables = resolve(Some(json!({ "v": "x" })), &inputs);
    assert_eq!(variables.templates.variable("v"), Some(&json!("strong")));
}

#[rstest]
#[case(json!(500), "7", Some(json!(7)))]
#[case(json!(500), "7.5", Some(json!(7.5)))]
#[case(json!(500), "seven", None)]
#[case(json!(500), "\"7\"", None)]
#[case(json!(true), "false", Some(json!(false)))]
#[case(json!(true), "no", None)]
#[case(json!(["a"]), "[\"b\", 1]", Some(json!(["b", 1])))]
#[case(json!(["a"]), "b", None)]
#[case(json!({ "a": 1 }), "{\"b\": 2}", Some(json!({ "b": 2 })))]
#[case(json!("text"), "7", Some(json!("7")))]
fn texts_take_the_type_of_the_default(
    #[case] default: Value,
    #[case] text: &str,
    #[case] expected: Option<Value>,
) {
    let vars = json!({ "v": { "default": default, "env": "LIGHTSOUT_VAR_V" } });
    for inputs in [
        inputs(&[("v", text)], "", &[]),
        inputs(&[], "", &[("LIGHTSOUT_VAR_V", text)]),
    ] {
        let variables = resolve(Some(vars.clone()), &inputs);
        assert_eq!(variables.templates.variable("v"), expected.as_ref());
        assert_eq!(variables.findings.is_empty(), expected.is_some());
    }
}

#[rstest]
#[case(json!({ "v": { "required": true } }), &["unset-variable"])]
#[case(json!({ "v": { "description": "later" } }), &[])]
#[case(json!({ "v": { "required": true, "default": 1 } }), &["required-with-default"])]
#[case(json!({ "v": { "default": "c", "enum": ["a", "b"] } }), &["not-admitted"])]
#[case(json!({ "v": { "default": "a", "enum": ["a", "b"] } }), &[])]
#[case(json!({ "v": { "default": ["a1", "x"], "pattern": "^a" } }), &["not-admitted"])]
#[case(json!({ "v": { "default": 17, "pattern": "^[0-9]+$" } }), &[])]
#[case(json!({ "v": { "default": "a", "pattern": "(" } }), &["invalid-pattern"])]
#[case(json!({ "v": { "default": ["{{ w }}"] } }), &["expression-in-vars"])]
#[case(json!({ "len": 1 }), &["reserved-name"])]
#[case(json!({ "workflow": 1 }), &["reserved-name"])]
fn a_declaration_has_rules_of_its_own(#[case] vars: Value, #[case] expected: &[&str]) {
    assert_eq!(codes(vars, &Inputs::default()), expected);
}

#[test]
fn undeclared_names_are_refused_with_a_suggestion() {
    let variables = resolve(
        Some(json!({ "rack": "b7" })),
        &inputs(&[("rakc", "b8")], "", &[]),
    );
    assert_eq!(
        variables.findings[0].hint.as_deref(),
        Some("did you mean `rack`?")
    );
    let variables = resolve(
        Some(json!({ "rack": "b7" })),
        &inputs(&[], "a: 1\nrakc: b8", &[]),
    );
    let places: Vec<_> = variables
        .elsewhere
        .iter()
        .map(|it| it.place.as_ref().unwrap().to_string())
        .collect();
    assert_eq!(places, ["vars.yaml:1:1", "vars.yaml:2:1"]);
}

#[rstest]
#[case("[a]", "wrong-type")]
#[case("v:", "no-value")]
#[case("v: 1\nv: 2", "duplicate-key")]
#[case("v: [", "syntax")]
fn a_vars_file_has_rules_too(#[case] file: &str, #[case] code: &str) {
    assert_eq!(codes(json!({ "v": 1 }), &inputs(&[], file, &[])), [code]);
}

#[test]
fn no_finding_shows_a_value_from_the_environment() {
    let vars = json!({
        "a": { "default": 1, "env": "LIGHTSOUT_VAR_V" },
        "b": { "enum": ["x"], "env": "LIGHTSOUT_VAR_V" },
        "c": { "pattern": "^x$", "env": "LIGHTSOUT_VAR_V" },
    });
    let variables = resolve(
        Some(vars),
        &inputs(&[], "", &[("LIGHTSOUT_VAR_V", "canary")]),
    );
    assert_eq!(variables.findings.len(), 3);
    assert!(!format!("{:?}", variables.findings).contains("canary"));
}

#[test]
fn a_variable_that_is_not_granted_is_not_read() {
    let vars = json!({ "v": { "default": "default", "env": "STOP_RACK" } });
    let variables = || [("STOP_RACK".to_owned(), "b7".to_owned())].into();
    let grants = || EnvGrants::common_to([vec!["STOP_".parse().unwrap()]].into_iter());
    for (grants, ungranted, value, found) in [
        (
            EnvGrants::default(),
            Severity::Error,
            None,
            Some(Severity::Error),
        ),
        (
            EnvGrants::default(),
            Severity::Warning,
            Some(json!("default")),
            Some(Severity::Warning),
        ),
        (grants(), Severity::Error, Some(json!("b7")), None),
    ] {
        let inputs = Inputs {
            env: EnvVariables::new(variables(), grants, ungranted),
            ..Inputs::default()
        };
        let resolved = resolve(Some(vars.clone()), &inputs);
        assert_eq!(resolved.templates.variable("v").cloned(), value);
        let severities = resolved.findings.iter().map(|finding| finding.severity);
        assert_eq!(severities.collect::<Vec<_>>(), Vec::from_iter(found));
    }
}

/// Messages and hints about these variables, in the vars file or beside it.
fn said(vars: Value, inputs: &Inputs) -> Vec<(String, Option<String>)> {
    let variables = resolve(Some(vars), inputs);
    let own = variables.findings.into_iter();
    let own = own.map(|finding| (finding.message, finding.hint));
    let elsewhere = variables.elsewhere.into_iter();
    let elsewhere = elsewhere.map(|finding| (finding.message, finding.hint));
    own.chain(elsewhere).collect()
}

#[rstest]
#[case("rakc: b7", &[], "the workflow declares no variable `rakc`", Some("did you mean `rack`?"))]
#[case("", &[("rakc", "b7")], "`--var rakc`: the workflow declares no variable `rakc`", Some("did you mean `rack`?"))]
#[case("rack:", &[], "`rack` has no value", None)]
#[case("- rack", &[], "a vars file must be a mapping of variable names to values", None)]
#[case("# nothing\n", &[], "the file is empty", Some("write a line such as `rack: value`, or leave `--vars-file` out"))]
#[case("rack: [b7", &[], "this is not valid YAML: unclosed bracket '['", None)]
fn one_mistake_in_what_is_given_draws_one_error(
    #[case] file: &str,
    #[case] arguments: &[(&str, &str)],
    #[case] message: &str,
    #[case] hint: Option<&str>,
) {
    for rack in [
        json!({ "required": true }),
        json!({ "pattern": "^b[0-9]$" }),
        json!({ "default": "none", "pattern": "^b[0-9]$" }),
    ] {
        let said = said(json!({ "rack": rack }), &inputs(arguments, file, &[]));
        assert_eq!(said, [(message.to_owned(), hint.map(str::to_owned))]);
    }
}

#[test]
fn a_value_that_is_given_is_checked_beside_a_wrong_key() {
    let vars = json!({ "rack": { "pattern": "^b[0-9]$" } });
    let inputs = inputs(&[("rack", "c1")], "rakc: b7", &[]);
    assert_eq!(
        codes(vars, &inputs),
        ["not-admitted", "undeclared-variable"]
    );
}
