//! Where every value and key of a YAML text stands.
//!
//! Owns the way from JSON pointers to byte ranges; made only when there is something to show, because
//! it costs a pass over the text. Checks nothing. Invariant: every pointer has a place, if need be that
//! of its nearest ancestor, also in a text that is broken further down.

use std::ops::Range;

use granit_parser::Event;

use super::yaml::events;

/// The tree of a text's values, each with its bytes. The root is the first node.
pub(crate) struct Outline {
    nodes: Vec<Node>,
}

struct Node {
    key: Option<(Box<str>, Range<usize>)>,
    bytes: Range<usize>,
    mapping: bool,
    children: Vec<usize>,
}

impl Node {
    fn new(key: Option<(Box<str>, Range<usize>)>, bytes: Range<usize>, mapping: bool) -> Self {
        Self {
            key,
            bytes,
            mapping,
            children: Vec::new(),
        }
    }
}

impl Outline {
    /// The outline of `text`, or of as much of it as can be read.
    pub(crate) fn of(text: &str) -> Self {
        let mut builder = Builder::default();
        for event in events(text) {
            let Ok((event, span)) = event else { break };
            builder.take(event, span.byte_range().unwrap_or(0..0));
        }
        Self {
            nodes: builder.nodes,
        }
    }

    /// The bytes of the value at `pointer`.
    pub(crate) fn value(&self, pointer: &str) -> Range<usize> {
        self.find(pointer)
            .map_or(0..0, |node| self.nodes[node].bytes.clone())
    }

    /// The bytes of the key at `pointer`, or of the value where it has no key.
    pub(crate) fn key(&self, pointer: &str) -> Range<usize> {
        let Some(node) = self.find(pointer) else {
            return 0..0;
        };
        let node = &self.nodes[node];
        match &node.key {
            Some((_, bytes)) => bytes.clone(),
            None => node.bytes.clone(),
        }
    }

    fn find(&self, pointer: &str) -> Option<usize> {
        let mut at = 0;
        self.nodes.first()?;
        for token in pointer.split('/').skip(1) {
            match self.child(at, token) {
                Some(child) => at = child,
                None => break,
            }
        }
        Some(at)
    }

    fn child(&self, parent: usize, token: &str) -> Option<usize> {
        let node = &self.nodes[parent];
        if !node.mapping {
            return node.children.get(token.parse::<usize>().ok()?).copied();
        }
        let token = token.replace("~1", "/").replace("~0", "~");
        let named = |child: &&usize| {
            let key = &self.nodes[**child].key;
            key.as_ref().is_some_and(|(name, _)| **name == *token)
        };
        node.children.iter().rev().find(named).copied()
    }
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    open: Vec<usize>,
    key: Option<(Box<str>, Range<usize>)>,
    /// How many collections deep we are inside a key that is itself a collection.
    inside_key: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, bytes: Range<usize>) {
        match event {
            Event::Scalar(text, ..) => self.leaf(&text, bytes),
            Event::Alias(_) | Event::UnresolvedAlias(_) => self.leaf("", bytes),
            Event::SequenceStart(..) => self.start(bytes, false),
            Event::MappingStart(..) => self.start(bytes, true),
            Event::SequenceEnd | Event::MappingEnd => self.end(bytes),
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(..)
            | Event::DocumentEnd
            | Event::Anchor(..)
            | _ => {}
        }
    }

    fn expects_key(&self) -> bool {
        let top = self.open.last().map(|top| &self.nodes[*top]);
        self.key.is_none() && top.is_some_and(|top| top.mapping)
    }

    fn leaf(&mut self, text: &str, bytes: Range<usize>) {
        if self.inside_key > 0 {
        } else if self.expects_key() {
            self.key = Some((text.into(), bytes));
        } else {
            self.add(bytes, false);
        }
    }

    fn start(&mut self, bytes: Range<usize>, mapping: bool) {
        if self.inside_key > 0 || self.expects_key() {
            self.inside_key += 1;
            self.key.get_or_insert(("".into(), bytes));
        } else {
            let node = self.add(bytes, mapping);
            self.open.push(node);
        }
    }

    fn end(&mut self, bytes: Range<usize>) {
        if self.inside_key > 0 {
            self.inside_key -= 1;
        } else if let Some(node) = self.open.pop() {
            let node = &mut self.nodes[node].bytes;
            node.end = bytes.end.max(node.start);
        }
    }

    fn add(&mut self, bytes: Range<usize>, mapping: bool) -> usize {
        let index = self.nodes.len();
        self.nodes.push(Node::new(self.key.take(), bytes, mapping));
        if let Some(parent) = self.open.last() {
            self.nodes[*parent].children.push(index);
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const TEXT: &str = "name: älter\ngroups:\n  - name: \"a\"\n    servers: [x, y]\n    note: |\n      long\n  - {name: b, where: {a/b: c~d}}\n";

    #[rstest]
    #[case("/name", "älter")]
    #[case("/groups/0/name", "\"a\"")]
    #[case("/groups/0/servers", "[x, y]")]
    #[case("/groups/0/servers/1", "y")]
    #[case("/groups/0/servers/7", "[x, y]")]
    #[case("/groups/1/where/a~1b", "c~d")]
    #[case("/groups/1", "{name: b, where: {a/b: c~d}}")]
    fn a_pointer_leads_to_the_bytes_of_its_value(#[case] pointer: &str, #[case] text: &str) {
        assert_eq!(&TEXT[Outline::of(TEXT).value(pointer)], text);
    }

    #[rstest]
    #[case("/groups", "groups")]
    #[case("/groups/1/where", "where")]
    #[case("/groups/0/servers/0", "x")]
    fn a_pointer_leads_to_the_bytes_of_its_key(#[case] pointer: &str, #[case] text: &str) {
        assert_eq!(&TEXT[Outline::of(TEXT).key(pointer)], text);
    }

    #[test]
    fn a_block_collection_starts_at_its_first_key_or_dash() {
        let outline = Outline::of(TEXT);
        assert!(TEXT[outline.value("/groups/0")].starts_with("name: \"a\""));
        assert!(TEXT[outline.value("/groups")].starts_with("- name"));
    }

    #[test]
    fn a_broken_text_has_an_outline_up_to_the_break() {
        let text = "a: b\nc: [d, ]]\n";
        assert_eq!(&text[Outline::of(text).value("/a")], "b");
        assert_eq!(Outline::of("").value("/a"), 0..0);
    }

    #[test]
    fn a_collection_as_key_does_not_shift_what_follows() {
        let text = "a: {{x}: 1}\nb: c\n";
        assert_eq!(&text[Outline::of(text).value("/b")], "c");
    }
}
