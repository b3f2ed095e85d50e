//! `--faults`: a storm by name, or one that a file describes.
//!
//! Owns telling the two apart. Invariant: whatever looks like a path is a file, so that a name which is
//! added later never hides a file that a script uses.

use std::path::Path;

use super::args::FaultFlags;
use super::sources;
use crate::error::Error;
use crate::simulator::Faults;

/// The faults that the flags ask for; none if they are silent.
pub(super) fn chosen(flags: &FaultFlags) -> Result<Faults, Error> {
    let Some(text) = &flags.faults else {
        return Ok(Faults::default());
    };
    let faults = if text.contains(['/', '.']) {
        Faults::from_json(sources::read(Path::new(text))?.text())
    } else {
        Faults::named(text)
    };
    faults.map_err(|error| Error::Faults(text.clone(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen_by(text: &str) -> Result<Faults, Error> {
        chosen(&FaultFlags {
            faults: Some(text.to_owned()),
            seed: 1,
        })
    }

    #[test]
    fn a_path_is_a_file_and_a_word_is_a_name() {
        let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
        std::fs::write(file.path(), "{}").unwrap();
        assert_eq!(
            chosen_by(file.path().to_str().unwrap()).unwrap(),
            Faults::default()
        );
        assert_ne!(chosen_by("storm").unwrap(), Faults::default());
        assert!(matches!(chosen_by("./storm"), Err(Error::Unreadable(..))));
        assert!(matches!(chosen_by("strom"), Err(Error::Faults(..))));
    }
}
