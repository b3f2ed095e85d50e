//! What expressions give, and why others are refused. Invariant: no refusal shows a value, and no
//! text makes the engine panic or run long.

use super::*;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

fn templates() -> Templates {
    let values = json!({
        "rack": "b7", "size": 500, "on": true, "html": "<&>", "double": "{{ rack }}",
        "racks": ["b7", "b8"], "site": { "name": "az1", "none": null }, "token": "canary",
    });
    let Value::Object(values) = values else {
        unreachable!()
    };
    let mut declared: BTreeSet<String> = values.keys().cloned().collect();
    declared.insert("unset".to_owned());
    Templates::new(values, declared, BTreeSet::from(["token".to_owned()]))
}

#[rstest]
#[case("{{ rack }}", json!("b7"))]
#[case("{{size}}", json!(500))]
#[case("{{{ size }}}", json!(500))]
#[case("{{ on }}", json!(true))]
#[case("{{ racks }}", json!(["b7", "b8"]))]
#[case("{{ site.name }}", json!("az1"))]
#[case("{{ racks.1 }}", json!("b8"))]
#[case("{{ eq rack 'b7' }}", json!(true))]
#[case("{{ len racks }}", json!(2))]
#[case("{{ and (gt size 100) on }}", json!(true))]
#[case(" {{ size }}", json!(" 500"))]
#[case("{{ size }}0", json!("5000"))]
#[case("a {{ html }} b", json!("a <&> b"))]
#[case("{{#if on}}x{{ rack }}{{else}}y{{/if}}", json!("xb7"))]
#[case("{{#unless on}}x{{else}}y{{/unless}}", json!("y"))]
#[case("{{#eq rack 'b8'}}x{{else}}y{{/eq}}", json!("y"))]
#[case("{{! a comment }}{{ rack }}", json!("b7"))]
fn an_expression_gives_its_value(#[case] text: &str, #[case] value: Value) {
    assert_eq!(templates().expand(text).map(|it| it.value), Ok(value));
}

#[rstest]
#[case("{{ rakc }}", "undeclared-variable")]
#[case("x{{#if rakc}}{{/if}}", "undeclared-variable")]
#[case("{{#if on}}{{ rakc }}{{/if}}", "undeclared-variable")]
#[case("{{ eq (len rakc) 1 }}", "undeclared-variable")]
#[case("{{ unset }}", "unset-variable")]
#[case("{{ each }}", "undeclared-variable")]
#[case("{{ site.nmae }}", "unknown-member")]
#[case("{{ site.none }}", "unknown-member")]
#[case("{{ rack.x }}", "unknown-member")]
#[case("x{{ racks }}", "template-value")]
#[case("{{ double }}", "template-value")]
#[case("x{{ double }}", "template-value")]
#[case("{{ rack", "template-syntax")]
#[case("{{}}", "template-syntax")]
#[case("{{ eq rack }}", "template-syntax")]
#[case("{{#if}}x{{/if}}", "template-syntax")]
#[case("{{#if on}}x", "template-syntax")]
#[case("{{ upper rack }}", "template-unsupported")]
#[case("{{ lookup racks 0 }}", "template-unsupported")]
#[case("{{ log rack }}", "template-unsupported")]
#[case("{{#each racks}}x{{/each}}", "template-unsupported")]
#[case("{{#with site}}{{ name }}{{/with}}", "template-unsupported")]
#[case("{{> rack }}", "template-unsupported")]
#[case("{{#*inline 'a'}}x{{/inline}}", "template-unsupported")]
#[case("{{ @root.rack }}", "template-unsupported")]
#[case("{{ ../rack }}", "template-unsupported")]
#[case("{{ this }}", "template-unsupported")]
fn an_expression_is_refused_for_its_reason(#[case] text: &str, #[case] code: &str) {
    assert_eq!(
        templates().expand(text).map_err(|error| error.code()),
        Err(code)
    );
}

#[test]
fn each_is_known_only_while_it_is_set() {
    let mut templates = templates();
    templates.set_each(Some((json!({ "name": "c1" }), true)));
    let expanded = templates.expand("{{ each.name }}").unwrap();
    assert_eq!((expanded.value, expanded.secret), (json!("c1"), true));
    templates.set_each(Some((json!(1), false)));
    assert!(!templates.expand("{{ each }}").unwrap().secret);
    templates.set_each(None);
    assert_eq!(
        templates.expand("{{ each }}"),
        Err(TemplateError::EachOutside)
    );
}

#[rstest]
#[case("{{ token }}", true)]
#[case("x{{#if token}}y{{/if}}", true)]
#[case("{{ eq rack token }}", true)]
#[case("{{ rack }}", false)]
fn what_a_secret_has_a_part_in_is_secret(#[case] text: &str, #[case] secret: bool) {
    assert_eq!(templates().expand(text).unwrap().secret, secret);
}

#[rstest]
#[case(format!("{{{{ {}1{} }}}}", "(not ".repeat(50_000), ")".repeat(50_000)))]
#[case(format!("{{{{ {}on{} }}}}", "not (".repeat(100), ")".repeat(100)))]
#[case("{{#if on}}".repeat(5_000))]
#[case("{{~#if on}}".repeat(500))]
#[case("{{ rack }}".repeat(100_000))]
fn what_is_too_deep_or_too_long_is_refused(#[case] text: String) {
    assert!(templates().expand(&text).is_err());
}

#[test]
fn the_output_is_bounded() {
    let mut templates = templates();
    templates.set_each(Some((json!("x".repeat(60_000)), false)));
    assert_eq!(
        templates.expand("{{ each }}{{ each }}"),
        Err(TemplateError::TooLong)
    );
}

#[test]
fn no_message_shows_a_value() {
    for text in ["{{ token.x }}", "x{{ token.x.y }}", "{{ upper token }}"] {
        let error = templates().expand(text).unwrap_err();
        assert!(
            !format!("{error} {:?}", error.hint()).contains("canary"),
            "{error}"
        );
    }
}

proptest! {
    #[test]
    fn a_variable_within_a_text_is_put_in_as_it_is(before in "[a-z<>&\"' ]{0,9}", value in "[^{}\\\\]{0,20}", after in "[a-z.]{1,9}") {
        let values = Map::from_iter([("v".to_owned(), json!(value.clone()))]);
        let templates = Templates::new(values, BTreeSet::from(["v".to_owned()]), BTreeSet::new());
        let expanded = templates.expand(&format!("{before}{{{{ v }}}}{after}")).unwrap();
        prop_assert_eq!(expanded.value, json!(format!("{before}{value}{after}")));
    }

    #[test]
    fn no_text_makes_the_engine_panic(text in "([{}(#/^>*&!~.@= ']|\\{\\{|\\}\\}|each|if|rack|racks|else|this|\\PC){0,24}") {
        let _ = templates().expand(&text);
        let _ = names_in(&text);
    }
}
