//! A project's listing as it is kept in a file, so that a plan can be made without the cloud.
//!
//! Owns the format `lightsout/listing/v1`: one server a line, no time, so that what changes between two
//! listings is what changed in the project. Invariant: servers are sorted by ID and distinct; what is
//! wrong with a file is told by place alone, since the file may be one that must not be shown.

use std::io::{self, Write};

use serde::Deserialize;

use super::survey::{Agreement, Survey, moved};
use crate::bms::ServerDetail;
use crate::diagnostic::Diagnostic;
use crate::ids::{Endpoint, ProjectId, ServerId};
use crate::untrusted::PlainJson;

/// The format that [`Listing::write`] writes.
pub const FORMAT: &str = "lightsout/listing/v1";

/// The JSON Schema of the format.
pub const SCHEMA: &str = include_str!("../../schemas/listing.schema.json");

/// The servers of one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The project.
    pub project: ProjectId,
    /// Where it was asked for.
    pub endpoint: Endpoint,
    agreement: Agreement,
    servers: Vec<ServerDetail>,
}

/// Why a text is no listing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ListingError {
    /// It is not of the form.
    #[error("line {line}, column {column} is not as in a listing")]
    Malformed {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// It says that it is something else, or nothing.
    #[error("it is not of the format `{FORMAT}`")]
    Format,
    /// A server stands twice.
    #[error("the server `{0}` is listed twice")]
    Repeated(ServerId),
}

#[derive(Deserialize)]
struct Head {
    schema: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    #[serde(rename = "schema")]
    _schema: String,
    project: ProjectId,
    endpoint: Endpoint,
    agreed: bool,
    servers: Vec<ServerDetail>,
}

impl Listing {
    /// The listing that a survey of a project has given.
    pub fn of(project: ProjectId, endpoint: Endpoint, survey: Survey) -> Self {
        Self {
            project,
            endpoint,
            agreement: survey.agreement(),
            servers: survey.into_servers(),
        }
    }

    /// Reads what [`Listing::write`] has written, in any order of the servers.
    ///
    /// # Errors
    /// Anything that is not such a file.
    pub fn read(text: &str) -> Result<Self, ListingError> {
        let malformed = |error: serde_json::Error| ListingError::Malformed {
            line: error.line(),
            column: error.column(),
        };
        // Looked at first, so that a newer listing is not called broken for its new members.
        let head: Head = serde_json::from_str(text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => ListingError::Format,
            serde_json::error::Category::Io
            | serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof => malformed(error),
        })?;
        if head.schema != FORMAT {
            return Err(ListingError::Format);
        }
        let read: Read = serde_json::from_str(text).map_err(malformed)?;
        let mut servers = read.servers;
        servers.sort_by_key(|server| server.id);
        if let Some(pair) = servers.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(ListingError::Repeated(pair[0].id));
        }
        Ok(Self {
            project: read.project,
            endpoint: read.endpoint,
            agreement: match read.agreed {
                true => Agreement::Agreed,
                false => Agreement::Moved,
            },
            servers,
        })
    }

    /// Writes the listing as JSON, one server a line.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut out = io::BufWriter::new(out);
        let agreed = self.agreement == Agreement::Agreed;
        writeln!(out, "{{\n  \"schema\": \"{FORMAT}\",")?;
        writeln!(out, "  \"project\": \"{}\",", self.project)?;
        write!(out, "  \"endpoint\": ")?;
        serde_json::to_writer(PlainJson(&mut out), &self.endpoint)?;
        write!(out, ",\n  \"agreed\": {agreed},\n  \"servers\": [")?;
        for (at, server) in self.servers.iter().enumerate() {
            out.write_all(if at == 0 { b"\n    " } else { b",\n    " })?;
            serde_json::to_writer(PlainJson(&mut out), server)?;
        }
        out.write_all(if self.servers.is_empty() {
            b"]\n}\n"
        } else {
            b"\n  ]\n}\n"
        })?;
        out.flush()
    }

    /// The servers, sorted by ID.
    pub fn servers(&self) -> &[ServerDetail] {
        &self.servers
    }

    /// The warning `listing-moved`, if servers came or went while the listing was made.
    pub fn warning(&self) -> Option<Diagnostic> {
        moved(self.agreement)
    }

    /// A listing that nobody read, for the tests of later stages.
    #[cfg(test)]
    pub(crate) fn for_tests(servers: Vec<ServerDetail>) -> Self {
        Self {
            project: "bbf1946d374b44a0a2a95533562ba954".parse().unwrap(),
            endpoint: Endpoint::of_region("ap-southeast-1").unwrap(),
            agreement: Agreement::Agreed,
            servers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bms::{StateClass, Tags};
    use proptest::prelude::*;
    use rstest::rstest;

    fn server(number: u8) -> ServerDetail {
        ServerDetail {
            id: ServerId::from_bytes([number; 16]),
            name: format!("web \"{number}\"\u{1b}[0m"),
            other_names: match number {
                2 => vec!["db-7".into()],
                _ => Vec::new(),
            },
            status: "ACTIVE".into(),
            state: StateClass::On,
            flavor: Some("physical.s4.medium".into()),
            availability_zone: None,
            enterprise_project_id: Some("0".into()),
            tags: match number {
                0 | 1 => Tags::Absent,
                _ => Tags::Listed(vec!["a=1".into(), "bare".into()]),
            },
        }
    }

    fn written(listing: &Listing) -> String {
        let mut bytes = Vec::new();
        listing.write(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_written_listing_is_exactly_this() {
        let listing = Listing::for_tests((1..3).map(server).collect());
        insta::assert_snapshot!(written(&listing));
    }

    #[test]
    fn written_listings_are_what_the_schema_says() {
        let schema = serde_json::from_str(SCHEMA).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for count in [1, 4] {
            let listing = Listing::for_tests((1..count).map(server).collect());
            let value = serde_json::from_str(&written(&listing)).unwrap();
            let error = validator.validate(&value).err();
            assert_eq!(error.map(|error| error.to_string()), None);
        }
    }

    #[test]
    fn the_order_in_the_file_decides_nothing() {
        let mut listing = Listing::for_tests((1..9).map(server).collect());
        listing.agreement = Agreement::Moved;
        let expected = listing.clone();
        listing.servers.reverse();
        assert_eq!(Listing::read(&written(&listing)), Ok(expected.clone()));
        assert_eq!(expected.warning().unwrap().code, "listing-moved");
    }

    #[rstest]
    #[case("secret-token", ListingError::Malformed { line: 1, column: 1 })]
    #[case("{\"token\": \"secret\"}", ListingError::Format)]
    #[case("[]", ListingError::Format)]
    #[case("{\"schema\": \"lightsout/listing/v2\"}", ListingError::Format)]
    #[case("{\"schema\": \"lightsout/plan/v1\"}", ListingError::Format)]
    #[case("{\"schema\": \"lightsout/listing/v1\",\n\"token\": \"secret\"}", ListingError::Malformed { line: 2, column: 7 })]
    fn what_is_no_listing_is_refused_and_not_shown(
        #[case] text: &str,
        #[case] expected: ListingError,
    ) {
        let error = Listing::read(text).unwrap_err();
        assert_eq!(error, expected);
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn a_server_listed_twice_is_refused() {
        let listing = Listing::for_tests(vec![server(1), server(1)]);
        let expected = ListingError::Repeated(server(1).id);
        assert_eq!(Listing::read(&written(&listing)), Err(expected));
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in ".{0,200}") {
            let _ = Listing::read(&text);
        }

        #[test]
        fn what_was_written_is_read_back(numbers in proptest::collection::btree_set(any::<u8>(), 0..20)) {
            let listing = Listing::for_tests(numbers.into_iter().map(server).collect());
            prop_assert_eq!(Listing::read(&written(&listing)), Ok(listing));
        }
    }
}
