//! YAML text → JSON value, and everything about the text that the value cannot tell any more.
//!
//! Two parsers read the text: serde_yaml gives the value, granit-parser the structure. Owns the rules
//! that keep them of one mind: one document, text keys, each once, no merges, no custom tags. Anchors
//! and aliases are refused, as a reviewed file should say what it means where it says it; so an alias
//! bomb is never unrolled. Invariant: a value without findings is what every YAML reader would read.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::Value;

use super::conflict;
use super::finding::{Finding, Spot};
use super::messages::escape_token;
use super::spelling::{Respelled, is_respelled};

/// Deepest nesting of collections; workflows need six.
const DEPTH: usize = 64;
/// Most lists and mappings in a file; each costs far more memory than the text it is written with.
const COLLECTIONS: usize = 100_000;

/// What a text holds: its value where it can be read, and what is wrong with it.
pub(crate) struct Reading {
    pub(crate) value: Option<Value>,
    pub(crate) findings: Vec<Finding>,
    /// Values that are not shown as they are written.
    pub(crate) respelled: Vec<Respelled>,
}

impl Reading {
    fn without_value(findings: Vec<Finding>) -> Self {
        Self {
            value: None,
            findings,
            respelled: Vec::new(),
        }
    }
}

/// The events of `text` with their places.
pub(crate) fn events(text: &str) -> Parser<'_, StrInput<'_>> {
    let options = granit_parser::options! {
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        flow_nesting_limit: DEPTH,
        block_nesting_limit: DEPTH,
    };
    Parser::new_from_str_with_options(text, options)
}

/// Reads `text`; there is no value where the two parsers might read two different things.
pub(crate) fn read(text: &str) -> Reading {
    if let Some(finding) = conflicting(text).or_else(|| deceptive(text)) {
        return Reading::without_value(vec![finding]);
    }
    let mut structure = Structure::new(text);
    structure.walk();
    let Structure {
        mut findings,
        readable,
        respelled,
        ..
    } = structure;
    if !readable {
        return Reading::without_value(findings);
    }
    let value = match serde_yaml::from_str(text) {
        Ok(value) => Some(value),
        Err(error) if findings.is_empty() => {
            findings.push(refused(text, &error));
            None
        }
        Err(_) => None,
    };
    Reading {
        value,
        findings,
        respelled,
    }
}

/// A merge conflict that was committed, or is not resolved yet.
fn conflicting(text: &str) -> Option<Finding> {
    let spot = Spot::Bytes(conflict::marker(text)?);
    let finding = Finding::error("conflict-marker", spot, conflict::MESSAGE);
    Some(finding.hint(conflict::HINT))
}

/// A character that makes the text read otherwise than a reviewer sees it: the parsers, editors and
/// terminals do not agree on which of these end a line or turn the direction of writing.
pub(crate) fn deceptive(text: &str) -> Option<Finding> {
    let lone = |at: &usize| !text[at + 1..].starts_with('\n');
    let lone_return = text.match_indices('\r').map(|(at, _)| at).find(lone);
    let turning = |c| matches!(c, '\u{85}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let other = if text.is_ascii() {
        None
    } else {
        text.find(turning)
    };
    let at = lone_return.into_iter().chain(other).min()?;
    let character = text[at..].chars().next()?;
    let bytes = at..at + character.len_utf8();
    let message = format!(
        "the character U+{:04X} is not supported",
        u32::from(character)
    );
    let finding = Finding::error("deceptive-character", Spot::Bytes(bytes), message);
    Some(finding.hint("remove it: it is invisible and can make a file look other than it is"))
}

/// serde_yaml refuses what granit-parser let pass.
fn refused(text: &str, error: &serde_yaml::Error) -> Finding {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    let at = error.location().map_or(0, |location| {
        let line = location.line().saturating_sub(1);
        let lines = text.split_inclusive('\n').take(line).map(str::len);
        lines.sum::<usize>() + location.column().saturating_sub(1)
    });
    if message.ends_with("JSON number out of range") {
        let digits = text.get(at..).unwrap_or_default();
        let end = at + digits.find(char::is_whitespace).unwrap_or(digits.len());
        let finding = Finding::error("syntax", Spot::Bytes(at..end), "this number is too large");
        return finding.hint("put an ID that consists of digits in quotes");
    }
    if let Some(finding) = tab_near(text, line_start(text, at), message).map(tab_finding) {
        return finding;
    }
    Finding::error(
        "syntax",
        Spot::Bytes(at..at + 1),
        format!("this is not valid YAML: {message}"),
    )
}

/// A collection that is open at some point of the walk.
enum Frame<'a> {
    Sequence {
        items: usize,
    },
    Mapping {
        keys: HashMap<Cow<'a, str>, Range<usize>>,
        /// The last key.
        key: Cow<'a, str>,
        key_next: bool,
    },
}

/// One walk over the events, looking for what the value cannot tell.
struct Structure<'a> {
    text: &'a str,
    open: Vec<Frame<'a>>,
    documents: usize,
    collections: usize,
    readable: bool,
    /// Whether what follows would only repeat what is found.
    ended: bool,
    findings: Vec<Finding>,
    respelled: Vec<Respelled>,
}

impl<'a> Structure<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            open: Vec::new(),
            documents: 0,
            collections: 0,
            readable: true,
            ended: false,
            findings: Vec::new(),
            respelled: Vec::new(),
        }
    }

    fn walk(&mut self) {
        for event in events(self.text) {
            match event {
                Ok((event, span)) => self.take(event, span),
                Err(error) => return self.stop(syntax(self.text, &error)),
            }
            if self.ended || self.findings.len() > 1000 {
                self.readable = false;
                return;
            }
        }
        if self.documents == 0 {
            let finding = Finding::error("empty-file", Spot::Bytes(0..0), "the file is empty");
            self.stop(finding.hint("start with `version: 1`"));
        }
    }

    /// A finding that makes the value useless.
    fn stop(&mut self, finding: Finding) {
        self.readable = false;
        self.findings.push(finding);
    }

    fn take(&mut self, event: Event<'a>, span: Span) {
        let bytes = span.byte_range().unwrap_or(0..0);
        match event {
            Event::DocumentStart(..) => self.document(bytes),
            Event::Scalar(text, style, _, tag) => {
                self.tag(tag.as_deref(), &span);
                if self.enter() {
                    self.key(text, style, bytes);
                } else if style == ScalarStyle::Plain && is_respelled(&text) {
                    let (pointer, written) = (self.pointer(), text.into_owned());
                    self.respelled.push(Respelled { pointer, written });
                }
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.enter();
                self.reference(bytes, "aliases");
            }
            Event::Anchor(..) => self.reference(bytes, "anchors"),
            Event::SequenceStart(_, _, tag) => {
                self.tag(tag.as_deref(), &span);
                self.start(Frame::Sequence { items: 0 }, bytes);
            }
            Event::MappingStart(_, _, tag) => {
                self.tag(tag.as_deref(), &span);
                let frame = Frame::Mapping {
                    keys: HashMap::new(),
                    key: Cow::Borrowed(""),
                    key_next: true,
                };
                self.start(frame, bytes);
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.open.pop();
            }
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | _ => {}
        }
    }

    fn document(&mut self, bytes: Range<usize>) {
        self.documents += 1;
        if self.documents == 2 {
            self.ended = true;
            let message = "a second document begins here";
            let finding = Finding::error("several-documents", Spot::Bytes(bytes), message);
            self.stop(finding.hint("a file holds one document; use a file for each"));
        }
    }

    /// Notes that a node begins; tells whether it is a key.
    fn enter(&mut self) -> bool {
        match self.open.last_mut() {
            Some(Frame::Mapping { key_next, .. }) => {
                *key_next = !*key_next;
                !*key_next
            }
            Some(Frame::Sequence { items }) => {
                *items += 1;
                false
            }
            None => false,
        }
    }

    /// JSON pointer of the node that was entered last.
    fn pointer(&self) -> String {
        let tokens = self.open.iter().map(|frame| match frame {
            Frame::Sequence { items } => format!("/{}", items.saturating_sub(1)),
            Frame::Mapping { key, .. } => format!("/{}", escape_token(key)),
        });
        tokens.collect()
    }

    fn start(&mut self, frame: Frame<'a>, bytes: Range<usize>) {
        if self.enter() {
            self.collection_as_key(&bytes);
        }
        self.open.push(frame);
        self.collections += 1;
        if self.collections > COLLECTIONS {
            self.ended = true;
            let message = format!("the file holds more than {COLLECTIONS} lists and mappings");
            self.stop(Finding::error(
                "too-large",
                Spot::Bytes(bytes.clone()),
                message,
            ));
        }
        if self.open.len() > DEPTH {
            self.ended = true;
            self.stop(too_deep(bytes.start));
        }
    }

    /// `{{ x }}` without quotes is a mapping whose key is a mapping; other keys of this kind are mistakes.
    fn collection_as_key(&mut self, bytes: &Range<usize>) {
        let rest = &self.text[bytes.start..];
        let inner = self.text[..bytes.start].ends_with('{') && rest.starts_with('{');
        self.ended = true;
        self.stop(match (inner, rest.starts_with("{{")) {
            (true, _) => unquoted(self.text, bytes.start - 1),
            (false, true) => unquoted(self.text, bytes.start),
            (false, false) => {
                let message = "a key must be a text, not a list or a mapping";
                Finding::error("key-not-text", Spot::Bytes(bytes.clone()), message)
            }
        });
    }

    fn key(&mut self, key: Cow<'a, str>, style: ScalarStyle, bytes: Range<usize>) {
        let spot = Spot::Bytes(bytes.clone());
        if style == ScalarStyle::Plain && !is_text(&key) {
            let message = format!("a key must be a text, but `{key}` is read as another type");
            return self.stop(Finding::error("key-not-text", spot, message).hint("quote the key"));
        }
        if key == "<<" {
            let finding = Finding::error("merge", spot, "`<<` merges are not supported");
            return self.findings.push(finding.hint("write the keys out"));
        }
        if key.contains("{{") {
            let message = "a key cannot hold an expression";
            return self
                .findings
                .push(Finding::error("expression-in-key", spot, message));
        }
        self.once(key, bytes);
    }

    /// Remembers a key of the innermost mapping, and refuses it the second time.
    fn once(&mut self, key: Cow<'a, str>, bytes: Range<usize>) {
        let Some(Frame::Mapping {
            keys, key: last, ..
        }) = self.open.last_mut()
        else {
            return;
        };
        last.clone_from(&key);
        if let Some(first) = keys.get(&key) {
            let message = format!("the key `{key}` stands twice in one mapping");
            let finding = Finding::error("duplicate-key", Spot::Bytes(bytes), message)
                .related(Spot::Bytes(first.clone()), "first given here")
                .hint("remove one of the two");
            self.findings.push(finding);
        } else {
            keys.insert(key, bytes);
        }
    }

    fn tag(&mut self, tag: Option<&Tag>, span: &Span) {
        let Some(tag) = tag else { return };
        let bytes = span.tag_span().as_ref().unwrap_or(span).byte_range();
        let message = format!("the tag `{}` is not supported", tag.original());
        let finding = Finding::error("tag", Spot::Bytes(bytes.unwrap_or(0..0)), message);
        self.stop(finding.hint("remove the tag; quote a value that must stay a text"));
    }

    /// Refuses an anchor or alias; only the first of each kind, as there may be thousands.
    fn reference(&mut self, bytes: Range<usize>, what: &str) {
        self.readable = false;
        let message = format!("{what} are not supported");
        if !self
            .findings
            .iter()
            .any(|finding| finding.message == message)
        {
            let finding = Finding::error("anchor-or-alias", Spot::Bytes(bytes), message);
            let hint = "write the value out; a workflow may declare it once under `vars`";
            self.findings.push(finding.hint(hint));
        }
    }
}

fn too_deep(at: usize) -> Finding {
    let message = format!("collections are nested more than {DEPTH} deep");
    Finding::error("too-deep", Spot::Bytes(at..at + 1), message)
}

/// What granit-parser could not read, in words that say what to do where that is known.
fn syntax(text: &str, error: &ScanError) -> Finding {
    let at = error.marker().byte_offset().unwrap_or(text.len());
    let message = error.info();
    if message.contains("limit exceeded") {
        return too_deep(at);
    }
    let line = line_start(text, at);
    let rest = text[line..].split('\n').next().unwrap_or_default();
    if let Some(finding) = tab_near(text, line, &message).map(tab_finding) {
        return finding;
    }
    match unquoted_expression(rest) {
        Some(column) => unquoted(text, line + column),
        None => Finding::error(
            "syntax",
            Spot::Bytes(at..at + 1),
            format!("this is not valid YAML: {message}"),
        )
        .maybe_hint(advice(&message)),
    }
}

fn advice(message: &str) -> Option<String> {
    let colon = message.contains("mapping values are not allowed");
    colon.then(|| "put a text that holds `: ` in quotes".to_owned())
}

/// Where the line of this byte begins.
fn line_start(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1)
}

fn tab_finding(at: usize) -> Finding {
    let message = "this is not valid YAML: a tab in the indentation";
    let finding = Finding::error("syntax", Spot::Bytes(at..at + 1), message);
    finding.hint("replace the tab with spaces: YAML is indented with spaces only")
}

/// The tab in the indentation that an error comes from. The parser may name the line before it.
fn tab_near(text: &str, line: usize, message: &str) -> Option<usize> {
    let named = message.contains("tab");
    let lines = if named { usize::MAX } else { 1 };
    let tab_in = |blank: &[char]| {
        let mut start = line;
        for line in text[line..].split('\n').take(lines) {
            let content = line.trim_start_matches(blank);
            let indentation = &line[..line.len() - content.len()];
            if let Some(tab) = indentation
                .find('\t')
                .filter(|_| !content.trim().is_empty())
            {
                return Some(start + tab);
            }
            start += line.len() + 1;
        }
        None
    };
    // A tab after the dash of an item is allowed in some places.
    tab_in(&[' ', '\t']).or_else(|| tab_in(&[' ', '\t', '-']))
}

/// Where a value on this line begins with `{{` that no quote protects.
fn unquoted_expression(line: &str) -> Option<usize> {
    let at = line.find("{{")?;
    let before = line[..at].trim_end();
    (before.ends_with([':', '-', '[', ',']) || before.is_empty()).then_some(at)
}

fn unquoted(text: &str, at: usize) -> Finding {
    let line = text[at..].split('\n').next().unwrap_or_default();
    let length = line.find("}}").map_or(2, |end| end + 2);
    let expression = &line[..length];
    Finding::error(
        "unquoted-expression",
        Spot::Bytes(at..at + length),
        "an expression without quotes is a YAML mapping",
    )
    .hint(format!("quote the expression: `\"{expression}\"`"))
}

/// Whether YAML reads this plain scalar as a text.
fn is_text(plain: &str) -> bool {
    let suspicious = |first: char| first.is_ascii_digit() || "+-.~nNtTfF".contains(first);
    if !plain.starts_with(suspicious) {
        return !plain.is_empty();
    }
    matches!(scalar(plain), Some(Value::String(_)))
}

/// What YAML reads a plain scalar as.
pub(super) fn scalar(plain: &str) -> Option<Value> {
    serde_yaml::from_str(plain).ok()
}

#[cfg(test)]
mod tests;
