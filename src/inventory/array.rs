//! The `.json` format: an array of IDs, or of objects that hold an ID.
//!
//! Owns this format only. The array is walked element by element, so that each has a place. Invariant:
//! a member that is there twice in one object is an error, never a silent choice.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::library::Loaded;
use super::reading::{Entry, Reading, Sink, invalid_id, missing_column, nearest};
use crate::diagnostic::Diagnostic;

/// Member that holds the name where the workflow names none.
const NAME: &str = "name";

pub(super) fn read<'t>(loaded: &'t Loaded, reading: Reading<'_>, sink: &mut Sink<'_, 't>) {
    let mut elements = Elements::new(loaded.text());
    let mut asked = Asked::of(reading);
    loop {
        match elements.next() {
            Ok(Some((bytes, element))) => {
                asked.see(&element, &bytes);
                take(bytes, element, (loaded, reading), sink);
            }
            Ok(None) => break,
            Err(broken) => {
                let place = |bytes| loaded.place(bytes);
                sink.findings.add(|| {
                    Diagnostic::error("invalid-json", broken.message.clone())
                        .at(place(broken.at..broken.at + 1))
                });
                if !elements.skip(broken.element) {
                    return;
                }
            }
        }
    }
    asked.report(loaded, sink);
}

fn take<'t>(
    bytes: Range<usize>,
    element: Element<'t>,
    (loaded, reading): (&'t Loaded, Reading<'_>),
    sink: &mut Sink<'_, 't>,
) {
    let (text, name, value) = match element.parts(reading) {
        Ok(Some(parts)) => parts,
        Ok(None) => return,
        Err(error) => return sink.findings.add(|| error.at(loaded.place(bytes))),
    };
    let bytes = id_bytes(loaded.text(), bytes, &text);
    match text.trim().parse() {
        Ok(server) => (sink.entry)(Entry {
            server,
            bytes,
            name,
            value,
        }),
        Err(why) => sink.findings.add(|| invalid_id(loaded, bytes, &text, &why)),
    }
}

/// Where in an element its ID stands, quotes included; the whole element if it is spelled with escapes.
fn id_bytes(text: &str, element: Range<usize>, id: &str) -> Range<usize> {
    match text[element.clone()].find(&format!("\"{id}\"")) {
        Some(at) => element.start + at..element.start + at + id.len() + 2,
        None => element,
    }
}

fn no_id(object: &Object, member: &str) -> Diagnostic {
    let error = Diagnostic::error(
        "unknown-column",
        format!("the entry has no ID: there is no member `{member}` with a text"),
    );
    let known: Vec<&str> = object.0.iter().map(|(name, _)| name.as_str()).collect();
    match nearest(member, &known) {
        Some(near) if near != member => error.with_hint(format!("did you mean `{near}`?")),
        Some(_) | None => error,
    }
}

/// Members that the workflow names; one that no entry has is a mistake.
struct Asked<'a> {
    unseen: Vec<&'a str>,
    example: Option<(Range<usize>, Vec<String>)>,
}

impl<'a> Asked<'a> {
    fn of(reading: Reading<'a>) -> Self {
        Self {
            unseen: reading.further_columns().collect(),
            example: None,
        }
    }

    fn see(&mut self, element: &Element<'_>, bytes: &Range<usize>) {
        let Element::Object(object) = element else {
            return;
        };
        self.unseen
            .retain(|member| !object.0.iter().any(|(name, _)| name == member));
        self.example.get_or_insert_with(|| {
            let names = object.0.iter().map(|(name, _)| name.clone()).collect();
            (bytes.clone(), names)
        });
    }

    fn report(self, loaded: &Loaded, sink: &mut Sink<'_, '_>) {
        let Some((bytes, names)) = self.example else {
            return;
        };
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        for member in self.unseen {
            sink.findings
                .add(|| missing_column(loaded, bytes.clone(), member, &known));
        }
    }
}

enum Element<'t> {
    Id(Cow<'t, str>),
    Object(Object),
}

/// ID, name and value of the column that the group is split by.
type Parts<'t> = (Cow<'t, str>, Option<Cow<'t, str>>, Option<Cow<'t, str>>);

impl<'t> Element<'t> {
    /// What the reading asks for; `None` if it leaves the element out. An error has no place yet.
    fn parts(self, reading: Reading<'_>) -> Result<Option<Parts<'t>>, Box<Diagnostic>> {
        let object = match self {
            Self::Object(object) => object,
            Self::Id(text) if reading.further_columns().next().is_none() => {
                return Ok(Some((text, None, None)));
            }
            Self::Id(_) => {
                let message = "the entry is an ID alone, and has no members to look at";
                return Err(Box::new(Diagnostic::error("unknown-column", message)));
            }
        };
        if !object.admitted(reading) {
            return Ok(None);
        }
        let Some(text) = object.text(reading.id_column()) else {
            return Err(Box::new(no_id(&object, reading.id_column())));
        };
        let name = reading.inventory.name_column.as_deref().unwrap_or(NAME);
        let name = object.text(name).filter(|name| !name.is_empty());
        let value = reading.split_by.and_then(|member| object.text(member));
        Ok(Some((text, name, value)))
    }
}

struct Object(Vec<(String, Value)>);

impl Object {
    fn admitted(&self, reading: Reading<'_>) -> bool {
        let matching = &reading.inventory.matching;
        matching
            .iter()
            .all(|(member, value)| self.text(member).as_deref() == Some(value.as_str()))
    }

    /// The text of a member that is a string, number or boolean.
    fn text(&self, member: &str) -> Option<Cow<'static, str>> {
        match &self.0.iter().find(|(name, _)| name == member)?.1 {
            Value::String(text) => Some(Cow::Owned(text.clone())),
            Value::Number(number) => Some(Cow::Owned(number.to_string())),
            Value::Bool(truth) => Some(Cow::Owned(truth.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Element<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ElementVisitor)
    }
}

struct ElementVisitor;

impl<'de> Visitor<'de> for ElementVisitor {
    type Value = Element<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a server ID in quotes or an object that holds one")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Element::Id(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Element::Id(Cow::Owned(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Vec<(String, Value)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if members.iter().any(|(known, _)| *known == name) {
                return Err(de::Error::custom(format_args!(
                    "the member `{}` is there twice",
                    crate::untrusted::shorten(&name, 40)
                )));
            }
            members.push((name, value));
        }
        Ok(Element::Object(Object(members)))
    }
}

/// A stretch of the text that is not as it should be.
struct Broken {
    message: String,
    at: usize,
    /// Start of the element that is well-formed but of the wrong kind, if it is that.
    element: Option<usize>,
}

/// Walks the elements of the outer array.
struct Elements<'t> {
    text: &'t str,
    at: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Begin,
    Inside,
    End,
}

impl<'t> Elements<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            at: 0,
            state: State::Begin,
        }
    }

    fn next(&mut self) -> Result<Option<(Range<usize>, Element<'t>)>, Broken> {
        match (self.state, self.peek()) {
            (State::Begin, Some(b'[')) => {
                self.at += 1;
                if self.peek() == Some(b']') {
                    return self.end();
                }
            }
            (State::Begin, _) => return Err(self.unexpected("an array of server IDs is expected")),
            (State::Inside, Some(b',')) => self.at += 1,
            (State::Inside, Some(b']')) => return self.end(),
            (State::Inside, _) => return Err(self.unexpected("`,` or `]` is expected")),
            (State::End, _) => return Ok(None),
        }
        self.peek();
        self.state = State::Inside;
        self.element().map(Some)
    }

    fn element(&mut self) -> Result<(Range<usize>, Element<'t>), Broken> {
        let start = self.at;
        let rest = serde_json::Deserializer::from_str(&self.text[start..]);
        let mut elements = rest.into_iter::<Element<'t>>();
        match elements.next() {
            Some(Ok(element)) => {
                self.at = start + elements.byte_offset();
                Ok((start..self.at, element))
            }
            Some(Err(error)) => Err(self.broken(start, &error)),
            None => Err(self.unexpected("the file ends inside the array")),
        }
    }

    /// Nothing but white space may follow the array.
    fn end(&mut self) -> Result<Option<(Range<usize>, Element<'t>)>, Broken> {
        self.at += 1;
        self.state = State::End;
        match self.peek() {
            None => Ok(None),
            Some(_) => Err(self.unexpected("nothing is expected after the array")),
        }
    }

    /// Goes on after an element of the wrong kind; `false` if there is no way to go on.
    fn skip(&mut self, element: Option<usize>) -> bool {
        let Some(start) = element else {
            return false;
        };
        let rest = serde_json::Deserializer::from_str(&self.text[start..]);
        let mut elements = rest.into_iter::<IgnoredAny>();
        let skipped = matches!(elements.next(), Some(Ok(_)));
        self.at = start + elements.byte_offset();
        skipped
    }

    /// Skips white space; the byte that follows.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let space = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
        self.at += space.count();
        self.text.as_bytes().get(self.at).copied()
    }

    fn unexpected(&self, message: &str) -> Broken {
        Broken {
            message: message.to_owned(),
            at: self.at,
            element: None,
        }
    }

    /// Line and column of the error count from the element's start.
    fn broken(&self, start: usize, error: &serde_json::Error) -> Broken {
        let text = &self.text[start..];
        let line: usize = text
            .split_inclusive('\n')
            .take(error.line().saturating_sub(1))
            .map(str::len)
            .sum();
        let message = error.to_string();
        let message = message.rsplit_once(" at line ").map_or(&*message, |m| m.0);
        let wrong_kind = error.is_data();
        Broken {
            message: message.to_owned(),
            at: if wrong_kind {
                start
            } else {
                start + line + error.column().saturating_sub(1)
            },
            element: wrong_kind.then_some(start),
        }
    }
}
