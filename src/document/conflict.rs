//! Conflict markers that git leaves in a file.
//!
//! Owns finding them. Invariant: a marker is a whole line of its own, so no ID, YAML or JSON text that is
//! valid holds one.

use std::ops::Range;

/// What a finding about a marker says.
pub(crate) const MESSAGE: &str = "this is a conflict marker of git";
/// What to do about it.
pub(crate) const HINT: &str = "resolve the merge conflict: keep the right lines, and remove those that begin with `<<<<<<<`, `=======` and `>>>>>>>`";

/// How a marker line begins. Between them, `=======` divides the two sides.
const BEGINNINGS: [&str; 2] = ["<<<<<<< ", ">>>>>>> "];

/// The first marker of a text.
pub(crate) fn marker(text: &str) -> Option<Range<usize>> {
    // Most texts hold none, and a large one is not split into lines for that.
    if !BEGINNINGS.iter().any(|beginning| text.contains(beginning)) {
        return None;
    }
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if BEGINNINGS
            .iter()
            .any(|beginning| line.starts_with(beginning))
        {
            return Some(start..start + line.trim_end().len());
        }
        start += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_line_of_its_own_is_a_marker() {
        assert_eq!(marker("a\n<<<<<<< HEAD\r\nb\n"), Some(2..14));
        assert_eq!(marker(">>>>>>> other"), Some(0..13));
        for text in [
            "",
            "a <<<<<<< b",
            "<<<<<<<",
            "<<<<<<<<< x",
            "=======\n",
            " <<<<<<< x",
        ] {
            assert_eq!(marker(text), None, "{text}");
        }
    }
}
