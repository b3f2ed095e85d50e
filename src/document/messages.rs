//! The wording of what the schema has against a file.
//!
//! The schema's titles say what is expected; this file puts them into sentences and adds advice.
//! Invariant: a message names the field, what it must be, and a short piece of what it is.

use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value;

use super::finding::{Finding, Spot};
use super::origins::{Origins, shorten};
use super::schema::Mismatch;

/// A JSON pointer's token for this key.
pub(crate) fn escape_token(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The known word that `word` was probably meant to be.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let folded = word.to_lowercase().replace(['-', ' '], "_");
    known
        .iter()
        .take(1000)
        .map(|name| (strsim::osa_distance(&folded, &name.to_lowercase()), *name))
        .filter(|(distance, name)| *distance <= 1.max(name.len().min(folded.len()) / 3))
        .min()
        .map(|(_, name)| name)
}

/// Words in back-ticks, as in "`a`, `b` or `c`".
pub(crate) fn one_of<T: AsRef<str>>(words: &[T]) -> String {
    let ticked: Vec<String> = words
        .iter()
        .map(|word| format!("`{}`", word.as_ref()))
        .collect();
    match ticked.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
}

/// A key that needs one of others beside it.
pub(crate) fn needs(pointer: &str, key: &str, others: &[String]) -> Finding {
    let spot = Spot::Key(format!("{pointer}/{}", escape_token(key)));
    Finding::error(
        "missing-key",
        spot,
        format!("`{key}` needs {}", one_of(others)),
    )
}

/// What messages call the mapping at `pointer` of a file that is called `noun`.
pub(crate) fn owner(pointer: &str, noun: &str) -> String {
    match field(pointer) {
        Field::Root => noun.to_owned(),
        Field::Item(list) => format!("an item of `{list}`"),
        Field::Named(name) => format!("`{name}`"),
    }
}

/// A key that the mapping called `owner` does not have.
pub(crate) fn unknown_key(
    spot: Spot,
    owner: String,
    key: &str,
    (near, known): (Option<&str>, &[&str]),
) -> Finding {
    let message = format!("unknown key `{}` in {owner}", shorten(key));
    Finding::error("unknown-key", spot, message).hint(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("expected {}", one_of(known)),
    })
}

/// A key that is not spelled as the keys of its mapping must be.
pub(crate) fn key_name(spot: Spot, key: &str, schema: &Value) -> Finding {
    let message = format!(
        "the name `{}` must consist of {}",
        shorten(key),
        expected(schema, schema)
    );
    Finding::error("invalid-name", spot, message)
}

/// A key that the mapping at `pointer` must have; any one of `keys`.
pub(crate) fn missing(pointer: &str, keys: &[String]) -> Finding {
    let message = match field(pointer) {
        Field::Root => format!("missing key {}", one_of(keys)),
        Field::Item(list) => format!("missing key {} in an item of `{list}`", one_of(keys)),
        Field::Named(name) => format!("missing key {} in `{name}`", one_of(keys)),
    };
    Finding::error("missing-key", Spot::Key(pointer.to_owned()), message)
}

/// A value that is not what it must be.
pub(crate) fn mismatch(
    mismatch: &Mismatch<'_>,
    kind: &Kind,
    (root, noun): (&Value, &str),
    origins: &Origins,
) -> Finding {
    let no_items = matches!(kind, Kind::MinItems { .. });
    let is_empty = no_items || matches!(kind, Kind::MinProperties { .. });
    let expected = match mismatch.pointer.as_str() {
        "" => "a mapping that starts with `version: 1`".to_owned(),
        _ if no_items => "a list with at least one item".to_owned(),
        _ => expected(mismatch.schema, root),
    };
    let spot = Spot::Value(mismatch.pointer.clone());
    let subject = match field(&mismatch.pointer) {
        Field::Root => format!("{noun} file"),
        Field::Item(_) | Field::Named(_) => owner(&mismatch.pointer, noun),
    };
    if mismatch.value.is_null() {
        return Finding::error(
            "no-value",
            Spot::Key(mismatch.pointer.clone()),
            format!("{subject} has no value"),
        )
        .hint(format!("expected {expected}"));
    }
    let shown = match is_empty {
        true => "an empty one".to_owned(),
        false => origins.shown(&mismatch.pointer, mismatch.value),
    };
    let message = format!("{subject} must be {expected}, not {shown}");
    let hint = match origins.given(&mismatch.pointer) {
        Some(_) => None,
        None => hint(mismatch, kind),
    };
    Finding::error(code(kind), spot, message).maybe_hint(hint)
}

fn code(kind: &Kind) -> &'static str {
    if matches!(kind, Kind::Type { .. } | Kind::AnyOf { .. }) {
        "wrong-type"
    } else {
        "invalid-value"
    }
}

/// What a message calls the value at a pointer.
enum Field<'a> {
    Root,
    Item(&'a str),
    Named(String),
}

fn field(pointer: &str) -> Field<'_> {
    let Some((parent, token)) = pointer.rsplit_once('/') else {
        return Field::Root;
    };
    if token.bytes().all(|byte| byte.is_ascii_digit()) && !token.is_empty() {
        let list = parent.rsplit_once('/').map_or("", |(_, list)| list);
        return Field::Item(list);
    }
    let dotted = match pointer.starts_with("/groups/") {
        true => token.to_owned(),
        false => pointer[1..].replace('/', "."),
    };
    Field::Named(shorten(&dotted.replace("~1", "/").replace("~0", "~")))
}

/// What a node of the schema expects, as a noun phrase.
fn expected(schema: &Value, root: &Value) -> String {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = reference.strip_prefix('#').and_then(|to| root.pointer(to));
        return target.map_or_else(String::new, |target| expected(target, root));
    }
    if let Some(title) = schema.get("title").and_then(Value::as_str) {
        return title.to_owned();
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        return one_of(&words);
    }
    let branches = schema.get("anyOf").and_then(Value::as_array);
    let phrases: Vec<String> = branches
        .into_iter()
        .flatten()
        .filter(|branch| branch.get("$ref").and_then(Value::as_str) != Some("#/$defs/expression"))
        .map(|branch| expected(branch, root))
        .collect();
    phrases.join(" or ")
}

/// Advice for the mistakes that YAML invites.
fn hint(mismatch: &Mismatch<'_>, kind: &Kind) -> Option<String> {
    let schema = mismatch.schema;
    match mismatch.value {
        Value::String(word) => text_hint(word, schema, kind),
        Value::Number(number) if is_type(kind) && refers_to_duration(schema) => {
            Some(format!("add a unit, as in `{number}m` or `{number}s`"))
        }
        Value::Number(_) | Value::Bool(_) if is_type(kind) && wants(schema, "string") => {
            Some("put the value in quotes".to_owned())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

fn text_hint(word: &str, schema: &Value, kind: &Kind) -> Option<String> {
    if let Kind::Enum { options } = kind {
        return near_option(word, options);
    }
    if let Kind::Constant { .. } = kind {
        return (word == "1").then(|| format!("remove the quotes: `{word}`"));
    }
    if matches!(kind, Kind::Pattern { .. }) {
        return share_hint(word, schema).or_else(|| time_hint(word, schema));
    }
    is_type(kind).then(|| unquote(word, schema)).flatten()
}

/// Advice where a percent is expected in place of a count.
fn share_hint(word: &str, schema: &Value) -> Option<String> {
    let title = schema.get("title").and_then(Value::as_str)?;
    let title = title.strip_prefix("a percent ")?;
    if let Some((number, zeros)) = plain_number(word) {
        return Some(match zeros {
            true => format!("for a count write `{number}`: numbers have no leading zeros"),
            false => format!("for a count remove the quotes: `{number}`"),
        });
    }
    if let Some((number, _)) = word
        .strip_suffix('%')
        .and_then(|share| plain_number(share.trim()))
    {
        let share = format!("{number}%");
        return (share != word).then(|| format!("write `{share}`"));
    }
    let rest = title.ends_with("`rest`");
    let near = rest.then(|| nearest(word, &["rest"])).flatten();
    near.map(|near| format!("did you mean `{near}`?"))
}

/// The number that a text of digits stands for, and whether leading zeros must go.
fn plain_number(text: &str) -> Option<(&str, bool)> {
    let digits = (1..20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.trim_start_matches('0');
    let number = if number.is_empty() { "0" } else { number };
    digits.then_some((number, number != text))
}

fn is_type(kind: &Kind) -> bool {
    matches!(kind, Kind::Type { .. })
}

fn near_option(word: &str, options: &Value) -> Option<String> {
    let known: Vec<&str> = options
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let folded = word.to_lowercase();
    let longer = |name: &&&str| name.len() > 2 && folded.starts_with(&name.to_lowercase());
    let near = nearest(word, &known).or_else(|| known.iter().find(longer).copied());
    near.map(|near| format!("did you mean `{near}`?"))
}

/// Advice for times that are written as elsewhere, but not here.
fn time_hint(word: &str, schema: &Value) -> Option<String> {
    let title = schema.get("title").and_then(Value::as_str).unwrap_or("");
    let (date, time) = match word.split_once(['T', 't', ' ']) {
        Some((date, time)) if title.starts_with("a local date and time") => (Some(date), time),
        None if title.starts_with("a time of day") => (None, word),
        None if title.starts_with("a local date and time") => {
            return Some("add the time of day, as in `2026-11-28T01:00`".to_owned());
        }
        Some(_) | None => return None,
    };
    if date.is_some() && time.contains(['Z', 'z', '+', '-']) {
        return Some("leave the offset out: this is local time in `timezone`".to_owned());
    }
    let mut parts = time.split(':');
    let (hour, minute) = (parts.next()?, parts.next()?);
    let number = |text: &str| text.parse::<u8>().ok().filter(|_| text.len() <= 2);
    let (hour, minute) = (number(hour)?, number(minute)?);
    let date = date.map_or_else(String::new, |date| format!("{date}T"));
    match (hour, minute) {
        (24, 0) => Some("midnight is `00:00` of the day that it begins".to_owned()),
        (0..24, 0..60) => Some(format!("write `{}{hour:02}:{minute:02}`", shorten(&date))),
        _ => None,
    }
}

fn refers_to_duration(schema: &Value) -> bool {
    let title = schema.get("title").and_then(Value::as_str);
    title.is_some_and(|title| title.starts_with("a duration"))
}

fn wants(schema: &Value, kind: &str) -> bool {
    schema.get("type").and_then(Value::as_str) == Some(kind)
}

/// Advice where a text stands in place of another type.
fn unquote(word: &str, schema: &Value) -> Option<String> {
    if wants(schema, "boolean") {
        return match word.to_ascii_lowercase().as_str() {
            "yes" | "on" | "y" | "true" => Some("write `true`".to_owned()),
            "no" | "off" | "n" | "false" => Some("write `false`".to_owned()),
            _ => None,
        };
    }
    if wants(schema, "integer") {
        let plain = plain_number(word.strip_prefix('-').unwrap_or(word));
        return plain.map(|(number, zeros)| match zeros {
            true => format!("write `{number}`: numbers have no leading zeros"),
            false => format!("remove the quotes: `{word}`"),
        });
    }
    wants(schema, "array").then(|| format!("write it as a list: `[{}]`", shorten(word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("nmae", Some("name"))]
    #[case("Name", Some("name"))]
    #[case("in-flight", Some("in_flight"))]
    #[case("inflight", Some("in_flight"))]
    #[case("batchsize", Some("batch_size"))]
    #[case("colour", None)]
    #[case("x", None)]
    #[case("", None)]
    fn only_a_near_word_is_suggested(#[case] word: &str, #[case] near: Option<&str>) {
        assert_eq!(
            nearest(word, &["name", "in_flight", "batch_size", "groups"]),
            near
        );
        assert_eq!(nearest(&"n".repeat(10_000_000), &["name"]), None);
    }

    #[rstest]
    #[case(&[], "nothing")]
    #[case(&["a"], "`a`")]
    #[case(&["a", "b"], "`a` or `b`")]
    #[case(&["a", "b", "c"], "`a`, `b` or `c`")]
    fn words_are_listed_as_one_would_say_them(#[case] words: &[&str], #[case] text: &str) {
        assert_eq!(one_of(words), text);
    }
}
