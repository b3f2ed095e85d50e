//! Which parts of the expanded file were written as templates, and where.
//!
//! Owns the way back from the expanded file to the raw one. Invariant: a value that the environment
//! had a part in is marked secret, and no message may show it.

use std::collections::BTreeMap;

use serde_json::Value;

/// What became of the raw file's templates and groups.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    given: BTreeMap<String, Given>,
    /// For each group of the expanded file, its index in the raw file; empty while none was unrolled.
    groups: Vec<usize>,
}

/// A value that came out of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    /// The template as written.
    pub(crate) template: String,
    /// Whether a value from the environment is part of it.
    pub(crate) secret: bool,
}

impl Origins {
    /// Notes that the value at `pointer` of the expanded file came out of a template.
    pub(crate) fn add(&mut self, pointer: String, given: Given) {
        self.given.insert(pointer, given);
    }

    /// Notes that the next group of the expanded file is this one of the raw file.
    pub(crate) fn add_group(&mut self, raw: usize) {
        self.groups.push(raw);
    }

    /// Whether the expanded file is the raw one.
    pub(crate) fn is_empty(&self) -> bool {
        self.given.is_empty() && self.groups.iter().enumerate().all(|(at, raw)| at == *raw)
    }

    /// The template that gave the value at `pointer`, or one that the value is part of.
    pub(crate) fn given(&self, pointer: &str) -> Option<&Given> {
        let mut pointer = pointer;
        loop {
            if let Some(given) = self.given.get(pointer) {
                return Some(given);
            }
            pointer = pointer.rsplit_once('/')?.0;
        }
    }

    /// The pointer into the raw file for one into the expanded file.
    pub(crate) fn raw(&self, pointer: &str) -> String {
        let parts = pointer
            .strip_prefix("/groups/")
            .map(|rest| match rest.split_once('/') {
                Some((index, rest)) => (index, format!("/{rest}")),
                None => (rest, String::new()),
            });
        let index = |index: &str| self.groups.get(index.parse::<usize>().ok()?).copied();
        match parts {
            Some((group, rest)) => match index(group) {
                Some(raw) => format!("/groups/{raw}{rest}"),
                None => pointer.to_owned(),
            },
            None => pointer.to_owned(),
        }
    }

    /// How a message may name the value at `pointer`.
    pub(crate) fn shown(&self, pointer: &str, value: &Value) -> String {
        match self.given(pointer) {
            None => shown(value),
            Some(given) if given.secret => {
                let template = shorten(&given.template);
                format!(
                    "what `{template}` gives, which is not shown as it comes from the environment"
                )
            }
            Some(given) => format!("{} from `{}`", shown(value), shorten(&given.template)),
        }
    }
}

/// A short, safe rendering of a value for a message.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(_) | Value::Number(_) => format!("`{value}`"),
        Value::String(text) if text.is_empty() => "an empty text".to_owned(),
        Value::String(text) if looks_typed(text) => format!("the text `{text}`"),
        Value::String(text) => format!("`{}`", shorten(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

/// Whether a text could be taken for a number or a boolean.
fn looks_typed(text: &str) -> bool {
    let words = ["true", "false", "yes", "no", "on", "off", "null"];
    text.parse::<f64>().is_ok() || words.contains(&text.to_ascii_lowercase().as_str())
}

/// The text, or its beginning where it is long.
pub(crate) fn shorten(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn origins() -> Origins {
        let mut origins = Origins::default();
        [0, 1, 1].into_iter().for_each(|raw| origins.add_group(raw));
        let given = |template: &str, secret| Given {
            template: template.to_owned(),
            secret,
        };
        origins.add("/groups/2/servers".to_owned(), given("{{ ids }}", false));
        origins.add("/region".to_owned(), given("{{ where }}", true));
        origins
    }

    #[rstest]
    #[case("/groups/0/name", "/groups/0/name")]
    #[case("/groups/2/name", "/groups/1/name")]
    #[case("/groups/2", "/groups/1")]
    #[case("/groups/3/name", "/groups/3/name")]
    #[case("/groups", "/groups")]
    #[case("/name", "/name")]
    #[case("", "")]
    fn a_pointer_leads_back_to_the_raw_group(#[case] expanded: &str, #[case] raw: &str) {
        assert_eq!(origins().raw(expanded), raw);
    }

    #[rstest]
    #[case("/groups/2/servers/7", "`x` from `{{ ids }}`")]
    #[case("/groups/1/servers/7", "`x`")]
    #[case(
        "/region",
        "what `{{ where }}` gives, which is not shown as it comes from the environment"
    )]
    fn a_value_is_shown_with_its_template_unless_it_is_secret(
        #[case] pointer: &str,
        #[case] text: &str,
    ) {
        assert_eq!(origins().shown(pointer, &json!("x")), text);
    }

    #[rstest]
    #[case(json!("5"), "the text `5`")]
    #[case(json!("yes"), "the text `yes`")]
    #[case(json!(""), "an empty text")]
    #[case(json!(5), "`5`")]
    #[case(json!(null), "nothing")]
    #[case(json!([1]), "a list")]
    #[case(json!("x".repeat(100)), &format!("`{}…`", "x".repeat(60)))]
    fn a_value_is_shown_in_short(#[case] value: Value, #[case] text: &str) {
        assert_eq!(shown(&value), text);
    }
}
