//! Inventory files, each read once.
//!
//! Owns reading bytes into text and all that can go wrong before a format matters. Invariant: a file
//! that several groups name is read once, so all of them see the same content.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use super::folders::{Folders, PathError};
use crate::diagnostic::{Diagnostic, Place, SourceFile};
use crate::document::conflict;
use crate::named_file;

/// Largest inventory that is read: six times a million IDs.
const SIZE_LIMIT: u64 = 256 * 1024 * 1024;

/// How a file lists servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Lines,
    Table,
    Array,
}

impl Format {
    pub(super) fn of(path: &str) -> Option<Self> {
        let extension = Path::new(path).extension()?.to_str()?;
        match extension.to_ascii_lowercase().as_str() {
            "txt" => Some(Self::Lines),
            "csv" => Some(Self::Table),
            "json" | "jsonl" | "ndjson" => Some(Self::Array),
            _ => None,
        }
    }
}

/// A file's text.
pub(super) struct Loaded {
    name: String,
    format: Format,
    text: String,
    sha256: OnceCell<String>,
    source: OnceCell<SourceFile>,
}

impl Loaded {
    pub(super) fn new(name: String, format: Format, text: String) -> Self {
        Self {
            name,
            format,
            text,
            sha256: OnceCell::new(),
            source: OnceCell::new(),
        }
    }

    /// The name that messages show.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// The text without byte-order mark; offsets are offsets into this.
    pub(super) fn text(&self) -> &str {
        self.text.strip_prefix('\u{feff}').unwrap_or(&self.text)
    }

    /// Where these bytes of the text are. The first call copies the text: only errors need places.
    pub(super) fn place(&self, bytes: Range<usize>) -> Place {
        self.source
            .get_or_init(|| SourceFile::new(&self.name, &self.text))
            .place(bytes)
    }

    /// SHA-256 of the file's bytes, 64 hex digits.
    pub(super) fn sha256(&self) -> &str {
        self.sha256.get_or_init(|| hex_sha256(&self.text))
    }

    /// The line ends with which the same lines would have this SHA-256.
    pub(super) fn line_ends_of(&self, sha256: &str) -> Option<LineEnds> {
        let unix = self.text.replace("\r\n", "\n");
        let windows = unix.replace('\n', "\r\n");
        let has = |text: &str| hex_sha256(text).eq_ignore_ascii_case(sha256);
        match (has(&unix), has(&windows)) {
            (true, _) => Some(LineEnds::Unix),
            (false, true) => Some(LineEnds::Windows),
            (false, false) => None,
        }
    }
}

/// How the lines of a file end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnds {
    /// With LF.
    Unix,
    /// With CR and LF.
    Windows,
}

fn hex_sha256(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Opens inventories for one workflow.
pub(super) struct Library<'a> {
    folders: &'a Folders,
    beside: PathBuf,
    loaded: HashMap<PathBuf, Rc<Loaded>>,
}

impl<'a> Library<'a> {
    /// `workflow_name` is the name that messages show for the workflow file.
    pub(super) fn new(folders: &'a Folders, workflow_name: &str) -> Self {
        let beside = Path::new(workflow_name).parent();
        Self {
            folders,
            beside: beside.unwrap_or(Path::new("")).to_owned(),
            loaded: HashMap::new(),
        }
    }

    /// The file that the workflow calls `path`; an error has no place yet.
    pub(super) fn open(&mut self, path: &str) -> Result<Rc<Loaded>, Box<Diagnostic>> {
        let format = Format::of(path).ok_or_else(|| Box::new(unknown_format(path)))?;
        let real = self
            .folders
            .find(path)
            .map_err(|error| Box::new(path_error(path, &error)))?;
        if let Some(loaded) = self.loaded.get(&real) {
            return Ok(Rc::clone(loaded));
        }
        let name = self.beside.join(path).to_string_lossy().into_owned();
        let text = read(path, &name, &real)?;
        if let Some(marker) = conflict::marker(&text) {
            return Err(Box::new(conflicting(&name, &text, marker)));
        }
        let loaded = Rc::new(Loaded::new(name, format, text));
        self.loaded.insert(real, Rc::clone(&loaded));
        Ok(loaded)
    }
}

fn read(path: &str, name: &str, real: &Path) -> Result<String, Box<Diagnostic>> {
    let unreadable = |error| Box::new(path_error(path, &PathError::Unreadable(error)));
    let about = fs::metadata(real).map_err(unreadable)?;
    if !about.is_file() {
        let message = format!("the inventory `{path}` is not a file");
        return Err(Box::new(Diagnostic::error("inventory-no-file", message)));
    }
    if about.len() > SIZE_LIMIT {
        let message = format!("the inventory `{path}` is larger than 256 MiB");
        return Err(Box::new(Diagnostic::error("inventory-too-large", message)));
    }
    let bytes = named_file::read(real).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| Box::new(not_utf8(name, &error)))
}

fn conflicting(name: &str, text: &str, marker: Range<usize>) -> Diagnostic {
    // Places count without the byte-order mark.
    let source = SourceFile::new(name, text);
    let mark = text.len() - source.text().len();
    let marker = marker.start.saturating_sub(mark)..marker.end.saturating_sub(mark);
    Diagnostic::error("conflict-marker", conflict::MESSAGE)
        .at(source.place(marker))
        .with_hint(conflict::HINT)
}

fn not_utf8(name: &str, error: &std::string::FromUtf8Error) -> Diagnostic {
    let good = error.utf8_error().valid_up_to();
    let before = String::from_utf8_lossy(&error.as_bytes()[..good]);
    let place = SourceFile::new(name, &before).place(good..good);
    let message = match error.as_bytes() {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "the inventory is UTF-16 text, not UTF-8",
        _ => "the inventory is not UTF-8 text",
    };
    Diagnostic::error("inventory-not-utf8", message)
        .at(place)
        .with_hint("save the file as UTF-8")
}

pub(super) fn unknown_format(path: &str) -> Diagnostic {
    Diagnostic::error(
        "inventory-format",
        format!("the inventory `{path}` is of no known format"),
    )
    .with_hint("the name must end in `.txt`, `.csv`, `.json` or `.jsonl`")
}

fn path_error(path: &str, error: &PathError) -> Diagnostic {
    let message = format!("the inventory `{path}` {error}");
    match error {
        PathError::Absolute => Diagnostic::error("inventory-outside", message)
            .with_hint("name the file relative to the workflow"),
        PathError::Git => Diagnostic::error("inventory-outside", message)
            .with_hint("keep inventories among the files that are committed"),
        PathError::Outside => Diagnostic::error("inventory-outside", message)
            .with_hint("keep inventories in the same repository as the workflow"),
        PathError::NotFound => Diagnostic::error("inventory-not-found", message)
            .with_hint("the path is relative to the folder of the workflow"),
        PathError::Unreadable(_) => Diagnostic::error("inventory-unreadable", message),
    }
}
