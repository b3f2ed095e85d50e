//! The elements of a `.json` inventory, one after another, each with its place.
//!
//! Owns the three forms of a list: an array, an object whose member `servers` is one, and JSON lines. Each element
//! is parsed by itself. Invariant: nothing but white space is skipped, and an export that says that it is only a
//! part of a listing is refused.

use std::ops::Range;

use serde::de::{Deserialize, IgnoredAny};
use serde_json::Value;

use super::json_text::{Member, members};

/// Member that holds the array where the list is an object.
const SERVERS: &str = "servers";
/// Members in which exports state how many servers there are.
const COUNTS: [&str; 3] = ["count", "total", "total_count"];

/// A stretch of the text that is not as it should be.
pub(super) struct Broken {
    pub(super) message: String,
    pub(super) at: usize,
    /// Start of the element that is well-formed but of the wrong kind, if it is that.
    pub(super) element: Option<usize>,
    pub(super) remedy: Option<Remedy>,
}

/// What helps where a file as a whole is no list.
#[derive(Clone, Copy)]
pub(super) enum Remedy {
    /// What `jq` needs to make a list of it.
    Program(&'static str),
    /// The export has to be made again, with all pages.
    AllPages,
}

/// Walks the elements of a list.
pub(super) struct Elements<'t> {
    text: &'t str,
    at: usize,
    state: State,
    form: Form,
    /// Number of elements so far.
    walked: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Begin,
    Inside,
    End,
}

/// How the elements are written.
enum Form {
    Array,
    /// An array within an object, and the number of servers that the object states, with its place.
    Wrapped(Option<(u64, usize)>),
    Lines,
}

impl<'t> Elements<'t> {
    /// The elements of a text, which must begin as one of the forms does.
    pub(super) fn open(text: &'t str) -> Result<Self, Broken> {
        let mut elements = Self {
            text,
            at: 0,
            state: State::Begin,
            form: Form::Array,
            walked: 0,
        };
        match elements.peek() {
            Some(b'[') => Ok(elements),
            Some(b'{') => elements.open_object(),
            Some(b'"') => Ok(elements.lines()),
            _ => Err(elements.unexpected("an array of server IDs is expected")),
        }
    }

    /// What `jq` calls the elements.
    pub(super) fn path(&self) -> (&'static str, &'static str) {
        match self.form {
            Form::Array => ("", ".[]"),
            Form::Wrapped(_) => ("", ".servers[]"),
            Form::Lines => ("-s ", ".[]"),
        }
    }

    fn lines(mut self) -> Self {
        self.form = Form::Lines;
        self.state = State::Inside;
        self
    }

    /// An object with the list in it, or else the first of several lines.
    fn open_object(mut self) -> Result<Self, Broken> {
        let start = self.at;
        let rest = serde_json::Deserializer::from_str(&self.text[start..]);
        let mut values = rest.into_iter::<IgnoredAny>();
        if let Some(Err(error)) = values.next() {
            return Err(self.broken(start, &error));
        }
        let end = start + values.byte_offset();
        let members = members(self.text, start);
        let text = self.text;
        let is_array = |value: &Range<usize>| text[value.clone()].starts_with('[');
        let mut lists = members
            .iter()
            .filter(|member| member.name == SERVERS && is_array(&member.value));
        let Some(list) = lists.next() else {
            return Ok(self.lines());
        };
        if let Some(second) = lists.next() {
            self.at = second.value.start;
            return Err(self.unexpected("the member `servers` is there twice"));
        }
        self.at = end;
        if self.peek().is_some() {
            let broken = self.unexpected("nothing is expected after the object with `servers`");
            let remedy = Some(Remedy::Program("-s 'map(.servers) | add'"));
            return Err(Broken { remedy, ..broken });
        }
        if let Some(next) = members.iter().find(|member| leads_on(text, member)) {
            self.at = next.value.start;
            let broken = self.unexpected("this is one page of a listing, and more pages follow");
            let remedy = Some(Remedy::AllPages);
            return Err(Broken { remedy, ..broken });
        }
        let count = members.iter().find_map(|member| stated(text, member));
        self.at = list.value.start;
        self.form = Form::Wrapped(count);
        Ok(self)
    }

    /// The next element, and where it stands.
    pub(super) fn next<T: Deserialize<'t>>(&mut self) -> Result<Option<(Range<usize>, T)>, Broken> {
        match (self.state, self.peek()) {
            (State::Begin, _) => {
                self.at += 1;
                if self.peek() == Some(b']') {
                    return self.end();
                }
            }
            (State::Inside, None) if matches!(self.form, Form::Lines) => return Ok(None),
            (State::Inside, Some(_)) if matches!(self.form, Form::Lines) => {}
            (State::Inside, Some(b',')) => self.at += 1,
            (State::Inside, Some(b']')) => return self.end(),
            (State::Inside, _) => return Err(self.unexpected("`,` or `]` is expected")),
            (State::End, _) => return Ok(None),
        }
        self.peek();
        self.state = State::Inside;
        self.walked += 1;
        self.element().map(Some)
    }

    fn element<T: Deserialize<'t>>(&mut self) -> Result<(Range<usize>, T), Broken> {
        let start = self.at;
        let rest = serde_json::Deserializer::from_str(&self.text[start..]);
        let mut elements = rest.into_iter::<T>();
        match elements.next() {
            Some(Ok(element)) => {
                self.at = start + elements.byte_offset();
                Ok((start..self.at, element))
            }
            Some(Err(error)) => Err(self.broken(start, &error)),
            None => Err(self.unexpected("the file ends inside the array")),
        }
    }

    /// Nothing but white space may follow the array, and an object around it must agree with it.
    fn end<T>(&mut self) -> Result<Option<T>, Broken> {
        self.at += 1;
        self.state = State::End;
        match self.form {
            Form::Wrapped(Some((count, at))) if count != self.walked => {
                let message = format!(
                    "the file states {count} servers and lists {}, so it is not complete",
                    self.walked
                );
                self.at = at;
                let remedy = Some(Remedy::AllPages);
                let broken = self.unexpected(&message);
                Err(Broken { remedy, ..broken })
            }
            Form::Wrapped(_) => Ok(None),
            Form::Array | Form::Lines => match self.peek() {
                None => Ok(None),
                Some(_) => Err(self.unexpected("nothing is expected after the array")),
            },
        }
    }

    /// Goes on after an element of the wrong kind; `false` if there is no way to go on.
    pub(super) fn skip(&mut self, element: Option<usize>) -> bool {
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
            remedy: None,
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
            remedy: None,
        }
    }
}

/// The number of servers that a member states.
fn stated(text: &str, member: &Member) -> Option<(u64, usize)> {
    let is_count = COUNTS.contains(&member.name.as_str());
    let count = text[member.value.clone()].parse().ok();
    count
        .filter(|_| is_count)
        .map(|count| (count, member.value.start))
}

/// Whether a member names a next page.
fn leads_on(text: &str, member: &Member) -> bool {
    let value: Option<Value> = serde_json::from_str(&text[member.value.clone()]).ok();
    match (member.name.as_str(), value) {
        ("servers_links", Some(Value::Array(links))) => {
            links.iter().any(|link| link["rel"] == "next")
        }
        ("page_info", Some(info)) => info["next_marker"]
            .as_str()
            .is_some_and(|it| !it.is_empty()),
        (_, _) => false,
    }
}
