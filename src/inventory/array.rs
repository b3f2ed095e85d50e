//! The `.json` format: a list of IDs, or of objects that hold an ID.
//!
//! Owns what an element means; `elements` walks them. Invariant: a member that is there twice in one object is an
//! error, never a silent choice, and a number is compared as it is written.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::elements::{Broken, Elements, Remedy};
use super::filter::Filter;
use super::library::Loaded;
use super::reading::{Entry, Reading, Sink, invalid_id, missing_column, nearest};
use super::{export, json_text};
use crate::diagnostic::Diagnostic;

/// Member that holds the name where the workflow names none.
const NAME: &str = "name";

pub(super) fn read<'t>(loaded: &'t Loaded, reading: Reading<'_>, sink: &mut Sink<'_, 't>) {
    let mut elements = match Elements::open(loaded.text()) {
        Ok(elements) => elements,
        Err(broken) => return sink.findings.add(|| not_a_list(loaded, &broken)),
    };
    let mut asked = Asked::of(reading);
    let mut filter = Filter::of(reading);
    loop {
        match elements.next() {
            Ok(Some((bytes, element))) => {
                asked.see(&element, &bytes);
                let row = Row {
                    loaded,
                    bytes,
                    path: elements.path(),
                };
                take(row, element, (reading, &mut filter), sink);
            }
            Ok(None) => break,
            Err(broken) => {
                sink.findings.add(|| not_a_list(loaded, &broken));
                if !elements.skip(broken.element) {
                    return;
                }
            }
        }
    }
    sink.misses.extend(filter.misses());
    asked.report(loaded, sink);
}

/// One element, as it stands in the file.
struct Row<'t> {
    loaded: &'t Loaded,
    bytes: Range<usize>,
    /// What `jq` calls the elements of the file.
    path: (&'static str, &'static str),
}

fn not_a_list(loaded: &Loaded, broken: &Broken) -> Diagnostic {
    let place = loaded.place(broken.at..broken.at + 1);
    let error = Diagnostic::error("invalid-json", broken.message.clone()).at(place);
    match broken.remedy {
        Some(Remedy::Program(program)) => error.with_hint(export::command(loaded.name(), program)),
        Some(Remedy::AllPages) => error
            .with_hint("export the whole listing, with all of its pages, and put them together"),
        None => error,
    }
}

fn take<'t>(
    row: Row<'t>,
    element: Element<'t>,
    (reading, filter): (Reading<'_>, &mut Filter<'_>),
    sink: &mut Sink<'_, 't>,
) {
    let (text, name, value) = match element.parts(reading, filter, &row) {
        Ok(Some(parts)) => parts,
        Ok(None) => return,
        Err(error) => return sink.findings.add(|| error.at(row.loaded.place(row.bytes))),
    };
    let bytes = id_bytes(row.loaded.text(), row.bytes, &text);
    match text.trim().parse() {
        Ok(server) => (sink.entry)(Entry {
            server,
            bytes,
            name,
            value,
        }),
        Err(why) => sink
            .findings
            .add(|| invalid_id(row.loaded, bytes, &text, &why)),
    }
}

/// Where in an element its ID stands, quotes included; the whole element if it is spelled with escapes.
fn id_bytes(text: &str, element: Range<usize>, id: &str) -> Range<usize> {
    match text[element.clone()].find(&format!("\"{id}\"")) {
        Some(at) => element.start + at..element.start + at + id.len() + 2,
        None => element,
    }
}

fn no_id(object: &Object, member: &str, row: &Row<'_>) -> Diagnostic {
    let error = Diagnostic::error(
        "unknown-column",
        format!("the entry has no ID: there is no member `{member}` with a text"),
    );
    let known: Vec<&str> = object.0.iter().map(|(name, _)| name.as_str()).collect();
    match nearest(member, &known) {
        Some(near) if near != member => error.with_hint(format!(
            "did you mean `{near}`? if so, say `column: {near}`"
        )),
        Some(_) | None => match export::advice(row.loaded.name(), &object.0, member, row.path) {
            Some(advice) => error.with_hint(advice),
            None => error,
        },
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
    fn parts(
        self,
        reading: Reading<'_>,
        filter: &mut Filter<'_>,
        row: &Row<'t>,
    ) -> Result<Option<Parts<'t>>, Box<Diagnostic>> {
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
        if !filter.admits(|_, member| object.text(member, row)) {
            return Ok(None);
        }
        let Some(text) = object.text(reading.id_column(), row) else {
            return Err(Box::new(no_id(&object, reading.id_column(), row)));
        };
        let name = reading.inventory.name_column.as_deref().unwrap_or(NAME);
        let name = object.text(name, row).filter(|name| !name.is_empty());
        let value = reading
            .split_by
            .and_then(|member| object.text(member, row))
            .map(|value| Cow::Owned(value.trim().to_owned()));
        Ok(Some((text, name, value)))
    }
}

struct Object(Vec<(String, Value)>);

impl Object {
    /// The text of a member that is a string, number or boolean; a number as it is written.
    fn text(&self, member: &str, row: &Row<'_>) -> Option<Cow<'static, str>> {
        match &self.0.iter().find(|(name, _)| name == member)?.1 {
            Value::String(text) => Some(Cow::Owned(text.clone())),
            Value::Number(_) => {
                let written = json_text::member(row.loaded.text(), row.bytes.start, member)?;
                Some(Cow::Owned(written.to_owned()))
            }
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
