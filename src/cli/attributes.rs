//! `.gitattributes` that hide the difference of a file in a pull request.
//!
//! Owns reading those files as far as that goes: patterns, macros, and which line wins. Invariant: a pattern that
//! is not understood counts as one that fits, since this only warns.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, SourceFile};
use crate::glob::Glob;

/// Attributes that hide a difference if they are set.
const HIDES_IF_SET: [&str; 2] = ["linguist-generated", "gitlab-generated"];
/// The attribute that hides a difference if it is unset.
const HIDES_IF_UNSET: &str = "diff";
/// Characters of a file that are read.
const LONGEST: u64 = 1 << 20;

/// A line that sets an attribute, and how.
struct Setting {
    file: usize,
    line: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Set,
    Unset,
    Unspecified,
}

/// Warnings for those of `files`, by their paths in the work tree `tree`, whose difference would be hidden.
pub(super) fn findings(tree: &Path, files: &[PathBuf]) -> Vec<Diagnostic> {
    let mut attributes = Attributes::default();
    files
        .iter()
        .flat_map(|file| attributes.findings(tree, file))
        .collect()
}

#[derive(Default)]
struct Attributes {
    sources: Vec<SourceFile>,
    /// Where the text of a folder's file is in `sources`, if it has one.
    known: HashMap<PathBuf, Option<usize>>,
}

impl Attributes {
    fn findings(&mut self, tree: &Path, file: &Path) -> Vec<Diagnostic> {
        let mut folders: Vec<&Path> = file.ancestors().skip(1).collect();
        folders.reverse();
        let mut settings: HashMap<String, Setting> = HashMap::new();
        let mut macros: HashMap<String, Vec<(String, State)>> = HashMap::new();
        macros.insert(
            "binary".to_owned(),
            vec![(HIDES_IF_UNSET.to_owned(), State::Unset)],
        );
        for folder in folders {
            let Some(at) = self.read(tree, folder) else {
                continue;
            };
            let inside = file
                .strip_prefix(folder)
                .unwrap_or(file)
                .to_string_lossy()
                .into_owned();
            for (line, text) in self.sources[at].text().lines().enumerate() {
                let Some((pattern, attributes)) = parse(text) else {
                    continue;
                };
                if let Some(name) = pattern.strip_prefix("[attr]") {
                    macros.insert(name.to_owned(), attributes);
                } else if fits(&pattern, &inside) {
                    for (name, state) in expand(&macros, attributes) {
                        let setting = Setting {
                            file: at,
                            line,
                            state,
                        };
                        settings.insert(name, setting);
                    }
                }
            }
        }
        let hidden = |name: &str, state: State| {
            let setting = settings
                .get(name)
                .filter(|setting| setting.state == state)?;
            Some(self.warning(file, name, setting))
        };
        let unset = hidden(HIDES_IF_UNSET, State::Unset);
        let set = HIDES_IF_SET
            .into_iter()
            .filter_map(|name| hidden(name, State::Set));
        unset.into_iter().chain(set).collect()
    }

    fn read(&mut self, tree: &Path, folder: &Path) -> Option<usize> {
        if let Some(known) = self.known.get(folder) {
            return *known;
        }
        let name = folder.join(".gitattributes");
        let path = tree.join(&name);
        let is_file =
            fs::metadata(&path).is_ok_and(|found| found.is_file() && found.len() <= LONGEST);
        let bytes = is_file.then(|| fs::read(&path).ok()).flatten();
        let at = bytes.map(|bytes| {
            let text = String::from_utf8_lossy(&bytes);
            let shown = shown_name(&name, &path);
            self.sources
                .push(SourceFile::new(&shown.to_string_lossy(), &text));
            self.sources.len() - 1
        });
        self.known.insert(folder.to_owned(), at);
        at
    }

    fn warning(&self, file: &Path, name: &str, setting: &Setting) -> Diagnostic {
        let source = &self.sources[setting.file];
        let text = source.text();
        let start: usize = text
            .split_inclusive('\n')
            .take(setting.line)
            .map(str::len)
            .sum();
        let length = text[start..].lines().next().map_or(0, str::len);
        let word = match setting.state {
            State::Unset => format!("-{name}"),
            State::Set | State::Unspecified => name.to_owned(),
        };
        let message = format!(
            "`{word}` hides changes of `{}` in pull requests",
            file.display()
        );
        Diagnostic::warning("hidden-difference", message)
            .at(source.place(start..start + length))
            .with_hint(
                "remove the attribute for workflows, plans, inventories and freeze calendars",
            )
    }
}

/// The name of a file as seen from the current folder.
fn shown_name<'a>(inside: &'a Path, path: &'a Path) -> &'a Path {
    match std::path::absolute(inside) {
        Ok(absolute) if absolute == path => inside,
        Ok(_) | Err(_) => path,
    }
}

/// The pattern of a line and its attributes; `None` for a comment or a blank line.
fn parse(line: &str) -> Option<(String, Vec<(String, State)>)> {
    let line = line.trim_matches([' ', '\t', '\r']);
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (pattern, rest) = match line.strip_prefix('"') {
        Some(quoted) => quoted_end(quoted)?,
        None => {
            let end = line.find([' ', '\t']).unwrap_or(line.len());
            (line[..end].to_owned(), &line[end..])
        }
    };
    let attributes = rest.split_whitespace().map(|word| match word.as_bytes() {
        [b'-', ..] => (word[1..].to_owned(), State::Unset),
        [b'!', ..] => (word[1..].to_owned(), State::Unspecified),
        _ => match word.split_once('=') {
            Some((name, "false")) => (name.to_owned(), State::Unset),
            Some((name, _)) => (name.to_owned(), State::Set),
            None => (word.to_owned(), State::Set),
        },
    });
    Some((pattern, attributes.collect()))
}

/// A pattern in quotes, with `\"` and `\\` resolved, and what follows it.
fn quoted_end(quoted: &str) -> Option<(String, &str)> {
    let mut pattern = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((pattern, &quoted[at + 1..])),
            '\\' => pattern.push(characters.next()?.1),
            _ => pattern.push(character),
        }
    }
    None
}

/// The attributes with those that macros stand for.
fn expand(
    macros: &HashMap<String, Vec<(String, State)>>,
    attributes: Vec<(String, State)>,
) -> Vec<(String, State)> {
    let expanded = attributes.into_iter().flat_map(|(name, state)| {
        let meant = macros.get(&name).filter(|_| state == State::Set);
        let meant = meant.cloned().unwrap_or_default();
        meant.into_iter().chain([(name, state)])
    });
    expanded.collect()
}

/// Whether a pattern fits a path, both relative to the folder of the attributes.
fn fits(pattern: &str, path: &str) -> bool {
    let anchored = pattern.trim_start_matches('/');
    if !pattern.contains('/') {
        let name = path.rsplit('/').next().unwrap_or(path);
        return segment_fits(pattern, name);
    }
    let pattern: Vec<&str> = anchored.split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    segments_fit(&pattern, &path)
}

fn segments_fit(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], path) => path.is_empty(),
        (["**"], path) => !path.is_empty(),
        (["**", rest @ ..], path) => {
            (0..=path.len()).any(|skipped| segments_fit(rest, &path[skipped..]))
        }
        (_, []) => false,
        ([first, rest @ ..], [name, others @ ..]) => {
            segment_fits(first, name) && segments_fit(rest, others)
        }
    }
}

fn segment_fits(pattern: &str, name: &str) -> bool {
    let pattern = pattern.replace("[^", "[!");
    let glob = pattern.parse::<Glob>();
    // Classes such as `[[:alpha:]]` are left to git.
    pattern.contains("[[") || glob.map_or(true, |glob| glob.matches(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(attributes: &[(&str, &str)], file: &str) -> Vec<String> {
        let tree = tempfile::tempdir().unwrap();
        for (folder, text) in attributes {
            fs::create_dir_all(tree.path().join(folder)).unwrap();
            fs::write(tree.path().join(folder).join(".gitattributes"), text).unwrap();
        }
        let findings = findings(tree.path(), &[PathBuf::from(file)]);
        let shown = findings.into_iter().map(|finding| {
            let place = finding.place.map(|place| place.to_string());
            let tree = format!("{}/", tree.path().display());
            let place = place.unwrap_or_default().replace(&tree, "");
            format!("{place} {}", finding.message)
        });
        shown.collect()
    }

    #[test]
    fn what_hides_a_difference_is_found() {
        let plan = "workflows/a.plan.json";
        for line in [
            "*.plan.json -diff",
            "workflows/* binary",
            "/workflows/** linguist-generated",
            "**/a.plan.json linguist-generated=true",
            "\"workflows/a.plan.json\" gitlab-generated",
            "a.plan.json text diff=false",
            "[attr]mine -diff\nworkflows/a.[^x]* mine",
            "workflows/[[:alpha:]].plan.json -diff",
        ] {
            assert_eq!(messages(&[("", line)], plan).len(), 1, "{line}");
        }
    }

    #[test]
    fn what_hides_nothing_is_left_alone() {
        let plan = "workflows/a.plan.json";
        for line in [
            "# *.plan.json -diff",
            "*.png -diff",
            "other/* -diff",
            "*.plan.json linguist-generated=false",
            "*.plan.json -linguist-generated diff=json",
            "*.plan.json -diff\nworkflows/* diff",
            "workflows -diff",
        ] {
            assert_eq!(messages(&[("", line)], plan), [""; 0], "{line}");
        }
    }

    #[test]
    fn the_folder_that_is_nearest_wins() {
        let plan = "workflows/a.plan.json";
        let hidden = messages(
            &[("", "* diff"), ("workflows", "\n/a.plan.json -diff")],
            plan,
        );
        assert_eq!(
            hidden,
            [
                "workflows/.gitattributes:2:1 `-diff` hides changes of `workflows/a.plan.json` in pull requests"
            ]
        );
        let shown = messages(&[("", "* -diff"), ("workflows", "*.json !diff")], plan);
        assert_eq!(shown, [""; 0]);
    }
}
