//! One value of an answer whose type the API does not keep to: text, number, boolean, nothing or something else.
//!
//! Owns its reading without copying where the text stands as it is. Invariant: reading never fails, so that one
//! odd value of one server does not spoil the answer for all. A value of another type, a number with a
//! fraction and a member that is there twice with two values are [`Scalar::Unreadable`], never "nothing".

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A member that should be a scalar.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Scalar<'a> {
    /// It is not there.
    #[default]
    Absent,
    /// It is null.
    Null,
    /// A text, a boolean or a whole number, as text; may be empty.
    Text(Cow<'a, str>),
    /// An object, a list, a number with a fraction, or two values.
    Unreadable,
}

impl<'a> Scalar<'a> {
    /// The text, if there is one that is not empty.
    pub(super) fn get(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_ref()).filter(|text| !text.is_empty()),
            Self::Absent | Self::Null | Self::Unreadable => None,
        }
    }

    /// This value, or `other` if this one says nothing.
    pub(super) fn or<'s>(&'s self, other: &'s Self) -> &'s Self {
        match self {
            Self::Unreadable => self,
            Self::Absent | Self::Null | Self::Text(_) if self.get().is_none() => other,
            Self::Absent | Self::Null | Self::Text(_) => self,
        }
    }

    /// Takes in the value of the member whose key was just read.
    pub(super) fn take<'de: 'a, A: MapAccess<'de>>(
        &mut self,
        members: &mut A,
    ) -> Result<(), A::Error> {
        let value = members.next_value()?;
        let is_first_or_same = *self == Self::Absent || *self == value;
        *self = if is_first_or_same {
            value
        } else {
            Self::Unreadable
        };
        Ok(())
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
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Scalar<'de>, E> {
        let text = if value { "true" } else { "false" };
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(number.to_string())))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(number.to_string())))
    }

    // Its spelling is lost by now: 1.10 would become 1.1.
    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Unreadable)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Scalar<'de>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Unreadable)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Scalar<'de>, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Unreadable)
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
        assert_ne!(scalar, Scalar::Unreadable);
    }

    #[rstest]
    #[case("{}")]
    #[case("{\"a\": [1, {}]}")]
    #[case("[]")]
    #[case("[\"a\", null]")]
    #[case("1.10")]
    #[case("18446744073709551616")]
    fn other_types_are_unreadable_and_no_error(#[case] json: &str) {
        let scalar: Scalar<'_> = serde_json::from_str(json).unwrap();
        assert_eq!(scalar, Scalar::Unreadable);
    }

    #[rstest]
    #[case(Scalar::Absent, Scalar::Text("b".into()), Scalar::Text("b".into()))]
    #[case(Scalar::Null, Scalar::Unreadable, Scalar::Unreadable)]
    #[case(Scalar::Text("".into()), Scalar::Text("b".into()), Scalar::Text("b".into()))]
    #[case(Scalar::Text("a".into()), Scalar::Text("b".into()), Scalar::Text("a".into()))]
    #[case(Scalar::Unreadable, Scalar::Text("b".into()), Scalar::Unreadable)]
    fn another_member_counts_only_if_the_first_says_nothing(
        #[case] one: Scalar<'_>,
        #[case] other: Scalar<'_>,
        #[case] expected: Scalar<'_>,
    ) {
        assert_eq!(*one.or(&other), expected);
    }
}
