//! What the schema cannot say: rules between the fields of an expanded file.
//!
//! Looks at the value before it is typed and skips what has the wrong shape, so that its findings come
//! together with those of the schema. Invariant: a value that passes this and the schema can be read.

mod window;

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::template::{has_expression, names_in};
use crate::document::finding::{Finding, PLENTY, Spot};
use crate::document::messages::{nearest, one_of};
use crate::document::origins::{Origins, shorten};
use crate::duration;
use crate::glob::Glob;
use crate::ids::{Endpoint, WebUrl};

/// Names that a `report` template may use.
pub(super) const REPORT_NAMES: [&str; 3] = ["workflow.name", "run.id", "run.date"];

/// Everything that the rules have against the file.
pub(super) fn check(root: &Value, origins: &Origins) -> Vec<Finding> {
    let mut rules = Rules {
        root,
        origins,
        findings: Vec::new(),
    };
    rules.stop_type();
    rules.endpoint();
    rules.region();
    rules.durations();
    rules.window();
    rules.report();
    rules.waves("/rollout/waves");
    rules.gate("/rollout/gate");
    rules.groups();
    rules.findings
}

struct Rules<'a> {
    root: &'a Value,
    origins: &'a Origins,
    findings: Vec<Finding>,
}

impl<'a> Rules<'a> {
    /// The text at a pointer, unless a mistake reported already left an expression in it.
    fn text(&self, pointer: &str) -> Option<&'a str> {
        let text = self.root.pointer(pointer).and_then(Value::as_str)?;
        (!has_expression(text)).then_some(text)
    }

    fn error(&mut self, code: &'static str, pointer: &str, message: String) -> &mut Finding {
        let spot = Spot::Value(pointer.to_owned());
        self.findings.push(Finding::error(code, spot, message));
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }

    /// Whether the environment had a part in the value at a pointer.
    fn is_secret(&self, pointer: &str) -> bool {
        self.origins
            .given(pointer)
            .is_some_and(|given| given.secret)
    }

    /// How a message names a text of the file, unless that would show a secret.
    fn named(&self, pointer: &str, text: &str) -> String {
        match self.origins.given(pointer) {
            Some(given) if given.secret => format!("that `{}` gives", shorten(&given.template)),
            Some(_) | None => format!("`{}`", shorten(text)),
        }
    }

    /// The API documents one of the two stop types as invalid; a person should know.
    fn stop_type(&mut self) {
        if self.text("/stop_type") == Some("SOFT") {
            let spot = Spot::Value("/stop_type".to_owned());
            let message = "the API documents the stop type `SOFT` as invalid; it is sent as given";
            let finding = Finding::warning("soft-stop-invalid", spot, message);
            self.findings
                .push(finding.hint("use `HARD` unless your cloud is known to accept `SOFT`"));
        }
    }

    /// What the schema's pattern cannot say of a URL.
    fn endpoint(&mut self) {
        let Some(text) = self.text("/endpoint") else {
            return;
        };
        if !text.starts_with("http://") && !text.starts_with("https://") {
            return; // the schema says so already
        }
        if let Err(error) = text.parse::<Endpoint>() {
            let message = format!(
                "`endpoint` must be an `https` URL, or `http` to a loopback address: this is {error}"
            );
            self.error("endpoint", "/endpoint", message);
        }
    }

    /// The name of a region ends with a digit, that of one of its availability zones with a letter.
    fn region(&mut self) {
        let pointer = "/region";
        let Some(text) = self.text(pointer) else {
            return;
        };
        if let Some(region) = region_of_zone(text).filter(|_| !self.is_secret(pointer)) {
            let message =
                format!("`{text}` looks like an availability zone of the region `{region}`");
            let spot = Spot::Value(pointer.to_owned());
            let finding = Finding::warning("region-is-zone", spot, message);
            self.findings
                .push(finding.hint(format!("write `region: {region}`")));
        }
    }

    /// Polling, waiting and retrying for no time at all would mean never.
    fn durations(&mut self) {
        for pointer in ["/jobs/timeout", "/jobs/poll", "/rollout/retry_for"] {
            self.lasts(pointer);
        }
    }

    /// That a duration is one.
    fn lasts(&mut self, pointer: &str) {
        if self
            .text(pointer)
            .and_then(|text| duration::parse(text).ok())
            .is_some_and(|d| d.is_zero())
        {
            let name = pointer.rsplit('/').next().unwrap_or_default();
            let message = format!("`{name}` must be longer than nothing");
            self.error("invalid-value", pointer, message);
        }
    }

    /// What the schema's patterns cannot say of a gate.
    fn gate(&mut self, pointer: &str) {
        self.lasts(&format!("{pointer}/timeout"));
        let pointer = format!("{pointer}/http");
        let Some(text) = self.text(&pointer) else {
            return;
        };
        if !text.starts_with("http://") && !text.starts_with("https://") {
            return; // the schema says so already
        }
        if let Err(error) = text.parse::<WebUrl>() {
            let message = format!("`http` must be an `http` or `https` URL: this is {error}");
            let finding = self.error("gate", &pointer, message);
            finding.hint = Some(
                "a gate is asked without credentials, and its URL stands in the plan".to_owned(),
            );
        }
    }

    /// What is left is taken once, and last.
    fn waves(&mut self, pointer: &str) {
        let Some(Value::Array(waves)) = self.root.pointer(pointer) else {
            return;
        };
        let is_rest = |wave: &&Value| wave.as_str() == Some("rest");
        let mut rests = (0..).zip(waves).filter(|(_, wave)| is_rest(wave));
        let item = |at: usize| format!("{pointer}/{at}");
        let Some((first, _)) = rests.next() else {
            return;
        };
        if let Some((second, _)) = rests.next() {
            let message = "`rest` stands twice in `waves`".to_owned();
            let finding = self.error("invalid-value", &item(second), message);
            finding.related = Some((Spot::Value(item(first)), "first used here".to_owned()));
        } else if first + 1 < waves.len() {
            let message = "`rest` must be the last of the `waves`: it takes all that is left";
            self.error("invalid-value", &item(first), message.to_owned());
        }
    }

    /// The run fills this template in, so it is only checked here.
    fn report(&mut self) {
        let Some(template) = self.root.pointer("/report").and_then(Value::as_str) else {
            return;
        };
        let names = match names_in(template) {
            Ok(names) => names,
            Err(error) => {
                let message = format!("in `report`, {error}");
                self.error("report-template", "/report", message);
                return;
            }
        };
        if template.starts_with('/') {
            let message = "`report` must be a relative path inside the git work tree".to_owned();
            let hint = "`run --report` can name any path";
            let finding = self.error("report-path", "/report", message);
            finding.hint = Some(hint.to_owned());
        }
        for name in names {
            if !REPORT_NAMES.contains(&name.as_str()) {
                let hint = match nearest(&name, &REPORT_NAMES) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("`report` may use {}", one_of(&REPORT_NAMES)),
                };
                let spot = Spot::Within("/report".to_owned(), name.clone());
                let message = format!("`report` cannot use `{name}`");
                self.findings
                    .push(Finding::error("report-template", spot, message).hint(hint));
            }
        }
    }

    /// Names are unique, and groups are left out only by later ones.
    fn groups(&mut self) {
        let Some(Value::Array(groups)) = self.root.get("groups") else {
            return;
        };
        let mut earlier: HashMap<&str, usize> = HashMap::new();
        let mut split: HashSet<&str> = HashSet::new();
        for (index, group) in groups.iter().enumerate() {
            if self.findings.len() > PLENTY {
                return;
            }
            self.expect(index, group);
            self.patterns(index);
            self.split_by(index, group);
            self.waves(&format!("/groups/{index}/waves"));
            self.gate(&format!("/groups/{index}/gate"));
            self.excluded_groups(index, group, &earlier, &split);
            let pointer = format!("/groups/{index}/name");
            let Some(name) = self.text(&pointer) else {
                continue;
            };
            match earlier.get(name) {
                Some(first) => self.same_name(name, *first, index),
                None => {
                    earlier.insert(name, index);
                }
            }
            if group.get("split_by").is_some() {
                split.insert(name);
            }
        }
    }

    fn same_name(&mut self, name: &str, first: usize, second: usize) {
        let pointer = |group: usize| format!("/groups/{group}/name");
        let shown = self.named(&pointer(second), name);
        let unrolled = self.origins.raw(&pointer(first)) == self.origins.raw(&pointer(second));
        let finding = self.error(
            "duplicate-group",
            &pointer(second),
            format!("the group name {shown} is used twice"),
        );
        if unrolled {
            finding.hint = Some(
                "tell the elements of `for_each` apart, as in `name: \"rack-{{ each }}\"`"
                    .to_owned(),
            );
        } else {
            finding.related = Some((Spot::Value(pointer(first)), "first used here".to_owned()));
        }
    }

    fn expect(&mut self, index: usize, group: &Value) {
        let limit = |name: &str| {
            group
                .pointer(&format!("/expect/{name}"))
                .and_then(Value::as_u64)
        };
        if let (Some(min), Some(max)) = (limit("min"), limit("max"))
            && min > max
        {
            let pointer = format!("/groups/{index}/expect/min");
            self.error(
                "invalid-value",
                &pointer,
                "`min` is more than `max`".to_owned(),
            );
        }
    }

    /// What the schema cannot say of a pattern for names.
    fn patterns(&mut self, index: usize) {
        for owner in ["select", "exclude/select"] {
            let pointer = format!("/groups/{index}/{owner}/name");
            let Some(text) = self.text(&pointer).filter(|text| !text.is_empty()) else {
                continue;
            };
            if let Err(error) = text.parse::<Glob>() {
                let shown = self.named(&pointer, text);
                let message = format!("{shown} is no pattern for names: {error}");
                self.error("invalid-value", &pointer, message);
            }
        }
    }

    /// What `select` finds is split by a tag, and nothing else can stand beside it then.
    fn split_by(&mut self, index: usize, group: &Value) {
        let pointer = format!("/groups/{index}/split_by");
        let Some(text) = self
            .text(&pointer)
            .filter(|_| group.get("select").is_some())
        else {
            return;
        };
        if text.strip_prefix("tag:").is_none_or(str::is_empty) {
            let message = "servers that `select` finds can only be split by a tag".to_owned();
            let hint = match text {
                "tag:" => "write the tag's key behind `tag:`".to_owned(),
                key => format!("for the tag `{0}`, write `tag:{0}`", shorten(key)),
            };
            self.error("split-by-tag", &pointer, message).hint = Some(hint);
        } else if let Some(other) = ["servers", "servers_from"]
            .into_iter()
            .find(|key| group.get(key).is_some())
        {
            let message = format!("a group that is split by a tag cannot have `{other}`");
            let finding = self.error("split-by-tag", &pointer, message);
            finding.hint = Some("put these servers into a group of their own".to_owned());
        }
    }

    /// A name under `exclude.groups` is that of an earlier group, or of a part of one that is split.
    fn excluded_groups(
        &mut self,
        index: usize,
        group: &'a Value,
        earlier: &HashMap<&str, usize>,
        split: &HashSet<&str>,
    ) {
        let Some(Value::Array(names)) = group.pointer("/exclude/groups") else {
            return;
        };
        for (at, name) in names.iter().enumerate() {
            let Some(name) = name.as_str().filter(|name| !has_expression(name)) else {
                continue;
            };
            let dashes = name.match_indices('-').map(|(at, _)| &name[..at]);
            let is_part = dashes.into_iter().any(|group| split.contains(group));
            if earlier.contains_key(name) || is_part || self.findings.len() > PLENTY {
                continue;
            }
            let pointer = format!("/groups/{index}/exclude/groups/{at}");
            let shown = self.named(&pointer, name);
            let known: Vec<&str> = earlier.keys().copied().collect();
            let hint = match nearest(name, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "only groups that stand earlier in the file can be left out".to_owned(),
            };
            let finding = self.error(
                "unknown-group",
                &pointer,
                format!("there is no earlier group {shown}"),
            );
            finding.hint = Some(hint);
        }
    }
}

/// The region of what looks like an availability zone: `ap-southeast-1a`, or `eu-de-01`.
fn region_of_zone(text: &str) -> Option<&str> {
    let (rest, last) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let ends_with_digit = rest.ends_with(|c: char| c.is_ascii_digit());
    if last.starts_with(|c: char| c.is_ascii_lowercase()) && ends_with_digit && rest.contains('-') {
        return Some(rest);
    }
    let is_number = last.starts_with(|c: char| c.is_ascii_digit());
    rest.strip_suffix("-0").filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::region_of_zone;

    #[rstest]
    #[case("ap-southeast-1a", Some("ap-southeast-1"))]
    #[case("eu-west-101b", Some("eu-west-101"))]
    #[case("eu-de-01", Some("eu-de"))]
    #[case("ap-southeast-1", None)]
    #[case("eu-west-101", None)]
    #[case("na-mexico-1", None)]
    #[case("eu-de", None)]
    #[case("z1a", None)]
    #[case("", None)]
    fn a_zone_is_told_from_a_region(#[case] text: &str, #[case] region: Option<&str>) {
        assert_eq!(region_of_zone(text), region);
    }
}
