//! One value of an answer whose type the cloud does not keep to: text, number, boolean or nothing.
//!
//! Owns its reading without copying where the text stands as it is. Invariant: null, an absent value
//! and an empty text are the same; an object or a list in its place is an error.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// A scalar as text; empty for null.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scalar<'a>(Cow<'a, str>);

impl Scalar<'_> {
    /// The text, if there is one.
    pub(super) fn get(&self) -> Option<&str> {
        Some(self.0.as_ref()).filter(|text| !text.is_empty())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, a boolean or null")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar(Cow::Borrowed(if value { "true" } else { "false" })))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar(Cow::Owned(number.to_string())))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar(Cow::Owned(number.to_string())))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar(Cow::Owned(number.to_string())))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("\"a\"", Some("a"))]
    #[case("\"\\u0061\"", Some("a"))]
    #[case("\"\"", None)]
    #[case("null", None)]
    #[case("4", Some("4"))]
    #[case("-1", Some("-1"))]
    #[case("true", Some("true"))]
    fn each_kind(#[case] json: &str, #[case] expected: Option<&str>) {
        let scalar: Scalar<'_> = serde_json::from_str(json).unwrap();
        assert_eq!(scalar.get(), expected);
    }

    #[test]
    fn objects_and_lists_are_no_scalars() {
        assert!(serde_json::from_str::<Scalar<'_>>("{}").is_err());
        assert!(serde_json::from_str::<Scalar<'_>>("[]").is_err());
    }
}
